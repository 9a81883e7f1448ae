"""Stream of server-sent events on one open request, as fast as its browser reads."""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import IPushProducer
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_detector.web.event_hub import EventHub


@implementer(IPushProducer)
class EventStream:
    """Sink of the hub for one open page. The transport pauses it at 64 KiB, and nothing is buffered here."""

    def __init__(self, request: Any, hub: EventHub) -> None:
        self._request = request
        self._hub = hub
        self.ready = True
        self._open = True

    def begin(self, last_id: str) -> None:
        """Send the head, and what was missed."""
        # The connection knows first: a write to a finished request is a fault.
        self._request.notifyFinish().addErrback(self._ended)
        self._request.registerProducer(self, True)
        self._hub.subscribe(self, last_id)

    def send(self, data: bytes) -> None:
        if self._open:
            self._request.write(data)

    def end(self) -> None:
        if self._open:
            self._open = False
            self._request.transport.abortConnection()

    def _ended(self, _: Failure) -> None:
        self._open = False
        self._hub.unsubscribe(self)

    # --- IPushProducer

    def pauseProducing(self) -> None:
        self.ready = False

    def resumeProducing(self) -> None:
        self.ready = True
        if self._open:
            self._hub.resume(self)

    def stopProducing(self) -> None:
        self.ready = False
