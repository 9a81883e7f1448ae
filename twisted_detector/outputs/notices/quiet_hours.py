"""Quiet hours: what is to be told in them is held back, and told as one summary at their end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import inf

from twisted_detector.model.notices import Notice, NoticeKind

#: Notices of one summary; of more, their number.
MAX_PARTS = 50
_DAY = 1440


@dataclass(frozen=True, slots=True)
class QuietHours:
    """A time of the day, in minutes since midnight; it may go past midnight. The same twice: never."""

    begin: int = 0
    end: int = 0

    def minutes_left(self, minute: int) -> int:
        """Minutes until their end, at that minute of the day; 0 outside them."""
        length = (self.end - self.begin) % _DAY
        gone = (minute - self.begin) % _DAY
        return length - gone if gone < length else 0


class Holder:
    """Holder of notices in quiet hours.

    :param minute_of: minute of the day, in the local zone, of wall seconds.
    :ivar held: the latest that is known of each notice that is to be told, by id; ``dropped``: how many found no room.
    """

    def __init__(self, hours: QuietHours, minute_of: Callable[[float], int]) -> None:
        self._hours = hours
        self._minute_of = minute_of
        self.held: dict[str, Notice] = {}
        self.dropped = 0

    def is_quiet(self, now: float) -> bool:
        """Whether it is to be quiet now."""
        return self._hours.minutes_left(self._minute_of(now)) > 0

    def hold(self, notices: Iterable[Notice]) -> None:
        """Keep these; the end of one that is kept already takes its place."""
        for notice in notices:
            if notice.id in self.held or len(self.held) < MAX_PARTS:
                self.held[notice.id] = notice
            else:
                self.dropped += 1

    def release(self, notice_id: str, now: float) -> Notice | None:
        """The summary of what was held back, under this id; None for nothing."""
        parts, more = tuple(self.held.values()), self.dropped
        self.held, self.dropped = {}, 0
        return summary(notice_id, parts, more, now) if parts else None

    def next_at(self, now: float) -> float:
        """When to look again whether they are over: their clock may be put forward in the night; infinite for never."""
        if not self.held:
            return inf
        # Not more than an hour ahead: of two that there may be tonight, or none, the clock has to be asked.
        return now + min(60, self._hours.minutes_left(self._minute_of(now))) * 60.0


def summary(notice_id: str, parts: tuple[Notice, ...], more: int, now: float) -> Notice:
    """One notice that stands for several."""
    return Notice(notice_id, NoticeKind.SUMMARY, now, until=now, parts=parts, more=more)
