"""Fifth stage of the daemon: what an operator asks and reads, commands, request handlers, health reports."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detection
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.doctor import Doctor
from twisted_detector.operations.handlers import register_handlers
from twisted_detector.operations.heartbeat import Heartbeat
from twisted_detector.operations.process_stats import ProcessStats, ReactorLag
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.operations.why import Why
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.plugin_assembly import Offers
from twisted_detector.service.publishing import Publishing


@dataclass(frozen=True, slots=True)
class Operations:
    """Request handlers and the report of health; the reactor's lag and the heartbeat are not started yet."""

    commands: MqttCommands
    report: HealthReport
    router: RequestRouter
    lag: ReactorLag
    heartbeat: Heartbeat

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {MqttCommands: self.commands, HealthReport: self.report, RequestRouter: self.router}


def make_operations(
    reactor: Any, config: Config, ground: Ground, knowledge: Knowledge, publishing: Publishing, detection: Detection
) -> Operations:
    """All that answers an operator. Commands are subscribed to, and the state of MQTT is listened to, at once."""
    mqtt, topics, registry, detector = publishing.mqtt, publishing.topics, knowledge.registry, detection.detector
    commands = MqttCommands(
        reactor,
        detector=detector,
        registry=registry,
        node_id=config.node_id,
        topic=topics.command_result,
        publish=mqtt.publish,
        excluded=ground.exclusions,
        budget=knowledge.budget,
    )
    mqtt.subscribe(topics.command, commands.handle, retained=commands.handle_retained)
    lag = ReactorLag(reactor, time.monotonic)
    report = HealthReport(
        registry=registry,
        detection=detection,
        mqtt=mqtt,
        lag=lag,
        process_stats=ProcessStats(time.monotonic),
        rate_limiter=ground.rate_limiter,
        sync_status=publishing.sync_board,
    )
    doctor = Doctor(
        config=config,
        neighbours=ground.neighbours,
        mqtt=mqtt,
        store=ground.store,
        registry=registry,
        detector=detector,
        sync_status=publishing.sync_board,
    )
    knowledge.bus.subscribe(doctor)
    why = Why(
        reactor,
        config=config,
        registry=registry,
        observations=knowledge.observations,
        neighbours=ground.neighbours,
        rate_limiter=ground.rate_limiter,
    )
    router = RequestRouter()
    register_handlers(router, registry, commands=commands, report=report, doctor=doctor, why=why)
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
    return Operations(commands, report, router, lag, heartbeat)
