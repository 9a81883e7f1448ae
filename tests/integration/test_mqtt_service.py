"""The program of docs/mqtt-service.md, as it stands there, against a mosquitto that comes and goes."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.mqtt_station import MOSQUITTO, Broker
from tests.listener import Listener
from tests.processes import ROOT, Process, wait_until

pytestmark = pytest.mark.skipif(not MOSQUITTO, reason="no mosquitto here")

PAGE = ROOT / "docs" / "mqtt-service.md"


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def run(tmp_path: Path, broker: Broker) -> Iterator[Callable[[], Process]]:
    """Starts the page's program, with nothing changed but where the broker is; its folder stays from run to run."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    program, places = re.subn(r'host="[^"]+"', f'host="127.0.0.1", port={broker.port}', found[1])
    assert places == 1
    (tmp_path / "program.py").write_text(f"import os\nos.chdir({str(tmp_path)!r})\n{program}")
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    started: list[Process] = []

    def start() -> Process:
        output = tmp_path / f"program-{len(started)}.log"
        started.append(Process([sys.executable, str(tmp_path / "program.py")], output, environment))
        return started[-1]

    yield start
    for process in started:
        process.end()


def listen(tmp_path: Path, broker: Broker) -> Listener:
    listener = Listener(tmp_path / "heard", broker.port)
    say(broker, "probe", "1")
    listener.wait("probe")
    return listener


def say(broker: Broker, topic: str, payload: str) -> None:
    command = ["mosquitto_pub", "-p", str(broker.port), "-q", "1", "-r", "-t", topic, "-m", payload]
    subprocess.run(command, check=True, timeout=10)


def test_it_runs(tmp_path: Path, broker: Broker, run: Callable[[], Process]) -> None:
    """It says what it was told, is online, hears its topic, also after a broken connection, and says goodbye."""
    broker.start()
    listener = listen(tmp_path, broker)
    try:
        program = run()
        assert listener.wait("kitchen/temperature").json == {"celsius": 21.5}
        assert listener.wait("kitchen/status").json["status"] == "online"
        say(broker, "kitchen/light/set", "on")
        program.wait_for("kitchen/light/set on")
        first = len(listener.on("kitchen/status"))
        broker.kill()
        broker.start()
        listener.wait("kitchen/status", lambda heard: len(listener.on("kitchen/status")) > first)
        say(broker, "kitchen/light/set", "off")
        program.wait_for("kitchen/light/set off")
        program.signal(signal.SIGTERM)
        program.wait()
        goodbye = listener.wait("kitchen/status", lambda heard: heard.json["status"] == "offline")
        assert goodbye.json["reason"] == "shutdown"
    finally:
        listener.end()


def test_nothing_is_lost(tmp_path: Path, broker: Broker, run: Callable[[], Process]) -> None:
    """Without a broker and killed with SIGKILL: the next run says what the killed one had taken, and its own."""
    killed = run()
    wait_until(lambda: rows(tmp_path) == 1, 15, "the message on the disk")
    killed.kill_group()
    killed.wait()
    assert rows(tmp_path) == 1
    broker.start()
    listener = listen(tmp_path, broker)
    try:
        run()
        wait_until(lambda: len(listener.on("kitchen/temperature")) == 2, 15, "both messages")
        wait_until(lambda: rows(tmp_path) == 0, 5, "an empty outbox")
    finally:
        listener.end()


def rows(folder: Path) -> int:
    """Messages in the outbox on the disk."""
    path = folder / "state" / "state.db"
    if not path.exists():
        return 0
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return int(connection.execute("SELECT count(*) FROM outbox").fetchone()[0])
    except sqlite3.OperationalError:  # not made yet
        return 0
    finally:
        connection.close()
