"""Scheduler of pictures: one of each camera that is online in turn, and on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from hashlib import blake2b
from heapq import heappop, heappush

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore, TimeoutError
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures.cache import PictureCache
from twisted_detector.detector.pictures.taking import PictureTaking
from twisted_detector.detector.task_group import TaskGroup
from twisted_detector.errors import InspectionError, Unreachable
from twisted_detector.events import CameraEvent, CameraForgotten, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Status
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.cameras import Picture
from twisted_detector.model.reasons import FROZEN
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.registry import Registry

#: Cameras of which a picture is taken at one time: each costs a connection, a picture's bytes, perhaps the decoder.
MAX_CONCURRENT = 4
#: Seconds in which a picture answers every demand: many pages may show the same camera.
FRESH = 5.0
#: Seconds for one picture, waiting for the device's other users included.
MAX_SECONDS = 60.0
#: Seconds after a camera's first proof within which its first picture is begun, when there is room: whoever waits for
#: it sees it within ten. With many at once MAX_CONCURRENT spreads them.
FIRST_SPREAD = 4.0
#: Seconds between two looks for pictures that are due.
TICK = 1.0
#: Seconds of one tick for the cameras of an earlier run that are planned, and for those that are due; the number is for
#: clocks that stand still.
SLICE_SECONDS, MAX_STEPS = 0.01, 10_000
#: A camera that fails again and again is asked so many times more rarely, at most.
MAX_BACKOFF = 16


@dataclass(frozen=True, slots=True)
class PictureTurns:
    """When pictures are taken that nobody asked for.

    :ivar interval: seconds from one picture of a camera to the next, 0 for on demand only.
    :ivar random: evenly from 0 to 1.
    """

    interval: float
    random: Callable[[], float]


@implementer(IEventListener)
class PictureScheduler(Service):
    """Service that takes pictures; see :class:`IPictures`.

    Of each camera one picture is taken at a time, in turn every ``interval`` seconds (a little more or less, so that
    they stay spread), and only while it is online, or frozen: whether it moves again shows in its pictures too.

    :param freeze_detector: is given a digest of each picture that is taken in turn.
    :param emit: emits a PictureTaken for each picture.
    :ivar counts: pictures taken, by source, and what went wrong, by kind.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        taking: PictureTaking,
        turns: PictureTurns,
        freeze_detector: FreezeDetector,
        emit: Callable[[Event], None],
        cache: PictureCache | None = None,
    ) -> None:
        self.cache = cache if cache is not None else PictureCache()
        self.counts: Counter[str] = Counter()
        self._clock = environment.clock
        self._monotonic = environment.monotonic
        self._registry = registry
        self._taking = taking
        self._interval = turns.interval
        self._random = turns.random
        self._freeze_detector = freeze_detector
        self._emit = emit
        self._room = DeferredSemaphore(MAX_CONCURRENT)
        self._ticks = LoopingCall(self._start_due)
        self._ticks.clock = environment.clock
        self._slices = TurnBudget(MAX_STEPS, SLICE_SECONDS, environment.monotonic)
        self._unplanned: Iterator[Camera] = iter(())
        self._starting = False
        self._plan: list[tuple[float, str]] = []  # a heap; what is not equal to the entry of _due is void
        # All of these are by camera id, and bounded by the cameras that there are.
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._taken: dict[str, float] = {}
        self._under_way: set[str] = set()
        self._waiting: dict[str, list[Deferred[Picture | None]]] = {}
        self._tasks = TaskGroup("The taking of a picture")

    # --- start and stop --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Begin to take pictures in turn."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._interval:
            self._unplanned = iter(self._registry.cameras())
            self._plan_known()
            self._ticks.start(min(TICK, self._interval), now=False)

    def stopService(self) -> Deferred[object]:
        """Take no more, and cancel what is under way; fires when it has ended."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._ticks.running:
            self._ticks.stop()
        return self._tasks.cancel_all()

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`: a camera that plays is planned, of a forgotten one nothing stays."""
        if isinstance(event, CameraForgotten):
            self.cache.forget(event.camera.id)
            for table in (self._due, self._failures, self._taken):
                table.pop(event.camera.id, None)
        elif isinstance(event, CameraEvent) and self._interval:
            self._add(event.camera)

    # --- in turn ---------------------------------------------------------------------------------------------------

    def restore(self, picture: Picture) -> None:
        """Take over a picture that was kept over a restart: the camera's turn is within the interval, not at once."""
        self.cache.put(picture)
        if picture.camera_id in self._due and picture.camera_id not in self._under_way:
            self._set_due(picture.camera_id, self._first_due(picture.camera_id))

    def _plan_known(self) -> None:
        """Plan cameras that were there at the start, a slice of them with each tick."""
        self._slices.advance(map(self._add, self._unplanned))

    def _add(self, camera: Camera) -> None:
        if camera.id not in self._due and _plays(camera):
            self._set_due(camera.id, self._first_due(camera.id))

    def _first_due(self, camera_id: str) -> float:
        spread = self._interval if self.cache.latest(camera_id) is not None else min(FIRST_SPREAD, self._interval)
        return self._monotonic() + self._random() * spread

    def _set_due(self, camera_id: str, due: float) -> None:
        self._due[camera_id] = due
        heappush(self._plan, (due, camera_id))

    def _start_due(self) -> None:
        if self._starting:
            return  # a picture that failed at once: the loop below goes on
        self._starting = True
        try:
            self._plan_known()
            now = self._monotonic()
            for _ in self._slices.turn():
                if not self._plan or self._plan[0][0] > now or len(self._under_way) >= MAX_CONCURRENT:
                    break
                due, camera_id = heappop(self._plan)
                if self._due.get(camera_id) != due or camera_id in self._under_way:
                    continue  # forgotten or planned anew; or just being taken, and planned anew after that
                camera = self._registry.camera(camera_id)
                if camera is not None and _plays(camera):
                    self._begin(camera_id, in_turn=True)
                else:
                    del self._due[camera_id]  # an event adds it when it plays again
        except Exception:
            self.log.failure("Pictures cannot be planned")
        finally:
            self._starting = False

    # --- on demand -------------------------------------------------------------------------------------------------

    def latest(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        picture = self.cache.latest(camera_id)
        if picture is None:
            return None
        return replace(picture, frozen_since=self._freeze_detector.frozen_since(camera_id))

    async def refresh(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`; None for a camera that there is not."""
        if self._registry.camera(camera_id) is None:
            return None
        latest = self.latest(camera_id)
        if latest is not None and self._monotonic() - self._taken.get(camera_id, -FRESH) < FRESH:
            return latest
        if not self.running:
            raise Unreachable("no pictures are taken any more")
        waiter: Deferred[Picture | None] = Deferred()
        self._waiting.setdefault(camera_id, []).append(waiter)
        if camera_id not in self._under_way:
            self._begin(camera_id, in_turn=False)
        return await waiter

    # --- taking ----------------------------------------------------------------------------------------------------

    def _begin(self, camera_id: str, *, in_turn: bool) -> None:
        self._under_way.add(camera_id)
        self._tasks.start(self._run(camera_id, in_turn))

    async def _run(self, camera_id: str, in_turn: bool) -> None:
        """Take a picture, keep it, emit its event, and call back all that wait for it."""
        picture, failure = None, None
        try:
            taking = Deferred.fromCoroutine(self._take_with_room(camera_id))
            picture = await taking.addTimeout(MAX_SECONDS, self._clock)
        except Exception:
            failure = Failure()
        self._under_way.discard(camera_id)
        answer: Picture | Failure | None = None
        if failure is not None:
            answer = self._failed(failure, camera_id)
        else:
            self._failures.pop(camera_id, None)
            if picture is not None:
                self.counts[picture.source] += 1
                answer = self._keep(picture, in_turn)
        if self._registry.camera(camera_id) is None:
            self._failures.pop(camera_id, None)
        elif self._interval:
            backoff = min(2 ** self._failures.get(camera_id, 0), MAX_BACKOFF)
            self._set_due(camera_id, self._monotonic() + self._interval * backoff * (0.9 + 0.2 * self._random()))
        for waiter in self._waiting.pop(camera_id, ()):
            if not waiter.called:
                waiter.callback(answer)  # a Failure takes the way of errors
        if self._ticks.running:
            self._start_due()

    async def _take_with_room(self, camera_id: str) -> Picture | None:
        async with self._room:
            return await self._taking.take(camera_id)

    def _failed(self, failure: Failure, camera_id: str) -> Failure:
        self._failures[camera_id] = min(self._failures.get(camera_id, 0) + 1, MAX_BACKOFF)
        if failure.check(InspectionError):
            self.counts[type(failure.value).__name__.lower()] += 1
            self.log.debug("No picture of {camera}: {error}", camera=camera_id, error=failure.value)
            return failure
        if failure.check(TimeoutError):
            self.counts["timed_out"] += 1
            return Failure(Unreachable(f"no picture within {MAX_SECONDS:g} seconds"))
        if failure.check(CancelledError):
            return Failure(Unreachable("no pictures are taken any more"))
        self.counts["failed"] += 1
        if self._failures[camera_id] == 1:
            self.log.failure("A picture of {camera} could not be taken", failure=failure, camera=camera_id)
        return Failure(Unreachable("an internal error of camdetect; see its log"))

    def _keep(self, picture: Picture, in_turn: bool) -> Picture | None:
        camera = self._registry.camera(picture.camera_id)
        if camera is None:
            return None
        if in_turn:
            # The second half of the bytes: the lower part of the picture. A clock is shown at the top, or in the head.
            # Of a keyframe that we decoded: what the camera coded, for our own JPEG drops the noise of a dark scene.
            half = blake2b(picture.data[len(picture.data) // 2 :], digest_size=8).hexdigest()
            self._freeze_detector.record_picture(camera.id, picture.coded or half, picture.taken_at)
        self._taken[camera.id] = self._monotonic()
        self.cache.put(picture)
        picture = replace(picture, frozen_since=self._freeze_detector.frozen_since(camera.id))
        self._emit(PictureTaken(at=picture.taken_at, camera=camera, picture=picture))
        return picture


def _plays(camera: Camera) -> bool:
    return camera.online or (camera.status is Status.STREAM_ERROR and camera.reason == FROZEN)
