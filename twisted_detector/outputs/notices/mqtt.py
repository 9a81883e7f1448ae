"""Channel that publishes notices on the MQTT topic ``camera/notice``, which Home Assistant has as an event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import PublishError
from twisted_detector.model import Message
from twisted_detector.model.encoding import encode
from twisted_detector.model.notices import Notice
from twisted_detector.outputs.notices.way import DeliveryFailed
from twisted_detector.outputs.topics import EVENT_LIFETIME

#: Seconds in which a broker acknowledges a test.
TEST_SECONDS = 10.0


class MqttChannel:
    """Channel to our own topic. The outbox has what the broker does not take yet, so it is sent when that has it.

    :param document: a notice as JSON types.
    :param patience: seconds in which the broker acknowledges a test.
    """

    def __init__(
        self,
        clock: IReactorTime,
        topic: str,
        *,
        publish: Callable[[Message], Deferred[None]],
        document: Callable[[Notice], dict[str, Any]],
        patience: float = TEST_SECONDS,
    ) -> None:
        self._clock = clock
        self._topic = topic
        self._publish = publish
        self._document = document
        self._patience = patience

    async def send(self, notice: Notice) -> None:
        """See :class:`Channel`."""
        # What happens to it later is the outbox's to count and to report.
        self._queued(notice).addErrback(lambda failure: failure.trap(PublishError) and None)

    async def test(self, notice: Notice) -> str:
        """See :class:`Channel`."""
        acknowledged = self._queued(notice)
        acknowledged.addTimeout(self._patience, self._clock, _timed_out)
        try:
            await acknowledged
        except PublishError as error:
            raise DeliveryFailed(f"not published: {error}") from None
        return f"the broker accepted a test notice on {self._topic}"

    def _queued(self, notice: Notice) -> Deferred[None]:
        """Not retained: it is an event; what lasts is in the retained topics of each camera."""
        try:
            return self._publish(Message(self._topic, encode(self._document(notice)), expires_after=EVENT_LIFETIME))
        except PublishError as error:
            raise DeliveryFailed(f"not accepted: {error}") from None


def _timed_out(_: Any, seconds: float) -> None:
    raise DeliveryFailed(
        f"the broker has not acknowledged it within {seconds:g} s; it will be sent once the broker is connected"
    )
