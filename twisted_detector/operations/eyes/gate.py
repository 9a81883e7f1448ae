"""Gate of the node for what comes under the names of its eyes: signature, session, counter, quota. Pure.

Rules:

1. Only what is signed with the key of the eye in whose name it comes, for this topic, is looked at any further.
2. Each eye has a *session*, a random number that this process makes and invites it with. What was signed under another
   one was said before this process began, to another node, or never: it is stale.
3. Within a session the counter of an instance grows. What does not grow was said already.
4. An instance that speaks after another one has begun was recorded. Of those that ended, ``MAX_ENDED`` are known;
   before one of them would be forgotten the eye gets a new session, in which none of them is of use.
5. What is left is bounded by the eye's quota.

No clock of the eye, and no wall clock of ours, is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum

from twisted_detector.errors import RemoteError
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.model.eyes import EyeKey
from twisted_detector.operations.eyes.quota import NODE_BURST, NODE_RATE, Quota
from twisted_detector.wire.eyes.envelope import MAX_MESSAGE, NONCE_OCTETS, Envelope, EnvelopeKind
from twisted_detector.wire.eyes.report import Report, SignOfLife, parse_report
from twisted_detector.wire.eyes.topics import EyeTopics

#: Instances of one eye that have ended: it was started so often since its session began.
MAX_ENDED = 32


class Refusal(StrEnum):
    """Why a message is not looked at any further: a count of that name."""

    OVERSIZED = "oversized"
    MALFORMED = "malformed"
    FORGED = "forged"
    STALE = "stale"
    REPLAYED = "replayed"
    FLOODED = "flooded"


class EyeAtGate:
    """What the node knows of one eye. ``now`` is monotonic seconds.

    :ivar heard: when it spoke last; None: never. ``life``: its latest sign of life.
    :ivar counts: ``accepted``, and every :class:`Refusal`.
    """

    def __init__(self, key: EyeKey, topics: EyeTopics, random: Callable[[int], bytes], now: float) -> None:
        self.key = key
        self.topics = topics
        self.heard: float | None = None
        self.life = SignOfLife("")
        self.counts: Counter[str] = Counter()
        self._random = random
        self._quota = Quota(NODE_BURST, NODE_RATE, now)
        self._renew()

    def _renew(self) -> None:
        self.session = self._random(NONCE_OCTETS).hex()
        self._instance = ""
        self._counter = -1
        self._ended: BoundedSet[str] = BoundedSet(MAX_ENDED)

    def invitation(self) -> bytes:
        """The signed message by which it is invited to report."""
        return Envelope(EnvelopeKind.INVITATION, self.session).seal(self.key.octets, self.topics.invitation)

    def admit(self, message: bytes, wall: float, now: float) -> Report | Refusal:
        """The report in a message that came on its topic, or why there is none.

        :param wall: wall seconds, the time of a sighting.
        """
        found = self._admit(message, wall, now)
        self.counts[found.value if isinstance(found, Refusal) else "accepted"] += 1
        return found

    def _admit(self, message: bytes, wall: float, now: float) -> Report | Refusal:
        if len(message) > MAX_MESSAGE:
            return Refusal.OVERSIZED
        try:
            said = Envelope.open(self.key.octets, self.topics.report, message)
        except RemoteError:
            return Refusal.MALFORMED
        if said is None or said.kind is not EnvelopeKind.REPORT:
            return Refusal.FORGED
        if said.session != self.session:
            return Refusal.STALE
        if not self._is_new(said):
            return Refusal.REPLAYED if said.session == self.session else Refusal.STALE
        if not self._quota.take(now):
            return Refusal.FLOODED
        try:
            report = parse_report(said.body, self.key.name, wall)
        except RemoteError:
            return Refusal.MALFORMED
        self.heard = now
        if isinstance(report, SignOfLife):
            self.life = report
        return report

    def _is_new(self, said: Envelope) -> bool:
        """Whether it is later than all that was said; the session may be another one afterwards."""
        if said.instance in self._ended:
            return False
        if said.instance != self._instance:
            if self._instance and len(self._ended) >= MAX_ENDED:
                self._renew()
                return False
            if self._instance:
                self._ended.add(self._instance)
            self._instance, self._counter = said.instance, -1
        if said.counter <= self._counter:
            return False
        self._counter = said.counter
        return True


class EyeGate:
    """The eyes of a node, by name.

    :param random: octets of chance, for sessions.
    :param now: monotonic seconds.
    """

    def __init__(self, keys: Iterable[EyeKey], *, prefix: str, random: Callable[[int], bytes], now: float) -> None:
        self.eyes = {key.name: EyeAtGate(key, EyeTopics(prefix, key.name), random, now) for key in keys}
