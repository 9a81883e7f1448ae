"""Memory of the search for streams by path on one RTSP port: what does not exist there, what does, when to search anew.

Rules:

1. A search goes through the catalog once. Where it found nothing it is over, and is not begun anew at every check.
2. It is begun anew after a day, for what changes unnoticed; at once when the device has another address, another login
   or a person asks; and when the server says other things of itself or was away (as it is while it gets other
   firmware), but not more often than once an hour, for some servers do so all the time.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from twisted_detector.inspection.rtsp.catalog import Path
from twisted_detector.inspection.rtsp.nonces import NonceHabits

#: Seconds from the end of a search in vain to the next.
SEARCH_AGAIN = 86_400.0
#: Seconds after a search in vain in which what the server says of itself, or its being away, is no reason for another.
CHANGE_HOLD = 3_600.0


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a search depended on.

    :ivar login: a hash of the login that was given; ``server``, ``realm``: what the server says of itself.
    """

    address: str
    login: int
    server: str
    realm: str


@dataclass
class PathMemory:
    """Results of earlier inspections of one port.

    :ivar missing: main paths that do not exist, of the search that goes on or was the last.
    :ivar odd: a path of those that was refused in another way than one that cannot exist, and how; or "".
    :ivar found: the pair that does exist.
    :ivar nonces: what the server does with its nonces.
    """

    missing: set[str] = field(default_factory=set)
    odd: str = ""
    found: Path | None = None
    nonces: NonceHabits = field(default_factory=NonceHabits)
    _over: tuple[float, Circumstances] | None = None
    _was_away: bool = False

    def begin(self, now: float, circumstances: Circumstances, *, by_hand: bool) -> bool:
        """Whether to search, or to go on with it; False: the last search found nothing, and nothing has changed since.

        :param by_hand: a person asks.
        """
        if self._over is None:
            return True
        over_at, before = self._over
        ours = replace(before, server=circumstances.server, realm=circumstances.realm)
        changed = circumstances != before or self._was_away
        hold = CHANGE_HOLD if changed else SEARCH_AGAIN
        if not by_hand and circumstances == ours and 0 <= now - over_at < hold:
            return False
        self.missing.clear()
        self.odd = ""
        self._over = None
        return True

    def search_ended(self, now: float, circumstances: Circumstances) -> None:
        """Every path of the catalog was tried, and none exists."""
        self._over = now, circumstances
        self._was_away = False

    def server_away(self) -> None:
        """The port did not answer: what stands there next may be another firmware."""
        self._was_away = True
