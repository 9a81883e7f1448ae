"""Event listener that saves cameras, so that a restart knows them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import CameraEvent, CameraForgotten, CameraRestored, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera
from twisted_detector.seams import IStateStore


@implementer(IEventListener)
class CameraSaver:
    """Saves a camera once for each of its changes. Of failures in a row, only the first is logged."""

    log = make_logger()

    def __init__(self, store: IStateStore) -> None:
        self._store = store
        self._failing = False
        self._latest: Camera | None = None

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraForgotten):
            self._latest = None
            self._log_failure(self._store.delete_camera(event.camera.id))
        elif not isinstance(event, CameraEvent) or isinstance(event, CameraRestored | PictureTaken):
            return
        elif event.camera is not self._latest:  # several events of one change have the same camera
            self._latest = event.camera
            self._log_failure(self._store.save_camera(event.camera))

    def _log_failure(self, saving: Deferred[None]) -> None:
        saving.addCallbacks(self._saved, self._failed)

    def _saved(self, _: None) -> None:
        self._failing = False

    def _failed(self, failure: Failure) -> None:
        self._latest = None
        if not self._failing:
            self._failing = True
            self.log.error("Cameras cannot be saved: {error}", error=failure.getErrorMessage())
