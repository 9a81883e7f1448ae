"""Saved cameras, whatever an older or newer version wrote."""

from __future__ import annotations

import json
from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.store.case import CAMERA
from twisted_detector.errors import RemoteError
from twisted_detector.model import Announced, Camera, Proof, Status
from twisted_detector.model.announced import Condition
from twisted_detector.store.cameras import dump_camera, load_camera


class Documents(SynchronousTestCase):
    def test_round_trip(self) -> None:
        """A camera comes back equal, with every field."""
        default = Camera(id="a", device_id="b", address="c")
        self.assertEqual(load_camera(dump_camera(CAMERA)), CAMERA)
        self.assertEqual(load_camera(dump_camera(default)), default)
        asleep = replace(default, status=Status.SLEEPS, code="sleeps")
        self.assertEqual(load_camera(dump_camera(asleep)), asleep)

    def test_other_versions(self) -> None:
        """Unknown fields are passed over, missing and unreadable ones get their default."""
        document = json.loads(dump_camera(CAMERA))
        document["colour"] = "red"
        document["streams"][0]["bitrate"] = 5
        document["streams"].append({"name": "no url"})
        document["streams"][0]["proof"] = "unheard of"
        document["status"] = "asleep"
        document["mac"] = "nonsense"
        document["channel"] = "one"
        del document["name"]
        camera = load_camera(json.dumps(document))
        stream = replace(CAMERA.streams[0], proof=Proof.UNREACHABLE)
        self.assertEqual(camera, replace(CAMERA, name="", mac=None, status=Status.OFFLINE, streams=(stream,)))

    def test_other_words(self) -> None:
        """Of what a device said, kinds and conditions that this version does not know are passed over."""
        document = json.loads(dump_camera(CAMERA))
        document["announced"] |= {"kind": "toaster", "conditions": ["on-fire", "sleeps", 7, {}], "channels": "4"}
        camera = load_camera(json.dumps(document))
        self.assertEqual(Announced("HIKVISION", conditions=(Condition.SLEEPS,)), camera.announced)
        for other in (None, [], "x"):
            self.assertIsNone(load_camera(json.dumps(document | {"announced": other})).announced)

    def test_refused(self) -> None:
        """What is no camera, or one of an unknown version, is refused."""
        for text in ("", "[]", "{}", '{"version":1}', dump_camera(CAMERA).replace('"version":1', '"version":2')):
            with self.subTest(text), self.assertRaises(RemoteError):
                load_camera(text)

    @settings(max_examples=60, deadline=None, database=None, derandomize=True)
    @given(st.data())
    def test_mutations(self, data: st.DataObject) -> None:
        """Any damage gives a camera or a RemoteError."""
        document = json.loads(dump_camera(CAMERA))
        key = data.draw(st.sampled_from(sorted(document)))
        document[key] = data.draw(
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=5,
            )
        )
        try:
            camera = load_camera(json.dumps(document))
        except RemoteError:
            return
        dump_camera(camera)
