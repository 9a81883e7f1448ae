"""Rounds of routine checks: who answered the presence check takes no place in the queue."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from twisted.internet.task import Clock

from tests.detector.case import RunnerCase
from tests.facts import SILENT, inspection, sighting, stream
from twisted_detector.detector.checks.presence import PresenceCheck
from twisted_detector.detector.checks.rounds import SLICE_SECONDS, CheckRounds
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.schedule import Intervals, Schedule
from twisted_detector.detector.sweeper import Sweeper
from twisted_detector.detector.work_queue import QueueLimits, Work, WorkQueue
from twisted_detector.model import Announced, Mac
from twisted_detector.registry.inspection_reasons import FOREIGN_HOLD, REFRESH_HOLD
from twisted_detector.registry.lifecycle import Phase

COUNT = 200
#: What each look at the clock costs in these tests: ten devices fill a slice.
STEP = 0.001


class SteppedClock(Clock):
    """A clock that shows single turns of the reactor: what is due at the beginning of one runs, and nothing more."""

    def turn(self, seconds: float = 0.0) -> None:
        self.rightNow += seconds
        for call in [one for one in self.calls if one.getTime() <= self.rightNow]:
            self.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)


class AnsweredPresence(PresenceCheck):
    """A presence check whose answers are there at once."""

    present: frozenset[int] = frozenset()

    def start(self, done: Callable[[], None]) -> None:
        done()

    def is_present(self, key: int) -> bool:
        return key in self.present


class CountingQueue(WorkQueue):
    """A queue that records what it is given."""

    def add(self, key: int, work: Work, *, urgent: bool = False) -> None:
        self.added.append(key)
        super().add(key, work, urgent=urgent)

    added: list[int]


class RoundTests(RunnerCase):
    proof_every = 10_000

    def setUp(self) -> None:
        super().setUp()
        self.keys = []
        for number in range(COUNT):
            address = f"10.0.1.{number}"
            self.onvif.answers[address] = inspection(address, stream(address))
            self.keys.append(self.inspect(self.see(address, Mac(f"02:00:00:00:02:{number:02x}"))))
            # The first proof after an inspection comes earlier for some, so that they do not all fall together.
            self.check(self.keys[-1])
            self.check(self.keys[-1])
        self.time = 0.0
        self.turns = SteppedClock()
        self.turns.advance(self.clock.seconds())
        environment = Environment(self.turns, self.tick)
        self.environment = environment
        sweeper = Sweeper(
            environment,
            [],
            schedule=Schedule(Intervals(steady=300, quick=60)),
            timeout=30,
            cameras=lambda: COUNT,
            emit=self.bus.emit,
        )
        self.presence = AnsweredPresence(self.registry, sweeper, interval=60)
        self.queue = CountingQueue(
            self.clock, QueueLimits(50, 120, pace=0.01), timed_out=self.runner.timed_out, monotonic=self.clock.seconds
        )
        self.queue.added = []
        self.inspected: list[int] = []
        self.looked: list[int] = []
        self.first: list[int] = []
        self.rounds = CheckRounds(
            environment,
            self.registry,
            presence=self.presence,
            routine=self.runner.routine,
            queue=self.queue,
            first=self.note_first,
            inspect=self.note_inspection,
            unconfirmed=self.note_look,
        )
        self.rounds.start(60)
        self.began_with = len(self.queue.added)
        self.whole_round(0)
        self.asked_first = list(self.queue.added)
        self.queue.added.clear()
        self.runner.counts.clear()
        self.validator.validated.clear()
        self.validator.checked.clear()

    def tearDown(self) -> None:
        self.successResultOf(self.rounds.stop())
        self.successResultOf(self.queue.stop())
        self.assertEqual([], self.turns.getDelayedCalls())

    def tick(self) -> float:
        self.time += STEP
        return self.time

    async def note_first(self, key: int) -> None:
        self.first.append(key)

    async def note_look(self, key: int) -> None:
        self.looked.append(key)

    async def note_inspection(self, key: int) -> None:
        self.inspected.append(key)

    def test_nobody_waits_who_is_there(self) -> None:
        """Two hundred cameras that answered are settled without the queue, in slices of at most ten milliseconds."""
        self.presence.present = frozenset(self.keys)
        self.turns.turn(60)
        settled = [self.runner.counts["seen"]]
        while settled[-1] < COUNT:
            self.turns.turn()
            settled.append(self.runner.counts["seen"])
            self.assertGreater(settled[-1], settled[-2])
        slices = [after - before for before, after in pairwise([0, *settled])]
        self.assertLessEqual(max(slices), SLICE_SECONDS / STEP + 1)
        self.assertEqual(([], [], []), (self.queue.added, self.validator.checked, self.validator.validated))

    def test_who_did_not_answer_is_asked(self) -> None:
        """Of those that answered none is asked; each of the others is, once."""
        self.presence.present = frozenset(self.keys[5:])
        self.whole_round()
        self.assertEqual(self.keys[:5], self.queue.added)
        self.assertEqual((COUNT - 5, 5), (self.runner.counts["seen"], len(self.validator.checked)))

    def test_who_is_known_by_its_word(self) -> None:
        """What only says that it is a camera is looked for, inspected once an hour; what sleeps is left alone."""
        now = self.turns.seconds()
        keys = []
        for number, model in enumerate(("DS-2CD2", "Argus 3")):
            mac = Mac.parse(f"02:00:00:00:99:0{number}")
            said = sighting(f"10.0.9.{number}", mac, announced=Announced("Acme", model))
            seen = self.registry.record_sighting(said, now)
            assert seen is not None
            self.registry.begin_inspection(seen.key, now)
            self.registry.record_not_a_camera(seen.key, now)
            keys.append(seen.key)
        self.presence.present = frozenset(self.keys)
        self.whole_round()
        self.assertEqual((keys[:1], keys[:1], []), (self.queue.added, self.looked, self.inspected))
        self.turns.rightNow += FOREIGN_HOLD
        self.whole_round()
        self.assertEqual((keys[:1], keys[:1]), (self.looked, self.inspected))

    def test_who_is_due_is_proved(self) -> None:
        """A camera that answered, and is not known to be well, is proved through the queue."""
        self.validator.answers["rtsp://10.0.1.0:554/main"] = SILENT
        self.run_it(self.runner.routine.prove(self.keys[0]))
        self.validator.answers.clear()
        self.validator.validated.clear()
        self.assertIs(Phase.SUSPECT, self.registry.phase(self.keys[0]))
        self.presence.present = frozenset(self.keys)
        self.whole_round()
        self.assertEqual([self.keys[0]], self.queue.added)
        self.assertEqual(1, len(self.validator.validated))

    def test_start(self) -> None:
        """At the start all that are known are asked, and no more of them are queued in one turn than in ten
        milliseconds.
        """
        self.assertEqual((self.keys, self.keys), (self.asked_first, self.first))
        self.assertLessEqual(self.began_with, SLICE_SECONDS / STEP + 1)

    def test_refresh(self) -> None:
        """A camera that is well, and of which nothing is reported any more, is inspected after six hours all the same,
        once.
        """
        self.presence.present = frozenset(self.keys)
        self.whole_round()
        self.assertEqual([], self.inspected)
        self.turns.rightNow += REFRESH_HOLD
        self.whole_round()
        self.assertEqual(self.keys, self.inspected)

    def test_a_round_is_not_begun_twice(self) -> None:
        """A round that is still being gone through when the next is due goes on, and the next is left out."""
        self.presence.present = frozenset(self.keys)
        self.turns.turn(60)
        self.assertLess(self.runner.counts["seen"], COUNT)
        self.turns.turn(60)
        self.whole_round(0)
        self.assertEqual((COUNT, 1), (self.runner.counts["seen"], self.environment.counts["skipped_rounds"]))
        self.whole_round()
        self.assertEqual(2 * COUNT, self.runner.counts["seen"])

    def test_stop(self) -> None:
        """A stop ends a round in the middle."""
        self.presence.present = frozenset(self.keys)
        self.turns.turn(60)
        self.successResultOf(self.rounds.stop())
        before = self.runner.counts["seen"]
        self.assertLess(before, COUNT)
        self.whole_round(0)
        self.assertEqual(before, self.runner.counts["seen"])

    def whole_round(self, after: float = 60) -> None:
        self.turns.turn(after)
        for _ in range(100):
            self.turns.turn()
        self.clock.pump([0.01] * (COUNT + 1))
