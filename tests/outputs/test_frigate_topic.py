"""Frigate's configuration on the broker, written by several nodes."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.outputs.case import NAME, entry
from twisted_detector.model import Message
from twisted_detector.model.consumers import FRIGATE
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.outputs.frigate.document import FrigateTopics
from twisted_detector.outputs.frigate.topic import MAX_DOCUMENT, SETTLE, TopicDestination
from twisted_detector.outputs.sync.seams import (
    Entries,
    ISharedDestination,
    IWatchedDestination,
    Sharing,
    TargetPhase,
)
from twisted_detector.outputs.sync.target import PATIENCE, SyncTarget

TOPICS = FrigateTopics("frigate/config/cameras", "frigate/config/reload")
#: A camera of each node, and one that both know.
NORTH, SOUTH, BOTH = "020000000001", "020000000002", NAME


class Broker:
    """A broker that retains the topic, and tells all nodes of it in its own time."""

    def __init__(self) -> None:
        self.retained = b""
        self.versions: list[dict[str, Any]] = []
        self.reloads = 0
        self.queue_is_full = False
        self.nodes: list[Node] = []

    def take(self, message: Message) -> None:
        if message.topic == TOPICS.reload:
            self.reloads += 1
            return
        self.retained = message.payload
        self.versions.append(json.loads(message.payload)["cameras"])
        for node in self.nodes:
            node.inbox.append(message.payload)

    @property
    def cameras(self) -> dict[str, Any]:
        return dict(json.loads(self.retained)["cameras"]) if self.retained else {}


class Node:
    """One node at the broker, with its outbox.

    :ivar inbox: what is under way to it; ``meanwhile``: happens while it merges.
    """

    def __init__(self, broker: Broker, clock: Clock, speaks_for: set[str]) -> None:
        self.broker, self.clock, self.speaks_for = broker, clock, speaks_for
        self.inbox: list[bytes] = []
        self.connected = False
        self.asked = 0
        self.meanwhile: Callable[[], None] | None = None
        self.outbox = Outbox(clock.seconds, wall=clock.seconds)
        self.topic = TopicDestination(
            clock,
            FRIGATE,
            TOPICS,
            publish=self.publish,
            forget=self.forget,
            ask=self.ask,
            in_thread=self.in_thread,
        )
        self.target = SyncTarget(
            clock, self.topic, base={}, save=lambda written: None, random=lambda: 0.5, sharing=self.sharing
        )
        broker.nodes.append(self)

    def sharing(self, names: Any) -> Sharing:
        met = frozenset(names)
        return Sharing(met, met - self.speaks_for)

    async def in_thread(self, work: Any) -> Any:
        done = work()
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return done

    def forget(self) -> None:
        self.outbox.discard(lambda topic: topic == TOPICS.configuration)

    def ask(self) -> None:
        self.asked += 1
        if self.broker.retained:
            self.inbox.append(self.broker.retained)

    def publish(self, message: Message) -> Any:
        return self.outbox.put(message).acknowledged

    def flow(self) -> None:
        """What waits goes to the broker, and what it said comes."""
        while self.connected and (items := self.outbox.take(10)):
            for item in items:
                self.broker.take(item.message)
            self.outbox.acknowledged([item.token for item in items])
        arrived, self.inbox = self.inbox, []
        for payload in arrived if self.connected else ():
            self.topic.receive(TOPICS.configuration, payload)

    def connect(self) -> None:
        self.connected = True
        self.topic.set_connected(True)
        self.outbox.republish()
        self.inbox = [self.broker.retained] if self.broker.retained and not self.broker.queue_is_full else []

    def disconnect(self) -> None:
        self.connected = False
        self.outbox.connection_lost()
        self.topic.set_connected(False)

    def want(self, entries: Entries) -> None:
        self.target.update(entries)


class Together(SynchronousTestCase):
    """Two nodes at one broker."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.broker = Broker()
        self.north = Node(self.broker, self.clock, {NORTH, BOTH})
        self.south = Node(self.broker, self.clock, {SOUTH})
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))
        for node in self.broker.nodes:
            verifyObject(ISharedDestination, node.topic)
            verifyObject(IWatchedDestination, node.topic)
            self.addCleanup(node.target.stop)

    def run_for(self, seconds: float) -> None:
        for _ in range(round(seconds * 10)):
            self.clock.advance(0.1)
            for node in self.broker.nodes:
                node.flow()

    def begin(self) -> None:
        for node in self.broker.nodes:
            node.connect()
        self.north.want({NORTH: entry("10.0.0.1"), BOTH: entry("10.0.0.3")})
        self.south.want({SOUTH: entry("10.0.0.2"), BOTH: entry("10.9.0.3")})
        self.run_for(2 * SETTLE + 5)

    def test_all_cameras(self) -> None:
        """Both at once: each camera stands there once, as its own node says it, and then nobody writes any more."""
        self.begin()
        expected = {NORTH: entry("10.0.0.1"), BOTH: entry("10.0.0.3"), SOUTH: entry("10.0.0.2")}
        self.assertEqual(expected, self.broker.cameras)
        versions = len(self.broker.versions)
        self.assertLessEqual(versions, 3)
        self.assertEqual(versions, self.broker.reloads)
        self.run_for(2 * PATIENCE)
        self.assertEqual(versions, len(self.broker.versions))
        self.assertEqual((BOTH,), self.south.target.status.left)

    def test_before_it_is_known(self) -> None:
        """Nothing is written before the broker had time to say what stands there; what others wrote stays."""
        self.broker.retained = json.dumps({"cameras": {SOUTH: entry("10.0.0.2")}}).encode()
        self.north.want({NORTH: entry("10.0.0.1")})
        self.run_for(2 * SETTLE + 1)
        self.assertEqual([], self.broker.versions)
        self.north.connect()
        self.run_for(2 * SETTLE + 1)
        self.assertEqual([{NORTH: entry("10.0.0.1"), SOUTH: entry("10.0.0.2")}], self.broker.versions)

    def test_a_broker_that_drops(self) -> None:
        """What was lost among all that a new connection brings is asked for alone, before it is taken for empty."""
        self.broker.retained = json.dumps({"cameras": {SOUTH: entry("10.0.0.2")}}).encode()
        self.broker.queue_is_full = True
        self.north.want({NORTH: entry("10.0.0.1")})
        self.north.connect()
        self.run_for(2 * SETTLE + 1)
        self.assertEqual([{NORTH: entry("10.0.0.1"), SOUTH: entry("10.0.0.2")}], self.broker.versions)
        self.assertEqual((1, 0), (self.north.asked, self.south.asked))

    def test_what_it_waits_for(self) -> None:
        """It is not done while the broker is away, or has not said what stands there."""
        self.north.want({NORTH: entry("10.0.0.1")})
        away = (TargetPhase.AWAY, "there is no connection to the broker")
        self.assertEqual(away, (self.north.target.status.phase, self.north.target.status.reason))
        self.north.connect()
        self.run_for(1)
        asked = (TargetPhase.AWAY, "the broker has not said yet what stands there")
        self.assertEqual(asked, (self.north.target.status.phase, self.north.target.status.reason))
        self.run_for(2 * SETTLE)
        self.assertEqual((TargetPhase.DONE, ""), (self.north.target.status.phase, self.north.target.status.reason))
        self.north.disconnect()
        self.run_for(1)
        self.assertEqual(away, (self.north.target.status.phase, self.north.target.status.reason))

    def test_dropped_on_its_way(self) -> None:
        """What the outbox drops does not stand there: it is said again, also when that was not the first of ours."""
        self.begin()
        versions = len(self.broker.versions)
        for address in ("10.0.0.11", "10.0.0.12"):
            self.north.want({NORTH: entry(address), BOTH: entry("10.0.0.3")})
        self.north.forget()
        self.assertEqual(entry("10.0.0.1"), self.broker.cameras[NORTH])
        self.run_for(1)
        self.assertEqual(entry("10.0.0.12"), self.broker.cameras[NORTH])
        self.assertEqual(versions + 1, len(self.broker.versions))

    def test_somebody_who_does_not_give_in(self) -> None:
        """Against whoever writes his own all the time each write of ours comes later, and never none."""
        self.begin()
        versions = len(self.broker.versions)
        theirs = json.dumps({"cameras": {}}).encode()
        times = []
        for step in range(6000):
            if self.broker.retained != theirs or step % 2:
                self.broker.take(Message(TOPICS.configuration, theirs, retain=True))
            before = len(self.broker.versions)
            self.run_for(0.1)
            if len(self.broker.versions) > before:
                times.append(self.clock.seconds())
        waits = [later - sooner for sooner, later in pairwise(times)]
        self.assertLess(len(times), 60)
        self.assertGreater(len(times), 15)
        self.assertLess(max(waits), 62)
        self.assertGreater(len(self.broker.versions), versions)

    def test_takeover(self) -> None:
        """The new one says it in its own words, at once; the other, come back, says nothing; nothing was away."""
        self.begin()
        self.north.disconnect()
        self.north.want({NORTH: entry("10.0.0.1"), BOTH: entry("10.0.0.33")})
        versions = len(self.broker.versions)
        self.south.speaks_for.add(BOTH)
        self.south.target.reconsider()
        self.run_for(1)
        self.assertEqual(entry("10.9.0.3"), self.broker.cameras[BOTH])
        self.north.speaks_for.remove(BOTH)
        self.north.connect()
        self.run_for(2 * PATIENCE)
        self.assertEqual(versions + 1, len(self.broker.versions))
        for cameras in self.broker.versions[versions - 1 :]:
            self.assertEqual({NORTH, SOUTH, BOTH}, set(cameras))

    def test_a_broker_that_forgot(self) -> None:
        """A broker that retains nothing any more gets it again, from each node its own."""
        self.begin()
        before = self.broker.cameras
        for node in self.broker.nodes:
            node.disconnect()
        self.broker.retained = b""
        for node in self.broker.nodes:
            node.connect()
        self.run_for(2 * SETTLE + 5)
        self.assertEqual(before, self.broker.cameras)

    def test_the_same_again(self) -> None:
        """What we said once is said again when another document has come meanwhile, though it is the same as before."""
        self.begin()
        before = self.broker.retained
        self.broker.take(Message(TOPICS.configuration, b'{"cameras":{}}', retain=True))
        self.run_for(3)
        self.assertEqual(json.loads(before), json.loads(self.broker.retained))
        self.broker.take(Message(TOPICS.configuration, b'{"cameras":7}', retain=True))
        self.run_for(3)
        self.assertEqual(json.loads(before), json.loads(self.broker.retained))

    def test_our_own_once_more(self) -> None:
        """What we said last is said again after another document came, to the byte."""
        self.north.connect()
        self.north.want({NORTH: entry("10.0.0.1")})
        self.run_for(2 * SETTLE + 1)
        before = self.broker.retained
        for other in ({}, {NORTH: entry("10.0.0.1", "Older")}):
            self.broker.take(Message(TOPICS.configuration, json.dumps({"cameras": other}).encode(), retain=True))
            self.run_for(1)
            self.assertEqual(before, self.broker.retained)

    def test_written_meanwhile(self) -> None:
        """What was merged into a document that stands there no more is not published; it is merged anew."""
        self.begin()
        versions = len(self.broker.versions)

        def arrives() -> None:
            theirs = {**self.broker.cameras, "020000000009": entry()}
            self.broker.take(Message(TOPICS.configuration, json.dumps({"cameras": theirs}).encode(), retain=True))
            self.north.flow()

        self.north.meanwhile = arrives
        self.north.want({NORTH: entry("10.0.0.11"), BOTH: entry("10.0.0.3")})
        self.run_for(2 * SETTLE + 1)
        self.assertEqual(versions + 2, len(self.broker.versions))
        self.assertEqual({NORTH, SOUTH, BOTH, "020000000009"}, set(self.broker.cameras))
        self.assertEqual(entry("10.0.0.11"), self.broker.cameras[NORTH])

    def test_forgotten(self) -> None:
        """A camera that nobody knows any more is gone, and with it nothing else."""
        self.begin()
        self.north.speaks_for |= {NORTH}
        self.north.want({BOTH: entry("10.0.0.3")})
        self.run_for(3)
        self.assertEqual({BOTH, SOUTH}, set(self.broker.cameras))

    def test_no_camera(self) -> None:
        """Where there never was one nothing is said; after the last one was forgotten that is."""
        self.north.connect()
        self.north.want({})
        self.run_for(2 * SETTLE + 1)
        self.assertEqual([], self.broker.versions)
        self.north.want({NORTH: entry()})
        self.run_for(1)
        self.north.want({})
        self.run_for(1)
        self.assertEqual([{NORTH: entry()}, {}], self.broker.versions)

    def test_too_much(self) -> None:
        """More than a message can hold is refused, with the reason."""
        self.north.connect()
        self.north.want({NORTH: {"x": "y" * MAX_DOCUMENT}})
        self.run_for(2 * SETTLE + 1)
        self.assertEqual(TargetPhase.REFUSED, self.north.target.status.phase)
        said = "all nodes together have more cameras than one message may hold; FRIGATE_CAMERAS and FRIGATE_NETWORK"
        self.assertIn(said, self.north.target.status.reason)
        self.assertEqual([], self.broker.versions)
