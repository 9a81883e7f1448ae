"""The cameras of the health document: few, and never too large; which they are is the registry's to tell."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Camera, Status
from twisted_detector.model.consumers import Consumer
from twisted_detector.model.encoding import encode
from twisted_detector.operations.report import (
    MAX_CAMERAS,
    MAX_CAMERAS_OCTETS,
    MAX_CONSUMERS_OCTETS,
    HealthReport,
    camera_block,
    consumer_block,
)
from twisted_detector.outputs.sync.seams import TargetPhase, TargetStatus
from twisted_detector.registry.registry import Registry

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

    def test_as_many_as_there_is_room_for(self) -> None:
        """Of thousands a hundred stand there, in the order in which they come; no other is looked at."""
        known = iter(cameras(5000))
        block = camera_block(known)
        self.assertEqual([f"c{number:04}" for number in range(MAX_CAMERAS)], list(block))
        self.assertEqual(f"c{MAX_CAMERAS:04}", next(known).id)

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

    def test_kept_by_other_nodes(self) -> None:
        """Cameras that other nodes keep in a place are counted by node; elsewhere nothing is said of it."""
        shared = TargetStatus("frigate-api", "", consumer=Consumer("frigate"), keepers={"south": 3})
        alone = TargetStatus("go2rtc-api", "", consumer=Consumer("go2rtc"))
        block = consumer_block([shared, alone])
        self.assertEqual({"south": 3}, block["frigate-api"]["kept_by"])
        self.assertNotIn("kept_by", block["go2rtc-api"])

    def test_bounded(self) -> None:
        """With long reasons everywhere there is a bound in octets."""
        many = [
            TargetStatus(f"frigate-api.n{number}", "", TargetPhase.REFUSED, '"\x01' * 500, 1, Consumer("frigate", "n"))
            for number in range(200)
        ]
        block = consumer_block(many)
        self.assertGreater(len(block), 10)
        self.assertLess(len(encode({"consumers": block})), MAX_CONSUMERS_OCTETS + 100)


class WholeDocumentTests(SynchronousTestCase):
    def test_more_blocks(self) -> None:
        """A part of the daemon may add a block, which is read anew each time."""
        report = report_of(Registry(lambda event: None), [])
        self.assertNotIn("notices", report.blocks())
        counts = iter((1, 2))
        report.add_block("notices", lambda: {"open": next(counts)})
        self.assertEqual([{"open": 1}, {"open": 2}], [report.blocks()["notices"] for _ in range(2)])

    def test_a_large_fleet_in_trouble(self) -> None:
        """With a thousand cameras of the longest texts, most of them away, it is below 64 KiB; only those are looked at
        that it shows, the first of those that are not well."""
        registry = Registry(lambda event: None)
        texts: dict[str, Any] = {"name": "\U0001f4f7" * 200, "reason": '"\\\x01' * 200, "last_validated": 1.0}
        known = [
            replace(camera, device_id=camera.id, address=f"10.0.{number // 250}.{number % 250 + 1}")
            for number, camera in enumerate(cameras(1000, status=Status.OFFLINE, **texts))
        ]
        known[::5] = [replace(camera, status=Status.ONLINE, reason="") for camera in known[::5]]
        registry.restore(known)
        places = [
            TargetStatus(f"frigate-api.n{n}", "", TargetPhase.REFUSED, "why " * 500, 1, Consumer("frigate", "n"))
            for n in range(100)
        ]
        looked: list[str] = []
        find = registry.camera
        self.patch(registry, "cameras", lambda: self.fail("all cameras are looked at"))
        self.patch(registry, "camera", lambda camera_id: (looked.append(camera_id), find(camera_id))[1])
        blocks = report_of(registry, places).blocks()
        self.assertLess(len(encode(blocks)), 65_536)
        self.assertEqual((1000, 200, 800), tuple(blocks["stats"][f"{key}_cameras"] for key in KEYS))
        self.assertEqual({"online": 200, "offline": 800}, blocks["stats"]["by_status"])
        self.assertEqual({"offline"}, {entry["status"] for entry in blocks["cameras"].values()})
        self.assertEqual(1000, len(blocks["cameras"]) + blocks["cameras_omitted"])
        self.assertLessEqual(len(looked), MAX_CAMERAS)
        self.assertEqual(sorted(looked), looked)


KEYS = ("total", "online", "offline")


def report_of(registry: Registry, places: list[TargetStatus]) -> HealthReport:
    """The report of a daemon of which nothing but cameras and consumers is known."""
    detector = SimpleNamespace(phase="steady", sweeping=False, sweeps=1, counts={}, last_sweep={}, method_counts=dict)
    parts: dict[str, Any] = {
        "detection": SimpleNamespace(
            detector=detector,
            runner=SimpleNamespace(counts={}),
            inspections=SimpleNamespace(depth=0, failures=0),
        ),
        "mqtt": SimpleNamespace(degraded="", document=dict),
        "lag": SimpleNamespace(document=dict),
        "process_stats": SimpleNamespace(document=dict),
        "rate_limiter": SimpleNamespace(packets={}, document=dict),
        "sync_status": SimpleNamespace(statuses=lambda: tuple(places)),
    }
    return HealthReport(registry=registry, **parts)
