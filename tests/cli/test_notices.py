"""``camdetect notices``: what it asks the daemon, what it says, and its exit status."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking
from twisted_detector.cli.grammar import build_parser
from twisted_detector.cli.main import main
from twisted_detector.cli.notices.command import list_notices, test_way as send_test
from twisted_detector.errors import RemoteError
from twisted_detector.operations.control_client import NotRunning

STATE = Path("/state")
LISTED = {
    "ok": True,
    "notices": [
        {"id": "2", "kind": "offline", "text": "Door \x1b[31mis offline", "since": "2026-11-30T11:00:00.000Z",
         "until": None, "cameras": [{"id": "d", "name": "Door", "ip": "10.0.0.9"}], "count": 1},
        {"id": "1", "kind": "new", "text": "New camera: Yard", "since": "2026-11-30T10:00:00.000Z",
         "until": "2026-11-30T10:00:00.000Z", "cameras": [], "count": 1},
    ],
    "ways": [{"name": "mail", "on": False, "text": "set NOTICE_MAIL_HOST"},
             {"name": "mqtt", "on": True, "text": "ready"}],
}  # fmt: skip


class NoticesTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = LISTED
        self.patch(asking, "send_request", self.send)

    def send(self, directory: Path, request: dict[str, Any], **_: Any) -> Any:
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def said(self, run: Callable[..., int], *arguments: Any, **more: Any) -> tuple[int, str, str]:
        out, err = io.StringIO(), io.StringIO()
        return run(STATE, *arguments, **more, out=out, err=err), out.getvalue(), err.getvalue()

    def test_list(self) -> None:
        """Notices with their state, then the ways; nothing of a camera's name moves the cursor."""
        status, out, _ = self.said(list_notices, use_json=False)
        self.assertEqual((0, [{"command": "notices"}]), (status, self.asked))
        self.assertNotIn("\x1b", out)
        lines = [" ".join(line.split()) for line in out.splitlines()]
        self.assertIn("2026-11-30T11:00:00.000Z open Door [31mis offline", lines)
        self.assertIn("2026-11-30T10:00:00.000Z over New camera: Yard", lines)
        self.assertIn("mail off set NOTICE_MAIL_HOST", lines)

    def test_nothing(self) -> None:
        """Nothing was told yet: it says so, and shows the ways."""
        self.answer = {**LISTED, "notices": []}
        out = self.said(list_notices, use_json=False)[1]
        self.assertTrue(out.startswith("No notices yet."))
        self.assertIn("mqtt", out)

    def test_json(self) -> None:
        """The answer as it is."""
        self.assertEqual(LISTED, json.loads(self.said(list_notices, use_json=True)[1]))

    def test_test(self) -> None:
        """A test that arrived is status 0, one that did not, or was refused, 1, with the reason."""
        self.answer = {"way": "mail", "sent": True, "text": "the mail server took a test mail"}
        self.assertEqual((0, "mail: the mail server took a test mail\n", ""), self.said(send_test, "mail"))
        self.assertEqual([{"command": "notices", "action": "test", "way": "mail"}], self.asked)
        self.answer = {"way": "mail", "sent": False, "text": "the server answers 554"}
        self.assertEqual(
            (1, "", "camdetect notices test: mail: the server answers 554\n"), self.said(send_test, "mail")
        )
        self.answer = RemoteError("way: mail is off: set NOTICE_MAIL_HOST")
        status, _, err = self.said(send_test, "mail")
        self.assertEqual((1, "camdetect notices test: way: mail is off: set NOTICE_MAIL_HOST\n"), (status, err))

    def test_no_daemon(self) -> None:
        """Without a daemon: status 1, and that one is needed."""
        self.answer = NotRunning("no daemon answers")
        status, _, err = self.said(list_notices, use_json=False)
        self.assertEqual((1, True), (status, "only the running daemon" in err))

    def test_grammar(self) -> None:
        """With and without a test; a test without a way is a mistake at the call."""
        self.assertEqual((None, None), self.parsed())
        self.assertEqual(("test", "mail"), self.parsed("test", "mail"))
        errors = io.StringIO()
        self.patch(sys, "stderr", errors)
        self.assertEqual(2, main(["notices", "test"]))
        self.assertIn("camdetect notices test WAY", errors.getvalue())

    def parsed(self, *words: str) -> tuple[str | None, str | None]:
        arguments = build_parser().parse_args(["notices", *words])
        return arguments.action, arguments.way
