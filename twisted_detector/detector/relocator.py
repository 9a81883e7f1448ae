"""Search for a known device that does not answer where it was: the cheapest means first, a sweep last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.task_group import TaskGroup, describe_failure
from twisted_detector.interfaces import IFinder, INeighbours, ISightingSink
from twisted_detector.model import Candidate, Sighting
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

METHOD = "neighbours"

#: Searches at one time: when a switch fails, a hundred cameras are missed in one minute; each search is some ten
#: datagrams and two seconds.
MAX_SEARCHES = 32
#: Seconds after which a finder is given up: it has to end within seconds.
TIMEOUT = 10.0
#: A device in one of these phases is not where it should be.
_AWAY = (Phase.SUSPECT, Phase.OFFLINE)


class Relocator:
    """Searches for missed devices, one search for each loss.

    :param finders: the discoverers that can search for one device.
    :param sweep: asks for a sweep; called when a search found nothing.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        neighbours: INeighbours,
        finders: Sequence[IFinder],
        sweep: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._neighbours = neighbours
        self._finders = tuple(finders)
        self._sweep = sweep
        self._sink: ISightingSink | None = None
        self._room = DeferredSemaphore(MAX_SEARCHES)
        self._searches = TaskGroup("A search for a device")

    def start(self, sink: ISightingSink) -> None:
        """From now on search for what is missed, and report to ``sink``."""
        self._sink = sink

    def stop(self) -> Deferred[Any]:
        """Start no more, and cancel every search; fires when all have ended."""
        self._sink = None
        return self._searches.cancel_all()

    def device_missed(self, key: int) -> None:
        """A device did not answer; the first time in a row it is searched for."""
        if self._sink is None or key in self._searches:
            return
        if self._is_away(key) and self._registry.missed_checks(key) == 1:
            self._searches.start(self._search(key, self._sink), key=key)

    async def _search(self, key: int, sink: ISightingSink) -> None:
        async with self._room:
            if not self._is_away(key):
                return
            candidate = self._registry.candidate(key)
            self._environment.record(candidate.address, "re-find", "it does not answer: it is looked for")
            self._search_neighbours(key, candidate, sink)
            if self._is_missing(key, candidate):
                await DeferredList([Deferred.fromCoroutine(self._find(one, candidate, sink)) for one in self._finders])
            if self._is_missing(key, candidate):
                self._environment.record(candidate.address, "re-find", "not found: a sweep is made")
                self._sweep()

    def _is_away(self, key: int) -> bool:
        return self._registry.knows(key) and self._registry.phase(key) in _AWAY

    def _is_missing(self, key: int, candidate: Candidate) -> bool:
        """Whether the search has to go on: it was neither stopped, nor was the device found."""
        return (
            self._sink is not None and self._is_away(key) and self._registry.candidate(key).address == candidate.address
        )

    def _search_neighbours(self, key: int, candidate: Candidate, sink: ISightingSink) -> None:
        """Report the addresses at which the kernel has the MAC of the device.

        Those at which it was before are left out: such an entry may be hours old, and a device that takes an old
        address again announces it.
        """
        if candidate.mac is None:
            return
        before = {candidate.address} | {
            address for camera in self._registry.cameras_of(key) for address, _ in camera.ip_history
        }
        for address, mac in self._neighbours.known().items():
            if mac == candidate.mac and address not in before and (":" in address) == (":" in candidate.address):
                sink.sighted(Sighting(method=METHOD, address=address, seen_at=self._environment.now(), mac=mac))

    async def _find(self, finder: IFinder, candidate: Candidate, sink: ISightingSink) -> None:
        try:
            await Deferred.fromCoroutine(finder.find(candidate, sink)).addTimeout(TIMEOUT, self._environment.clock)
        except CancelledError:
            pass
        except Exception as problem:
            self.log.warn(
                "{finder} cannot search for {address}: {error}",
                finder=getattr(finder, "name", type(finder).__name__),
                address=candidate.address,
                error=describe_failure(problem, TIMEOUT),
            )
