"""Patience with a broker: how long one of its answers is waited for, learnt from how it answered so far. Pure.

Short limits notice a broker that is dead within seconds. But some are slow whenever they are asked: one asks a far
server about each login, another writes each message to a slow card, a third is behind a satellite. With one limit for
all of them those would never be connected, or never for long. So after two silences in a row each further wait is twice
as long, up to a bound, until answers come quickly again. Of attempts to connect that is so of every second one only:
a broker that was frozen and is well again must not find us waiting on a connection that it knows nothing of.
"""

from __future__ import annotations

from dataclasses import dataclass, field

#: Seconds that a broker which accepted TCP has for its answer to CONNECT.
CONNACK_TIMEOUT = 5.0
#: Seconds without an answer to a message, and to a ping. With the watchdog's pings an idle frozen peer is noticed after
#: at most 4 s.
SILENCE = 4.0
PING_ANSWER = 2.5

#: So many quick answers in a row, each within half of the ordinary time, end what was learnt.
QUICK = 20
#: More would only overflow a float.
_MAX_DOUBLINGS = 32
#: The first silences in a row after which a broker is given up as quickly as ever: it may have been dead.
ORDINARY = 2


class Patience:
    """Time limit for one kind of answer. Used in the network thread, over several connections.

    :param usual: seconds; ``most``: those after silences without end.
    :param quick: so many quick answers in a row end what was learnt.
    :param by_turns: whether every second answer after a silence has the usual time all the same.
    :ivar limit: seconds that the next answer has.
    """

    def __init__(self, usual: float, most: float, *, quick: int = QUICK, by_turns: bool = False) -> None:
        self._usual = usual
        self._most = most
        self._enough = quick
        self._by_turns = by_turns
        self._silences = self._quick = 0
        self.limit = usual

    def gave_up(self) -> None:
        """No answer came within the limit."""
        self._silences += 1
        self._quick = 0
        self.limit = min(self._most, self._usual * 2.0 ** min(self._doublings(), _MAX_DOUBLINGS))

    def _doublings(self) -> int:
        if self._by_turns:
            return 0 if self._silences % 2 else self._silences // 2
        return max(0, self._silences + 1 - ORDINARY)

    def answered(self, seconds: float) -> None:
        """An answer took so long."""
        if seconds > self._usual / 2:
            self._quick = 0
            return
        self._quick += 1
        if self._quick >= self._enough:
            self._quick = self._silences = 0
            self.limit = self._usual


@dataclass(frozen=True, slots=True)
class Patiences:
    """The limits for a broker's answers: to CONNECT, to messages (PUBACK), and to PINGREQ.

    A broker that is frozen is noticed by the second or the third, within 5 s.
    """

    connect: Patience = field(default_factory=lambda: Patience(CONNACK_TIMEOUT, 20.0, quick=1, by_turns=True))
    messages: Patience = field(default_factory=lambda: Patience(SILENCE, 16.0))
    pings: Patience = field(default_factory=lambda: Patience(PING_ANSWER, 20.0))
