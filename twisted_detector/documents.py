"""Facts and stamps go in; JSON bytes and RFC 3339 texts come out, the same for equal facts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any


def encode(document: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON with sorted keys and no spare space: equal facts give equal bytes."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode(
        "utf-8", "backslashreplace"
    )


def rfc3339(at: float) -> str:
    """Wall seconds as RFC 3339 in UTC, milliseconds, one ``Z``; years outside 1..9999 are held at the edge."""
    clamped = min(max(at, 0.0), 253_402_300_799.0)
    stamp = datetime.fromtimestamp(clamped, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def stamp_or_none(at: float) -> str | None:
    """As :func:`rfc3339`, None for "never" (0)."""
    return rfc3339(at) if at else None
