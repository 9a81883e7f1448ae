"""The bytes of a session description go in; its medias with their codecs and controls come out (RFC 8866, RFC 2326 C).

Lenient: cameras leave lines out, put them in the wrong order and write what no grammar allows. A line that cannot be
read is passed over; only a body without any ``x=`` line is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from twisted_detector.errors import RemoteError

#: As RTSP bodies: a recorder with many tracks has a few KiB.
MAX_BODY = 262_144
#: Lines beyond are passed over: no description has more than some hundred.
MAX_LINES = 4_096
#: A device has a handful of tracks per URL.
MAX_MEDIAS = 64
#: More than that many frames per second is a mistake of the device.
MAX_FRAMERATE = 480.0

DIRECTIONS = frozenset({"recvonly", "sendonly", "sendrecv", "inactive"})

#: Encoding names of the static payload types that need no rtpmap (RFC 3551 section 6).
STATIC_PAYLOAD_TYPES: Mapping[str, str] = {
    "0": "PCMU/8000",
    "3": "GSM/8000",
    "4": "G723/8000",
    "8": "PCMA/8000",
    "9": "G722/8000",
    "10": "L16/44100/2",
    "11": "L16/44100",
    "12": "QCELP/8000",
    "14": "MPA/90000",
    "15": "G728/8000",
    "18": "G729/8000",
    "26": "JPEG/90000",
    "28": "nv/90000",
    "31": "H261/90000",
    "32": "MPV/90000",
    "33": "MP2T/90000",
    "34": "H263/90000",
}

_LINE_END = re.compile(r"\r\n|\n|\r")
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_LINE = re.compile(r"([a-z])=(.*)", re.DOTALL)

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Described:
    attributes: Attributes = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first ``a=<name>``, "" for a bare one, None when there is none."""
        return next((value for key, value in self.attributes if key == name), None)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of all ``a=<name>``, in order."""
        return tuple(value for key, value in self.attributes if key == name)

    @property
    def control(self) -> str | None:
        """``a=control`` as written, None when there is none."""
        return self.attribute("control")


@dataclass(frozen=True, slots=True)
class Media(_Described):
    """One ``m=`` section.

    :ivar kind: ``video``, ``audio``, ``application``…, as written.
    :ivar payload_types: as written: some devices put words there.
    :ivar direction: its own ``recvonly``, ``sendonly``…, "" when it says none (then the session's holds).
    """

    kind: str = ""
    port: str = "0"
    protocol: str = ""
    payload_types: tuple[str, ...] = ()
    direction: str = ""

    @property
    def rtpmap(self) -> str | None:
        """The rtpmap of the first payload type as written (``H264/90000``), None when there is none."""
        return self.rtpmap_of(self.payload_types[0]) if self.payload_types else None

    def rtpmap_of(self, payload_type: str) -> str | None:
        """The last ``a=rtpmap`` of this payload type (a later one overrides an earlier), None when there is none."""
        return _of_payload_type(self.all("rtpmap"), payload_type)

    @property
    def encoding(self) -> str:
        """Encoding name of the first payload type in upper case (RFC 8866: any case), "" when unknown."""
        if not self.payload_types:
            return ""
        first = self.payload_types[0]
        return (self.rtpmap or STATIC_PAYLOAD_TYPES.get(first, "")).partition("/")[0].strip().upper()

    @property
    def format_parameters(self) -> dict[str, str]:
        """The ``a=fmtp`` of the first payload type, names in lower case."""
        if not self.payload_types:
            return {}
        text = _of_payload_type(self.all("fmtp"), self.payload_types[0]) or ""
        parameters: dict[str, str] = {}
        for part in text.split(";"):
            name, _, value = part.partition("=")
            if name.strip():
                parameters.setdefault(name.strip().lower(), value.strip().strip('"'))
        return parameters

    @property
    def framerate(self) -> float:
        """The first usable ``a=framerate`` in frames per second, 0.0 when there is none."""
        for text in (*self.all("framerate"), *self.all("x-framerate")):
            if _RATE.fullmatch(text.strip()) and 0 < float(text) <= MAX_FRAMERATE:
                return float(text)
        return 0.0

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height from ``a=x-dimensions`` or ``a=framesize`` (3GPP TS 26.234), (0, 0) when not given."""
        texts = list(self.all("x-dimensions"))
        if self.payload_types:
            texts.append(_of_payload_type(self.all("framesize"), self.payload_types[0]) or "")
        return _dimensions(texts)


@dataclass(frozen=True, slots=True)
class SessionDescription(_Described):
    """A whole description: its name, its session-level attributes and its medias in order."""

    name: str = ""
    medias: tuple[Media, ...] = ()

    @property
    def video(self) -> Media | None:
        """The first video that is switched on."""
        return self._first("video", {"inactive"})

    @property
    def audio(self) -> Media | None:
        """The first audio that the device sends.

        ``sendonly`` audio is a back channel to the device's loudspeaker (ONVIF Streaming Specification, back channel),
        except where the device writes everything from its own side, its video too.
        """
        video = self.video
        refused = {"inactive", "sendonly"}
        if video is not None and self.direction_of(video) == "sendonly":
            refused = {"inactive"}
        return self._first("audio", refused)

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height of the video from its own attributes or, as some write it, the session's; else (0, 0)."""
        own = self.video.dimensions if self.video is not None else (0, 0)
        return own if own != (0, 0) else _dimensions(self.all("x-dimensions"))

    def direction_of(self, media: Media) -> str:
        """The media's direction or, where it has none, the session's; "" without either."""
        return media.direction or _direction(self.attributes)

    def _first(self, kind: str, refused: set[str]) -> Media | None:
        for media in self.medias:
            if media.kind.lower() == kind and self.direction_of(media) not in refused:
                return media
        return None


def _dimensions(texts: Iterable[str]) -> tuple[int, int]:
    for text in texts:
        match = re.match(r"\s*([0-9]{1,5})\s*[,x-]\s*([0-9]{1,5})\b", text)
        if match and int(match[1]) and int(match[2]):
            return int(match[1]), int(match[2])
    return 0, 0


def _of_payload_type(texts: Iterable[str], payload_type: str) -> str | None:
    found = None
    for text in texts:
        number, _, value = text.strip().partition(" ")
        if number == payload_type:
            found = value.strip()
    return found


def parse(data: bytes) -> SessionDescription:
    """Read a session description.

    :raises RemoteError: too large, or not a single line of the form ``x=…``.
    """
    if len(data) > MAX_BODY:
        raise RemoteError("a session description is too large", shown=f"{len(data)} bytes")
    name = ""
    session: list[tuple[str, str]] = []
    medias: list[tuple[list[str], list[tuple[str, str]]]] = []
    seen = False
    for line in _LINE_END.split(data.decode("utf-8", "replace"))[:MAX_LINES]:
        match = _LINE.fullmatch(line.strip("\0 \t"))
        if match is None:
            continue
        seen = True
        kind, value = match[1], match[2].strip()
        if kind == "m":
            if len(medias) >= MAX_MEDIAS:
                raise RemoteError("a session description has too many medias")
            medias.append((value.split(), []))
        elif kind == "a":
            key, _, text = value.partition(":")
            (medias[-1][1] if medias else session).append((key.strip(), text.strip()))
        elif kind == "s" and not medias:
            name = value
    if not seen:
        raise RemoteError("not a session description", shown=ascii(data[:60].decode("latin-1")))
    return SessionDescription(
        attributes=tuple(session),
        name=name,
        medias=tuple(_media(words, attributes) for words, attributes in medias),
    )


def _media(words: list[str], attributes: list[tuple[str, str]]) -> Media:
    kind, port, protocol, *payload_types = [*words, "", "", ""] if len(words) < 3 else words
    return Media(
        attributes=tuple(attributes),
        kind=kind,
        port=port,
        protocol=protocol,
        payload_types=tuple(word for word in payload_types if word),
        direction=_direction(attributes),
    )


def _direction(attributes: Iterable[tuple[str, str]]) -> str:
    return next((key for key, _ in attributes if key in DIRECTIONS), "")
