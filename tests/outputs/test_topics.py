"""The contract: topics, payloads, flags, and that no secret is in any of it."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import PLAYS, A, B, inspection, sighting, stream
from tests.outputs.case import CAMERA_EVENTS, TOPIC_CAMERA as CAMERA
from twisted_detector.bus import Bus
from twisted_detector.events import (
    CameraAsleep,
    CameraDiscovered,
    CameraEvent,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    CameraTrouble,
    ConnectionEvent,
    Event,
    PictureTaken,
    SweepFinished,
)
from twisted_detector.model import Camera, Message, Priority, Status
from twisted_detector.model.cameras import Picture
from twisted_detector.outputs.topics import EVENT_LIFETIME, Topics, TopicsOutput
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import RecordingPublisher

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
DISCOVERY, STATUS, EVENT = (f"camera/{kind}/x" for kind in ("discovery", "status", "event"))


def stamps(document: Any) -> list[str]:
    """Every text in a document that looks like a time."""
    if isinstance(document, dict):
        return [stamp for value in document.values() for stamp in stamps(value)]
    if isinstance(document, list):
        return [stamp for value in document for stamp in stamps(value)]
    return [document] if isinstance(document, str) and re.match(r"\d{4}-\d\d-\d\dT", document) else []


class TopicsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.output = TopicsOutput(Topics(prefix="", node_id="node"))

    def say(self, event: Event) -> list[Message]:
        return list(self.output.messages(event))

    def documents(self, event: Event) -> list[tuple[str, bool, dict[str, Any]]]:
        return [(message.topic, message.retain, json.loads(message.payload)) for message in self.say(event)]


class NamesTests(SynchronousTestCase):
    def test_names(self) -> None:
        """Every topic of the contract, with and without a prefix."""
        for prefix, root in (("", ""), ("site/1", "site/1/")):
            topics = Topics(prefix=prefix, node_id="n")
            self.assertEqual(
                [
                    f"{root}camera/discovery/x",
                    f"{root}camera/status/x",
                    f"{root}camera/event/x",
                    f"{root}system/camera_detector_health",
                    f"{root}system/camera_detector_health/n",
                    f"{root}system/camera_detector_health/n/lwt",
                    f"{root}system/camera_detector_health/n/connection",
                    f"{root}system/camera_detector/n/command",
                    f"{root}system/camera_detector/n/command/result",
                ],
                [
                    topics.discovery("x"),
                    topics.status("x"),
                    topics.event("x"),
                    *topics.health,
                    topics.lwt,
                    topics.connection,
                    topics.command,
                    topics.command_result,
                ],
            )


class PayloadTests(TopicsCase):
    def test_discovery(self) -> None:
        """Exactly event, camera, node_id and timestamp."""
        topic, retained, document = self.documents(CameraDiscovered(at=100.0, camera=CAMERA))[0]
        self.assertEqual((DISCOVERY, True), (topic, retained))
        self.assertEqual({"event", "camera", "node_id", "timestamp"}, set(document))
        self.assertEqual(
            ("discovered", "node", "x"), (document["event"], document["node_id"], document["camera"]["id"])
        )

    def test_picture(self) -> None:
        """A newer picture is no news of the camera: nothing is said again for it."""
        picture = Picture(CAMERA.id, b"jpeg", "image/jpeg", 100.0, "snapshot")
        self.assertEqual([], self.documents(PictureTaken(at=100.0, camera=CAMERA, picture=picture)))

    def test_status(self) -> None:
        """Exactly the promised fields, with the status in its word."""
        for status, kind in (
            (Status.ONLINE, CameraOnline),
            (Status.OFFLINE, CameraOffline),
            (Status.STREAM_ERROR, CameraTrouble),
            (Status.AUTH_REQUIRED, CameraTrouble),
            (Status.BUSY, CameraTrouble),
            (Status.SLEEPS, CameraAsleep),
        ):
            more = {} if kind is CameraOnline else {"reason": "why"}
            event = kind(at=100.0, camera=replace(CAMERA, status=status, reason="why"), **more)  # type: ignore[operator]
            [(_, retained, document)] = [one for one in self.documents(event) if one[0] == STATUS]
            self.assertEqual(
                {"camera_id", "status", "reason", "reason_code", "since", "camera", "node_id", "timestamp"},
                set(document),
            )
            self.assertEqual(
                (True, "x", status.value, "why", "1970-01-01T00:00:50.000Z"),
                (retained, document["camera_id"], document["status"], document["reason"], document["since"]),
            )
        self.assertEqual(
            {"online", "offline", "stream_error", "auth_required", "busy", "sleeps"},
            {status.value for status in Status},
        )

    def test_move(self) -> None:
        """ip_changed is said and not retained, the retained state follows, both in one class so that none overtakes."""
        messages = self.say(CameraMoved(at=100.0, camera=CAMERA, old_address="10.0.0.5", new_address="10.0.0.6"))
        first, last = [message for message in messages if message.topic == STATUS]
        self.assertEqual((False, True), (first.retain, last.retain))
        self.assertEqual(first.priority, last.priority)
        said, state = json.loads(first.payload), json.loads(last.payload)
        self.assertEqual(("ip_changed", "10.0.0.5", "10.0.0.6"), (said["status"], said["old_ip"], said["new_ip"]))
        self.assertEqual("online", state["status"])
        self.assertEqual(set(state) | {"old_ip", "new_ip"}, set(said))

    def test_forgotten(self) -> None:
        """The event is told; the retained documents are emptied."""
        messages = self.say(CameraForgotten(at=100.0, camera=CAMERA))
        self.assertEqual([(EVENT, False), (DISCOVERY, True), (STATUS, True)], [(m.topic, m.retain) for m in messages])
        self.assertEqual([b"", b""], [message.payload for message in messages if message.retain])

    def test_restored(self) -> None:
        """It is said again as retained documents, and is no event."""
        self.assertEqual(
            [(DISCOVERY, True), (STATUS, True)],
            [(message.topic, message.retain) for message in self.say(CameraRestored(at=100.0, camera=CAMERA))],
        )

    def test_events(self) -> None:
        """Every event is told once on its topic, not retained, QoS 1, for a day, with what belongs to it."""
        for event, name, detail in CAMERA_EVENTS:
            [message] = [message for message in self.say(event) if message.topic == EVENT]
            self.assertEqual(
                (1, False, Priority.EVENT, EVENT_LIFETIME),
                (message.qos, message.retain, message.priority, message.expires_after),
            )
            document = json.loads(message.payload)
            common = {"event": name, "camera_id": "x", "node_id": "node", "timestamp": "1970-01-01T00:01:40.000Z"}
            self.assertEqual({**common, **detail}, {key: value for key, value in document.items() if key != "camera"})
            self.assertEqual("x", document["camera"]["id"])

    def test_both_documents_at_every_event(self) -> None:
        """Whatever happens to a camera that stays, both its retained documents are said, QoS 1, as state, for ever."""
        for event, name, _ in CAMERA_EVENTS:
            if name != "forgotten":
                retained = [message for message in self.say(event) if message.retain]
                self.assertEqual([DISCOVERY, STATUS], [message.topic for message in retained], name)
                for message in retained:
                    self.assertEqual((1, Priority.STATE, None), (message.qos, message.priority, message.expires_after))

    def test_connection(self) -> None:
        """A change of the connection is told with all that belongs to it, not retained."""
        event = ConnectionEvent(100.0, "disconnected", "reset", "reconnecting", 1.23456, 3, 7)
        [(topic, retained, document)] = self.documents(event)
        self.assertEqual(("system/camera_detector_health/node/connection", False), (topic, retained))
        self.assertEqual(
            {
                "event": "disconnected",
                "reason": "reset",
                "state": "reconnecting",
                "duration_s": 1.235,
                "attempts": 3,
                "session": 7,
                "node_id": "node",
                "timestamp": "1970-01-01T00:01:40.000Z",
            },
            document,
        )

    def test_other_events_say_nothing(self) -> None:
        """What is of no camera and no connection has no topic here."""
        self.assertEqual([], self.say(SweepFinished(1.0, "x", 1.0, 1)))
        self.assertEqual([], self.say(Event(1.0)))

    def test_stamps(self) -> None:
        """Every time in every payload is RFC 3339 with one Z."""
        found = [
            stamp for event, _, _ in CAMERA_EVENTS for _, _, document in self.told(event) for stamp in stamps(document)
        ]
        self.assertGreater(len(found), 40)
        self.assertEqual([], [stamp for stamp in found if not STAMP.match(stamp)])

    def told(self, event: CameraEvent) -> list[tuple[str, bool, dict[str, Any]]]:
        return [(m.topic, m.retain, json.loads(m.payload)) for m in self.say(event) if m.payload]


class EndToEndTests(SynchronousTestCase):
    """Registry, bus and output together, as the service joins them."""

    def setUp(self) -> None:
        self.registry, self.publisher = self.start()

    def start(self) -> tuple[Registry, RecordingPublisher]:
        bus, publisher = Bus(), RecordingPublisher()
        output = TopicsOutput(Topics(prefix="", node_id="node"))
        self.saved: dict[str, Camera] = {}

        class Speaker:
            def handle(_, event: Event) -> None:
                for message in output.messages(event):
                    publisher.publish(message)

        class Saver:
            def handle(_, event: Event) -> None:
                if isinstance(event, CameraEvent):
                    self.saved[event.camera.id] = event.camera

        bus.subscribe(Speaker())  # type: ignore[arg-type]
        bus.subscribe(Saver())  # type: ignore[arg-type]
        return Registry(bus.emit, missed_limit=2), publisher

    def see(self, address: str = "10.0.0.5", now: float = 1.0, mac: Any = A, **more: Any) -> int:
        seen = self.registry.record_sighting(sighting(address, mac, **more), now)
        assert seen is not None
        return seen.key

    def test_a_move_as_consumers_see_it(self) -> None:
        """ip_changed, then the state with the new address in everything that is retained."""
        key = self.see()
        self.registry.record_inspection(key, inspection("10.0.0.5"), 2.0)
        self.publisher.messages.clear()
        self.see("10.0.0.6", 3.0)
        told = [(m.retain, json.loads(m.payload)["status"]) for m in self.publisher.messages if "/status/" in m.topic]
        self.assertEqual([(False, "ip_changed"), (True, "online")], told)
        for payload in self.publisher.retained().values():
            self.assertEqual("10.0.0.6", json.loads(payload)["camera"]["ip"])
            self.assertEqual(["10.0.0.5", "10.0.0.6"], json.loads(payload)["camera"]["ip_history"])

    def test_a_restart_says_the_same_bytes(self) -> None:
        """Whatever happened last, what was saved at the last event gives the retained documents that the broker has."""
        key = self.see(reference="r")
        deeds = (
            lambda now: self.registry.record_inspection(key, inspection("10.0.0.5", clock_offset=now * 100), now),
            lambda now: self.registry.record_check(key, {"rtsp://10.0.0.5:554/main": PLAYS}, now),
            lambda now: self.see(now=now, method="other"),
            lambda now: self.see("10.0.0.66", now=now, mac=B, reference="r"),
            lambda now: self.registry.record_inspection(
                key, inspection("10.0.0.5", model=f"m{now}", clock_offset=now * 100), now
            ),
            lambda now: self.registry.record_busy(key, "453", now),
            lambda now: self.registry.record_departure("10.0.0.5", now),
            lambda now: self.see("10.0.0.6", now=now),
        )
        for number, deed in enumerate(deeds):
            deed(10.0 + number)
            held, saved = self.publisher.retained(), tuple(self.saved.values())
            registry, publisher = self.start()
            registry.restore(saved)
            self.assertEqual(held, publisher.retained(), number)
            self.assertEqual(len(saved) * 2, len(publisher.messages))
            self.saved = {camera.id: camera for camera in saved}

    def test_equal_facts_give_equal_bytes(self) -> None:
        """Two daemons that learn the same say the same bytes."""
        for registry in (first := self.start(), second := self.start()):
            seen = registry[0].record_sighting(sighting("10.0.0.5", A, scopes=("b", "a")), 1.0)
            assert seen is not None
            registry[0].record_inspection(seen.key, inspection("10.0.0.5"), 2.0)
        self.assertEqual(first[1].messages, second[1].messages)

    def test_no_login_in_any_message(self) -> None:
        """Users and passwords that devices put into URLs are in no message of any event."""
        key = self.see(xaddrs=("http://canary:canary@10.0.0.5/o",))
        evil = replace(stream(), url="rtsp://canary:canary@10.0.0.5:554/user=canary_password=canary_channel=1.sdp")
        url = "http://canary:canary@10.0.0.5/s?user=canary&pwd=canary"
        self.registry.record_inspection(
            key, inspection("10.0.0.5", evil, onvif_url=url, http_url=url, snapshot_url=url, clock_offset=99.0), 2.0
        )
        self.see("10.0.0.6", 3.0, xaddrs=(url,))
        self.registry.record_auth_required(key, "it wants a login", 4.0)
        self.registry.record_inspection(key, inspection("10.0.0.6", evil), 5.0)
        self.registry.record_departure("10.0.0.6", 6.0)
        self.assertGreater(len(self.publisher.messages), 15)
        for message in self.publisher.messages:
            self.assertNotIn(b"canary", message.payload)
            document = json.loads(message.payload)
            self.assertFalse({"username", "password"} & {*document, *document["camera"]})
