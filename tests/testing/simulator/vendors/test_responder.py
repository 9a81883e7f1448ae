"""Tests of ``testing.simulator.vendors.responder``: who is reached by what, and where the answer goes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.model import Mac
from twisted_detector.testing.simulator.camera import CameraSpec
from twisted_detector.testing.simulator.vendors.catalog import DEVICES
from twisted_detector.testing.simulator.vendors.device import BROADCAST, DeviceFacts
from twisted_detector.testing.simulator.vendors.responder import (
    Outgoing,
    VendorResponder,
    VendorSockets,
    facts_of,
)
from twisted_detector.wire.vendors.catalog import PROTOCOLS

ONE, OTHER, ASKER = "10.0.0.5", "10.0.0.6", ("10.0.0.9", 40_000)
FACTS = DeviceFacts(ONE, Mac("00:40:8c:00:00:05"), model="M1", firmware_version="1.2.3.4")
BY_NAME = {one.name: one for one in PROTOCOLS}


class ResponderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.responder = VendorResponder()

    def ask(self, name: str, *, to: str = BROADCAST, addresses: tuple[str, ...] = (ONE, OTHER)) -> list[Outgoing]:
        """The answers to a search of a protocol."""
        query = BY_NAME[name].queries(bytes, ASKER[0])[0]
        receive = self.responder.receive(query.data, ASKER, port=query.port, to=to, addresses=addresses)
        return list(receive)

    def test_complete(self) -> None:
        """Every protocol that is spoken is answered by a device of that name."""
        self.assertEqual({one.name for one in PROTOCOLS}, set(DEVICES))

    def test_reached(self) -> None:
        """A search of all reaches every device of that interface; one of an address that device alone, and a device
        that refuses such does not answer.
        """
        for address in (ONE, OTHER):
            self.responder.add(replace(FACTS, address=address), "dhip")
        self.responder.add(FACTS, "sadp")
        self.assertEqual([ONE, OTHER], [one.address for one in self.ask("dhip")])
        self.assertEqual([OTHER], [one.address for one in self.ask("dhip", to=OTHER)])
        self.assertEqual([OTHER], [one.address for one in self.ask("dhip", addresses=(OTHER,))])
        self.assertEqual([ONE], [one.address for one in self.ask("sadp")])
        self.assertEqual([], self.ask("sadp", to=ONE))
        self.assertEqual([], self.ask("hanwha"))
        self.assertEqual(5, self.responder.answers_sent)

    def test_where_to(self) -> None:
        """The answer goes to who asked, to a fixed port of his, to all, or to a group."""
        for name, to in (
            ("dhip", ASKER),
            ("hanwha", (ASKER[0], 7711)),
            ("foscam", (BROADCAST, 10_000)),
            ("sony", (BROADCAST, ASKER[1])),
            ("tvt", ("234.55.55.56", 23_456)),
        ):
            self.responder.add(FACTS, name)
            [sent] = self.ask(name)
            self.assertEqual((to, BY_NAME[name].ports[0]), (sent.to, sent.source), name)

    def test_now_and_then(self) -> None:
        """A device that sometimes does not answer answers the third search."""
        self.responder.add(FACTS, "xm")
        self.assertEqual([0, 0, 1, 0, 0, 1], [len(self.ask("xm")) for _ in range(6)])

    def test_announced(self) -> None:
        """What a device says when it comes is what the watcher reads."""
        for name in DEVICES:
            self.responder.add(FACTS, name)
        told = list(self.responder.announcements())
        self.assertEqual({one.name for one in PROTOCOLS if one.announces}, {"tvt"})
        self.assertEqual([("234.55.55.56", 23_456)], [one.to for one in told])
        self.assertIsNotNone(BY_NAME["tvt"].parse(told[0].data))

    def test_ports(self) -> None:
        """All the ports and groups of an address."""
        for name in ("vivotek", "foscam", "tvt"):
            self.responder.add(FACTS, name)
        self.assertEqual({10_000: set(), 23_456: {"234.55.55.55"}}, self.responder.wanted(ONE))
        self.assertEqual({}, self.responder.wanted(OTHER))

    def test_facts(self) -> None:
        """A simulated camera is the same in every protocol, and each can say what it is."""
        spec = CameraSpec(ONE, http_port=8000, rtsp_port=554)
        self.assertEqual(spec.serial_number, facts_of(spec, "sadp").serial_number)
        for name, protocol in BY_NAME.items():
            responder = self.responder = VendorResponder()
            responder.add(facts_of(replace(spec, model="UVC-G4"), name), name)
            said = [one for _ in range(3) for one in self.ask(name)]
            self.assertTrue(said, name)
            answer = protocol.parse(said[0].data)
            assert answer is not None
            self.assertTrue(answer.vendor_id if name == "pppp" else answer.mac == spec.hardware_address, name)

    def test_not_ours(self) -> None:
        """An address that is no interface's is a fault that names it."""
        self.responder.add(FACTS, "sadp")
        sockets = VendorSockets(None, self.responder, interface=lambda address: "")
        self.assertFalse(ip_address(ONE).is_loopback)
        fault = self.assertRaises(LocalError, sockets.open, [ONE])
        self.assertIn(ONE, str(fault))
