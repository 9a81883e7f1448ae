"""Schedule of port looks: a sweep asks the ports of a host that is new, has another MAC, or is not well.

Whether a camera that is well plays is known from its routine check, a minute ago at most, and that it is there from its
ARP answer; only a port that it has opened since is news, and for that it is looked at once a day. After a restart a
camera that was well is asked by its check: where its MAC answers, the sweep has nothing to add unless that check fails.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_detector.model import Mac
from twisted_detector.model.bounds import BoundedDict

#: Seconds between two looks at the ports of a host that is well: so many at least, and up to twice as many, so that a
#: thousand cameras that were found together are not looked at together again.
DAY = 86_400.0
#: Hosts whose next look is remembered: all of a /16.
MAX_REMEMBERED = 65_536
#: The golden ratio's fraction: its multiples spread evenly, however many there are (Knuth, TAOCP 6.4).
_SPREAD = 0.6180339887498949

#: Whether all devices at an address are well there, over that MAC; None: the MAC is not seen from here.
IsWell = Callable[[str, Mac | None], bool]


def nobody_is_well(address: str, mac: Mac | None) -> bool:
    """An :data:`IsWell` of a sweep that knows no device."""
    return False


class PortLooks:
    """Decides whether the ports of a host are to be tried in this sweep.

    :param is_well: asked for each host that is there.
    :param monotonic: seconds that never jump.
    """

    def __init__(self, is_well: IsWell, monotonic: Callable[[], float]) -> None:
        self._is_well = is_well
        self._monotonic = monotonic
        self._next: BoundedDict[str, float] = BoundedDict(MAX_REMEMBERED)
        self._number = 0

    def is_due(self, address: str, mac: Mac | None) -> bool:
        """Whether to look at the ports of the host at ``address``; if so, that is the look."""
        now, due_at = self._monotonic(), self._next.get(address)
        # One that was well before we ever looked has its turn in a day.
        due = not self._is_well(address, mac) or (due_at is not None and now >= due_at)
        if due or due_at is None:
            self._number += 1
            self._next.pop(address, None)
            self._next[address] = now + DAY * (1 + self._number * _SPREAD % 1)
        return due
