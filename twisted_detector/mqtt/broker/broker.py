"""Embedded MQTT broker on loopback: a child process that ends with this program, and is started again when it dies.

mosquitto where it is installed, else amqtt (``pip install 'camdetect[broker]'``): good enough for a first look, and the
log says what it lacks.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.error import ConnectError, ProcessExitedAlready
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import BrokerError, LocalError
from twisted_detector.mqtt.broker.programs import (
    AMQTT,
    HOST,
    MOSQUITTO,
    Program,
    find_executable,
    find_program,
    free_port,
)

#: Seconds until it must accept connections: mosquitto needs 0.1, amqtt on a slow machine 3.
START_TIMEOUT = 5.0
_POLL = 0.05
#: A port that was free a moment ago may be taken by another program: so many ports are tried.
_START_ATTEMPTS = 3
#: Seconds before a broker that died is started again: doubling; back to the first after it ran for a minute.
RESTART_FIRST, RESTART_MOST, _RAN_WELL = 0.5, 30.0, 60.0
#: Seconds from SIGTERM to SIGKILL.
STOP_TIMEOUT = 3.0
#: Lines of a failed broker's output that an error message shows.
_LAST_LINES = 8
#: Characters of them, from the end, where it does not start at all.
_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the embedded broker listens. ``kind``: ``mosquitto`` or ``amqtt``; ``pid``: its process when it started."""

    host: str
    port: int
    kind: str
    pid: int


class _Child(ProcessProtocol):
    """One run of the broker."""

    def __init__(self) -> None:
        self.has_ended = False
        self._waits: list[Deferred[None]] = []
        self.reason = ""
        self._lines: deque[str] = deque(maxlen=_LAST_LINES)

    @property
    def last_lines(self) -> str:
        return " | ".join(self._lines)

    def outReceived(self, data: bytes) -> None:
        # A chunk may end within a line: these lines are for people, and a broken one still helps.
        self._lines.extend(line[:200] for line in data.decode(errors="replace").splitlines() if line.strip())

    errReceived = outReceived

    def processEnded(self, reason: Failure) -> None:
        self.has_ended = True
        self.reason = reason.getErrorMessage()
        waits, self._waits = self._waits, []
        for wait in waits:
            wait.callback(None)

    def ended(self) -> Deferred[None]:
        """Fires when the process has gone; cancelling it is harmless."""
        wait: Deferred[None] = Deferred(self._waits.remove)
        if self.has_ended:
            wait.callback(None)
        else:
            self._waits.append(wait)
        return wait


class EmbeddedBroker:
    """A broker on loopback only, for every program on this machine.

    It ends with this program, however that ends (see ``die_with_parent``); when it dies by itself it is started again
    on the same port. What others retain in it is lost when it ends; camdetect publishes all of its own again.

    :param state_dir: its configuration is written below.
    :param port: used when it is free, else any other.
    :param kept: port of an earlier start, when ``port`` was taken: used before all others, for somebody may have been
        pointed at it; 0: none.
    :param which: as ``shutil.which(name, path=…)``.
    :ivar endpoint: where it listens; None before the start.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        state_dir: Path,
        port: int = 1883,
        kept: int = 0,
        which: Callable[..., str | None] = shutil.which,
        has_amqtt: Callable[[], bool] = lambda: importlib.util.find_spec("amqtt") is not None,
    ) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._directory = state_dir / "broker"
        self._wanted_port = port
        self._kept_port = kept
        self._which = which
        self._has_amqtt = has_amqtt
        self.endpoint: Endpoint | None = None
        self._program = Program("", ())
        self._spare: TemporaryDirectory[str] | None = None
        self._child: _Child | None = None
        self._process: Any = None
        self._running = False
        self._delay = RESTART_FIRST
        self._up_since = 0.0
        self._restart: Any = None

    async def start(self) -> Endpoint:
        """Start it; returns when it accepts connections, after at most some seconds.

        :raises BrokerError: neither mosquitto nor amqtt is there, or the one that is does not start.
        """
        if self._running:
            raise LocalError("the embedded broker has been started already")
        self._running = True
        try:
            self._program = find_program(self._which, self._has_amqtt)
            for attempt in range(_START_ATTEMPTS):
                if not self._running:
                    raise BrokerError("the embedded broker was stopped while it started")
                port = free_port(*filter(None, (self._kept_port, self._wanted_port))) if attempt == 0 else free_port()
                if await self._launch(port):
                    break
            else:
                raise BrokerError(
                    # its cause comes last, below a traceback too
                    f"{self._program.kind} does not start",
                    shown=self._child.last_lines[-_SHOWN:] if self._child else "",
                )
        except BaseException:
            self._running = False
            self._signal("KILL")
            raise
        assert self.endpoint is not None  # noqa: S101  _launch has set it
        return self.endpoint

    async def stop(self) -> None:
        """End it, within some seconds; returns when the process is gone."""
        self._running = False
        if self._spare is not None:
            self._spare.cleanup()
            self._spare = None
        if self._restart is not None and self._restart.active():
            self._restart.cancel()
        child = self._child
        if child is None or child.has_ended:
            return
        for name in ("TERM", "KILL"):
            self._signal(name)
            try:
                await child.ended().addTimeout(STOP_TIMEOUT, self._clock)
            except DeferredTimeout:
                continue
            return
        self.log.error("The embedded broker does not stop")

    def stands_for(self, other: EmbeddedBroker) -> bool:
        """Whether it is configured as ``other`` is, and may run on in its place."""
        return (self._directory, self._wanted_port) == (other._directory, other._wanted_port)

    def describe(self) -> tuple[str, ...]:
        """Lines for the log: which broker, where, what it lacks, and what to type to watch it."""
        endpoint = self.endpoint
        if endpoint is None:
            return ("The embedded broker is not running.",)
        where = f"{endpoint.host}:{endpoint.port}"
        lines = [
            f"Embedded broker: {endpoint.kind} on {where}, this machine only, without login; it ends with camdetect."
        ]
        if endpoint.port == self._kept_port:
            lines.append(
                f"Port {self._wanted_port} was taken when this port was chosen; it stays the same from then on."
            )
        elif endpoint.port != self._wanted_port:
            lines.append(f"Port {self._wanted_port} is taken by another program.")
        if endpoint.kind == AMQTT:
            lines.append(
                "mosquitto is not installed. amqtt is enough for a first look, but it sends no will when a client falls"
                " silent, sends a retained will twice, loses persistent sessions, ignores the takeover of a session and"
                " knows no MQTT 5. For more than a look: apt install mosquitto mosquitto-clients"
            )
        if find_executable(self._which, "mosquitto_sub") or endpoint.kind == MOSQUITTO:
            lines.append(f"To watch: mosquitto_sub -h {endpoint.host} -p {endpoint.port} -t '#' -v")
        else:
            lines.append(f"To watch: amqtt_sub --url mqtt://{where} -t '#'")
        return tuple(lines)

    # --- one run

    def _arguments(self, port: int) -> list[str]:
        try:
            return self._program.arguments(self._directory, port)
        except BrokerError:
            # STATE_DIR takes no writes, as the store says; the configuration is of no worth after the start.
            try:
                self._spare = self._spare or TemporaryDirectory(prefix="camdetect-broker-")
            except OSError:
                self._spare = None
            if self._spare is None:
                raise
            return self._program.arguments(Path(self._spare.name), port)

    async def _launch(self, port: int) -> bool:
        """Start it on ``port``; returns whether it accepts connections there."""
        arguments = self._arguments(port)
        self._child = child = _Child()
        # The environment is not handed on: it holds secrets that are none of the broker's business.
        environment = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        self._process = self._reactor.spawnProcess(child, arguments[0], arguments, env=environment, path="/")
        pid = self._process.pid
        child.ended().addCallback(lambda _: self._died(child))
        endpoint = TCP4ClientEndpoint(self._reactor, HOST, port, timeout=1)
        for _ in range(round(START_TIMEOUT / _POLL)):
            await deferLater(self._clock, _POLL)
            if child.has_ended:
                return False
            try:
                probe: Any = await endpoint.connect(Factory.forProtocol(Protocol))
            except ConnectError:
                continue
            probe.transport.loseConnection()
            if not child.has_ended:  # else another program has taken the port
                self.endpoint = Endpoint(HOST, port, self._program.kind, pid)
                self._up_since = self._clock.seconds()
                return True
        self._signal("KILL")
        await child.ended()
        return False

    def _signal(self, name: str) -> None:
        if self._child is not None and not self._child.has_ended:
            try:
                self._process.signalProcess(name)
            except ProcessExitedAlready:
                return

    # --- its death

    def _died(self, child: _Child) -> None:
        if not self._running or self.endpoint is None or child is not self._child:
            return  # it was stopped, or start() deals with it
        if self._clock.seconds() - self._up_since >= _RAN_WELL:
            self._delay = RESTART_FIRST
        self.log.warn(
            "The embedded broker ended ({reason}; {words}); it is started again in {delay} s",
            reason=child.reason,
            words=child.last_lines or "it said nothing",
            delay=self._delay,
        )
        self._restart_later()
        self._delay = min(RESTART_MOST, self._delay * 2)

    def _restart_later(self) -> None:
        self._restart = self._clock.callLater(
            self._delay, lambda: Deferred.fromCoroutine(self._relaunch()).addErrback(self._relaunch_failed)
        )

    async def _relaunch(self) -> None:
        assert self.endpoint is not None  # noqa: S101  it ran before
        if await self._launch(self.endpoint.port):
            self.log.info("The embedded broker is back on port {port}", port=self.endpoint.port)

    def _relaunch_failed(self, failure: Failure) -> None:
        if failure.check(BrokerError):
            self.log.error("The embedded broker could not be started again: {error}", error=str(failure.value))
            self._restart_later()
        else:
            self.log.failure("The embedded broker could not be started again", failure=failure)
