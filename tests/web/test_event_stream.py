"""Server-sent events: who hears what, who comes back, who does not read; and the figures that the page draws."""

from __future__ import annotations

import gc
import re
import tracemalloc
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import FILES, WebSite, camera, frames
from twisted_detector.events import (
    CameraChanged,
    CameraDiscovered,
    CameraForgotten,
    CameraMoved,
    CameraOffline,
    CameraOnline,
    CameraRestored,
    ConnectionEvent,
    SweepFinished,
)
from twisted_detector.web import event_hub as hub_module
from twisted_detector.web.activity import MAX_ENTRIES, PACKED
from twisted_detector.web.history import COLUMNS, MAX_REASONS, OTHER, SAMPLES, MqttHistory


class StreamCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.one = camera(1)
        self.web = WebSite(self.one)

    def rename(self, *names: str) -> None:
        for name in names:
            self.web.cameras[self.one.id] = renamed = camera(1, name=name)
            self.web.activity.handle(CameraChanged(2000.0, renamed))

    def wait(self) -> None:
        self.web.clock.advance(hub_module.COALESCE)


class DeltaTests(StreamCase):
    def test_first_words(self) -> None:
        """A new page is told to ask for everything, before anything else."""
        line = self.web.stream()
        self.assertEqual("text/event-stream", line.value().decode().lower().split("content-type: ")[1].split("\r\n")[0])
        self.assertEqual(["reset"], [event for event, _, _ in frames(line)])

    def test_an_event(self) -> None:
        """An event is told within a twentieth of a second, as the card that is drawn and a line of the account."""
        line = self.web.stream()
        self.web.activity.handle(CameraOnline(2000.0, self.one))
        self.wait()
        told = {event: data for event, _, data in frames(line)}
        self.assertEqual("Camera 1", told["camera"]["name"])
        [line_] = told["happened"]["activity"]
        self.assertEqual(("online", "is online"), (line_["kind"], line_["text"]))

    def test_many_lines(self) -> None:
        """Of many lines of the account in one moment the latest are told, in one piece, the latest first."""
        line = self.web.stream()
        for number in range(100):
            self.web.activity.handle(CameraMoved(2000.0 + number, self.one, "a", f"b{number}"))
        self.wait()
        told = [data["activity"] for event, _, data in frames(line) if event == "happened"]
        self.assertEqual([60], [len(lines) for lines in told])
        self.assertEqual("moved from a to b99", told[0][0]["text"])

    def test_coalescing(self) -> None:
        """Of many changes of one camera in a moment, only how it stands is told."""
        line = self.web.stream()
        self.rename(*(f"name {number}" for number in range(50)))
        self.wait()
        self.assertEqual(["name 49"], [data["name"] for event, _, data in frames(line) if event == "camera"])

    def test_forgotten(self) -> None:
        """A camera that is forgotten goes, and comes back when it is found again."""
        line = self.web.stream()
        self.web.activity.handle(CameraForgotten(2000.0, self.one))
        self.wait()
        self.web.activity.handle(CameraDiscovered(2001.0, self.one))
        self.wait()
        events = [event for event, _, _ in frames(line) if event in ("gone", "camera")]
        self.assertEqual(["gone", "camera"], events)

    def test_others(self) -> None:
        """A sweep that ended and a change of the connection are told too; what was known before is not."""
        line = self.web.stream()
        self.web.activity.handle(SweepFinished(2000.0, "mdns", 1.0, 3))
        self.web.activity.handle(ConnectionEvent(2000.0, "disconnected", "reset", "waiting", 9.0, 0, 1))
        self.web.activity.handle(CameraRestored(2000.0, self.one))
        self.wait()
        self.assertEqual(["reset", "discovery", "connection"], [event for event, _, _ in frames(line)])

    def test_nobody_listens(self) -> None:
        """While nobody listens nothing is made ready, and the account is kept all the same."""
        self.web.activity.handle(CameraOnline(2000.0, self.one))
        self.assertEqual([], self.web.clock.getDelayedCalls())
        self.web.activity.handle(CameraMoved(2001.0, self.one, "10.0.0.2", "10.0.0.1"))
        texts = [line["text"] for line in self.web.activity.entries(camera_id=self.one.id)]
        self.assertEqual(["moved from 10.0.0.2 to 10.0.0.1", "is online"], texts)

    def test_the_account_is_long(self) -> None:
        """The account is kept to its bound, the latest first, of all cameras and of one; what is older is packed."""
        other = camera(2)
        for number in range(1, MAX_ENTRIES + 301):
            one = other if number % 100 == 0 else self.one
            self.web.activity.handle(CameraMoved(number, one, "a", f"b{number}"))
        told = self.web.activity.entries(limit=MAX_ENTRIES)
        self.assertEqual(
            [*range(MAX_ENTRIES + 300, MAX_ENTRIES + 300 - len(told), -1)], [one["number"] for one in told]
        )
        self.assertLess(len(self.web.activity.entries(limit=2 * MAX_ENTRIES)), MAX_ENTRIES + 1)
        self.assertGreater(len(told), MAX_ENTRIES - 2 * PACKED)
        self.assertEqual("moved from a to b2100", self.web.activity.entries(limit=201)[-1]["text"])
        texts = [one["text"] for one in self.web.activity.entries(camera_id=other.id, limit=3)]
        self.assertEqual([f"moved from a to b{number}" for number in (2300, 2200, 2100)], texts)
        self.assertLess(len(self.web.activity._entries), 2 * PACKED)

    def test_a_fault(self) -> None:
        """A card that cannot be made hurts no other."""
        line = self.web.stream()
        broken = camera(2, mac="no MAC")
        self.web.activity.handle(CameraOnline(2000.0, broken))
        self.web.activity.handle(CameraOffline(2000.0, self.one, "gone"))
        self.wait()
        self.assertEqual([self.one.id], [data["id"] for event, _, data in frames(line) if event == "camera"])
        self.assertEqual(1, len(self.flushLoggedErrors(AttributeError)))


class ComingBackTests(StreamCase):
    def test_nothing_missed(self) -> None:
        """Who comes back with the last number gets what came since, by header or in the query."""
        line = self.web.stream()
        self.rename("one")
        self.wait()
        last = frames(line)[-1][1]
        line.lost()
        self.rename("two")
        self.wait()
        again = self.web.stream(last_event_id=last)
        told = [(event, data.get("name")) for event, _, data in frames(again)]
        self.assertEqual([("hello", None), ("camera", "two")], told)

    def test_too_long_away(self) -> None:
        """Who was away for longer than is kept, or speaks of another run, is told to ask for everything."""
        line = self.web.stream()
        self.rename("one")
        self.wait()
        last = frames(line)[-1][1]
        line.lost()
        self.web.clock.advance(hub_module.LINGER + 1)
        self.rename("lost")
        for spoken in (last, "other-1", "boot-99999", "boot--1", "boot-", "x", "boot-" + "9" * 400):
            line = self.web.stream(last_event_id=spoken)
            self.assertEqual(["reset"], [event for event, _, _ in frames(line)], spoken)
            line.lost()

    def test_nothing_is_kept_for_nobody(self) -> None:
        """What was kept for a page that might have come back goes with the first event after that time."""
        line = self.web.stream()
        self.rename("one")
        self.wait()
        line.lost()
        self.assertEqual(1, len(self.web.hub._ring))
        self.web.clock.advance(hub_module.LINGER + 1)
        self.rename("two")
        self.assertEqual((0, 0), (len(self.web.hub._ring), self.web.hub._bytes))

    def test_ring_is_bounded(self) -> None:
        """The ring is bounded in frames and bytes; who was in the part that is gone asks for everything."""
        line = self.web.stream()
        first = frames(line)[0][1]
        line.lost()
        for _ in range(200):
            self.web.hub.publish("camera", "x", lambda: {"text": "x" * 20_000})
            self.wait()
        self.assertLessEqual(self.web.hub._bytes, hub_module.MAX_BYTES)
        self.assertLess(len(self.web.hub._ring), 200)
        self.assertEqual("reset", frames(self.web.stream(last_event_id=first))[0][0])


class ReadersTests(StreamCase):
    def test_too_many(self) -> None:
        """One page more than there is room for is refused, and told when to come again."""
        for _ in range(3):
            self.web.stream()
        got = self.web.ask("GET", "/api/v1/events")
        self.assertEqual((503, "10"), (got.status, got.headers["retry-after"]))

    def test_silence(self) -> None:
        """A silent stream gets a beat now and then, which takes no number; one that was left is forgotten."""
        line = self.web.stream()
        told = frames(line)
        self.web.clock.advance(hub_module.HEARTBEAT)
        self.assertEqual([*told, ("beat", "", {})], frames(line))
        silence = re.search(r"SILENCE = (\d+);", FILES["live.js"].data.decode())
        assert silence is not None
        self.assertLess(2 * hub_module.HEARTBEAT, int(silence[1]) / 1000, "one that is late ends no line")
        line.lost()
        self.assertEqual(0, len(self.web.hub))
        self.assertEqual([], self.web.clock.getDelayedCalls())

    def test_slow_reader(self) -> None:
        """Who does not read has a place and no buffer, catches up when it does, and is dropped when it never does."""
        line, other = self.web.stream(), self.web.stream()
        line.producer.pauseProducing()
        before = len(line.value())
        self.rename("a")
        self.wait()
        self.rename("b")
        self.wait()
        self.assertEqual(before, len(line.value()))
        line.producer.resumeProducing()
        self.assertEqual(["a", "b"], [data["name"] for event, _, data in frames(line) if event == "camera"])
        line.producer.pauseProducing()
        for _ in range(4):
            self.web.clock.advance(hub_module.HEARTBEAT)
        self.assertTrue(line.aborted)
        self.assertEqual((1, 1), (len(self.web.hub), self.web.hub.dropped))
        self.assertFalse(other.aborted)

    def test_falls_out_of_the_ring(self) -> None:
        """Who is so slow that what it misses is kept no more is dropped."""
        line = self.web.stream()
        line.producer.pauseProducing()
        for _ in range(200):
            self.web.hub.publish("camera", "x", lambda: {"text": "x" * 20_000})
            self.wait()
        self.assertTrue(line.aborted)

    def test_stop(self) -> None:
        """A stop ends every stream and leaves nothing behind."""
        line = self.web.stream()
        self.rename("one")
        self.web.hub.stop()
        self.assertTrue(line.aborted)
        line.lost()
        self.assertEqual([], self.web.clock.getDelayedCalls())


class HistoryTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.web = WebSite()
        self.history = self.web.history

    def test_series(self) -> None:
        """An hour of samples is kept, each with the columns that the document names."""
        for _ in range(SAMPLES + 10):
            self.history.sample()
        told = self.web.ask("GET", "/api/v1/mqtt").json
        self.assertEqual((SAMPLES, list(COLUMNS)), (len(told["rows"]), told["columns"]))
        row = dict(zip(told["columns"], told["rows"][-1], strict=True))
        self.assertEqual(("connected", 2, 9.0, 1), (row["state"], row["queue_event"], row["p99_ms"], row["lost"]))
        self.assertEqual(len(COLUMNS), len(set(COLUMNS)))

    def test_an_hour_is_kept_as_it_was(self) -> None:
        """Rows come back in their order, counts as counts, what was not known as null; they take no more with time."""
        taken = 0
        states = ("connected", "waiting")

        def block() -> dict[str, Any]:
            known = taken % 3 > 0
            return {
                "state": states[taken % 2], "queue_depth": {"state": taken}, "oldest_queued_s": 0.5 if known else None,
                "ack_latency_ms": {"p50": 2.5, "p99": 9.25} if known else {}, "acknowledged": 10**9 + taken,
                "dropped": {"expired": taken}, "success_rate": 0.875 if known else None,
            }  # fmt: skip

        history = MqttHistory(lambda: 1_796_051_023.1 + taken, block)
        rows = []
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        history.sample()
        before, _ = tracemalloc.get_traced_memory()
        for taken in range(SAMPLES):  # noqa: B007 — block reads it
            history.sample()
        gc.collect()
        self.assertLess(tracemalloc.get_traced_memory()[0] - before, 20_000)
        tracemalloc.stop()
        for taken in range(SAMPLES):  # noqa: B007
            rows.append(list(history.sample()))
        told = history.document()["rows"]
        self.assertEqual(rows, told)
        self.assertEqual([[type(cell) for cell in row] for row in rows], [[type(cell) for cell in row] for row in told])

    def test_reasons(self) -> None:
        """Why it was away is counted by reason, however many different ones a broker thinks up."""
        history = MqttHistory(lambda: 0.0, dict)
        for number in range(MAX_REASONS + 20):
            history.handle(ConnectionEvent(0.0, "disconnected", f"reason {number}", "waiting", 1.0, 0, 1))
        history.handle(ConnectionEvent(0.0, "failed", "reason 0", "waiting", 1.0, 1, 1))
        history.handle(ConnectionEvent(0.0, "connected", "", "connected", 1.0, 1, 2))
        reasons = {one["reason"]: one["count"] for one in history.document()["reasons"]}
        self.assertEqual((2, 20, MAX_REASONS + 1), (reasons["reason 0"], reasons[OTHER], len(reasons)))
        self.assertEqual("connected", history.document()["connections"][-1]["event"])
