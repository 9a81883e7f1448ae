"""A wished-for port goes in; an MQTT broker on loopback, as a child process, comes out: where none is configured.

mosquitto when it is installed; else amqtt, which is enough for a first look and says what it lacks.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import BrokerError

HOST = "127.0.0.1"
#: Debian keeps mosquitto where the PATH of ordinary users does not look.
_MORE_PATH = ("/usr/sbin", "/usr/local/sbin")
#: A broker that takes connections later than that does not come at all: mosquitto needs 0.05 s, amqtt one.
START_SECONDS = 10.0
_POLL_SECONDS = 0.03
#: A port that was free may be gone when the broker asks for it.
_TRIES = 3
#: A broker that dies is started again after so many seconds, doubled up to the second.
_RESTART_FIRST, _RESTART_MOST = 0.2, 5.0
#: One that lived so long begins with the first again.
_STEADY_SECONDS = 30.0
_STOP_SECONDS = 1.5
#: What a broker says is kept for an error's text, so much of it.
_MAX_SAID = 2000


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the broker is, which one, and its process id."""

    host: str
    port: int
    kind: str
    pid: int


def find_mosquitto(which: Callable[..., str | None] = shutil.which) -> str | None:
    """The path of mosquitto, or None."""
    path = os.pathsep.join((os.defpath, *_MORE_PATH))
    return which("mosquitto") or which("mosquitto", path=path)


def port_to_use(wished: int) -> int:
    """``wished`` when it is free on loopback, else any that is."""
    for port in (wished, 0):
        with socket.socket() as probe:
            try:
                # As the brokers do: a port whose last connections are in TIME_WAIT is free.
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((HOST, port))
            except OSError:
                continue
            free: int = probe.getsockname()[1]
            return free
    raise BrokerError("no TCP port is free on loopback")


class _Child(ProcessProtocol):
    """The broker's process: what it says, and its end."""

    def __init__(self, ended: Callable[[_Child], None]) -> None:
        self._ended = ended
        self._said = b""
        self._waits: list[Deferred[None]] = []
        self.over = False

    def outReceived(self, data: bytes) -> None:
        self._said = (self._said + data)[-_MAX_SAID:]

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.over = True
        waits, self._waits = self._waits, []
        for wait in waits:
            if not wait.called:
                wait.callback(None)
        self._ended(self)

    def when_over(self) -> Deferred[None]:
        """Fires when the process has ended."""
        wait: Deferred[None] = Deferred()
        if self.over:
            wait.callback(None)
        else:
            self._waits.append(wait)
        return wait

    @property
    def words(self) -> str:
        """The last line that it said."""
        lines = self._said.decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


class EmbeddedBroker:
    """Starts a broker, starts it again when it dies, ends it.

    :param reactor: IReactorProcess, IReactorTCP and IReactorTime. The broker ends with the thread that starts it, so
        this is to be used on the main thread.
    :param port: taken when it is free.
    :param which: finds programs; for tests.
    :param has_amqtt: whether amqtt can be imported; for tests.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        port: int = 1883,
        which: Callable[..., str | None] = shutil.which,
        has_amqtt: Callable[[], bool] = lambda: find_spec("amqtt") is not None,
    ) -> None:
        self._reactor = reactor
        self._wished = port
        self._mosquitto = find_mosquitto(which)
        self._has_amqtt = has_amqtt
        self._child: _Child | None = None
        self._transport: Any = None
        self._endpoint: Endpoint | None = None
        self._restart_delay = _RESTART_FIRST
        self._restart: IDelayedCall | None = None
        self._spawned_at = 0.0
        self._stopping = False

    async def start(self) -> Endpoint:
        """Start it; returns when it takes connections.

        :raises BrokerError: there is no broker on this machine, or it does not start; the text says what to do.
        """
        if self._mosquitto is None and not self._has_amqtt():
            raise BrokerError(
                "There is no MQTT broker: set MQTT_BROKER to one that you have, or install one (Debian: apt install"
                " mosquitto; anywhere: pip install amqtt)"
            )
        words = ""
        for _ in range(_TRIES):
            port = port_to_use(self._wished)
            child = self._spawn(port)
            if await self._answers(child, port):
                kind = "mosquitto" if self._mosquitto else "amqtt"
                self._endpoint = Endpoint(HOST, port, kind, self._transport.pid)
                return self._endpoint
            words = child.words
        raise BrokerError("The embedded MQTT broker does not start", shown=words)

    def _spawn(self, port: int) -> _Child:
        broker = ("mosquitto", self._mosquitto) if self._mosquitto else ("amqtt",)
        arguments = [sys.executable, "-m", f"{__package__}.broker_child", str(os.getpid()), str(port), *broker]
        root = Path(__file__).resolve().parent.parent
        child = self._child = _Child(self._ended)
        self._spawned_at = self._reactor.seconds()
        # Nothing of our environment is the broker's business; it may hold secrets.
        environment = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join([str(root), *sys.path])}
        self._transport = self._reactor.spawnProcess(child, sys.executable, arguments, env=environment, path="/")
        return child

    async def _answers(self, child: _Child, port: int) -> bool:
        began = self._reactor.seconds()
        while not child.over and self._reactor.seconds() - began < START_SECONDS:
            attempt = TCP4ClientEndpoint(self._reactor, HOST, port, timeout=1).connect(Factory.forProtocol(Protocol))
            try:
                protocol: Any = await attempt
            except ConnectError:
                await deferLater(self._reactor, _POLL_SECONDS)
                continue
            protocol.transport.abortConnection()
            return True
        await self._end(child)
        return False

    def _ended(self, child: _Child) -> None:
        if self._stopping or child is not self._child or self._endpoint is None:
            return
        self.log.error("The embedded broker ended ({words}); it is started again", words=child.words)
        if self._reactor.seconds() - self._spawned_at > _STEADY_SECONDS:
            self._restart_delay = _RESTART_FIRST
        self._restart = self._reactor.callLater(self._restart_delay, self._again)
        self._restart_delay = min(_RESTART_MOST, self._restart_delay * 2)

    def _again(self) -> None:
        self._restart = None
        if self._endpoint is not None:
            self._spawn(self._endpoint.port)

    async def stop(self) -> None:
        """End it; returns when its process is gone."""
        self._stopping = True
        if self._restart is not None:
            self._restart.cancel()
            self._restart = None
        if self._child is not None:
            await self._end(self._child)

    async def _end(self, child: _Child) -> None:
        for name in ("TERM", "KILL"):
            if child.over:
                return
            self._transport.signalProcess(name)
            with suppress(DeferredTimeout):
                await child.when_over().addTimeout(_STOP_SECONDS, self._reactor)

    def describe(self) -> list[str]:
        """Lines for the log: which broker, where, what it lacks, and how to watch what is said."""
        endpoint = self._endpoint
        if endpoint is None:
            return []
        lines = [f"MQTT_BROKER is not set: started {endpoint.kind} on {endpoint.host}:{endpoint.port} (loopback only)"]
        if endpoint.port != self._wished:
            lines.append(f"Port {self._wished} is taken by another program, so it is port {endpoint.port}")
        if endpoint.kind == "amqtt":
            lines.append(
                "amqtt is good for a first look: it may miss the end of a silent client, does not speak MQTT 5, and is"
                " slower; install mosquitto for more"
            )
        lines.append(f"To watch: mosquitto_sub -h {endpoint.host} -p {endpoint.port} -t '#' -v")
        return lines
