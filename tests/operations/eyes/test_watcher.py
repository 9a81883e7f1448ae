"""The watcher of what eyes report: what reaches the detector, and what an eye may not speak of."""

from __future__ import annotations

from twisted.internet.defer import Deferred

from tests.operations.eyes.case import KEY, TOPICS, EyesCase
from twisted_detector.errors import LocalError
from twisted_detector.model import Interface, Mac, Secret, Sighting
from twisted_detector.model.eyes import EyeKey
from twisted_detector.operations.eyes.watcher import INVITE_INTERVAL
from twisted_detector.testing.lan import ETH0, LOOPBACK
from twisted_detector.wire.eyes.envelope import Envelope
from twisted_detector.wire.eyes.report import Departure, SignOfLife
from twisted_detector.wire.eyes.topics import EyeTopics

SHED = EyeKey("shed", Secret("1e" * 32), ("10.90.0.0/24", "fd00:9::/64"))


def seen(address: str, **more: object) -> Sighting:
    return Sighting("wsdiscovery", address, 0.0, endpoint_reference="urn:uuid:1", **more)  # type: ignore[arg-type]


class WatcherCase(EyesCase):
    keys = (KEY, SHED)

    def setUp(self) -> None:
        super().setUp()
        self.watcher.startWatching(self.sink)

    def addresses(self) -> list[str]:
        return [one.address for one in self.sink.sightings]

    def invitations(self, topics: EyeTopics = TOPICS) -> list[bool]:
        """Of each invitation so far whether it was to be retained."""
        return [one.retain for one in self.publisher.messages if one.topic == topics.invitation]


class ReportedTests(WatcherCase):
    def test_sighting(self) -> None:
        """A sighting is reported without a MAC, under the eye's name; ``camdetect why`` has which eye heard it."""
        self.report(seen("10.78.0.21", mac=Mac("02:00:00:00:00:21")))
        (one,) = self.sink.sightings
        self.assertEqual((None, "barn"), (one.mac, one.interface))
        self.assertEqual(["10.78.0.21 eyes: the eye barn heard it (wsdiscovery)"], self.observed)
        self.assertEqual({"accepted": 1}, dict(self.watcher.counts))

    def test_goodbye_and_life(self) -> None:
        """A goodbye is passed on, a sign of life is not the detector's."""
        self.report(Departure("wsdiscovery", "10.78.0.21", "urn:uuid:1"))
        self.report(SignOfLife("1"))
        self.assertEqual(([("wsdiscovery", "10.78.0.21")], []), (self.sink.departures, self.sink.sightings))

    def test_own_links(self) -> None:
        """Of our own links, and of addresses that mean something on one link only, an eye is not believed."""
        self.neighbours.change_interfaces(ETH0, LOOPBACK, Interface("eth0", 2, "fd00:1::9", 64))
        for address in ("10.0.0.5", "10.0.0.9", "fd00:1::5", "fe80::5", "fe80::5%eth0", "127.0.0.2", "169.254.3.4"):
            self.report(seen(address))
            self.report(Departure("mdns", address))
        self.assertEqual(([], []), (self.sink.sightings, self.sink.departures))
        self.assertEqual(14, self.watcher.counts["own_link"])

    def test_a_link_that_comes_up(self) -> None:
        """A link that comes up later is our own from then on; a tunnel, on which no MAC is seen, is not."""
        self.neighbours.change_interfaces(ETH0, Interface("wg0", 3, "10.78.0.1", 24, arp=False))
        self.report(seen("10.78.0.21"))
        self.neighbours.change_interfaces(ETH0, Interface("eth1", 3, "10.78.0.1", 24))
        self.report(seen("10.78.0.22"))
        self.assertEqual(["10.78.0.21"], self.addresses())

    def test_networks_of_the_key(self) -> None:
        """An eye whose key has networks may speak of these only."""
        for address in ("10.90.0.5", "10.91.0.5", "fd00:9::5", "fd00:8::5"):
            message = self.message(seen(address), key=SHED, session=self.gate.eyes["shed"].session)
            self.deliver(message, EyeTopics("", "shed"))
        self.assertEqual((["10.90.0.5", "fd00:9::5"], 2), (self.addresses(), self.watcher.counts["elsewhere"]))

    def test_in_anothers_name(self) -> None:
        """With its own key an eye cannot speak in another's name."""
        self.deliver(self.message(seen("10.90.0.5"), session=self.gate.eyes["shed"].session), EyeTopics("", "shed"))
        self.assertEqual(([], 1), (self.sink.sightings, self.watcher.counts["forged"]))

    def test_links_not_known(self) -> None:
        """Before our own links are known nothing is believed, and nobody is invited."""
        self.watcher.stopWatching()
        self.neighbours.problem = LocalError("not yet")
        case = EyesCase("id")
        case.setUp()
        case.neighbours.problem = LocalError("not yet")
        case.watcher.startWatching(case.sink)
        case.report(seen("10.78.0.21"))
        self.assertEqual(([], []), (case.sink.sightings, case.publisher.messages))
        case.neighbours.problem = None
        case.neighbours.change_interfaces(Interface("eth0", 2, "10.0.1.9", 24))
        case.report(seen("10.78.0.21"))
        self.assertEqual((1, 1), (len(case.sink.sightings), len(case.publisher.messages)))


class InvitationTests(WatcherCase):
    def test_at_the_start(self) -> None:
        """Each eye is invited once, by a retained message that is signed with its key."""
        self.assertEqual(([True], [True]), (self.invitations(), self.invitations(EyeTopics("", "shed"))))
        message = self.publisher.retained()[TOPICS.invitation]
        self.assertIsNotNone(Envelope.open(KEY.octets, TOPICS.invitation, message))
        self.assertIsNone(Envelope.open(SHED.octets, TOPICS.invitation, message))

    def test_stale(self) -> None:
        """An eye that speaks under another session is invited anew, now and then; a forged message invites nobody."""
        self.clock.advance(INVITE_INTERVAL)
        for _ in range(5):
            self.deliver(self.message(seen("10.78.0.21"), session="aa" * 16))
        self.assertEqual([True, False], self.invitations())
        self.clock.advance(INVITE_INTERVAL)
        self.deliver(b"nonsense")
        self.deliver(self.message(seen("10.78.0.21"), key=EyeKey("barn", SHED.secret)))
        self.assertEqual([True, False], self.invitations())
        self.deliver(self.message(seen("10.78.0.21"), session="aa" * 16))
        self.assertEqual([True, False, False], self.invitations())

    def test_broker_that_fails(self) -> None:
        """Where nothing can be published, that hurts nobody."""
        self.watcher.stopWatching()
        self.publisher.stop()
        self.watcher.startWatching(self.sink)
        self.clock.advance(INVITE_INTERVAL)
        self.deliver(self.message(seen("10.78.0.21"), session="aa" * 16))
        self.report(seen("10.78.0.21"))
        self.assertEqual(["10.78.0.21"], self.addresses())

    def test_slow_look(self) -> None:
        """A look at the interfaces that is under way at the stop is given up."""
        self.watcher.stopWatching()
        waiting: Deferred[None] = Deferred()

        async def interfaces() -> tuple[Interface, ...]:
            await waiting
            return ()

        self.patch(self.neighbours, "interfaces", interfaces)
        self.watcher.startWatching(self.sink)
        self.watcher.stopWatching()
        self.assertTrue(waiting.called)
        self.assertEqual([], self.neighbours.watchers)
