"""The reconciler of one destination: tries, waits, and what is kept for the next run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.outputs.case import NAME, Place, SharedPlace, entry
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    ISyncDestination,
    IWatchedDestination,
    Sharing,
    TargetPhase,
    TargetRefused,
    TargetStarting,
    TargetUnavailable,
)
from twisted_detector.outputs.sync.target import (
    LAST_RECONSIDER,
    LAST_RETRY,
    PATIENCE,
    QUIET,
    RECONSIDER,
    STARTING_LOOKS,
    STARTING_RETRY,
    SyncTarget,
)


class Case(SynchronousTestCase):
    def target(self, place: Place, **more: Any) -> tuple[SyncTarget, Clock, list[Any]]:
        clock, saved = Clock(), []
        more = {"base": {}, "save": saved.append, "random": lambda: 0.5, **more}
        return SyncTarget(clock, place, **more), clock, saved


class Following(Case):
    def waits(self, place: Place, target: SyncTarget, clock: Clock) -> list[float]:
        """Seconds between the tries, each of which counts, until it is delivered."""
        waits: list[float] = []
        while not place.delivered:
            (call,) = clock.getDelayedCalls()
            waits.append(call.getTime() - clock.seconds())
            self.assertEqual((target.status.phase, target.status.tries), (TargetPhase.AWAY, len(waits)))
            clock.advance(waits[-1])
        return waits

    def test_the_same_again(self) -> None:
        """A wish is delivered once, with what was left there before; what stands there is kept for the next run."""
        place = Place()
        verifyObject(ISyncDestination, place)
        target, clock, saved = self.target(place, base={"old": 1})
        for _ in range(3):
            target.update({"a": 1})
        target.update({"a": 2})
        self.assertEqual(place.delivered, [({"a": 1}, {"old": 1}, False), ({"a": 2}, {"a": 1}, False)])
        self.assertEqual(saved, [{"a": 1}, {"a": 2}])
        self.assertEqual((target.status.phase, clock.getDelayedCalls()), (TargetPhase.DONE, []))

    def test_away(self) -> None:
        """Who does not answer is tried again, later each time and never later than the bound, until it is there."""
        place = Place()
        place.script = [TargetUnavailable("it does not answer")] * 12
        target, clock, _ = self.target(place)
        target.update({"a": 1})
        waits = self.waits(place, target, clock)
        self.assertEqual(waits[:4], [1.0, 2.0, 4.0, 8.0])
        self.assertEqual(max(waits), LAST_RETRY)
        self.assertEqual((target.status.phase, target.status.tries), (TargetPhase.DONE, 0))

    def test_refused(self) -> None:
        """What is refused is not tried soon again, and its reason is told; another wish is tried at once."""
        place = Place()
        place.script = [TargetRefused("Frigate refuses it", shown="bad roles")]
        target, clock, saved = self.target(place)
        target.update({"a": 1})
        self.assertEqual(target.status.phase, TargetPhase.REFUSED)
        self.assertIn("bad roles", target.status.reason)
        clock.advance(LAST_RETRY * 0.5)
        self.assertEqual((place.delivered, saved), ([], []))
        target.update({"a": 2})
        self.assertEqual([one[0] for one in place.delivered], [{"a": 2}])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_some_are_refused(self) -> None:
        """The others are there, which is kept; what is left out is told with its reason, and tried again seldom."""
        for refresh, looks in ((0.0, 2), (30.0, 12)):
            place = Place(refresh=refresh)
            place.result = DeliveryResult({"b": 2}, True, "a word", refused={"a": "why", "c": "why"})
            target, clock, saved = self.target(place)
            target.update({"a": 1, "b": 2, "c": 3})
            self.assertEqual(("left out: a, c: why; a word", 0), (target.status.reason, target.status.tries))
            self.assertEqual((TargetPhase.REFUSED, [{"b": 2}]), (target.status.phase, saved))
            clock.pump([1.0] * 350)
            self.assertEqual(looks, len(place.delivered))

    def test_more_to_do(self) -> None:
        """A place that has more to do later is delivered to again in its time, which is no failure."""
        place = Place(refresh=300)
        place.result = DeliveryResult({"a": 1}, True, again=90.0)
        target, clock, _ = self.target(place)
        target.update({"a": 1})
        clock.advance(89)
        self.assertEqual((1, TargetPhase.DONE), (len(place.delivered), target.status.phase))
        clock.advance(1)
        self.assertEqual(2, len(place.delivered))

    def test_starting(self) -> None:
        """One that is just starting is looked at at an even pace, and after some minutes like any that is away."""
        place = Place()
        place.script = [TargetStarting("Frigate is starting")] * 60
        target, clock, _ = self.target(place)
        target.update({"a": 1})
        waits = self.waits(place, target, clock)
        self.assertEqual({STARTING_RETRY}, set(waits[:STARTING_LOOKS]))
        self.assertEqual({LAST_RETRY}, set(waits[STARTING_LOOKS:]))

    def test_a_fault_of_ours(self) -> None:
        """A fault of ours is logged with its traceback and ends nothing."""
        place = Place()
        place.script = [KeyError("x")]
        target, clock, _ = self.target(place)
        target.update({"a": 1})
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        clock.advance(LAST_RETRY * 1.2)
        self.assertEqual(len(place.delivered), 1)

    def test_without_end(self) -> None:
        """A delivery that does not come to an end is given up; a newer wish waits for it, and is not lost."""
        place = Place()
        place.hangs = True
        target, clock, _ = self.target(place)
        target.update({"a": 1})
        target.update({"a": 2})
        place.hangs = False
        clock.advance(120)
        self.assertEqual([one[0] for one in place.delivered], [{"a": 2}])

    def test_stop(self) -> None:
        """After the stop nothing goes on and nothing is due."""
        for hangs in (True, False):
            place = Place(refresh=30)
            place.hangs = hangs
            target, clock, _ = self.target(place)
            target.update({"a": 1})
            self.successResultOf(target.stop())
            target.update({"a": 2})
            self.assertEqual((clock.getDelayedCalls(), len(place.delivered)), ([], 0 if hangs else 1))

    def test_looked_at_again(self) -> None:
        """A place that may lose it by itself is looked at again and again."""
        place = Place(refresh=30)
        target, clock, _ = self.target(place)
        target.update({"a": 1})
        clock.pump([30] * 3)
        self.assertEqual(len(place.delivered), 4)

    def test_dry(self) -> None:
        """A dry run tells what would change and keeps nothing."""
        place = Place()
        target, _, saved = self.target(place, dry=True)
        target.update({"a": 1})
        self.assertEqual((place.delivered[0][2], saved, target.status.phase), (True, [], TargetPhase.DRY))


class Shared(Case):
    """A place in which another node keeps entries, too."""

    def setUp(self) -> None:
        self.others = frozenset({NAME})
        self.table: dict[str, Any] = {}

    def shared(self, refresh: float = 0.0) -> tuple[SyncTarget, SharedPlace, Clock]:
        place = SharedPlace("place", self.table, refresh)
        target, clock, _ = self.target(
            place, sharing=lambda names: Sharing(self.others, self.others.intersection(names))
        )
        return target, place, clock

    def test_patience(self) -> None:
        """What another node may be about to add is added when it has been missing for long, at two looks at least."""
        for refresh in (0.0, 30.0):
            self.table.clear()
            target, _, clock = self.shared(refresh)
            target.update({NAME: entry()})
            clock.advance(PATIENCE - 1)
            self.assertEqual({}, self.table)
            clock.pump([refresh or PATIENCE] * 2)
            self.assertEqual({NAME: entry()}, self.table)

    def test_added_meanwhile(self) -> None:
        """What the other node has added by then is left to it, and that is told with the state."""
        target, place, clock = self.shared()
        target.update({NAME: entry()})
        self.table[NAME] = entry("10.9.0.9")
        clock.advance(PATIENCE)
        self.assertEqual(({NAME: entry("10.9.0.9")}, 0), (self.table, place.changes))
        self.assertEqual((NAME,), target.status.left)
        self.assertEqual([], clock.getDelayedCalls())

    def test_a_clock_that_is_set_back(self) -> None:
        """Nothing waits for ever."""
        target, _, clock = self.shared()
        target.update({NAME: entry()})
        clock.rightNow -= 3600.0
        target.reconsider()
        self.assertEqual({NAME: entry()}, self.table)

    def test_reconsidered(self) -> None:
        """When this node begins to speak for a camera, all is looked at again at once, though nothing else changed."""
        self.table[NAME] = entry("10.9.0.9")
        target, place, _ = self.shared()
        target.update({NAME: entry()})
        self.assertEqual(0, place.changes)
        self.others = frozenset()
        self.table[NAME] = entry("10.9.0.10")
        target.reconsider()
        self.assertEqual(2, len(place.delivered))
        self.assertEqual(("10.9.0.10" in repr(self.table), target.status.left), (False, ()))

    def test_reconsidered_during_a_delivery(self) -> None:
        """It is looked at once more when that has ended."""
        ended: Deferred[None] = Deferred()
        place = Place()
        target, clock, _ = self.target(Slow(place, ended))
        target.update({"a": 1})
        for _ in range(2):
            target.reconsider()
        self.assertEqual([], place.delivered)
        ended.callback(None)
        self.assertEqual([{"a": 1}] * 2, [one[0] for one in place.delivered])
        self.assertEqual([], clock.getDelayedCalls())

    def test_a_place_that_somebody_rewrites(self) -> None:
        """It is looked at later with each time that it had to be put right, until there was quiet for a minute."""
        place = Telling("place", self.table)
        target, clock, _ = self.target(place)
        target.update({NAME: entry()})

        def wait() -> float:
            (call,) = clock.getDelayedCalls()
            return float(call.getTime() - clock.seconds())

        waits = []
        for _ in range(10):
            self.table.clear()
            place.changed()
            waits.append(wait())
            clock.advance(waits[-1] / 2)
            place.changed()
            self.assertEqual(waits[-1] / 2, wait(), "it is not put off")
            clock.advance(waits[-1] / 2)
            self.assertEqual({NAME: entry()}, self.table)
        self.assertEqual([0.25, 0.5, 1, 2, 4, 8, 16, 32, 60, 60], waits)
        # What is as it should be is no reason to wait longer; and after some quiet it is looked at soon.
        clock.advance(LAST_RECONSIDER + QUIET + 1)
        for _ in range(3):
            place.changed()
            self.assertEqual(RECONSIDER, wait())
            clock.advance(RECONSIDER)
        target.stop()

    def test_a_place_that_tells(self) -> None:
        """Where something else stands is looked at a moment later, once for all that happens meanwhile."""
        place = Telling("place", self.table)
        target, clock, _ = self.target(place)
        place.changed()
        clock.advance(1)
        self.assertEqual([], place.delivered, "nothing is wanted there yet")
        target.update({NAME: entry()})
        for _ in range(3):
            self.table.clear()
            place.changed()
        clock.advance(1)
        self.assertEqual((2, {NAME: entry()}), (len(place.delivered), self.table))
        target.stop()
        place.changed()
        self.assertEqual([], clock.getDelayedCalls())


@implementer(ISyncDestination)
class Slow:
    """A place in which the first delivery takes its time."""

    name, where, refresh = "slow", "somewhere", 0.0

    def __init__(self, place: Place, ended: Deferred[None]) -> None:
        self.place = place
        self.ended = ended

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISyncDestination`."""
        if not self.ended.called:
            await self.ended
        return await self.place.deliver(wanted, base, dry)


@implementer(IWatchedDestination)
class Telling(SharedPlace):
    """A place that tells when something else stands there."""

    def watch(self, changed: Callable[[], None]) -> None:
        """See :class:`IWatchedDestination`."""
        self.changed = changed
