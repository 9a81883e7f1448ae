"""Entries of several nodes in one document: who may write what, and what nobody takes away."""

from __future__ import annotations

import copy
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import NAME, entry, merge
from twisted_detector.outputs.frigate.merging import STREAMS, merge_configuration
from twisted_detector.outputs.sync.merging import merge_section
from twisted_detector.outputs.sync.seams import Sharing

#: Of a camera that another node speaks for; and that this node does, beside one that knows it.
OTHERS = Sharing(met=frozenset({NAME}), others=frozenset({NAME}))
OURS = Sharing(met=frozenset({NAME}))
GONE = Sharing(met=frozenset({NAME}), others=frozenset({NAME}), staying=frozenset({NAME}))
NORTH, SOUTH = entry("10.0.0.9"), entry("10.9.0.9")


def holding(block: dict[str, Any]) -> dict[str, Any]:
    return {"cameras": {NAME: copy.deepcopy(block)}}


class Watching(SynchronousTestCase):
    """Another node speaks for the camera."""

    def test_what_another_wrote(self) -> None:
        """It is left alone, remembered or not, wanted or not, and is not ours from then on."""
        for base in ({}, {NAME: NORTH}):
            for wanted in ({NAME: NORTH}, {NAME: entry("10.0.0.77")}, {}):
                for sharing in (OTHERS, GONE):
                    merged = merge(holding(SOUTH), base, wanted, sharing=sharing)
                    self.assertEqual((holding(SOUTH), {}), (merged.document, merged.written))
                    self.assertEqual(((NAME,) if base or wanted else (), ()), (merged.left, merged.waiting))

    def test_what_we_left(self) -> None:
        """A program that only we tell follows a move: what leads where we left it is changed, not what is theirs."""
        there = holding(NORTH)
        there["cameras"][NAME] |= {"detect": {"fps": 9}, "onvif": {"host": "10.9.0.9"}}
        north, wanted = ({**entry(host), "onvif": {"host": host}} for host in ("10.0.0.9", "10.0.0.77"))
        merged = merge(there, {NAME: north}, {NAME: wanted}, sharing=OTHERS)
        self.assertEqual("rtsp://10.0.0.77/main", merged.document["cameras"][NAME]["ffmpeg"]["inputs"][0]["path"])
        self.assertEqual({"fps": 9}, merged.document["cameras"][NAME]["detect"])
        self.assertEqual({"host": "10.9.0.9"}, merged.document["cameras"][NAME]["onvif"])
        self.assertEqual(({NAME: wanted}, ()), (merged.written, merged.left))

    def test_what_is_missing(self) -> None:
        """It is not added before it is due: the other node may be about to."""
        merged = merge({}, {}, {NAME: NORTH}, sharing=OTHERS)
        self.assertEqual(({}, {}, (NAME,)), (merged.document, merged.written, merged.waiting))
        due = Sharing(OTHERS.met, OTHERS.others, due=frozenset({NAME}))
        self.assertEqual(holding(NORTH), merge({}, {}, {NAME: NORTH}, sharing=due).document)

    def test_a_camera_that_only_we_forgot(self) -> None:
        """Its entry stays, though we wrote it, and is ours to remove when nobody knows the camera any more."""
        merged = merge(holding(NORTH), {NAME: NORTH}, {}, sharing=GONE)
        self.assertEqual((holding(NORTH), {NAME: NORTH}), (merged.document, merged.written))
        self.assertEqual((NAME,), merged.waiting)
        self.assertEqual({"cameras": {}}, merge(holding(NORTH), merged.written, {}, sharing=OURS).document)

    def test_a_camera_that_is_not_to_be_there(self) -> None:
        """One that left the list of this program goes, as long as its entry is as we left it."""
        self.assertEqual({"cameras": {}}, merge(holding(NORTH), {NAME: NORTH}, {}, sharing=OTHERS).document)

    def test_streams_inside_frigate(self) -> None:
        """The stream of a camera that another node keeps stays as it is, too, and where it is ours, it follows."""
        inside = entry()
        for one, name in zip(inside["ffmpeg"]["inputs"], (NAME, f"{NAME}_sub"), strict=True):
            one["path"] = f"rtsp://127.0.0.1:8554/{name}"
        left = {NAME: "rtsp://10.0.0.9/main", f"{NAME}_sub": "rtsp://10.0.0.9/sub"}
        moved = {name: one.replace("10.0.0.9", "10.0.0.77") for name, one in left.items()}
        there = {**holding(inside), "go2rtc": {"streams": dict(left)}}
        base, wanted = {NAME: NORTH, STREAMS: left}, {NAME: entry("10.0.0.77")}
        self.assertEqual(
            {**there, "go2rtc": {"streams": moved}}, merge_configuration(there, base, wanted, sharing=OTHERS).document
        )
        theirs = {**holding(SOUTH), "go2rtc": {"streams": dict(left)}}
        self.assertEqual(theirs, merge_configuration(theirs, base, wanted, sharing=OTHERS).document)
        gone = merge_configuration(there, base, {}, sharing=GONE)
        self.assertEqual((there, base), (gone.document, gone.written))
        # And who speaks for the camera says where it is, whatever the other has put there since.
        there["go2rtc"]["streams"] = {name: one.replace("10.0.0.9", "10.9.0.9") for name, one in left.items()}
        spoken = merge_configuration(there, base, {NAME: NORTH}, sharing=OURS)
        self.assertEqual({**holding(inside), "go2rtc": {"streams": left}}, spoken.document)

    def test_a_persons_stream_inside_frigate(self) -> None:
        """What a person put there stays, whoever speaks for the camera; what another node left is replaced."""
        inside = entry()
        inside["ffmpeg"]["inputs"][0]["path"] = f"rtsp://127.0.0.1:8554/{NAME}"
        ours = "rtsp://10.0.0.9/main"
        variables = "{FRIGATE_LOGIN_0A1B2C3D_USER}:{FRIGATE_LOGIN_0A1B2C3D_PASSWORD}@"
        for theirs, expected in (
            ("rtsp://proxy.mine/cam", "rtsp://proxy.mine/cam"),
            ("rtsp://{FRIGATE_RTSP_USER}:{FRIGATE_RTSP_PASSWORD}@10.0.0.9/other", None),
            ("ffmpeg:http://10.0.0.9/main", None),
            ("rtsp://10.9.0.9:554/main", ours),
            (f"rtsp://{variables}10.9.0.9/ch0", ours),
            ("rtsp://10.9.0.9{FRIGATE_PATH_0A1B2C3D}", ours),
        ):
            for streams in (theirs, [theirs, "ffmpeg:x#audio=aac"]):
                there = {**holding(inside), "go2rtc": {"streams": {NAME: streams}}}
                for base in ({}, {NAME: NORTH}, {NAME: NORTH, STREAMS: {NAME: ours}}):
                    for _ in range(2):
                        merged = merge_configuration(there, base, {NAME: NORTH}, sharing=OURS)
                        stands = merged.document["go2rtc"]["streams"][NAME]
                        self.assertEqual(expected or theirs, stands if isinstance(stands, str) else stands[0])
                        there, base = dict(merged.document), dict(merged.written)

    def test_streams_of_go2rtc(self) -> None:
        """In its file the same goes for the source."""
        for there, expected in ((["rtsp://a"], ["rtsp://c"]), (["rtsp://b"], ["rtsp://b"])):
            document = {"streams": {NAME: there}}
            merged = merge_section("streams", document, {NAME: ["rtsp://a"]}, {NAME: ["rtsp://c"]}, sharing=OTHERS)
            self.assertEqual(expected, merged.document["streams"][NAME])


class Speaking(SynchronousTestCase):
    """This node speaks for a camera that another one knows, or knew."""

    def test_after_another(self) -> None:
        """Where the camera is we say, whoever said it before; all else that differs may be a person's, and stays."""
        theirs = holding(SOUTH)
        theirs["cameras"][NAME] |= {"detect": {"fps": 9}, "zones": {"yard": {}}}
        for base in ({}, {NAME: NORTH}, {NAME: entry("10.0.0.5", "Old")}):
            merged = merge(theirs, base, {NAME: NORTH}, sharing=OURS)
            block = merged.document["cameras"][NAME]
            self.assertEqual(NORTH["ffmpeg"], block["ffmpeg"])
            self.assertEqual(({"fps": 9}, {"yard": {}}), (block["detect"], block["zones"]))
            self.assertEqual(({NAME: NORTH}, ()), (merged.written, merged.kept))

    def test_what_follows(self) -> None:
        """What stood there as we say it follows a change from then on."""
        merged = merge(holding(SOUTH), {}, {NAME: NORTH}, sharing=OURS)
        renamed = merge(merged.document, merged.written, {NAME: entry("10.0.0.9", "Gate")}, sharing=OURS)
        self.assertEqual("Gate", renamed.document["cameras"][NAME]["friendly_name"])

    def test_other_ids(self) -> None:
        """A camera without a MAC has a name that others may give, too: what another node wrote there is taken over."""
        met = Sharing(met=frozenset({"acme-1"}))
        document = {"cameras": {"acme-1": copy.deepcopy(SOUTH)}}
        self.assertEqual(("acme-1",), merge(document, {}, {"acme-1": NORTH}).foreign)
        merged = merge(document, {}, {"acme-1": NORTH}, sharing=met)
        self.assertEqual(({"acme-1": NORTH}, ()), (merged.document["cameras"], merged.foreign))

    def test_another_number_of_streams(self) -> None:
        """One that saw one stream, or two, is followed by one that sees two, or one."""
        one = {"ffmpeg": {"inputs": [{"path": "rtsp://10.9.0.9/main", "roles": ["detect", "record"]}]}}
        for there, ours in ((one, NORTH), (SOUTH, one)):
            for base in ({}, {NAME: there}, {NAME: ours}):
                merged = merge(holding(there), base, {NAME: ours}, sharing=OURS)
                self.assertEqual(ours["ffmpeg"], merged.document["cameras"][NAME]["ffmpeg"])
