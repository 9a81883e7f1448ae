"""``camdetect forget`` and ``rescan``: what they ask the daemon, and what they say."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, cameras
from twisted_detector.cli.decisions.forget import criteria, forget, forget_all
from twisted_detector.cli.grammar import build_parser
from twisted_detector.cli.main import main
from twisted_detector.cli.scan import rescan
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning
from twisted_detector.operations.forgetting import read_filter
from twisted_detector.store.cameras import dump_camera

DOOR = Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door")
STATE = Path("state")


class ForgetTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = {}
        for module in (asking, cameras):
            self.patch(module, "send_request", self.send)
        self.out, self.err = io.StringIO(), io.StringIO()

    def send(self, directory: Path, request: dict[str, Any]) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if request["command"] == "fleet":
            raise RemoteError("no such request", shown="'fleet'")
        if request["command"] == "list":
            return {"cameras": [json.loads(dump_camera(DOOR))]}
        self.asked.append(request)
        return self.answer

    def test_named(self) -> None:
        """Each camera that is named is one request; one that nobody has is a fault, and the others are done."""
        self.assertEqual(1, forget(STATE, ["nobody", "door"], out=self.out, err=self.err))
        self.assertEqual([{"command": "forget", "camera_id": DOOR.id}], self.asked)
        self.assertIn("'nobody'", self.err.getvalue())
        self.assertIn(f"{DOOR.id} is forgotten", self.out.getvalue())

    def test_criteria(self) -> None:
        """Criteria are those of the daemon's command: it understands each, and days are seconds there."""
        words = "--status offline --status busy --network 10.0.0.0/24 --older-than 1.5 --never-proved --not-adopted"
        given = criteria(build_parser().parse_args(["forget", *words.split()]))
        self.assertEqual(
            {"status": ["offline", "busy"], "network": "10.0.0.0/24", "older_than": 129_600.0, "never_proved": True,
             "adopted": False}, given,
        )  # fmt: skip
        self.assertEqual(129_600.0, read_filter(given).older_than)
        self.assertEqual({}, criteria(build_parser().parse_args(["forget", "door"])))

    def test_all_that_match(self) -> None:
        """The answer says how many, and which; with --dry-run that they would be."""
        self.answer = {"matched": 3, "camera_ids": ["a", "b"], "dry_run": True}
        self.assertEqual(0, forget_all(STATE, {"status": ["offline"]}, dry_run=True, out=self.out, err=self.err))
        self.assertEqual([{"command": "forget", "status": ["offline"], "dry_run": True}], self.asked)
        self.assertEqual("3 cameras would be forgotten.\n  a\n  b\n  and 1 more\n", self.out.getvalue())
        self.answer = {"matched": 1, "camera_ids": ["a"], "dry_run": False}
        forget_all(STATE, {"status": ["offline"]}, dry_run=False, out=self.out, err=self.err)
        self.assertTrue(self.out.getvalue().endswith("1 camera forgotten.\n  a\n"))

    def test_all_of_them_is_never_meant(self) -> None:
        """Nothing named, or both, or a dry run of a named one is a wrong argument; no daemon is asked."""
        self.patch(sys, "stderr", self.err)
        for words in ((), ("door", "--not-adopted"), ("--dry-run",), ("door", "--dry-run")):
            self.assertEqual(2, main(("forget", *words)), words)
        self.assertEqual([], self.asked)

    def test_rescan(self) -> None:
        """A sweep begins, or is under way; without a daemon it says that one is needed."""
        for already, said in ((False, "A sweep has begun.\n"), (True, "A sweep is under way already.\n")):
            self.answer, out = {"already_sweeping": already}, io.StringIO()
            self.assertEqual(0, rescan(STATE, out=out, err=self.err))
            self.assertEqual(said, out.getvalue())
        self.assertEqual([{"command": "rescan"}] * 2, self.asked)
        self.answer = NotRunning("no daemon answers")
        self.assertEqual(1, rescan(STATE, out=self.out, err=self.err))
        self.assertIn("only the running daemon", self.err.getvalue())
