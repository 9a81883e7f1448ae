"""RTP packets of an H.264 or H.265 stream go in; that a picture came with which a decoder can begin, and it, come out.

A decoder can begin with

- an IDR picture, or an IRAP one of H.265 (CRA and BLA too): one whole slice of it is enough here;
- a recovery point: the encoder refreshes the picture little by little and says where that begins;
- intra slices that cover the picture, in one access unit or, row by row, in several.

An access unit ends with the marker bit or a new timestamp (RFC 6184 section 5.1, RFC 7798 section 4.1). Where one of
the two is seen to mean less, in a parameter set that is marked or in parts of a unit that have several timestamps, it
is not believed; where neither says anything, the slices tell: one of the first block begins a picture or a field. A
unit ends where the next one begins, too: some devices do not mark its last part.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from hashlib import blake2b

from twisted_detector.errors import RemoteError
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.packets import RtpPacket
from twisted_detector.wire.rtp.slices import Slice, SliceReader, is_sei, is_slice, recovery_point
from twisted_detector.wire.rtp.sps import MAX_SPS, VideoParameters

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
#: NAL units that are looked at until a keyframe came: 10 s of 50 pictures a second of 70 slices each.
MAX_UNITS = 40_000
#: NAL units of all pictures from a recovery point until the picture is right.
MAX_GATHERED = 4_096
#: VPS, SPS and PPS of each kind: the newest few are enough, and each is small.
MAX_SETS = 16

#: Slices of the first block in what is collected as one picture: H.264 sends a frame, or its two fields.
_BEGINNINGS = {h26x.H264: 2, h26x.H265: 1}
#: Beyond the address of any block.
_END = 1 << 40
#: nal_ref_idc in the header of an H.264 unit.
_REFERENCE = 0x60
_START_CODE = b"\0" + h26x.START_CODE


class H26xPictures:
    """Finder of the first picture of a stream that a decoder could show.

    :param sets: parameter sets of the description.
    :param strict: take nothing that another codec might have sent.
    :param collect: whether the picture itself is wanted: :attr:`found` only when all of it is there.
    :ivar found: such a picture has come, and the parameter sets to decode it.
    :ivar certain: a parameter set in band was of this codec beyond doubt.
    :ivar parameters: what the last parameter set in band said.
    :ivar lacks_parameters: a picture came, but nothing that tells a decoder how to read it.
    :ivar digest: of the coded picture in the slice that was found, "" where there is none: two equal ones are the same
        picture to the last bit, which no live sensor takes twice. Slices that refer to other pictures have none: they
        are equal where nothing moves.
    :ivar unit: the picture, parameter sets first, as a byte stream; from a recovery point on with all that follow until
        it is right.
    """

    def __init__(self, codec: str, *, sets: Iterable[bytes] = (), strict: bool = False, collect: bool = False) -> None:
        self.codec = codec
        self.found = self.certain = self.lacks_parameters = False
        self.parameters: VideoParameters | None = None
        self.digest = ""
        self.unit = b""
        self._strict = strict
        self._checks = strict or codec == h26x.H265
        self._collect = collect
        self._known = False
        self._splitter = h26x.UnitSplitter()
        self._reader = SliceReader(codec)
        self._sets: BoundedDict[bytes, None] = BoundedDict(MAX_SETS)
        self._units = 0
        # the unit that is being read
        self._marks_more = self._stamps_more = False
        self._in_unit = False
        self._head = bytearray()
        self._body = bytearray()
        self._tail: deque[bytes] = deque()
        self._kept = self._size = 0
        # the picture that is being read
        self._timestamp: int | None = None
        self._dropped = False
        self._slices: list[Slice] = []
        self._begun = self._unreadable = self._whole = False
        self._beginnings = 0
        self._announced: int | None = None
        self._recovery: int | None = None
        self._slice_digest = ""
        self._nals: list[bytes] = []
        self._leading = self._bytes = 0
        # what several pictures make together
        self._covered: list[tuple[int, int]] = []
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._awaited: int | None = None
        for one in sets:
            self._take_set(one, h26x.nal_type(one, codec))
        self.certain = False
        self.parameters = None

    def packet(self, packet: RtpPacket, *, lost: bool) -> None:
        """Take the next packet. :param lost: packets before it are missing."""
        if self._units > MAX_UNITS:
            return
        if lost:
            self._lose()
            self._timestamp = packet.timestamp
        # In H.265 other layers are no picture of their own, and FFmpeg refuses them too.
        if self._checks and not h26x.is_plausible(packet.payload, self.codec):
            self._pass_over(packet.payload)
            return
        try:
            carried = h26x.fragments(packet.payload, self.codec)
        except RemoteError:
            self._pass_over(packet.payload)
            return
        for fragment in carried:
            if fragment.first:
                for part in self._splitter.finish():
                    self._part(*part)
                if packet.timestamp != self._timestamp and not self._stamps_more:
                    self._end_picture()
                self._timestamp = packet.timestamp
            elif self._in_unit and packet.timestamp != self._timestamp:
                self._stamps_more, self._timestamp = True, packet.timestamp
            for part in self._splitter.feed(fragment):
                self._part(*part)
        if packet.marker:
            last = carried[-1]
            self._marks_more |= not last.last or last.kind in h26x.PARAMETER_SETS[self.codec]
            if not (self._in_unit or self._marks_more):
                self._end_picture()

    def _pass_over(self, payload: bytes) -> None:
        """A payload that cannot be read: of a type of the maker's own, or empty, it is nothing of the stream's.

        One that would be a part of a unit is missing there.
        """
        if self._strict or h26x.is_part(payload, self.codec):
            self._leave_unit()

    # --- units -----------------------------------------------------------------------------------------------------

    def _part(self, first: bool, last: bool, data: bytes) -> None:
        """Take the next part of a unit."""
        if first:
            self._units += 1
            self._in_unit = True
            self._head.clear()
            self._body.clear()
            self._tail.clear()
            self._kept = self._size = 0
        elif not self._in_unit:
            return
        length = len(data)
        self._size += length
        self._kept += length
        self._tail.append(data)
        while self._kept - len(self._tail[0]) >= _TAIL:
            self._kept -= len(self._tail.popleft())
        if len(self._head) < MAX_SPS:
            self._head += data[: MAX_SPS - len(self._head)]
        if self._collect and not self._dropped:
            self._body += data
            self._bytes += length
            if self._bytes > MAX_UNIT:
                self._drop()
        if last:
            self._in_unit = False
            if self._size > h26x.HEADER[self.codec]:
                self._end_unit(bytes(self._head))

    def _end_unit(self, head: bytes) -> None:
        """A whole unit has come, of which ``head`` is the beginning."""
        kind = h26x.nal_type(head, self.codec)
        is_set = kind in h26x.PARAMETER_SETS[self.codec]
        if is_set:
            if self._size <= MAX_SPS:
                self._take_set(head, kind)
        elif is_sei(kind, self.codec):
            count = recovery_point(head, self.codec)
            self._announced = self._announced if count is None else count
        elif is_slice(kind, self.codec):
            self._tell_beginning(head, kind)
            self._slice(head, kind)
        if self._collect and not self._dropped and not is_set:
            self._nals.append(bytes(self._body))
            if is_slice(kind, self.codec):
                self._leading = len(self._nals)
            if len(self._nals) > MAX_NALS:
                self._drop()
        if self._dropped and self._marks_more and self._begins(head, kind) and not h26x.is_keyframe(kind, self.codec):
            self._end_picture()  # else nothing may tell where the picture ended of which a part is missing

    def _begins(self, head: bytes, kind: int) -> bool:
        """Whether a unit is a slice of the first block."""
        # the first bit: first_mb_in_slice is 0 (H.264), first_slice_segment_in_pic_flag (H.265)
        return is_slice(kind, self.codec) and bool(head[h26x.HEADER[self.codec]] & 0x80)

    def _tell_beginning(self, head: bytes, kind: int) -> None:
        """Where a slice begins a picture, and nothing else said so: the one before has ended."""
        if not self._begins(head, kind):
            return
        full = self._beginnings >= _BEGINNINGS[self.codec] or h26x.is_keyframe(kind, self.codec)
        if self._begun and not self._dropped and full:
            self._end_picture()
        self._beginnings += 1

    def _take_set(self, unit: bytes, kind: int) -> None:
        self._sets.pop(unit, None)  # the youngest from now on
        self._sets[unit] = None
        if not h26x.is_sps(kind, self.codec):
            self._reader.parameter_set(unit)
            return
        try:
            parameters = h26x.parse_sps(unit, self.codec)
        except RemoteError:
            return
        certain = h26x.is_certain_sps(unit, self.codec)
        if self._strict and not certain:
            return
        self.parameters, self._known = parameters, True
        self._reader.address_bits = parameters.address_bits
        self.certain = self.certain or certain

    def _slice(self, head: bytes, kind: int) -> None:
        """A whole slice has come."""
        self._begun = True
        if self._announced is not None:
            self._recovery, self._announced = self._announced, None
        if h26x.is_keyframe(kind, self.codec):
            self._whole = True
            self._shown(self._digest())
            return
        if self._recovery is not None:
            self._shown("")
        try:
            read = self._reader.read(head, kind)
        except RemoteError:
            self._unreadable = True
            return
        if read is None:
            return
        if read.address == 0 and self._slices:
            self._end_field()
        if len(self._slices) < MAX_NALS:
            self._slices.append(read)
        else:
            self._unreadable = True
        if read.intra:
            self._slice_digest = self._digest()

    def _shown(self, digest: str) -> None:
        """A decoder could begin here."""
        self.lacks_parameters = not self._known
        if self._known and not self.found and not self._collect:
            self.found, self.digest = True, digest
        elif self._known and self._collect and not self.digest:
            self.digest = digest

    def _digest(self) -> str:
        if not self._known:
            return ""  # nothing is found without parameter sets
        covered = min(_TAIL, self._size - _SLICE_HEADER) // _STEP * _STEP
        return blake2b(b"".join(self._tail)[-covered:], digest_size=8).hexdigest() if covered > 0 else ""

    # --- pictures --------------------------------------------------------------------------------------------------

    def _end_picture(self) -> None:
        """The access unit has ended; units after its last slice belong to the next one."""
        if not self._begun and not self._dropped:
            return
        self._end_field()
        if self._collect and not self._dropped:
            self._gather(self._nals[: self._leading])
        del self._nals[: self._leading]
        self._bytes = sum(map(len, self._nals))
        self._leading = self._beginnings = 0
        self._begun = self._dropped = self._whole = False
        self._recovery = None

    def _end_field(self) -> None:
        """The slices of a picture, or of one of its two fields, have come."""
        if any(one.intra for one in self._slices) and not self._unreadable and not self._dropped:
            intra = all(one.intra for one in self._slices)
            if self._covers():
                self._shown(self._slice_digest if intra else "")
                self._whole = self._whole or intra
        self._slices.clear()
        self._unreadable = False

    def _covers(self) -> bool:
        """Whether the intra slices of this picture and those before it cover all of a picture."""
        starts = sorted(self._slices, key=lambda one: one.address)
        ends = [one.address for one in starts[1:]] + [_END]
        spans = [(one.address, end) for one, end in zip(starts, ends, strict=True) if one.intra]
        merged: list[tuple[int, int]] = []
        for start, end in sorted([*self._covered, *spans]):
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((start, end))
        self._covered = merged[:MAX_NALS]
        if merged[0] != (0, _END):
            return False
        self._covered = []
        return True

    def _gather(self, nals: list[bytes]) -> None:
        """Take a picture's units."""
        if not self._known:
            return  # nor is what follows right without this one, which nobody can decode
        if self._whole or (self._awaited is None and self._recovery is not None):
            self._gathered, self._gathered_bytes = [], 0
            self._awaited = 0 if self._whole else self._recovery
        if self._awaited is None:
            return
        size = sum(map(len, nals))
        if self._gathered_bytes + size > MAX_UNIT or len(self._gathered) + len(nals) > MAX_GATHERED:
            nals, size, self._awaited = [], 0, 0  # most of the picture is right by now
        self._gathered += nals
        self._gathered_bytes += size
        if self._awaited == 0:
            self.unit = b"".join(_START_CODE + nal for nal in (*self._sets, *self._gathered))
            self.found = True
        elif self.codec != h26x.H264 or any(nal[0] & _REFERENCE for nal in nals):
            self._awaited -= 1  # recovery_frame_cnt counts frames that others refer to

    def _lose(self) -> None:
        """Packets are missing."""
        self._leave_unit()
        self._drop()

    def _leave_unit(self) -> None:
        """What follows is no part of the unit that was being read."""
        self._splitter.cut()
        self._in_unit = False

    def _drop(self) -> None:
        """The picture is not whole, nor is what it would have been part of."""
        self._dropped = True
        self._nals.clear()
        self._body.clear()
        self._leading = self._bytes = 0
        self._slices.clear()
        self._announced = self._recovery = self._awaited = None
        self._gathered.clear()
        self._covered.clear()
