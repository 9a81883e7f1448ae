"""Publisher of devices that say they are cameras, where an inspection takes longer than a person should wait."""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall

from twisted_detector.detector.environment import Environment
from twisted_detector.registry.registry import Registry

#: Seconds from a device's word until it is published by it. Most cameras are inspected by then, and are published as
#: what they are; one that answers nothing else is to be told of within three seconds after it came.
PUBLISH_AFTER = 2.0
#: Devices that wait at one time: what a building's switch brings when it is switched on. The others lose nothing but
#: the haste.
MAX_WAITING = 1024


class AnnouncementTimers:
    """Timers by device, at most one for each; devices beyond the bound wait for the end of their inspection."""

    def __init__(self, environment: Environment, registry: Registry) -> None:
        self._environment = environment
        self._registry = registry
        self._waiting: dict[int, IDelayedCall] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: int) -> None:
        """A device said that it is a camera."""
        if key in self._waiting or len(self._waiting) >= MAX_WAITING or self._registry.is_published(key):
            return
        self._waiting[key] = self._environment.clock.callLater(PUBLISH_AFTER, self._end, key)

    def _end(self, key: int) -> None:
        del self._waiting[key]
        self._registry.publish_announced(key, self._environment.now())

    def stop(self) -> None:
        """Cancel all timers."""
        for call in self._waiting.values():
            call.cancel()
        self._waiting.clear()
