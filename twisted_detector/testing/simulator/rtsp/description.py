"""Builder of the SDP that a simulated camera answers to DESCRIBE (RFC 8866, RFC 6184)."""

from __future__ import annotations

from twisted_detector.testing.simulator.camera import CameraSpec, StreamSpec
from twisted_detector.testing.simulator.rtsp.sender import CLOCK_RATE, PAYLOAD_TYPE
from twisted_detector.testing.simulator.wire.rtp import format_sprop_h264
from twisted_detector.testing.simulator.wire.rtsp import format_description
from twisted_detector.wire.rtsp.sdp import Media

#: What comes after a stream's URL for its one track; relative in the SDP, as most cameras write it.
TRACK = "/trackID=1"


def describe(spec: CameraSpec, stream: StreamSpec) -> bytes:
    """The session description of one stream: one video track, its parameter sets and its frame rate."""
    clip = stream.clip
    profile = clip.sps[1:4].hex().upper()
    sets = format_sprop_h264((clip.sps, clip.pps))
    parameters = f"packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={sets}"
    video = Media(
        kind="video",
        payload_types=(str(PAYLOAD_TYPE),),
        attributes=(
            ("rtpmap", f"{PAYLOAD_TYPE} H264/{CLOCK_RATE}"),
            ("fmtp", f"{PAYLOAD_TYPE} {parameters}"),
            ("framerate", f"{clip.fps:.1f}"),
            ("control", TRACK.lstrip("/")),
        ),
        direction="recvonly",
    )
    return format_description(
        (video,),
        name=stream.name,
        address=spec.address.partition("%")[0],
        attributes=(("control", "*"), ("range", "npt=now-")),
    )
