"""The contracts of discovery, on the doubles and on every discoverer and watcher of ours."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from random import Random
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import Clock

from tests.discovery.test_arp_sweep import MemoryLink
from tests.discovery.test_mdns import answering as mdns_device, service
from tests.discovery.test_overhearing import Packets
from tests.discovery.test_ssdp import answering as ssdp_device, notice
from tests.discovery.test_wsdiscovery import answering as wsd_responder, camera
from tests.doubles import ssdp_device as ssdp_writer
from tests.doubles.dhcp_client import MAC, arp, dhcp, packet
from tests.doubles.kernel import FDClock
from tests.doubles.vendor_lan import Device as VendorDevice, MadeUp, VendorLAN
from tests.operations.eyes.case import EyesCase
from tests.testing.contracts.test_listeners import case_of
from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.multicast.discoverer import MulticastDiscoverer
from twisted_detector.discovery.neighbours.watcher import NeighbourWatcher
from twisted_detector.discovery.overhearing import PacketCapture
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.ssdp import SSDP
from twisted_detector.discovery.sweep.arp_sweep import ArpSweep, SweepDrivers
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.discovery.sweep.port_scan import PortScan
from twisted_detector.discovery.sweep.targets import SweepSettings
from twisted_detector.discovery.vendors.discoverer import VendorDiscovery
from twisted_detector.discovery.wsdiscovery.discoverer import WSDiscovery
from twisted_detector.errors import CamdetectError
from twisted_detector.model import Interface, Sighting
from twisted_detector.testing.contracts import (
    address_probe_contract,
    discoverer_contract,
    finder_contract,
    network_sweep_contract,
    quick_sweep_contract,
    watcher_contract,
)
from twisted_detector.testing.doubles import Gate, MemoryDiscoverer, MemoryWatcher
from twisted_detector.testing.lan import ETH0, LOOPBACK, Device, MemoryHosts, MemoryLAN, MemoryNeighbours
from twisted_detector.testing.simulator.wire import wsdiscovery as wsd_writer
from twisted_detector.wire.lan.mdns import response
from twisted_detector.wire.lan.ssdp import CAMERA

#: An interface without ARP: what is behind it is swept by TCP alone.
TUNNEL = Interface("wg0", 3, "10.0.0.9", 24, arp=False)


class MemoryDiscovererStage:
    """The double; its gate stands for the time that a sweep takes."""

    longest = 0.5

    def __init__(self) -> None:
        self.gate = Gate()
        self.discoverer = MemoryDiscoverer(gate=self.gate)

    def add_camera(self, address: str) -> None:
        if address not in [sighting.address for sighting in self.discoverer.sightings]:
            self.discoverer.sightings.append(Sighting("memory", address, 0.0))

    def fail(self, *, failing: bool) -> None:
        self.discoverer.problem = CamdetectError("no interface could be probed") if failing else None

    def sent(self) -> int:
        return 0

    def left_open(self) -> Sequence[object]:
        return [object()] * (self.gate.waiting + self.discoverer.running)

    def advance(self, seconds: float) -> None:
        self.gate.open()


class GroupStage:
    """A discoverer by multicast, on a LAN in memory."""

    longest = 3.5
    kind: type[MulticastDiscoverer]

    def __init__(self) -> None:
        self.clock = Clock()
        self.lan = MemoryLAN(self.clock)
        self.neighbours = MemoryNeighbours(LOOPBACK, ETH0)
        self.discoverer = self.watcher = self.kind(
            self.clock,
            self.neighbours,
            random=Random(7),
            monotonic=self.clock.seconds,
            open_multicast=self.lan.open_multicast,
        )

    def device(self, address: str) -> Device:
        """A camera that answers."""
        raise NotImplementedError

    def announcement(self, address: str) -> bytes:
        """What a camera sends to the group when it comes."""
        raise NotImplementedError

    def add_camera(self, address: str) -> None:
        self.lan.attach(address, self.device(address))

    def announce(self, address: str) -> None:
        self.lan.multicast(self.announcement(address), address)

    def disturb(self) -> None:
        self.lan.multicast(b"\xff not of this protocol", "10.0.0.7")
        self.lan.multicast(self.announcement("192.0.2.7"), "192.0.2.7")  # from beyond the link

    def fail(self, *, failing: bool) -> None:
        self.lan.broken = {"eth0", "lo"} if failing else set()

    def sent(self) -> int:
        return len(self.lan.sent) + len(self.lan.sent_to)

    def left_open(self) -> Sequence[object]:
        return [*self.lan.open_ports, *self.clock.getDelayedCalls()]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class WSDiscoveryStage(GroupStage):
    kind = WSDiscovery

    def device(self, address: str) -> Device:
        return wsd_responder(camera(address, f"urn:uuid:{address}"))

    def announcement(self, address: str) -> bytes:
        return wsd_writer.hello(camera(address, f"urn:uuid:{address}"), message_id=f"urn:uuid:hello-{address}")


class MDNSStage(GroupStage):
    kind = MDNS

    def device(self, address: str) -> Device:
        return mdns_device(*service(title=f"AXIS {address}", host=f"axis-{address[-1]}", address=address))

    def announcement(self, address: str) -> bytes:
        return response(service(title=f"AXIS {address}", host=f"axis-{address[-1]}", address=address))


class SSDPStage(GroupStage):
    kind = SSDP

    def device(self, address: str) -> Device:
        return ssdp_device(notice(target=CAMERA, name=f"uuid:{address}", host=address))

    def announcement(self, address: str) -> bytes:
        return ssdp_writer.notify(notice("alive", CAMERA, name=f"uuid:{address}", host=address))


class VendorStage(GroupStage):
    """Manufacturers' protocols, one of which devices announce themselves by, on links in memory."""

    protocols = (MadeUp("told", 1000, reply_port=1000, announces=True), MadeUp("direct", 2000, unicast=True))

    def __init__(self) -> None:
        self.clock = Clock()
        self.lan: Any = VendorLAN(self.clock)
        self.discoverer: Any = VendorDiscovery(
            self.clock,
            MemoryNeighbours(LOOPBACK, ETH0),
            protocols=self.protocols,
            open_udp=self.lan.open_udp,
            random=Random(7),
            monotonic=self.clock.seconds,
        )
        self.watcher = self.discoverer

    def add_camera(self, address: str) -> None:
        self.lan.attach(VendorDevice(address, self.protocols, mute=True))

    def announce(self, address: str) -> None:
        self.lan.deliver(self.protocols[0].answer(f"00:40:8c:00:00:{address[-1]:>02}"), address, 1000)

    def disturb(self) -> None:
        self.lan.deliver(b"\xff not of this protocol", "10.0.0.7", 1000)
        self.lan.deliver(self.protocols[0].answer("?"), "10.0.0.7", 1000)
        self.lan.deliver(self.protocols[0].answer(kind="other"), "10.0.0.7", 1000)
        self.lan.deliver(self.protocols[0].answer(), "192.0.2.7", 1000)  # from beyond the link

    def sent(self) -> int:
        return len(self.lan.sent)

    def left_open(self) -> Sequence[object]:
        return [*self.lan.ports, *self.clock.getDelayedCalls()]


class PortScanStage:
    """The sweep by TCP, of hosts in memory behind a tunnel."""

    longest = 12.0
    interface = TUNNEL

    def __init__(self) -> None:
        self.clock = Clock()
        self.hosts = MemoryHosts(self.clock)
        self.neighbours = MemoryNeighbours(LOOPBACK, self.interface)
        self.failing = False
        self.settings = SweepSettings(ports=(554, 8554), rtsp_ports=(554, 8554), networks=("10.0.0.0/28",))
        self.limiter = PacketRateLimiter(1000, self.clock.seconds)
        self.discoverer: Any = self.make()

    def make(self) -> Any:
        return PortScan(
            self.clock,
            self.neighbours,
            settings=lambda: self.settings,
            limiter=self.limiter,
            monotonic=self.clock.seconds,
            make_connector=self.connector,
        )

    def connector(self, reactor: IReactorTime) -> Any:
        if self.failing:
            raise OSError(errno.EMFILE, "Too many open files")
        return self.hosts.connector(reactor)

    def add_camera(self, address: str) -> None:
        self.hosts.ports[address] = {554: Outcome.OPEN, None: Outcome.REFUSED}

    def fail(self, *, failing: bool) -> None:
        self.failing = failing

    def sent(self) -> int:
        return len(self.hosts.attempts)

    def left_open(self) -> Sequence[object]:
        return [*self.hosts.running, *self.neighbours.watchers, *self.timers()]

    def timers(self) -> Sequence[object]:
        return self.clock.getDelayedCalls()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class ArpSweepStage(PortScanStage):
    """The sweep of a link by an ARP socket of our own, with a kernel and hosts in memory."""

    interface = ETH0
    raw = True

    def make(self) -> ArpSweep:
        self.link = MemoryLink(self.clock, self.neighbours, set())
        self.opened = 0
        return ArpSweep(
            self.clock,
            self.neighbours,
            settings=lambda: self.settings,
            limiter=self.limiter,
            drivers=SweepDrivers(self.connector, self.resolver, monotonic=self.clock.seconds),
        )

    def resolver(self, *arguments: Any) -> Any:
        if not self.raw:
            return self.link.kernel(*arguments)
        self.opened += 1
        return self.link.raw(*arguments)

    def add_camera(self, address: str) -> None:
        super().add_camera(address)
        self.link.living.add(address)

    def sent(self) -> int:
        return super().sent() + len(self.link.requests)

    def left_open(self) -> Sequence[object]:
        resolvers = [object()] * (self.opened - self.link.closed)
        return [*super().left_open(), *resolvers]

    def timers(self) -> Sequence[object]:
        """Those of the sweep; others are packets that are on their way."""
        ways = "tests.discovery.test_arp_sweep", MemoryNeighbours.__module__
        return [call for call in self.clock.getDelayedCalls() if call.func.__module__ not in ways]


class KernelArpSweepStage(ArpSweepStage):
    """The same through the kernel's own ARP."""

    raw = False


class MemoryWatcherStage:
    """The double."""

    longest = 0.0

    def __init__(self) -> None:
        self.watcher = MemoryWatcher()

    def announce(self, address: str) -> None:
        self.watcher.report(Sighting("memory-watcher", address, 0.0))

    def disturb(self) -> None:
        """Nothing reaches it but what the test has it report."""

    def left_open(self) -> Sequence[object]:
        return [] if self.watcher.sink is None else [self.watcher.sink]

    def advance(self, seconds: float) -> None:
        """Nothing in it takes time."""


class NeighbourWatcherStage:
    """The watcher of the neighbour table, over neighbours in memory."""

    longest = 0.1

    def __init__(self) -> None:
        self.clock = Clock()
        self.neighbours = MemoryNeighbours(ETH0)
        self.watcher = NeighbourWatcher(self.clock, self.neighbours)

    def announce(self, address: str) -> None:
        self.neighbours.learn(address, MAC)

    def disturb(self) -> None:
        self.neighbours.learn("10.0.0.7", None)

    def left_open(self) -> Sequence[object]:
        return [*self.neighbours.watchers, *self.clock.getDelayedCalls()]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class EyesStage:
    """The watcher of what eyes report, over a broker in memory."""

    longest = 0.1

    def __init__(self) -> None:
        self.case = case_of(EyesCase)
        self.case.neighbours.addresses = [Interface("eth1", 3, "192.168.7.9", 24)]
        self.watcher = self.case.watcher

    def announce(self, address: str) -> None:
        self.case.report(Sighting("wsdiscovery", address, 0.0, endpoint_reference=f"urn:{address}"))

    def disturb(self) -> None:
        self.case.deliver(b"\xff")

    def left_open(self) -> Sequence[object]:
        return [*self.case.neighbours.watchers, *self.case.clock.getDelayedCalls(), *self.case.subscriber.filters]

    def advance(self, seconds: float) -> None:
        self.case.clock.advance(seconds)


class CaptureStage:
    """The capture of packets, over a packet socket in memory; the kernel confirms what is claimed."""

    kind = "arp"
    longest = 9.0

    def __init__(self) -> None:
        self.clock = FDClock()
        self.sockets: list[Packets] = []
        self.neighbours = MemoryNeighbours(ETH0)
        self.watcher = PacketCapture(self.kind, self.clock, self.neighbours, open_socket=self.open)

    def open(self, kind: str) -> Packets:
        self.sockets.append(Packets())
        return self.sockets[-1]

    def claim(self, address: str) -> bytes:
        return arp(bytes(map(int, address.split("."))))

    def announce(self, address: str) -> None:
        self.neighbours.learn(address, MAC)
        self.receive(self.claim(address))

    def disturb(self) -> None:
        self.receive(b"\xff")
        self.receive(self.claim("10.0.0.7"))  # the kernel does not know it: a forgery

    def receive(self, data: bytes) -> None:
        for reader in tuple(self.clock.readers):
            self.sockets[-1].waiting.append((data, ("eth0", 0x800, 1, 1, b"")))
            reader.doRead()

    def left_open(self) -> Sequence[object]:
        open_sockets = [one for one in self.sockets if not one.closed]
        return [*open_sockets, *self.clock.readers, *self.clock.getDelayedCalls()]

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class DhcpCaptureStage(CaptureStage):
    kind = "dhcp"

    def claim(self, address: str) -> bytes:
        return packet(dhcp(b"\x32\x04" + bytes(map(int, address.split("."))) + b"\xff"))


class MemoryDiscovererTests(discoverer_contract(MemoryDiscovererStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class WSDiscoveryTests(discoverer_contract(WSDiscoveryStage)):  # type: ignore[misc]
    """WS-Discovery keeps the contract."""


class MDNSTests(discoverer_contract(MDNSStage)):  # type: ignore[misc]
    """Multicast DNS keeps the contract."""


class SSDPTests(discoverer_contract(SSDPStage)):  # type: ignore[misc]
    """SSDP keeps the contract."""


class VendorTests(discoverer_contract(VendorStage)):  # type: ignore[misc]
    """Manufacturers' protocols keep the contract."""


class VendorProbeTests(address_probe_contract(VendorStage)):  # type: ignore[misc]
    """Their probe of one address keeps the contract."""


class PortScanTests(discoverer_contract(PortScanStage)):  # type: ignore[misc]
    """The sweep by TCP keeps the contract."""


class ArpSweepTests(discoverer_contract(ArpSweepStage)):  # type: ignore[misc]
    """The sweep by our own ARP keeps the contract."""


class KernelArpSweepTests(discoverer_contract(KernelArpSweepStage)):  # type: ignore[misc]
    """The sweep by the kernel's ARP keeps the contract."""


class WSDiscoveryQuickTests(quick_sweep_contract(WSDiscoveryStage)):  # type: ignore[misc]
    """WS-Discovery's quick sweep keeps the contract."""


class WSDiscoveryProbeTests(address_probe_contract(WSDiscoveryStage)):  # type: ignore[misc]
    """WS-Discovery's probe of one address keeps the contract."""


class ArpSweepNetworkTests(network_sweep_contract(ArpSweepStage)):  # type: ignore[misc]
    """The sweep of one network of a link."""


class ArpSweepProbeTests(address_probe_contract(ArpSweepStage)):  # type: ignore[misc]
    """The ARP sweep's probe of one address keeps the contract."""


class WSDiscoveryFinderTests(finder_contract(WSDiscoveryStage)):  # type: ignore[misc]
    """WS-Discovery's search for one device keeps the contract."""


class MemoryWatcherTests(watcher_contract(MemoryWatcherStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class WSDiscoveryWatchTests(watcher_contract(WSDiscoveryStage)):  # type: ignore[misc]
    """The watcher of WS-Discovery keeps the contract."""


class MDNSWatchTests(watcher_contract(MDNSStage)):  # type: ignore[misc]
    """The watcher of Multicast DNS keeps the contract."""


class SSDPWatchTests(watcher_contract(SSDPStage)):  # type: ignore[misc]
    """The watcher of SSDP keeps the contract."""


class VendorWatchTests(watcher_contract(VendorStage)):  # type: ignore[misc]
    """The watcher of manufacturers' protocols keeps the contract."""


class NeighbourWatcherTests(watcher_contract(NeighbourWatcherStage)):  # type: ignore[misc]
    """The watcher of the neighbour table keeps the contract."""


class EyesTests(watcher_contract(EyesStage)):  # type: ignore[misc]
    """The watcher of what eyes report keeps the contract."""


class ArpCaptureTests(watcher_contract(CaptureStage)):  # type: ignore[misc]
    """The capture of ARP keeps the contract."""


class DhcpCaptureTests(watcher_contract(DhcpCaptureStage)):  # type: ignore[misc]
    """The capture of DHCP keeps the contract."""
