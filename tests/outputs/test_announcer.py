"""Who says it again to Home Assistant: on its birth message, paced; and who removes what is not wanted."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CONFIG, HOME_CAMERA as CAMERA, NODE_CONFIG, SEEN
from twisted_detector.errors import QueueFull
from twisted_detector.events import CameraChanged, CameraForgotten
from twisted_detector.model import Camera, Message
from twisted_detector.model.encoding import encode
from twisted_detector.outputs.homeassistant.announcer import (
    AFTER_BIRTH,
    MAX_PAYLOAD,
    PACE,
    PATIENCE,
    SEEN_INTERVAL,
    SEEN_PACE,
    SETTLE,
    SETTLE_LOST,
    Announcer,
    AnnouncerSettings,
    CameraSource,
)
from twisted_detector.outputs.homeassistant.other_daemons import MAX_DAEMONS
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.homeassistant.payloads import camera_payload, node_payload
from twisted_detector.outputs.topics import Topics
from twisted_detector.testing.doubles import RecordingPublisher

STATUS = "homeassistant/status"
STRAY = CONFIG.replace(CAMERA.id, "0123456789ab")
TOPICS, OTHER = Topics(prefix="", node_id="node1"), Topics(prefix="", node_id="other")


def announced_by(topics: Topics, camera: Camera = CAMERA) -> bytes:
    return encode(camera_payload(camera, topics, pictures=False))


class AnnouncerCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.publisher = RecordingPublisher()
        self.cameras = {CAMERA.id: CAMERA}
        self.handlers: dict[str, Callable[[str, bytes], Any]] = {}
        self.republished: list[str] = []
        self.rounds = 0
        self.searches: list[str] = []
        self.not_owned: set[str] = set()
        self.waiting: list[Deferred[None]] | None = None
        self.announcer = self.make()

    def make(self, *, enabled: bool = True, by_component: bool = False) -> Announcer:
        self.handlers.clear()
        self.output = HomeAssistantOutput(TOPICS, prefix="homeassistant", by_component=by_component)

        def subscribe(topic: str, handler: Callable[[str, bytes], Any]) -> Callable[[], None]:
            self.handlers[topic] = handler
            return lambda: self.handlers.__delitem__(topic)

        def republish(topics: Iterable[str]) -> None:
            self.republished += topics

        announcer = Announcer(
            self.clock,
            AnnouncerSettings("homeassistant", STATUS, TOPICS),
            output=self.output if enabled else None,
            cameras=CameraSource(
                self.all_cameras,
                self.find_camera,
                lambda camera: [
                    Message(f"also/{camera.id}", b"x", retain=True),
                    Message(f"bytes/{camera.id}", b"y"),
                ],
                lambda camera_id: camera_id not in self.not_owned,
            ),
            wait_turn=self.wait_turn,
            publish=self.publisher.publish,
            republish=republish,
            subscribe=subscribe,
        )
        announcer.startService()
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))
        self.addCleanup(lambda: announcer.running and announcer.stopService())
        return announcer

    def all_cameras(self) -> list[Camera]:
        self.rounds += 1
        return list(self.cameras.values())

    def find_camera(self, camera_id: str) -> Camera | None:
        self.searches.append(camera_id)
        return self.cameras.get(camera_id)

    async def wait_turn(self) -> None:
        if self.waiting is not None:
            mine: Deferred[None] = Deferred(self.waiting.remove)
            self.waiting.append(mine)
            await mine

    def turn(self) -> None:
        """The queue releases one that waits."""
        assert self.waiting is not None
        self.waiting.pop(0).callback(None)

    def receive(self, topic: str, payload: bytes) -> None:
        """As the broker would deliver it."""
        if topic in self.handlers:
            handler = self.handlers[topic]
        elif topic.count("/") == 3:
            handler = self.handlers["homeassistant/device/+/config"]
        else:
            handler = self.handlers["homeassistant/+/+/+/config"]
        result = handler(topic, payload)
        if result is not None:
            Deferred.fromCoroutine(result)

    def topics(self) -> list[str]:
        topics = [message.topic for message in self.publisher.messages]
        self.publisher.messages.clear()
        return topics

    def emptied(self) -> list[str]:
        return [message.topic for message in self.publisher.messages if message.retain and not message.payload]


class BirthTests(AnnouncerCase):
    def test_start(self) -> None:
        """The daemon's device is said at the start; cameras say themselves when they are restored."""
        self.assertEqual([NODE_CONFIG], self.topics())

    def test_everything_again_paced(self) -> None:
        """After a birth message the daemon, then one camera each PACE, though nothing has changed; each once."""
        self.cameras |= {str(n): replace(CAMERA, id=str(n)) for n in range(50)}
        self.topics()
        self.receive(STATUS, b"online")
        self.receive(STATUS, b"online")
        self.assertEqual([NODE_CONFIG], self.topics(), "the round that is due answers both")
        self.assertEqual([NODE_CONFIG, *TOPICS.health], self.republished)
        self.republished.clear()
        self.clock.advance(AFTER_BIRTH)
        self.assertEqual([CONFIG, f"also/{CAMERA.id}", f"bytes/{CAMERA.id}", SEEN], self.topics())
        self.assertEqual(
            [CONFIG, f"also/{CAMERA.id}", SEEN], self.republished, "only what is retained can be said again"
        )
        self.clock.advance(PACE)
        self.assertEqual(4, len(self.topics()))
        self.receive(STATUS, b"online")
        for _ in range(100):
            self.clock.advance(PACE)
        counts = self.topics()
        self.assertEqual(1, counts.count(CONFIG), "asked for again, it was queued again")
        for number in range(50):
            self.assertLessEqual(counts.count(f"also/{number}"), 2)
            self.assertGreaterEqual(counts.count(f"also/{number}"), 1)

    def test_a_camera_that_went_meanwhile(self) -> None:
        """It is passed over."""
        self.topics()
        self.receive(STATUS, b"online")
        self.cameras.clear()
        self.clock.advance(AFTER_BIRTH)
        self.assertEqual([NODE_CONFIG], self.topics())

    def test_other_words(self) -> None:
        """Only ``online`` is a birth."""
        self.topics()
        for payload in (b"offline", b"", b"ONLINE", b"online "):
            self.receive(STATUS, payload)
        self.assertEqual([], self.topics())

    def test_a_full_outbox(self) -> None:
        """What is not taken now stops nothing."""
        self.receive(STATUS, b"online")
        self.publisher.problem = QueueFull()
        self.clock.advance(AFTER_BIRTH)
        self.publisher.problem = None
        self.topics()
        self.receive(STATUS, b"online")
        self.clock.advance(AFTER_BIRTH)
        self.assertIn(CONFIG, self.topics())

    def test_when_it_was_seen(self) -> None:
        """A small stamp for every camera, every SEEN_INTERVAL."""
        self.topics()
        self.cameras[CAMERA.id] = replace(CAMERA, last_seen=1000.0)
        self.clock.advance(SEEN_INTERVAL)
        [message] = self.publisher.messages
        self.assertEqual((SEEN, 1000.0), (message.topic, json.loads(message.payload)["last_seen"]))

    def test_not_owned(self) -> None:
        """Of a camera that another node publishes neither announcement nor stamp is repeated, and nothing removed."""
        self.topics()
        self.not_owned.add(CAMERA.id)
        self.receive(CONFIG, announced_by(TOPICS))
        self.receive(STATUS, b"online")
        self.clock.advance(SETTLE)
        self.clock.advance(SEEN_INTERVAL)
        self.assertEqual([NODE_CONFIG], self.topics())

    def test_stop(self) -> None:
        """Nothing is listened to and nothing said after a stop, in the middle of it all."""
        self.receive(STATUS, b"online")
        self.announcer.stopService()
        self.topics()
        self.clock.advance(1000)
        self.assertEqual(([], {}), (self.topics(), self.handlers))


class RemovalTests(AnnouncerCase):
    def test_an_earlier_run(self) -> None:
        """What is announced as ours and is no camera of ours any more is removed once all that was saved is known."""
        self.topics()
        self.receive(STRAY, announced_by(TOPICS))
        self.receive(CONFIG, announced_by(TOPICS))
        self.receive(NODE_CONFIG, encode(node_payload(TOPICS)))
        self.assertEqual([], self.emptied())
        self.clock.advance(SETTLE)
        self.assertEqual([STRAY], self.emptied())
        self.assertEqual(1, self.announcer.removed)
        self.receive(STRAY.replace("ab", "ac"), announced_by(TOPICS))
        self.assertEqual(2, len(self.emptied()), "later at once")

    def test_a_lost_state_directory(self) -> None:
        """When nothing was saved, what is there has time to be found again."""
        self.announcer.stopService()
        self.cameras.clear()
        self.make()
        self.topics()
        self.receive(CONFIG, announced_by(TOPICS))
        self.receive(STRAY, announced_by(TOPICS))
        self.clock.advance(SETTLE_LOST / 2)
        self.assertEqual([], self.emptied())
        self.cameras[CAMERA.id] = CAMERA
        self.clock.advance(SETTLE_LOST / 2)
        self.assertEqual([STRAY], self.emptied())

    def test_removed_by_somebody_else(self) -> None:
        """What was emptied meanwhile is not emptied once more."""
        self.receive(STRAY, announced_by(TOPICS))
        self.receive(STRAY, b"")
        self.clock.advance(SETTLE)
        self.assertEqual([], self.emptied())

    def test_another_mode(self) -> None:
        """What was announced in the other mode is handed over: told to move, said anew, and only then emptied."""
        for key, topic, wanted in (
            (CAMERA.id, f"homeassistant/sensor/camdetect_{CAMERA.id}/ip/config", CONFIG),
            ("node_node1", "homeassistant/sensor/camdetect_node_node1/mqtt/config", NODE_CONFIG),
        ):
            self.announcer.stopService()
            self.announcer = self.make()
            self.topics()
            self.receive(topic, announced_by(TOPICS))
            self.clock.advance(SETTLE)
            self.receive(topic, announced_by(TOPICS))
            [moving] = self.publisher.messages
            self.assertEqual((topic, {"migrate_discovery": True}), (moving.topic, json.loads(moving.payload)))
            self.assertFalse(moving.retain)
            self.receive(topic, moving.payload)
            self.topics()
            self.clock.advance(AFTER_BIRTH)
            self.assertEqual([topic], self.emptied(), key)
            said = self.topics()
            self.assertEqual((wanted, topic), (said[0], said[-1]))
            self.assertIn(wanted, self.republished)
            self.receive(topic, b"")
            self.assertNotIn(CAMERA.id, self.output.deletions)

    def test_switched_off(self) -> None:
        """Without Home Assistant all that we ever announced is removed at once, and nothing is said."""
        self.announcer.stopService()
        self.announcer = self.make(enabled=False)
        self.topics()
        for topic in (CONFIG, NODE_CONFIG, STRAY):
            self.receive(topic, announced_by(TOPICS))
        self.receive(CONFIG.replace("0a", "0b"), announced_by(OTHER))
        self.assertEqual([CONFIG, NODE_CONFIG, STRAY], self.emptied())
        self.clock.advance(SEEN_INTERVAL * 2)
        self.assertEqual(3, len(self.topics()))

    def test_what_is_not_ours(self) -> None:
        """Nothing of another program, of another daemon, or that cannot be read is touched."""
        self.topics()
        for topic, payload in (
            ("homeassistant/device/zigbee_0x1/config", announced_by(TOPICS)),
            (STRAY, announced_by(OTHER)),
            (STRAY, b"{"),
            (STRAY, b"[" * 100_000),
            (STRAY, b"[]"),
            (STRAY, b"7"),
            (STRAY, b"\xff"),
            (STRAY, b'{"o":{"name":"camdetect"},"avty":[]}'),
            (STRAY, announced_by(TOPICS) + b" " * MAX_PAYLOAD),
        ):
            self.receive(topic, payload)
        self.clock.advance(SETTLE)
        self.assertEqual([], self.topics())


class DeletionTests(AnnouncerCase):
    def setUp(self) -> None:
        super().setUp()
        self.change()
        self.receive(CONFIG, announced_by(TOPICS))
        self.topics()

    def change(self) -> list[str]:
        """Something happens to the camera; the topics that are said."""
        messages = self.output.messages(CameraChanged(at=1.0, camera=CAMERA))
        return [message.topic for message in messages if message.topic == CONFIG]

    def test_a_person(self) -> None:
        """What somebody else empties a person has deleted: it is not announced again, also at the birth message."""
        self.receive(CONFIG, b"")
        self.assertEqual([CONFIG], self.emptied(), "for the outbox, which would say it again")
        self.topics()
        self.receive(CONFIG, b"")
        self.assertEqual([], self.change())
        self.receive(STATUS, b"online")
        self.clock.advance(AFTER_BIRTH)
        self.assertNotIn(CONFIG, self.topics())

    def test_each_entity(self) -> None:
        """Where each entity has a topic, all of them are emptied at the first, once, for the outbox knows them all."""
        self.announcer.stopService()
        self.announcer = self.make(by_component=True)
        list(self.output.messages(CameraChanged(at=1.0, camera=CAMERA)))
        self.topics()
        standing = self.output.expected_topics(CAMERA)
        for _ in range(2):  # as Home Assistant empties them, and as our own come back
            for topic in sorted(standing):
                self.receive(topic, b"")
        self.assertEqual(sorted(standing), sorted(self.emptied()))

    def test_our_own(self) -> None:
        """What was emptied here comes back from the broker, and is no deletion; nor is what never stood."""
        for _ in range(2):
            withdrawn = list(self.output.messages(CameraForgotten(at=1.0, camera=CAMERA)))
            self.assertIn(CONFIG, [message.topic for message in withdrawn])
            self.change()  # found again before the broker has told so
            self.receive(CONFIG, b"")
            self.assertEqual([CONFIG], self.change())
            self.receive(CONFIG, announced_by(TOPICS))
        self.output.standing.discard(CONFIG)
        self.receive(CONFIG, b"")
        self.assertEqual([CONFIG], self.change())

    def test_another_daemon(self) -> None:
        """What another daemon announced and takes away is no deletion of ours."""
        self.output.standing.discard(CONFIG)
        self.receive(CONFIG, announced_by(OTHER))
        self.receive(CONFIG, b"")
        self.assertEqual([CONFIG], self.change())


class ThousandsTests(AnnouncerCase):
    """With 5 400 cameras and as many announcements: counted are looks at all cameras, and steps of one turn."""

    COUNT = 5400

    def setUp(self) -> None:
        super().setUp()
        self.cameras |= {f"{n:012x}": replace(CAMERA, id=f"{n:012x}") for n in range(1, self.COUNT)}
        self.topics()
        self.rounds, self.waiting = 0, []
        self.searches.clear()

    def announcements(self, topics: Topics, count: int) -> None:
        for number in range(count):
            camera_id = f"{number + 1:012x}"
            self.receive(CONFIG.replace(CAMERA.id, camera_id), announced_by(topics, self.cameras[camera_id]))

    def test_announcements_that_are_heard(self) -> None:
        """Each waits for its turn, and costs one search and no look at all cameras."""
        self.clock.advance(SETTLE)
        self.announcements(TOPICS, 300)
        self.assertEqual((self.searches, len(self.waiting)), ([], 300))
        for number in range(1, 301):
            self.turn()
            self.assertEqual(len(self.searches), number)
        self.assertEqual((self.rounds, self.emptied()), (0, []))

    def test_settling(self) -> None:
        """What was heard before the start is judged one at a time, too, and what was emptied meanwhile is left out."""
        self.waiting = None
        self.announcements(TOPICS, 300)
        for number in range(100):
            self.receive(STRAY.replace("0123456789ab", f"ff{number:010x}"), announced_by(TOPICS))
        self.waiting = []
        self.clock.advance(SETTLE)
        self.assertEqual((self.searches, len(self.waiting)), ([], 1))
        self.turn()
        self.assertEqual((len(self.searches), len(self.waiting)), (1, 1))
        self.announcer._strays.discard(STRAY.replace("0123456789ab", "ff0000000063"))
        while self.waiting:
            self.turn()
        self.assertEqual((self.rounds, len(self.searches), len(self.emptied())), (0, 399, 99))

    def test_births(self) -> None:
        """Two thousand births in a second look once at all cameras; each camera is then searched in its own step."""
        for _ in range(2000):
            self.receive(STATUS, b"online")
        self.assertEqual(([NODE_CONFIG], self.rounds), (self.topics(), 0))
        self.clock.advance(AFTER_BIRTH)
        self.assertEqual((self.rounds, len(self.searches)), (1, 1))
        self.clock.advance(PACE)
        self.assertEqual((self.rounds, len(self.searches)), (1, 2))

    def test_stamps(self) -> None:
        """When cameras were seen is said one at a time; of one that was forgotten meanwhile nothing is said."""
        for number in range(int(SEEN_INTERVAL / SEEN_PACE), self.COUNT):
            del self.cameras[f"{number:012x}"]
        self.clock.advance(SEEN_INTERVAL)
        self.assertEqual(([], 1), (self.topics(), len(self.waiting)))
        del self.cameras[f"{7:012x}"]
        for number in range(1, 6):
            self.turn()
            self.assertEqual(len(self.publisher.messages), number)
        while self.waiting:
            self.turn()
        self.assertEqual((len(self.cameras), self.rounds), (len(self.topics()), 1))

    def test_stamps_of_many(self) -> None:
        """Of many cameras no more than thirty are stamped in a minute, however many there are; each has its turn."""
        self.waiting = None
        self.assertGreater(self.COUNT, SEEN_INTERVAL / SEEN_PACE)
        self.clock.advance(SEEN_INTERVAL)
        self.topics()
        stamped: list[str] = []
        while len(stamped) < self.COUNT:
            self.clock.pump([SEEN_PACE / 2] * int(120 / SEEN_PACE))
            minute = self.topics()
            self.assertLessEqual(len(minute), 30)
            stamped += minute
        self.assertEqual(self.COUNT, len(set(stamped)))
        self.assertEqual(1, self.rounds)

    def test_inheritance(self) -> None:
        """The cameras of a daemon that stays away are found by what it had announced, not among all of ours."""
        self.waiting = None
        self.clock.advance(SETTLE)
        self.announcements(OTHER, 50)
        self.rounds = 0
        for _ in range(100):
            for status in ("online", "offline"):
                self.receive(OTHER.lwt, encode({"status": status}))
        self.assertLess(len(self.clock.getDelayedCalls()), 5, "one wait, however often it comes and goes")
        self.clock.advance(PATIENCE)
        for _ in range(60):
            self.clock.advance(PACE)
        self.assertEqual((self.rounds, len(self.searches)), (0, 50))

    def test_stop(self) -> None:
        """A stop ends every round, and what waits for its turn says nothing any more."""
        self.announcements(TOPICS, 3)
        self.clock.advance(SETTLE_LOST)
        self.clock.advance(SEEN_INTERVAL)
        self.announcer.stopService()
        self.topics()
        while self.waiting:
            self.turn()
        self.assertEqual(([], []), (self.topics(), self.searches))


class OtherDaemonTests(AnnouncerCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock.advance(SETTLE)
        self.topics()

    def other(self, status: str) -> None:
        self.receive(OTHER.lwt, encode({"status": status}))

    def test_who_announced_last_has_it(self) -> None:
        """While another daemon that announced our camera lives, we keep quiet; its word is not answered."""
        self.receive(CONFIG, announced_by(OTHER))
        self.assertFalse(self.output.others.holds(CONFIG), "not known to be alive")
        self.other("online")
        self.assertTrue(self.output.others.holds(CONFIG))
        self.receive(STATUS, b"online")
        self.clock.advance(AFTER_BIRTH)
        self.assertNotIn(CONFIG, self.topics())
        self.receive(CONFIG, announced_by(TOPICS))
        self.assertFalse(self.output.others.holds(CONFIG), "it is ours again")

    def test_inheritance(self) -> None:
        """When it stays away, its cameras that we know are announced by us; a restart is no such absence."""
        self.receive(CONFIG, announced_by(OTHER))
        self.other("online")
        self.other("offline")
        self.clock.advance(PATIENCE / 2)
        self.other("online")
        self.clock.advance(PATIENCE)
        self.assertEqual([], self.topics())
        self.other("offline")
        self.clock.advance(PATIENCE)
        self.clock.advance(PACE)
        self.assertIn(CONFIG, self.topics())

    def test_bounds(self) -> None:
        """However many daemons are claimed, only so many are listened to; what is no will topic never is."""
        before = len(self.handlers)
        for owner in ("#/lwt", "+/lwt", "x"):
            self.receive(CONFIG, encode({"o": {"name": "camdetect"}, "avty": [{"t": owner}]}))
        self.assertEqual(before, len(self.handlers))
        for number in range(MAX_DAEMONS + 5):
            self.receive(CONFIG, announced_by(Topics(prefix="", node_id=f"n{number}")))
        self.assertEqual(before + MAX_DAEMONS, len(self.handlers))

    def test_a_will_that_is_none(self) -> None:
        """Whatever stands on its will topic, a daemon is alive only when that says so."""
        self.receive(CONFIG, announced_by(OTHER))
        for payload in (b"", b"{", b"[]", b'{"status":7}', b"[" * 100_000):
            self.receive(OTHER.lwt, payload)
            self.assertFalse(self.output.others.holds(CONFIG))
