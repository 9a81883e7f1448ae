"""Random histories of the election: one voice for each camera, always; and what it costs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from math import inf

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.histories import DEEDS, held, history, live, lived
from tests.operations.nodes.world import Maker, World
from twisted_detector.operations.nodes.election import Election, Outcome
from twisted_detector.operations.nodes.timing import TIMING
from twisted_detector.operations.nodes.values import Beat, NodeDocument, Rank

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
    @given(st.integers(2, 5), st.sampled_from((0, 1, 1, 2)), st.lists(_DEED, max_size=16), st.integers(0, 2**16))
    def test_any_deeds(self, nodes: int, brokers: int, deeds: list[tuple[str, int, int]], seed: int) -> None:
        """Histories that hypothesis thinks up, and makes short; no broker: a cluster of them."""
        world = World(seed, nodes, brokers=brokers or 1, cluster=not brokers)
        for number in range(nodes):
            world.see(world.nodes[number], "a", Rank(1 + number % 3))
        live(world, deeds)
        self.assertEqual([], held(world))

    def test_slow_broker(self) -> None:
        """Nor over a broker that needs half a second and more, now and then a second, there and back."""

        class Slow(World):
            def _way(self) -> float:
                return self.random.uniform(0.25, self.slowest)

            slowest = 0.5

            def rest(self) -> None:
                self.slowest = 0.26
                super().rest()

        for seed in range(100):
            with self.subTest(history(seed)):
                nodes, _, deeds = history(seed)
                world = Slow(seed, nodes)
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

    def breaches(self, make: Maker, scenario: Callable[[World], None], *, cluster: bool) -> Counter[str]:
        """Kinds of breaches in 40 runs of a scenario with two nodes."""
        found = Counter[str]()
        for seed in range(40):
            world = World(seed, 2, cluster=cluster, make=make)
            scenario(world)
            world.rest()
            world.judge()
            found.update(one.split(":")[0] for one in held(world))
        return found

    def check(self, wrong: Maker, scenario: Callable[[World], None], kind: str, *, cluster: bool = False) -> None:
        """One kind of breach comes of the wrong one only."""
        self.assertGreater(self.breaches(wrong, scenario, cluster=cluster)[kind], 0)
        self.assertEqual(Counter(), self.breaches(Election, scenario, cluster=cluster))

    def test_nobody_waits(self) -> None:
        """Two see a camera at one time, and begin before their messages have crossed."""

        def scenario(world: World) -> None:
            world.run(3.0)
            for node in world.nodes:
                world.see(node, "a", Rank.SEES_MAC)
            world.run(1.0)

        self.check(_with(settle=0.0), scenario, "stale")

    def test_nobody_answers(self) -> None:
        """One comes back, a cluster gives it late what is retained, and nobody tells it what there is."""

        def scenario(world: World) -> None:
            for node in world.nodes:
                world.see(node, "a", Rank.SEES_MAC)
            world.run(10.0)
            watcher = next(node for node in world.nodes if not node.election.owned)
            world.crash(watcher)
            world.run(2.0)
            world.restart(watcher)
            world.run(4.0)

        class Mute(Election):
            def received_document(self, document: NodeDocument, now: float, *, retained: bool = False) -> None:
                super().received_document(document, now, retained=retained)
                self._answer_at = inf

            def received_beat(self, beat: Beat, now: float) -> None:
                super().received_beat(replace(beat, asks=()), now)

        self.check(Mute, scenario, "stale", cluster=True)

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

    def minute(self, owners: Callable[[random.Random, int], list[int]], cameras: int) -> tuple[int, Counter[str]]:
        """How many of ten nodes own cameras that others know, and what is sent in a minute of their idleness.

        :param owners: the nodes that know a camera, its owner first.
        """
        world, chance = World(1, 10), random.Random(2)
        world.changes = 0.0
        known = {f"c{number}": owners(chance, number) for number in range(cameras)}
        for camera, (owner, *_) in known.items():
            world.see(world.nodes[owner], camera, Rank.SEES_MAC)
        world.run(4.0)
        for camera, (_, *others) in known.items():
            for other in others:
                world.see(world.nodes[other], camera, Rank.SEES_MAC)
        world.run(10.0)
        begun = Counter(world.sent)
        world.run(60.0)
        for camera, (owner, *_) in known.items():
            self.assertEqual([world.nodes[owner].name], world._publishing(camera))
        beating = {owner for owner, *others in known.values() if others}
        return len(beating), Counter({kind: world.sent[kind] - begun[kind] for kind in world.sent})

    def test_idle_fleet(self) -> None:
        """Ten nodes, whoever owns what and however many share each camera: what they add while nothing happens.

        One mixture has a hundred cameras at each node; nothing of it depends on how many there are.

        A beat in three seconds for each node that owns what others know is as few as a takeover within five seconds
        allows, for no broker tells sooner that a client is frozen. It comes in place of pings: what all nodes send is
        less than what as many daemons send that know nothing of each other.
        """
        alone = World(1, 1)
        alone.run(60.0)
        without = 10 * alone.sent["ping"]
        self.assertGreater(without, 300)

        def among(count: int) -> Callable[[random.Random, int], list[int]]:
            return lambda chance, _: chance.sample(range(10), count)

        everybody = list(range(10))
        mixtures: dict[str, tuple[Callable[[random.Random, int], list[int]], int]] = {
            "nothing is shared": (lambda _, number: [number % 10], 1000),
            "one owns all": (lambda *_: everybody, 10),
            "three own all": (lambda _, number: [number % 3, *(one for one in everybody if one != number % 3)], 12),
            "each owns a tenth": (lambda _, number: everybody[number % 10 :] + everybody[: number % 10], 20),
            "each by all, owners by chance": (among(10), 40),
            "each by two": (among(2), 50),
            "each by two neighbours": (lambda _, number: [number % 5 * 2, number % 5 * 2 + 1], 50),
            "each by three": (among(3), 50),
        }
        for what, (owners, cameras) in mixtures.items():
            beating, sent = self.minute(owners, cameras)
            with self.subTest(what, beating=beating, **sent):
                self.assertEqual(0, sent["document"])
                self.assertLessEqual(sent["beat"], 19 * beating + 10 - beating)
                self.assertLessEqual(sent["beat"] + sent["ping"] - without, 60)

    def test_alone(self) -> None:
        """One node says one document for each change of its cameras, and no beat."""
        world = World(1, 1)
        node = world.nodes[0]
        for camera in range(100):
            world.see(node, f"{camera}", Rank.SEES_MAC)
        world.changes = 0.0
        world.run(60.0)
        self.assertEqual(100, len(node.election.owned))
        begun = world.sent["document"]
        self.assertLessEqual(begun, 3)
        world.run(3600.0)
        self.assertEqual((begun, 0), (world.sent["document"], world.sent["beat"]))

    def test_begins_at_once_when_alone(self) -> None:
        """A node without others publishes within two seconds of its connection, on a slow network."""
        world = World(5, 1)
        world.see(world.nodes[0], "a", Rank.SEES_MAC)
        while world.nodes[0].session is None:
            world.run(0.01)
        since = world.now
        while not world.nodes[0].election.owned:
            world.run(0.01)
        self.assertLess(world.now - since, 2.0)

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
