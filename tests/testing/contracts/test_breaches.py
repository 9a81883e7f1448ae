"""Every contract sees its breaches: doubles with one fault each, and the tests that fail for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any
from unittest import TestResult, defaultTestLoader

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from tests.mqtt.test_outbox import MemoryJournal
from tests.outputs.case import Place
from tests.testing.contracts import (
    test_delivery,
    test_discovery,
    test_inspection,
    test_listeners,
    test_liveness,
    test_mqtt,
    test_services,
    test_store,
)
from tests.testing.contracts.test_neighbours import MemoryStage
from twisted_detector.errors import LoginWithheld, QueueFull
from twisted_detector.events import CameraEvent, CameraForgotten, Event, PictureTaken
from twisted_detector.interfaces import IOutput, ISightingSink
from twisted_detector.model import (
    Candidate,
    Inspection,
    Interface,
    JournalRecord,
    Login,
    Mac,
    Message,
    Stream,
    StreamReport,
)
from twisted_detector.outputs.sync.seams import DeliveryResult, Entries
from twisted_detector.testing import contracts
from twisted_detector.testing.doubles import (
    MemoryDiscoverer,
    MemoryStateStore,
    MemoryWatcher,
    RecordingListener,
    RecordingPublisher,
    ScriptedInspector,
    ScriptedValidator,
)
from twisted_detector.testing.lan import ETH0, MemoryLiveness, MemoryNeighbours
from twisted_detector.testing.outbox import MemoryOutbox
from twisted_detector.testing.subscriber import MemorySubscriber


def breaches(case: type[SynchronousTestCase]) -> set[str]:
    """The tests of a contract that fail."""
    result = TestResult()
    defaultTestLoader.loadTestsFromTestCase(case).run(result)
    assert result.testsRun > 3
    return {test.id().rpartition(".test_")[2] for test, _ in (*result.failures, *result.errors)}


def with_double(stage: type[Any], **parts: Any) -> type[Any]:
    """The stage with another double in it."""

    class Broken(stage):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            for name, make in parts.items():
                setattr(self, name, make(self))

    return Broken


class BreachCase(SynchronousTestCase):
    def assert_breach(self, case: type[SynchronousTestCase], *expected: str) -> None:
        """At least these tests fail, and not all of them."""
        found = breaches(case)
        self.flushLoggedErrors()
        self.assertLessEqual(set(expected), found)
        self.assertNotIn("interface", found)


class Discovery(BreachCase):
    def discoverer(self, kind: type[MemoryDiscoverer], *expected: str) -> None:
        stage = with_double(test_discovery.MemoryDiscovererStage, discoverer=lambda stage: kind(gate=stage.gate))
        self.assert_breach(contracts.discoverer_contract(stage), *expected)

    def watcher(self, kind: type[MemoryWatcher], *expected: str) -> None:
        stage = with_double(test_discovery.MemoryWatcherStage, watcher=lambda stage: kind())
        self.assert_breach(contracts.watcher_contract(stage), *expected)

    def test_reports_news_only(self) -> None:
        """A discoverer that keeps to itself what it reported before."""

        class Forgetful(MemoryDiscoverer):
            async def sweep(self, sink: ISightingSink) -> None:
                await super().sweep(sink)
                self.sightings.clear()

        self.discoverer(Forgetful, "again")

    def test_another_name(self) -> None:
        """One whose sightings bear another name."""

        class Renamed(MemoryDiscoverer):
            async def sweep(self, sink: ISightingSink) -> None:
                self.sightings = [replace(one, method="other") for one in self.sightings]
                await super().sweep(sink)

        self.discoverer(Renamed, "found")

    def test_cannot_be_cancelled(self) -> None:
        """One that goes on when it is cancelled, and one that does not close then."""

        class Deaf(MemoryDiscoverer):
            async def sweep(self, sink: ISightingSink) -> None:
                try:
                    await super().sweep(sink)
                except CancelledError:
                    await super().sweep(sink)

        class Leaky(MemoryDiscoverer):
            async def sweep(self, sink: ISightingSink) -> None:
                try:
                    await super().sweep(sink)
                except CancelledError:
                    self.running += 1
                    raise

        self.discoverer(Deaf, "cancelled")
        self.discoverer(Leaky, "cancelled")

    def test_failures(self) -> None:
        """One that says nothing of its failure, and one that raises what nobody expects."""

        class Silent(MemoryDiscoverer):
            async def sweep(self, sink: ISightingSink) -> None:
                if self.problem is None:
                    await super().sweep(sink)

        class Surprising(MemoryDiscoverer):
            async def sweep(self, sink: ISightingSink) -> None:
                if self.problem is not None:
                    raise KeyError("eth0")
                await super().sweep(sink)

        self.discoverer(Silent, "failure")
        self.discoverer(Surprising, "failure")

    def test_reports_after_the_stop(self) -> None:
        """A watcher that goes on after its stop."""

        class Tireless(MemoryWatcher):
            def stopWatching(self) -> Deferred[None] | None:
                return succeed(None)

        self.watcher(Tireless, "stopped", "stopped_twice")

    def test_stops_once(self) -> None:
        """One that can be stopped only while it watches."""

        class Strict(MemoryWatcher):
            def stopWatching(self) -> Deferred[None] | None:
                if self.sink is None:
                    raise ValueError("it does not watch")
                return super().stopWatching()

        self.watcher(Strict, "stopped_twice")

    def test_dead(self) -> None:
        """Neighbours whose watchers are not called for interfaces, or each as often as there are watchers."""

        class Dead(MemoryNeighbours):
            def change_interfaces(self, *addresses: Interface) -> None:
                self.addresses = list(addresses)

        class Echo(MemoryNeighbours):
            def learn(self, address: str, mac: Mac | None) -> None:
                for _ in self.watchers:
                    super().learn(address, mac)

        for kind, expected in ((Dead, "addresses"), (Echo, "neighbours")):
            stage = with_double(MemoryStage, neighbours=lambda stage, kind=kind: kind(ETH0))
            self.assert_breach(contracts.neighbours_contract(stage), expected)

    def test_liveness(self) -> None:
        """A check that takes every answer for an open port, or none for one."""

        class Credulous(MemoryLiveness):
            async def accepts(self, address: str, ports: Sequence[int]) -> bool:
                return await self.is_alive(address, ports)

        class Strict(MemoryLiveness):
            async def is_alive(self, address: str, ports: Sequence[int]) -> bool:
                return await self.accepts(address, ports)

        for kind, expected in ((Credulous, "accepts"), (Strict, "alive")):
            stage = with_double(test_liveness.MemoryStage, liveness=lambda stage, kind=kind: kind())
            self.assert_breach(contracts.liveness_contract(stage), expected)


class Inspecting(BreachCase):
    def inspector(self, kind: type[ScriptedInspector], *expected: str) -> None:
        stage = with_double(test_inspection.ScriptedInspectorStage, inspector=lambda stage: kind(gate=stage.gate))
        self.assert_breach(contracts.inspector_contract(stage), *expected)

    def test_without_permit(self) -> None:
        """An inspector that sends the login without a permit, and says each time that it was accepted."""

        class Careless(ScriptedInspector):
            async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
                return await super().inspect(candidate, login and Login(login.name, login.password))

        class Boasting(ScriptedInspector):
            async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
                if login is not None:
                    login.report_accepted()
                return await super().inspect(candidate, login)

        self.inspector(Careless, "right_login", "wrong_login", "withheld", "foreign_realm")
        self.inspector(Boasting, "no_login_wanted", "wrong_login")

    def test_withheld(self) -> None:
        """One that takes a login that is withheld for a device that is not there."""

        class Mistaken(ScriptedInspector):
            async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
                try:
                    return await super().inspect(candidate, login)
                except LoginWithheld:
                    return None

        self.inspector(Mistaken, "withheld")

    def test_other_errors(self) -> None:
        """One that raises an error of another kind."""

        class Surprising(ScriptedInspector):
            async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
                found = await super().inspect(candidate, login)
                if found is None:
                    raise ValueError("no XML")
                return found

        self.inspector(Surprising, "no_camera_of_its_kind")

    def test_check(self) -> None:
        """A validator whose check sees no change, and one whose check is a full proof."""

        class Blind(ScriptedValidator):
            async def check(self, stream: Stream, login: Login | None) -> StreamReport:
                self._proved[stream.url] = self.answers.get(stream.url, self.PLAYS)  # type: ignore[assignment]
                return await super().check(stream, login)

        class Costly(ScriptedValidator):
            async def check(self, stream: Stream, login: Login | None) -> StreamReport:
                return await self.validate(stream, login)

        for kind, expected in ((Blind, ("changed", "first_check")), (Costly, ("check",))):
            stage = with_double(
                test_inspection.ScriptedValidatorStage, validator=lambda stage, kind=kind: kind(gate=stage.gate)
            )
            self.assert_breach(contracts.validator_contract(stage), *expected)


class Telling(BreachCase):
    def publisher(self, kind: type[RecordingPublisher], *expected: str) -> None:
        class Broken(test_mqtt.RecordingStage):
            publisher_kind = kind

        self.assert_breach(contracts.publisher_contract(Broken), *expected)

    def test_early_answer(self) -> None:
        """A publisher that answers before the broker did."""

        class Hasty(RecordingPublisher):
            def publish(self, message: Message) -> Deferred[None]:
                super().publish(message)
                return succeed(None)

        self.publisher(Hasty, "acknowledged", "stopped")

    def test_no_bound(self) -> None:
        """One without a bound; and one that raises for what is not critical."""

        class Boundless(RecordingPublisher):
            def __init__(self, **more: Any) -> None:
                super().__init__(**{**more, "capacity": 50_000})

        class Raising(RecordingPublisher):
            def publish(self, message: Message) -> Deferred[None]:
                if self._outbox.depth() >= test_mqtt.RecordingStage.capacity:
                    raise QueueFull
                return super().publish(message)

        self.publisher(Boundless, "no_room")
        self.publisher(Raising, "no_room")

    def test_after_the_stop(self) -> None:
        """One that takes messages after its stop."""

        class Tireless(RecordingPublisher):
            def stop(self) -> None:
                """It never ends."""

        self.publisher(Tireless, "stopped")

    def test_subscriber(self) -> None:
        """A subscriber that forgets nobody; and one for which all is new."""

        class Clinging(MemorySubscriber):
            def subscribe(self, *arguments: Any, **more: Any) -> Any:
                super().subscribe(*arguments, **more)
                return lambda: None

        class Young(MemorySubscriber):
            def deliver(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
                super().deliver(topic, payload)

        for kind, expected in ((Clinging, "unsubscribed"), (Young, "retained")):

            class Broken(test_mqtt.MemorySubscriberStage):
                subscriber_kind = kind

            self.assert_breach(contracts.subscriber_contract(Broken), expected)

    def test_outbox(self) -> None:
        """An outbox that turns the order round when the connection is lost."""

        class Turned(MemoryOutbox):
            def connection_lost(self) -> None:
                self._waiting.extendleft(self._in_flight.values())
                self._in_flight.clear()

        class Broken(test_mqtt.MemoryOutboxStage):
            outbox_kind = Turned

        self.assert_breach(contracts.outbox_contract(Broken), "connection_lost")

    def test_journal(self) -> None:
        """A journal that says at once that all is safe; and one that removes nothing."""

        class Hasty(MemoryJournal):
            def append(self, record: JournalRecord) -> None:
                super().append(record)
                self.committed.notify((record.id,))

        class Hoarding(MemoryJournal):
            def remove(self, ids: Sequence[int]) -> None:
                """Nothing goes."""

        for kind, expected in (
            (Hasty, ("appended", "killed")),
            (Hoarding, ("removed", "removed_before_it_was_written")),
        ):

            class Broken(test_store.MemoryJournalStage):
                journal_kind = kind

            case = contracts.journal_contract(Broken)
            found = breaches(case)
            self.assertLessEqual(set(expected), found)

    def test_state_store(self) -> None:
        """A store that mixes its tables; and one that gives away its own values."""

        class Mixing(MemoryStateStore):
            async def load_values(self, table: str) -> Any:
                return {key: value for (_, key), value in self.values.items()}

        class Open(MemoryStateStore):
            def __init__(self) -> None:
                super().__init__()
                self.a: dict[str, str] = {}

            def save_value(self, table: str, key: str, value: str) -> Deferred[None]:
                if table == "a":
                    self.a[key] = value
                return super().save_value(table, key, value)

            async def load_values(self, table: str) -> Any:
                return self.a if table == "a" else await super().load_values(table)

        for kind, expected in ((Mixing, "values"), (Open, "copies")):
            stage = with_double(test_store.MemoryStateStoreStage, store=lambda stage, kind=kind: kind())
            self.assert_breach(contracts.state_store_contract(stage), expected)

    def test_delivery(self) -> None:
        """A destination that writes in a dry run, says each time that it changed something, or empties its base."""

        class Writing(Place):
            async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
                return await super().deliver(wanted, base, False)

        class Restless(Place):
            async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
                return replace(await super().deliver(wanted, base, dry), changed=True)

        class Greedy(Place):
            async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
                result = await super().deliver(wanted, base, dry)
                if isinstance(base, dict):
                    base.clear()
                return result

        for kind, expected in ((Writing, "dry"), (Restless, "delivered"), (Greedy, "moved")):
            stage = with_double(test_delivery.PlaceStage, destination=lambda stage, kind=kind: kind())
            self.assert_breach(contracts.delivery_contract(stage), expected)

    def test_output(self) -> None:
        """Outputs that use a clock, put names into topics, or leave behind what they retained."""

        @implementer(IOutput)
        class Output:
            name = "broken"
            clock = count()

            def messages(self, event: Event) -> Iterable[Message]:
                if isinstance(event, CameraForgotten):
                    yield Message(f"c/{event.camera.id}", b"", retain=True)
                elif isinstance(event, CameraEvent):
                    yield self.message(event)

            def message(self, event: CameraEvent) -> Message:
                return Message(f"c/{event.camera.id}", b"x", retain=True)

        class Clocked(Output):
            def message(self, event: CameraEvent) -> Message:
                return Message("t", b"%d" % next(self.clock))

        class Named(Output):
            def message(self, event: CameraEvent) -> Message:
                return Message(f"c/{event.camera.name}", b"x")

        class Littering(Output):
            def message(self, event: CameraEvent) -> Message:
                return Message(f"c/{event.camera.id}/state", b"x", retain=True)

        self.assertEqual(set(), breaches(contracts.output_contract(Output)))
        self.assert_breach(contracts.output_contract(Clocked), "pure", "repeated")
        self.assert_breach(contracts.output_contract(Named), "every_event")
        self.assert_breach(contracts.output_contract(Littering), "forgotten")

    def test_listener(self) -> None:
        """Listeners that raise, or leave a timer behind."""

        class Raising(RecordingListener):
            def handle(self, event: Event) -> None:
                if isinstance(event, PictureTaken):
                    raise ValueError(event)

        class Ticking(RecordingListener):
            def __init__(self, clock: Any) -> None:
                super().__init__()
                self.clock = clock

            def handle(self, event: Event) -> None:
                self.clock.callLater(3600.0, super().handle, event)

        stage = with_double(test_listeners.RecordingStage, listener=lambda stage: Raising())
        self.assert_breach(contracts.listener_contract(stage), "every_event", "any_order", "after_the_stop")
        stage = with_double(test_listeners.RecordingStage, listener=lambda stage: Ticking(stage.clock))
        self.assert_breach(contracts.listener_contract(stage), "after_the_stop")

    def test_service(self) -> None:
        """Services that begin before their start, raise in a timer, say too early that they stopped, or tick on."""

        class Idle(Service):
            def __init__(self, clock: Clock) -> None:
                self.clock = clock

        class Early(Idle):
            def __init__(self, clock: Clock) -> None:
                super().__init__(clock)
                clock.callLater(3600.0, int)

        class Ticking(Idle):
            def startService(self) -> None:
                super().startService()
                self.clock.callLater(1.0, self.startService)

        class Slow(Idle):
            def stopService(self) -> Any:
                super().stopService()
                return Deferred()

        class Ended(Idle):
            def startService(self) -> None:
                super().startService()
                self.clock.callLater(0.5, super().stopService)

        def stage(kind: type[Idle]) -> Any:
            class BrokenStage(test_services.Stage):
                def __init__(self) -> None:
                    self.clock = Clock()
                    self.service = kind(self.clock)

            return contracts.service_contract(BrokenStage)

        self.assertEqual(set(), breaches(stage(Idle)))
        for kind, expected in ((Early, "idle"), (Ticking, "stopped"), (Slow, "runs"), (Ended, "runs")):
            self.assert_breach(stage(kind), expected)
