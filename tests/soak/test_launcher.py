"""A clock that is set goes in; what the process believes to be the time comes out."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.soak.launcher import Wall, set_wall


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
