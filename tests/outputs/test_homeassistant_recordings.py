"""What we say to Home Assistant against what the newest one that was recorded takes, refuses and says itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.outputs.case import CONFIG, HOME_CAMERA as CAMERA
from tests.outputs.test_announcer import TOPICS, AnnouncerCase
from tests.recordings import SKIP, Recording, recordings, versions
from twisted_detector.config.load import load
from twisted_detector.events import CameraChanged
from twisted_detector.outputs.homeassistant.announcer import AFTER_BIRTH, MIGRATE
from twisted_detector.outputs.homeassistant.payloads import camera_payload, expanded, node_payload

DEVICE = "homeassistant/device/made_up_cam1/config"


def asked(recorded: Recording) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(recorded.request.body)
    return found


def logged(recorded: Recording) -> str:
    return "\n".join(line["text"] for line in recorded.more["log"])


def published(recorded: Recording) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = recorded.more["published_by_home_assistant"]
    return found


class Recorded(AnnouncerCase):
    skip = SKIP or None
    maxDiff = None

    def setUp(self) -> None:
        super().setUp()
        (folder,) = versions("homeassistant")
        self.recorded = recordings(folder)

    def payloads(self) -> Iterator[dict[str, Any]]:
        """Everything that we announce, in the form of one message for each device."""
        page = "http://10.0.0.2:8787/"
        for pictures in (False, True):
            yield camera_payload(CAMERA, TOPICS, pictures=pictures, page=page)
        yield node_payload(TOPICS, page=page)

    def test_what_is_taken(self) -> None:
        """Nothing of ours is of a kind for which a device, or a component, was refused."""
        platforms = _listed(logged(self.recorded["bad_platform"]))
        classes = _listed(logged(self.recorded["bad_device_class"]))
        self.assertLess({"sensor", "image", "event"}, platforms)
        self.assertLess({"timestamp", "duration"}, classes)
        for payload in self.payloads():
            self.assertTrue(payload["o"]["name"], "a device without an origin is refused")
            self.assertTrue(payload["dev"]["ids"], "so is one without identifiers")
            for (platform, name), component in expanded(payload).items():
                self.assertIn(platform, platforms, name)
                if platform == "sensor" and "dev_cla" in component:
                    self.assertIn(component["dev_cla"], classes, name)
                if component:  # without anything it is one that goes
                    self.assertTrue(component["uniq_id"], name)
                    self.assertTrue({"stat_t", "cmd_t", "img_t"} & set(component), name)

    def test_a_component_that_goes(self) -> None:
        """It goes by its platform alone, and stays when it is left out: so none of ours is ever left out."""
        gone = asked(self.recorded["component_removed"])["components"]["go"]
        self.assertEqual(["platform"], list(gone))
        self.assertEqual(["cam1_go"], self.recorded["component_removed"].more["entities_removed"])
        self.assertFalse(self.recorded["component_left_out"].more.get("entities_removed"))
        with_picture, without = (camera_payload(CAMERA, TOPICS, pictures=one)["cmps"] for one in (True, False))
        self.assertEqual(set(with_picture), set(without))
        self.assertEqual({"p": "image"}, without["picture"])

    def test_another_form(self) -> None:
        """What hands a device over to the other form is what was understood, in both directions."""
        for what in ("migrate_to_component", "migrate_back"):
            self.assertEqual(json.loads(MIGRATE), asked(self.recorded[what]))
            self.assertIn("schema started", logged(self.recorded[what]))

    def test_births(self) -> None:
        """Each of its birth messages, at a start and at a reload, is answered; its farewells are not."""
        topic = load({"STATE_DIR": "/state"}, hostname="host", superuser=False).homeassistant.status_topic
        for what, answered in (("start", True), ("reload", True), ("start_again", True), ("stop", False)):
            self.topics()
            for one in published(self.recorded[what]):
                self.assertEqual(topic, one["topic"])
                self.receive(one["topic"], one["payload"].encode())
            self.clock.advance(AFTER_BIRTH)
            self.assertEqual(answered, bool(self.topics()), what)

    def test_deleted_by_a_person(self) -> None:
        """The messages with which it says so are understood, all three of them, and the device stays away."""
        list(self.output.messages(CameraChanged(at=1.0, camera=CAMERA)))
        self.topics()
        said = published(self.recorded["removed_by_user"])
        self.assertEqual(3, len(said))
        for one in said:
            self.receive(one["topic"].replace(DEVICE, CONFIG), one["payload"].encode())
        self.topics()
        messages = self.output.messages(CameraChanged(at=1.0, camera=CAMERA))
        self.assertNotIn(CONFIG, [message.topic for message in messages])


def _listed(text: str) -> set[str]:
    """The words that it offers in the place of one that it does not know."""
    return set(re.findall(r"'([a-z_0-9]+)'", text.partition("one of")[2].partition(" at ")[0]))
