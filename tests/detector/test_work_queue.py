"""Jobs by device: how many, in which order, how long."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from hypothesis import given, settings, strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.detector.work_queue import QueueLimits, WorkQueue
from twisted_detector.testing.doubles import Gate


class WorkQueueTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.late: list[int] = []
        self.make(QueueLimits(2, 10))
        self.began: list[str] = []
        self.ended: list[str] = []
        self.gates: dict[str, Gate] = {}
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))

    def make(self, limits: QueueLimits, timed_out: Callable[[int], None] | None = None) -> None:
        self.queue = WorkQueue(
            self.clock, limits, timed_out=timed_out or self.late.append, monotonic=self.clock.seconds
        )

    async def work(self, key: int, name: str = "w") -> None:
        label = f"{name}{key}"
        self.began.append(label)
        await self.gates.setdefault(label, Gate()).wait()
        self.ended.append(label)

    async def other(self, key: int) -> None:
        await self.work(key, "o")

    async def at_once(self, key: int) -> None:
        self.began.append(f"i{key}")

    def finish(self, *labels: str) -> None:
        for label in labels:
            self.gates[label].open()

    def test_bound(self) -> None:
        """At most so many devices at one time, in the order in which they came."""
        for key in range(5):
            self.queue.add(key, self.work)
        self.assertEqual((["w0", "w1"], 5), (self.began, self.queue.depth))
        self.finish("w1")
        self.finish("w0", "w2")
        self.assertEqual((["w0", "w1", "w2", "w3", "w4"], 2), (self.began, self.queue.depth))
        self.finish("w3", "w4")
        self.assertEqual(0, self.queue.depth)

    def test_for_a_person(self) -> None:
        """It begins at once, though there is no room; what waits goes on within the bounds when it has ended."""
        for key in range(3):
            self.queue.add(key, self.work)
        ended = self.queue.run_now(7, self.other)
        self.assertEqual((["w0", "w1", "o7"], False), (self.began, ended.called))
        self.finish("w0")
        self.assertEqual(["w0", "w1", "o7"], self.began, "two run, as many as may")
        self.finish("o7")
        self.assertTrue(ended.called)
        self.assertEqual(["w0", "w1", "o7", "w2"], self.began)
        self.finish("w1", "w2")

    def test_for_a_person_at_a_device_that_is_asked(self) -> None:
        """It begins when what runs there has ended, before what was added for it meanwhile, one after the other."""
        self.queue.add(0, self.work)
        self.queue.add(0, self.at_once)
        first, second = self.queue.run_now(0, self.other), self.queue.run_now(0, self.other)
        self.assertEqual(["w0"], self.began)
        self.finish("w0")
        self.assertEqual((["w0", "o0"], False), (self.began, first.called))
        self.finish("o0")
        self.assertEqual((["w0", "o0", "o0"], True, False), (self.began, first.called, second.called))
        self.finish("o0")
        self.assertEqual((["w0", "o0", "o0", "i0"], True), (self.began, second.called))

    def test_for_a_person_at_the_end(self) -> None:
        """Who waits for what will not run any more does not wait for ever; a time-out ends it as all others."""
        self.queue.add(0, self.work)
        waiting, late = self.queue.run_now(0, self.other), self.queue.run_now(7, self.other)
        self.clock.advance(10)
        self.assertEqual(([0, 7], True), (sorted(self.late), late.called))
        self.clock.advance(5)
        self.queue.stop()
        self.assertTrue(waiting.called)
        self.assertTrue(self.queue.run_now(1, self.other).called)

    def test_pace(self) -> None:
        """The first begins at once, the next not before a pause, and still no more of them than may run."""
        self.make(QueueLimits(2, 10, pace=0.5))
        for key in range(4):
            self.queue.add(key, self.work)
        self.assertEqual(["w0"], self.began)
        self.clock.advance(0.25)
        self.finish("w0")
        self.assertEqual(["w0"], self.began)
        self.clock.advance(0.25)
        self.clock.advance(0.5)
        self.assertEqual(["w0", "w1", "w2"], self.began)
        self.clock.advance(0.5)
        self.assertEqual(["w0", "w1", "w2"], self.began)
        self.finish("w1")
        self.assertEqual(["w0", "w1", "w2", "w3"], self.began)
        self.finish("w2", "w3")
        self.clock.advance(0.5)

    def test_behind(self) -> None:
        """While the reactor is behind nothing more begins, but not for ever."""
        self.make(QueueLimits(9, 99, pace=0.5))
        for key in range(3):
            self.queue.add(key, self.work)
        for _ in range(3):
            self.clock.advance(2)  # the call was due after 0.5
            self.assertEqual(["w0"], self.began)
        self.clock.advance(2)
        self.assertEqual(["w0", "w1"], self.began)
        self.clock.advance(0.75)
        self.assertEqual(["w0", "w1", "w2"], self.began)
        self.finish("w0", "w1", "w2")
        self.clock.advance(0.5)

    def test_stopped_in_a_pause(self) -> None:
        """A queue that is stopped between two beginnings begins no more."""
        self.make(QueueLimits(2, 10, pace=0.5))
        self.queue.add(0, self.at_once)
        self.queue.add(1, self.at_once)
        self.successResultOf(self.queue.stop())
        self.clock.advance(1)
        self.assertEqual(["i0"], self.began)

    def test_urgent_goes_first(self) -> None:
        """Urgent work goes before what waits."""
        for key in range(4):
            self.queue.add(key, self.work)
        self.queue.add(9, self.work, urgent=True)
        self.finish("w0")
        self.assertEqual(["w0", "w1", "w9"], self.began)
        self.finish("w1", "w9", "w2", "w3")

    def test_waiting_work_is_there_once(self) -> None:
        """What is asked for again while it waits runs once."""
        for key in (1, 2, 3, 3, 3):
            self.queue.add(key, self.work)
        self.finish("w1", "w2", "w3")
        self.assertEqual((["w1", "w2", "w3"], 0), (self.ended, self.queue.depth))

    def test_again_while_it_runs(self) -> None:
        """What is asked for while it runs runs once more after it, however often it was asked for."""
        self.queue.add(1, self.work)
        for _ in range(3):
            self.queue.add(1, self.work)
        self.finish("w1")
        self.assertEqual((["w1", "w1"], ["w1"]), (self.began, self.ended))
        self.finish("w1")
        self.assertEqual((2, 0), (len(self.ended), self.queue.depth))

    def test_one_job_per_device(self) -> None:
        """Two kinds of work of one device follow each other, whether they waited or ran."""
        for key in (8, 9):
            self.queue.add(key, self.work)
        self.queue.add(1, self.work)
        self.queue.add(1, self.other)
        self.finish("w8", "w9")
        self.assertEqual(["w8", "w9", "w1"], self.began)
        self.finish("w1")
        self.assertEqual(["w8", "w9", "w1", "o1"], self.began)
        self.finish("o1")

    def test_time_out(self) -> None:
        """A job that takes too long is cancelled, its device told, and the next one begins."""
        for key in (1, 2, 3):
            self.queue.add(key, self.work)
        self.clock.advance(9.9)
        self.assertEqual([], self.late)
        self.clock.advance(0.2)
        self.assertEqual(([1, 2], ["w1", "w2", "w3"], 0), (self.late, self.began, self.gates["w1"].waiting))
        self.finish("w3")
        self.assertEqual((["w3"], 0), (self.ended, self.queue.failures))

    def test_failure(self) -> None:
        """A job that fails is logged and counted; others go on. So is one that is cancelled, but not by us."""

        async def fails(key: int) -> None:
            raise ZeroDivisionError if key == 1 else CancelledError

        self.queue.add(1, fails)
        self.queue.add(2, fails)
        self.queue.add(3, self.work)
        self.finish("w3")
        self.assertEqual((["w3"], 2, [], 0), (self.ended, self.queue.failures, self.late, self.queue.depth))
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError, CancelledError)))

    def test_a_failing_time_out_handler(self) -> None:
        """When the time-out cannot be told, that is logged and the queue goes on."""

        def refuse(key: int) -> None:
            raise KeyError(key)

        self.make(QueueLimits(1, 10), refuse)
        self.queue.add(1, self.work)
        self.queue.add(2, self.work)
        self.clock.advance(11)
        self.assertEqual(["w1", "w2"], self.began)
        self.finish("w2")
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_thousands_that_end_at_once(self) -> None:
        """Work that ends at once is worked off in a loop, however much of it waits."""
        self.queue.add(-1, self.work)
        self.queue.add(-2, self.work)
        for key in range(5000):
            self.queue.add(key, self.at_once)
        self.finish("w-1")
        self.assertEqual((5002, 1), (len(self.began), self.queue.depth))
        self.finish("w-2")

    def test_stop(self) -> None:
        """After a stop nothing runs, waits or begins, and the Deferred tells when the last has ended."""
        for key in range(5):
            self.queue.add(key, self.work)
        self.queue.add(0, self.other)
        stopped = self.queue.stop()
        self.successResultOf(stopped)
        self.queue.add(7, self.work)
        self.assertEqual((["w0", "w1"], [], 0, []), (self.began, self.ended, self.queue.depth, self.late))

    def test_stop_waits_for_farewells(self) -> None:
        """A job that has something left to do when it is cancelled is waited for."""
        farewell = Gate()

        async def polite(key: int) -> None:
            try:
                await self.work(key)
            except CancelledError:
                await farewell.wait()
                raise

        self.queue.add(1, polite)
        stopped = self.queue.stop()
        self.assertNoResult(stopped)
        farewell.open()
        self.successResultOf(stopped)
        self.assertEqual(0, self.queue.failures)


#: The first key of each lane; those that are added as urgent, and those of devices that were published.
LANES = {"new": 100_000, "wanted": 10_000, "again": 200_000, "routine": 30_000}
URGENT, KNOWN = ("new", "wanted"), ("wanted", "routine")
#: Hosts of one lane in the property below.
HOSTS = 6


class LaneTests(SynchronousTestCase):
    """Devices up to 99 are known, those from 100 on are new."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.began: list[int] = []
        self.gates: dict[int, Gate] = {}
        self.gone: set[int] = set()
        self.hosts: dict[int, str] = {}
        self.known = {*range(100), *range(10_000, 50_000)}
        self.make(4)

    def make(self, max_concurrent: int, pace: float = 0.0) -> None:
        self.queue = WorkQueue(
            self.clock,
            QueueLimits(max_concurrent, 120, pace),
            timed_out=lambda key: None,
            monotonic=self.clock.seconds,
            is_known=self.known.__contains__,
            is_wanted=lambda key: key not in self.gone,
            host_of=lambda key: self.hosts.get(key, key),
        )
        self.addCleanup(self.queue.stop)

    async def work(self, key: int) -> None:
        self.began.append(key)
        await self.gates.setdefault(key, Gate()).wait()

    async def other(self, key: int) -> None:
        await self.work(key)

    async def at_once(self, key: int) -> None:
        self.began.append(key)

    def test_a_flood_of_new_devices_that_never_answer(self) -> None:
        """However many new devices hang, checks of known cameras get half of the places."""
        self.queue.add(0, self.at_once)
        for key in range(100, 1100):
            self.queue.add(key, self.work, urgent=True)
        self.assertEqual([0, 100, 101], self.began)
        for key in range(1, 4):
            self.queue.add(key, self.work)
        self.assertEqual([0, 100, 101, 1, 2], self.began)

    def test_turns(self) -> None:
        """Where jobs wait in two lanes, each begins every second one, however many wait in the other."""
        self.make(1)
        self.queue.add(0, self.work)
        for key in range(100, 1100):
            self.queue.add(key, self.at_once, urgent=True)
        for key in range(1, 6):
            self.queue.add(key, self.at_once)
        self.gates[0].open()
        self.assertEqual([0, 100, 1, 101, 2, 102, 3, 103, 4, 104, 5, 105], self.began[:12])

    def test_a_flood_of_known_ones_holds_up_no_newcomer(self) -> None:
        """A new device is asked at the next turn, whatever the number of checks that wait."""
        self.make(1)
        self.queue.add(0, self.work)
        for key in range(1, 90):
            self.queue.add(key, self.at_once, urgent=True)
        self.queue.add(100, self.at_once, urgent=True)
        self.gates[0].open()
        self.assertEqual([0, 100, 1], self.began[:3])

    def test_first_run(self) -> None:
        """As long as nothing is known, new devices have all places."""
        for key in range(100, 110):
            self.queue.add(key, self.work)
        self.assertEqual(4, len(self.began))

    def test_order_of_asking(self) -> None:
        """Urgent jobs run in the order of asking: who is asked for again does not overtake, nor lose its place."""
        self.make(1)
        self.queue.add(0, self.work)
        for _ in range(3):
            for key in range(101, 106):
                self.queue.add(key, self.at_once, urgent=True)
        self.gates[0].open()
        self.assertEqual([0, 101, 102, 103, 104, 105], self.began)

    def test_urgent_ones_starve_nobody(self) -> None:
        """Among known devices, those that are checked in routine begin every second job."""
        self.make(1)
        self.queue.add(0, self.work)
        for key in range(1, 4):
            self.queue.add(key, self.at_once)
        for key in range(11, 20):
            self.queue.add(key, self.at_once, urgent=True)
        self.gates[0].open()
        self.assertEqual([0, 11, 1, 12, 2, 13, 3, 14], self.began[:8])

    def test_more_urgent_now(self) -> None:
        """A job that waits without haste, and is wanted urgently, goes with the urgent ones, once."""
        self.make(1)
        self.queue.add(0, self.work)
        for key in (1, 2, 3):
            self.queue.add(key, self.at_once)
        self.queue.add(3, self.at_once, urgent=True)
        self.gates[0].open()
        self.assertEqual([0, 3, 1, 2], self.began)

    def test_published_while_it_waits(self) -> None:
        """A new device that is known by now has its job in the other lane, once."""
        self.make(1)
        self.queue.add(0, self.work)
        self.queue.add(100, self.at_once)
        self.known.add(100)
        self.queue.add(100, self.at_once)
        self.gates[0].open()
        self.assertEqual(([0, 100], 0), (self.began, self.queue.depth))

    def test_gone(self) -> None:
        """Jobs of devices that are gone cost no turn and no pause, and do not pile up."""
        self.make(1, pace=1.0)
        self.queue.add(0, self.work)
        for key in range(100_000, 150_000):
            self.queue.add(key, self.at_once)
            self.gone.add(key)
            self.assertLess(self.queue.depth, 2100)
        self.queue.add(1, self.at_once)
        self.gates[0].open()
        self.clock.advance(1)
        self.assertEqual([0, 1], self.began)

    def test_one_host_that_is_many(self) -> None:
        """A host that calls itself a thousand devices has an eighth of the places, and a newcomer the next turn."""
        self.make(16)
        self.hosts = dict.fromkeys(range(100, 1100), "forger")
        for key in range(100, 1100):
            self.queue.add(key, self.work, urgent=True)
        self.assertEqual([100, 101], self.began)
        self.queue.add(2000, self.work, urgent=True)
        self.assertEqual([100, 101, 2000], self.began)
        self.gates[100].open()
        self.assertEqual([100, 101, 2000, 102], self.began)

    def test_hosts_take_turns(self) -> None:
        """Where several hosts have several devices that wait, each has its turn."""
        self.make(1)
        self.queue.add(0, self.work)
        self.hosts = {key: f"host {key // 10}" for key in range(100, 200)}
        for key in (100, 101, 102, 110, 111, 120):
            self.queue.add(key, self.at_once)
        self.gates[0].open()
        self.assertEqual([0, 100, 110, 120, 101, 111, 102], self.began)

    def test_every_lane_has_its_share(self) -> None:
        """Where jobs wait in all lanes, of each four beginnings every lane has one, in the order of asking."""
        self.make(1)
        self.queue.add(0, self.work)
        lanes = {name: [first + number for number in range(20)] for name, first in LANES.items()}
        for name, keys in lanes.items():
            for key in keys:
                self.queue.add(key, self.at_once, urgent=name in URGENT)
        self.gates[0].open()
        begun = self.began[1:]
        self.assertEqual(80, len(begun))
        for at in range(0, 80, 4):
            self.assertEqual({keys[at // 4] for keys in lanes.values()}, set(begun[at : at + 4]))

    def test_who_never_answered_does_not_hold_up_who_was_never_asked(self) -> None:
        """A new device that was asked in vain waits in another lane than one that was never asked."""
        self.make(1)
        self.queue.add(0, self.work)
        for key in range(200, 1200):
            self.queue.add(key, self.at_once)
        self.queue.add(100, self.at_once, urgent=True)
        self.gates[0].open()
        self.assertEqual([0, 100], self.began[:2])

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(
            st.tuples(st.sampled_from(sorted(LANES)), st.integers(0, 5), st.integers(1, 6), st.integers(0, 3)),
            min_size=1,
            max_size=30,
        )
    )
    def test_nobody_waits_longer_than_his_turn(self, batches: list[tuple[str, int, int, int]]) -> None:
        """Whatever is added, and while what begins: a job begins after at most four beginnings for each turn of hosts
        in its lane that its own host needs for it (rule 4).
        """
        self.setUp()
        self.known = {key for name, first in LANES.items() if name in KNOWN for key in range(first, first + 10_000)}
        self.known.add(0)
        self.make(1)
        self.queue.add(0, self.work)
        waiting: dict[str, dict[str, int]] = {name: {} for name in LANES}
        lane_of: dict[int, str] = {}
        bound: dict[int, int] = {}
        numbers: Counter[str] = Counter()

        def begin(count: int) -> None:
            for _ in range(count):
                running = self.began[-1]
                if running not in self.gates:
                    return
                self.gates.pop(running).open()

        for name, host, jobs, begins in batches:
            for _ in range(jobs):
                key = LANES[name] + numbers[name]
                numbers[name] += 1
                lane_of[key], self.hosts[key] = name, f"{name} {host}"
                self.queue.add(key, self.work, urgent=name in URGENT)
            # Recomputed from what waits: who begun is gone from it.
            for lane in LANES:
                waiting[lane] = {}
            for key, lane in lane_of.items():
                if key not in self.began:
                    before = waiting[lane].get(self.hosts[key], 0)
                    waiting[lane][self.hosts[key]] = before + 1
                    if key not in bound:
                        # Six hosts a lane at most: so many turns for each job of its own before it, and for itself.
                        bound[key] = len(self.began) + 4 * HOSTS * (before + 1)
            begin(begins)
        begin(10_000)
        self.assertEqual({0, *lane_of}, set(self.began))
        for position, key in enumerate(self.began):
            self.assertLessEqual(position, bound.get(key, position))  # who has none began at once
