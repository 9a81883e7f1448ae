"""Encoder of documents as JSON and of stamps as RFC 3339 texts: equal documents have the same bytes.

And a packer of rows that are kept for long and seldom read.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

#: Of zlib, for a few kB at a time: it needs 60 kB of memory for a moment then; with its own settings 270.
_WINDOW, _EFFORT = 13, 5


def encode(document: Mapping[str, Any]) -> bytes:
    """UTF-8 JSON (RFC 8259) with sorted keys and no spare space: equal documents give equal bytes.

    What JSON does not have is replaced: NaN and infinities by null, half a surrogate pair by "?".
    """
    try:
        text = _dump(document)
    except ValueError:
        text = _dump(_finite(document))
    return text.encode("utf-8", "replace")


def _dump(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value


def parse_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that a JSON text holds; None for anything else."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def rfc3339(at: float) -> str:
    """Wall seconds as RFC 3339 in UTC, milliseconds, one ``Z``; clamped to 1970..9999."""
    clamped = min(max(0.0, at), 253_402_300_799.0)
    stamp = datetime.fromtimestamp(clamped, UTC)
    return stamp.strftime("%Y-%m-%dT%H:%M:%S.") + f"{stamp.microsecond // 1000:03d}Z"


def stamp_or_none(at: float) -> str | None:
    """As :func:`rfc3339`, None for "never" (0)."""
    return rfc3339(at) if at else None


def pack(rows: Iterable[Sequence[Any]]) -> bytes:
    """Rows of texts, numbers, truths and None as few octets: a sixth and less of what they take as objects."""
    compressor = zlib.compressobj(wbits=_WINDOW, memLevel=_EFFORT)
    return compressor.compress(json.dumps(tuple(rows)).encode()) + compressor.flush()


def unpack(packed: bytes) -> list[list[Any]]:
    """The rows that :func:`pack` was given."""
    rows: list[list[Any]] = json.loads(zlib.decompress(packed, _WINDOW))
    return rows
