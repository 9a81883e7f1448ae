"""Client of the control socket, and the command line's answers where no daemon runs."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import diagnosis as cli_diagnosis
from twisted_detector.operations.control_client import NotRunning, send_request


class Asking(SynchronousTestCase):
    def test_nobody_there(self) -> None:
        """No daemon: doctor says so and checks this machine, why says so, both with exit status 1."""
        directory = Path(self.mktemp())
        with self.assertRaises(NotRunning):
            send_request(directory, {"command": "list"})
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(1, cli_diagnosis.why(directory, "10.0.0.5", use_json=False, out=out, err=err))
        self.assertIn("no daemon answers", err.getvalue())
        self.assertEqual("", out.getvalue())

    def test_lines(self) -> None:
        """People read the facts in order, then what is there now, then the reason; no control characters."""
        answer = {
            "address": "10.0.0.5",
            "network": "eth0 10.0.0.0/24",
            "mac": None,
            "ports": {"554": "open", "8554": "refused", "80": "refused"},
            "phase": "foreign",
            "facts": [{"first_at": "a", "last_at": "b", "source": "onvif", "text": "no\x1b[2J", "times": 3}],
            "cameras": [],
            "reason": {"word": "x", "text": "It is so.", "advice": "Do that."},
        }
        lines = cli_diagnosis.why_lines(answer)
        self.assertIn("  b  onvif         no[2J  (3 times since a)", lines)
        self.assertIn("  ports        refused: 80, 8554", lines)
        self.assertEqual(["Likely reason: It is so.", "What to do:    Do that."], lines[-2:])
