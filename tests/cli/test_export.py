"""``camdetect export`` where there is nothing to export from."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.export import export
from twisted_detector.config.config import Config


class WithoutState(SynchronousTestCase):
    def test_nobody_knows(self) -> None:
        """No daemon and no directory: the reason and status 1, and no configuration without cameras, which would do."""
        nowhere = Path(self.mktemp())
        out, err = StringIO(), StringIO()
        config = Config(state_dir=nowhere)
        for name in ("frigate", "go2rtc", "json", "csv"):
            status = export(Clock(), config, name, consumer="", diff=False, out=out, err=err)
            self.assertEqual((1, ""), (status, out.getvalue()))
        self.assertIn("set STATE_DIR to the directory the daemon uses", err.getvalue())
        self.assertFalse(nowhere.exists())
