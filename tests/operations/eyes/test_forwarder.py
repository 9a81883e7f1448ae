"""The forwarder of an eye: what is reported, when, how often, and that a node can read it."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.operations.eyes.case import KEY, TOPICS, EyesCase
from twisted_detector.errors import QueueFull
from twisted_detector.model import Evidence, Mac, Message, Secret, Sighting
from twisted_detector.model.eyes import EyeKey
from twisted_detector.operations.eyes.forwarder import MAX_LOOKUPS, REPEAT, Forwarder, Identity
from twisted_detector.operations.eyes.quota import EYE_BURST
from twisted_detector.testing.lan import MemoryNeighbours
from twisted_detector.wire.eyes.envelope import Envelope, EnvelopeKind
from twisted_detector.wire.eyes.report import Departure, Report, SignOfLife, parse_report

MAC = Mac("02:00:00:00:00:21")
SEEN = Sighting("wsdiscovery", "10.78.0.21", 0.0, endpoint_reference="urn:uuid:1")


class ForwarderCase(EyesCase):
    def setUp(self) -> None:
        super().setUp()
        self.sent: list[Message] = []
        self.searches = 0
        self.link = MemoryNeighbours()
        self.forwarder = Forwarder(
            Identity(KEY, TOPICS, "cd" * 16),
            mac_of=lambda address: self.link.mac_of(address),
            publish=self.publish,
            monotonic=self.clock.seconds,
            invited=self.searched,
        )

    def publish(self, message: Message) -> Deferred[None]:
        self.sent.append(message)
        return Deferred()

    def searched(self) -> None:
        self.searches += 1

    def invite(self) -> None:
        self.forwarder.receive_invitation(TOPICS.invitation, self.eye.invitation())

    def reports(self) -> list[Report]:
        """What the node reads of what was sent."""
        found = []
        for one in self.sent:
            opened = Envelope.open(KEY.octets, one.topic, one.payload)
            assert opened is not None
            found.append(parse_report(opened.body, "barn", 0.0))
        return found


class ForwarderTests(ForwarderCase):
    def test_before_the_invitation(self) -> None:
        """Nothing is said before a node has invited."""
        self.forwarder.sighted(SEEN)
        self.forwarder.departed("mdns", SEEN.address)
        self.forwarder.say_alive("1")
        self.assertEqual([], self.sent)
        self.assertEqual({"before_invitation": 2}, dict(self.forwarder.counts))
        self.assertFalse(self.forwarder.is_invited)

    def test_invited(self) -> None:
        """An invitation is obeyed once; a new session makes all of it news again."""
        self.invite()
        self.invite()
        self.assertEqual((1, True), (self.searches, self.forwarder.is_invited))
        for _ in range(2):
            self.forwarder.sighted(SEEN)
        self.assertEqual(1, len(self.sent))
        self.eye._renew()
        self.invite()
        self.forwarder.sighted(SEEN)
        self.assertEqual((2, 2), (self.searches, len(self.sent)))

    def test_forged_invitations(self) -> None:
        """Who has not the key invites nobody."""
        other = Envelope(EnvelopeKind.INVITATION, "ab" * 16)
        for message in (
            b"nonsense",
            other.seal(b"x" * 32, TOPICS.invitation),
            other.seal(KEY.octets, TOPICS.report),
            Envelope(EnvelopeKind.REPORT, "ab" * 16).seal(KEY.octets, TOPICS.invitation),
        ):
            self.forwarder.receive_invitation(TOPICS.invitation, message)
        self.assertEqual((0, False), (self.searches, self.forwarder.is_invited))
        self.assertEqual(4, self.forwarder.counts["forged_invitations"])

    def test_a_node_takes_it(self) -> None:
        """Sightings, goodbyes and signs of life pass the node's gate, in the order in which they were said."""
        self.watcher.startWatching(self.sink)
        self.invite()
        self.forwarder.sighted(SEEN)
        self.forwarder.departed("wsdiscovery", SEEN.address, "urn:uuid:1")
        self.forwarder.say_alive("1.2")
        for one in self.sent:
            self.subscriber.deliver(one.topic, one.payload)
        self.assertEqual({"accepted": 3}, dict(self.watcher.counts))
        self.assertEqual((1, 1), (len(self.sink.sightings), len(self.sink.departures)))
        self.assertEqual(SignOfLife("1.2", {"reported": 2}), self.eye.life)

    def test_mac(self) -> None:
        """The MAC is that of this machine's kernel, whatever the sighting says; without one there is none."""
        self.invite()
        self.link.macs["10.78.0.21"] = MAC
        self.forwarder.sighted(
            Sighting("wsdiscovery", "10.78.0.21", 0.0, mac=Mac("02:00:00:00:00:99"), rtsp_ports=(1,))
        )
        self.forwarder.sighted(Sighting("arp", "10.78.0.22", 0.0, mac=MAC))
        first, second = self.reports()
        assert isinstance(first, Sighting)
        assert isinstance(second, Sighting)
        self.assertEqual([MAC.text], [one.value for one in first.evidence])
        self.assertIsNone(second.mac)

    def test_repetition(self) -> None:
        """The same again is said after a while; what changed, and another method's word, at once."""
        self.invite()
        self.forwarder.sighted(SEEN)
        self.clock.advance(REPEAT - 1)
        self.forwarder.sighted(SEEN)
        self.assertEqual(1, len(self.sent))
        for method, name in (("wsdiscovery", "Porch"), ("mdns", "Porch")):
            self.forwarder.sighted(Sighting(method, SEEN.address, 0.0, endpoint_reference="urn:uuid:1", name=name))
        self.assertEqual(3, len(self.sent))
        self.clock.advance(REPEAT)
        self.forwarder.sighted(SEEN)
        self.assertEqual((4, 1), (len(self.sent), self.forwarder.counts["repeated"]))

    def test_quota(self) -> None:
        """A burst goes out, and what is over it comes with a later search."""
        self.invite()
        for number in range(int(EYE_BURST) + 1):
            self.forwarder.sighted(Sighting("mdns", f"10.78.{number // 250}.{number % 250 + 1}", 0.0, name="x"))
        self.assertEqual((EYE_BURST, 1), (len(self.sent), self.forwarder.counts["limited"]))
        self.clock.advance(1.0)
        self.forwarder.sighted(Sighting("mdns", f"10.78.{int(EYE_BURST) // 250}.1", 0.0, name="x"))
        self.assertEqual(EYE_BURST + 1, len(self.sent))

    def test_of_this_link_only(self) -> None:
        """Addresses that mean nothing elsewhere are kept back."""
        self.invite()
        for address in ("fe80::5%eth0", "169.254.1.1", "127.0.0.1"):
            self.forwarder.sighted(Sighting("mdns", address, 0.0))
            self.forwarder.departed("mdns", address)
        self.assertEqual(([], 6), (self.sent, self.forwarder.counts["link_local"]))

    def test_size(self) -> None:
        """The largest announcement that the bounds allow goes out; one whose letters take too many octets does not."""
        self.invite()
        scopes, xaddrs = ("s" * 512,) * 16, tuple(f"http://10.78.0.21/{number:0490}" for number in range(16))
        evidence = tuple(Evidence("mdns", f"{number:0256}", "mdns", 0.0) for number in range(32))
        large = Sighting("mdns", "10.78.0.21", 0.0, scopes=scopes, xaddrs=xaddrs, evidence=evidence, name="n" * 64)
        self.forwarder.sighted(large)
        self.assertEqual(1, len(self.sent))
        self.forwarder.sighted(
            Sighting("mdns", "10.78.0.21", 0.0, scopes=("\U0001f3a5" * 512,) * 16, evidence=evidence)
        )
        self.assertEqual((1, 1), (len(self.sent), self.forwarder.counts["too_large"]))

    def test_busy(self) -> None:
        """So many MACs are looked up at one time; the stop ends that, and nothing is said after it."""
        self.invite()
        waiting: list[Deferred[None]] = []

        async def mac_of(address: str) -> Mac | None:
            waiting.append(Deferred())
            await waiting[-1]
            return MAC

        self.patch(self.link, "mac_of", mac_of)
        for number in range(MAX_LOOKUPS + 1):
            self.forwarder.sighted(Sighting("mdns", f"10.78.{number // 250}.{number % 250 + 1}", 0.0, name="x"))
        self.assertEqual((MAX_LOOKUPS, 1), (len(waiting), self.forwarder.counts["busy"]))
        waiting[0].callback(None)
        self.assertEqual(1, len(self.sent))
        self.forwarder.stop()
        self.assertTrue(all(one.called for one in waiting))
        self.forwarder.sighted(SEEN)
        self.assertEqual(1, len(self.sent))

    def test_full_queue(self) -> None:
        """A report for which there is no room is lost, and nothing else."""
        self.invite()

        def refuse(message: Message) -> Deferred[None]:
            raise QueueFull("no room")

        self.patch(self.forwarder, "_publish", refuse)
        self.forwarder.sighted(SEEN)

    def test_departures(self) -> None:
        """A goodbye is reported with the device's reference."""
        self.invite()
        self.forwarder.departed("wsdiscovery", "10.78.0.21", "urn:uuid:1")
        self.assertEqual([Departure("wsdiscovery", "10.78.0.21", "urn:uuid:1")], self.reports())

    def test_another_key(self) -> None:
        """Two eyes do not understand each other's invitations."""
        other = Forwarder(
            Identity(EyeKey("barn", Secret("aa" * 32)), TOPICS, "ee" * 16),
            mac_of=lambda address: self.link.mac_of(address),
            publish=self.publish,
            monotonic=self.clock.seconds,
            invited=self.searched,
        )
        other.receive_invitation(TOPICS.invitation, self.eye.invitation())
        self.assertFalse(other.is_invited)
