"""Registration of the daemon's own request handlers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted_detector.bus import Bus
from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detector
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.interfaces import INeighbours, Parts
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.doctor import Doctor
from twisted_detector.operations.paging import page_of
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import Handler, RequestRouter
from twisted_detector.operations.why import Why
from twisted_detector.outputs.sync.seams import ISyncStatus
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.store.cameras import dump_camera
from twisted_detector.store.store import Store


def register_handlers(router: RequestRouter, reactor: Any, config: Config, parts: Parts) -> None:
    """Register ``list``, ``why``, ``doctor``, ``status``, and the MQTT commands (``rescan``, ``probe``, ``check``, …).

    :param parts: shared parts by interface or class, as plugins get them.
    """
    registry, neighbours, commands = parts[Registry], parts[INeighbours], parts[MqttCommands]

    async def list_cameras(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        page, written = page_of(registry.cameras(), fields).fill(lambda one: dump_camera(one).encode())
        return {"cameras": [json.loads(text) for text in written], "total": page.total, "next": page.next}

    async def status(_: Mapping[str, Any]) -> Mapping[str, Any]:
        blocks: Mapping[str, Any] = parts[HealthReport].blocks()
        return blocks

    doctor = Doctor(
        config=config,
        neighbours=neighbours,
        mqtt=parts[MqttService],
        store=parts[Store],
        registry=registry,
        detector=parts[Detector],
        sync_status=lambda: parts.get(ISyncStatus),
    )
    parts[Bus].subscribe(doctor)
    why = Why(
        reactor,
        config=config,
        registry=registry,
        observations=parts[ObservationLog],
        neighbours=neighbours,
        rate_limiter=parts[PacketRateLimiter],
    )
    router.register("list", list_cameras)
    router.register("why", why.answer)
    router.register("doctor", doctor.answer)
    router.register("status", status)
    for name in commands.names:
        router.register(name, _command_handler(commands, name))


def _command_handler(commands: MqttCommands, name: str) -> Handler:
    async def handle(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return commands.execute({**fields, "command": name})

    return handle
