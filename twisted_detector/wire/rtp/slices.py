"""Units of one H.264 or H.265 stream go in; where each slice begins, whether it is intra, and recovery points come out.

Headers of slices: ITU-T H.264 section 7.3.3, H.265 section 7.3.6.1. Recovery points: annex D of either standard; with
one an encoder says that a decoder may begin there although no IDR picture comes.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.errors import RemoteError
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.wire.rtp.bits import BitReader, unescape
from twisted_detector.wire.rtp.h26x import H264, HEADER, is_keyframe

#: Bytes of a slice that hold all that is read of its header.
SLICE_HEAD = 32
#: Pictures after a recovery point until all of the picture is right: 20 s at 25 frames a second.
MAX_RECOVERY = 500
#: Messages of one SEI unit; encoders put one to five there.
MAX_MESSAGES = 64
_RECOVERY_POINT = 6
_SEI = {H264: 6, "H265": 39}
_SLICES = {H264: (1, 5), "H265": (*range(10), *range(16, 22))}
_H265_IRAP = range(16, 24)
#: H.264 table 7-6: I and SI; H.265 table 7-7: I.
_H264_INTRA, _H265_INTRA = (2, 4, 7, 9), 2
#: H.264 table 7-6, H.265 table 7-7.
_H264_TYPES, _H265_TYPES = 10, 3
#: H.265 section 7.4.3.3.
_MAX_PPS = 64


def is_sei(kind: int, codec: str) -> bool:
    """Whether this NAL unit type holds messages that come before the picture."""
    return kind == _SEI[codec]


def is_slice(kind: int, codec: str) -> bool:
    """Whether this NAL unit type is a slice of a picture."""
    return kind in _SLICES[codec]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice of a picture.

    :ivar address: of its first block, in the order of the scan; 0: a picture begins.
    :ivar intra: it refers to no other picture.
    """

    address: int
    intra: bool


@dataclass(frozen=True, slots=True)
class _PictureParameters:
    """What an H.265 picture parameter set says of slice headers (section 7.3.2.3.1)."""

    dependent: bool
    extra_bits: int


class SliceReader:
    """Reader of slice headers; H.265's need what the parameter sets say.

    :ivar address_bits: of an H.265 slice address, by the sequence parameter set; None: not known.
    """

    def __init__(self, codec: str) -> None:
        self.address_bits: int | None = None
        self._codec = codec
        self._sets: BoundedDict[int, _PictureParameters] = BoundedDict(_MAX_PPS)

    def parameter_set(self, nal: bytes) -> None:
        """Take an H.265 picture parameter set; one that cannot be read is none."""
        reader = BitReader(unescape(nal[HEADER[self._codec] : SLICE_HEAD]))
        try:
            number = reader.unsigned()
            reader.unsigned()  # pps_seq_parameter_set_id
            dependent = reader.flag()
            reader.flag()  # output_flag_present_flag
            self._sets[number] = _PictureParameters(dependent, reader.bits(3))
        except RemoteError:
            return

    def read(self, nal: bytes, kind: int) -> Slice | None:
        """Read the header of a slice; its first SLICE_HEAD bytes are enough.

        None for an H.265 segment that goes on with the slice before it.

        :raises RemoteError: cut short, a type that does not exist, or parameter sets that are not there.
        """
        reader = BitReader(unescape(nal[HEADER[self._codec] : SLICE_HEAD]))
        if self._codec == H264:
            address, slice_type = reader.unsigned(), reader.unsigned()
            if slice_type >= _H264_TYPES:
                raise RemoteError("a slice of a type that does not exist", shown=str(slice_type))
            return Slice(address, is_keyframe(kind) or slice_type in _H264_INTRA)
        return self._read_h265(reader, kind)

    def _read_h265(self, reader: BitReader, kind: int) -> Slice | None:
        first = reader.flag()  # first_slice_segment_in_pic_flag
        irap = kind in _H265_IRAP
        if irap:
            reader.flag()  # no_output_of_prior_pics_flag
        parameters = self._sets.get(reader.unsigned())
        if parameters is None:
            raise RemoteError("a slice of which the parameter set is not there")
        address = 0
        if not first:
            if parameters.dependent and reader.flag():
                return None
            if self.address_bits is None:
                raise RemoteError("a slice of which the parameter set is not there")
            address = reader.bits(self.address_bits)
        reader.skip(parameters.extra_bits)
        slice_type = reader.unsigned()
        if slice_type >= _H265_TYPES:
            raise RemoteError("a slice of a type that does not exist", shown=str(slice_type))
        return Slice(address, irap or slice_type == _H265_INTRA)


def recovery_point(nal: bytes, codec: str) -> int | None:
    """After how many pictures all is right for a decoder that begins here; None: the SEI unit has no recovery point."""
    data = unescape(nal[HEADER[codec] :])
    position = 0
    for _ in range(MAX_MESSAGES):
        numbers = []
        for _ in range(2):  # type and size: the sum of bytes up to the first that is not 255
            number = 0
            while data[position : position + 1] == b"\xff":
                number += 255
                position += 1
            if position >= len(data):
                return None
            numbers.append(number + data[position])
            position += 1
        kind, size = numbers
        if kind == _RECOVERY_POINT:
            reader = BitReader(data[position : position + size])
            try:
                # recovery_frame_cnt (H.264), or recovery_poc_cnt, which may be negative (H.265)
                count = reader.unsigned() if codec == H264 else reader.signed()
            except RemoteError:
                return None
            return min(max(count, 0), MAX_RECOVERY)
        position += size
    return None
