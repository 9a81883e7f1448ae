"""Full proofs of devices go in; whether what was proved still stands, so that a cheap check will do, comes out. Pure.

Counted in checks, not in seconds, as everything about being online is: clocks jump. The first count of each device is
another, so that the proofs of devices that were found together do not come together for ever.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted_detector.model import Login, Stream
from twisted_detector.records import dataclass

#: The golden ratio's fraction: its multiples spread evenly, however many there are (Knuth, TAOCP 6.4).
_SPREAD = 0.6180339887498949


@dataclass(slots=True)
class _Standing:
    left: int
    address: str
    login: Login | None


class Standing:
    """Which devices were fully proved lately.

    :param proof_every: every so manieth check is a full proof (1: every).
    """

    def __init__(self, proof_every: int) -> None:
        self._every = max(1, proof_every)
        self._of: dict[int, _Standing] = {}
        self._met: set[int] = set()

    def proved(self, key: int, address: str, login: Login | None) -> None:
        """A device was fully proved there, with this login."""
        left = self._every
        if key not in self._met:
            self._met.add(key)
            left = 1 + int(key * _SPREAD % 1 * self._every)
        self._of[key] = _Standing(left, address, login)

    def doubt(self, key: int) -> None:
        """Something is wrong, or the device is gone: only a full proof will do."""
        if self._of.pop(key, None) is None:
            self._met.discard(key)

    def holds(self, key: int, address: str, login: Login | None) -> bool:
        """Count one check; whether a cheap one will do: proved lately, at this address, with this login."""
        standing = self._of.get(key)
        if standing is None or standing.address != address or standing.login != login:
            return False
        standing.left -= 1
        return standing.left > 0


def worth_a_look(streams: Sequence[Stream], turn: int) -> list[Stream]:
    """The first stream that played, and of those that did not one, in turn: a camera has few connections to give."""
    played = [stream for stream in streams if stream.validated][:1]
    silent = [stream for stream in streams if not stream.validated]
    return played + ([silent[turn % len(silent)]] if silent else [])
