"""Shared by the integration tests of MQTT: a mosquitto that can be frozen, and a client with its outbox."""

from __future__ import annotations

import json
import os
import random
import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from tests.ports import free_port
from twisted_detector.mqtt.client import MqttClient, MqttSettings
from twisted_detector.mqtt.network.attempts import AttemptRunner
from twisted_detector.mqtt.presence import PresenceIdentity
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.testing.outbox import MemoryOutbox

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")


class Broker:
    """A mosquitto that can be killed, frozen and started again on its port."""

    def __init__(self, folder: Path, lines: str = "allow_anonymous true") -> None:
        self.port = free_port()
        self._config = folder / f"{self.port}.conf"
        user = "user root\n" if os.geteuid() == 0 else ""  # else it gives its rights up and cannot read the files here
        # Floods are what is tested: a subscriber that is behind is to lose none of them.
        self._config.write_text(f"{user}listener {self.port} 127.0.0.1\nmax_queued_messages 0\n{lines}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [MOSQUITTO, "-c", self._config], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(200):
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.02)
        raise AssertionError("mosquitto did not start")

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def presence(status: str, session: int, reason: str | None) -> bytes:
    return json.dumps({"status": status, "session": session, "reason": reason}).encode()


class Station:
    """A client with its outbox and everything that it notified."""

    def __init__(self, port: int, *, client_id: str = "camdetect-test", resolver: Any = None, **settings: Any) -> None:
        self.outbox = MemoryOutbox()
        self.events: list[Any] = []
        self.changes: list[Any] = []
        self.mqtt = MqttClient(
            reactor,
            settings=MqttSettings(
                **{"host": "127.0.0.1", "port": port, "client_id": client_id, "lwt_topic": "site/lwt", **settings}
            ),
            outbox=self.outbox,
            presence=PresenceIdentity(presence),
            emit=self.events.append,
            random=random.random,
            monotonic=time.monotonic,
            runner_factory=partial(AttemptRunner, resolver=resolver),
        )
        self.mqtt.add_state_listener(self.changes.append)

    async def __aenter__(self) -> Station:
        self.mqtt.startService()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.mqtt.stopService()

    def connected(self) -> bool:
        return self.mqtt.state is ConnectionState.CONNECTED


def sleep(seconds: float) -> Deferred[None]:
    return task.deferLater(reactor, seconds, lambda: None)


async def until(condition: Callable[[], Any], within: float = 10.0) -> float:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, "it did not happen in time"
        await sleep(0.01)
    return time.monotonic() - began


def run(*command: str) -> bytes:
    return subprocess.run(command, capture_output=True, check=True, timeout=10).stdout


def read_retained(port: int, topic: str) -> dict[str, Any]:
    return json.loads(run("mosquitto_sub", "-p", str(port), "-t", topic, "-C", "1", "-W", "3"))
