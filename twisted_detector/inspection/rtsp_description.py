"""The answer to DESCRIBE goes in; what the stream is comes out, or why it is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twisted_detector.errors import Busy, RemoteError
from twisted_detector.wire import h26x, rtsp, sdp

#: RFC 2326 section 11: the device is well, but has no room.
BUSY = {453: "has no bandwidth left (453)", 503: "has no session left (503)"}
#: Real encoding names have at most 20 characters; what a device says goes into documents.
MAX_NAME = 32


class Refusal(Exception):
    """The device's answer ends the check; the text says why, in plain words."""


@dataclass(frozen=True, slots=True)
class Described:
    """What a DESCRIBE told: the video with its codec and, as far as it says, size and frame rate.

    :ivar parameters_known: the description holds what a decoder needs to begin.
    """

    description: sdp.SessionDescription
    video: sdp.Media
    content_base: str
    codec: str
    width: int
    height: int
    fps: float
    audio: str
    parameters_known: bool


def expect_ok(method: str, response: rtsp.Response) -> None:
    """Pass when the status is 200.

    :raises Busy: 453 or 503.
    :raises Refusal: any other.
    """
    if response.status in BUSY:
        raise Busy(f"the device {BUSY[response.status]}")
    if response.status == 461:
        raise Refusal("the device does not send RTP over TCP (461)")
    if response.status != 200:
        raise Refusal(f"{method} was answered {response.status} {ascii_only(response.reason)}".rstrip())


def ascii_only(text: str) -> str:
    """A peer's words as they may stand in a reason: printable ASCII, at most 60 characters."""
    return "".join(character for character in text if character.isascii() and character.isprintable())[:60]


def read_description(response: rtsp.Response) -> Described:
    """What the answer to DESCRIBE says.

    The frame rate is the device's own ``a=framerate`` before the parameter set's, which many get wrong by two.

    :raises Busy: 453 or 503.
    :raises Refusal: another status than 200, no session description, or one without video.
    """
    expect_ok("DESCRIBE", response)
    try:
        description = sdp.parse(response.body)
    except RemoteError as error:
        raise Refusal(f"DESCRIBE was answered without a session description: {error.what}") from None
    video = description.video
    if video is None:
        raise Refusal("the stream has no video")
    codec = ascii_only(video.encoding)[:MAX_NAME]
    parameters, known = None, False
    if codec in (h26x.H264, h26x.H265):
        known = bool(h26x.parameter_sets(video.format_parameters, codec))
        parameters = h26x.video_parameters(video.format_parameters, codec)
    width, height = (parameters.width, parameters.height) if parameters else description.dimensions
    return Described(
        description=description,
        video=video,
        content_base=response.header("Content-Base") or response.header("Content-Location"),
        codec=codec,
        width=width,
        height=height,
        fps=video.framerate or (parameters.fps if parameters else 0.0),
        audio=ascii_only(description.audio.encoding)[:MAX_NAME] if description.audio else "",
        parameters_known=known,
    )


def request_url(url: rtsp.Url) -> str:
    """The URL as it stands in a request: a scope means something on this machine only (RFC 6874 section 4)."""
    return str(replace(url, host=url.host.partition("%")[0]))
