"""The worked examples in plugins/: each does what its docstring says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface.verify import verifyObject

from tests.facts import A, B
from tests.plugins.case import START, Site
from twisted_detector.errors import QueueFull
from twisted_detector.events import CameraOnline, ConnectionEvent
from twisted_detector.interfaces import (
    IDiscoverer,
    IDiscovererMaker,
    IEventListener,
    IListenerMaker,
    IServiceExtension,
)
from twisted_detector.model import Camera, Priority
from twisted_detector.model.encoding import rfc3339
from twisted_detector.testing.lan import MemoryNeighbours, RecordingSink


class Addresses(Site):
    def sweep(self, text: str) -> tuple[Deferred[None], RecordingSink]:
        path = self.folder / "addresses.txt"
        path.write_text(text)
        neighbours = MemoryNeighbours(macs={"10.0.0.7": A})
        discoverer = self.maker(IDiscovererMaker, "addresses").make(self.context(path=str(path)), neighbours)
        self.assertTrue(verifyObject(IDiscoverer, discoverer))
        sink = RecordingSink()
        return Deferred.fromCoroutine(discoverer.sweep(sink)), sink

    def test_lines(self) -> None:
        """Each line is a sighting with its port; comments and empty lines are none."""
        swept, sink = self.sweep("# cameras\n10.0.0.5\n\n10.0.0.6 8554  # the yard\nfd00::1\n")
        self.assertIsNone(self.successResultOf(swept))
        self.assertEqual(
            [("10.0.0.5", (554,)), ("10.0.0.6", (8554,)), ("fd00::1", (554,))],
            [(sighting.address, sighting.rtsp_ports) for sighting in sink.sightings],
        )
        self.assertEqual({START}, {sighting.seen_at for sighting in sink.sightings})

    def test_macs(self) -> None:
        """A MAC is the address at which this machine knows it; an unknown one is no sighting and no fault."""
        swept, sink = self.sweep(f"{A} 8554\n{B}\n10.0.0.5\n")
        self.assertIsNone(self.successResultOf(swept))
        self.assertEqual(
            [("10.0.0.7", (8554,)), ("10.0.0.5", (554,))], [(one.address, one.rtsp_ports) for one in sink.sightings]
        )

    def test_not_an_address(self) -> None:
        """A line that is no address fails the sweep, which names it; what was seen before stays."""
        swept, sink = self.sweep("10.0.0.5\nyard camera\n")
        self.assertIn("yard", str(self.failureResultOf(swept).value))
        self.assertEqual(1, len(sink.sightings))


class JsonLines(Site):
    def test_events(self) -> None:
        """Every camera event is one line of JSON; other events are not written."""
        path = self.folder / "events.jsonl"
        listener = self.maker(IListenerMaker, "jsonl").make(self.context(path=str(path)))
        self.addCleanup(listener.file.close)
        self.assertTrue(verifyObject(IEventListener, listener))
        camera = Camera("aabbccddeeff", device_id="aabbccddeeff", channel=0, address="10.0.0.5")
        listener.handle(CameraOnline(START, camera))
        listener.handle(ConnectionEvent(START, "connected", "", "connected", 1.0, 1, 1))
        listener.handle(CameraOnline(START + 1, camera))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        self.assertEqual(["CameraOnline"] * 2, [line["event"] for line in lines])
        self.assertEqual("10.0.0.5", lines[0]["camera"]["ip"])
        self.assertEqual(rfc3339(START + 1), lines[1]["timestamp"])


class Telemetry(Site):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.folder / "temp"
        self.path.write_text("48500\n")
        settings = {"path": str(self.path), "topic": "site/temp", "scale": 0.001, "interval": 30}
        self.service = self.maker(IServiceExtension, "telemetry").make(self.context(**settings))
        self.service.startService()

    def test_samples(self) -> None:
        """A sample at the start and at each interval, as telemetry that expires."""
        self.path.write_text("49000\n")
        self.clock.pump([30.0, 29.0])
        self.assertEqual([48.5, 49.0], [document["value"] for document in self.documents("site/temp")])
        self.assertEqual(rfc3339(START + 30), self.documents("site/temp")[1]["timestamp"])
        message = self.publisher.messages[0]
        self.assertEqual((Priority.TELEMETRY, 60.0, False), (message.priority, message.expires_after, message.retain))

    def test_survives(self) -> None:
        """Neither a missing file, nor nonsense in it, nor a refused publish ends the samples; it is logged once."""
        self.path.unlink()
        self.clock.advance(30)
        self.path.write_text("warm")
        self.clock.advance(30)
        self.path.write_text("50000")
        self.publisher.problem = QueueFull()
        self.clock.advance(30)
        self.publisher.problem = None
        self.clock.advance(30)
        self.assertEqual([48.5, 50.0], [document["value"] for document in self.documents("site/temp")])
        self.assertEqual(1, len(self.flushLoggedErrors()))

    def test_stops(self) -> None:
        """After the stop nothing is left to happen."""
        self.service.stopService()
        self.assertEqual([], self.clock.getDelayedCalls())


class Consensus(Site):
    def setUp(self) -> None:
        super().setUp()
        self.service = self.make()

    def make(self, **settings: Any) -> Any:
        table = {"topic": "detection/+", "decision": "site/decision", "kinds": ["fire", "smoke"], **settings}
        service = self.maker(IServiceExtension, "consensus").make(self.context(**table))
        service.startService()
        return service

    def see(self, camera: str, kind: str = "fire", age: float = 0.0) -> None:
        document = {"kind": kind, "timestamp": rfc3339(self.clock.seconds() - age)}
        self.subscriber.deliver(f"detection/{camera}", json.dumps(document).encode())

    @property
    def decisions(self) -> list[list[str]]:
        return [document["cameras"] for document in self.documents("site/decision")]

    def test_two_cameras(self) -> None:
        """Two cameras that see the same within the window make one critical decision, which names them."""
        self.see("yard")
        self.clock.advance(9)
        self.see("door")
        self.assertEqual([["door", "yard"]], self.decisions)
        self.assertEqual(Priority.CRITICAL, self.publisher.messages[0].priority)
        document = self.documents("site/decision")[0]
        self.assertEqual(("fire", rfc3339(START + 9)), (document["kind"], document["timestamp"]))

    def test_one_camera(self) -> None:
        """One camera is no consensus, however often it says so."""
        for _ in range(20):
            self.see("yard")
            self.clock.advance(1)
        self.assertEqual([], self.decisions)

    def test_window(self) -> None:
        """Detections further apart than the window have nothing to do with each other."""
        self.see("yard")
        self.clock.advance(10)
        self.see("door")
        self.assertEqual([], self.decisions)

    def test_kinds_apart(self) -> None:
        """Fire here and smoke there is no consensus."""
        self.see("yard", "fire")
        self.see("door", "smoke")
        self.assertEqual([], self.decisions)

    def test_late(self) -> None:
        """A detection that was held up by an outage counts by when it was made."""
        self.see("yard", age=8)
        self.see("old", age=10)
        self.see("future", age=-10)
        self.clock.advance(2)
        self.see("door")
        self.assertEqual([], self.decisions)
        self.assertEqual(2, self.service.late)

    def test_one_incident(self) -> None:
        """An incident is decided once as long as it lasts, and anew after the cool-down without consensus."""
        for _ in range(40):
            self.see("yard")
            self.see("door")
            self.clock.advance(5)
        self.assertEqual(1, len(self.decisions))
        for _ in range(12):  # one camera alone does not keep it alive
            self.see("yard")
            self.clock.advance(5)
        self.see("door")
        self.assertEqual(2, len(self.decisions))
        self.assertEqual(2, len({document["id"] for document in self.documents("site/decision")}))

    def test_refused(self) -> None:
        """A decision that found no room is made again with the next detection."""
        self.publisher.problem = QueueFull()
        self.see("yard")
        self.see("door")
        self.assertEqual(1, self.subscriber.failures)
        self.flushLoggedErrors(QueueFull)
        self.publisher.problem = None
        self.see("door")
        self.assertEqual([["door", "yard"]], self.decisions)

    def test_bad_payloads(self) -> None:
        """What is no detection is counted, and changes nothing."""
        bad = [
            b"",
            b"\xff",
            b"[]",
            b'"fire"',
            b"{}",
            b'{"kind": ["fire"], "timestamp": "2026-01-01T00:00:00Z"}',
            b'{"kind": "cat", "timestamp": "2026-01-01T00:00:00Z"}',
            b'{"kind": "fire", "timestamp": 5}',
            b'{"kind": "fire", "timestamp": "now"}',
            b"[" * 100_000,
        ]
        for payload in bad:
            self.subscriber.deliver("detection/yard", payload)
        self.see("x" * 101)
        self.see("door")
        self.assertEqual(len(bad) + 1, self.service.unreadable)
        self.assertEqual(([], 0), (self.decisions, self.subscriber.failures))

    def test_bounded(self) -> None:
        """However many cameras are invented, a bounded number is held, the newest."""
        self.service.stopService()
        service = self.make(cameras=5000)
        for number in range(1500):
            self.see(f"camera{number}")
        self.assertEqual(1000, len(service.held["fire"]))
        self.assertEqual(1000, len(self.clock.getDelayedCalls()))
        self.assertIn("camera1499", service.held["fire"])

    def test_stops(self) -> None:
        """After the stop nothing is subscribed and nothing left to happen."""
        self.see("yard")
        self.see("door")
        self.service.stopService()
        self.assertEqual(([], []), (list(self.subscriber.filters), self.clock.getDelayedCalls()))


class Actuator(Site):
    def setUp(self) -> None:
        super().setUp()
        self.output = self.folder / "value"
        self.output.write_text("")
        self.writes: list[bytes] = []
        self.broken: set[Path] = set()
        self.service = self.begin()

    def begin(self) -> Any:
        """A start of the process: nothing is known but what is on the disk."""
        made = self.maker(IServiceExtension, "actuator").make(
            self.context(topic="site/siren/set", path=str(self.output), max_age=30)
        )
        made.in_thread = self.in_thread
        made.startService()
        return made

    def restart(self) -> None:
        self.service.stopService()
        self.service = self.begin()

    def in_thread(self, function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
        """The thread, here and now; it notes what the output gets."""
        path = getattr(function, "__self__", None) or arguments[0]
        if path in self.broken:
            return maybeDeferred(Path("/nowhere/at/all").write_bytes, b"")
        if path == self.output:
            self.writes.append(arguments[0])
        return maybeDeferred(function, *arguments)

    def command(self, identifier: str, on: bool = True, age: float = 0.0) -> dict[str, Any]:
        """Say a command; its answer."""
        document = {"id": identifier, "on": on, "timestamp": rfc3339(self.clock.seconds() - age)}
        return self.say(json.dumps(document).encode())

    def say(self, payload: bytes) -> dict[str, Any]:
        before = len(self.publisher.messages)
        self.subscriber.deliver("site/siren/set", payload)
        answers = self.documents("site/siren/set/result")[before:]
        self.assertEqual(1, len(answers))
        return answers[0]

    def test_obeys(self) -> None:
        """A command switches the output on or off, and is answered."""
        answer = self.command("a", on=True)
        self.assertEqual(("a", True), (answer["id"], answer["ok"]))
        self.assertEqual("1", self.output.read_text())
        self.command("b", on=False)
        self.assertEqual("0", self.output.read_text())

    def test_twice(self) -> None:
        """A command that comes twice is obeyed once and answered twice, alike."""
        first = self.command("a")
        self.command("b", on=False)
        self.assertEqual(first, self.command("a"))
        self.assertEqual([b"1", b"0"], self.writes)

    def test_twice_over_a_restart(self) -> None:
        """Nor is it obeyed a second time by another life of the process."""
        first = self.command("a")
        self.restart()
        self.assertEqual(first, self.command("a"))
        self.assertEqual([b"1"], self.writes)

    def test_killed_between(self) -> None:
        """Killed after remembering and before switching: not obeyed again, and the answer says that nobody knows."""
        hold: Deferred[None] = Deferred()
        service_thread = self.in_thread

        def until_the_output(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
            return hold if getattr(function, "__self__", None) == self.output else service_thread(function, *arguments)

        self.service.in_thread = until_the_output
        document = {"id": "a", "on": True, "timestamp": rfc3339(START)}
        self.subscriber.deliver("site/siren/set", json.dumps(document).encode())
        self.restart()
        answer = self.command("a")
        self.assertFalse(answer["ok"])
        self.assertIn("interrupted", answer["error"])
        self.assertEqual([], self.writes)
        hold.addErrback(lambda _: None)
        hold.cancel()

    def test_one_at_a_time(self) -> None:
        """A command that comes again while it is being obeyed waits, and gets the same answer."""
        hold: Deferred[int] = Deferred()
        writes = []

        def slowly(function: Callable[..., Any], *arguments: Any) -> Deferred[Any]:
            if getattr(function, "__self__", None) == self.output:
                writes.append(arguments)
                return hold
            return self.in_thread(function, *arguments)

        self.service.in_thread = slowly
        payload = json.dumps({"id": "a", "on": True, "timestamp": rfc3339(START)}).encode()
        self.subscriber.deliver("site/siren/set", payload)
        self.subscriber.deliver("site/siren/set", payload)
        self.assertEqual([], self.publisher.messages)
        hold.callback(1)
        self.assertEqual([True, True], [answer["ok"] for answer in self.documents("site/siren/set/result")])
        self.assertEqual(1, len(writes))

    def test_stale(self) -> None:
        """A command that is too old, or from the future, is not obeyed."""
        for age in (31.0, -31.0, 1e6):
            answer = self.command(f"aged {age}", age=age)
            self.assertFalse(answer["ok"])
            self.assertIn("too old", answer["error"])
        self.assertTrue(self.command("just in time", age=29.0)["ok"])
        self.assertEqual([b"1"], self.writes)

    def test_forgotten_is_stale(self) -> None:
        """When an id has been forgotten, its command is too old to be obeyed again."""
        stamp = rfc3339(self.clock.seconds() + 29)
        payload = json.dumps({"id": "a", "on": True, "timestamp": stamp}).encode()
        self.say(payload)
        for _ in range(100):
            self.clock.advance(1)
            self.say(payload)
        self.assertEqual([b"1"], self.writes)
        self.command("b")
        self.assertEqual(["b"], list(self.service.answers))

    def test_bad_payloads(self) -> None:
        """What is no command is answered with an error, and nothing is switched."""
        stamp = rfc3339(START)
        bad = [
            b"",
            b"on",
            b"\xff",
            b"[]",
            b"[" * 100_000,
            json.dumps({"id": "a", "on": True}).encode(),
            json.dumps({"id": "", "on": True, "timestamp": stamp}).encode(),
            json.dumps({"id": "a" * 101, "on": True, "timestamp": stamp}).encode(),
            json.dumps({"id": 5, "on": True, "timestamp": stamp}).encode(),
            json.dumps({"id": "a", "on": "yes", "timestamp": stamp}).encode(),
            json.dumps({"id": "a", "on": 1, "timestamp": stamp}).encode(),
            json.dumps({"id": "a", "on": True, "timestamp": START}).encode(),
            json.dumps({"id": "a", "on": True, "timestamp": "2023-11-14T22:13:20"}).encode(),
            json.dumps({"id": "a", "on": True, "timestamp": "today"}).encode(),
        ]
        for payload in bad:
            answer = self.say(payload)
            self.assertEqual((None, False), (answer["id"], answer["ok"]))
        self.assertEqual(([], 0), (self.writes, self.subscriber.failures))

    def test_state_is_corrupt(self) -> None:
        """With an unreadable file nothing from before the start is obeyed, later commands are; a restart keeps that."""
        self.command("a")
        before = self.clock.seconds()
        for nonsense in (b"", b"{", b"[1]", b'{"answers": 5, "not_before": 0}', b'{"answers": {}}', b"\xff"):
            (self.folder / "actuator.json").write_bytes(nonsense)
            self.clock.advance(1)
            self.restart()
            self.assertFalse(self.command("a", age=self.clock.seconds() - before)["ok"])
        self.assertTrue(self.command("b")["ok"])
        self.restart()
        self.assertFalse(self.command("a", age=self.clock.seconds() - before)["ok"])
        self.assertEqual([b"1", b"1"], self.writes)

    def test_cannot_remember(self) -> None:
        """A command that cannot be remembered is not obeyed; it may be said again."""
        self.broken.add(self.folder / "actuator.json")
        answer = self.command("a")
        self.assertFalse(answer["ok"])
        self.assertIn("cannot be remembered", answer["error"])
        self.assertEqual([], self.writes)
        self.broken.clear()
        self.assertTrue(self.command("a")["ok"])

    def test_output_fails(self) -> None:
        """An output that cannot be switched is an error in the answer, and in that of the repetition."""
        self.broken.add(self.output)
        answer = self.command("a")
        self.assertFalse(answer["ok"])
        self.assertIn("No such file", answer["error"])
        self.broken.clear()
        self.assertEqual(answer, self.command("a"))

    def test_flood(self) -> None:
        """More commands than can be remembered within their age are refused, not obeyed and forgotten."""
        self.service.answers = {str(number): [START, {"ok": True}] for number in range(1000)}
        self.assertIn("too many", self.command("a")["error"])
        self.clock.advance(31)
        self.assertTrue(self.command("b")["ok"])

    def test_stops(self) -> None:
        """After the stop nothing is subscribed."""
        self.service.stopService()
        self.assertEqual([], list(self.subscriber.filters))
