"""Who is heard on a group: whoever stands on the link or in a listed network; of all others it is only recorded."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from ipaddress import ip_network
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import capturedLogs

from tests.discovery.case import GroupCase
from tests.discovery.test_mdns import AXIS, response as mdns_response
from tests.discovery.test_ssdp import notice
from tests.discovery.test_wsdiscovery import answering, camera
from tests.doubles.ssdp_device import notify
from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.multicast.discoverer import MulticastSettings
from twisted_detector.discovery.multicast.listener import MAX_BEYOND
from twisted_detector.discovery.ssdp import SSDP
from twisted_detector.discovery.wsdiscovery.discoverer import WSDiscovery
from twisted_detector.discovery.wsdiscovery.listener import WSDiscoveryListener
from twisted_detector.model import Candidate, Interface
from twisted_detector.model.reach import Network
from twisted_detector.testing.lan import ETH0
from twisted_detector.testing.simulator.wire import wsdiscovery as wsd_device

ETH0_IPV6 = Interface("eth0", 2, "fe80::9", 64)
WRONG = "192.168.1.108"
HELLO = wsd_device.hello(camera(WRONG), message_id="m")
BYE = wsd_device.bye("urn:uuid:CAFE", message_id="m")

#: Discoverer, what a camera announces, and what it says when it leaves.
PROTOCOLS: tuple[tuple[Callable[..., Any], bytes, bytes], ...] = (
    (WSDiscovery, HELLO, BYE),
    (MDNS, mdns_response(AXIS), b""),
    (SSDP, notify(notice("alive")), notify(notice("byebye"))),
)


class BeyondTheLink(GroupCase):
    interfaces = (ETH0, ETH0_IPV6)

    def make(self, kind: Callable[..., Any] = WSDiscovery, *, listed: Sequence[Network] = ()) -> Any:
        self.recorded: list[tuple[str, str, str]] = []
        return kind(
            self.clock,
            self.neighbours,
            settings=MulticastSettings(
                listed=lambda: listed,
                record=lambda at, address, source, text: self.recorded.append((address, source, text)),
            ),
            random=Random(7),
            monotonic=self.clock.seconds,
            open_multicast=self.lan.open_multicast,
        )

    def watch(self, kind: Callable[..., Any], **more: Any) -> None:
        self.discovery = self.make(kind, **more)
        self.discovery.startWatching(self.sink)
        self.addCleanup(self.discovery.stopWatching)

    def tearDown(self) -> None:
        self.doCleanups()
        super().tearDown()

    def say(self, data: bytes, sender: str) -> None:
        self.lan.multicast(data, sender)
        self.clock.advance(0.001)

    def test_another_network(self) -> None:
        """In every protocol: it is no candidate and its goodbye is none; it is recorded once, with what to do."""
        for kind, hello, bye in PROTOCOLS:
            self.watch(kind)
            for data in (hello, hello, bye):
                self.say(data, WRONG)
            self.assertEqual(([], []), (self.sink.sightings, self.sink.departures), kind)
            [(address, source, text)] = self.recorded
            self.assertEqual((WRONG, self.discovery.name), (address, source))
            self.assertIn("it speaks from 192.168.1.108, which is no network of eth0", text)
            self.assertIn("SCAN_NETWORKS", text)
            self.doCleanups()

    def test_on_the_link(self) -> None:
        """A network of the interface, and link-local IPv6, are on the link."""
        for kind, hello, _ in PROTOCOLS:
            self.watch(kind)
            for sender in ("10.0.0.5", "fe80::5%eth0"):
                self.sink.sightings.clear()
                self.say(hello, sender)
                self.assertEqual({sender}, {one.address for one in self.sink.sightings}, kind)
            self.assertEqual([], self.recorded)
            self.doCleanups()

    def test_failing_parser(self) -> None:
        """A parser that raises what it should not costs its datagram, and is told of few; the others are read."""

        def fail(listener: Any, data: bytes, origin: Any) -> None:
            if data != HELLO:
                raise KeyError("no")
            handle(listener, data, origin)

        handle = WSDiscoveryListener.handle
        self.patch(WSDiscoveryListener, "handle", fail)
        self.watch(WSDiscovery, listed=(ip_network("192.168.1.0/24"),))
        for number in range(64):
            self.lan.multicast(b"%d" % number, "10.0.0.66")
        self.say(HELLO, WRONG)
        self.clock.advance(5.0)
        self.assertEqual([WRONG], [one.address for one in self.sink.sightings])
        self.assertEqual(8, len(self.flushLoggedErrors(KeyError)))
        self.assertEqual(8, self.discovery.counts["malformed"])

    def test_listed(self) -> None:
        """A camera of a listed network is reported, though it is none of the link's."""
        for kind, hello, _ in PROTOCOLS:
            self.sink.sightings.clear()
            self.watch(kind, listed=(ip_network("192.168.1.0/24"),))
            self.say(hello, WRONG)
            self.assertEqual([WRONG], [one.address for one in self.sink.sightings], kind)
            self.doCleanups()

    def test_flood(self) -> None:
        """Forged senders of other networks have bounds of their own: a camera beside them is heard, few recorded."""
        self.neighbours.addresses = [ETH0]
        self.watch(WSDiscovery)
        with capturedLogs() as logged:
            for number in range(6000):
                self.lan.multicast(
                    wsd_device.hello(camera("10.0.0.5", f"u{number}"), message_id="m"),
                    f"198.18.{number // 250}.{number % 250}",
                )
                if number % 1000 == 0:
                    self.clock.advance(0.001)
            self.say(HELLO, "10.0.0.5")
            for _ in range(300):
                self.clock.advance(0.01)
        self.assertEqual(["10.0.0.5"], [one.address for one in self.sink.sightings])
        self.assertLessEqual(len(self.recorded), MAX_BEYOND)
        self.assertEqual(1, len([event for event in logged if "about" in event]))
        self.assertEqual(6000, self.discovery.counts["beyond_link"])

    def test_what_was_asked(self) -> None:
        """An address that was asked by itself, behind a router, may answer from there; another in its place may not."""
        far = "10.20.0.5"
        self.lan.attach(far, answering(camera(far)), interface="")
        for address, seen in ((far, [far]), ("10.20.0.6", [])):
            self.sink.sightings.clear()
            asking = Deferred.fromCoroutine(self.discovery.probe(address, self.sink))
            self.lan.unicast(
                wsd_device.probe_match([camera("10.30.0.1", "x")], message_id="m", relates_to=""),
                "10.30.0.1",
                interface="",
            )
            self.run_until(self.clock.seconds() + 2)
            self.successResultOf(asking)
            self.assertEqual(seen, [one.address for one in self.sink.sightings])
        found = Deferred.fromCoroutine(self.discovery.find(Candidate("x", far, endpoint_reference="cafe"), self.sink))
        self.run_until(self.clock.seconds() + 2)
        self.successResultOf(found)
        self.assertEqual([far], [one.address for one in self.sink.sightings])
