"""Random histories of the election: one voice for each camera, always; and what it costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.histories import DEEDS, held, history, live, lived
from tests.operations.nodes.world import Maker, World
from twisted_detector.operations.nodes.election import Election, Outcome
from twisted_detector.operations.nodes.timing import TIMING
from twisted_detector.operations.nodes.values import Rank

#: Histories that are lived through here; ``make node-histories`` has ten thousand.
QUICK = 150

_DEED = st.tuples(st.sampled_from(DEEDS), st.integers(0, 59), st.integers(0, 59))


class HistoriesTest(SynchronousTestCase):
    """Whatever happens: no state after that of a successor, one owner after five seconds of quiet."""

    def test_seeds(self) -> None:
        """The first histories of ``make node-histories``."""
        found = {seed: breaches for seed in range(QUICK) if (breaches := held(lived(seed)))}
        self.assertEqual({}, found)

    @settings(max_examples=60, deadline=None, derandomize=True)
    @given(st.integers(2, 5), st.sampled_from((1, 1, 1, 2)), st.lists(_DEED, max_size=16), st.integers(0, 2**16))
    def test_any_deeds(self, nodes: int, brokers: int, deeds: list[tuple[str, int, int]], seed: int) -> None:
        """Histories that hypothesis thinks up, and makes short."""
        world = World(seed, nodes, brokers=brokers)
        for number in range(nodes):
            world.see(world.nodes[number], "a", Rank(1 + number % 3))
        live(world, deeds)
        self.assertEqual([], held(world))

    def test_found_before(self) -> None:
        """Histories in which an earlier version failed: what was asked was lost, and nothing else was said."""
        for seed in (1446, 2111, 2197, 2246, 5858):
            with self.subTest(history(seed)):
                self.assertEqual([], held(lived(seed)))


def _with(**durations: float) -> Maker:
    return lambda node_id, instance: Election(node_id, instance, timing=replace(TIMING, **durations))


class NoticingTest(SynchronousTestCase):
    """The world sees what a wrong state machine does, and nothing of the kind with the right one."""

    def breaches(self, make: Maker, scenario: Callable[[World], None]) -> Counter[str]:
        """Kinds of breaches in 40 runs of a scenario with two nodes."""
        found = Counter[str]()
        for seed in range(40):
            world = World(seed, 2, make=make)
            scenario(world)
            world.rest()
            world.judge()
            found.update(one.split(":")[0] for one in held(world))
        return found

    def check(self, wrong: Maker, scenario: Callable[[World], None], kind: str) -> None:
        """One kind of breach comes of the wrong one only."""
        self.assertGreater(self.breaches(wrong, scenario)[kind], 0)
        self.assertEqual(Counter(), self.breaches(Election, scenario))

    def test_nobody_waits(self) -> None:
        """Two see a camera at one time, and begin before their messages have crossed."""

        def scenario(world: World) -> None:
            world.run(3.0)
            for node in world.nodes:
                world.see(node, "a", Rank.SEES_MAC)
            world.run(1.0)

        self.check(_with(settle=0.0), scenario, "stale")

    def test_no_lease(self) -> None:
        """An owner that was stopped goes on as if nothing had been."""

        def scenario(world: World) -> None:
            for node in world.nodes:
                world.see(node, "a", Rank.SEES_MAC)
            world.run(5.0)
            for node in world.nodes:
                if node.election.owned:
                    world.freeze(node)
                    world.run(7.0)
                    world.thaw(node)

        class Careless(Election):
            def __init__(self, node_id: str, instance: str) -> None:
                super().__init__(node_id, instance, timing=replace(TIMING, stall=1e9))

            def publishes(self, camera_id: str, now: float) -> bool:
                return camera_id in self.owned

            def tick(self, now: float) -> Outcome:
                if self._link is not None and self.owned:
                    self._link.proved = max(self._link.proved, now)
                return super().tick(now)

        self.check(Careless, scenario, "stale")

    def test_nobody_takes_over(self) -> None:
        """An owner is stopped for ever, and nobody notices."""

        def scenario(world: World) -> None:
            for node in world.nodes:
                world.see(node, "a", Rank.SEES_MAC)
            world.run(5.0)
            world.keepalive = (1e6, 1e6)
            owner = next(node for node in world.nodes if node.election.owned)
            world.freeze(owner)
            world.stays_frozen.add(owner.name)

        self.check(_with(silence=1e6), scenario, "none")


class FiguresTest(SynchronousTestCase):
    """Messages of a fleet without work, and how soon a successor speaks."""

    def test_idle_fleet(self) -> None:
        """Ten nodes of a hundred cameras each: at most 60 messages a minute in all, for an hour."""
        world = World(1, 10)
        for number, node in enumerate(world.nodes):
            for camera in range(100):
                world.see(node, f"{number}-{camera}", Rank.SEES_MAC)
        world.changes = 0.0
        world.run(60.0)
        self.assertEqual([100] * 10, [len(node.election.owned) for node in world.nodes])
        begun = Counter(world.sent)
        world.run(3600.0)
        self.assertEqual(begun["document"], world.sent["document"])
        self.assertLessEqual((world.sent["beat"] - begun["beat"]) / 60, 60)

    def test_shared_cameras(self) -> None:
        """Where ten nodes know the same hundred cameras: at most 60 messages a minute in all, too."""
        world = World(1, 10)
        for node in world.nodes:
            for camera in range(100):
                world.see(node, f"{camera}", Rank.SEES_MAC)
        world.changes = 0.0
        world.run(60.0)
        begun = world.sent["beat"]
        world.run(600.0)
        self.assertEqual([*[0] * 9, 100], sorted(len(node.election.owned) for node in world.nodes))
        self.assertLessEqual((world.sent["beat"] - begun) / 10, 60)

    def test_alone(self) -> None:
        """One node says one document for each change of its cameras, and no beat."""
        world = World(1, 1)
        node = world.nodes[0]
        for camera in range(100):
            world.see(node, f"{camera}", Rank.SEES_MAC)
        world.changes = 0.0
        world.run(60.0)
        self.assertEqual(100, len(node.election.owned))
        begun = Counter(world.sent)
        self.assertLessEqual(sum(begun.values()), 3)
        world.run(3600.0)
        self.assertEqual(begun, world.sent)

    def test_begins_at_once_when_alone(self) -> None:
        """A node without others publishes within a second of its connection."""
        world = World(5, 1)
        world.see(world.nodes[0], "a", Rank.SEES_MAC)
        while world.nodes[0].session is None:
            world.run(0.01)
        since = world.now
        while not world.nodes[0].election.owned:
            world.run(0.01)
        self.assertLess(world.now - since, 1.7)

    def test_takeovers(self) -> None:
        """Killed, stopped or cut off: another node publishes within five seconds in 95 of 100 cases."""
        for how in ("crash", "freeze", "cut"):
            times = []
            for seed in range(40):
                world = World(seed, 3)
                for node in world.nodes:
                    world.see(node, "a", Rank.SEES_MAC)
                world.run(10.0 + world.random.random())
                (owner,) = (node for node in world.nodes if node.election.owned)
                getattr(world, how)(owner)
                world.run(8.0)
                times += world.takeovers[how]
                self.assertEqual([], world.breaches)
            times.sort()
            with self.subTest(how, p95=times[37], longest=times[-1]):
                self.assertEqual(40, len(times))
                self.assertLessEqual(times[37], 5.0)
