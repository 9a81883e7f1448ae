"""The command ``notices`` goes in; the list, the ways, and the outcome of a test come out."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import clock, notice
from tests.outputs.notices.test_way import ScriptedChannel
from twisted_detector.errors import RemoteError
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.board import MAX_LISTED, MAX_OCTETS, NoticeBoard
from twisted_detector.outputs.notices.way import DeliveryFailed, Way
from twisted_detector.testing.doubles import MemoryStateStore


class Board(SynchronousTestCase):
    def setUp(self) -> None:
        self.board = NoticeBoard(lambda: [notice(NoticeKind.OFFLINE, 1)], clock)
        self.channel, time = ScriptedChannel(), Clock()
        way = Way(time, "ntfy", self.channel, per_hour=9, store=MemoryStateStore(), monotonic=time.seconds)
        self.board.add(way)
        self.board.add_off("mail", "set NOTICE_MAIL_HOST")

    def ask(self, **fields: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(self.board.answer(fields)))

    def refusal(self, **fields: Any) -> str:
        return str(self.failureResultOf(Deferred.fromCoroutine(self.board.answer(fields)), RemoteError).value)

    def test_list(self) -> None:
        """Notices, and every way whether it is on or not, with what to do."""
        answer = self.ask()
        self.assertEqual(["1-1"], [one["id"] for one in answer["notices"]])
        self.assertEqual(
            [{"name": "mail", "on": False, "text": "set NOTICE_MAIL_HOST"},
             {"name": "ntfy", "on": True, "text": "ready"}], answer["ways"])  # fmt: skip

    def test_bound(self) -> None:
        """A list that a broker takes: the first hundred, and of long ones as many as there is room for."""
        for name, most in (("Yard", MAX_LISTED), ("\U0001f4f7" * 64, 30)):
            cameras = tuple(NoticeSubject(str(one), name, "10.0.0.1") for one in range(20))
            cameras = cameras[:1] if most == MAX_LISTED else cameras
            many = [Notice(str(one), NoticeKind.OFFLINE, 1.0, cameras=cameras) for one in range(700)]
            self.board = NoticeBoard(lambda many=many: many, clock)  # type: ignore[misc]
            answer = self.ask()
            self.assertLess(len(encode(answer)), MAX_OCTETS + 1000)
            self.assertLessEqual(len(answer["notices"]), most)
            self.assertGreater(len(answer["notices"]), 5)

    def test_test(self) -> None:
        """What the other end says, in words, good or bad."""
        self.assertEqual({"way": "ntfy", "sent": True, "text": "it accepted a test notice"},
                         self.ask(action="test", way="ntfy"))  # fmt: skip
        self.channel.answer = DeliveryFailed("it answers 403")
        self.assertEqual({"way": "ntfy", "sent": False, "text": "it answers 403"}, self.ask(action="test", way="ntfy"))

    def test_refusals(self) -> None:
        """Another action, no way, one that there is not, and one that is off: the field first, and what to do."""
        self.assertEqual("action: must be test: 'x'", self.refusal(action="x"))
        for way in (None, 5, "fax", ["ntfy"], {"a": 1}):
            self.assertTrue(self.refusal(action="test", way=way).startswith("way: no such way; there are mail, ntfy"))
        self.assertEqual("way: mail is off: set NOTICE_MAIL_HOST", self.refusal(action="test", way="mail"))

    def test_figures(self) -> None:
        """Counts by way."""
        self.ask(action="test", way="ntfy")
        self.assertEqual({"ntfy": {"sent": {"test": 1}, "failures": 0, "lost": 0}}, self.board.figures())
