"""Floods of devices, and what they may not do to those that are there."""

from __future__ import annotations

from itertools import product

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A, B, C, inspection, sighting, stream
from tests.registry.case import HERE, RegistryCase
from twisted_detector.events import CameraForgotten, QuotaReached
from twisted_detector.model import Mac, Status
from twisted_detector.registry import quotas
from twisted_detector.registry.device_table import UNPROVED_LIFE
from twisted_detector.registry.inspection_reasons import (
    MAX_AWAY_HOLD,
    MAX_TROUBLED_HOLD,
    PROMPTS_TO_SPARE,
    TROUBLED_HOLD,
)
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.quotas import (
    FIRST_HOUR,
    NewCameraLimit,
    Refusal,
    RefusalLog,
    network_of,
)
from twisted_detector.registry.registry import Registry


class FloodCase(RegistryCase):
    def flood(self, devices: int, mac: Mac | None = B, *, addresses: int = 250, first: int = 0) -> list[int]:
        """One host calls itself many devices; the handles of those that were taken in."""
        keys = []
        for number in range(first, first + devices):
            self.now += 0.004
            one = sighting(f"10.0.1.{number % addresses + 1}", mac, f"forged-{number}")
            seen = self.registry.record_sighting(one, self.now)
            if seen is not None:
                keys.append(seen.key)
        return keys

    def refuse_streams(self, key: int) -> None:
        """The device answers to ONVIF, and plays nothing."""
        if self.registry.knows(key):
            address = self.registry.candidate(key).address
            self.registry.begin_inspection(key, self.now)
            self.registry.record_inspection(key, inspection(address, stream(address, plays=False)), self.now)

    def told(self, cause: str) -> list[str]:
        return [one.text for one in self.listener.events if isinstance(one, QuotaReached) and one.cause == cause]


class HostTests(FloodCase):
    def test_one_host_is_a_bounded_number_of_devices(self) -> None:
        """Whatever one MAC calls itself, at however many addresses, it is 64 devices; that is told once."""
        keys = self.flood(3000)
        self.assertLessEqual(len(self.registry.devices()), quotas.MAX_UNPROVED_PER_HOST)
        for key in keys:
            self.refuse_streams(key)
        self.flood(300, first=20_000)
        self.assertLessEqual(self.registry.fleet.total, quotas.MAX_UNPROVED_PER_HOST)
        self.assertGreater(self.registry.refusals.counts["host"], 3000)
        [text] = self.told("host")
        self.assertTrue(text.startswith(f"{B.text} shows more devices than one host has: "), text)
        self.assertTrue(
            text.endswith(" of them without a stream. No more of it are taken in; see what stands there"), text
        )

    def test_a_genuine_newcomer_is_taken_in(self) -> None:
        """While one host is refused, a camera of another MAC is known and published as ever."""
        for key in self.flood(500):
            self.refuse_streams(key)
        self.inspect(self.see(HERE, A))
        self.assertIs(Status.ONLINE, self.camera("02000000000a").status)

    def test_a_mac_that_is_learnt_later(self) -> None:
        """Devices that were first seen without a MAC do not get round the bound of the MAC that they have."""
        self.flood(500, None)
        self.flood(500)
        self.flood(500)
        of_host = [key for key in self.registry.devices() if self.registry.candidate(key).at_layer2]
        self.assertLessEqual(len(of_host), quotas.MAX_UNPROVED_PER_HOST)

    def test_one_address_without_a_mac(self) -> None:
        """Behind a router there is no MAC: then the bound is the address's."""
        self.flood(1000, None, addresses=1)
        self.assertLessEqual(len(self.registry.devices()), quotas.MAX_UNPROVED_PER_HOST)

    def test_who_plays_is_not_counted_as_a_claim(self) -> None:
        """A repeater with one MAC for 150 cameras that play is no forger: a few sweeps know them all."""
        for _ in range(5):
            for number in range(150):
                self.now += 0.01
                one = sighting(f"10.0.2.{number + 1}", C, f"camera-{number}")
                seen = self.registry.record_sighting(one, self.now)
                if seen is not None and seen.needs_inspection:
                    self.inspect(seen.key)
        self.assertEqual(150, self.registry.fleet.total)

    def test_a_recorder_says_more(self) -> None:
        """Where a recorder that named 20 channels stands, each channel may announce itself as a device."""
        self.patch(quotas, "MAX_UNPROVED_PER_HOST", 10)
        self.inspect(self.see(HERE, A, "recorder"), *(stream(source=str(number)) for number in range(20)))
        for number in range(40):
            words = sighting(HERE, None, f"channel-{number}", xaddrs=(f"http://{HERE}/{number}",))
            self.registry.record_sighting(words, self.now)
        self.assertEqual(20, len(self.registry.devices()) - 1)

    def test_who_is_gone_makes_room(self) -> None:
        """A host that shows another name at each of its starts is not refused one day."""
        self.patch(quotas, "MAX_UNPROVED_PER_HOST", 10)
        for number in range(100):
            self.now += 1000
            self.see(HERE, A, f"start-{number}")
        self.assertEqual(0, self.registry.refusals.counts["host"])


class RoomTests(FloodCase):
    def test_forged_cameras_make_room(self) -> None:
        """In a full network what was published and never played goes, with its event; what played stays."""
        self.patch(quotas, "MAX_PER_NETWORK", 20)
        self.inspect(self.see("10.0.3.1", A))
        forged = [self.see(f"10.0.3.{number}", Mac(f"02:00:00:00:01:{number:02x}")) for number in range(10, 29)]
        for key in forged:
            self.refuse_streams(key)
        self.assertEqual(20, self.registry.fleet.total)
        self.listener.take()
        self.inspect(self.see("10.0.3.2", C))
        self.assertEqual(["02000000010a"], [one.camera.id for one in self.forgotten()])
        self.assertEqual((20, Status.ONLINE), (self.registry.fleet.total, self.camera("02000000000a").status))
        self.assertIs(Status.ONLINE, self.camera("02000000000c").status)

    def forgotten(self) -> list[CameraForgotten]:
        return [one for one in self.listener.events if isinstance(one, CameraForgotten)]

    def test_another_network_is_not_concerned(self) -> None:
        """The bound of a network is its own: a flood there makes nobody go here."""
        self.patch(quotas, "MAX_PER_NETWORK", 20)
        here = self.see("10.9.0.1", A)
        for number in range(100):
            self.see(f"10.0.3.{number + 1}", Mac(f"02:00:00:00:01:{number:02x}"))
        self.assertEqual((True, 21), (self.registry.knows(here), len(self.registry.devices())))

    def test_full_of_cameras_that_play(self) -> None:
        """Only where every device has proved itself one more is refused; that says what to do."""
        self.patch(quotas, "MAX_PER_NETWORK", 3)
        for number in range(3):
            self.inspect(self.see(f"10.0.3.{number + 1}", Mac(f"02:00:00:00:01:{number:02x}")))
        self.assertIsNone(self.registry.record_sighting(sighting("10.0.3.9", A), self.now))
        self.assertEqual(
            "3 devices in 10.0.0.0/22 are the most that are kept: no more are taken in; forget those that are gone",
            self.told("network")[0],
        )

    def test_networks(self) -> None:
        """Addresses are counted by /22 and /64; link-local ones by link."""
        self.assertEqual("10.0.0.0/22", network_of("10.0.3.77"))
        self.assertEqual("2001:db8::/64", network_of("2001:db8::7"))
        self.assertEqual("fe80::/64%eth0", network_of("fe80::7%eth0"))


class HourTests(FloodCase):
    def setUp(self) -> None:
        super().setUp()
        self.registry = Registry(self.listener.handle, missed_limit=3, new_cameras_per_hour=10)
        self.inspect(self.see("10.0.0.1", A))
        self.now += 3600

    def newcomers(self, count: int, *, plays: bool, first: int = 0) -> None:
        for number in range(first, first + count):
            address = f"10.{number // 200 + 1}.0.{number % 200 + 1}"
            key = self.see(address, Mac(f"02:00:00:01:{number // 256:02x}:{number % 256:02x}"))
            if plays:
                self.inspect(key)
            else:
                self.refuse_streams(key)

    def test_claims_are_bounded(self) -> None:
        """So many cameras that do not play are published in one hour; the rest in the next ones; one warning."""
        self.newcomers(40, plays=False)
        self.assertEqual(11, self.registry.fleet.total)
        [text] = self.told("new_cameras")
        self.assertIn("MAX_NEW_CAMERAS_PER_HOUR", text)
        self.now += 3600
        self.newcomers(40, plays=False)
        self.assertEqual(21, self.registry.fleet.total)

    def test_who_plays_does_not_wait_for_claims(self) -> None:
        """When claims have used up the hour, a camera that plays is published at once."""
        self.newcomers(40, plays=False)
        self.newcomers(5, plays=True, first=100)
        self.assertEqual(16, self.registry.fleet.total)

    def test_what_was_not_published_is_asked_later(self) -> None:
        """It is no camera for now, and looked at again as those are."""
        self.newcomers(11, plays=False)
        key = self.registry.devices()[-1]
        self.assertIs(Phase.FOREIGN, self.registry.phase(key))
        self.now += 3600
        self.see(self.registry.candidate(key).address, self.registry.candidate(key).mac)
        self.assertTrue(self.due)

    def test_first_hour(self) -> None:
        """A first run finds a thousand cameras, whatever the setting."""
        self.registry = Registry(self.listener.handle, new_cameras_per_hour=10)
        self.newcomers(1000, plays=False)
        self.assertEqual((1000, []), (self.registry.fleet.total, self.told("new_cameras")))

    def test_a_known_camera_is_not_new(self) -> None:
        """Cameras of an earlier run use nothing up, and make no first hour."""
        cameras = self.registry.cameras()
        self.registry = Registry(self.listener.handle, new_cameras_per_hour=10)
        self.registry.restore(cameras)
        self.newcomers(40, plays=False)
        self.assertEqual(11, self.registry.fleet.total)

    def test_a_clock_that_is_set(self) -> None:
        """The first hour goes on when a board without a battery is told the time."""
        limit = NewCameraLimit(10)
        limit.first_run(40.0)
        self.assertTrue(limit.admits(1, 50.0, proved=True))
        limit.clock_set(1.8e9)
        self.assertTrue(all(limit.admits(1, 1.8e9 + 60, proved=True) for _ in range(FIRST_HOUR - 1)))
        self.assertFalse(limit.admits(1, 1.8e9 + 61, proved=True))

    def test_limit(self) -> None:
        """The room of an hour comes back bit by bit, and never more of it; a jump back gives none."""
        limit = NewCameraLimit(60)
        self.assertEqual((True, False), (limit.admits(60, 0.0, proved=False), limit.admits(1, 59.0, proved=False)))
        self.assertTrue(limit.admits(1, 61.0, proved=False))
        self.assertFalse(limit.admits(1, -5000.0, proved=False))
        self.assertEqual([True] * 60 + [False], [limit.admits(1, 10**9, proved=False) for _ in range(61)])
        self.assertEqual(
            "more than 60 new cameras in an hour: no more are published now, those that play excepted. If they are"
            " yours, raise MAX_NEW_CAMERAS_PER_HOUR; if not, see who announces them",
            limit.refusal().text,
        )
        self.assertTrue(limit.admits(256, 2 * 10**9, proved=False))  # one recorder, whatever the setting
        limit.first_run(3 * 10**9)
        self.assertTrue(limit.admits(1, 3 * 10**9, proved=True))
        self.assertTrue(limit.admits(FIRST_HOUR, 3 * 10**9, proved=False))
        # What was left of the first hour is not kept for later.
        self.assertTrue(limit.admits(60, 3 * 10**9 + 4000, proved=True))
        self.assertFalse(limit.admits(1, 3 * 10**9 + 4000, proved=True))


class AgeTests(FloodCase):
    def away(self, key: int) -> None:
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)

    def test_claims_that_are_away_are_forgotten(self) -> None:
        """What never played and is away for a day is forgotten; what played once, or is there, is not."""
        played, claimed, there = self.see("10.0.0.1", A), self.see("10.0.0.2", B), self.see("10.0.0.3", C)
        self.inspect(played)
        for key in (claimed, there):
            self.refuse_streams(key)
        for key in (played, claimed):
            self.away(key)
        self.now += UNPROVED_LIFE - 10
        self.assertEqual(0, self.registry.forget_unproved(self.now, 99))
        self.now += 10
        self.assertEqual(1, self.registry.forget_unproved(self.now, 99))
        self.assertEqual(["02000000000a", "02000000000c"], self.ids())
        self.assertFalse(self.registry.knows(claimed))

    def test_a_few_at_a_time(self) -> None:
        """Each costs messages: no more than so many go at once."""
        keys = self.flood(30)
        for key in keys:
            self.refuse_streams(key)
            self.away(key)
        self.now += UNPROVED_LIFE
        self.assertEqual([20, 10, 0], [self.registry.forget_unproved(self.now, 20) for _ in range(3)])
        self.assertEqual(0, self.registry.fleet.total)

    def test_prompts_in_vain(self) -> None:
        """A device in trouble that says Hello without end is asked at growing distances."""
        key = self.see(HERE, A)
        asked = 0
        for _ in range(3600):
            self.see(HERE, A)
            if self.due:
                asked += 1
                self.refuse_streams(key)
        self.assertLess(asked, 12)
        self.now += MAX_TROUBLED_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)
        self.inspect(key)
        self.refuse_streams(key)
        self.now += TROUBLED_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)

    def test_forged_announcements_of_one_that_is_away(self) -> None:
        """Announcements of a dead camera have it asked a few times at once, then once a minute; its return at once."""
        key = self.inspect(self.see(HERE, A))
        self.away(key)
        self.now += 10_000
        asked = 0
        for _ in range(600):
            self.see(HERE, A)
            if self.due:
                asked += 1
                self.registry.begin_inspection(key, self.now)
                self.registry.record_no_answer(key, "no answer", self.now)
        self.assertLess(asked, PROMPTS_TO_SPARE + 20)
        self.now += MAX_AWAY_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)


class IndexTests(RegistryCase):
    def test_cameras_by_id(self) -> None:
        """Every camera is found by its id, however it came and whatever became of its device."""
        self.inspect(self.see("10.0.0.1", A, "x"), stream(source="1"), stream(source="2"))
        self.inspect(self.see("10.0.0.2", B))
        saved = self.registry.cameras()
        for fresh in (False, True):
            if fresh:
                self.registry = Registry(self.listener.handle)
                self.registry.restore(saved)
            self.assertEqual(3, self.registry.fleet.total)
            for camera in saved:
                key = self.registry.key_of_camera(camera.id)
                assert key is not None
                self.assertIn(self.registry.camera(camera.id), self.registry.cameras_of(key))
        self.registry.forget("02000000000a_2", self.now)
        self.registry.forget("02000000000b", self.now)
        self.assertEqual(
            (1, None, None), (self.registry.fleet.total, self.registry.camera("02000000000b"), self.gone())
        )

    def test_counted_where_it_is(self) -> None:
        """A device that proves to be another one, or two, is counted where it is by then."""
        key = self.inspect(self.see(HERE, A, "x"))
        self.inspect(self.see("10.0.0.6", B, "x"))
        self.registry.record_departure(HERE, self.now)
        self.assertEqual(("10.0.0.6", B.text), (self.registry.candidate(key).address, self.registry.host_of(key)))

    def gone(self) -> int | None:
        return self.registry.key_of_camera("02000000000a_2")

    def test_it_is_there_when_its_event_comes(self) -> None:
        """Who hears of a camera can look it up; who hears that it is forgotten cannot."""
        found: list[bool] = []
        registry = Registry(lambda event: found.append(registry.camera(event.camera.id) is not None))  # type: ignore[attr-defined]
        seen = registry.record_sighting(sighting(HERE, A), 1.0)
        assert seen is not None
        registry.record_inspection(seen.key, inspection(), 2.0)
        self.assertTrue(all(found) and found)
        found.clear()
        registry.forget("02000000000a", 3.0)
        self.assertEqual([False], found)

    def test_merged(self) -> None:
        """The cameras of a device that proved to be another are not found any more; those of that one are."""
        old = self.inspect(self.see("10.0.0.1", None, "x"))
        self.inspect(self.see("10.0.0.1", A, "x"))
        for camera in self.registry.cameras():
            self.assertEqual(old, self.registry.key_of_camera(camera.id))
        self.assertEqual(len(self.registry.cameras()), self.registry.fleet.total)

    def test_no_scan_of_all(self) -> None:
        """Looking up one camera costs the same whatever the number of cameras: no other device is touched."""
        for number in range(50):
            self.inspect(self.see(f"10.0.0.{number + 1}", Mac(f"02:00:00:00:01:{number:02x}")))

        class Counted(dict[int, object]):
            touched = 0

            def values(self) -> object:  # type: ignore[override]
                raise AssertionError("all devices were looked through")

            def __getitem__(self, key: int) -> object:
                Counted.touched += 1
                return super().__getitem__(key)

        self.registry._devices = Counted(self.registry._devices)  # type: ignore[assignment]
        self.registry.camera("020000000105")
        self.registry.key_of_camera("020000000105")
        self.assertEqual((50, 1), (self.registry.fleet.total, Counted.touched))


class RefusalLogTests(SynchronousTestCase):
    def test_told_once_a_day(self) -> None:
        """Each is counted; each cause is told of each subject once a day."""
        log = RefusalLog()
        told = [log.record(Refusal("host", name, ""), at) for at, name in product((0.0, 1.0, 86_400.0), ("a", "b"))]
        self.assertEqual(([True, True, False, False, True, True], 6), (told, log.counts["host"]))

    def test_a_flood_of_hosts_is_no_flood_of_lines(self) -> None:
        """Whoever makes up hosts gets a bounded number of warnings, and another day's are told again."""
        log = RefusalLog()
        self.assertEqual(quotas.MAX_TOLD, sum(log.record(Refusal("host", str(one), ""), 0.0) for one in range(1000)))
        self.assertTrue(log.record(Refusal("host", "x", ""), 90_000.0))
        self.assertEqual("x", log.last.subject if log.last else "")
