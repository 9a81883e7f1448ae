"""Lookups of MACs by the kernel: each address once at a time, all within the bounds of the kernel's table."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address

from twisted.internet.defer import Deferred
from txaio.tx import make_logger

from twisted_detector.wire.netlink.tables import Target

#: An entry of the kernel's neighbour table that does not answer stays for 3.1 s. A full table breaks the machine's
#: network. Sweeps take up to 25 parts of 32, so an eighth of it is ours.
_PART, _PROVOKED_WINDOW = 8, 3.2


class NeighbourLookups:
    """Lookups that are under way, each shared by all that wait for it.

    :param provoke: sends one datagram to an address on the link with that index.
    :param acquire: permission to send, awaited before; None: none is needed.
    :param monotonic: seconds that never jump.
    :param table: how many entries the kernel's neighbour table holds.
    """

    log = make_logger()

    def __init__(
        self,
        provoke: Callable[[IPv4Address | IPv6Address, int], None],
        acquire: Callable[[], Awaitable[object]] | None,
        *,
        monotonic: Callable[[], float],
        table: int,
    ) -> None:
        self._provoke = provoke
        self._acquire = acquire
        self._monotonic = monotonic
        self._most = table // _PART
        self._waiting: dict[tuple[Target, ...], list[Deferred[None]]] = {}
        self._provoked: deque[float] = deque()

    async def resolve(self, targets: tuple[Target, ...], answer: Callable[[], Awaitable[None]]) -> None:
        """Make the kernel resolve ``targets`` and await ``answer()``; or wait for the lookup that does so already."""
        others = self._waiting.get(targets)
        if others is not None:
            answered: Deferred[None] = Deferred()
            others.append(answered)
            await answered
            return
        others = self._waiting[targets] = []
        try:
            if await self._send(targets):
                await answer()
        finally:
            del self._waiting[targets]
            for one in others:
                one.callback(None)  # one that was cancelled meanwhile swallows it

    async def _send(self, targets: tuple[Target, ...]) -> bool:
        """Whether an answer can be hoped for."""
        address = targets[0].address
        if len(targets) > 1 and address.is_link_local:
            return False  # the same address may stand on each link: which is meant is not known
        now = self._monotonic()
        while self._provoked and now - self._provoked[0] >= _PROVOKED_WINDOW:
            self._provoked.popleft()
        if len(self._provoked) >= self._most:
            return False
        self._provoked.append(now)
        if self._acquire is not None:
            await self._acquire()
        try:
            self._provoke(address, targets[0].index)
        except OSError as problem:
            self.log.debug("Nothing can be sent to {address}: {problem}", address=address, problem=problem)
            return False
        return True
