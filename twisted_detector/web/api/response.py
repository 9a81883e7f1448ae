"""Answer to one request of the API."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.model.encoding import encode
from twisted_detector.web.event_stream import EventStream


@dataclass(frozen=True, slots=True)
class ApiResponse:
    """Answer to one request: bytes with their type, or ``stream``, which writes them from then on."""

    body: bytes = b""
    media: str = "application/json"
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    stream: EventStream | None = None


def json_response(document: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> ApiResponse:
    """A JSON document as an answer."""
    return ApiResponse(encode(document), headers=headers or {})
