"""Watcher of the kernel's neighbour table: reports new devices, and changes of this machine's own interfaces.

No privilege is needed. A camera that speaks to this machine from a new address, or that answered a sweep there, is in
the kernel's table at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from zope.interface import implementer

from twisted_detector.interfaces import INeighbours, ISightingSink, IWatcher
from twisted_detector.model import Mac, Sighting
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.observers import Observers

METHOD = "neighbours"

#: Seconds in which events are gathered: a sweep brings hundreds, and the table is read once for all.
_GATHER = 0.05
#: Seconds that a change of interfaces or addresses may take to settle (DHCP, duplicate address detection).
_SETTLE = 1.5
#: Neighbours that are remembered; the kernel's table holds 1 024 by default.
MAX_REMEMBERED = 65_536


@implementer(IWatcher)
class NeighbourWatcher:
    """Watcher that reports each address at which the kernel has found another MAC than before.

    Neighbours that are in the table when the watch begins are no news: the sweep tries them.

    :ivar network_changed: observers of interfaces and addresses of this machine that came or went.
    :ivar counts: ``events``, ``sightings``, ``network_changes``.
    """

    name = METHOD

    def __init__(self, clock: IReactorTime, neighbours: INeighbours) -> None:
        self._clock = clock
        self._neighbours = neighbours
        self.network_changed: Observers[[]] = Observers("a change of this machine's network")
        self._unwatch: Callable[[], None] = lambda: None
        self._last: BoundedDict[str, Mac] = BoundedDict(MAX_REMEMBERED)
        self._touched: set[str] = set()
        self._gathering: IDelayedCall | None = None
        self._settling: IDelayedCall | None = None
        self.counts: Counter[str] = Counter()

    def startWatching(self, sink: ISightingSink) -> None:
        """Begin to report."""
        self._sink = sink
        self._last.update(self._neighbours.known())
        self._unwatch = self._neighbours.watch(self._neighbour_changed, interfaces_changed=self._interfaces_changed)

    def stopWatching(self) -> None:
        """Report no more."""
        self._unwatch()
        for call in (self._gathering, self._settling):
            if call is not None and call.active():
                call.cancel()

    def _neighbour_changed(self, address: str, mac: Mac | None) -> None:
        self.counts["events"] += 1
        if mac is None:
            self._last.pop(address, None)
        elif len(self._touched) < MAX_REMEMBERED:
            self._touched.add(address)
            if self._gathering is None or not self._gathering.active():
                self._gathering = self._clock.callLater(_GATHER, self._gathered)

    def _gathered(self) -> None:
        touched, self._touched = self._touched, set()
        now, known = self._clock.seconds(), self._neighbours.known()
        for address in touched:
            mac = known.get(address)
            if mac is None or self._last.get(address) == mac:
                continue
            self._last[address] = mac
            self.counts["sightings"] += 1
            self._sink.sighted(Sighting(method=METHOD, address=address, seen_at=now, mac=mac))

    def _interfaces_changed(self) -> None:
        self.counts["network_changes"] += 1
        if self._settling is not None and self._settling.active():
            self._settling.cancel()
        self._settling = self._clock.callLater(_SETTLE, self.network_changed.notify)
