"""Event bus: delivers every event to every listener, in the order of subscription."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from txaio.tx import make_logger

from twisted_detector.events import Event
from twisted_detector.interfaces import IEventListener
from twisted_detector.model.observers import Observers


class Bus:
    """Synchronous event bus; its listeners are :class:`Observers`.

    Events that a listener emits during a delivery wait until the first event was delivered to all, so that every
    listener gets all events in the same order.
    """

    log = make_logger()

    #: A chain of events that cause events is a loop of ours, not the world's: stop it here.
    MAX_PENDING = 10_000

    def __init__(self) -> None:
        self._listeners: Observers[[Event]] = Observers("an event")
        self._pending: deque[Event] = deque()
        self._delivering = False

    def subscribe(self, listener: IEventListener) -> Callable[[], None]:
        """Deliver every event to ``listener`` from now on; the returned function ends that."""
        return self._listeners.add(listener.handle)

    def emit(self, event: Event) -> None:
        """Deliver ``event`` to all listeners before it returns; called by a listener, it returns at once."""
        if len(self._pending) >= self.MAX_PENDING:
            self.log.error("Too many events are waiting; {event} is dropped", event=type(event).__name__)
            return
        self._pending.append(event)
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                self._listeners.notify(self._pending.popleft())
        finally:
            self._delivering = False
