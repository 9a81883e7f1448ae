"""The outbox: order, state that coalesces, bounds, receipts, and what survives a restart."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import Dropped, LocalError, NotAuthorized, QueueFull, Stopped
from twisted_detector.model import JournalRecord, Message, Priority
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.mqtt.seams import IOutbox

WALL = 1.7e9


class MemoryJournal:
    """A disk that writes on command."""

    def __init__(self) -> None:
        self.committed: Observers[[Sequence[int]]] = Observers("a commit")
        self.renewed: Observers[[]] = Observers("a new disk")
        self.pending: dict[int, JournalRecord] = {}
        self.disk: dict[int, JournalRecord] = {}
        self.retained: dict[str, Message] = {}

    def append(self, record: JournalRecord) -> None:
        self.pending[record.id] = record

    def remove(self, ids: Sequence[int]) -> None:
        for record_id in ids:
            if self.pending.pop(record_id, None) is None:
                del self.disk[record_id]

    def retain(self, message: Message) -> None:
        self.retained[message.topic] = message

    def forget(self, topic: str) -> None:
        self.retained.pop(topic, None)

    def commit(self) -> None:
        written, self.pending = self.pending, {}
        self.disk.update(written)
        self.committed.notify(tuple(written))


def event(name: str = "event", **more: object) -> Message:
    return Message("camera/event/x", name.encode(), **more)  # type: ignore[arg-type]


def state(topic: str, payload: str, **more: object) -> Message:
    return Message(topic, payload.encode(), retain=True, **more)  # type: ignore[arg-type]


class OutboxTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 100.0
        self.journal = MemoryJournal()
        self.make()

    def make(self, **limits: object) -> Outbox:
        self.outbox = Outbox(
            lambda: self.now,
            wall=lambda: WALL + self.now,
            journal=self.journal,
            limits=Limits(**limits),  # type: ignore[arg-type]
        )
        return self.outbox

    def take(self, limit: int = 100) -> list[str]:
        """Payloads of what is taken; their tokens are in ``self.tokens``."""
        items = self.outbox.take(limit)
        self.tokens = [item.token for item in items]
        return [item.message.payload.decode() for item in items]

    def drain(self) -> list[str]:
        taken = []
        while payloads := self.take():
            taken.extend(payloads)
            self.outbox.acknowledged(self.tokens)
        return taken

    def error_of(self, deferred: Deferred[None]) -> str:
        return str(self.failureResultOf(deferred).value)


class Order(OutboxTestCase):
    def test_interface(self) -> None:
        """It is what the sender expects."""
        self.assertTrue(IOutbox.providedBy(self.outbox))

    def test_priorities(self) -> None:
        """Critical leaves before state, state before events, events before telemetry, each first in, first out."""
        for name in "ab":
            for priority in reversed(Priority):
                self.outbox.put(event(f"{priority.name}-{name}", priority=priority))
        self.assertEqual(
            self.take(),
            ["CRITICAL-a", "CRITICAL-b", "STATE-a", "STATE-b", "EVENT-a", "EVENT-b", "TELEMETRY-a", "TELEMETRY-b"],
        )

    def test_retained_is_state(self) -> None:
        """A retained message leaves with the state, whatever its priority says, unless it is critical."""
        self.outbox.put(event("event"))
        self.outbox.put(state("t/1", "telemetry", priority=Priority.TELEMETRY))
        self.outbox.put(state("t/2", "critical", priority=Priority.CRITICAL))
        self.assertEqual(self.take(), ["critical", "telemetry", "event"])

    def test_low_classes_leave_room(self) -> None:
        """Events and telemetry together fill three quarters of the window, critical and state all of it."""
        for number in range(10):
            self.outbox.put(event(f"e{number}"))
            self.outbox.put(event(f"t{number}", priority=Priority.TELEMETRY))
        self.assertEqual(len(self.take(12)), 9)
        self.assertEqual(self.take(3), [])
        for number in range(5):
            self.outbox.put(event(f"c{number}", priority=Priority.CRITICAL))
        self.assertEqual(self.take(3), ["c0", "c1", "c2"])

    def test_window_of_one(self) -> None:
        """A window of one still lets events through."""
        self.outbox.put(event("e"))
        self.assertEqual(self.take(1), ["e"])

    def test_acknowledgement_makes_room_for_low(self) -> None:
        """What was acknowledged is in flight no more: the low classes may go on."""
        for number in range(6):
            self.outbox.put(event(f"e{number}"))
        self.assertEqual(self.take(4), ["e0", "e1", "e2"])
        self.outbox.acknowledged(self.tokens[:2])
        self.assertEqual(self.take(3), ["e3", "e4"])

    def test_connection_lost_restores_order(self) -> None:
        """What was in flight is sent again in its old order before what waits, and under new tokens."""
        for number in range(6):
            self.outbox.put(event(f"e{number}"))
        self.take(4)
        first = self.tokens
        self.outbox.acknowledged(first[:1])
        self.outbox.connection_lost()
        self.assertEqual(self.take(), ["e1", "e2", "e3", "e4", "e5"])
        self.assertFalse(set(first) & set(self.tokens))

    def test_stale_token(self) -> None:
        """An acknowledgement of an earlier connection acknowledges nothing."""
        receipt = self.outbox.put(event())
        self.take()
        self.outbox.connection_lost()
        self.outbox.acknowledged(self.tokens)
        self.outbox.refused(self.tokens[0], "Not authorized")
        self.assertNoResult(receipt.acknowledged)
        self.assertEqual(self.outbox.depth(), 1)

    def test_on_ready(self) -> None:
        """The sender is notified of every message that can be sent, after it can be taken."""
        depths: list[int] = []
        self.outbox.ready.add(lambda: depths.append(self.outbox.depth()))
        self.outbox.put(event())
        self.outbox.put(state("t", "1"))
        self.assertEqual(depths, [1, 2])


class State(OutboxTestCase):
    def test_newest_wins_in_place(self) -> None:
        """The newest state of a topic takes the place of the queued one, in the queue and in the journal."""
        self.outbox.put(state("a", "a1"))
        self.outbox.put(state("b", "b1"))
        self.journal.commit()
        self.outbox.put(state("a", "a2"))
        self.journal.commit()
        self.assertEqual(sorted(record.message.payload for record in self.journal.disk.values()), [b"a2", b"b1"])
        self.assertEqual(self.take(), ["a2", "b1"])

    def test_receipts_fire_together(self) -> None:
        """A state that was coalesced over is acknowledged together with the newer one."""
        older = self.outbox.put(state("a", "1")).acknowledged
        newer = self.outbox.put(state("a", "2")).acknowledged
        self.assertEqual(self.take(), ["2"])
        self.assertNoResult(older)
        self.outbox.acknowledged(self.tokens)
        self.assertIsNone(self.successResultOf(older))
        self.assertIsNone(self.successResultOf(newer))

    def test_changed_while_in_flight(self) -> None:
        """The acknowledgement of an older state leaves the newer one in the queue."""
        older = self.outbox.put(state("a", "1")).acknowledged
        self.take()
        first = self.tokens
        newer = self.outbox.put(state("a", "2")).acknowledged
        self.outbox.acknowledged(first)
        self.assertIsNone(self.successResultOf(older))
        self.assertNoResult(newer)
        self.assertEqual(self.drain(), ["2"])
        self.assertIsNone(self.successResultOf(newer))

    def test_changed_while_in_flight_then_lost(self) -> None:
        """An older state is not sent again after a newer one came; both receipts fire with the newer one."""
        older = self.outbox.put(state("a", "1")).acknowledged
        self.take()
        newer = self.outbox.put(state("a", "2")).acknowledged
        self.outbox.connection_lost()
        self.assertEqual(self.outbox.depth(), 1)
        self.assertEqual(self.drain(), ["2"])
        self.assertIsNone(self.successResultOf(older))
        self.assertIsNone(self.successResultOf(newer))

    def test_both_in_flight_then_lost(self) -> None:
        """Of two states of a topic in flight only the newer is sent again."""
        self.outbox.put(state("a", "1"))
        self.take()
        self.outbox.put(state("a", "2"))
        self.take()
        self.outbox.connection_lost()
        self.assertEqual(self.drain(), ["2"])
        self.assertEqual(self.outbox.depth(), 0)

    def test_newer_is_refused(self) -> None:
        """When the newer state is refused, the older one in flight fails as replaced if its connection breaks."""
        older = self.outbox.put(state("a", "1")).acknowledged
        self.take()
        self.outbox.put(state("a", "2"))
        self.take()
        self.outbox.refused(self.tokens[0], "Quota exceeded")
        self.outbox.connection_lost()
        self.assertIn("replaced", self.error_of(older))
        self.assertEqual((self.outbox.depth(), self.outbox.dropped), (0, {"refused": 1, "replaced": 1}))

    def test_unchanged_is_success(self) -> None:
        """Saying what the broker has acknowledged already publishes nothing and succeeds at once."""
        self.outbox.put(state("a", "1"))
        self.drain()
        receipt = self.outbox.put(state("a", "1"))
        self.assertIsNone(self.successResultOf(receipt.acknowledged))
        self.assertIsNone(self.successResultOf(receipt.accepted))
        self.assertEqual(self.outbox.depth(), 0)
        self.assertEqual(self.outbox.figures().unchanged, 1)

    def test_unchanged_while_queued(self) -> None:
        """Saying the queued state once more queues nothing, and waits for its acknowledgement."""
        self.outbox.put(state("a", "1"))
        again = self.outbox.put(state("a", "1")).acknowledged
        self.assertEqual(self.outbox.depth(), 1)
        self.assertNoResult(again)
        self.drain()
        self.assertIsNone(self.successResultOf(again))

    def test_changed_back(self) -> None:
        """A state that changed and changed back while something else is on its way is sent again."""
        self.outbox.put(state("a", "1"))
        self.drain()
        self.outbox.put(state("a", "2"))
        self.take()
        self.outbox.put(state("a", "1"))
        self.assertEqual(self.drain(), ["1"])

    def test_republish(self) -> None:
        """After a reconnect every acknowledged document is published again, after what is newer and before events."""
        for topic in "abc":
            self.outbox.put(state(topic, f"{topic}1"))
        self.drain()
        self.outbox.put(event("e"))
        self.outbox.put(state("b", "b2"))
        self.outbox.republish()
        self.assertEqual(self.outbox.depth(), 4)
        self.assertEqual(self.drain(), ["b2", "a1", "c1", "e"])
        self.assertEqual(self.drain(), [])

    def test_republish_some(self) -> None:
        """Those asked for are republished, each once, in that order; not the unknown, nor with a successor queued."""
        for topic in "abcd":
            self.outbox.put(state(topic, f"{topic}1"))
        self.drain()
        self.outbox.put(state("d", "d2"))
        self.outbox.republish(["c", "a", "c", "unknown", "d"])
        self.outbox.republish(["a"])
        self.assertEqual(self.drain(), ["d2", "c1", "a1"])
        self.assertEqual(self.outbox.depth(), 0)
        self.outbox.republish([])
        self.assertEqual(self.drain(), [])

    def test_republishing_is_cut_short(self) -> None:
        """A document that was being published again when the connection broke is not lost and not published twice."""
        self.outbox.put(state("a", "1"))
        self.outbox.put(state("b", "1b"))
        self.drain()
        self.outbox.republish()
        self.assertEqual(self.take(1), ["1"])
        self.outbox.connection_lost()
        self.assertEqual(self.outbox.depth(), 2)
        self.outbox.republish()
        self.assertEqual(self.drain(), ["1", "1b"])
        self.assertEqual(self.outbox.depth(), 0)

    def test_deletion(self) -> None:
        """An empty retained payload, acknowledged, ends the document: it is remembered and published again no more."""
        self.outbox.put(state("a", "1"))
        self.drain()
        self.assertIn("a", self.journal.retained)
        self.outbox.put(state("a", ""))
        self.outbox.republish()
        self.assertEqual(self.drain(), [""])
        self.assertNotIn("a", self.journal.retained)
        self.outbox.republish()
        self.assertEqual(self.drain(), [])

    def test_known_documents_are_bounded(self) -> None:
        """When there are too many documents, the longest unchanged is forgotten, on the disk too."""
        self.make(retained=2)
        for topic in "abc":
            self.outbox.put(state(topic, topic))
        self.drain()
        self.outbox.republish()
        self.assertEqual(self.drain(), ["b", "c"])
        self.assertEqual(sorted(self.journal.retained), ["b", "c"])

    def test_known_documents_are_bounded_in_octets(self) -> None:
        """A document larger than all that may be remembered is sent but not remembered."""
        self.make(retained_octets=10)
        self.outbox.put(state("a", "x" * 10))
        self.assertEqual(len(self.drain()), 1)
        self.outbox.republish()
        self.assertEqual(self.drain(), [])

    def test_many_changes_keep_few_receipts(self) -> None:
        """Receipts of coalesced states that nobody holds are not kept; one with a callback is, and fires."""
        received: list[None] = []
        self.outbox.put(state("a", "first")).acknowledged.addCallback(received.append)
        for number in range(1000):
            self.outbox.put(state("a", str(number)))
            self.outbox.put(state("b", str(number))).acknowledged  # noqa: B018  a publisher that does not care
        gc.collect()
        from twisted_detector.mqtt.outbox.receipt import Receipt

        mine = [item for item in gc.get_objects() if isinstance(item, Receipt)]
        self.assertLessEqual(len(mine), 10)
        self.drain()
        self.assertEqual(received, [None])


class Bounds(OutboxTestCase):
    def test_telemetry_goes_first(self) -> None:
        """When full, the oldest telemetry makes room for an event; its receipt fails and it is counted."""
        self.make(messages=3)
        lost = self.outbox.put(event("t1", priority=Priority.TELEMETRY)).acknowledged
        for name in ("e1", "e2", "e3"):
            self.outbox.put(event(name))
        self.assertIn("overflow", self.error_of(lost))
        self.assertEqual(self.outbox.dropped, {"overflow": 1})
        self.assertEqual(self.take(), ["e1", "e2", "e3"])

    def test_then_the_oldest_event(self) -> None:
        """Without telemetry the oldest event goes."""
        self.make(messages=2)
        for name in ("e1", "e2", "e3"):
            self.outbox.put(event(name))
        self.assertEqual(self.take(), ["e2", "e3"])

    def test_telemetry_never_pushes_out_an_event(self) -> None:
        """Telemetry that comes when there are only events fails itself."""
        self.make(messages=1)
        self.outbox.put(event("e1"))
        lost = self.outbox.put(event("t1", priority=Priority.TELEMETRY)).acknowledged
        self.failureResultOf(lost, Dropped)
        self.assertEqual(self.outbox.dropped, {"no_room": 1})
        self.assertEqual(self.take(), ["e1"])

    def test_expired_go_before_all(self) -> None:
        """When full, what has expired goes before what has not, wherever it stands."""
        self.make(messages=2)
        self.outbox.put(event("t", priority=Priority.TELEMETRY))
        self.outbox.put(event("short", expires_after=5.0))
        self.now += 6
        self.outbox.put(event("e"))
        self.assertEqual(self.take(), ["e", "t"])
        self.assertEqual(self.outbox.dropped, {"expired": 1})

    def test_critical_is_refused(self) -> None:
        """A critical message pushes out telemetry and events, never state; without room it is refused aloud."""
        self.make(messages=2)
        self.outbox.put(event("e"))
        self.outbox.put(state("a", "1"))
        self.outbox.put(event("c1", priority=Priority.CRITICAL))
        with self.assertRaises(QueueFull):
            self.outbox.put(event("c2", priority=Priority.CRITICAL))
        self.assertEqual(self.take(), ["c1", "1"])
        self.assertEqual(self.outbox.dropped, {"overflow": 1, "no_room": 1})

    def test_state_without_room(self) -> None:
        """A new topic's state that finds only state and critical messages fails; a known topic's replaces in place."""
        self.make(messages=1)
        self.outbox.put(state("a", "1"))
        lost = self.outbox.put(state("b", "1")).acknowledged
        self.failureResultOf(lost, Dropped)
        self.outbox.put(state("a", "2"))
        self.assertEqual(self.take(), ["2"])

    def test_octets(self) -> None:
        """The bound in octets counts topics and payloads, and room comes back with the acknowledgement."""
        size = len("camera/event/x") + 100
        self.make(octets=2 * size)
        for name in "abc":
            self.outbox.put(event(name * 100))
        self.assertEqual([payload[0] for payload in self.drain()], ["b", "c"])
        self.assertEqual(self.outbox.figures().octets, 0)

    def test_larger_than_the_bound(self) -> None:
        """A message larger than the whole outbox fails without pushing out anything."""
        self.make(octets=100)
        self.outbox.put(event("e"))
        self.failureResultOf(self.outbox.put(event("x" * 200)).acknowledged, Dropped)
        self.assertEqual(self.take(), ["e"])

    def test_state_that_grows(self) -> None:
        """A state that grows beyond the bound pushes out events, as a new message would."""
        self.make(octets=60)
        self.outbox.put(state("a", "1"))
        self.outbox.put(event("e"))
        self.outbox.put(state("a", "x" * 50))
        self.assertEqual(self.drain(), ["x" * 50])
        self.assertEqual(self.outbox.figures().octets, 0)

    def test_state_expires_while_room_is_made_for_it(self) -> None:
        """A queued state that has expired when its successor grows over the bound is dropped, the successor kept."""
        self.make(octets=60)
        older = self.outbox.put(state("a", "1", expires_after=1.0)).acknowledged
        self.outbox.put(event("e"))
        self.now += 2
        newer = self.outbox.put(state("a", "x" * 50)).acknowledged
        self.failureResultOf(older, Dropped)
        self.assertEqual(self.drain(), ["x" * 50])
        self.assertIsNone(self.successResultOf(newer))

    def test_ages(self) -> None:
        """Events live for a day, telemetry for an hour, state and critical messages for ever."""
        for priority in (Priority.CRITICAL, Priority.EVENT, Priority.TELEMETRY):
            self.outbox.put(event(priority.name, priority=priority))
        self.outbox.put(state("a", "STATE"))
        self.now += 3_601
        self.assertEqual(len(self.take(4)), 3)
        self.outbox.connection_lost()
        self.now += 86_400
        self.assertEqual(self.take(), ["CRITICAL", "STATE"])
        self.assertEqual(self.outbox.dropped, {"expired": 2})

    def test_own_expiry(self) -> None:
        """A message's own expiry is heeded when it is shorter, and its receipt says so."""
        lost = self.outbox.put(event("e", expires_after=10.0)).acknowledged
        self.now += 10
        self.assertEqual(self.take(), [])
        self.assertIn("expired", self.error_of(lost))

    def test_mountain_of_expired(self) -> None:
        """A mountain of expired messages is removed in slices, and the sender is asked to come again."""
        for number in range(9_000):
            self.outbox.put(event(str(number), expires_after=1.0))
        self.outbox.put(event("alive"))
        self.now += 5
        calls: list[int] = []
        self.outbox.ready.add(lambda: calls.append(self.outbox.depth()))
        self.assertEqual(self.take(), [])
        self.assertEqual(len(calls), 1)
        self.assertEqual(self.take(), [])
        self.assertEqual(self.take(), ["alive"])
        self.assertEqual(self.outbox.dropped["expired"], 9_000)


class Receipts(OutboxTestCase):
    def test_accepted_when_committed(self) -> None:
        """QoS 1 is accepted when it is on the disk, and may be sent before."""
        receipt = self.outbox.put(event())
        self.assertEqual(self.take(), ["event"])
        self.assertNoResult(receipt.accepted)
        self.journal.commit()
        self.assertIsNone(self.successResultOf(receipt.accepted))
        self.assertNoResult(receipt.acknowledged)

    def test_acknowledged_before_committed(self) -> None:
        """What is acknowledged before it was written is never written, and counts as accepted."""
        receipt = self.outbox.put(event())
        self.drain()
        self.assertEqual((self.journal.pending, self.journal.disk), ({}, {}))
        self.assertIsNone(self.successResultOf(receipt.accepted))

    def test_acknowledged_leaves_the_disk(self) -> None:
        """An acknowledged message is removed from the journal."""
        self.outbox.put(event())
        self.journal.commit()
        self.drain()
        self.assertEqual(self.journal.disk, {})

    def test_qos_0_lives_in_memory(self) -> None:
        """QoS 0 never goes to the disk, state or not, and is accepted at once."""
        receipt = self.outbox.put(event(qos=0))
        self.outbox.put(state("a", "1", qos=0))
        self.assertIsNone(self.successResultOf(receipt.accepted))
        self.assertEqual(len(self.drain()), 2)
        self.assertEqual((self.journal.pending, self.journal.retained), ({}, {}))

    def test_what_is_not_durable(self) -> None:
        """A state that is not durable is delivered as any other, but nothing of it is written: neither while it waits
        nor once the broker has it; it may take the place of one that was, and the other way round."""
        for durable in (True, False, True, False):
            receipt = self.outbox.put(state("a", str(durable), durable=durable))
            if not durable:
                self.assertIsNone(self.successResultOf(receipt.accepted))
        self.journal.commit()
        self.assertEqual({}, self.journal.disk)
        self.assertEqual(["False"], self.drain())
        self.assertEqual(({}, {}), (self.journal.disk, self.journal.retained))
        self.assertEqual([], self.take())

    def test_superseded_state_is_accepted_with_its_successor(self) -> None:
        """A state in flight that a newer one replaced before it was written is accepted when the newer is on disk."""
        receipt = self.outbox.put(state("a", "1"))
        self.take()
        self.outbox.put(state("a", "2"))
        self.assertNoResult(receipt.accepted)
        self.journal.commit()
        self.assertIsNone(self.successResultOf(receipt.accepted))

    def test_refused(self) -> None:
        """A refusal for lack of authorisation fails with NotAuthorized, others with Dropped; nothing is sent again."""
        first = self.outbox.put(event("1")).acknowledged
        second = self.outbox.put(event("2")).acknowledged
        self.take()
        self.outbox.refused(self.tokens[0], "Not authorized")
        self.outbox.refused(self.tokens[1], "Quota exceeded")
        self.failureResultOf(first, NotAuthorized)
        self.failureResultOf(second, Dropped)
        self.outbox.connection_lost()
        self.assertEqual((self.drain(), self.journal.pending), ([], {}))

    def test_stop(self) -> None:
        """After stop nothing is taken in, and what waits fails with Stopped but stays on the disk for the next life."""
        receipt = self.outbox.put(event())
        self.journal.commit()
        waiting = receipt.acknowledged
        self.outbox.stop()
        self.failureResultOf(waiting, Stopped)
        self.assertEqual(len(self.journal.disk), 1)
        with self.assertRaises(Stopped):
            self.outbox.put(event())

    def test_acknowledged_after_stop(self) -> None:
        """An acknowledgement that comes after stop still clears the disk."""
        self.outbox.put(event())
        self.journal.commit()
        self.take()
        self.outbox.stop()
        self.outbox.acknowledged(self.tokens)
        self.assertEqual(self.journal.disk, {})

    def test_failure_at_once(self) -> None:
        """A message that found no room, and whose Deferred nobody watches, is not reported by Twisted either."""
        self.make(messages=1)
        self.outbox.put(event("e1"))
        self.outbox.put(event("t1", priority=Priority.TELEMETRY)).acknowledged  # noqa: B018
        held = self.outbox.put(event("t2", priority=Priority.TELEMETRY)).acknowledged
        seen: list[Failure] = []
        self.outbox.put(event("t3", priority=Priority.TELEMETRY)).acknowledged.addErrback(seen.append)

        async def waits() -> None:
            await self.outbox.put(event("t4", priority=Priority.TELEMETRY)).acknowledged

        self.failureResultOf(Deferred.fromCoroutine(waits()), Dropped)
        self.assertEqual([failure.type for failure in seen], [Dropped])
        self.failureResultOf(held, Dropped)
        del held
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_failure_held_and_not_watched(self) -> None:
        """Nor is the failure of one that somebody only holds; whoever looks later finds it."""
        held = self.outbox.put(event(expires_after=1.0)).acknowledged
        other = self.outbox.put(event(expires_after=1.0)).acknowledged
        self.now += 2
        self.drain()
        self.failureResultOf(other, Dropped)
        del held
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_failure_nobody_holds(self) -> None:
        """A failed Deferred that nobody holds is not reported a second time by Twisted."""
        self.outbox.put(event(expires_after=1.0)).acknowledged  # noqa: B018
        self.now += 2
        self.drain()
        gc.collect()
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_late_look(self) -> None:
        """A receipt that is asked for its Deferreds only afterwards has the answer."""
        lost = self.outbox.put(event(expires_after=1.0))
        self.now += 2
        self.drain()
        self.failureResultOf(lost.acknowledged, Dropped)
        self.failureResultOf(lost.accepted, Dropped)

    def test_callback_puts(self) -> None:
        """A callback that publishes finds the outbox in order, and a failing one hurts no other message."""

        def fail(_: None) -> None:
            raise ZeroDivisionError

        ended: list[Failure] = []
        self.outbox.put(event("1")).acknowledged.addCallback(fail).addErrback(ended.append)
        self.outbox.put(event("2")).acknowledged.addCallback(lambda _: self.outbox.put(event("3")) and None)
        self.assertEqual(self.drain(), ["1", "2", "3"])
        self.assertEqual(len(ended), 1)
        self.assertEqual(self.outbox.figures().depth["event"], 0)

    def test_cancelled(self) -> None:
        """Cancelling a Deferred ends the waiting, not the message."""
        waiting = self.outbox.put(event()).acknowledged
        waiting.addErrback(lambda _: None)
        waiting.cancel()
        self.assertEqual(self.drain(), ["event"])

    def test_figures(self) -> None:
        """The figures tell depth by priority, age of the oldest, and every counter."""
        self.outbox.put(event("c", priority=Priority.CRITICAL))
        self.now += 7
        self.outbox.put(state("a", "1"))
        self.outbox.put(state("a", "2"))
        self.take(1)
        figures = self.outbox.figures()
        self.assertEqual(figures.depth, {"critical": 1, "state": 1, "event": 0, "telemetry": 0})
        self.assertEqual((figures.in_flight, figures.oldest_s, figures.coalesced), (1, 7.0, 1))
        self.drain()
        self.outbox.acknowledged(self.tokens)
        self.outbox.connection_lost()
        self.drain()
        self.assertEqual(self.outbox.figures().acknowledged, 2)

    def test_success_rate(self) -> None:
        """There is none of nothing; a drop lowers it; a state that was replaced by a newer one does not."""
        self.assertIsNone(self.outbox.figures().success_rate)
        self.outbox.put(state("a", "1"))
        self.drain()
        self.outbox.dropped["replaced"] += 1
        self.assertEqual(self.outbox.figures().success_rate, 1.0)
        self.outbox.put(event("e", expires_after=1.0))
        self.now += 2
        self.drain()
        self.assertEqual(self.outbox.figures().success_rate, 0.5)


class Discard(OutboxTestCase):
    """States that somebody else publishes from now on."""

    def discard(self, topic: str) -> None:
        self.outbox.discard(lambda one: one == topic)

    def test_queued(self) -> None:
        """One that waits is not sent, its publisher is told so, and the disk forgets it; others are sent."""
        gone = self.outbox.put(state("t/1", "old"))
        self.outbox.put(state("t/2", "kept"))
        self.journal.commit()
        self.discard("t/1")
        self.assertIn("replaced", self.error_of(gone.acknowledged))
        self.assertEqual(["kept"], self.drain())
        self.assertEqual({}, self.journal.disk)
        self.assertEqual(0, self.outbox.depth())

    def test_remembered(self) -> None:
        """One that the broker has is not published again, here or after a restart; an equal one is news."""
        self.outbox.put(state("t/1", "said"))
        self.drain()
        self.discard("t/1")
        self.outbox.republish()
        self.assertEqual(([], {}), (self.drain(), self.journal.retained))
        self.outbox.put(state("t/1", "said"))
        self.assertEqual(["said"], self.drain())

    def test_in_flight(self) -> None:
        """One on its way may arrive; it is not sent again, and not remembered."""
        for is_lost in (False, True):
            self.outbox.put(state("t/1", "flying"))
            self.take()
            self.discard("t/1")
            if is_lost:
                self.outbox.connection_lost()
            else:
                self.outbox.acknowledged(self.tokens)
            self.outbox.republish()
            self.assertEqual([], self.drain())
            self.assertEqual(({}, {}, 0), (self.journal.disk, self.journal.pending, self.outbox.depth()))

    def test_newer(self) -> None:
        """What is published later of that topic is sent as ever."""
        self.outbox.put(state("t/1", "flying"))
        self.take()
        self.discard("t/1")
        self.outbox.put(state("t/1", "newer"))
        self.outbox.connection_lost()
        self.assertEqual(["newer"], self.drain())

    def test_events_stay(self) -> None:
        """What is no state is sent."""
        self.outbox.put(event("news"))
        self.discard("camera/event/x")
        self.assertEqual(["news"], self.drain())


class Restore(OutboxTestCase):
    def second_life(self, seconds: float = 0.0) -> None:
        """Kill the outbox as it stands and begin again from the disk, ``seconds`` later."""
        self.journal.pending.clear()
        self.now += seconds
        disk, retained = dict(self.journal.disk), dict(self.journal.retained)
        self.make()
        self.outbox.restore(disk.values(), retained.values())

    def test_order_and_priority(self) -> None:
        """Order and priority are as before, and later messages come after."""
        for number in range(3):
            self.outbox.put(event(f"e{number}"))
        self.outbox.put(event("c", priority=Priority.CRITICAL))
        self.journal.commit()
        self.second_life()
        self.outbox.put(event("e3"))
        self.assertEqual(self.take(), ["c", "e0", "e1", "e2", "e3"])
        self.journal.commit()
        self.assertEqual(len(self.journal.disk), 5)

    def test_expired(self) -> None:
        """What expired while the program did not run is not sent, and leaves the disk."""
        self.outbox.put(event("t", priority=Priority.TELEMETRY))
        self.outbox.put(event("e"))
        self.journal.commit()
        self.second_life(4_000.0)
        self.assertEqual(self.take(), ["e"])
        self.assertEqual(self.outbox.dropped, {"expired": 1})
        self.assertEqual(len(self.journal.disk), 1)

    def test_unset_clock(self) -> None:
        """A stamp of a clock that was not set, or of the future, expires nothing."""
        records = [
            JournalRecord(1, event("unset"), 12.0),
            JournalRecord(2, event("future"), WALL * 2),
        ]
        self.outbox.restore(records)
        self.assertEqual(self.take(), ["unset", "future"])

    def test_newest_state(self) -> None:
        """Of several states of a topic on the disk the newest is kept, the others leave the disk."""
        records = [JournalRecord(number, state("a", str(number)), WALL) for number in (2, 1, 3)]
        self.journal.disk = {record.id: record for record in records}
        self.outbox.restore(records)
        self.assertEqual(self.take(), ["3"])
        self.assertEqual(list(self.journal.disk), [3])

    def test_known_documents(self) -> None:
        """Remembered documents survive: unchanged they are not published, after a connect they are."""
        self.outbox.put(state("a", "1"))
        self.drain()
        self.second_life()
        self.assertIsNone(self.successResultOf(self.outbox.put(state("a", "1")).acknowledged))
        self.outbox.republish()
        self.assertEqual(self.drain(), ["1"])

    def test_smaller_bounds(self) -> None:
        """Bounds that have become smaller are kept by dropping, in the usual order."""
        records = [JournalRecord(number, event(str(number)), WALL) for number in range(1, 5)]
        self.journal.disk = {record.id: record for record in records}
        self.make(messages=2)
        self.outbox.restore(records)
        self.assertEqual(self.take(), ["3", "4"])
        self.assertEqual(len(self.journal.disk), 2)

    def test_too_late(self) -> None:
        """Restoring after the first message is an error of ours."""
        self.outbox.put(event())
        with self.assertRaises(LocalError):
            self.outbox.restore([])

    def test_renewed(self) -> None:
        """When the disk lost everything, all that is kept is written again, with what the broker knows."""
        self.outbox.put(state("a", "1"))
        self.drain()
        self.outbox.put(event("e"))
        self.outbox.put(event("memory", qos=0))
        self.journal.commit()
        before = dict(self.journal.disk)
        self.take(1)
        self.journal.disk.clear()
        self.journal.retained.clear()
        self.journal.renewed.notify()
        self.journal.commit()
        self.assertEqual(self.journal.disk, before)
        self.assertEqual(list(self.journal.retained), ["a"])


class OutboxMachine(RuleBasedStateMachine):
    """Anything may happen in any order; no message is ever unaccounted for."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.journal = MemoryJournal()
        self.outbox = Outbox(
            lambda: self.now,
            wall=lambda: WALL + self.now,
            journal=self.journal,
            limits=Limits(messages=12, octets=2_000, event_age=50.0, telemetry_age=20.0, retained=3),
        )
        self.fates: dict[int, str] = {}
        self.number = 0
        self.flying: dict[int, Message] = {}
        self.last_sent: dict[Priority, int] = {}
        self.strikes: dict[bytes, int] = {}
        self.broker: dict[str, bytes] = {}
        self.newest: dict[str, bytes] = {}

    def _watch(self, message: Message, number: int) -> None:
        self.fates[number] = "waiting"
        try:
            receipt = self.outbox.put(message)
        except QueueFull:
            assert message.priority is Priority.CRITICAL
            self.fates[number] = "refused"
            return
        receipt.acknowledged.addCallbacks(
            lambda _: self.fates.update({number: "acknowledged"}),
            lambda _: self.fates.update({number: "failed"}),
        )

    @rule(priority=st.sampled_from(list(Priority)), qos=st.sampled_from([0, 1]), size=st.integers(0, 300))
    def put_event(self, priority: Priority, qos: int, size: int) -> None:
        self.number += 1
        payload = str(self.number).encode().ljust(size)
        self._watch(Message("event", payload, qos=qos, priority=priority), self.number)

    @rule(topic=st.sampled_from("abcd"), value=st.integers(0, 3), qos=st.sampled_from([0, 1]))
    def put_state(self, topic: str, value: int, qos: int) -> None:
        self.number += 1
        payload = str(value).encode() if value else b""
        self._watch(Message(topic, payload, qos=qos, retain=True), self.number)
        if self.fates[self.number] != "failed":
            self.newest[topic] = payload

    @rule(limit=st.integers(0, 8))
    def take(self, limit: int) -> None:
        window = len(self.flying) + limit
        items = self.outbox.take(limit)
        for item in items:
            assert item.token > 0
            assert item.token not in self.flying
            self.flying[item.token] = item.message
            message = item.message
            if not message.retain:
                number = int(message.payload)
                if self.strikes.get(message.payload, 0) >= 2:
                    continue  # a suspect: others may pass it
                assert number > self.last_sent.get(message.priority, 0), "out of order"
                self.last_sent[message.priority] = number
        low = [m for m in self.flying.values() if not m.retain and m.priority >= Priority.EVENT]
        if any(item.message in low for item in items):
            assert len(low) <= max(1, window * 3 // 4)

    @precondition(lambda self: self.flying)
    @rule(count=st.integers(1, 8))
    def acknowledge(self, count: int) -> None:
        tokens = list(self.flying)[:count]  # a broker acknowledges in order
        for token in tokens:
            message = self.flying.pop(token)
            if message.retain:
                self.broker[message.topic] = message.payload
        self.outbox.acknowledged(tokens)

    @precondition(lambda self: self.flying)
    @rule()
    def refuse(self) -> None:
        token = next(iter(self.flying))
        message = self.flying.pop(token)
        if message.retain:
            self.newest.pop(message.topic, None)
        self.outbox.refused(token, "Not authorized")

    @rule()
    def lose(self) -> None:
        if len(self.flying) == 1:
            (alone,) = self.flying.values()
            self.strikes[alone.payload] = self.strikes.get(alone.payload, 0) + (not alone.retain)
        self.flying.clear()
        self.last_sent.clear()
        self.outbox.connection_lost()

    @rule()
    def republish(self) -> None:
        self.outbox.republish()

    @rule(seconds=st.floats(0.1, 30.0))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def commit(self) -> None:
        self.journal.commit()

    @invariant()
    def bounds_hold(self) -> None:
        figures = self.outbox.figures()
        assert sum(figures.depth.values()) <= 12
        assert 0 <= figures.octets <= 2_000
        assert self.outbox.depth() == sum(figures.depth.values()) + figures.to_republish

    @invariant()
    def nobody_waits_for_nothing(self) -> None:
        if self.outbox.depth() == 0:
            assert "waiting" not in self.fates.values()
            assert not self.journal.pending
            assert not self.journal.disk
            assert not self.outbox._uncommitted

    def teardown(self) -> None:
        """In the end all is delivered, and the broker knows the newest state of every topic."""
        for _ in range(200):
            self.flying.update((item.token, item.message) for item in self.outbox.take(20))
            for message in self.flying.values():
                if message.retain:
                    self.broker[message.topic] = message.payload
            self.outbox.acknowledged(list(self.flying))
            self.flying.clear()
            if self.outbox.depth() == self.outbox.figures().held:
                self.now += self.outbox.next_due() or 0.0
        assert self.outbox.depth() == 0
        self.nobody_waits_for_nothing()
        for topic, payload in self.newest.items():
            assert self.broker.get(topic) == payload, (topic, payload, self.broker)


class Properties(SynchronousTestCase):
    def test_any_order_of_events(self) -> None:
        """Whatever happens in whatever order: bounds hold, order holds, nothing is lost without a word."""
        run_state_machine_as_test(
            OutboxMachine,
            settings=settings(max_examples=25, stateful_step_count=30, deadline=None, derandomize=True, database=None),
        )
