"""Why an address is not shown: what is probed now, and what is left alone."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import filled
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.errors import RemoteError
from twisted_detector.operations.why import CONNECT_SECONDS, Why
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.lan import ETH0, MemoryHosts, MemoryNeighbours

HERE = "10.0.0.5"


class WhyCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock)
        self.neighbours = MemoryNeighbours(ETH0, macs={HERE: A})
        self.observations = ObservationLog()

    def ask(self, address: object, **settings: Any) -> Any:
        why = Why(
            self.clock,
            config=filled(Config, settings),
            registry=Registry(lambda event: None),
            observations=self.observations,
            neighbours=self.neighbours,
            bridge=lambda addresses: "",
            make_connector=self.hosts.connector,
        )
        answering = Deferred.fromCoroutine(why.answer({"address": address}))  # type: ignore[arg-type]
        self.clock.advance(0.01)
        self.clock.advance(CONNECT_SECONDS)
        self.assertEqual(([], {}), (self.clock.getDelayedCalls(), self.hosts.running))
        return self.successResultOf(answering)

    def test_a_living_host(self) -> None:
        """Each usual port and the configured ones are tried once, and how each ended is told with the facts."""
        self.hosts.ports[HERE] = {554: Outcome.OPEN, 80: Outcome.REFUSED}
        self.observations.record(0.0, HERE, "rtsp", "not mine: no camera answered there")
        answer = self.ask(HERE, rtsp_port=9554)
        self.assertEqual(
            ("open", "refused", "no answer"), tuple(answer["ports"][port] for port in ("554", "80", "9554"))
        )
        self.assertEqual((str(A), "eth0 10.0.0.0/24"), (answer["mac"], answer["network"]))
        self.assertEqual("not mine: no camera answered there", answer["facts"][0]["text"])
        tried = [port for _, _, port in self.hosts.attempts]
        self.assertEqual(len(set(tried)), len(tried))
        self.assertTrue(self.hosts.is_closed)

    def test_left_alone(self) -> None:
        """Nothing is sent to an excluded address, to our own, out of reach, or to where ARP is not answered."""
        for address, settings, word in (
            (HERE, {"scan_exclude": ("10.0.0.0/28",)}, "excluded"),
            (ETH0.address, {}, "this-machine"),
            ("127.0.0.1", {}, "out-of-reach"),
            ("169.254.169.254", {}, "out-of-reach"),
            ("8.8.8.8", {}, "out-of-reach"),
            ("10.0.0.77", {}, "no-answer-to-arp"),
        ):
            self.assertEqual(word, self.ask(address, **settings)["reason"]["word"])
        self.assertEqual([], self.hosts.attempts)
        self.assertEqual(["10.0.0.77"], self.neighbours.lookups)

    def test_no_address(self) -> None:
        """What is no address of one device is refused."""
        for bad in (None, 5, "", "camera.local", "239.255.255.250"):
            with self.assertRaises(RemoteError):
                why = Why(
                    self.clock,
                    config=Config(),
                    registry=Registry(lambda event: None),
                    observations=self.observations,
                    neighbours=self.neighbours,
                )
                raise self.failureResultOf(Deferred.fromCoroutine(why.answer({"address": bad}))).value  # type: ignore[arg-type]
