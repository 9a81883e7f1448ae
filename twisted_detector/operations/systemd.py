"""What this process is doing goes in; datagrams of the sd_notify protocol come out, for systemd or whoever supervises.

The protocol: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

#: Seconds between looks whether the status line changed, where there is no watchdog that wants to hear sooner.
STATUS_SECONDS = 10.0


def notifier(path: str) -> Callable[[bytes], None]:
    """A function that sends one datagram to a supervisor's socket; it raises OSError or ValueError when it cannot.

    :param path: NOTIFY_SOCKET: the path of a Unix datagram socket, an abstract one with ``@`` before it.
    """
    address = "\0" + path[1:] if path.startswith("@") else path

    def send(datagram: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.setblocking(False)  # a supervisor that does not read must not hold the reactor
            line.sendto(datagram, address)

    return send


class SystemdNotifier(Service):
    """Tells the supervisor when all is started, that the reactor still turns, how it stands, and that it ends.

    :param send: takes each datagram, as :func:`notifier` makes it.
    :param watchdog: WATCHDOG_USEC in seconds: silence after which the supervisor starts us anew; 0.0 when it does not
        watch. It hears from us twice in that time.
    :param status: how it stands, in one line.
    """

    log = make_logger()

    def __init__(
        self, clock: IReactorTime, send: Callable[[bytes], None], *, watchdog: float, status: Callable[[], str]
    ) -> None:
        self._send = send
        self._interval = min(STATUS_SECONDS, watchdog / 2) if watchdog else STATUS_SECONDS
        self._watched = bool(watchdog)
        self._status = status
        self._said = ""
        self._complained = False
        self._turning = LoopingCall(self._turn)
        self._turning.clock = clock

    def startService(self) -> None:
        """It is ready."""
        super().startService()  # type: ignore[no-untyped-call]
        self._say("READY=1")
        self._turning.start(self._interval)

    def stopService(self) -> None:
        """It ends."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._turning.running:
            self._turning.stop()
        self._say("STOPPING=1")

    def _turn(self) -> None:
        lines = ["WATCHDOG=1"] if self._watched else []
        try:
            status = self._status()
        except Exception:
            self.log.failure("The status line cannot be made")
            status = self._said
        if status != self._said:
            self._said = status
            lines.append(f"STATUS={status}")
        if lines:
            self._say(*lines)

    def _say(self, *lines: str) -> None:
        try:
            self._send("\n".join(lines).encode())
        except (OSError, ValueError) as problem:
            if not self._complained:
                self._complained = True
                self.log.warn("The supervisor at NOTIFY_SOCKET cannot be told: {problem}", problem=problem)
