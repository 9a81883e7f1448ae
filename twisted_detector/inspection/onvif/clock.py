"""Clock of a device: the time for which a WS-UsernameToken has to be made.

A token carries a time, and a device refuses one that is minutes off its own clock, mostly with the same text as for
a wrong password. A second try with another time would be a second failed login if the password is wrong, so the clock
is decided by evidence before the first: what GetSystemDateAndTime says (ONVIF Core 8.3.5), its time zone, and the
``Date`` of the HTTP answer (RFC 9110, 6.6.1), which comes from the same clock by another way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from twisted_detector.wire.onvif.answers import SystemTime

#: A device's clock within this many seconds of ours needs no correction: the narrowest window known is 5 seconds.
SAME_CLOCK = 2.0
#: A clock that runs free for weeks is off by less than this many seconds; a zone is off by at least 900.
DRIFT = 60.0
#: Zones differ by quarters of an hour, and lie between 12 hours west and 14 hours east.
_QUARTER, _FARTHEST = 900.0, 14 * 3600.0


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """A device's clock by its own statements; each in seconds ahead of ours, None without a statement.

    :ivar reported: by GetSystemDateAndTime.
    :ivar by_date_header: by the ``Date`` of an HTTP answer, whole seconds.
    :ivar utc_offset: its time zone, seconds east of UTC.
    :ivar local_offset: how far it says that its local time is ahead of what it says for UTC.
    """

    reported: float | None = None
    by_date_header: float | None = None
    utc_offset: float | None = None
    local_offset: float | None = None

    @property
    def offset(self) -> float:
        """Seconds to add to our time for the device's, as far as the evidence goes.

        What it says, but for the devices that give out their local time as UTC, and whose clock is right: there the
        ``Date`` agrees with us while UTC is off by a time zone, or UTC is off by the very zone that it names and
        equals its local time.
        """
        if self.reported is None:
            return self.by_date_header or 0.0
        if abs(self.reported) <= DRIFT:
            return self.reported
        if self.by_date_header is not None:
            is_zone = _is_zone(self.reported - self.by_date_header)
            return self.by_date_header if abs(self.by_date_header) <= DRIFT and is_zone else self.reported
        if self.utc_offset and abs(self.reported - self.utc_offset) <= DRIFT and abs(self.local_offset or 0.0) <= DRIFT:
            return self.reported - self.utc_offset
        return self.reported

    def alternative(self, used: float) -> float | None:
        """The next best offset after ``used`` was wrong by the device's own statement; None when there is none."""
        by_zone = self.reported - self.utc_offset if self.reported is not None and self.utc_offset else None
        for offset in (self.by_date_header, self.reported, by_zone, 0.0):
            if offset is not None and abs(offset - used) > SAME_CLOCK:
                return offset
        return None


def read_clock(time: SystemTime, *, ours: float, date: str = "") -> DeviceClock:
    """The clock by an answer to GetSystemDateAndTime.

    :param ours: our time when the device answered, seconds since the epoch.
    :param date: the answer's ``Date`` header, "" when it has none.
    """
    seconds = time.seconds
    return DeviceClock(
        reported=None if seconds is None else seconds - ours,
        by_date_header=date_offset(date, ours),
        utc_offset=time.utc_offset,
        local_offset=None if time.utc is None or time.local is None else time.local - time.utc,
    )


def date_offset(date: str, ours: float) -> float | None:
    """How far a ``Date`` header is ahead of ``ours``; None when it cannot be read."""
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - ours
    except (TypeError, ValueError, OverflowError):
        return None


def _is_zone(seconds: float) -> bool:
    """Whether a difference is that of a time zone to UTC, give or take what a question and its answer take."""
    quarters = round(seconds / _QUARTER)
    return quarters != 0 and abs(seconds) <= _FARTHEST + DRIFT and abs(seconds - quarters * _QUARTER) <= 5.0
