"""What Home Assistant is told: the payloads, their topics, and what is withdrawn."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.facts import A
from tests.outputs.case import CONFIG, HOME_CAMERA as CAMERA, NODE_CONFIG, SEEN
from twisted_detector.events import (
    AdoptionChanged,
    CameraChanged,
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraTrouble,
    CheckRequested,
    ConnectionEvent,
    PictureTaken,
)
from twisted_detector.model import Adoption, Camera, Message, Priority, Status
from twisted_detector.model.cameras import Picture
from twisted_detector.outputs.homeassistant import output as output_module
from twisted_detector.outputs.homeassistant.deletions import Deletions
from twisted_detector.outputs.homeassistant.output import PICTURE_LIFETIME, HomeAssistantOutput
from twisted_detector.outputs.homeassistant.payloads import (
    CAMERA_COMPONENTS,
    NODE_COMPONENTS,
    camera_payload,
    expanded,
    node_object_id,
    node_payload,
    owner_of,
    tidy,
)
from twisted_detector.outputs.topics import Topics

TOPICS = Topics(prefix="", node_id="node1")
PICTURE = Picture(CAMERA.id, b"\xff\xd8" * 50, "image/jpeg", 1.0, "snapshot")


def payload(camera: Camera = CAMERA, *, pictures: bool = True) -> dict[str, Any]:
    return camera_payload(camera, TOPICS, pictures=pictures)


class PayloadTests(SynchronousTestCase):
    def test_device(self) -> None:
        """The device carries what the camera is, behind the daemon, under an identifier of the camera's id."""
        self.assertEqual(
            {
                "ids": ["camdetect_02000000000a"],
                "name": "Front door",
                "mf": "Acme",
                "mdl": "M1",
                "sn": "77",
                "sw": "1.2",
                "cns": [["mac", A.text]],
                "cu": "http://10.0.0.6/",
                "via_device": "camdetect_node_node1",
            },
            payload()["dev"],
        )

    def test_nothing_unknown_is_said(self) -> None:
        """A camera that told nothing about itself has a device without empty facts."""
        bare = Camera(id="x", device_id="x", address="10.0.0.6")
        self.assertEqual({"ids", "name", "cu", "via_device"}, set(payload(bare)["dev"]))

    def test_channels_share_no_connection(self) -> None:
        """Home Assistant would merge the cameras of a recorder by its MAC: only the first has it."""
        second = replace(CAMERA, id="02000000000a_2", channel=2)
        self.assertNotIn("cns", payload(second)["dev"])

    def test_a_url_that_is_none_for_home_assistant(self) -> None:
        """A link-local address with a scope would have the whole device refused, so there is no link."""
        for camera in (replace(CAMERA, address="fe80::1%eth0"), replace(CAMERA, http_url="javascript:alert(1)")):
            self.assertNotIn("cu", payload(camera)["dev"])
        self.assertEqual("http://[fd00::1]/", payload(replace(CAMERA, address="fd00::1"))["dev"]["cu"])

    def test_unique_ids(self) -> None:
        """Each entity has one, of the camera's id and nothing that changes."""
        moved = replace(CAMERA, address="10.0.0.7", name="Other", mac=None)
        ids = {key: one["uniq_id"] for key, one in payload()["cmps"].items()}
        self.assertEqual({key: f"camdetect_02000000000a_{key}" for key in CAMERA_COMPONENTS}, ids)
        self.assertEqual(ids, {key: one["uniq_id"] for key, one in payload(moved)["cmps"].items()})

    def test_a_component_that_is_not_wanted(self) -> None:
        """It is said with its platform alone, which removes it."""
        components = payload(pictures=False)["cmps"]
        self.assertEqual({"p": "image"}, components["picture"])
        self.assertEqual(set(CAMERA_COMPONENTS), set(components))
        self.assertEqual("camera/picture/02000000000a", payload()["cmps"]["picture"]["img_t"])

    def test_availability(self) -> None:
        """What is of an absent camera is unavailable; that it is absent, and why, is not."""
        document = payload()
        self.assertEqual(["system/camera_detector_health/node1/lwt"], [one["t"] for one in document["avty"]])
        of_the_camera = {key for key, one in document["cmps"].items() if "avty" in one}
        self.assertEqual({"ip", "codec", "size", "clock", "picture"}, of_the_camera)
        for key in sorted(of_the_camera):
            component = document["cmps"][key]
            self.assertEqual("all", component["avty_mode"])
            self.assertEqual(
                ["system/camera_detector_health/node1/lwt", "camera/status/02000000000a"],
                [one["t"] for one in component["avty"]],
            )

    def test_buttons_say_commands(self) -> None:
        """A press publishes a command that the daemon obeys; forgetting is disabled until somebody wants it."""
        components = payload()["cmps"] | node_payload(TOPICS)["cmps"]
        for key, command in (
            ("check", {"command": "check", "camera_id": CAMERA.id}),
            ("forget", {"command": "forget", "camera_id": CAMERA.id}),
            ("rescan", {"command": "rescan"}),
        ):
            self.assertEqual("system/camera_detector/node1/command", components[key]["cmd_t"])
            self.assertEqual(command, json.loads(components[key]["pl_prs"]))
            self.assertEqual(key == "forget", components[key].get("en") is False)

    def test_adopting_all(self) -> None:
        """A newcomer that wants a login is no device yet: the daemon's own has a button, once a person enables it."""
        button = node_payload(TOPICS)["cmps"]["adopt"]
        self.assertEqual({"command": "adopt", "all": True}, json.loads(button["pl_prs"]))
        self.assertIs(False, button["en"])

    def test_adopting(self) -> None:
        """A camera that is not adopted has a button for that, which goes once it is adopted, by whatever."""
        button = payload()["cmps"]["adopt"]
        self.assertEqual("button", button["p"])
        self.assertEqual({"command": "adopt", "camera_id": CAMERA.id}, json.loads(button["pl_prs"]))
        self.assertNotIn("ent_cat", button)
        for adoption in Adoption:
            if adoption.is_adopted:
                self.assertEqual({"p": "button"}, payload(replace(CAMERA, adopted=adoption))["cmps"]["adopt"])

    def test_the_daemon(self) -> None:
        """Every component of the daemon reads the health document; that it is away is said by its will."""
        document = node_payload(TOPICS)
        self.assertEqual(["camdetect_node_node1"], document["dev"]["ids"])
        self.assertEqual("system/camera_detector_health/node1", document["stat_t"])
        self.assertEqual("system/camera_detector_health/node1/lwt", document["cmps"]["connectivity"]["stat_t"])
        self.assertEqual(dict(NODE_COMPONENTS), {key: one["p"] for key, one in document["cmps"].items()})

    def test_node_names(self) -> None:
        """Fit for a topic, and never the same for two nodes or two topic prefixes."""
        names = ("node1", "Node1", "no de", "no/de", "é", "x" * 60, "x" * 61)
        made = [node_object_id(Topics(prefix=prefix, node_id=name)) for prefix in ("", "site/1") for name in names]
        self.assertEqual(len(made), len(set(made)))
        self.assertEqual([], [one for one in made if not re.fullmatch(r"[a-zA-Z0-9_-]+", one)])

    def test_names_of_cameras(self) -> None:
        """A name is one line of bounded length, without what turns text around; markup stays text."""
        self.assertEqual("a b", tidy("\x00 a\r\n\u202eb\t"))
        self.assertEqual("<script>", tidy("<script>"))
        self.assertEqual(100, len(tidy("x" * 5000)))
        self.assertEqual("02000000000a", payload(replace(CAMERA, name="\x01\x02"))["dev"]["name"])

    def test_no_login(self) -> None:
        """What a camera puts into its URLs as login is in no payload."""
        evil = replace(CAMERA, http_url="http://canary:canary@10.0.0.6/?user=canary&pwd=canary")
        self.assertNotIn("canary", json.dumps(payload(evil)))

    def test_entity_ids(self) -> None:
        """They are made of the name and the component, in the letters that Home Assistant takes."""
        ids = {key: one["def_ent_id"] for key, one in payload()["cmps"].items() if "def_ent_id" in one}
        self.assertEqual(("sensor.front_door_ip", "image.front_door_picture"), (ids["ip"], ids["picture"]))
        for name in ("Tür_ / Café", "  ", "_a__b_", "カメラ", "10.0.0.6", "x" * 300):
            for component in payload(replace(CAMERA, name=name))["cmps"].values():
                self.assertRegex(component.get("def_ent_id", "a.b"), r"\A[a-z_]+\.(?!_)(?!.*__)[a-z0-9_]+(?<!_)\Z")
        self.assertEqual("sensor.camdetect_node1_mqtt", node_payload(TOPICS)["cmps"]["mqtt"]["def_ent_id"])

    def test_named_by_class(self) -> None:
        """What its class says is named by Home Assistant, in its user's language."""
        for document in (payload(), node_payload(TOPICS)):
            for key, component in document["cmps"].items():
                self.assertEqual(
                    key not in ("connectivity", "problem") and len(component) > 1, "name" in component, key
                )

    def test_asleep(self) -> None:
        """A battery camera that sleeps is no problem, wants nobody, and counts as connected; remarks are attributes."""
        components = payload()["cmps"]
        self.assertIn("sleeps", components["status"]["ops"])
        self.assertIn("'OFF' if value_json.status in ('online', 'sleeps') else 'ON'", components["problem"]["val_tpl"])
        self.assertIn("'OFF' if value_json.status == 'offline' else 'ON'", components["connectivity"]["val_tpl"])
        self.assertNotIn("sleeps", components["attention"]["val_tpl"])
        paged = camera_payload(CAMERA, TOPICS, pictures=False, page="http://10.0.0.2:8787/")["cmps"]["attention"]
        for template in (components["status"], components["problem"], components["attention"], paged):
            self.assertIn("'conditions': value_json.camera.conditions | default([])", template["json_attr_tpl"])

    def test_page(self) -> None:
        """Where a browser can open our page, the daemon's device, the origin and what wants a person link to it."""
        page = "http://10.0.0.2:8787/"
        camera, node = camera_payload(CAMERA, TOPICS, pictures=False, page=page), node_payload(TOPICS, page=page)
        self.assertEqual([page, page], [camera["o"]["url"], node["o"]["url"]])
        self.assertEqual(page, node["dev"]["cu"])
        self.assertIn(f"{page}#/camera/{CAMERA.id}", camera["cmps"]["attention"]["json_attr_tpl"])
        self.assertNotIn("url", payload()["o"])
        self.assertNotIn("cu", node_payload(TOPICS)["dev"])


class ExpansionTests(SynchronousTestCase):
    """A core before device discovery gets what a newer one takes the device payload apart into."""

    def test_each_component(self) -> None:
        """Shared options are said with each component unless it has its own; removed ones are empty."""
        document = payload(pictures=False)
        parts = expanded(document)
        self.assertEqual({}, parts["image", "picture"])
        for (platform, key), part in parts.items():
            if not part:
                continue
            component = document["cmps"][key]
            self.assertEqual(platform, component["p"])
            own = {name: value for name, value in component.items() if name != "p"}
            self.assertEqual(own, {name: part[name] for name in own})
            self.assertEqual((document["dev"], document["o"]), (part["dev"], part["o"]))
            for shared in ("avty", "avty_mode", "stat_t"):
                self.assertEqual(own.get(shared, document[shared]), part[shared])

    def test_owner(self) -> None:
        """Each payload, whole or of a component, tells by its will topic which daemon said it."""
        for document in (payload(), node_payload(TOPICS)):
            self.assertEqual(TOPICS.lwt, owner_of(document))
            for part in expanded(document).values():
                if part:
                    self.assertEqual(TOPICS.lwt, owner_of(part))
        foreign: tuple[dict[str, Any], ...] = (
            {},
            {"o": {"name": "other"}, "avty": [{"t": "x"}]},
            {"o": "camdetect", "avty": [{"t": "x"}]},
            {"o": {"name": "camdetect"}, "avty": "x"},
            {"o": {"name": "camdetect"}, "avty": []},
            {"o": {"name": "camdetect"}, "avty": [7]},
            {"o": {"name": "camdetect"}, "avty": [{"t": 7}]},
        )
        self.assertEqual([""] * len(foreign), [owner_of(document) for document in foreign])


class OutputTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.output = self.make()

    def make(self, **more: Any) -> HomeAssistantOutput:
        return HomeAssistantOutput(TOPICS, prefix="homeassistant", **more)

    def say(self, event: Any) -> list[Message]:
        return list(self.output.messages(event))

    def test_discovered(self) -> None:
        """The daemon is said first and once, then the camera, each retained with QoS 1; then when it was seen."""
        messages = self.say(CameraDiscovered(at=1.0, camera=CAMERA))
        self.assertEqual([NODE_CONFIG, CONFIG, SEEN], [message.topic for message in messages])
        self.assertEqual([1, 1, 0], [message.qos for message in messages])
        self.assertTrue(all(message.retain and message.priority is Priority.STATE for message in messages))
        self.assertEqual(
            {
                "camera_id": CAMERA.id,
                "last_seen": 100.0,
                "last_seen_iso": "1970-01-01T00:01:40.000Z",
                "node_id": "node1",
            },
            json.loads(messages[2].payload),
        )
        self.assertEqual([CONFIG, SEEN], [message.topic for message in self.say(CameraChanged(at=2.0, camera=CAMERA))])

    def test_what_is_expected_costs_no_payload(self) -> None:
        """Where an announcement belongs is told without making it: that is asked of each that the broker has."""
        self.patch(output_module, "camera_payload", None)
        self.patch(output_module, "node_payload", None)
        self.assertEqual({CONFIG}, self.output.expected_topics(CAMERA))
        self.assertEqual({NODE_CONFIG}, self.output.expected_topics(None))

    def test_equal_facts_give_equal_bytes(self) -> None:
        """What happens to a camera changes its announcement only when what it is changes, or where."""
        said = self.say(CameraDiscovered(at=1.0, camera=CAMERA))[1].payload
        gone = replace(CAMERA, status=Status.OFFLINE, last_seen=500.0, since=400.0, last_validated=400.0)
        self.assertEqual(said, self.say(CameraOffline(at=2.0, camera=gone, reason="x"))[0].payload)
        moved = replace(CAMERA, address="10.0.0.7")
        self.assertNotEqual(said, self.say(CameraMoved(3.0, moved, "10.0.0.6", "10.0.0.7"))[0].payload)

    def test_a_mere_claim_is_not_announced(self) -> None:
        """Any device can call itself a camera: one that never played is no device of Home Assistant's."""
        claim = replace(CAMERA, status=Status.AUTH_REQUIRED, last_validated=0.0)
        self.say(CameraDiscovered(at=1.0, camera=claim))
        for event in (CameraDiscovered(at=1.0, camera=claim), CameraTrouble(at=1.0, camera=claim, reason="x")):
            self.assertEqual([], self.say(event))
        self.assertEqual(set(), self.output.expected_topics(claim))
        for known in (
            replace(claim, adopted=Adoption.PERSON),
            replace(claim, last_validated=1.0, status=Status.OFFLINE),
            replace(claim, status=Status.ONLINE),
        ):
            with self.subTest(known=known):
                self.assertEqual([CONFIG, SEEN], [one.topic for one in self.say(CameraChanged(at=2.0, camera=known))])
                self.assertEqual({CONFIG}, self.output.expected_topics(known))

    def test_taken_back(self) -> None:
        """What was announced because a person vouched for it goes when the person does no more."""
        claim = replace(CAMERA, status=Status.AUTH_REQUIRED, last_validated=0.0)
        self.say(CameraDiscovered(at=1.0, camera=replace(claim, adopted=Adoption.PERSON)))
        messages = self.say(AdoptionChanged(at=2.0, camera=claim, adoption=Adoption.NO, reason="x"))
        self.assertEqual([(CONFIG, b""), (SEEN, b"")], [(message.topic, message.payload) for message in messages])

    def test_forgotten(self) -> None:
        """An empty retained payload removes the device; of one for what never stood Home Assistant would warn."""
        self.say(CameraDiscovered(at=1.0, camera=CAMERA))
        messages = self.say(CameraForgotten(at=1.0, camera=CAMERA))
        self.assertEqual([SEEN], [message.topic for message in self.say(CameraForgotten(at=2.0, camera=CAMERA))])
        self.assertEqual([(CONFIG, b""), (SEEN, b"")], [(message.topic, message.payload) for message in messages])
        self.assertTrue(all(message.retain for message in messages))

    def test_deleted_by_a_person(self) -> None:
        """It is not announced again, whatever happens to it, before somebody asks for it; or it is found anew."""
        kept: dict[str, str] = {}
        self.output = self.make(deletions=Deletions(kept.__setitem__))
        for back in (CheckRequested(at=4.0, camera=CAMERA), CameraForgotten(at=4.0, camera=CAMERA)):
            self.assertTrue(self.output.deletions.add(CAMERA.id))
            self.assertFalse(self.output.deletions.add(CAMERA.id))
            again = HomeAssistantOutput(TOPICS, prefix="homeassistant", deletions=Deletions(kept.__setitem__))
            again.deletions.restore(kept)
            for output in (self.output, again):
                said = [one.topic for one in output.messages(CameraChanged(at=2.0, camera=CAMERA))]
                self.assertNotIn(CONFIG, said)
                self.assertEqual(set(), output.expected_topics(CAMERA))
            self.say(back)
            self.assertEqual({CAMERA.id: ""}, kept)
            self.assertIn(CONFIG, [one.topic for one in self.say(CameraChanged(at=5.0, camera=CAMERA))])

    def test_by_component(self) -> None:
        """Each entity has a topic of its own; all of them are emptied when the camera is forgotten."""
        self.output = self.make(by_component=True, picture_max_bytes=1000)
        said = [
            message.topic for message in self.say(CameraDiscovered(at=1.0, camera=CAMERA)) if "config" in message.topic
        ]
        mine = [topic for topic in said if CAMERA.id in topic]
        self.assertEqual(
            [
                f"homeassistant/{platform}/camdetect_{CAMERA.id}/{key}/config"
                for key, platform in CAMERA_COMPONENTS.items()
            ],
            mine,
        )
        self.assertEqual(set(mine), self.output.expected_topics(CAMERA))
        self.assertEqual(set(said) - set(mine), self.output.expected_topics(None))
        emptied = self.say(CameraForgotten(at=1.0, camera=CAMERA))
        self.assertEqual([*mine, SEEN], [message.topic for message in emptied if not message.payload])
        self.output = self.make(by_component=True)
        self.assertFalse({topic for topic in self.output.expected_topics(CAMERA) if "/image/" in topic})

    def test_elsewhere(self) -> None:
        """What another living daemon announced is neither said over nor removed."""
        self.output.others.record(CONFIG, "n/lwt")
        self.output.others.set_alive("n/lwt", True)
        for event in (CameraDiscovered(at=1.0, camera=CAMERA), CameraForgotten(at=1.0, camera=CAMERA)):
            self.assertNotIn(CONFIG, [message.topic for message in self.say(event)])

    def test_pictures(self) -> None:
        """Off by default; else bytes as they are, not retained, dropped before anything else, and not too large."""
        self.say(CameraDiscovered(at=1.0, camera=CAMERA))
        event = PictureTaken(at=1.0, camera=CAMERA, picture=PICTURE)
        self.assertEqual([], self.say(event))
        self.output = self.make(picture_max_bytes=100)
        [message] = self.say(event)[1:]
        self.assertEqual(
            Message(
                f"camera/picture/{CAMERA.id}",
                PICTURE.data,
                qos=0,
                priority=Priority.TELEMETRY,
                expires_after=PICTURE_LIFETIME,
            ),
            message,
        )
        large = replace(PICTURE, data=PICTURE.data + b"\0")
        self.assertEqual([], self.say(PictureTaken(at=1.0, camera=CAMERA, picture=large)))
        self.assertEqual(1, self.output.too_large)

    def test_other_events(self) -> None:
        """What is of no camera is no business of Home Assistant's."""
        self.assertEqual([], self.say(ConnectionEvent(1.0, "connected", "", "connected", 1.0, 1, 1)))
