"""RTSP requests go in, one at a time; each one's answer comes out, interleaved media goes to whoever listens.

The client's side of one connection over TCP or TLS (RFC 2326). What a peer does wrong comes out as Unreachable
(silence, a closed connection) or Malformed (bytes that are not RTSP).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol as StructuralProtocol

from OpenSSL import SSL
from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectError, ConnectionLost, DNSLookupError, TimeoutError as ConnectTimeout
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.internet.tcp import Connection
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import LocalError, Malformed, RemoteError, Unreachable
from twisted_detector.model import parse_address
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.wire.rtsp import parser as rtsp

#: Some servers log it, a few refuse requests without it.
USER_AGENT = "camdetect"
#: A connection that was closed by us is cut after so many seconds, should the peer not take part in the closing.
LINGER = 1.0
#: A server may ask something too (RFC 2326 section 10); nobody asks more than a few times in the seconds of a check.
MAX_SERVER_REQUESTS = 16


class Closed(Unreachable):
    """The device closed the connection before it answered."""


class Connect(StructuralProtocol):
    """How a connection is made: :func:`connect` with the reactor filled in, or a double of it."""

    async def __call__(self, host: str, port: int, timeout: float, tls: bool = False) -> RtspSession:
        """Connect.

        :raises Unreachable: no connection within ``timeout`` seconds.
        """


@implementer(IHandshakeListener)
class RtspSession(Protocol):
    """One connection. Buffers are bounded by :class:`rtsp.Parser`; nothing is queued.

    :ivar on_interleaved: is called with each interleaved frame; None drops them.
    :ivar on_lost: is called when the peer closed the connection or sent what is not RTSP; not after :meth:`close`.
    :ivar answers: how many answers have come.
    :ivar closed: nothing can be asked any more.
    :ivar certificate: SHA-256 fingerprint of the peer's certificate, "" without TLS. It is not verified: cameras have
        self-signed ones.
    """

    log = make_logger()
    transport: Any

    def __init__(self, clock: IReactorTime) -> None:
        self.on_interleaved: Callable[[rtsp.Interleaved], None] | None = None
        self.on_lost: Callable[[], None] | None = None
        self.answers = 0
        self.closed = False
        self.certificate = ""
        self._clock = clock
        self._parser = rtsp.Parser()
        self._cseq = 0
        self._server_requests = 0
        self._waiting: Deferred[rtsp.RtspResponse] | None = None
        self._cutting: IDelayedCall | None = None
        self._gone = False
        self._straight = False
        self._abandoned: list[Deferred[None]] = []

    # --- asking ---------------------------------------------------------------------------------------------------

    async def request(
        self, method: str, url: str, headers: Iterable[tuple[str, str]] = (), *, timeout: float | None
    ) -> rtsp.RtspResponse:
        """Ask and wait for the answer, at most ``timeout`` seconds; after a time-out the connection is closed.

        Without a time-out whoever awaits this cancels it.

        :raises Closed: the peer closed the connection instead of answering.
        :raises Unreachable: no answer in time.
        :raises Malformed: bytes that are not RTSP.
        :raises LocalError: the answer to an earlier request is awaited still.
        """
        if self._waiting is not None:
            raise LocalError("one RTSP request at a time")
        if self.closed:
            raise Closed
        self._cseq += 1
        data = rtsp.format_request(method, url, self._cseq, [("User-Agent", USER_AGENT), *headers])
        answer: Deferred[rtsp.RtspResponse] = Deferred()
        self._waiting = answer
        self._write(data)
        if timeout is not None:
            answer.addTimeout(timeout, self._clock)
        try:
            return await answer
        except DeferredTimeout:
            self.close()
            raise Unreachable(f"no answer to {method} within {timeout:g} seconds") from None
        finally:
            self._waiting = None

    def send(self, method: str, url: str, headers: Iterable[tuple[str, str]] = ()) -> None:
        """Ask without waiting for an answer: a farewell."""
        if not self.closed:
            self._cseq += 1
            self._write(rtsp.format_request(method, url, self._cseq, [("User-Agent", USER_AGENT), *headers]))

    def close(self) -> None:
        """Close the connection in good order; it is cut after ``LINGER`` seconds. May be called again."""
        if self.closed:
            return
        self.closed = True
        self.on_interleaved = self.on_lost = None
        self._cutting = self._clock.callLater(LINGER, self._cut)
        self.transport.loseConnection()

    def abandon(self) -> Deferred[None]:
        """Cut the connection; fires when it is gone. What the peer has not read yet may be lost."""
        gone: Deferred[None] = Deferred()
        self.on_interleaved = self.on_lost = None
        if self._gone:
            gone.callback(None)
        else:
            self.closed = True
            self._abandoned.append(gone)
            self.transport.abortConnection()
        return gone

    def _cut(self) -> None:
        self._cutting = None
        self.transport.abortConnection()

    # --- Twisted's side -------------------------------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        """Hand it to the kernel at once where that can be: the transport's own way is a turn of the reactor later."""
        if self._straight:
            taken = self.transport.writeSomeData(data)
            if taken == len(data):
                return
            self._straight = False
            if isinstance(taken, int) and taken > 0:
                data = data[taken:]  # an error comes once more, and is told as one
        self.transport.write(data)

    def connectionMade(self) -> None:
        # Not where TLS stands between: what looks like the transport there hands on what it should encrypt.
        self._straight = isinstance(self.transport, Connection) and not self.transport.TLS
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)  # 40 ms for each small request, else (delayed ACK meets Nagle)

    def handshakeCompleted(self) -> None:
        certificate = self.transport.getPeerCertificate()
        if certificate is not None:
            self.certificate = certificate.digest("sha256").decode("ascii").replace(":", "").lower()

    def dataReceived(self, data: bytes) -> None:
        if self.closed:
            return
        self._parser.skims = self.on_interleaved is None
        try:
            events = self._parser.receive(data)
        except RemoteError as error:
            self._malformed(error)
            return
        for event in events:
            if isinstance(event, rtsp.Interleaved):
                if self.on_interleaved is not None:
                    self.on_interleaved(event)
            elif isinstance(event, rtsp.RtspResponse):
                self._answered(event)
            else:
                self._asked(event)
        if self._parser.error is not None:
            self._malformed(self._parser.error)

    def _answered(self, response: rtsp.RtspResponse) -> None:
        if response.status < 200:
            return  # RFC 2326 section 7.1.1: the final answer follows
        cseq = response.cseq
        if cseq is not None and cseq < self._cseq:
            return  # a second answer to an earlier request
        if self._waiting is None:
            return
        self.answers += 1
        waiting, self._waiting = self._waiting, None
        waiting.callback(response)

    def _asked(self, request: rtsp.RtspRequest) -> None:
        self._server_requests += 1
        if self._server_requests > MAX_SERVER_REQUESTS:
            self._malformed(RemoteError("the server asks too much"))
        elif not self.closed:
            self._write(rtsp.format_response(501, request.cseq))

    def _malformed(self, error: RemoteError) -> None:
        waiting, self._waiting = self._waiting, None
        lost = self.on_lost
        self.close()
        if waiting is not None:
            waiting.errback(Malformed(error.what, shown=error.shown))
        elif lost is not None:
            lost()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = True
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
        self._gone = True
        waiting, self._waiting = self._waiting, None
        lost, self.on_lost = self.on_lost, None
        for gone in self._abandoned:
            gone.callback(None)
        if waiting is not None:
            waiting.errback(Closed())
        elif lost is not None:
            lost()


@implementer(IOpenSSLClientConnectionCreator)
class _AnyCertificate:
    """TLS that accepts every certificate: cameras make their own, and there is nobody to ask."""

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        connection = SSL.Connection(CertificateOptions(verify=False).getContext(), None)
        connection.set_app_data(tlsProtocol)
        return connection


async def connect(reactor: Any, host: str, port: int, timeout: float, tls: bool = False) -> RtspSession:
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
        endpoint = wrapClientTLS(_AnyCertificate(), endpoint)
    factory = Factory.forProtocol(lambda: RtspSession(reactor))
    factory.noisy = False  # two lines of log for each connection, else
    attempt: Deferred[Any] = endpoint.connect(factory)
    if not version:
        attempt.addTimeout(timeout, reactor)  # the name server has its own, longer patience
    try:
        session: RtspSession = await attempt
    except (DeferredTimeout, ConnectTimeout):
        raise Unreachable(f"no connection to port {port} within {timeout:g} seconds") from None
    except (ConnectError, ConnectionLost, DNSLookupError) as error:
        raise Unreachable(f"no connection to port {port}", shown=str(error)) from None
    return session


class StreamConnector:
    """:func:`connect` with its reactor."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    async def __call__(self, host: str, port: int, timeout: float, tls: bool = False) -> RtspSession:
        return await connect(self._reactor, host, port, timeout, tls)
