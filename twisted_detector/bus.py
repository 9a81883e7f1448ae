"""One event goes in; every listener is told, in the order of subscription."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from txaio.tx import make_logger

from twisted_detector.events import Event
from twisted_detector.interfaces import IEventListener


class Bus:
    """One event, many listeners; a failing listener hurts no other.

    Events that a listener emits while one is being told wait until all have heard the first, so that everybody
    hears them in one order.
    """

    log = make_logger()

    #: A chain of events that cause events is a loop of ours, not the world's: stop it here.
    MAX_PENDING = 10_000

    def __init__(self) -> None:
        self._listeners: dict[object, IEventListener] = {}
        self._pending: deque[Event] = deque()
        self._telling = False

    def subscribe(self, listener: IEventListener) -> Callable[[], None]:
        """Tell ``listener`` every event from now on; the returned function ends that."""
        subscription = object()
        self._listeners[subscription] = listener

        def unsubscribe() -> None:
            self._listeners.pop(subscription, None)

        return unsubscribe

    def emit(self, event: Event) -> None:
        """Tell everybody ``event``; returns when all have heard it (or, from within a listener, at once)."""
        if len(self._pending) >= self.MAX_PENDING:
            self.log.error("Too many events wait to be told; {event} is lost", event=type(event).__name__)
            return
        self._pending.append(event)
        if self._telling:
            return
        self._telling = True
        try:
            while self._pending:
                self._notify(self._pending.popleft())
        finally:
            self._telling = False

    def _notify(self, event: Event) -> None:
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
