"""A scripted RTSP server in memory: it is the connection factory of a session, and remembers what it was asked."""

from __future__ import annotations

import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from twisted_detector.errors import Unreachable
from twisted_detector.inspection.rtsp.connection import RtspClientConnection
from twisted_detector.testing.simulator.wire.digest import format_challenge, verify
from twisted_detector.testing.simulator.wire.rtp import format_packet
from twisted_detector.testing.simulator.wire.rtsp import format_interleaved
from twisted_detector.wire.http import digest
from twisted_detector.wire.http.digest import quoted
from twisted_detector.wire.rtp import packets as rtp
from twisted_detector.wire.rtsp.headers import TransportHeader, format_transport
from twisted_detector.wire.rtsp.messages import RtspRequest, format_response
from twisted_detector.wire.rtsp.parser import RtspParser
from twisted_detector.wire.rtsp.url import split_url

T = TypeVar("T")

#: A real 1280x720 parameter set (x264), and what else a keyframe of it needs.
SPS = bytes.fromhex("6742c01fda014016ec05a808080a000003000200000300790c002e0f8c")
SDP = (
    b"v=0\r\no=- 0 0 IN IP4 0.0.0.0\r\ns=x\r\nt=0 0\r\na=control:*\r\n"
    b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=framerate:15\r\na=control:track1\r\n"
    b"m=audio 0 RTP/AVP 8\r\na=control:track2\r\n"
)
KEYFRAME = b"\x65" + bytes(40)
NO_KEYFRAME = b"\x41" + bytes(40)


def result_of(clock: Clock, coroutine: Coroutine[Any, Any, T], *, wait: float = 0.0) -> T:
    """What the coroutine returns or raises; the clock goes on by ``wait`` seconds in tenths where it takes time."""
    outcome: list[Any] = []
    deferred = Deferred.fromCoroutine(coroutine)
    deferred.addBoth(outcome.append)
    for _ in range(200):
        clock.advance(0)
    for _ in range(round(wait * 10)):
        if outcome:
            break
        clock.advance(0.1)
        for _ in range(20):
            clock.advance(0)
    if not outcome:
        raise AssertionError("it has not come to an end")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]


@dataclass
class Asked:
    """One request that the camera got."""

    connection: int
    method: str
    url: str
    authorized: bool
    request: RtspRequest


@dataclass
class Camera:
    """What the camera does; tests change it.

    :ivar paths: path → session description; other paths are answered 404.
    :ivar password: of the user ``cam``, "" for none.
    :ivar login_first: a wrong path is answered 401, too.
    :ivar hangs_up: closes the connection after each 401.
    :ivar nonce_per_connection: a nonce of another connection is answered 401, not stale (live555).
    :ivar stale_after: so many credentials are accepted before each nonce is stale; 0 for ever.
    :ivar nonce_life: seconds after which a nonce is refused like a wrong password, and counts as one.
    :ivar single_use: each nonce is good for one request; a second one counts as a wrong password.
    :ivar says_stale: it calls both stale, and counts neither.
    :ivar realm: of its challenges; octets that are no UTF-8 as surrogates.
    :ivar challenge: makes the text of ``WWW-Authenticate`` from the usual one.
    :ivar cseq: makes the CSeq of an answer from that of the request; None leaves it out.
    :ivar script: (method) → raw bytes, None for silence, or a status, instead of the usual answer.
    :ivar media: payloads of the RTP packets that follow PLAY.
    :ivar marked: the last of them has the marker bit: the picture ends there.
    :ivar channel: of the RTP packets, as SETUP's answer says.
    """

    clock: Clock
    paths: dict[str, bytes] = field(default_factory=dict)
    password: str = ""
    scheme: str = "digest"
    algorithm: str = "MD5"
    login_first: bool = False
    hangs_up: bool = False
    nonce_per_connection: bool = False
    stale_after: int = 0
    nonce_life: float = math.inf
    single_use: bool = False
    says_stale: bool = False
    realm: str = "double"
    challenge: Callable[[str], str] = str
    cseq: Callable[[int | None], int | None] = lambda number: number
    script: dict[str, Any] = field(default_factory=dict)
    media: list[bytes] = field(default_factory=list)
    marked: bool = False
    channel: int = 0
    server: str = "double"
    any_path: bool = False
    refuses: bool = False
    closed_ports: frozenset[int] = frozenset()

    def __post_init__(self) -> None:
        self.asked: list[Asked] = []
        self.connections: list[Connection] = []
        self.most_open = 0
        self.wrong_logins = 0
        self.accepted = 0
        self.nonces = 0
        self.nonce_made_at = 0.0
        self.nonce_used = False

    async def __call__(self, host: str, port: int, timeout: float, tls: bool = False) -> RtspClientConnection:
        if self.refuses or port in self.closed_ports:
            raise Unreachable(f"no connection to port {port}")
        connection = Connection(self, len(self.connections))
        self.connections.append(connection)
        self.most_open = max(self.most_open, sum(1 for one in self.connections if one.open))
        return connection.session

    def methods(self) -> list[str]:
        return [asked.method for asked in self.asked]

    def described(self) -> list[str]:
        """Targets of all DESCRIBEs, "+" in front of those that carried a credential."""
        return [
            ("+" if asked.authorized else "") + split_url(asked.url).target
            for asked in self.asked
            if asked.method == "DESCRIBE"
        ]


class Connection(StringTransport):
    """One connection: what is written to it is answered on the clock's next turn, as a network would."""

    def __init__(self, camera: Camera, number: int) -> None:
        super().__init__()
        self.camera = camera
        self.number = number
        self.open = True
        self.aborted = False
        self.nonce = ""
        self.parser = RtspParser()
        self.session = RtspClientConnection(camera.clock)
        self.session.makeConnection(self)

    def write(self, data: bytes) -> None:
        self.camera.clock.callLater(0, self.receive, data)

    def receive(self, data: bytes) -> None:
        for event in self.parser.receive(data):
            if isinstance(event, RtspRequest):
                self.answer(event)

    def send(self, data: bytes) -> None:
        if self.open:
            self.session.dataReceived(data)

    def loseConnection(self) -> None:
        self.camera.clock.callLater(0, self.hang_up)

    def abortConnection(self) -> None:
        self.aborted = True
        self.hang_up(ConnectionLost())

    def hang_up(self, reason: Exception | None = None) -> None:
        if self.open:
            self.open = False
            self.session.connectionLost(Failure(reason or ConnectionDone()))

    # --- answers ---

    def answer(self, request: RtspRequest) -> None:
        camera = self.camera
        authorization = request.header("Authorization")
        camera.asked.append(Asked(self.number, request.method, request.url, bool(authorization), request))
        if not self.open:
            return
        scripted = camera.script.get(request.method, ...)
        if callable(scripted):
            scripted = scripted(request)
        if scripted is None:
            return
        if isinstance(scripted, bytes):
            self.send(scripted)
            return
        if scripted == "close":
            self.hang_up()
            return
        status, headers, body = (scripted, [], b"") if isinstance(scripted, int) else self.usual(request, authorization)
        self.send(format_response(status, camera.cseq(request.cseq), [("Server", camera.server), *headers], body))
        if status == 401 and camera.hangs_up:
            camera.clock.callLater(0, self.hang_up)
        if request.method == "PLAY" and status == 200:
            for index, payload in enumerate(camera.media):
                packet = format_packet(
                    rtp.RtpPacket(96, index, 0, 1, payload, camera.marked and index == len(camera.media) - 1)
                )
                self.send(format_interleaved(camera.channel + 1, b"\x80\xc8\0\0"))
                self.send(format_interleaved(camera.channel, packet))

    def usual(self, request: RtspRequest, authorization: str) -> tuple[int, list[tuple[str, str]], bytes]:
        camera = self.camera
        if request.method == "OPTIONS":
            return 200, [("Public", "DESCRIBE, SETUP, PLAY, TEARDOWN")], b""
        target = split_url(request.url).target
        base = next((path for path in camera.paths if target.startswith(path)), None)
        exists = base is not None or camera.any_path
        if camera.password and (exists or camera.login_first):
            stale = self.judge(request, authorization)
            if stale is not None:
                return 401, [("WWW-Authenticate", self.challenge(stale))], b""
        if not exists:
            return 404, [], b""
        match request.method:
            case "DESCRIBE":
                body = camera.paths[base] if base is not None else SDP
                return 200, [("Content-Type", "application/sdp"), ("Content-Base", request.url + "/")], body
            case "SETUP":
                interleaved = (camera.channel, camera.channel + 1)
                transport = format_transport(TransportHeader("tcp", interleaved=interleaved))
                return 200, [("Session", "42;timeout=60"), ("Transport", transport)], b""
        return 200, [], b""

    def judge(self, request: RtspRequest, authorization: str) -> bool | None:
        """None: come in; else whether the next challenge is called stale."""
        camera = self.camera
        if not authorization:
            return False
        passwords: Callable[[str], str | None] = {"cam": camera.password}.get
        if camera.nonce_per_connection and (not self.nonce or self.nonce not in authorization):
            return False
        right = verify(authorization, request.method, passwords)
        if camera.scheme == "digest":
            right = right and f"realm={quoted(camera.realm)}" in authorization
            old = camera.nonce_used or camera.clock.seconds() - camera.nonce_made_at > camera.nonce_life
            if right and camera.says_stale and old:
                return True
            right = right and not old
            if camera.single_use or camera.nonce_life < math.inf:
                right = right and f'nonce="nonce{camera.nonces}"' in authorization
        if not right:
            camera.wrong_logins += 1
            return False
        camera.nonce_used = camera.single_use
        camera.accepted += 1
        if camera.stale_after and camera.accepted % (camera.stale_after + 1) == 0:
            return True
        return None

    def challenge(self, stale: bool) -> str:
        camera = self.camera
        camera.nonces += 1
        camera.nonce_made_at, camera.nonce_used = camera.clock.seconds(), False
        self.nonce = f"nonce{camera.nonces}"
        return camera.challenge(
            format_challenge(
                digest.Challenge(
                    scheme=camera.scheme, realm=camera.realm, nonce=self.nonce, algorithm=camera.algorithm, stale=stale
                )
            )
        )
