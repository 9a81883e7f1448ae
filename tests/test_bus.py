"""Who is told what, in which order, whatever others do."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.bus import Bus
from twisted_detector.events import Event
from twisted_detector.testing.doubles import RecordingListener


class Answering:
    """Emits another event when it hears the first; notes what it hears into a shared list."""

    def __init__(self, bus: Bus, heard: list[tuple[str, float]], name: str, answers: int = 0) -> None:
        self.bus, self.heard, self.name, self.answers = bus, heard, name, answers

    def handle(self, event: Event) -> None:
        self.heard.append((self.name, event.at))
        if self.answers:
            self.answers -= 1
            self.bus.emit(Event(at=event.at + 1))


class BusTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.bus = Bus()

    def test_order_of_subscription(self) -> None:
        """Listeners hear in the order in which they came."""
        heard: list[tuple[str, float]] = []
        for name in "abc":
            self.bus.subscribe(Answering(self.bus, heard, name))
        self.bus.emit(Event(at=1))
        self.assertEqual([("a", 1), ("b", 1), ("c", 1)], heard)

    def test_nested_events_wait(self) -> None:
        """An event that a listener causes is told after all have heard the first: everybody hears one order."""
        heard: list[tuple[str, float]] = []
        self.bus.subscribe(Answering(self.bus, heard, "a", answers=2))
        self.bus.subscribe(Answering(self.bus, heard, "b"))
        self.bus.emit(Event(at=1))
        self.assertEqual([("a", 1), ("b", 1), ("a", 2), ("b", 2), ("a", 3), ("b", 3)], heard)

    def test_a_failing_listener_hurts_no_other(self) -> None:
        """What a listener raises is logged; the others hear, and it hears the next."""
        bad, good = RecordingListener(), RecordingListener()
        bad.problem = ZeroDivisionError("mine")
        self.bus.subscribe(bad)
        self.bus.subscribe(good)
        self.bus.emit(Event(at=1))
        self.bus.emit(Event(at=2))
        self.assertEqual(([1, 2], [1, 2]), ([e.at for e in bad.events], [e.at for e in good.events]))
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_unsubscribing(self) -> None:
        """Ending one subscription ends that one, once, also for who is subscribed twice."""
        listener = RecordingListener()
        end = self.bus.subscribe(listener)
        self.bus.subscribe(listener)
        end()
        end()
        self.bus.emit(Event(at=1))
        self.assertEqual(1, len(listener.events))

    def test_unsubscribed_by_another_while_telling(self) -> None:
        """Who is unsubscribed by a listener before it does not hear the event."""
        last = RecordingListener()

        class Ender:
            def handle(self, event: Event) -> None:
                end()

        self.bus.subscribe(Ender())  # type: ignore[arg-type]
        end = self.bus.subscribe(last)
        self.bus.emit(Event(at=1))
        self.assertEqual([], last.events)

    def test_subscribed_while_telling(self) -> None:
        """Who comes while an event is told hears the next one."""
        late = RecordingListener()

        class Bringer:
            def handle(_, event: Event) -> None:
                if event.at == 1:
                    self.bus.subscribe(late)

        self.bus.subscribe(Bringer())  # type: ignore[arg-type]
        self.bus.emit(Event(at=1))
        self.bus.emit(Event(at=2))
        self.assertEqual([2], [event.at for event in late.events])

    def test_an_endless_chain_ends(self) -> None:
        """A listener that answers each event by two cannot fill the memory: what is too much is lost, with a word."""
        bus = self.bus
        self.patch(Bus, "MAX_PENDING", 100)
        rest = [3000]

        class Doubling:
            def handle(self, event: Event) -> None:
                rest[0] -= 1
                if rest[0] > 0:
                    bus.emit(event)
                    bus.emit(event)
                longest[0] = max(longest[0], len(bus._pending))

        longest = [0]
        bus.subscribe(Doubling())  # type: ignore[arg-type]
        bus.emit(Event(at=1))
        self.assertLessEqual(longest[0], 100)
        listener = RecordingListener()
        bus.subscribe(listener)
        rest[0] = 0
        bus.emit(Event(at=2))
        self.assertEqual([2], [event.at for event in listener.events])
