"""Notices and a scripted channel go in; what is sent, when, and what is kept for the next run, comes out."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, notice
from twisted_detector.errors import RemoteError
from twisted_detector.events import NoticeTold, SweepFinished
from twisted_detector.model.notices import Notice, NoticeKind
from twisted_detector.outputs.notices.mailbox import MAX_TRIES, RETRY_FIRST
from twisted_detector.outputs.notices.way import MAX_TESTS, SEND_SECONDS, DeliveryFailed, Way
from twisted_detector.testing.doubles import MemoryStateStore


class ScriptedChannel:
    """Takes everything, or does with it what its ``answer`` says.

    :ivar answer: an exception to raise, a Deferred to wait for, None for a success.
    """

    def __init__(self) -> None:
        self.answer: Any = None
        self.got: list[Notice] = []

    async def send(self, told: Notice) -> None:
        self.got.append(told)
        if isinstance(self.answer, Deferred):
            await self.answer
        elif self.answer is not None:
            raise self.answer

    async def test(self, told: Notice) -> str:
        await self.send(told)
        return "it accepted a test notice"


class WayCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.channel = ScriptedChannel()
        self.store = MemoryStateStore()
        self.way = self.started()

    def started(self, **more: Any) -> Way:
        way = Way(self.clock, "ntfy", self.channel, per_hour=more.get("per_hour", 30), store=self.store,
                  monotonic=self.clock.seconds)  # fmt: skip
        way.startService()
        self.addCleanup(lambda: way.running and way.stopService())
        return way

    def tell(self, *names: str, **facts: Any) -> None:
        for name in names:
            self.way.handle(NoticeTold(START, notice(NoticeKind.OFFLINE, 1, id=name, **facts)))

    def ids(self) -> list[str]:
        return [one.id for one in self.channel.got]


class Sending(WayCase):
    def test_each(self) -> None:
        """Each notice is sent once, other events are not; a thousand in one turn are no deep recursion."""
        self.way.handle(SweepFinished(START, "x", 1.0, 1))
        self.way = self.started(per_hour=1000)
        names = [str(number) for number in range(999)]
        self.tell(*names)
        self.assertEqual(names, self.ids())
        self.assertEqual({"offline": 999}, dict(self.way.sent))
        self.assertEqual("ready", self.way.state())

    def test_one_at_a_time(self) -> None:
        """While one is under way the next waits."""
        self.channel.answer = Deferred()
        self.tell("a", "b")
        self.assertEqual(["a"], self.ids())
        self.assertEqual("ready; 2 notices waiting", self.way.state())
        first, self.channel.answer = self.channel.answer, None
        first.callback(None)
        self.assertEqual(["a", "b"], self.ids())

    def test_again(self) -> None:
        """What failed is sent again with what came meanwhile, as one; the state says what is wrong until it is not."""
        self.channel.answer = DeliveryFailed("it answers 500")
        self.tell("a", "b")
        self.assertEqual("it answers 500; 2 notices waiting", self.way.state())
        self.channel.answer = None
        self.clock.advance(RETRY_FIRST - 0.1)
        self.assertEqual(["a"], self.ids())
        self.clock.advance(0.1)
        self.assertEqual(["a", "a-late"], self.ids())
        self.assertEqual(["a", "b"], [one.id for one in self.channel.got[1].parts])
        self.assertEqual(("ready", 1), (self.way.state(), self.way.failures))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_asked(self) -> None:
        """Retry-After is obeyed."""
        self.channel.answer = DeliveryFailed("it answers 429", asked=90.0)
        self.tell("a")
        self.clock.advance(89)
        self.assertEqual(1, len(self.channel.got))
        self.clock.advance(1)
        self.assertEqual(2, len(self.channel.got))

    def test_final(self) -> None:
        """What is refused for good is not sent again; the next notice is."""
        self.channel.answer = DeliveryFailed("it answers 401", final=True)
        self.tell("a")
        self.clock.advance(100_000)
        self.assertEqual(["a"], self.ids())
        self.assertEqual("it answers 401; camdetect gave up; 1 given up since the start", self.way.state())
        self.tell("b")
        self.assertEqual(["a", "b"], self.ids())

    def test_for_ever(self) -> None:
        """An end that never comes ends the tries, by number."""
        self.channel.answer = DeliveryFailed("no")
        self.tell("a")
        for _ in range(1000):
            self.clock.advance(3600)
        self.assertEqual((MAX_TRIES, MAX_TRIES), (len(self.channel.got), self.way.failures))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertIn("gave up after many tries", self.way.state())

    def test_silence(self) -> None:
        """A channel that never answers is not waited for."""
        self.channel.answer = Deferred()
        self.tell("a")
        self.clock.advance(SEND_SECONDS)
        self.assertEqual("no answer within 25 s; 1 notice waiting", self.way.state())

    def test_our_fault(self) -> None:
        """A fault of a channel is logged, and holds up nothing."""
        self.channel.answer = ZeroDivisionError("boom")
        self.tell("a")
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
        self.assertEqual("an internal error of camdetect; see its log; 1 notice waiting", self.way.state())
        self.channel.answer = None
        self.clock.advance(RETRY_FIRST)
        self.assertEqual("ready", self.way.state())

    def test_per_hour(self) -> None:
        """What is beyond the limit comes an hour later, as one."""
        self.way = self.started(per_hour=2)
        self.tell("a", "b", "c", "d")
        self.assertEqual(["a", "b"], self.ids())
        self.clock.advance(3600)
        self.assertEqual(["a", "b", "c-late"], self.ids())


class Restarting(WayCase):
    def test_unsent(self) -> None:
        """What was not sent when the daemon stopped, or fell, is sent by the next one; what was sent is not."""
        self.tell("a")
        self.channel.answer = Deferred()
        self.tell("b", "c")
        self.way.stopService()
        self.channel.answer = None
        self.way = self.started()
        self.assertEqual(["a", "b", "b-late"], self.ids())
        self.assertEqual(["b", "c"], [one.id for one in self.channel.got[2].parts])
        self.way.stopService()
        self.started()
        self.assertEqual(3, len(self.channel.got))

    def test_stopped(self) -> None:
        """After a stop nothing is sent and nothing is left behind."""
        self.channel.answer = DeliveryFailed("no")
        self.tell("a")
        self.way.stopService()
        self.tell("b")
        self.clock.advance(100)
        self.assertEqual((["a"], []), (self.ids(), self.clock.getDelayedCalls()))


class Testing(WayCase):
    def outcome(self) -> Any:
        done = Deferred.fromCoroutine(self.way.test())
        self.clock.advance(0)
        return done

    def test_good(self) -> None:
        """A test is sent at once, whatever waits; its answer is in words."""
        self.channel.answer = DeliveryFailed("no")
        self.tell("a")
        self.channel.answer = None
        self.assertEqual("it accepted a test notice", self.successResultOf(self.outcome()))
        self.assertEqual([NoticeKind.OFFLINE, NoticeKind.TEST], [one.kind for one in self.channel.got])
        self.assertEqual({"test": 1}, dict(self.way.sent))

    def test_bad(self) -> None:
        """One try, and what went wrong."""
        self.channel.answer = DeliveryFailed("it answers 403")
        self.assertEqual("it answers 403", str(self.failureResultOf(self.outcome(), DeliveryFailed).value))
        self.clock.advance(1000)
        self.assertEqual(1, len(self.channel.got))

    def test_limit(self) -> None:
        """So many tests within an hour, and no more."""
        for _ in range(MAX_TESTS):
            self.successResultOf(self.outcome())
            self.clock.advance(60)
        error = self.failureResultOf(self.outcome(), RemoteError).value
        self.assertEqual("way: ntfy was tested 20 times within an hour; try again in 40 min", str(error))
        self.assertEqual(MAX_TESTS, len(self.channel.got))
        self.clock.advance(2400)
        self.successResultOf(self.outcome())
