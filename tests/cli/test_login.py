"""``camdetect login retry``: what it asks the daemon, and what it says."""

from __future__ import annotations

import io
import json
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, cameras, login
from twisted_detector.cli.grammar import build_parser
from twisted_detector.model import Camera
from twisted_detector.operations.control_client import NotRunning
from twisted_detector.store.cameras import dump_camera

DOOR = Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door")
YARDS = tuple(Camera(f"00112233445{n}", f"00112233445{n}", f"10.0.0.1{n}", name="Yard") for n in range(2))


class RetryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = {"address": "10.0.0.9", "logins": ["admin"], "waits": ""}
        for module in (asking, cameras):
            self.patch(module, "send_request", self.send)

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        if request["command"] == "list":
            return {"cameras": [json.loads(dump_camera(one)) for one in (DOOR, *YARDS)]}
        self.asked.append(request)
        return self.answer

    def retry(self, word: str) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        status = login.retry("/state", word, out=out, err=err)  # type: ignore[arg-type]
        return status, out.getvalue(), err.getvalue()

    def test_said(self) -> None:
        """The camera is named in any way; the answer says which logins, and whether they have to wait."""
        self.assertEqual((0, f"{DOOR.id}: these are tried again: admin\n", ""), self.retry("door"))
        self.assertEqual([{"command": "login", "action": "retry", "camera_id": DOOR.id}], self.asked)
        self.answer = {"address": "10.0.0.9", "logins": [], "waits": "no login is tried before noon"}
        self.assertIn(
            "none of its logins had been refused for good, but no login is tried before", self.retry("door")[1]
        )

    def test_faults(self) -> None:
        """Nobody of that name, several, or no daemon: exit status 1, and what to do."""
        for word, what in (("nobody", "camdetect list"), ("yard", YARDS[1].id)):
            status, _, err = self.retry(word)
            self.assertEqual((1, True), (status, what in err), err)
        self.answer = NotRunning("no daemon answers")
        self.assertIn("only the running daemon", self.retry("door")[2])

    def test_grammar(self) -> None:
        """It is a subcommand with an action."""
        arguments = build_parser().parse_args(["login", "retry", "door"])
        self.assertEqual(("retry", "door"), (arguments.action, arguments.camera))
