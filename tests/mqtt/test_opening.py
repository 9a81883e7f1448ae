"""Opening of a connection: what the broker closes it for is found by experiment, left out, told, and tried again."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import LogEvent, formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.mqtt import FakeLoop
from twisted_detector.mqtt.opening import ASK_AGAIN, BIRTH, FRUITLESS, HOLD, LONGEST_HOLD, STEP_TIMEOUT, Opening
from twisted_detector.mqtt.subscriptions import Subscriptions

LWT = "site/lwt"


class OpeningCase(SynchronousTestCase):
    """A broker that answers as :meth:`play` says; ``sent`` is what it gets, SUBSCRIBE by SUBSCRIBE."""

    def setUp(self) -> None:
        self.logged: list[str] = []
        observer: Callable[[LogEvent], None] = lambda event: self.logged.append(formatEvent(event) or "")  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.make()

    def make(self) -> None:
        self.logged.clear()
        self.clock = Clock()
        self.subscriptions = Subscriptions(
            self.clock,
            on_filters_changed=lambda added, removed: self.opening.change(added, removed),
            on_progress=lambda: None,
        )
        self.births: list[Deferred[None]] = []
        self.flows: list[FakeLoop] = []
        self.opening = Opening(
            self.clock, self.subscriptions, birth=self.birth, birth_topic=LWT, flow=lambda loop: self.flows.append(loop)
        )
        for each in ("a", "b/+", "c"):
            self.subscriptions.subscribe(each, lambda topic, payload: None)
        self.connections = 0
        self.is_lost = True

    def birth(self) -> Deferred[None]:
        self.births.append(Deferred())
        self.sent.append([BIRTH])
        return self.births[-1]

    def connect(self, *, takes_wildcards: bool = True) -> None:
        self.connections += 1
        self.is_lost = False
        self.sent: list[list[str]] = []
        self.loop = FakeLoop(None, deliver=lambda *_: None, monotonic=self.clock.seconds)  # type: ignore[arg-type]
        self.loop.subscribe = lambda filters, qos: self.sent.append(list(filters))  # type: ignore[method-assign]
        self.opening.begin(self.loop, takes_wildcards=takes_wildcards)

    def lose(self) -> None:
        self.is_lost = True
        self.opening.lost(closed=True)
        for each in self.births:
            if not each.called:
                each.callback(None)  # void, as those of the sender are

    def play(self, poison: tuple[str, ...], refused: tuple[str, ...] = ()) -> None:
        """Answer what comes, in its order, until nothing more does; close the connection at what is poison."""
        at = 0
        while at < len(self.sent) and not self.is_lost:
            steps = self.sent[at]
            at += 1
            if any(each in poison for each in steps):
                self.lose()
            elif steps == [BIRTH]:
                self.births[-1].callback(None)
            else:
                self.opening.answered(steps, [each for each in steps if each in refused])

    def until_open(self, *poison: str, most: int = 60) -> None:
        """Connect until a connection stands."""
        for _ in range(most):
            self.connect()
            self.play(poison)
            if not self.is_lost:
                return
            self.clock.advance(0.1)
        raise AssertionError("it never stood")


class FindingTests(OpeningCase):
    def test_ordinary(self) -> None:
        """All filters go in one SUBSCRIBE, then the birth, then all else, without waiting for an answer."""
        self.connect()
        self.assertEqual((self.sent, self.flows), ([["a", "b/+", "c"], [BIRTH]], [self.loop]))
        self.play(())
        self.lose()
        self.assertEqual((self.opening.is_cautious, self.opening.warning), (False, ""))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_poison(self) -> None:
        """Whatever of it the broker closes the connection for: the rest is sent, and all else with it."""
        for poison in (("a",), ("b/+",), (BIRTH,), ("a", "c"), ("a", "b/+", "c", BIRTH)):
            self.make()
            self.until_open(*poison)
            self.assertEqual(self.flows[-1], self.loop)
            rest = [each for each in ("a", "b/+", "c", BIRTH) if each not in poison]
            self.assertEqual(sorted(each for steps in self.sent for each in steps), sorted(rest))
            self.assertLessEqual(self.connections, FRUITLESS + 2 * len(poison) + 1)
            for each in poison:
                words = f"publish on {LWT}" if each == BIRTH else f"subscribe to {each}"
                self.assertIn(words, self.opening.warning)
                self.assertEqual(1, sum("closes the connection" in line and words in line for line in self.logged))

    def test_all_else_waits(self) -> None:
        """While it is sent one at a time nothing else is: what is queued would be suspected for it."""
        for _ in range(FRUITLESS):
            self.connect()
            self.lose()
        flows = len(self.flows)
        self.connect()
        for number, step in enumerate((["a"], ["b/+"], ["c"])):
            self.assertEqual((self.sent[-1], len(self.sent), len(self.flows)), (step, number + 1, flows))
            self.opening.answered(step, [])
        self.assertEqual(self.sent[-1], [BIRTH])
        self.births[-1].callback(None)
        self.assertEqual(self.flows[flows:], [self.loop])
        self.assertEqual(self.opening.warning, "")

    def test_no_answer(self) -> None:
        """A broker that never answers SUBSCRIBE holds up all else for some seconds only."""
        for _ in range(FRUITLESS):
            self.connect()
            self.lose()
        self.connect()
        self.assertNotIn(self.loop, self.flows)
        self.clock.advance(STEP_TIMEOUT)
        self.assertEqual(self.sent, [["a"], ["b/+", "c"], [BIRTH]])
        self.assertEqual(self.flows[-1], self.loop)
        self.assertFalse(self.opening.is_cautious)

    def test_silence(self) -> None:
        """A broker that falls silent does not refuse what was under way: all is sent as ever when it is well."""
        for _ in range(20):
            self.connect()
            self.opening.lost(closed=False)
        self.assertEqual((self.opening.is_cautious, self.opening.warning), (False, ""))
        for _ in range(FRUITLESS):
            self.connect()
            self.lose()
        for _ in range(20):
            self.connect()
            self.assertEqual(self.sent, [["a"]])
            self.opening.lost(closed=False)
        self.assertEqual(self.opening.warning, "")

    def test_chance(self) -> None:
        """Losses with everything answered are no sign, however many, nor are two without an answer."""
        for _ in range(10):
            self.connect()
            self.play(())
            self.lose()
            for _ in range(FRUITLESS - 1):
                self.connect()
                self.lose()
            self.assertFalse(self.opening.is_cautious)
        self.assertEqual(self.opening.warning, "")


class LaterTests(OpeningCase):
    def test_tried_again(self) -> None:
        """What is left out is tried by itself, each time after twice as long; answered, it is as any other."""
        self.until_open("a")
        waits = []
        for _ in range(16):
            began = self.clock.seconds()
            while ["a"] not in self.sent:
                self.clock.advance(1.0)
                self.assertLess(self.clock.seconds() - began, LONGEST_HOLD + 10)
            waits.append(self.clock.seconds() - began)
            self.lose()
            self.connect()
            self.assertEqual(self.sent, [["b/+", "c"], [BIRTH]])
            self.play(())
        self.assertEqual([round(each / HOLD) for each in waits[:6]], [1, 2, 4, 7, 16, 32])
        self.assertLessEqual(max(waits), LONGEST_HOLD + 1)
        self.clock.pump([60.0] * 70)
        self.assertEqual(self.sent[-1], ["a"])
        self.opening.answered(["a"], [])
        self.assertEqual(self.opening.warning, "")
        self.lose()
        self.connect()
        self.assertEqual(self.sent[0], ["a", "b/+", "c"])

    def test_soon_after_the_cure(self) -> None:
        """A broker that closed each connection for half an hour has all of it back within a minute when it is well."""
        while self.clock.seconds() < 1800:
            self.connect()
            for _ in range(5):
                if self.sent and not self.is_lost:
                    self.lose()
            if not self.is_lost:
                self.lose()
            self.clock.advance(2.0)
        self.assertIn("publish on", self.opening.warning)
        self.connect()
        for _ in range(60):
            self.play(())
            self.sent.clear()
            self.clock.advance(1.0)
        self.assertEqual(self.opening.warning, "")

    def test_one_is_taken_after_all(self) -> None:
        """Then the others are tried soon, however long their time still is."""
        self.until_open("c")
        for _ in range(1000):
            self.clock.advance(1.0)
            if ["c"] in self.sent:
                self.lose()
                self.connect()
                self.play(())
        self.lose()
        self.until_open("a")
        while ["a"] not in self.sent:
            self.clock.advance(1.0)
        self.opening.answered(["a"], [])
        self.assertNotIn(["c"], self.sent)
        self.clock.pump([1.0] * int(HOLD + 1))
        self.assertIn(["c"], self.sent)

    def test_one_that_stays_closed_for(self) -> None:
        """What is never taken is tried ever more seldom, also where each connection stands between."""
        self.until_open("a")
        losses = 0
        for _ in range(4 * 3600):
            self.clock.advance(1.0)
            if ["a"] in self.sent:
                losses += 1
                self.lose()
                self.connect()
                self.play(())
        self.assertLess(losses, 15)

    def test_not_wanted_any_more(self) -> None:
        """A filter that nobody wants any more is not tried, nor told of."""
        remove = self.subscriptions.subscribe("d", lambda topic, payload: None)
        self.until_open("d")
        self.assertIn("subscribe to d", self.opening.warning)
        remove()
        self.clock.pump([1.0] * 30)
        self.assertNotIn(["d"], self.sent)
        self.assertEqual(self.opening.warning, "")

    def test_refused(self) -> None:
        """A filter that is refused (SUBACK) is named, and asked for again: who decides about rights may be starting."""
        self.connect()
        self.play((), refused=("a", "c"))
        self.assertIn("does not let us subscribe to a, subscribe to c", self.opening.warning)
        self.assertEqual(1, sum("subscribe to a, subscribe to c" in line for line in self.logged))
        self.clock.advance(ASK_AGAIN)
        self.assertEqual(self.sent[-1], ["a", "c"])
        self.opening.answered(["a", "c"], ["c"])
        self.assertNotIn("subscribe to a", self.opening.warning)
        self.clock.advance(2 * ASK_AGAIN)
        self.assertEqual(self.sent[-1], ["c"])
        self.opening.answered(["c"], [])
        self.assertEqual((self.opening.warning, self.clock.getDelayedCalls()), ("", []))

    def test_refused_for_ever(self) -> None:
        """It is asked for after ever longer, an hour at most, and told of once."""
        self.connect()
        self.play((), refused=("a",))
        asked = 0
        for _ in range(24 * 60):
            self.clock.advance(60.0)
            if self.sent.pop() == ["a"]:
                asked += 1
                self.opening.answered(["a"], ["a"])
            self.sent.append([])
        self.assertGreater(asked, 20)
        self.assertLess(asked, 35)
        self.assertEqual(1, sum("does not let us" in line for line in self.logged))

    def test_thousands_refused(self) -> None:
        """Refused single topics are named in the log up to a bound, however often they are asked for."""
        self.connect()
        for _ in range(3):
            for start in range(0, 2000, 100):
                topics = [f"camera/{number}" for number in range(start, start + 100)]
                self.opening.answered(topics, topics)
        self.assertEqual(10, sum("does not let us" in line for line in self.logged))

    def test_removed_before_its_turn(self) -> None:
        """A filter that is wanted no longer is not subscribed when its turn comes."""
        remove = self.subscriptions.subscribe("d", lambda topic, payload: None)
        for _ in range(FRUITLESS):
            self.connect()
            self.lose()
        self.connect()
        remove()
        self.play(())
        self.assertEqual(self.sent, [["a"], ["b/+"], ["c"], [BIRTH]])

    def test_no_wildcards(self) -> None:
        """A broker that takes none (MQTT 5, 3.2.2.3.11) gets none, and that is told once."""
        for _ in range(2):
            self.connect(takes_wildcards=False)
            self.assertEqual(self.sent, [["a", "c"], [BIRTH]])
            self.play(())
            self.lose()
        self.assertEqual(1, sum("takes no wildcards" in line and "b/+" in line for line in self.logged))

    def test_changes(self) -> None:
        """What is wanted later is subscribed at once, or in its turn; what is left out stays so."""
        self.until_open("d")
        remove = self.subscriptions.subscribe("d", lambda topic, payload: None)
        self.assertEqual(self.sent[-1], ["d"])
        remove()
        self.assertEqual(self.loop.unsubscribed, ["d"])
        self.lose()
        self.subscriptions.subscribe("d", lambda topic, payload: None)
        self.until_open("d")
        self.subscriptions.subscribe("e", lambda topic, payload: None)
        self.assertEqual(self.sent[-1], ["e"])
        self.assertNotIn(["d"], self.sent)
