"""Blocks of the health document go in; what a Prometheus server would read from the exposition comes out."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from prometheus_client.parser import text_string_to_metric_families
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.metrics import MqttMetrics
from twisted_detector.operations import prometheus
from twisted_detector.operations.prometheus import MAX_COUNTS, HistoryFigures, Metrics

OPERATIONS = Path(__file__).resolve().parents[2] / "docs" / "operations"


def blocks(**changes: Any) -> dict[str, Any]:
    """A health document's blocks as :class:`HealthReport` builds them."""
    outbox = {
        "queue_depth": {"CRITICAL": 0, "STATE": 3, "EVENT": 1, "TELEMETRY": 0},
        "in_flight": 2,
        "queued_bytes": 512,
        "oldest_queued_s": 1.5,
        "coalesced": 4,
        "dropped": {"expired": 1},
        "success_rate": 1.0,
    }
    snapshot = MqttMetrics().snapshot()
    snapshot |= {"state": "connected", "acknowledged": 40, "ack_latency_ms": {"p50": 2.0, "p99": 9.0}}
    return {
        "stats": {
            "by_status": {"online": 2, "offline": 1},
            "devices": 5,
            "inspections": {"online": 7, "unreachable": 2},
            "inspections_waiting": 1,
        },
        "mqtt": snapshot | outbox,
        "discovery": {
            "sweeping": True,
            "sweeps": 3,
            "looking": {"by_method": {"neighboursweep.arp": 100, "mdns.group": 5}, "total": 105},
            "last_sweep": {
                "mdns": {"at": "2026-05-04T03:02:01Z", "duration_s": 2.5, "sightings": 4, "error": "no interface"}
            },
            "methods": {"neighboursweep": {"packets": 100, "most_half_open": 12, "confirmed": 3}, "mdns": {"sent": 5}},
        },
        "consumers": {
            "frigate-api": {
                "program": "frigate",
                "name": "",
                "state": "done",
                "reason": "",
                "tries": 0,
                "cameras": 12,
            },
            "frigate-api.north": {
                "program": "frigate",
                "name": "north",
                "state": "away",
                "reason": "no answer",
                "tries": 3,
                "cameras": 2,
            },
        },
        "reactor": {"lag_ms": {"p50": 0.2, "p99": 4.0, "max": 20.0}},
    } | changes


class Past:
    """Figures of cameras, and how often each was asked for.

    :ivar looks: of each camera.
    """

    def __init__(self, figures: dict[str, tuple[float, float, int] | None]) -> None:
        self.told = figures
        self.dropped: Counter[str] = Counter(camera=3)
        self.looks: Counter[str] = Counter()

    def cameras(self) -> list[Any]:
        return [SimpleNamespace(id=one) for one in self.told]

    def figures(self, camera_id: str) -> tuple[float, float, int] | None:
        self.looks[camera_id] += 1
        return self.told[camera_id]


def scrape(document: dict[str, Any], past: Past | None = None) -> dict[tuple[str, ...], float]:
    """(name, label values…) → value."""
    figures = None if past is None else HistoryFigures(past.cameras, past)  # type: ignore[arg-type]
    text = Metrics(lambda: document, figures).exposition().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Shares(SynchronousTestCase):
    def test_share_of_nothing(self) -> None:
        """While no message was answered there is no share of those that succeeded, neither 1 nor 0."""
        document = blocks()
        self.assertEqual(1.0, scrape(document)[("camdetect_mqtt_success_ratio",)])
        document["mqtt"]["success_rate"] = None
        self.assertNotIn(("camdetect_mqtt_success_ratio",), scrape(document))


class History(SynchronousTestCase):
    def test_figures(self) -> None:
        """Availability, failures and the time between them by camera; what there is not has no series."""
        past = Past({"b": (1000.0, 990.0, 3), "a": (0.0, 0.0, 0), "c": (500.0, 500.0, 0), "d": None})
        read = scrape(blocks(), past)
        found = {labels[:2]: value for labels, value in read.items() if labels[0].startswith("camdetect_camera_")}
        self.assertEqual(
            {
                ("camdetect_camera_availability_ratio", "b"): 0.99,
                ("camdetect_camera_availability_ratio", "c"): 1.0,
                ("camdetect_camera_failures", "a"): 0,
                ("camdetect_camera_failures", "b"): 3,
                ("camdetect_camera_failures", "c"): 0,
                ("camdetect_camera_time_between_failures_seconds", "b"): 330.0,
            },
            found,
        )
        self.assertEqual(3, read["camdetect_history_dropped_total", "camera"])
        self.assertEqual(0, read["camdetect_history_dropped_total", "disk"])
        self.assertEqual([1], sorted(set(past.looks.values())))

    def test_bound(self) -> None:
        """Of more cameras than have series of their own the first by id have them, and the rest is counted."""
        self.patch(prometheus, "MAX_CAMERAS", 2)
        read = scrape(blocks(), Past(dict.fromkeys("dcba", (10.0, 10.0, 0))))
        names = [labels[1] for labels in read if labels[0] == "camdetect_camera_failures"]
        self.assertEqual((["a", "b"], 2), (names, read["camdetect_history_omitted_cameras",]))

    def test_none(self) -> None:
        """A daemon without a history has none of these."""
        self.assertEqual([], [name for name, *_ in scrape(blocks()) if name.startswith("camdetect_camera_")])


class Exposition(SynchronousTestCase):
    def test_connection(self) -> None:
        """The state is one series of five that is 1; milliseconds become seconds."""
        read = scrape(blocks())
        states = {labels[0]: value for (name, *labels), value in read.items() if name == "camdetect_mqtt_state"}
        self.assertEqual({"disconnected": 0, "connecting": 0, "connected": 1, "reconnecting": 0, "failed": 0}, states)
        self.assertAlmostEqual(0.009, read["camdetect_mqtt_ack_latency_seconds", "0.99"])
        self.assertEqual(40, read["camdetect_mqtt_acknowledged_total",])

    def test_outbox(self) -> None:
        """What waits is told by priority, what was given up by reason."""
        read = scrape(blocks())
        self.assertEqual(3, read["camdetect_mqtt_queue_depth", "state"])
        self.assertEqual(1, read["camdetect_mqtt_dropped_total", "expired"])
        self.assertEqual(1.5, read["camdetect_mqtt_oldest_queued_seconds",])

    def test_cameras(self) -> None:
        """Every status has a series, also one that no camera has."""
        read = scrape(blocks())
        self.assertEqual(
            {"online": 2, "offline": 1, "stream_error": 0, "auth_required": 0, "busy": 0, "sleeps": 0},
            {labels[0]: value for (name, *labels), value in read.items() if name == "camdetect_cameras"},
        )
        self.assertEqual(7, read["camdetect_inspections_total", "online"])

    def test_discovery(self) -> None:
        """Packets, sweeps and failures are told by method; a high-water mark is a gauge, not a counter."""
        read = scrape(blocks())
        self.assertEqual(100, read["camdetect_packets_sent_total", "neighboursweep.arp"])
        self.assertEqual(5, read["camdetect_packets_sent_total", "mdns.group"])
        self.assertEqual(1, read["camdetect_sweep_failed", "mdns"])
        self.assertEqual(12, read["camdetect_discovery_peak", "neighboursweep", "half_open"])
        self.assertNotIn(("camdetect_discovery_events_total", "neighboursweep", "most_half_open"), read)

    def test_consumers(self) -> None:
        """Each place of each Frigate and go2rtc has its own state, failures and number of cameras."""
        read = scrape(blocks())
        for name, target, done, tries, cameras in (
            ("", "frigate-api", 1, 0, 12),
            ("north", "frigate-api.north", 0, 3, 2),
        ):
            self.assertEqual(done, read["camdetect_consumer_state", name, "frigate", "done", target])
            self.assertEqual(1 - done, read["camdetect_consumer_state", name, "frigate", "away", target])
            self.assertEqual(tries, read["camdetect_consumer_failures", name, "frigate", target])
            self.assertEqual(cameras, read["camdetect_consumer_cameras", name, "frigate", target])

    def test_notices(self) -> None:
        """How many last, what was told, and what became of it by each way; nothing where no notices are told."""
        self.assertFalse([name for name, *_ in scrape(blocks()) if "notice" in name])
        ways = {"mail": {"sent": {"offline": 3, "test": 1}, "failures": 4, "lost": 2}}
        read = scrape({**blocks(), "notices": {"open": 2, "told": {"offline": 5, "back": 3}, "ways": ways}})
        self.assertEqual(2, read[("camdetect_notices_open",)])
        self.assertEqual(3, read["camdetect_notices_told_total", "back"])
        self.assertEqual(3, read["camdetect_notices_sent_total", "offline", "mail"])
        self.assertEqual(4, read["camdetect_notice_failures_total", "mail"])
        self.assertEqual(2, read["camdetect_notices_lost_total", "mail"])

    def test_nothing_yet(self) -> None:
        """Before the first acknowledgement there is no latency, rather than one of zero."""
        document = blocks()
        document["mqtt"] = document["mqtt"] | {"ack_latency_ms": {"p50": None, "p99": None}}
        self.assertNotIn("camdetect_mqtt_ack_latency_seconds", {name for name, *_ in scrape(document)})

    def test_bounded(self) -> None:
        """A plugin that counts by address does not flood the scraper."""
        document = blocks()
        document["discovery"]["methods"]["mine"] = {f"from 10.0.{n // 250}.{n % 250}": n for n in range(5000)}
        counted = [key for key in scrape(document) if key[:2] == ("camdetect_discovery_events_total", "mine")]
        self.assertEqual(MAX_COUNTS, len(counted))


class Operations(SynchronousTestCase):
    def test_names(self) -> None:
        """What the dashboard and the alert rules ask for is what a scrape gives."""
        given = {name for name, *_ in scrape(blocks())}
        for file in ("grafana-dashboard.json", "alerts.yml"):
            text = (OPERATIONS / file).read_text()
            asked = set(re.findall(r"\bcamdetect_[a-z_]+", text))
            self.assertGreater(len(asked), 5, file)
            self.assertEqual(set(), asked - given, file)

    def test_dashboard(self) -> None:
        """The dashboard is JSON as Grafana imports it: panels with ids of their own, within its 24 columns."""
        dashboard = json.loads((OPERATIONS / "grafana-dashboard.json").read_text())
        panels = dashboard["panels"]
        self.assertEqual(len(panels), len({panel["id"] for panel in panels}))
        for panel in panels:
            place = panel["gridPos"]
            self.assertLessEqual(place["x"] + place["w"], 24, panel["title"])
            self.assertTrue(all(target["expr"] for target in panel.get("targets", ())), panel["title"])
