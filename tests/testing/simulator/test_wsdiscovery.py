"""The simulated cameras' WS-Discovery, asked with the client's own probes."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.testing.simulator.camera import CameraSpec, Quirks
from twisted_detector.testing.simulator.wsdiscovery import (
    MAX_DELAY,
    MAX_KNOWN,
    MAX_WAITING,
    WSDiscoveryResponder,
    format_answer,
)
from twisted_detector.wire.lan.wsdiscovery import VERSION_2009, Announcement, Dialect, is_camera, parse, probe, resolve
from twisted_detector.wire.soap.envelope import envelope

CLIENT = ("10.0.0.2", 40_000)


class Answers(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.responder = WSDiscoveryResponder(clock=self.clock, random=Random(1))
        self.sent: list[tuple[str, bytes, tuple[str, int]]] = []

    def add(self, address: str = "10.0.0.9", **quirks: object) -> CameraSpec:
        spec = CameraSpec(address, seed=address, quirks=Quirks(**quirks))  # type: ignore[arg-type]
        self.responder.add(spec, lambda data, to: self.sent.append((address, data, to)))
        return spec

    def ask(self, data: bytes, *, to: str = "", sender: tuple[str, int] = CLIENT) -> list[Announcement]:
        self.sent.clear()
        self.responder.receive(data, sender, to=to)
        self.clock.advance(MAX_DELAY)
        return [parse(answer) for _, answer, _ in self.sent]

    def test_every_dialect(self) -> None:
        """Each dialect is answered in its own edition, to the asker, with reference, types, scopes and address."""
        spec = self.add()
        for dialect in Dialect:
            (answer,) = self.ask(probe(f"urn:uuid:{dialect.name}", dialect))
            self.assertEqual((answer.kind, answer.relates_to), ("probe_matches", f"urn:uuid:{dialect.name}"))
            self.assertEqual(answer.version is VERSION_2009, dialect is Dialect.OASIS)
            (match,) = answer.matches
            self.assertTrue(is_camera(match))
            self.assertEqual(match.local_types, ("NetworkVideoTransmitter", "Device"))
            self.assertEqual((match.endpoint_reference, match.scopes), (spec.endpoint_reference, spec.scopes))
            self.assertEqual(match.xaddrs, ("http://10.0.0.9:8000/onvif/device_service",))
            self.assertEqual(self.sent[0][2], CLIENT)

    def test_other_types_and_scopes(self) -> None:
        """Who asks for a printer, or for a scope that the camera does not have, gets no answer."""
        self.add()
        wanted = probe("urn:uuid:1", Dialect.TRANSMITTER)
        self.assertEqual(self.ask(wanted.replace(b"NetworkVideoTransmitter", b"Printer")), [])
        for number, (scope, count) in enumerate(
            {"onvif://www.onvif.org/hardware": 1, "onvif://www.onvif.org/hard": 0, "urn:x": 0}.items(), start=2
        ):
            asked = probe(f"urn:uuid:{number}", Dialect.TRANSMITTER)
            asked = asked.replace(b"<d:Scopes/>", b"<d:Scopes>" + scope.encode() + b"</d:Scopes>")
            self.assertEqual(len(self.ask(asked)), count, scope)

    def test_repetitions(self) -> None:
        """A repeated probe is answered once; the memory for that is bounded."""
        self.add()
        asked = probe("urn:uuid:1", Dialect.ANY)
        self.assertEqual([len(self.ask(asked)) for _ in range(3)], [1, 0, 0])
        for number in range(MAX_KNOWN):
            self.ask(probe(f"urn:uuid:x{number}", Dialect.ANY))
        self.assertEqual(len(self.ask(asked)), 1)

    def test_multicast_waits(self) -> None:
        """Answers to the group are spread over half a second, those to one address come at once from it alone."""
        for number in range(10):
            self.add(f"10.0.0.{number + 10}")
        self.responder.receive(probe("urn:uuid:1", Dialect.ANY), CLIENT)
        self.clock.advance(MAX_DELAY / 2)
        self.assertTrue(0 < len(self.sent) < 10)
        self.clock.advance(MAX_DELAY / 2)
        self.assertEqual(len({address for address, _, _ in self.sent}), 10)
        self.sent.clear()
        self.responder.receive(probe("urn:uuid:2", Dialect.ANY), CLIENT, to="10.0.0.12")
        self.clock.advance(0)
        self.assertEqual([address for address, _, _ in self.sent], ["10.0.0.12"])

    def test_loopback_is_apart(self) -> None:
        """Cameras on the loopback network and those elsewhere do not hear each other's askers."""
        self.add("127.0.0.5")
        self.add("10.0.0.9")
        self.ask(probe("urn:uuid:1", Dialect.ANY))
        self.assertEqual([address for address, _, _ in self.sent], ["10.0.0.9"])
        self.ask(probe("urn:uuid:2", Dialect.ANY), sender=("127.0.0.1", 4))
        self.assertEqual([address for address, _, _ in self.sent], ["127.0.0.5"])

    def test_resolve(self) -> None:
        """A Resolve is answered by the camera that it names."""
        spec = self.add()
        self.add("10.0.0.10")
        (answer,) = self.ask(resolve("urn:uuid:1", spec.endpoint_reference.upper().replace("URN:UUID:", "uuid:")))
        self.assertEqual(
            (answer.kind, answer.matches[0].endpoint_reference), ("resolve_matches", spec.endpoint_reference)
        )

    def test_quirks(self) -> None:
        """Mute says nothing, a wrong host stands in XAddrs, others come first, many lines are still one message."""
        self.add("10.0.0.20", mute=True)
        spec = self.add("10.0.0.21", xaddr_host="0.0.0.0", matches=3, pretty=True)
        (answer,) = self.ask(probe("urn:uuid:1", Dialect.ANY))
        self.assertGreater(self.sent[0][1].count(b"\n"), 10)
        self.assertEqual([is_camera(match) for match in answer.matches], [False, False, True])
        self.assertEqual(answer.matches[2].xaddrs, ("http://0.0.0.0:8000/onvif/device_service",))
        self.assertEqual(answer.matches[2].endpoint_reference, spec.endpoint_reference)

    def test_hello_and_bye(self) -> None:
        """Hello and Bye go to the group; answers that still wait are not sent after Bye."""
        spec = self.add()
        self.responder.announce()
        self.responder.receive(probe("urn:uuid:1", Dialect.ANY), CLIENT)
        self.responder.stop()
        self.assertEqual([parse(data).kind for _, data, _ in self.sent], ["hello", "bye"])
        self.assertEqual({to for _, _, to in self.sent}, {("239.255.255.250", 3702)})
        self.assertEqual(parse(self.sent[1][1]).matches[0].endpoint_reference, spec.endpoint_reference)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_nonsense_and_floods(self) -> None:
        """Other messages get no answer, and a flood of probes no more than a bounded number of them."""
        self.add()
        for data in (b"", b"\xff" * 100, envelope("<a/>"), b"<!DOCTYPE a><a/>"):
            self.assertEqual(self.ask(data), [])
        for number in range(63):
            self.add(f"10.0.1.{number}")
        for number in range(MAX_WAITING + 1):
            self.responder.receive(probe(f"urn:uuid:f{number}", Dialect.ANY), CLIENT)
        self.assertEqual(len(self.clock.getDelayedCalls()), 64 * MAX_WAITING)
        self.clock.advance(MAX_DELAY)
        self.assertEqual(len(self.ask(probe("urn:uuid:later", Dialect.ANY))), 64)

    def test_a_large_fleet(self) -> None:
        """However many they are: each answers every dialect, for the bound is a camera's own."""
        for number in range(1100):
            self.add(f"10.1.{number // 250}.{number % 250}")
        for dialect in Dialect:
            self.responder.receive(probe(f"urn:uuid:{dialect.name}", dialect), CLIENT)
        self.clock.advance(MAX_DELAY)
        self.assertEqual(len(self.sent), 4 * 1100)

    def test_words_are_kept_and_ids_are_not(self) -> None:
        """An answer that is worded once is what it would be if it were worded anew, with an id of its own each time."""
        spec = self.add(matches=2, pretty=True)
        for number, dialect in enumerate((Dialect.ANY, Dialect.OASIS, Dialect.ANY)):
            data = probe(f"urn:uuid:a&b{number}", dialect)
            self.ask(data)
            (answer,) = [said for _, said, _ in self.sent]
            told = parse(answer)
            self.assertEqual(told.relates_to, f"urn:uuid:a&b{number}")
            self.assertEqual(answer, format_answer(spec, parse(data), message_id=told.message_id))
