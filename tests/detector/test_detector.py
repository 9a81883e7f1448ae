"""Detector: when it sweeps, inspects and checks, and that no fault stops it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import CancelledError, Deferred

from tests.detector.case import HERE, ID, THERE, XADDR, DetectorCase
from tests.facts import SILENT, A, B, C, inspection, serial, sighting
from twisted_detector.detector import detector as detector_module
from twisted_detector.detector.debounce import DEBOUNCE, DEBOUNCE_ANONYMOUS
from twisted_detector.detector.verification.mac_lookup import LOOKUP_TIMEOUT
from twisted_detector.events import CameraMoved, SweepFinished
from twisted_detector.interfaces import ISightingSink
from twisted_detector.model import Evidence, EvidenceKind, Mac, Status
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import (
    Gate,
    MemoryDiscoverer,
    MemoryWatcher,
    RecordingListener,
)
from twisted_detector.testing.lan import MemoryLiveness, MemoryNeighbours


class SweepTests(DetectorCase):
    def test_schedule(self) -> None:
        """The first sweep is at once, three follow quickly, some at growing distances, then one each interval."""
        self.start()
        [method] = self.methods
        self.assertEqual("aggressive", self.detector.phase)
        began = []
        for _ in range(700):
            began.append(method.sweeps)
            self.clock.advance(1)
        self.assertEqual([0, 10, 20, 40, 80, 380, 680], [began.index(count) for count in range(1, 8)])
        self.assertEqual(("steady", 7), (self.detector.phase, self.detector.sweeps))

    def test_no_overlap(self) -> None:
        """The next sweep waits for the slowest method of this one, also when one is asked for."""
        slow = MemoryDiscoverer(name="slow", gate=Gate())
        self.methods.append(slow)
        self.start()
        self.clock.advance(25)
        self.detector.rescan()
        self.assertEqual((1, 1, True), (slow.sweeps, self.methods[0].sweeps, self.detector.sweeping))
        slow.gate.open()  # type: ignore[union-attr]
        self.assertFalse(self.detector.sweeping)
        self.clock.advance(10)
        self.assertEqual((2, 2, 1), (slow.sweeps, self.methods[0].sweeps, slow.most))

    def test_two_of_one_name(self) -> None:
        """Two methods that call themselves the same are both waited for, and one sweep follows."""
        first, second = (MemoryDiscoverer(name="same", gate=Gate()) for _ in range(2))
        self.methods = [first, second]
        self.start()
        first.gate.open()  # type: ignore[union-attr]
        self.assertTrue(self.detector.sweeping)
        self.clock.advance(20)
        self.assertEqual((1, 1), (first.sweeps, second.sweeps))
        second.gate.open()  # type: ignore[union-attr]
        self.assertEqual(1, self.detector.sweeps)
        self.clock.advance(10)
        self.assertEqual((2, 2, 1, 1), (first.sweeps, second.sweeps, first.most, second.most))

    def test_time_out(self) -> None:
        """A sweep that takes too long is cancelled and told; what it saw stays, and sweeps go on."""
        slow = MemoryDiscoverer(sighting(HERE, xaddrs=XADDR, method="slow"), name="slow", gate=Gate())
        self.methods = [slow]
        self.start()
        self.clock.advance(29)
        self.assertTrue(self.detector.sweeping)
        self.clock.advance(1)
        [told] = self.sweeps()
        self.assertEqual(
            ("slow", "it took longer than 30 s", 30.0, 1), (told.method, told.error, told.duration, told.sightings)
        )
        self.assertEqual(([ID], 0), (self.ids(), slow.gate.waiting))  # type: ignore[union-attr]
        self.clock.advance(10)
        self.assertEqual(2, slow.sweeps)

    def test_failing_method(self) -> None:
        """A method that fails is told in plain words, hurts no other, and is tried again."""
        bad = MemoryDiscoverer(name="bad")
        bad.problem = OSError("no such device")
        worse = MemoryDiscoverer(name="worse")
        worse.problem = ZeroDivisionError("mine")
        good = MemoryDiscoverer(sighting(HERE, xaddrs=XADDR), name="good")
        self.methods = [bad, worse, good]
        self.start()
        self.assertEqual(
            {
                "bad": "no such device",
                "worse": "an internal error of camdetect or of a plugin (ZeroDivisionError: mine)",
                "good": "",
            },
            {event.method: event.error for event in self.sweeps()},
        )
        self.assertEqual([ID], self.ids())
        self.clock.advance(10)
        self.assertEqual([2, 2, 2], [method.sweeps for method in self.methods])
        self.assertEqual(4, self.detector.counts["failed_sweeps"])
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_method_that_is_no_coroutine(self) -> None:
        """A plugin whose sweep fails before it waits, or is no coroutine at all, does not end the sweeping."""

        class Plain:
            name = "plain"

            def sweep(self, sink: ISightingSink) -> None:
                return None

        class Raising(Plain):
            name = "raising"

            def sweep(self, sink: ISightingSink) -> None:
                raise ZeroDivisionError

        self.methods += [Plain(), Raising()]
        self.start()
        self.clock.advance(10)
        self.assertEqual(2, self.methods[0].sweeps)
        self.assertEqual(4, len(self.flushLoggedErrors(TypeError, ZeroDivisionError)))

    def test_sightings_are_counted(self) -> None:
        """What a method reported is in the event of its sweep, also when it reports at once; what it cost too."""
        self.methods = [MemoryDiscoverer(*(sighting(f"10.0.0.{n}", method="one") for n in range(1, 4)), name="one")]
        self.start()
        self.clock.advance(10)
        self.assertEqual([3, 3], [event.sightings for event in self.sweeps()])
        self.assertEqual(self.detector.last_sweep["one"], self.sweeps()[-1])

    def test_rescan(self) -> None:
        """A rescan sweeps now, in place of the sweep that was to come."""
        self.start()
        self.clock.advance(5)
        self.detector.rescan()
        self.assertEqual(2, self.methods[0].sweeps)
        self.clock.advance(9.9)
        self.assertEqual(2, self.methods[0].sweeps)
        self.clock.advance(0.1)
        self.assertEqual(3, self.methods[0].sweeps)

    def test_rescan_from_a_listener(self) -> None:
        """A listener that asks for a sweep when one has ended makes no second schedule."""
        detector = self.build()
        left = [1]

        class Eager:
            def handle(_, event: Any) -> None:
                if isinstance(event, SweepFinished) and left[0]:
                    left[0] -= 1
                    detector.rescan()

        self.bus.subscribe(Eager())  # type: ignore[arg-type]
        detector.start()
        self.addCleanup(self.stop)
        self.assertEqual(2, self.methods[0].sweeps)
        self.assertEqual(2, len(self.clock.getDelayedCalls()))  # the next sweep and the next checks

    def test_without_methods(self) -> None:
        """Without any method it lives by what watchers hear."""
        self.methods = []
        self.start()
        self.clock.advance(1000)
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.assertEqual([ID], self.ids())


class SightingTests(DetectorCase):
    def test_straight_to_the_camera(self) -> None:
        """What names a service address is asked at once, by the MAC that the kernel knows."""
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.assertEqual([ID], self.ids())

    def test_debounce(self) -> None:
        """A bare port waits for more to be told, longer when nothing but its address is known, and is asked once."""
        self.start()
        self.neighbours.macs.pop(THERE)
        for _ in range(3):
            self.watcher.report(sighting(HERE, rtsp_ports=(554,)))
            self.watcher.report(sighting(THERE, rtsp_ports=(554,)))
        self.clock.advance(DEBOUNCE - 0.1)
        self.assertEqual([], self.inspector.calls)
        self.clock.advance(0.1)
        self.assertEqual([(HERE, None)], self.inspector.calls)
        self.clock.advance(DEBOUNCE_ANONYMOUS - DEBOUNCE)
        self.assertEqual([(HERE, None), (THERE, None)], self.inspector.calls)

    def test_more_is_known_during_the_debounce(self) -> None:
        """When a service address is told meanwhile, it is asked at once, and not again when the wait is over."""
        self.start()
        self.watcher.report(sighting(HERE, rtsp_ports=(554,)))
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.assertEqual(1, len(self.inspector.calls))
        self.clock.advance(5)
        self.assertEqual(1, len(self.inspector.calls))

    def test_foreign_is_not_asked_at_every_sweep(self) -> None:
        """A printer that answers every sweep is asked once."""
        self.inspector.answers[HERE] = None
        self.methods = [MemoryDiscoverer(sighting(HERE, xaddrs=XADDR, open_ports=(80,)))]
        self.start()
        for _ in range(3000):
            self.clock.advance(1)
        self.assertGreater(self.methods[0].sweeps, 5)
        self.assertEqual(1, len(self.inspector.calls))

    def test_move(self) -> None:
        """A camera that is seen at another address has moved and is asked there at once."""
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.inspector.answers["10.0.0.7"] = inspection("10.0.0.7")
        self.neighbours.macs["10.0.0.7"] = A
        self.watcher.report(sighting("10.0.0.7"))
        self.assertEqual(1, len([event for event in self.listener.events if isinstance(event, CameraMoved)]))
        self.assertEqual(("10.0.0.7", None), self.inspector.calls[-1])
        self.assertEqual(("10.0.0.7", [ID]), (self.registry.cameras()[0].address, self.ids()))

    def test_goodbye(self) -> None:
        """A goodbye makes a camera offline at once, whatever way its address is written."""
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        for address in ("not an address", "10.9.9.9", f"::ffff:{HERE}"):
            self.assertIs(Status.ONLINE, self.registry.cameras()[0].status)
            self.watcher.report_departure(address)
        self.assertIs(Status.OFFLINE, self.registry.cameras()[0].status)

    def test_goodbye_of_one(self) -> None:
        """Of two cameras behind one address the one that its goodbye names is gone."""
        self.neighbours.macs.clear()
        self.start()
        for name in ("r1", "r2"):
            self.watcher.report(sighting(HERE, None, name, xaddrs=(f"http://{HERE}/{name}",)))
        self.clock.pump([1] * 5)
        self.watcher.report_departure(HERE)
        self.watcher.report_departure(HERE, "urn:uuid:R2")
        self.assertEqual(["epr-r1"], [one.id for one in self.registry.cameras() if one.online])

    def test_notations(self) -> None:
        """One address and one EndpointReference in several notations are one device."""
        self.neighbours.macs.clear()
        self.start()
        for address, reference in ((HERE, ""), (f"::ffff:{HERE}", "urn:uuid:ABC"), (HERE, "abc")):
            self.watcher.report(sighting(address, None, reference))
        self.assertEqual(1, len(self.registry.devices()))
        self.assertEqual("abc", self.registry.candidate(1).endpoint_reference)

    def test_unusable(self) -> None:
        """A sighting at an address where no device can stand is counted and dropped."""
        self.start()
        for address in ("", "camera.local", "0.0.0.0", "239.255.255.250", "255.255.255.255", "ff02::c"):
            self.watcher.report(sighting(address))
        self.assertEqual((6, ()), (self.detector.counts["unusable_sightings"], self.registry.devices()))

    def test_failing_neighbours(self) -> None:
        """When MACs cannot be looked up, devices are known without; that is logged once, not for each."""
        self.neighbours.problem = OSError("netlink")
        self.neighbours.macs.clear()
        self.start()
        for number in range(1, 6):
            self.watcher.report(sighting(f"10.0.0.{number}"))
        self.assertEqual((5, 5), (len(self.registry.devices()), self.detector.counts["failed_lookups"]))
        self.assertEqual(1, len(self.flushLoggedErrors(OSError)))

    def test_slow_neighbours(self) -> None:
        """A look-up that never ends is given up; the device is known without a MAC."""
        self.neighbours = SlowNeighbours()
        self.start()
        self.watcher.report(sighting(HERE))
        self.assertEqual((), self.registry.devices())
        self.clock.advance(LOOKUP_TIMEOUT)
        self.assertEqual((1, 0), (len(self.registry.devices()), self.neighbours.gate.waiting))
        self.assertIsNone(self.registry.candidate(1).mac)

    def test_flood(self) -> None:
        """Of a flood of sightings at most so many wait; the rest is dropped and counted; then all is well again."""
        self.patch(detector_module, "MAX_LOOKUPS", 100)
        self.neighbours = SlowNeighbours()
        self.start()
        for number in range(1000):
            self.watcher.report(sighting(f"10.1.{number // 200}.{number % 200 + 1}"))
        self.assertEqual((100, 900), (self.neighbours.gate.waiting, self.detector.counts["dropped_sightings"]))
        self.clock.advance(LOOKUP_TIMEOUT)
        self.assertEqual(100, len(self.registry.devices()))
        self.neighbours.macs[HERE] = C
        self.watcher.report(sighting(HERE, C, rtsp_ports=(554,)))
        self.assertEqual(101, len(self.registry.devices()))

    def test_failing_watcher(self) -> None:
        """A watcher that cannot begin or end is logged; the others watch."""
        bad = MemoryWatcher("bad")
        bad.problem = OSError("no multicast")
        self.watchers = [bad, self.watcher]
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.assertEqual([ID], self.ids())
        self.stop()
        self.assertEqual(2, len(self.flushLoggedErrors(OSError)))
        bad.problem = None


class SlowNeighbours(MemoryNeighbours):
    """Has to ask for what it does not know, and answers when its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = Gate()

    async def mac_of(self, address: str) -> Mac | None:
        if address not in self.macs:
            await self.gate.wait()
        return await super().mac_of(address)


class CheckTests(DetectorCase):
    def publish(self) -> None:
        self.start()
        self.watcher.report(sighting(HERE, xaddrs=XADDR))
        self.inspector.calls.clear()
        self.validator.validated.clear()

    def state(self) -> tuple[Status, Phase]:
        return self.registry.cameras()[0].status, self.registry.phase(self.registry.devices()[0])

    def test_checked_at_every_interval(self) -> None:
        """A camera is checked each minute, not inspected."""
        self.publish()
        self.clock.pump([1] * 180)
        self.assertEqual((3, []), (len(self.validator.validated), self.inspector.calls))

    def test_offline_exactly_at_the_limit(self) -> None:
        """The third missed check makes it offline; then it is inspected until it is back."""
        self.publish()
        self.validator.answers[f"rtsp://{HERE}:554/main"] = SILENT
        self.clock.pump([1] * 179)
        self.assertEqual((Status.ONLINE, Phase.SUSPECT), self.state())
        self.clock.advance(1)
        self.assertEqual((Status.OFFLINE, Phase.OFFLINE), self.state())
        self.assertEqual([], self.inspector.calls)
        self.validator.answers.clear()
        self.clock.pump([1] * 60)
        self.assertEqual((Status.ONLINE, Phase.ONLINE), self.state())
        self.assertEqual([(HERE, None)], self.inspector.calls)

    def test_a_failing_check_ends_nothing(self) -> None:
        """A registry that fails for one device is logged; the others are checked, now and later."""
        self.publish()
        self.watcher.report(sighting(THERE, xaddrs=(f"http://{THERE}/o",)))
        self.validator.validated.clear()
        real = self.registry.phase

        def failing(key: int) -> Phase:
            if key == 1:
                raise ZeroDivisionError
            return real(key)

        self.patch(self.registry, "phase", failing)
        self.clock.pump([1] * 120)
        self.assertEqual([f"rtsp://{THERE}:554/main"] * 2, [url for url, _ in self.validator.validated])
        self.assertEqual(2, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_a_failing_inspector_ends_nothing(self) -> None:
        """An inspector that fails or hangs costs its own jobs; sweeps and checks go on."""
        self.publish()
        self.inspector.answers[THERE] = ZeroDivisionError("a plugin")
        self.methods[0].sightings.append(sighting(THERE, xaddrs=(f"http://{THERE}/o",)))
        self.clock.pump([1] * 60)
        self.assertEqual(([ID], 1), (self.ids(), len(self.validator.validated)))
        self.assertTrue(self.flushLoggedErrors(ZeroDivisionError))
        self.inspector.answers[THERE], self.inspector.gate = inspection(THERE), Gate()
        self.detector.rescan()
        self.assertEqual(1, self.inspector.gate.waiting)
        seen = self.methods[0].sightings.pop()  # the sweeps that follow a rescan do not see it
        self.clock.pump([1] * 20)
        self.assertEqual(0, self.inspector.gate.waiting)
        self.inspector.gate = None
        self.methods[0].sightings.append(seen)
        self.detector.rescan()
        self.assertEqual([ID, B.compact], self.ids())

    def test_a_failing_listener_ends_nothing(self) -> None:
        """A listener that fails at every event stops neither sweeps nor checks."""
        bad = RecordingListener()
        bad.problem = ZeroDivisionError("a plugin")
        self.bus.subscribe(bad)
        self.publish()
        self.clock.pump([1] * 120)
        self.assertEqual((2, True), (len(self.validator.validated), self.methods[0].sweeps == 5))
        self.flushLoggedErrors(ZeroDivisionError)

    def test_command(self) -> None:
        """A camera can be asked for now; one that is not known cannot."""
        self.publish()
        self.assertEqual([True, False], [self.detector.check(ID), self.detector.check("nobody")])
        self.assertEqual([(HERE, None)], self.inspector.calls)

    def test_restored(self) -> None:
        """What an earlier run knew is asked at the start, before any sweep has ended."""
        self.publish()
        saved = self.registry.cameras()
        self.stop()
        self.registry = Registry(self.bus.emit, missed_limit=3)
        self.registry.restore(saved)
        self.methods = [MemoryDiscoverer(gate=Gate())]
        self.inspector.calls.clear()
        self.start()
        self.assertEqual((0, [(HERE, None)]), (self.detector.sweeps, self.inspector.calls))
        self.assertEqual((Status.ONLINE, Phase.ONLINE), self.state())


class StopTests(DetectorCase):
    def test_nothing_is_left(self) -> None:
        """After a stop no call waits, no coroutine runs, nobody watches, and nothing that is seen has an effect."""
        self.neighbours = SlowNeighbours()
        self.neighbours.macs.update({HERE: A, THERE: B})
        self.inspector.gate, self.validator.gate = Gate(), Gate()
        slow = MemoryDiscoverer(name="slow", gate=Gate())
        self.methods.append(slow)
        self.start()
        self.watcher.report(sighting(HERE, A, xaddrs=XADDR))
        self.watcher.report(sighting(THERE, B, rtsp_ports=(554,)))
        self.watcher.report(sighting("10.0.0.7"))
        gates = [self.neighbours.gate, self.inspector.gate, slow.gate]
        self.assertEqual([1, 1, 1], [gate.waiting for gate in gates if gate])
        sink = self.watcher.sink
        assert sink is not None
        self.stop()
        self.assertEqual([0, 0, 0], [gate.waiting for gate in gates if gate])
        self.assertIsNone(self.watcher.sink)
        sink.sighted(sighting(HERE, A))
        sink.departed("x", HERE)
        self.detector.rescan()
        self.assertEqual(
            ([], "stopped", 0, 1), (self.clock.getDelayedCalls(), self.detector.phase, self.queue.depth, slow.sweeps)
        )
        self.assertEqual([], self.flushLoggedErrors())

    def test_farewells_are_waited_for(self) -> None:
        """A sweep that has something to close when it is cancelled is waited for."""
        farewell = Gate()

        class Polite:
            name = "polite"

            async def sweep(self, sink: ISightingSink) -> None:
                try:
                    await Gate().wait()
                except CancelledError:
                    await farewell.wait()
                    raise

        self.methods = [Polite()]
        self.build().start()
        stopping = Deferred.fromCoroutine(self.detector.stop())
        self.assertNoResult(stopping)
        farewell.open()
        self.successResultOf(stopping)

    def test_stop_without_start(self) -> None:
        """What was not started can be stopped."""
        self.build()
        self.stop()


class SecondAddressTests(DetectorCase):
    """A camera with two addresses, and one that moves."""

    def setUp(self) -> None:
        super().setUp()
        self.neighbours.macs = {HERE: A, THERE: A}
        self.liveness = self.hosts = MemoryLiveness({HERE: ()})

    def moves(self) -> list[tuple[str, str]]:
        return [(one.old_address, one.new_address) for one in self.listener.events if isinstance(one, CameraMoved)]

    def published(self) -> None:
        self.start()
        self.watcher.report(sighting(HERE, A, "epr", xaddrs=XADDR))
        self.clock.pump([1] * 40)  # no sweep hears both within half a minute

    def test_both_answer(self) -> None:
        """Heard at a second address while it answers at the first: it has not moved, however often that happens."""
        self.published()
        for _ in range(4):
            self.watcher.report(sighting(THERE, A, "epr", xaddrs=(f"http://{THERE}/o",)))
            self.clock.pump([1] * 50)
            self.watcher.report(sighting(HERE, A, "epr", xaddrs=XADDR))
            self.clock.pump([1] * 50)
        self.assertEqual(([], [ID], HERE), (self.moves(), self.ids(), self.registry.cameras()[0].address))
        self.assertGreater(self.detector.counts["second_addresses"], 1)

    def test_the_second_says_nothing(self) -> None:
        """A second address at which only ports are seen is asked who it is, and is the same camera: no move."""
        said = (serial("SN-424242"), Evidence(EvidenceKind.ENDPOINT_REFERENCE, "epr", "onvif", 0.0))
        self.inspector.answers = {HERE: inspection(HERE, evidence=said), THERE: inspection(THERE, evidence=said)}
        self.published()
        for _ in range(3):
            self.watcher.report(sighting(THERE, A, rtsp_ports=(554,), open_ports=(554,)))
            self.clock.pump([1] * 50)
            self.watcher.report(sighting(HERE, A, "epr", xaddrs=XADDR))
            self.clock.pump([1] * 50)
        self.assertEqual(([], [ID], HERE), (self.moves(), self.ids(), self.registry.cameras()[0].address))

    def test_a_move(self) -> None:
        """Heard at another address and silent at the old one: it has moved."""
        self.published()
        self.hosts.ports = {THERE: set()}
        self.watcher.report(sighting(THERE, A, "epr"))
        self.assertEqual([(HERE, THERE)], self.moves())

    def test_another_answers(self) -> None:
        """At the old address another device answers, with another MAC: it has moved all the same."""
        self.published()
        self.neighbours.macs = {HERE: B, THERE: A}
        self.watcher.report(sighting(THERE, A, "epr"))
        self.assertEqual([(HERE, THERE)], self.moves())

    def test_only_moves_are_checked(self) -> None:
        """Nothing is checked where a device was seen last, for one that was never a camera, or for one that is away."""
        self.published()
        self.watcher.report(sighting(HERE, A, "epr"))
        self.watcher.report(sighting("10.0.0.9", C, "other"))
        self.hosts.ports.clear()
        self.watcher.report_departure(HERE)
        self.clock.pump([0.1] * 20)
        self.hosts.calls.clear()
        self.watcher.report(sighting(THERE, A, "epr"))
        self.assertEqual(([], [(HERE, THERE)]), (self.hosts.calls, self.moves()))


class WithoutLayer2(DetectorCase):
    """MAC_TRACKING_ENABLED is off."""

    mac_tracking = False

    def test_no_mac(self) -> None:
        """No MAC is looked up or believed; who shows only a MAC is nobody; a camera is known by its reference."""
        self.start()
        self.watcher.report(sighting(HERE, None, "urn:uuid:abc", xaddrs=XADDR))
        self.watcher.report(sighting(THERE, A))
        self.watcher.report(sighting(THERE, A, rtsp_ports=(554,)))
        self.clock.pump([1] * 5)
        self.assertEqual(([], ["epr-abc", "ip-10-0-0-6"]), (self.neighbours.lookups, self.ids()))
        self.assertEqual([None, None], [camera.mac for camera in self.registry.cameras()])

    def test_a_move(self) -> None:
        """A camera that says its reference at another address is followed."""
        self.inspector.answers = {HERE: inspection(HERE), THERE: inspection(THERE)}
        self.start()
        self.watcher.report(sighting(HERE, None, "urn:uuid:abc", xaddrs=XADDR))
        self.watcher.report(sighting(THERE, None, "urn:uuid:abc", xaddrs=(f"http://{THERE}/o",)))
        self.clock.pump([1] * 5)
        self.assertEqual((["epr-abc"], THERE), (self.ids(), self.registry.cameras()[0].address))
