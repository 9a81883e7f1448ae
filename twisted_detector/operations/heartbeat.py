"""Heartbeat: periodic publication of the health document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

from twisted_detector import __version__
from twisted_detector.errors import PublishError
from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.mqtt.presence import SERVICE


class Heartbeat:
    """Timer that publishes the health document every ``interval`` seconds, and at once when the status changed.

    :param service: name of this service in the document.
    :param topics: the shared topic and the node's own.
    :param blocks: the parts of the document beyond the fixed ones; ``status`` among them is the overall status.
    :param publish: publishes a message; may raise PublishError.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        node_id: str,
        topics: Sequence[str],
        interval: float,
        blocks: Callable[[], Mapping[str, Any]],
        publish: Callable[[Message], Deferred[None]],
        monotonic: Callable[[], float],
        service: str = SERVICE,
    ) -> None:
        self._clock = clock
        self._node_id = node_id
        self._service = service
        self._topics = tuple(topics)
        self._interval = interval
        self._blocks = blocks
        self._publish = publish
        self._monotonic = monotonic
        self._started = monotonic()
        self._last_status = ""
        self._loop = LoopingCall(self.publish)
        self._loop.clock = clock

    def start(self) -> None:
        """Publish now, and then at every interval."""
        self._loop.start(self._interval, now=True)

    def stop(self) -> None:
        """Publish no more."""
        if self._loop.running:
            self._loop.stop()

    def document(self) -> dict[str, Any]:
        """The health document of this moment."""
        return {
            "node_id": self._node_id,
            "service": self._service,
            "timestamp": rfc3339(self._clock.seconds()),
            "version": __version__,
            "uptime_s": round(self._monotonic() - self._started, 1),
            **self._blocks(),
        }

    def publish(self) -> None:
        """Publish the document; a failure is logged and does not end the timer."""
        try:
            document = self.document()
            payload = encode(document)
            for topic in self._topics:
                message = Message(topic, payload, retain=True, priority=Priority.STATE, durable=False)
                sending = self._publish(message)
                # What happens to it later is the outbox's to count and to report.
                sending.addErrback(lambda failure: failure.trap(PublishError) and None)
            self._last_status = str(document.get("status", ""))
        except PublishError as error:
            self.log.warn("The health document was not accepted: {error}", error=str(error))
        except Exception:
            self.log.failure("The health document could not be published")

    def publish_if_changed(self) -> None:
        """Publish now if the overall status is another than was published last."""
        if not self._loop.running:
            return
        try:
            status = str(self._blocks().get("status", ""))
        except Exception:
            self.log.failure("The status could not be determined")
            return
        if status != self._last_status:
            self.publish()
