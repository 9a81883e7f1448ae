"""Cameras that answer nothing but their maker's protocol: told of within three seconds, looked after, left asleep."""

from __future__ import annotations

from dataclasses import replace

from tests.detector.case import HERE, THERE, XADDR, DetectorCase
from tests.facts import A, B, inspection, sighting
from twisted_detector.detector.announcements import MAX_WAITING, PUBLISH_AFTER
from twisted_detector.errors import NotACamera, Unreachable
from twisted_detector.model import Announced, Camera, Mac, Sighting, Status
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.reasons import NOTHING_ELSE
from twisted_detector.testing.doubles import Gate

SAID = Announced("HIKVISION", "DS-2CD2", conditions=(Condition.NOT_ACTIVATED,))
#: Issue 17: a camera that answers nothing but its maker's protocol is told of so soon after it came.
SOON = 3.0


class Answers:
    """Liveness of addresses; counts who is looked for."""

    def __init__(self) -> None:
        self.alive: set[str] = set()
        self.asked: list[str] = []

    async def is_alive(self, address: str, ports: object) -> bool:
        self.asked.append(address)
        return address in self.alive

    async def accepts(self, address: str, ports: object) -> bool:
        return address in self.alive


class AnnouncementCase(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.inspector.answers.clear()
        self.answers = Answers()
        self.liveness = self.answers  # type: ignore[assignment]

    def hear(self, said: Announced = SAID, address: str = HERE, mac: Mac | None = None, **more: object) -> None:
        self.watcher.report(sighting(address, mac, announced=said, **more))  # type: ignore[arg-type]

    @property
    def one(self) -> Camera:
        (camera,) = self.registry.cameras()
        return camera


class TellTests(AnnouncementCase):
    def test_while_it_is_inspected(self) -> None:
        """It is told of while its inspection waits for answers that never come, with MAC, model and reason."""
        self.inspector.gate = Gate()
        self.start()
        self.hear()
        self.clock.pump([0.1] * int(SOON * 10))
        self.assertEqual(1, len(self.inspector.calls))
        self.assertEqual((A, "DS-2CD2", "not-activated"), (self.one.mac, self.one.model, self.one.code))
        self.assertEqual(Status.STREAM_ERROR, self.one.status)

    def test_when_it_was_inspected(self) -> None:
        """Where nothing answers the inspection is over before, and it is told at once, and once."""
        self.start()
        self.hear(replace(SAID, conditions=()))
        self.clock.pump([0.1] * 15)
        self.assertEqual(NOTHING_ELSE, self.one.reason)
        self.clock.pump([0.1] * 30)
        self.assertEqual(1, self.listener.names().count("CameraDiscovered"))

    def test_who_plays(self) -> None:
        """A camera that is inspected in time is published as what it is: it was never in trouble."""
        self.inspector.answers[HERE] = inspection(HERE)
        self.start()
        self.hear()
        self.clock.pump([0.1] * 50)
        self.assertEqual(Status.ONLINE, self.one.status)
        self.assertNotIn("CameraTrouble", self.listener.names())

    def test_who_names_services(self) -> None:
        """Who names ONVIF services waits for the end of the inspection, which will find him."""
        self.inspector.gate = Gate()
        self.start()
        self.hear(xaddrs=XADDR)
        self.clock.pump([0.1] * int(SOON * 10))
        self.assertEqual([], self.ids())

    def test_what_is_none(self) -> None:
        """Neither a lamp is told of, nor a server that passes on cameras' streams, whatever it says."""
        self.inspector.answers[THERE] = NotACamera("a media server (go2rtc)")
        self.start()
        self.hear(Announced("TP-Link", "L530", kind=DeviceKind.OTHER))
        self.hear(address=THERE)
        self.clock.pump([0.1] * 50)
        self.assertEqual([], self.ids())

    def test_made_up(self) -> None:
        """Nobody answers ARP at the address: what is said in its name is not published."""
        self.inspector.answers["10.0.0.99"] = Unreachable("no connection")
        self.start()
        self.hear(address="10.0.0.99")
        self.clock.pump([0.1] * 200)
        self.assertEqual([], self.ids())

    def test_timers_are_bounded(self) -> None:
        """One timer for each device, and no more than there are hosts; none is left after the stop."""
        self.start()
        timers = self.detector._announcements
        for key in range(MAX_WAITING + 10):
            timers.add(key)
            timers.add(key)
        self.assertEqual(MAX_WAITING, len(timers))
        self.clock.advance(PUBLISH_AFTER)
        self.assertEqual(0, len(timers))
        timers.add(1)

    def test_only_its_mac(self) -> None:
        """What it says is more than that a host is there: no look at a new host delays it."""
        self.start()
        self.hear(mac=A)
        self.clock.pump([0.1] * int(SOON * 10))
        self.assertEqual([A.compact], self.ids())


class RoundTests(AnnouncementCase):
    excluded: set[str]

    def setUp(self) -> None:
        super().setUp()
        self.excluded = set()
        self.start()
        self.hear()
        self.clock.pump([1] * 10)
        self.inspector.calls.clear()

    def rounds(self, count: int) -> None:
        self.clock.pump([1] * 60 * count)

    def test_looked_for(self) -> None:
        """It is not inspected in each round: one connection, and its MAC, show that it is there."""
        self.rounds(5)
        self.assertEqual([], self.inspector.calls)
        self.assertEqual((5, {HERE}), (len(self.answers.asked), set(self.answers.asked)))
        self.assertEqual(Status.STREAM_ERROR, self.one.status)
        self.assertGreater(self.one.last_seen, 240)

    def test_inspected_once_an_hour(self) -> None:
        """What was switched on meanwhile is found within the hour."""
        self.clock.pump([20] * 190)
        self.assertEqual(1, len(self.inspector.calls))

    def test_gone(self) -> None:
        """Whose MAC is not there any more is offline after three rounds, and back when it is there again."""
        del self.neighbours.macs[HERE]
        self.rounds(3)
        self.assertEqual((Status.OFFLINE, "it is not there any more"), (self.one.status, self.one.reason))
        self.neighbours.macs[HERE] = A
        self.rounds(1)
        self.assertEqual((Status.STREAM_ERROR, "not-activated"), (self.one.status, self.one.code))

    def test_another_at_its_address(self) -> None:
        """Another device that answers at its address is not it."""
        self.neighbours.macs[HERE] = B
        self.answers.alive.add(HERE)
        self.rounds(4)
        self.assertEqual(Status.OFFLINE, self.one.status)

    def test_excluded(self) -> None:
        """Nothing is sent to an address that was excluded since."""
        self.answers.asked.clear()
        self.excluded.add(HERE)
        self.rounds(3)
        self.assertEqual(([], Status.OFFLINE), (self.answers.asked, self.one.status))

    def test_silent_inspection(self) -> None:
        """An inspection that nobody answers, or that takes too long, is no missed check."""
        self.inspector.answers[HERE] = Unreachable("no connection")
        for gate in (None, Gate()):
            self.inspector.gate = gate
            self.assertTrue(self.detector.check(A.compact))
            self.clock.pump([1] * 30)
            key = self.registry.key_of_camera(A.compact)
            assert key is not None
            self.assertEqual((Status.STREAM_ERROR, 0), (self.one.status, self.registry.missed_checks(key)))


class SleepTests(AnnouncementCase):
    def test_left_alone(self) -> None:
        """Who sleeps is asked nothing, and stays asleep; ARP and DHCP tell when it was awake."""
        self.start()
        self.hear(Announced("Reolink", "Argus 3"))
        self.clock.pump([1] * 10)
        self.assertEqual(Status.SLEEPS, self.one.status)
        self.inspector.calls.clear()
        self.listener.take()
        del self.neighbours.macs[HERE]
        self.clock.pump([1] * 600)
        self.assertEqual(([], []), (self.inspector.calls, self.answers.asked))
        self.neighbours.macs[HERE] = A
        for _ in range(5):
            self.watcher.report(Sighting("dhcp", HERE, self.clock.seconds(), A))
            self.clock.pump([1] * 100)
        self.assertEqual([], [one for one in self.listener.names() if one.startswith("Camera")])
        self.assertEqual(([], Status.SLEEPS), (self.inspector.calls, self.one.status))
        self.assertGreater(self.one.last_seen, 1000)
