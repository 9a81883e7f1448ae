"""Heartbeat: publishes the health document."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

from twisted_detector import __version__
from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.mqtt.presence import SERVICE


class Heartbeat:
    """Publishes the health document every ``interval`` seconds, and at once when the status changed.

    :param service: how the document names this service.
    :param topics: where the document goes (the shared topic and the node's own).
    :param blocks: gives the parts of the document beyond the fixed ones; ``status`` among them is the overall word.
    :param publish: takes each message; it may refuse.
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
        publish: Callable[[Message], object],
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
        self._loop = LoopingCall(self.beat)
        self._loop.clock = clock
        self.beats = 0

    def start(self) -> None:
        """Say it now and from now on."""
        self._loop.start(self._interval, now=True)

    def stop(self) -> None:
        """Say no more."""
        if self._loop.running:
            self._loop.stop()

    def document(self) -> dict[str, Any]:
        """The health document as it stands now."""
        return {
            "node_id": self._node_id,
            "service": self._service,
            "timestamp": rfc3339(self._clock.seconds()),
            "version": __version__,
            "uptime_s": round(self._monotonic() - self._started, 1),
            **self._blocks(),
        }

    def beat(self) -> None:
        """Publish the document; what goes wrong is logged, and the heart goes on beating."""
        try:
            document = self.document()
            payload = encode(document)
            for topic in self._topics:
                self._publish(Message(topic, payload, retain=True, priority=Priority.STATE))
            self._last_status = str(document.get("status", ""))
            self.beats += 1
        except Exception:
            self.log.failure("The health document could not be published")

    def status_may_have_changed(self) -> None:
        """Publish at once when the overall status is another than was said last."""
        if not self._loop.running:
            return
        try:
            status = str(self._blocks().get("status", ""))
        except Exception:
            self.log.failure("The status could not be looked at")
            return
        if status != self._last_status:
            self.beat()
