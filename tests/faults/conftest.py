"""Accounts go in; the table after the tests comes out, into docs/benchmarks.md where ``FAULTS_TABLE=write`` says so."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

import twisted
from tests.faults import account
from tests.faults.child import Child
from tests.faults.fake_broker import FakeBroker, Script
from tests.faults.mosquitto import MOSQUITTO, Mosquitto
from tests.faults.proxy import Proxy
from tests.faults.station import Station

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if not MOSQUITTO:
        for item in items:
            if item.path.is_relative_to(HERE):
                item.add_marker(pytest.mark.skip(reason="no mosquitto here"))


def machine() -> str:
    version = subprocess.run([MOSQUITTO or "mosquitto", "-h"], capture_output=True, text=True).stdout.split("\n")[0]
    return (
        f"Linux {platform.release()}, {os.cpu_count()} processors, Python {platform.python_version()}, "
        f"Twisted {twisted.__version__}, {version}, loopback."
    )


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker hands its accounts to the run."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["accounts"] = [asdict(each) for each in account.BOOK]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The run has one book of them."""
    account.BOOK.extend(account.Account(**each) for each in getattr(node, "workeroutput", {}).get("accounts", ()))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not account.BOOK:
        return
    terminalreporter.section("faults: the account")
    terminalreporter.write_line(account.table(account.BOOK))
    if os.environ.get("FAULTS_TABLE") == "write" and not terminalreporter.stats.get("failed"):
        unmet = [str(report.wasxfail) for report in terminalreporter.stats.get("xfailed", [])]
        account.write(account.BOOK, machine(), unmet)


@pytest_twisted.async_yield_fixture
async def station(tmp_path: Path) -> AsyncIterator[Callable[..., Station]]:
    """Makes stations (not started) that are stopped in the end; each has its own state directory."""
    made: list[Station] = []

    def make(port: int, **settings: Any) -> Station:
        made.append(Station(tmp_path / f"state-{len(made)}", port, **settings))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


@pytest_twisted.async_yield_fixture
async def broker(tmp_path: Path) -> AsyncIterator[Callable[..., Mosquitto]]:
    """Makes mosquittos (not started) that are killed in the end."""
    made: list[Mosquitto] = []

    def make(**options: Any) -> Mosquitto:
        made.append(Mosquitto(tmp_path, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest_twisted.async_yield_fixture
async def child(tmp_path: Path) -> AsyncIterator[Callable[..., Child]]:
    """Makes lives of the publisher with one state directory; they are ended in the end."""
    made: list[Child] = []

    def make(port: int, *task: object, **options: Any) -> Child:
        made.append(Child(tmp_path, port, options.pop("state", tmp_path / "state"), *task, **options))
        return made[-1]

    yield make
    for each in made:
        each.end()


@pytest_twisted.async_yield_fixture
async def proxy() -> AsyncIterator[Callable[[int], Proxy]]:
    """Makes proxies that are closed in the end."""
    made: list[Proxy] = []

    def make(target: int) -> Proxy:
        made.append(Proxy(reactor, target))
        return made[-1]

    yield make
    for each in made:
        await each.stop()


@pytest_twisted.async_yield_fixture
async def fake() -> AsyncIterator[Callable[..., FakeBroker]]:
    """Makes scripted brokers that are closed in the end."""
    made: list[FakeBroker] = []

    def make(**script: Any) -> FakeBroker:
        made.append(FakeBroker(reactor, Script(**script)))
        return made[-1]

    yield make
    for each in made:
        await each.stop()
