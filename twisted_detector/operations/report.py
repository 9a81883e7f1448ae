"""Reader of the daemon's state for the health document, the page and the metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from twisted_detector.detector.detector import Detection
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.model import Camera
from twisted_detector.model.encoding import encode, rfc3339
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.process_stats import ProcessStats, ReactorLag
from twisted_detector.outputs.sync.seams import ISyncStatus, TargetPhase, TargetStatus
from twisted_detector.registry.registry import Registry

#: Cameras in the ``cameras`` block at most, and its octets: with the other blocks the document stays below 64 KiB,
#: which is what small brokers and readers take.
MAX_CAMERAS, MAX_CAMERAS_OCTETS = 100, 40_960
#: Octets of the ``consumers`` block, of the room that is left: forty places with long reasons.
MAX_CONSUMERS_OCTETS = 16_384
_NOT_WELL = (TargetPhase.AWAY, TargetPhase.REFUSED)
#: Characters of a name and of a reason there: a glance. The whole of them stands in the camera's own documents.
_MAX_NAME, _MAX_REASON = 64, 160


def camera_block(cameras: Iterable[Camera]) -> dict[str, dict[str, Any]]:
    """The cameras by id, in the order in which they come: as many as there is room for."""
    block: dict[str, dict[str, Any]] = {}
    octets = 0
    for camera in islice(cameras, MAX_CAMERAS):
        entry = {
            "name": camera.called[:_MAX_NAME],
            "ip": camera.address,
            "status": camera.status.value,
            "reason": camera.reason[:_MAX_REASON],
            "online": camera.online,
        }
        octets += len(encode({camera.id: entry}))
        if octets > MAX_CAMERAS_OCTETS:
            break
        block[camera.id] = entry
    return block


def consumer_block(statuses: Iterable[TargetStatus]) -> dict[str, dict[str, Any]]:
    """The places of Frigate and go2rtc, each by name, those that are not well first: as many as there is room for.

    Without URL and path: who may read the document learns nothing of other machines.
    """
    block: dict[str, dict[str, Any]] = {}
    octets = 0
    for one in sorted(statuses, key=lambda one: (one.phase not in _NOT_WELL, one.name)):
        if one.consumer is None:
            continue
        entry = {
            "program": one.consumer.program,
            "name": one.consumer.name,
            "state": one.phase,
            "reason": one.reason[:_MAX_REASON],
            "tries": one.tries,
            "cameras": one.cameras,
            **({"kept_by": dict(one.keepers)} if one.keepers else {}),
        }
        octets += len(encode({one.name: entry}))
        if octets > MAX_CONSUMERS_OCTETS:
            break
        block[one.name] = entry
    return block


class HealthReport:
    """Blocks of the health document; read from the parts at each call, nothing is kept."""

    def __init__(
        self,
        *,
        registry: Registry,
        detection: Detection,
        mqtt: MqttService,
        lag: ReactorLag,
        process_stats: ProcessStats,
        rate_limiter: PacketRateLimiter,
        sync_status: ISyncStatus,
    ) -> None:
        self._registry = registry
        self._detector = detection.detector
        self._runner = detection.runner
        self._inspections = detection.inspections
        self._mqtt = mqtt
        self._lag = lag
        self._process_stats = process_stats
        self._rate_limiter = rate_limiter
        self._sync_status = sync_status
        self._more: dict[str, Callable[[], Mapping[str, Any]]] = {}

    def add_block(self, name: str, read: Callable[[], Mapping[str, Any]]) -> None:
        """From now on the document has this block too: a small one, that ``read`` makes at each call."""
        self._more[name] = read

    def status(self) -> tuple[str, str]:
        """The overall status, and the reason when it is not ``online``."""
        degraded = self._mqtt.degraded
        return ("degraded", degraded) if degraded else ("online", "")

    def blocks(self) -> dict[str, Any]:
        """``status``, ``stats``, ``cameras``, ``mqtt``, ``discovery``, ``consumers``, ``reactor``, ``resources``.

        At most 100 cameras; how many there are in all is in ``stats``.
        """
        status, reason = self.status()
        fleet, by_status = self._registry.fleet, self._registry.fleet.by_status
        shown = camera_block(self._worst())
        return {
            "status": status,
            "reason": reason,
            "stats": {
                "total_cameras": fleet.total,
                "online_cameras": by_status.get("online", 0),
                "offline_cameras": by_status.get("offline", 0),
                "by_status": dict(by_status),
                "devices": len(self._registry.devices()),
                "inspections": dict(self._runner.counts),
                "inspections_waiting": self._inspections.depth,
                "inspection_faults": self._inspections.failures,
                "refused_devices": self._registry.refusals.counts.total(),
                "refused_by_quota": dict(self._registry.refusals.counts),
            },
            "cameras": shown,
            "cameras_omitted": fleet.total - len(shown),
            "mqtt": self._mqtt.document(),
            "discovery": self.discovery(),
            "consumers": consumer_block(self._sync_status.statuses()),
            "reactor": {"lag_ms": self._lag.document()},
            "resources": self._process_stats.document(),
            **{name: read() for name, read in self._more.items()},
        }

    def _worst(self) -> Iterator[Camera]:
        """The cameras that are not well, then others; no more of them are looked at than are shown."""
        for camera_id in self._registry.fleet.worst(MAX_CAMERAS):
            if (camera := self._registry.camera(camera_id)) is not None:
                yield camera

    def mqtt(self) -> dict[str, Any]:
        """The ``mqtt`` block alone."""
        return self._mqtt.document()

    def discovery(self) -> dict[str, Any]:
        """The ``discovery`` block alone."""
        return {
            "phase": self._detector.phase,
            "sweeping": self._detector.sweeping,
            "sweeps": self._detector.sweeps,
            "counts": dict(self._detector.counts),
            "last_sweep": {
                method: {
                    "at": rfc3339(sweep.at),
                    "duration_s": round(sweep.duration, 3),
                    "sightings": sweep.sightings,
                    "error": sweep.error,
                }
                for method, sweep in self._detector.last_sweep.items()
            },
            "packets_sent": self._rate_limiter.packets,
            "looking": self._rate_limiter.document(),
            "methods": self._detector.method_counts(),
        }
