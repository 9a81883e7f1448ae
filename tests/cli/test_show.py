"""Which cameras a word means."""

from __future__ import annotations

import io
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import cameras as cameras_module, show as show_module
from twisted_detector.cli.show import matching, show
from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera, Stream


class Showing(SynchronousTestCase):
    cameras = (
        Camera("aabbccddeeff", "aabbccddeeff", "10.0.0.9", name="Door"),
        Camera("aabbccddeeff_2", "aabbccddeeff", "10.0.0.9", name="Yard"),
        Camera("001122334455", "001122334455", "10.0.0.10", name="Yard"),
    )

    def test_which(self) -> None:
        """A camera is meant by id, by MAC as people write it, by address or by name; all that it fits are shown."""
        for word, ids in (
            ("aabbccddeeff", [0]),
            ("AA:BB:CC:DD:EE:FF", [0]),
            ("10.0.0.9", [0, 1]),
            ("yard", [1, 2]),
            ("nobody", []),
        ):
            self.assertEqual(matching(self.cameras, word), [self.cameras[index] for index in ids], word)

    def test_other_nodes(self) -> None:
        """Which node publishes it, when it is not this one; nothing where the daemon is no node, or there is none."""
        camera = self.cameras[0]
        self.patch(show_module, "known_cameras", lambda reactor, directory: [camera])
        asked: list[object] = []

        def answer(directory: Path, request: dict[str, object]) -> dict[str, str]:
            asked.append(request)
            return {"owner": "north", "owner_page": "", "adopted_at": ""}

        def refuse(directory: Path, request: object) -> dict[str, str]:
            raise RemoteError("no such request", shown="'whereabouts'")

        for reply, told in ((answer, True), (refuse, False)):
            self.patch(cameras_module, "send_request", reply)
            out = io.StringIO()
            self.assertEqual(0, show(None, Path("state"), "door", use_json=False, out=out, err=io.StringIO()))
            self.assertIs(told, "node north publishes it" in out.getvalue())
        self.assertEqual([{"command": "whereabouts", "camera_id": camera.id}], asked)

    def test_whole_reasons(self) -> None:
        """What is piped has every reason and URL to its last word, each in one line."""
        reason = "the login was refused, " * 200 + "and is tried again at noon"
        why_not = "no picture came, " * 100 + "it is busy"
        url = f"rtsp://10.0.0.9/{'a' * 500}/end"
        camera = Camera("a", "a", "10.0.0.9", reason=reason, streams=(Stream(url, reason=why_not),))
        self.patch(show_module, "known_cameras", lambda reactor, directory: [camera])
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(0, show(None, Path("state"), "a", use_json=False, out=out, err=err))
        lines = out.getvalue().splitlines()
        for text in (reason, why_not, url):
            self.assertEqual(1, len([line for line in lines if text in line]), text[-20:])
