"""Delays between connection attempts: exponential, capped, with jitter.

Three ways to spread the attempts of many clients (M. Brooker, "Exponential Backoff And Jitter", AWS Architecture
Blog, 2015): a little around the exponential delay, anywhere below it, or by the delay before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from twisted_detector.errors import LocalError

#: 2**32 times any base is beyond any cap; more would only overflow a float.
_MAX_EXPONENT = 32


class Jitter(StrEnum):
    """How attempts are spread."""

    EQUAL = "equal"  #: the exponential delay ± a quarter of it
    FULL = "full"  #: anything from the floor to the exponential delay
    DECORRELATED = "decorrelated"  #: anything from the base to three times the delay before


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential delays from ``base`` to ``cap`` seconds.

    :ivar base: the first delay; > 0.
    :ivar cap: no delay is longer; >= base.
    :ivar spread: share of the delay by which ``equal`` may differ from it, 0 … 1.
    :raises LocalError: values out of these bounds.
    """

    base: float = 0.25
    cap: float = 3.0
    jitter: Jitter = Jitter.EQUAL
    spread: float = 0.25

    #: Even the luckiest draw of ``full`` does not hammer: a broker has this long, in seconds, to come to itself.
    FLOOR = 0.05

    def __post_init__(self) -> None:
        if not 0 < self.base <= self.cap:
            raise LocalError("a backoff needs 0 < base <= cap", shown=f"{self.base}, {self.cap}")
        if not 0 <= self.spread <= 1:
            raise LocalError("a backoff's spread is between 0 and 1", shown=str(self.spread))

    def delay(self, failures: int, previous: float, random: Callable[[], float]) -> float:
        """Seconds to wait after ``failures`` (>= 0) earlier delays, the last of which was ``previous``.

        :param random: gives a number in [0, 1).
        """
        exponential = min(self.cap, self.base * 2.0 ** min(failures, _MAX_EXPONENT))
        if self.jitter is Jitter.EQUAL:
            chosen = exponential + exponential * self.spread * (2 * random() - 1)
        elif self.jitter is Jitter.FULL:
            chosen = exponential * random()
        else:
            longest = max(self.base, previous * 3)
            chosen = self.base + (longest - self.base) * random()
        return max(min(self.FLOOR, self.cap), min(self.cap, chosen))


class Delays:
    """The sequence of delays of one connection.

    :param random: gives a number in [0, 1).
    """

    def __init__(self, backoff: Backoff, random: Callable[[], float]) -> None:
        self._backoff = backoff
        self._random = random
        self.reset()

    def reset(self) -> None:
        """Begin anew: the next delay is the first."""
        self._failures = 0
        self._previous = 0.0

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        self._previous = self._backoff.delay(self._failures, self._previous, self._random)
        self._failures += 1
        return self._previous

    def spread(self, delay: float) -> float:
        """``delay``, longer or shorter by the backoff's spread at most."""
        return delay * (1 + self._backoff.spread * (2 * self._random() - 1))
