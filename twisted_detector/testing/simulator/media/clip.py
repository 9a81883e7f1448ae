"""The clips that simulated cameras play, read from an H.264 byte stream (Annex B).

The two clips beside this module are ours: FFmpeg's test picture, encoded with libx264, 60 frames at 15 per second,
a keyframe each second, no B-frames (so that decoding order is showing order and a timestamp is a count)::

    ffmpeg -f lavfi -i testsrc2=size=640x360:rate=15:duration=4 -c:v libx264 -profile:v main -preset veryslow \\
      -pix_fmt yuv420p -b:v 240k -maxrate 240k -bufsize 240k \\
      -x264-params keyint=15:min-keyint=15:scenecut=0:bframes=0:repeat-headers=1:force-cfr=1 \\
      -bsf:v filter_units=remove_types=6 -f h264 clip.h264

``clip_sub.h264`` is the same with ``size=320x180`` and ``64k``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from twisted_detector.errors import LocalError
from twisted_detector.testing.simulator.wire.rtp import split_annex_b
from twisted_detector.wire.rtp.sps import parse_sps_h264

#: NAL unit types of H.264 (ITU-T H.264, table 7-1).
_SLICE, _IDR, _SPS, _PPS = 1, 5, 7, 8
#: Types that can only stand before the first slice of an access unit (7.4.1.2.3).
_OPENERS = frozenset({6, _SPS, _PPS, 9})


@dataclass(frozen=True, slots=True)
class AccessUnit:
    """One coded picture: its NAL units in order, without start codes."""

    nals: tuple[bytes, ...]
    keyframe: bool


@dataclass(frozen=True, slots=True)
class Clip:
    """A clip in decoding order; the first access unit is a keyframe, so it may be played in a circle.

    :ivar fps: pictures per second, as its own SPS says.
    """

    units: tuple[AccessUnit, ...]
    sps: bytes
    pps: bytes
    width: int
    height: int
    fps: float


def read_clip(data: bytes) -> Clip:
    """Read a whole clip.

    :raises LocalError: no keyframe at its start, or no parameter sets: the file is ours, so the fault is too.
    """
    units: list[AccessUnit] = []
    waiting: list[bytes] = []
    coded = False
    parameters: dict[int, bytes] = {}
    for nal in split_annex_b(data):
        kind = nal[0] & 31
        # first_mb_in_slice is the first Exp-Golomb number of a slice header: a leading 1 bit means macroblock 0.
        opens = kind in _OPENERS or (kind in (_SLICE, _IDR) and len(nal) > 1 and bool(nal[1] & 0x80))
        if opens and coded:
            units.append(_unit(waiting))
            waiting, coded = [], False
        coded = coded or kind in (_SLICE, _IDR)
        if kind in (_SPS, _PPS):
            parameters.setdefault(kind, nal)
        waiting.append(nal)
    if coded:
        units.append(_unit(waiting))
    if not units or not units[0].keyframe or len(parameters) < 2:
        raise LocalError("a clip begins with parameter sets and a keyframe")
    video = parse_sps_h264(parameters[_SPS])
    if not video.fps:
        raise LocalError("a clip says its frame rate in its SPS")
    return Clip(tuple(units), parameters[_SPS], parameters[_PPS], video.width, video.height, video.fps)


def _unit(nals: list[bytes]) -> AccessUnit:
    return AccessUnit(tuple(nals), any(nal[0] & 31 == _IDR for nal in nals))


@cache
def main_clip() -> Clip:
    """The clip of the main stream: 640 x 360 at 15 frames per second."""
    return read_clip(_shipped("clip.h264"))


@cache
def sub_clip() -> Clip:
    """The clip of the sub stream: 320 x 180 at 15 frames per second."""
    return read_clip(_shipped("clip_sub.h264"))


def _shipped(name: str) -> bytes:
    return files(__package__).joinpath(name).read_bytes()
