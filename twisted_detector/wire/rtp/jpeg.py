"""RTP packets of a JPEG stream go in; whole JPEG files come out (RFC 2435).

The payload leaves the JPEG headers out; they are made again from the eight bytes of the main header as in RFC 2435
appendices A and B.
"""

from __future__ import annotations

from twisted_detector.errors import RemoteError
from twisted_detector.wire.rtp.codecs import JPEG
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.sps import VideoParameters

#: One picture: that of a 12-megapixel camera at quality 80 has about 3 MB.
MAX_PICTURE = 4 * 1024 * 1024

_MAIN_HEADER = 8
#: A side in JPEG's frame header has two octets (ITU-T T.81 section B.2.2).
_MAX_JPEG_SIDE = 65_535
#: Q of which each picture has its own tables (RFC 2435 section 4.2).
_TABLES_ALWAYS = 255
_RESTART = range(64, 128)

#: ITU-T T.81 annex K.1, in zigzag order as RFC 2435 appendix A has them.
_LUMA = bytes.fromhex(
    "100b0c0e0c0a100e0d0e1211101318281a181616183123251d283a333d3c3933383740485c4e404457453738506d5157"
    "5f626768673e4d71797064785c656763"
)
_CHROMA = bytes.fromhex("11121218 15182f1a 1a2f6342 38426363") + b"\x63" * 48

# ITU-T T.81 annex K.3: the Huffman tables that every encoder of this payload uses (RFC 2435 section 4.1).
_DC_LUMA = bytes.fromhex("00010501010101010100000000000000000102030405060708090a0b")
_DC_CHROMA = bytes.fromhex("00030101010101010101010000000000000102030405060708090a0b")
_AC_LUMA = bytes.fromhex(
    "0002010303020403050504040000017d01020300041105122131410613516107227114328191a1082342b1c11552d1f0"
    "2433627282090a161718191a25262728292a3435363738393a434445464748494a535455565758595a63646566676869"
    "6a737475767778797a838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5"
    "c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"
)
_AC_CHROMA = bytes.fromhex(
    "00020102040403040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0"
    "156272d10a162434e125f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768"
    "696a737475767778797a82838485868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3"
    "c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)


class JpegPictures:
    """Puts the first whole picture of one stream together; one with a packet missing is dropped.

    :param size: width and height, for pictures that are too large for the payload's header (2040 pixels a side): it
        has 0 there then, and the description has the size.
    :ivar found: a whole picture has come.
    :ivar unit: the picture, b"" so far, or where its size is not known.
    :ivar parameters: its size.
    """

    codec = JPEG
    digest = ""
    lacks_parameters = False

    def __init__(self, size: tuple[int, int] = (0, 0)) -> None:
        self.found = False
        self.unit = b""
        self.parameters: VideoParameters | None = None
        self._size = size
        self._timestamp = -1
        self._tables: dict[int, list[tuple[int, bytes]]] = {}
        self._head: bytes | None = None
        self._scan = bytearray()

    def packet(self, packet: RtpPacket, *, lost: bool = False) -> None:
        """Take the next packet; one that cannot be read drops its picture. :param lost: some before it are missing."""
        follows = not lost and packet.timestamp == self._timestamp
        self._timestamp = packet.timestamp
        try:
            offset, data = self._payload(packet.payload)
        except RemoteError:
            self._head = None
            return
        if offset and (not follows or offset != len(self._scan)):
            self._head = None
        if self._head is None:
            return
        self._scan += data
        if len(self._scan) > MAX_PICTURE:
            self._head = None
        elif packet.marker and self._scan:
            self.found = True
            end = b"" if self._scan.endswith(b"\xff\xd9") else b"\xff\xd9"
            self.unit = self._head + bytes(self._scan) + end if self._head else b""
            self._head = None

    def _payload(self, payload: bytes) -> tuple[int, bytes]:
        """Fragment offset and data; the first fragment gives the picture's headers.

        :raises RemoteError: cut short, or a form that is not of RFC 2435.
        """
        if len(payload) < _MAIN_HEADER:
            raise RemoteError("an RTP/JPEG header is cut short", shown=payload.hex())
        offset = int.from_bytes(payload[1:4], "big")
        kind, quality = payload[4], payload[5]
        width, height = payload[6] * 8 or self._size[0], payload[7] * 8 or self._size[1]
        position, restart = _MAIN_HEADER, b""
        if kind in _RESTART:
            restart = payload[position : position + 2]
            position += 4
        if kind & 0x3F > 1 or kind > 127:
            raise RemoteError("an RTP/JPEG type that is not known", shown=str(kind))
        if not offset:
            self._scan.clear()
            self._head = None
            if quality >= 128:
                tables, position = self._tables_in_band(quality, payload, position)
            else:
                tables = _tables_of(quality)
            known = 0 < width <= _MAX_JPEG_SIDE and 0 < height <= _MAX_JPEG_SIDE
            self.parameters = VideoParameters(width, height) if known else self.parameters
            self._head = _headers(kind & 1, width, height, tables, restart) if known else b""
        if position > len(payload):
            raise RemoteError("an RTP/JPEG header is cut short", shown=payload[:16].hex())
        return offset, payload[position:]

    def _tables_in_band(self, quality: int, payload: bytes, position: int) -> tuple[list[tuple[int, bytes]], int]:
        """Tables of a Q of 128 and up, and where the data begins; of one below 255 those that came earlier count on."""
        if payload[position + 2 : position + 4] == b"\0\0" and quality in self._tables:
            return self._tables[quality], position + 4
        tables, end = _tables_in_band(payload, position)
        if quality < _TABLES_ALWAYS:
            self._tables[quality] = tables
        return tables, end


def _tables_in_band(payload: bytes, position: int) -> tuple[list[tuple[int, bytes]], int]:
    """Quantization tables as (precision, bytes) and where the data begins (RFC 2435 section 3.1.8)."""
    precision, length = (
        payload[position + 1 : position + 2],
        int.from_bytes(payload[position + 2 : position + 4], "big"),
    )
    position += 4
    data, end = payload[position : position + length], position + length
    if len(data) < length or not length:
        # No table, and no earlier one that would count on. A picture comes with its tables soon.
        raise RemoteError("RTP/JPEG without its quantization tables", shown=str(length))
    tables: list[tuple[int, bytes]] = []
    while data and len(tables) < 4:
        wide = precision[0] >> len(tables) & 1
        size = 128 if wide else 64
        if len(data) < size:
            raise RemoteError("an RTP/JPEG quantization table is cut short", shown=str(len(data)))
        tables.append((wide, data[:size]))
        data = data[size:]
    return tables, end


def _tables_of(quality: int) -> list[tuple[int, bytes]]:
    """The tables of a Q below 128 (RFC 2435 section 4.2, appendix A).

    :raises RemoteError: a Q that is reserved.
    """
    if not 1 <= quality <= 99:
        raise RemoteError("an RTP/JPEG quality that is reserved", shown=str(quality))
    scale = 5000 // quality if quality < 50 else 200 - quality * 2
    return [(0, bytes(min(max((value * scale + 50) // 100, 1), 255) for value in table)) for table in (_LUMA, _CHROMA)]


def _segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes((marker,)) + (len(body) + 2).to_bytes(2, "big") + body


def _headers(kind: int, width: int, height: int, tables: list[tuple[int, bytes]], restart: bytes) -> bytes:
    """Everything before the scan's data (RFC 2435 appendix B)."""
    chroma = min(1, len(tables) - 1)
    parts = [b"\xff\xd8"]
    parts += [_segment(0xDB, bytes((wide << 4 | number,)) + table) for number, (wide, table) in enumerate(tables)]
    if restart and any(restart):
        parts.append(_segment(0xDD, restart))
    components = bytes((1, 0x22 if kind else 0x21, 0, 2, 0x11, chroma, 3, 0x11, chroma))
    parts.append(_segment(0xC0, b"\x08" + height.to_bytes(2, "big") + width.to_bytes(2, "big") + b"\x03" + components))
    for place, table in ((0x00, _DC_LUMA), (0x10, _AC_LUMA), (0x01, _DC_CHROMA), (0x11, _AC_CHROMA)):
        parts.append(_segment(0xC4, bytes((place,)) + table))
    parts.append(_segment(0xDA, b"\x03\x01\x00\x02\x11\x03\x11\x00\x3f\x00"))
    return b"".join(parts)
