"""A node with one eye, over a broker and neighbours in memory."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Secret
from twisted_detector.model.eyes import EyeKey
from twisted_detector.operations.eyes.gate import EyeGate
from twisted_detector.operations.eyes.watcher import EyeWatcher
from twisted_detector.testing.doubles import RecordingPublisher
from twisted_detector.testing.lan import ETH0, MemoryNeighbours, RecordingSink
from twisted_detector.testing.subscriber import MemorySubscriber
from twisted_detector.wire.eyes.envelope import Envelope, EnvelopeKind
from twisted_detector.wire.eyes.report import Report, encode_report
from twisted_detector.wire.eyes.topics import EyeTopics

KEY = EyeKey("barn", Secret("0f" * 32))
TOPICS = EyeTopics("", "barn")


class Chance:
    """Octets that differ each time."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, octets: int) -> bytes:
        self.calls += 1
        return self.calls.to_bytes(octets, "big")


class EyesCase(SynchronousTestCase):
    """:ivar instance, counter: of the eye that :meth:`report` plays."""

    keys: tuple[EyeKey, ...] = (KEY,)

    def setUp(self) -> None:
        self.clock = Clock()
        self.publisher = RecordingPublisher()
        self.subscriber = MemorySubscriber(self.clock)
        self.neighbours = MemoryNeighbours(ETH0)
        self.sink = RecordingSink()
        self.observed: list[str] = []
        self.gate = EyeGate(self.keys, prefix="", random=Chance(), now=0.0)
        self.eye = self.gate.eyes["barn"]
        self.instance, self.counter = "cd" * 16, 0
        self.watcher = EyeWatcher(
            self.clock,
            self.gate,
            neighbours=self.neighbours,
            publish=self.publisher.publish,
            subscribe=self.subscriber.subscribe,
            record=lambda at, address, source, what: self.observed.append(f"{address} {source}: {what}"),
            monotonic=self.clock.seconds,
        )

    def message(self, report: Report | bytes, *, key: EyeKey = KEY, session: str = "") -> bytes:
        """The eye's next message."""
        self.counter += 1
        body = report if isinstance(report, bytes) else encode_report(report)
        said = Envelope(EnvelopeKind.REPORT, session or self.eye.session, self.instance, self.counter, body)
        return said.seal(key.octets, EyeTopics("", key.name).report)

    def deliver(self, message: bytes, topics: EyeTopics = TOPICS) -> None:
        """The broker delivers a message."""
        self.subscriber.deliver(topics.report, message)

    def report(self, report: Report | bytes) -> None:
        """The eye reports."""
        self.deliver(self.message(report))
