"""Event bus: delivers every event to every listener, in the order of subscription."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from txaio.tx import make_logger

from twisted_detector.events import Event
from twisted_detector.interfaces import IEventListener


class Bus:
    """Synchronous event bus. A listener that raises is logged, and hurts no other.

    Events that a listener emits during a delivery wait until the first event was delivered to all, so that every
    listener gets all events in the same order.
    """

    log = make_logger()

    #: A chain of events that cause events is a loop of ours, not the world's: stop it here.
    MAX_PENDING = 10_000

    def __init__(self) -> None:
        self._listeners: dict[object, IEventListener] = {}
        self._pending: deque[Event] = deque()
        self._delivering = False

    def subscribe(self, listener: IEventListener) -> Callable[[], None]:
        """Deliver every event to ``listener`` from now on; the returned function ends that."""
        subscription = object()
        self._listeners[subscription] = listener

        def unsubscribe() -> None:
            self._listeners.pop(subscription, None)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Deliver ``event`` to all listeners before it returns; called by a listener, it returns at once."""
        if len(self._pending) >= self.MAX_PENDING:
            self.log.error("Too many events wait to be told; {event} is lost", event=type(event).__name__)
            return
        self._pending.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                self._deliver(self._pending.popleft())
        finally:
            self._delivering = False

    def _deliver(self, event: Event) -> None:
        for subscription, listener in tuple(self._listeners.items()):
            if subscription not in self._listeners:
                continue  # An earlier listener ended it just now.
            try:
                listener.handle(event)
            except Exception:
                self.log.failure(
                    "Listener {listener} failed on {event}",
                    listener=type(listener).__name__,
                    event=type(event).__name__,
                )
