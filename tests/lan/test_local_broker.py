"""Which broker is used where MQTT_BROKER is not set, and as which node: with real brokers, in namespaces."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.lan.lab import REASON, Host, Lab
from tests.lan.test_soft_restart import ask, listen
from tests.lan.test_start_and_stop import TWISTD, broker_pids, environment, start
from tests.processes import ROOT, Process, wait_until

pytestmark = [
    pytest.mark.skipif(bool(REASON), reason=REASON),
    pytest.mark.skipif(not shutil.which("mosquitto"), reason="needs mosquitto"),
]
PASSWORD = "br0ker-canary"
LWT = "system/camera_detector_health/node1/lwt"


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with Lab(tmp_path) as lab:
        yield lab.host("daemon", "10.77.1.1", "02:00:00:00:01:01")


def system_broker(host: Host, *lines: str) -> Process:
    """A broker at the port of MQTT, as Debian's package runs it, or with these settings."""
    settings = host.lab.directory / "system.conf"
    settings.write_text("\n".join(("user root", "listener 1883 127.0.0.1", *(lines or ("allow_anonymous true",)), "")))
    broker = host.start("mosquitto", "-c", str(settings))
    broker.wait_for("running")
    return broker


def with_password(host: Host) -> Process:
    passwords = host.lab.directory / "passwords"
    host.run("mosquitto_passwd", "-b", "-c", str(passwords), "u", PASSWORD)
    return system_broker(host, "allow_anonymous false", f"password_file {passwords}")


def brokers(host: Host) -> list[int]:
    """Brokers, not the clients that have the name in theirs."""
    return [pid for pid in broker_pids(host) if b"mosquitto_" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


def end(daemon: Process) -> None:
    os.kill(daemon.pid, signal.SIGTERM)
    assert daemon.wait(10) == 0, daemon.text()
    assert "Traceback" not in daemon.text(), daemon.text()


def said(host: Host) -> tuple[dict[str, Any], dict[str, Any], str]:
    """What the page's System view, the doctor and the command line say of the broker."""
    page = ask(host, "GET", "status")["body"]["broker"]
    (found,) = [one for one in ask(host, "GET", "doctor")["body"]["findings"] if one["name"] == "MQTT"]
    settings = [f"{name}={value}" for name, value in environment(host).items()]
    shown = host.run("env", *settings, "COLUMNS=300", sys.executable, "-m", "twisted_detector.cli", "status")
    return page, found, shown


def ready(host: Host, place: str) -> Process:
    """A daemon that is connected to that place."""
    daemon = start(host)
    daemon.wait_for(f"connected to {place}")
    daemon.wait_for("The web page is at")
    return daemon


def test_one_without_a_login(host: Host) -> None:
    """It is used: what a client of it hears is ours, no other broker runs, and each view says the same of it."""
    broker = system_broker(host)
    daemon = ready(host, "127.0.0.1:1883")
    assert "the broker at 127.0.0.1:1883, which wants no login, is used" in daemon.text()
    assert brokers(host) == [broker.pid]
    assert listen(host, 1883).wait(LWT, lambda heard: heard.json["status"] == "online").json["node_id"] == "node1"
    page, found, shown = said(host)
    text = "127.0.0.1, port 1883 (found on this machine)"
    assert (page["kind"], page["text"], page["told"]) == ("found", text, "")
    assert (found["level"], found["text"]) == ("OK", f"connected to {text}")
    assert text in shown
    end(daemon)
    assert brokers(host) == [broker.pid]
    # The next start is before the broker's: its port is left to it, and it is used as soon as it is there.
    broker.end()
    daemon = start(host)
    daemon.wait_for("127.0.0.1:1883, which was used before, does not answer: start it, or set MQTT_PORT")
    daemon.wait_for("The web page is at")
    assert brokers(host) == []
    assert said(host)[1]["level"] == "FAIL"
    system_broker(host)
    daemon.wait_for("connected to 127.0.0.1:1883")
    end(daemon)


def test_one_with_a_login(host: Host) -> None:
    """It is named with what to type; our own has one port at each start, and each view says which."""
    broker = with_password(host)
    daemon = start(host, MQTT_USERNAME="u", MQTT_PASSWORD=PASSWORD)
    daemon.wait_for("The web page is at")
    told = daemon.wait_for("answers and wants a login: set MQTT_BROKER=127.0.0.1 and MQTT_USERNAME/MQTT_PASSWORD")
    match = re.search(r"until then camdetect's own broker is used on port (\d+)", daemon.text())
    assert match, told
    port = int(match[1])
    daemon.wait_for(f"connected to 127.0.0.1:{port}")
    page, found, shown = said(host)
    text = f"127.0.0.1, port {port} (camdetect's own broker)"
    assert (page["port"], page["kind"], page["text"]) == (port, "embedded", text)
    assert page["told"] in daemon.text()
    assert found["level"] == "WARN"
    assert found["text"] == f"connected to {text}; 127.0.0.1:1883 answers and wants a login"
    assert found["advice"].startswith("set MQTT_BROKER=127.0.0.1 and MQTT_USERNAME/MQTT_PASSWORD")
    assert text in shown
    assert page["told"] in shown
    # The login is right; that it was not let in shows that it was not given to a broker that nobody has named.
    assert PASSWORD not in daemon.text()
    end(daemon)
    for _ in range(2):
        daemon = ready(host, f"127.0.0.1:{port}")
        assert page == said(host)[0]
        end(daemon)
    broker.end()
    end(ready(host, f"127.0.0.1:{port}"))  # also when the other port is free: somebody was pointed at this one
    with_password(host)
    daemon = start(host, MQTT_BROKER="127.0.0.1", MQTT_USERNAME="u", MQTT_PASSWORD=PASSWORD)
    daemon.wait_for("connected to 127.0.0.1:1883")
    end(daemon)


def test_killed(host: Host) -> None:
    """After kill -9 the next start has the same port: a broker that was left over is none that was found."""
    for _ in range(3):
        daemon = ready(host, "127.0.0.1:1883")
        assert said(host)[0]["kind"] == "embedded"
        os.kill(daemon.pid, signal.SIGKILL)
        daemon.wait()
    end(ready(host, "127.0.0.1:1883"))


def test_stopped_while_it_asks(host: Host) -> None:
    """SIGTERM while whoever has the port is being asked ends it as cleanly as ever."""
    deaf = host.start(sys.executable, str(ROOT / "tests" / "peers" / "deaf_server.py"), "127.0.0.1", "1883")
    deaf.wait_for("ready")
    daemon = start(host)
    daemon.wait_for("starts as node node1")
    began = time.monotonic()
    end(daemon)
    assert time.monotonic() - began < 5
    assert "embedded" not in daemon.text()


def test_beside_another_camdetect(host: Host) -> None:
    """The embedded broker of another daemon is not used: it ends with that one."""
    first = ready(host, "127.0.0.1:1883")
    (pid,) = brokers(host)
    second = start(host, STATE_DIR=str(host.lab.directory / "state2"), NODE_ID="node2", WEB_ENABLED="false")
    second.wait_for("port 1883 has the embedded broker of another camdetect")
    second.wait_for("connected to ")
    assert "connected to 127.0.0.1:1883" not in second.text()
    os.kill(first.pid, signal.SIGTERM)
    assert first.wait(10) == 0
    wait_until(lambda: pid not in brokers(host), 2, "the end of the first broker")
    assert brokers(host)
    end(second)


def board(host: Host, state: str) -> Process:
    """A daemon on a machine called raspberrypi, that has a broker."""
    settings = {name: value for name, value in environment(host).items() if name != "NODE_ID"}
    settings |= {"STATE_DIR": str(host.lab.directory / state), "WEB_ENABLED": "false", "MQTT_BROKER": "127.0.0.1"}
    command = f"hostname raspberrypi && exec {TWISTD} -n --pidfile= -y camdetect.tac"
    daemon = host.start("unshare", "--uts", "sh", "-c", command, environment=settings)
    daemon.wait_for("connected to 127.0.0.1:1883")
    return daemon


def node(daemon: Process) -> str:
    match = re.search(r"starts as node (\S+)", daemon.text())
    assert match, daemon.text()
    return match[1]


def test_two_boards_of_one_name(host: Host) -> None:
    """Two machines called raspberrypi are two nodes at one broker, none throws the other off; each keeps its name."""
    broker = system_broker(host, "allow_anonymous true", "log_type all")
    listener = listen(host, 1883)
    boards = [board(host, state) for state in ("one", "two")]
    nodes = [node(one) for one in boards]
    assert len(set(nodes)) == 2
    for one in nodes:
        assert re.fullmatch(r"raspberrypi-[0-9a-f]{4}", one)
        listener.wait(f"system/camera_detector_health/{one}/lwt", lambda heard: heard.json["status"] == "online")
        assert f"as camdetect-{one} " in broker.text()
    for one in boards:
        end(one)
        assert "NODE_ID" not in one.text()
    assert node(board(host, "one")) == nodes[0]


def test_an_upgrade(host: Host) -> None:
    """A state that the program before suffixes left keeps its node and its topics."""
    state = host.lab.directory / "before"
    state.mkdir(mode=0o700)
    with closing(sqlite3.connect(state / "state.db")) as database:
        database.executescript((ROOT / "tests" / "service" / "state_before_suffixes.sql").read_text("utf-8"))
    system_broker(host)
    listener = listen(host, 1883)
    for _ in range(2):
        daemon = board(host, "before")
        assert node(daemon) == "raspberrypi"
        topic = "system/camera_detector_health/raspberrypi/lwt"
        listener.wait(topic, lambda heard: heard.json["status"] == "online")
        end(daemon)
    assert not [heard.topic for heard in listener.heard() if "raspberrypi-" in heard.topic]
