"""Messages that you say go in; the handlers that a plugin has subscribed get them: a broker's direction in memory."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_detector.interfaces import ISubscriber
from twisted_detector.mqtt.subscriptions import Subscriptions


@implementer(ISubscriber)
class MemorySubscriber:
    """What :meth:`say` says reaches every handler whose filter matches, as it would from a broker: one message after
    the other for each handler, and what a handler raises is logged and counted.

    :param clock: a handler that does not end is cancelled after a while; nothing else takes time.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._subscriptions = Subscriptions(clock, changed=lambda _added, _removed: None, progressed=lambda: None)

    @property
    def filters(self) -> Sequence[str]:
        """The topic filters that are subscribed now."""
        return self._subscriptions.filters

    @property
    def failures(self) -> int:
        """How often a handler raised."""
        return self._subscriptions.failures

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], Awaitable[None] | None]
    ) -> Callable[[], None]:
        """See :class:`ISubscriber`."""
        return self._subscriptions.add(topic_filter, handler)

    def say(self, topic: str, payload: bytes) -> None:
        """The broker delivers a message."""
        self._subscriptions.dispatch(topic, payload)
