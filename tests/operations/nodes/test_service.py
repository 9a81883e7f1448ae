"""The adapter of the election: what it publishes, what it admits, and what it takes out of the outbox."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import HOME_CAMERA as CAMERA
from twisted_detector.errors import Dropped, QueueFull
from twisted_detector.events import (
    CameraDiscovered,
    CameraForgotten,
    CameraOffline,
    CameraRestored,
    Event,
    PictureTaken,
    SweepFinished,
)
from twisted_detector.model import Camera, Message, Status
from twisted_detector.model.cameras import Picture
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.operations.host_checks import FAIL, OK, WARN
from twisted_detector.operations.nodes import service as service_module
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.service import (
    HELD_UP,
    MAX_BEGUN,
    MAX_WAITING,
    SOON,
    UNRETURNED,
    NodeService,
    rank_of,
)
from twisted_detector.operations.nodes.timing import TIMING
from twisted_detector.operations.nodes.values import MAX_CLAIMS, Beat, Bid, Claim, NodeAbout, NodeDocument, Rank
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.topics import Topics, TopicsOutput, camera_of, is_of_a_camera
from twisted_detector.outputs.voice import Admission

TOPICS = Topics(prefix="site", node_id="north")
STATUS, DISCOVERY, EVENT = TOPICS.status(CAMERA.id), TOPICS.discovery(CAMERA.id), TOPICS.event(CAMERA.id)
NODE, BEAT, WILL = (f"site/system/camera_detector{end}" for end in ("/south/node", "/south/beat", "_health/south/lwt"))


class Broker:
    """A broker that gives everything back at once, and the connection to it."""

    def __init__(self, clock: Clock) -> None:
        self.outbox = Outbox(clock.seconds, wall=clock.seconds)
        self.handlers: dict[str, Callable[[str, bytes], object]] = {}
        self.listeners: list[Callable[[ConnectionChange], None]] = []
        self.sent: list[Message] = []
        self.republished: list[str] = []
        self.connected = False
        self.clock, self.delay = clock, 0.0
        self.only: dict[str, TopicSet] = {}

    def subscribe(
        self,
        topic_filter: str,
        handler: Callable[[str, bytes], object],
        *,
        retained: Callable[[str, bytes], object] | None = None,
        only: TopicSet | None = None,
    ) -> Callable[[], object]:
        self.handlers[topic_filter] = handler
        if only is not None:
            self.only[topic_filter] = only
        if retained is not None:
            self.retained = retained
        return lambda: self.handlers.pop(topic_filter)

    def add_state_listener(self, listener: Callable[[ConnectionChange], None]) -> None:
        self.listeners.append(listener)

    def republish(self, topics: tuple[str, ...]) -> None:
        self.republished += topics

    def publish(self, message: Message) -> Deferred[None]:
        receipt = self.outbox.put(message)
        self.flow()
        return receipt.acknowledged

    def flow(self) -> None:
        """What waits is sent and acknowledged, and comes back where it is subscribed."""
        while self.connected and (items := self.outbox.take(10)):
            self.outbox.acknowledged([item.token for item in items])
            for item in items:
                self.sent.append(item.message)
                if self.delay:
                    self.clock.callLater(self.delay, self.deliver, item.message.topic, item.message.payload)
                else:
                    self.deliver(item.message.topic, item.message.payload)

    def deliver(self, topic: str, payload: bytes) -> None:
        for topic_filter, handler in self.handlers.items():
            before, _, after = topic_filter.partition("+")
            if topic.startswith(before) and topic.endswith(after):
                handler(topic, payload)

    def change(self, event: str, session: int = 1) -> None:
        self.connected = event == "connected"
        state = ConnectionState.CONNECTED if self.connected else ConnectionState.RECONNECTING
        for listener in self.listeners:
            listener(ConnectionChange(event, state, "", 0.0, 1, session, session))
        self.flow()

    def on(self, topic: str) -> list[Any]:
        return [json.loads(message.payload) for message in self.sent if message.topic == topic]


class NodeServiceTest(SynchronousTestCase):
    """One node with a camera, and a broker."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000.0)
        self.broker = Broker(self.clock)
        self.camera: Camera | None = CAMERA
        self.service = NodeService(
            self.make_clock(),
            Election("north", "n1"),
            mqtt=self.broker,  # type: ignore[arg-type]
            topics=TOPICS,
            find=lambda camera_id: self.find(camera_id),
            monotonic=self.clock.seconds,
        )
        self.dispatcher = OutputDispatcher(
            [TopicsOutput(TOPICS)], publish=self.broker.publish, voice=self.service.voice
        )
        self.service.start(self.dispatcher.handle)
        self.addCleanup(self.service.stop)
        self.number = 0

    def make_clock(self) -> Any:
        """The clock of the service, for stamps and timers."""
        return self.clock

    def find(self, camera_id: str) -> Camera | None:
        """The camera of that id, if there is one."""
        return self.camera if camera_id == CAMERA.id else None

    def happen(self, event: Event) -> None:
        """As the bus has it: outputs first, then the node."""
        self.dispatcher.handle(event)
        self.service.handle(event)

    def discover(self) -> None:
        self.happen(CameraDiscovered(self.clock.seconds(), CAMERA))

    def run_for(self, seconds: float) -> None:
        self.clock.pump([0.1] * round(seconds * 10))

    def south(self, bid: Bid | None, rank: Rank = Rank.SEES_MAC) -> None:
        """A document of another node."""
        self.number += 1
        document = NodeDocument("south", "s1", 1, self.number, 0, {CAMERA.id: Claim(rank, bid)})
        self.broker.deliver(NODE, document.encode())

    def begin(self) -> None:
        """Connect, find the camera, own it."""
        self.broker.change("connected")
        self.run_for(1.0)
        self.discover()
        self.run_for(1.0)
        self.assertTrue(self.service.owns(CAMERA.id))

    def test_gained(self) -> None:
        """Who follows a change of hands hears of it before anything is published."""
        heard: list[tuple[str, int]] = []
        self.service.gained.add(lambda camera_id: heard.append((camera_id, len(self.broker.on(STATUS)))))
        self.begin()
        self.assertEqual([(CAMERA.id, 0)], heard)

    def test_takeover(self) -> None:
        """Of many cameras so many are begun with in one tick, so that none is long; the others wait, with news."""
        cameras = {f"{number:012x}": replace(CAMERA, id=f"{number:012x}") for number in range(2 * MAX_BEGUN + 50)}
        self.find = cameras.get  # type: ignore[method-assign]
        self.broker.delay = 0.001
        self.broker.change("connected")
        self.run_for(1.0)
        for camera in cameras.values():
            self.happen(CameraRestored(self.clock.seconds(), camera))
        ticks: list[list[str]] = []
        whole = Election.tick

        def tick(election: Election, now: float) -> Any:
            ticks.append([])
            return whole(election, now)

        self.patch(Election, "tick", tick)
        self.service.gained.add(lambda camera_id: ticks[-1].append(camera_id))
        for _ in range(1000):
            if not any(ticks):
                self.clock.advance(0.01)
        waiting = sorted(cameras.keys() - set(ticks[-1]))
        late, gone = cameras[waiting[-1]], cameras.pop(waiting[0])
        self.assertTrue(self.service.owns(late.id))
        self.happen(CameraOffline(self.clock.seconds(), replace(late, status=Status.OFFLINE), "gone"))
        self.happen(CameraForgotten(self.clock.seconds(), gone))
        self.assertEqual([], self.broker.on(TOPICS.event(late.id)), "first who follows it hears that it is ours")
        self.clock.pump([0.01] * 15)
        self.assertEqual([MAX_BEGUN, MAX_BEGUN, 49], [len(one) for one in ticks if one])
        self.assertEqual(sorted(cameras), [camera_id for one in ticks for camera_id in one])
        self.assertEqual(["offline"], [one["event"] for one in self.broker.on(TOPICS.event(late.id))])
        discoveries = [one for one in self.broker.sent if "/discovery/" in one.topic]
        self.assertEqual(set(cameras), {camera_of(one.topic) for one in discoveries if one.payload})
        self.assertEqual([gone.id], [camera_of(one.topic) for one in discoveries if not one.payload])

    def test_no_longer_than_needed(self) -> None:
        """What is due within the second is not left for the next regular tick: a bid that has settled, many cameras."""
        cameras = {f"{number:012x}": replace(CAMERA, id=f"{number:012x}") for number in range(2 * MAX_BEGUN)}
        self.find = cameras.get  # type: ignore[method-assign]
        self.broker.delay = 0.05
        self.broker.change("connected")
        self.run_for(1.0)
        begun: list[float] = []
        self.service.gained.add(lambda _: begun.append(round(self.clock.seconds(), 2)))
        for camera in cameras.values():
            self.happen(CameraRestored(self.clock.seconds(), camera))
        said = len(self.broker.on(TOPICS.node))
        for _ in range(100):
            if len(self.broker.on(TOPICS.node)) == said:
                self.clock.advance(0.01)
        at = self.clock.seconds()
        self.clock.pump([0.01] * 100)
        first, second = sorted(set(begun))
        self.assertLess(first, at + self.broker.delay + TIMING.settle + SOON + 0.03)
        self.assertLess(second, first + SOON + 0.03)

    def test_lost_for_good(self) -> None:
        """A camera that another node took when the connection was back is not ours without one."""
        self.begin()
        for session in (2, 3):
            self.broker.change("disconnected")
            self.assertEqual(session == 2, self.service.owns(CAMERA.id))
            self.run_for(1.0)
            self.broker.change("connected", session)
            self.south(Bid(9, Rank.SEES_MAC, 0))
            self.run_for(3.0)

    def test_alone(self) -> None:
        """A new camera is published within a second, its event too, each once; and then nothing more is said."""
        self.broker.change("connected")
        self.assertEqual(1, len(self.broker.on(TOPICS.node)), "who is there hears of us at once")
        self.run_for(1.0)
        self.discover()
        self.assertEqual([], self.broker.on(STATUS))
        self.run_for(1.0)
        self.assertEqual(["discovered"], [one["event"] for one in self.broker.on(EVENT)])
        self.assertEqual((1, 1), (len(self.broker.on(STATUS)), len(self.broker.on(DISCOVERY))))
        self.assertEqual([3, 1, 3, 0], self.broker.on(TOPICS.node)[-1]["claims"][CAMERA.id])
        said = len(self.broker.sent)
        self.run_for(600.0)
        self.assertEqual(said, len(self.broker.sent))

    def test_restored(self) -> None:
        """A camera of an earlier run is published from the connection on, as it is then."""
        self.happen(CameraRestored(self.clock.seconds(), CAMERA))
        self.camera = replace(CAMERA, status=Status.OFFLINE)
        self.broker.change("connected")
        self.run_for(2.0)
        self.assertEqual(["offline"], [one["status"] for one in self.broker.on(STATUS)])
        self.assertEqual([], self.broker.on(EVENT))

    def test_another_owns_it(self) -> None:
        """Of a camera that another node publishes we say nothing, and forget nothing on the broker."""
        self.broker.change("connected")
        self.south(Bid(3, Rank.SEES_MAC, 0))
        self.discover()
        for _ in range(10):
            self.broker.deliver(BEAT, Beat("south", "s1", self.number).encode())
            self.run_for(1.0)
        self.happen(CameraForgotten(self.clock.seconds(), CAMERA))
        self.run_for(1.0)
        self.assertEqual([], [one for one in self.broker.sent if "/camera/" in one.topic])
        self.assertFalse(self.service.owns(CAMERA.id))

    def test_forgotten(self) -> None:
        """One that we own and forget is emptied."""
        self.begin()
        self.happen(CameraForgotten(self.clock.seconds(), CAMERA))
        self.assertEqual([b"", b""], [one.payload for one in self.broker.sent[-2:]])

    def test_forgotten_and_found(self) -> None:
        """What waited when it was forgotten is not told of the one that is found later."""
        self.discover()
        self.happen(CameraForgotten(self.clock.seconds(), CAMERA))
        self.broker.change("connected")
        self.run_for(1.0)
        self.discover()
        self.run_for(2.0)
        self.assertEqual(["discovered"], [one["event"] for one in self.broker.on(EVENT) if one["event"] != "forgotten"])

    def test_lost(self) -> None:
        """What was said of a camera that another node has now is not said again with the next connection."""
        self.begin()
        self.south(Bid(7, Rank.SEES_MAC, 0))
        self.broker.sent.clear()
        self.broker.outbox.republish()
        self.broker.flow()
        self.assertEqual([], [one for one in self.broker.sent if "/camera/" in one.topic])
        self.happen(CameraOffline(self.clock.seconds(), CAMERA, "x"))
        self.assertEqual([], [one for one in self.broker.sent if "/camera/" in one.topic])

    def test_will(self) -> None:
        """Another node's will makes its camera ours, and its state is said within a second."""
        self.broker.change("connected")
        self.south(Bid(3, Rank.SEES_MAC, 0))
        self.discover()
        self.run_for(1.0)
        for said in (
            b'{"status": "offline", "instance": "s1", "session": 0}',
            b'{"status": "online", "instance": "s1", "session": 1}',
        ):
            self.broker.deliver(WILL, said)
            self.run_for(1.0)
            self.assertEqual([], self.broker.on(STATUS), "the will of an earlier session, and a birth")
        self.broker.deliver(WILL, b'{"status": "offline", "instance": "s1", "session": 1}')
        self.run_for(1.0)
        self.assertEqual(["online"], [one["status"] for one in self.broker.on(STATUS)])

    def test_malformed(self) -> None:
        """What nobody can read on these topics changes nothing."""
        self.begin()
        for topic in (NODE, BEAT, WILL):
            for payload in (
                b"", b"[]", b"{}", b'{"status": "offline", "instance": [], "session": 1}',
                b'{"status": "offline", "instance": "s1", "session": "x"}', b"\xff",
            ):  # fmt: skip
                self.broker.deliver(topic, payload)
        self.run_for(1.0)
        self.assertTrue(self.service.owns(CAMERA.id))

    def test_broker_away(self) -> None:
        """Without a connection the outbox keeps all of a camera that only we know, and says it with the next one."""
        self.begin()
        self.broker.change("disconnected")
        self.run_for(5.0)
        self.camera = replace(CAMERA, status=Status.OFFLINE)
        self.assertTrue(self.service.owns(CAMERA.id))
        self.happen(CameraOffline(self.clock.seconds(), self.camera, "away"))
        self.broker.sent.clear()
        self.broker.change("connected", 2)
        for _ in range(2):  # at once, and it is not said again when it is known who is there
            self.assertEqual(["offline"], [one["event"] for one in self.broker.on(EVENT)])
            self.assertEqual(["offline"], [one["status"] for one in self.broker.on(STATUS)])
            self.run_for(1.0)

    def test_broker_away_and_shared(self) -> None:
        """Of one that others know the news is kept; its state is said only when it is known to be ours still."""
        self.begin()
        self.south(None)
        self.run_for(2.0)
        self.broker.change("disconnected")
        self.camera = replace(CAMERA, status=Status.OFFLINE)
        self.happen(CameraOffline(self.clock.seconds(), self.camera, "away"))
        self.broker.sent.clear()
        self.broker.change("connected", 2)
        self.assertEqual(["offline"], [one["event"] for one in self.broker.on(EVENT)])
        self.assertEqual([], self.broker.on(STATUS))
        self.south(Bid(9, Rank.SEES_MAC, 0))
        self.run_for(3.0)
        self.assertEqual([], self.broker.on(STATUS), "it is another's meanwhile")

    def share(self) -> None:
        """We own the camera, another node knows it too, and our last beat was so long ago that its lease is over."""
        self.begin()
        self.south(None)
        self.run_for(2.0)
        beats = len(self.broker.on(TOPICS.beat))
        for _ in range(100):
            if len(self.broker.on(TOPICS.beat)) == beats:
                self.run_for(0.1)
        self.run_for(TIMING.lease + 0.5)
        self.broker.sent.clear()

    def test_asks_before_it_speaks(self) -> None:
        """What happens to a camera that others know is told as soon as the broker has shown that we may, in order."""
        self.share()
        for reason in ("one", "two"):
            self.happen(CameraOffline(self.clock.seconds(), CAMERA, reason))
        self.assertEqual([], self.broker.sent)
        self.clock.advance(0.01)
        self.assertEqual(TOPICS.beat, self.broker.sent[0].topic)
        self.assertEqual(["one", "two"], [one["reason"] for one in self.broker.on(EVENT)])
        self.happen(CameraOffline(self.clock.seconds(), CAMERA, "three"))
        self.assertEqual(["one", "two", "three"], [one["reason"] for one in self.broker.on(EVENT)])
        self.assertEqual(1, len(self.broker.on(TOPICS.beat)), "and that costs one beat")

    def test_asks_and_has_lost(self) -> None:
        """What waits for the broker's answer is not told, now or later, when that brings another node's bid first."""
        self.share()
        handlers = dict(self.broker.handlers)
        self.broker.handlers.clear()
        self.happen(CameraOffline(self.clock.seconds(), CAMERA, "x"))
        self.run_for(0.3)
        self.broker.handlers |= handlers
        self.south(Bid(9, Rank.SEES_MAC, 0))
        self.run_for(1.0)
        self.assertEqual([], [one for one in self.broker.sent if "/camera/" in one.topic])
        self.broker.deliver(WILL, b'{"status": "offline", "instance": "s1", "session": 1}')
        self.run_for(2.0)
        self.assertTrue(self.service.owns(CAMERA.id))
        self.assertEqual([], self.broker.on(EVENT), "the other one has told it, or it is over")

    def test_pictures_need_no_answer(self) -> None:
        """A picture of a camera that we own is published at once: it says nothing that could contradict a state."""
        self.share()
        picture = PictureTaken(0.0, CAMERA, Picture(CAMERA.id, b"x", "image/jpeg", 0.0, "test"))
        self.assertIs(Admission.ALL, self.service.admit(picture))
        self.clock.advance(TIMING.stall + 0.1)  # the loop has its turn, too
        self.south(Bid(9, Rank.SEES_MAC, 0))
        self.assertIs(Admission.NOTHING, self.service.admit(picture))

    def test_asked(self) -> None:
        """A node that is asked whether it is there says so at once, and not when somebody else is."""
        self.share()
        self.broker.deliver(BEAT, Beat("south", "s1", 90, ("w1",)).encode())
        self.assertEqual([], self.broker.sent)
        self.broker.deliver(BEAT, Beat("south", "s1", 91, ("n1",)).encode())
        self.assertEqual([TOPICS.beat], [one.topic for one in self.broker.sent])

    def test_slow_broker(self) -> None:
        """What happens to a camera that others know is told over a broker that needs a second there and back."""
        gained: list[str] = []
        self.service.gained.add(gained.append)
        self.broker.delay = 1.0
        self.broker.change("connected")
        self.south(None)
        self.discover()
        self.run_for(8.0)
        self.happen(CameraOffline(self.clock.seconds(), CAMERA, "x"))
        self.run_for(1.5)
        self.assertEqual("offline", self.broker.on(EVENT)[-1]["event"])
        self.run_for(60.0)
        self.assertEqual([CAMERA.id], gained, "its owner is idle, and keeps it")
        self.assertEqual(("", OK), (self.service.block()["fault"], *(one.level for one in self.service.findings())))

    def test_broker_is_too_slow(self) -> None:
        """Where it needs longer no such camera is published, and that is told, with what to do, as long as it is so."""
        self.broker.delay = 2.0
        self.broker.change("connected")
        self.south(None)
        self.discover()
        self.run_for(HELD_UP)
        self.assertEqual("", self.service.block()["fault"])
        self.run_for(6.0)
        self.assertEqual([], self.broker.on(STATUS))
        (finding,) = self.service.findings()
        self.assertEqual((FAIL, self.service.block()["fault"]), (finding.level, finding.text))
        self.assertIn("needs 2000 ms there and back, and 1200 ms are the most", finding.text)
        self.assertIn("join the two by a bridge", finding.text)
        self.broker.delay = 0.1
        self.run_for(6.0)
        self.assertEqual("", self.service.block()["fault"])
        self.assertEqual(["online"], [one["status"] for one in self.broker.on(STATUS)])

    def test_event_waits_too_long(self) -> None:
        """The same where the camera is ours already, and only what happens to it cannot be told."""
        self.begin()
        self.broker.delay = 2.0
        self.south(None)
        self.run_for(TIMING.lease + 0.3)
        self.happen(CameraOffline(self.clock.seconds(), CAMERA, "x"))
        self.run_for(HELD_UP + 4.0)
        self.assertFalse(self.service._election.is_bidding)
        self.assertIn("needs 2000 ms", self.service.block()["fault"])

    def test_broker_is_not_to_blame(self) -> None:
        """Another node that does not withdraw holds us up, too: nothing is said of the broker, which is quick."""
        self.broker.change("connected")
        self.run_for(1.0)
        self.discover()
        self.run_for(0.2)
        for _ in range(round(2 * HELD_UP)):
            self.south(Bid(1, Rank.ROUTED, 0), Rank.ROUTED)
            self.run_for(1.0)
        self.assertTrue(self.service._election.is_bidding)
        self.assertEqual("", self.service.block()["fault"])

    def test_ten_thousand(self) -> None:
        """Whether one camera is ours is looked up, and no set of all is copied for it."""
        self.begin()
        self.south(None)
        self.patch(Election, "owned", property(lambda _: self.fail("all of them for one")))
        self.assertTrue(self.service.owns(CAMERA.id))
        self.assertFalse(self.service.owns("another"))
        self.run_for(TIMING.lease + 1.0)
        self.happen(CameraOffline(self.clock.seconds(), CAMERA, "x"))
        self.run_for(1.0)
        self.assertEqual("offline", self.broker.on(EVENT)[-1]["event"])
        self.assertEqual(set(), self.service._undecided([CAMERA.id]))

    def test_before_it_is_known_who_is_there(self) -> None:
        """With the connection back, what happens to a camera that was ours waits until it is known to be so still; and
        to one that was another's, is his to tell, whoever has it then."""
        for is_anothers, told in ((False, ["offline"]), (True, [])):
            self.setUp()
            self.begin()
            self.south(Bid(9, Rank.SEES_MAC, 0) if is_anothers else None)
            self.run_for(1.0)
            self.broker.change("disconnected")
            self.run_for(1.0)
            self.broker.delay = 0.3
            self.broker.change("connected", 2)
            self.broker.sent.clear()
            self.camera = replace(CAMERA, status=Status.OFFLINE)
            self.happen(CameraOffline(self.clock.seconds(), self.camera, "gone"))
            self.assertEqual([], self.broker.on(EVENT))
            self.broker.deliver(WILL, b'{"status": "offline", "instance": "s1", "session": 1}')
            self.run_for(5.0)
            self.assertEqual(told, [one["event"] for one in self.broker.on(EVENT)])
            self.assertEqual("offline", self.broker.on(STATUS)[-1]["status"])

    def test_said_again_later(self) -> None:
        """The state of a camera that others know is said, too, when nothing has happened, as soon as we may."""
        self.share()
        self.happen(CameraRestored(self.clock.seconds(), CAMERA))
        self.broker.flow()
        self.assertEqual([], self.broker.on(DISCOVERY))
        self.broker.outbox.discard(lambda topic: True)  # it does not take an equal one for news
        self.run_for(1.0)
        self.assertEqual(1, len(self.broker.on(DISCOVERY)))

    def test_stopped(self) -> None:
        """Then nothing is decided or said any more, and nothing waits: no tick, no state of the fleet."""
        self.begin()
        self.south(None)
        self.fleet()
        self.happen(CameraOffline(self.clock.seconds(), replace(CAMERA, status=Status.OFFLINE), "gone"))
        self.assertTrue([one for one in self.clock.getDelayedCalls() if one.getTime() == self.clock.seconds()])
        self.service.stop()
        self.assertEqual([], self.clock.getDelayedCalls())
        said = len(self.broker.sent)
        self.south(Bid(9, Rank.SEES_MAC, 0))
        self.run_for(10.0)
        self.assertEqual(said, len(self.broker.sent))

    def test_stopped_with_events(self) -> None:
        """What waits for its turn is told at the end, with the state, unless somebody else may have begun."""
        for is_shared, told in ((False, ["discovered"]), (True, [])):
            self.setUp()
            self.patch(service_module, "MAX_BEGUN", 0)  # others are begun with first
            self.begin()
            if is_shared:
                self.south(None)
                self.broker.handlers.clear()
                self.run_for(TIMING.lease + 0.5)
            self.assertEqual([], self.broker.on(EVENT))
            gained: list[str] = []
            self.service.gained.add(gained.append)
            self.service.stop()
            self.assertEqual(len(told), len(gained))
            self.assertEqual(told, [one["event"] for one in self.broker.on(EVENT)])
            self.assertEqual(len(told), len(self.broker.on(STATUS)))

    def test_again(self) -> None:
        """Where the former owner withdraws late our state is repeated."""
        self.broker.change("connected")
        self.south(Bid(3, Rank.SEES_MAC, 0))
        self.discover()
        self.run_for(8.0)
        self.assertTrue(self.service.owns(CAMERA.id))
        self.south(None)
        self.assertEqual([DISCOVERY, STATUS], self.broker.republished)
        self.assertEqual("south", self.service.record.former_owner_of(CAMERA.id))

    def test_waiting_is_bounded(self) -> None:
        """Events that wait for a decision are no more than so many."""
        for number in range(MAX_WAITING + 5):
            self.happen(CameraOffline(float(number), CAMERA, "x"))
        self.broker.change("connected")
        self.run_for(2.0)
        self.assertEqual(MAX_WAITING, len(self.broker.on(EVENT)))

    def test_forgotten_before_it_is_known(self) -> None:
        """A camera that is forgotten before the connection is emptied after it, where no other node knows it; one that
        was found again is not."""
        for other_knows, is_back in ((False, False), (True, False), (False, True)):
            self.setUp()
            self.discover()
            self.camera = CAMERA if is_back else None
            self.happen(CameraForgotten(self.clock.seconds(), CAMERA))
            self.broker.change("connected")
            if other_knows:
                self.south(None)
            self.run_for(0.3)
            self.assertEqual([], [one for one in self.broker.sent if "/camera/" in one.topic])
            self.run_for(1.0)
            emptied = {one.topic for one in self.broker.sent if not one.payload}
            self.assertEqual(set() if other_knows or is_back else {DISCOVERY, STATUS}, emptied)

    def warnings(self) -> list[str]:
        """What the log warns of from now on."""
        lines: list[str] = []

        def observe(event: LogEvent) -> None:
            if event["log_level"] is LogLevel.warn:
                lines.append(formatEvent(event) or "")

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        return lines

    def test_not_accepted(self) -> None:
        """An outbox that takes nothing, or loses what it took, ends nothing: it is said when it can be."""

        def refuse(message: Message) -> Deferred[None]:
            raise QueueFull("full")

        def lose(message: Message) -> Deferred[None]:
            return fail(Dropped("full"))

        for publish in (refuse, lose):
            self.setUp()
            patched = self.patch(self.broker, "publish", publish)
            self.broker.change("connected")
            self.run_for(3.0)
            self.assertEqual([], self.broker.sent)
            patched.restore()
            self.discover()
            self.run_for(5.0)
            self.assertEqual(1, len(self.broker.on(STATUS)))

    def test_nothing_returned(self) -> None:
        """A broker that does not give us our own messages is told of, in the log once and in the health document."""
        told = self.warnings()
        self.broker.handlers.clear()
        self.broker.change("connected")
        self.discover()
        self.run_for(UNRETURNED)
        self.assertEqual(("", []), (self.service.block()["fault"], told))
        self.run_for(2.0)
        self.assertIn("site/system/camera_detector/+/beat", self.service.block()["fault"])
        self.assertEqual([f"Nodes: {self.service.block()['fault']}"], told)
        self.assertEqual([], self.broker.on(STATUS))

    def test_pictures_do_not_wait(self) -> None:
        """A picture is not kept for later: there will be a newer one."""
        self.discover()
        self.happen(PictureTaken(0.0, CAMERA, Picture(CAMERA.id, b"x", "image/jpeg", 0.0, "test")))
        self.assertEqual(1, len(self.service._waiting[CAMERA.id]))

    def test_too_many(self) -> None:
        """Cameras beyond what a document holds are not published, and that is told."""
        for number in range(MAX_CLAIMS + 1):
            self.service.handle(CameraDiscovered(0.0, replace(CAMERA, id=f"c{number}")))
        self.broker.change("connected")
        self.run_for(1.0)
        self.assertEqual(MAX_CLAIMS, len(self.broker.on(TOPICS.node)[-1]["claims"]))
        self.assertIn("at most 20000", self.service.block()["fault"])

    def test_other_events(self) -> None:
        """What is of no camera is nobody else's."""
        swept = SweepFinished(0.0, "x", 1.0, 0)
        self.assertIs(Admission.ALL, self.service.admit(swept))
        self.service.handle(swept)
        self.assertEqual(0, self.service.block()["known"])

    def test_retained(self) -> None:
        """What the broker has of a node is known of it; who has our node id is shown by what he says now."""
        self.begin()
        for name, instance in (("south", "s1"), ("north", "n9")):
            self.broker.retained(NODE, NodeDocument(name, instance, 1, 1).encode())
        self.run_for(1.0)
        self.assertEqual((["north", "south"], ""), (self.service.block()["others"], self.service.block()["rival"]))

    def test_describe(self) -> None:
        """What this node is, beside its cameras, is in its document soon."""
        self.begin()
        self.service.describe(NodeAbout("9.9", ("10.0.0.0/24",)))
        self.run_for(1.0)
        said = self.broker.on(TOPICS.node)[-1]
        self.assertEqual(("9.9", ["10.0.0.0/24"]), (said["version"], said["networks"]))

    def test_rival(self) -> None:
        """Another daemon with our node id is told in the log once, and in the health document."""
        self.begin()
        told = self.warnings()
        for number in (1, 2):
            self.broker.deliver(TOPICS.node, NodeDocument("north", "n9", 1, number).encode())
            self.run_for(1.0)
        self.assertEqual("n9", self.service.block()["rival"])
        (line,) = told
        self.assertIn("(instance n9): give each its own NODE_ID", line)
        (finding,) = self.service.findings()
        self.assertEqual((WARN, "give each its own NODE_ID"), (finding.level, finding.advice))

    def test_predecessor(self) -> None:
        """What an earlier process of ours left on the broker is no rival, and stands there no more."""
        self.broker.change("connected")
        self.broker.retained(TOPICS.node, NodeDocument("north", "n0", 1, 90).encode())
        self.broker.deliver(TOPICS.lwt, b'{"status": "offline", "instance": "n0", "session": 1}')
        self.run_for(1.0)
        self.assertEqual("", self.service.block()["rival"])
        self.assertEqual([], self.service.block()["others"])

    def test_block(self) -> None:
        """Figures for the health document, and the fleet for a person."""
        self.begin()
        self.south(None)
        block = {"owned": 1, "known": 1, "others": ["south"], "rival": "", "fault": ""}
        self.assertEqual(block, self.service.block())
        self.assertTrue(self.service.is_connected)

    def fleet(self) -> Any:
        """The answer of ``fleet``, for which the states of all cameras are read from the broker."""
        answer = Deferred.fromCoroutine(self.service.answer({}))
        state = {"status": "online", "camera": {"name": "Yard"}}
        self.broker.deliver(STATUS, json.dumps(state).encode())
        self.run_for(1.0)
        return self.successResultOf(answer)

    def test_fleet(self) -> None:
        """Which node has a camera, and how it is; a node that goes is away, until its document is removed."""
        self.begin()
        self.south(None)
        found = self.fleet()
        self.assertEqual([STATUS], list(self.broker.only[TOPICS.every_status]), "of thousands a broker drops some")
        camera = found["cameras"][CAMERA.id]
        self.assertEqual(("north", ["north", "south"]), (camera["owner"], camera["known_to"]))
        self.assertEqual(("Yard", "online"), (camera["name"], camera["status"]))
        self.broker.deliver(WILL, b'{"status": "offline", "instance": "s1", "session": 1}')
        north, south = self.fleet()["nodes"]
        self.assertEqual((False, True), (north["away"], south["away"]))
        self.assertIsNotNone(south["since"])
        self.run_for(60.0)
        self.broker.deliver(WILL, b'{"status": "offline", "instance": "s1", "session": 1}')
        self.assertEqual(south["since"], self.fleet()["nodes"][1]["since"], "the same, retained")
        self.broker.deliver(NODE, b"")
        self.assertEqual(["north"], [one["node_id"] for one in self.fleet()["nodes"]])

    def test_left(self) -> None:
        """Whether another node has a camera; of one of which nobody knows yet whose it is, nobody does."""
        self.broker.change("connected")
        self.run_for(1.0)
        self.assertFalse(self.service.voice.leaves(CAMERA.id))
        self.south(Bid(3, Rank.SEES_MAC, 0))
        self.discover()
        self.assertTrue(self.service.voice.leaves(CAMERA.id))

    def test_keeps_before_it_is_known(self) -> None:
        """Nobody's, as long as it is not known who is there; then ours, of a camera that nobody else knows."""
        keeps = self.service.voice.keeps
        self.discover()
        self.assertFalse(keeps(CAMERA.id))
        self.broker.change("connected")
        self.assertFalse(keeps(CAMERA.id))
        self.run_for(1.0)
        self.assertTrue(keeps(CAMERA.id))
        self.assertTrue(keeps("forgotten"), "what nobody knows any more may be removed")
        self.broker.change("disconnected")
        self.assertFalse(keeps(CAMERA.id))

    def test_keeps_what_is_shared(self) -> None:
        """Those of a camera that others know are the publishing node's, and of one that only they know not ours."""
        voice = self.service.voice
        self.begin()
        self.assertEqual((True, False), (voice.keeps(CAMERA.id), voice.met(CAMERA.id)))
        self.south(None)
        self.assertEqual((True, True, "north"), (voice.keeps(CAMERA.id), voice.met(CAMERA.id), voice.owner(CAMERA.id)))
        self.south(Bid(9, Rank.SEES_MAC, 0))
        self.run_for(0.3)
        self.assertEqual((False, True, "south"), (voice.keeps(CAMERA.id), voice.met(CAMERA.id), voice.owner(CAMERA.id)))

    def test_keeps_nothing_forgotten(self) -> None:
        """What only others know any more is not ours to remove, from the moment on at which it was forgotten."""
        self.begin()
        self.south(None)
        self.camera = None
        self.happen(CameraForgotten(self.clock.seconds(), CAMERA))
        self.assertFalse(self.service.voice.keeps(CAMERA.id))

    def test_keeps_nothing_when_stopped(self) -> None:
        """A process that was stopped speaks for nothing that others know, until it has heard what is so."""
        self.begin()
        self.south(None)
        self.clock.rightNow += 10.0
        self.assertFalse(self.service.voice.keeps(CAMERA.id))

    def test_on_gain(self) -> None:
        """Who keeps entries is told when this node begins to publish a camera, also after another one."""
        gained: list[float] = []
        end = self.service.voice.on_gain(lambda: gained.append(self.clock.seconds()))
        self.begin()
        self.assertEqual(1, len(gained))
        self.south(Bid(9, Rank.SEES_MAC, 0))
        self.run_for(0.3)
        self.broker.deliver(WILL, b'{"status": "offline", "instance": "s1", "session": 1}')
        self.run_for(2.0)
        self.assertEqual((2, True), (len(gained), self.service.voice.keeps(CAMERA.id)))
        self.assertTrue(self.service.voice.met(CAMERA.id), "what it left stands there")
        end()
        self.broker.change("disconnected")
        self.broker.change("connected", 2)
        self.run_for(2.0)
        self.assertEqual(2, len(gained))

    def test_met_nobody(self) -> None:
        """What an earlier process of this node said of a camera is no other node's."""
        self.broker.change("connected")
        document = NodeDocument("north", "n0", 1, 7, 0, {CAMERA.id: Claim(Rank.SEES_MAC)})
        self.broker.deliver(TOPICS.node, document.encode())
        self.assertFalse(self.service.voice.met(CAMERA.id))


class WallClock:
    """A wall's clock that is set, with timers that do not care, as the daemon's reactor has them."""

    def __init__(self, clock: Clock) -> None:
        self.callLater = clock.callLater
        self._clock = clock
        self.set_by = 0.0

    def seconds(self) -> float:
        return self._clock.seconds() + self.set_by


class ClockStepsTest(NodeServiceTest):
    """All of it by a wall's clock that is set by an hour now and then, and what a step costs: nothing."""

    def make_clock(self) -> Any:
        self.wall = WallClock(self.clock)
        return self.wall

    def run_for(self, seconds: float) -> None:
        """A step every two seconds, there and back."""
        for number in range(round(seconds * 10)):
            if number % 20 == 10:
                self.wall.set_by = 3600.0 - self.wall.set_by
            elif number % 20 == 0:
                self.wall.set_by = -self.wall.set_by
            self.clock.advance(0.1)

    def test_beats(self) -> None:
        """An owner whose camera another node knows beats as often as ever, and says nothing else."""
        self.begin()
        self.south(None)
        self.run_for(2.0)
        said, beats = len(self.broker.sent), len(self.broker.on(TOPICS.beat))
        self.run_for(60.0)
        self.assertTrue(self.service.owns(CAMERA.id))
        new = len(self.broker.on(TOPICS.beat)) - beats
        self.assertTrue(15 <= new <= 60 / TIMING.beat + 1, new)
        self.assertEqual(new, len(self.broker.sent) - said)


class WordsTest(SynchronousTestCase):
    """Which topic is of which camera, and how well a camera is seen."""

    def test_topics(self) -> None:
        """Those that hold the state of a camera, and no others."""
        seen = TOPICS.seen("c1")
        device, entity = "homeassistant/device/camdetect_c1/config", "homeassistant/sensor/camdetect_c1/status/config"
        described = TOPICS.described("c1")
        for topic in (TOPICS.discovery("c1"), TOPICS.status("c1"), seen, device, entity, described):
            self.assertEqual("c1", camera_of(topic), topic)
        for topic in (
            *TOPICS.health,
            TOPICS.lwt,
            TOPICS.node,
            TOPICS.frigate_cameras,
            "x",
            "a/device/camdetect_c1/other",
        ):
            self.assertFalse(is_of_a_camera(topic), topic)

    def test_ranks(self) -> None:
        """By its state, its MAC, and whether it was proved."""
        self.assertIs(Rank.SEES_MAC, rank_of(CAMERA))
        self.assertIs(Rank.AWAY, rank_of(replace(CAMERA, status=Status.OFFLINE)))
        self.assertIs(Rank.ROUTED, rank_of(replace(CAMERA, mac=None)))
        claim = replace(CAMERA, mac=None, status=Status.AUTH_REQUIRED, last_validated=0.0)
        self.assertIs(Rank.HEARD_OF, rank_of(claim))
