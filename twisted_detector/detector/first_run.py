"""Watch that ends the first run: when the first round of sweeps has ended, or when its time is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import Event, SweepFinished
from twisted_detector.interfaces import IEventListener

#: Seconds after the round for answers that are under way: the MAC of the last ones is being looked up.
GRACE = 5.0


@implementer(IEventListener)
class FirstRunWatch:
    """Listener that counts the sweeps of the first run.

    :param methods: names of the methods that sweep.
    :param rounds: the first run ends when each of them has swept so often.
    :param end: called once, when it ends.
    :param adopted: how many cameras are adopted, for the log.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        methods: Collection[str],
        *,
        rounds: int,
        end: Callable[[], None],
        adopted: Callable[[], int],
    ) -> None:
        self._clock = clock
        self._methods = frozenset(methods)
        self._rounds = rounds
        self._on_end = end
        self._adopted = adopted
        self._swept: Counter[str] = Counter()
        self._call: IDelayedCall | None = None

    def start(self, left: float) -> None:
        """Begin to watch; ``left``: seconds after which the first run ends in any case; 0: there is none."""
        if left <= 0:
            return
        self.log.info("First run: cameras found on this machine's networks now are adopted and may be given logins")
        self._call = self._clock.callLater(left, self._end)

    def stop(self) -> None:
        """Watch no more; the first run goes on after the next start, if there is time left."""
        if self._call is not None and self._call.active():
            self._call.cancel()
        self._call = None

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if self._call is None or not isinstance(event, SweepFinished):
            return
        self._swept[event.method] += 1
        if all(self._swept[method] >= self._rounds for method in self._methods):
            self._methods = frozenset(("",))  # asked once
            self.stop()
            self._call = self._clock.callLater(GRACE, self._end)

    def _end(self) -> None:
        self._call = None
        self._on_end()
        self.log.info(
            "The first run has ended with {count} cameras adopted; what is found from now on is given no login until"
            " it is adopted (page, `camdetect adopt`)",
            count=self._adopted(),
        )
