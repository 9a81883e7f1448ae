"""``camdetect stream``: what is asked of the daemon, and what is written."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, cameras
from twisted_detector.cli.main import main
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.store.cameras import dump_camera

DOOR = Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door")
URL = "rtsp://10.0.0.9:5566/1"


def decided(main: str = "", sub: str = "", user: str = "") -> dict[str, Any]:
    values = {name: {"value": value, "source": ""} for name, value in (("main", main), ("sub", sub))}
    values["login"] = {"value": {"user": user} if user else None, "source": ""}  # type: ignore[dict-item]
    return {"ok": True, "camera_id": DOOR.id, "version": 7, "values": values}


class Located:
    state_dir = Path("/state")


class StreamTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.answer: Any = decided()
        for part in (asking, cameras):
            self.patch(part, "send_request", self.send)
        self.out, self.err = io.StringIO(), io.StringIO()
        self.patch(sys.modules[main.__module__], "_asking", lambda: Located)
        self.patch(sys, "stdout", self.out)
        self.patch(sys, "stderr", self.err)

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        if request["command"] == "list":
            return {"cameras": [json.loads(dump_camera(DOOR))]}
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def test_given(self) -> None:
        """Only what is given is changed; the answer is shown, with the user of a login that stood in a URL."""
        self.answer = decided(main=URL, user="viewer")
        self.assertEqual(0, main(["stream", "door", "--main", URL]))
        self.assertEqual([{"command": "stream", "camera_id": DOOR.id, "main": URL}], self.asked)
        self.assertEqual(
            [f"{DOOR.id}: main {URL}", f"{DOOR.id}: sub is left to camdetect", f"{DOOR.id}: login viewer"],
            self.out.getvalue().splitlines(),
        )

    def test_clear(self) -> None:
        """Both are left to camdetect; with a URL beside it is a fault of the arguments."""
        self.assertEqual(0, main(["stream", DOOR.id, "--clear"]))
        self.assertEqual([{"command": "stream", "camera_id": DOOR.id, "main": "", "sub": ""}], self.asked)
        self.assertEqual(2, main(["stream", DOOR.id, "--clear", "--sub", URL]))
        self.assertIn("give streams, or --clear", self.err.getvalue())

    def test_shown(self) -> None:
        """With nothing to change it is shown, as JSON too."""
        self.answer = decided(sub=URL)
        self.assertEqual(0, main(["stream", DOOR.id]))
        self.assertEqual([{"command": "decided", "camera_id": DOOR.id}], self.asked)
        self.out.truncate(0)
        self.out.seek(0)
        self.assertEqual(0, main(["stream", DOOR.id, "--json"]))
        self.assertEqual({"ok": True, **json.loads(self.out.getvalue())}, self.answer)

    def test_from_standard_input(self) -> None:
        """A URL with a password is read from there."""
        self.patch(sys, "stdin", io.StringIO(f"{URL}\n"))
        self.assertEqual(0, main(["stream", DOOR.id, "--main", "-"]))
        self.assertEqual(URL, self.asked[0]["main"])

    def test_refused(self) -> None:
        """A field that is refused is one line, and status 1."""
        self.answer = RemoteError("main: is on 10.0.0.6")
        self.assertEqual(1, main(["stream", DOOR.id, "--main", "rtsp://10.0.0.6/"]))
        self.assertIn("camdetect stream: main: is on 10.0.0.6", self.err.getvalue())
