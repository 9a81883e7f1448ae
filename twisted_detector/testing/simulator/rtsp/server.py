"""RTSP server of a simulated camera, one protocol for each connection (RFC 2326)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.testing.simulator.access import AccessVerdict
from twisted_detector.testing.simulator.camera import StreamSpec
from twisted_detector.testing.simulator.rtsp.channels import InterleavedChannel, UdpChannel
from twisted_detector.testing.simulator.rtsp.description import TRACK, describe
from twisted_detector.testing.simulator.rtsp.sender import RtpSender
from twisted_detector.testing.simulator.rtsp.sessions import MAX_SESSIONS, RtspService, StreamSession
from twisted_detector.testing.simulator.wire.rtsp import format_session
from twisted_detector.wire.rtsp.headers import SessionHeader, TransportHeader, format_transport, parse_transports
from twisted_detector.wire.rtsp.messages import InterleavedFrame, RtspRequest, RtspResponse, format_response
from twisted_detector.wire.rtsp.parser import RtspParser
from twisted_detector.wire.rtsp.url import split_url

#: RFC 2326, 12.37: a session without a sign of life for so many seconds is ended.
SESSION_SECONDS = 60
#: A client's requests are small; a body is legal only with GET_PARAMETER and SET_PARAMETER.
MAX_REQUEST_BODY = 4096
#: Requests that may wait while answers are delayed or unread: a client sends one and waits for its answer.
MAX_WAITING = 32

PUBLIC = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN", "GET_PARAMETER", "SET_PARAMETER")

Headers = tuple[tuple[str, str], ...]


class RtspRefusal(Exception):
    """The request is answered with this status, with a text for people or without."""

    def __init__(self, status: int, *headers: tuple[str, str], text: str = "") -> None:
        super().__init__(status)
        self.status = status
        self.headers = (*headers, ("Content-Type", "text/plain")) if text else headers
        self.body = text.encode()


class RtspConnection(Protocol):
    """One client. It may have one session; both end together."""

    transport: Any

    def __init__(self, service: RtspService) -> None:
        self._service = service
        self._parser = RtspParser(max_body=MAX_REQUEST_BODY)
        self._session: StreamSession | None = None
        self._waiting: list[RtspRequest] = []
        self._writable = True
        self._idle: IDelayedCall | None = None
        self._answering: IDelayedCall | None = None

    # --- Twisted's side ---

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self._idle = self._service.reactor.callLater(SESSION_SECONDS, self._abort)

    def dataReceived(self, data: bytes) -> None:
        try:
            events = self._parser.receive(data)
        except RemoteError:
            self._write(format_response(400, None))
            self._close()
            return
        for event in events:
            match event:
                case RtspRequest():
                    self._keep_alive()
                    self._waiting.append(event)
                case InterleavedFrame():
                    self._keep_alive()  # the client's receiver reports
                case RtspResponse():
                    pass  # we ask nothing, so this answers nothing
        if len(self._waiting) > MAX_WAITING:
            self._abort()
        else:
            self._answer_waiting()
            if self._parser.error is not None:
                self._close()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        for call in (self._idle, self._answering):
            if call is not None and call.active():
                call.cancel()
        self._waiting.clear()
        self._writable = False
        self._end_session()

    def pauseProducing(self) -> None:
        """The client does not read: pictures are left out, requests wait."""
        self._writable = False

    def resumeProducing(self) -> None:
        self._writable = True
        self._answer_waiting()

    def stopProducing(self) -> None:
        self._writable = False

    # --- Answers ---

    def _answer_waiting(self) -> None:
        delay = self._service.spec.quirks.delay
        while self._waiting and self._writable:
            if delay:
                if self._answering is None:
                    self._answering = self._service.reactor.callLater(delay, self._answer_late)
                return
            self._answer(self._waiting.pop(0))

    def _answer_late(self) -> None:
        self._answering = None
        if self._waiting and self._writable:
            self._answer(self._waiting.pop(0))
        self._answer_waiting()

    def _answer(self, request: RtspRequest) -> None:
        counts = self._service.requests
        if request.method not in PUBLIC:
            self._write(format_response(501, request.cseq, (("Public", ", ".join(PUBLIC)),)))
            return
        counts[request.method] = counts.get(request.method, 0) + 1
        body = b""
        try:
            headers, body = self._handlers[request.method](self, request)
            status = 200
        except RtspRefusal as refusal:
            headers, status, body = refusal.headers, refusal.status, refusal.body
        except RemoteError:
            headers, status = (), 400
        server = ("Server", "camdetect-simulator")
        self._write(format_response(status, request.cseq, (server, *headers), body))
        if request.method == "TEARDOWN" and status == 200:
            self._close()

    def _options(self, request: RtspRequest) -> tuple[Headers, bytes]:
        return (("Public", ", ".join(PUBLIC)),), b""

    def _describe(self, request: RtspRequest) -> tuple[Headers, bytes]:
        stream = self._admit(request)
        body = describe(self._service.spec, stream)
        base = request.url.rstrip("/") + "/"
        return (("Content-Type", "application/sdp"), ("Content-Base", base)), body

    def _setup(self, request: RtspRequest) -> tuple[Headers, bytes]:
        stream = self._admit(request)
        service = self._service
        if self._session is not None:
            raise RtspRefusal(455)
        if service.spec.quirks.busy or len(service.sessions) >= MAX_SESSIONS:
            raise RtspRefusal(453)
        wanted = next((offer for offer in parse_transports(request.header("Transport")) if _serves(offer)), None)
        if wanted is None:
            raise RtspRefusal(461)
        channel, granted = self._open(wanted)
        sender = RtpSender(
            stream.clip,
            channel,
            clock=service.reactor,
            random=service.random,
            cname=service.spec.serial_number,
            frozen=service.spec.quirks.frozen,
        )
        self._session = StreamSession(f"{service.random.getrandbits(64):016X}", stream, sender, channel)
        service.sessions.add(self._session)
        granted = TransportHeader(
            lower=granted.lower,
            profile="RTP/AVP",
            interleaved=granted.interleaved,
            client_port=granted.client_port,
            server_port=granted.server_port,
            ssrc=f"{sender.ssrc:08X}",
            mode="PLAY",
        )
        return (self._session_header(self._session), ("Transport", format_transport(granted))), b""

    def _play(self, request: RtspRequest) -> tuple[Headers, bytes]:
        session = self._admit_session(request)
        self._admit(request)
        sender = session.sender
        url = str(split_url(request.url)).rstrip("/").removesuffix(TRACK) + TRACK
        if not self._service.spec.quirks.no_frames:
            sender.play()
        info = f"url={url};seq={sender.sequence};rtptime={sender.timestamp}"
        return (self._session_header(session), ("Range", "npt=now-"), ("RTP-Info", info)), b""

    def _pause(self, request: RtspRequest) -> tuple[Headers, bytes]:
        session = self._admit_session(request)
        session.sender.pause()
        return (self._session_header(session),), b""

    def _teardown(self, request: RtspRequest) -> tuple[Headers, bytes]:
        self._admit_session(request)
        self._end_session()
        return (), b""

    def _parameter(self, request: RtspRequest) -> tuple[Headers, bytes]:
        if not request.header("Session"):
            return (), b""
        return (self._session_header(self._admit_session(request)),), b""

    _handlers: ClassVar[dict[str, Callable[[RtspConnection, RtspRequest], tuple[Headers, bytes]]]] = {
        "OPTIONS": _options,
        "DESCRIBE": _describe,
        "SETUP": _setup,
        "PLAY": _play,
        "PAUSE": _pause,
        "TEARDOWN": _teardown,
        "GET_PARAMETER": _parameter,
        "SET_PARAMETER": _parameter,
    }

    # --- Access and channels ---

    def _admit(self, request: RtspRequest) -> StreamSpec:
        """The stream that the request means, if the account grants access."""
        service = self._service
        stream = service.stream_of(request.url)
        if stream is None and not service.spec.quirks.auth_first:
            raise RtspRefusal(404)
        auth = service.spec.stream_auth
        verdict = service.access.check(auth, request.header("Authorization"), request.method, request.url, request.body)
        if verdict is not AccessVerdict.GRANTED:
            challenges = service.access.challenges(auth, stale=verdict is AccessVerdict.STALE)
            headers = (("WWW-Authenticate", text) for text in challenges)
            raise RtspRefusal(401, *headers, text=service.access.warning(verdict))
        if stream is None:
            raise RtspRefusal(404)
        return stream

    def _admit_session(self, request: RtspRequest) -> StreamSession:
        """The session that the request names; 454 for any but this connection's own."""
        named = request.header("Session").partition(";")[0].strip()
        if self._session is None or named != self._session.id:
            raise RtspRefusal(454)
        return self._session

    def _open(self, wanted: TransportHeader) -> tuple[InterleavedChannel | UdpChannel, TransportHeader]:
        if wanted.lower == "tcp":
            numbers = wanted.interleaved or (0, 1)
            return (
                InterleavedChannel(self._write, numbers, lambda: self._writable),
                TransportHeader(lower="tcp", interleaved=numbers),
            )
        assert wanted.client_port is not None  # noqa: S101 - _serves asked for it
        try:
            channel = UdpChannel(
                self._service.reactor,
                self._service.spec.address,
                host=self.transport.getPeer().host,
                client_port=wanted.client_port,
                keep_alive=self._keep_alive,
                random=self._service.random,
            )
        except LocalError:
            raise RtspRefusal(453) from None
        return channel, TransportHeader(lower="udp", client_port=wanted.client_port, server_port=channel.server_port)

    def _session_header(self, session: StreamSession) -> tuple[str, str]:
        return "Session", format_session(SessionHeader(session.id, SESSION_SECONDS))

    def _end_session(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            self._service.sessions.discard(session)
            session.end()

    # --- The connection ---

    def _keep_alive(self) -> None:
        if self._idle is not None and self._idle.active():
            self._idle.reset(SESSION_SECONDS)

    def _write(self, data: bytes) -> None:
        self.transport.write(data)

    def _close(self) -> None:
        self.transport.unregisterProducer()
        self.transport.loseConnection()

    def _abort(self) -> None:
        self.transport.abortConnection()


def _serves(offer: TransportHeader) -> bool:
    """Whether an offered transport is one of ours: RTP/AVP over TCP, or unicast UDP with the client's ports."""
    if offer.profile != "RTP/AVP":
        return False
    return offer.lower == "tcp" or (offer.lower == "udp" and offer.client_port is not None)
