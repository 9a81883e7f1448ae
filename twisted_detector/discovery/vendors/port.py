"""The sockets of one interface for all manufacturers' protocols, each opened when it is first needed."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.discovery.multicast.listener import LogProblem, Receiver
from twisted_detector.discovery.vendors.sockets import OpenUdp, UdpPort
from twisted_detector.model import Interface
from twisted_detector.wire.vendors.protocol import Query, VendorProtocol

#: Seconds until a port that another program holds is tried again.
RETRY_INTERVAL = 60.0


class VendorPort:
    """Sockets of one interface: one for the protocols that are answered at the port that asks, and one for each port to
    which devices answer whoever asked.

    A port of answers is taken anew before each search, because what is sent to this machine alone comes to the socket
    that was opened last: of two daemons, or a daemon and a manufacturer's tool, to the one that asked last.
    """

    def __init__(
        self, interface: Interface, received: Receiver, *, open_udp: OpenUdp, clock: IReactorTime, problem: LogProblem
    ) -> None:
        self._interface = interface
        self._received = received
        self._open_udp = open_udp
        self._clock = clock
        self._problem = problem
        self._is_open = True
        self._asking: UdpPort | None = None
        self._answers: dict[int, UdpPort] = {}
        self._retries: set[IDelayedCall] = set()

    def ask(self, protocol: VendorProtocol, query: Query) -> bool:
        """Send a query; False: it did not go out, for the port of its answers cannot be had.

        :raises OSError: it cannot be sent.
        """
        if not self._is_open:  # a rate limit may delay it
            return False
        port = self._take(protocol) if protocol.reply_port else self._asking
        if port is None and not protocol.reply_port:
            port = self._asking = self._open_udp(self._interface, 0, self._received, ())
        if port is None:
            return False
        port.send(query.data, query.to, query.port)
        return True

    def listen(self, protocol: VendorProtocol) -> None:
        """Hear what devices say unasked; a port that another program holds is tried again from time to time."""
        if self._take(protocol) is None:
            self._later(RETRY_INTERVAL, lambda: self.listen(protocol))

    def close(self) -> None:
        """Close every socket."""
        self._is_open = False
        for call in self._retries:
            call.cancel()
        self._retries.clear()
        for port in (*self._answers.values(), *([] if self._asking is None else [self._asking])):
            port.close()
        self._answers.clear()

    def _take(self, protocol: VendorProtocol) -> UdpPort | None:
        number = protocol.reply_port
        try:
            taken = self._open_udp(self._interface, number, self._received, protocol.groups)
        except OSError as problem:
            self._problem(f"UDP port {number}, to which devices answer by {protocol.name}", problem)
            return None
        before = self._answers.get(number)
        if before is not None:
            before.drain()
            before.close()
        self._answers[number] = taken
        return taken

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        def due() -> None:
            self._retries.discard(delayed)
            call()

        delayed = self._clock.callLater(seconds, due)
        self._retries.add(delayed)
