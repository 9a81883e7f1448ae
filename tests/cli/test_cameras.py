"""Cameras as lines for people and as JSON for programs."""

from __future__ import annotations

import json
from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.cameras import as_json, as_lines
from twisted_detector.model import Camera, Status, Stream


class Listing(SynchronousTestCase):
    camera = Camera(
        "aabbccddeeff",
        "aabbccddeeff",
        "10.0.0.9",
        name="Front\x1b[31m door",
        manufacturer="Sim",
        streams=(Stream("rtsp://10.0.0.9/a"), Stream("rtsp://10.0.0.9/b", validated=True)),
        status=Status.ONLINE,
    )

    def test_table(self) -> None:
        """People get a table: control characters out, nothing said as a dash, the proved stream."""
        heading, line = as_lines([self.camera])
        self.assertEqual(line.index("online"), heading.index("STATUS"))
        self.assertIn("Front[31m door", line)
        self.assertTrue(line.endswith("  rtsp://10.0.0.9/b"))
        unsaid = as_lines([replace(self.camera, name="", manufacturer="", streams=())])[1]
        self.assertEqual(unsaid.split()[-3:], ["-", "-", "-"])

    def test_no_stream(self) -> None:
        """Where there is no stream, its place has the word for why, if there is one."""
        closed = replace(self.camera, status=Status.STREAM_ERROR, streams=(), code="not-activated")
        self.assertTrue(as_lines([closed])[1].endswith("  not-activated"))

    def test_json(self) -> None:
        """Programs get every field."""
        (document,) = json.loads(as_json([self.camera]))
        self.assertEqual((document["id"], document["streams"][1]["url"]), (self.camera.id, "rtsp://10.0.0.9/b"))
