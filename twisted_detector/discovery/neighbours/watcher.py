"""The kernel's events about neighbours and interfaces go in; who is new at which address comes out, and that we moved.

No privilege is needed. A camera that speaks to this machine from a new address, or was asked there by a sweep, is in
the kernel's table at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.interfaces import ISightingSink, IWatcher
from twisted_detector.model import Mac, Sighting
from twisted_detector.wire.netlink.messages import AddressMessage, LinkMessage, NeighbourMessage, NetlinkMessage

METHOD = "neighbours"

#: Seconds in which events are gathered: a sweep brings hundreds, and the table is looked through once for all.
_GATHER = 0.05
#: Seconds that a change of interfaces or addresses may take to settle (DHCP, duplicate address detection).
_SETTLE = 1.5
#: Neighbours that are remembered; the kernel's table holds 1 024 by default.
MAX_REMEMBERED = 65_536


class Telling(Protocol):
    """What is listened to: :class:`neighbours.KernelNeighbours`."""

    listeners: list[Callable[[NetlinkMessage], None]]

    def known(self) -> Mapping[str, Mac]: ...


@implementer(IWatcher)
class NeighbourWatcher:
    """Reports each address at which the kernel has seen another MAC than before.

    What is in the table when the watch begins was there before: the sweep looks at it.

    :param neighbours: not started yet.
    :param network_changed: is called when an interface or an address of this machine came or went.
    :ivar counts: ``events``, ``sightings``, ``network_changes``.
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self, clock: IReactorTime, neighbours: Telling, *, network_changed: Callable[[], None] = lambda: None
    ) -> None:
        self._clock = clock
        self._neighbours = neighbours
        self.network_changed = network_changed
        self._sink: ISightingSink | None = None
        self._last: dict[str, Mac] = {}
        self._own: dict[tuple[int, str], object] = {}
        self._touched: set[str] = set()
        self._gathering: IDelayedCall | None = None
        self._settling: IDelayedCall | None = None
        self.counts: Counter[str] = Counter()
        # From now on, so that the kernel's first word about each interface is known to be the first.
        neighbours.listeners.append(self._told)

    def startWatching(self, sink: ISightingSink) -> None:
        """Begin to report."""
        self._sink = sink
        self._last = dict(self._neighbours.known())

    def stopWatching(self) -> None:
        """End it."""
        self._sink = None
        if self._told in self._neighbours.listeners:
            self._neighbours.listeners.remove(self._told)
        for call in (self._gathering, self._settling):
            if call is not None and call.active():
                call.cancel()

    def _told(self, message: NetlinkMessage) -> None:
        if isinstance(message, NeighbourMessage):
            self._neighbour(message)
        elif isinstance(message, LinkMessage | AddressMessage) and self._is_news(message) and self._sink is not None:
            self.counts["network_changes"] += 1
            if self._settling is not None and self._settling.active():
                self._settling.cancel()
            self._settling = self._clock.callLater(_SETTLE, self._settled)

    def _neighbour(self, message: NeighbourMessage) -> None:
        self.counts["events"] += 1
        if self._sink is None:
            return
        if message.removed:
            self._last.pop(message.address, None)
        elif message.usable and len(self._touched) < MAX_REMEMBERED:
            self._touched.add(message.address)
            if self._gathering is None or not self._gathering.active():
                self._gathering = self._clock.callLater(_GATHER, self._gathered)

    def _gathered(self) -> None:
        touched, self._touched = self._touched, set()
        now = self._clock.seconds()
        for address, mac in self._neighbours.known().items():
            bare = address.partition("%")[0]
            if bare not in touched or self._last.get(address) == mac:
                continue
            if len(self._last) < MAX_REMEMBERED or address in self._last:
                self._last[address] = mac
            self.counts["sightings"] += 1
            if self._sink is not None:
                self._sink.sighted(Sighting(method=METHOD, address=address, seen_at=now, mac=mac))

    def _is_news(self, message: LinkMessage | AddressMessage) -> bool:
        """Whether it says something else than the last time: dumps repeat all, and flags change all day."""
        state: object
        if isinstance(message, LinkMessage):
            key, state = (message.index, ""), None if message.removed else (message.name, message.up)
        else:
            key = (message.index, message.address)
            state = None if message.removed or not message.usable else message.prefix_length
        known = key in self._own
        before = self._own.pop(key, None)
        if state is not None and len(self._own) < MAX_REMEMBERED:
            self._own[key] = state
        return before != state if known else state is not None

    def _settled(self) -> None:
        self.network_changed()
