"""Builder of what an operator asks and reads: commands, request handlers, health reports."""

from __future__ import annotations

import time
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detector
from twisted_detector.detector.inspection_runner import InspectionRunner
from twisted_detector.detector.work_queue import WorkQueue
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.interfaces import Parts
from twisted_detector.model.addresses import Exclusions
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.handlers import register_handlers
from twisted_detector.operations.heartbeat import Heartbeat
from twisted_detector.operations.process_stats import ProcessStats, ReactorLag
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.sync.seams import ISyncStatus
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.registry import Registry


def make_operations(reactor: Any, config: Config, parts: Parts, inspections: WorkQueue) -> tuple[ReactorLag, Heartbeat]:
    """The reactor's lag and the heartbeat, neither started yet.

    :param parts: gets HealthReport, MqttCommands and RequestRouter, with its handlers, for plugins.
    """
    mqtt, topics = parts[MqttService], parts[Topics]
    lag = ReactorLag(reactor, time.monotonic)
    parts[MqttCommands] = commands = MqttCommands(
        reactor,
        detector=parts[Detector],
        registry=parts[Registry],
        node_id=config.node_id,
        topic=topics.command_result,
        publish=mqtt.publish,
        excluded=parts[Exclusions],
        budget=parts[LoginBudget],
    )
    mqtt.subscribe(topics.command, commands.handle, retained=commands.handle_retained)
    parts[HealthReport] = report = HealthReport(
        registry=parts[Registry],
        detector=parts[Detector],
        runner=parts[InspectionRunner],
        inspections=inspections,
        mqtt=mqtt,
        lag=lag,
        process_stats=ProcessStats(time.monotonic),
        rate_limiter=parts[PacketRateLimiter],
        sync_status=lambda: parts.get(ISyncStatus),
    )
    parts[RequestRouter] = router = RequestRouter()
    register_handlers(router, reactor, config, parts)
    heartbeat = Heartbeat(
        reactor,
        node_id=config.node_id,
        service=config.service_id,
        topics=topics.health,
        interval=config.health_report_interval,
        blocks=report.blocks,
        publish=mqtt.publish,
        monotonic=time.monotonic,
    )
    mqtt.add_state_listener(lambda _: heartbeat.publish_if_changed())
    return lag, heartbeat
