"""Devices seen, moved, cloned, forged, restored and forgotten."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import PLAYS, A, B, C, inspection, serial, sighting, stream
from tests.registry.case import HERE, THERE, RegistryCase
from twisted_detector.events import (
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    DevicesMerged,
    Event,
    IdentityConflict,
)
from twisted_detector.model import Camera, Evidence, EvidenceKind, Mac, Proof, Status
from twisted_detector.registry import device as device_module, inspection_reasons, quotas
from twisted_detector.registry.identity.evidence_set import MAX_EVIDENCE
from twisted_detector.registry.inspection_reasons import FOREIGN_HOLD, REFRESH_HOLD, TROUBLED_HOLD
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import RecordingListener


class IdentityTests(RegistryCase):
    def test_ids(self) -> None:
        """A camera is called by its MAC, else EndpointReference, else serial number, else address."""
        self.inspect(self.see("10.0.0.1", A, "x"))
        self.inspect(self.see("10.0.0.2", None, "abc-1"))
        self.inspect(self.see("10.0.0.3"), evidence=(serial("SN12345"),))
        self.inspect(self.see("10.0.0.4"))
        self.assertEqual(["02000000000a", "epr-abc-1", "ip-10-0-0-4", "sn-sn12345"], self.ids())

    def test_reference_that_was_told_when_asked(self) -> None:
        """An EndpointReference from GetEndpointReference names a device that announced none, wherever it goes."""
        said = Evidence(EvidenceKind.ENDPOINT_REFERENCE, "urn:uuid:ABC-1", "onvif", 0.0)
        key = self.inspect(self.see(), evidence=(said, serial("SN12345")))
        self.assertEqual(["epr-abc-1"], self.ids())
        self.assertEqual(key, self.see(THERE, None, "abc-1"))

    def test_an_id_never_changes(self) -> None:
        """What is learnt after the first publication (MAC, EndpointReference, serial) changes no id."""
        key = self.inspect(self.see())
        for more in (sighting(HERE, A), sighting(HERE, A, "x"), sighting(THERE, A, "x", evidence=(serial("SN12345"),))):
            self.assertEqual(key, self.record(more))
            self.inspect(key, evidence=(serial("SN99999"),))
            self.assertEqual(["ip-10-0-0-5"], self.ids())
        self.assertEqual(A, self.camera("ip-10-0-0-5").mac)

    def test_methods_are_bounded(self) -> None:
        """A plugin that calls its method otherwise each time does not make a document longer and longer."""
        self.inspect(self.see(HERE, A))
        for number in range(3 * device_module.MAX_METHODS):
            self.record(replace(sighting(HERE, A), method=f"acme-{number}"))
        [camera_id] = self.ids()
        self.assertEqual(device_module.MAX_METHODS, len(self.camera(camera_id).methods))

    def test_equal_serials_are_two(self) -> None:
        """Two devices with one serial number are two cameras."""
        for address in ("10.0.0.1", "10.0.0.2"):
            self.inspect(self.see(address), evidence=(serial("SN12345"),))
        self.assertEqual(["sn-sn12345", "sn-sn12345-2"], self.ids())

    def test_channels_cannot_be_forged(self) -> None:
        """A device that calls itself what another's second channel is called gets another id."""
        self.inspect(self.see("10.0.0.1", None, "abc"), stream(source="1"), stream(source="2"))
        self.inspect(self.see("10.0.0.2", None, "abc_2"))
        self.assertEqual(["epr-abc", "epr-abc-2", "epr-abc_2"], self.ids())

    def test_clones_stay_apart(self) -> None:
        """Two MACs with one EndpointReference are two cameras; that is told once, with the ids of both."""
        first = self.see("10.0.0.1", A, "x")
        second = self.see("10.0.0.2", B, "x")
        self.assertNotEqual(first, second)
        self.assertEqual([], self.listener.take())
        self.inspect(first)
        self.inspect(second)
        for _ in range(3):
            self.see("10.0.0.1", A, "x")
            self.see("10.0.0.2", B, "x")
        [conflict] = [event for event in self.listener.events if isinstance(event, IdentityConflict)]
        assert isinstance(conflict, IdentityConflict)
        self.assertEqual(
            ("02000000000a", "epr", "x", "02000000000b"),
            (conflict.camera.id, conflict.kind, conflict.value, conflict.other_device_id),
        )

    def test_a_clone_is_named_as_it_will_be(self) -> None:
        """The other side of a conflict that was never asked is told by the id that it would get."""
        self.inspect(self.see("10.0.0.1", A, "x"))
        self.listener.take()
        self.see("10.0.0.2", B, "x")
        self.assertEqual(["02000000000b"], [event.other_device_id for event in self.listener.events])  # type: ignore[attr-defined]

    def test_forged_reference_moves_nobody(self) -> None:
        """A ProbeMatch with a known EndpointReference from elsewhere does not move a camera whose MAC was seen."""
        key = self.inspect(self.see(HERE, A, "x"))
        forger = self.see("10.0.0.66", None, "x")
        self.assertNotEqual(key, forger)
        for again in (sighting(HERE, A), sighting(HERE, A, "x"), sighting(HERE, None, "x")):
            self.assertEqual(key, self.record(again))
            self.inspect(key, evidence=(serial("SN12345"),))
        self.assertNotEqual(key, self.see("10.0.0.66", C, "x"))
        self.assertEqual(HERE, self.camera("02000000000a").address)
        self.assertFalse([event for event in self.listener.events if isinstance(event, CameraMoved | DevicesMerged)])
        self.assertFalse(self.registry.knows(forger) and self.registry.candidate(forger).known_urls)

    def test_nobody_is_published_with_what_was_said_elsewhere(self) -> None:
        """Words that were held back, and came to another address since, are asked there before they are published."""
        self.inspect(self.see(HERE, A, "x"))
        words = self.inspect(self.see(THERE, None, "x"))  # the camera has moved, and its MAC was not looked up
        self.assertEqual(words, self.see("10.0.0.66", None, "x"))
        for _ in range(2):
            self.see(THERE, A)
            self.see("10.0.0.66", None, "x")
        self.assertEqual(["02000000000a"], self.ids())
        self.assertTrue(self.due)

    def test_who_said_it_and_went_leaves_no_name(self) -> None:
        """A camera that comes to another address, without its MAC, is not called by that of who spoke in its name."""
        said = Evidence(EvidenceKind.ENDPOINT_REFERENCE, "x", "onvif", 0.0)
        for words in ("x", ""):  # it announces itself, or says so when it is asked
            with self.subTest(words=words):
                self.setUp()
                self.inspect(self.see(HERE, A, "x"))
                forger = self.see("10.0.0.66", B, "x")
                self.registry.begin_inspection(forger, self.now)
                self.registry.record_no_answer(forger, "no answer", self.now)
                self.inspect(self.see(THERE, None, words), evidence=(said,))
                self.assertEqual(["02000000000a"], self.ids())

    def test_a_mac_that_was_tied_by_the_address_only(self) -> None:
        """A MAC that proves to be another's is no more that of the device which had it by its address alone."""
        self.see("10.0.0.1")
        other = self.see("10.0.0.2", None, "x")
        self.see("10.0.0.2", A)
        first = self.see("10.0.0.1", A)
        self.inspect(first)
        self.inspect(other)
        self.assertEqual(["02000000000a", "epr-x"], self.ids())
        self.assertIsNone(self.camera("epr-x").mac)

    def test_move(self) -> None:
        """A camera whose MAC answers elsewhere has moved: same id, both addresses, a history, and it is asked again."""
        key = self.inspect(self.see(HERE, A, xaddrs=("http://10.0.0.5/o",), rtsp_ports=(554,)))
        self.listener.take()
        self.assertEqual(key, self.see(THERE, A))
        [moved] = self.listener.events
        assert isinstance(moved, CameraMoved)
        self.assertEqual(("02000000000a", HERE, THERE), (moved.camera.id, moved.old_address, moved.new_address))
        self.assertEqual([HERE, THERE], [address for address, _ in moved.camera.ip_history])
        self.assertTrue(self.due)
        self.assertEqual((THERE, ()), (self.registry.candidate(key).address, self.registry.candidate(key).xaddrs))
        self.assertEqual(key, self.registry.key_at(THERE))
        self.assertIsNone(self.registry.key_at(HERE))

    def test_another_device_at_an_old_address(self) -> None:
        """Who comes to an address with another MAC is a new device; who stood there stands nowhere until it is seen."""
        old = self.inspect(self.see(HERE, A))
        new = self.inspect(self.see(HERE, B))
        self.assertNotEqual(old, new)
        self.assertEqual(["02000000000a", "02000000000b"], self.ids())
        self.assertEqual((False, True), (self.registry.is_at(old, HERE), self.registry.is_at(new, HERE)))
        self.assertEqual(old, self.see(THERE, A))
        self.assertTrue(self.registry.is_at(old, THERE))

    def test_swap(self) -> None:
        """Two cameras that exchange their addresses keep their ids and both move."""
        one, other = self.inspect(self.see(HERE, A)), self.inspect(self.see(THERE, B))
        self.listener.take()
        self.assertEqual([one, other], [self.see(THERE, A), self.see(HERE, B)])
        self.assertEqual(["CameraMoved", "CameraMoved"], self.listener.names())
        self.assertEqual((THERE, HERE), (self.camera("02000000000a").address, self.camera("02000000000b").address))
        self.assertTrue(self.registry.is_at(one, THERE) and self.registry.is_at(other, HERE))

    def test_two_families_are_no_move(self) -> None:
        """A device with IPv4 and IPv6 is called by its IPv4 address, in whichever order they are seen."""
        key = self.inspect(self.see(HERE, A))
        self.listener.take()
        for _ in range(3):
            self.assertEqual(key, self.see("fe80::1%eth0", A, xaddrs=("http://[fe80::1%25eth0]/o",)))
            self.assertEqual(key, self.see(HERE, A))
        self.assertEqual([], self.listener.events)
        self.assertEqual((HERE, ()), (self.camera("02000000000a").address, self.registry.candidate(key).xaddrs))
        other = self.inspect(self.see("fe80::2%eth0", B))
        self.assertEqual(other, self.see(THERE, B))
        self.assertEqual(THERE, self.camera("02000000000b").address)

    def test_the_other_family_when_the_first_is_dead(self) -> None:
        """When IPv4 no longer answers, being seen at IPv6 is a move."""
        key = self.inspect(self.see(HERE, A))
        self.registry.record_departure(HERE, self.now)
        self.assertEqual(key, self.see("fe80::1%eth0", A))
        self.assertEqual("fe80::1%eth0", self.camera("02000000000a").address)


class EventTests(RegistryCase):
    def test_events_follow_the_decision(self) -> None:
        """When the first event of a merge is emitted all of it is done: the camera that stays is where it was seen."""
        self.inspect(self.see(HERE, A, "x"))
        self.inspect(self.see(THERE, B, "x"))
        seen: list[tuple[str, str | None]] = []

        def look(event: Event) -> None:
            camera = self.registry.camera("02000000000a")
            seen.append((type(event).__name__, camera.address if camera is not None else None))

        self.registry._emit = look
        self.registry.record_departure(HERE, self.now)
        self.assertEqual(
            ["CameraOffline", "CameraForgotten", "CameraChanged", "CameraMoved", "DevicesMerged"],
            [name for name, _ in seen][:5],
        )
        self.assertEqual({THERE}, {address for _, address in seen})

    def test_who_hears_of_it_may_change_it(self) -> None:
        """A listener that forgets a camera when it hears of it does not come between the events of one change."""
        told: list[str] = []

        def forget(event: Event) -> None:
            told.append(type(event).__name__)
            if isinstance(event, CameraDiscovered):
                self.registry.forget(event.camera.id, self.now)

        self.registry._emit = forget
        key = self.inspect(self.see(HERE, A), stream(source="1"), stream(source="2"))
        self.assertEqual(
            ["CameraDiscovered", "CameraOnline", "CameraDiscovered", "CameraOnline"] + ["CameraForgotten"] * 2, told
        )
        self.assertEqual(([], False), (self.ids(), self.registry.knows(key)))


class WithheldTests(RegistryCase):
    def test_released_by_what_becomes_of_the_other(self) -> None:
        """What was held back, for it might be a known camera elsewhere, is published when that one is no more."""
        self.inspect(self.see(HERE, A, "x"))
        self.inspect(self.see(THERE, None, "x"))
        self.see("10.0.0.9", C)
        self.assertEqual(["02000000000a"], self.ids())
        self.registry.forget("02000000000a", self.now)
        self.see("10.0.0.9", C)
        self.assertEqual(["epr-x"], self.ids())


class AskingTests(RegistryCase):
    def test_due(self) -> None:
        """New is due; well is not, until something new is seen or much time has passed."""
        key = self.see(HERE, A)
        self.assertTrue(self.due)
        self.inspect(key)
        self.see(HERE, A)
        self.assertFalse(self.due)
        self.see(HERE, A, xaddrs=("http://10.0.0.5/o",))
        self.assertTrue(self.due)
        self.inspect(key)
        self.now += REFRESH_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)

    def test_foreign(self) -> None:
        """What is no camera is asked again after an hour, when it shows new things, or the clock jumped; not before."""
        key = self.see(HERE, A, open_ports=(80,))
        self.registry.begin_inspection(key, self.now)
        self.registry.record_not_a_camera(key, self.now)
        self.assertIs(Phase.FOREIGN, self.registry.phase(key))
        for method in ("memory", "other"):
            self.see(HERE, A, open_ports=(80,), method=method)
            self.assertFalse(self.due)
        self.see(HERE, A, open_ports=(80, 554))
        self.assertTrue(self.due)
        self.registry.begin_inspection(key, self.now)
        self.registry.record_not_a_camera(key, self.now)
        self.now += FOREIGN_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)
        self.registry.begin_inspection(key, self.now)
        self.registry.record_not_a_camera(key, self.now)
        self.now -= 10 * FOREIGN_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)
        self.assertEqual([], self.listener.events)

    def test_two_faces_are_no_news(self) -> None:
        """A device that announces itself in two ways by turns is asked once for each, not for every turn."""
        key, dues = None, []
        for turn in range(8):
            key = self.see(HERE, A, xaddrs=(f"http://10.0.0.5/{turn % 2}",), scopes=(f"onvif://x/{turn % 2}",))
            dues.append(self.due)
            self.inspect(key)
        self.assertEqual([True, True] + [False] * 6, dues)

    def test_always_something_new_ends(self) -> None:
        """A device that shows something else every time is not asked for ever."""
        dues = 0
        for turn in range(1000):
            self.inspect(self.see(HERE, A, xaddrs=(f"http://10.0.0.5/{turn}",), open_ports=(turn + 1,)))
            dues += self.due
        self.assertLessEqual(dues, inspection_reasons.MAX_DETAILS + 1)
        key = self.see(HERE, A)
        self.assertLessEqual(len(self.registry.candidate(key).open_ports), device_module.MAX_PORTS)

    def test_trouble_is_asked_again(self) -> None:
        """A camera in trouble is asked for other streams when it is seen again after some minutes."""
        key = self.inspect(self.see(HERE, A), stream(plays=False))
        self.see(HERE, A)
        self.assertFalse(self.due)
        self.now += TROUBLED_HOLD
        self.see(HERE, A)
        self.assertTrue(self.due)
        self.assertIs(Phase.TROUBLED, self.registry.phase(key))

    def test_candidate(self) -> None:
        """An inspector is told what was seen, and what was learnt before: service addresses, URLs that played."""
        key = self.see(HERE, A, "x", scopes=("onvif://x",), rtsp_ports=(554,), open_ports=(80,))
        self.inspect(key, stream(path="dead", plays=False), stream(path="b"), onvif_url="http://10.0.0.5/o")
        told = self.registry.candidate(key)
        self.assertEqual((HERE, A, "x", True), (told.address, told.mac, told.endpoint_reference, told.at_layer2))
        self.assertEqual((("http://10.0.0.5/o",), ("rtsp://10.0.0.5:554/b",)), (told.xaddrs, told.known_urls))
        self.registry.record_departure(HERE, self.now)
        self.assertEqual(("rtsp://10.0.0.5:554/b",), self.registry.candidate(key).known_urls)

    def test_evidence_is_bounded(self) -> None:
        """A device that tells a new identifier every time is remembered by the first 32."""
        for number in range(100):
            key = self.see(HERE, A, evidence=(serial(f"SN{number:05}"),))
        self.inspect(key)
        self.assertEqual(MAX_EVIDENCE, len(self.camera("02000000000a").evidence))

    def test_a_flood_of_devices(self) -> None:
        """Beyond the bound, the oldest that is no camera makes room; when all are cameras, the new one is refused."""
        self.patch(quotas, "MAX_DEVICES", 50)
        self.inspect(self.see("10.0.0.1", A))
        for number in range(500):
            self.see(f"10.1.{number // 250}.{number % 250 + 1}")
        self.assertEqual(
            (50, 0, ["02000000000a"]), (len(self.registry.devices()), self.registry.refusals.counts.total(), self.ids())
        )
        for key in self.registry.devices():
            self.inspect(key)
        self.assertIsNone(self.registry.record_sighting(sighting("10.9.9.9"), self.now))
        self.assertEqual((50, 1), (len(self.registry.cameras()), self.registry.refusals.counts.total()))


class LifeTests(RegistryCase):
    def test_missed_checks(self) -> None:
        """A camera is offline with the third missed check in a row, not before."""
        key = self.inspect(self.see(HERE, A))
        self.listener.take()
        for count in (1, 2):
            self.registry.record_no_answer(key, "no answer", self.now + count)
            self.assertEqual((Status.ONLINE, []), (self.camera("02000000000a").status, self.listener.names()))
        self.registry.record_no_answer(key, "no answer", self.now + 3)
        self.assertEqual(
            (Status.OFFLINE, ["CameraOffline"]), (self.camera("02000000000a").status, self.listener.names())
        )
        self.registry.record_check(key, {self.camera("02000000000a").primary_url: PLAYS}, self.now + 4)
        self.assertIs(Status.ONLINE, self.camera("02000000000a").status)
        self.registry.record_no_answer(key, "no answer", self.now + 5)
        self.assertIs(Phase.SUSPECT, self.registry.phase(key))

    def test_goodbye(self) -> None:
        """A goodbye makes it offline at once, as announced; of a stranger it says nothing."""
        self.inspect(self.see(HERE, A))
        self.listener.take()
        self.registry.record_departure("10.9.9.9", self.now)
        self.registry.record_departure(HERE, self.now)
        self.assertEqual(["CameraOffline"], self.listener.names())
        camera = self.camera("02000000000a")
        self.assertEqual((Status.OFFLINE, "it said goodbye"), (camera.status, camera.reason))

    def test_no_longer_a_camera(self) -> None:
        """A camera that stops looking like one keeps its name and is in trouble."""
        key = self.inspect(self.see(HERE, A))
        self.registry.record_not_a_camera(key, self.now)
        self.assertEqual(
            (Phase.TROUBLED, Status.STREAM_ERROR), (self.registry.phase(key), self.camera("02000000000a").status)
        )

    def test_busy_once_is_no_camera_for_ever(self) -> None:
        """A web server that was busy when it was asked is foreign, or forgotten, like any other."""
        for end, phase in (("disowned", Phase.FOREIGN), ("silent", Phase.CANDIDATE)):
            key = self.see(f"10.0.0.{len(end)}")
            self.registry.begin_inspection(key, self.now)
            self.registry.record_busy(key, "503", self.now)
            self.assertIs(Phase.TROUBLED, self.registry.phase(key))
            self.registry.begin_inspection(key, self.now)
            for _ in range(4):
                if end == "silent":
                    self.registry.record_no_answer(key, "no answer", self.now)
                else:
                    self.registry.record_not_a_camera(key, self.now)
            self.assertIs(phase, self.registry.phase(key))
        self.assertEqual([], self.listener.events)

    def test_refused_and_busy(self) -> None:
        """Both are told with their reason."""
        key = self.inspect(self.see(HERE, A))
        self.registry.record_auth_required(key, "it wants a login", self.now)
        self.assertEqual(
            (Phase.REFUSED, Status.AUTH_REQUIRED), (self.registry.phase(key), self.camera("02000000000a").status)
        )
        self.registry.record_busy(key, "453", self.now)
        self.assertEqual(
            (Phase.TROUBLED, Status.BUSY, "453"),
            (self.registry.phase(key), self.camera("02000000000a").status, self.camera("02000000000a").reason),
        )

    def test_broken_off(self) -> None:
        """An inspection that broke off leaves a known camera as it was, and a new device to be asked again."""
        known, new = self.inspect(self.see(HERE, A)), self.see(THERE, B)
        self.listener.take()
        for key, phase in ((known, Phase.ONLINE), (new, Phase.CANDIDATE)):
            self.registry.begin_inspection(key, self.now)
            self.registry.abort_inspection(key)
            self.assertIs(phase, self.registry.phase(key))
        self.assertEqual([], self.listener.events)

    def test_forget(self) -> None:
        """The last camera takes its device along; the next sighting is a discovery."""
        key = self.inspect(self.see(HERE, A), stream(source="1"), stream(source="2"))
        self.assertTrue(self.registry.forget("02000000000a", self.now))
        self.assertTrue(self.registry.knows(key))
        self.assertTrue(self.registry.forget("02000000000a_2", self.now))
        self.assertFalse(self.registry.knows(key))
        self.assertFalse(self.registry.forget("02000000000a_2", self.now))
        self.assertIsNone(self.registry.key_of_camera("02000000000a"))
        self.listener.take()
        self.inspect(self.see(HERE, A))
        self.assertEqual(["CameraDiscovered", "CameraOnline"], self.listener.names())


class ClockTests(RegistryCase):
    def test_set_from_1970(self) -> None:
        """Nobody has been as he is for 56 years: all stamps of before are moved, the changed camera is told and saved,
        and what was there a moment ago is alive still."""
        self.now = 40.0
        self.inspect(self.see(HERE, A))
        stranger = self.see(THERE, B)
        before = self.camera("02000000000a")
        self.listener.take()
        by, self.now = 1.8e9 - self.now, 1.8e9
        self.registry.clock_set(by, self.now)
        after = self.camera("02000000000a")
        self.assertEqual(["CameraChanged"], self.listener.names())
        for name in ("since", "first_seen", "last_seen", "last_validated"):
            self.assertEqual(getattr(before, name) + by, getattr(after, name), name)
        self.assertTrue(all(at > 1.7e9 for _, at in after.ip_history))
        self.assertEqual(stranger, self.see(THERE, B))

    def test_set_back(self) -> None:
        """What was said to be in the future is moved; what a clock that was right has said stays."""
        self.now = 1.7e9
        self.inspect(self.see(HERE, A))
        self.now = 2.5e9
        self.inspect(self.see(THERE, B))
        by, self.now = 1.8e9 - self.now, 1.8e9
        self.listener.take()
        self.registry.clock_set(by, self.now)
        self.assertApproximates(1.7e9, self.camera("02000000000a").since, 5)
        self.assertApproximates(1.8e9, self.camera("02000000000b").since, 5)
        self.assertEqual(["CameraChanged"], self.listener.names())


class RestoreTests(RegistryCase):
    def test_as_it_was(self) -> None:
        """What is restored is said as it was, by its old id, and stays so until it is checked."""
        self.inspect(self.see(HERE, A, "x"), stream(source="1"), stream(source="2"))
        self.inspect(self.see(THERE, None, "y"))
        saved = self.registry.cameras()
        fresh = RecordingListener()
        registry = Registry(fresh.handle, missed_limit=3)
        registry.restore(reversed(saved))
        self.assertEqual(["CameraRestored"] * 3, fresh.names())
        self.assertEqual({camera.id: camera for camera in saved}, {camera.id: camera for camera in registry.cameras()})
        self.assertEqual(2, len(registry.devices()))
        self.assertEqual({Phase.SUSPECT}, {registry.phase(key) for key in registry.devices()})
        for mac, reference, address in ((A, "", "10.0.0.77"), (None, "y", "10.0.0.78")):
            seen = registry.record_sighting(sighting(address, mac, reference), 1.0)
            assert seen is not None
            self.assertTrue(seen.needs_inspection)
        self.assertEqual(3, len(registry.cameras()))
        self.assertEqual({"10.0.0.77", "10.0.0.78"}, {camera.address for camera in registry.cameras()})

    def test_claimed_elsewhere_before_it_was_checked(self) -> None:
        """A camera of an earlier run that is heard elsewhere may still be where it was: whoever asks it there is told
        so, and when it answered it has not moved.
        """
        self.inspect(self.see(HERE, A, "x"))
        saved = self.registry.cameras()
        for answers, address in ((True, HERE), (False, THERE)):
            self.registry = Registry(self.listener.handle, missed_limit=3)
            self.registry.restore(saved)
            [key] = self.registry.devices()
            self.assertEqual(key, self.registry.device_moved_by(sighting(THERE, A), self.now))
            if answers:
                self.registry.confirm_address(key, self.now)
            else:
                self.registry.record_no_answer(key, "no answer", self.now)
                self.assertIsNone(self.registry.device_moved_by(sighting(THERE, A), self.now))
            self.see(THERE, A)
            self.assertEqual(address, self.camera("02000000000a").address)

    def test_offline_by_missed_checks(self) -> None:
        """A restored camera that does not answer is offline at the limit, as any other."""
        self.inspect(self.see(HERE, A))
        saved = self.registry.cameras()
        registry = Registry(self.listener.handle, missed_limit=3)
        registry.restore(saved)
        [key] = registry.devices()
        for count in range(3):
            self.assertIs(Status.ONLINE, registry.cameras()[0].status)
            registry.record_no_answer(key, "no answer", float(count))
        self.assertIs(Status.OFFLINE, registry.cameras()[0].status)

    def test_what_an_inspector_needs_is_restored(self) -> None:
        """After a restart an inspector knows service addresses, ports and stream URLs, of an offline camera too."""
        streams = (
            stream(path="a", proof=Proof.KEYFRAME),
            replace(stream(path="b"), url="rtsps://10.0.0.5/b"),
            replace(stream(path="c", plays=False), url="rtsp://10.0.0.5:8554/c"),
        )
        self.inspect(self.see(HERE, A), *streams, onvif_url="http://10.0.0.5:8000/o")
        self.registry.record_departure(HERE, self.now)
        registry = Registry(self.listener.handle)
        registry.restore(self.registry.cameras())
        told = registry.candidate(registry.devices()[0])
        self.assertEqual((("http://10.0.0.5:8000/o",), (322, 554, 8554)), (told.xaddrs, told.rtsp_ports))
        self.assertEqual(("rtsp://10.0.0.5:554/a", "rtsps://10.0.0.5/b"), told.known_urls)

    def test_new_ids_avoid_restored_ones(self) -> None:
        """A new device never gets the id of a restored one."""
        self.inspect(self.see(HERE))
        registry = Registry(self.listener.handle)
        registry.restore([replace(self.camera("ip-10-0-0-5"), address="10.0.0.99", endpoint_reference="z")])
        seen = registry.record_sighting(sighting(HERE), 1.0)
        assert seen is not None
        registry.record_inspection(seen.key, inspection(HERE), 1.0)
        self.assertEqual(["ip-10-0-0-5", "ip-10-0-0-5-2"], sorted(camera.id for camera in registry.cameras()))

    def test_two_at_one_address(self) -> None:
        """Of two cameras that were saved with one address, one stands there and the other nowhere."""
        self.inspect(self.see(HERE, A))
        self.inspect(self.see(HERE, B))
        registry = Registry(self.listener.handle)
        registry.restore(self.registry.cameras())
        self.assertEqual([False, True], [registry.is_at(key, HERE) for key in registry.devices()])


MACS = st.sampled_from([None, A, B, C])


REFERENCES = st.sampled_from(["", "x", "y"])


ADDRESSES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "fe80::1%e"])


DEEDS = st.sampled_from(
    ["see", "see", "see", "answer", "answer", "silent", "depart", "disown", "busy", "refuse", "forget"]
)


def timeless(camera: Camera | None) -> Camera | None:
    """A camera without what is no news: when it was last there."""
    return camera and replace(camera, last_seen=0.0, last_validated=0.0, methods=(), evidence=())


class HistoryTests(SynchronousTestCase):
    @given(st.lists(st.tuples(DEEDS, MACS, REFERENCES, ADDRESSES, st.integers(1, 3)), max_size=40))
    @settings(max_examples=100, deadline=None)
    def test_any_history(self, history: list[tuple[str, Mac | None, str, str, int]]) -> None:
        """In any history an id is of one device for ever, a MAC of one at a time; events tell the camera as it is."""
        heard = RecordingListener()
        registry = Registry(heard.handle, missed_limit=2)
        owner: dict[str, int] = {}
        now = 1.0
        for deed, mac, reference, address, count in history:
            now += 1
            key = registry.key_at(address)
            if deed == "see" or key is None:
                registry.record_sighting(sighting(address, mac, reference), now)
            elif deed == "answer":
                registry.begin_inspection(key, now)
                registry.record_inspection(
                    key, inspection(address, *(stream(address, source=str(n)) for n in range(count))), now
                )
            elif deed == "silent":
                registry.record_no_answer(key, "no answer", now)
            elif deed == "depart":
                registry.record_departure(address, now)
            elif deed == "disown":
                registry.record_not_a_camera(key, now)
            elif deed == "busy":
                registry.record_busy(key, "busy", now)
            elif deed == "refuse":
                registry.record_auth_required(key, "login", now)
            elif registry.cameras_of(key):
                forgotten = registry.cameras_of(key)[0].id
                registry.forget(forgotten, now)
                owner.pop(forgotten)
            latest = {}
            for event in heard.take():
                camera = event.camera  # type: ignore[attr-defined]
                if isinstance(event, CameraForgotten):
                    owner.pop(camera.id, None)
                latest[camera.id] = event
                self.assertEqual(camera.online, any(one.validated for one in camera.streams))
            for camera_id, event in latest.items():
                told = None if isinstance(event, CameraForgotten) else event.camera  # type: ignore[attr-defined]
                self.assertEqual(timeless(told), timeless(registry.camera(camera_id)), type(event).__name__)
            stands = [
                registry.candidate(key).address
                for key in registry.devices()
                if registry.is_at(key, registry.candidate(key).address)
            ]
            self.assertEqual(len(set(stands)), len(stands))
            ids = [camera.id for camera in registry.cameras()]
            self.assertEqual(len(set(ids)), len(ids))
            macs: dict[Mac, int] = {}
            for key in registry.devices():
                for camera in registry.cameras_of(key):
                    self.assertEqual(key, owner.setdefault(camera.id, key))
                    if camera.mac is not None:
                        self.assertEqual(key, macs.setdefault(camera.mac, key))
                    self.assertTrue(camera.id == camera.device_id or camera.id.startswith(camera.device_id + "_"))
