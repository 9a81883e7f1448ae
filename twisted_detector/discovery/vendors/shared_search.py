"""Coordinator of the searches of whole links for hosts that appeared: they share a search, and few are made.

A device that does not answer what is sent to its address alone is found by a search of its link. When a switch comes
up, fifty hosts appear in a minute; each is asked at its address, and all together have some searches of the link.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass, field

from twisted.internet.defer import DeferredLock
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

from twisted_detector.model.bounds import BoundedDict

#: Searches of one link at once, and seconds until one more is allowed: fifteen in a minute in which hosts appear all
#: the time. Nobody waits longer than one interval and two searches, which the detector's patience with a probe allows.
MAX_AT_ONCE, INTERVAL = 3, 5.0
#: Seconds until a search begins, so that hosts which appear at the same moment have a share in it.
_TOGETHER = 0.05
#: Links that are remembered.
_MAX_LINKS = 64


@dataclass(slots=True)
class _Wanted:
    address: str
    is_served: bool = False


@dataclass(slots=True)
class _Link:
    at: float
    allowed: float = MAX_AT_ONCE
    lock: DeferredLock = field(default_factory=DeferredLock)
    wanted: list[_Wanted] = field(default_factory=list)


class SharedSearches:
    """Runs one search of a link at a time, for all addresses that are wanted when it begins.

    :param monotonic: seconds that never jump.
    """

    def __init__(self, clock: IReactorTime, monotonic: Callable[[], float]) -> None:
        self._clock = clock
        self._monotonic = monotonic
        self._links: BoundedDict[int, _Link] = BoundedDict(_MAX_LINKS)

    async def search(self, link: int, address: str, search: Callable[[Collection[str]], Awaitable[None]]) -> None:
        """Return when a search of ``link`` that began after now has ended: ours, or that of another who waits.

        :param search: searches it for those addresses.
        """
        state = self._links.setdefault(link, _Link(self._monotonic()))
        wanted = _Wanted(address)
        state.wanted.append(wanted)
        try:
            await state.lock.acquire()
            try:
                if not wanted.is_served:
                    await self._wait(state)
                    served = tuple(state.wanted)
                    await search({one.address for one in served})
                    for one in served:
                        one.is_served = True
            finally:
                state.lock.release()
        finally:
            state.wanted.remove(wanted)

    async def _wait(self, state: _Link) -> None:
        """Take one of the searches that are allowed, when there is one."""
        now = self._monotonic()
        state.allowed, state.at = min(state.allowed + (now - state.at) / INTERVAL, MAX_AT_ONCE), now
        state.allowed -= 1
        await deferLater(self._clock, max(_TOGETHER, -state.allowed * INTERVAL))
