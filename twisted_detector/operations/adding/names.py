"""Resolver of the names of hosts to their addresses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

#: Seconds for a name: a resolver without an answer takes longer, and a person waits.
PATIENCE = 5.0
#: Addresses of one host that are used.
MAX_ADDRESSES = 8


@implementer(IResolutionReceiver)
class _Collector:
    """Collector of the addresses of one host."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.done: Deferred[None] = Deferred()

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:
        pass

    def addressResolved(self, address: IAddress) -> None:
        host = str(getattr(address, "host", ""))
        if host and host not in self.addresses:
            self.addresses.append(host)

    def resolutionComplete(self) -> None:
        if not self.done.called:
            self.done.callback(None)


class NameResolver:
    """Resolver over the reactor's, IPv4 before IPv6.

    :param reactor: IReactorPluggableNameResolver and IReactorTime.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    async def resolve(self, name: str) -> Sequence[str]:
        """The addresses of a host; none where nobody knows it."""
        collector = _Collector()
        self._reactor.nameResolver.resolveHostName(collector, name)
        try:
            await collector.done.addTimeout(PATIENCE, self._reactor)
        except DeferredTimeout:
            return ()
        return sorted(collector.addresses, key=lambda address: ":" in address)[:MAX_ADDRESSES]
