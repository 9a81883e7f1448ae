"""What a plugin raises, publishes and holds up is counted, bounded and named; after ten faults it is called no more."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from twisted.application.service import IService, Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import directlyProvides, implementer

from tests.testing.contracts import (
    test_discovery,
    test_inspection,
    test_listeners,
    test_mqtt,
    test_outputs,
    test_services,
)
from twisted_detector.bus import Bus
from twisted_detector.errors import CamdetectError, Dropped, LocalError, QueueFull, Unreachable
from twisted_detector.events import Event, SweepFinished
from twisted_detector.interfaces import (
    IDiscoverer,
    IEventListener,
    IFinder,
    IInspector,
    IOutput,
    IPublisher,
    ISightingSink,
    ISubscriber,
    IWatcher,
    MakerContext,
)
from twisted_detector.model import Candidate, Message, Priority, Sighting
from twisted_detector.service.extensions.guard import MAX_MESSAGES, PluginGuard
from twisted_detector.service.extensions.quota import BURST, RATE
from twisted_detector.service.extensions.record import FAULT_SECONDS, MAX_FAULTS
from twisted_detector.service.extensions.supervision import Supervision
from twisted_detector.testing.contracts import (
    discoverer_contract,
    inspector_contract,
    listener_contract,
    output_contract,
    publisher_contract,
    service_contract,
    watcher_contract,
)
from twisted_detector.testing.doubles import (
    MemoryDiscoverer,
    MemoryWatcher,
    RecordingListener,
    RecordingPublisher,
    ScriptedInspector,
)
from twisted_detector.testing.lan import RecordingSink
from twisted_detector.testing.subscriber import MemorySubscriber

EVENT = SweepFinished(at=0.0, method="x", duration=1.0, sightings=0, error="")
HERE = "10.0.0.5"


@implementer(IDiscoverer, IFinder)
class Failing:
    """Raises whatever it is given, in every call; a discoverer, listener, output, inspector, watcher and service."""

    name = "failing"
    counts = {"packets": 3}  # noqa: RUF012

    def __init__(self, error: BaseException) -> None:
        self.error = error
        self.calls = 0

    def fail(self, *_: Any) -> Any:
        self.calls += 1
        raise self.error

    async def sweep(self, sink: ISightingSink) -> None:
        self.fail()

    async def find(self, candidate: Candidate, sink: ISightingSink) -> None:
        self.fail()

    async def inspect(self, candidate: Candidate, login: Any) -> None:
        self.fail()

    handle = messages = fail


class Reading:
    """A socket of a plugin, as the reactor has it."""

    def fileno(self) -> int:
        return 7

    def doRead(self) -> None:
        raise ValueError("no")


class GuardCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        self.patch(PluginGuard, "log", SimpleNamespace(error=self.note, warn=self.note, failure=self.note))
        self.supervision = Supervision(self.clock.seconds)
        self.addCleanup(self.supervision.stop)
        self.guard = self.supervision.guard("acme")
        self.record = self.guard.record
        self.publisher = RecordingPublisher()
        self.subscriber = MemorySubscriber(self.clock)

    def note(self, text: str, **named: Any) -> None:
        self.lines.append(text.format(**{name: str(value) for name, value in named.items()}))

    def context(self) -> MakerContext:
        publish, subscribe = self.publisher.publish, self.subscriber.subscribe
        return self.guard.context(MakerContext(self.clock, None, {}, publish, subscribe))

    def disable(self) -> None:
        part = self.guard.part(Failing(ValueError("no")))
        for _ in range(MAX_FAULTS):
            with self.assertRaises(ValueError):
                part.handle(EVENT)
        self.assertTrue(self.record.disabled)


class Faults(GuardCase):
    def test_stands_for_the_part(self) -> None:
        """What stands for a part provides what it provides, has its name and counts, and is none where it is none."""
        part = self.guard.part(Failing(ValueError("no")))
        self.assertTrue(IDiscoverer.providedBy(part) and IFinder.providedBy(part))
        self.assertFalse(IWatcher.providedBy(part) or hasattr(part, "startWatching") or hasattr(part, "sweep_quickly"))
        self.assertEqual(("failing", {"packets": 3}), (part.name, part.counts))
        self.assertEqual("made", self.guard.part("made"))

    def test_ten_faults(self) -> None:
        """One that raises is disabled after ten faults, and named with the last one; it is called no more."""
        failing = Failing(ValueError("no"))
        part = self.guard.part(failing)
        for number in range(MAX_FAULTS):
            self.assertEqual("", self.record.disabled)
            with self.assertRaises(ValueError):
                part.handle(EVENT)
            self.assertEqual(number + 1, self.record.faults)
        (line,) = self.lines
        self.assertIn("Plugin acme is disabled", line)
        self.assertRegex(line, r"10 errors within a day, the last one: ValueError in test_guard.py, line \d+")
        part.handle(EVENT)
        self.assertEqual([], list(part.messages(EVENT)))
        self.assertIsNone(self.successResultOf(Deferred.fromCoroutine(part.inspect(Candidate("d", HERE), None))))
        error = self.failureResultOf(Deferred.fromCoroutine(part.sweep(RecordingSink())), LocalError)
        self.assertIn("the plugin is disabled", str(error.value))
        self.assertEqual(MAX_FAULTS, failing.calls)

    def test_every_way_of_failing(self) -> None:
        """A sweep, a search, an inspection, an output and a listener that raise are each a fault."""
        part = self.guard.part(Failing(ZeroDivisionError("no")))
        for work in (part.sweep(RecordingSink()), part.find(None, RecordingSink()), part.inspect(None, None)):
            self.failureResultOf(Deferred.fromCoroutine(work), ZeroDivisionError)
        for call in (part.handle, part.messages):
            self.assertRaises(ZeroDivisionError, call, EVENT)
        self.assertEqual(5, self.record.faults)

    def test_exit(self) -> None:
        """One that calls sys.exit does not end the daemon, whoever called it: that is a fault like any other."""
        part = self.guard.part(Failing(SystemExit(3)))
        self.failureResultOf(Deferred.fromCoroutine(part.sweep(RecordingSink())), RuntimeError)
        self.assertRaises(RuntimeError, part.handle, EVENT)
        self.assertEqual(2, self.record.faults)
        self.assertRegex(self.record.last_fault, r"RuntimeError in test_guard.py, line \d+")

    def test_no_coroutine(self) -> None:
        """A sweep that is no coroutine is a fault, and one that gives a Deferred works."""

        class Plain(Failing):
            def sweep(self, sink: ISightingSink) -> Any:
                return self.result

        plain = Plain(ValueError())
        part = self.guard.part(plain)
        plain.result = None  # type: ignore[attr-defined]
        self.failureResultOf(Deferred.fromCoroutine(part.sweep(RecordingSink())), TypeError)
        self.assertEqual(1, self.record.faults)
        waiting: Deferred[None] = Deferred()
        plain.result = waiting  # type: ignore[attr-defined]
        sweeping = Deferred.fromCoroutine(part.sweep(RecordingSink()))
        self.assertNoResult(sweeping)
        waiting.callback(None)
        self.successResultOf(sweeping)

    def test_allowed(self) -> None:
        """What an interface allows is no fault: a network that is away, a camera that does not answer, a stop."""
        for error in (OSError("no route"), CamdetectError("no"), CancelledError()):
            part = self.guard.part(Failing(error))
            self.failureResultOf(Deferred.fromCoroutine(part.sweep(RecordingSink())), type(error))
        part = self.guard.part(Failing(Unreachable("no")))
        self.failureResultOf(Deferred.fromCoroutine(part.inspect(None, None)), Unreachable)
        self.assertEqual(0, self.record.faults)

    def test_on_the_bus(self) -> None:
        """A listener that it subscribes itself is guarded like one that its maker makes."""
        bus = Bus()
        needed = self.guard.need(bus)
        failing = Failing(ValueError("no"))
        unsubscribe = needed.subscribe(failing)
        for _ in range(2 * MAX_FAULTS):
            needed.emit(EVENT)
        self.flushLoggedErrors(ValueError)
        self.assertEqual((MAX_FAULTS, True), (failing.calls, bool(self.record.disabled)))
        unsubscribe()

    def test_named(self) -> None:
        """What a listener raises is in the log under the plugin's name."""
        lines: list[str | None] = []
        observe = lambda event: lines.append(formatEvent(event))  # noqa: E731
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        bus = Bus()
        bus.subscribe(self.guard.part(Failing(ValueError("no"))))
        bus.emit(EVENT)
        self.flushLoggedErrors(ValueError)
        self.assertEqual(["Plugin acme (handle) failed at an event"], lines)

    def test_over_a_year(self) -> None:
        """One that stumbles now and then is not disabled: ten faults within a day are too many."""
        part = self.guard.part(Failing(ValueError("no")))
        for _ in range(5 * MAX_FAULTS):
            self.assertRaises(ValueError, part.handle, EVENT)
            self.clock.advance(FAULT_SECONDS / (MAX_FAULTS - 1) + 1)
        self.assertEqual(("", 50), (self.record.disabled, self.record.faults))

    def test_timers(self) -> None:
        """What a timer or a handler of a subscription raises is a fault of the plugin, too."""
        context = self.context()
        context.clock.callLater(1.0, Failing(ValueError("no")).fail)
        self.clock.advance(1.0)
        self.assertEqual(["Plugin acme failed in a timer"], self.lines)
        context.subscribe("t", Failing(ValueError("no")).fail)

        async def handle(topic: str, payload: bytes) -> None:
            raise ValueError(topic)

        context.subscribe("u", handle)
        for topic in "tu":
            self.subscriber.deliver(topic, b"")
        self.clock.advance(0)
        self.flushLoggedErrors(ValueError)
        self.assertEqual(3, self.record.faults)

    def test_datagrams(self) -> None:
        """What it raises of a datagram is counted, by a socket of its own as by one of the reactor's."""

        class Protocol(DatagramProtocol):
            def datagramReceived(self, datagram: bytes, addr: Any) -> None:
                calls.append(datagram)
                raise ValueError("no")

        calls: list[bytes] = []
        sockets: list[Any] = []
        added: list[Any] = []
        self.clock.listenUDP = lambda port, protocol, interface="": sockets.append((port, protocol, interface))  # type: ignore[attr-defined]
        self.clock.listenMulticast = lambda port, protocol, **_: sockets.append((port, protocol, ""))  # type: ignore[attr-defined]
        self.clock.addReader, self.clock.removeReader = added.append, added.remove  # type: ignore[attr-defined]
        reactor = self.context().reactor
        reader = Reading()
        reactor.addReader(reader)
        reactor.addReader(reader)
        self.assertEqual(7, added[0].fileno())
        self.assertRaises(ValueError, added[0].doRead)
        self.assertEqual(1, self.record.faults)
        added.pop()
        reactor.removeReader(reader)
        self.assertEqual([], added)
        own = Protocol()
        reactor.listenUDP(47200, own, interface="10.0.0.9")
        reactor.listenMulticast(47200, own, listenMultiple=True)
        (port, protocol, interface), (_, other, _) = sockets
        self.assertEqual((47200, "10.0.0.9"), (port, interface))
        protocol.makeConnection("transport")
        self.assertEqual("transport", own.transport)
        for _ in range(MAX_FAULTS - 2):
            self.assertRaises(ValueError, protocol.datagramReceived, b"x", (HERE, 1))
        self.assertRaises(ValueError, other.datagramReceived, b"x", (HERE, 1))
        self.assertTrue(self.record.disabled)
        protocol.datagramReceived(b"x", (HERE, 1))
        self.assertEqual(MAX_FAULTS - 1, len(calls))

    def test_timers_end(self) -> None:
        """A timer that raises and sets itself again is called no more, nor logged, once the plugin is disabled."""
        clock = self.context().clock
        calls: list[float] = []

        def tick() -> None:
            calls.append(self.clock.seconds())
            clock.callLater(1.0, tick)
            raise ValueError("no")

        clock.callLater(1.0, tick)
        self.clock.pump([1.0] * 50)
        self.assertEqual(MAX_FAULTS, len(calls))
        self.assertEqual(MAX_FAULTS, len(self.lines))  # nine faults, and that it is disabled
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_ended(self) -> None:
        """A disabled plugin's watchers and services are stopped at once, its subscriptions ended; later stops wait."""
        stopped: list[str] = []
        waiting: Deferred[None] = Deferred()

        class Running(Service):
            def stopService(self) -> Any:
                stopped.append("service")
                return waiting

        watcher = MemoryWatcher()
        sink = RecordingSink()
        watching, service = self.guard.part(watcher), self.guard.part(Running())
        watching.startWatching(sink)
        service.startService()
        self.assertTrue(IService.providedBy(service))
        heard: list[str] = []
        self.context().subscribe("t", lambda topic, payload: heard.append(topic))
        watcher.report(Sighting("memory", HERE, 0.0))
        self.assertEqual(1, self.record.counts["sightings"])
        self.disable()
        self.subscriber.deliver("t", b"")
        self.clock.advance(0)
        self.assertEqual((["service"], []), (stopped, heard))
        self.assertIsNone(watcher.sink)
        stopping = service.stopService()
        self.assertNoResult(stopping)
        waiting.callback(None)
        self.successResultOf(stopping)
        self.assertEqual(["service"], stopped)

    def test_stopped_by_the_daemon(self) -> None:
        """What the daemon stopped is not stopped again, when it raises afterwards."""
        stopped: list[str] = []

        class Running(Service):
            def stopService(self) -> Any:
                stopped.append("service")

        service = self.guard.part(Running())
        service.startService()
        service.stopService()
        self.disable()
        self.assertEqual(["service"], stopped)

    def test_cancelled(self) -> None:
        """A cancelled sweep is cancelled in the plugin, where it waits; that is no fault."""
        seen: list[str] = []

        class Waiting(Failing):
            async def sweep(self, sink: ISightingSink) -> None:
                try:
                    await Deferred()
                except CancelledError:
                    seen.append("cancelled")
                    raise

        sweeping = Deferred.fromCoroutine(self.guard.part(Waiting(ValueError())).sweep(RecordingSink()))
        self.assertNoResult(sweeping)
        sweeping.cancel()
        self.failureResultOf(sweeping, CancelledError)
        self.assertEqual((["cancelled"], 0), (seen, self.record.faults))

    def test_mac_is_passed_on(self) -> None:
        """What it says of a MAC comes to the detector as it said it, which believes the table of neighbours only."""
        discoverer = MemoryDiscoverer()
        sighting = Sighting("memory", HERE, 0.0)
        discoverer.sightings.append(sighting)
        sink = RecordingSink()
        self.successResultOf(Deferred.fromCoroutine(self.guard.part(discoverer).sweep(sink)))
        self.assertEqual([sighting], sink.sightings)

    def test_well(self) -> None:
        """Doubles work through the guard as they do without it."""
        inspector, listener = ScriptedInspector({HERE: None}), RecordingListener()
        part = self.guard.part(inspector)
        self.assertTrue(IInspector.providedBy(part))
        self.assertIsNone(self.successResultOf(Deferred.fromCoroutine(part.inspect(Candidate("d", HERE), None))))
        self.assertEqual([(HERE, None)], inspector.calls)
        heard = self.guard.part(listener)
        self.assertTrue(IEventListener.providedBy(heard))
        heard.handle(EVENT)
        self.assertEqual([EVENT], listener.events)
        self.assertEqual(0, self.record.faults)


class Messages(GuardCase):
    def flood(self, number: int, payload: bytes = b"", **more: Any) -> int:
        publish = self.context().publish
        for _ in range(number):
            publish(Message("t", payload, **more))
        return len(self.publisher.messages)

    def test_without_end(self) -> None:
        """One that publishes without end is limited, at once and in each second; it is counted and named."""
        self.assertEqual(BURST, self.flood(int(BURST) + 500))
        self.assertEqual((BURST, 500), (self.record.counts["published"], self.record.counts["limited"]))
        self.assertEqual(1, len(self.lines))
        self.assertIn("Plugin acme publishes more than it may", self.lines[0])
        self.clock.advance(1.0)
        self.assertEqual(BURST + RATE, self.flood(500))
        self.assertEqual(1, len(self.lines))

    def test_large(self) -> None:
        """A large payload costs as much as several messages; one that is larger than all goes out alone."""
        self.assertLess(self.flood(100, bytes(1_000_000)), 10)
        self.clock.advance(3600.0)
        before = len(self.publisher.messages)
        self.assertEqual(1, self.flood(3, bytes(50_000_000)) - before)

    def test_told_to_who_publishes(self) -> None:
        """What is dropped fails with Dropped, whether anybody looks or not; a critical message raises QueueFull."""
        self.flood(int(BURST))
        publish = self.context().publish
        publish(Message("t", b""))
        self.failureResultOf(publish(Message("t", b"")), Dropped)
        self.assertRaises(QueueFull, publish, Message("t", b"", priority=Priority.CRITICAL))
        self.assertEqual([], self.flushLoggedErrors())

    def test_all_ways(self) -> None:
        """An MQTT service that it needs is within the same quota, and a disabled one publishes nothing more."""
        mqtt = SimpleNamespace(publish=self.publisher.publish, subscribe=self.subscriber.subscribe, port=1)
        needed = self.guard.need(mqtt)
        self.assertEqual(1, needed.port)
        self.flood(int(BURST))
        self.failureResultOf(needed.publish(Message("t", b"")), Dropped)
        self.assertIs(self.clock, self.guard.need(self.clock))
        self.disable()
        self.clock.advance(3600.0)
        self.failureResultOf(needed.publish(Message("t", b"")), Dropped)

    def test_no_inspection(self) -> None:
        """An inspector that gives something else than an inspection has failed."""

        async def inspect(candidate: Candidate, login: Any) -> Any:
            return "a camera"

        part = self.guard.part(SimpleNamespace(name="i", inspect=inspect))
        self.failureResultOf(Deferred.fromCoroutine(part.inspect(Candidate("d", HERE), None)), TypeError)
        self.assertEqual(1, self.record.faults)

    def test_no_messages(self) -> None:
        """An output that makes something else than messages has failed, and nothing of it is published."""
        part = self.guard.part(SimpleNamespace(name="o", messages=lambda event: [Message("a/b", b""), "text"]))
        self.assertRaises(TypeError, part.messages, EVENT)
        self.assertEqual((1, 0), (self.record.faults, self.record.counts["messages"]))

    def test_output(self) -> None:
        """An output may make so many messages of one event, though it would make them without end."""

        @implementer(IOutput)
        class Endless:
            name = "endless"

            def messages(self, event: Event) -> Any:
                while True:
                    yield Message("t", b"")

        part = self.guard.part(Endless())
        self.assertEqual(MAX_MESSAGES, len(list(part.messages(EVENT))))
        self.assertEqual((MAX_MESSAGES, 1), (self.record.counts["messages"], self.record.counts["limited"]))


def guarded(stage: type[Any], name: str, how: str = "part") -> type[Any]:
    """The stage with its ``name`` behind a guard."""

    class GuardedStage(stage):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            guard = Supervision(lambda: 0.0).guard("acme")
            setattr(self, name, getattr(guard, how)(getattr(self, name)))

    return GuardedStage


class Mqtt:
    """What publishes and subscribes, as an MQTT service does."""

    def __init__(self, publisher: RecordingPublisher, subscriber: MemorySubscriber) -> None:
        self.publish, self.subscribe = publisher.publish, subscriber.subscribe
        directlyProvides(self, IPublisher, ISubscriber)


class PublisherStage(test_mqtt.RecordingStage):
    def __init__(self) -> None:
        super().__init__()
        mqtt = Mqtt(self.publisher, MemorySubscriber(Clock()))
        self.publisher = Supervision(lambda: 0.0).guard("acme").need(mqtt)
        self._sent = mqtt.publish.__self__  # type: ignore[attr-defined]

    def sent(self) -> Any:
        return self._sent.sent


class FailingStage(guarded(test_discovery.MemoryDiscovererStage, "discoverer")):  # type: ignore[misc]
    def fail(self, *, failing: bool) -> None:
        self.discoverer._other.problem = OSError("no socket") if failing else None


class GuardedDiscovererTests(discoverer_contract(FailingStage)):  # type: ignore[misc]
    """A discoverer keeps its contract behind a guard."""


class GuardedWatcherTests(watcher_contract(guarded(test_discovery.MemoryWatcherStage, "watcher"))):  # type: ignore[misc]
    """A watcher keeps its contract behind a guard."""


class GuardedInspectorTests(inspector_contract(guarded(test_inspection.ScriptedInspectorStage, "inspector"))):  # type: ignore[misc]
    """An inspector keeps its contract behind a guard."""


class GuardedOutputTests(output_contract(lambda: Supervision(lambda: 0.0).guard("acme").part(test_outputs.topics()))):  # type: ignore[misc]
    """An output keeps its contract behind a guard."""


class GuardedListenerTests(listener_contract(guarded(test_listeners.RecordingStage, "listener"))):  # type: ignore[misc]
    """A listener keeps its contract behind a guard."""


class GuardedServiceTests(service_contract(guarded(test_services.NotifierStage, "service"))):  # type: ignore[misc]
    """A service keeps its contract behind a guard."""


class GuardedPublisherTests(publisher_contract(PublisherStage)):  # type: ignore[misc]
    """What publishes keeps its contract behind a guard, within the quota."""
