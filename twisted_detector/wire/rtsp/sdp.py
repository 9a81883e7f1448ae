"""The bytes of a session description go in; its medias with their codecs and controls come out (RFC 8866, RFC 2326 C).

Lenient: cameras leave lines out, put them in the wrong order and write what no grammar allows. A line that cannot be
read is passed over; only a body without any ``x=`` line is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from twisted_detector.errors import RemoteError
from twisted_detector.wire.rtp import codecs

#: As RTSP bodies: a recorder with many tracks has a few KiB.
MAX_BODY = 262_144
#: Lines beyond are passed over: no description has more than some hundred.
MAX_LINES = 4_096
#: A device has a handful of tracks per URL.
MAX_MEDIAS = 64
#: More than that many frames per second is a mistake of the device.
MAX_FRAMERATE = 480.0

DIRECTIONS = frozenset({"recvonly", "sendonly", "sendrecv", "inactive"})

#: Encoding names that carry no picture of their own: retransmission and error correction (RFC 4588, 2198, 5109, 8627)
#: and ONVIF's metadata (Streaming Specification 5.1.2.1.1), which some devices announce as video.
_AUXILIARY = re.compile(r"RTX|RED|.*FEC.*|(VND\.ONVIF\.)?METADATA.*")
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

#: The static payload types that are video; the others are sound, whatever the ``m=`` line says.
_STATIC_VIDEO = frozenset({"26", "28", "31", "32", "33", "34"})

#: A payload type and what is said of it; between them should be one blank, and is a tab, many, a colon or nothing.
_OF_NUMBER = re.compile(r"\s*([0-9]{1,3})(?![0-9])[\s:;]*(.*)", re.DOTALL)
_LINE_END = re.compile(r"\r\n|\n|\r")
_RATE = re.compile(r"[0-9]{1,3}(\.[0-9]{1,9})?")
_LINE = re.compile(r"([A-Za-z])=(.*)", re.DOTALL)

Attributes = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Described:
    attributes: Attributes = ()

    def attribute(self, name: str) -> str | None:
        """The value of the first ``a=<name>``, "" for a bare one, None when there is none."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> tuple[str, ...]:
        """The values of all ``a=<name>``, in order."""
        return tuple(value for key, value in self.attributes if key.lower() == name)

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
    def payload_type(self) -> str:
        """The payload type that counts, "" without any.

        The first that is more than retransmission or error correction and has a name; where the ``m=`` line has none
        with a name, the first that an rtpmap names; else the first.
        """
        names = self._names
        usable = (one for one, name in names.items() if name and not _AUXILIARY.fullmatch(name))
        return next(usable, self.payload_types[0] if self.payload_types else "")

    @property
    def auxiliary_types(self) -> frozenset[int]:
        """Numbers of the payload types that carry no picture of their own."""
        names = self._names.items()
        return frozenset(int(one) for one, name in names if one.isdecimal() and _AUXILIARY.fullmatch(name))

    @property
    def own_types(self) -> frozenset[int]:
        """Numbers of the payload types that may carry its picture."""
        return frozenset(int(one) for one in self._names if one.isdecimal()) - self.auxiliary_types

    @property
    def rtpmap(self) -> str | None:
        """The rtpmap of the first payload type as written (``H264/90000``), None when there is none."""
        return self.rtpmap_of(self.payload_types[0]) if self.payload_types else None

    def rtpmap_of(self, payload_type: str) -> str | None:
        """The last ``a=rtpmap`` of this payload type (a later one overrides an earlier), None when there is none."""
        return _of_payload_type(self.all("rtpmap"), payload_type)

    @property
    def encoding(self) -> str:
        """Encoding name of :attr:`payload_type` in upper case (RFC 8866: any case), "" when unknown."""
        return self._names.get(self.payload_type, "")

    @property
    def _names(self) -> dict[str, str]:
        """Encoding names of all payload types, "" when unknown: those of the ``m=`` line, then what rtpmaps add."""
        video = self.kind.lower() == "video"
        names = {
            one: STATIC_PAYLOAD_TYPES.get(one, "") if (one in _STATIC_VIDEO) is video else ""
            for one in self.payload_types
        }
        names.update(_numbered(self.all("rtpmap")))
        return {one: text.partition("/")[0].strip().upper() for one, text in names.items()}

    @property
    def format_parameters(self) -> dict[str, str]:
        """The ``a=fmtp`` of :attr:`payload_type`, names in lower case; of several lines the later count more."""
        payload_type, names = self.payload_type, self._names
        given = tuple(_numbered(self.all("fmtp")))
        texts = [text for number, text in given if number == payload_type]
        texts = texts or [text for number, text in given if number not in names]  # of a number that nothing has
        parameters: dict[str, str] = {}
        for part in (part for text in reversed(texts) for part in text.split(";")):
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
        framesize = _of_payload_type(self.all("framesize"), self.payload_type) or ""
        return _dimensions((*self.all("x-dimensions"), framesize))


@dataclass(frozen=True, slots=True)
class SessionDescription(_Described):
    """A whole description: its name, its session-level attributes and its medias in order."""

    name: str = ""
    medias: tuple[Media, ...] = ()

    @property
    def video(self) -> Media | None:
        """The first video that is switched on and is more than metadata, retransmission or error correction.

        One in a codec that can be judged comes before others: a device that has both shows its picture there. Where
        none is switched on, one that is not: some firmware calls it so and plays it when it is asked for.
        """
        every = [one for one in self._all("video", set()) if not _AUXILIARY.fullmatch(one.encoding)]
        videos = [one for one in every if self.direction_of(one) != "inactive"] or every
        return next((one for one in videos if codecs.is_judged(one.encoding)), videos[0] if videos else None)

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
        return next(self._all("audio", refused), None)

    @property
    def dimensions(self) -> tuple[int, int]:
        """Width and height of the video from its own attributes or, as some write it, the session's; else (0, 0)."""
        own = self.video.dimensions if self.video is not None else (0, 0)
        return own if own != (0, 0) else _dimensions(self.all("x-dimensions"))

    def direction_of(self, media: Media) -> str:
        """The media's direction or, where it has none, the session's; "" without either."""
        return media.direction or _direction(self.attributes)

    def _all(self, kind: str, refused: set[str]) -> Iterator[Media]:
        return (one for one in self.medias if one.kind.lower() == kind and self.direction_of(one) not in refused)


def _dimensions(texts: Iterable[str]) -> tuple[int, int]:
    for text in texts:
        match = re.match(r"\s*([0-9]{1,5})\s*[,x-]\s*([0-9]{1,5})\b", text)
        if match and int(match[1]) and int(match[2]):
            return int(match[1]), int(match[2])
    return 0, 0


def _numbered(texts: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Payload type and text of attributes that begin with one; some devices put a word for the number."""
    for text in texts:
        match = _OF_NUMBER.fullmatch(text)
        number, value = match.groups() if match else (*text.split(None, 1), "", "")[:2]
        yield number, value.strip()


def _of_payload_type(texts: Iterable[str], payload_type: str) -> str | None:
    return dict(_numbered(texts)).get(payload_type)


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
        kind, value = match[1].lower(), match[2].strip()
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
