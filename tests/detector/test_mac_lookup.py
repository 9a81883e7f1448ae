"""No name for ever before the MAC, on a link that is ours; and what was seen at an address that was left since."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.detector.case import HERE, ID, MAIN, MOVED, THERE, XADDR, DetectorCase
from tests.facts import A, B, C, inspection, sighting
from twisted_detector.detector.address_gate import AddressGate
from twisted_detector.detector.verification.mac_lookup import LOOKUP_TIMEOUT, NAMING_TIMEOUT
from twisted_detector.errors import Unreachable
from twisted_detector.model import Camera, Candidate, Inspection, Interface, Login, Mac
from twisted_detector.model.reach import no_networks
from twisted_detector.testing.doubles import Gate, ScriptedInspector
from twisted_detector.testing.lan import ETH0, LOOPBACK, MemoryNeighbours

TUNNEL = Interface("tun0", 5, "10.20.0.1", 24, arp=False)
LINK_LOCAL = Interface("eth0", 2, "fe80::9", 64)
ROUTED, NEVER = "10.20.0.5", float("inf")


class BusyKernel(MemoryNeighbours):
    """A kernel that answers no look-up in time; it knows the MAC of whom this machine has connected to.

    :ivar real: address → MAC of those that are there.
    :ivar late: seconds until its event about a connection is read.
    :ivar hangs: a look-up never ends; otherwise it ends without an answer, as when too many are under way.
    """

    def __init__(self, clock: Clock, *addresses: Interface) -> None:
        super().__init__(*addresses)
        self.clock = clock
        self.real: dict[str, Mac] = {}
        self.late = 0.0
        self.hangs = True

    async def mac_of(self, address: str) -> Mac | None:
        self.lookups.append(address)
        if self.hangs:
            await Deferred()
        return None

    def connected(self, address: str) -> None:
        if address not in self.real:
            return
        if self.late == NEVER or address in self.macs:
            return
        if self.late:
            self.clock.callLater(self.late, self.learn, address, self.real[address])
        else:
            self.learn(address, self.real[address])


class ConnectingInspector(ScriptedInspector):
    """Its connection shows the kernel who is there."""

    kernel: BusyKernel

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        answer = await super().inspect(candidate, login)
        self.kernel.connected(candidate.address)
        return answer


class NamingTests(DetectorCase):
    def setUp(self) -> None:
        super().setUp()
        self.neighbours = self.kernel = BusyKernel(self.clock, ETH0, TUNNEL)
        self.inspector = ConnectingInspector({HERE: inspection(HERE)})
        self.inspector.kernel = self.kernel
        self.kernel.real[HERE] = A

    def see(self, address: str = HERE, reference: str = "urn:uuid:abc") -> None:
        """An announcement; its look-up takes too long."""
        self.watcher.report(sighting(address, None, reference, xaddrs=(f"http://{address}/o",)))
        self.clock.advance(LOOKUP_TIMEOUT)

    def camera(self) -> Camera:
        (camera,) = self.registry.cameras()
        return camera

    def test_six_hundred_at_once(self) -> None:
        """However busy the kernel is: each gets the name that its MAC gives."""
        wide = Interface("eth0", 2, "10.0.0.9", 16)
        for many, hangs, late in ((600, True, 0.0), (60, False, 0.0), (60, True, 2.0), (60, False, 4.0)):
            self.setUp()
            self.kernel.addresses, self.kernel.hangs, self.kernel.late = [wide], hangs, late
            addresses = [f"10.0.{1 + number // 200}.{1 + number % 200}" for number in range(many)]
            for number, address in enumerate(addresses):
                self.kernel.real[address] = Mac(f"02:00:00:00:{number // 256:02x}:{number % 256:02x}")
                self.inspector.answers[address] = inspection(address)
            self.build().start()
            for address in addresses:
                self.watcher.report(sighting(address, None, f"urn:uuid:of-{address}", xaddrs=(f"http://{address}/o",)))
            self.clock.pump([1.0] * 200)
            self.assertEqual(sorted(mac.compact for at, mac in self.kernel.real.items() if at != HERE), self.ids())
            self.stop()

    def test_its_event_is_late(self) -> None:
        """While the MAC is not known nothing is published; then it is, under the MAC."""
        self.kernel.late = 3.0
        self.start()
        self.see()
        self.clock.pump([0.5] * 5)
        self.assertEqual([], self.ids())
        self.clock.pump([0.5] * 2)
        self.assertEqual(([ID], A), (self.ids(), self.camera().mac))

    def test_no_mac_comes(self) -> None:
        """After 5 s it is published all the same, and ``why`` is told; a MAC that comes later is taken in."""
        self.kernel.late = NEVER
        self.start()
        self.see()
        self.clock.pump([0.5] * int(NAMING_TIMEOUT * 2 - 1))
        self.assertEqual([], self.ids())
        self.clock.pump([0.5] * 2)
        self.assertEqual((["epr-abc"], 1), (self.ids(), self.detector.counts["named_without_mac"]))
        self.assertIn((HERE, "neighbours", "its MAC was not seen within 5 s: it is named without it"), self.observed)
        self.detector.check("epr-abc")
        self.clock.pump([1.0] * 10)
        self.assertEqual((2, 1), (len(self.inspector.calls), self.detector.counts["named_without_mac"]))
        self.kernel.macs[HERE] = A
        self.watcher.report(sighting(HERE, A, method="neighbours"))
        self.assertEqual((["epr-abc"], A), (self.ids(), self.camera().mac))

    def test_blocked(self) -> None:
        """A blocked camera that was taken in before its MAC was seen is forgotten when it is, and asked no more."""
        self.kernel.macs[HERE] = A
        self.start()
        self.watcher.report(sighting(HERE, A, xaddrs=XADDR))
        self.clock.pump([1.0] * 20)
        self.registry.block(ID, self.clock.seconds())
        del self.kernel.macs[HERE]
        self.kernel.late = NEVER
        self.watcher.report(sighting(HERE, rtsp_ports=(554,)))
        self.clock.pump([1.0] * 30)
        self.assertEqual(["ip-10-0-0-5"], self.ids())
        asked = len(self.inspector.calls)
        self.watcher.report(sighting(HERE, B, method="neighbours"))
        self.assertEqual(["ip-10-0-0-5"], self.ids(), "this machine has not seen that MAC")
        self.watcher.report(sighting(HERE, A, method="other"))
        self.assertEqual(["ip-10-0-0-5"], self.ids(), "hearsay")
        self.kernel.macs[HERE] = A
        self.watcher.report(sighting(HERE, A, method="neighbours"))
        self.clock.pump([1.0] * 400)
        self.assertEqual(([], asked), (self.ids(), len(self.inspector.calls)))

    def test_learnt_meanwhile(self) -> None:
        """What the kernel learns while a look-up has no answer is used, though its event is not read."""
        self.inspector.gate = Gate()
        self.start()
        self.watcher.report(sighting(HERE, None, "urn:uuid:abc", xaddrs=XADDR))
        self.kernel.macs[HERE] = A
        self.clock.advance(LOOKUP_TIMEOUT)
        self.assertEqual(A, self.registry.candidate(1).mac)
        self.inspector.gate.open()

    def test_behind_a_repeater(self) -> None:
        """Where one MAC is that of several there is nothing to be waited for."""
        self.inspector.gate = Gate()
        self.inspector.answers[THERE] = inspection(THERE)
        self.kernel.macs = {HERE: C, THERE: C}
        self.start()
        for _ in range(2):
            for address, name in ((HERE, "r1"), (THERE, "r2")):
                self.watcher.report(sighting(address, C, name, xaddrs=(f"http://{address}/o",)))
        for _ in range(2):  # one host is asked for one device at a time
            self.inspector.gate.open()
        self.assertEqual((["epr-r1", "epr-r2"], 0), (self.ids(), self.detector.counts["failed_lookups"]))

    def test_news_of_a_nameless_device(self) -> None:
        """The kernel's news of an address where a device without a MAC stands are of that device, also in a sweep."""
        self.inspector.gate = Gate()
        self.start()
        self.see()
        self.kernel.macs[HERE] = A
        self.watcher.report(sighting(HERE, A, method="neighbours"))
        self.assertEqual(A, self.registry.candidate(1).mac)
        self.watcher.report(sighting(THERE, B, method="neighbours"))
        self.assertEqual((1,), self.registry.devices())
        self.inspector.gate.open()

    def test_nothing_waits(self) -> None:
        """Where no MAC is to be seen: beyond a router, on a tunnel, at an address of our own, without layer 2."""
        for address in ("192.168.7.7", ROUTED, ETH0.address):
            self.inspector.answers[address] = inspection(address)
        self.kernel.hangs = False
        self.start()
        for address in ("192.168.7.7", ROUTED, ETH0.address):
            self.watcher.report(sighting(address, None, f"urn:uuid:{address}", xaddrs=(f"http://{address}/o",)))
        self.assertEqual(3, len(self.ids()))

    def test_without_layer_2(self) -> None:
        """MAC_TRACKING_ENABLED is off: no name waits for a MAC."""
        self.mac_tracking = False
        self.start()
        self.watcher.report(sighting(HERE, None, "urn:uuid:abc", xaddrs=XADDR))
        self.assertEqual(["epr-abc"], self.ids())

    def test_a_known_camera(self) -> None:
        """An open port is that of a camera that was away, as its MAC shows: it has moved and is published once."""
        self.start()
        self.see()
        self.assertEqual([ID], self.ids())
        self.kernel.learn(HERE, None)
        self.inspector.answers[HERE] = Unreachable("no answer")
        self.validator.answers[MAIN] = Unreachable("no answer")
        self.clock.pump([1.0] * 400)
        self.assertFalse(self.camera().online)
        self.kernel.real = {MOVED: A}
        self.inspector.answers[MOVED] = inspection(MOVED)
        self.watcher.report(sighting(MOVED, None, rtsp_ports=(554,)))
        self.clock.pump([1.0] * 20)
        self.assertEqual(([ID], MOVED, True), (self.ids(), self.camera().address, self.camera().online))
        self.assertEqual(0, self.detector.counts["named_without_mac"])

    def test_after_an_answer_that_was_missed(self) -> None:
        """A device that did not answer the first time is there when it does: its MAC is taken for its own."""
        self.inspector.answers[HERE] = Unreachable("no answer")
        self.start()
        self.see()
        self.inspector.answers[HERE] = inspection(HERE)
        self.clock.pump([1.0] * 100)
        self.see()
        self.assertEqual([ID], self.ids())


class GateTests(SynchronousTestCase):
    def test_where_a_mac_is_seen(self) -> None:
        """On links that resolve addresses; there not at our own address."""
        gate = AddressGate(no_networks, MemoryNeighbours(ETH0, TUNNEL, LOOPBACK, LINK_LOCAL).interfaces)
        self.assertFalse(gate.shows_mac(HERE))
        self.successResultOf(Deferred.fromCoroutine(gate.refresh()))
        for address, shown in (
            (HERE, True),
            (ETH0.address, False),
            (ROUTED, False),
            ("192.168.7.7", False),
            ("127.0.0.2", False),
            ("fe80::5%eth0", True),
            ("fe80::9%eth0", False),
            ("no address", False),
        ):
            self.assertEqual(shown, gate.shows_mac(address), address)


class LeftTests(DetectorCase):
    """A camera moves while something is under way at its old address."""

    def setUp(self) -> None:
        super().setUp()
        self.inspector.answers[MOVED] = inspection(MOVED)
        self.kernel = SlowOnce(ETH0)
        self.kernel.macs[HERE] = A
        self.neighbours = self.kernel
        self.start()
        self.watcher.report(sighting(HERE, A, "abc", xaddrs=XADDR))
        self.clock.pump([1.0] * 30)
        self.listener.take()

    def move(self) -> None:
        del self.kernel.macs[HERE]
        self.kernel.macs[MOVED] = A
        self.watcher.report(sighting(MOVED, A, "abc", xaddrs=(f"http://{MOVED}/o",)))
        self.assertEqual(MOVED, self.registry.cameras()[0].address)

    def test_what_was_said_before(self) -> None:
        """A sighting whose look-up outlasts the move is dropped: neither does the camera move back, nor is it two."""
        for learnt in ({}, {HERE: A}):
            del self.kernel.macs[HERE]
            self.watcher.report(sighting(HERE, None, "abc", xaddrs=XADDR))
            self.kernel.macs[HERE] = A
            self.move()
            self.kernel.macs.update(learnt)
            self.kernel.gate.open()
            self.clock.pump([0.1] * 3)
            self.assertEqual(((1,), MOVED), (self.registry.devices(), self.registry.cameras()[0].address))
            self.assertFalse(self.registry.is_at(1, HERE))
            self.tearDown()
            self.setUp()

    def test_another_camera_comes(self) -> None:
        """Who stands at the address now, by its own MAC, is seen."""
        del self.kernel.macs[HERE]
        self.watcher.report(sighting(HERE, None, "other", xaddrs=XADDR))
        self.kernel.macs[HERE] = A
        self.move()
        self.kernel.macs[HERE] = B
        self.kernel.gate.open()
        self.clock.pump([0.1] * 3)
        self.assertEqual([ID, B.compact], self.ids())

    def test_a_time_out(self) -> None:
        """An inspection at the old address that takes too long is no missed check of the camera that has moved."""
        self.inspector.gate = Gate()
        self.detector.check(ID)
        self.move()
        self.assertEqual(1, self.inspector.gate.waiting)
        self.clock.pump([1.0] * 21)
        self.assertEqual((0, True), (self.registry.missed_checks(1), self.registry.cameras()[0].online))
        self.inspector.gate.open()


class SlowOnce(MemoryNeighbours):
    """Has to ask for what it does not know, and answers when its gate is opened."""

    def __init__(self, *addresses: Interface) -> None:
        super().__init__(*addresses)
        self.gate = Gate()

    async def mac_of(self, address: str) -> Mac | None:
        await self.gate.wait()
        return await super().mac_of(address)
