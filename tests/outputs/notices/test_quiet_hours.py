"""Times of the day and notices go in; silence, and one summary at its end, come out."""

from __future__ import annotations

from math import inf

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, notice
from twisted_detector.model.notices import NoticeKind
from twisted_detector.outputs.notices.quiet_hours import MAX_PARTS, Holder, QuietHours

NIGHT = QuietHours(22 * 60, 7 * 60)


class Hours(SynchronousTestCase):
    def test_left(self) -> None:
        """Minutes until the end, over midnight too; the first minute is quiet, the last time is not."""
        for minute, left in ((22 * 60, 540), (23 * 60 + 59, 421), (0, 420), (419, 1), (420, 0), (22 * 60 - 1, 0)):
            self.assertEqual(left, NIGHT.minutes_left(minute), minute)
        self.assertEqual((60, 0), (QuietHours(60, 120).minutes_left(60), QuietHours(60, 120).minutes_left(0)))

    def test_none(self) -> None:
        """Without quiet hours it is never quiet."""
        self.assertEqual({0}, {QuietHours().minutes_left(minute) for minute in range(1440)})


class Holding(SynchronousTestCase):
    def setUp(self) -> None:
        self.minute = 23 * 60
        self.holder = Holder(NIGHT, lambda at: self.minute)

    def test_summary(self) -> None:
        """What was held comes as one; the end of what was held takes the place of its beginning."""
        self.holder.hold([notice(NoticeKind.OFFLINE, 1, id="a"), notice(NoticeKind.FROZEN, 2, id="b")])
        ended = notice(NoticeKind.OFFLINE, 1, id="a", until=START + 60)
        self.holder.hold([ended])
        whole = self.holder.release("s", START + 100)
        assert whole is not None
        self.assertEqual((NoticeKind.SUMMARY, "summary", "s"), (whole.kind, whole.event, whole.id))
        self.assertEqual((ended, notice(NoticeKind.FROZEN, 2, id="b")), whole.parts)
        self.assertIsNone(self.holder.release("s", START))

    def test_bound(self) -> None:
        """Of more than there is room for, their number is told."""
        self.holder.hold(notice(NoticeKind.OFFLINE, 1, id=str(number)) for number in range(MAX_PARTS + 7))
        whole = self.holder.release("s", START)
        assert whole is not None
        self.assertEqual((MAX_PARTS, 7), (len(whole.parts), whole.more))
        self.assertEqual(0, self.holder.dropped)

    def test_next(self) -> None:
        """Nothing held: nothing to wait for. Else the clock is asked every hour at least, for it may be put forward."""
        self.assertEqual(inf, self.holder.next_at(START))
        self.holder.hold([notice()])
        self.assertEqual(START + 3600, self.holder.next_at(START))
        self.minute = 6 * 60 + 59
        self.assertTrue(self.holder.is_quiet(START))
        self.assertEqual(START + 60, self.holder.next_at(START))
