"""A device that missed a check goes in; it is looked for at once, by the cheapest means first, a sweep comes last."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.interfaces import IFinder, INeighbours, ISightingSink, RecordObservation, record_nothing
from twisted_detector.model import Candidate, Sighting
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

METHOD = "neighbours"

#: Searches at one time: when a switch fails, a hundred cameras are missed in one minute; each search is some ten
#: datagrams and two seconds.
MAX_SEARCHES = 32
#: Seconds after which a search is given up: a finder has an end within seconds.
TIMEOUT = 10.0
#: A device in one of these phases is not where it should be.
_AWAY = (Phase.SUSPECT, Phase.OFFLINE)


class Relocator:
    """Looks for devices that do not answer, once for each loss.

    :param finders: how to ask for one device (IFinder).
    :param sweep: is called when all that found nothing.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        neighbours: INeighbours,
        finders: Sequence[IFinder],
        sink: ISightingSink,
        sweep: Callable[[], None],
        note: RecordObservation = record_nothing,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._neighbours = neighbours
        self._finders = tuple(finders)
        self._sink = sink
        self._sweep = sweep
        self._note = note
        self._room = DeferredSemaphore(MAX_SEARCHES)
        self._searching: dict[int, Deferred[None]] = {}

    def missed(self, key: int) -> None:
        """A device did not answer; the first time in a row it is looked for."""
        lost = self._registry.knows(key) and self._registry.phase(key) in _AWAY and self._registry.missed(key) == 1
        if lost and key not in self._searching:
            searching = self._searching[key] = Deferred.fromCoroutine(self._search(key))
            searching.addErrback(self._failed, key)
            searching.addBoth(self._searched, key)

    def _searched(self, _: object, key: int) -> None:
        self._searching.pop(key, None)

    def stop(self) -> list[Deferred[None]]:
        """Cancel every search; the Deferreds fire when they have ended."""
        ending = list(self._searching.values())
        for searching in ending:
            searching.cancel()
        return ending

    def _failed(self, failure: Failure, key: int) -> None:
        if not failure.check(CancelledError):
            self.log.failure("The search for device {key} failed", failure=failure, key=key)

    async def _search(self, key: int) -> None:
        await self._room.acquire()
        try:
            if self._gone(key):
                return
            candidate = self._registry.candidate(key)
            self._note(self._clock.seconds(), candidate.address, "re-find", "it does not answer: it is looked for")
            self._look_in_neighbours(key, candidate)
            if self._missing(key, candidate):
                await self._ask_finders(candidate)
            if self._missing(key, candidate):
                self._note(self._clock.seconds(), candidate.address, "re-find", "not found: a sweep is made")
                self._sweep()
        finally:
            self._room.release()

    def _gone(self, key: int) -> bool:
        return not self._registry.knows(key) or self._registry.phase(key) not in _AWAY

    def _missing(self, key: int, candidate: Candidate) -> bool:
        return not self._gone(key) and self._registry.candidate(key).address == candidate.address

    def _look_in_neighbours(self, key: int, candidate: Candidate) -> None:
        """Whether the kernel has its MAC at another address.

        Not where it stood before: such an entry may be hours old, and an address that it took again is announced.
        """
        if candidate.mac is None:
            return
        before = {candidate.address} | {
            address for camera in self._registry.cameras_of(key) for address, _ in camera.ip_history
        }
        now = self._clock.seconds()
        for address, mac in self._neighbours.known().items():
            if mac == candidate.mac and address not in before and (":" in address) == (":" in candidate.address):
                self._sink.sighted(Sighting(method=METHOD, address=address, seen_at=now, mac=mac))

    async def _ask_finders(self, candidate: Candidate) -> None:
        asking = []
        for finder in self._finders:
            one: Deferred[None] = Deferred.fromCoroutine(finder.find(candidate, self._sink))
            one.addTimeout(TIMEOUT, self._clock)
            one.addErrback(self._finder_failed, finder)
            asking.append(one)

        def cancel_all(_: object) -> None:
            for one in asking:
                one.cancel()

        both = DeferredList(asking)
        try:
            await both
        except CancelledError:
            cancel_all(None)
            raise

    def _finder_failed(self, failure: Failure, finder: IFinder) -> None:
        if not failure.check(CancelledError):
            self.log.warn("{finder} cannot search: {error}", finder=finder, error=failure.getErrorMessage())
