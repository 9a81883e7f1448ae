"""Notices go in; JSON for programs comes out."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, clock, notice
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.document import MAX_CAMERAS, listed_document, told_document


class Documents(SynchronousTestCase):
    def test_told(self) -> None:
        """The fields of the contract, with words for people beside them."""
        told = notice(NoticeKind.OFFLINE, 1, until=START + 720, reason="it does not answer")
        self.assertEqual(
            {
                "id": "1-1", "kind": "offline", "event": "back", "count": 1, "remaining": [], "network": "10.0.0.0/24",
                "cameras": [{"id": "cam1", "name": "Camera 1", "ip": "10.0.0.1"}],
                "reason": "it does not answer",
                "since": "2023-11-14T22:13:20.000Z", "ended": "2023-11-14T22:25:20.000Z",
                "title": "Camera 1 is back after 12 min", "text": "From 22:13 to 22:25 (12 min)\nAddress: 10.0.0.1",
                "node_id": "n", "timestamp": "2023-11-14T22:25:20.000Z",
            },
            told_document(told, clock, node_id="n", now=START + 720),
        )  # fmt: skip
        self.assertIsNone(told_document(notice(NoticeKind.BROKER), clock, node_id="n", now=START)["ended"])

    def test_summary(self) -> None:
        """A summary has its notices, each with its own facts and words."""
        whole = Notice("s", NoticeKind.SUMMARY, START, until=START, parts=(notice(NoticeKind.LOGIN, 1),), more=2)
        document = told_document(whole, clock, node_id="n", now=START)
        self.assertEqual(("summary", 2), (document["event"], document["more"]))
        self.assertEqual([("login", "Camera 1 refuses its login")],
                         [(one["event"], one["text"]) for one in document["notices"]])  # fmt: skip

    def test_listed(self) -> None:
        """A row of the list: id, kind, text, since, until, cameras."""
        row = listed_document(notice(NoticeKind.OFFLINE, 1), clock)
        self.assertEqual(("1-1", "offline", "Camera 1 is offline", None),
                         (row["id"], row["kind"], row["text"], row["until"]))  # fmt: skip
        self.assertEqual(["cam1"], [one["id"] for one in row["cameras"]])

    def test_bound(self) -> None:
        """Ten thousand cameras with long names are a hundred in the document, and their number."""
        cameras = tuple(NoticeSubject(f"c{one}", "\n" + "W" * 500, "10.0.0.1") for one in range(10_000))
        document = told_document(Notice("a", NoticeKind.NEW, START, cameras=cameras), clock, node_id="n", now=START)
        self.assertEqual((MAX_CAMERAS, 10_000), (len(document["cameras"]), document["count"]))
        self.assertLess(len(encode(document)), 20_000)
        self.assertNotIn("\\n", str(document["cameras"]))
