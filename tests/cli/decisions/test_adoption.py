"""The subcommands of adoption: what they ask the daemon, and what they say."""

from __future__ import annotations

import io
import json
import sys
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, cameras
from twisted_detector.cli.decisions import adoption
from twisted_detector.cli.grammar import build_parser
from twisted_detector.cli.main import main
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning
from twisted_detector.store.cameras import dump_camera

DOOR = Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door")
YARDS = (
    Camera("001122334455", "001122334455", "10.0.0.10", name="Yard"),
    Camera("001122334456", "001122334456", "10.0.0.11", name="Yard"),
)


class AdoptionTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answers: dict[str, Any] = {
            "list": {"cameras": [json.loads(dump_camera(one)) for one in (DOOR, *YARDS)]},
            "blocked": {"devices": []},
        }
        for module in (asking, cameras):
            self.patch(module, "send_request", self.send)
        self.out, self.err = io.StringIO(), io.StringIO()

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        answer = self.answers.get(request["command"], {})
        if isinstance(answer, Exception):
            raise answer
        if request["command"] not in ("list", "fleet"):
            self.asked.append(request)
        return answer

    def decide(self, name: str, *words: str) -> int:
        return adoption.decide(name, "/state", words, out=self.out, err=self.err)  # type: ignore[arg-type]

    def test_by_any_name(self) -> None:
        """A camera is meant by id, MAC, address or name; each is one request, and one line."""
        self.assertEqual(0, self.decide("adopt", "AA:BB:CC:DD:EE:FF", "10.0.0.10"))
        expected = [{"command": "adopt", "camera_id": one} for one in (DOOR.id, YARDS[0].id)]
        self.assertEqual(expected, self.asked)
        self.assertEqual(2, self.out.getvalue().count("is adopted"))
        for name in ("unadopt", "block", "check"):
            self.assertEqual(0, self.decide(name, "door"))
            self.assertEqual({"command": name, "camera_id": DOOR.id}, self.asked[-1])

    def test_who_is_meant(self) -> None:
        """A word that nobody has, or two devices, is a fault; the others are done all the same."""
        self.assertEqual(1, self.decide("adopt", "nobody", "yard", "door"))
        self.assertEqual([{"command": "adopt", "camera_id": DOOR.id}], self.asked)
        self.assertIn("'nobody'", self.err.getvalue())
        self.assertIn("001122334455, 001122334456", self.err.getvalue())

    def test_all(self) -> None:
        """All that are not adopted, and how many those were."""
        self.answers["adopt"] = {"count": 3}
        self.assertEqual(0, adoption.adopt_all("/state", out=self.out, err=self.err))  # type: ignore[arg-type]
        self.assertEqual([{"command": "adopt", "all": True}], self.asked)
        self.assertIn("3 cameras", self.out.getvalue())

    def test_unblock(self) -> None:
        """Devices are unblocked by what they are called; without any, the blocked ones are listed."""
        self.assertEqual(0, adoption.unblock("/state", ["x", "y"], out=self.out, err=self.err))  # type: ignore[arg-type]
        self.assertEqual(["x", "y"], [one["device"] for one in self.asked])
        adoption.unblock("/state", [], out=self.out, err=self.err)  # type: ignore[arg-type]
        self.assertIn("No device is blocked", self.out.getvalue())
        self.answers["blocked"] = {
            "devices": [{"device": "aa\x1b[31m", "macs": ["02:00:00:00:00:0a"], "reference": "r", "since": "now"}]
        }
        adoption.unblock("/state", [], out=self.out, err=self.err)  # type: ignore[arg-type]
        self.assertIn("02:00:00:00:00:0a", self.out.getvalue())
        self.assertNotIn("\x1b", self.out.getvalue())

    def test_refused(self) -> None:
        """What the daemon refuses, and that there is none, is one line and status 1."""
        self.answers["unadopt"] = RemoteError("the configuration lists it")
        self.assertEqual(1, self.decide("unadopt", "door"))
        self.assertIn("camdetect unadopt: the configuration lists it", self.err.getvalue())
        self.answers["list"] = NotRunning("no daemon answers")
        self.assertEqual(1, self.decide("block", "door"))
        self.assertIn("only the running daemon", self.err.getvalue())

    def test_grammar(self) -> None:
        """``adopt`` wants cameras or --all, not both and not neither; the others want at least one."""
        parse = build_parser().parse_args
        self.assertEqual(["a", "b"], parse(["adopt", "a", "b"]).cameras)
        self.assertEqual([], parse(["unblock"]).devices)
        for arguments in (["adopt"], ["adopt", "a", "--all"]):
            self.patch(sys, "stderr", io.StringIO())
            self.assertEqual(2, main(arguments))
        for name in ("unadopt", "block"):
            with self.assertRaises(SystemExit):
                parse([name])
