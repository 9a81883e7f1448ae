"""Lines of a configuration go in; a child mosquitto, and what by its own log it received, come out."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.faults.account import excused
from tests.faults.waiting import run, sleep
from tests.ports import free_port

MOSQUITTO = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/sbin")

#: Before it acknowledges a message mosquitto says that it received it, in one write to its standard error.
_RECEIVED = re.compile(rb"Received PUBLISH from (\S+) \(d\d, q\d, r\d, m\d+, '(f/[^']*)', \.\.\. \((\d+) bytes\)\)")


class Mosquitto:
    """A mosquitto without persistence that can be killed, frozen and started again on its port."""

    def __init__(self, folder: Path, *, lines: str = "allow_anonymous true") -> None:
        self.port = free_port()
        self.log = folder / f"mosquitto-{self.port}.log"
        self._config = folder / f"mosquitto-{self.port}.conf"
        user = "user root\n" if os.geteuid() == 0 else ""  # else it gives its rights up and cannot read the files here
        # Floods are what is tested: a subscriber that is behind is to lose none of them.
        self._config.write_text(
            f"{user}listener {self.port} 127.0.0.1\nmax_queued_messages 0\nlog_dest stderr\nlog_type all\n{lines}\n"
        )
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> float:
        """Start it; when (monotonic) it took connections."""
        self._spawn()
        for _ in range(400):
            if self._listens():
                return time.monotonic()
            await sleep(0.01)
        raise AssertionError(f"mosquitto did not start: {self.log.read_text()}")

    def _spawn(self) -> None:
        assert MOSQUITTO is not None
        with excused(), self.log.open("ab") as log:
            self._process = subprocess.Popen([MOSQUITTO, "-c", self._config], stdout=log, stderr=log)

    def _listens(self) -> bool:
        try:
            with excused():
                socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        with excused():
            self._process.wait(5)
        self._process = None

    async def terminate(self) -> None:
        """SIGTERM, until it has gone."""
        self.signal(signal.SIGTERM)
        process, self._process = self._process, None
        assert process is not None
        while process.poll() is None:
            await sleep(0.01)

    def end(self) -> None:
        if self._process is not None:
            self.kill()

    def arrivals(self, client_id: str = "") -> list[str]:
        """Topics of what it received, in order, repetitions included; of one client, or of all."""
        with excused():
            return [
                topic.decode()
                for client, topic, _ in _RECEIVED.findall(self.log.read_bytes())
                if not client_id or client.decode() == client_id
            ]

    def retained(self, topic: str = "#", seconds: float = 1) -> dict[str, str]:
        """What it has retained."""
        words = ["-p", str(self.port), "-t", topic, "--retained-only", "-W", f"{seconds:g}", "-F", "%t %p"]
        output = run("mosquitto_sub", *words, check=False)
        return dict(line.split(" ", 1) for line in output.splitlines())
