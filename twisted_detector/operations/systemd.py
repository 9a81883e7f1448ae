"""Client of the sd_notify protocol, for systemd or another supervisor.

https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import socket
from collections.abc import Callable

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

#: Seconds between two checks whether the status line changed, where no watchdog wants a sign sooner.
STATUS_SECONDS = 10.0


def make_notifier(path: str) -> Callable[[bytes], None]:
    """Sender of one datagram to a supervisor's socket; it raises OSError or ValueError when it cannot.

    :param path: value of NOTIFY_SOCKET: the path of a Unix datagram socket, an abstract one with ``@`` before it.
    """
    address = "\0" + path[1:] if path.startswith("@") else path

    def send(datagram: bytes) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as line:
            line.setblocking(False)  # a supervisor that does not read must not block the reactor
            line.sendto(datagram, address)

    return send


class SystemdNotifier(Service):
    """Service that notifies the supervisor of start, stop and status, and that the reactor still runs.

    :param send: sends one datagram (:func:`make_notifier`).
    :param watchdog: WATCHDOG_USEC in seconds: after so long without a notification the supervisor restarts the
        process, which notifies it twice in that time; 0.0: there is no watchdog.
    :param status: the status in one line.
    :param restarts: whether a stop is one for a restart in the same process: the supervisor is not to wait for its end.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        send: Callable[[bytes], None],
        *,
        watchdog: float,
        status: Callable[[], str],
        restarts: Callable[[], bool] = lambda: False,
    ) -> None:
        self._send = send
        self._interval = min(STATUS_SECONDS, watchdog / 2) if watchdog else STATUS_SECONDS
        self._watched = bool(watchdog)
        self._status = status
        self._restarts = restarts
        self._sent_status = ""
        self._warned = False
        self._ticks = LoopingCall(self._tick)
        self._ticks.clock = clock

    def startService(self) -> None:
        """Notify that the process is ready, and then at every interval."""
        super().startService()  # type: ignore[no-untyped-call]
        self._notify("READY=1")
        self._ticks.start(self._interval)

    def stopService(self) -> None:
        """Notify that the process stops."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._ticks.running:
            self._ticks.stop()
        self._notify("RELOADING=1" if self._restarts() else "STOPPING=1")

    def _tick(self) -> None:
        lines = ["WATCHDOG=1"] if self._watched else []
        try:
            status = self._status()
        except Exception:
            self.log.failure("The status line cannot be made")
            status = self._sent_status
        if status != self._sent_status:
            self._sent_status = status
            lines.append(f"STATUS={status}")
        if lines:
            self._notify(*lines)

    def _notify(self, *lines: str) -> None:
        try:
            self._send("\n".join(lines).encode())
        except (OSError, ValueError) as problem:
            if not self._warned:
                self._warned = True
                self.log.warn("The supervisor at NOTIFY_SOCKET cannot be notified: {problem}", problem=problem)
