"""A clock that is set goes in, and what the process believes to be the time comes out; and what it counts of itself."""

from __future__ import annotations

import gc
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.launcher import Wall, count_objects, set_wall
from twisted_detector.model.bounds import BoundedSet


class WallTests(SynchronousTestCase):
    def test_steps(self) -> None:
        """The clock is as far off as was written last, at once, forwards and back."""
        folder = Path(self.mktemp())
        folder.mkdir()
        wall = Wall(folder / "clock", lambda: 1000.0)
        self.assertEqual(1000.0, wall())
        for offset in (3600.0, -7200.0, 0.0):
            set_wall(folder, offset)
            self.assertEqual(1000.0 + offset, wall())


class CountTests(SynchronousTestCase):
    def test_frozen(self) -> None:
        """What the collector froze is seen no more, and how many those are is told."""
        kept = [BoundedSet[int](1) for _ in range(10)]
        self.addCleanup(gc.unfreeze)
        before = count_objects()[1]
        gc.freeze()
        after = count_objects()[1]
        self.assertGreaterEqual(before["BoundedSet"], len(kept))
        self.assertGreater(after["frozen"], before["frozen"] + len(kept))
        self.assertNotIn("BoundedSet", after)
