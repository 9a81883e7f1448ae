"""pytest only: the reactor runs beside the tests (pytest-twisted), and where nothing may be skipped, nothing is.

``CAMDETECT_NO_SKIPS=1`` turns every skip into a failure that names the reason: what CI cannot run, CI has not proved.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Generator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from twisted.trial.unittest import SynchronousTestCase

from tests import OLD_WAYS, OURS
from tests.canaries import CANARIES
from tests.processes import ROOT
from tests.side_by_side import ByFile, longest_first
from twisted_detector.model.addresses import SILENT_PORTS

#: As Python prints it, after whatever a log puts before it.
_OLD_WAY = re.compile(
    rf"(^|\s){re.escape(str(ROOT))}/(twisted_detector|twisted/plugins|plugins|tests|benchmarks|camdetect)\b"
    rf"[^:]*:\d+: ({'|'.join(old_way.__name__ for old_way in OLD_WAYS)}): "
)
NO_SKIPS = os.environ.get("CAMDETECT_NO_SKIPS", "") not in ("", "0")


def _forbid_skip(report: Any) -> None:
    if NO_SKIPS and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        report.outcome = "failed"
        report.longrepr = f"skipped where nothing may be skipped (CAMDETECT_NO_SKIPS): {reason}"


def pytest_configure(config: pytest.Config) -> None:
    """Pytest has filters of its own, test by test."""
    for old_way in OLD_WAYS:
        config.addinivalue_line("filterwarnings", f"error::{old_way.__name__}:{OURS}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Several processes take the longest first; one alone keeps the order of the files."""
    if hasattr(config, "workerinput"):
        longest_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Whatever ``--dist`` says: files are not told apart otherwise."""
    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """A test that skips itself, or is marked so."""
    report = yield
    _forbid_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """A module that skips itself while it is imported (``importorskip``)."""
    report = yield
    _forbid_skip(report)
    return report


@pytest.fixture(autouse=True)
def _folder_as_under_trial(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trial runs its tests in a folder of its own, and ``mktemp`` relies on that."""
    if request.cls is not None and issubclass(request.cls, SynchronousTestCase):
        monkeypatch.chdir(request.getfixturevalue("tmp_path_factory").getbasetemp())


@pytest.fixture(autouse=True)
def _no_secret_is_seen() -> Generator[None, None, None]:
    """No secret that was given to a process of this test can be read in what the test left behind.

    Nor has a process told there of a line of ours that a later Python or library will not take (``OLD_WAYS``).
    """
    CANARIES.leaks.clear()
    yield
    CANARIES.look_at_files()
    old_ways = [line for output in CANARIES.outputs for line in _old_ways(output)]
    CANARIES.forget_files()
    assert not CANARIES.leaks, "; ".join(str(leak) for leak in CANARIES.leaks)
    assert not old_ways, "our own lines, in a process: " + "; ".join(old_ways)


def _old_ways(output: Path) -> list[str]:
    """Warnings that a process gave of our own lines."""
    if not output.is_file():
        return []
    return [line for line in output.read_text("utf-8", "replace").splitlines() if _OLD_WAY.search(line)]


@pytest.fixture(autouse=True, scope="session")
def _no_server_is_at_a_silent_port() -> Generator[None, None, None]:
    """Two of the ports that camdetect never asks are among those that the kernel gives to a server of a test."""
    with ExitStack() as held:
        for port in sorted(SILENT_PORTS):
            with suppress(OSError):  # somebody has it already
                holder = held.enter_context(socket.socket())
                # the workers of a run hold them together, so that none is free when the first has ended
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                holder.bind(("", port))
        yield


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker tells the run how much it looked through."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["canaries"] = (CANARIES.secrets, CANARIES.looked)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """The run adds it up."""
    secrets, (texts, octets) = getattr(node, "workeroutput", {}).get("canaries", ({}, (0, 0)))
    CANARIES.secrets.update(secrets)
    CANARIES.looked[0] += texts
    CANARIES.looked[1] += octets


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """How much was looked through for how many secrets."""
    texts, octets = CANARIES.looked
    if CANARIES.secrets:
        words = f"{len(CANARIES.secrets)} secrets were looked for in {texts} texts of {octets / 1e6:.1f} MB together"
        terminalreporter.write_line(f"canaries: {words}")
