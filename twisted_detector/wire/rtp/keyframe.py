"""RTP packets of one video stream go in; that a keyframe has come, its size, and the keyframe itself come out.

:class:`KeyframeFinder` keeps nothing but the end of the slice that it reads; :class:`KeyframeCollector` has the whole
keyframe as a decoder takes it: H.264 and H.265 as a byte stream with start codes (annex B of either), parameter sets
first; JPEG as a file.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b

from twisted_detector.errors import RemoteError
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.jpeg import JpegAssembler
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.sps import MAX_SPS, VideoParameters

#: RFC 2435 section 3.1: the JPEG header has eight bytes.
_JPEG_HEADER = 8
#: RFC 5761 section 4: where RTP and RTCP share a channel, RTCP packets look like these payload types.
_RTCP = range(64, 96)
#: Bytes at the end of a keyframe of which the digest is made: 16 KiB of coded picture hold the noise of many rows, and
#: 100 streams at once hold 3 MiB of them.
_TAIL = 16_384
#: Bytes at its beginning that are left out: slice headers count (``idr_pic_id``, the picture order), whatever is shown.
_SLICE_HEADER = 32
#: The digest covers whole steps of so many bytes from the end, so that a slice header longer by a byte matters not.
_STEP = 256
#: A keyframe of an 8K stream at its best quality has about 3 MB.
MAX_UNIT = 4 * 1024 * 1024
#: NAL units of one picture: encoders cut one into at most some 70 slices (a row of macroblocks each).
MAX_NALS = 512
#: VPS, SPS and PPS of each kind: the newest few are enough, and each is small.
MAX_SETS = 16

_START_CODE = b"\0\0\0\1"
_PARAMETER_SETS = {h26x.H264: (7, 8, 13, 15), h26x.H265: (32, 33, 34)}


class KeyframeFinder:
    """Finder of the first picture of a stream that a decoder could show.

    H.264 and H.265: a whole IDR or IRAP slice, no packet of it missing, with its parameter set known from the SDP or
    seen in band. JPEG: the first packet of any picture (RFC 2435). Other codecs: :attr:`decidable` is False.

    :ivar packets: RTP packets so far, whatever their payload type: it is the media's own channel.
    :ivar found: a keyframe has come.
    :ivar parameters: what the last parameter set in band (or the JPEG header) said.
    :ivar lacks_parameters: a keyframe came, but nothing that tells a decoder how to read it.
    :ivar digest: of the coded picture in the slice that was found, "" where there is none: two equal ones are the same
        picture to the last bit, which no live sensor takes twice.
    """

    def __init__(self, codec: str, *, parameters_known: bool = False) -> None:
        self.decidable = codec in (h26x.H264, h26x.H265, "JPEG")
        self.packets = 0
        self.found = False
        self.lacks_parameters = False
        self.parameters: VideoParameters | None = None
        self.digest = ""
        self._tail: deque[bytes] = deque()
        self._kept = 0
        self._size = 0
        self._codec = codec
        self._known = parameters_known
        self._expected: int | None = None
        self._keyframe_open = False

    def packet(self, packet: RtpPacket) -> bool:
        """Take the next packet; returns :attr:`found`. RTCP on the same channel and bad payloads are ignored."""
        if packet.payload_type in _RTCP:
            return self.found
        self.packets += 1
        if self._expected is not None and packet.sequence != self._expected:
            self._keyframe_open = False
        self._expected = (packet.sequence + 1) & 0xFFFF
        if self._codec == "JPEG":
            self._jpeg(packet.payload)
        elif self.decidable:
            try:
                carried = h26x.fragments(packet.payload, self._codec)
            except RemoteError:
                self._keyframe_open = False
                return self.found
            for fragment in carried:
                self._fragment(fragment)
        return self.found

    def _jpeg(self, payload: bytes) -> None:
        if len(payload) > _JPEG_HEADER and payload[1:4] == b"\0\0\0":
            if payload[6] and payload[7]:
                self.parameters = VideoParameters(payload[6] * 8, payload[7] * 8)
            self.found = True

    def _fragment(self, fragment: h26x.Fragment) -> None:
        if h26x.is_sps(fragment.kind, self._codec):
            self._parameter_set(fragment)
            return
        if not h26x.is_keyframe(fragment.kind, self._codec):
            return
        if fragment.first:
            self._keyframe_open = True
            self._tail.clear()
            self._kept = self._size = 0
        if not self._keyframe_open:
            return
        length = len(fragment.data)
        self._size += length
        self._kept += length
        self._tail.append(fragment.data)
        while self._kept - len(self._tail[0]) >= _TAIL:
            self._kept -= len(self._tail.popleft())
        if fragment.last:
            self._keyframe_open = False
            self.lacks_parameters = not self._known
            if self._known and not self.found:
                self.found = True
                self.digest = self._digest()

    def _digest(self) -> str:
        covered = min(_TAIL, self._size - _SLICE_HEADER) // _STEP * _STEP
        return blake2b(b"".join(self._tail)[-covered:], digest_size=8).hexdigest() if covered > 0 else ""

    def _parameter_set(self, fragment: h26x.Fragment) -> None:
        if not fragment.first or not fragment.last:
            return  # a parameter set has some ten bytes: nobody cuts it, and whoever does shows it in the SDP
        if len(fragment.data) > MAX_SPS:
            return
        try:
            self.parameters = h26x.parse_sps(fragment.data, self._codec)
        except RemoteError:
            return
        self._known = True


class KeyframeCollector(KeyframeFinder):
    """As :class:`KeyframeFinder`, but :attr:`found` only when all of a keyframe's access unit is there.

    An access unit ends with the marker bit or a new timestamp (RFC 6184 section 5.1, RFC 7798 section 4.1). One with a
    packet missing is dropped, and the next keyframe is waited for.

    :param parameter_sets: those of the SDP.
    :ivar unit: the keyframe, b"" so far.
    """

    def __init__(self, codec: str, *, parameter_sets: Iterable[bytes] = ()) -> None:
        sets = tuple(parameter_sets)[:MAX_SETS]
        super().__init__(codec, parameters_known=bool(sets))
        self.unit = b""
        self._sets: BoundedDict[bytes, None] = BoundedDict(MAX_SETS)
        self._sets.update(dict.fromkeys(sets))
        self._jpegs = JpegAssembler()
        self._nals: list[bytes] = []
        self._partial = bytearray()
        self._bytes = 0
        self._timestamp: int | None = None
        self._next: int | None = None
        self._whole = False
        self._dropped = True

    def packet(self, packet: RtpPacket) -> bool:
        """Take the next packet; returns :attr:`found`."""
        if self.unit:
            return True
        before = self.packets
        if self._codec == "JPEG":
            super().packet(packet)
            if self.packets > before and self._jpegs.packet(packet):
                self.unit = self._jpegs.picture
            self.found = bool(self.unit)
            return self.found
        self._follow(packet)
        seen = super().packet(packet)
        if self.packets > before and not self.unit:
            self._whole = self._whole or seen
            if packet.marker:
                self._finish()
        self.found = bool(self.unit)
        return self.found

    def _follow(self, packet: RtpPacket) -> None:
        """Begin a new access unit where the packet is not of this one."""
        if packet.payload_type in _RTCP:
            return
        lost = self._next is not None and packet.sequence != self._next
        self._next = (packet.sequence + 1) & 0xFFFF
        if packet.timestamp != self._timestamp:
            if not lost:
                self._finish()
            self._timestamp = packet.timestamp
            self._clear()
            self._dropped = lost
        elif lost:
            self._clear()
            self._dropped = True

    def _clear(self) -> None:
        self._nals.clear()
        self._partial.clear()
        self._bytes = 0
        self._whole = False

    def _finish(self) -> None:
        if self._whole and not self._dropped and not self.unit:
            self.unit = b"".join(_START_CODE + nal for nal in (*self._sets, *self._nals))
        self._clear()
        self._dropped = False

    def _fragment(self, fragment: h26x.Fragment) -> None:
        if not self._dropped:
            self._collect(fragment)
        super()._fragment(fragment)

    def _collect(self, fragment: h26x.Fragment) -> None:
        self._bytes += len(fragment.data)
        if self._bytes > MAX_UNIT or len(self._nals) >= MAX_NALS:
            self._clear()
            self._dropped = True
            return
        if fragment.first and fragment.last:
            if fragment.kind in _PARAMETER_SETS[self._codec]:
                self._sets.pop(fragment.data, None)  # the youngest from now on
                self._sets[fragment.data] = None
            else:
                self._nals.append(fragment.data)
            return
        if fragment.first:
            self._partial = bytearray(fragment.header)
        self._partial += fragment.data
        if fragment.last:
            self._nals.append(bytes(self._partial))
            self._partial.clear()
