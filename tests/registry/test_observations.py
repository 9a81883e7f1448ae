"""The casebook: what it keeps of each address, its bounds, and that it holds no secret."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.facts import A, inspection, login, sighting
from twisted_detector.events import CameraMoved, CameraOffline
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Status
from twisted_detector.registry.observations import MAX_TEXT, ObservationLog, inspected_text, login_texts, seen_text

HERE, THERE = "10.0.0.5", "10.0.0.6"


class Keeping(SynchronousTestCase):
    def texts(self, book: ObservationLog, address: str) -> list[str]:
        return [fact.text for fact in book.facts(address)]

    def test_the_same_again_is_counted(self) -> None:
        """A fact that comes again is one, with its number, its first and its last time; the latest comes last."""
        book = ObservationLog()
        for at, what in ((1.0, "a"), (2.0, "b"), (3.0, "a")):
            book.record(at, HERE, "check", what)
        self.assertEqual(["b", "a"], self.texts(book, HERE))
        self.assertEqual((1.0, 3.0, 2), (f := book.facts(HERE)[1]).first_at and (f.first_at, f.last_at, f.times))

    def test_bounds(self) -> None:
        """So many facts of so many addresses, of such a length; the oldest go; no control characters."""
        book = ObservationLog(max_addresses=2, max_facts=3)
        for number in range(9):
            book.record(number, HERE, "check", str(number))
        self.assertEqual(["6", "7", "8"], self.texts(book, HERE))
        book.record(10, THERE, "check", "\x1b[31m" + "x" * 1000)
        self.assertEqual(MAX_TEXT, len(self.texts(book, THERE)[0]))
        self.assertNotIn("\x1b", self.texts(book, THERE)[0])
        book.record(11, "10.0.0.7", "check", "x")
        self.assertEqual((2, []), (len(book), self.texts(book, HERE)))

    def test_a_flood_of_hearsay(self) -> None:
        """Whatever is announced from however many addresses, what was asked and answered stays."""
        book = ObservationLog(max_addresses=100)
        book.record(0, HERE, "wsdiscovery", "seen")
        book.record(1, HERE, "onvif", "a camera")
        for number in range(10_000):
            book.record(2, f"10.9{number // 62500}.{number // 250 % 250}.{number % 250}", "wsdiscovery", "forged")
        self.assertEqual((101, ["seen", "a camera"]), (len(book), self.texts(book, HERE)))

    def test_events(self) -> None:
        """A move is told at both addresses; an end with its reason."""
        book = ObservationLog()
        verifyObject(IEventListener, book)
        camera = Camera("id1", "id1", THERE, status=Status.OFFLINE)
        book.handle(CameraMoved(at=1.0, camera=camera, old_address=HERE, new_address=THERE))
        book.handle(CameraOffline(at=2.0, camera=camera, reason="announced"))
        self.assertEqual([f"id1 moved to {THERE}"], self.texts(book, HERE))
        self.assertEqual([f"id1 moved here from {HERE}", "id1 is offline: announced"], self.texts(book, THERE))


class Wording(SynchronousTestCase):
    def test_no_secret(self) -> None:
        """A service address is told without its login; of a login there is the name."""
        told = seen_text(sighting(HERE, A, xaddrs=("http://root:canary@10.0.0.5/onvif",), open_ports=(80,)))
        told += " ".join(login_texts(login("admin", "canary"), ["root"], "no"))
        self.assertNotIn("canary", told)
        for word in ("http://10.0.0.5/onvif", "ports open 80", str(A), "accepted admin", "refused root: no"):
            self.assertIn(word, told)

    def test_inspection(self) -> None:
        """What a device is, how many streams it names and how it stands."""
        text = inspected_text(inspection(HERE, model="M1", status=Status.BUSY, reason="453"))
        self.assertEqual("a camera: Acme M1, 1 streams, busy (453)", text)
