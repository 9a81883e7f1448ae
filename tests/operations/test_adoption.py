"""The commands by which a person decides who is adopted, over every way of asking."""

from __future__ import annotations

from typing import Any

from tests.detector.case import HERE, ID, THERE, DetectorCase
from tests.facts import A, B, sighting
from twisted_detector.errors import RemoteError
from twisted_detector.model import Adoption
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import RecordingPublisher


class AdoptionCommandTests(DetectorCase):
    """Two cameras that are there and not adopted."""

    def setUp(self) -> None:
        super().setUp()
        self.listed: set[str] = set()
        book = AdoptionBook(is_listed=lambda candidate: candidate.address in self.listed)
        self.registry = Registry(self.bus.emit, missed_limit=3, adoption=book)
        self.start()
        for address, mac in ((HERE, A), (THERE, B)):
            self.watcher.report(sighting(address, mac, xaddrs=(f"http://{address}/o",)))
        self.clock.pump([1] * 20)
        self.commands = MqttCommands(
            self.clock,
            detector=self.detector,
            registry=self.registry,
            node_id="n",
            topic="t",
            publish=RecordingPublisher().publish,
        )
        self.inspector.calls.clear()

    def ask(self, name: str, **fields: Any) -> dict[str, Any]:
        return self.commands.execute({"command": name, **fields})

    def refused(self, name: str, **fields: Any) -> str:
        return str(self.assertRaises(RemoteError, self.ask, name, **fields))

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

    def test_unadopt(self) -> None:
        """An adoption is taken back; what the configuration lists is refused with what to do."""
        self.ask("adopt", camera_id=ID)
        self.assertEqual({"camera_id": ID, "adopted": "no"}, self.ask("unadopt", camera_id=ID))
        self.assertEqual([Adoption.NO, Adoption.NO], self.adoptions())
        self.listed = {HERE}
        self.assertIn("the configuration lists it", self.refused("unadopt", camera_id=ID))

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
        self.assertIn("no blocked device", self.refused("unblock", device=A.text))

    def test_refusals(self) -> None:
        """Without a camera of that id nothing is done; the reason says which."""
        for name in ("adopt", "unadopt", "block"):
            self.assertIn("no camera of that id", self.refused(name, camera_id="nobody"))
            self.assertIn("camera_id", self.refused(name))
        self.assertIn("device", self.refused("unblock"))
        self.assertIn("camera_id", self.refused("adopt", all="yes"))
        self.assertIn("adopt", self.refused("adoptt"))
