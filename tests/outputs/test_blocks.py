"""The entries that are kept camera by camera: joined they are what is worded of all cameras at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, TAGS
from twisted_detector.model import Camera, Login, Secret
from twisted_detector.model.consumers import CameraChoice
from twisted_detector.model.encoding import encode
from twisted_detector.outputs.frigate import document as frigate
from twisted_detector.outputs.go2rtc import document as go2rtc
from twisted_detector.outputs.stream_choice import StreamDocument
from twisted_detector.outputs.sync.blocks import CameraBlocks, JoinedDocument

LOGINS = (None, Login("admin", Secret("hunter2")), Login("viewer", Secret("swordfish")))
FRIGATE, GO2RTC = frigate.FrigateOptions(), go2rtc.Go2rtcOptions(prefix="x_")


def camera(camera_id: str, address: str) -> Camera:
    streams = tuple(replace(one, url=one.url.replace("10.0.0.9", address)) for one in CAMERA.streams)
    return replace(CAMERA, id=camera_id, device_id=camera_id, address=address, streams=streams)


def frigate_of(cameras: Sequence[Camera], logins: dict[str, Login]) -> StreamDocument:
    return frigate.build(cameras, logins, FRIGATE, tags=TAGS)


def go2rtc_of(cameras: Sequence[Camera], logins: dict[str, Login]) -> StreamDocument:
    return go2rtc.build(cameras, logins, GO2RTC, tags=TAGS)


def joined(blocks: CameraBlocks) -> JoinedDocument:
    steps = blocks.join()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            document: JoinedDocument = end.value
            return document


class Joining(SynchronousTestCase):
    @given(
        st.lists(
            st.tuples(
                st.sampled_from(["024000000001", "024000000001_2", "epr-é.1", "Ab", "a-b", "a", "ip-10"]),
                st.sampled_from(["10.0.0.9", "10.0.0.10", "10.9.0.1", ""]),
                st.sampled_from(LOGINS),
            ),
            max_size=30,
        ),
        st.sampled_from([CameraChoice(), CameraChoice(networks=("10.0.0.0/24",))]),
    )
    @settings(max_examples=100, deadline=None, derandomize=True, database=None)
    def test_as_all_at_once(self, deeds: list[tuple[str, str, Login | None]], choice: CameraChoice) -> None:
        """After any changes and deletions, entries, variables and bytes are those of all cameras built at once."""
        for build in (frigate_of, go2rtc_of):
            blocks = CameraBlocks(
                lambda one, login, build=build: build((one,), {one.id: login} if login else {}),  # type: ignore[misc]
                choice,
                as_values=True,
                as_json=True,
            )
            known: dict[str, tuple[Camera, Login | None]] = {}
            for camera_id, address, login in deeds:
                if address:
                    known[camera_id] = (camera(camera_id, address), login)
                    blocks.update(camera_id, *known[camera_id])
                else:
                    known.pop(camera_id, None)
                    blocks.update(camera_id, None, None)
            held = [one for one, _ in known.values() if choice.holds(one)]
            expected = build(held, {one.id: login for one, login in known.values() if login is not None})
            document = joined(blocks)
            self.assertEqual(dict(expected.entries), dict(document.entries))
            self.assertEqual(dict(expected.entries), dict(blocks.entries()))
            self.assertEqual(dict(expected.variables), dict(document.variables))
            self.assertEqual(dict(expected.entries), json.loads(b"{%s}" % document.members))
            if build is frigate_of:  # one entry a camera: the very bytes
                self.assertEqual(encode(expected.entries), b"{%s}" % document.members)
            self.assertEqual(expected.cameras, len(blocks))

    def test_what_is_no_change(self) -> None:
        """The same entries again are no change, nor is one that is not held; what is joined is changed no more."""
        choice = CameraChoice(networks=("10.0.0.0/24",))
        blocks = CameraBlocks(lambda one, _: frigate_of((one,), {}), choice, as_values=False, as_json=True)
        self.assertTrue(blocks.changed, "an empty document may have to be delivered too")
        blocks.update("a", camera("a", "10.0.0.9"), None)
        self.assertEqual({}, dict(joined(blocks).entries))
        self.assertFalse(blocks.changed)
        blocks.update("a", replace(camera("a", "10.0.0.9"), last_seen=77.0), None)
        blocks.update("b", camera("b", "10.9.0.9"), None)
        blocks.update("c", None, None)
        self.assertFalse(blocks.changed)
        blocks.update("a", camera("a", "10.9.0.9"), None)
        self.assertEqual((True, b""), (blocks.changed, joined(blocks).members))
