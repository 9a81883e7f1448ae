"""Who comes to publish a camera asks the former publisher once what it recorded; questions and answers are bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase

from tests.operations.nodes.handover.sites import done
from twisted_detector.errors import RemoteError
from twisted_detector.model.clocks import CLOCK_WAS_SET
from twisted_detector.model.history import WEEK, ForeignPast, StateChange
from twisted_detector.model.observers import Observers
from twisted_detector.operations.nodes.handover.pasts import (
    BURST,
    LATEST,
    LOOK,
    MAX_ASKED,
    MAX_TRIES,
    PAUSE,
    SOON,
    Ask,
    PastExchange,
)
from twisted_detector.store.foreign_pasts import MAX_PAST_OCTETS, MAX_PAST_ROWS

ONLINE = [10.0, "online", "", "", ""]
NOW = 1.7e9


class History:
    """A history that was not there from 0 to 100, and what it is told."""

    def __init__(self) -> None:
        self.missing: tuple[float, float] | None = (0.0, 100.0)
        self.pasts: dict[str, ForeignPast] = {}
        self.rows: list[StateChange] | None = []
        self.read: list[tuple[str, float, float]] = []
        self.listed = 0
        self.restamped: Observers[[]] = Observers("x")

    def unrecorded(self, _: str) -> tuple[float, float] | None:
        return self.missing

    def take_past(self, past: ForeignPast) -> None:
        self.pasts[past.camera_id] = past

    @property
    def untold(self) -> list[ForeignPast]:
        self.listed += 1
        return [one for one in self.pasts.values() if one.changes is None]

    def stays(self, camera_id: str) -> tuple[ForeignPast, ...]:
        return tuple(one for one in self.pasts.values() if one.camera_id == camera_id)

    async def changes(self, camera_id: str, begin: float, end: float) -> list[StateChange] | None:
        self.read.append((camera_id, begin, end))
        return self.rows


class Nodes:
    """North had every camera before; :ivar present: nodes that are there."""

    def __init__(self) -> None:
        self.gained: Observers[[str]] = Observers("x")
        self.record = self
        self.former = "north"
        self.present = {"north"}
        self.is_synchronised = True
        self.lost: set[str] = set()

    def owns(self, camera_id: str) -> bool:
        return camera_id not in self.lost

    def former_owner_of(self, _: str) -> str:
        return self.former

    def is_present(self, node_id: str) -> bool:
        return node_id in self.present


class PastsCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.nodes, self.history = Nodes(), History()
        self.asked: list[tuple[str, str, Mapping[str, Any]]] = []
        self.answers: list[Deferred[Mapping[str, Any]]] = []
        self.chance = 0.5
        self.exchange = self.make(self.nodes, self.history, self.ask)
        self.exchange.start()
        self.addCleanup(self.exchange.stop)
        self.clock.advance(SOON)

    def make(self, nodes: Nodes, history: History, ask: Ask, node_id: str = "south") -> PastExchange:
        return PastExchange(
            self.clock,
            nodes,  # type: ignore[arg-type]
            node_id=node_id,
            history=history,  # type: ignore[arg-type]
            ask=ask,
            monotonic=self.clock.seconds,
            chance=lambda: self.chance,
        )

    async def ask(self, node_id: str, name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        self.asked.append((node_id, name, fields))
        answer: Deferred[Mapping[str, Any]] = Deferred()
        self.answers.append(answer)
        return await answer

    def gain(self, *camera_ids: str) -> None:
        for camera_id in camera_ids:
            self.nodes.gained.notify(camera_id)
        self.clock.advance(SOON)


class Asking(PastsCase):
    def test_once(self) -> None:
        """The former publisher is asked for the time that was not seen here; what it tells is kept, and that is all."""
        self.gain("cam")
        self.assertEqual([("north", "past", {"cameras": {"cam": [0.0, 100.0]}})], self.asked)
        self.answers[0].callback({"pasts": {"cam": [ONLINE]}})
        (told,) = self.history.pasts.values()
        self.assertEqual((("online", 10.0), ""), ((told.changes[0].status, told.changes[0].at), told.reason))  # type: ignore[index]
        self.clock.pump([LOOK] * 20)
        self.assertEqual(1, len(self.asked))
        self.assertEqual([], self.clock.getDelayedCalls(), "nothing looks where nothing is missing")

    def test_nobody_to_ask(self) -> None:
        """Of what was seen here all the time, was ours before, or nobody's, nothing is asked."""
        for former, missing in (("north", None), ("south", (0.0, 100.0)), ("", (0.0, 100.0))):
            self.nodes.former, self.history.missing = former, missing
            self.gain("cam")
        self.clock.advance(LOOK)
        self.assertEqual(([], {}), (self.asked, self.history.pasts))

    def test_away(self) -> None:
        """It says why nothing is known, and asks when the other one is there again."""
        self.nodes.present.clear()
        self.gain("cam")
        self.assertIn("node north published this camera then", self.history.pasts["cam"].reason)
        self.clock.pump([LOOK] * 10)
        self.assertEqual([], self.asked)
        self.nodes.present.add("north")
        self.clock.advance(LOOK)
        self.assertEqual(1, len(self.asked))

    def test_after_a_restart(self) -> None:
        """What was not told in an earlier run is asked for."""
        self.history.take_past(ForeignPast("cam", "north", 0.0, 9.0))
        self.exchange.stop()
        self.exchange.start()
        self.clock.advance(SOON)
        self.assertEqual(1, len(self.asked))

    def test_together(self) -> None:
        """Cameras that change hands together are asked for together, so many at once, one question after the other."""
        self.gain(*(f"c{number}" for number in range(MAX_ASKED + 3)))
        self.clock.pump([PAUSE] * 10)
        self.assertEqual([MAX_ASKED], [len(fields["cameras"]) for _, _, fields in self.asked])
        self.answers[0].callback({"pasts": {f"c{number}": [] for number in range(MAX_ASKED)}})
        self.assertEqual(1, len(self.asked))
        self.clock.advance(PAUSE)
        self.assertEqual([MAX_ASKED, 3], [len(fields["cameras"]) for _, _, fields in self.asked])

    def test_comes_and_goes(self) -> None:
        """A camera that changes hands again before the answer is asked for once."""
        self.gain("cam")
        self.history.missing = (5.0, 200.0)
        self.gain("cam", "cam")
        self.assertEqual((1, 100.0), (len(self.asked), self.history.pasts["cam"].until))

    def test_refused(self) -> None:
        """What cannot be read is asked for so often, and no more: then it stays untold."""
        self.gain("cam")
        wrong: list[Any] = [
            {"pasts": {"cam": [[1, "lovely", "", "", ""]]}},
            {"pasts": []},
            {"pasts": {"cam": [[10**400]]}},
        ]
        for number, answer in enumerate(wrong):
            self.assertEqual(number + 1, len(self.asked))
            self.answers[-1].callback(answer)
            self.clock.advance(PAUSE)
        self.clock.pump([LOOK] * 10)
        self.assertEqual((MAX_TRIES, 1), (len(self.asked), len(self.history.untold)))

    def test_not_answered(self) -> None:
        """That no answer comes is no try: it is asked again, ever later, at a moment that is another for each node."""
        self.gain("cam")
        waits = []
        for number in range(2 * MAX_TRIES):
            self.chance = number % 2
            before = self.clock.seconds()
            self.answers[-1].errback(RemoteError("asked for too often"))
            while len(self.answers) == number + 1:
                self.clock.advance(0.5)
            waits.append(self.clock.seconds() - before)
        self.assertEqual([LOOK / 2, 2 * LOOK * 1.5, 4 * LOOK / 2, LATEST * 1.5, LATEST / 2, LATEST * 1.5], waits)
        self.answers[-1].callback({"pasts": {"cam": [ONLINE]}})
        self.assertEqual([], self.history.untold)

    def test_in_turn(self) -> None:
        """What was not answered comes after what was not asked for yet: one node that is mute holds up no other."""
        self.gain(*(f"c{number}" for number in range(MAX_ASKED + 1)))
        self.nodes.former = "west"
        self.nodes.present.add("west")
        self.gain("yard")
        for _ in range(3):
            self.answers[-1].errback(RemoteError("no answer"))
            self.clock.pump([LOOK] * 10)
        self.assertEqual(
            [("north", "c0"), ("north", f"c{MAX_ASKED}"), ("west", "yard"), ("north", f"c{MAX_ASKED - 1}")],
            [(node_id, next(iter(fields["cameras"]))) for node_id, _, fields in self.asked],
        )

    def test_many_ask_one(self) -> None:
        """Three that ask one node together, more often than it answers, come to know everything."""
        histories = []
        for name, latency in (("b", 0.01), ("c", 0.013), ("d", 0.017)):

            async def ask(_: str, __: str, fields: Mapping[str, Any], latency: float = latency) -> Mapping[str, Any]:
                await deferLater(self.clock, latency)  # type: ignore[arg-type]
                return await self.exchange.answer(fields)

            nodes, history = Nodes(), History()
            exchange = self.make(nodes, history, ask, name)
            exchange.start()
            self.addCleanup(exchange.stop)
            for number in range(20 * MAX_ASKED):
                nodes.gained.notify(f"{name}{number}")
            histories.append(history)
        self.clock.pump([0.05] * 20 * 600)
        self.assertEqual([0, 0, 0], [len(one.untold) for one in histories])

    def test_gained_together(self) -> None:
        """A takeover of many does not go through all that is untold with each."""
        before = self.history.listed
        for number in range(500):
            self.nodes.gained.notify(f"c{number}")
        self.assertEqual((before, 500), (self.history.listed, len(self.history.pasts)))

    def test_a_clock_that_was_not_set(self) -> None:
        """It cannot tell when a camera was another's: that is asked when the clock is set and the history has followed
        it, once, of the node that had it, and for what is this node's still."""
        self.clock.rightNow = CLOCK_WAS_SET - 100
        self.gain("cam", "lost")
        self.history.restamped.notify()
        self.assertEqual({}, self.history.pasts)
        self.nodes.former = ""
        self.nodes.lost.add("lost")
        self.clock.rightNow = NOW
        self.history.restamped.notify()
        self.clock.advance(SOON)
        self.assertEqual([("north", "past", {"cameras": {"cam": [0.0, 100.0]}})], self.asked)
        self.history.pasts.clear()
        self.history.restamped.notify()
        self.assertEqual({}, self.history.pasts)

    def test_not_synchronised(self) -> None:
        """Before it is known who is there nobody is asked."""
        self.nodes.is_synchronised = False
        self.gain("cam")
        self.assertEqual([], self.asked)

    def test_forgotten_meanwhile(self) -> None:
        """Of a camera that was forgotten while the answer was under way nothing is kept."""
        self.gain("cam")
        self.history.pasts.clear()
        self.answers[0].callback({"pasts": {"cam": [ONLINE]}})
        self.assertEqual({}, self.history.pasts)


class Answering(PastsCase):
    def answer(self, cameras: Any) -> Any:
        return done(self.exchange.answer({"cameras": cameras, "via": "west"}))

    def test_rows(self) -> None:
        """What was recorded in that time, and no later than now, in bounds."""
        self.history.rows = [StateChange(0, "cam", float(at), "online", "é" * 300) for at in range(500)]
        rows = self.answer({"cam": [NOW - 5, 9e9]})["pasts"]["cam"]
        self.assertEqual([("cam", NOW - 5, self.clock.seconds())], self.history.read)
        self.assertLessEqual(len(str(rows).encode()), 2 * MAX_PAST_OCTETS)
        self.assertTrue(0 < len(rows) <= MAX_PAST_ROWS)

    def test_a_week(self) -> None:
        """Whatever is asked for, no more than a week is read."""
        self.answer({"cam": [0, 9e9]})
        self.assertEqual([("cam", self.clock.seconds() - WEEK, self.clock.seconds())], self.history.read)

    def test_refused(self) -> None:
        """What is no question, and a disk that cannot be read."""
        many = {f"c{number}": [0, 1] for number in range(MAX_ASKED + 1)}
        for cameras in (
            None, [], {}, many, {"cam": 5}, {"cam": [1]}, {"cam": [1, "2"]}, {"cam": [True, 2]},
            {"cam": [1, float("nan")]}, {"cam": [1, 10**400]}, {"cam": [-(10**400), 1]}, {"x" * 65: [1, 2]},
        ):  # fmt: skip
            self.assertRaises(RemoteError, self.answer, cameras)
        self.assertEqual([], self.history.read)
        self.history.rows = None
        self.assertIn("cannot be read", str(self.assertRaises(RemoteError, self.answer, {"cam": [0, 1]})))

    def test_too_often(self) -> None:
        """Who asks and asks does not keep the disk busy."""
        for _ in range(BURST):
            self.answer({"cam": [0, 1]})
        refused = self.assertRaises(RemoteError, self.answer, {"cam": [0, 1]})
        self.assertIn("too often", str(refused))
        self.assertEqual(BURST, len(self.history.read))
        self.clock.advance(1.0)
        self.answer({"cam": [0, 1]})
