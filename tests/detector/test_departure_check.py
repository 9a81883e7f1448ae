"""Goodbyes: one of a device that is gone is told; one that was forged costs nothing that anybody sees."""

from __future__ import annotations

from dataclasses import replace

from tests.detector.case import HERE, ID, THERE, XADDR, DetectorCase
from tests.facts import B, sighting
from twisted_detector.detector.verification import departure_check as departure_module
from twisted_detector.detector.verification.departure_check import DELAYS
from twisted_detector.events import CameraOffline
from twisted_detector.model import Status
from twisted_detector.testing.doubles import Gate
from twisted_detector.testing.lan import MemoryLiveness


class DepartureTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.liveness = self.street = MemoryLiveness({HERE: {554}, THERE: {554}})
        self.start()
        self.watcher.report(sighting(HERE, None, "urn:uuid:r1", xaddrs=XADDR))
        self.clock.pump([1] * 5)
        self.street.calls.clear()

    def bye(self, seconds: float = 0.0) -> None:
        self.watcher.report_departure(HERE)
        self.clock.pump([0.1] * round(seconds * 10))

    def status(self) -> tuple[Status, str]:
        camera = self.registry.camera(ID)
        assert camera is not None
        return camera.status, camera.reason

    def farewells(self) -> int:
        return len([event for event in self.listener.events if isinstance(event, CameraOffline)])

    def test_gone(self) -> None:
        """A device that does not answer any more is offline within two seconds, as announced."""
        del self.street.ports[HERE]
        self.bye()
        self.assertEqual((Status.ONLINE, 0), (self.status()[0], len(self.street.calls)))
        self.clock.pump([0.1] * 20)
        self.assertEqual((Status.OFFLINE, "it said goodbye"), self.status())
        self.assertEqual([(HERE, (554, 80))] * 2, self.street.calls)

    def test_leaving_slowly(self) -> None:
        """A camera that says goodbye before it closes its ports is offline soon after they are closed."""
        self.bye(6)
        self.assertEqual(Status.ONLINE, self.status()[0])
        self.street.ports[HERE].clear()
        self.clock.pump([0.1] * 60)
        self.assertEqual((Status.OFFLINE, "it said goodbye"), self.status())

    def test_forged(self) -> None:
        """Any number of goodbyes of a device that is there: nothing is told, and it is knocked at now and then."""
        self.listener.take()
        for _ in range(3000):
            self.bye(0.1)
        self.assertEqual((Status.ONLINE, 0), (self.status()[0], self.farewells()))
        self.assertLessEqual(len(self.street.calls), (300 / sum(DELAYS) + 1) * len(DELAYS))
        self.assertGreater(self.detector.counts["disproved_goodbyes"], 10)
        told = {text for address, _, text in self.observed if address == HERE}
        self.assertLessEqual({"it said goodbye", "it said goodbye, and answers all the same: it has not left"}, told)

    def test_a_lost_moment(self) -> None:
        """A device that misses one knock is asked again before its goodbye is believed."""
        self.street.deaf = 1
        self.bye(20)
        self.assertEqual((Status.ONLINE, 0), (self.status()[0], self.farewells()))

    def test_another_in_its_place(self) -> None:
        """Another device at its address, by the MAC, does not answer for it."""
        self.neighbours.macs[HERE] = B
        self.bye(2)
        self.assertEqual((Status.OFFLINE, "it said goodbye"), self.status())

    def test_a_closed_service(self) -> None:
        """A host that is there while the camera's ports are closed is not the camera."""
        self.street.ports[HERE] = {22}
        self.bye(2)
        self.assertEqual((Status.OFFLINE, "it said goodbye"), self.status())

    def test_nothing_known(self) -> None:
        """When this machine cannot connect, no goodbye is believed: the routine checks will tell."""
        self.street.problem = OSError("no buffer space")
        self.bye(20)
        self.assertEqual((Status.ONLINE, 0), (self.status()[0], self.farewells()))

    def test_who_is_away_already(self) -> None:
        """A goodbye of a device that is offline, or of nobody, costs nothing."""
        self.street.ports.clear()
        self.bye(2)
        self.street.calls.clear()
        self.bye(2)
        self.watcher.report_departure(THERE)
        self.watcher.report_departure(HERE, "urn:uuid:other")
        self.clock.pump([0.1] * 20)
        self.assertEqual([], self.street.calls)

    def test_excluded_meanwhile(self) -> None:
        """A device in SCAN_EXCLUDE is not knocked at."""
        environment = self.detector._departure_check._environment
        self.detector._departure_check._environment = replace(environment, excluded={HERE})
        self.bye(20)
        self.assertEqual([], self.street.calls)

    def test_bounded(self) -> None:
        """So many are checked at one time; goodbyes beyond it are counted, and nothing is left after a stop."""
        self.patch(self.detector._departure_check._running, "_limit", 0)
        self.bye(1)
        self.assertEqual((1, []), (self.detector.counts["dropped_goodbyes"], self.street.calls))
        self.assertEqual(32, departure_module.MAX_CHECKS)
        self.patch(self.detector._departure_check._running, "_limit", 1)
        self.street.gate = Gate()
        self.bye(1)
        self.assertEqual(1, self.street.gate.waiting)
        self.stop()
        self.assertEqual((0, 0), (self.street.gate.waiting, len(self.detector._departure_check)))
