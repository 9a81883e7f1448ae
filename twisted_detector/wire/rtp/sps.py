"""A sequence parameter set goes in; picture size and frame rate come out.

H.264: ITU-T H.264 sections 7.3.2.1 and E.1. H.265: ITU-T H.265 sections 7.3.2.2, 7.3.3, 7.3.7 and E.2.
A VUI part that cannot be read (many devices break it) costs the frame rate only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from twisted_detector.errors import RemoteError
from twisted_detector.wire.rtp.bits import BitReader, unescape

#: Level 6.2 of both standards allows no side longer than this (H.265 table A.8: sqrt(8 * 35 651 584)).
MAX_SIDE = 16_888
#: Beyond this many frames per second the timing is noise.
MAX_FPS = 480.0
#: Real parameter sets have some ten bytes; with all scaling lists below 2 KiB.
MAX_SPS = 4_096
#: The same few sets come again and again, in band each second: the last so many are remembered, 1 MiB at most.
_REMEMBERED = 256

#: Profiles whose parameter set has the chroma part (section 7.3.2.1.1).
_H264_WITH_CHROMA = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})


@dataclass(frozen=True, slots=True)
class VideoParameters:
    """Content of a parameter set: size in pixels after cropping; ``fps`` 0.0 when it has none.

    :ivar address_bits: of the address of an H.265 slice, None where that is not known.
    """

    width: int
    height: int
    fps: float = 0.0
    address_bits: int | None = field(default=None, compare=False)


@lru_cache(_REMEMBERED)
def parse_sps_h264(nal: bytes) -> VideoParameters:
    """Read an H.264 sequence parameter set, NAL unit header included.

    :raises RemoteError: another NAL unit, cut short before the size, or an impossible size.
    """
    if len(nal) < 4 or nal[0] & 0x1F != 7:
        raise RemoteError("not an H.264 sequence parameter set", shown=nal[:4].hex())
    reader = _reader(nal[1:])
    profile = reader.bits(8)
    reader.skip(16)  # constraint_set flags, level_idc
    reader.unsigned()  # seq_parameter_set_id
    chroma = _h264_chroma(reader) if profile in _H264_WITH_CHROMA else 1
    reader.unsigned()  # log2_max_frame_num_minus4
    _h264_picture_order(reader)
    reader.unsigned()  # max_num_ref_frames
    reader.flag()  # gaps_in_frame_num_value_allowed_flag
    width = (reader.unsigned() + 1) * 16
    map_units = reader.unsigned() + 1
    frames_only = reader.flag()
    height = map_units * 16 * (1 if frames_only else 2)
    if not frames_only:
        reader.flag()  # mb_adaptive_frame_field_flag
    reader.flag()  # direct_8x8_inference_flag
    if reader.flag():
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        unit_x = 2 if chroma in (1, 2) else 1
        unit_y = (2 if chroma == 1 else 1) * (1 if frames_only else 2)
        width -= (left + right) * unit_x
        height -= (top + bottom) * unit_y
    _check_size(width, height)
    return VideoParameters(width, height, _h264_fps(reader))


def _reader(rbsp: bytes) -> BitReader:
    if len(rbsp) > MAX_SPS:
        raise RemoteError("a parameter set is too long", shown=f"{len(rbsp)} bytes")
    return BitReader(unescape(rbsp))


def _check_size(width: int, height: int) -> None:
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise RemoteError("a parameter set with an impossible picture size", shown=f"{width}x{height}")


def _fps(time_scale: int, units: int) -> float:
    fps = time_scale / units if units else 0.0
    return round(fps, 3) if 0 < fps <= MAX_FPS else 0.0


def _h264_chroma(reader: BitReader) -> int:
    chroma = reader.unsigned()
    separate = reader.flag() if chroma == 3 else False
    reader.unsigned()  # bit_depth_luma_minus8
    reader.unsigned()  # bit_depth_chroma_minus8
    reader.flag()  # qpprime_y_zero_transform_bypass_flag
    if reader.flag():
        for index in range(8 if chroma != 3 else 12):
            if reader.flag():
                _h264_scaling_list(reader, 16 if index < 6 else 64)
    return 0 if separate else chroma


def _h264_scaling_list(reader: BitReader, size: int) -> None:
    last = following = 8
    for _ in range(size):
        if following:
            following = (last + reader.signed()) % 256
        last = following or last


def _h264_picture_order(reader: BitReader) -> None:
    kind = reader.unsigned()
    if kind == 0:
        reader.unsigned()  # log2_max_pic_order_cnt_lsb_minus4
    elif kind == 1:
        reader.flag()
        reader.signed()
        reader.signed()
        count = reader.unsigned()
        if count > 255:
            raise RemoteError("an H.264 parameter set with too many reference frames", shown=str(count))
        for _ in range(count):
            reader.signed()


def _h264_fps(reader: BitReader) -> float:
    try:
        if not reader.flag():  # vui_parameters_present_flag
            return 0.0
        _vui_picture(reader)
        if not reader.flag():  # timing_info_present_flag
            return 0.0
        units, time_scale = reader.bits(32), reader.bits(32)
    except RemoteError:
        return 0.0
    return _fps(time_scale, 2 * units)  # two ticks, one per field, make a frame (section E.2.1)


def _vui_picture(reader: BitReader) -> None:
    """The first part of the VUI, which both standards have in common."""
    if reader.flag() and reader.bits(8) == 255:  # aspect_ratio_idc: Extended_SAR
        reader.skip(32)
    if reader.flag():  # overscan_info_present_flag
        reader.flag()
    if reader.flag():  # video_signal_type_present_flag
        reader.skip(4)
        if reader.flag():
            reader.skip(24)
    if reader.flag():  # chroma_loc_info_present_flag
        reader.unsigned()
        reader.unsigned()


@lru_cache(_REMEMBERED)
def parse_sps_h265(nal: bytes) -> VideoParameters:
    """Read an H.265 sequence parameter set, NAL unit header included.

    :raises RemoteError: another NAL unit, cut short before the size, or an impossible size.
    """
    if len(nal) < 4 or nal[0] >> 1 & 0x3F != 33:
        raise RemoteError("not an H.265 sequence parameter set", shown=nal[:4].hex())
    reader = _reader(nal[2:])
    reader.skip(4)  # sps_video_parameter_set_id
    sub_layers = reader.bits(3)
    reader.flag()  # sps_temporal_id_nesting_flag
    _h265_profile(reader, sub_layers)
    reader.unsigned()  # sps_seq_parameter_set_id
    chroma = reader.unsigned()
    separate = reader.flag() if chroma == 3 else False
    width, height = coded = reader.unsigned(), reader.unsigned()
    if reader.flag():  # conformance_window_flag
        left, right, top, bottom = (reader.unsigned() for _ in range(4))
        width -= (left + right) * (2 if chroma in (1, 2) else 1)
        height -= (top + bottom) * (2 if chroma == 1 and not separate else 1)
    _check_size(width, height)
    fps, address_bits = 0.0, None
    try:
        poc_bits, block_bits = _h265_coding(reader, sub_layers)
        # section 7.4.7.1: Ceil(Log2(PicSizeInCtbsY))
        columns, rows = (-(-side >> block_bits) for side in coded)
        address_bits = (columns * rows - 1).bit_length()
        fps = _h265_fps(reader, poc_bits)
    except RemoteError:
        pass
    return VideoParameters(width, height, fps, address_bits)


def _h265_profile(reader: BitReader, sub_layers: int) -> None:
    reader.skip(8 + 32 + 48 + 8)  # general profile, its flags, general_level_idc
    present = [(reader.flag(), reader.flag()) for _ in range(sub_layers)]
    if sub_layers:
        reader.skip(2 * (8 - sub_layers))
    for has_profile, has_level in present:
        reader.skip((88 if has_profile else 0) + (8 if has_level else 0))


def _h265_coding(reader: BitReader, sub_layers: int) -> tuple[int, int]:
    """The bits of a picture order count, and of the side of a coding tree block."""
    reader.unsigned()  # bit_depth_luma_minus8
    reader.unsigned()  # bit_depth_chroma_minus8
    poc_bits = reader.unsigned() + 4
    for _ in range(sub_layers + 1 if reader.flag() else 1):
        for _ in range(3):
            reader.unsigned()
    smallest = reader.unsigned() + 3
    block_bits = _at_most(smallest + reader.unsigned(), 6)
    for _ in range(4):  # sizes of transform blocks, transform hierarchy depths
        reader.unsigned()
    return poc_bits, block_bits


def _h265_fps(reader: BitReader, poc_bits: int) -> float:
    if reader.flag() and reader.flag():
        _h265_scaling_lists(reader)
    reader.skip(2)  # amp_enabled_flag, sample_adaptive_offset_enabled_flag
    if reader.flag():  # pcm_enabled_flag
        reader.skip(8)
        reader.unsigned()
        reader.unsigned()
        reader.flag()
    _h265_short_term_sets(reader)
    if reader.flag():  # long_term_ref_pics_present_flag
        for _ in range(_at_most(reader.unsigned(), 32)):
            reader.skip(_at_most(poc_bits, 16) + 1)
    reader.skip(2)  # sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
    if not reader.flag():  # vui_parameters_present_flag
        return 0.0
    _vui_picture(reader)
    reader.skip(3)  # neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
    if reader.flag():  # default_display_window_flag
        for _ in range(4):
            reader.unsigned()
    if not reader.flag():  # vui_timing_info_present_flag
        return 0.0
    units, time_scale = reader.bits(32), reader.bits(32)
    return _fps(time_scale, units)


def _at_most(value: int, highest: int) -> int:
    if value > highest:
        raise RemoteError("an H.265 parameter set with an impossible count", shown=str(value))
    return value


def _h265_scaling_lists(reader: BitReader) -> None:
    for size in range(4):
        for _ in range(0, 6, 3 if size == 3 else 1):
            if not reader.flag():
                reader.unsigned()
                continue
            if size > 1:
                reader.signed()
            for _ in range(min(64, 1 << (4 + (size << 1)))):
                reader.signed()


def _h265_short_term_sets(reader: BitReader) -> None:
    """Pass over the short-term reference picture sets (section 7.3.7); only their lengths matter here."""
    length = 0
    for index in range(_at_most(reader.unsigned(), 64)):
        if index and reader.flag():  # inter_ref_pic_set_prediction_flag: the set before, changed
            reader.flag()
            reader.unsigned()
            kept = 0
            for _ in range(length + 1):
                kept += reader.flag() or reader.flag()  # used_by_curr_pic_flag, else use_delta_flag
            length = kept
        else:
            length = _at_most(reader.unsigned(), 16) + _at_most(reader.unsigned(), 16)
            for _ in range(length):
                reader.unsigned()
                reader.flag()
