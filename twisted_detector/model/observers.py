"""List of observers of one kind of change, with one contract for bus, outbox, journal and connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, ParamSpec

from txaio.tx import make_logger

P = ParamSpec("P")


class Observers(Generic[P]):
    """List of those who are called at each change, in the order in which they were added.

    They are synchronous and quick. What one raises is logged and hurts no other. One that is added during a change is
    called from the next on; one that is removed during it is not called any more.

    :param what: the kind of change, for the log.
    """

    log = make_logger()

    def __init__(self, what: str) -> None:
        self._what = what
        self._observers: dict[object, Callable[P, object]] = {}
        self._order: tuple[tuple[object, Callable[P, object]], ...] = ()  # the same; made at a change, not at each call

    def __len__(self) -> int:
        return len(self._observers)

    def add(self, observer: Callable[P, object]) -> Callable[[], None]:
        """Call ``observer`` at each change; the returned function ends that, and may be called twice."""
        subscription = object()
        self._observers[subscription] = observer
        self._order = tuple(self._observers.items())

        def remove() -> None:
            self._observers.pop(subscription, None)
            self._order = tuple(self._observers.items())

        return remove

    def notify(self, *arguments: P.args, **named: P.kwargs) -> None:
        """Call all of them."""
        for subscription, observer in self._order:
            if subscription not in self._observers:
                continue  # An earlier one removed it just now.
            try:
                observer(*arguments, **named)
            except Exception:
                name = getattr(observer, "__qualname__", type(observer).__qualname__)
                self.log.failure("{observer} failed at {what}", observer=name, what=self._what)
