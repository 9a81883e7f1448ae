"""RTP packets of one video stream go in; that a keyframe has come, its codec, its size, and the keyframe come out.

As a decoder takes it the keyframe is: H.264 and H.265 as a byte stream with start codes (annex B of either), parameter
sets first; JPEG as a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from twisted_detector.wire.rtp.codecs import JPEG, MPEG4
from twisted_detector.wire.rtp.h26x import H264, H265
from twisted_detector.wire.rtp.h26x_pictures import H26xPictures
from twisted_detector.wire.rtp.jpeg import JpegPictures
from twisted_detector.wire.rtp.mpeg4 import Mpeg4Pictures
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.sps import VideoParameters

#: RFC 5761 section 4: where RTP and RTCP share a channel, the types of RTCP packets (192..195 and 200..210 in an octet)
#: look like these payload types with the marker bit.
_RTCP = frozenset((*range(64, 68), *range(72, 83)))


class Pictures(Protocol):
    """Finder of a picture with which a decoder can begin in the packets of one codec; see :class:`H26xPictures`."""

    found: bool
    parameters: VideoParameters | None
    lacks_parameters: bool
    digest: str
    unit: bytes

    def packet(self, packet: RtpPacket, *, lost: bool) -> None:
        """Take the next packet. :param lost: packets before it are missing."""


class KeyframeFinder:
    """Finder of the first picture of a stream that a decoder could show.

    H.264 and H.265: see :mod:`wire.rtp.h26x_pictures`. Which of the two it is, its packets decide: devices call one by
    the other's name. JPEG: a whole picture (RFC 2435). MPEG-4 part 2: a whole intra picture. A stream of no name is
    taken for H.264 or H.265 when its packets show one; of other codecs nothing can be told.

    :param codec: as :func:`codec_of` has it; "": not named.
    :param parameter_sets: those of the description (H.264, H.265), or one with the headers of MPEG-4 part 2.
    :param auxiliary: payload types that are not the stream's own: retransmission, error correction.
    :param size: width and height of the description, where JPEG's own header has no room for them.
    :param collect: whether the keyframe itself is wanted: :attr:`found` only when all of it is there.
    :ivar codec: what the packets show; until then what was given.
    :ivar packets: RTP packets so far, whatever their payload type: it is the media's own channel.
    :ivar found: a keyframe has come.
    """

    def __init__(
        self,
        codec: str,
        *,
        parameter_sets: Iterable[bytes] = (),
        auxiliary: frozenset[int] = frozenset(),
        size: tuple[int, int] = (0, 0),
        collect: bool = False,
    ) -> None:
        self.codec = codec
        self.packets = 0
        self.found = False
        self._auxiliary = auxiliary
        self._collect = collect
        self._last: tuple[int, bytes] | None = None
        self._readers = _readers(codec, tuple(parameter_sets), size, collect=collect)

    @property
    def decidable(self) -> bool:
        """Whether it can be told of this codec when a keyframe came."""
        return bool(self._readers)

    @property
    def parameters(self) -> VideoParameters | None:
        """What the last parameter set in band (or the JPEG header) said."""
        return self._readers[0].parameters if self._readers else None

    @property
    def lacks_parameters(self) -> bool:
        """A keyframe came, but nothing that tells a decoder how to read it."""
        return bool(self._readers) and self._readers[0].lacks_parameters

    @property
    def digest(self) -> str:
        """See :class:`H26xPictures`."""
        return self._readers[0].digest if self._readers else ""

    @property
    def unit(self) -> bytes:
        """The keyframe, b"" so far."""
        return self._readers[0].unit if self._readers else b""

    def packet(self, packet: RtpPacket) -> bool:
        """Take the next packet; returns :attr:`found`. RTCP on the same channel and bad payloads are ignored."""
        if packet.payload_type in self._auxiliary or (packet.marker and packet.payload_type in _RTCP):
            return self.found
        self.packets += 1
        if self.found:
            return True
        lost = False
        if self._last is not None:
            # Some devices count nothing; the same payload again under its number is a datagram that came twice.
            sequence, payload = self._last
            if packet.sequence == sequence and packet.payload == payload:
                return False
            lost = packet.sequence not in (sequence, (sequence + 1) & 0xFFFF)
        self._last = packet.sequence, packet.payload
        for reader in self._readers:
            reader.packet(packet, lost=lost)
        if len(self._readers) > 1:
            self._decide()
        if self._readers:
            first = self._readers[0]
            self.found = bool(first.unit) if self._collect else first.found
        return self.found

    def _decide(self) -> None:
        """Keep one of several readers when its parameter sets have shown whose stream it is."""
        for reader in self._readers:
            if isinstance(reader, H26xPictures) and (reader.certain or reader.found):
                self._readers, self.codec = [reader], reader.codec
                return


def _readers(codec: str, sets: tuple[bytes, ...], size: tuple[int, int], *, collect: bool) -> list[Pictures]:
    """Readers for a codec, the likeliest first; none where its pictures cannot be told."""
    if codec in (H264, H265):
        other = H265 if codec == H264 else H264
        return [H26xPictures(codec, sets=sets, collect=collect), H26xPictures(other, strict=True, collect=collect)]
    if not codec:
        return [H26xPictures(one, strict=True, collect=collect) for one in (H264, H265)]
    if codec == JPEG:
        return [JpegPictures(size)]
    return [Mpeg4Pictures(b"".join(sets))] if codec == MPEG4 else []
