"""Devices that prove to be one, and those that prove to be two."""

from __future__ import annotations

from tests.facts import A, B, C, inspection, serial, stream
from tests.registry.case import HERE, THERE, RegistryCase
from twisted_detector.events import CameraForgotten, DevicesMerged, DeviceSplit, IdentityConflict
from twisted_detector.model import Evidence, EvidenceKind, Inspection, Mac
from twisted_detector.registry.device import UNPUBLISHED_LIFE
from twisted_detector.registry.registry import Registry


class MergingCase(RegistryCase):
    def miss_checks(self, key: int) -> None:
        for _ in range(3):
            self.now += 60
            self.registry.record_no_answer(key, "no answer", self.now)

    def claims(self, reference: str) -> tuple[Evidence, ...]:
        return (Evidence(EvidenceKind.ENDPOINT_REFERENCE, reference, "onvif", self.now), serial("SN12345"))

    def told(self, address: str, reference: str) -> Inspection:
        said = (Evidence("epr", reference, "onvif", self.now), serial("SN777"))
        return inspection(address, stream(address, path="foreign"), evidence=said)


class OneTests(MergingCase):
    def test_from_the_wire_to_wireless(self) -> None:
        """A camera that is away and comes with another MAC but its own EndpointReference is found: same id, moved."""
        key = self.inspect(self.see(HERE, A, "x"))
        self.miss_checks(key)
        self.assertEqual(key, self.see(THERE, B, "x"))
        self.inspect(key)
        self.assertEqual((["02000000000a"], B), (self.ids(), self.camera("02000000000a").mac))

    def test_before_it_is_known_to_be_away(self) -> None:
        """Until the first MAC is known to be away it is two cameras; then they are merged, under the older id."""
        wired = self.inspect(self.see(HERE, A, "x"))
        wireless = self.inspect(self.see(THERE, B, "x"))
        self.assertEqual(["02000000000a", "02000000000b"], self.ids())
        self.see(THERE, B, "x")
        self.listener.take()
        self.miss_checks(wired)
        self.assertEqual(["02000000000a"], self.ids())
        self.assertFalse(self.registry.knows(wireless))
        self.assertEqual((), self.registry.cameras_of(wireless))
        self.assertEqual(THERE, self.camera("02000000000a").address)
        self.assertTrue(self.camera("02000000000a").online)
        [merged] = [event for event in self.listener.events if isinstance(event, DevicesMerged)]
        self.assertEqual(("02000000000b", ("02000000000b",)), (merged.merged_device_id, merged.merged_camera_ids))
        self.assertEqual(["CameraForgotten"], [n for n in self.listener.names() if n == "CameraForgotten"])
        self.assertEqual(wired, self.see(HERE, A))

    def test_the_one_that_was_heard_last(self) -> None:
        """Of two that came with its words, a camera that fell silent is the one that is still heard."""
        wired = self.inspect(self.see(HERE, A, "x"))
        forger = self.inspect(self.see("10.0.0.66", C, "x"))
        self.inspect(self.see(THERE, B, "x"))
        for _ in range(2):
            self.registry.record_no_answer(forger, "no answer", self.now)
        self.miss_checks(wired)
        self.assertEqual(THERE, self.camera("02000000000a").address)
        self.assertEqual(["02000000000a", "02000000000c"], self.ids())

    def test_an_address_whose_look_up_failed(self) -> None:
        """A known camera that is heard without a MAC elsewhere is not published twice; its MAC brings it there."""
        key = self.inspect(self.see(HERE, A, "x"))
        shadow = self.inspect(self.see(THERE, None, "x"), evidence=self.claims("x"))
        self.assertNotEqual(key, shadow)
        self.assertEqual((["02000000000a"], HERE), (self.ids(), self.camera("02000000000a").address))
        self.assertEqual(key, self.see(THERE, A))
        self.assertEqual((["02000000000a"], THERE), (self.ids(), self.camera("02000000000a").address))
        self.assertFalse(self.registry.knows(shadow))

    def test_words_bring_no_secret(self) -> None:
        """A camera that is away is followed by its words, but where its MAC was not seen it is given no secret."""
        key = self.inspect(self.see(HERE, A, "x"))
        self.miss_checks(key)
        self.assertEqual(key, self.see(THERE, None, "x"))
        self.assertFalse(self.registry.candidate(key).at_layer2)
        self.assertEqual(key, self.see(THERE, A, "x"))
        self.assertTrue(self.registry.candidate(key).at_layer2)

    def test_asked_and_recognised(self) -> None:
        """A device of which only an address was known says who it is: the one that was known before has moved."""
        key = self.inspect(self.see(HERE), evidence=self.claims("x"))
        other = self.see(THERE)
        self.inspect(other, evidence=self.claims("x"))
        self.assertEqual((["epr-x"], THERE), (self.ids(), self.camera("epr-x").address))
        self.assertEqual([key], list(self.registry.devices()))

    def test_what_only_had_an_address(self) -> None:
        """A camera that was published by its address, for its MAC was not seen, is the one whose MAC is seen there."""
        key = self.inspect(self.see(HERE, A))
        self.inspect(self.see(THERE))
        self.assertEqual(["02000000000a", "ip-10-0-0-6"], self.ids())
        self.assertEqual(key, self.see(THERE, A))
        self.assertEqual(["02000000000a"], self.ids())
        self.assertIn("CameraForgotten", self.listener.names())


class TwoTests(MergingCase):
    def test_a_clone_answers_in_the_place_of_another(self) -> None:
        """A reference that counts for nobody still is not that of a camera which is known by its own."""
        said = Evidence(EvidenceKind.ENDPOINT_REFERENCE, "x", "onvif", 0.0)
        other = self.inspect(self.see("10.0.0.7", C, "y"))
        clones = [self.inspect(self.see(HERE, A, "x")), self.inspect(self.see(THERE, B, "x"))]
        for _ in range(3):
            self.see(HERE, A, "x")
            self.see(THERE, B, "x")
        self.inspect(other, evidence=(said,))
        self.assertFalse(self.registry.is_at(other, "10.0.0.7"))
        self.assertEqual("y", self.camera("02000000000c").endpoint_reference)
        self.inspect(clones[0], evidence=(said,))
        self.assertTrue(self.registry.is_at(clones[0], HERE))

    def test_a_repeater(self) -> None:
        """One MAC for several cameras is nobody's: it names none, and each is followed by its own words."""
        keys = [self.see(f"10.0.0.{n}", C, f"r{n}") for n in (1, 2, 3)]
        for _ in range(2):
            self.assertEqual(keys, [self.see(f"10.0.0.{n}", C, f"r{n}") for n in (1, 2, 3)])
        for key in keys:
            self.inspect(key)
        self.assertEqual(["epr-r1", "epr-r2", "epr-r3"], self.ids())
        self.assertEqual({None}, {camera.mac for camera in self.registry.cameras()})
        self.assertTrue(all(self.registry.candidate(key).at_layer2 for key in keys))
        self.assertEqual(keys[0], self.see("10.0.0.9", C, "r1"))
        self.assertEqual(keys[2], self.see("10.0.0.3", C))

    def test_a_repeater_by_answers(self) -> None:
        """The answers of two behind it, by turns, prove it too, when each was seen at layer 2 only once."""
        keys = [self.see(f"10.0.0.{n}", C, f"r{n}") for n in (1, 2, 3)]
        self.now += 60
        for _ in range(2):
            for key in keys:
                self.inspect(key)
        self.assertEqual({None}, {camera.mac for camera in self.registry.cameras()})

    def test_a_repeater_found_late(self) -> None:
        """A camera that was named after the repeater keeps its id, but the MAC is taken from it."""
        first = self.inspect(self.see(HERE, C, "r1"))
        second = self.inspect(self.see(THERE, C, "r2"))
        self.assertNotEqual(first, second)
        self.see(HERE, C, "r1")
        self.see(THERE, C, "r2")
        self.assertEqual(["02000000000c", "epr-r2"], self.ids())
        self.assertIsNone(self.camera("02000000000c").mac)
        conflicts = [event for event in self.listener.events if isinstance(event, IdentityConflict)]
        self.assertEqual([("mac", C.text)], [(one.kind, one.value) for one in conflicts])

    def test_a_repeater_is_remembered(self) -> None:
        """After a restart its MAC still names nobody, and nothing is told anew."""
        self.test_a_repeater_found_late()
        registry = Registry(self.listener.handle)
        self.listener.take()
        registry.restore(self.registry.cameras())
        self.registry = registry
        self.see(THERE, C, "r2")
        self.see(HERE, C)
        self.see("10.0.0.9", C, "r1")
        names = [name for name in self.listener.names() if name != "CameraRestored"]
        self.assertEqual((["CameraMoved"], "10.0.0.9"), (names, self.camera("02000000000c").address))

    def test_silent_cameras_behind_a_repeater(self) -> None:
        """Two addresses with one MAC that answer by turns are two devices, even if they say no word."""
        first = self.inspect(self.see(HERE, C))
        for _ in range(3):
            self.see(THERE, C)
            self.see(HERE, C)
        self.assertEqual(first, self.see(HERE, C))
        second = self.inspect(self.see(THERE, C))
        self.assertNotEqual(first, second)
        self.assertEqual(["02000000000c", "ip-10-0-0-6"], self.ids())
        self.assertEqual(HERE, self.camera("02000000000c").address)

    def test_two_addresses_of_one(self) -> None:
        """A camera that says the same at two addresses by turns is one, and does not move to and fro."""
        key = self.inspect(self.see(HERE, A, "x"))
        self.see(THERE, A, "x")
        self.listener.take()
        for _ in range(4):
            self.assertEqual([key, key], [self.see(HERE, A, "x"), self.see(THERE, A, "x")])
        self.assertEqual([], self.listener.names())
        self.assertTrue(self.registry.is_at(key, HERE) and self.registry.is_at(key, THERE))

    def test_split(self) -> None:
        """Clones that never lived together were taken for one; when both are heard by turns they are split for good."""
        key = self.inspect(self.see(HERE, A, "x"))
        self.miss_checks(key)
        self.inspect(self.see(THERE, B, "x"))
        self.listener.take()
        for _ in range(3):
            self.see(HERE, A, "x")
            self.see(THERE, B, "x")
        self.assertEqual(key, self.see(HERE, A, "x"))
        self.inspect(self.see(THERE, B, "x"))
        self.assertEqual(["02000000000a", "02000000000b"], self.ids())
        self.assertEqual(HERE, self.camera("02000000000a").address)
        [split] = [event for event in self.listener.events if isinstance(event, DeviceSplit)]
        self.assertEqual(("02000000000a", "02000000000b"), (split.camera.id, split.other_device_id))
        self.miss_checks(key)
        self.assertEqual(["02000000000a", "02000000000b"], self.ids())

    def test_several_behind_one_address(self) -> None:
        """Devices behind a translated address are told apart by what they say and where they are asked."""
        keys = [self.see(HERE, None, f"r{n}", xaddrs=(f"http://10.0.0.5:{n}/",)) for n in (81, 82, 83)]
        for key in keys:
            self.assertTrue(self.registry.is_at(key, HERE))
            self.inspect(key)
        self.assertEqual(["epr-r81", "epr-r82", "epr-r83"], self.ids())
        self.registry.record_departure(HERE, self.now)
        self.registry.record_departure(HERE, self.now, reference="urn:uuid:R82")
        self.assertEqual(["epr-r82"], [one.id for one in self.registry.cameras() if not one.online])

    def test_another_answers(self) -> None:
        """Who answers with what another device is known by is that one: the asked one did not answer."""
        first = self.inspect(self.see(HERE, A, "x"), evidence=self.claims("x"))
        second = self.inspect(self.see(THERE, B, "y"), evidence=(Evidence("epr", "y", "onvif", 0.0), serial("SN777")))
        self.now += 100
        self.registry.record_inspection(first, self.told(HERE, "y"), self.now)
        self.assertEqual("SN12345", next(e.value for e in self.camera("02000000000a").evidence if e.kind == "serial"))
        self.assertFalse(self.registry.is_at(first, HERE))
        self.assertEqual(THERE, self.registry.candidate(second).address)
        self.assertEqual(["02000000000a", "02000000000b"], self.ids())

    def test_forgotten(self) -> None:
        """What is forgotten frees its identifiers: who comes with them is new."""
        self.inspect(self.see(HERE, A, "x"))
        self.registry.forget("02000000000a", self.now)
        self.assertTrue(any(isinstance(event, CameraForgotten) for event in self.listener.events))
        self.inspect(self.see(THERE, B, "x"))
        self.assertEqual(["02000000000b"], self.ids())


class ToAndFroTests(MergingCase):
    """Addresses that change hands and change back."""

    def setUp(self) -> None:
        super().setUp()
        self.one = self.inspect(self.see(HERE, A, "x"), evidence=self.claims("x"))
        self.other = self.inspect(self.see(THERE, B, "y"))
        self.listener.take()

    def test_swapped_and_back(self) -> None:
        """Where another one was seen since, a device is no more: it has moved back, and its MAC is no repeater's."""
        for _ in range(3):
            self.assertEqual(self.one, self.see(THERE, A))
            self.assertEqual(self.other, self.see(THERE, B, "y"))
            self.assertEqual(self.one, self.see(HERE, A, "x"))
            self.assertEqual(HERE, self.camera("02000000000a").address)
        self.assertEqual((self.one, self.other), self.registry.devices())
        self.assertEqual(A, self.camera("02000000000a").mac)
        self.assertEqual({"CameraMoved"}, set(self.listener.names()))

    def test_back_before_the_other_is_seen(self) -> None:
        """What was taken for a second device with its MAC is forgotten when another one is seen in its place."""
        for _ in range(3):
            self.see(THERE, A)
            self.assertEqual(self.one, self.see(HERE, A, "x"))
            self.assertEqual(3, len(self.registry.devices()))
            self.assertEqual(self.other, self.see(THERE, B, "y"))
            self.assertEqual(self.one, self.see(HERE, A, "x"))
            self.assertEqual((self.one, self.other), self.registry.devices())
        self.assertEqual(A, self.camera("02000000000a").mac)
        self.assertEqual([], [event for event in self.listener.events if isinstance(event, IdentityConflict)])

    def test_what_was_not_seen_again(self) -> None:
        """What was taken for a second device with its MAC, and never seen again, is forgotten too."""
        for address in ("10.0.0.7", "10.0.0.8", "10.0.0.9"):
            self.see(address, A)
            self.see(HERE, A, "x")
            self.now += UNPUBLISHED_LIFE
        self.see(HERE, A, "x")
        self.assertEqual((self.one, self.other), self.registry.devices())
        self.assertEqual(A, self.camera("02000000000a").mac)

    def test_who_stands_nowhere_is_who_is_seen(self) -> None:
        """A silent device whose address another one took is found where only its MAC was seen so far."""
        silent = self.inspect(self.see("10.0.0.7", C))
        self.see("10.0.0.8", C)
        self.assertEqual(silent, self.see("10.0.0.7", C))
        self.see("10.0.0.7", B, "y")
        self.assertEqual(silent, self.see("10.0.0.8", C))
        self.assertEqual("10.0.0.8", self.camera("02000000000c").address)
        self.assertEqual(3, len(self.registry.devices()))

    def test_an_answer_shows_no_mac(self) -> None:
        """Two answers within seconds, and no look at layer 2 for a minute: the second may be another device's."""
        self.now += 60
        self.inspect(self.one)
        self.now += 3
        self.registry.record_inspection(self.one, self.told(HERE, "z"), self.now)
        self.assertFalse(self.registry.is_at(self.one, HERE))
        self.assertNotIn("SN777", {one.value for one in self.camera("02000000000a").evidence})

    def test_on_its_way_without_a_mac(self) -> None:
        """A camera that moves again and again, and is not always looked up, is no two cameras."""
        for address, mac in ((THERE, None), ("10.0.0.7", A), ("10.0.0.8", None), ("10.0.0.9", A), (THERE, None)):
            key = self.see(address, mac, "x")
            self.inspect(key, evidence=self.claims("x"))
        self.see(THERE, A, "x")
        self.assertEqual(["02000000000a", "02000000000b"], self.ids())
        self.assertEqual((THERE, ()), (self.camera("02000000000a").address, self.shared()))

    def test_an_answer_that_says_nothing(self) -> None:
        """Who does not say what a device without a MAC is known by need not be that one: no turn is taken."""
        apart = self.inspect(self.see("10.0.0.7", None, "x"), evidence=self.claims("x"))
        for _ in range(3):
            self.see(HERE, A, "x")
            self.inspect(apart)
        self.assertEqual((["02000000000a", "02000000000b"], ()), (self.ids(), self.shared()))

    def shared(self) -> tuple[str, ...]:
        evidence = self.camera("02000000000a").evidence
        return tuple(one.kind for one in evidence if one.kind.startswith("shared"))

    def test_who_said_so_and_never_answered(self) -> None:
        """What somebody said over another MAC, and did not answer for, is not taken over when the camera is away."""
        forger = self.see("10.0.0.66", C, "x")
        self.registry.record_no_answer(forger, "no answer", self.now)
        self.registry.record_departure(HERE, self.now, reference="x")
        self.assertEqual(self.one, self.see(HERE))
        self.assertEqual(A, self.camera("02000000000a").mac)
        self.assertNotIn(C.text, {one.value for one in self.camera("02000000000a").evidence})
        self.inspect(self.one, evidence=self.claims("x"))
        self.assertNotEqual(self.one, self.see("10.0.0.66", C, "x"))
        self.assertEqual(HERE, self.camera("02000000000a").address)

    def test_a_repeater_and_another_after_a_restart(self) -> None:
        """After a restart, too, a MAC of its own at the address of a device behind a repeater is another device's."""
        cameras = [
            self.inspect(self.see(address, C, name)) for address, name in (("10.0.0.7", "r1"), ("10.0.0.8", "r2"))
        ]
        for _ in range(2):
            self.see("10.0.0.7", C, "r1")
            self.see("10.0.0.8", C, "r2")
        saved = self.registry.cameras()
        self.assertIsNone(self.registry.cameras_of(cameras[0])[0].mac)
        self.registry = Registry(self.listener.handle)
        self.registry.restore(saved)
        behind = self.registry.key_of_camera("02000000000c")
        self.assertNotEqual(behind, self.see("10.0.0.7", Mac.parse("02:00:00:00:00:0d")))

    def test_clones_of_which_one_has_no_mac(self) -> None:
        """Two that say the same at once are two, also where only one is seen at layer 2."""
        far = self.see("10.9.0.7", None, "x")
        for _ in range(2):
            self.see(HERE, A, "x")
            self.assertEqual(far, self.see("10.9.0.7", None, "x"))
        self.assertEqual(("shared_epr",), self.shared())
