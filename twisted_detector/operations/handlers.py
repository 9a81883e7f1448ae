"""Registration of the daemon's own request handlers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.doctor import Doctor
from twisted_detector.operations.paging import page_of
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import Handler, RequestRouter
from twisted_detector.operations.why import Why
from twisted_detector.registry.registry import Registry
from twisted_detector.store.cameras import dump_camera


def register_handlers(
    router: RequestRouter, registry: Registry, *, commands: MqttCommands, report: HealthReport, doctor: Doctor, why: Why
) -> None:
    """Register ``list``, ``why``, ``doctor``, ``status`` and the MQTT commands (``rescan``, ``probe``, …)."""

    async def list_cameras(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        page, written = page_of(registry.cameras(), fields).fill(lambda one: dump_camera(one).encode())
        return {"cameras": [json.loads(text) for text in written], "total": page.total, "next": page.next}

    async def status(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return report.blocks()

    router.register("list", list_cameras)
    router.register("why", why.answer)
    router.register("doctor", doctor.answer)
    router.register("status", status)
    for name in commands.names:
        router.register(name, _command_handler(commands, name))


def _command_handler(commands: MqttCommands, name: str) -> Handler:
    async def handle(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        return await commands.run(name, fields)

    return handle
