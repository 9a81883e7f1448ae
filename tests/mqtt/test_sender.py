"""The sender with a real outbox, and a broker that does not take every message: nothing waits for what it refuses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.metrics import MqttMetrics
from twisted_detector.mqtt.network.loop import LoopReport
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.refusals import MAX_POSTPONED
from twisted_detector.mqtt.seams import OutboxItem
from twisted_detector.mqtt.sender import FIRST_PAUSE, LONGEST_PAUSE, OutboxSender

QUOTA = "the broker says: quota exceeded"
ROUND_TRIP = 0.02
TURN = 0.1


class Broker:
    """Answers after a round trip, in one report for each batch or in one for each message.

    :param takes: whether it takes a message.
    :ivar arrived: the payloads that it took, in this order; ``sent``: how often each was sent.
    """

    def __init__(self, clock: Clock, takes: Callable[[Message], bool], *, apart: bool) -> None:
        self._clock, self._takes, self._apart = clock, takes, apart
        self.outbox = Outbox(clock.seconds, wall=clock.seconds)
        self.sender = OutboxSender(clock, outbox=self.outbox, window=100, metrics=MqttMetrics())
        self.arrived: list[str] = []
        self.sent: Counter[str] = Counter()

    def send(self, items: Sequence[OutboxItem]) -> None:
        """See NetworkLoop."""
        self._clock.callLater(ROUND_TRIP, self._answer, items)

    def _answer(self, items: Sequence[OutboxItem]) -> None:
        reports = [LoopReport()]
        for item in items:
            payload = item.message.payload.decode()
            self.sent[payload] += 1
            if self._takes(item.message):
                self.arrived.append(payload)
                reports[-1].acknowledged.append(item.token)
            else:
                reports[-1].postponed.append((item.token, QUOTA))
            if self._apart:
                reports.append(LoopReport())
        for report in reports:
            self.sender.receive(report)


class PutOff(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.told: list[str] = []
        observer = lambda entry: self.told.append(formatEvent(entry) or "")  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def broker(self, takes: Callable[[Message], bool], *, apart: bool = False) -> Broker:
        broker = Broker(self.clock, takes, apart=apart)
        broker.sender.attach(broker, 65535)  # type: ignore[arg-type]
        return broker

    def put(self, broker: Broker, topic: str, payload: str) -> None:
        broker.outbox.put(Message(topic, payload.encode(), priority=Priority.EVENT))

    def pass_time(self, seconds: float) -> None:
        for _ in range(round(seconds / ROUND_TRIP)):
            self.clock.advance(ROUND_TRIP)

    def test_class_of_messages(self) -> None:
        """A broker that refuses every tenth message gets all the others at once, and those no more than it must."""
        for apart in (False, True):
            broker = self.broker(lambda message: message.topic == "good", apart=apart)
            del self.told[:]
            good = []
            for number in range(600):
                name = "bad" if number % 10 == 0 else "good"
                self.put(broker, name, f"{name}-{number}")
                good += [f"good-{number}"] * (name == "good")
                self.pass_time(TURN)
                late = len(good) - len(broker.arrived)
                self.assertLessEqual(late, 2 * FIRST_PAUSE / TURN)
            for number in range(600, 600 + 3 * MAX_POSTPONED):  # it is seen to take others
                self.put(broker, "good", f"good-{number}")
                good.append(f"good-{number}")
                self.pass_time(FIRST_PAUSE)
            self.assertEqual(good, broker.arrived)
            self.assertEqual(({"refused": 60}, 0), (dict(broker.outbox.dropped), broker.outbox.depth()))
            self.assertEqual({MAX_POSTPONED + 1}, {broker.sent[f"bad-{number}"] for number in range(100, 500, 10)})
            self.assertEqual(1, sum("does not take every message" in line for line in self.told))
            broker.sender.stop()
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_quiet_times(self) -> None:
        """One that is refused again and again, alone, holds up the next that is put for no more than a pause."""
        broker = self.broker(lambda message: message.topic == "good")
        self.put(broker, "bad", "bad")
        for number in range(5):
            self.pass_time(20 * FIRST_PAUSE)
            self.put(broker, "good", f"good-{number}")
            self.pass_time(LONGEST_PAUSE + 2 * ROUND_TRIP)
            self.assertEqual(number + 1, len(broker.arrived))
        self.assertLess(broker.sent["bad"], 50)

    def test_many_in_a_row(self) -> None:
        """Messages behind more refused ones than the first window holds have their turn."""
        broker = self.broker(lambda message: message.topic == "good")
        for number in range(50):
            self.put(broker, "bad", f"bad-{number}")
        for number in range(100):
            self.put(broker, "good", f"good-{number}")
        self.pass_time(20 * FIRST_PAUSE)
        self.assertEqual([f"good-{number}" for number in range(100)], broker.arrived)

    def test_so_many_a_second(self) -> None:
        """A broker that takes so many a second gets all, in order; none is taken for one that it never takes."""
        for apart in (False, True):
            room, since = 0.0, self.clock.seconds()

            def takes(_: Message) -> bool:
                nonlocal room, since
                room, since = min(20.0, room + (self.clock.seconds() - since) * 20), self.clock.seconds()
                room -= (taken := room >= 1)
                return taken

            broker = self.broker(takes, apart=apart)
            every = [f"{number}" for number in range(1000)]
            for one in every:
                self.put(broker, "t", one)
            self.pass_time(100)
            self.assertEqual((every, {}), (broker.arrived, dict(broker.outbox.dropped)))

    def test_loss_in_between(self) -> None:
        """What waits to be sent again when the connection breaks is sent with the next one, in its order."""
        well: list[bool] = []
        broker = self.broker(lambda _: bool(well))
        every = [f"{number}" for number in range(10)]
        for one in every:
            self.put(broker, "t", one)
        self.pass_time(3 * ROUND_TRIP)
        self.assertEqual(10, broker.outbox.depth())
        broker.sender.detach()
        well.append(True)
        broker.sender.attach(broker, 65535)  # type: ignore[arg-type]
        broker.sender.schedule()
        self.pass_time(3 * ROUND_TRIP)
        self.assertEqual((every, 0), (broker.arrived, broker.outbox.depth()))
