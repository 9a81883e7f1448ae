"""Client connection of RTSP (RFC 2326) over TCP or TLS: one request at a time, and interleaved media.

What a peer does wrong is raised as Unreachable (silence, a closed connection) or Malformed (bytes that are not RTSP).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol as StructuralProtocol

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionLost, DNSLookupError, TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IReactorTime, ITCPTransport
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import LocalError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.connect_reason import connect_reason
from twisted_detector.model import parse_address
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.wire.http.any_certificate import AnyCertificate, explain
from twisted_detector.wire.rtsp.messages import (
    InterleavedFrame,
    RtspRequest,
    RtspResponse,
    format_request,
    format_response,
)
from twisted_detector.wire.rtsp.parser import RtspParser

#: ``User-Agent``: some servers log it, a few refuse requests without it.
USER_AGENT = "camdetect"
#: A connection that was closed by us is cut after so many seconds, should the peer not take part in the closing.
LINGER = 1.0
#: A server may send requests too (RFC 2326 section 10); none sends more than a few in the seconds of a check.
MAX_SERVER_REQUESTS = 16
#: Octets that are read in one turn of the reactor: media cut into packets of a few octets take some milliseconds.
MAX_READ = 16_384
#: Seconds for which the answer to the request under way is awaited after one with the CSeq of an earlier request: it is
#: either a second answer to that one, or the only one, of a server that does not count.
SECOND_ANSWER = 0.3
#: Seconds of silence that end a session description of which no length is told: it comes in one piece or two.
END_OF_BODY = 0.5


@dataclass(frozen=True, slots=True)
class RtspEndpoint:
    """Where a server listens.

    :ivar host: an IP address (IPv6 link-local with ``%scope``) or a name.
    """

    host: str
    port: int
    tls: bool = False


@dataclass(frozen=True, slots=True)
class RtspTimeouts:
    """Bounds in seconds.

    :ivar connection: for a connection to stand; a share of it is for the answer to OPTIONS.
    :ivar response: for each response; None: without end, for the caller has a bound for all of them together.
    """

    connection: float
    response: float | None


class RtspConnectionClosed(Unreachable):
    """The device closed the connection before it answered."""


class RtspSilence(Unreachable):
    """The device did not answer the request in time."""


class RtspConnect(StructuralProtocol):
    """Type of :func:`open_connection` with its reactor filled in, and of its doubles."""

    async def __call__(self, host: str, port: int, timeout: float, tls: bool = False) -> RtspClientConnection:
        """Connect.

        :raises Unreachable: no connection within ``timeout`` seconds.
        """


@implementer(IHandshakeListener)
class RtspClientConnection(Protocol):
    """One connection. Buffers are bounded by :class:`rtsp.RtspParser`; nothing is queued.

    :ivar fault: what could not be read, None so far: then it was not the peer that ended the connection.
    :ivar answer_count: responses received.
    :ivar closed: nothing can be sent any more.
    :ivar certificate: SHA-256 fingerprint of the peer's certificate, "" without TLS. It is not verified: cameras have
        self-signed ones.
    """

    log = make_logger()
    transport: Any

    def __init__(self, clock: IReactorTime, *, tls: bool = False) -> None:
        self._on_frame: Callable[[InterleavedFrame], None] | None = None
        self._on_lost: Callable[[], None] | None = None
        self.fault: RemoteError | None = None
        self.answer_count = 0
        self.closed = False
        self.certificate = ""
        self._clock = clock
        self._handshake = tls
        self._parser = RtspParser()
        self._cseq = 0
        self._server_requests = 0
        self._waiting: Deferred[RtspResponse] | None = None
        self._counts = True
        self._held: tuple[RtspResponse, IDelayedCall] | None = None
        self._ending_body: IDelayedCall | None = None
        self._alive: LoopingCall | None = None
        self._cutting: IDelayedCall | None = None
        self._disconnected = False
        self._unbuffered = False
        self._abort_waiters: list[Deferred[None]] = []

    def watch(
        self, *, frames: Callable[[InterleavedFrame], None] | None = None, lost: Callable[[], None] | None = None
    ) -> None:
        """Call these from now on, in place of those before.

        :param frames: called with each interleaved frame; None: they are dropped.
        :param lost: called when the peer closed the connection or sent what cannot be read; not after :meth:`close`.
        """
        self._on_frame, self._on_lost = frames, lost

    def ending(self) -> RtspConnectionClosed | Malformed:
        """Why nothing can be sent any more."""
        return RtspConnectionClosed() if self.fault is None else Malformed(self.fault.what, shown=self.fault.shown)

    def seconds(self) -> float:
        """The time of the connection's clock."""
        return self._clock.seconds()

    # --- requests -------------------------------------------------------------------------------------------------

    async def request(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float | None
    ) -> RtspResponse:
        """Send a request and wait for its response, at most ``timeout`` seconds; after that the connection is closed.

        :param timeout: None: without end; the caller cancels this.
        :raises RtspConnectionClosed: the peer closed the connection instead of answering.
        :raises RtspSilence: no answer in time.
        :raises Malformed: bytes that are not RTSP.
        :raises LocalError: the answer to an earlier request is awaited still.
        """
        if self._waiting is not None:
            raise LocalError("one RTSP request at a time")
        if self.closed:
            raise self.ending()
        self._parser.describing = method == "DESCRIBE"
        answer: Deferred[RtspResponse] = Deferred()
        self._waiting = answer
        try:
            self.send(method, url, headers)
            if timeout is not None:
                answer.addTimeout(timeout, self._clock)
            return await answer
        except DeferredTimeout:
            self.close()
            raise RtspSilence(f"no answer to {method} within {timeout:g} seconds") from None
        finally:
            self._waiting = None
            self._drop_held()

    def send(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send a request without waiting for its response: a last TEARDOWN."""
        if not self.closed:
            self._cseq += 1
            self._write(format_request(method, url, self._cseq, [("User-Agent", USER_AGENT), *headers]))

    def keep_alive(self, seconds: float, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Send a request each so many seconds, until the connection is closed or one is refused; nobody waits for any.

        No login goes with them: a refusal may be counted as a failure of one.
        """
        if not self.closed:
            self._alive = LoopingCall(self.send, method, url, tuple(headers))
            self._alive.clock = self._clock
            self._alive.start(seconds, now=False)

    def close(self) -> None:
        """Close the connection in good order; it is cut after ``LINGER`` seconds. May be called again."""
        if self.closed:
            return
        self.closed = True
        self._stop_timers()
        self._on_frame = self._on_lost = None
        self._cutting = self._clock.callLater(LINGER, self._cut)
        self.transport.loseConnection()

    def abandon(self) -> Deferred[None]:
        """Cut the connection; fires when it is gone. What the peer has not read yet may be lost."""
        gone: Deferred[None] = Deferred()
        self._on_frame = self._on_lost = None
        if self._disconnected:
            gone.callback(None)
        else:
            self.closed = True
            self._abort_waiters.append(gone)
            self.transport.abortConnection()
        return gone

    def _cut(self) -> None:
        self._cutting = None
        self.transport.abortConnection()

    # --- Twisted's side -------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        """Write to the kernel at once where that can be: the transport itself writes a turn of the reactor later."""
        if self._unbuffered:
            taken = self.transport.writeSomeData(data)
            if taken == len(data):
                return
            self._unbuffered = False
            if isinstance(taken, int) and taken > 0:
                data = data[taken:]  # an error comes once more, and is raised then
        self.transport.write(data)

    def connectionMade(self) -> None:
        # Not over TLS: what looks like the transport there passes on what it should encrypt.
        self._unbuffered = isinstance(self.transport, Connection) and not self.transport.TLS
        if self._unbuffered:
            self.transport.bufferSize = MAX_READ
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)  # 40 ms for each small request, else (delayed ACK meets Nagle)

    def handshakeCompleted(self) -> None:
        self._handshake = False
        certificate = self.transport.getPeerCertificate()
        if certificate is not None:
            self.certificate = certificate.digest("sha256").decode("ascii").replace(":", "").lower()

    def dataReceived(self, data: bytes) -> None:
        if self.closed:
            return
        self._parser.skip_interleaved = self._on_frame is None
        try:
            events = self._parser.receive(data)
        except RemoteError as error:
            self._fail(error)
            return
        for event in events:
            if isinstance(event, InterleavedFrame):
                if self._on_frame is not None:
                    self._on_frame(event)
            elif isinstance(event, RtspResponse):
                self._response_received(event)
            else:
                self._request_received(event)
        if self._parser.error is not None:
            self._fail(self._parser.error)
        self._cancel_ending_body()
        if self._parser.awaits_end and not self.closed:
            self._ending_body = self._clock.callLater(END_OF_BODY, self._end_body)

    def _end_body(self) -> None:
        self._ending_body = None
        response = self._parser.end()
        if response is not None:
            self._response_received(response)

    def _cancel_ending_body(self) -> None:
        ending, self._ending_body = self._ending_body, None
        if ending is not None:
            ending.cancel()

    def _stop_timers(self) -> None:
        self._cancel_ending_body()
        self._stop_keep_alive()

    def _stop_keep_alive(self) -> None:
        if self._alive is not None and self._alive.running:
            self._alive.stop()

    def _response_received(self, response: RtspResponse) -> None:
        if response.status < 200:
            return  # RFC 2326 section 7.1.1: the final answer follows
        if self._waiting is None:
            if response.status >= 400 and response.status != 501:
                self._stop_keep_alive()
            return
        cseq = response.cseq
        repeated = str(self._cseq) in response.all("CSeq")
        if self._counts and not repeated and cseq is not None and 0 < cseq < self._cseq:
            # Only one request is under way, so it may well be its answer.
            self._drop_held()
            self._held = response, self._clock.callLater(SECOND_ANSWER, self._take_held)
        else:
            self._answered(response)

    def _take_held(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            self._counts = False
            self._answered(held[0])

    def _drop_held(self) -> RtspResponse | None:
        held, self._held = self._held, None
        if held is None:
            return None
        held[1].cancel()
        return held[0]

    def _answered(self, response: RtspResponse) -> None:
        self._drop_held()
        self.answer_count += 1
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(response)

    def _request_received(self, request: RtspRequest) -> None:
        self._server_requests += 1
        if self._server_requests > MAX_SERVER_REQUESTS:
            self._fail(RemoteError("the server asks too much"))
        elif not self.closed:
            self._write(format_response(501, request.cseq))

    def _fail(self, error: RemoteError) -> None:
        self.fault = error
        waiting, self._waiting = self._waiting, None
        lost = self._on_lost
        self.close()
        if waiting is not None:
            waiting.errback(self.ending())
        elif lost is not None:
            lost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = True
        self._stop_timers()
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
        self._disconnected = True
        last = self._drop_held() or self._parser.end()
        if last is not None:
            self._answered(last)
        waiting, self._waiting = self._waiting, None
        lost, self._on_lost = self._on_lost, None
        for gone in self._abort_waiters:
            gone.callback(None)
        if waiting is not None:
            no_tls = Unreachable("no TLS connection", shown=explain(reason.value), code="tls")
            waiting.errback(no_tls if self._handshake else RtspConnectionClosed())
        elif lost is not None:
            lost()


async def open_connection(
    reactor: Any, host: str, port: int, timeout: float, tls: bool = False
) -> RtspClientConnection:
    """Connect to an RTSP server.

    :param host: an IP address (IPv6 link-local with ``%scope``) or a name.
    :param timeout: seconds until the connection must stand.
    :raises Unreachable: it does not, or nothing is ever sent to that port.
    """
    if port in SILENT_PORTS:
        raise Unreachable(f"nothing is ever sent to port {port}")
    try:
        version: int = parse_address(host).version
    except RemoteError:
        version = 0
    endpoint: Any
    if version == 4:
        endpoint = TCP4ClientEndpoint(reactor, host, port, timeout=timeout)
    elif version == 6:
        endpoint = TCP6ClientEndpoint(reactor, host, port, timeout=timeout)
    else:
        endpoint = HostnameEndpoint(reactor, host, port, timeout=timeout)
    if tls:
        endpoint = wrapClientTLS(AnyCertificate(old=True), endpoint)
    factory = Factory.forProtocol(lambda: RtspClientConnection(reactor, tls=tls))
    factory.noisy = False  # two lines of log for each connection, else
    attempt: Deferred[Any] = endpoint.connect(factory)
    if not version:
        attempt.addTimeout(timeout, reactor)  # the name server has its own, longer patience
    try:
        session: RtspClientConnection = await attempt
    except (DeferredTimeout, ConnectTimeout):
        raise Unreachable(f"no connection to port {port} within {timeout:g} seconds") from None
    except (ConnectError, ConnectionLost, DNSLookupError) as error:
        raise Unreachable(f"no connection to port {port}", shown=connect_reason(error)) from None
    return session
