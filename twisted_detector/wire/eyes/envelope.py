"""Codec of signed messages between an eye and its node: a header line with an HMAC, and a body.

::

    camdetect-eye 1 <kind> <session> <instance> <counter> <tag>\\n<body>

The tag is HMAC-SHA-256 (RFC 2104) over the header without it, the topic and the body, a line break between each: what
was said on one topic means nothing on another, and an invitation is no report. *Session* is a random number of the
node, *instance* one of the eye's process, *counter* grows with each report of the instance. No clock is in it: that of
a small machine may be anywhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from hmac import compare_digest, digest

from twisted_detector.errors import RemoteError

#: Octets of a body: an announcement with every field at its bound (``registry/text_bounds.py``) in ASCII.
MAX_BODY = 32_768
#: Octets of session and instance.
NONCE_OCTETS = 16
_HEADER = re.compile(
    rb"camdetect-eye 1 (report|invitation) ([0-9a-f]{32}) ([0-9a-f]{32}) (0|[1-9][0-9]{0,14}) ([0-9a-f]{64})"
)
#: Octets of the longest header, line break included.
MAX_HEADER = 256
MAX_MESSAGE = MAX_HEADER + MAX_BODY


class EnvelopeKind(StrEnum):
    """Who says it: an eye its node, or a node its eye."""

    REPORT = "report"
    INVITATION = "invitation"


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message. In an invitation instance and counter are zero."""

    kind: EnvelopeKind
    session: str
    instance: str = "0" * 2 * NONCE_OCTETS
    counter: int = 0
    body: bytes = b""

    @property
    def _header(self) -> bytes:
        return f"camdetect-eye 1 {self.kind} {self.session} {self.instance} {self.counter}".encode("ascii")

    def _tag(self, key: bytes, topic: str) -> bytes:
        signed = b"\n".join((self._header, topic.encode("utf-8", "replace"), self.body))
        return digest(key, signed, sha256).hex().encode("ascii")

    def seal(self, key: bytes, topic: str) -> bytes:
        """The message with its signature, for ``topic`` only."""
        return b"%b %b\n%b" % (self._header, self._tag(key, topic), self.body)

    @classmethod
    def open(cls, key: bytes, topic: str, message: bytes) -> Envelope | None:
        """The message that was sealed with ``key`` for ``topic``; None: its signature is wrong.

        :raises RemoteError: it is none, or is too long.
        """
        if len(message) > MAX_MESSAGE:
            raise RemoteError("longer than a message of an eye", shown=f"{len(message)} bytes")
        header, line_break, body = message.partition(b"\n")
        match = _HEADER.fullmatch(header)
        if match is None or not line_break or len(body) > MAX_BODY:
            raise RemoteError("not a message of an eye", shown=message[:40].hex())
        kind, session, instance, counter, tag = match.groups()
        found = cls(EnvelopeKind(kind.decode()), session.decode(), instance.decode(), int(counter), body)
        return found if compare_digest(tag, found._tag(key, topic)) else None
