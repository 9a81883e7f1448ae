"""Record of what one plugin did since the start: its calls, faults, stalls and messages, all bounded."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import PurePath

#: A plugin that raised so often within a day is disabled. One that stumbles now and then, over a year, is not.
MAX_FAULTS, FAULT_SECONDS = 10, 86_400.0


def describe_fault(error: BaseException) -> str:
    """Kind and place of an error. Its text is for the log only: a plugin may have written a password into it."""
    kind, trace = type(error).__name__, error.__traceback__
    if trace is None:
        return kind
    while trace.tb_next is not None:
        trace = trace.tb_next
    return f"{kind} in {PurePath(trace.tb_frame.f_code.co_filename).name}, line {trace.tb_lineno}"


@dataclass(frozen=True, slots=True)
class Stall:
    """A call that held the reactor.

    :ivar seconds: how long, or how long when it was reported; ``stack``: "" where none could be taken.
    """

    seconds: float
    stack: str


@dataclass(slots=True)
class PluginRecord:
    """Record of one plugin, by the name of its maker.

    :ivar made: whether its maker made a part.
    :ivar disabled: why it is not called any more; "" while it is.
    :ivar why: why it was left out, or made nothing; "" otherwise.
    :ivar last_fault: kind and place of the last error.
    :ivar counts: ``calls``, ``sightings``, ``published``, ``messages`` of its output, ``limited``, by name.
    """

    name: str
    made: bool = False
    disabled: str = ""
    why: str = ""
    faults: int = 0
    last_fault: str = ""
    stalls: int = 0
    last_stall: Stall | None = None
    counts: Counter[str] = field(default_factory=Counter)
    _times: deque[float] = field(default_factory=lambda: deque(maxlen=MAX_FAULTS))

    def note_fault(self, error: BaseException, at: float) -> bool:
        """Count an error that it raised; True when that was one too many: it is disabled from now on.

        :param at: monotonic seconds.
        """
        self.faults += 1
        self.last_fault = describe_fault(error)
        self._times.append(at)
        too_many = len(self._times) == MAX_FAULTS and at - self._times[0] <= FAULT_SECONDS
        if too_many and not self.disabled:
            self.disabled = f"it raised {MAX_FAULTS} errors within a day, the last one: {self.last_fault}"
            return True
        return False

    def note_stall(self, stall: Stall) -> None:
        """Count a call that held the reactor too long."""
        self.stalls += 1
        self.last_stall = stall
