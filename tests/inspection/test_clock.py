"""What devices say of the time: which clock a login is made for, and which one comes next."""

from __future__ import annotations

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.onvif.clock import SAME_CLOCK, DeviceClock, date_offset, read_clock
from twisted_detector.wire.onvif.answers import SystemTime

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
HOUR = 3600.0
offsets = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([0.0, 8 * HOUR, -3.5 * HOUR, 61.0])


class ClockTests(SynchronousTestCase):
    def test_read(self) -> None:
        """The fields of an answer become offsets to our time."""
        said = SystemTime(utc=NOW + 5, local=NOW + 5 + HOUR, zone="CET-1CEST,M3.5.0,M10.5.0/3")
        self.assertEqual(read_clock(said, ours=NOW, date=DATE), DeviceClock(5.0, 0.0, HOUR, HOUR))
        self.assertEqual(read_clock(SystemTime(), ours=NOW), DeviceClock())
        summer = SystemTime(utc=NOW, zone="CET-1CEST", daylight_saving=True)
        self.assertEqual(read_clock(summer, ours=NOW).utc_offset, 2 * HOUR)

    def test_date(self) -> None:
        """A Date header is read in the forms that servers write, and nothing else."""
        self.assertEqual(date_offset(DATE, NOW), 0.0)
        self.assertEqual(date_offset("Tue, 14 Nov 2023 23:13:20 +0100", NOW), 0.0)
        for text in ("", "yesterday", "Tue, 99 Nov 2023 22:13:20 GMT", "x" * 10_000, "Tue, 14 Nov 99999 22:13:20 GMT"):
            self.assertIsNone(date_offset(text, NOW))

    def test_offset(self) -> None:
        """The device is believed, but where the evidence says that only its words are off."""
        for clock, expected in {
            DeviceClock(): 0.0,
            DeviceClock(by_date_header=-86_400.0): -86_400.0,
            DeviceClock(reported=1.0, by_date_header=8 * HOUR): 1.0,  # its Date is local time, its UTC is right
            DeviceClock(reported=86_400.0, by_date_header=86_400.0): 86_400.0,
            DeviceClock(reported=8 * HOUR, by_date_header=8 * HOUR, utc_offset=8 * HOUR): 8
            * HOUR,  # the clock itself is a zone off
            DeviceClock(reported=8 * HOUR + 3, by_date_header=3.0): 3.0,  # local time as UTC
            DeviceClock(reported=-3.5 * HOUR, by_date_header=0.0): 0.0,
            DeviceClock(reported=1234.0, by_date_header=0.0): 1234.0,  # no zone is 1234 s off
            DeviceClock(reported=8 * HOUR + 3, utc_offset=8 * HOUR): 3.0,
            DeviceClock(reported=8 * HOUR, utc_offset=8 * HOUR, local_offset=0.0): 0.0,
            DeviceClock(reported=8 * HOUR, utc_offset=8 * HOUR, local_offset=8 * HOUR): 8 * HOUR,
            DeviceClock(reported=8 * HOUR, utc_offset=0.0): 8 * HOUR,
            DeviceClock(reported=8 * HOUR): 8 * HOUR,
        }.items():
            self.assertEqual(clock.offset, expected, clock)

    def test_other(self) -> None:
        """After a time that was wrong comes the one that the next best evidence gives."""
        self.assertIsNone(DeviceClock().alternative(0.0))
        self.assertIsNone(DeviceClock(reported=1.0).alternative(1.0))
        self.assertEqual(DeviceClock(reported=HOUR).alternative(HOUR), 0.0)
        self.assertEqual(DeviceClock(reported=HOUR, by_date_header=30.0).alternative(HOUR), 30.0)
        self.assertEqual(DeviceClock(reported=HOUR, by_date_header=0.0).alternative(0.0), HOUR)

    @given(offsets, offsets, offsets, offsets)
    def test_any(self, said: float | None, dated: float | None, east: float | None, ahead: float | None) -> None:
        """Whatever a device says, there is an offset, and the next one differs from it."""
        clock = DeviceClock(said, dated, east, ahead)
        other = clock.alternative(clock.offset)
        self.assertTrue(other is None or abs(other - clock.offset) > SAME_CLOCK)
