"""Liveness checks of one address by TCP connect."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface import implementer

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.connector import EpollConnector, Outcome, TcpConnector
from twisted_detector.errors import LocalError
from twisted_detector.interfaces import ILiveness
from twisted_detector.model.addresses import SILENT_PORTS

METHOD = "knock"

#: Seconds for each of two attempts: a device on the link answers in some milliseconds, one in Wi-Fi power save in some
#: hundred; and a move is not to be reported later than it must.
_WAITS = (0.15, 0.35)
#: RFC 793: where nothing listens a reset comes, which is an answer as well.
_ANY_PORT = 80
#: Ports that are tried for one that accepts: where a stream was proved, and a service.
_MAX_PORTS = 2


@implementer(ILiveness)
class TcpLiveness:
    """Liveness check that connects and hangs up; nothing is sent over the connection.

    :param reactor: IReactorTime and IReactorFDSet.
    :param limiter: shared with all others that send.
    :param make_connector: for tests.
    """

    def __init__(
        self,
        reactor: Any,
        limiter: PacketRateLimiter,
        *,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
    ) -> None:
        self._reactor = reactor
        self._limiter = limiter
        self._make_connector = make_connector

    async def is_alive(self, address: str, ports: Sequence[int]) -> bool:
        """See :class:`ILiveness`. IPv4 only: an IPv6 address is never alive."""
        if ":" in address:
            return False
        port = next((one for one in ports if one not in SILENT_PORTS), _ANY_PORT)
        return await self._connect(address, port) in (Outcome.OPEN, Outcome.REFUSED)

    async def accepts(self, address: str, ports: Sequence[int]) -> bool:
        """See :class:`ILiveness`."""
        for port in [one for one in dict.fromkeys(ports) if one not in SILENT_PORTS][:_MAX_PORTS]:
            outcome = await self._connect(address, port)
            if outcome is Outcome.NO_ROOM:
                raise LocalError("there is no room for a connection")
            if outcome is Outcome.OPEN:
                return True
        return False

    async def _connect(self, address: str, port: int) -> Outcome | None:
        """How an attempt ended; None: without any answer."""
        connector = self._make_connector(self._reactor)
        try:
            for wait in _WAITS:
                await self._limiter.acquire(by=METHOD, packets=2, to=address)
                outcome = await self._outcome(connector, address, port, wait)
                if outcome is not None:
                    return outcome
        finally:
            connector.close()
        return None

    async def _outcome(self, connector: TcpConnector, address: str, port: int, wait: float) -> Outcome | None:
        """How one attempt ended; None: not within ``wait`` seconds, and it is given up."""
        ended: Deferred[Outcome | None] = Deferred()

        def is_late() -> None:
            # The reactor calls what is due before it reads: what it was too busy to read is no silence of the device.
            connector.poll()
            if not ended.called:
                ended.callback(None)

        give_up = connector.connect(address, port, ended.callback)
        late = self._reactor.callLater(wait, is_late)
        try:
            outcome = await ended
        finally:
            if late.active():
                late.cancel()
        if outcome is None:
            give_up()
        return outcome
