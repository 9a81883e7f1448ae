"""What a broker refused (MQTT 5): a state is said again with the next connection; and what it only put off."""

from __future__ import annotations

from twisted.logger import formatEvent, globalLogPublisher

from tests.mqtt.test_outbox import OutboxTestCase, event, state
from twisted_detector.model import Priority
from twisted_detector.mqtt.outbox.refusals import MAX_POSTPONED

DENIED = "the broker says: not authorized"
QUOTA = "the broker says: quota exceeded"


class Refused(OutboxTestCase):
    def refuse(self) -> list[str]:
        """Payloads of all that is sent, each of which is refused."""
        taken = self.take()
        for token in self.tokens:
            self.outbox.refused(token, DENIED)
        return taken

    def test_state(self) -> None:
        """It fails at once, and is said again with each republication until the broker takes it."""
        failed = self.outbox.put(state("a", "1")).acknowledged
        self.outbox.put(event("e"))
        self.assertEqual(self.refuse(), ["1", "e"])
        self.assertIn("not authorized", self.error_of(failed))
        self.assertEqual(self.take(), [])
        for _ in range(2):
            self.outbox.republish()
            self.assertEqual(self.refuse(), ["1"])
        self.outbox.republish()
        self.assertEqual(self.drain(), ["1"])
        self.outbox.republish()
        self.assertEqual(self.drain(), ["1"], "as any document that the broker has")
        self.assertEqual(dict(self.outbox.dropped), {"refused": 4})

    def test_newer_one(self) -> None:
        """What was published since is said, and nothing else: also the state before, and the end of it."""
        for newer in ("2", ""):
            self.make()
            self.outbox.put(state("a", "0"))
            self.drain()
            self.outbox.put(state("a", "1"))
            self.refuse()
            self.outbox.put(state("a", newer))
            self.outbox.republish()
            self.assertEqual(self.drain(), [newer])
        self.make()
        self.outbox.put(state("a", "0"))
        self.drain()
        self.outbox.put(state("a", "1"))
        self.refuse()
        self.outbox.put(state("a", "0"))
        self.outbox.republish()
        self.assertEqual(self.drain(), ["0"])

    def test_older_one(self) -> None:
        """A state that was superseded in flight is not said again when it is refused."""
        self.outbox.put(state("a", "1"))
        self.take()
        older = self.tokens
        self.outbox.put(state("a", "2"))
        self.assertEqual(self.drain(), ["2"])
        self.outbox.refused(older[0], DENIED)
        self.outbox.republish()
        self.assertEqual(self.drain(), ["2"])

    def test_some_topics(self) -> None:
        """To repeat single topics says nothing of others, and what is discarded is not said at all."""
        for topic in "ab":
            self.outbox.put(state(topic, topic))
        self.refuse()
        self.outbox.republish(["c"])
        self.assertEqual(self.drain(), [])
        self.outbox.discard(lambda topic: topic == "a")
        self.outbox.republish()
        self.assertEqual(self.drain(), ["b"])

    def test_no_room(self) -> None:
        """A state that finds no room is kept for the next connection, and what is remembered is said all the same."""
        for priority in (Priority.CRITICAL, Priority.STATE):
            self.make(messages=2)
            self.outbox.put(state("known", "k"))
            self.drain()
            for topic in "ab":
                self.outbox.put(state(topic, topic, priority=priority))
            self.refuse()
            waits = [event(name, priority=Priority.CRITICAL) for name in ("c1", "c2")]
            for one in waits:
                self.outbox.put(one)
            self.outbox.republish()
            self.assertEqual(self.drain(), ["c1", "c2", "k"])
            self.assertEqual(dict(self.outbox.dropped), {"refused": 2})
            self.outbox.republish()
            self.assertEqual(self.drain(), ["a", "b", "k"])

    def test_told(self) -> None:
        """The log names the topics, each once, and not without end."""
        told: list[str] = []
        observer = lambda entry: told.append(formatEvent(entry) or "")  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        for _ in range(3):
            for number in range(40):
                self.outbox.put(state(f"a/{number}", "x"))
            self.refuse()
        named = [line for line in told if "refuses a message" in line]
        self.assertIn("'a/0': the broker says: not authorized", named[0])
        self.assertEqual((len(named), len(set(named))), (16, 16))


class PutOff(OutboxTestCase):
    def test_order(self) -> None:
        """It goes back to where it was, before what waits, whatever the order of the answers; nothing fails."""
        receipts = [self.outbox.put(event(f"e{number}")) for number in range(6)]
        self.outbox.put(state("a", "s"))
        self.assertEqual(self.take(6), ["s", "e0", "e1", "e2", "e3"])
        self.outbox.acknowledged(self.tokens[2:3])
        self.outbox.postponed([*reversed(self.tokens[3:]), *self.tokens[:2]], QUOTA)
        self.assertEqual(self.drain(), ["s", "e0", "e2", "e3", "e4", "e5"])
        for receipt in receipts:
            self.successResultOf(receipt.acknowledged)
        self.assertEqual(dict(self.outbox.dropped), {})

    def test_order_of_several_reports(self) -> None:
        """The same where each has an answer of its own, and where the connection breaks after the first of them."""
        every = [f"e{number}" for number in range(6)]
        for others in (("e1", "e2", "e3"), ("e3", "e1", "e2"), ()):
            self.make()
            for one in every:
                self.outbox.put(event(one))
            self.assertEqual(self.take(6), every[:4])
            tokens = dict(zip(every, self.tokens, strict=False))
            for one in ("e0", *others):
                self.outbox.postponed([tokens[one]], QUOTA)
            self.outbox.connection_lost()
            self.assertEqual(self.drain(), every)

    def test_as_long_as_nothing_is_taken(self) -> None:
        """A broker that takes nothing at all, however long, has nothing dropped."""
        self.outbox.put(event("e"))
        for _ in range(5 * MAX_POSTPONED):
            self.assertEqual(self.take(), ["e"])
            self.outbox.postponed(self.tokens, QUOTA)
        self.assertEqual(self.drain(), ["e"])

    def test_one_that_is_never_taken(self) -> None:
        """One that is put off again and again while others are taken is refused in the end."""
        never = self.outbox.put(event("never")).acknowledged
        for number in range(MAX_POSTPONED + 1):
            self.outbox.put(event(f"e{number}"))
            self.assertEqual(self.take(), ["never", f"e{number}"])
            self.outbox.acknowledged(self.tokens[1:])
            self.outbox.postponed(self.tokens[:1], QUOTA)
        self.assertEqual(self.take(), [])
        self.assertIn("quota exceeded", self.error_of(never))
        self.assertEqual(dict(self.outbox.dropped), {"refused": 1})

    def test_states_and_documents(self) -> None:
        """A newer state takes its place; a document that is repeated is repeated once more."""
        first = self.outbox.put(state("a", "1")).acknowledged
        self.take()
        self.outbox.put(state("a", "2"))
        self.outbox.postponed(self.tokens, QUOTA)
        self.assertEqual(self.drain(), ["2"])
        self.successResultOf(first)
        self.outbox.republish()
        self.assertEqual(self.take(), ["2"])
        self.outbox.postponed(self.tokens, QUOTA)
        self.assertEqual((self.outbox.depth(), self.drain(), self.outbox.depth()), (1, ["2"], 0))
