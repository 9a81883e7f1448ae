"""The routes of notices: the list, a test, what a body may be; and what open pages hear of a notice."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, notice
from tests.web.case import WebSite, frames
from twisted_detector import events
from twisted_detector.model.notices import NoticeKind

API = "/api/v1"
LISTED = {"notices": [], "ways": [{"name": "mail", "on": False, "text": "set NOTICE_MAIL_HOST"}]}
TESTED = {"way": "ntfy", "sent": False, "text": "it answers 403"}


class NoticeRoutes(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite()
        self.web.answer("notices", LISTED)

    def test_list(self) -> None:
        """The command without fields."""
        self.assertEqual(LISTED, self.web.ask("GET", f"{API}/notices").json)
        self.assertEqual([("notices", {})], self.web.asked)

    def test_test(self) -> None:
        """The command with its action and the way; what the other end said is the answer, not a fault of ours."""
        self.web.answer("notices", TESTED)
        got = self.web.ask("POST", f"{API}/notices/test", {"way": "ntfy"})
        self.assertEqual((200, TESTED), (got.status, got.json))
        self.assertEqual([("notices", {"action": "test", "way": "ntfy"})], self.web.asked)

    def test_refused(self) -> None:
        """No way, one that is none, and one that is off; another action cannot be asked for."""
        for body in ({}, {"way": ""}, {"way": 5}, {"way": "x" * 65}, {"way": "ntfy", "action": "list"}):
            self.assertEqual(400, self.web.ask("POST", f"{API}/notices/test", body).status, body)
        self.assertEqual([], self.web.asked)
        self.web.refuse("notices", "way: mail is off: set NOTICE_MAIL_HOST")
        got = self.web.ask("POST", f"{API}/notices/test", {"way": "mail"})
        self.assertEqual((400, "way: mail is off: set NOTICE_MAIL_HOST"), (got.status, got.json["detail"]))

    def test_limited(self) -> None:
        """Tests cost: after thirty within a minute no more are passed on."""
        statuses = [self.web.ask("POST", f"{API}/notices/test", {"way": "ntfy"}).status for _ in range(31)]
        self.assertEqual(429, statuses[-1])

    def test_pages_hear(self) -> None:
        """An open page hears that there is something, and asks for it; no word of a camera is in it."""
        line = self.web.stream()
        self.web.activity.handle(events.NoticeTold(START, notice(NoticeKind.OFFLINE, 1, reason="evil")))
        self.web.clock.advance(1)
        (event,) = [one for one in frames(line) if one[0] == "notice"]
        self.assertEqual({"id": "1-1", "event": "offline"}, event[2])
