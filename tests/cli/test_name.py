"""``camdetect name``: what it asks the daemon, and what it shows."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import asking, cameras
from twisted_detector.cli.grammar import build_parser
from twisted_detector.cli.name import name_camera
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera
from twisted_detector.store.cameras import dump_camera

DOOR = Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="IPC", given_name="Barn door")


class NameTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.fleet: Any = None
        self.answer: Any = {
            "values": {
                "name": {"value": "Barn door", "source": "page"},
                "area": {"value": "Yard\x1b[31m", "source": "page"},
                "note": {"value": "", "source": ""},
                "network": {"value": "", "source": ""},
            }
        }
        for module in (asking, cameras):
            self.patch(module, "send_request", self.send)
        self.out, self.err = io.StringIO(), io.StringIO()

    def send(self, directory: Any, request: dict[str, Any], **more: Any) -> Any:
        if request["command"] == "fleet":
            if self.fleet is None:
                raise RemoteError("no such request", shown="'fleet'")
            return {"cameras": self.fleet}
        if request["command"] == "list":
            return {"cameras": [json.loads(dump_camera(DOOR))]}
        self.asked.append(request)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def call(self, word: str, **given: str) -> int:
        return name_camera(Path("/state"), word, given, out=self.out, err=self.err)

    def test_what_is_given(self) -> None:
        """A camera is meant by the name that a person gave it, too; what is given goes to the daemon, "" as well."""
        self.assertEqual(0, self.call("barn door", name="Gate", area=""))
        self.assertEqual([{"command": "name", "camera_id": DOOR.id, "name": "Gate", "area": ""}], self.asked)
        self.assertIn("Barn door  (page)\n", self.out.getvalue())

    def test_missed(self) -> None:
        """Another node that did not hear of it is told of."""
        self.answer["missed"] = ["west: name: node west did not answer\x1b[31m"]
        self.assertEqual(0, self.call("barn door", name="Gate"))
        self.assertIn("not carried out by west: name: node west did not answer", self.out.getvalue())
        self.assertNotIn("\x1b", self.out.getvalue())

    def test_nothing_given(self) -> None:
        """Without anything it shows what is decided; nothing that moves a terminal's cursor comes through."""
        self.assertEqual(0, self.call("10.0.0.9"))
        self.assertEqual([{"command": "decided", "camera_id": DOOR.id}], self.asked)
        self.assertNotIn("\x1b", self.out.getvalue())
        self.assertNotIn("note", self.out.getvalue())

    def test_refused(self) -> None:
        """A refusal names the field, and the status is 1; a remark is shown."""
        self.answer["remark"] = "0200000000aa has the same name"
        self.call(DOOR.id, name="Gate")
        self.assertIn("0200000000aa has the same name\n", self.out.getvalue())
        self.answer = RemoteError("name: at most 64 characters; this has 500")
        self.assertEqual(1, self.call(DOOR.id, name="x" * 500))
        self.assertIn("name: at most 64 characters", self.err.getvalue())

    def test_grammar(self) -> None:
        """The name may be left out, and may be empty."""
        parse = build_parser().parse_args
        told = parse(["name", "barn", "", "--area", "Yard"])
        self.assertEqual(("barn", "", "Yard"), (told.camera, told.name, told.area))
        self.assertIsNone(parse(["name", "barn"]).name)

    def test_of_another_node(self) -> None:
        """A camera that only another node knows is meant by its id, MAC, address or name; its node is found by ours."""
        self.fleet = {
            "00408c000001": {"ip": "10.7.0.5", "name": "Shed"},
            "00408c000002": {"ip": "10.7.0.6", "name": "Shed"},
        }
        for word in ("00408c000001", "00:40:8C:00:00:01", "10.7.0.5"):
            self.call(word, name="Gate")
            self.assertEqual({"command": "name", "camera_id": "00408c000001", "name": "Gate"}, self.asked[-1])
        self.assertEqual(1, self.call("shed"))
        self.assertIn("several devices are meant by 'shed'", self.err.getvalue())
        self.fleet = None
        self.assertEqual(1, self.call("10.7.0.5"))
        self.assertIn("no camera has that id", self.err.getvalue())
