"""The attendance of eyes: who is there, who fell silent, and what the health document has of them."""

from __future__ import annotations

from types import SimpleNamespace

from tests.operations.eyes.case import TOPICS, EyesCase
from twisted_detector.operations.eyes.attendance import INTERVAL, SILENT, EyeAttendance
from twisted_detector.wire.eyes.report import SignOfLife


class AttendanceTests(EyesCase):
    def setUp(self) -> None:
        super().setUp()
        self.watcher.startWatching(self.sink)
        self.attendance = EyeAttendance(self.clock, self.watcher, monotonic=self.clock.seconds)
        self.lines: list[str] = []
        note = lambda text, **named: self.lines.append(text.format(**named))  # noqa: E731
        self.patch(EyeAttendance, "log", SimpleNamespace(info=note, warn=note))
        self.attendance.startService()
        self.addCleanup(self.attendance.stopService)

    def pass_time(self, seconds: float) -> None:
        for _ in range(int(seconds / INTERVAL) + 1):
            self.clock.advance(INTERVAL)

    def invited(self) -> int:
        return sum(one.topic == TOPICS.invitation for one in self.publisher.messages)

    def test_comes_and_goes(self) -> None:
        """Told once when it is there, once when it falls silent; a silent one is called again and again."""
        before = self.invited()
        self.pass_time(2 * INTERVAL)
        self.assertGreater(self.invited(), before)
        self.assertEqual([], self.lines)
        self.report(SignOfLife("1"))
        self.pass_time(INTERVAL)
        before = self.invited()
        self.pass_time(INTERVAL)
        self.assertEqual(before, self.invited(), "it is there, and needs no call")
        self.pass_time(SILENT)
        self.assertGreater(self.invited(), before)
        self.assertEqual(
            ["The eye barn is there",
             "The eye barn says nothing any more: what is on its link is seen by nobody until it does"],
            self.lines,
        )  # fmt: skip

    def test_document(self) -> None:
        """The block has the state of each, when it was heard, its version and both sides' counts."""
        self.assertEqual({"barn": "never heard"}, {name: one["state"] for name, one in self.document().items()})
        self.report(SignOfLife("1.2", {"reported": 3}))
        self.deliver(b"nonsense")
        self.clock.advance(7.0)
        self.assertEqual(
            {
                "state": "there",
                "heard_s_ago": 7,
                "version": "1.2",
                "counts": {"accepted": 1, "malformed": 1},
                "own_counts": {"reported": 3},
            },
            self.document()["barn"],
        )
        self.clock.advance(SILENT)
        self.assertEqual("silent", self.document()["barn"]["state"])

    def document(self) -> dict[str, dict[str, object]]:
        return dict(self.attendance.document())
