"""Our cameras in a configuration of Frigate whose paths lead to the go2rtc inside it."""

from __future__ import annotations

import copy
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, NAME, TAGS
from twisted_detector.outputs.frigate.document import FrigateOptions, build
from twisted_detector.outputs.frigate.merging import STREAMS, merge_configuration, stream_inside

WANTED = dict(build([CAMERA], {}, FrigateOptions(), tags=TAGS).entries)
MAIN, SUB = (one["path"] for one in WANTED[NAME]["ffmpeg"]["inputs"])


def led(*streams: str) -> dict[str, Any]:
    """A configuration in which the camera reads from these streams."""
    block = copy.deepcopy(WANTED[NAME])
    block["ffmpeg"]["inputs"] = [
        {"path": f"rtsp://127.0.0.1:8554/{name}", "input_args": "preset-rtsp-restream", "roles": roles}
        for name, roles in zip(streams, (["record"], ["detect"]), strict=False)
    ]
    return {"cameras": {NAME: block}}


class Merging(SynchronousTestCase):
    def test_paths_that_lead_inside(self) -> None:
        """They stay, remembered or not; the streams get the addresses, and nothing is told of what is meant so."""
        for base in ({}, WANTED):
            for streams in ((NAME, f"{NAME}_sub"), (NAME,), (f"{NAME}_sub",)):
                merged = merge_configuration(led(*streams), base, WANTED)
                self.assertEqual(led(*streams)["cameras"], merged.document["cameras"])
                expected = {name: SUB if name.endswith("_sub") else MAIN for name in streams}
                self.assertEqual({"streams": expected}, merged.document["go2rtc"])
                self.assertEqual({**WANTED, STREAMS: expected}, merged.written)
                self.assertEqual(((), ()), (merged.kept, merged.foreign))

    def test_other_paths(self) -> None:
        """A stream of somebody's own name, another server's, or none: nothing of go2rtc's is touched."""
        for path in ("rtsp://127.0.0.1:8554/front", f"rtsp://10.0.0.1:8554/{NAME}", MAIN):
            document = led(NAME)
            document["cameras"][NAME]["ffmpeg"]["inputs"][0]["path"] = path
            merged = merge_configuration({**document, "go2rtc": {"streams": {"front": "x"}}}, WANTED, WANTED)
            self.assertEqual({"streams": {"front": "x"}}, merged.document["go2rtc"])
        for path in (None, 7, "", f"rtsp://localhost:8554/{NAME}x"):
            self.assertEqual("", stream_inside(path, NAME))
        self.assertEqual(NAME, stream_inside(f"rtsp://localhost:8554/{NAME}?video", NAME))

    def test_a_move(self) -> None:
        """The first source is replaced, also where somebody added others; a source that somebody changed stays."""
        base = {**WANTED, STREAMS: {NAME: "rtsp://10.0.0.1/old"}}
        for there, expected in (
            ("rtsp://10.0.0.1/old", MAIN),
            (["rtsp://10.0.0.1/old", "ffmpeg:x#audio=aac"], [MAIN, "ffmpeg:x#audio=aac"]),
            ("rtsp://10.0.0.5/mine", "rtsp://10.0.0.5/mine"),
        ):
            document = {**led(NAME), "go2rtc": {"streams": {NAME: there}, "rtsp": {"username": "x"}}}
            merged = merge_configuration(document, base, WANTED)
            self.assertEqual({"streams": {NAME: expected}, "rtsp": {"username": "x"}}, merged.document["go2rtc"])

    def test_forgotten(self) -> None:
        """With the camera goes its stream, if it is as we left it."""
        for there, left in ((MAIN, {}), ("rtsp://10.0.0.5/mine", {NAME: "rtsp://10.0.0.5/mine"})):
            document = {**led(NAME), "go2rtc": {"streams": {NAME: there}}}
            merged = merge_configuration(document, {**WANTED, STREAMS: {NAME: MAIN}}, {})
            self.assertEqual({"streams": left}, merged.document["go2rtc"])
            self.assertEqual(({}, {}), (merged.document["cameras"], merged.written))

    def test_odd_sections(self) -> None:
        """A go2rtc section or streams that are none hold up nothing."""
        for odd in (None, [], "x", {"streams": None}, {}):
            merged = merge_configuration({**led(NAME), "go2rtc": odd}, {}, WANTED)
            self.assertEqual({NAME: MAIN}, merged.document["go2rtc"]["streams"])
