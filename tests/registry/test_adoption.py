"""Who is adopted, by what, under which identity, and who is blocked."""

from __future__ import annotations

import json
from typing import Any

from tests.facts import A, B, C, inspection, sighting, stream
from tests.registry.case import HERE, THERE, RegistryCase
from twisted_detector.events import AdoptionChanged, CameraForgotten
from twisted_detector.model import Adoption, Camera, Candidate, Evidence, EvidenceKind
from twisted_detector.model.login_rules import Audience, LoginRule, has_own_login
from twisted_detector.model.logins import Secret
from twisted_detector.registry import adoption as adoption_module
from twisted_detector.registry.adoption import ASKED, FIRST_RUN_SECONDS, NEW, UNADOPTED, AdoptionBook
from twisted_detector.registry.registry import Registry

ID = A.compact


def evidence(kind: EvidenceKind, value: str) -> Evidence:
    return Evidence(kind, value, "onvif", 0.0)


class AdoptionCase(RegistryCase):
    mode = "first-run"

    def setUp(self) -> None:
        super().setUp()
        self.saved: dict[str, str] = {}
        self.listed: set[str] = set()
        self.start()

    def start(self, *cameras: Camera) -> None:
        """A daemon starts, with what was saved."""
        self.book = AdoptionBook(
            mode=self.mode,
            is_listed=lambda candidate: candidate.address in self.listed,
            save=self.save,
        )
        self.book.restore(dict(self.saved))
        self.left = self.book.begin(known=bool(cameras), now=self.now)
        self.registry = Registry(self.listener.handle, missed_limit=3, adoption=self.book)
        self.registry.restore(cameras, self.now)

    def save(self, key: str, text: str) -> None:
        self.saved[key] = text

    def restart(self) -> None:
        self.start(*self.registry.cameras())

    def found(self, address: str = HERE, mac: Any = A, reference: str = "", **more: Any) -> int:
        """A device is seen, asked, and published."""
        return self.inspect(self.see(address, mac, reference), **more)

    def adoption(self, camera_id: str = ID) -> Adoption:
        camera = self.camera(camera_id)
        key = self.registry.key_of_camera(camera_id)
        assert key is not None
        self.assertEqual(camera.adopted, self.registry.candidate(key).adoption)
        return camera.adopted

    def not_adopted(self, key: int) -> str:
        return self.registry.candidate(key).not_adopted

    def changes(self) -> list[tuple[str, Adoption, str]]:
        found = [one for one in self.listener.events if isinstance(one, AdoptionChanged)]
        self.listener.take()
        return [(one.camera.id, one.adoption, one.reason) for one in found]


class BoundTests(AdoptionCase):
    """Whether a login that was typed for a device may be given to what shows itself as it."""

    mode = "ask"

    def is_bound(self, key: int) -> bool:
        return self.registry.candidate(key).is_bound

    def test_only_by_a_record(self) -> None:
        """Who was adopted is, whatever lists him besides; who is listed alone is not; nor whose adoption was taken."""
        key = self.found()
        self.listed.add(HERE)
        self.see(HERE, A)
        self.assertEqual((Adoption.LISTED, False), (self.adoption(), self.is_bound(key)))
        self.registry.adopt(ID, self.now)
        self.assertTrue(self.is_bound(key))
        self.registry.unadopt(ID, self.now)
        self.assertEqual((Adoption.LISTED, False), (self.adoption(), self.is_bound(key)))

    def test_not_another_device(self) -> None:
        """Another certificate ends it, in a network that is listed too."""
        key = self.found(evidence=(evidence(EvidenceKind.CERTIFICATE, "one"),))
        self.registry.adopt(ID, self.now)
        self.listed.add(HERE)
        self.assertTrue(self.is_bound(key))
        self.inspect(key, evidence=(evidence(EvidenceKind.CERTIFICATE, "another"),))
        self.assertEqual((Adoption.LISTED, False), (self.adoption(), self.is_bound(key)))

    def test_where_its_mac_is_not_seen(self) -> None:
        """Who was adopted with a MAC is bound where that is seen; who never had one, at his address."""
        key = self.found(reference="r")
        self.registry.adopt(ID, self.now)
        for _ in range(40):
            self.now += 60
            self.registry.record_no_answer(key, "no answer", self.now)
        self.see(THERE, None, "r")
        self.assertEqual((THERE, False), (self.registry.candidate(key).address, self.is_bound(key)))
        far = self.found("192.0.2.9", None, "far")
        self.registry.adopt("epr-far", self.now)
        self.assertTrue(self.is_bound(far))


class FirstRunTests(AdoptionCase):
    def test_until_it_ends(self) -> None:
        """What is found on a link before the first run ends is adopted, without an event of its own; not after."""
        self.found()
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())
        self.assertEqual([], self.changes())
        self.book.end_first_run()
        key = self.found(THERE, B)
        self.assertEqual(Adoption.NO, self.adoption(B.compact))
        self.assertEqual(NEW, self.not_adopted(key))
        self.see(HERE, A)
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())

    def test_no_mac(self) -> None:
        """A device of which no MAC is seen is not adopted by itself, and the reason is that."""
        key = self.found("192.0.2.9", None, "r")
        self.assertEqual(Adoption.NO, self.adoption("epr-r"))
        self.assertIn("its MAC is not seen from here", self.not_adopted(key))

    def test_it_is_over_for_good(self) -> None:
        """Once it has ended it stays so, though no camera was ever found."""
        self.book.end_first_run()
        self.restart()
        self.assertEqual(0.0, self.left)
        self.found()
        self.assertEqual(Adoption.NO, self.adoption())

    def test_a_restart_within_it(self) -> None:
        """A restart goes on with it, within ten minutes of the first device, and no longer."""
        self.found()
        self.now += 60
        self.restart()
        self.assertLess(0, self.left)
        self.assertGreaterEqual(FIRST_RUN_SECONDS - 60, self.left)
        self.found(THERE, B)
        self.assertEqual(Adoption.FIRST_RUN, self.adoption(B.compact))
        self.now += FIRST_RUN_SECONDS
        self.restart()
        self.assertEqual(0.0, self.left)
        self.found("10.0.0.7", C)
        self.assertEqual(Adoption.NO, self.adoption(C.compact))
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())

    def test_a_clock_that_was_set_back(self) -> None:
        """A beginning in the future ends it: nobody knows how long ago it was."""
        self.found()
        self.now -= 10_000
        self.restart()
        self.assertEqual(0.0, self.left)

    def test_cameras_of_before(self) -> None:
        """A directory that had cameras is no first run."""
        self.start(Camera("x", "x", "10.0.0.99"))
        self.found()
        self.assertEqual(Adoption.NO, self.adoption())
        self.assertEqual(Adoption.NO, self.adoption("x"))

    def test_a_scan_that_found_nothing(self) -> None:
        """As long as nothing was adopted, a next start begins it anew."""
        self.now += 10 * FIRST_RUN_SECONDS
        self.restart()
        self.assertEqual(FIRST_RUN_SECONDS, self.left)


class AllTests(AdoptionCase):
    mode = "all"

    def test_whoever_is_seen(self) -> None:
        """ADOPTION=all adopts whoever is seen on a link, at any time; a person's no is respected."""
        self.book.end_first_run()
        self.found()
        self.assertEqual(Adoption.SEEN, self.adoption())
        self.registry.unadopt(ID, self.now)
        self.see(HERE, A)
        self.assertEqual(Adoption.NO, self.adoption())


class AskTests(AdoptionCase):
    mode = "ask"

    def test_nobody(self) -> None:
        """ADOPTION=ask adopts nobody by itself, not even at first, and says so."""
        key = self.found()
        self.assertEqual(Adoption.NO, self.adoption())
        self.assertEqual(ASKED, self.not_adopted(key))


class PersonTests(AdoptionCase):
    mode = "ask"

    def test_adopt_and_unadopt(self) -> None:
        """A person's word is an event, survives a restart, and can be taken back."""
        key = self.found()
        self.assertTrue(self.registry.adopt(ID, self.now))
        self.assertEqual(Adoption.PERSON, self.adoption())
        self.assertEqual([(ID, Adoption.PERSON, "a person accepted it")], self.changes())
        self.assertTrue(self.see(HERE, A) == key and self.due, "it is asked again at once")
        self.restart()
        self.assertEqual([], self.changes())
        self.assertEqual(Adoption.PERSON, self.adoption())
        self.assertTrue(self.registry.unadopt(ID, self.now))
        self.assertEqual([(ID, Adoption.NO, UNADOPTED)], self.changes())
        self.restart()
        self.found()
        self.assertEqual(Adoption.NO, self.adoption())
        for decide in (self.registry.adopt, self.registry.unadopt, self.registry.block):
            self.assertFalse(decide("nobody", self.now))

    def test_listed(self) -> None:
        """What the configuration names is listed, as long as it is there; a person's word is the stronger one."""
        self.listed = {HERE}
        self.found()
        self.assertEqual(Adoption.LISTED, self.adoption())
        self.registry.unadopt(ID, self.now)
        self.assertEqual(Adoption.LISTED, self.adoption())
        self.registry.adopt(ID, self.now)
        self.assertEqual(Adoption.PERSON, self.adoption())
        self.registry.unadopt(ID, self.now)
        self.listed.clear()
        self.see(HERE, A)
        self.assertEqual(Adoption.NO, self.adoption())

    def test_another_configuration(self) -> None:
        """A start with a configuration that names a camera, or names it no more, changes it with an event."""
        self.found()
        self.listed = {HERE}
        self.restart()
        self.assertEqual([Adoption.LISTED], [one for _, one, _ in self.changes()])
        self.listed = set()
        self.restart()
        self.assertEqual([Adoption.NO], [one for _, one, _ in self.changes()])

    def test_every_camera_of_a_device(self) -> None:
        """A recorder is adopted as a whole, by any of its channels."""
        self.found_recorder()
        self.registry.adopt(f"{ID}_2", self.now)
        self.assertEqual(Adoption.PERSON, self.adoption())
        self.assertEqual(2, len(self.changes()))

    def found_recorder(self) -> None:
        self.inspect(self.see(HERE, A), stream(HERE, "a", "1"), stream(HERE, "b", "2"))

    def test_forgotten_is_new(self) -> None:
        """A camera that was forgotten and is found again is new."""
        self.found()
        self.registry.adopt(ID, self.now)
        self.registry.forget(ID, self.now)
        self.found()
        self.assertEqual(Adoption.NO, self.adoption())
        self.assertEqual("", self.saved[f"device {ID}"])


class IdentityTests(AdoptionCase):
    """An adoption is of a device, not of an address or a name."""

    def setUp(self) -> None:
        super().setUp()
        self.key = self.found(reference="r")
        self.book.end_first_run()
        self.listener.take()

    def test_a_move(self) -> None:
        """It follows the device to another address, and over restarts."""
        self.see(THERE, A, "r")
        self.assertEqual(THERE, self.camera(ID).address)
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())
        self.restart()
        self.see("10.0.0.9", A, "r")
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())

    def test_another_mac(self) -> None:
        """Whoever takes the place of an adopted device that is away, by its EndpointReference, is not adopted."""
        for _ in range(3):
            self.registry.record_no_answer(self.key, "no answer", self.now)
        self.found("10.0.0.66", B, "r")
        self.assertEqual("10.0.0.66", self.camera(ID).address)
        self.assertEqual(Adoption.NO, self.camera(ID).adopted)
        ((camera_id, adoption, reason),) = self.changes()
        self.assertEqual((ID, Adoption.NO), (camera_id, adoption))
        self.assertEqual(f"it has the MAC {B.text}, and was adopted with {A.text}: adopt it again", reason)
        self.restart()
        self.assertEqual(Adoption.NO, self.camera(ID).adopted)
        # The true one comes back: what was taken away comes back by a person's word only.
        self.see(HERE, A, "r")
        self.assertEqual(Adoption.NO, self.camera(ID).adopted)

    def test_both_macs(self) -> None:
        """A camera that was accepted over the wire and over Wi-Fi goes from one to the other."""
        own = (evidence(EvidenceKind.HARDWARE_ADDRESS, A.text), evidence(EvidenceKind.HARDWARE_ADDRESS, B.text))
        self.inspect(self.key, evidence=own)
        self.registry.adopt(ID, self.now)
        self.now += 3600
        self.see(HERE, B, "r")
        self.assertEqual(Adoption.NO, self.camera(ID).adopted)
        self.registry.adopt(ID, self.now)
        for mac in (A, B, A):
            self.now += 3600
            self.see(HERE, mac, "r")
            self.assertEqual(Adoption.PERSON, self.adoption(), mac)

    def test_another_reference_or_certificate(self) -> None:
        """What it gave when it was asked is learnt with the first answer, and binds from then on."""
        for kind, told in (
            (
                EvidenceKind.ENDPOINT_REFERENCE,
                "it has the EndpointReference another-one, and was adopted with one-of-these: adopt it again",
            ),
            (EvidenceKind.CERTIFICATE, "it has another certificate than it was adopted with: adopt it again"),
        ):
            self.registry.adopt(ID, self.now)
            self.inspect(self.key, evidence=(evidence(kind, "one-of-these"),))
            self.assertEqual(Adoption.PERSON, self.adoption())
            self.inspect(self.key)
            self.assertEqual(Adoption.PERSON, self.adoption(), "it told less this time")
            self.listener.take()
            self.inspect(self.key, evidence=(evidence(kind, "another-one"),))
            self.assertEqual(Adoption.NO, self.adoption(), kind)
            self.assertEqual(told, self.changes()[0][2])

    def test_an_announcement_ends_nothing(self) -> None:
        """A forged announcement with another EndpointReference from its address does not end an adoption."""
        self.see(HERE, A, "forged")
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())

    def test_a_place_without_its_mac(self) -> None:
        """Where its MAC is not seen, the device is given nothing, though the camera is still adopted."""
        self.registry.adopt(ID, self.now)
        for _ in range(3):
            self.registry.record_no_answer(self.key, "no answer", self.now)
        self.see("192.0.2.66", None, "r")
        self.assertEqual("192.0.2.66", self.camera(ID).address)
        self.assertFalse(self.registry.candidate(self.key).adoption.is_adopted)
        self.assertEqual("the MAC that it was adopted with is not seen at its address now", self.not_adopted(self.key))
        self.see(HERE, A, "r")
        self.assertEqual(Adoption.PERSON, self.adoption())

    def test_a_device_without_mac_is_bound_to_its_address(self) -> None:
        """One that was accepted where no MAC is seen is not given anything at another address."""
        key = self.found("192.0.2.9", None, "routed")
        self.registry.adopt("epr-routed", self.now)
        self.assertEqual(Adoption.PERSON, self.adoption("epr-routed"))
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", self.now)
        self.see("192.0.2.66", None, "routed")
        self.assertEqual("192.0.2.66", self.camera("epr-routed").address)
        self.assertEqual(Adoption.NO, self.adoption("epr-routed"))
        self.assertEqual(
            "it is at 192.0.2.66, was adopted at 192.0.2.9, and its MAC was never seen: adopt it again",
            self.not_adopted(key),
        )

    def test_another_device_at_the_address(self) -> None:
        """What comes to the address of an adopted device is another one, and new."""
        self.found(HERE, B)
        self.assertEqual(Adoption.NO, self.adoption(B.compact))

    def test_a_heading_for_a_mac(self) -> None:
        """A [camera] heading with a MAC does not fit whoever took that camera's place under its id."""
        rule = LoginRule("a", Secret("b"), Audience.CAMERA, ID)
        self.assertTrue(has_own_login([rule], Candidate(ID, HERE, mac=A)))
        self.assertTrue(has_own_login([rule], Candidate(ID, HERE)))
        self.assertFalse(has_own_login([rule], Candidate(ID, HERE, mac=B)))
        by_reference = LoginRule("a", Secret("b"), Audience.CAMERA, "epr-r")
        self.assertTrue(has_own_login([by_reference], Candidate("epr-r", HERE, mac=B)))


class BlockTests(AdoptionCase):
    def test_behind_a_repeater(self) -> None:
        """A camera that is adopted behind a MAC of several, and goes to another address there, is adopted still."""
        one = self.found(HERE, A, "one")
        for _ in range(3):
            other = self.see(THERE, A, "other")
            self.see(HERE, A, "one")
        self.inspect(other)
        self.assertEqual({None}, {camera.mac for camera in self.registry.cameras()})
        [camera] = self.registry.cameras_of(one)
        self.registry.adopt(camera.id, self.now)
        self.now += 100
        self.assertEqual(one, self.see("10.0.0.7", A, "one"))
        self.assertEqual(("10.0.0.7", Adoption.PERSON), (self.camera(camera.id).address, self.adoption(camera.id)))
        self.registry.unadopt(camera.id, self.now)
        self.restart()
        self.registry.adopt(camera.id, self.now)  # before it is seen again
        self.see("10.0.0.8", A, "one")
        self.assertEqual(("10.0.0.8", Adoption.PERSON), (self.camera(camera.id).address, self.adoption(camera.id)))

    def test_block(self) -> None:
        """A blocked device is forgotten, and not taken in again: by its MAC or its EndpointReference, anywhere."""
        self.found(reference="r")
        self.assertTrue(self.registry.block(ID, self.now))
        self.assertEqual([], self.ids())
        told = [type(one) for one in self.listener.events][-2:]
        self.assertEqual([AdoptionChanged, CameraForgotten], told)
        for restart in (False, True):
            if restart:
                self.restart()
            for one in (sighting(HERE, A), sighting("10.0.0.99", A, "other"), sighting("192.0.2.7", None, "r")):
                self.assertTrue(self.registry.is_blocked(one))
                self.assertIsNone(self.registry.record_sighting(one, self.now))
            self.assertFalse(self.registry.is_blocked(sighting(HERE, B)))
            self.assertEqual([ID], list(self.registry.blocked()))
        self.assertEqual((), self.registry.devices())

    def test_what_only_an_answer_shows(self) -> None:
        """A device that shows itself to be a blocked one when it is asked is not published."""
        self.found(evidence=(evidence(EvidenceKind.ENDPOINT_REFERENCE, "urn:uuid:r"),))
        self.registry.block(ID, self.now)
        key = self.see("10.0.0.99", B)
        answer = inspection("10.0.0.99", evidence=(evidence(EvidenceKind.ENDPOINT_REFERENCE, "R"),))
        self.registry.record_inspection(key, answer, self.now)
        self.assertEqual([], self.ids())
        self.assertFalse(self.registry.knows(key))

    def test_no_mac(self) -> None:
        """One of which nothing but the address was seen is blocked there."""
        self.found("192.0.2.9", None)
        self.assertTrue(self.registry.block("ip-192-0-2-9", self.now))
        self.assertTrue(self.registry.is_blocked(sighting("192.0.2.9")))
        self.assertFalse(self.registry.is_blocked(sighting("192.0.2.10")))

    def test_blocked_and_seen_without_its_mac(self) -> None:
        """Who stands where a blocked device is seen, with no more than the address, is that one: it is forgotten."""
        self.found()
        self.registry.block(ID, self.now)
        self.inspect(self.see(THERE))
        self.assertEqual(["ip-10-0-0-6"], self.ids())
        self.assertIsNone(self.registry.record_sighting(sighting(THERE, A), self.now))
        self.assertEqual(([], ()), (self.ids(), self.registry.devices()))
        self.assertEqual("CameraForgotten", self.listener.names()[-1])

    def test_where_a_blocked_device_is_seen_no_other_is_asked(self) -> None:
        """Another camera that stood there stands there no longer, so that the blocked one is not asked in its place.

        Only by its MAC: its words may be anybody's.
        """
        self.found(reference="r")
        other = self.found(THERE, B)
        self.registry.block(ID, self.now)
        self.assertIsNone(self.registry.record_sighting(sighting(THERE, None, "r"), self.now))
        self.assertTrue(self.registry.is_at(other, THERE))
        self.assertIsNone(self.registry.record_sighting(sighting(THERE, A), self.now))
        self.assertFalse(self.registry.is_at(other, THERE))
        self.assertEqual([B.compact], self.ids())
        self.assertEqual(other, self.see(THERE, B))
        self.assertTrue(self.registry.is_at(other, THERE))

    def test_a_blocked_device_answers_in_the_place_of_another(self) -> None:
        """What it answers is none of the camera's that was asked; that one is not there."""
        self.found(reference="r")
        other = self.found(THERE, B)
        self.registry.block(ID, self.now)
        self.inspect(other, evidence=(evidence(EvidenceKind.ENDPOINT_REFERENCE, "r"),))
        self.assertFalse(self.registry.is_at(other, THERE))
        self.assertEqual(("", [B.compact]), (self.camera(B.compact).endpoint_reference, self.ids()))

    def test_block_who_was_held_back(self) -> None:
        """What said the same words as a blocked camera, and was not published yet, is not known any more either."""
        self.found(reference="r")
        self.see("10.0.0.66", None, "r")
        self.assertEqual(2, len(self.registry.devices()))
        self.registry.block(ID, self.now)
        self.assertEqual((), self.registry.devices())

    def test_block_one_of_two(self) -> None:
        """A reference that another camera has too blocks nobody: the one is blocked by its MAC."""
        self.found(reference="r")
        self.found(THERE, B, "r")
        self.registry.block(ID, self.now)
        self.assertTrue(self.registry.is_blocked(sighting(HERE, A, "r")))
        self.assertFalse(self.registry.is_blocked(sighting(THERE, B, "r")))
        self.assertEqual([B.compact], self.ids())

    def test_unblock(self) -> None:
        """Unblocked by its id, MAC or EndpointReference, it is found again, and is new."""
        self.book.end_first_run()
        for text in (ID, A.text.upper().replace(":", "-"), "urn:uuid:R"):
            self.found(reference="r")
            self.registry.block(ID, self.now)
            self.assertFalse(self.registry.unblock("nobody", self.now))
            self.assertTrue(self.registry.unblock(text, self.now), text)
            self.assertEqual({}, dict(self.registry.blocked()))
        self.found(reference="r")
        self.assertEqual(Adoption.NO, self.adoption())
        self.restart()
        self.assertEqual([ID], self.ids())

    def test_room(self) -> None:
        """So many may be blocked and no more; one that finds no room stays as it is."""
        self.patch(adoption_module, "MAX_BLOCKED", 1)
        self.found()
        self.found(THERE, B)
        self.assertTrue(self.registry.block(ID, self.now))
        self.assertFalse(self.registry.block(B.compact, self.now))
        self.assertEqual([B.compact], self.ids())


class WordsTests(AdoptionCase):
    def test_by_what(self) -> None:
        """By what a device is adopted or blocked is told in a sentence."""
        for adoption, told in (
            (Adoption.LISTED, "the configuration names its network or itself"),
            (Adoption.PERSON, "a person accepted it"),
            (Adoption.FIRST_RUN, "it was found in the first run"),
            (Adoption.SEEN, "its MAC was seen on a link (ADOPTION=all)"),
            (Adoption.BLOCKED, "a person blocked it"),
        ):
            self.assertEqual(told, self.book.describe(adoption, None))

    def test_elsewhere(self) -> None:
        """What another node says of an adoption is told to people behind the reason that holds here, where nobody
        decided anything here, in bounds; it adopts nobody."""
        self.found()
        self.registry.unadopt(ID, self.now)
        self.book.hear({ID: "north\n" + "x" * 99}.get)  # type: ignore[arg-type]
        told = f"; node north{'x' * 59} says that it is adopted there: if it is yours, adopt it here, too"
        for on_link in (True, False):
            own = self.book.describe(Adoption.NO, None, on_link=on_link)
            there = self.book.describe(Adoption.NO, None, on_link=on_link, ids=("other", ID))
            self.assertEqual(own + told, there)
        self.assertEqual("its MAC is not seen from here", self.book.describe(Adoption.NO, None, on_link=False)[:29])
        self.registry.adoption_heard(ID, self.now)
        self.registry.adoption_heard("nowhere", self.now)
        found = self.registry.camera(ID)
        assert found is not None
        self.assertIs(Adoption.NO, found.adopted)
        key = self.registry.key_of_camera(ID)
        assert key is not None
        self.assertEqual("its adoption was taken back: adopt it", self.registry.candidate(key).not_adopted)


class SavedTests(AdoptionCase):
    def test_what_cannot_be_read(self) -> None:
        """A saved decision that cannot be read is forgotten: its device is new."""
        self.found()
        good = self.saved[f"device {ID}"]
        self.assertEqual("first-run", json.loads(good)["adoption"])
        for text in ("", "[]", "{", "{}", '{"adoption": "friend"}', '{"adoption": "person", "macs": ["x"]}', "null"):
            self.saved[f"device {ID}"] = text
            self.restart()
            self.assertEqual(Adoption.NO, self.adoption(), text)
        self.saved[f"device {ID}"] = good
        self.restart()
        self.assertEqual(Adoption.FIRST_RUN, self.adoption())


class ListingTests(AdoptionCase):
    """A network is named, or no more, while the daemon runs."""

    mode = "ask"

    def relist(self, *addresses: str) -> list[Adoption]:
        """These addresses are named from now on; the adoptions that events tell of."""
        self.listed = set(addresses)
        self.listener.events.clear()
        self.registry.update_listed(self.now)
        return [event.camera.adopted for event in self.listener.events if isinstance(event, AdoptionChanged)]

    def test_at_once(self) -> None:
        """Who is named is listed at once, and no longer adopted when he is named no more, without being seen again."""
        self.found()
        self.found(THERE, B)
        self.assertEqual([Adoption.LISTED], self.relist(HERE))
        self.assertEqual((Adoption.LISTED, Adoption.NO), (self.adoption(), self.adoption(B.compact)))
        self.assertEqual([], self.relist(HERE))
        self.assertEqual([Adoption.NO], self.relist())
        self.assertEqual(Adoption.NO, self.adoption())

    def test_a_person(self) -> None:
        """Whom a person adopted stays that, whether he is named or not."""
        self.found()
        self.registry.adopt(ID, self.now)
        self.assertEqual(([], []), (self.relist(HERE), self.relist()))
        self.assertEqual(Adoption.PERSON, self.adoption())
