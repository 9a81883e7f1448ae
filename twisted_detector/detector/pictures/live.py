"""Live pictures: one a second of each camera that somebody looks at, and none of any other.

A page asks for a picture other than the one that it shows, and waits for it; that it waits is all that makes a picture
be taken. So a closed drawer, a hidden tab and a line that is gone end it by themselves. A picture is taken once for all
who wait, and the next is begun when this one has ended: a slow camera is never asked twice at one time, and its device
is free for checks in between. Live pictures are in no series: neither the freeze detector nor the bus hears of them.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from math import inf
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError
from twisted.internet.interfaces import IDelayedCall
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.task_group import TaskGroup
from twisted_detector.errors import Busy, InspectionError, Unauthorized, Unreachable
from twisted_detector.model import Camera, Status
from twisted_detector.model.cameras import Picture

#: Seconds from the beginning of one picture to that of the next.
PERIOD = 1.0
#: Cameras that are shown live at one time: each costs a connection, and up to a picture's largest size of memory. A
#: person looks at one, a household at a few.
MAX_CAMERAS = 8
#: Pages that wait for a picture at one time: each holds a connection.
MAX_VIEWERS = 32
#: Seconds for one picture, waiting for the device's other users included.
MAX_SECONDS = 30.0
#: Seconds that a page waits: it is told of slow cameras, and asks again.
MAX_WAIT = 20.0
#: Seconds for which a picture is shown as live to a page that has none yet.
FRESH = 2.0
#: Seconds without a page after which the last picture is forgotten, and with it how often none came.
KEPT = 10.0
#: Seconds until a camera that gave no picture is asked again; doubled with each failure, up to the second figure.
FIRST_RETRY, LAST_RETRY = 2.0, 30.0

NO_PICTURE = "it has no snapshot, and no picture can be made from its streams"
NO_DECODER = (
    "it has no snapshot, and no picture is made from its stream without the extra [decode]: install av beside camdetect"
    " (docs/operations/packages.md), and restart it"
)

#: Takes one picture of a camera, by the method of that name first.
Take = Callable[[str, str], Coroutine[Deferred[Any], Any, Picture | None]]


@dataclass
class _View:
    """One camera that somebody looks at.

    :ivar began: monotonic seconds at which the last picture was begun; ``ended``: at which it was there.
    :ivar picture: the last one. ``method``: what it was taken by.
    :ivar problem: why the last one was not there; asked again not before ``retry_at``.
    :ivar under_way: one is being taken.
    :ivar timer: begins the next, or forgets the camera when nobody waits.
    """

    began: float = -inf
    ended: float = 0.0
    picture: Picture | None = None
    method: str = ""
    problem: InspectionError | None = None
    failures: int = 0
    retry_at: float = 0.0
    under_way: bool = False
    timer: IDelayedCall | None = None
    waiting: list[Deferred[Picture | None]] = field(default_factory=list)


class LivePictures:
    """Pictures of the cameras that somebody looks at now.

    :param camera: the camera of an id.
    :param decodes: whether there is a decoder for its streams.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        *,
        camera: Callable[[str], Camera | None],
        take: Take,
        decodes: bool = True,
    ) -> None:
        self._clock = environment.clock
        self._monotonic = environment.monotonic
        self._camera = camera
        self._take = take
        self._decodes = decodes
        self._views: dict[str, _View] = {}
        self._tasks = TaskGroup("The taking of a live picture")
        self._stopped = False

    def __len__(self) -> int:
        """How many cameras somebody looks at, or looked at a moment ago."""
        return len(self._views)

    async def next(self, camera_id: str, seen: str) -> Picture | None:
        """A picture that was taken now, other than that of the version ``seen``; None: it takes longer, ask again.

        :raises InspectionError: it cannot be shown live; the reason.
        """
        self._check(camera_id)
        view = self._views.get(camera_id)
        if view is None:
            view = self._views[camera_id] = _View()
        now = self._monotonic()
        if view.picture is not None and view.picture.version != seen and now - view.ended < FRESH:
            return view.picture
        if view.problem is not None and now < view.retry_at:
            raise view.problem.with_traceback(None)  # else each raise makes it longer
        waiter: Deferred[Picture | None] = Deferred()
        view.waiting.append(waiter)
        self._plan(camera_id, view)
        try:
            return await waiter.addTimeout(MAX_WAIT, self._clock)
        except TimeoutError:
            return None
        finally:
            if waiter in view.waiting:  # the page is gone, or waited long enough
                view.waiting.remove(waiter)
                self._plan(camera_id, view)

    def forget(self, camera_id: str) -> None:
        """There is no such camera any more."""
        view = self._views.pop(camera_id, None)
        if view is not None:
            self._set_timer(view, None)
            self._answer(view, None, Unreachable("the camera is no longer known"))

    def stop(self) -> Deferred[object]:
        """Take no more; fires when what was under way has ended."""
        self._stopped = True
        for camera_id in tuple(self._views):
            self.forget(camera_id)
        return self._tasks.cancel_all()

    # --- who may look ----------------------------------------------------------------------------------------------

    def _check(self, camera_id: str) -> None:
        """:raises InspectionError: the camera is not asked for a live picture now; why."""
        camera = self._camera(camera_id)
        if self._stopped or camera is None:
            raise Unreachable("no pictures are taken any more" if self._stopped else "the camera is no longer known")
        if camera.status is Status.OFFLINE:
            raise Unreachable(f"it is offline: {camera.reason}" if camera.reason else "it is offline")
        if camera.status is Status.SLEEPS:
            raise Unreachable("it has a battery and sleeps")
        if camera.status is Status.AUTH_REQUIRED:
            raise Unauthorized(camera.reason or "it needs a login", attempted=False)
        if sum(len(one.waiting) for one in self._views.values()) >= MAX_VIEWERS:
            raise Busy(f"{MAX_VIEWERS} pages already show live pictures, which is the limit; close one of them")
        if camera_id not in self._views and len(self._views) >= MAX_CAMERAS:
            idle = next((key for key, one in self._views.items() if not one.waiting and not one.under_way), None)
            if idle is None:
                raise Busy(f"{MAX_CAMERAS} cameras are already shown live, which is the limit; close one of them")
            self.forget(idle)

    # --- taking ----------------------------------------------------------------------------------------------------

    def _plan(self, camera_id: str, view: _View) -> None:
        """Begin the next picture when it is due and somebody waits for it; else forget the camera in a while."""
        if view.under_way or self._views.get(camera_id) is not view:
            return
        if not view.waiting:
            rest = max(0.0, view.retry_at - self._monotonic())
            self._set_timer(view, self._clock.callLater(rest + KEPT, self.forget, camera_id))
            return
        wait = max(view.began + PERIOD, view.retry_at) - self._monotonic()
        if wait > 0:
            self._set_timer(view, self._clock.callLater(wait, self._begin, camera_id, view))
        else:
            self._begin(camera_id, view)

    def _set_timer(self, view: _View, timer: IDelayedCall | None) -> None:
        if view.timer is not None and view.timer.active():
            view.timer.cancel()
        view.timer = timer

    def _begin(self, camera_id: str, view: _View) -> None:
        self._set_timer(view, None)
        view.under_way, view.began = True, self._monotonic()
        self._tasks.start(self._run(camera_id, view))

    async def _run(self, camera_id: str, view: _View) -> None:
        picture: Picture | None = None
        problem: InspectionError | None = None
        try:
            taking = Deferred.fromCoroutine(self._take(camera_id, view.method))
            picture = await taking.addTimeout(MAX_SECONDS, self._clock)
            if picture is None:
                camera = self._camera(camera_id)
                is_coded = camera is not None and any(one.codec not in ("", "JPEG") for one in camera.streams)
                problem = Unreachable(NO_DECODER if is_coded and not self._decodes else NO_PICTURE)
        except InspectionError as error:
            problem = error
        except TimeoutError:
            problem = Unreachable(f"it gave no picture within {MAX_SECONDS:g} seconds")
        except CancelledError:
            problem = Unreachable("no pictures are taken any more")
        except Exception:
            if not view.failures:
                self.log.failure("A live picture of {camera} could not be taken", camera=camera_id)
            problem = Unreachable("an internal error of camdetect; see its log")
        view.under_way, view.ended, view.problem = False, self._monotonic(), problem
        if picture is not None:
            view.picture, view.method, view.failures = picture, picture.source, 0
        else:
            view.retry_at = view.ended + min(LAST_RETRY, FIRST_RETRY * 2 ** min(view.failures, 10))
            view.failures += 1
        self._answer(view, picture, problem)
        self._plan(camera_id, view)

    def _answer(self, view: _View, picture: Picture | None, problem: InspectionError | None) -> None:
        waiting, view.waiting = view.waiting, []
        for waiter in waiting:
            if problem is not None:
                waiter.errback(problem)
            else:
                waiter.callback(picture)
