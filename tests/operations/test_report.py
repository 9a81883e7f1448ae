"""The cameras of the health document: few, those that are not well first, and never too large."""

from __future__ import annotations

from dataclasses import replace

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Camera, Status
from twisted_detector.model.consumers import Consumer
from twisted_detector.model.encoding import encode
from twisted_detector.operations.report import (
    MAX_CAMERAS,
    MAX_CAMERAS_OCTETS,
    MAX_CONSUMERS_OCTETS,
    camera_block,
    consumer_block,
)
from twisted_detector.outputs.sync.seams import TargetPhase, TargetStatus

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


class ConsumerBlockTests(SynchronousTestCase):
    def test_each_has_its_own_state(self) -> None:
        """Each place of each consumer, those that are not well first; neither URL nor path stands there."""
        done = TargetStatus(
            "frigate-file", "/private/config.yml", TargetPhase.DONE, consumer=Consumer("frigate"), cameras=12
        )
        north = Consumer("go2rtc", "north")
        away = TargetStatus("go2rtc-api.north", "http://10.9.9.9", TargetPhase.AWAY, "no answer", 3, north, 2)
        block = consumer_block([done, away, TargetStatus("other", "x")])
        self.assertEqual(["go2rtc-api.north", "frigate-file"], list(block))
        self.assertEqual(
            {"program": "go2rtc", "name": "north", "state": "away", "reason": "no answer", "tries": 3, "cameras": 2},
            block["go2rtc-api.north"],
        )
        self.assertNotIn("10.9.9.9", repr(block))
        self.assertNotIn("private", repr(block))

    def test_bounded(self) -> None:
        """With long reasons everywhere there is a bound in octets."""
        many = [
            TargetStatus(f"frigate-api.n{number}", "", TargetPhase.REFUSED, '"\x01' * 500, 1, Consumer("frigate", "n"))
            for number in range(200)
        ]
        block = consumer_block(many)
        self.assertGreater(len(block), 10)
        self.assertLess(len(encode({"consumers": block})), MAX_CONSUMERS_OCTETS + 100)
