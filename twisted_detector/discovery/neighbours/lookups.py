"""Targets go in; the kernel is made to ask for them, each once at a time and within bounds; who waits is told."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address

from twisted.internet.defer import Deferred
from txaio.tx import make_logger

from twisted_detector.wire.netlink.tables import Target

#: The neighbour table of the kernel holds 1 024 entries, and one that does not answer stays for 3.1 s. A full table
#: breaks the machine's network. Sweeps take up to 800, so an eighth of it is ours.
_MAX_PROVOKED, _PROVOKED_WINDOW = 128, 3.2


class NeighbourLookups:
    """Makes the kernel ask for MACs.

    :param provoke: sends one datagram to an address on the link with that index.
    :param turn: is awaited before it; None: nobody minds.
    :param monotonic: seconds that never jump.
    """

    log = make_logger()

    def __init__(
        self,
        provoke: Callable[[IPv4Address | IPv6Address, int], None],
        turn: Callable[[], Awaitable[object]] | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._provoke = provoke
        self._turn = turn
        self._monotonic = monotonic
        self._asking: dict[tuple[Target, ...], list[Deferred[None]]] = {}
        self._provoked: deque[float] = deque()

    async def ask(self, targets: tuple[Target, ...], answer: Callable[[], Awaitable[None]]) -> None:
        """Make the kernel ask, and await ``answer()``; or wait for who does so for the same targets already."""
        others = self._asking.get(targets)
        if others is not None:
            answered: Deferred[None] = Deferred()
            others.append(answered)
            await answered
            return
        others = self._asking[targets] = []
        try:
            if await self._put(targets):
                await answer()
        finally:
            del self._asking[targets]
            for one in others:
                one.callback(None)  # who was cancelled meanwhile does not mind

    async def _put(self, targets: tuple[Target, ...]) -> bool:
        """Whether an answer can be hoped for."""
        address = targets[0].address
        if len(targets) > 1 and address.is_link_local:
            return False  # the same address may stand on each link: nobody said which is meant
        now = self._monotonic()
        while self._provoked and now - self._provoked[0] >= _PROVOKED_WINDOW:
            self._provoked.popleft()
        if len(self._provoked) >= _MAX_PROVOKED:
            return False
        self._provoked.append(now)
        if self._turn is not None:
            await self._turn()
        try:
            self._provoke(address, targets[0].index)
        except OSError as problem:
            self.log.debug("Nothing can be sent to {address}: {problem}", address=address, problem=problem)
            return False
        return True
