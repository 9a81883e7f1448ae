"""How often cameras are worded and published: once for each consumer and change, never for an event of another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import inspection, sighting, stream
from tests.outputs.case import TAGS, Place
from twisted_detector.bus import Bus
from twisted_detector.events import CameraChanged, CameraForgotten, CameraRestored, Event, PictureTaken
from twisted_detector.model import Camera, Login, Mac, Secret
from twisted_detector.model.cameras import Picture
from twisted_detector.model.consumers import FRIGATE, GO2RTC
from twisted_detector.model.encoding import encode
from twisted_detector.outputs import topics as topics_module
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.follower import ConsumerSettings
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.frigate.document import FrigateTopics
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.homeassistant import output as homeassistant_output
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.stream_choice import CameraLogins
from twisted_detector.outputs.sync.consumer import Destinations
from twisted_detector.outputs.sync_service import MANY, MANY_INTERVAL, RECHECK, SyncService
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import MemoryStateStore, RecordingListener, RecordingPublisher

COUNT, FEW = 1000, 200
TOPICS = FrigateTopics("frigate/config/cameras", "frigate/config/reload")


class WordingCase(SynchronousTestCase):
    """A fleet with every output, of which each wording is counted.

    :ivar worded: by (consumer, camera).
    :ivar looks: how often somebody asked for all cameras.
    """

    def setUp(self) -> None:
        self.clock = Clock()
        self.worded: Counter[tuple[str, str]] = Counter()
        self.publisher = RecordingPublisher()
        self.said = self.publisher.messages
        self.looks = 0
        self.login: Login | None = Login("admin", Secret("hunter2"))
        self.bus = Bus()
        self.registry = Registry(self.bus.emit, new_cameras_per_hour=10_000)
        self.count_calls(topics_module, "camera_document", "topics", lambda camera: (camera,))
        self.count_calls(homeassistant_output, "camera_payload", "homeassistant", lambda camera, *_, **__: (camera,))
        self.count_calls(frigate, "build", "frigate", lambda cameras, *_, **__: cameras)
        self.count_calls(go2rtc, "build", "go2rtc", lambda cameras, *_, **__: cameras)

    def count_calls(self, module: Any, name: str, consumer: str, cameras_of: Callable[..., Any]) -> None:
        original = getattr(module, name)

        def counted(*arguments: Any, **more: Any) -> Any:
            self.worded.update((consumer, camera.id) for camera in cameras_of(*arguments, **more))
            return original(*arguments, **more)

        self.patch(module, name, counted)

    def join(self, *consumers: ConsumerSettings, homeassistant: bool = True) -> None:
        names = Topics(prefix="", node_id="node")
        outputs: list[Any] = [HomeAssistantOutput(names, prefix="homeassistant")] if homeassistant else []
        self.bus.subscribe(OutputDispatcher([*outputs, TopicsOutput(names)], publish=self.publisher.publish))

        def cameras() -> tuple[Camera, ...]:
            self.looks += 1
            return self.registry.cameras()

        self.sync = SyncService(
            self.clock,
            consumers,
            cameras=cameras,
            logins=CameraLogins(lambda camera: self.login, lambda camera: "", TAGS),
            store=MemoryStateStore(),
            publish=self.publisher.publish,
            random=lambda: 0.5,
        )
        self.bus.subscribe(self.sync)
        self.sync.startService()
        self.addCleanup(lambda: self.successResultOf(self.sync.stopService()))

    def find(self, numbers: Iterator[int] | range) -> None:
        for number in numbers:
            address = f"10.0.{number // 250}.{number % 250 + 1}"
            mac = Mac.from_bytes((0x02_00_00_00_00_01 + number).to_bytes(6, "big"))
            result = self.registry.record_sighting(sighting(address, mac), 1.0)
            assert result is not None
            self.registry.record_inspection(result.key, inspection(address, stream(address)), 1.0)

    def events_of(self, deed: Callable[[], object]) -> list[Event]:
        listener = RecordingListener()
        unsubscribe = self.bus.subscribe(listener)
        deed()
        unsubscribe()
        return list(listener.events)

    def settle(self) -> None:
        self.clock.pump([0.25] * 60)
        self.worded.clear()
        self.said.clear()


class EveryConsumer(WordingCase):
    def setUp(self) -> None:
        super().setUp()
        self.file, self.api = Place("frigate-file"), Place("go2rtc-api")
        self.join(
            ConsumerSettings(FRIGATE, frigate.FrigateOptions(), Destinations(entries=[self.file]), topics=TOPICS),
            ConsumerSettings(GO2RTC, go2rtc.Go2rtcOptions(), Destinations(live=[self.api])),
        )

    def test_a_new_camera(self) -> None:
        """Two events, ten messages; each consumer words it once."""
        self.find(range(COUNT))
        self.settle()
        events = self.events_of(lambda: self.find(range(COUNT, COUNT + 1)))
        self.clock.advance(1)
        (camera_id,) = {event.camera.id for event in events}  # type: ignore[attr-defined]
        self.assertEqual(2, len(events))
        consumers = ("topics", "homeassistant", "frigate", "go2rtc")
        self.assertEqual({(consumer, camera_id): 1 for consumer in consumers}, self.worded)
        per_topic = Counter(message.topic for message in self.said if camera_id in message.topic)
        self.assertEqual(
            {
                f"camera/discovery/{camera_id}": 2,
                f"camera/status/{camera_id}": 2,
                f"camera/event/{camera_id}": 2,
                f"camera/seen/{camera_id}": 2,
                f"homeassistant/device/camdetect_{camera_id}/config": 2,
            },
            per_topic,
        )
        self.assertEqual(1, sum(message.topic == TOPICS.configuration for message in self.said))
        self.assertEqual(COUNT + 1, len(self.file.delivered[-1][0]))
        self.assertEqual(COUNT + 1, len(self.api.delivered[-1][0]))

    def test_a_change(self) -> None:
        """Of a fleet of a thousand one camera is worded when one goes away, and one when it comes back."""
        self.find(range(COUNT))
        self.settle()
        self.looks = 0
        camera = self.registry.cameras()[500]
        key = self.registry.key_of_camera(camera.id)
        assert key is not None
        for _ in range(3):
            self.registry.record_no_answer(key, "no answer", 2.0)
        self.clock.advance(1)
        self.assertEqual({camera.id}, {camera_id for _, camera_id in self.worded})
        self.assertEqual({1}, set(self.worded.values()))
        self.assertEqual(0, self.looks)
        self.assertEqual(
            {camera.id}, {message.topic.split("/")[2] for message in self.said if "event" in message.topic}
        )
        self.assertEqual([], [message for message in self.said if message.topic == TOPICS.configuration])

    def test_an_event_that_changes_nothing(self) -> None:
        """A picture is worded for nobody; that a camera was seen again is no event at all."""
        self.find(range(10))
        self.settle()
        camera = self.registry.cameras()[0]
        self.bus.emit(PictureTaken(2.0, camera, Picture(camera.id, b"x", "image/jpeg", 2.0, "snapshot")))
        self.registry.record_sighting(sighting(camera.address, camera.mac), 3.0)
        self.clock.advance(1)
        self.assertEqual(({}, []), (self.worded, self.said))

    def test_a_restart(self) -> None:
        """Each camera that was known is worded once for each consumer, and said once on each topic."""
        self.find(range(FEW))
        known = self.registry.cameras()
        self.settle()
        for camera in known:
            self.bus.emit(CameraRestored(2.0, camera))
        self.clock.pump([0.25] * 60)
        self.assertEqual({1}, set(self.worded.values()))
        self.assertEqual(4 * FEW, len(self.worded))
        self.assertEqual({1}, set(Counter(m.topic for m in self.said if m.topic != TOPICS.configuration).values()))
        self.assertEqual(4 * FEW, len(self.said))

    def test_forgotten(self) -> None:
        """What was worded of it is gone; the others are not worded again for that, and it only for its last event."""
        self.find(range(FEW))
        self.settle()
        gone = self.registry.cameras()[3]
        self.assertTrue(self.registry.forget(gone.id, 5.0))
        self.clock.advance(1)
        self.assertEqual({("topics", gone.id): 1}, self.worded)
        self.assertEqual(FEW - 1, len(self.file.delivered[-1][0]))
        self.assertNotIn(gone.id, self.file.delivered[-1][0])

    def test_many_changes(self) -> None:
        """While many change, the documents of all cameras are delivered every ten seconds; one is told within one."""
        self.find(range(MANY + 5))
        self.settle()
        delivered = len(self.file.delivered)
        began = self.clock.seconds()
        number = MANY + 5
        while self.clock.seconds() - began < 3 * MANY_INTERVAL:
            self.find(range(number, number + 8))
            number += 8
            self.clock.advance(0.25)
        self.assertLessEqual(len(self.file.delivered) - delivered, 4)
        self.assertGreaterEqual(len(self.file.delivered) - delivered, 3)
        self.settle()
        self.assertEqual(number, len(self.file.delivered[-1][0]))
        delivered = len(self.file.delivered)
        self.find(range(number, number + 1))
        self.clock.advance(1)
        self.assertEqual(delivered + 1, len(self.file.delivered))

    def test_a_fault_of_ours(self) -> None:
        """A camera that cannot be worded is logged and keeps what it had; the others are delivered, then and later."""
        self.find(range(3))
        self.settle()
        bad = self.registry.cameras()[1]
        word = frigate.build

        def build(cameras: tuple[Camera, ...], *arguments: Any, **more: Any) -> Any:
            if cameras[0].id == bad.id:
                raise ValueError("a fault")
            return word(cameras, *arguments, **more)

        self.patch(frigate, "build", build)
        moved = [replace(camera, address="10.9.9.9", name="Moved") for camera in self.registry.cameras()]
        for number in range(2):
            for camera in moved:
                self.bus.emit(CameraChanged(2.0, replace(camera, name=f"Moved {number}")))
            self.clock.pump([0.25] * 60)
            names = {
                entry["friendly_name"] for entry in self.file.delivered[-1][0].values() if "friendly_name" in entry
            }
            self.assertIn(f"Moved {number}", names)
            self.assertEqual(3, len(self.file.delivered[-1][0]))
            self.assertEqual(1, len(self.flushLoggedErrors(ValueError)))

    def test_a_clock_that_is_set_back(self) -> None:
        """A clock that is set back by an hour holds no delivery up."""
        self.find(range(3 * MANY))
        self.settle()
        self.clock.rightNow -= 3600
        self.find(range(3 * MANY, 6 * MANY))
        self.clock.pump([0.25] * 41)
        self.assertEqual(6 * MANY, len(self.file.delivered[-1][0]))

    def test_a_login_that_is_taken_back_without_an_event(self) -> None:
        """It goes from everywhere within a minute, though nothing was told of its camera; nothing else is worded."""
        self.find(range(30))
        self.settle()
        self.clock.advance(RECHECK)
        self.assertEqual({}, self.worded)
        self.assertIn("hunter2", repr(self.api.delivered[-1][0]))
        self.login = None
        self.clock.advance(RECHECK)
        self.clock.pump([0.25] * 60)
        self.assertNotIn("hunter2", repr(self.api.delivered[-1][0]))
        self.assertEqual({1}, set(self.worded.values()))


class NotConfigured(WordingCase):
    def test_nobody(self) -> None:
        """For a consumer that is not there, or is given nothing, no camera is worded."""
        self.join(ConsumerSettings(GO2RTC, go2rtc.Go2rtcOptions()), homeassistant=False)
        self.find(range(20))
        self.clock.pump([0.25] * 60)
        self.assertEqual({"topics"}, {consumer for consumer, _ in self.worded})

    def test_only_the_topic(self) -> None:
        """Where only the topic is wanted, its bytes are kept, and no values."""
        self.join(ConsumerSettings(FRIGATE, frigate.FrigateOptions(), topics=TOPICS), homeassistant=False)
        self.find(range(20))
        self.clock.pump([0.25] * 60)
        self.assertEqual({"topics", "frigate"}, {consumer for consumer, _ in self.worded})
        configuration = [message for message in self.said if message.topic == TOPICS.configuration]
        expected = frigate.configuration(
            frigate.build(
                self.registry.cameras(),
                {camera.id: Login("admin", Secret("hunter2")) for camera in self.registry.cameras()},
                frigate.FrigateOptions(),
                tags=TAGS,
            ).entries
        )
        self.assertEqual(encode(expected), configuration[-1].payload)

    def test_forgotten_is_worded_for_nobody(self) -> None:
        """Of a camera that is forgotten only the last event is worded."""
        self.join()
        self.find(range(1))
        self.settle()
        (camera,) = self.registry.cameras()
        self.bus.emit(CameraForgotten(1.0, replace(camera)))
        self.assertEqual({("topics", camera.id): 1}, self.worded)
