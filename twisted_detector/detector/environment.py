"""What every part of the detector is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from twisted.internet.interfaces import IReactorTime

from twisted_detector.detector.address_gate import AddressGate
from twisted_detector.interfaces import RecordObservation, record_nothing


@dataclass(frozen=True, slots=True)
class Environment:
    """Clocks, exclusions, and the places where observations and counts go.

    :ivar clock: wall time and timers.
    :ivar monotonic: seconds that never jump, for durations.
    :ivar excluded: addresses to which nothing is sent.
    :ivar gate: judges the addresses at which devices may be asked.
    :ivar observe: records what was observed of an address.
    :ivar counts: what the detector counted, by name; part of the health document.
    """

    clock: IReactorTime
    monotonic: Callable[[], float]
    excluded: Container[str] = ()
    observe: RecordObservation = record_nothing
    counts: Counter[str] = field(default_factory=Counter)
    gate: AddressGate = field(default_factory=AddressGate)

    def now(self) -> float:
        """Wall time in seconds."""
        return self.clock.seconds()

    def record(self, address: str, source: str, text: str) -> None:
        """Record an observation of this moment."""
        self.observe(self.clock.seconds(), address, source, text)
