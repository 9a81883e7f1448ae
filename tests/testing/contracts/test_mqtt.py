"""The contracts of the MQTT connection, on the doubles, on the service, its client and its outbox."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.doubles.mqtt import FakeLoop, FakeResolver, FakeThread, ThreadlessReactor
from twisted_detector.model import Message
from twisted_detector.mqtt.client import MqttClient, MqttSettings
from twisted_detector.mqtt.network.attempts import AttemptRunner
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.presence import PresenceIdentity
from twisted_detector.mqtt.service import MqttService
from twisted_detector.testing.contracts import outbox_contract, publisher_contract, subscriber_contract
from twisted_detector.testing.doubles import RecordingPublisher
from twisted_detector.testing.outbox import MemoryOutbox
from twisted_detector.testing.subscriber import MemorySubscriber


class RecordingStage:
    """The double, with a broker that is away."""

    capacity = 200
    publisher_kind = RecordingPublisher

    def __init__(self) -> None:
        self.publisher = self.publisher_kind(connected=False, acknowledges=False, capacity=self.capacity)
        self.connect, self.disconnect = self.publisher.connect, self.publisher.disconnect
        self.acknowledge, self.refuse, self.stop = (
            self.publisher.acknowledge,
            self.publisher.refuse,
            self.publisher.stop,
        )

    def sent(self) -> Sequence[Message]:
        return self.publisher.sent

    def advance(self, seconds: float) -> None:
        """Nothing takes time."""


class ServiceStage:
    """The service, with an outbox in memory, and a network whose broker the test plays."""

    capacity = 200

    def __init__(self) -> None:
        self.reactor = ThreadlessReactor()
        self.publisher = MqttService(
            self.reactor,
            MqttSettings(host="broker", client_id="c", queue_size=self.capacity),
            monotonic=self.reactor.seconds,
        )
        self.publisher.client.startService = lambda: None  # type: ignore[method-assign]
        Deferred.fromCoroutine(self.publisher.start())
        self.outbox = self.publisher.outbox
        self.connected = False
        self.reached: list[Message] = []
        self.tokens: list[int] = []

    def connect(self) -> None:
        self.connected = True

    def disconnect(self) -> None:
        self.connected = False
        self.tokens.clear()
        self.outbox.connection_lost()

    def sent(self) -> Sequence[Message]:
        self.advance(0)
        return self.reached

    def acknowledge(self) -> None:
        tokens, self.tokens = self.tokens, []
        self.outbox.acknowledged(tokens)

    def refuse(self) -> None:
        tokens, self.tokens = self.tokens, []
        for token in tokens:
            self.outbox.refused(token, "not authorised")

    def stop(self) -> None:
        self.connected = False
        Deferred.fromCoroutine(self.publisher.stop())

    def advance(self, seconds: float) -> None:
        self.reactor.advance(seconds)
        while self.connected and (items := self.outbox.take(1000)):
            self.reached += [item.message for item in items]
            self.tokens += [item.token for item in items]


class MemorySubscriberStage:
    """The double."""

    subscriber_kind = MemorySubscriber

    def __init__(self) -> None:
        self.clock = Clock()
        self.subscriber = self.subscriber_kind(self.clock)
        self.deliver = self.subscriber.deliver

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class ClientStage:
    """The client, connected over a network whose broker the test plays."""

    def __init__(self) -> None:
        self.reactor = ThreadlessReactor()
        self.loops: list[FakeLoop] = []
        self.subscriber = MqttClient(
            self.reactor,
            settings=MqttSettings(host="broker", client_id="c"),
            outbox=MemoryOutbox(),
            presence=PresenceIdentity(lambda *_: b"{}"),
            emit=lambda _: None,
            random=lambda: 0.5,
            monotonic=self.reactor.seconds,
            runner_factory=partial(
                AttemptRunner, loop_factory=self.loop, thread_factory=FakeThread, resolver=FakeResolver()
            ),
        )
        self.subscriber.startService()
        self.loops[-1].accept()
        self.reactor.advance(0)

    def loop(self, *arguments: object, **named: object) -> FakeLoop:
        self.loops.append(FakeLoop(*arguments, **named))  # type: ignore[arg-type]
        return self.loops[-1]

    def deliver(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        self.loops[-1].deliver_message(topic, payload, retained)

    def advance(self, seconds: float) -> None:
        self.reactor.advance(seconds)


class MemoryOutboxStage:
    """The double."""

    outbox_kind = MemoryOutbox

    def __init__(self) -> None:
        self.outbox = self.outbox_kind()
        self.put = self.outbox.put


class RealOutboxStage:
    """The outbox in memory."""

    def __init__(self) -> None:
        self.outbox = Outbox(lambda: 0.0, wall=lambda: 0.0)

    def put(self, message: Message) -> None:
        self.outbox.put(message)


class RecordingPublisherTests(publisher_contract(RecordingStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class MqttServiceTests(publisher_contract(ServiceStage)):  # type: ignore[misc]
    """The service keeps the contract."""


class MemorySubscriberTests(subscriber_contract(MemorySubscriberStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class MqttClientTests(subscriber_contract(ClientStage)):  # type: ignore[misc]
    """The client, to which the service hands on, keeps the contract."""


class MemoryOutboxTests(outbox_contract(MemoryOutboxStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class OutboxTests(outbox_contract(RealOutboxStage)):  # type: ignore[misc]
    """The outbox keeps the contract."""
