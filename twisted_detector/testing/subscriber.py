"""Subscriber in memory, for tests of plugins: the test plays the broker and delivers messages to their handlers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.interfaces import IReactorTime
from zope.interface import implementer

from twisted_detector.interfaces import ISubscriber
from twisted_detector.mqtt.subscriptions import Subscriptions


@implementer(ISubscriber)
class MemorySubscriber:
    """Subscriptions without a broker: :meth:`deliver` reaches every handler whose filter matches, one message after the
    other for each handler, and what a handler raises is logged and counted.

    :param clock: a handler that does not end is cancelled after a while; nothing else takes time.
    """

    def __init__(self, clock: IReactorTime) -> None:
        self._subscriptions = Subscriptions(
            clock, on_filters_changed=lambda _added, _removed: None, on_progress=lambda: None
        )

    @property
    def filters(self) -> Sequence[str]:
        """The topic filters that are subscribed now."""
        return self._subscriptions.filters

    @property
    def failures(self) -> int:
        """How often a handler raised."""
        return self._subscriptions.failures

    def subscribe(
        self,
        topic_filter: str,
        handler: Callable[[str, bytes], Awaitable[None] | None],
        *,
        retained: Callable[[str, bytes], Awaitable[None] | None] | None = None,
    ) -> Callable[[], None]:
        """See :class:`ISubscriber`."""
        return self._subscriptions.subscribe(topic_filter, handler, retained=retained)

    def deliver(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        """The broker delivers a message; ``retained``: one that it had before the subscription."""
        self._subscriptions.dispatch(topic, payload, retained=retained)
