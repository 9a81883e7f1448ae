"""The parts of the daemon go in; what the command line may ask of it over the control socket comes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted_detector.bus import Bus
from twisted_detector.casebook import Casebook
from twisted_detector.config import Config
from twisted_detector.control import Control
from twisted_detector.detector import Detector
from twisted_detector.doctor import Doctor
from twisted_detector.interfaces import INeighbours
from twisted_detector.mqtt_service import MqttService
from twisted_detector.registry import Registry
from twisted_detector.store import Store
from twisted_detector.store_cameras import dump_camera
from twisted_detector.why import Why


def make_control(
    reactor: Any,
    *,
    config: Config,
    bus: Bus,
    registry: Registry,
    casebook: Casebook,
    neighbours: INeighbours,
    mqtt: MqttService,
    store: Store,
    detector: Detector,
) -> Control:
    """The control socket with ``list``, ``why`` and ``doctor``; not listening yet."""

    async def list_cameras(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"cameras": [json.loads(dump_camera(one)) for one in sorted(registry.cameras(), key=lambda one: one.id)]}

    doctor = Doctor(config=config, neighbours=neighbours, mqtt=mqtt, store=store, registry=registry, detector=detector)
    bus.subscribe(doctor)
    why = Why(reactor, config=config, registry=registry, casebook=casebook, neighbours=neighbours)
    return Control(reactor, config.state_dir, {"list": list_cameras, "why": why.handle, "doctor": doctor.answer})
