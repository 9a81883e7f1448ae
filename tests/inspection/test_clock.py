"""What devices say of the time: which clock a login is made for, and which one comes next."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.onvif.clock import SAME_CLOCK, DeviceClock, date_offset, read_clock
from twisted_detector.wire.onvif.answers import SystemTime

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
HOUR = 3600.0
offsets = st.none() | st.floats(-1e9, 1e9) | st.sampled_from([0.0, 8 * HOUR, -3.5 * HOUR, 61.0])


def _clock(said: SystemTime, dated: float) -> DeviceClock:
    return replace(read_clock(said, ours=NOW), by_date_header=dated)


class ClockTests(SynchronousTestCase):
    def test_read(self) -> None:
        """The fields of an answer become offsets to our time."""
        said = SystemTime(utc=NOW + 5, local=NOW + 5 + HOUR, zone="CET-1CEST,M3.5.0,M10.5.0/3")
        self.assertEqual(read_clock(said, ours=NOW, date=DATE), DeviceClock(5.0, 0.0, HOUR, HOUR, 2 * HOUR))
        self.assertEqual(read_clock(SystemTime(), ours=NOW), DeviceClock())
        summer = read_clock(SystemTime(utc=NOW, zone="CET-1CEST", daylight_saving=True), ours=NOW)
        self.assertEqual((2 * HOUR, HOUR), (summer.utc_offset, summer.summer_offset))
        self.assertIsNone(read_clock(SystemTime(utc=NOW, zone="CST-8"), ours=NOW).summer_offset)

    def test_local_time_alone(self) -> None:
        """Local time without UTC is the clock less the zone, or as it stands; no zone explains decades."""
        decades = -30 * 31_536_000.0
        for local, zone, expected in (
            (0.0, "", (0.0, None)),
            (2.0, "", (2.0, None)),
            (8 * HOUR + 3, "", (3.0, 8 * HOUR + 3)),  # a zone that it does not name
            (-3.5 * HOUR, "", (0.0, -3.5 * HOUR)),
            (1234.0, "", (1234.0, None)),  # no zone is 1234 s
            (15 * HOUR, "", (15 * HOUR, None)),  # nor 15 hours
            (decades + 50, "", (decades + 50, None)),
            (8 * HOUR, "CST-8", (0.0, 8 * HOUR)),
            (8 * HOUR + 600, "CST-8", (600.0, 8 * HOUR + 600)),
            (0.0, "CST-8", (0.0, -8 * HOUR)),  # it names a zone that its clock does not know
            (decades, "CST-8", (decades, decades - 8 * HOUR)),
            (decades, "UTC0", (decades, None)),
            (2 * HOUR, "CET-1CEST", (0.0, 2 * HOUR)),  # summer time, of which its flag says nothing
            (HOUR, "CET-1CEST", (0.0, HOUR)),
        ):
            clock = read_clock(SystemTime(local=NOW + local, zone=zone), ours=NOW)
            self.assertEqual(expected, (clock.reported, clock.rival), (local, zone))
            self.assertEqual(expected[0], clock.offset)
            self.assertEqual(expected[1] is not None, clock.is_doubtful)

    def test_date_beside_local_time(self) -> None:
        """Where the Date says which of the two it is, there is no doubt."""
        eight = SystemTime(local=NOW + 8 * HOUR)
        self.assertEqual((0.0, False), (_clock(eight, 0.0).offset, _clock(eight, 0.0).is_doubtful))
        self.assertEqual((8 * HOUR, False), (_clock(eight, 8 * HOUR).offset, _clock(eight, 8 * HOUR).is_doubtful))

    def test_summer_time_as_utc(self) -> None:
        """Local time that is told for UTC is seen through though the flag of summer time is not set."""
        clock = read_clock(SystemTime(utc=NOW + 2 * HOUR, zone="CET-1CEST,M3.5.0,M10.5.0/3"), ours=NOW)
        self.assertEqual(0.0, clock.offset)

    def test_no_time_but_a_date(self) -> None:
        """A device that tells no time at all has that of its Date."""
        for told in (SystemTime(), SystemTime(zone="CST-8")):
            self.assertEqual(-86_400.0, _clock(told, -86_400.0).offset)

    def test_doubt(self) -> None:
        """A clock that is off is doubted where a time zone would explain it, and nothing shows that it is none."""
        for clock, doubtful in {
            DeviceClock(): False,
            DeviceClock(reported=30.0): False,
            DeviceClock(reported=-86_400.0): False,
            DeviceClock(reported=8 * HOUR): True,
            DeviceClock(reported=8 * HOUR, by_date_header=8 * HOUR): False,
            DeviceClock(reported=8 * HOUR, by_date_header=0.0): False,
            DeviceClock(reported=8 * HOUR, by_date_header=77_777.0): True,
            DeviceClock(reported=1.0, by_date_header=8 * HOUR): False,
        }.items():
            self.assertEqual(doubtful, clock.is_doubtful, clock)

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

    @given(offsets, offsets, offsets, offsets, offsets, offsets)
    def test_any(
        self,
        said: float | None,
        dated: float | None,
        east: float | None,
        ahead: float | None,
        summer: float | None,
        rival: float | None,
    ) -> None:
        """Whatever a device says, there is an offset, and the next one differs from it."""
        clock = DeviceClock(said, dated, east, ahead, summer, rival)
        self.assertIn(clock.is_doubtful, (False, True))
        other = clock.alternative(clock.offset)
        self.assertTrue(other is None or abs(other - clock.offset) > SAME_CLOCK)
