"""The name that a person gave a camera, and its area, reach everybody who shows names; ids stay as they were."""

from __future__ import annotations

import io
import json
from dataclasses import replace

from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, HOME_CAMERA, TAGS
from twisted_detector.cli.cameras import write_cameras
from twisted_detector.events import CameraOffline
from twisted_detector.model import Camera
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.outputs.frigate.document import FrigateOptions, build as build_frigate
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions, build as build_go2rtc
from twisted_detector.outputs.homeassistant.payloads import camera_payload
from twisted_detector.outputs.topics import Topics

BARN = "<b>Barn</b> 🐄"


def given(camera: Camera) -> Camera:
    return replace(camera, given_name=BARN, area="Yard")


class GivenNameTests(SynchronousTestCase):
    def test_homeassistant(self) -> None:
        """The device has that name and suggests that area; its identifiers are the same."""
        topics = Topics(prefix="", node_id="pine")
        before, after = (
            camera_payload(one, topics, pictures=False)["dev"] for one in (HOME_CAMERA, given(HOME_CAMERA))
        )
        self.assertEqual((BARN, "Yard"), (after["name"], after["sa"]))
        self.assertNotIn("sa", before)
        self.assertEqual(before["ids"], after["ids"])

    def test_frigate(self) -> None:
        """The friendly name is that; the key of the camera is the same."""
        for camera, name in ((CAMERA, "Front door"), (given(CAMERA), BARN)):
            entries = build_frigate([camera], {}, FrigateOptions(), tags=TAGS).entries
            self.assertEqual({CAMERA.id: name}, {key: block["friendly_name"] for key, block in entries.items()})

    def test_go2rtc(self) -> None:
        """Its streams are called by the id, before and after."""
        first, second = (build_go2rtc([one], {}, Go2rtcOptions(), tags=TAGS).entries for one in (CAMERA, given(CAMERA)))
        self.assertEqual(first, second)

    def test_documents_and_lists(self) -> None:
        """The document of the camera, and the command line's table, have it."""
        document = camera_document(given(HOME_CAMERA))
        self.assertEqual((HOME_CAMERA.id, BARN, "Yard"), (document["id"], document["name"], document["area"]))
        out = io.StringIO()
        write_cameras([given(HOME_CAMERA)], out, use_json=False, without="")
        self.assertIn("Barn", out.getvalue())
        json.dumps(document)

    def test_log(self) -> None:
        """A line of the log names the camera by its id and that name."""
        lines: list[str | None] = []

        def observe(event: dict[str, object]) -> None:
            if str(event.get("log_namespace")).endswith("EventLog"):
                lines.append(formatEvent(event))

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        EventLog().handle(CameraOffline(at=1.0, camera=given(HOME_CAMERA), reason="why"))
        self.assertEqual(1, len(lines))
        self.assertIn(f"{HOME_CAMERA.id} ({BARN})", str(lines[0]))
