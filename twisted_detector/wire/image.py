"""Bytes of a still image go in, as they come; its type by its own structure, its size, and its end come out.

The frame of JPEG (ITU-T T.81 annex B) and PNG (W3C PNG, section 5) is read, no pixel is decoded: enough to tell one
from an error page, a whole one from half of one, and a size that no camera has. What stands before a picture (line
ends, the heads of a part, a text part) and after it is no part of it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.response import Wholeness

JPEG, PNG = "image/jpeg", "image/png"

#: A browser has to decode it: 64 megapixels are 200 MB there; the largest cameras sold have some 32.
MAX_PIXELS = 64 * 1024 * 1024
#: Segments of a JPEG; with all of EXIF, ICC, a thumbnail and the scans of a progressive one there are some sixty.
MAX_SEGMENTS = 512
#: Octets before a picture: line ends, the head of a part, a text part before it; devices send below 1 kB.
MAX_BEFORE = 8_192
#: Octets that are no part of any segment: decoders pass over them (libjpeg: "extraneous bytes before marker").
MAX_STRAY = 4_096
#: Chunks of a PNG: encoders write 8 KiB or more at a time, so 2 MiB have some 250.
MAX_CHUNKS = 4_096

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: Some encoders write the first marker twice (libjpeg: "two SOI markers"): the second one counts.
_BEGIN = re.compile(rb"\xff\xd8\xff[^\xd8]|" + re.escape(_PNG_SIGNATURE))
#: Octets that may be the beginning of one of these.
_LONGEST_BEGIN = len(_PNG_SIGNATURE) - 1
_EOI, _SOI, _SOS, _DRI = 0xD9, 0xD8, 0xDA, 0xDD
#: Start of frame (table B.1): all of C0 to CF but DHT, JPG and DAC.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Of these one scan has each block (F.1): baseline and extended sequential.
_SEQUENTIAL = frozenset({0xC0, 0xC1})
#: Markers without a length: TEM, RST0 to RST7; and zero, which is none.
_BARE = frozenset({0x00, 0x01, *range(0xD0, 0xD8)})
#: What may follow a scan of a picture that has several: DHT, SOS, DQT, DNL, DRI, COM. Other octets after FF within one
#: are what an encoder forgot to stuff.
_AFTER_SCAN = frozenset({0xC4, _SOS, 0xDB, 0xDC, _DRI, 0xFE})
#: A marker after any number of fill octets (B.1.1.2).
_MARKER = re.compile(rb"\xff+[^\xff]")
#: A marker within a scan (B.1.1.5): no stuffed octet, no restart, no fill.
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
#: What a server puts between two pictures of a stream.
_DELIMITER = re.compile(rb"\r?\n--[^\r\n]{1,80}(?:--)?\s*(?:$|\r?\n)")
_LONGEST_DELIMITER = 400


@dataclass(frozen=True, slots=True)
class Image:
    """One whole image: its bytes without what a device sent after their end.

    :ivar media_type: ``image/jpeg`` or ``image/png``.
    """

    data: bytes
    media_type: str
    width: int
    height: int


def read_image(data: bytes) -> Image:
    """Look at the structure of ``data``.

    :raises RemoteError: neither JPEG nor PNG, cut short, without a size or with an absurd one.
    """
    reader = ImageReader()
    if not reader.feed(data):
        reader.refuse()
    return reader.image()


class ImageReader:
    """Reader of the first picture in a stream; see :class:`wire.http.response.Body`.

    Each octet is looked at once, however the stream is cut.
    """

    def __init__(self) -> None:
        self._data = bytearray()
        self._jpeg: _Jpeg | None = None
        self._png: _Png | None = None
        self._end = 0

    def feed(self, data: bytes) -> bool:
        """Take the next octets; True when the picture is whole.

        :raises RemoteError: they are none.
        """
        if self._end:
            return True
        self._data += data
        structure = self._jpeg or self._png or self._begin()
        if structure is not None:
            self._end = structure.follow(self._data)
        return bool(self._end)

    def judge(self) -> Wholeness:
        """See :class:`wire.http.response.Body`."""
        if self._end:
            return Wholeness.WHOLE
        if self._jpeg is not None or self._png is not None:
            return Wholeness.OPEN
        begins = any(one.startswith(self._data) for one in (b"\xff\xd8\xff", _PNG_SIGNATURE))
        # A camera of one picture a second sends the delimiter before it at once.
        begins = begins or self._data.lstrip().startswith(b"--")
        return Wholeness.OPEN if begins and self._data else Wholeness.UNKNOWN

    def image(self) -> Image:
        """The picture; that of a JPEG which lacks its end gets one: what is missing may be that alone.

        :raises RemoteError: there is none, it is cut short, or of an impossible size.
        """
        if self._end and self._jpeg is None and self._png is not None:
            return _sized(bytes(self._data[: self._end]), PNG, *self._png.size)
        if self._jpeg is None or not (self._end or self._jpeg.in_scan):
            self.refuse()
        if not self._end:
            self._end = self._jpeg.close(self._data, len(self._data))
        return _sized(bytes(self._data[: self._end]), JPEG, *self._jpeg.size)

    def refuse(self) -> NoReturn:
        """:raises RemoteError: why there is no whole picture."""
        if self._jpeg is None and self._png is None:
            raise RemoteError("neither JPEG nor PNG", shown=self._data[:16].hex())
        kind = "PNG" if self._jpeg is None else "JPEG"
        raise RemoteError(f"a {kind} that is cut short", shown=f"{len(self._data)} bytes")

    def _begin(self) -> _Jpeg | _Png | None:
        """Drop what stands before the picture."""
        found = _BEGIN.search(self._data, 0, MAX_BEFORE + _LONGEST_BEGIN)
        if found is None:
            if len(self._data) > MAX_BEFORE + _LONGEST_BEGIN:
                self.refuse()
            return None
        del self._data[: found.start()]
        if self._data.startswith(_PNG_SIGNATURE):
            self._png = _Png()
            return self._png
        self._jpeg = _Jpeg()
        return self._jpeg


class _Jpeg:
    """Place in a JPEG that is coming in."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self.in_scan = False
        self._position = 2
        self._segments = self._stray = 0
        self._scan_begin = 0
        self._least = 0

    def follow(self, data: bytearray) -> int:
        """Where the picture ends; 0 while that has not come.

        :raises RemoteError: it is no JPEG.
        """
        while True:
            begin = (_MARKER_IN_SCAN.search if self.in_scan else _MARKER.match)(data, self._position)
            if begin is None:
                if not self.in_scan and self._position < len(data) and data[self._position] != 0xFF:
                    if self._scan_begin:
                        self.in_scan = True  # what looked like a marker was none
                    else:
                        self._pass_over(data)
                    continue
                self._position = max(len(data) - 1, self._position)
                return 0
            self._position = begin.end() - 2
            marker = data[self._position + 1]
            if marker == _EOI and self._scan_begin:
                return self._position + 2
            if marker == _SOI and self.in_scan:
                return self.close(data, self._position)
            if marker in _BARE or (self.in_scan and marker not in _AFTER_SCAN):
                self._position += 2
            elif not self._segment(data, self._position, marker):
                return 0
            self._segments += 1
            if self._segments > MAX_SEGMENTS:
                raise RemoteError("a JPEG of too many segments", shown=f"{MAX_SEGMENTS}")

    def _pass_over(self, data: bytearray) -> None:
        """Pass over octets that are no part of a segment."""
        marker = data.find(0xFF, self._position)
        end = marker if marker >= 0 else len(data)
        self._stray += end - self._position
        if self._stray > MAX_STRAY:
            raise RemoteError("a JPEG without a marker where one must be", shown=f"at {self._position}")
        self._position = end

    def may_be_all(self, length: int) -> bool:
        """Whether ``length`` octets may be the whole picture but for its end."""
        return self.in_scan and length - self._scan_begin >= self._least

    def _segment(self, data: bytearray, position: int, marker: int) -> bool:
        """Whether the segment at ``position`` is there; then it is passed."""
        if position + 4 > len(data):
            return False
        length = int.from_bytes(data[position + 2 : position + 4], "big")
        if length < 2 or (marker in _SOF and length < 8):
            raise RemoteError("a JPEG segment that is cut short", shown=f"{marker:02x} of {length}")
        if position + 2 + length > len(data):
            return False
        body = bytes(data[position + 4 : position + 2 + length])
        if marker in _SOF and not any(self.size):
            self.size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
            if marker in _SEQUENTIAL:
                self._least = _least_scan(*self.size, body[6:])
        self._position = position + 2 + length
        self.in_scan = marker == _SOS
        if self.in_scan:
            self._scan_begin = self._scan_begin or self._position
        return True

    def close(self, data: bytearray, end: int) -> int:
        """Put the missing end where the data of a scan end: at ``end``, or at a delimiter before it.

        :raises RemoteError: the scan has less than a picture of its size can have.
        """
        delimiter = _DELIMITER.search(data, max(end - _LONGEST_DELIMITER, self._scan_begin), end)
        end = delimiter.start() if delimiter is not None else end
        if not self.may_be_all(end):
            raise RemoteError("a JPEG that is cut short", shown=f"{end} bytes")
        data[end:] = b"\xff\xd9"
        return len(data)


def _least_scan(width: int, height: int, components: bytes) -> int:
    """Octets that the scan of a sequential JPEG has at the least: two bits for each block (F.1.2)."""
    factors = [(byte >> 4, byte & 15) for byte in components[1::3]]
    if not factors or any(not 1 <= one <= 4 for pair in factors for one in pair):
        return 0
    across, down = (max(pair[axis] for pair in factors) for axis in (0, 1))
    blocks = sum(
        -(-width * horizontal // (8 * across)) * -(-height * vertical // (8 * down)) for horizontal, vertical in factors
    )
    return blocks // 4


class _Png:
    """Place in a PNG that is coming in."""

    def __init__(self) -> None:
        self.size = (0, 0)
        self._position = len(_PNG_SIGNATURE)
        self._chunks = 0

    def follow(self, data: bytearray) -> int:
        """As of :class:`_Jpeg`."""
        while self._position + 12 <= len(data):
            position = self._position
            length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
            if (self._chunks == 0) != (kind == b"IHDR") or (kind == b"IHDR" and length != 13):
                raise RemoteError("a PNG whose header is not where it must be")
            end = position + 12 + length
            if end > len(data):
                return 0
            if kind == b"IHDR":
                self.size = (
                    int.from_bytes(data[position + 8 : position + 12], "big"),
                    int.from_bytes(data[position + 12 : position + 16], "big"),
                )
            if kind == b"IEND":
                return end
            self._position = end
            self._chunks += 1
            if self._chunks > MAX_CHUNKS:
                raise RemoteError("a PNG of too many chunks", shown=f"{MAX_CHUNKS}")
        return 0


def _sized(data: bytes, media_type: str, width: int, height: int) -> Image:
    if not width or not height or width * height > MAX_PIXELS:
        raise RemoteError("an image of an impossible size", shown=f"{width}x{height}")
    return Image(data, media_type, width, height)
