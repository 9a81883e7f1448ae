"""The refusal of a request, and its document: ``application/problem+json`` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from twisted_detector.model.encoding import encode

MEDIA_TYPE = "application/problem+json"
#: What a client sent may stand in a reason, but never more of it than this.
MAX_SHOWN = 120


class Problem(Exception):
    """A request that is refused, or cannot be answered now.

    :ivar status: HTTP status code.
    :ivar detail: in plain words why, and what to do about it; never a secret, never a traceback.
    :ivar headers: to be sent with it (``Retry-After``, ``Allow``, ``WWW-Authenticate``).
    """

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})

    def document(self) -> dict[str, Any]:
        """As RFC 9457, 3 has it; ``type`` is left out: the title is the status code's own."""
        return {"title": HTTPStatus(self.status).phrase, "status": self.status, "detail": self.detail}

    def body(self) -> bytes:
        """The bytes of the answer."""
        return encode(self.document())


def excerpt(text: str) -> str:
    """What a client sent, shortened and escaped, as it may stand in a reason."""
    return ascii(text[:MAX_SHOWN])
