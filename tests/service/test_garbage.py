"""The garbage collector's settings: what a long full collection has found to be alive is not looked through again."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path
from select import select

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.service import garbage
from twisted_detector.service.garbage import LONG_COLLECTION, SurvivorFreezer, begin_collecting, collect_frozen

ROOT = Path(__file__).resolve().parents[2]
MOST_AT_ONCE = 30_000
#: In a fresh interpreter: objects that live on, until a full collection begins; how many it has to look through.
GROWING = """
import gc
from twisted_detector.service.garbage import begin_collecting
gc.disable()
begin_collecting()
found, kept = [], []
def full(phase, info):
    if phase == "start" and info["generation"] == 2:
        found.append(len(gc.get_objects()))
gc.callbacks.append(full)
while not found:
    kept.append([])
print(found[0])
"""


class Node:
    """Something that refers to itself."""

    def __init__(self) -> None:
        self.me = self


class Frozen(SynchronousTestCase):
    def test_collected_before_a_restart(self) -> None:
        """A cycle that was frozen while it lived, as the parts of a daemon are, is collected when they have stopped."""
        self.addCleanup(gc.unfreeze)
        node = Node()
        there = weakref.ref(node)
        gc.freeze()
        del node
        gc.collect()
        self.assertIsNotNone(there())
        collect_frozen()
        self.assertIsNone(there())


class Freezing(SynchronousTestCase):
    def collections(self, *took: tuple[int, float]) -> int:
        """How often survivors are frozen in collections of these generations and seconds."""
        now, frozen = [0.0], []
        freezer = SurvivorFreezer(clock=lambda: now[0], freeze=lambda: frozen.append(1))
        for generation, seconds in took:
            freezer("start", {"generation": generation})
            now[0] += seconds
            freezer("stop", {"generation": generation, "collected": 0})
        return len(frozen)

    def test_only_after_long_full_ones(self) -> None:
        """A full collection that took long freezes what is left; no other does."""
        long = LONG_COLLECTION * 1.1
        self.assertEqual(0, self.collections((2, LONG_COLLECTION / 2), (1, long), (0, long), (2, 0.0)))
        self.assertEqual(2, self.collections((2, long), (1, long), (2, long)))

    def test_waiting_is_not_work(self) -> None:
        """A collection that only had to wait for the processor was not long: nothing is frozen."""
        frozen: list[int] = []
        freezer = SurvivorFreezer(freeze=lambda: frozen.append(1))
        freezer("start", {"generation": 2})
        select([], [], [], LONG_COLLECTION * 3)
        freezer("stop", {"generation": 2, "collected": 0})
        self.assertEqual([], frozen)

    def test_it_is_there_once(self) -> None:
        """However often a daemon starts in one process, there is one callback, and collections are on."""
        self.patch(gc, "callbacks", [])
        self.patch(gc, "freeze", lambda: None)
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        for _ in range(2):
            begin_collecting()
        self.assertEqual(1, len(gc.callbacks))
        self.assertTrue(gc.isenabled())

    def test_few_at_once(self) -> None:
        """The first full collection comes before the new objects are so many that it would take long."""
        done = subprocess.run([sys.executable, "-c", GROWING], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual("", done.stderr)
        self.assertLess(int(done.stdout), MOST_AT_ONCE)

    def test_the_collector_calls_it(self) -> None:
        """Python's own collector reports to it, and what is frozen is out of its sight."""
        self.patch(garbage, "LONG_COLLECTION", -1.0)
        self.addCleanup(gc.unfreeze)
        gc.callbacks.append(freezer := SurvivorFreezer())
        self.addCleanup(gc.callbacks.remove, freezer)
        gc.unfreeze()
        gc.collect()
        self.assertGreater(gc.get_freeze_count(), 1000)
