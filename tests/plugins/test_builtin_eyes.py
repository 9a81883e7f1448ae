"""Settings go in; the watcher of eyes and their attendance come out, or none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.load import load
from twisted_detector.operations.eyes import IEyes
from twisted_detector.plugins.builtin_eyes import AttendanceMaker, EyesMaker
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.testing.lan import MemoryNeighbours


def made(**environment: str) -> Any:
    config = load({"HOME": "/h", **environment}, hostname="h", superuser=False)
    context: Any = SimpleNamespace(reactor=Clock(), clock=Clock(), config=config, publish=None, subscribe=None)
    return EyesMaker().make(context, MemoryNeighbours(), ObservationLog())


class MakerTests(SynchronousTestCase):
    def test_switch(self) -> None:
        """They are made where EYE_KEYS names an eye; its topics stand below MQTT_TOPIC_PREFIX."""
        self.assertIsNone(made())
        watcher = made(EYE_KEYS=f"barn:{'0f' * 32}", MQTT_TOPIC_PREFIX="site")
        self.assertTrue(IEyes.providedBy(watcher))
        self.assertEqual("site/system/camera_detector_eye/barn/report", watcher.gate.eyes["barn"].topics.report)

    def test_attendance(self) -> None:
        """The health document has a block of them where there are eyes."""
        blocks: dict[str, Any] = {}
        report: Any = SimpleNamespace(add_block=blocks.__setitem__)
        context: Any = SimpleNamespace(clock=Clock())
        self.assertIsNone(AttendanceMaker().make(context, report, None))
        self.assertEqual({}, blocks)
        AttendanceMaker().make(context, report, made(EYE_KEYS=f"barn:{'0f' * 32}"))
        self.assertEqual("never heard", blocks["eyes"]()["barn"]["state"])
