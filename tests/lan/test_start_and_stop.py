"""How the daemon starts, which broker it takes, how it ends: in a namespace, so that it meets no real network."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.canaries import CANARIES
from tests.lan.lab import REASON, Host, Lab
from tests.listener import Listener
from tests.processes import ROOT, Process, wait_until

pytestmark = pytest.mark.skipif(bool(REASON), reason=REASON)

TWISTD = str(Path(sys.executable).with_name("twistd"))
STARTS = {
    "the tac file": ("-y", "camdetect.tac"),
    "the twistd plugin": ("camdetect",),
}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Lab(tmp_path) as lab:
        yield lab.host("daemon", "10.77.1.1", "02:00:00:00:01:01")


def environment(host: Host, **settings: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",
        "STATE_DIR": str(host.lab.directory / "state"),
        "XDG_RUNTIME_DIR": str(host.lab.directory),
        "NODE_ID": "node1",
        **settings,
    }


def start(host: Host, *how: str, **settings: str) -> Process:
    return host.start(
        TWISTD, "-n", "--pidfile=", *(how or STARTS["the tac file"]), environment=environment(host, **settings)
    )


def broker_pids(host: Host) -> list[int]:
    """Brokers in the namespace of the host."""
    found = []
    for pid in host.lab.pids(host.namespace):
        try:
            arguments = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if any(word in argument for argument in arguments for word in (b"mosquitto", b"amqtt")):
            found.append(pid)
    return found


@pytest.mark.parametrize("how", STARTS)
def test_sigterm(host: Host, how: str) -> None:
    """SIGTERM ends it with status 0 within 5 s, and its broker with it."""
    daemon = start(host, *STARTS[how])
    daemon.wait_for("connected to ")
    assert "MQTT_BROKER is not set" in daemon.text()
    assert "mosquitto_sub -h 127.0.0.1 -p 1883" in daemon.text()
    assert broker_pids(host)
    began = time.monotonic()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert time.monotonic() - began < 5
    wait_until(lambda: not broker_pids(host), 2, "the end of the broker")


@pytest.mark.parametrize("how", [*STARTS, "camdetect run", "make run"])
def test_lines_of_a_start(host: Host, how: str) -> None:
    """A start and a stop are at most ten lines and four, each `time level room text`, and none is Twisted's own."""
    commands = {
        "camdetect run": (sys.executable, "-m", "twisted_detector.cli", "run"),
        "make run": (TWISTD, "--nodaemon", "--pidfile=", "--python=camdetect.tac"),  # as the Makefile has it
    }
    if how == "make run":
        assert " ".join(commands[how][1:]) in (ROOT / "Makefile").read_text()
    command = commands.get(how) or (TWISTD, "-n", "--pidfile=", *STARTS[how])
    daemon = host.start(*command, environment=environment(host))
    daemon.wait_for("connected to ")
    daemon.wait_for("The web page is at")
    time.sleep(1)
    started = daemon.lines()
    assert len(started) <= 10, daemon.text()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert len(daemon.lines()) - len(started) <= 4, daemon.text()
    form = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d{4} (info |warn ) [a-z]+ +\S.*")
    assert [line for line in daemon.lines() if not form.fullmatch(line)] == []
    for words in ("starting on", "Main loop", "Closed", "Loading", "reactor class", "dropin.cache", "Shut Down"):
        assert words not in daemon.text()


def test_killed(host: Host) -> None:
    """kill -9 of the daemon alone ends its broker too."""
    daemon = start(host)
    daemon.wait_for("connected to ")
    assert broker_pids(host)
    os.kill(daemon.pid, signal.SIGKILL)
    assert daemon.wait() == -signal.SIGKILL
    wait_until(lambda: not broker_pids(host), 2, "the end of the broker")


def test_taken_port(host: Host) -> None:
    """Where port 1883 is taken, the embedded broker takes another and says so."""
    other = host.start(sys.executable, str(ROOT / "tests" / "peers" / "deaf_server.py"), "127.0.0.1", "1883")
    other.wait_for("ready")
    daemon = start(host)
    daemon.wait_for("connected to ")
    assert "Port 1883 is taken" in daemon.text()


def test_broker_away(host: Host) -> None:
    """Where the broker is away, it starts all the same, and SIGTERM ends it with status 0 within 5 s."""
    daemon = start(host, MQTT_BROKER="127.0.0.1", MQTT_PORT="18830")
    daemon.wait_for("starts as node node1")
    time.sleep(2)
    assert daemon.process.poll() is None
    began = time.monotonic()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert time.monotonic() - began < 5


def test_silent_broker(host: Host) -> None:
    """Where something takes the connection and says nothing, SIGTERM still ends it with status 0 within 5 s."""
    other = host.start(sys.executable, str(ROOT / "tests" / "peers" / "deaf_server.py"), "127.0.0.1", "18831")
    other.wait_for("ready")
    daemon = start(host, MQTT_BROKER="127.0.0.1", MQTT_PORT="18831")
    daemon.wait_for("connecting to ")
    time.sleep(1)
    began = time.monotonic()
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("how", STARTS)
def test_wrong_configuration(host: Host, how: str) -> None:
    """Every fault is named in one message, secrets masked, and the exit status is 2."""
    daemon = start(
        host,
        *STARTS[how],
        MQTT_PORT="99999",
        SCAN_NETWORKS="10.0.0.0/99",
        MQTT_TOPIC_PREFIX="a/#",
        CAMERA_CREDENTIALS="kanarie-without-a-colon",
    )
    assert daemon.wait(20) == 2, daemon.text()
    for name in ("MQTT_PORT", "SCAN_NETWORKS", "MQTT_TOPIC_PREFIX", "CAMERA_CREDENTIALS"):
        assert name in daemon.text()
    assert "Traceback" not in daemon.text()


def test_commands(host: Host) -> None:
    """Each command gets one answer with its id; what is no command is answered with an error."""
    daemon = start(host)
    daemon.wait_for("connected to ")
    prefix = ("ip", "netns", "exec", host.namespace)
    listener = Listener(host.lab.directory / "heard.log", 1883, prefix=prefix)
    host.processes.append(listener.process)
    topic = "system/camera_detector/node1/command"
    listener.wait("system/camera_detector_health/node1")
    for payload in (
        '{"id": 1, "command": "state"}',
        '{"id": 2, "command": "fly"}',
        "rubbish",
        '{"id": 3, "command": "rescan"}',
    ):
        host.run("mosquitto_pub", "-p", "1883", "-q", "1", "-t", topic, "-m", payload)
    wait_until(lambda: len(listener.on(f"{topic}/result")) == 4, 10, "four answers")
    answers = [heard.json for heard in listener.on(f"{topic}/result")]
    assert [(answer["id"], answer["ok"]) for answer in answers] == [(1, True), (2, False), (None, False), (3, True)]
    assert answers[0]["cameras"] == {}


def test_ctrl_c(host: Host) -> None:
    """Ctrl-C at a terminal, which every process of the group hears, still says a clean offline to its own broker."""
    command = f"exec {TWISTD} -n --pidfile= -y camdetect.tac"
    output = host.lab.directory / "terminal.log"
    with output.open("wb") as file:
        terminal = subprocess.Popen(
            ("ip", "netns", "exec", host.namespace, "script", "-qec", command, "/dev/null"),
            stdin=subprocess.PIPE,
            stdout=file,
            cwd=ROOT,
            env=environment(host),
        )
    CANARIES.started(environment(host), output)
    try:
        wait_until(lambda: "connected to " in output.read_text(), 15, output.read_text)
        prefix = ("ip", "netns", "exec", host.namespace)
        listener = Listener(host.lab.directory / "heard.log", 1883, prefix=prefix)
        host.processes.append(listener.process)
        lwt = "system/camera_detector_health/node1/lwt"
        listener.wait(lwt, lambda heard: heard.json["status"] == "online")
        CANARIES.look_at_processes()
        CANARIES.look_at_daemon(environment(host))
        assert terminal.stdin is not None
        terminal.stdin.write(b"\x03")
        terminal.stdin.flush()
        assert terminal.wait(10) == 0, output.read_text()
        goodbye = listener.wait(lwt, lambda heard: heard.json["status"] == "offline", 2)
        assert goodbye.json["reason"] == "shutdown"
    finally:
        terminal.kill()
        terminal.wait(5)
