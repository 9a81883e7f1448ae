"""Exporter of the health document's figures in Prometheus' text format.

Names follow Prometheus' rules: base units (seconds, bytes), ``_total`` for counters, one unit a metric.
https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from twisted_detector import __version__
from twisted_detector.model import Camera
from twisted_detector.seams import IHistory

#: Connection states, each a series of ``camdetect_mqtt_state`` that is 1 or 0 (Prometheus' way with an enumeration).
STATES = ("disconnected", "connecting", "connected", "reconnecting", "failed")
#: A camera's states; always all of them, so that an alert on a rise from nothing works.
STATUSES = ("online", "offline", "stream_error", "auth_required", "busy", "sleeps")
#: States of a target of Frigate or go2rtc, likewise.
CONSUMER_STATES = ("idle", "done", "dry run", "away", "refused")
#: Series of one method's counts at most: a plugin may count by address, and must not flood the scraper.
MAX_COUNTS = 64
#: Cameras with series of their own: a scrape of so many takes some 40 ms. Of more, the first by id.
MAX_CAMERAS = 1000

_MILLI = 1e-3
#: Prefix of a high-water mark in the counts of a discovery method.
_PEAK = "most_"

#: name → (help, key of the ``mqtt`` block)
_MQTT_COUNTERS = {
    "connects": ("Connections that the broker accepted", "connects"),
    "disconnects": ("Connections that broke", "disconnects"),
    "connection_failures": ("Connection attempts that failed", "failures"),
    "published": ("Messages handed to the broker, repetitions included", "published"),
    "acknowledged": ("Messages that the broker acknowledged", "acknowledged"),
    "refused": ("Messages that the broker refused", "refused"),
    "received": ("Messages from the broker", "received"),
    "too_large": ("Messages from the broker that were passed over for their size", "too_large"),
    "coalesced": ("Retained states that a newer one replaced in the queue", "coalesced"),
}
_MQTT_GAUGES = {
    "in_flight": ("Messages sent and not acknowledged yet", "in_flight", 1.0),
    "queued_bytes": ("Bytes of payload and topic that wait", "queued_bytes", 1.0),
    "oldest_queued_seconds": ("Age of the oldest message that waits", "oldest_queued_s", 1.0),
    "success_ratio": ("Share of the messages answered or lost that were acknowledged", "success_rate", 1.0),
}


@dataclass(frozen=True, slots=True)
class HistoryFigures:
    """The past of the cameras that are known now."""

    cameras: Callable[[], Sequence[Camera]]
    history: IHistory


class Metrics:
    """Registry of all metrics, for the scrapes of ``/metrics``.

    :param blocks: the blocks of the health document of this moment (:meth:`HealthReport.blocks`).
    :param past: of the cameras; None where it is not kept.
    """

    content_type = CONTENT_TYPE_LATEST

    def __init__(self, blocks: Callable[[], Mapping[str, Any]], past: HistoryFigures | None = None) -> None:
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(_Blocks(blocks))
        if past is not None:
            self._registry.register(PastCollector(past))
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)

    def exposition(self) -> bytes:
        """All metrics in the text format, version 0.0.4 or newer; see :attr:`content_type`."""
        return generate_latest(self._registry)


class _Blocks:
    """Collector for prometheus_client: reads the blocks at each scrape."""

    def __init__(self, blocks: Callable[[], Mapping[str, Any]]) -> None:
        self._blocks = blocks

    def describe(self) -> Iterable[Metric]:
        """Nothing: the blocks must not be read before the daemon has started."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family, from one reading of the blocks."""
        blocks = self._blocks()
        yield InfoMetricFamily("camdetect", "The daemon", {"version": __version__})
        yield from _mqtt(blocks["mqtt"])
        yield from _cameras(blocks["stats"])
        yield from _discovery(blocks["discovery"])
        yield from _consumers(blocks["consumers"])
        if "notices" in blocks:
            yield from _notices(blocks["notices"])
        lag = GaugeMetricFamily(
            "camdetect_reactor_lag_seconds", "How late the reactor calls, over ten minutes", labels=["quantile"]
        )
        for quantile, key in (("0.5", "p50"), ("0.99", "p99"), ("1", "max")):
            lag.add_metric([quantile], blocks["reactor"]["lag_ms"][key] * _MILLI)
        yield lag


class PastCollector:
    """Collector for prometheus_client: the last seven days of each camera."""

    def __init__(self, past: HistoryFigures) -> None:
        self._past = past

    def describe(self) -> Iterable[Metric]:
        """Nothing, as of :class:`_Blocks`."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family; a figure that there is not (no failure, never observed) has no series."""
        labels = ["camera"]
        available = GaugeMetricFamily(
            "camdetect_camera_availability_ratio",
            "Share of the observed time of the last seven days in which the camera was online",
            labels=labels,
        )
        failures = GaugeMetricFamily(
            "camdetect_camera_failures", "How often it ceased to be online in the last seven days", labels=labels
        )
        between = GaugeMetricFamily(
            "camdetect_camera_time_between_failures_seconds",
            "Mean time online for each failure of the last seven days",
            labels=labels,
        )
        ids = sorted(camera.id for camera in self._past.cameras())
        for camera_id in ids[:MAX_CAMERAS]:
            figures = self._past.history.figures(camera_id)
            if figures is None:
                continue
            observed, online, count = figures
            failures.add_metric([camera_id], count)
            if observed > 0:
                available.add_metric([camera_id], min(1.0, online / observed))
            if count:
                between.add_metric([camera_id], online / count)
        yield from (available, failures, between)
        yield GaugeMetricFamily(
            "camdetect_history_omitted_cameras",
            "Cameras beyond the first 1 000, which have no series",
            value=max(0, len(ids) - MAX_CAMERAS),
        )
        dropped = CounterMetricFamily(
            "camdetect_history_dropped", "Changes of state that were not kept", labels=["reason"]
        )
        for reason in ("camera", "disk", "rows"):
            dropped.add_metric([reason], self._past.history.dropped.get(reason, 0))
        yield dropped


def _mqtt(block: Mapping[str, Any]) -> Iterator[Metric]:
    state = GaugeMetricFamily("camdetect_mqtt_state", "1 for the state that the connection is in", labels=["state"])
    for word in STATES:
        state.add_metric([word], float(block["state"].lower() == word))
    yield state
    for name, (text, key) in _MQTT_COUNTERS.items():
        yield CounterMetricFamily(f"camdetect_mqtt_{name}", text, value=block[key])
    for name, (text, key, factor) in _MQTT_GAUGES.items():
        # A share of nothing is no figure: then it has no series.
        if block[key] is not None:
            yield GaugeMetricFamily(f"camdetect_mqtt_{name}", text, value=block[key] * factor)
    depth = GaugeMetricFamily("camdetect_mqtt_queue_depth", "Messages that wait", labels=["priority"])
    for priority, count in block["queue_depth"].items():
        depth.add_metric([str(priority).lower()], count)
    yield depth
    dropped = CounterMetricFamily("camdetect_mqtt_dropped", "Messages that were given up", labels=["reason"])
    for reason, count in block["dropped"].items():
        dropped.add_metric([reason], count)
    yield dropped
    latency = GaugeMetricFamily(
        "camdetect_mqtt_ack_latency_seconds",
        "From a message to its acknowledgement, the latest 2 048",
        labels=["quantile"],
    )
    for quantile, key in (("0.5", "p50"), ("0.99", "p99")):
        if block["ack_latency_ms"][key] is not None:
            latency.add_metric([quantile], block["ack_latency_ms"][key] * _MILLI)
    yield latency
    reconnect = GaugeMetricFamily("camdetect_mqtt_reconnect_seconds", "How long a loss lasted", labels=["which"])
    for which in ("last", "max"):
        if block["reconnect_seconds"][which] is not None:
            reconnect.add_metric([which], block["reconnect_seconds"][which])
    yield reconnect


def _cameras(stats: Mapping[str, Any]) -> Iterator[Metric]:
    cameras = GaugeMetricFamily("camdetect_cameras", "Cameras that are known, by status", labels=["status"])
    for status in STATUSES:
        cameras.add_metric([status], stats["by_status"].get(status, 0))
    yield cameras
    yield GaugeMetricFamily("camdetect_devices", "Devices that are remembered, cameras or not", value=stats["devices"])
    inspections = CounterMetricFamily("camdetect_inspections", "Visits to devices, by result", labels=["result"])
    for result, count in stats["inspections"].items():
        inspections.add_metric([result], count)
    yield inspections
    yield GaugeMetricFamily(
        "camdetect_inspections_waiting", "Visits that wait for their turn", value=stats["inspections_waiting"]
    )


def _consumers(block: Mapping[str, Any]) -> Iterator[Metric]:
    labels = ["program", "consumer", "target"]
    state = GaugeMetricFamily(
        "camdetect_consumer_state", "1 for the state that a target is in", labels=[*labels, "state"]
    )
    tries = GaugeMetricFamily("camdetect_consumer_failures", "Deliveries that failed, in a row", labels=labels)
    cameras = GaugeMetricFamily("camdetect_consumer_cameras", "Cameras that its consumer is to hold", labels=labels)
    for target, one in block.items():
        whose = [one["program"], one["name"], target]
        for word in CONSUMER_STATES:
            state.add_metric([*whose, word], float(one["state"] == word))
        tries.add_metric(whose, one["tries"])
        cameras.add_metric(whose, one["cameras"])
    yield from (state, tries, cameras)


def _notices(block: Mapping[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily("camdetect_notices_open", "Notices that were told and last", value=block["open"])
    told = CounterMetricFamily("camdetect_notices_told", "Notices that were told, by event", labels=["event"])
    for event, count in block["told"].items():
        told.add_metric([event], count)
    sent = CounterMetricFamily("camdetect_notices_sent", "Notices that arrived, by way", labels=["way", "kind"])
    failures = CounterMetricFamily("camdetect_notice_failures", "Sendings that failed, by way", labels=["way"])
    lost = CounterMetricFamily("camdetect_notices_lost", "Notices that were given up, by way", labels=["way"])
    for way, one in block["ways"].items():
        for kind, count in one["sent"].items():
            sent.add_metric([way, kind], count)
        failures.add_metric([way], one["failures"])
        lost.add_metric([way], one["lost"])
    yield from (told, sent, failures, lost)


def _discovery(block: Mapping[str, Any]) -> Iterator[Metric]:
    yield GaugeMetricFamily("camdetect_sweeping", "1 while a sweep is under way", value=float(block["sweeping"]))
    yield CounterMetricFamily("camdetect_sweeps", "Sweeps that ended", value=block["sweeps"])
    labels = ["method"]
    duration = GaugeMetricFamily("camdetect_sweep_duration_seconds", "The latest sweep of a method", labels=labels)
    at = GaugeMetricFamily("camdetect_sweep_timestamp_seconds", "When it ended", labels=labels)
    failed = GaugeMetricFamily("camdetect_sweep_failed", "1 when it failed", labels=labels)
    for method, sweep in block["last_sweep"].items():
        duration.add_metric([method], sweep["duration_s"])
        at.add_metric([method], datetime.fromisoformat(sweep["at"]).timestamp())
        failed.add_metric([method], float(bool(sweep["error"])))
    yield from (duration, at, failed)
    counts = CounterMetricFamily(
        "camdetect_discovery_events", "What a method counted: packets, answers, drops", labels=["method", "what"]
    )
    peaks = GaugeMetricFamily(
        "camdetect_discovery_peak", "The most at one time since the start", labels=["method", "what"]
    )
    packets = CounterMetricFamily(
        "camdetect_packets_sent", "Packets sent to look, by method and purpose", labels=["by"]
    )
    for by, count in block["looking"]["by_method"].items():
        packets.add_metric([by], count)
    for method, counted in block["methods"].items():
        numbers = {str(what): count for what, count in sorted(counted.items()) if isinstance(count, int | float)}
        for what, count in tuple(numbers.items())[:MAX_COUNTS]:
            # A high-water mark may stand beside what is counted; it is no counter.
            (peaks if what.startswith(_PEAK) else counts).add_metric([method, what.removeprefix(_PEAK)], count)
    yield from (counts, peaks, packets)
