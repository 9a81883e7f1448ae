"""Record of the cameras whose documents the broker was asked for, and whether what it retains of them has come."""

from __future__ import annotations

from collections.abc import Callable, Collection

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.mqtt.seams import ConnectionChange
from twisted_detector.mqtt.single_topics import TopicSet

#: Seconds after the broker was asked in which what is retained comes: in a cluster it may need two or three.
RETAINED = 3.0


class Hearing:
    """Record of what has been heard in the present connection.

    :param topic: the topic of a camera's document.
    :param is_ready: whether it may be said now that something is missing.
    :param heard: called with cameras of which what is retained has come.
    :ivar topics: of the cameras that are asked for.
    """

    def __init__(
        self,
        clock: IReactorTime,
        topic: Callable[[str], str],
        *,
        is_ready: Callable[[], bool],
        heard: Callable[[Collection[str]], None],
    ) -> None:
        self._clock = clock
        self._topic = topic
        self._is_ready = is_ready
        self._heard = heard
        self.topics = TopicSet()
        self._is_connected = self._was_connected = False
        #: Cameras of which nothing can be said to be missing yet.
        self._unheard: set[str] = set()
        self._calls: set[IDelayedCall] = set()

    def has_heard(self, camera_id: str) -> bool:
        """Whether what stands on the broker of a camera is known, if anything does."""
        return camera_id not in self._unheard and (self.asks(camera_id) or not self._was_connected)

    def asks(self, camera_id: str) -> bool:
        """Whether the broker is asked for a camera's document."""
        return self._topic(camera_id) in self.topics

    def ask(self, camera_id: str) -> None:
        """A camera is known here that was not."""
        if self._was_connected:
            self._unheard.add(camera_id)
        if self._is_connected:
            self._wait_for([camera_id])
        self.topics.add([self._topic(camera_id)])

    def cease(self, camera_id: str) -> None:
        """A camera is not known here any more."""
        self.topics.remove([self._topic(camera_id)])

    def connection_changed(self, change: ConnectionChange) -> None:
        """Each connection shows anew what stands on the broker, which may have lost it."""
        if change.event not in ("connected", "disconnected"):
            return
        self.stop()
        self._is_connected, self._was_connected = change.event == "connected", True
        self._unheard.update(topic.rpartition("/")[2] for topic in self.topics)
        if self._is_connected:
            self._wait_for(tuple(self._unheard))

    def stop(self) -> None:
        """Wait for nothing any more."""
        for call in self._calls:
            call.cancel()
        self._calls.clear()

    def _wait_for(self, camera_ids: Collection[str]) -> None:
        if not camera_ids:
            return

        def end() -> None:
            self._calls.discard(call)
            self._end(camera_ids)

        call = self._clock.callLater(RETAINED, end)
        self._calls.add(call)

    def _end(self, camera_ids: Collection[str]) -> None:
        unanswered = self.topics.unanswered if self._is_ready() else frozenset(map(self._topic, camera_ids))
        came = [one for one in camera_ids if self._topic(one) not in unanswered]
        self._unheard.difference_update(came)
        self._wait_for([one for one in camera_ids if one in self._unheard])
        self._heard(came)
