"""Checks that are due go in; a question to all, and who answered it from where it stands, come out.

One datagram to the group is answered by every camera that speaks WS-Discovery: a hundredth of what asking each would
cost. Whoever does not answer is asked by itself.
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
    """Who is there, by the last question to all.

    :param interval: seconds between checks; below ``MIN_INTERVAL`` nobody is called.
    """

    def __init__(self, registry: Registry, sweeper: Sweeper, *, interval: float) -> None:
        self._registry = registry
        self._sweeper = sweeper
        self._wanted = interval >= MIN_INTERVAL
        self._present: set[int] = set()
        self.calling = False

    def begin(self, done: Callable[[], None]) -> None:
        """Ask, and call ``done`` when the answers are in; at once where nobody can be asked now."""
        self._present.clear()

        def ended() -> None:
            self.calling = False
            done()

        self.calling = self._wanted  # before it begins: the first answer may come at once
        if not (self._wanted and self._sweeper.roll_call(ended)):
            ended()

    def present(self, key: int) -> bool:
        """Whether a device answered the last call."""
        return key in self._present

    def saw(self, key: int) -> None:
        """A device was seen."""
        if self.calling:
            self._present.add(key)

    def answered(self, sighting: Sighting) -> bool:
        """Whether a sighting is the answer of a device that is well, from where it stands, under the name that it has.

        Then it says nothing else, and nothing is looked up: where the kernel has forgotten its MAC that would cost two
        packets for each camera. Should another MAC stand there, the kernel's own news tell it.
        """
        if not self.calling or not sighting.endpoint_reference:
            return False
        key = self._registry.key_at(sighting.address)
        if key is None or self._registry.phase(key) is not Phase.ONLINE:
            return False
        facts = self._registry.candidate(key)
        if facts.endpoint_reference != sighting.endpoint_reference or facts.mac is None:
            return False
        if not self._registry.stands_at(key, sighting.address):
            return False
        self._present.add(key)
        return True
