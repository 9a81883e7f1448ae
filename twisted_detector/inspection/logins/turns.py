"""Register of the attempts with a login that are under way, by device: what they may come to cost, and who waits.

An attempt counts as a failure until it is known to be none (rule 2), so that no more run at once than may fail. That
it counts is no reason to call a login barred: it is over in seconds, and another attempt waits for that.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from twisted.internet.defer import Deferred

from twisted_detector.inspection.logins.history import Failure


@dataclass(slots=True, eq=False)
class _Turn:
    """One attempt.

    :ivar credentials: under which it is charged, for the first sending and for others. ``began``: by the budget's
        clock; what is charged under them from then on is this attempt's. ``charged``: False: it is not, for its login
        was right a moment ago.
    """

    credentials: tuple[str, ...]
    began: float
    charged: bool


class Turns:
    """All attempts under way; each ends with its session, so that there are no more than sessions."""

    def __init__(self) -> None:
        self._turns: dict[str, list[_Turn]] = {}
        self._waiting: list[Deferred[None]] = []

    def __len__(self) -> int:
        return len({id(turn) for turns in self._turns.values() for turn in turns})

    def enter(
        self, names: Iterable[str], credentials: tuple[str, ...], began: float, *, charged: bool
    ) -> Callable[[], None]:
        """Begin an attempt at the device with these names; returns what ends it, once, however often it is called."""
        turn, names = _Turn(credentials, began, charged), tuple(names)
        for name in names:
            self._turns.setdefault(name, []).append(turn)

        def end() -> None:
            for name in names:
                turns = self._turns.get(name, [])
                if turn in turns:
                    turns.remove(turn)
                if not turns:
                    self._turns.pop(name, None)
            waiting, self._waiting = self._waiting, []
            for each in waiting:
                each.callback(None)

        return end

    async def next_end(self) -> None:
        """Wait until an attempt ends, at whatever device. May be cancelled."""
        ended: Deferred[None] = Deferred(self._waiting.remove)
        self._waiting.append(ended)
        await ended

    def since(self, names: Iterable[str], credential: str) -> float:
        """Since when an attempt with this credential is under way at the device; infinity when none is."""
        return min((turn.began for turn in self._of(names) if credential in turn.credentials), default=math.inf)

    def forgive_charges(self, names: Iterable[str], credential: str) -> None:
        """The charges of a credential were taken back, for it was accepted: other attempts with it count all the same,
        until they end.
        """
        for turn in self._of(names):
            turn.charged = turn.charged and credential not in turn.credentials

    def uncharged(self, names: Iterable[str]) -> int:
        """How many attempts at the device may come to count beside what is charged."""
        return sum(not turn.charged for turn in self._of(names))

    def settled(self, names: Collection[str], failures: set[Failure]) -> set[Failure]:
        """Those of the failures at the device that are none of an attempt under way."""
        if not any(name in self._turns for name in names):
            return failures
        return {
            (kind, credential, at)
            for kind, credential, at in failures
            if kind.startswith("refused") or at < self.since(names, credential)
        }

    def _of(self, names: Iterable[str]) -> set[_Turn]:
        return {turn for name in names for turn in self._turns.get(name, ())}
