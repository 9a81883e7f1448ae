"""Bytes of a still image go in; its type by its own structure, and its size, come out.

The frame of JPEG (ITU-T T.81 annex B) and PNG (W3C PNG, section 5) is read, no pixel is decoded: enough to tell one
from an error page, a whole one from half of one, and a size that no camera has.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.errors import RemoteError

JPEG, PNG = "image/jpeg", "image/png"

#: A browser has to decode it: 64 megapixels are 200 MB there; the largest cameras sold have some 32.
MAX_PIXELS = 64 * 1024 * 1024
#: Segments of a JPEG before its first scan; with all of EXIF, ICC and a thumbnail there are some forty.
MAX_SEGMENTS = 512
#: Chunks of a PNG: encoders write 8 KiB or more at a time, so 2 MiB have some 250.
MAX_CHUNKS = 4_096

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SOI, _EOI = b"\xff\xd8", b"\xff\xd9"
_SOS = 0xDA
#: Start of frame (table B.1): all of C0 to CF but DHT, JPG and DAC.
_SOF = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
#: Markers without a length: TEM, RST0 to RST7.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})


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
    if data.startswith(_SOI):
        return _jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _png(data)
    raise RemoteError("neither JPEG nor PNG", shown=data[:16].hex())


def _sized(data: bytes, media_type: str, width: int, height: int) -> Image:
    if not width or not height or width * height > MAX_PIXELS:
        raise RemoteError("an image of an impossible size", shown=f"{width}x{height}")
    return Image(data, media_type, width, height)


def _jpeg(data: bytes) -> Image:
    position, size = 2, (0, 0)
    for _ in range(MAX_SEGMENTS):
        if data[position : position + 1] != b"\xff":
            raise RemoteError("a JPEG without a marker where one must be", shown=f"at {position}")
        while data[position : position + 1] == b"\xff":  # any number of fill bytes (B.1.1.2)
            position += 1
        if position + 3 > len(data):
            raise RemoteError("a JPEG that is cut short", shown=f"at {position}")
        marker = data[position]
        if marker in _BARE:
            position += 1
            continue
        length = int.from_bytes(data[position + 1 : position + 3], "big")
        body = data[position + 3 : position + 1 + length]
        if length < 2 or len(body) != length - 2:
            raise RemoteError("a JPEG segment that is cut short", shown=f"{marker:02x} of {length}")
        if marker in _SOF and not any(size):
            if len(body) < 6:
                raise RemoteError("a JPEG frame header that is cut short", shown=f"{length}")
            size = int.from_bytes(body[3:5], "big"), int.from_bytes(body[1:3], "big")
        position += 1 + length
        if marker == _SOS:
            end = data.rfind(_EOI, position)
            if end < 0:
                raise RemoteError("a JPEG without an end", shown=f"{len(data)} bytes")
            return _sized(data[: end + 2], JPEG, *size)
    raise RemoteError("a JPEG of too many segments", shown=f"{MAX_SEGMENTS}")


def _png(data: bytes) -> Image:
    position, size = len(_PNG_SIGNATURE), (0, 0)
    for number in range(MAX_CHUNKS):
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        end = position + 12 + length
        if len(kind) < 4 or end > len(data):
            raise RemoteError("a PNG that is cut short", shown=f"at {position}")
        if (number == 0) != (kind == b"IHDR") or (kind == b"IHDR" and length != 13):
            raise RemoteError("a PNG whose header is not where it must be")
        if kind == b"IHDR":
            size = (
                int.from_bytes(data[position + 8 : position + 12], "big"),
                int.from_bytes(data[position + 12 : position + 16], "big"),
            )
        if kind == b"IEND":
            return _sized(data[:end], PNG, *size)
        position = end
    raise RemoteError("a PNG of too many chunks", shown=f"{MAX_CHUNKS}")
