"""Fifth stage of the daemon: what an operator asks and reads, commands, request handlers, health reports."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from twisted.internet.threads import deferToThreadPool

from twisted_detector.config.config import Config
from twisted_detector.detector.detector import Detection, Detector
from twisted_detector.operations.adoption import AdoptionCommands
from twisted_detector.operations.commands import MqttCommands
from twisted_detector.operations.decisions.commands import DescriptionCommands
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.operations.doctor import Doctor, check_mqtt
from twisted_detector.operations.first_run.restart import SoftRestart
from twisted_detector.operations.forgetting import ForgetCommand
from twisted_detector.operations.handlers import register_handlers
from twisted_detector.operations.heartbeat import Heartbeat
from twisted_detector.operations.logins.command import LoginCommand
from twisted_detector.operations.logins.keeping import LoginKeeper
from twisted_detector.operations.logins.origins import Origins
from twisted_detector.operations.logins.waiting import WaitingCameras
from twisted_detector.operations.networks.command import NetworksCommand
from twisted_detector.operations.process_stats import ProcessStats, ReactorLag
from twisted_detector.operations.report import HealthReport
from twisted_detector.operations.requests import Handler, RequestRouter
from twisted_detector.operations.why import Why
from twisted_detector.service.adding import Adding, make_adding
from twisted_detector.service.extensions.assembly import Offers
from twisted_detector.service.extensions.report import PluginReport
from twisted_detector.service.ground import Ground
from twisted_detector.service.knowledge import Knowledge
from twisted_detector.service.publishing import Publishing
from twisted_detector.service.reload import Reloader


@dataclass(frozen=True, slots=True)
class Operations:
    """Request handlers and the report of health; the reactor's lag and the heartbeat are not started yet."""

    commands: MqttCommands
    report: HealthReport
    router: RequestRouter
    lag: ReactorLag
    heartbeat: Heartbeat
    reloader: Reloader
    verdicts: VerdictCarrier
    adding: Adding
    restart: SoftRestart

    @property
    def offers(self) -> Offers:
        """What plugins may need of it."""
        return {
            MqttCommands: self.commands,
            HealthReport: self.report,
            RequestRouter: self.router,
            SoftRestart: self.restart,
        }


def _make_verdicts(reactor: Any, ground: Ground, knowledge: Knowledge, detector: Detector) -> VerdictCarrier:
    verdicts = VerdictCarrier(
        reactor,
        knowledge.registry,
        book=knowledge.decisions,
        store=ground.store,
        check=detector.check,
        rescan=detector.rescan,
    )
    knowledge.bus.subscribe(verdicts)
    return verdicts


def _decision_handlers(
    reactor: Any, ground: Ground, knowledge: Knowledge, detector: Detector, verdicts: VerdictCarrier
) -> Mapping[str, Handler]:
    """Commands by which a person decides, by name."""
    registry, book = knowledge.registry, knowledge.decisions
    budget, logins = knowledge.budget, knowledge.logins
    origins = Origins(registry, book, budget=budget, logins=logins, networks=knowledge.networks)
    described = DescriptionCommands(reactor, registry, book, origins)
    login = LoginCommand(
        reactor,
        registry,
        detector=detector,
        budget=budget,
        logins=logins,
        verdicts=verdicts,
        keeper=LoginKeeper(book, verdicts, interfaces=ground.neighbours.interfaces),
    )
    return {
        "name": described.name,
        "decided": described.decided,
        "login": login.execute,
        "forget": ForgetCommand(reactor, registry, drop=verdicts.drop).execute,
        **AdoptionCommands(registry, detector, verdicts=verdicts, is_listed=knowledge.adoption.is_listed).handlers,
    }


def make_operations(
    reactor: Any,
    config: Config,
    ground: Ground,
    knowledge: Knowledge,
    publishing: Publishing,
    detection: Detection,
    restart: SoftRestart,
    plugins: PluginReport,
) -> Operations:
    """All that answers an operator. Commands are subscribed to, and the state of MQTT is listened to, at once."""
    mqtt, topics, registry, detector = publishing.mqtt, publishing.topics, knowledge.registry, detection.detector
    in_thread = partial(deferToThreadPool, reactor, reactor.getThreadPool())
    reloader = Reloader(ground.running, knowledge.decisions, restart=restart, in_thread=in_thread)
    networks = NetworksCommand(
        knowledge.networks, book=knowledge.decisions, neighbours=ground.neighbours, limiter=ground.rate_limiter
    )
    why = Why(
        reactor,
        networks=knowledge.networks,
        registry=registry,
        observations=knowledge.observations,
        neighbours=ground.neighbours,
        rate_limiter=ground.rate_limiter,
    )
    verdicts = _make_verdicts(reactor, ground, knowledge, detector)
    decisions = _decision_handlers(reactor, ground, knowledge, detector, verdicts)
    adding = make_adding(reactor, knowledge, detection, decided=decisions["decided"], why=why, verdicts=verdicts)
    commands = MqttCommands(
        reactor,
        detector=detector,
        registry=registry,
        node_id=config.node_id,
        topic=topics.command_result,
        publish=mqtt.publish,
        excluded=ground.exclusions,
        handlers={
            **decisions,
            **adding.handlers,
            "networks": networks.execute,
            "reload": reloader.execute,
        },
    )
    waiting = WaitingCameras(reactor, registry, budget=knowledge.budget, check=detector.check)
    knowledge.logins.changed.add(waiting.logins_changed)
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
    report.add_block("broker", publishing.broker.document)
    doctor = Doctor(
        networks=knowledge.networks,
        neighbours=ground.neighbours,
        check_mqtt=partial(check_mqtt, mqtt, publishing.broker),
        store=ground.store,
        registry=registry,
        detector=detector,
        sync_status=publishing.sync_board,
    )
    knowledge.bus.subscribe(doctor)
    router = RequestRouter()
    register_handlers(router, registry, commands=commands, report=report, doctor=doctor, why=why)
    report.add_block("plugins", plugins.block)
    doctor.add_check(plugins.findings)
    router.register("plugins", plugins.answer)
    if publishing.nodes is not None:
        report.add_block("nodes", publishing.nodes.block)
        doctor.add_check(publishing.nodes.findings)
        router.register("fleet", publishing.nodes.answer)
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
    return Operations(commands, report, router, lag, heartbeat, reloader, verdicts, adding, restart)
