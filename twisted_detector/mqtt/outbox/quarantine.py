"""Detector of poison messages: which entry is to be sent alone, or held back, because the broker may close for it.

An MQTT 3.1.1 broker has one answer only to a message that it does not accept (too large, not allowed): it closes the
connection. Sent again after every connect, such a message would hold up all behind it for ever. Which one it is cannot
be read from anything, but it can be found by experiment; and a suspected message is held back, never dropped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import inf

from twisted_detector.model import Priority
from twisted_detector.mqtt.outbox.entry import Entry, Key

#: After so many fruitless connections in a row one message is sent at a time: two may be chance, or a restart.
FRUITLESS = 3
#: A message that was alone in flight at so many losses is a suspect.
STRIKES = 2
#: The first hold, in seconds; each further one is twice as long. Others need some reconnects' time to pass.
HOLD = 5.0
#: The longest hold: the limits of brokers are seldom raised, and a connection lost once an hour does no harm.
LONGEST_HOLD = 3600.0


@dataclass(slots=True, eq=False)
class _Suspicion:
    """What is known against one key.

    :ivar acks: acknowledgements in all when it was held last.
    :ivar strikes: losses at which it was alone in flight; ``times``: how often it was held.
    :ivar entry: the held entry; None for a document that is republished.
    :ivar weak: no other message was acknowledged between the last two holds either: the network may be to blame.
    :ivar octets: size of the smallest message that was lost.
    """

    acks: int
    strikes: int = 0
    times: int = 0
    held: bool = False
    entry: Entry | None = None
    since: float = 0.0
    seconds: float = 0.0
    weak: bool = True
    octets: int = 0


class Quarantine:
    """Finds the messages for which the broker closes the connection, and holds them back.

    A connection is *fruitless* when it breaks with messages in flight and none was acknowledged in it, or one of those
    was in flight already when the previous one broke. (Republished documents, newer messages of higher priority, some
    of those before the culprit may well be acknowledged each time; but never the culprit.) After three in a row, those
    that were in flight at each of these losses are sent one at a time, until each is acknowledged or held: not only the
    first, for a broker may close before it has acknowledged those before the culprit. A message that was alone in
    flight when the connection broke, twice, is a *suspect*: held for 5, 10, 20 … seconds, an hour at most, then tried
    again, alone. An acknowledgement clears it.

    After one is held, those of the other classes of priority have their turn first: where states are not taken, events
    may be.

    *What it costs.* A poisonous message: some six connections, 10 s with the usual back-off, until it is known; then
    one connection for each trial. A network that merely flaps: messages that were twice alone when it broke come 5 s
    later, and after others of their priority; for holds that grew while nothing at all was acknowledged are cut short
    to these 5 s by the first acknowledgement. While one is tried, the others wait for its acknowledgement.
    """

    def __init__(self) -> None:
        self._suspicions: dict[Key, _Suspicion] = {}
        self._one_by_one: dict[Key, Priority] = {}  # to be sent one at a time, in this order
        self._fruitless = 0
        self._common: dict[Key, Priority] = {}  # in flight at each of the last fruitless losses, in order of sending
        self._answered = False
        self._acks = 0
        self._pause_ends = -inf
        self._soonest: tuple[float, Key | None] | None = (inf, None)

    @property
    def is_idle(self) -> bool:
        """Whether there is neither a suspicion nor anything to send one at a time."""
        return not self._suspicions and not self._one_by_one

    @property
    def held(self) -> int:
        """How many are held back, republished documents included."""
        return sum(suspicion.held for suspicion in self._suspicions.values())

    def entries(self) -> Iterator[Entry]:
        """The held entries; they are in no queue."""
        for suspicion in self._suspicions.values():
            if suspicion.entry is not None:
                yield suspicion.entry

    def holds(self, key: Key) -> bool:
        """Whether ``key`` is held back."""
        suspicion = self._suspicions.get(key)
        return suspicion is not None and suspicion.held

    def settled(self, entry: Entry) -> None:
        """The broker has acknowledged or refused ``entry``."""
        self._answered = True
        self._acks += 1
        key = entry.key
        if self._common:
            self._common.pop(key, None)
        if self._one_by_one:
            self._fruitless = 0
            self._one_by_one.pop(key, None)
        if self._suspicions:
            self._suspicions.pop(key, None)
            self._soonest = None  # weak suspicions of others are shorter now

    def forget(self, key: Key) -> None:
        """``key`` has left the outbox."""
        self._common.pop(key, None)
        self._one_by_one.pop(key, None)
        if self._suspicions and self._suspicions.pop(key, None) is not None:
            self._soonest = None

    def connection_lost(self, in_flight: Sequence[Entry]) -> Key | None:
        """The connection broke with these in flight, in the order of sending.

        :returns: what is to be held (:meth:`hold`).
        """
        answered, self._answered = self._answered, False
        if not in_flight:
            return None
        again = {entry.key: entry.priority for entry in in_flight if entry.key in self._common}
        self._fruitless = self._fruitless + 1 if again or not answered else 0
        self._common = again or {entry.key: entry.priority for entry in in_flight}
        if self._fruitless >= FRUITLESS and not self._one_by_one:
            self._one_by_one = dict(self._common)
        if len(in_flight) > 1:
            return None
        (alone,) = in_flight
        suspicion = self._suspicions.setdefault(alone.key, _Suspicion(self._acks))
        suspicion.strikes += 1
        suspicion.octets = min(suspicion.octets or alone.octets, alone.octets)
        return alone.key if suspicion.strikes >= STRIKES else None

    def hold(self, key: Key, entry: Entry | None, now: float) -> float:
        """Hold ``key`` back, with the waiting ``entry`` of it if there is one.

        :returns: seconds; for the first time 5.
        """
        suspicion = self._suspicions[key]
        suspicion.held, suspicion.entry, suspicion.since = True, entry, now
        seconds = suspicion.seconds = min(HOLD * 2.0**suspicion.times, LONGEST_HOLD)
        suspicion.times = min(suspicion.times + 1, 16)
        suspicion.weak, suspicion.acks = suspicion.acks == self._acks, self._acks
        if suspicion.times > 1:
            self._pause_ends = now + HOLD  # with many suspects the others need time between their trials
        self._common.pop(key, None)
        priority = self._one_by_one.pop(key, None)
        # Where one of a class is not taken, others of it often are neither: the other classes need not wait for those.
        self._one_by_one = dict(sorted(self._one_by_one.items(), key=lambda one: one[1] is priority))
        self._soonest = None
        if entry is not None and entry.octets < suspicion.octets:
            self.replaced(entry)
        return seconds

    def replaced(self, entry: Entry) -> None:
        """A held state has a newer message: it is due at once, the first time and whenever it became smaller.

        Not always: a large document that changes every second would break every connection.
        """
        suspicion = self._suspicions.get(entry.key)
        if suspicion is not None and suspicion.held:
            self._soonest = None
            if suspicion.times == 1 or entry.octets < suspicion.octets:
                suspicion.seconds = 0.0

    def release(self, key: Key) -> Entry | None:
        """End the hold of ``key``, which is sent now, alone.

        :returns: its entry, if it was held with one.
        """
        suspicion = self._suspicions.get(key)
        if suspicion is None or not suspicion.held:
            return None
        entry, suspicion.entry, suspicion.held = suspicion.entry, None, False
        self._soonest = None
        return entry

    def due(self, now: float) -> Key | None:
        """The key that is to be sent next, and alone."""
        if self._one_by_one:
            return next(iter(self._one_by_one))
        at, key = self._first()
        return key if at <= now else None

    def next_due(self) -> float:
        """When the next held key is due; infinity when none is held."""
        return self._first()[0]

    def _first(self) -> tuple[float, Key | None]:
        if self._soonest is None:
            self._soonest = min(
                ((self._ends(suspicion), key) for key, suspicion in self._suspicions.items() if suspicion.held),
                key=lambda each: each[0],
                default=(inf, None),
            )
        return self._soonest

    def _ends(self, suspicion: _Suspicion) -> float:
        acquitted = suspicion.weak and suspicion.acks != self._acks
        ends = suspicion.since + (min(HOLD, suspicion.seconds) if acquitted else suspicion.seconds)
        deadline = inf if suspicion.entry is None else suspicion.entry.deadline
        if suspicion.seconds:
            ends = max(ends, self._pause_ends)
        return min(ends, deadline)
