"""Tests of ``discovery.mdns``, on a LAN in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_network
from random import Random

from twisted.internet.defer import CancelledError
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.discovery.case import GroupCase, Watching, made_with
from twisted_detector.discovery.mdns import listener as mdns_listener
from twisted_detector.discovery.mdns.discoverer import MDNS
from twisted_detector.discovery.mdns.listener import MDNSListener
from twisted_detector.discovery.multicast.listener import ListenerContext
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import IDiscoverer, IWatcher
from twisted_detector.model import Announced, Evidence, EvidenceKind, Interface
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.plugins.builtin import MDNSMaker
from twisted_detector.testing.lan import ETH0
from twisted_detector.wire.lan.dns_sd import CAMERA_KINDS, kind_name
from twisted_detector.wire.lan.mdns import AAAA, PTR, SRV, TXT, A, Location, Question, Record, parse, query, response

ETH0_IPV6 = Interface("eth0", 2, "fe80::9", 64)
#: A link on which any address of 10.0.0.0/8 may speak.
WIDE = Interface("eth0", 2, "10.0.0.9", 8)


def service(
    kind: str = "_axis-video._tcp",
    title: str = "AXIS 1",
    *,
    port: int = 80,
    host: str = "axis-1",
    address: str = "10.0.0.5",
    ttl: int = 120,
    **entries: str,
) -> tuple[Record, ...]:
    """All records of one service."""
    pointer = kind_name(kind)
    instance = (title.encode(), *pointer)
    target = (host.encode(), b"local")
    return (
        Record(pointer, PTR, ttl, instance),
        Record(instance, SRV, ttl, Location(port, target)),
        Record(instance, TXT, ttl, tuple(f"{key}={value}".encode() for key, value in entries.items())),
        Record(target, AAAA if ":" in address else A, ttl, address),
    )


AXIS = service(macaddress="ACCC8E000001")


def answering(*records: Record, at_once: int = 9, first_only: bool = False) -> Callable[[bytes, str], Iterable[bytes]]:
    """A device that answers for ``records``: the first ``at_once`` with their pointer, others when asked by name."""

    def device(data: bytes, sender: str) -> Iterable[bytes]:
        asked = parse(data)
        questions = asked.questions[:1] if first_only else asked.questions
        found = [one for one in records if Question(one.name, one.type, unicast=True) in questions]
        if records[0] in found:
            found = list(records[:at_once])
        return [response(found, message_id=asked.id, questions=questions)] if found else []

    return device


class DiscoveryCase(GroupCase):
    """An MDNS on a LAN in memory."""

    def make(self, *networks: str) -> MDNS:
        return MDNS(
            self.clock,
            self.neighbours,
            networks=lambda: [ip_network(text) for text in networks],
            random=Random(7),
            monotonic=self.clock.seconds,
            open_multicast=self.lan.open_multicast,
        )

    @property
    def seen(self) -> list[tuple[str, str, tuple[int, ...], tuple[int, ...]]]:
        return [(one.address, one.name, one.open_ports, one.rtsp_ports) for one in self.sink.sightings]


class SweepTests(DiscoveryCase):
    """Sweeping once."""

    def test_interfaces(self) -> None:
        """It is a discoverer and a watcher."""
        verifyObject(IDiscoverer, self.discovery)
        verifyObject(IWatcher, self.discovery)

    def test_sighting(self) -> None:
        """A camera is reported with all that its records tell, the moment that the answer comes, and once."""
        self.lan.attach("10.0.0.5", answering(*AXIS))
        sweeping = self.begin()
        self.clock.advance(0.001)
        (sighting,) = self.sink.sightings
        self.assertNoResult(sweeping)
        self.assertEqual(
            (sighting.method, sighting.address, sighting.interface, sighting.name, sighting.types, sighting.seen_at),
            ("mdns", "10.0.0.5", "eth0", "AXIS 1", ("_axis-video._tcp",), 0.001),
        )
        self.assertEqual((sighting.open_ports, sighting.rtsp_ports, sighting.xaddrs), ((80,), (554,), ()))
        self.assertEqual(
            sighting.evidence,
            (
                Evidence(EvidenceKind.MDNS, "axis-1.local", "mdns", 0.001),
                Evidence(EvidenceKind.ANNOUNCED_MAC, "ac:cc:8e:00:00:01", "mdns", 0.001),
                Evidence(EvidenceKind.VENDOR, "AXIS", "mdns", 0.001),
            ),
        )
        self.clock.pump([0.01] * 310)
        self.successResultOf(sweeping)
        self.assertEqual(len(self.sink.sightings), 1)

    def test_kinds(self) -> None:
        """Each kind gives its port as what it is; of HomeKit only cameras and doorbells count."""
        for number, (kind, port, entries) in enumerate(
            (
                ("_axis-nvr._tcp", 80, {}),
                ("_arec._tcp", 8080, {}),
                ("_rtsp._tcp", 8554, {}),
                ("_onvif._tcp", 8000, {}),
                ("_hap._tcp", 51826, {"ci": "17", "id": "AA:BB:CC:00:00:17"}),
                ("_hap._tcp", 51827, {"ci": "18"}),
                ("_hap._tcp", 51828, {"ci": "2"}),
                ("_rtsp._tcp", 0, {}),
            )
        ):
            self.lan.attach(f"10.0.0.{number}", answering(*service(kind, "x", port=port, **entries)))
        self.sweep()
        self.assertEqual(
            self.seen,
            [
                ("10.0.0.0", "x", (80,), ()),
                ("10.0.0.1", "x", (8080,), ()),
                ("10.0.0.2", "x", (), (8554,)),
                ("10.0.0.3", "x", (8000,), ()),
                ("10.0.0.4", "x", (51826,), ()),
                ("10.0.0.5", "x", (51827,), ()),
                ("10.0.0.7", "x", (), ()),
            ],
        )
        self.assertEqual([one.value for one in self.sink.sightings[4].evidence], ["axis-1.local", "aa:bb:cc:00:00:17"])
        self.assertGreater(self.discovery.counts["non_cameras"], 0)

    def test_announced(self) -> None:
        """A camera of HomeKit says that it is no more than that, with its model; the others say nothing of that."""
        hap = {"md": "G3", "id": "AA:BB:CC:00:00:17"}
        for number, (kind, entries) in enumerate(
            (("_hap._tcp", hap | {"ci": "17"}), ("_hap._tcp", hap | {"ci": "18"}), ("_onvif._tcp", {"md": "G3"}))
        ):
            self.lan.attach(f"10.0.0.{number}", answering(*service(kind, "x", port=80, **entries)))
        self.sweep()
        only = Announced(model="G3", kind=DeviceKind.CAMERA, conditions=(Condition.HOMEKIT_ONLY,))
        self.assertEqual(
            [only, replace(only, kind=DeviceKind.DOORBELL), None], [one.announced for one in self.sink.sightings]
        )

    def test_questions(self) -> None:
        """All kinds are asked for in one datagram at once, and a second later one by one, always by unicast."""
        self.neighbours.addresses.append(ETH0_IPV6)
        sweeping = self.begin()
        self.assertEqual([local for _, local, _ in self.lan.sent], ["10.0.0.9", "fe80::9"])
        self.clock.advance(0.99)
        self.assertEqual(len(self.lan.sent), 2)
        self.clock.advance(0.12)
        self.assertEqual(len(self.lan.sent), 2 + 2 * len(CAMERA_KINDS))
        messages = [parse(data) for _, _, data in self.lan.sent]
        kinds = tuple(Question(kind_name(kind), PTR, unicast=True) for kind in CAMERA_KINDS)
        self.assertEqual(messages[0].questions, kinds)
        self.assertEqual([one.questions for one in messages[2::2]], [(kind,) for kind in kinds])
        self.assertEqual(len({one.id for one in messages} - {0}), 1)
        self.clock.advance(3)
        self.successResultOf(sweeping)
        self.assertEqual((len(self.lan.sent), self.discovery.counts["sent"]), (14, 14))

    def test_first_question_only(self) -> None:
        """A device that answers the first question of several only is found a second later."""
        self.lan.attach("10.0.0.5", answering(*service("_onvif._tcp", "x"), first_only=True))
        self.sweep()
        self.assertEqual(self.seen, [("10.0.0.5", "x", (80,), ())])

    def test_missing_records(self) -> None:
        """What a device leaves out is asked for once, by the very name, and then it is reported."""
        self.lan.attach("10.0.0.5", answering(*service("_onvif._tcp", "No. 1"), at_once=1))
        self.sweep()
        self.assertEqual(self.seen, [("10.0.0.5", "No. 1", (80,), ())])
        again = [parse(data).questions for _, _, data in self.lan.sent if parse(data).questions[0].type == SRV]
        name = (b"No. 1", *kind_name("_onvif._tcp"))
        self.assertEqual(again, [(Question(name, SRV, unicast=True), Question(name, TXT, unicast=True))])

    def test_missing_for_good(self) -> None:
        """What never becomes complete is reported at the end as it is, unless it may as well be no camera."""
        self.lan.attach("10.0.0.5", answering(service("_onvif._tcp", "half")[0]))
        self.lan.attach("10.0.0.6", answering(service("_hap._tcp", "half")[0]))
        self.sweep()
        self.assertEqual(self.seen, [("10.0.0.5", "half", (), ())])
        self.assertEqual(self.discovery.counts["asked_again"], 2)

    def test_addresses(self) -> None:
        """The sender is the address, whatever others it names: an old one, a foreign one, loopback."""
        for number, address in enumerate(("10.0.0.77", "203.0.113.1", "127.0.0.1", "10.5.0.7")):
            self.lan.attach(f"10.0.0.{number}", answering(*service(title=str(number), address=address)))
        self.sweep()
        self.assertEqual([one.address for one in self.sink.sightings], [f"10.0.0.{number}" for number in range(4)])

    def test_reflector(self) -> None:
        """What a reflector tells of a network that the operator named stands where it says; of our own, it does not."""
        self.discovery = self.make("10.5.0.0/24", "10.0.0.0/8")
        far, near = service(title="far", address="10.5.0.7"), service(title="near", host="n", address="10.0.0.77")
        self.lan.attach("10.0.0.1", answering(*far))
        self.lan.attach("10.0.0.2", answering(*near))
        self.sweep()
        self.assertEqual([one.address for one in self.sink.sightings], ["10.5.0.7", "10.0.0.2"])

    def test_link_local(self) -> None:
        """An IPv6 camera is reported with the interface as scope."""
        self.neighbours.addresses = [ETH0_IPV6]
        self.lan.attach("fe80::5%eth0", answering(*service(address="fe80::5")))
        self.sweep()
        self.assertEqual([one.address for one in self.sink.sightings], ["fe80::5%eth0"])

    def test_unrelated(self) -> None:
        """An answer to nobody's question is counted and taken, questions and goodbyes on an answer's port are not."""
        sweeping = self.begin()
        self.lan.unicast(response(AXIS, message_id=9), "10.0.0.5")
        self.lan.unicast(query([Question(AXIS[0].name, PTR)]), "10.0.0.6")
        self.lan.unicast(response(service(ttl=0)), "10.0.0.5")
        self.clock.pump([0.01] * 310)
        self.successResultOf(sweeping)
        self.assertEqual((len(self.sink.sightings), self.sink.departures), (1, []))
        self.assertEqual(self.discovery.counts["unrelated"], 1)

    def test_nothing_works(self) -> None:
        """When no interface can be asked, the sweep fails at once."""
        self.lan.broken.add("eth0")
        self.failureResultOf(self.begin(), CamdetectError)

    def test_cancelled(self) -> None:
        """A sweep that is cancelled closes its sockets and sends no more."""
        sweeping = self.begin()
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        self.clock.advance(2)
        self.assertEqual(len(self.lan.sent), 1)


class HostileTests(DiscoveryCase):
    """Whoever sends nonsense, or too much."""

    def listener(self) -> MDNSListener:
        counts, log_problem = self.discovery.counts, self.discovery.log_problem
        context = ListenerContext(self.sink, self.clock, self.clock.seconds, counts, log_problem, message_ids={})
        return MDNSListener(context, known=BoundedSet(10))

    def test_malformed(self) -> None:
        """Malformed datagrams are counted and hurt no other; after eight, their sender is not heard in this sweep."""
        receive = self.listener().receiver("eth0", [ETH0])
        for number in range(1, 21):
            receive(b"\0\0\x84\0" + bytes([number]) * 9, "10.0.0.66")
        receive(response(AXIS), "10.0.0.66")
        receive(response(AXIS), "10.0.0.5")
        self.assertEqual((self.discovery.counts["malformed"], self.discovery.counts["dropped"]), (8, 13))
        self.assertEqual([one.address for one in self.sink.sightings], ["10.0.0.5"])

    def test_bad_record(self) -> None:
        """A record that cannot be read costs itself: the camera is reported at once, and nothing is malformed."""
        data = bytearray(response(AXIS[:3]))
        data += b"\6axis-1\5local\0\0\x1c\x80\1\0\0\0\x78\0\4\xfe\x80\0\0"  # AAAA of four bytes
        data += response(AXIS[3:])[12:-4] + b"\x0a\0"  # A, cut off
        data[7] = 9
        sent: list[bytes] = []
        self.listener().receiver("eth0", [ETH0], sent.append)(bytes(data), "10.0.0.5")
        self.assertEqual((self.seen, sent), ([("10.0.0.5", "AXIS 1", (80,), (554,))], []))
        self.assertEqual(self.discovery.counts["malformed"], 0)

    def test_mac_in_a_name(self) -> None:
        """The MAC in the name of its host is a claim of the device, never what was seen."""
        self.listener().receiver("eth0", [ETH0])(response(service(host="axis-accc8e000007")), "10.0.0.5")
        (sighting,) = self.sink.sightings
        self.assertIsNone(sighting.mac)
        self.assertIn(Evidence(EvidenceKind.ANNOUNCED_MAC, "ac:cc:8e:00:00:07", "mdns", 0), sighting.evidence)

    def test_one_forger(self) -> None:
        """One sender gets at most 64 sightings and 32 queries, and the camera beside it is still seen."""
        sent: list[bytes] = []
        receive = self.listener().receiver("eth0", [ETH0], sent.append)
        for number in range(100):
            receive(response(service(title=str(number))), "10.0.0.66")
            receive(response(service(title=f"half {number}")[:1]), "10.0.0.66")
        receive(response(AXIS), "10.0.0.5")
        self.assertEqual([one.address for one in self.sink.sightings], ["10.0.0.66"] * 64 + ["10.0.0.5"])
        self.assertEqual(len(sent), 32)

    def test_questions_are_bounded(self) -> None:
        """All senders together make us ask so much and no more, until everything is news again."""
        self.patch(mdns_listener, "MAX_QUESTIONS", 20)
        sent: list[bytes] = []
        listener = self.listener()
        receive = listener.receiver("eth0", [WIDE], sent.append)
        for number in range(50):
            receive(response(AXIS[:1]), f"10.9.9.{number}")
        self.assertEqual(len(sent), 20)
        listener.reset(self.clock.seconds())
        receive(response(AXIS[:1]), "10.9.9.0")
        self.assertEqual(len(sent), 21)

    def test_many_forgers(self) -> None:
        """What waits for more is bounded; beyond it a service is reported as it is, and memory does not grow."""
        self.patch(mdns_listener, "MAX_WAITING", 20)
        self.patch(mdns_listener, "MAX_SETTLED", 20)
        listener = self.listener()
        receive = listener.receiver("eth0", [WIDE])
        for number in range(100):
            receive(response(service("_onvif._tcp", "half")[:1]), f"10.9.9.{number}")
        self.assertEqual(len(self.sink.sightings), 80)
        self.assertEqual((len(listener._waiting), len(listener._settled)), (20, 20))
        listener.finish()
        self.assertEqual(len(self.sink.sightings), 100)


class MakerTests(SynchronousTestCase):
    """What the configuration says."""

    def test_switch(self) -> None:
        """It is made unless MDNS_ENABLED says no."""
        for given, made in (({}, True), ({"MDNS_ENABLED": "no"}, False)):
            self.assertEqual(made_with(MDNSMaker(), **given) is not None, made)


class WatchTests(Watching, DiscoveryCase):
    """Listening all the time."""

    def say(self, records: Iterable[Record], sender: str = "10.0.0.5") -> None:
        self.lan.multicast(response(tuple(records)), sender)
        self.clock.advance(0.001)

    def test_announcement(self) -> None:
        """An announcement is reported once: its repetitions are no news, one five seconds later is."""
        for _ in range(3):
            self.say(AXIS)
        self.assertEqual(self.seen, [("10.0.0.5", "AXIS 1", (80,), (554,))])
        self.clock.advance(5)
        self.say(AXIS)
        self.assertEqual(len(self.sink.sightings), 2)

    def test_matter(self) -> None:
        """A Matter camera that waits to be taken in is heard; its port is none of TCP. It is not asked for."""
        self.say(service("_matterc._udp", "8F3A", port=5540, DT="322", DN="Porch"))
        (sighting,) = self.sink.sightings
        said = Announced(name="Porch", kind=DeviceKind.CAMERA, conditions=(Condition.MATTER,))
        self.assertEqual(said, sighting.announced)
        self.assertEqual(((), ()), (sighting.open_ports, sighting.rtsp_ports))
        self.assertNotIn("_matterc._udp", CAMERA_KINDS)

    def test_goodbye(self) -> None:
        """A goodbye is reported once; an announcement after it is news at once, and so is a goodbye after that."""
        for records in (AXIS, service(ttl=0), service(ttl=0), AXIS, service(ttl=0)):
            self.say(records)
        self.assertEqual(len(self.sink.sightings), 2)
        self.assertEqual(self.sink.departures, [("mdns", "10.0.0.5")] * 2)

    def test_bare_goodbye(self) -> None:
        """A goodbye by the pointer alone is enough; of HomeKit only from what was seen to be a camera."""
        camera, lock = service("_hap._tcp", "cam", ci="17"), service("_hap._tcp", "lock", ci="6")
        for records, sender in ((camera, "10.0.0.5"), (lock, "10.0.0.6")):
            self.say(records, sender)
            self.clock.advance(20)
            self.say([Record(records[0].name, PTR, 0, records[0].data)], sender)
        self.say([Record(AXIS[0].name, PTR, 0, AXIS[0].data)], "10.0.0.7")
        self.assertEqual(self.sink.departures, [("mdns", "10.0.0.5"), ("mdns", "10.0.0.7")])

    def test_goodbye_through_reflector(self) -> None:
        """A reflector's goodbye is that of the device for which it speaks, one device after the other."""
        self.discovery.stopWatching()
        self.discovery = self.make("10.5.0.0/24")
        self.discovery.startWatching(self.sink)
        for last in (7, 8):
            self.say(service(title=str(last), address=f"10.5.0.{last}", ttl=0), "10.0.0.1")
        self.assertEqual(self.sink.departures, [("mdns", "10.5.0.7"), ("mdns", "10.5.0.8")])

    def test_missing_records(self) -> None:
        """What an announcement leaves out is asked for once, by multicast: others have port 5353 too."""
        for _ in range(2):
            self.say(AXIS[:1])
        ((_, _, data),) = self.lan.sent
        name = (b"AXIS 1", *kind_name("_axis-video._tcp"))
        self.assertEqual(parse(data).questions, (Question(name, SRV), Question(name, TXT)))
        self.assertEqual(self.sink.sightings, [])
        self.say(AXIS[1:])
        self.assertEqual(self.seen, [("10.0.0.5", "AXIS 1", (80,), (554,))])

    def test_never_complete(self) -> None:
        """What stays incomplete, for its SRV record cannot be read, is reported when everything is news again."""
        self.say((AXIS[0], AXIS[2]))
        self.assertEqual(self.sink.sightings, [])
        self.clock.advance(5)
        self.say(service("_ipp._tcp", "printer"))
        self.assertEqual(self.seen, [("10.0.0.5", "AXIS 1", (), (554,))])

    def test_others(self) -> None:
        """Questions (our own too, with what is known already), printers and other kinds are not reported."""
        self.lan.multicast(query([Question(AXIS[0].name, PTR)]), "10.0.0.9")
        known = bytearray(response(AXIS))
        known[2] &= 0x7F
        self.lan.multicast(bytes(known), "10.0.0.8")
        self.say(service("_ipp._tcp", "printer"))
        self.say(service("_ipp._tcp", "printer", ttl=0))
        self.assertEqual((self.sink.sightings, self.sink.departures, self.lan.sent), ([], [], []))
