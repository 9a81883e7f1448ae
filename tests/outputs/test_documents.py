"""Texts of configurations, YAML and JSON: ours is merged, and the rest stays to the last blank."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings, strategies as st
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import NAME as ID, entry, merge
from twisted_detector.outputs.sync import yaml_edit
from twisted_detector.outputs.sync.documents import merge_text
from twisted_detector.outputs.sync.merging import diff_lines
from twisted_detector.outputs.sync.seams import MergeResult, TargetRefused

FILE = """\
# Frigate of the house — do not lose this line
mqtt:
  host:   broker   # with three blanks

cameras:
  # the first one
  door:
    ffmpeg:
      inputs:
      - path: rtsp://user:secret@10.0.0.5/x   # hidden
        roles: [ detect, record ]
    zones: {way: {coordinates: "0,0,1,1"}}
  # behind the last one

# the end
version: 0.16-0
"""


class Text(SynchronousTestCase):
    def put(self, text: str, base: Any, wanted: Any) -> tuple[str, MergeResult]:
        return merge_text(text, yaml=True, merge=merge, base=base, wanted=wanted)

    def test_there_and_back(self) -> None:
        """A camera that is added and forgotten again leaves a file as it was, to the last blank."""
        added, merged = self.put(FILE, {}, {ID: entry()})
        for line in FILE.splitlines():
            self.assertIn(line, added.splitlines())
        self.assertEqual(yaml_edit.read(added)["cameras"][ID], entry())
        self.assertEqual(self.put(added, merged.written, {})[0], FILE)

    def test_a_move_changes_its_urls(self) -> None:
        """Of a camera that moved nothing changes but the address in each of its URLs."""
        added, merged = self.put(FILE, {}, {ID: entry()})
        moved, _ = self.put(added, merged.written, {ID: entry("10.0.0.77")})
        self.assertEqual(moved, added.replace("rtsp://10.0.0.9/", "rtsp://10.0.0.77/"))

    def test_nothing_to_do(self) -> None:
        """A file that says it already is the same text."""
        added, merged = self.put(FILE, {}, {ID: entry()})
        self.assertIs(self.put(added, merged.written, {ID: entry()})[0], added)

    def test_shapes(self) -> None:
        """However a file writes its cameras, the new one is there and the rest as it was."""
        for text in (
            "",
            "# only a comment\n",
            "cameras:\n",
            "cameras: {}\nui: {}",
            "cameras: {door: {x: 1}}\n",
            "cameras:\n    door:\n        x: 1",
            "cameras:\n  door: &d\n    x: [1,\n     2]\n  other: *d\nlast: |\n  text\n  # no comment\n",
            "go2rtc:\n  streams: {}\ncameras:\n  door:\n    <<: {a: 1}\n    text: >-\n      folded\n\n      on\n",
            "\ufeffcameras:\r\n  door:\r\n    x: 1\r\n",
            "---\ncameras:\n  door: !secret x\n",
        ):
            before = yaml_edit.read(text)
            after, _ = self.put(text, {}, {ID: entry()})
            told = yaml_edit.read(after)
            self.assertEqual(told["cameras"].pop(ID), entry(), text)
            expected = {**before, "cameras": before.get("cameras") or {}}
            self.assertEqual(told, expected, text)

    def test_words_in_every_style(self) -> None:
        """A text is replaced however it was written: quoted, plain, tagged, anchored, over several lines."""
        for written in (
            '"old"',
            "'old'",
            "old",
            "!!str old",
            "&a old",
            '"ol\\\n      d"',
            "|\n      old\n",
            ">-\n      old",
        ):
            text = f"cameras:\n  x:\n    path: {written}\n    more: 1\nend: '#'\n"
            before = yaml_edit.read(text)
            values = {**before, "cameras": {"x": {"path": 'rtsp://{A}: #"\\', "more": 1}}}
            try:
                after = yaml_edit.YamlDocument(text).with_values(values)
            except TargetRefused:
                self.assertIn(written[0], "!&")
                continue
            self.assertEqual(yaml_edit.read(after), values, written)

    def test_refused(self) -> None:
        """What is no YAML, no table, has a key twice, or an alias where ours stands, is refused and not damaged."""
        ours = entry()
        for text in (
            "a: [1",
            "- 1\n",
            "cameras: 1\n",
            "a: 1\na: 2\n",
            "a: 1\n---\nb: 2\n",
            "\tx: 1",
            "a: &a [*a]\n",
            "x: &x {fps: 9}\ncameras:\n  '024000000001':\n    detect: *x\n",
            "a: " + "[" * 300,
        ):
            with self.assertRaises(TargetRefused, msg=text[:60]):
                self.put(text, {ID: {**ours, "detect": {"fps": 9}}}, {ID: ours})

    def test_json(self) -> None:
        """A JSON file keeps its order and gets ours; what is none is refused."""
        text = '{"z": 1, "cameras": {"door": {}}}'
        after, _ = merge_text(text, yaml=False, merge=merge, base={}, wanted={ID: entry()})
        self.assertEqual(list(json.loads(after)), ["z", "cameras"])
        for bad in ("[", "[]", "[" * 100_000):
            with self.assertRaises(TargetRefused):
                merge_text(bad, yaml=False, merge=merge, base={}, wanted={})

    def test_a_difference_shows_no_login(self) -> None:
        """Ours and other people's logins are masked in a difference; variables are shown."""
        after = FILE.replace("secret", "hunter2").replace("version: 0.16-0", "password: hunter3\nkey: '{FRIGATE_X}'")
        told = "\n".join(diff_lines("f", FILE, after))
        self.assertNotIn("hunter", told)
        self.assertNotIn("user:secret", told)
        self.assertIn("rtsp://***@10.0.0.5/x", told)
        self.assertIn("{FRIGATE_X}", told)

    @settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=8),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
            max_leaves=12,
        ),
        st.dictionaries(st.sampled_from(["a", "b", "024000000001"]), st.integers(0, 3), max_size=3),
    )
    def test_any_values(self, value: Any, numbers: dict[str, int]) -> None:
        """Whatever stands in a file that is written as a block, ours is put in and taken out and the rest stays."""
        text = "\n".join([*yaml_block_lines({"other": value, "cameras": dict(numbers)}), ""])
        before = yaml_edit.read(text)
        self.assertEqual(before, {"other": value, "cameras": numbers})
        after, merged = self.put(text, {}, {"new": entry()})
        self.assertEqual(yaml_edit.read(after), {**before, "cameras": {**numbers, "new": entry()}})
        self.assertEqual(yaml_edit.read(self.put(after, merged.written, {})[0]), before)


def yaml_block_lines(values: Any) -> list[str]:
    from twisted_detector.outputs.sync.yaml_block import block

    return block(values, 0)
