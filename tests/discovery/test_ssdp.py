"""Tests of ``discovery.ssdp``, on a LAN in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.discovery.case import GroupCase, Watching, made_with
from tests.doubles.ssdp_device import notify, response
from twisted_detector.discovery.ssdp import SSDP
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import IDiscoverer, IWatcher
from twisted_detector.model import Evidence, EvidenceKind, Interface
from twisted_detector.plugins.builtin import SSDPMaker
from twisted_detector.wire.lan.ssdp import AXIS, CAMERA, ROOT_DEVICE, Notice, parse

ETH0_IPV6 = Interface("eth0", 2, "fe80::9", 64)
AXIS_NAME = "uuid:Upnp-BasicDevice-1_0-ACCC8E123456"
PLAIN_NAME = "uuid:30623834-3036-6666-3661-0013230B8406"


def notice(
    kind: str = "response",
    target: str = ROOT_DEVICE,
    *,
    name: str = AXIS_NAME,
    host: str = "10.0.0.5",
    port: int = 49152,
) -> Notice:
    """What a device says of itself."""
    return Notice(kind, target, f"{name}::{target}", "Linux UPnP/1.0 Portable SDK", f"http://{host}:{port}/d.xml")


def answering(*notices: Notice) -> Callable[[bytes, str], Iterable[bytes]]:
    """A device that answers the searches for these targets."""
    return lambda data, sender: [response(one) for one in notices if one.target == parse(data).target]


class DiscoveryCase(GroupCase):
    """An SSDP on a LAN in memory."""

    def make(self) -> SSDP:
        return SSDP(
            self.clock,
            self.neighbours,
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
        """A camera is reported once, the moment that it answers, with no service address and no page fetched."""
        self.lan.attach("10.0.0.5", answering(notice(), notice(target=AXIS)))
        sweeping = self.begin()
        self.clock.advance(0.001)
        (sighting,) = self.sink.sightings
        self.assertNoResult(sweeping)
        self.assertEqual(
            (sighting.method, sighting.address, sighting.interface, sighting.seen_at),
            ("ssdp", "10.0.0.5", "eth0", 0.001),
        )
        self.assertEqual((sighting.open_ports, sighting.rtsp_ports, sighting.xaddrs), ((49152,), (554,), ()))
        self.assertEqual(
            sighting.evidence,
            (
                Evidence(EvidenceKind.UPNP, "upnp-basicdevice-1_0-accc8e123456", "ssdp", 0.001),
                Evidence(EvidenceKind.ANNOUNCED_MAC, "ac:cc:8e:12:34:56", "ssdp", 0.001),
                Evidence(EvidenceKind.VENDOR, "AXIS", "ssdp", 0.001),
            ),
        )
        self.clock.pump([0.01] * 310)
        self.successResultOf(sweeping)
        self.assertEqual(len(self.sink.sightings), 1)

    def test_camera_by_type(self) -> None:
        """A device whose general answer tells nothing is found by its answer to the search for cameras."""
        self.lan.attach("10.0.0.6", answering(notice(name=PLAIN_NAME), notice(target=CAMERA, name=PLAIN_NAME)))
        self.sweep()
        (sighting,) = self.sink.sightings
        self.assertEqual((sighting.address, sighting.rtsp_ports), ("10.0.0.6", ()))
        self.assertEqual([one.value for one in sighting.evidence], ["30623834-3036-6666-3661-0013230b8406"])

    def test_foreign_location(self) -> None:
        """The port of a description on another host is nobody's port here."""
        self.lan.attach("10.0.0.5", answering(notice(host="10.0.0.6")))
        self.sweep()
        self.assertEqual(self.sink.sightings[0].open_ports, ())

    def test_link_local(self) -> None:
        """A camera at a link-local address has its port, although the description names no scope."""
        self.neighbours.addresses = [ETH0_IPV6]
        self.lan.attach("fe80::5%eth0", answering(notice(host="[fe80::5]")))
        self.sweep()
        self.assertEqual([(one.address, one.open_ports) for one in self.sink.sightings], [("fe80::5%eth0", (49152,))])

    def test_searches(self) -> None:
        """Three targets are searched for twice within half a second, with the host of each IP version."""
        self.neighbours.addresses.append(ETH0_IPV6)
        sweeping = self.begin()
        self.assertEqual(len(self.lan.sent), 6)
        self.clock.advance(0.5)
        self.assertEqual(len(self.lan.sent), 12)
        self.assertEqual({parse(data).target for _, _, data in self.lan.sent}, {ROOT_DEVICE, CAMERA, AXIS})
        for _, local, data in self.lan.sent:
            self.assertEqual(b"HOST: [FF02::C]:1900" in data, local == "fe80::9")
            self.assertIn(b"MX: 2\r\n", data)
        self.clock.advance(2.5)
        self.successResultOf(sweeping)
        self.assertEqual(len(self.lan.sent), 12)

    def test_others(self) -> None:
        """Media servers are counted only; notices and searches on an answer's port are nothing."""
        media = Notice("response", ROOT_DEVICE, "uuid:1", "MiniDLNA/1.3.0", "http://10.0.0.8:8200/rootDesc.xml")
        self.lan.attach("10.0.0.8", answering(media))
        sweeping = self.begin()
        self.lan.unicast(notify(notice("alive")), "10.0.0.5")
        self.lan.unicast(notify(notice("byebye")), "10.0.0.5")
        self.lan.unicast(b"rubbish", "10.0.0.7")
        self.clock.pump([0.01] * 310)
        self.successResultOf(sweeping)
        self.assertEqual((self.sink.sightings, self.sink.departures), ([], []))
        self.assertEqual((self.discovery.counts["non_cameras"], self.discovery.counts["malformed"]), (1, 1))

    def test_forger(self) -> None:
        """One sender gets at most 64 sightings."""
        sweeping = self.begin()
        for number in range(100):
            self.lan.unicast(response(notice(target=CAMERA, name=f"uuid:{number}")), "10.0.0.66")
        self.clock.pump([0.01] * 310)
        self.successResultOf(sweeping)
        self.assertEqual(len(self.sink.sightings), 64)

    def test_nothing_works(self) -> None:
        """When no interface can be searched, the sweep fails at once."""
        self.lan.broken.add("eth0")
        self.failureResultOf(self.begin(), CamdetectError)

    def test_cancelled(self) -> None:
        """A sweep that is cancelled closes its sockets and sends no more."""
        sweeping = self.begin()
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        self.clock.advance(1)
        self.assertEqual(len(self.lan.sent), 3)


class MakerTests(SynchronousTestCase):
    """What the configuration says."""

    def test_switch(self) -> None:
        """It is made unless SSDP_ENABLED says no."""
        for given, made in (({}, True), ({"SSDP_ENABLED": "no"}, False)):
            self.assertEqual(made_with(SSDPMaker(), **given) is not None, made)


class WatchTests(Watching, DiscoveryCase):
    """Listening all the time."""

    def say(self, said: Notice, sender: str = "10.0.0.5") -> None:
        self.lan.multicast(notify(said), sender)
        self.clock.advance(0.001)

    def test_alive_and_byebye(self) -> None:
        """Coming and leaving are reported once each, although each is said for every target; then both are news."""
        for kind in ("alive", "byebye", "alive", "byebye"):
            for target in (ROOT_DEVICE, AXIS):
                self.say(notice(kind, target))
        self.assertEqual([(one.address, one.open_ports) for one in self.sink.sightings], [("10.0.0.5", (49152,))] * 2)
        self.assertEqual(self.sink.departures, [("ssdp", "10.0.0.5")] * 2)

    def test_plain_byebye(self) -> None:
        """A goodbye that does not tell a camera counts when the device was seen to be one, at that address."""
        self.say(notice("alive", CAMERA, name=PLAIN_NAME))
        self.clock.advance(20)
        self.say(notice("byebye", name=PLAIN_NAME), "10.0.0.6")
        self.say(notice("byebye", name="uuid:other"))
        self.assertEqual(self.sink.departures, [])
        self.say(notice("byebye", name=PLAIN_NAME))
        self.assertEqual(self.sink.departures, [("ssdp", "10.0.0.5")])

    def test_seen_by_sweep(self) -> None:
        """A device that a sweep saw to be a camera is missed when it leaves."""
        self.lan.attach("10.0.0.5", answering(notice(target=CAMERA, name=PLAIN_NAME)))
        self.sweep()
        self.say(notice("byebye", name=PLAIN_NAME))
        self.assertEqual(self.sink.departures, [("ssdp", "10.0.0.5")])

    def test_others(self) -> None:
        """Searches of others, answers to them and media servers are not reported."""
        self.lan.multicast(b'M-SEARCH * HTTP/1.1\r\nMAN: "ssdp:discover"\r\nST: ssdp:all\r\n\r\n', "10.0.0.9")
        self.lan.multicast(response(notice()), "10.0.0.5")
        self.say(Notice("alive", ROOT_DEVICE, "uuid:1", "MiniDLNA/1.3.0", "http://10.0.0.8:8200/rootDesc.xml"))
        self.say(Notice("byebye", ROOT_DEVICE, "uuid:1"))
        self.assertEqual((self.sink.sightings, self.sink.departures), ([], []))
