"""The answer to DESCRIBE goes in; what the stream is comes out, or why it is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twisted_detector.errors import Busy, RemoteError
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtsp import parser as rtsp, sdp

#: RFC 2326 section 11: the device is well, but has no room.
BUSY = {453: "has no bandwidth left (453)", 503: "has no session left (503)"}
#: Real encoding names have at most 20 characters; what a device says goes into documents.
MAX_NAME = 32


class DescribeRefusal(Exception):
    """The device's answer ends the check; the text says why, in plain words, ``code`` for programs."""

    def __init__(self, text: str, code: ReasonCode = ReasonCode.REFUSED) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class Described:
    """What a DESCRIBE told: the video with its codec and, as far as it says, size and frame rate.

    :ivar parameters_known: the description holds what a decoder needs to begin.
    :ivar essence: see :func:`essence_of`.
    :ivar back_channel: the device offers to take sound (ONVIF Streaming Specification, 5.3). It does so unasked only
        where it does not keep to the rule that a client has to ask by ``Require`` first; nobody here does.
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
    back_channel: bool = False
    essence: int = 0

    @property
    def picture(self) -> tuple[object, ...]:
        """What must be the same for what was proved to stand: the codec, the size and where the video is."""
        return self.codec, self.width, self.height, self.video.control, self.parameters_known


def expect_ok(method: str, response: rtsp.RtspResponse) -> None:
    """Pass when the status is 200.

    :raises Busy: 453 or 503.
    :raises Refusal: any other.
    """
    if response.status in BUSY:
        raise Busy(f"the device {BUSY[response.status]}")
    if response.status == 461:
        raise DescribeRefusal("the device sends RTP neither over TCP nor over UDP (461)", ReasonCode.NO_TRANSPORT)
    if response.status != 200:
        text = f"{method} was answered {response.status} {ascii_only(response.reason)}".rstrip()
        raise DescribeRefusal(text, _code_of(response.status))


def _code_of(status: int) -> ReasonCode:
    if status // 100 == 3:
        return ReasonCode.REDIRECTED  # whoever answers could send us, and a login, anywhere
    return ReasonCode.NOT_FOUND if status in (404, 410) else ReasonCode.REFUSED


def ascii_only(text: str) -> str:
    """A peer's words as they may stand in a reason: printable ASCII, at most 60 characters."""
    return "".join(character for character in text if character.isascii() and character.isprintable())[:60]


def read_description(response: rtsp.RtspResponse, before: Described | None = None) -> Described:
    """What the answer to DESCRIBE says; when it says the same as ``before``, nothing is read anew.

    The frame rate is the device's own ``a=framerate`` before the parameter set's, which many get wrong by two.

    :raises Busy: 453 or 503.
    :raises Refusal: another status than 200, no session description, or one without video.
    """
    expect_ok("DESCRIBE", response)
    content_base = response.header("Content-Base") or response.header("Content-Location")
    essence = essence_of(response.body)
    if before is not None and before.essence == essence:
        return before if before.content_base == content_base else replace(before, content_base=content_base)
    try:
        description = sdp.parse(response.body)
    except RemoteError as error:
        raise DescribeRefusal(
            f"DESCRIBE was answered without a session description: {error.what}", ReasonCode.NO_SDP
        ) from None
    video = description.video
    if video is None:
        raise DescribeRefusal("the stream has no video", ReasonCode.NO_VIDEO)
    codec = ascii_only(video.encoding)[:MAX_NAME]
    parameters, known = None, False
    if codec in (h26x.H264, h26x.H265):
        known = bool(h26x.parameter_sets(video.format_parameters, codec))
        parameters = h26x.video_parameters(video.format_parameters, codec)
    width, height = (parameters.width, parameters.height) if parameters else description.dimensions
    return Described(
        description=description,
        video=video,
        content_base=content_base,
        codec=codec,
        width=width,
        height=height,
        fps=video.framerate or (parameters.fps if parameters else 0.0),
        audio=ascii_only(description.audio.encoding)[:MAX_NAME] if description.audio else "",
        parameters_known=known,
        back_channel=_takes_sound(description, video),
        essence=essence,
    )


def _takes_sound(description: sdp.SessionDescription, video: sdp.Media) -> bool:
    """Whether there is audio in the other direction than the video's."""
    if description.direction_of(video) == "sendonly":
        return False  # it writes everything from its own side
    return any(one.kind.lower() == "audio" and one.direction == "sendonly" for one in description.medias)


#: What servers write anew each time: session id, version, clock (RFC 8866 sections 5.2, 5.9), sources (RFC 5576).
_FLEETING = (b"o=", b"t=", b"a=ssrc:")


def essence_of(body: bytes) -> int:
    """A number that is the same for session descriptions that differ in nothing but what is new each time."""
    return hash(tuple(line for line in body.splitlines() if not line.startswith(_FLEETING)))


def request_url(url: rtsp.Url) -> str:
    """The URL as it stands in a request: a scope means something on this machine only (RFC 6874 section 4)."""
    return str(replace(url, host=url.host.partition("%")[0]))
