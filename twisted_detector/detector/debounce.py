"""Devices that were just seen go in; each comes out once, when it has had the time to tell more of itself."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

#: An open RTSP port alone waits so long for WS-Discovery to tell more (devices answer within 0.5 s of a probe,
#: which is repeated within 1 s).
SETTLE = 1.0
#: And longer when nothing but its address is known, so that it does not get an address for a name too early.
SETTLE_ANONYMOUS = 2.5


class Debounce:
    """Holds candidates back for a moment; whoever is known, or has told where its services are, goes through at once.

    :param settled: is told the key of each.
    """

    def __init__(self, clock: IReactorTime, registry: Registry, settled: Callable[[int], None]) -> None:
        self._clock = clock
        self._registry = registry
        self._tell = settled
        self._waiting: dict[int, IDelayedCall] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def seen(self, key: int) -> None:
        """A device that is to be asked was seen."""
        if self._registry.phase(key) is not Phase.CANDIDATE or self._registry.candidate(key).xaddrs:
            self._settled(key)
        elif key not in self._waiting:
            wait = SETTLE_ANONYMOUS if self._registry.anonymous(key) else SETTLE
            self._waiting[key] = self._clock.callLater(wait, self._settled, key)

    def _settled(self, key: int) -> None:
        waiting = self._waiting.pop(key, None)
        if waiting is not None and waiting.active():
            waiting.cancel()
        self._tell(key)

    def stop(self) -> None:
        """Nobody waits any more, and nobody is told of."""
        for call in self._waiting.values():
            if call.active():
                call.cancel()
        self._waiting.clear()
