"""``camdetect why`` as people read it, and where no daemon runs."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import diagnosis


class WhyTests(SynchronousTestCase):
    def test_nobody_there(self) -> None:
        """No daemon: it says so, with exit status 1."""
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(1, diagnosis.why(Path(self.mktemp()), "10.0.0.5", use_json=False, out=out, err=err))
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
        lines = diagnosis.why_lines(answer)
        self.assertIn("  b  onvif         no[2J  (3 times since a)", lines)
        self.assertIn("  ports        refused: 80, 8554", lines)
        self.assertEqual(["Likely reason: It is so.", "What to do:    Do that."], lines[-2:])

    def test_other_nodes(self) -> None:
        """Of a camera that another node publishes, which; and where it is adopted, with the command."""
        camera = {
            "id": "aa", "name": "Barn", "status": "auth_required", "reason": "", "owner": "north",
            "owner_page": "http://north.example:8787/", "adopted_at": "north\x1b[2J",
        }  # fmt: skip
        answer = {
            "address": "10.0.0.5", "network": None, "mac": None, "ports": {}, "phase": None, "facts": [],
            "cameras": [camera, {**camera, "id": "bb", "owner": "", "adopted_at": ""}],
            "reason": {"word": "x", "text": "It is so.", "advice": ""},
        }  # fmt: skip
        lines = diagnosis.why_lines(answer)
        first = lines.index("  camera       aa Barn auth_required")
        self.assertEqual(
            [
                "               node north publishes it, its page is http://north.example:8787/",
                "               node north[2J has adopted it; to adopt it here: camdetect adopt aa",
                "  camera       bb Barn auth_required",
            ],
            lines[first + 1 : first + 4],
        )


class DoctorTests(SynchronousTestCase):
    def test_lines(self) -> None:
        """Each finding is a line, what to do stands under it; no control characters."""
        finding = {"name": "MQTT", "level": "FAIL", "text": "gone\x1b[2J", "advice": "start it"}
        fine = {"name": "store", "level": "OK", "text": "written", "advice": ""}
        self.assertEqual(
            ["FAIL  MQTT   gone[2J", "             -> start it", "OK    store  written"],
            diagnosis.doctor_lines([finding, fine]),
        )
