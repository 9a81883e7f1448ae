"""A message of one of our topics goes in; what an old consumer that reads it would stumble over comes out.

Written from the contract (docs/mqtt.md) and from what the predecessor's consumers read, not from our code: names,
types, flags. A consumer ignores fields that it does not know, so more fields are no fault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")
TEXT, NUMBER, WHOLE, FLAG, TABLE, LIST = (str,), (int, float), (int,), (bool,), (dict,), (list,)
NONE = (type(None),)
Types = tuple[type, ...]
STATUSES = {"online", "offline", "stream_error", "auth_required", "busy", "sleeps"}

CAMERA: Mapping[str, Types] = {
    # the predecessor's
    "id": TEXT, "ip": TEXT, "mac": TEXT + NONE, "name": TEXT, "manufacturer": TEXT, "model": TEXT,
    "serial_number": TEXT, "firmware_version": TEXT, "onvif_url": TEXT + NONE, "rtsp_urls": TABLE, "http_url": TEXT,
    "last_seen": NUMBER, "last_validated": NUMBER, "online": FLAG, "stream_active": FLAG, "profiles": LIST,
    "capabilities": TABLE, "ip_history": LIST, "primary_rtsp_url": TEXT + NONE, "last_seen_iso": TEXT + NONE,
    "last_validated_iso": TEXT + NONE,
    # ours
    "device_id": TEXT, "channel": WHOLE, "streams": LIST, "snapshot_url": TEXT + NONE, "discovery_methods": LIST,
    "evidence": LIST, "conditions": LIST, "managed_by": TEXT, "unconfirmed": FLAG,
}  # fmt: skip
STREAM: Mapping[str, Types] = {
    "codec": TEXT, "width": WHOLE, "height": WHOLE, "fps": NUMBER, "audio": TEXT, "profile": TEXT, "url": TEXT,
    "validated": FLAG,
}  # fmt: skip
DISCOVERY: Mapping[str, Types] = {"event": TEXT, "camera": TABLE, "node_id": TEXT, "timestamp": TEXT}
STATUS: Mapping[str, Types] = {
    "camera_id": TEXT, "status": TEXT, "reason": TEXT, "reason_code": TEXT, "since": TEXT, "camera": TABLE,
    "node_id": TEXT, "timestamp": TEXT,
}  # fmt: skip
EVENT: Mapping[str, Types] = {"event": TEXT, "camera_id": TEXT, "camera": TABLE, "node_id": TEXT, "timestamp": TEXT}
HEALTH: Mapping[str, Types] = {
    "node_id": TEXT, "service": TEXT, "timestamp": TEXT, "status": TEXT, "stats": TABLE, "cameras": TABLE,
    "cameras_omitted": WHOLE, "mqtt.too_large": WHOLE,
    "version": TEXT, "uptime_s": NUMBER,
    "mqtt.state": TEXT, "mqtt.connected_since": TEXT + NONE, "mqtt.connects": WHOLE, "mqtt.disconnects": WHOLE,
    "mqtt.failures": WHOLE, "mqtt.last_disconnect_reason": TEXT, "mqtt.reconnect_seconds.last": NUMBER + NONE,
    "mqtt.reconnect_seconds.max": NUMBER + NONE, "mqtt.queue_depth.critical": WHOLE, "mqtt.queue_depth.state": WHOLE,
    "mqtt.queue_depth.event": WHOLE, "mqtt.queue_depth.telemetry": WHOLE, "mqtt.oldest_queued_s": NUMBER,
    "mqtt.published": WHOLE, "mqtt.acknowledged": WHOLE, "mqtt.dropped": TABLE, "mqtt.success_rate": NUMBER + NONE,
    "mqtt.ack_latency_ms.p50": NUMBER + NONE, "mqtt.ack_latency_ms.p99": NUMBER + NONE,
    "consumers": TABLE, "discovery.phase": TEXT, "discovery.last_sweep": TABLE, "discovery.packets_sent": WHOLE,
    "reactor.lag_ms.p50": NUMBER, "reactor.lag_ms.p99": NUMBER, "reactor.lag_ms.max": NUMBER,
    "resources.cpu_percent": NUMBER, "resources.rss_mb": NUMBER, "resources.fds": WHOLE,
}  # fmt: skip
LWT: Mapping[str, Types] = {"node_id": TEXT, "service": TEXT, "status": TEXT, "timestamp": TEXT}
CONNECTION: Mapping[str, Types] = {
    "event": TEXT, "reason": TEXT, "duration_s": NUMBER, "attempts": WHOLE, "state": TEXT, "session": WHOLE,
}  # fmt: skip
RESULT: Mapping[str, Types] = {"command": TEXT, "ok": FLAG, "node_id": TEXT, "timestamp": TEXT}

#: topic (``*``: one level) → whether it is retained, and what its document has; ``*/lwt`` before what is above it.
TOPICS: Mapping[str, tuple[bool, Mapping[str, Types]]] = {
    "camera/discovery/*": (True, DISCOVERY),
    "camera/status/*": (True, STATUS),
    "camera/event/*": (False, EVENT),
    "system/camera_detector_health": (True, HEALTH),
    "system/camera_detector_health/*": (True, HEALTH),
    "system/camera_detector_health/*/lwt": (True, LWT),
    "system/camera_detector_health/*/connection": (False, CONNECTION),
    "system/camera_detector/*/command/result": (False, RESULT),
}


def known(topic: str) -> str:
    """The line of the table that a topic is of; "" when it is of none."""
    for pattern in TOPICS:
        if re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]+"), topic):
            return pattern
    return ""


def faults(topic: str, payload: str | bytes, *, retained: bool, qos: int) -> list[str]:
    """What is wrong with one message; nothing when it is as the contract says."""
    pattern = known(topic)
    if not pattern:
        return [f"{topic} is no topic of the contract"]
    found = [f"{topic}: QoS {qos}"] if qos != 1 else []
    should, shape = TOPICS[pattern]
    if not payload:
        return found if retained and pattern in ("camera/discovery/*", "camera/status/*") else [f"{topic} is empty"]
    document = json.loads(payload)
    moved = pattern == "camera/status/*" and document["status"] == "ip_changed"
    if retained != (should and not moved):
        found.append(f"{topic}: retained is {retained}")
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    if payload != (canonical if isinstance(payload, str) else canonical.encode()):
        found.append(f"{topic}: keys are not sorted, or there are blanks")
    found += [f"{topic}: {fault}" for fault in _misfits(document, shape)]
    found += [f"{topic}: {stamp} has not exactly one Z" for stamp in _stamps(document) if not STAMP.fullmatch(stamp)]
    if "camera" in shape:
        found += [f"{topic}: camera.{fault}" for fault in _camera(document["camera"])]
    if pattern == "camera/status/*":
        if moved:
            found += [f"{topic}: {fault}" for fault in _misfits(document, {"old_ip": TEXT, "new_ip": TEXT})]
        elif document["status"] not in STATUSES:
            found.append(f"{topic}: status {document['status']}")
    return found


def _camera(camera: Mapping[str, Any]) -> Iterator[str]:
    yield from _misfits(camera, CAMERA)
    for secret in {"username", "password"} & set(camera):
        yield f"{secret} is published"
    for stream in camera["streams"]:
        yield from _misfits(stream, STREAM)
    for url in (*camera["rtsp_urls"].values(), camera["primary_rtsp_url"] or "rtsp://"):
        if not url.startswith("rtsp") or "@" in url:
            yield f"{url} is no stream's, or has a login"
    if any(not isinstance(address, str) for address in camera["ip_history"]):
        yield "ip_history is no list of addresses"


def _misfits(document: Mapping[str, Any], shape: Mapping[str, Types]) -> Iterator[str]:
    for path, types in shape.items():
        value: Any = document
        for name in path.split("."):
            if not isinstance(value, dict) or name not in value:
                yield f"{path} is missing"
                break
            value = value[name]
        else:
            # A bool is an int to Python and is none to a consumer.
            if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
                yield f"{path} is {value!r}"


def _stamps(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        for value in document:
            yield from _stamps(value)
    elif isinstance(document, str) and re.match(r"\d{4}-\d\d-\d\dT\d\d", document):
        yield document
