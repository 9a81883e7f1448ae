"""A broker that closes the connection at some messages: they are found and held back, all others pass them."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings, strategies as st
from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.mqtt.test_outbox import OutboxTestCase, event, state
from twisted_detector.errors import Dropped
from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.metrics import MqttMetrics
from twisted_detector.mqtt.network.loop import LoopReport
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.seams import OutboxItem
from twisted_detector.mqtt.sender import OutboxSender


def is_poison(message: Message) -> bool:
    return message.payload.startswith(b"poison")


class QuarantineTestCase(OutboxTestCase):
    """An outbox and a broker that closes the connection when it reads poison."""

    window = 20

    def setUp(self) -> None:
        super().setUp()
        self.arrived: list[str] = []
        self.losses: list[float] = []
        self.warnings: list[dict[str, Any]] = []

        def hear(entry: dict[str, Any]) -> None:
            if "closes the connection" in (entry.get("log_format") or ""):
                self.warnings.append(entry)

        globalLogPublisher.addObserver(hear)
        self.addCleanup(globalLogPublisher.removeObserver, hear)

    def connection(self) -> bool:
        """One connection, until nothing more is taken; False when the broker ended it."""
        self.outbox.republish()
        while items := self.outbox.take(self.window):
            for position, item in enumerate(items):
                if is_poison(item.message):
                    self.outbox.acknowledged([each.token for each in items[:position]])
                    self.outbox.connection_lost()
                    self.losses.append(self.now)
                    return False
                self.arrived.append(item.message.payload.decode())
            self.outbox.acknowledged([each.token for each in items])
        return True

    def connections_until(self, *names: str, wait: float = 1.0) -> None:
        """Connections until these have arrived, ``wait`` seconds between them."""
        for _ in range(100):
            self.connection()
            if set(names) <= set(self.arrived):
                return
            self.now += wait
        self.fail(f"{names} have not arrived in 100 connections: {self.arrived}")

    def strike(self, times: int) -> None:
        """Lose the connection so often with whatever is in flight."""
        for _ in range(times):
            self.outbox.take(self.window)
            self.outbox.connection_lost()


class Finding(QuarantineTestCase):
    def test_other_classes_do_not_wait(self) -> None:
        """A broker that takes no state at all (it retains nothing) has all events as soon as one state is held."""
        for number in range(10):
            self.outbox.put(state(f"s/{number}", "poison"))
            self.outbox.put(event(f"e{number}"))
        self.connections_until("e9")
        self.assertEqual(self.arrived, [f"e{number}" for number in range(10)])
        self.assertLessEqual(len(self.losses), 6)

    def test_poison_is_passed(self) -> None:
        """After six lost connections one poisonous message no longer holds up what came after it; nothing is lost."""
        for number in range(50):
            self.outbox.put(event("poison" if number == 25 else f"e{number}"))
        self.connections_until("e49", wait=0.1)
        self.assertEqual(self.arrived, [f"e{number}" for number in range(50) if number != 25])
        self.assertEqual(len(self.losses), 6)
        figures = self.outbox.figures()
        self.assertEqual((figures.held, figures.depth["event"], self.outbox.depth()), (1, 1, 1))

    def test_one_at_a_time(self) -> None:
        """After three fruitless connections what was in flight is sent one at a time, then all as ever."""
        for number in range(12):
            self.outbox.put(event(f"e{number}"))
        for _ in range(3):
            self.assertEqual(len(self.take(8)), 6)
            self.outbox.connection_lost()
        for number in range(6):
            self.assertEqual(self.take(9), [f"e{number}"])
            self.assertEqual(self.outbox.take(8), [])
            self.outbox.acknowledged(self.tokens)
        self.assertEqual(self.take(8), [f"e{number}" for number in range(6, 12)])

    def test_two_losses_are_chance(self) -> None:
        """Two fruitless connections, then one that bears fruit, narrow nothing, however often."""
        for number in range(60):
            self.outbox.put(event(f"e{number}"))
        for _ in range(4):
            for _ in range(2):
                self.assertEqual(len(self.take(8)), 6)
                self.outbox.connection_lost()
            self.take(8)
            self.outbox.acknowledged(self.tokens)
            self.assertEqual(len(self.take(8)), 6)
            self.outbox.connection_lost()
            self.assertEqual(len(self.take(8)), 6)
            self.outbox.acknowledged(self.tokens)
        self.assertEqual(self.outbox.figures().held, 0)

    def test_idle_losses_are_not_counted(self) -> None:
        """A connection that breaks with nothing in flight says nothing about messages."""
        for _ in range(5):
            self.outbox.connection_lost()
        self.outbox.put(event("a"))
        self.outbox.put(event("b"))
        self.assertEqual(self.take(), ["a", "b"])

    def test_republishing_hides_nothing(self) -> None:
        """Documents that are republished and acknowledged at each connect do not make a connection fruitful."""
        for number in range(30):
            self.outbox.put(state(f"s/{number}", "1"))
        self.drain()
        self.outbox.put(event("poison"))
        self.outbox.put(event("behind"))
        self.connections_until("behind")
        self.assertLessEqual(len(self.losses), 6)

    def test_higher_priorities_hide_nothing(self) -> None:
        """Nor do critical messages that pass the poisonous one at each connect."""
        self.outbox.put(event("poison"))
        self.outbox.put(event("behind"))
        for number in range(10):
            self.outbox.put(event(f"c{number}", priority=Priority.CRITICAL))
            self.connection()
        self.assertIn("behind", self.arrived)
        self.assertEqual(len(self.losses), 6)

    def test_several_in_a_row(self) -> None:
        """Each further one costs two connections while none is acknowledged between them."""
        for number in range(5):
            self.outbox.put(event(f"poison{number}"))
        self.outbox.put(event("behind"))
        self.connections_until("behind", wait=0.0)
        self.assertEqual((len(self.losses), self.outbox.figures().held), (3 + 5 * 2, 5))

    def test_a_state_that_changes_all_the_time(self) -> None:
        """A poisonous state that is new at every connect is found as well; what stands behind it arrives."""
        self.outbox.put(event("behind"))
        for number in range(30):
            self.outbox.put(state("s", f"poison{number:02}"))
            self.connection()
            self.now += 1.0
        self.assertIn("behind", self.arrived)
        self.assertLess(len(self.losses), 12)

    def test_a_state_that_changes_in_flight(self) -> None:
        """Nor does it help a poisonous state to be superseded whenever it is in flight."""
        self.outbox.put(event("behind"))
        self.outbox.put(state("s", "poison00"))
        for number in range(1, 30):
            items = self.outbox.take(self.window)
            self.outbox.put(state("s", f"poison{number:02}"))
            bad = [item for item in items if is_poison(item.message)]
            if not bad:
                self.outbox.acknowledged([item.token for item in items])
                self.arrived += [item.message.payload.decode() for item in items]
            self.outbox.connection_lost()
            self.now += 1.0
        self.assertIn("behind", self.arrived)

    def test_republished_may_be_poison(self) -> None:
        """A known document that the broker no longer takes is held back, and does not hold up the others."""
        for name in ("a", "b", "c"):
            self.outbox.put(state(name, "poison" if name == "b" else name))
        self.drain()
        self.outbox.put(event("behind"))
        self.connections_until("behind", "c")
        self.assertEqual((self.outbox.figures().held, self.outbox.depth()), (1, 0))
        lost = len(self.losses)
        self.now += 1.0
        self.assertTrue(self.connection())
        self.now += 10.0
        self.assertFalse(self.connection())
        self.assertEqual(len(self.losses), lost + 1)


class Holding(QuarantineTestCase):
    def hold(self, message: Message) -> Any:
        """Have ``message`` held; its receipt."""
        receipt = self.outbox.put(message)
        self.strike(2)
        self.assertEqual((self.outbox.figures().held, self.take()), (1, []))
        return receipt

    def test_holds_double(self) -> None:
        """It is held for 5, 10, 20 … s, an hour at most, while others pass; one connection is lost each time."""
        self.hold(event("poison"))
        for expected in [5.0 * 2**power for power in range(10)] + [3600.0] * 3:
            self.outbox.put(event("other"))
            self.assertTrue(self.connection())
            self.assertAlmostEqual(self.outbox.next_due() or 0.0, expected)
            self.now += expected - 0.1
            self.assertTrue(self.connection())
            self.now += 0.2
            self.assertFalse(self.connection())
        self.assertEqual(len(self.warnings), 1)

    def test_warning(self) -> None:
        """It is logged once, with topic and size."""
        self.hold(event("poison"))
        (warning,) = self.warnings
        self.assertEqual((warning["topic"], warning["octets"], warning["seconds"]), ("camera/event/x", 6, 5.0))

    def test_tried_alone(self) -> None:
        """When its time has come it waits until nothing else is in flight, and nothing is sent beside it."""
        self.hold(event("p"))
        for number in range(4):
            self.outbox.put(event(f"e{number}"))
        self.assertEqual(self.take(2), ["e0"])
        others = self.tokens
        self.now += 5
        self.assertEqual(self.take(5), [])
        self.outbox.acknowledged(others)
        self.assertEqual(self.take(5), ["p"])
        self.assertEqual(self.outbox.take(5), [])
        self.outbox.acknowledged(self.tokens)
        self.assertEqual(self.take(5), ["e1", "e2", "e3"])
        self.assertEqual(self.outbox.figures().held, 0)

    def test_acknowledged_is_no_suspect(self) -> None:
        """A suspect that the broker takes after all is one no more: its receipt fires and it leaves the disk."""
        receipt = self.hold(event("p"))
        self.journal.commit()
        self.assertIsNone(self.successResultOf(receipt.accepted))
        self.now += 5
        self.assertEqual(self.drain(), ["p"])
        self.assertIsNone(self.successResultOf(receipt.acknowledged))
        self.assertEqual((self.journal.disk, self.outbox.depth(), self.outbox.next_due()), ({}, 0, None))

    def test_many_leave_time_to_others(self) -> None:
        """After a trial that failed the next suspect waits for 5 s, even when many are due."""
        for number in range(10):
            self.hold_next(f"poison{number}")
        self.now += 1_000
        self.outbox.put(event("other"))
        self.assertFalse(self.connection())
        self.assertTrue(self.connection())
        self.assertIn("other", self.arrived)
        self.assertEqual(self.outbox.next_due(), 5.0)

    def hold_next(self, name: str) -> None:
        self.outbox.put(event(name))
        self.strike(2)

    def test_flapping_costs_seconds(self) -> None:
        """However long a network flapped: when it is well again all that was held arrives within 5 s."""
        for number in range(10):
            self.outbox.put(event(f"e{number}"))
        for _ in range(300):
            self.strike(1)
            self.now += 2.0
        self.assertGreater(self.outbox.figures().held, 2)
        self.outbox.put(event("new"))
        self.now += self.outbox.next_due() or 0.0
        self.connection()
        self.now += 5
        self.assertTrue(self.connection())
        self.assertEqual(set(self.arrived), {"new", *(f"e{number}" for number in range(10))})
        self.assertEqual(self.outbox.depth(), 0)

    def test_newer_state(self) -> None:
        """A newer state takes the place of the held one and is sent at once; both receipts fire with it."""
        older = self.hold(state("s", "p1"))
        newer = self.outbox.put(state("s", "p2"))
        self.assertEqual(self.take(), ["p2"])
        self.outbox.acknowledged(self.tokens)
        self.assertIsNone(self.successResultOf(older.acknowledged))
        self.assertIsNone(self.successResultOf(newer.acknowledged))
        self.assertEqual((self.outbox.figures().held, self.outbox.depth()), (0, 0))

    def test_newer_state_again(self) -> None:
        """When that was lost too, newer ones wait for their time, but for smaller ones; the newest is sent."""
        self.hold(state("s", "poison1"))
        self.outbox.put(state("s", "poison2"))
        self.assertFalse(self.connection())
        self.outbox.put(state("s", "poison3"))
        self.assertEqual(self.take(), [])
        self.outbox.put(state("s", "small"))
        self.assertEqual(self.take(), ["small"])

    def test_newer_state_of_higher_priority(self) -> None:
        """A newer state of higher priority moves the held one there."""
        self.hold(state("s", "p1"))
        self.outbox.put(state("s", "p2", priority=Priority.CRITICAL))
        self.assertEqual(self.outbox.figures().depth["critical"], 1)
        self.assertEqual(self.drain(), ["p2"])

    def test_expiry(self) -> None:
        """A held message expires when its own time is over, not when it is tried next."""
        receipt = self.hold(event("p", expires_after=3.0))
        self.assertEqual(self.outbox.next_due(), 3.0)
        self.now += 3
        self.assertEqual(self.take(), [])
        self.failureResultOf(receipt.acknowledged, Dropped)
        self.assertEqual((self.outbox.depth(), self.outbox.figures().held), (0, 0))

    def test_bounds(self) -> None:
        """A held event counts against the bounds, and goes like any other when there is no room."""
        self.make(messages=2)
        receipt = self.hold(event("p"))
        for number in range(2):
            self.outbox.put(event(f"e{number}"))
        self.failureResultOf(receipt.acknowledged, Dropped)
        self.assertEqual((self.outbox.dropped, self.take()), ({"overflow": 1}, ["e0", "e1"]))
        self.assertEqual(self.outbox.figures().held, 0)

    def test_sweep(self) -> None:
        """When room is needed, a held message that has expired goes before any that has not."""
        self.make(messages=2)
        self.hold(event("p", expires_after=3.0))
        self.outbox.put(event("e0"))
        self.now += 4
        self.outbox.put(event("e1"))
        self.assertEqual(self.outbox.dropped, {"expired": 1})
        self.assertEqual(self.take(), ["e0", "e1"])

    def test_restart(self) -> None:
        """A held message is on the disk as any other, and is written again when the disk was lost."""
        self.hold(event("p"))
        self.journal.commit()
        before = dict(self.journal.disk)
        self.journal.disk.clear()
        self.journal.renewed.notify()
        self.journal.commit()
        self.assertEqual((self.journal.disk, len(before)), (before, 1))

    def test_stop(self) -> None:
        """The receipt of a held message fails at a stop like the others."""
        receipt = self.hold(event("p"))
        self.outbox.stop()
        self.assertIn("stopped", self.error_of(receipt.acknowledged).lower())

    def test_qos_0(self) -> None:
        """A large QoS 0 message that never reaches the kernel as a whole is no exception."""
        self.outbox.put(event("poison", qos=0))
        self.outbox.put(event("behind"))
        self.connections_until("behind")


class Wire:
    """What the sender needs of a loop."""

    def __init__(self) -> None:
        self.items: list[OutboxItem] = []

    def send(self, items: list[OutboxItem]) -> None:
        self.items.extend(items)


class Sending(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.outbox = Outbox(self.clock.seconds, wall=self.clock.seconds)
        self.sender = OutboxSender(self.clock, outbox=self.outbox, window=100, metrics=MqttMetrics(session=0))
        self.begin()

    def begin(self) -> None:
        self.wire = Wire()
        self.sender.attach(self.wire, 100)  # type: ignore[arg-type]
        self.sender.schedule()
        self.clock.advance(0)

    def sent(self) -> list[bytes]:
        items, self.wire.items = self.wire.items, []
        self.tokens = [item.token for item in items]
        return [item.message.payload for item in items]

    def hold(self) -> None:
        self.outbox.put(event("p"))
        for _ in range(2):
            self.clock.advance(0)
            self.assertEqual(self.sent(), [b"p"])
            self.sender.detach()
            self.begin()

    def test_it_goes_out_in_time(self) -> None:
        """What is held goes out when its time has come, although nothing else happens; no timer is left."""
        self.hold()
        self.clock.advance(4.9)
        self.assertEqual(self.sent(), [])
        self.clock.advance(0.1)
        self.assertEqual(self.sent(), [b"p"])
        self.sender.receive(LoopReport(acknowledged=self.tokens, latencies=[0.1]))
        self.assertEqual((self.outbox.depth(), self.clock.getDelayedCalls()), (0, []))

    def test_no_timer_without_a_connection(self) -> None:
        """While there is no connection nothing is waited for; the next one sends what has become due."""
        self.hold()
        self.sender.detach()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.clock.advance(60)
        self.begin()
        self.assertEqual(self.sent(), [b"p"])

    def test_other_traffic_goes_on(self) -> None:
        """Other messages are sent meanwhile, and the timer still rings in time."""
        self.hold()
        for number in range(10):
            self.clock.advance(0.45)
            self.outbox.put(event(str(number)))
            self.clock.advance(0)
            self.assertEqual(self.sent(), [b"%d" % number])
            self.sender.receive(LoopReport(acknowledged=self.tokens, latencies=[0.1]))
        self.clock.advance(0.5)
        self.assertEqual(self.sent(), [b"p"])

    def test_a_stop_does_not_wait_for_it(self) -> None:
        """A queue is drained when only what is held is left; a stop leaves no timer."""
        self.hold()
        drained = self.sender.drained()
        self.clock.advance(0)
        self.assertIsNone(self.successResultOf(drained))
        self.sender.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Message], set[int], list[int]]:
    """Messages, which of them are poison, and after how many packets the first connections are lost by chance."""
    messages = []
    for number in range(draw(st.integers(1, 40))):
        priority = draw(st.sampled_from(list(Priority)))
        retain = draw(st.booleans()) and priority <= Priority.STATE
        topic = f"s/{number}" if retain else "e"
        messages.append(Message(topic, b"%d" % number, qos=1, retain=retain, priority=priority))
    poison = draw(st.sets(st.integers(0, len(messages) - 1), max_size=4))
    return messages, poison, draw(st.lists(st.integers(0, 12), max_size=8))


class Properties(SynchronousTestCase):
    @settings(max_examples=150, deadline=None, derandomize=True, database=None)
    @given(plans(), st.integers(1, 30), st.booleans())
    def test_others_arrive(self, plan: tuple[list[Message], set[int], list[int]], window: int, answers: bool) -> None:
        """Whichever are poison, however the network breaks: nothing is lost, and all others arrive, in bounded time.

        ``answers``: whether acknowledgements arrive that the broker sent before it closed the connection.
        """
        messages, poison, chances = plan
        now, fates, arrived = 0.0, {}, []
        outbox = Outbox(lambda: now, wall=lambda: now)
        for number, message in enumerate(messages):
            outbox.put(message).acknowledged.addCallbacks(
                lambda _, number=number: fates.update({number: "acknowledged"}),
                lambda _, number=number: fates.update({number: "failed"}),
            )
        harmless = set(range(len(messages))) - poison
        losses = 0
        chances = list(chances)
        known_strikes: dict[int, int] = {}
        while not harmless <= fates.keys():
            # Six until one is known, or a chance is forgotten; the rest are trials of those that are known.
            assert losses <= 8 * (len(poison) + len(plan[2])) + 8, outbox.figures()
            outbox.republish()
            quota = chances.pop() if chances else None
            lost = False
            while not lost and (items := outbox.take(window)):
                taken = []
                for item in items:
                    number = int(item.message.payload)
                    lost = number in poison or quota == 0
                    if lost:
                        break
                    quota = None if quota is None else quota - 1
                    taken.append(item)
                    if number not in arrived:
                        arrived.append(number)
                if answers or not lost:
                    outbox.acknowledged([item.token for item in taken])
                    items = items[len(taken) :]
                if lost and len(items) == 1:
                    number = int(items[0].message.payload)
                    known_strikes[number] = known_strikes.get(number, 0) + 1
            if lost:
                losses += 1
                outbox.connection_lost()
            elif outbox.figures().held:
                now += outbox.next_due() or 0.0
            now += 0.5
        assert set(fates) >= harmless
        assert set(fates.values()) <= {"acknowledged"}
        assert sum(outbox.figures().depth.values()) == len(messages) - len(fates)
        for priority in Priority:
            suspects = {number for number, strikes in known_strikes.items() if strikes >= 2}
            order = [
                number
                for number in arrived
                if number not in suspects
                and (min(messages[number].priority, Priority.STATE) if messages[number].retain else
                     messages[number].priority) is priority
            ]  # fmt: skip
            assert order == sorted(order), (priority, order)
