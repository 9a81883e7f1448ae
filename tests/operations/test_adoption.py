"""The commands by which a person decides who is adopted, over every way of asking."""

from __future__ import annotations

from tests.detector.case import HERE, ID
from tests.facts import A, B, sighting
from tests.operations.deciding_case import DecidingCase
from twisted_detector.model import Adoption
from twisted_detector.operations.decisions import book
from twisted_detector.registry import adoption


class AdoptionCommandTests(DecidingCase):
    """Two cameras that are there and not adopted."""

    def adoptions(self) -> list[Adoption]:
        return [one.adopted for one in sorted(self.registry.cameras(), key=lambda one: one.id)]

    def test_adopt(self) -> None:
        """One camera, or all that are not adopted; who was adopted is asked again at once."""
        self.assertEqual({"camera_id": ID, "adopted": "person"}, self.ask("adopt", camera_id=ID))
        self.assertEqual([Adoption.PERSON, Adoption.NO], self.adoptions())
        self.clock.pump([0.1] * 3)
        self.assertEqual([HERE], [str(one[0]) for one in self.inspector.calls])
        self.assertEqual({"count": 1}, self.ask("adopt", all=True))
        self.assertEqual([Adoption.PERSON, Adoption.PERSON], self.adoptions())
        self.assertEqual({"count": 0}, self.ask("adopt", all=True))

    def test_adopt_several(self) -> None:
        """Those that are named, each once; what was forgotten meanwhile is passed over, what is no list is refused."""
        self.assertEqual({"count": 1}, self.ask("adopt", camera_ids=[ID, ID, "gone"]))
        self.assertEqual([Adoption.PERSON, Adoption.NO], self.adoptions())
        for wrong in (ID, [3], {ID: True}):
            self.assertIn("camera_ids: must be", self.refused("adopt", camera_ids=wrong))

    def test_unadopt(self) -> None:
        """An adoption is taken back; what the configuration lists is refused with what to do, and nothing changes."""
        self.ask("adopt", camera_id=ID)
        self.assertEqual({"camera_id": ID, "adopted": "no"}, self.ask("unadopt", camera_id=ID))
        self.assertEqual([Adoption.NO, Adoption.NO], self.adoptions())
        self.named = {HERE}
        before = self.text()
        self.assertIn("the configuration lists it", self.refused("unadopt", camera_id=ID))
        self.assertEqual(before, self.text())

    def test_block(self) -> None:
        """A blocked device is gone, is asked nothing though it shows itself, and comes back when it is unblocked."""
        self.assertEqual({"camera_id": ID, "adopted": "blocked"}, self.ask("block", camera_id=ID))
        self.assertEqual([B.compact], self.ids())
        (device,) = self.ask("blocked")["devices"]
        self.assertEqual((ID, [A.text]), (device["device"], device["macs"]))
        for one in (sighting(HERE, A), sighting("10.0.0.99", A, xaddrs=("http://10.0.0.99/o",)), sighting(HERE)):
            self.watcher.report(one)
        self.clock.pump([1] * 100)
        self.assertEqual([B.compact], self.ids())
        self.assertNotIn(HERE, {str(one[0]) for one in self.inspector.calls})
        self.assertLess(2, self.detector.counts["blocked_sightings"])
        self.assertEqual({"device": A.text}, self.ask("unblock", device=A.text))
        self.watcher.report(sighting(HERE, A, xaddrs=(f"http://{HERE}/o",)))
        self.clock.pump([1] * 20)
        self.assertEqual([ID, B.compact], self.ids())
        self.assertEqual([], self.ask("blocked")["devices"])
        self.assertIn("no blocked device", self.refused("unblock", device=A.text))

    def test_on_the_disk_first(self) -> None:
        """What is decided stands in the file; where the disk takes no writes nothing is done."""
        self.ask("adopt", camera_id=ID)
        self.assertIn('adopted = "yes"', self.text())
        self.is_full = True
        for name in ("unadopt", "block", "forget"):
            self.assertIn("no space left", self.refused(name, camera_id=ID))
        self.assertIn("no space left", self.refused("adopt", camera_id=B.compact))
        self.assertEqual([Adoption.PERSON, Adoption.NO], self.adoptions())
        self.is_full = False
        self.ask("unadopt", camera_id=ID)
        self.assertIn('adopted = "no"', self.text())
        self.ask("block", camera_id=ID)
        self.assertIn('adopted = "blocked"', self.text())
        self.ask("unblock", device=ID)
        self.assertNotIn("adopted", self.text())

    def test_no_room(self) -> None:
        """A device for which there is no room among the blocked is not blocked, and what was decided stays."""
        self.ask("adopt", camera_id=ID)
        self.patch(adoption, "MAX_BLOCKED", 0)
        self.assertIn("no room for more", self.refused("block", camera_id=ID))
        self.assertIn('adopted = "yes"', self.text())
        self.assertEqual([Adoption.PERSON, Adoption.NO], self.adoptions())

    def test_no_room_in_the_file(self) -> None:
        """Where as many cameras stand in the file as there is room for, no other is adopted, and it is told why."""
        self.patch(book, "MAX_CAMERAS", 1)
        self.assertIn("no room for more", self.refused("adopt", all=True))
        self.assertEqual([Adoption.NO, Adoption.NO], self.adoptions())
        self.ask("adopt", camera_id=ID)
        self.assertIn("no room for more", self.refused("adopt", camera_id=B.compact))
        self.ask("unadopt", camera_id=ID)

    def test_refusals(self) -> None:
        """Without a camera with that id nothing is done; the reason says which."""
        for name in ("adopt", "unadopt", "block"):
            self.assertIn("no camera with that id", self.refused(name, camera_id="nobody"))
            self.assertIn("camera_id", self.refused(name))
        self.assertIn("device", self.refused("unblock"))
        self.assertIn("camera_id", self.refused("adopt", all="yes"))
