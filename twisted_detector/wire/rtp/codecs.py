"""The encoding name and format parameters of a description go in; the codec that a stream is taken for comes out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress

from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.h26x import H264, H265
from twisted_detector.wire.rtp.sps import MAX_SPS

JPEG, MPEG4 = "JPEG", "MP4V-ES"
#: Codecs of which it can be told whether a picture came that a decoder may begin with.
JUDGED = frozenset({H264, H265, JPEG, MPEG4})
#: Names that devices write for the registered ones, or within longer ones (``X-H264``, ``H264-90000``).
_ALIASES = {
    "H.264": H264, "AVC": H264, "AVC1": H264, "H.265": H265, "HEVC": H265, "HEV1": H265, "MJPEG": JPEG, "MJPG": JPEG,
}  # fmt: skip
_WITHIN = re.compile(r"(?<![A-Z0-9])(H\.?26[45]|AVC1?|HEVC|HEV1)(?![A-Z0-9])")
#: Parameters that only one of the two can have (RFC 6184 section 8.1, RFC 7798 section 7.1).
_ONLY = {
    H264: {"packetization-mode", "profile-level-id", "sprop-parameter-sets"},
    H265: {
        "sprop-vps", "sprop-sps", "sprop-pps", "profile-space", "profile-id", "tier-flag", "level-id",
        "interop-constraints", "profile-compatibility-indicator",
    },
}  # fmt: skip


def is_judged(name: str) -> bool:
    """Whether pictures of the codec with this encoding name can be judged."""
    return _registered(name) in JUDGED


def codec_of(name: str, format_parameters: Mapping[str, str]) -> str:
    """The codec by its registered name; one that is not known is returned as it is.

    H.264 that is called H265, and the reverse, is known by what only one of them can have: parameter sets that can be
    read, else the parameters' names. Where these speak for both or none, the name counts.
    """
    name = _registered(name)
    if name not in _ONLY:
        return name
    readable = [one for one in _ONLY if h26x.video_parameters(format_parameters, one) is not None]
    named = [one for one in _ONLY if not _ONLY[one].isdisjoint(format_parameters)]
    return next((found[0] for found in (readable, named) if len(found) == 1), name)


def _registered(name: str) -> str:
    within = _WITHIN.search(name)
    name = within[0] if within is not None else name
    return _ALIASES.get(name, name)


def parameter_sets(codec: str, format_parameters: Mapping[str, str]) -> tuple[bytes, ...]:
    """What the description has of a decoder's parameters; nothing where a decoder could not begin with it.

    H.264, H.265: parameter sets, one of the sequence among them. MPEG-4 part 2: its headers (``config``, RFC 6416
    section 7.1).
    """
    if codec in _ONLY:
        sets = h26x.parameter_sets(format_parameters, codec)
        return sets if any(h26x.is_sps(h26x.nal_type(one, codec), codec) for one in sets) else ()
    if codec == MPEG4:
        with suppress(ValueError):
            return (bytes.fromhex(format_parameters.get("config", "")[: 2 * MAX_SPS]),)
    return ()
