"""Delay before the first inspection of a new device, in which discovery may learn its name and its service address."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

#: Seconds for a device of which only an open port is known: devices answer a WS-Discovery probe within 0.5 s, and the
#: probe is repeated within 1 s.
DEBOUNCE = 1.0
#: Seconds for one of which only the address is known, so that its address does not become its name too early.
DEBOUNCE_ANONYMOUS = 2.5


class Debounce:
    """Timers by device. A device that is known, or whose service address is known, is not delayed.

    :param ready: called with the key of each device when its delay is over.
    """

    def __init__(self, clock: IReactorTime, registry: Registry, *, ready: Callable[[int], None]) -> None:
        self._clock = clock
        self._registry = registry
        self._ready = ready
        self._waiting: dict[int, IDelayedCall] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: int, *, waited_for: bool = False) -> None:
        """A device that needs an inspection was seen (again).

        :param waited_for: a person waits: one that shows what to name it by is not delayed.
        """
        known = self._registry.phase(key) is not Phase.CANDIDATE or self._registry.candidate(key).xaddrs
        if known or (waited_for and not self._registry.is_anonymous(key)):
            self._end(key)
        elif key not in self._waiting:
            wait = DEBOUNCE_ANONYMOUS if self._registry.is_anonymous(key) else DEBOUNCE
            self._waiting[key] = self._clock.callLater(wait, self._end, key)

    def _end(self, key: int) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None and waiting.active():
            waiting.cancel()
        self._ready(key)

    def stop(self) -> None:
        """Cancel all timers."""
        for call in self._waiting.values():
            call.cancel()
        self._waiting.clear()
