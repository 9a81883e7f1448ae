"""A lab goes in; a host with a broker, a listener and the daemon comes out, and cameras of several makes beside it."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lan.lab import Host, Lab, python
from tests.listener import Listener
from tests.processes import ROOT, Process, wait_until

PEERS = ROOT / "tests" / "peers"
PORT = 1883
HEALTH = "system/camera_detector_health/node1"
LOGIN = "viewer:s3cr3t-canary"


_FETCH = """
import sys, urllib.request
headers = {"Authorization": "Bearer " + sys.argv[2]} if sys.argv[2] else {}
print(urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), timeout=10).read().decode())
"""


def fetched(host: Host, url: str, token: str = "") -> Any:
    """What a page answers a program on a host."""
    return json.loads(host.run(*python("-c", _FETCH, url, token)))


def run_broker(host: Host, *lines: str) -> None:
    """Run a broker on a host, for all hosts. Where no ``lines`` say otherwise it is as mosquitto comes."""
    settings = host.lab.directory / f"{host.name}-mosquitto.conf"
    settings.write_text("\n".join((f"listener {PORT} 0.0.0.0", "allow_anonymous true", *lines, "")), "ascii")
    host.start("mosquitto", "-c", str(settings))


def listen(host: Host, *topics: str, session: str = "") -> Listener:
    """A client on the broker's host that hears ``topics``, or everything, from now on, and what is retained."""
    deadline = time.monotonic() + 10
    while True:
        prefix = ("ip", "netns", "exec", host.namespace)
        output = host.lab.directory / f"heard-{time.monotonic_ns()}.log"
        listener = Listener(output, PORT, prefix=prefix, session=session, topics=topics or ("#",))
        time.sleep(0.3)
        if listener.process.process.poll() is None:
            host.processes.append(listener.process)
            return listener
        listener.end()
        assert time.monotonic() < deadline, "mosquitto does not come up"


class Site:
    """One host with a broker, a listener and the daemon."""

    def __init__(self, lab: Lab, *, prefix_length: int = 24) -> None:
        self.lab = lab
        self.host = lab.host("daemon", "10.77.0.1", "02:00:00:00:00:01", prefix_length)
        self.broker = self.start_broker()
        self.listener = self.listen()
        self.state = lab.directory / "state"
        self.started_at = 0.0

    def start_broker(self) -> Process:
        """Run the broker; it drops nothing of what waits for our listener, which a thousand cameras leave behind."""
        settings = self.lab.directory / "mosquitto.conf"
        settings.write_text("max_queued_messages 0\n", "ascii")
        return self.host.start("mosquitto", "-c", str(settings), "-p", str(PORT))

    def listen(self, host: Host | None = None, session: str = "") -> Listener:
        """A client that hears everything from now on, and what is retained; on the broker's host."""
        return listen(host or self.host, session=session)

    def online(self, mac: str, seconds: float = 20.0, *, address: str = "") -> dict[str, Any]:
        """The status document that first said that a camera is online (at ``address``)."""
        accept = lambda heard: (  # noqa: E731
            heard.json["status"] == "online" and address in ("", heard.json["camera"]["ip"])
        )
        found: dict[str, Any] = self.listener.wait(f"camera/status/{cid(mac)}", accept, seconds).json
        return found

    def health(self, accept: Callable[[Any], bool] = lambda _: True, seconds: float = 20.0) -> Any:
        """The latest health document, once it is accepted."""
        last: list[Any] = []

        def look() -> bool:
            last[:] = [heard.json for heard in self.listener.on(HEALTH)[-1:]]
            return bool(last) and accept(last[0])

        wait_until(look, seconds, lambda: f"a health document; the last: {last}", interval=0.1)
        return last[0]

    def ids(self) -> set[str]:
        """The ids of all cameras that were ever told of."""
        return {
            heard.topic.rpartition("/")[2]
            for heard in self.listener.heard()
            if heard.topic.startswith("camera/discovery/")
        }

    def command(self, name: str, **fields: Any) -> None:
        """Publish a command to the daemon."""
        message = json.dumps({"id": 1, "command": name, **fields})
        topic = "system/camera_detector/node1/command"
        self.host.run("mosquitto_pub", "-p", str(PORT), "-q", "1", "-t", topic, "-m", message)

    def daemon(self, without: Sequence[str] = (), **settings: str) -> Process:
        """Start it; ``without`` is a command that takes something from it (``setpriv …``)."""
        # The interpreter that has Twisted has twistd beside it.
        return self.run_daemon((*without, str(Path(sys.executable).with_name("twistd"))), settings)

    def run_daemon(self, twistd: Sequence[str], settings: Mapping[str, str]) -> Process:
        """Start it by a command in the place of ``twistd``."""
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "HOME": str(self.lab.directory),
            "XDG_RUNTIME_DIR": str(self.lab.directory),
            "STATE_DIR": str(self.state),
            "MQTT_BROKER": "127.0.0.1",
            "MQTT_PORT": str(PORT),
            "NODE_ID": "node1",
            **settings,
        }
        self.started_at = time.time()
        return self.host.start(*twistd, "-n", "--pidfile=", "-y", "camdetect.tac", environment=environment)


def simulated(lab: Lab, name: str, address: str, mac: str, *options: str) -> Host:
    host = lab.host(name, address, mac)
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "SIMULATOR_LOGIN": LOGIN}
    command = python("-m", "twisted_detector.cli", "simulate", "--bind", address, "--rtsp-port", "554", *options)
    host.start(*command, environment=environment)
    return host


def gstreamer(lab: Lab, name: str, address: str, mac: str, path: str, auth: str = "none", login: str = "") -> Host:
    host = lab.host(name, address, mac)
    command = ("/usr/bin/python3", str(PEERS / "gst_rtsp.py"), address, "554", path, "h264", auth)
    host.start(*command, environment={**os.environ, "SIMULATOR_LOGIN": login})
    return host


def cid(mac: str) -> str:
    return mac.replace(":", "")
