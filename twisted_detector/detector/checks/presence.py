"""Presence check: which cameras answered the quick sweep just before the routine checks, and need not be asked again.

One datagram to the group is answered by every camera that speaks WS-Discovery: a hundredth of what asking each would
cost. A camera that does not answer is asked by itself.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted_detector.detector.sweeper import Sweeper
from twisted_detector.model import Sighting
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

#: Seconds that must lie between two: questions to the group wake up every device of a network.
MIN_INTERVAL = 30.0


class PresenceCheck:
    """Set of the devices that answered the last presence check.

    :param interval: seconds between checks; below ``MIN_INTERVAL`` there are no presence checks.
    :ivar running: whether answers are awaited.
    """

    def __init__(self, registry: Registry, sweeper: Sweeper, *, interval: float) -> None:
        self._registry = registry
        self._sweeper = sweeper
        self._enabled = interval >= MIN_INTERVAL
        self._present: set[int] = set()
        self.running = False

    def start(self, done: Callable[[], None]) -> None:
        """Begin anew, and call ``done`` when the answers are in; at once where there can be no quick sweep now."""
        self._present.clear()

        def end() -> None:
            self.running = False
            done()

        self.running = self._enabled  # before it begins: the first answer may come at once
        if not (self._enabled and self._sweeper.quick_sweep(end)):
            end()

    def is_present(self, key: int) -> bool:
        """Whether a device answered the last check."""
        return key in self._present

    def device_seen(self, key: int) -> None:
        """A device was seen, by whatever method."""
        if self.running:
            self._present.add(key)

    def receive(self, sighting: Sighting) -> bool:
        """Whether a sighting is the answer of a device that is well, from its known address, under its known name.

        Then it has no other news, and its MAC is not looked up: where the kernel has forgotten the MAC that would cost
        two packets for each camera. If another MAC is at the address, the kernel's own notifications show it.
        """
        if not self.running or not sighting.endpoint_reference:
            return False
        key = self._registry.key_at(sighting.address)
        if key is None or self._registry.phase(key) is not Phase.ONLINE:
            return False
        known = self._registry.candidate(key)
        if known.endpoint_reference != sighting.endpoint_reference or known.mac is None:
            return False
        if not self._registry.is_at(key, sighting.address):
            return False
        self._present.add(key)
        return True
