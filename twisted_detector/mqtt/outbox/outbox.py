"""The outbox's front: what ``put``, an acknowledgement, a refusal or a loss means for entries, receipts and journal.

The rules are in :mod:`twisted_detector.mqtt.outbox`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from zope.interface import implementer

from twisted_detector.errors import Dropped, LocalError, PublishError, QueueFull, Stopped
from twisted_detector.model import JournalRecord, Message, Priority
from twisted_detector.model.clocks import CLOCK_WAS_SET
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.outbox.entry import Entry
from twisted_detector.mqtt.outbox.queue import Limits, OutboxFigures, PriorityQueue
from twisted_detector.mqtt.outbox.receipt import Receipt, prune
from twisted_detector.mqtt.outbox.refusals import Refusals, is_hopeless
from twisted_detector.mqtt.outbox.retained import Republish, Retained
from twisted_detector.mqtt.seams import IOutbox, Journal, OutboxItem


@implementer(IOutbox)
class Outbox:
    """Queue of messages by priority until the broker has acknowledged them, within bounds (:class:`Limits`).

    *State* (every retained message; its priority is STATE at least): the newest of a topic replaces the queued one in
    its place, and both receipts fire with the newer one's acknowledgement. Acknowledged documents are remembered: an
    unchanged one is an immediate success, and :meth:`republish` queues all of them again.

    *When full*, expired messages go first, then telemetry, then the oldest event; others that still find no room fail
    with Dropped, a critical one is refused. Reasons of drops: ``expired``, ``overflow`` (pushed out), ``no_room`` (came
    when full), ``refused`` (by the broker), ``replaced`` (by a state that was dropped itself). What the broker closes
    the connection for is held back (:class:`.quarantine.Quarantine`).

    :param clock: monotonic seconds.
    :param wall: seconds since the epoch, for ages across a restart.
    :param journal: the disk; None: in memory only.
    :ivar ready: observers of each message that became sendable.
    :ivar dropped: how many were dropped, by reason.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        wall: Callable[[], float],
        journal: Journal | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._journal = journal
        self.ready: Observers[[]] = Observers("a message in the outbox")
        limits = limits or Limits()
        self._latest: dict[str, Entry] = {}  # of each topic, the newest state that is kept
        self._queue = PriorityQueue(limits, drop=self._drop, next_document=self._next_document, latest=self._latest.get)
        self._retained = Retained(messages=limits.retained, octets=limits.retained_octets)
        held = self._queue.quarantine.holds
        self._republish = Republish(self._retained, lambda topic: topic in self._latest or held(topic))
        self._refusals = Refusals(messages=limits.retained, octets=limits.retained_octets // 4)
        self._uncommitted: dict[int, Entry] = {}
        self._last_id, self._stopped = 0, False
        self.dropped: Counter[str] = Counter()
        self._acknowledged = self._coalesced = self._unchanged = 0
        # Collected while things change, and done by _finish when they are consistent again (rule 5).
        self._removed: list[int] = []
        self._afterwards: list[Callable[[], None]] = []
        if journal is not None:
            journal.committed.add(self._committed)
            journal.renewed.add(self._renewed)

    # --- put

    def put(self, message: Message, receipt: Receipt | None = None) -> Receipt:
        """Queue ``message``; it may be sent before it is on the disk.

        :param receipt: one that the publisher has already; else it is made.
        :raises QueueFull: critical, and only critical messages and state are kept already.
        :raises Stopped: after :meth:`stop`.
        """
        if self._stopped:
            raise Stopped()
        receipt, now = receipt or Receipt(), self._clock()
        self._queue.trim(now)
        try:
            if not message.retain:
                self._admit(message, message.priority, now, receipt)
            elif self._is_unchanged(message, receipt):
                self._unchanged += 1
            else:
                self._put_state(message, now, receipt)
        finally:
            self._finish()
        if self._queue.count:
            self.ready.notify()
        return receipt

    def _is_unchanged(self, message: Message, receipt: Receipt) -> bool:
        self._refusals.forget(message.topic)
        latest = self._latest.get(message.topic)
        if latest is None:
            if not self._retained.matches(message):
                return False
            receipt.acknowledge()
            return True
        if latest.message.payload != message.payload or latest.message.qos != message.qos:
            return False
        prune(latest.receipts)
        latest.receipts.append(receipt)
        if latest.id not in self._uncommitted:
            receipt.accept()
        return True

    def _put_state(self, message: Message, now: float, receipt: Receipt) -> None:
        priority = min(message.priority, Priority.STATE)
        if (old := self._latest.get(message.topic)) is not None and not old.token:
            growth = max(0, len(message.payload) - len(old.message.payload))
            if not self._queue.make_room(growth, 0, priority, now):
                self._refuse(priority, receipt)
                return
            if self._latest.get(message.topic) is old:  # it may have expired, and been dropped for room
                self._replace(old, message, priority, now, receipt)
                return
            old = None
        entry = self._admit(message, priority, now, receipt)
        if entry is not None:
            if old is not None:  # in flight: it may still be acknowledged for itself, but is never sent again
                old.superseded = True
                entry.replaces = old
                self._unjournal(old)
            self._latest[message.topic] = entry

    def _replace(self, entry: Entry, message: Message, priority: Priority, now: float, receipt: Receipt) -> None:
        self._coalesced += 1
        self._unjournal(entry)
        self._queue.replace(entry, message, priority, now)
        prune(entry.receipts)
        entry.receipts.append(receipt)
        self._write(entry)

    def _admit(self, message: Message, priority: Priority, now: float, receipt: Receipt) -> Entry | None:
        octets = len(message.topic) + len(message.payload)
        if not self._queue.make_room(octets, 1, priority, now):
            self._refuse(priority, receipt)
            return None
        entry = self._queue.enqueue(message, priority, now)
        entry.receipts.append(receipt)
        self._write(entry)
        return entry

    def _refuse(self, priority: Priority, receipt: Receipt) -> None:
        self.dropped["no_room"] += 1
        if priority is Priority.CRITICAL:
            raise QueueFull()
        receipt.fail(partial(Dropped, "the outbox is full"))

    def _write(self, entry: Entry) -> None:
        if self._journal is None or not entry.message.qos or not entry.message.durable:
            self._afterwards.extend(receipt.accept for receipt in entry.receipts)
            return
        self._last_id += 1
        entry.id = self._last_id
        self._uncommitted[entry.id] = entry
        self._journal.append(JournalRecord(entry.id, entry.message, self._wall()))

    # --- IOutbox, for the sender

    def take(self, limit: int) -> Sequence[OutboxItem]:
        dropped = self.dropped["expired"]
        taken = self._queue.take(limit, self._clock())
        self._finish()
        if not taken and self.dropped["expired"] > dropped and self._queue.count:
            self.ready.notify()  # else the sender would wait: there was so much to drop that nothing was found yet
        return [OutboxItem(entry.token, entry.message) for entry in taken]

    def acknowledged(self, tokens: Sequence[int]) -> None:
        for token in tokens:
            entry = self._complete(token)
            if entry is None:
                continue
            self._acknowledged += 1
            self._afterwards += [receipt.acknowledge for receipt in entry.receipts]  # a generator would cost more
            # A superseded state is the broker's latest now, unless its successor was acknowledged before it.
            if entry.message.retain and not (entry.superseded and entry.message.topic not in self._latest):
                self._remember(entry)
            self._release(entry)
        self._finish()

    def refused(self, token: int, reason: str) -> None:
        if (entry := self._complete(token)) is not None:
            self._refused(entry, reason)
        self._finish()

    def _refused(self, entry: Entry, reason: str) -> None:
        is_latest = self._latest.get(entry.message.topic) is entry
        self._drop(entry, "refused", self._refusals.record(entry.message, reason, is_latest=is_latest))

    def postponed(self, tokens: Sequence[int], reason: str) -> None:
        for entry in sorted(filter(None, map(self._complete, tokens)), key=lambda one: -one.order):
            if is_hopeless(entry, self._acknowledged):
                self._refused(entry, reason)
            else:
                self._give_back(entry)
        self._finish()

    def connection_lost(self) -> None:
        self._republish.in_flight = 0
        for entry in self._queue.requeue(self._clock()):
            self._give_back(entry)
        self._finish()

    def _give_back(self, entry: Entry) -> None:
        """Have ``entry``, in flight no more, sent again; or what took its place."""
        if entry.republished:
            self._republish.put_back(entry.message.topic)
        elif not entry.superseded:
            self._queue.put_back(entry)
        elif (newer := self._latest.get(entry.message.topic)) is None:
            self._drop(entry, "replaced")
        else:
            newer.receipts[:0] = entry.receipts
            if newer.id not in self._uncommitted:
                self._afterwards.extend(receipt.accept for receipt in entry.receipts)
            self._release(entry)

    def republish(self, topics: Iterable[str] | None = None) -> None:
        if topics is None and not self._stopped:
            fits = partial(self._queue.has_room_for, now=self._clock())
            for message in self._refusals.take(besides=self._latest, fits=fits):
                self._put_state(message, self._clock(), Receipt())
            self._finish()
        self._republish.begin(topics)
        if self.depth():
            self.ready.notify()

    def discard(self, concerns: Callable[[str], bool]) -> None:
        """Forget the states of all topics that ``concerns``, sent or not: somebody else publishes them from now on.

        The broker is told nothing. What is in flight may still arrive, and is not sent again.
        """
        for topic, entry in tuple(self._latest.items()):
            if not concerns(topic):
                continue
            if entry.token:
                entry.superseded = True
                self._unjournal(entry)
                del self._latest[topic]
                continue
            if not self._queue.quarantine.holds(entry.key):
                self._queue.remove(entry)
            self._drop(entry, "replaced")
        self._refusals.discard(concerns)
        for topic in [one for one in self._retained if concerns(one)]:
            self._retained.remove(topic)
            self._forget(topic)
        self._finish()

    def next_due(self) -> float | None:
        return self._queue.next_due(self._clock())

    def depth(self) -> int:
        return self._queue.count + len(self._republish)

    def stop(self) -> None:
        """Refuse every further ``put``, and fail what waits with Stopped.

        What is in the journal is sent after the next start; acknowledgements that still arrive count.
        """
        self._stopped = True
        for entry in self._queue:
            self._afterwards.extend(partial(receipt.fail, Stopped) for receipt in entry.receipts)
            entry.receipts = []
        self._finish()

    def figures(self) -> OutboxFigures:
        return OutboxFigures(
            depth=self._queue.depths(),
            in_flight=len(self._queue.in_flight),
            held=self._queue.quarantine.held,
            to_republish=len(self._republish),
            octets=self._queue.octets,
            oldest_s=self._queue.age(self._clock()),
            acknowledged=self._acknowledged,
            coalesced=self._coalesced,
            unchanged=self._unchanged,
            dropped=dict(self.dropped),
        )

    def _next_document(self, topic: str | None) -> Entry | None:
        known = self._republish.next(topic)
        return None if known is None else Entry(known, Priority.STATE, self._clock(), republished=True)

    def _complete(self, token: int) -> Entry | None:
        if (entry := self._queue.complete(token)) is not None:
            self._republish.in_flight -= entry.republished
        return entry

    def _drop(self, entry: Entry, reason: str, error: Callable[[], PublishError] | None = None) -> None:
        self.dropped[reason] += 1
        error = error or partial(Dropped, "the message was dropped", shown=reason)
        self._afterwards += [partial(receipt.fail, error) for receipt in entry.receipts]
        self._release(entry)

    def _release(self, entry: Entry) -> None:
        entry.receipts = []
        entry.replaces = None
        self._unjournal(entry)
        self._queue.uncount(entry)
        if entry.message.retain and self._latest.get(entry.message.topic) is entry:
            del self._latest[entry.message.topic]

    def _unjournal(self, entry: Entry) -> None:
        if entry.id:
            self._removed.append(entry.id)
            self._uncommitted.pop(entry.id, None)
            entry.id = 0

    def _finish(self) -> None:
        removed, self._removed = self._removed, []
        afterwards, self._afterwards = self._afterwards, []
        if removed and self._journal is not None:
            self._journal.remove(removed)
        for act in afterwards:
            act()

    # --- the journal

    def restore(self, records: Iterable[JournalRecord], retained: Iterable[Message] = ()) -> None:
        """Take over what an earlier run of the program left, once and before the first :meth:`put`.

        Order and priority are as they were; of each topic's states the newest is kept; what has expired is dropped.

        :raises LocalError: a message was put already.
        """
        if self._last_id or self._queue.count:
            raise LocalError("an outbox is restored before it is used")
        for message in retained:
            self.restore_document(message)
        now, wall = self._clock(), self._wall()
        for record in sorted(records, key=lambda record: record.id):
            message = record.message
            self._last_id = record.id
            age = wall - record.queued_at if record.queued_at > CLOCK_WAS_SET else 0.0
            priority = min(message.priority, Priority.STATE) if message.retain else message.priority
            older = self._latest.get(message.topic) if message.retain else None
            if older is not None:
                self._queue.withdraw(older)
                self._unjournal(older)
            entry = self._queue.enqueue(message, priority, now - max(0.0, age))
            entry.id = record.id
            if message.retain:
                self._latest[message.topic] = entry
        self._queue.drop_expired(now)
        self._queue.make_room(0, 0, Priority.CRITICAL, now)
        self._finish()

    def restore_document(self, message: Message) -> None:
        """Take over one document that the broker had acknowledged in an earlier run, before anything is put."""
        for topic in self._retained.set(message):
            self._forget(topic)

    def _remember(self, entry: Entry) -> None:
        message = entry.message
        if entry.republished or self._retained.matches(message):
            return
        if not message.payload:
            self._retained.remove(message.topic)
            self._forget(message.topic)
            return
        evicted = self._retained.set(message)
        if self._journal is not None and message.qos and message.durable:
            self._journal.retain(message)
        for topic in evicted:
            self._forget(topic)

    def _forget(self, topic: str) -> None:
        if self._journal is not None:
            self._journal.forget(topic)

    def _committed(self, ids: Sequence[int]) -> None:
        for record_id in ids:
            entry = self._uncommitted.pop(record_id, None)
            while entry is not None:
                self._afterwards += [receipt.accept for receipt in entry.receipts]
                entry = entry.replaces
        self._finish()

    def _renewed(self) -> None:
        assert self._journal is not None  # noqa: S101  only the journal calls this
        for topic in self._retained:
            if (message := self._retained.get(topic)) is not None and message.qos:
                self._journal.retain(message)
        epoch = self._wall() - self._clock()
        for entry in self._queue:
            if entry.id:
                self._journal.append(JournalRecord(entry.id, entry.message, epoch + entry.queued))
