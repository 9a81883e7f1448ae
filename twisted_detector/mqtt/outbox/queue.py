"""Messages go in with a priority; the next ones to send come out, within bounds of count, octets, age and window."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import inf

from txaio.tx import make_logger

from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.outbox.entry import Entry, Key
from twisted_detector.mqtt.outbox.quarantine import HOLD, Quarantine

#: Overflow looks for expired messages at most once in this many seconds: the look costs some milliseconds.
_SWEEP_INTERVAL = 1.0
#: One :meth:`PriorityQueue.take` drops no more expired messages than this: some 15 ms of the reactor's thread.
_MOST_DROPS = 4_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How much an outbox keeps.

    :ivar messages: at 100 events a second about eight minutes of outage; bounds the objects' memory to some 50 MB.
    :ivar octets: topics and payloads; a Raspberry Pi can spare it.
    :ivar event_age: seconds; what happened more than a day ago is history, not news.
    :ivar telemetry_age: seconds; a sample that is an hour old has been replaced many times.
    :ivar retained: how many acknowledged documents are remembered; a thousand cameras have four each, and fourteen when
        Home Assistant is told of them entity by entity.
    :ivar retained_octets: and how large they may be together; those fourteen take 11 kB, more with many streams.
    """

    messages: int = 50_000
    octets: int = 64 * 1024 * 1024
    event_age: float = 86_400.0
    telemetry_age: float = 3_600.0
    retained: int = 20_000
    retained_octets: int = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class OutboxFigures:
    """How an outbox stands, for the health document.

    :ivar depth: messages kept by priority, in flight or not. :ivar resay: documents still to be said again.
    :ivar held: held back, because the broker closed the connection when they were sent (:mod:`.quarantine`).
    :ivar oldest_s: seconds since the longest waiting was queued.
    :ivar acknowledged, coalesced, unchanged, dropped: counted since the start; ``dropped`` by reason.
    """

    depth: Mapping[str, int]
    in_flight: int
    held: int
    resay: int
    octets: int
    oldest_s: float
    acknowledged: int
    coalesced: int
    unchanged: int
    dropped: Mapping[str, int]


class PriorityQueue:
    """Who leaves next, and who must go when there is no more room.

    Critical, state, event, telemetry; first in, first out within each. Events and telemetry get at most three quarters
    of the window, so that a critical message never waits for a full one. Who is under suspicion of ending connections
    (:class:`Quarantine`) stands apart, is passed by all others, and leaves alone.
    """

    log = make_logger()

    def __init__(
        self,
        limits: Limits,
        *,
        drop: Callable[[Entry, str], None],
        state_tail: Callable[[str | None], Entry | None],
        latest: Callable[[str], Entry | None],
    ) -> None:
        """:param drop: is told of each dropped entry and why.
        :param state_tail: gives more state after the queued, or that of one topic.
        :param latest: the newest state of a topic that is kept.
        """
        self._limits = limits
        self._drop = drop
        self._state_tail = state_tail
        self._latest = latest
        self.quarantine = Quarantine()
        self._alone = False  # what is in flight is alone, and nothing goes beside it
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
        """Put ``message`` at the end of its class. Room is the caller's affair (:meth:`make_room`)."""
        self._last_order += 1
        deadline = self._deadline(message, priority, queued)
        entry = Entry(message, priority, queued, deadline, self._last_order)
        self._queues[priority].append(entry)
        self.count += 1
        self.octets += entry.octets
        return entry

    def replace(self, entry: Entry, message: Message, priority: Priority, now: float) -> None:
        """Let ``message`` take the place of a waiting entry's; a higher priority moves it there, a lower does not."""
        if priority < entry.priority:
            if not self.quarantine.holds(entry.key):
                self._queues[entry.priority].remove(entry)
                self._queues[priority].append(entry)
            entry.priority = priority
        self.octets -= entry.octets
        entry.message, entry.queued = message, now
        entry.deadline = self._deadline(message, entry.priority, now)
        self.octets += entry.octets
        self.quarantine.renewed(entry)

    def _deadline(self, message: Message, priority: Priority, queued: float) -> float:
        age = inf if message.expires_after is None else message.expires_after
        return queued + min(age, self._ages.get(priority, inf))

    def withdraw(self, entry: Entry) -> None:
        """Take a waiting entry out."""
        self._queues[entry.priority].remove(entry)
        self.discount(entry)

    def discount(self, entry: Entry) -> None:
        """An entry that has left the queues is kept no longer."""
        if not entry.superseded:
            self.quarantine.forget(entry.key)
        if not entry.again:
            self.count -= 1
            self.octets -= entry.octets
            limits = self._limits
            if self._full and self.count < limits.messages * 3 // 4 and self.octets < limits.octets * 3 // 4:
                self._full = False

    def make_room(self, octets: int, messages: int, priority: Priority, now: float) -> bool:
        """Drop what must go for ``messages`` more of ``octets`` in all: expired, then telemetry, then oldest events.

        Nothing is dropped for something of lower priority. False: there is no room.
        """
        limits = self._limits
        if octets > limits.octets:
            return False
        while self.count + messages > limits.messages or self.octets + octets > limits.octets:
            if not self._full:
                self._full = True
                self.log.warn("The outbox is full ({count} messages): telemetry and old events go", count=self.count)
            if now >= self._next_sweep and self.sweep(now):
                continue
            for victims in (Priority.TELEMETRY, Priority.EVENT):
                victim = self._oldest_of(victims) if priority <= victims else None
                if victim is not None:
                    self._drop(victim, "overflow")
                    break
            else:
                return False
        return True

    def _oldest_of(self, priority: Priority) -> Entry | None:
        """The first of a class that waits or is held, taken out."""
        held = next((entry for entry in self.quarantine.entries() if entry.priority is priority), None)
        queue = self._queues[priority]
        if held is not None and (not queue or held.order < queue[0].order):
            return held  # in no queue; dropped, it is forgotten
        return queue.popleft() if queue else None

    def trim(self, now: float) -> None:
        """Drop what has expired at the head of the low classes, a little at a time.

        Called with every put, it spares :meth:`take` a mountain of expired messages after a long outage.
        """
        for priority in (Priority.EVENT, Priority.TELEMETRY):
            queue = self._queues[priority]
            for _ in range(2):  # twice as fast as they come in
                if not queue or queue[0].deadline > now:
                    break
                self._drop(queue.popleft(), "expired")

    def sweep(self, now: float) -> bool:
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

        Fewer, or none, although more could be sent when a mountain of expired messages lies before them, and while one
        is to be alone.
        """
        if limit < 1:
            return []
        if self._alone or not self.quarantine.calm:
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
                tail = self._state_tail(None)
                if tail is None:
                    break
                self._send(tail, taken)
        return taken

    def _send(self, entry: Entry, taken: list[Entry]) -> list[Entry]:
        self._last_token += 1
        entry.token = self._last_token
        self.in_flight[entry.token] = entry
        self._low_in_flight += entry.priority >= Priority.EVENT
        taken.append(entry)
        return taken

    def _next_suspect(self, now: float) -> Entry | None:
        """Who is to leave alone now, taken out of where it waited."""
        while (key := self.quarantine.due(now)) is not None:
            entry = self.quarantine.release(key)
            if entry is None:
                entry = self._latest(key) if isinstance(key, str) else key
                if entry is not None:
                    self._queues[entry.priority].remove(entry)
                elif isinstance(key, str):
                    entry = self._state_tail(key)
            if entry is None:
                self.quarantine.forget(key)
            elif entry.deadline > now:
                return entry
            else:
                self._drop(entry, "expired")
        return None

    def next_due(self, now: float) -> float | None:
        """Seconds until :meth:`take` has something that it has not yet; None: not before something lands."""
        due = self.quarantine.next_due()
        return None if due == inf or self.in_flight else max(0.0, due - now)

    def landed(self, token: int) -> Entry | None:
        """The entry of ``token``, in flight no more; None for a token of an earlier connection."""
        entry = self.in_flight.pop(token, None)
        if entry is not None:
            entry.token = 0
            self._low_in_flight -= entry.priority >= Priority.EVENT
            self.quarantine.answered(entry)
        return entry

    def ground(self, now: float) -> list[Entry]:
        """Put everything in flight back in front of its class, in its old order, but for a suspect: that is held.

        :returns: those that are not put back, newest first: superseded ones and those said again.
        """
        in_order = list(self.in_flight.values())
        suspect = self.quarantine.lost(in_order)
        entries = sorted(self.in_flight.values(), key=lambda entry: entry.order, reverse=True)
        self.in_flight.clear()
        self._low_in_flight = 0
        for entry in entries:
            entry.token = 0
            if not (entry.again or entry.superseded):
                self._queues[entry.priority].appendleft(entry)
        if suspect is not None:
            self._hold(suspect, in_order[0].message, now)
        return [entry for entry in entries if entry.again or entry.superseded]

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
        """How many are kept, by the name of their priority."""
        depths = [len(queue) for queue in self._queues]
        for entry in self.in_flight.values():
            depths[entry.priority] += not entry.again
        for entry in self.quarantine.entries():
            depths[entry.priority] += 1
        return {priority.name.lower(): depth for priority, depth in zip(Priority, depths, strict=True)}

    def oldest(self) -> float | None:
        """When the longest waiting message was queued."""
        stamps = [queue[0].queued for queue in self._queues if queue]
        stamps.extend(entry.queued for entry in self.in_flight.values() if not entry.again)
        stamps.extend(entry.queued for entry in self.quarantine.entries())
        return min(stamps, default=None)
