"""Stable, machine-readable codes for why a stream is not proved, and words of reasons that more than one room knows."""

from __future__ import annotations

from enum import StrEnum

#: Reason of the status ``stream_error`` of a camera whose picture stands still.
FROZEN = "frozen"
#: How the reason of a camera goes on whose login it refused; the logins follow.
NOT_RETRIED = "not retried until the password or the device changes"
#: Of a camera that wants a login, and for which there is none: that is no refusal of one.
NO_LOGIN = "no login is set for this camera"
#: Of a device that an inspection did not find to be a camera.
NO_CAMERA = "it answers, but no longer as a camera"
#: Of a camera that is known by its own word alone: while it is inspected for the first time, and afterwards.
BEING_CHECKED = "it says that it is a camera; whether it has streams is being checked"
NOTHING_ELSE = (
    "it says that it is a camera, but answers neither ONVIF nor RTSP: switch one of them on in its settings,"
    " or give the address of its stream"
)


class ReasonCode(StrEnum):
    """Why a stream is not proved. Documents carry the value; it never changes its meaning."""

    NONE = ""  #: it is proved, or was not asked
    UNUSABLE_URL = "unusable_url"
    UNREACHABLE = "unreachable"  #: no TCP connection
    NO_ANSWER = "no_answer"  #: a connection, but silence, or it was closed
    NOT_RTSP = "not_rtsp"  #: bytes that are not RTSP, or break its bounds
    AUTH_REQUIRED = "auth_required"
    AUTH_REFUSED = "auth_refused"
    LOCKED = "locked"  #: the device says that it locks
    BUSY = "busy"  #: 453, 503
    NOT_FOUND = "not_found"  #: 404, 410
    REDIRECTED = "redirected"  #: 3xx to another server, or again and again
    REFUSED = "refused"  #: any other status that is no success
    NO_SDP = "no_sdp"  #: success without a session description
    NO_VIDEO = "no_video"
    NO_TRANSPORT = "no_transport"  #: 461 for RTP over TCP and over UDP
    NO_RTP = "no_rtp"  #: it plays, but no packet comes
    NO_KEYFRAME = "no_keyframe"  #: packets, but no whole keyframe
    NO_PARAMETERS = "no_parameters"  #: keyframes, but nothing that tells how to decode them
    UNKNOWN_CODEC = "unknown_codec"  #: packets, of a codec whose pictures cannot be judged here
    LOST = "lost"  #: the device closed the connection while it was playing
    CHANGED = "changed"  #: a cheap check saw something else than was proved
    NOT_CHECKED = "not_checked"
    FAULT = "fault"  #: ours
