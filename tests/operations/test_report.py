"""The cameras of the health document: few, those that are not well first, and never too large."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Camera, Status
from twisted_detector.model.encoding import encode
from twisted_detector.operations.report import MAX_CAMERAS, MAX_CAMERAS_OCTETS, camera_block

CAMERA = Camera("x", "x", "10.0.0.9", name="Door", status=Status.ONLINE)


def cameras(count: int, **facts: object) -> list[Camera]:
    return [replace(CAMERA, id=f"c{number:04}", **facts) for number in range(count)]  # type: ignore[arg-type]


class CameraBlockTests(SynchronousTestCase):
    def test_a_few(self) -> None:
        """Where there is room for all, each stands there with its glance."""
        block = camera_block([replace(CAMERA, status=Status.OFFLINE, reason="no answer")])
        self.assertEqual(
            block,
            {"x": {"name": "Door", "ip": "10.0.0.9", "status": "offline", "reason": "no answer", "online": False}},
        )

    def test_those_that_are_not_well(self) -> None:
        """Of thousands a hundred stand there, and no camera that is well before one that is not."""
        known = cameras(5000)
        for number in (4999, 17, 3000):
            known[number] = replace(known[number], status=Status.STREAM_ERROR)
        block = camera_block(known)
        self.assertEqual(len(block), MAX_CAMERAS)
        self.assertEqual(list(block)[:5], ["c0017", "c3000", "c4999", "c0000", "c0001"])

    def test_longest_texts(self) -> None:
        """However long what cameras say of themselves is, and in whatever script, there is a bound in octets."""
        known = cameras(200, status=Status.OFFLINE, name="\U0001f4f7" * 5000, reason='"\\\x01' * 5000)
        block = camera_block(known)
        self.assertGreater(len(block), 20)
        self.assertLess(len(encode({"cameras": block})), MAX_CAMERAS_OCTETS + 100)
