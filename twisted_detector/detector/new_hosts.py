"""An address at which somebody new stands goes in; discoverers that can look at one address do so, within bounds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.interfaces import IAddressProbe, ISightingSink, RecordObservation, record_nothing
from twisted_detector.model import Mac

#: Looks at one time; each is some ten datagrams, or a connect to each usual port. A flood of made-up neighbours gets no
#: more, and the sweep finds all.
MAX_LOOKS = 16
#: Seconds after which one look is given up.
TIMEOUT = 10.0
#: Newcomers that are remembered, so that who comes and goes in the kernel's table is not asked each time.
MAX_REMEMBERED = 4096
#: Seconds after which somebody is a newcomer again.
HOLD = 600.0


class NewHosts:
    """Looks at addresses, each of a MAC once in a while.

    :ivar counts: ``newcomers`` looked at, ``dropped_newcomers``.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        lookers: Sequence[IAddressProbe],
        *,
        sink: ISightingSink,
        monotonic: Callable[[], float],
        counts: Counter[str],
        note: RecordObservation = record_nothing,
    ) -> None:
        self._clock = clock
        self._lookers = tuple(lookers)
        self._sink = sink
        self._monotonic = monotonic
        self._note = note
        self._seen: dict[tuple[str, Mac | None], float] = {}
        self._looking: set[Deferred[None]] = set()
        self.counts = counts

    def came(self, address: str, mac: Mac | None) -> None:
        """Somebody stands at ``address`` who is no known camera."""
        now, key = self._monotonic(), (address, mac)
        if not self._lookers or now - self._seen.get(key, float("-inf")) < HOLD:
            return
        if len(self._looking) + len(self._lookers) > MAX_LOOKS:
            self.counts["dropped_newcomers"] += 1
            return
        self._seen.pop(key, None)
        if len(self._seen) >= MAX_REMEMBERED:
            del self._seen[next(iter(self._seen))]
        self._seen[key] = now
        self.counts["newcomers"] += 1
        self._note(self._clock.seconds(), address, "neighbours", f"a new neighbour, {mac}: it is looked at")
        for looker in self._lookers:
            looking: Deferred[None] = Deferred.fromCoroutine(looker.probe(address, self._sink))
            looking.addTimeout(TIMEOUT, self._clock)
            self._looking.add(looking)
            looking.addErrback(self._failed, address)
            looking.addBoth(self._looked, looking)

    def stop(self) -> list[Deferred[None]]:
        """Cancel every look; the Deferreds fire when they have ended."""
        ending = list(self._looking)
        for looking in ending:
            looking.cancel()
        return ending

    def _looked(self, _: object, looking: Deferred[None]) -> None:
        self._looking.discard(looking)

    def _failed(self, failure: Failure, address: str) -> None:
        if not failure.check(CancelledError):
            self.log.warn("{address} cannot be looked at: {error}", address=address, error=failure.getErrorMessage())
