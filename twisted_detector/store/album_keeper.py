"""Service that keeps the cameras' pictures over a restart, with as few writes as a small board's card wants."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredLock
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import CameraForgotten, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model.cameras import Picture
from twisted_detector.store.album import Album

#: Seconds after which a picture on the disk is replaced while the daemon runs: four writes a day, and of large ones as
#: many as make so many octets a day. The latest of all are written at the end, so only a power cut brings back an older
#: one.
SAVE_INTERVAL, OCTETS_A_DAY = 6 * 3600.0, 500_000
_DAY = 86_400.0

InThread = Callable[[Callable[[], Any]], Awaitable[Any]]


@implementer(IEventListener)
class AlbumKeeper(Service):
    """Saves pictures as they are taken, and gives them back at the start. What cannot be saved is said once.

    :param restore: is given each picture that was kept and is the latest.
    :param latest: a camera's picture of this run.
    :param camera_ids: the cameras that are known.
    :param monotonic: seconds that never jump.
    """

    log = make_logger()

    def __init__(
        self,
        album: Album,
        in_thread: InThread,
        *,
        restore: Callable[[Picture], None],
        latest: Callable[[str], Picture | None],
        camera_ids: Callable[[], Collection[str]],
        monotonic: Callable[[], float],
    ) -> None:
        self._album = album
        self._in_thread = in_thread
        self._give_back = restore
        self._latest = latest
        self._camera_ids = camera_ids
        self._monotonic = monotonic
        self._lock = DeferredLock()
        self._saved_at: dict[str, float] = {}  # by camera; bounded by those that there are
        self._unsaved: set[str] = set()
        self._problem = ""

    def startService(self) -> None:
        """Read what was kept."""
        super().startService()  # type: ignore[no-untyped-call]
        self._begin(partial(self._album.load, frozenset(self._camera_ids())), self._restore)

    def stopService(self) -> Deferred[None]:
        """Write the latest pictures; fires when they are written."""
        super().stopService()  # type: ignore[no-untyped-call]
        pictures = [picture for one in sorted(self._unsaved) if (picture := self._latest(one)) is not None]
        self._unsaved.clear()

        return self._save(pictures)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraForgotten):
            self._unsaved.discard(event.camera.id)
            self._saved_at.pop(event.camera.id, None)
            self._begin(partial(self._album.forget, event.camera.id))
        elif isinstance(event, PictureTaken):
            self._record(event.picture)

    def _record(self, picture: Picture) -> None:
        now, saved_at = self._monotonic(), self._saved_at.get(picture.camera_id)
        interval = max(SAVE_INTERVAL, len(picture.data) / OCTETS_A_DAY * _DAY)
        if saved_at is not None and now - saved_at < interval:
            self._unsaved.add(picture.camera_id)
            return
        self._saved_at[picture.camera_id] = now
        self._unsaved.discard(picture.camera_id)
        self._save((picture,))

    def _save(self, pictures: Sequence[Picture]) -> Deferred[None]:
        def save_all() -> str:
            try:
                for picture in pictures:
                    self._album.save(picture)
            except OSError as error:
                return error.strerror or str(error)
            return ""

        return self._begin(save_all, self._report)

    def _report(self, problem: str) -> None:
        if problem and not self._problem:
            self.log.warn("Pictures cannot be kept on the disk: {problem}", problem=problem)
        self._problem = problem

    def _restore(self, pictures: Sequence[Picture]) -> None:
        for picture in reversed(pictures):
            self._saved_at.setdefault(picture.camera_id, self._monotonic())
            if self._latest(picture.camera_id) is None:
                self._give_back(picture)

    def _begin(self, work: Callable[[], Any], then: Callable[[Any], None] = lambda result: None) -> Deferred[None]:
        async def run() -> None:
            # One after the other: a picture is not to be written after its camera was forgotten.
            async with self._lock:
                then(await self._in_thread(work))

        return Deferred.fromCoroutine(run()).addErrback(
            lambda failure: self.log.failure("The album of pictures failed", failure=failure)
        )
