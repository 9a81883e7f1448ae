"""The contract of listeners, on the double and on every listener of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.detector import case as detector_case, test_picture_scheduler
from tests.operations import test_doctor
from tests.operations.decisions import test_followers
from tests.operations.nodes import test_service as test_node_service
from tests.outputs import test_sync_service
from tests.outputs.notices import test_service as test_notice_service, test_way
from tests.store import test_album_keeper, test_history
from tests.web.case import WebSite
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.first_run import FirstRunWatch
from twisted_detector.detector.pictures.live import LivePictures
from twisted_detector.inspection.pictures.decoder import Decoder
from twisted_detector.inspection.pictures.thumbnails import Thumbnails
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.plugins.builtin_pictures import PictureService
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.testing.contracts import listener_contract
from twisted_detector.testing.doubles import MemoryStateStore, RecordingListener, RecordingPublisher

C = TypeVar("C", bound=SynchronousTestCase)


def case_of(kind: type[C]) -> C:
    """What the test case of another module makes around what it tests."""
    case = kind("id")
    case.setUp()
    return case


class Stage:
    """A listener that neither starts nor stops, and has no timers."""

    listener: Any

    def __init__(self) -> None:
        self.clock = Clock()
        self.prepare()

    def prepare(self) -> None:
        raise NotImplementedError

    def stop(self) -> None:
        """There is nothing to stop."""

    def left_open(self) -> Sequence[object]:
        return self.clock.getDelayedCalls()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class RecordingStage(Stage):
    def prepare(self) -> None:
        self.listener = RecordingListener()


class EventLogStage(Stage):
    def prepare(self) -> None:
        self.listener = EventLog()


class DispatcherStage(Stage):
    def prepare(self) -> None:
        outputs = [TopicsOutput(Topics(prefix="site", node_id="node1"))]
        self.publisher = RecordingPublisher()
        self.listener = OutputDispatcher(outputs, publish=self.publisher.publish)

    def stop(self) -> None:
        self.publisher.stop()


class ObservationStage(Stage):
    def prepare(self) -> None:
        self.listener = ObservationLog()


class CameraSaverStage(Stage):
    def prepare(self) -> None:
        self.listener = CameraSaver(MemoryStateStore())


class FirstRunStage(Stage):
    def prepare(self) -> None:
        self.listener = FirstRunWatch(self.clock, ["wsdiscovery"], rounds=3, end=lambda: None, adopted=lambda: 1)
        self.listener.start(600.0)

    def stop(self) -> None:
        self.listener.stop()


class ActivityStage(Stage):
    def prepare(self) -> None:
        site = WebSite()
        self.clock = site.clock
        self.listener = site.activity


class HistoryStage(Stage):
    def prepare(self) -> None:
        site = WebSite()
        self.clock = site.clock
        self.listener = site.history


class DoctorStage(Stage):
    def prepare(self) -> None:
        self.listener = case_of(test_doctor.DoctorCase).make()


class ServiceStage(Stage):
    """A listener that starts and stops."""

    stopping: Callable[[], Any]

    def stop(self) -> None:
        stopped: Deferred[Any] = maybeDeferred(self.stopping)
        self.advance(1.0)
        assert stopped.called
        stopped.addErrback(lambda failure: failure.raiseException())


class CameraHistoryStage(ServiceStage):
    def __init__(self) -> None:
        case = case_of(test_history.HistoryCase)
        self.clock = case.reactor
        self.listener = case.history
        self._store = case.store

    def stopping(self) -> Any:
        async def stop() -> None:
            await self.listener.stop()
            await self._store.close()

        return Deferred.fromCoroutine(stop())


class DetectorStage(ServiceStage):
    def prepare(self) -> None:
        case = case_of(detector_case.DetectorCase)
        self.clock = case.clock
        self.listener = case.build()
        self.listener.start()

    def stopping(self) -> Any:  # type: ignore[override]
        return Deferred.fromCoroutine(self.listener.stop())


class PictureStage(ServiceStage):
    def prepare(self) -> None:
        case = case_of(test_picture_scheduler.Case)
        self.clock = case.clock
        self.listener = case.scheduler

    def stopping(self) -> Any:  # type: ignore[override]
        return self.listener.stopService()


class SyncStage(ServiceStage):
    def prepare(self) -> None:
        case = case_of(test_sync_service.Telling)
        self.clock = case.clock
        self.listener = case.service()

    def stopping(self) -> Any:  # type: ignore[override]
        return self.listener.stopService()


class AlbumStage(ServiceStage):
    def prepare(self) -> None:
        self.listener = case_of(test_album_keeper.KeeperTests).keeper

    def stopping(self) -> Any:  # type: ignore[override]
        return self.listener.stopService()


class PictureServiceStage(ServiceStage):
    def prepare(self) -> None:
        case = case_of(test_picture_scheduler.Case)
        self.clock = case.clock
        keeper = case_of(test_album_keeper.KeeperTests).keeper
        environment = Environment(self.clock, self.clock.seconds)
        live = LivePictures(environment, camera=case.registry.camera, take=case.taking.take)
        decoder, thumbnails = Decoder(self.clock), Thumbnails(None)
        self.scheduler = case.scheduler
        self.listener = PictureService(case.scheduler, live, decoder=decoder, thumbnails=thumbnails, keeper=keeper)

    def stopping(self) -> Any:  # type: ignore[override]
        return self.listener.stopService()


class NoticeServiceStage(ServiceStage):
    def prepare(self) -> None:
        case = case_of(test_notice_service.Cameras)
        case.emit = lambda event: None  # type: ignore[method-assign]
        self.clock = case.wall
        self.listener = case.started()
        case.service.stopService()

    def stopping(self) -> Any:  # type: ignore[override]
        return self.listener.stopService()


class IdentityFollowerStage(Stage):
    def prepare(self) -> None:
        self.listener = case_of(test_followers.FollowerTests).follower


class VerdictCarrierStage(Stage):
    def prepare(self) -> None:
        registry, book = Registry(lambda event: None), case_of(test_followers.FollowerTests).book
        self.listener = VerdictCarrier(
            self.clock, registry, book=book, store=MemoryStateStore(), check=lambda camera_id: None, rescan=lambda: None
        )
        maybeDeferred(self.listener.start)

    def stop(self) -> None:
        self.listener.stop()


class NodeServiceStage(Stage):
    def prepare(self) -> None:
        case = case_of(test_node_service.NodeServiceTest)
        self.clock = case.clock
        self.listener = case.service
        case.begin()

    def stop(self) -> None:
        self.listener.stop()


class WayStage(ServiceStage):
    def prepare(self) -> None:
        case = case_of(test_way.Sending)
        self.clock = case.clock
        self.listener = case.way

    def stopping(self) -> Any:  # type: ignore[override]
        return self.listener.stopService()


for _stage in (
    RecordingStage, EventLogStage, DispatcherStage, ObservationStage, CameraSaverStage, CameraHistoryStage,
    FirstRunStage, ActivityStage, HistoryStage, DoctorStage, DetectorStage, PictureStage, SyncStage, AlbumStage,
    PictureServiceStage, NoticeServiceStage, WayStage, IdentityFollowerStage, VerdictCarrierStage,
    NodeServiceStage,
):  # fmt: skip
    _name = _stage.__name__.replace("Stage", "Tests")
    globals()[_name] = type(_name, (listener_contract(_stage),), {"__doc__": f"{_name[:-5]} keeps the contract."})
