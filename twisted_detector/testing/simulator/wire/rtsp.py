"""Values go in; interleaved frames, ``Session`` headers and session descriptions come out, as a server writes them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from twisted_detector.errors import LocalError
from twisted_detector.wire.rtsp.headers import SessionHeader
from twisted_detector.wire.rtsp.messages import MAX_INTERLEAVED
from twisted_detector.wire.rtsp.sdp import Attributes, Media


def format_interleaved(channel: int, data: bytes) -> bytes:
    """The bytes of an interleaved frame.

    :raises LocalError: a channel beyond 255 or more than 65 535 bytes.
    """
    if not 0 <= channel <= 255 or len(data) > MAX_INTERLEAVED:
        raise LocalError("an interleaved frame does not fit", shown=f"channel {channel}, {len(data)} bytes")
    return b"$" + bytes((channel,)) + len(data).to_bytes(2, "big") + data


def format_session(session: SessionHeader) -> str:
    """The text of a ``Session`` header as a server says it."""
    return f"{session.id};timeout={session.timeout}"


def format_description(
    medias: Iterable[Media], *, name: str = "camera", address: str = "0.0.0.0", attributes: Attributes = ()
) -> bytes:
    """The bytes of a session description as a server says it.

    ``attributes`` are the session's; a media's ``direction`` is written unless its attributes hold it.

    :raises LocalError: line ends in any of it.
    """
    version = "IP6" if ":" in address else "IP4"
    lines = ["v=0", f"o=- 0 0 IN {version} {address}", f"s={name or '-'}", f"c=IN {version} {address}", "t=0 0"]
    lines += _attribute_lines(attributes)
    for media in medias:
        lines.append(f"m={media.kind} {media.port} {media.protocol or 'RTP/AVP'} {' '.join(media.payload_types)}")
        lines += _attribute_lines(media.attributes)
        if media.direction and media.attribute(media.direction) is None:
            lines.append(f"a={media.direction}")
    if any(re.search(r"[\r\n\0]", line) for line in lines):
        raise LocalError("a line end inside a session description")
    return "\r\n".join([*lines, ""]).encode("utf-8", "replace")


def _attribute_lines(attributes: Attributes) -> list[str]:
    return [f"a={key}:{value}" if value else f"a={key}" for key, value in attributes]
