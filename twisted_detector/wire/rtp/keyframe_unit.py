"""RTP packets of one video stream go in; the bytes of one whole keyframe come out, as a decoder takes them.

H.264 and H.265 as a byte stream with start codes (annex B of either), parameter sets first; JPEG as a file.
"""

from __future__ import annotations

from collections.abc import Iterable

from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.jpeg import JpegAssembler
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.packets import RtpPacket

#: A keyframe of an 8K stream at its best quality has about 3 MB.
MAX_UNIT = 4 * 1024 * 1024
#: NAL units of one picture: encoders cut one into at most some 70 slices (a row of macroblocks each).
MAX_NALS = 512
#: VPS, SPS and PPS of each kind: the newest few are enough, and each is small.
MAX_SETS = 16

_START_CODE = b"\0\0\0\1"
_PARAMETER_SETS = {h26x.H264: (7, 8, 13, 15), h26x.H265: (32, 33, 34)}


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
        self._sets = dict.fromkeys(sets)
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
        if packet.payload_type in range(64, 96):
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
                self._sets.pop(fragment.data, None)
                self._sets[fragment.data] = None
                while len(self._sets) > MAX_SETS:
                    del self._sets[next(iter(self._sets))]
            else:
                self._nals.append(fragment.data)
            return
        if fragment.first:
            self._partial = bytearray(fragment.header)
        self._partial += fragment.data
        if fragment.last:
            self._nals.append(bytes(self._partial))
            self._partial.clear()
