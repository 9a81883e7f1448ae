"""Client of the control socket."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.control_client import NotRunning, send_request


class Asking(SynchronousTestCase):
    def test_nobody_there(self) -> None:
        """Without a socket, and without its directory, no daemon runs."""
        directory = Path(self.mktemp())
        self.assertRaises(NotRunning, send_request, directory, {"command": "list"})
        directory.mkdir()
        self.assertRaises(NotRunning, send_request, directory, {"command": "list"})
