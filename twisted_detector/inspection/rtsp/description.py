"""Reader of the responses to DESCRIBE: the description of the stream, or why there is none."""

from __future__ import annotations

from dataclasses import dataclass, replace

from twisted_detector.errors import Busy, RemoteError
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.codecs import codec_of, parameter_sets
from twisted_detector.wire.rtsp import sdp
from twisted_detector.wire.rtsp.messages import RtspResponse
from twisted_detector.wire.rtsp.url import RtspUrl, redirected_url

#: RFC 2326 section 11: the device is well, but has no room.
BUSY = {453: "has no bandwidth left (453)", 503: "has no session left (503)"}
#: Statuses that send a client to ``Location`` (RFC 2326 section 11.3; 307 and 308 as in HTTP).
REDIRECTIONS = frozenset({301, 302, 303, 305, 307, 308})
#: Of those that are followed one after the other: from a name to a stream, and from there to a session of it.
MAX_REDIRECTS = 3
#: Requests whose success binds a session to the connection.
_OF_SESSION = frozenset({"SETUP", "PLAY"})
#: Real encoding names have at most 20 characters; a device's texts go into documents.
MAX_NAME = 32


class DescribeRefusal(Exception):
    """The device's response ends the proof; the text says why, for people, ``code`` for programs."""

    def __init__(self, text: str, code: ReasonCode = ReasonCode.REFUSED) -> None:
        super().__init__(text)
        self.code = code


@dataclass(frozen=True, slots=True)
class StreamDescription:
    """Content of a session description that proofs need: the video with its codec, where it is, size and frame rate.

    It is kept for each stream, so the description's own lines are not: they take four times as much.

    :ivar session: its name. :ivar control: ``a=control`` of the video; ``aggregate`` likewise, of the session.
    :ivar named_size: width and height where the description names them beside the parameter sets, else zeros.
    :ivar parameter_sets: what a decoder needs to begin, as far as the description holds it.
    :ivar auxiliary_types: numbers of the payload types that carry no picture of their own; ``own_types``: of others.
    :ivar fingerprint: see :func:`fingerprint_of`.
    :ivar encrypted: the video is announced as SRTP.
    :ivar back_channel: the device offers to take sound (ONVIF Streaming Specification, 5.3). A device that keeps
        to the rule offers it only to a client that sends ``Require``, which this one does not.
    """

    session: str
    control: str | None
    aggregate: str | None
    content_base: str
    codec: str
    width: int
    height: int
    fps: float
    audio: str
    named_size: tuple[int, int] = (0, 0)
    parameter_sets: tuple[bytes, ...] = ()
    auxiliary_types: tuple[int, ...] = ()
    own_types: tuple[int, ...] = ()
    encrypted: bool = False
    back_channel: bool = False
    fingerprint: int = 0

    @property
    def essentials(self) -> tuple[object, ...]:
        """What must be unchanged for an earlier proof to hold: the codec, the size and where the video is."""
        return self.codec, self.width, self.height, self.control, bool(self.parameter_sets)


def expect_ok(method: str, response: RtspResponse) -> None:
    """Return when the status is one of success.

    :raises Busy: 453 or 503.
    :raises DescribeRefusal: any other.
    """
    if response.status in BUSY:
        raise Busy(f"the device {BUSY[response.status]}")
    if response.status == 461:
        raise DescribeRefusal("the device sends RTP neither over TCP nor over UDP (461)", ReasonCode.NO_TRANSPORT)
    if not 200 <= response.status < 300:
        text = f"{method} was answered {response.status} {ascii_only(response.reason)}".rstrip()
        if response.status in REDIRECTIONS:
            text += "; redirects are followed a few times, and only to other paths of the same server"
        raise DescribeRefusal(text, _code_of(response.status))


def _code_of(status: int) -> ReasonCode:
    if status // 100 == 3:
        return ReasonCode.REDIRECTED
    return ReasonCode.NOT_FOUND if status in (404, 410) else ReasonCode.REFUSED


def redirection(url: str, response: RtspResponse) -> str:
    """The URL on the same server to which it redirects; "" where it does not, or to another server."""
    return redirected_url(url, response.header("Location")) if response.status in REDIRECTIONS else ""


def ends_connection(method: str, response: RtspResponse) -> bool:
    """Whether the server announces the end of its connection.

    Some do so in every answer and mean nothing by it: a session that was just given is not thrown away for that.
    """
    announced = response.header("Connection").strip().lower() == "close"
    return announced and not (method in _OF_SESSION and response.status == 200)


def ascii_only(text: str) -> str:
    """A peer's text as it may stand in a reason: printable ASCII, at most 60 characters."""
    return "".join(character for character in text if character.isascii() and character.isprintable())[:60]


def read_description(
    response: RtspResponse, previous: StreamDescription | None = None, *, played: bool = True
) -> StreamDescription:
    """Read the response to DESCRIBE; when it is the same as ``previous``, nothing is parsed anew.

    The frame rate is the device's own ``a=framerate`` rather than the parameter set's, which many get wrong by two.

    :param played: whether it will be played, which shows what a video is that is called inactive; else it is none.
    :raises Busy: 453 or 503.
    :raises DescribeRefusal: another status than success, no session description, or one without video.
    """
    expect_ok("DESCRIBE", response)
    content_base = response.header("Content-Base") or response.header("Content-Location")
    fingerprint = fingerprint_of(response.body)
    if previous is not None and previous.fingerprint == fingerprint:
        return previous if previous.content_base == content_base else replace(previous, content_base=content_base)
    try:
        description = sdp.parse(response.body)
    except RemoteError as error:
        raise DescribeRefusal(
            f"DESCRIBE was answered without a session description: {error.what}", ReasonCode.NO_SDP
        ) from None
    video = description.video
    if video is None or (not played and description.direction_of(video) == "inactive"):
        raise DescribeRefusal("the stream has no video", ReasonCode.NO_VIDEO)
    codec = codec_of(ascii_only(video.encoding)[:MAX_NAME], video.format_parameters)
    parameters = None
    if codec in (h26x.H264, h26x.H265):
        parameters = h26x.video_parameters(video.format_parameters, codec)
    named_size = description.dimensions
    width, height = (parameters.width, parameters.height) if parameters else named_size
    return StreamDescription(
        session=description.name,
        control=video.control,
        aggregate=description.control,
        content_base=content_base,
        codec=codec,
        width=width,
        height=height,
        fps=video.framerate or (parameters.fps if parameters else 0.0),
        audio=ascii_only(description.audio.encoding)[:MAX_NAME] if description.audio else "",
        named_size=named_size,
        parameter_sets=parameter_sets(codec, video.format_parameters),
        auxiliary_types=tuple(sorted(video.auxiliary_types)),
        own_types=tuple(sorted(video.own_types)),
        encrypted=video.protocol.upper().startswith("RTP/SAVP"),
        back_channel=_takes_sound(description, video),
        fingerprint=fingerprint,
    )


def _takes_sound(description: sdp.SessionDescription, video: sdp.Media) -> bool:
    """Whether there is audio in the other direction than the video's."""
    if description.direction_of(video) == "sendonly":
        return False  # it writes everything from its own side
    return any(one.kind.lower() == "audio" and one.direction == "sendonly" for one in description.medias)


#: What servers write anew each time: session id, version, clock (RFC 8866 sections 5.2, 5.9), sources (RFC 5576).
_FLEETING = (b"o=", b"t=", b"a=ssrc:")


def fingerprint_of(body: bytes) -> int:
    """A number that is the same for session descriptions that differ in nothing but what is new each time."""
    return hash(tuple(line for line in body.splitlines() if not line.startswith(_FLEETING)))


def request_url(url: RtspUrl) -> str:
    """The URL as it stands in a request: a scope means something on this machine only (RFC 6874 section 4)."""
    return str(replace(url, host=url.host.partition("%")[0]))
