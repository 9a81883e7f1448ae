"""Tests of ``discovery.wsdiscovery``, on a LAN in memory."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from ipaddress import IPv4Network, ip_network
from itertools import pairwise
from random import Random
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import capturedLogs
from zope.interface.verify import verifyObject

from tests.discovery.case import GroupCase, Watching
from twisted_detector.discovery.multicast.discoverer import MulticastSettings
from twisted_detector.discovery.multicast.listener import ListenerContext, Origin
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.wsdiscovery.dialects import Dialects
from twisted_detector.discovery.wsdiscovery.discoverer import WSDiscovery
from twisted_detector.discovery.wsdiscovery.listener import WSDiscoveryListener
from twisted_detector.discovery.wsdiscovery.unicast import UnicastProbes
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import IAddressProbe, IDiscoverer, IFinder, IQuickSweep, IWatcher
from twisted_detector.model import Candidate, Evidence, EvidenceKind, Interface
from twisted_detector.model.addresses import Exclusions
from twisted_detector.testing.lan import ETH0, LOOPBACK, MemoryNeighbours
from twisted_detector.testing.simulator.wire import wsdiscovery as wsd_device
from twisted_detector.wire.lan import wsdiscovery as wire

ETH0_IPV6 = Interface("eth0", 2, "fe80::9", 64)
ETH1 = Interface("eth1", 3, "10.1.0.9", 24)
#: A link on which any address of 10.0.0.0/8 may speak.
WIDE = replace(ETH0, prefix_length=8)


def camera(host: str, reference: str = "urn:uuid:CAFE", **overrides: object) -> wire.Match:
    fields: dict[str, object] = {
        "types": (wire.NETWORK_VIDEO_TRANSMITTER,),
        "scopes": ("onvif://www.onvif.org/name/Front%20door", "onvif://www.onvif.org/MAC/02-00-00-00-00-05"),
        "xaddrs": (f"http://{host}/onvif/device_service",),
    }
    fields.update(overrides)
    return wire.Match(reference, **fields)  # type: ignore[arg-type]


PRINTER = wire.Match(
    "urn:uuid:F00D", ("{http://schemas.xmlsoap.org/ws/2006/02/devprof}Device",), (), ("http://10.0.0.8/",)
)

_OTHERS = (
    '<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery"'
    ' xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof"'
    ' xmlns:pub="http://schemas.microsoft.com/windows/pub/2005/07"'
    ' xmlns:pnpx="http://schemas.microsoft.com/windows/pnpx/2005/10"'
    ' xmlns:wprt="http://schemas.microsoft.com/windows/2006/08/wdp/print"'
    ' xmlns:wscn="http://schemas.microsoft.com/windows/2006/08/wdp/scan"'
    "><soap:Header><wsa:RelatesTo>%s</wsa:RelatesTo></soap:Header><soap:Body>%s</soap:Body></soap:Envelope>"
)


def others(relates_to: str = "") -> list[bytes]:
    """What computers, a Synology, printers and scanners say to any probe, or of themselves when it is to nobody."""
    said = []
    for number, (types, xaddrs) in enumerate(
        (
            ("wsdp:Device pub:Computer", "http://10.0.0.8:5357/12345678-1234"),
            ("wsdp:Device pnpx:Computer", "http://10.0.0.8:5357/12345678-1234"),
            ("wsdiscovery:Device", "http://nas:5000/wsd/12345678-1234"),
            ("wsdp:Device pub:Computer", "http://nas:5000/wsd/12345678-1234 http://[fe80::8]:5000/wsd/12345678-1234"),
            ("wsdp:Device", "http://10.0.0.8:3911/"),
            ("wsdp:Device wprt:PrintDeviceType wscn:ScanDeviceType", "http://10.0.0.8:5358/WSDScanner"),
            ("wsdp:Device wprt:PrintDeviceType", "http://10.0.0.8/onvif/"),
            ("wscn:ScanDeviceType", ""),
            ("", ""),
        )
    ):
        one = (
            f"<wsa:EndpointReference><wsa:Address>urn:uuid:{number}</wsa:Address></wsa:EndpointReference>"
            f"<wsd:Types>{types}</wsd:Types><wsd:Scopes>ldap:///uuid/1</wsd:Scopes><wsd:XAddrs>{xaddrs}</wsd:XAddrs>"
        )
        answer = f"<wsd:ProbeMatches><wsd:ProbeMatch>{one}</wsd:ProbeMatch></wsd:ProbeMatches>"
        said.append((_OTHERS % (relates_to, answer if relates_to else f"<wsd:Hello>{one}</wsd:Hello>")).encode())
    return said


def answering(*matches: wire.Match, only: wire.Dialect | None = None) -> Callable[[bytes, str], Iterable[bytes]]:
    """A device that answers every probe (of one dialect) with one datagram."""

    def device(data: bytes, sender: str) -> Iterable[bytes]:
        asked = wire.parse(data)
        if only is not None and (asked.types, asked.version) != (
            (only.value[0],) if only.value[0] else (),
            only.value[1],
        ):
            return []
        return [
            wsd_device.probe_match(matches, message_id="urn:uuid:1", relates_to=asked.message_id, version=asked.version)
        ]

    return device


class DiscoveryCase(GroupCase):
    """A WSDiscovery on a LAN in memory."""

    interfaces = (LOOPBACK, ETH0, ETH0_IPV6)

    def make(self, *, include_loopback: bool = False) -> WSDiscovery:
        return WSDiscovery(
            self.clock,
            self.neighbours,
            settings=MulticastSettings(include_loopback=lambda: include_loopback),
            random=Random(7),
            monotonic=self.clock.seconds,
            open_multicast=self.lan.open_multicast,
        )


class SweepTests(DiscoveryCase):
    """Sweeping once."""

    def test_interfaces(self) -> None:
        """It is a discoverer and a watcher."""
        verifyObject(IDiscoverer, self.discovery)
        verifyObject(IWatcher, self.discovery)

    def test_sighting(self) -> None:
        """A camera is reported with all that its answer tells, the moment that the answer comes."""
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        sweeping = self.begin()
        self.clock.advance(0.001)
        (sighting,) = self.sink.sightings
        self.assertNoResult(sweeping)
        self.assertEqual(
            (sighting.method, sighting.address, sighting.interface, sighting.name, sighting.endpoint_reference),
            ("wsdiscovery", "10.0.0.5", "eth0", "Front door", "cafe"),
        )
        self.assertEqual(sighting.xaddrs, ("http://10.0.0.5/onvif/device_service",))
        self.assertEqual((sighting.types, sighting.mac, sighting.seen_at), (("NetworkVideoTransmitter",), None, 0.001))
        self.assertEqual(
            sighting.evidence,
            (
                Evidence(EvidenceKind.ENDPOINT_REFERENCE, "cafe", "wsdiscovery", 0.001),
                Evidence(EvidenceKind.SCOPE_MAC, "02:00:00:00:00:05", "wsdiscovery", 0.001),
            ),
        )
        self.run_until(3.1)
        self.successResultOf(sweeping)
        self.assertEqual(len(self.sink.sightings), 1)

    def test_others(self) -> None:
        """Who answers every probe and is no camera is not taken in, whatever it was asked for."""
        self.lan.attach("10.0.0.8", lambda data, sender: others(wire.parse(data).message_id))
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        self.sweep()
        self.assertEqual([one.address for one in self.sink.sightings], ["10.0.0.5"])
        self.assertEqual((self.discovery.counts["malformed"], self.discovery.counts["non_cameras"]), (0, len(others())))

    def test_bad_neighbours(self) -> None:
        """A device that is described badly, or cut off, costs itself: those beside it in the datagram are reported."""
        bad = camera("10.0.0.5", "urn:uuid:BAD", xaddrs=("http://10.0.0.5:99999/onvif/x",), scopes=("?" * 999,))

        def device(data: bytes, sender: str) -> Iterable[bytes]:
            whole = wsd_device.probe_match(
                [bad, camera("10.0.0.5", xaddrs=("http://10.0.0.5/a,http://10.0.0.5/b",)), camera("10.0.0.5", "u2")],
                message_id="urn:uuid:1",
                relates_to=wire.parse(data).message_id,
            )
            return [whole[: whole.rindex(b"XAddrs")]]

        self.lan.attach("10.0.0.5", device)
        self.sweep()
        self.assertEqual(
            [(one.endpoint_reference, one.xaddrs) for one in self.sink.sightings],
            [("bad", ()), ("cafe", ("http://10.0.0.5/a", "http://10.0.0.5/b"))],
        )
        self.assertEqual(self.discovery.counts["malformed"], 0)

    def test_dialects(self) -> None:
        """A camera that understands one dialect only is found, whichever it is."""
        for number, dialect in enumerate(wire.Dialect):
            self.lan.attach(f"10.0.0.{number}", answering(camera(f"10.0.0.{number}", f"u{number}"), only=dialect))
        self.sweep()
        self.assertEqual(sorted(one.address for one in self.sink.sightings), [f"10.0.0.{n}" for n in range(4)])

    def test_repetitions(self) -> None:
        """Every dialect is sent four times from every address under one message id, at growing distances."""
        times: dict[str, list[float]] = {}

        def device(data: bytes, sender: str) -> Iterable[bytes]:
            times.setdefault(wire.parse(data).message_id, []).append(self.clock.seconds())
            return []

        self.lan.attach("10.0.0.5", device)
        self.sweep()
        self.assertEqual(len(times), 8)
        self.assertEqual({local for _, local, _ in self.lan.sent}, {"10.0.0.9", "fe80::9"})
        for moments in times.values():
            self.assertEqual((len(moments), moments[0]), (4, 0))
            first, second, third = (later - earlier for earlier, later in pairwise(moments))
            self.assertTrue(0.04 <= first <= 0.26, first)
            self.assertTrue(first < second <= third + 0.011 and third <= 0.51, moments)
        self.assertEqual(self.discovery.counts["sent"], 32)

    def test_which_interfaces(self) -> None:
        """Loopback is used when it is asked for, interfaces without multicast never; of IPv6 one address per link."""
        self.neighbours.addresses += [
            Interface("eth0", 2, "2001:db8::9", 64),
            Interface("eth0", 2, "10.7.0.9", 24),
            Interface("wg0", 4, "10.8.0.2", 24, multicast=False),
            Interface("six0", 5, "2001:db8:6::9", 64),
        ]
        self.sweep()
        self.assertEqual({where for _, where, _ in self.lan.sent}, {"10.0.0.9", "10.7.0.9", "fe80::9", "2001:db8:6::9"})
        self.discovery = self.make(include_loopback=True)
        self.lan.attach("127.0.0.7", answering(camera("127.0.0.7:8001")), interface="lo")
        self.sweep()
        self.assertEqual(self.sink.sightings[-1].xaddrs, ("http://127.0.0.7:8001/onvif/device_service",))

    def test_several_in_one_datagram(self) -> None:
        """All matches of a datagram are reported, and what is no camera is counted only."""
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5", "a"), PRINTER, camera("10.0.0.5", "b")))
        self.sweep()
        self.assertEqual([one.endpoint_reference for one in self.sink.sightings], ["a", "b"])
        self.assertEqual(self.discovery.counts["non_cameras"], 2)
        self.assertEqual(self.discovery.counts["repeated"], 30)

    def test_clones(self) -> None:
        """Two devices with one EndpointReference are two sightings; the next sweep reports all again."""
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        self.lan.attach("10.0.0.6", answering(camera("10.0.0.6")))
        self.sweep()
        self.assertEqual([one.address for one in self.sink.sightings], ["10.0.0.5", "10.0.0.6"])
        self.sweep()
        self.assertEqual(len(self.sink.sightings), 4)

    def test_link_local(self) -> None:
        """An IPv6 camera is reported with the interface as scope, and the address that it spoke from comes first."""
        self.lan.attach(
            "fe80::5%eth0", answering(camera("[fe80::5]", xaddrs=("http://10.0.0.5/x", "http://[fe80::5]/x")))
        )
        self.sweep()
        self.assertEqual(self.sink.sightings[0].xaddrs, ("http://[fe80::5%25eth0]/x", "http://10.0.0.5/x"))

    def test_unrelated_answers(self) -> None:
        """An answer to nobody's question is counted and taken; Hello and Bye on an answer's port are not."""
        sweeping = self.begin()
        self.lan.unicast(wsd_device.probe_match([camera("10.0.0.5")], message_id="m", relates_to="mangled"), "10.0.0.5")
        self.lan.unicast(wsd_device.hello(camera("10.0.0.6"), message_id="m"), "10.0.0.6")
        self.lan.unicast(wsd_device.bye("urn:uuid:CAFE", message_id="m"), "10.0.0.5")
        self.run_until(3.1)
        self.successResultOf(sweeping)
        self.assertEqual([one.address for one in self.sink.sightings], ["10.0.0.5"])
        self.assertEqual(self.sink.departures, [])
        self.assertEqual(self.discovery.counts["unrelated"], 1)

    def test_broken_interface(self) -> None:
        """An interface that cannot send or open is complained of once, and the others go on."""
        self.neighbours.addresses += [ETH1, Interface("eth2", 4, "10.2.0.9", 24)]
        self.lan.broken.add("eth1")
        self.lan.closed.add("eth2")
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        with capturedLogs() as logged:
            self.sweep()
            self.sweep()
        about = [event["about"] for event in logged if "about" in event]
        self.assertEqual(about, ["probing from 10.2.0.9 on eth2", "probing from 10.1.0.9 on eth1"])
        self.assertEqual(len(self.sink.sightings), 2)

    def test_nothing_works(self) -> None:
        """When no interface can be probed, the sweep fails at once: silence would say that no camera is there."""
        self.lan.broken.add("eth0")
        self.failureResultOf(self.begin(), CamdetectError)
        self.neighbours.addresses.clear()
        self.failureResultOf(self.begin(), CamdetectError)
        self.neighbours.problem = CamdetectError("no kernel")
        self.failureResultOf(self.begin(), CamdetectError)

    def test_cancelled(self) -> None:
        """A sweep that is cancelled closes its sockets and sends no more."""
        sweeping = self.begin()
        sent = len(self.lan.sent)
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        self.clock.advance(1)
        self.assertEqual(len(self.lan.sent), sent)


class SlowListener(WSDiscoveryListener):
    """Takes 10 ms to read each datagram."""

    def __init__(self, context: ListenerContext, spent: list[float]) -> None:
        super().__init__(context)
        self._spent = spent

    def handle(self, data: bytes, origin: Origin) -> None:
        self._spent[0] += 0.01
        super().handle(data, origin)


class HostileTests(DiscoveryCase):
    """Whoever sends nonsense, or too much."""

    def test_malformed(self) -> None:
        """Malformed datagrams are counted and hurt no other; after eight, their sender is not heard in this sweep."""
        nonsense = iter(range(10_000))
        self.lan.attach("10.0.0.66", lambda data, sender: [b"<a%d" % next(nonsense), b"\xff" * next(nonsense)])
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        self.sweep()
        self.assertEqual(len(self.sink.sightings), 1)
        self.assertEqual((self.discovery.counts["malformed"], self.discovery.counts["dropped"]), (8, 64 - 8))

    def test_slow_reading(self) -> None:
        """A quarter of each second is spent on reading, whatever was made to take long; what is over waits its turn."""
        spent = [0.0]
        listener = SlowListener(
            ListenerContext(
                self.sink,
                self.clock,
                lambda: self.clock.seconds() + spent[0],
                self.discovery.counts,
                lambda about, problem: None,
            ),
            spent,
        )
        receive = listener.receiver("eth0", [WIDE])
        for number in range(60):
            receive(b"%d" % number, f"10.9.9.{number}")
        self.assertEqual(1, self.discovery.counts["malformed"])  # 10 ms are too long for a second one in this turn
        for _ in range(200):
            self.clock.advance(0.01)
            self.assertLessEqual(spent[0], 0.25 + 0.25 * (self.clock.seconds() + spent[0]) + 0.02)
        self.assertEqual((60, 0), (self.discovery.counts["malformed"], self.discovery.counts["dropped"]))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_one_forger(self) -> None:
        """One sender gets at most 64 sightings and 256 datagrams, and the camera beside it is still seen."""
        sweeping = self.begin()
        for number in range(300):
            forged = wsd_device.probe_match([camera("10.0.0.66", f"u{number}")], message_id="m", relates_to="")
            self.lan.unicast(forged, "10.0.0.66")
        self.lan.unicast(wsd_device.probe_match([camera("10.0.0.5")], message_id="m", relates_to=""), "10.0.0.5")
        self.run_until(3.1)
        self.successResultOf(sweeping)
        self.assertEqual(len([one for one in self.sink.sightings if one.address == "10.0.0.66"]), 64)
        self.assertEqual(self.sink.sightings[-1].address, "10.0.0.5")
        self.assertEqual((self.discovery.counts["dropped"], self.discovery.counts["repeated"]), (89, 256))

    def test_many_forgers(self) -> None:
        """All senders together get so many sightings in a sweep, and no more."""
        bounds = replace(WSDiscoveryListener.bounds, sightings=100, senders=150)
        self.patch(WSDiscoveryListener, "bounds", bounds)
        self.neighbours.addresses = [WIDE]
        sweeping = self.begin()
        for number in range(200):
            forged = wsd_device.probe_match([camera("10.0.0.66")], message_id="m", relates_to="")
            self.lan.unicast(forged, f"10.9.9.{number}")
        self.run_until(3.1)
        self.successResultOf(sweeping)
        self.assertEqual(len(self.sink.sightings), 100)
        self.assertEqual(self.discovery.counts["dropped"], 200 - 150)

    def test_flood(self) -> None:
        """A flood of 20 senders, each datagram another, takes their turns only: 250 cameras beside it are all heard."""
        spent = [0.0]
        listener = SlowListener(
            ListenerContext(
                self.sink,
                self.clock,
                lambda: self.clock.seconds() + spent[0],
                self.discovery.counts,
                lambda about, problem: None,
            ),
            spent,
        )
        receive = listener.receiver("eth0", [WIDE])
        cameras = [f"10.0.{n // 250}.{n % 250}" for n in range(250)]
        for n in range(10_000):
            receive(wsd_device.hello(camera("10.9.9.9", f"u{n}"), message_id="m"), f"10.9.9.{n % 20}")
            if n % 40 == 0:
                receive(wsd_device.hello(camera(cameras[n // 40]), message_id="m"), cameras[n // 40])
        for _ in range(3000):
            self.clock.advance(0.01)
        self.assertLessEqual(set(cameras), {one.address for one in self.sink.sightings})
        self.assertGreater(self.discovery.counts["dropped"], 4000)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_logged_faults_are_bounded(self) -> None:
        """What is remembered of who sent nonsense is bounded."""
        for number in range(3000):
            self.discovery.log_problem(f"a datagram of {number}", ValueError())
        self.assertEqual(len(self.discovery._logged), 1024)


class WatchTests(Watching, DiscoveryCase):
    """Listening all the time."""

    def say(self, data: bytes, sender: str = "10.0.0.5", interface: str = "eth0") -> None:
        self.lan.multicast(data, sender, interface=interface)
        self.clock.advance(0.001)

    def test_hello(self) -> None:
        """A Hello is reported once: its repetitions are no news, one five seconds later is."""
        hello = wsd_device.hello(camera("10.0.0.5"), message_id="m")
        for _ in range(4):
            self.say(hello)
        (sighting,) = self.sink.sightings
        self.assertEqual((sighting.address, sighting.endpoint_reference), ("10.0.0.5", "cafe"))
        self.clock.advance(5)
        self.say(hello)
        self.assertEqual(len(self.sink.sightings), 2)

    def test_bye(self) -> None:
        """A Bye is reported once; a Hello after it is news at once, and so is a Bye after that."""
        hello = wsd_device.hello(camera("10.0.0.5"), message_id="m")
        bye = wsd_device.bye("urn:uuid:CAFE", message_id="m")
        for data in (hello, bye, bye, hello, bye):
            self.say(data)
        self.assertEqual(len(self.sink.sightings), 2)
        self.assertEqual(self.sink.departures, [("wsdiscovery", "10.0.0.5")] * 2)

    def test_others(self) -> None:
        """Probes (our own too), printers and nonsense are not reported."""
        self.say(wire.probe("m", wire.Dialect.ANY), "10.0.0.9")
        self.say(wsd_device.hello(PRINTER, message_id="m"))
        for hello in others():
            self.say(hello, "10.0.0.8")
        self.say(wsd_device.probe_match([camera("10.0.0.5")], message_id="m", relates_to=""))
        self.say(b"NOTIFY * HTTP/1.1\r\n\r\n")
        self.assertEqual((self.sink.sightings, self.sink.departures), ([], []))

    def test_interfaces_come_and_go(self) -> None:
        """One socket stands on each link and IP version; within ten seconds it follows what comes, goes and changes."""
        self.assertEqual(self.lan.open_ports, [("eth0", "10.0.0.9", True), ("eth0", "fe80::9", True)])
        self.neighbours.addresses += [ETH1, Interface("eth1", 3, "10.1.7.9", 24)]
        self.clock.advance(10)
        self.assertEqual(self.lan.open_ports[2:], [("eth1", "10.1.0.9", True)])
        self.say(wsd_device.hello(camera("10.1.0.5"), message_id="m"), "10.1.0.5", "eth1")
        self.assertEqual(self.sink.sightings[0].interface, "eth1")
        self.neighbours.addresses = [Interface("eth0", 2, "10.0.0.77", 24)]
        self.clock.advance(10)
        self.assertEqual(self.lan.open_ports, [("eth0", "10.0.0.77", True)])

    def test_port_taken(self) -> None:
        """A socket that cannot be opened is tried again later, and the sweep works without it."""
        self.discovery.stopWatching()
        self.lan.closed.add("eth0")
        self.discovery.startWatching(self.sink)
        self.assertEqual(self.lan.open_ports, [])
        self.lan.closed.clear()
        self.clock.advance(10)
        self.assertEqual(len(self.lan.open_ports), 2)

    def test_loop_survives(self) -> None:
        """When the interfaces cannot be told, what is open stays, and the next look is made."""
        self.neighbours.problem = RuntimeError("no kernel")
        self.clock.advance(10)
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)
        self.assertEqual(len(self.lan.open_ports), 2)
        self.neighbours.problem = None
        self.neighbours.addresses.append(ETH1)
        self.clock.advance(10)
        self.assertEqual(len(self.lan.open_ports), 3)

    def test_stopped_while_opening(self) -> None:
        """Stopping while the interfaces are being asked for opens nothing afterwards."""
        self.discovery.stopWatching()
        waiting: Deferred[tuple[Interface, ...]] = Deferred()

        class Slow(MemoryNeighbours):
            async def interfaces(self) -> tuple[Interface, ...]:
                return await waiting

        self.neighbours = Slow()
        self.discovery = self.make()
        self.discovery.startWatching(self.sink)
        self.discovery.stopWatching()
        self.assertTrue(waiting.called)
        self.assertEqual(self.lan.open_ports, [])


def resolving(reference: str, host: str) -> Callable[[bytes, str], Iterable[bytes]]:
    """A device that answers nothing but a Resolve of its own EndpointReference."""

    def device(data: bytes, sender: str) -> Iterable[bytes]:
        asked = wire.parse(data)
        if asked.kind != "resolve" or asked.endpoint_reference != reference:
            return []
        match = camera(host, reference)
        return [
            wsd_device.resolve_match(match, message_id="urn:uuid:2", relates_to=asked.message_id, version=asked.version)
        ]

    return device


class OtherLooks(DiscoveryCase):
    """Looking cheaply, at one address, and for one device."""

    def setUp(self) -> None:
        super().setUp()
        self.saved: dict[str, str] = {}

    def make(self, *, include_loopback: bool = False, **more: Any) -> WSDiscovery:
        return WSDiscovery(
            self.clock,
            self.neighbours,
            random=Random(7),
            monotonic=self.clock.seconds,
            open_multicast=self.lan.open_multicast,
            dialects=Dialects(lambda reference, names: self.saved.__setitem__(reference, names)),
            **more,
        )

    def finish(self, looking: Coroutine[Deferred[Any], Any, None], seconds: float = 2.0) -> None:
        done = Deferred.fromCoroutine(looking)
        self.run_until(self.clock.seconds() + seconds)
        self.successResultOf(done)

    def seen(self) -> list[str]:
        return [one.address for one in self.sink.sightings]

    def test_interfaces(self) -> None:
        """It offers all three."""
        for interface in (IQuickSweep, IAddressProbe, IFinder):
            verifyObject(interface, self.discovery)

    def test_dialects_are_remembered(self) -> None:
        """Each dialect that a camera answers is remembered, also when it answers all with the same words."""
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        self.lan.attach("10.0.0.6", answering(camera("10.0.0.6", "urn:uuid:D00D"), only=wire.Dialect.ANY))
        self.sweep()
        self.assertEqual({"cafe": "ANY DEVICE OASIS TRANSMITTER", "d00d": "ANY"}, self.saved)

    def test_quickly(self) -> None:
        """A quick look speaks the dialects that are needed, twice, on each interface; it finds a move."""
        leave = self.lan.attach("10.0.0.5", answering(camera("10.0.0.5"), only=wire.Dialect.OASIS))
        self.sweep()
        before = len(self.lan.sent)
        leave()
        self.lan.attach("10.0.0.7", answering(camera("10.0.0.7"), only=wire.Dialect.OASIS))
        self.finish(self.discovery.sweep_quickly(self.sink))
        asked = [wire.parse(data) for _, _, data in self.lan.sent[before:]]
        self.assertEqual((4, {wire.VERSION_2009}), (len(asked), {one.version for one in asked}))
        self.assertEqual(["10.0.0.5", "10.0.0.7"], self.seen())

    def test_at_one_address(self) -> None:
        """One address is asked in all dialects, from the interface of its network, and nobody else."""
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        self.finish(self.discovery.probe("10.0.0.5", self.sink))
        self.assertEqual(
            ([], {"10.0.0.5"}, 8), (self.lan.sent, {to for to, _ in self.lan.sent_to}, len(self.lan.sent_to))
        )
        self.assertEqual(["10.0.0.5"], self.seen())

    def test_excluded(self) -> None:
        """Nothing is sent to an excluded address."""
        self.discovery = self.make(excluded=Exclusions(["10.0.0.0/29"]))
        self.finish(self.discovery.probe("10.0.0.5", self.sink))
        self.assertEqual([], self.lan.sent_to)

    def test_resolve(self) -> None:
        """A device that has moved is found by its EndpointReference, in each notation."""
        for notation in ("urn:uuid:cafe", "uuid:cafe"):
            leave = self.lan.attach("10.0.0.77", resolving(notation, "10.0.0.77"))
            self.finish(self.discovery.find(Candidate("x", "10.0.0.5", endpoint_reference="cafe"), self.sink))
            leave()
        self.assertEqual(["10.0.0.77", "10.0.0.77"], self.seen())

    def test_find_one_that_is_still_there(self) -> None:
        """It is asked where it was, too."""
        self.lan.attach("10.0.0.5", answering(camera("10.0.0.5")))
        self.finish(self.discovery.find(Candidate("x", "10.0.0.5"), self.sink))
        self.assertIn("10.0.0.5", {to for to, _ in self.lan.sent_to})
        self.assertIn("10.0.0.5", self.seen())

    def test_cancelled(self) -> None:
        """Each may be cancelled; every socket is closed."""
        candidate = Candidate("x", "10.0.0.5", endpoint_reference="cafe")
        for looking in (
            self.discovery.sweep_quickly(self.sink),
            self.discovery.probe("10.0.0.5", self.sink),
            self.discovery.find(candidate, self.sink),
        ):
            done = Deferred.fromCoroutine(looking)
            self.clock.advance(0.2)
            done.cancel()
            self.failureResultOf(done, CancelledError)
            self.assertEqual([], self.lan.open_ports)

    def test_behind_a_router(self) -> None:
        """Each address of a named network beyond the links is asked once, at the rate; excluded ones are not."""
        self.discovery = self.make(
            networks=lambda: (ip_network("10.0.0.0/28"), ip_network("192.168.7.0/24")),
            excluded=Exclusions(["192.168.7.128/25"]),
            limiter=PacketRateLimiter(101, self.clock.seconds, self.clock),
        )
        self.lan.attach("192.168.7.7", answering(camera("192.168.7.7")), interface="far")
        sweeping = self.begin()
        self.run_until(4.0)
        self.assertLess(len(self.lan.sent_to), 110)
        self.run_until(6.5)
        self.successResultOf(sweeping)
        self.assertEqual({f"192.168.7.{n}" for n in range(128)}, {to for to, _ in self.lan.sent_to})
        self.assertEqual((128, ["192.168.7.7"]), (len(self.lan.sent_to), self.seen()))

    def test_networks_that_change(self) -> None:
        """Each sweep asks the networks that are named then; nothing is sent to one that was taken out."""
        networks = [ip_network("192.168.7.0/30")]
        self.discovery = self.make(networks=lambda: tuple(networks))
        for network in ("192.168.7.0/30", "192.168.8.0/30"):
            networks[:] = [ip_network(network)]
            self.lan.sent_to.clear()
            self.begin()
            self.clock.pump([0.1] * 70)
            self.assertEqual({str(one) for one in ip_network(network)}, {to for to, _ in self.lan.sent_to})
        networks.clear()
        self.lan.sent_to.clear()
        self.begin()
        self.clock.pump([0.1] * 70)
        self.assertEqual([], self.lan.sent_to)

    def test_left_to_another_node(self) -> None:
        """A network that is named, and that another node asks, is not asked; who answers from there is heard."""
        left, own = ip_network("192.168.7.0/30"), ip_network("192.168.8.0/30")
        self.discovery = self.make(networks=lambda: (left, own), probed=lambda: (own,))
        self.begin()
        self.clock.pump([0.1] * 70)
        self.assertEqual({str(one) for one in own}, {to for to, _ in self.lan.sent_to})

    def test_no_route(self) -> None:
        """That there is no route is told once, and not for each address of a network."""
        self.discovery = self.make(networks=lambda: (ip_network("192.168.7.0/28"),))
        self.lan.broken.add("")
        with capturedLogs() as logged:
            self.begin()
            self.clock.pump([0.1] * 70)
        self.assertEqual(1, sum("behind a router" in str(event.get("about")) for event in logged))

    def test_one_network(self) -> None:
        """A network that was added is asked alone, where it is beyond the links; the group has asked the others."""
        limiter = PacketRateLimiter(1000, self.clock.seconds, self.clock)
        limiter.traffic.follow((IPv4Network("192.168.7.0/30"),))
        self.discovery = self.make(limiter=limiter, excluded=Exclusions(("192.168.7.2",)))
        for network, asked in (("192.168.7.0/30", 3), ("10.0.0.0/28", 0), ("fd00::/112", 0), ("127.0.0.0/30", 0)):
            self.lan.sent_to.clear()
            sweeping = Deferred.fromCoroutine(self.discovery.sweep_network(ip_network(network), self.sink))
            self.clock.pump([0.1] * 30)
            self.successResultOf(sweeping)
            self.assertEqual(asked, len(self.lan.sent_to), network)
        self.assertEqual(3, limiter.traffic.of(IPv4Network("192.168.7.0/30")).hour)

    def test_a_large_network_behind_a_router(self) -> None:
        """Of a large network each sweep asks the next part."""
        networks = UnicastProbes(lambda: (ip_network("172.16.0.0/20"),), Exclusions())
        first, second = list(networks.due([ETH0])), list(networks.due([ETH0]))
        self.assertEqual((1024, 1024, set()), (len(first), len(second), set(first) & set(second)))
