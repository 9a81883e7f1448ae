"""Bounded priority queue of the outbox's entries: which is sent next, and which is dropped when there is no room."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from txaio.tx import make_logger

from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.outbox.entry import Entry, Key
from twisted_detector.mqtt.outbox.quarantine import HOLD, Quarantine

#: Overflow searches for expired messages at most once in so many seconds: a search costs some milliseconds.
_SWEEP_INTERVAL = 1.0
#: One :meth:`PriorityQueue.take` drops no more expired messages than this: some 15 ms of the reactor's thread.
_MOST_DROPS = 4_000


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of an outbox.

    :ivar messages: at 100 events a second about eight minutes of outage; bounds the objects' memory to some 50 MB.
    :ivar octets: topics and payloads; a Raspberry Pi can spare it.
    :ivar event_age: seconds; what happened more than a day ago is history, not news.
    :ivar telemetry_age: seconds; a sample that is an hour old has been replaced many times.
    :ivar retained: how many acknowledged documents are remembered: ten thousand cameras have four each, and seventeen
        when Home Assistant gets them entity by entity.
    :ivar retained_octets: and how large they may be together, packed: those four take 1 kB a camera.
    """

    messages: int = 50_000
    octets: int = 64 * 1024 * 1024
    event_age: float = 86_400.0
    telemetry_age: float = 3_600.0
    retained: int = 200_000
    retained_octets: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """State of an outbox, for the health document.

    :ivar depth: messages kept by priority, in flight or not.
    :ivar held: held back, because the broker closed the connection when they were sent (:mod:`.quarantine`).
    :ivar to_republish: documents still to be published again.
    :ivar oldest_s: seconds since the longest waiting message was queued.
    :ivar acknowledged, coalesced, unchanged, dropped: counted since the start; ``dropped`` by reason.
    """

    depth: Mapping[str, int]
    in_flight: int
    held: int
    to_republish: int
    octets: int
    oldest_s: float
    acknowledged: int
    coalesced: int
    unchanged: int
    dropped: Mapping[str, int]

    @property
    def success_rate(self) -> float | None:
        """Share of the messages that came to an end, drops included, that were acknowledged; None while there is none.

        ``replaced`` counts as no loss: the newer state holds all that the replaced one did.
        """
        lost = sum(count for reason, count in self.dropped.items() if reason != "replaced")
        ended = self.acknowledged + lost
        return self.acknowledged / ended if ended else None


class PriorityQueue:
    """The outbox's entries: queued by class, in flight by token, or held by the quarantine.

    Critical, state, event, telemetry; first in, first out within each. Events and telemetry get at most three quarters
    of the window, so that a critical message never waits for a full one. An entry that is suspected of ending
    connections (:class:`Quarantine`) is passed by all others, and sent alone.

    :param drop: called with each entry that is dropped, and the reason.
    :param next_document: the next document to publish again once no newer state is queued, or the one of a topic.
    :param latest: the newest state of a topic that is kept.
    """

    log = make_logger()

    def __init__(
        self,
        limits: Limits,
        *,
        drop: Callable[[Entry, str], None],
        next_document: Callable[[str | None], Entry | None],
        latest: Callable[[str], Entry | None],
    ) -> None:
        self._limits = limits
        self._drop = drop
        self._next_document = next_document
        self._latest = latest
        self.quarantine = Quarantine()
        self._alone = False  # the one in flight is a suspect: nothing is sent beside it
        self._ages = {Priority.EVENT: limits.event_age, Priority.TELEMETRY: limits.telemetry_age}
        self._queues: tuple[deque[Entry], ...] = tuple(deque() for _ in Priority)
        self.in_flight: dict[int, Entry] = {}
        self._low_in_flight = 0
        self.count = 0
        self.octets = 0
        self._last_order = 0
        self._last_token = 0
        self._next_sweep = -inf
        self._full = False

    def __iter__(self) -> Iterator[Entry]:
        yield from self.in_flight.values()
        for queue in self._queues:
            yield from queue
        yield from self.quarantine.entries()

    def enqueue(self, message: Message, priority: Priority, queued: float) -> Entry:
        """Queue ``message`` at the end of its class. The caller has made room for it (:meth:`make_room`)."""
        self._last_order += 1
        deadline = self._deadline(message, priority, queued)
        entry = Entry(message, priority, queued, deadline, self._last_order)
        self._queues[priority].append(entry)
        self.count += 1
        self.octets += entry.octets
        return entry

    def replace(self, entry: Entry, message: Message, priority: Priority, now: float) -> None:
        """Replace a waiting entry's message. A higher priority moves the entry to that class, a lower one does not."""
        if priority < entry.priority:
            if not self.quarantine.holds(entry.key):
                self._queues[entry.priority].remove(entry)
                self._queues[priority].append(entry)
            entry.priority = priority
        self.octets -= entry.octets
        entry.message, entry.queued = message, now
        entry.deadline = self._deadline(message, entry.priority, now)
        self.octets += entry.octets
        self.quarantine.replaced(entry)

    def _deadline(self, message: Message, priority: Priority, queued: float) -> float:
        age = inf if message.expires_after is None else message.expires_after
        return queued + min(age, self._ages.get(priority, inf))

    def remove(self, entry: Entry) -> None:
        """Remove a waiting entry from its queue; it is counted until :meth:`uncount`."""
        self._queues[entry.priority].remove(entry)

    def withdraw(self, entry: Entry) -> None:
        """Remove a waiting entry."""
        self.remove(entry)
        self.uncount(entry)

    def uncount(self, entry: Entry) -> None:
        """Free the room of an entry that has left queues and flight."""
        if not entry.superseded:
            self.quarantine.forget(entry.key)
        if not entry.republished:
            self.count -= 1
            self.octets -= entry.octets
            limits = self._limits
            if self._full and self.count < limits.messages * 3 // 4 and self.octets < limits.octets * 3 // 4:
                self._full = False

    def make_room(self, octets: int, messages: int, priority: Priority, now: float) -> bool:
        """Make room for ``messages`` more of ``octets`` in all: drop what has expired, telemetry, then old events.

        Nothing is dropped for something of lower priority. False: there is no room.
        """
        limits = self._limits
        if octets > limits.octets:
            return False
        while self.count + messages > limits.messages or self.octets + octets > limits.octets:
            if not self._full:
                self._full = True
                self.log.warn("The outbox is full ({count} messages): telemetry and old events go", count=self.count)
            if now >= self._next_sweep and self.drop_expired(now):
                continue
            for victims in (Priority.TELEMETRY, Priority.EVENT):
                victim = self._oldest_of(victims) if priority <= victims else None
                if victim is not None:
                    self._drop(victim, "overflow")
                    break
            else:
                return False
        return True

    def has_room_for(self, message: Message, *, now: float) -> bool:
        """Make room for the state ``message`` (:meth:`make_room`)."""
        return self.make_room(len(message.topic) + len(message.payload), 1, min(message.priority, Priority.STATE), now)

    def _oldest_of(self, priority: Priority) -> Entry | None:
        """The oldest of a class that waits or is held, removed from its queue."""
        held = next((entry for entry in self.quarantine.entries() if entry.priority is priority), None)
        queue = self._queues[priority]
        if held is not None and (not queue or held.order < queue[0].order):
            return held  # it is in no queue, and the quarantine forgets it when it is dropped
        return queue.popleft() if queue else None

    def trim(self, now: float) -> None:
        """Drop up to two expired messages at the head of each low class.

        Called with every put, it spares :meth:`take` a mountain of expired messages after a long outage.
        """
        for priority in (Priority.EVENT, Priority.TELEMETRY):
            queue = self._queues[priority]
            for _ in range(2):  # twice as fast as they come in
                if not queue or queue[0].deadline > now:
                    break
                self._drop(queue.popleft(), "expired")

    def drop_expired(self, now: float) -> bool:
        """Drop every waiting entry that has expired; whether there was one."""
        self._next_sweep = now + _SWEEP_INTERVAL
        expired = [entry for queue in self._queues for entry in queue if entry.deadline <= now]
        expired += [entry for entry in self.quarantine.entries() if entry.deadline <= now]
        for priority in {entry.priority for entry in expired}:
            kept = [entry for entry in self._queues[priority] if entry.deadline > now]
            self._queues[priority].clear()
            self._queues[priority].extend(kept)
        for entry in expired:
            self._drop(entry, "expired")
        return bool(expired)

    def take(self, limit: int, now: float) -> list[Entry]:
        """At most ``limit`` entries in the order of sending, now in flight.

        Fewer, or none, although more could be sent: when very many expired messages are before them, and while a
        suspect is sent alone.
        """
        if limit < 1:
            return []
        if self._alone or not self.quarantine.is_idle:
            if self.in_flight and (self._alone or self.quarantine.due(now) is not None):
                return []
            suspect = self._next_suspect(now)
            self._alone = suspect is not None
            if suspect is not None:
                return self._send(suspect, [])
        low_room = max(1, (len(self.in_flight) + limit) * 3 // 4) - self._low_in_flight
        taken: list[Entry] = []
        drops = 0
        for priority, queue in zip(Priority, self._queues, strict=True):
            low = priority >= Priority.EVENT
            end = min(limit, len(taken) + low_room) if low else limit
            while queue and len(taken) < end and drops < _MOST_DROPS:
                entry = queue.popleft()
                if entry.deadline <= now:
                    self._drop(entry, "expired")
                    drops += 1
                    continue
                self._send(entry, taken)
                low_room -= low
            while priority is Priority.STATE and len(taken) < limit:
                document = self._next_document(None)
                if document is None:
                    break
                self._send(document, taken)
        return taken

    def _send(self, entry: Entry, taken: list[Entry]) -> list[Entry]:
        self._last_token += 1
        entry.token = self._last_token
        self.in_flight[entry.token] = entry
        self._low_in_flight += entry.priority >= Priority.EVENT
        taken.append(entry)
        return taken

    def _next_suspect(self, now: float) -> Entry | None:
        """The entry that is to be sent alone now, removed from where it waited."""
        while (key := self.quarantine.due(now)) is not None:
            entry = self.quarantine.release(key)
            if entry is None:
                entry = self._latest(key) if isinstance(key, str) else key
                if entry is not None:
                    self._queues[entry.priority].remove(entry)
                elif isinstance(key, str):
                    entry = self._next_document(key)
            if entry is None:
                self.quarantine.forget(key)
            elif entry.deadline > now:
                return entry
            else:
                self._drop(entry, "expired")
        return None

    def next_due(self, now: float) -> float | None:
        """Seconds until :meth:`take` may give a held entry; None: there is none, or not before the flight is over."""
        due = self.quarantine.next_due()
        return None if due == inf or self.in_flight else max(0.0, due - now)

    def complete(self, token: int) -> Entry | None:
        """The answered entry of ``token``, in flight no more; None for a token of an earlier connection."""
        entry = self.in_flight.pop(token, None)
        if entry is not None:
            entry.token = 0
            self._low_in_flight -= entry.priority >= Priority.EVENT
            self.quarantine.settled(entry)
        return entry

    def put_back(self, entry: Entry) -> None:
        """Put an entry that was in flight back to its place near the head of its class: after those before it."""
        queue = self._queues[entry.priority]
        place = next((at for at, other in enumerate(queue) if other.order > entry.order), len(queue))
        queue.insert(place, entry)

    def requeue(self, now: float) -> list[Entry]:
        """Put what is in flight back to the head of its class, in its old order; a suspect is held instead.

        :returns: those that are not put back, newest first: superseded and republished ones.
        """
        in_order = list(self.in_flight.values())
        suspect = self.quarantine.connection_lost(in_order)
        entries = sorted(self.in_flight.values(), key=lambda entry: entry.order, reverse=True)
        self.in_flight.clear()
        self._low_in_flight = 0
        for entry in entries:
            entry.token = 0
            if not (entry.republished or entry.superseded):
                self.put_back(entry)
        if suspect is not None:
            self._hold(suspect, in_order[0].message, now)
        return [entry for entry in entries if entry.republished or entry.superseded]

    def _hold(self, key: Key, sent: Message, now: float) -> None:
        waiting = self._latest(key) if isinstance(key, str) else key
        if waiting is not None:
            self._queues[waiting.priority].remove(waiting)
        seconds = self.quarantine.hold(key, waiting, now)
        if seconds <= HOLD:
            self.log.warn(
                "The broker closes the connection whenever it is sent {octets} bytes on {topic};"
                " it is held back for {seconds:g} s, and longer from time to time",
                octets=len(sent.payload),
                topic=sent.topic,
                seconds=seconds,
            )

    def depths(self) -> dict[str, int]:
        """Entries kept, by the name of their priority."""
        depths = [len(queue) for queue in self._queues]
        for entry in self.in_flight.values():
            depths[entry.priority] += not entry.republished
        for entry in self.quarantine.entries():
            depths[entry.priority] += 1
        return {priority.name.lower(): depth for priority, depth in zip(Priority, depths, strict=True)}

    def age(self, now: float) -> float:
        """Seconds since the longest waiting message was queued; 0.0: there is none."""
        stamps = [queue[0].queued for queue in self._queues if queue]
        stamps.extend(entry.queued for entry in self.in_flight.values() if not entry.republished)
        stamps.extend(entry.queued for entry in self.quarantine.entries())
        return max(0.0, now - min(stamps, default=now))
