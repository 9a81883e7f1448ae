"""The contract of services, on every one that a built-in maker makes, and on those of the worked examples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, get_args, get_type_hints

from twisted.application.service import IService
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.operations import test_systemd
from tests.operations.eyes import case as eye_tests
from tests.outputs import test_announcer, test_sync_service as sync_tests
from tests.outputs.notices import test_service as notice_tests, test_way
from tests.plugins.case import Site
from tests.testing.contracts.test_listeners import PictureServiceStage as PictureListenerStage, case_of
from tests.web import test_service as web_tests
from twisted_detector.interfaces import IServiceExtension
from twisted_detector.operations.eyes.attendance import EyeAttendance
from twisted_detector.outputs.notices.rules import NoticeRules
from twisted_detector.outputs.notices.service import Fleet, NoticeService, NoticeState
from twisted_detector.outputs.notices.way import Way
from twisted_detector.outputs.stream_choice import CameraLogins
from twisted_detector.outputs.sync_service import SyncService
from twisted_detector.service.extensions import loader
from twisted_detector.testing.contracts import service_contract
from twisted_detector.web.service import WebService


class Stage:
    """A service whose timers are those of a clock."""

    longest = 1.0
    service: Any
    clock: Any

    def left_open(self) -> Sequence[object]:
        return self.clock.getDelayedCalls()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class SyncStage(Stage):
    def __init__(self) -> None:
        case = case_of(sync_tests.Telling)
        self.clock = case.clock
        self.service = SyncService(
            case.clock,
            [one for one in case.consumers() if one.consumer != sync_tests.FRIGATE],
            cameras=lambda: case.cameras,
            logins=CameraLogins(lambda camera: None, lambda camera: False, sync_tests.TAGS),
            store=case.store,
            publish=case.publisher.publish,
            random=lambda: 0.5,
        )


class AnnouncerStage(Stage):
    def __init__(self) -> None:
        case = case_of(test_announcer.AnnouncerCase)
        case.announcer.stopService()
        self.clock, self.service = case.clock, case.announcer


class NotifierStage(Stage):
    def __init__(self) -> None:
        case = case_of(test_systemd.Supervised)
        self.clock, self.service = case.clock, case.supervisor(watchdog=20.0)


class WayStage(Stage):
    def __init__(self) -> None:
        self.clock = Clock()
        store = test_way.MemoryStateStore()
        self.service = Way(
            self.clock, "ntfy", test_way.ScriptedChannel(), per_hour=30, store=store, monotonic=self.clock.seconds
        )


class NoticeStage(Stage):
    def __init__(self) -> None:
        case = case_of(notice_tests.Cameras)
        case.service.stopService()
        self.clock = case.wall
        rules = NoticeRules(patience=300.0, kinds=())
        self.service = NoticeService(
            self.clock,
            NoticeState(rules, notice_tests.Holder(case.hours, lambda at: 0), ()),
            fleet=Fleet(lambda: (), lambda one: None),
            store=case.store,
            emit=lambda event: None,
            monotonic=self.clock.seconds,
        )


class PictureStage(Stage):
    def __init__(self) -> None:
        stage = PictureListenerStage()
        stage.scheduler.stopService()
        self.clock, self.service = stage.clock, stage.listener


class WebStage(Stage):
    def __init__(self) -> None:
        self.case = case_of(web_tests.ServiceCase)
        self.clock, self.service = self.case.web.clock, self.case.service

    def left_open(self) -> Sequence[object]:
        return [*self.clock.getDelayedCalls(), *self.case.listeners]


class AttendanceStage(Stage):
    def __init__(self) -> None:
        case = case_of(eye_tests.EyesCase)
        self.clock = case.clock
        self.service = EyeAttendance(case.clock, case.watcher, monotonic=case.clock.seconds)


class ExampleStage(Stage):
    """One of the worked examples."""

    name: str
    settings: dict[str, Any]

    def __init__(self) -> None:
        site = case_of(Site)
        self.clock, self.subscriber = site.clock, site.subscriber
        self.service = site.maker(IServiceExtension, self.name).make(site.context(**self.settings))


class TelemetryStage(ExampleStage):
    name = "telemetry"

    def __init__(self) -> None:
        path = Path(mkdtemp()) / "temp"
        path.write_text("48500\n")
        self.settings = {"path": str(path), "topic": "site/temp", "interval": 30}
        super().__init__()


class ConsensusStage(ExampleStage):
    name = "consensus"
    settings = {"topic": "detection/+", "decision": "site/decision", "kinds": ["fire"]}  # noqa: RUF012


class ActuatorStage(ExampleStage):
    name = "actuator"

    def __init__(self) -> None:
        self.settings = {"topic": "site/siren/set", "path": str(Path(mkdtemp()) / "value"), "max_age": 30}
        super().__init__()


STAGES = (
    SyncStage, AnnouncerStage, NotifierStage, WayStage, NoticeStage, PictureStage, WebStage, TelemetryStage,
    ConsensusStage, ActuatorStage, AttendanceStage,
)  # fmt: skip
for _stage in STAGES:
    _name = _stage.__name__.replace("Stage", "Tests")
    globals()[_name] = type(_name, (service_contract(_stage),), {"__doc__": f"{_name[:-5]} keeps the contract."})


class EveryService(SynchronousTestCase):
    def test_every_service(self) -> None:
        """Whatever a built-in maker of a service makes, and each example, is held to the contract."""
        held = {type(stage().service) for stage in STAGES}
        made: set[Any] = set()
        for maker in loader.makers(IServiceExtension):
            if loader.is_builtin(maker):
                hint = get_type_hints(type(maker).make)["return"]
                made |= {one for one in get_args(hint) or (hint,) if one is not type(None)}
        self.assertGreater(len(made), 5)
        self.assertEqual(set(), {WebService if one is IService else one for one in made} - held)
