"""Why an address is not shown: what is probed now, and what is left alone."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A
from tests.operations.networks.case import networks_of
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import filled
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.errors import RemoteError
from twisted_detector.model import Inspection, Sighting, Status
from twisted_detector.model.devices import BY_HAND
from twisted_detector.operations.why import CONNECT_SECONDS, Why
from twisted_detector.registry.observations import ObservationLog, describe_sighting
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.lan import ETH0, MemoryHosts, MemoryNeighbours

HERE = "10.0.0.5"


class WhyCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock)
        self.neighbours = MemoryNeighbours(ETH0, macs={HERE: A})
        self.observations = ObservationLog()
        self.registry = Registry(lambda event: None)

    def ask(self, address: object, *, is_left: bool = False, **settings: Any) -> Any:
        networks = networks_of(filled(Config, settings))
        if is_left:
            networks.take(())
        why = Why(
            self.clock,
            networks=networks,
            registry=self.registry,
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

    def test_behind_a_router(self) -> None:
        """What answers beyond the networks that are searched is told to be there, and how to have it searched."""
        self.hosts.ports["10.0.9.7"] = {554: Outcome.OPEN}
        reason = self.ask("10.0.9.7")["reason"]
        self.assertEqual("not-on-any-network", reason["word"])
        self.assertIn("its network is not searched: add 10.0.9.0/24 to SCAN_NETWORKS", reason["text"])
        self.assertEqual("not-swept-yet", self.ask("10.0.9.7", scan_networks=("10.0.9.0/24",))["reason"]["word"])

    def test_left_to_another_node(self) -> None:
        """What another node searches is not said to be swept here; where this one searches it, it is."""
        self.hosts.ports["10.0.9.7"] = {554: Outcome.OPEN}
        shared = {"nodes_networks": ("10.0.9.0/24",)}
        self.assertEqual("not-swept-yet", self.ask("10.0.9.7", **shared)["reason"]["word"])
        self.assertEqual("other-node", self.ask("10.0.9.7", is_left=True, **shared)["reason"]["word"])

    def test_help(self) -> None:
        """What would help is there for programs, with the fields of the command that does it."""
        far = {"kind": "add-network", "text": "Search 10.0.9.0/24", "network": "10.0.9.0/24"}
        self.assertEqual([far], self.ask("10.0.9.7")["help"])
        self.hosts.ports["10.0.9.7"] = {554: Outcome.OPEN}
        self.assertEqual(
            ("not-on-any-network", [far]), (self.ask("10.0.9.7")["reason"]["word"], self.ask("10.0.9.7")["help"])
        )
        self.assertEqual([], self.ask("10.0.9.7", scan_networks=("10.0.9.0/24",))["help"])
        # Of public addresses too: nobody but SCAN_NETWORKS may add them, and a button for it would be refused.
        for address in ("8.8.8.8", "127.0.0.1", "169.254.169.254", HERE):
            self.assertEqual([], self.ask(address)["help"], address)
        seen = self.registry.record_sighting(Sighting(BY_HAND, HERE, 0.0, A), 0.0)
        assert seen is not None
        self.registry.record_inspection(
            seen.key, Inspection("x", HERE, 0.0, status=Status.AUTH_REQUIRED, reason="it wants a login"), 1.0
        )
        login, adopt = self.ask(HERE)["help"]
        self.assertEqual(("give-login", HERE, A.compact), (login["kind"], login["address"], login["camera_id"]))
        self.assertEqual(("adopt", A.compact), (adopt["kind"], adopt["camera_id"]))

    def test_ipv6(self) -> None:
        """The ports of a link-local address are tried on its link."""
        address = "fe80::5%eth0"
        self.neighbours.macs[address] = A
        self.hosts.ports[address] = {554: Outcome.OPEN}
        self.assertEqual("open", self.ask(address)["ports"]["554"])

    def test_cancelled(self) -> None:
        """Who does not wait any more has everything ended."""
        why = Why(
            self.clock,
            networks=networks_of(Config()),
            registry=self.registry,
            observations=self.observations,
            neighbours=self.neighbours,
            make_connector=self.hosts.connector,
        )
        examining = Deferred.fromCoroutine(why.examine(HERE, first=(5566,)))
        self.assertEqual(5566, self.hosts.attempts[0][2])
        examining.cancel()
        self.failureResultOf(examining, CancelledError)
        self.assertEqual(([], {}), (self.clock.getDelayedCalls(), self.hosts.running))

    def test_asked_in_vain(self) -> None:
        """What was asked and did not answer is not said to be asked still, nor never to have been asked."""
        self.hosts.ports[HERE] = {80: Outcome.OPEN}
        seen = self.registry.record_sighting(Sighting(BY_HAND, HERE, 0.0, A, open_ports=(80, 554)), 0.0)
        assert seen is not None
        self.observations.record(0.0, HERE, BY_HAND, describe_sighting(Sighting(BY_HAND, HERE, 0.0, open_ports=(554,))))
        self.assertEqual("being-asked", self.ask(HERE)["reason"]["word"])
        self.registry.begin_inspection(seen.key, 1.0)
        self.assertEqual("being-asked", self.ask(HERE)["reason"]["word"])
        self.observations.record(2.0, HERE, "onvif", "no answer: no connection")
        self.registry.record_no_answer(seen.key, "no connection", 2.0)
        answer = self.ask(HERE)
        self.assertEqual("no-answer", answer["reason"]["word"])
        self.assertEqual(["asked by hand", "no answer: no connection"], [fact["text"] for fact in answer["facts"]])

    def test_no_address(self) -> None:
        """What is no address of one device is refused."""
        for bad in (None, 5, "", "camera.local", "239.255.255.250"):
            with self.assertRaises(RemoteError):
                why = Why(
                    self.clock,
                    networks=networks_of(Config()),
                    registry=Registry(lambda event: None),
                    observations=self.observations,
                    neighbours=self.neighbours,
                )
                raise self.failureResultOf(Deferred.fromCoroutine(why.answer({"address": bad}))).value  # type: ignore[arg-type]
