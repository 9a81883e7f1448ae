"""JSON Schemas (2020-12) of the answers of the API."""

from __future__ import annotations

from typing import Any

from twisted_detector.model import Adoption, Status
from twisted_detector.model.announced import Condition
from twisted_detector.model.history import CONDITIONS

STATUSES = tuple(status.value for status in Status)

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
WHOLE: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
FLAG: Schema = {"type": "boolean"}
STAMP: Schema = {"type": "string", "format": "date-time"}
ANY: Schema = {"type": "object"}


def nullable(schema: Schema) -> Schema:
    """It, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def array_of(schema: Schema) -> Schema:
    """A list of it."""
    return {"type": "array", "items": schema}


def object_with(**members: Schema) -> Schema:
    """An object with at least these members."""
    return {"type": "object", "properties": members, "required": sorted(members)}


def extended(schema: Schema, **members: Schema) -> Schema:
    """An object with these members besides."""
    return object_with(**{**schema["properties"], **members})


PICTURE = object_with(
    taken_at=STAMP,
    version=TEXT,
    source={"type": "string", "enum": ["snapshot", "keyframe"]},
    media_type=TEXT,
    frozen_since=nullable(STAMP),
)

PLAYERS = object_with(players=array_of(object_with(program=TEXT, name=TEXT, url=TEXT)))

STREAM = object_with(
    url=TEXT, name=TEXT, codec=TEXT, width=WHOLE, height=WHOLE, fps=NUMBER, audio=TEXT, validated=FLAG, reason=TEXT
)

WEEK = object_with(
    availability=nullable(NUMBER),
    observed_s=WHOLE,
    failures=WHOLE,
    last_offline=nullable(STAMP),
    last_offline_s=WHOLE,
    first_cell=WHOLE,
    cells={"type": "string", "pattern": "^[uotf]{84}$"},
)

BRIEF = object_with(
    id=TEXT,
    ip=TEXT,
    mac=nullable(TEXT),
    name=TEXT,
    manufacturer=TEXT,
    model=TEXT,
    device_id=TEXT,
    channel=WHOLE,
    online=FLAG,
    last_seen_iso=nullable(STAMP),
    last_validated_iso=nullable(STAMP),
    first_seen_iso=nullable(STAMP),
    discovery_methods=array_of(TEXT),
    streams=array_of(STREAM),
    moves=WHOLE,
    status={"type": "string", "enum": list(STATUSES)},
    reason=TEXT,
    reason_code=TEXT,
    conditions=array_of({"type": "string", "enum": [condition.value for condition in Condition]}),
    since=nullable(STAMP),
    picture=nullable(PICTURE),
    week=nullable(WEEK),
    adopted={"type": "string", "enum": [each.value for each in Adoption if each is not Adoption.BLOCKED]},
    name_source=TEXT,
)

ACTIVITY_ENTRY = object_with(number=WHOLE, at=STAMP, kind=TEXT, camera_id=TEXT, name=TEXT, text=TEXT)
ACTIVITY = object_with(activity=array_of(ACTIVITY_ENTRY))

#: Other nodes: who publishes a camera, where its page is opened, who says that the camera is adopted there; or "".
WHEREABOUTS = {"owner": TEXT, "owner_page": TEXT, "adopted_at": TEXT}

CAMERA_WHOLE = extended(
    BRIEF,
    **WHEREABOUTS,
    serial_number=TEXT,
    firmware_version=TEXT,
    onvif_url=nullable(TEXT),
    http_url=TEXT,
    snapshot_url=nullable(TEXT),
    primary_rtsp_url=nullable(TEXT),
    rtsp_urls=ANY,
    capabilities=ANY,
    profiles=array_of(ANY),
    ip_history=array_of(TEXT),
    evidence=array_of(object_with(kind=TEXT, value=TEXT, source=TEXT, seen_at=STAMP)),
    addresses=array_of(object_with(ip=TEXT, since=STAMP)),
    activity=array_of(ACTIVITY_ENTRY),
    managed_by=TEXT,
    unconfirmed=FLAG,
)

_STATE: Schema = {"type": "string", "enum": [condition.value for condition in CONDITIONS]}
_SECONDS: Schema = {"type": "object", "additionalProperties": NUMBER}
HISTORY = object_with(
    **{"from": STAMP},
    camera_id=TEXT,
    until=STAMP,
    availability=nullable(NUMBER),
    seconds=_SECONDS,
    segments=array_of(
        object_with(
            **{"from": STAMP},
            until=STAMP,
            state=_STATE,
            status=TEXT,
            reason=TEXT,
            code=TEXT,
            ip=nullable(TEXT),
            merged=WHOLE,
            seconds=_SECONDS,
        )
    ),
)

CAMERAS = object_with(cameras=array_of(BRIEF), total=WHOLE, next=nullable(TEXT))
BLOCKED = object_with(
    devices=array_of(object_with(device=TEXT, macs=array_of(TEXT), reference=TEXT, since=STAMP)),
)
OBEYED: Schema = {"type": "object", "additionalProperties": TEXT}
RESCAN = object_with(already_sweeping=FLAG)
SESSION = object_with(needed=FLAG, given=FLAG, node_id=TEXT, version=TEXT)

MQTT = object_with(
    now=ANY,
    interval_s=NUMBER,
    columns=array_of(TEXT),
    rows=array_of({"type": "array"}),
    connections=array_of(
        object_with(at=STAMP, event=TEXT, state=TEXT, reason=TEXT, duration_s=NUMBER, attempts=WHOLE, session=WHOLE)
    ),
    reasons=array_of(object_with(reason=TEXT, count=WHOLE)),
)

WHY = object_with(
    address=TEXT,
    mac=nullable(TEXT),
    ports=ANY,
    facts=array_of(object_with(first_at=STAMP, last_at=STAMP, source=TEXT, text=TEXT, times=WHOLE)),
    cameras=array_of(ANY),
    reason=ANY,
    help=array_of(ANY),
)
DOCTOR = object_with(findings=array_of(object_with(name=TEXT, level=TEXT, text=TEXT, advice=TEXT)))
PLUGINS = object_with(
    plugins=array_of(
        object_with(
            name=TEXT,
            kinds=array_of(TEXT),
            file=TEXT,
            state=TEXT,
            why=TEXT,
            is_builtin=FLAG,
            package=TEXT,
            faults=WHOLE,
            last_fault=TEXT,
            stalls=WHOLE,
            last_stall=object_with(seconds=NUMBER, stack=TEXT),
            counts=ANY,
        )
    ),
    problems=array_of(TEXT),
)

PROBLEM = object_with(title=TEXT, status=WHOLE, detail=TEXT)
