"""The embedded broker as a real process: it starts, serves, comes back, and never outlives us."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.task import deferLater
from twisted.internet.utils import getProcessOutputAndValue

from tests.ports import free_port
from tests.processes import ROOT, wait_until
from twisted_detector.errors import BrokerError
from twisted_detector.mqtt.broker.broker import EmbeddedBroker, Endpoint

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") is None
    or shutil.which("mosquitto_sub") is None,
    reason="mosquitto and mosquitto-clients are not installed",
)


@pytest.fixture
def reactor() -> Any:
    from twisted.internet import reactor

    return reactor


def nowhere(_name: str, path: str | None = None) -> None:
    """``shutil.which`` on a machine without mosquitto."""


def gone(pid: int) -> bool:
    """Whether a process has ended (one that nobody has waited for yet counts as ended)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def user_of(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def accepts(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def retained_message_arrives(reactor: Any, endpoint: Endpoint) -> None:
    where = ("-h", endpoint.host, "-p", str(endpoint.port), "-t", "camera/x", "-q", "1")
    _, errors, status = await getProcessOutputAndValue(
        shutil.which("mosquitto_pub"), (*where, "-r", "-m", "hello"), reactor=reactor
    )
    assert status == 0, errors
    output, errors, status = await getProcessOutputAndValue(
        shutil.which("mosquitto_sub"), (*where, "-C", "1", "-W", "5"), reactor=reactor
    )
    assert (output, status) == (b"hello\n", 0), errors


async def until(reactor: Any, true: Callable[[], object], seconds: float) -> None:
    for _ in range(round(seconds / 0.02)):
        if true():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError(f"not within {seconds} s")


@needs_mosquitto
@pytest.mark.parametrize(("which", "kind"), [(shutil.which, "mosquitto"), (nowhere, "amqtt")])
@pytest_twisted.ensureDeferred
async def test_serves(reactor: Any, tmp_path: Path, which: Any, kind: str) -> None:
    """It takes and gives messages when start() returns, on loopback only, and is gone when stop() returns."""
    if kind == "amqtt":
        pytest.importorskip("amqtt")
    wanted = free_port()
    broker = EmbeddedBroker(reactor, state_dir=tmp_path, port=wanted, which=which)
    endpoint = await broker.start()
    try:
        assert (endpoint.host, endpoint.port, endpoint.kind) == ("127.0.0.1", wanted, kind)
        if kind == "mosquitto" and os.geteuid() == 0:
            assert user_of(endpoint.pid) != 0, "the broker runs as root"
        await retained_message_arrives(reactor, endpoint)
        listening, _, _ = await getProcessOutputAndValue(
            shutil.which("ss"), ("-ltnH", f"sport = :{wanted}"), reactor=reactor
        )
        assert [line.split()[3] for line in listening.decode().splitlines()] == [f"127.0.0.1:{wanted}"]
    finally:
        await broker.stop()
    assert gone(endpoint.pid)
    assert not accepts(wanted)


@needs_mosquitto
@pytest_twisted.ensureDeferred
async def test_port_taken(reactor: Any, tmp_path: Path) -> None:
    """When the wanted port is taken another one is, and said."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        broker = EmbeddedBroker(reactor, state_dir=tmp_path, port=taken)
        endpoint = await broker.start()
        try:
            assert endpoint.port != taken
            assert any(f"{taken} is taken" in line for line in broker.describe())
            await retained_message_arrives(reactor, endpoint)
        finally:
            await broker.stop()


@needs_mosquitto
@pytest_twisted.ensureDeferred
async def test_comes_back(reactor: Any, tmp_path: Path) -> None:
    """A broker that was killed is back on its port within seconds; after stop() it stays away."""
    broker = EmbeddedBroker(reactor, state_dir=tmp_path, port=free_port())
    endpoint = await broker.start()
    os.kill(endpoint.pid, signal.SIGKILL)
    await until(reactor, lambda: broker.endpoint is not None and broker.endpoint.pid != endpoint.pid, 5)
    assert broker.endpoint is not None
    second = broker.endpoint
    assert second.port == endpoint.port
    await retained_message_arrives(reactor, second)
    os.kill(second.pid, signal.SIGKILL)
    await until(reactor, lambda: gone(second.pid), 2)
    await broker.stop()
    await deferLater(reactor, 1.5)
    assert not accepts(endpoint.port)


@pytest_twisted.ensureDeferred
async def test_does_not_start(reactor: Any, tmp_path: Path) -> None:
    """A program that ends at once is a BrokerError that repeats its last words, and no process is left."""
    broker = EmbeddedBroker(reactor, state_dir=tmp_path, port=0, which=lambda name, path=None: shutil.which("cat"))
    with pytest.raises(BrokerError, match="option"):
        await broker.start()
    await broker.stop()
    broker = EmbeddedBroker(reactor, state_dir=tmp_path, port=0, which=lambda name, path=None: "/nowhere/mosquitto")
    with pytest.raises(BrokerError, match="No such file or directory"):  # the end of a traceback
        await broker.start()
    await broker.stop()


@needs_mosquitto
@pytest_twisted.ensureDeferred
async def test_frozen_broker_is_ended(reactor: Any, tmp_path: Path) -> None:
    """A broker that does not heed SIGTERM is killed."""
    broker = EmbeddedBroker(reactor, state_dir=tmp_path, port=free_port())
    endpoint = await broker.start()
    os.kill(endpoint.pid, signal.SIGSTOP)
    await broker.stop()
    assert gone(endpoint.pid)


DAEMON = """
import shutil, sys
from pathlib import Path
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted_detector.mqtt.broker.broker import EmbeddedBroker

async def main():
    which = shutil.which if sys.argv[3] == "mosquitto" else lambda name, path=None: None
    broker = EmbeddedBroker(reactor, state_dir=Path(sys.argv[1]), port=int(sys.argv[2]), which=which)
    endpoint = await broker.start()
    print(endpoint.pid, flush=True)

reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()))
reactor.run()
"""


@needs_mosquitto
@pytest.mark.parametrize("kind", ["mosquitto", "amqtt"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ends_with_the_daemon(tmp_path: Path, kind: str, number: signal.Signals) -> None:
    """However the daemon ends, ``kill -9`` too, the broker is gone within two seconds; even a frozen one."""
    if kind == "amqtt":
        pytest.importorskip("amqtt")
    port = free_port()
    daemon = subprocess.Popen(
        [sys.executable, "-c", DAEMON, str(tmp_path), str(port), kind], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    try:
        assert daemon.stdout is not None
        pid = int(daemon.stdout.readline())
        assert accepts(port)
        os.kill(pid, signal.SIGSTOP)
        daemon.send_signal(number)
        daemon.wait(5)
        begin = time.monotonic()
        wait_until(lambda: gone(pid), 2.0, "the broker has gone")
        assert not accepts(port), time.monotonic() - begin
    finally:
        daemon.kill()
        daemon.wait()
        if daemon.stdout is not None:
            daemon.stdout.close()


@needs_mosquitto
@pytest_twisted.ensureDeferred
async def test_state_directory_without_writes(reactor: Any, tmp_path: Path) -> None:
    """It runs where its configuration cannot be in the state directory, and leaves nothing behind elsewhere."""
    in_the_way = tmp_path / "state"
    in_the_way.write_text("no folder, as on a disk that takes none")
    broker = EmbeddedBroker(reactor, state_dir=in_the_way, port=free_port())
    endpoint = await broker.start()
    try:
        await retained_message_arrives(reactor, endpoint)
        assert broker._spare is not None
        spare = Path(broker._spare.name)
        assert spare.stat().st_mode & 0o777 == 0o700
    finally:
        await broker.stop()
    assert not spare.exists()
