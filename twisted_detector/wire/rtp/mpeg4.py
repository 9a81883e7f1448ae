"""RTP packets of an MPEG-4 part 2 stream (RFC 6416) go in; that a whole intra picture came, and its size, come out.

ISO/IEC 14496-2: video object layers in section 6.2.3, pictures (VOP) in section 6.2.5.
"""

from __future__ import annotations

import re

from twisted_detector.errors import RemoteError
from twisted_detector.wire.rtp.bits import BitReader
from twisted_detector.wire.rtp.codecs import MPEG4
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.sps import MAX_SIDE, VideoParameters

#: The headers before a picture have some 50 bytes; encoders put user data of a hundred between.
_MAX_HEADERS = 1_024
_LAYER = re.compile(rb"\x00\x00\x01[\x20-\x2f]")
_PICTURE = b"\0\0\1\xb6"
#: vop_coding_type of an intra picture.
_INTRA = 0
_EXTENDED_PAR = 15
_RECTANGULAR = 0


def parse_layer(data: bytes) -> VideoParameters | None:
    """Size in the first video object layer of the headers, None without one that can be read."""
    found = _LAYER.search(data)
    if found is None:
        return None
    reader = BitReader(data[found.end() : found.end() + 64])
    try:
        return _layer(reader)
    except RemoteError:
        return None


def _layer(reader: BitReader) -> VideoParameters:
    reader.skip(1 + 8)  # random_accessible_vol, video_object_type_indication
    if reader.flag():  # is_object_layer_identifier
        reader.skip(4 + 3)
    if reader.bits(4) == _EXTENDED_PAR:
        reader.skip(16)
    if reader.flag():  # vol_control_parameters
        reader.skip(2 + 1)
        if reader.flag():  # vbv_parameters
            reader.skip(79)
    if reader.bits(2) != _RECTANGULAR:
        raise RemoteError("an MPEG-4 picture that is no rectangle")
    reader.skip(1)
    resolution = reader.bits(16)
    reader.skip(1)
    if reader.flag():  # fixed_vop_rate
        reader.skip(max(1, (resolution - 1).bit_length()))
    reader.skip(1)
    width = reader.bits(13)
    reader.skip(1)
    height = reader.bits(13)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise RemoteError("an MPEG-4 layer with an impossible picture size", shown=f"{width}x{height}")
    return VideoParameters(width, height)


class Mpeg4Pictures:
    """Finder of the first whole intra picture.

    :param config: the headers, as the description has them.
    :ivar found: it has come; :ivar parameters: what the layer says; :ivar lacks_parameters: there is none.
    """

    codec = MPEG4
    digest = ""
    unit = b""

    def __init__(self, config: bytes = b"") -> None:
        self.found = self.lacks_parameters = False
        self.parameters = parse_layer(config)
        self._open = False
        self._timestamp = 0

    def packet(self, packet: RtpPacket, *, lost: bool) -> None:
        """Take the next packet. :param lost: packets before it are missing."""
        if lost:
            self._open = False
        # Some devices mark no end: it is where the next picture begins.
        begins = packet.payload.startswith(b"\0\0\1") or packet.timestamp != self._timestamp
        if self._open and begins:
            self._end_picture()
        self._timestamp = packet.timestamp
        start = packet.payload.find(_PICTURE, 0, _MAX_HEADERS)
        if start >= 0:
            self.parameters = parse_layer(packet.payload[:start]) or self.parameters
            kind = packet.payload[start + 4 : start + 5]
            self._open = bool(kind) and kind[0] >> 6 == _INTRA
        elif packet.payload.startswith(b"\0\0\1"):
            self.parameters = parse_layer(packet.payload[:_MAX_HEADERS]) or self.parameters
        if self._open and packet.marker:
            self._end_picture()

    def _end_picture(self) -> None:
        self._open = False
        self.lacks_parameters = self.parameters is None
        self.found = self.found or not self.lacks_parameters
