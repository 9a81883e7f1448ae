"""Clock of a device: the time for which a WS-UsernameToken has to be made.

A token carries a time, and a device refuses one that is minutes off its own clock, mostly with the same text as for
a wrong password. A second try with another time would be a second failed login if the password is wrong, so the clock
is decided by evidence before the first: what GetSystemDateAndTime says (ONVIF Core 8.3.5), its time zone, and the
``Date`` of the HTTP answer (RFC 9110, 6.6.1), which comes from the same clock by another way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime

from twisted_detector.wire.onvif.answers import SystemTime

#: A device's clock within this many seconds of ours needs no correction: the narrowest window known is 5 seconds.
SAME_CLOCK = 2.0
#: A clock that runs free for weeks is off by less than this many seconds; a zone is off by at least 900.
DRIFT = 60.0
#: A clock that is off by more than a day was never set: then its local time is not nearer to ours for a zone.
_NEVER_SET = 86_400.0
#: Zones differ by quarters of an hour, and lie between 12 hours west and 14 hours east.
_QUARTER, _FARTHEST = 900.0, 14 * 3600.0
_HOUR = 3600.0
#: Two statements of one clock differ by what a question and its answer take, and by whole seconds.
_SLACK = 5.0


@dataclass(frozen=True, slots=True)
class DeviceClock:
    """A device's clock by its own statements; each in seconds ahead of ours, None without a statement.

    :ivar reported: by GetSystemDateAndTime.
    :ivar by_date_header: by the ``Date`` of an HTTP answer, whole seconds.
    :ivar utc_offset: its time zone, seconds east of UTC; ``summer_offset``: the other one, if it has summer time.
    :ivar local_offset: how far it says that its local time is ahead of what it says for UTC.
    :ivar rival: what ``reported`` may be instead, where it told local time alone.
    """

    reported: float | None = None
    by_date_header: float | None = None
    utc_offset: float | None = None
    local_offset: float | None = None
    summer_offset: float | None = None
    rival: float | None = None

    @property
    def offset(self) -> float:
        """Seconds to add to our time for the device's, as far as the evidence goes.

        What it says, but for the devices that give out their local time as UTC, and whose clock is right: there the
        ``Date`` agrees with us while UTC is off by a time zone, or UTC is off by the very zone that it names and
        equals its local time.
        """
        if self.reported is None:
            return self.by_date_header or 0.0
        if self.rival is not None and self._agrees(self.rival):
            return self.rival
        if abs(self.reported) <= DRIFT:
            return self.reported
        if self.by_date_header is not None:
            is_zone = _is_zone(self.reported - self.by_date_header)
            return self.by_date_header if abs(self.by_date_header) <= DRIFT and is_zone else self.reported
        zone = self._told_for_utc()
        return self.reported if zone is None else self.reported - zone

    @property
    def is_doubtful(self) -> bool:
        """Whether the device may think of another time than :attr:`offset`, by its own words.

        Where nothing else shows which one it is, that is so when local time is all that it tells, and when what it
        tells is off by a time zone.
        """
        if self.reported is None or (self.rival is None and abs(self.reported) <= DRIFT):
            return False
        if self.by_date_header is None:
            return self.rival is not None or _is_zone(self.reported)
        told = (one for one in (self.reported, self.rival) if one is not None)
        return not any(map(self._agrees, told)) and self.offset != self.by_date_header

    def alternative(self, used: float) -> float | None:
        """The next best offset after ``used`` was wrong, perhaps; None when there is none."""
        zones = () if self.reported is None else (self.utc_offset, self.summer_offset)
        by_zone = [(self.reported or 0.0) - zone for zone in zones if zone]
        for offset in (self.by_date_header, self.rival, self.reported, *by_zone, 0.0):
            if offset is not None and abs(offset - used) > SAME_CLOCK:
                return offset
        return None

    def _agrees(self, offset: float) -> bool:
        """Whether the ``Date`` says the same."""
        return self.by_date_header is not None and abs(self.by_date_header - offset) <= _SLACK

    def _told_for_utc(self) -> float | None:
        """The zone by which what it says for UTC is local time; None when it is not."""
        if self.reported is None or abs(self.local_offset or 0.0) > DRIFT:
            return None
        zones = (self.utc_offset, self.summer_offset)
        return next((zone for zone in zones if zone and abs(self.reported - zone) <= DRIFT), None)


def read_clock(time: SystemTime, *, ours: float, date: str = "") -> DeviceClock:
    """The clock by an answer to GetSystemDateAndTime.

    :param ours: our time when the device answered, seconds since the epoch.
    :param date: the answer's ``Date`` header, "" when it has none.
    """
    zone, summer = time.utc_offset, None
    if zone is not None and time.has_summer_time:
        summer = zone - _HOUR if time.daylight_saving else zone + _HOUR
    by_date = date_offset(date, ours)
    if time.utc is not None:
        ahead = None if time.local is None else time.local - time.utc
        return DeviceClock(time.utc - ours, by_date, zone, ahead, summer)
    if time.local is None:
        return DeviceClock(None, by_date, zone, None, summer)
    reported, rival = _by_local_time(time.local - ours, [one for one in (zone, summer) if one is not None])
    return DeviceClock(reported, by_date, zone, None, summer, rival)


def _by_local_time(local: float, zones: Sequence[float]) -> tuple[float, float | None]:
    """The clock of a device that tells local time alone, and the other thing that it may be.

    Where it names a zone its local time less that zone is meant, or, by boards whose clock knows of no zone, its digits
    as they are: what is nearer to our time. Where it names none, a difference of a zone's size is one. A difference of
    more than that is explained by no zone: its digits are its time.

    :param local: its local time as if it were UTC, seconds ahead of ours. ``zones``: those that it may mean.
    """
    meant = [local - zone for zone in zones] or [local - round(local / _QUARTER) * _QUARTER]
    best = min((*meant, local), key=abs)
    if abs(best) > _NEVER_SET or (not zones and not _is_zone(local)):
        best = local
    other = local if best != local else meant[0] if zones else None
    return best, other if other is not None and abs(other - best) > SAME_CLOCK else None


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
    return quarters != 0 and abs(seconds) <= _FARTHEST + DRIFT and abs(seconds - quarters * _QUARTER) <= _SLACK
