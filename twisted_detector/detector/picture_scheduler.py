"""Cameras that are online go in; a picture of each comes out now and then, and at once when somebody asks for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import replace
from hashlib import blake2b

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredSemaphore, TimeoutError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.detector.login_attempt import once
from twisted_detector.detector.picture_cache import PictureCache
from twisted_detector.errors import InspectionError, Unauthorized, Unreachable
from twisted_detector.events import CameraForgotten, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Candidate, Login, Status
from twisted_detector.model.pictures import Picture
from twisted_detector.registry.frozen import FROZEN, FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IPictures, IPictureTaker

#: Cameras of which a picture is taken at one time: each costs a connection, a picture's bytes, perhaps the decoder.
MAX_CONCURRENT = 4
#: Seconds in which a picture is new enough for everybody who asks: many pages may show the same camera.
FRESH = 5.0
#: Seconds for one picture, waiting for the device's other users included.
MAX_SECONDS = 60.0
#: Seconds after which the first picture of a camera may be taken: while everybody is found there is enough to do.
PAUSE = 10.0
#: Seconds over which the first pictures after a start are spread.
FIRST = 30.0
#: Seconds between looks at whose turn it is.
LOOK = 2.0
#: A camera that fails again and again is asked so many times more rarely, at most.
MAX_PATIENCE = 16


@implementer(IPictures, IEventListener)
class PictureScheduler(Service):
    """Says when pictures are taken; see :class:`IPictures`.

    Of each camera one picture is taken at a time, in turn every ``interval`` seconds (a little more or less, so that
    they stay spread), and only while it is online, or frozen: whether it moves again shows in its pictures too.

    :param takers: the first that gives a picture of a camera has it.
    :param login_of: the login that the device with this handle let in; no other is ever used.
    :param interval: seconds, 0 for on demand only.
    :param monotonic: seconds that never jump.
    :param random: evenly from 0 to 1.
    :param excluded: addresses at which nobody is asked anything.
    :ivar counts: pictures taken, by source, and what went wrong, by kind.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        takers: Sequence[IPictureTaker],
        login_of: Callable[[int], Login | None],
        budget: ILoginBudget,
        stills: FreezeDetector,
        emit: Callable[[Event], None],
        interval: float,
        monotonic: Callable[[], float],
        random: Callable[[], float],
        excluded: Container[str] = (),
        album: PictureCache | None = None,
    ) -> None:
        self.album = album if album is not None else PictureCache()
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._registry = registry
        self._takers = tuple(takers)
        self._login_of = login_of
        self._budget = budget
        self._stills = stills
        self._emit = emit
        self._interval = interval
        self._monotonic = monotonic
        self._random = random
        self._excluded = excluded
        self._room = DeferredSemaphore(MAX_CONCURRENT)
        self._looks = LoopingCall(self._look)
        self._looks.clock = clock
        # All of these are by camera id, and bounded by the cameras that there are.
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}
        self._taken: dict[str, float] = {}
        self._under_way: dict[str, tuple[Deferred[Picture | None], Deferred[None]]] = {}
        self._waiting: dict[str, list[Deferred[Picture | None]]] = {}

    # --- start and stop --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Begin to look whose turn it is."""
        super().startService()  # type: ignore[no-untyped-call]
        if self._interval:
            self._looks.start(min(LOOK, self._interval), now=False)

    def stopService(self) -> Deferred[object]:
        """Take no more; fires when all that was under way has ended."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._looks.running:
            self._looks.stop()
        under_way = tuple(self._under_way.values())
        ended: Deferred[object] = DeferredList([done for _, done in under_way])  # type: ignore[assignment]
        for taking, _ in under_way:
            taking.cancel()
        return ended

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`: of a camera that is no more nothing is kept."""
        if isinstance(event, CameraForgotten):
            self.album.forget(event.camera.id)
            for table in (self._due, self._failures, self._taken):
                table.pop(event.camera.id, None)

    # --- whose turn it is ------------------------------------------------------------------------------------------

    def _look(self) -> None:
        try:
            now = self._monotonic()
            for camera in self._registry.cameras():
                if not _shows_something(camera):
                    continue
                first = now + min(PAUSE, self._interval) + self._random() * min(FIRST, self._interval)
                due = self._due.setdefault(camera.id, first)
                if due <= now and camera.id not in self._under_way:
                    self._begin(camera.id, in_turn=True)
        except Exception:
            self.log.failure("Pictures cannot be planned")

    # --- IPictures -------------------------------------------------------------------------------------------------

    def latest(self, camera_id: str) -> Picture | None:
        """See :class:`IPictures`."""
        picture = self.album.latest(camera_id)
        return replace(picture, frozen_since=self._stills.since(camera_id)) if picture is not None else None

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
        taking: Deferred[Picture | None] = Deferred.fromCoroutine(self._in_its_turn(camera_id))
        done: Deferred[None] = Deferred()
        self._under_way[camera_id] = taking, done
        taking.addTimeout(MAX_SECONDS, self._clock)
        taking.addBoth(self._ended, camera_id, in_turn, done)

    async def _in_its_turn(self, camera_id: str) -> Picture | None:
        async with self._room:
            return await self._take(camera_id)

    async def _take(self, camera_id: str) -> Picture | None:
        """Ask the takers in their order.

        :raises InspectionError: none gave a picture; what the last of them met that could have.
        """
        camera, key = self._registry.camera(camera_id), self._registry.key_of(camera_id)
        if camera is None or key is None:
            return None
        candidate = self._registry.candidate(key)
        if not self._registry.stands_at(key, camera.address):
            raise Unreachable("another device answers at its address")
        if camera.address in self._excluded:
            raise Unreachable("nothing is sent to its address (SCAN_EXCLUDE)")
        login = self._login_of(key)
        problem: InspectionError | None = None
        for taker in self._takers:
            try:
                picture = await self._ask(taker, camera, candidate, login)
            except Unauthorized as error:
                problem = error
                if error.locked:
                    break
                continue
            except InspectionError as error:
                problem = error
                continue
            if picture is not None:
                self.counts[taker.name] += 1
                return picture
        if problem is not None:
            raise problem
        return None

    async def _ask(
        self, taker: IPictureTaker, camera: Camera, candidate: Candidate, login: Login | None
    ) -> Picture | None:
        """One taker's picture. What a login is used for is his name: one that has no right to snapshots may watch."""
        budget, clock, purpose = self._budget, self._clock, taker.name
        if login is None or not await budget.charge_purpose(candidate, login, clock.seconds(), purpose):
            try:
                return await taker.take(camera, None)
            except Unauthorized as error:
                if error.locked:
                    budget.record_lockout(candidate, clock.seconds())
                raise
        refused = locked = False
        try:
            return await taker.take(camera, once(login))
        except Unauthorized as error:
            refused, locked = error.attempted is not False, error.locked
            raise
        finally:
            budget.record_purpose(candidate, login, clock.seconds(), purpose, refused=refused, locked=locked)

    def _ended(self, result: Picture | Failure | None, camera_id: str, in_turn: bool, done: Deferred[None]) -> None:
        """Keep the picture, tell of it, and answer everybody who waits for it."""
        self._under_way.pop(camera_id, None)
        if isinstance(result, Failure):
            answer: Picture | Failure | None = self._failed(result, camera_id)
        else:
            self._failures.pop(camera_id, None)
            answer = self._keep(result, in_turn) if result is not None else None
        if self._registry.camera(camera_id) is not None:
            patience = min(2 ** self._failures.get(camera_id, 0), MAX_PATIENCE)
            self._due[camera_id] = self._monotonic() + self._interval * patience * (0.9 + 0.2 * self._random())
        else:
            self._failures.pop(camera_id, None)
        for waiter in self._waiting.pop(camera_id, ()):
            if not waiter.called:
                waiter.callback(answer)  # a Failure takes the way of errors
        done.callback(None)

    def _failed(self, failure: Failure, camera_id: str) -> Failure:
        self._failures[camera_id] = min(self._failures.get(camera_id, 0) + 1, MAX_PATIENCE)
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
        return Failure(Unreachable("it failed by a fault of this program; see its log"))

    def _keep(self, picture: Picture, in_turn: bool) -> Picture | None:
        camera = self._registry.camera(picture.camera_id)
        if camera is None:
            return None
        if in_turn:
            # The second half of the bytes: the lower part of the picture. A clock is shown at the top, or in the head.
            half = blake2b(picture.data[len(picture.data) // 2 :], digest_size=8)
            self._stills.pictured(camera.id, half.hexdigest(), picture.taken_at)
        self._taken[camera.id] = self._monotonic()
        self.album.put(picture)
        picture = replace(picture, frozen_since=self._stills.since(camera.id))
        self._emit(PictureTaken(at=picture.taken_at, camera=camera, picture=picture))
        return picture


def _shows_something(camera: Camera) -> bool:
    return camera.online or (camera.status is Status.STREAM_ERROR and camera.reason == FROZEN)
