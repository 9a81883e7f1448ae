"""Nothing goes in; the JSON Schemas (2020-12) of what the API answers come out."""

from __future__ import annotations

from typing import Any

from twisted_detector.model import Status

STATUSES = tuple(status.value for status in Status)

Shape = dict[str, Any]

TEXT: Shape = {"type": "string"}
WHOLE: Shape = {"type": "integer"}
NUMBER: Shape = {"type": "number"}
FLAG: Shape = {"type": "boolean"}
STAMP: Shape = {"type": "string", "format": "date-time"}
ANY: Shape = {"type": "object"}


def maybe(shape: Shape) -> Shape:
    """It, or null."""
    return {"anyOf": [shape, {"type": "null"}]}


def listed(shape: Shape) -> Shape:
    """A list of it."""
    return {"type": "array", "items": shape}


def shaped(**members: Shape) -> Shape:
    """An object with at least these members."""
    return {"type": "object", "properties": members, "required": sorted(members)}


def also(shape: Shape, **members: Shape) -> Shape:
    """An object with these members besides."""
    return shaped(**{**shape["properties"], **members})


PICTURE = shaped(
    taken_at=STAMP,
    version=TEXT,
    source={"type": "string", "enum": ["snapshot", "keyframe"]},
    media_type=TEXT,
    frozen_since=maybe(STAMP),
)

STREAM = shaped(
    url=TEXT, name=TEXT, codec=TEXT, width=WHOLE, height=WHOLE, fps=NUMBER, audio=TEXT, validated=FLAG, reason=TEXT
)

BRIEF = shaped(
    id=TEXT,
    ip=TEXT,
    mac=maybe(TEXT),
    name=TEXT,
    manufacturer=TEXT,
    model=TEXT,
    device_id=TEXT,
    channel=WHOLE,
    online=FLAG,
    last_seen_iso=maybe(STAMP),
    last_validated_iso=maybe(STAMP),
    first_seen_iso=maybe(STAMP),
    discovery_methods=listed(TEXT),
    streams=listed(STREAM),
    moves=WHOLE,
    status={"type": "string", "enum": list(STATUSES)},
    reason=TEXT,
    since=maybe(STAMP),
    picture=maybe(PICTURE),
)

HAPPENED = shaped(number=WHOLE, at=STAMP, kind=TEXT, camera_id=TEXT, name=TEXT, text=TEXT)
ACTIVITY = shaped(activity=listed(HAPPENED))

CAMERA_WHOLE = also(
    BRIEF,
    serial_number=TEXT,
    firmware_version=TEXT,
    onvif_url=maybe(TEXT),
    http_url=TEXT,
    snapshot_url=maybe(TEXT),
    primary_rtsp_url=maybe(TEXT),
    rtsp_urls=ANY,
    capabilities=ANY,
    profiles=listed(ANY),
    ip_history=listed(TEXT),
    evidence=listed(shaped(kind=TEXT, value=TEXT, source=TEXT, seen_at=STAMP)),
    addresses=listed(shaped(ip=TEXT, since=STAMP)),
    activity=listed(HAPPENED),
)

CAMERAS = shaped(cameras=listed(BRIEF), total=WHOLE, next=maybe(TEXT))
OBEYED: Shape = {"type": "object", "additionalProperties": TEXT}
RESCAN = shaped(already_sweeping=FLAG)
SESSION = shaped(needed=FLAG, given=FLAG, node_id=TEXT, version=TEXT)

MQTT = shaped(
    now=ANY,
    interval_s=NUMBER,
    columns=listed(TEXT),
    rows=listed({"type": "array"}),
    connections=listed(
        shaped(at=STAMP, event=TEXT, state=TEXT, reason=TEXT, duration_s=NUMBER, attempts=WHOLE, session=WHOLE)
    ),
    reasons=listed(shaped(reason=TEXT, count=WHOLE)),
)

WHY = shaped(
    address=TEXT,
    mac=maybe(TEXT),
    ports=ANY,
    facts=listed(shaped(first_at=STAMP, last_at=STAMP, source=TEXT, text=TEXT, times=WHOLE)),
    cameras=listed(ANY),
    reason=ANY,
)
DOCTOR = shaped(findings=listed(shaped(name=TEXT, level=TEXT, text=TEXT, advice=TEXT)))

PROBLEM = shaped(title=TEXT, status=WHOLE, detail=TEXT)
