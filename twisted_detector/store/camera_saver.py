"""Event listener that saves cameras, so that a restart knows them."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import CameraEvent, CameraForgotten, CameraRestored, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.seams import IStateStore


@implementer(IEventListener)
class CameraSaver:
    """Saves a camera on each of its events. Of failures in a row, only the first is logged."""

    log = make_logger()

    def __init__(self, store: IStateStore) -> None:
        self._store = store
        self._failing = False

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraForgotten):
            self._log_failure(self._store.delete_camera(event.camera.id))
        elif isinstance(event, CameraEvent) and not isinstance(event, CameraRestored | PictureTaken):
            self._log_failure(self._store.save_camera(event.camera))

    def _log_failure(self, saving: Deferred[None]) -> None:
        saving.addCallbacks(self._saved, self._failed)

    def _saved(self, _: None) -> None:
        self._failing = False

    def _failed(self, failure: Failure) -> None:
        if not self._failing:
            self._failing = True
            self.log.error("Cameras cannot be saved: {error}", error=failure.getErrorMessage())
