"""RTP packets of one video stream go in; that a keyframe has come, its codec, its size, and the keyframe come out.

As a decoder takes it the keyframe is: H.264 and H.265 as a byte stream with start codes (annex B of either), parameter
sets first; JPEG as a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Protocol

from twisted_detector.wire.rtp.codecs import JPEG, JUDGED, MPEG4
from twisted_detector.wire.rtp.h26x import H264, H265
from twisted_detector.wire.rtp.h26x_pictures import H26xPictures
from twisted_detector.wire.rtp.jpeg import JpegPictures
from twisted_detector.wire.rtp.mpeg4 import Mpeg4Pictures
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.sps import VideoParameters

#: RFC 5761 section 4: where RTP and RTCP share a channel, the types of RTCP packets (192..195 and 200..210 in an octet)
#: look like these payload types with the marker bit.
_RTCP = frozenset((*range(64, 68), *range(72, 83)))


#: Gaps in the numbers of packets that came over TCP after which they are taken for what they are: numbers of other
#: packets, too. A device that leaves packets out because the network is slow leaves out many at once now and then; one
#: that is too slow itself leaves out single ones, but no quarter of all.
MIN_GAPS = 16
#: Most packets of another media between two of the video where both are counted together.
MAX_BETWEEN = 2
#: Packets in clear after which a stream is read that is announced as encrypted: of so many that are encrypted all look
#: as if they were not once in 65 536 times.
MIN_CLEAR = 16
#: forbidden_zero_bit in the first octet of H.264 and H.265; of JPEG the bit is not used.
_FORBIDDEN = b"\x80"


class Pictures(Protocol):
    """Finder of a picture with which a decoder can begin in the packets of one codec; see :class:`H26xPictures`."""

    codec: str
    found: bool
    parameters: VideoParameters | None
    lacks_parameters: bool
    digest: str
    unit: bytes

    def packet(self, packet: RtpPacket, *, lost: bool) -> None:
        """Take the next packet. :param lost: packets before it are missing."""


class KeyframeFinder:
    """Finder of the first picture of a stream that a decoder could show.

    H.264 and H.265: see :mod:`wire.rtp.h26x_pictures`. JPEG: a whole picture (RFC 2435). MPEG-4 part 2: a whole intra
    picture. Which of them it is, its packets decide: devices call one by the other's name, or by none. MPEG-4 alone is
    believed by its name only, and of other codecs nothing can be told.

    :param codec: as :func:`codec_of` has it; "": not named.
    :param parameter_sets: those of the description (H.264, H.265), or one with the headers of MPEG-4 part 2.
    :param auxiliary: payload types that are not the stream's own: retransmission, error correction.
    :param own: those that are. Once there was a packet of one, others do not count: sound, or something of the maker's.
    :param size: width and height of the description, where JPEG's own header has no room for them.
    :param collect: whether the keyframe itself is wanted: :attr:`found` only when all of it is there.
    :param encrypted: it is announced so: nothing is read of it before its packets have shown that they are not.
    :ivar codec: what the packets show; until then what was given. :ivar own: as given.
    :ivar packets: RTP packets so far, whatever their payload type: it is the media's own channel.
    :ivar found: a keyframe has come.
    """

    def __init__(
        self,
        codec: str,
        *,
        parameter_sets: Iterable[bytes] = (),
        auxiliary: frozenset[int] = frozenset(),
        own: frozenset[int] = frozenset(),
        size: tuple[int, int] = (0, 0),
        collect: bool = False,
        encrypted: bool = False,
    ) -> None:
        self.codec = codec
        self.packets = 0
        self.found = False
        self._auxiliary = auxiliary
        self._collect = collect
        self.own = own
        self._own_came = False
        self._last: tuple[int, bytes] | None = None
        self._reliable = False
        self._steps = self._gaps = self._wide_gaps = 0
        self._begin = partial(_readers, codec, tuple(parameter_sets), size, collect=collect)
        self._readers = self._begin()
        self._encrypted = encrypted
        self._gate = _ClearGate()

    def nothing_is_lost(self) -> None:
        """The packets come over TCP: the network loses none, though the device may leave some out."""
        self._reliable = True

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
        if packet.payload_type in self.own and not self._own_came:
            self._own_came, self._last, self._readers, self._gate = True, None, self._begin(), _ClearGate()
        elif self._own_came and packet.payload_type not in self.own:
            return self.found
        self.packets += 1
        for one in self._gate.passed(packet) if self._encrypted else (packet,):
            if not self.found:
                self._read(one)
        return self.found

    def _read(self, packet: RtpPacket) -> None:
        lost = False
        if self._last is not None:
            # Some devices count nothing; the same payload again under its number is a datagram that came twice.
            sequence, payload = self._last
            if packet.sequence == sequence and packet.payload == payload:
                return
            lost = self._is_lost((packet.sequence - sequence) & 0xFFFF)
        self._last = packet.sequence, packet.payload
        for reader in self._readers:
            reader.packet(packet, lost=lost)
        if len(self._readers) > 1:
            self._decide()
        if self._readers:
            first = self._readers[0]
            self.found = bool(first.unit) if self._collect else first.found

    def _is_lost(self, step: int) -> bool:
        """Whether packets are missing, by how far the number is from the last one."""
        lost = step > 1
        self._steps += 1
        self._gaps += lost
        self._wide_gaps += step > 1 + MAX_BETWEEN
        if not (lost and self._reliable) or self._gaps < MIN_GAPS:
            return lost
        return self._gaps * (2 if self._wide_gaps else 4) < self._steps

    def _decide(self) -> None:
        """Keep one of several readers when its parameter sets, or its picture, have shown whose stream it is."""
        for reader in self._readers:
            if reader.found or (isinstance(reader, H26xPictures) and reader.certain):
                self.codec = reader.codec
                self._readers = [reader]
                return


class _ClearGate:
    """Gate for the packets of a stream that is announced as encrypted: it opens where they are seen to be in clear."""

    def __init__(self) -> None:
        self._clear = 0
        self._encrypted = False
        self._held: list[RtpPacket] = []

    def passed(self, packet: RtpPacket) -> list[RtpPacket]:
        """The packets that may be read now that this one has come, in order."""
        self._encrypted = self._encrypted or packet.payload[:1] >= _FORBIDDEN
        self._clear += 1
        held, self._held = [*self._held, packet], []
        if self._encrypted:
            return []
        if self._clear >= MIN_CLEAR:
            return held
        self._held = held
        return []


def _readers(codec: str, sets: tuple[bytes, ...], size: tuple[int, int], *, collect: bool) -> list[Pictures]:
    """Readers for a codec, the likeliest first; none where its pictures cannot be told."""
    if codec and codec not in JUDGED:
        return []
    readers: dict[str, Pictures] = {
        one: H26xPictures(one, sets=sets if one == codec else (), strict=one != codec, collect=collect)
        for one in (H264, H265)
    }
    # No unit has three octets of zero in a row, with which a JPEG picture begins: the one is not taken for the other.
    readers[JPEG] = JpegPictures(size)
    if codec == MPEG4:
        readers[MPEG4] = Mpeg4Pictures(b"".join(sets))
    first = [readers.pop(codec)] if codec else []
    return [*first, *readers.values()]
