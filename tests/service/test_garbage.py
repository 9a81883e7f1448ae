"""The garbage collector's settings: what a long full collection has found to be alive is not looked through again."""

from __future__ import annotations

import gc
import platform
import subprocess
import sys
import weakref
from pathlib import Path
from select import select
from unittest import SkipTest

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.load import load
from twisted_detector.service import daemon, garbage
from twisted_detector.service.garbage import (
    FEW,
    LONG_COLLECTION,
    TRIM_INTERVAL,
    HeapTrimmer,
    SurvivorFreezer,
    begin_collecting,
    collect_frozen,
)

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

#: In a new process: a burst of which every hundredth piece stays. Kilobytes of anonymous memory at its height, when
#: it is over, and after the heap was trimmed.
BURST = """
from twisted_detector.service.garbage import trim_heap
def anonymous():
    return next(int(line.split()[1]) for line in open("/proc/self/smaps_rollup") if line.startswith("Anonymous:"))
burst = [bytes(2000) for _ in range(20_000)]
kept = burst[::100]
most = anonymous()
del burst
before = anonymous()
trim_heap()
print(most, before, anonymous())
"""

#: Likewise: three threads that keep what is too large for Python's own arenas; of how many heaps malloc_info(3) tells.
THREADS = """
import ctypes, tempfile, threading
from twisted_detector.service.garbage import share_heap
{first}
kept, done = [], threading.Barrier(4)
def keep():
    kept.append([bytes(2000) for _ in range(100)])
    done.wait()
for _ in range(3):
    threading.Thread(target=keep).start()
done.wait()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as file:
    stream = ctypes.c_void_p(libc.fopen(file.name.encode(), b"w"))
    libc.malloc_info(0, stream)
    libc.fclose(stream)
    print(file.read().count(b"<heap "))
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
    def collections(self, *took: tuple[int, float], left: int = FEW) -> int:
        """How often survivors are frozen in collections of these generations and seconds, each with so many left."""
        now, frozen = [0.0], []
        freezer = SurvivorFreezer(clock=lambda: now[0], count=lambda: left, freeze=lambda: frozen.append(1))
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

    def test_few_are_left_alone(self) -> None:
        """Where little was left it is the machine that is slow: what is alive now may be garbage in a minute."""
        self.assertEqual(0, self.collections((2, LONG_COLLECTION * 9), left=FEW - 1))

    def test_survivors(self) -> None:
        """What is counted is what the collection has left, and nothing that is frozen."""
        self.addCleanup(gc.unfreeze)
        left: list[int] = []
        seconds = iter(range(100))
        freezer = SurvivorFreezer(clock=lambda: float(next(seconds)), freeze=lambda: left.append(len(nodes)))
        gc.freeze()
        gc.callbacks.append(freezer)
        self.addCleanup(gc.callbacks.remove, freezer)
        nodes: list[Node] = []
        gc.collect()
        self.assertEqual([], left)
        nodes += [Node() for _ in range(FEW)]
        gc.collect()
        self.assertEqual([FEW], left)

    def test_waiting_is_not_work(self) -> None:
        """A collection that only had to wait for the processor was not long: nothing is frozen."""
        frozen: list[int] = []
        freezer = SurvivorFreezer(count=lambda: FEW, freeze=lambda: frozen.append(1))
        freezer("start", {"generation": 2})
        select([], [], [], LONG_COLLECTION * 3)
        freezer("stop", {"generation": 2, "collected": 0})
        self.assertEqual([], frozen)

    def test_it_is_there_once(self) -> None:
        """However often a daemon starts in one process, there is one callback of each kind, and collections are on.

        What the start left over is given back each time.
        """
        trimmed: list[bool] = []
        self.patch(gc, "callbacks", [])
        self.patch(gc, "freeze", lambda: None)
        self.patch(garbage, "trim_heap", lambda: trimmed.append(True))
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        for _ in range(2):
            begin_collecting()
        self.assertEqual([SurvivorFreezer, HeapTrimmer], [type(one) for one in gc.callbacks])
        self.assertTrue(gc.isenabled())
        self.assertEqual(2, len(trimmed))

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


class Trimming(SynchronousTestCase):
    def test_what_a_burst_leaves(self) -> None:
        """Most of what a burst took goes back to the system, though some of it stays; the C library kept it all."""
        if platform.libc_ver()[0] != "glibc":
            raise SkipTest("another C library")
        done = subprocess.run([sys.executable, "-c", BURST], cwd=ROOT, capture_output=True, text=True, timeout=60)
        self.assertEqual("", done.stderr)
        most, before, after = map(int, done.stdout.split())
        self.assertGreater(before, most - 4_000)
        self.assertLess(after, most - 20_000)

    def test_seldom(self) -> None:
        """After a collection, when the interval is over, and then not until the next one is."""
        now, trimmed = [0.0], list[float]()
        trimmer = HeapTrimmer(monotonic=lambda: now[0], trim=lambda: trimmed.append(now[0]))
        for at, phase in (
            (TRIM_INTERVAL - 1, "stop"),
            (TRIM_INTERVAL, "start"),
            (TRIM_INTERVAL + 1, "stop"),
            (TRIM_INTERVAL + 2, "stop"),
            (TRIM_INTERVAL * 2 + 2, "stop"),
        ):
            now[0] = at
            trimmer(phase, {"generation": 0})
        self.assertEqual([TRIM_INTERVAL + 1, TRIM_INTERVAL * 2 + 2], trimmed)

    def test_one_heap(self) -> None:
        """What threads of a daemon keep lies in one heap; else glibc makes one for each of them."""
        if platform.libc_ver()[0] != "glibc":
            raise SkipTest("another C library")
        for first, heaps in (("share_heap()", 1), ("pass", 4)):
            code = THREADS.format(first=first)
            done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
            self.assertEqual("", done.stderr)
            self.assertEqual(heaps, int(done.stdout), first)

    def test_before_the_first_thread(self) -> None:
        """A daemon asks for it when it is made, not when it starts."""
        asked: list[bool] = []
        self.patch(daemon, "share_heap", lambda: asked.append(True))
        daemon.makeService(load({}, hostname="host"), Clock(), lambda: load({}, hostname="host"))
        self.assertEqual([True], asked)

    def test_another_c_library(self) -> None:
        """Where there are no such functions, nothing is done."""
        self.patch(garbage.ctypes, "CDLL", lambda name: object())
        garbage.trim_heap()
        garbage.share_heap()
