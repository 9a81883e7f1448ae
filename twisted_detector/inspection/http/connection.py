"""Client connection of HTTP/1.1 over TCP or TLS to one device: one request at a time, its answer read tolerantly.

What an answer is, and when it is whole, is decided by :class:`wire.http.response.ResponseReader`; here are the
transport and the timers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IReactorTime
from twisted.internet.protocol import ClientFactory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_detector.errors import InspectionError, Malformed, RemoteError, Unreachable
from twisted_detector.wire.http.any_certificate import AnyCertificate, explain
from twisted_detector.wire.http.response import BadEncoding, NotHttp, Progress, ResponseReader, TooLong

#: Octets that are read in one turn of the reactor: what a device cuts into chunks of one octet, 2 700 of them, takes
#: 10 ms. A whole picture takes some more turns.
MAX_READ = 16_384
#: Seconds without an octet after which an answer whose frame says nothing, or something wrong, is taken as it is. A
#: device that thinks between two parts of an answer takes less, and what is open is waited for however long it takes.
QUIET = 1.0
#: Seconds for the end of content and frame when all that matters is there, so that the connection can be used again:
#: servers send it in a packet of its own, some only after our acknowledgement (40 ms; RFC 9293, 3.7.4 and RFC 1122,
#: 4.2.3.2).
SETTLING = 0.25


class KeptConnectionClosed(Unreachable):
    """The device closed a kept connection before it sent a byte of a response."""


@implementer(IHandshakeListener)
class HttpConnection(Protocol):
    """One connection.

    :param made: is given the connection when it stands.
    :ivar certificate: SHA-256 of the certificate (DER) that the device showed, "" without TLS.
    :ivar lost: fires when the connection is gone.
    :ivar can_be_used: it stands, and no request is under way.
    """

    transport: Any

    def __init__(self, clock: IReactorTime, *, tls: bool, made: Callable[[HttpConnection], None]) -> None:
        self.certificate = ""
        self.lost: Deferred[None] = Deferred()
        self.can_be_used = False
        self._clock = clock
        self._made = made
        self._handshake = tls
        self._used = False
        self._reader: ResponseReader | None = None
        self._waiting: Deferred[None] | None = None
        self._pause: IDelayedCall | None = None
        self._settling = False

    def send(self, data: bytes, reader: ResponseReader) -> Deferred[None]:
        """Send one request; fires when ``reader`` has the answer. If cancelled, the connection is cut.

        :raises errors.InspectionError: as :meth:`HttpClient.post`, but for time-outs.
        """
        self.can_be_used = False
        self._reader = reader
        self._settling = False
        answered: Deferred[None] = Deferred(lambda _: self.abort())
        self._waiting = answered
        self.transport.write(data)
        return answered

    def abort(self) -> None:
        """Cut the connection; the answer that is under way is not told of."""
        self.can_be_used = False
        self._take_waiting()
        if not self.lost.called:
            self.transport.abortConnection()

    def close(self) -> None:
        """Cut the connection; a request that is under way fails."""
        self._fail(Unreachable("the connection was given up", code="closed"))

    # --- Twisted's side -------------------------------------------------------------------------------------------

    def connectionMade(self) -> None:
        """The connection stands; over TLS, its handshake begins."""
        self.can_be_used = True
        tcp = self.transport.transport if self._handshake else self.transport
        if hasattr(tcp, "setTcpNoDelay"):
            tcp.setTcpNoDelay(True)
            tcp.bufferSize = MAX_READ
        self._made(self)

    def handshakeCompleted(self) -> None:
        """See :class:`IHandshakeListener`."""
        self._handshake = False
        certificate = self.transport.getPeerCertificate()
        if certificate is not None:
            self.certificate = certificate.digest("sha256").decode("ascii").replace(":", "").lower()

    def dataReceived(self, data: bytes) -> None:
        """Read on; what comes unasked ends the connection."""
        reader = self._reader
        if reader is None or self._waiting is None:
            self.abort()
            return
        try:
            progress = reader.feed(data)
            if self._used and reader.head is not None and reader.head.version == (0, 9):
                # It may as well be content of the answer before, which came late; HTTP/0.9 has one answer a connection.
                raise NotHttp(b"", "an answer without a head on a connection that was used before")
        except Exception as error:
            self._fail(_malformed(error) if isinstance(error, RemoteError) else error)
            return
        if progress is Progress.DONE:
            self._answered()
        elif progress is Progress.USABLE:
            self._wait(SETTLING)
        elif progress is Progress.SETTLING:
            if not self._settling:
                self._wait(SETTLING)
        elif reader.head is not None:
            self._wait(QUIET)
        self._settling = progress is Progress.SETTLING

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """Use what came, if it is enough."""
        self.can_be_used = False
        self.lost.callback(None)
        reader = self._reader
        if reader is None or self._waiting is None:
            return
        try:
            if reader.close():
                self._answered()
                return
            error: Exception = self._explain(reader, reason)
        except RemoteError as problem:
            error = _malformed(problem)
        self._fail(error)

    # --- Details --------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """Have :meth:`_quiet` called when nothing came for so many seconds."""
        if self._pause is None:
            self._pause = self._clock.callLater(seconds, self._quiet)
        else:
            self._pause.reset(seconds)

    def _quiet(self) -> None:
        self._pause = None
        if self._reader is not None and self._reader.pause():
            self._answered()

    def _take_waiting(self) -> Deferred[None] | None:
        pause, self._pause = self._pause, None
        if pause is not None:
            pause.cancel()
        waiting, self._waiting = self._waiting, None
        return waiting

    def _answered(self) -> None:
        waiting = self._take_waiting()
        self._used = True
        if self._reader is not None and self._reader.can_be_reused and not self.lost.called:
            self.can_be_used = True
        else:
            self.abort()
        if waiting is not None:
            waiting.callback(None)

    def _fail(self, error: Exception) -> None:
        waiting = self._take_waiting()
        self.abort()
        if waiting is not None:
            waiting.errback(error)

    def _explain(self, reader: ResponseReader, reason: Failure) -> InspectionError:
        if self._handshake:
            return Unreachable("no TLS connection", shown=explain(reason.value), code="tls")
        if not reader.began:
            if self._used:
                return KeptConnectionClosed("the device closed a kept connection", code="closed")
            return Unreachable("the device closed the connection without an answer", code="closed")
        return Unreachable("the device closed the connection without a whole answer", code="closed")


class _Connecting(ClientFactory):
    """Factory of one connection, which tells of it or of its failure.

    :ivar done: fires with the connection; fails with ConnectError.
    """

    noisy = False

    def __init__(self, clock: IReactorTime, *, tls: bool) -> None:
        self._clock = clock
        self._tls = tls
        self._cancelled = False
        self.connector: Any = None
        self.done: Deferred[HttpConnection] = Deferred(self._cancel)

    def buildProtocol(self, addr: object) -> HttpConnection | None:
        """See :class:`IProtocolFactory`."""
        return None if self._cancelled else HttpConnection(self._clock, tls=self._tls, made=self.done.callback)

    def clientConnectionFailed(self, connector: object, reason: Failure) -> None:
        """See :class:`ClientFactory`."""
        if not self._cancelled:
            self.done.errback(reason)

    def _cancel(self, _: Deferred[HttpConnection]) -> None:
        self._cancelled = True
        self.connector.disconnect()


def connect(reactor: Any, host: str, port: int, *, tls: bool, timeout: float) -> Deferred[HttpConnection]:
    """Open a connection; over TLS, its handshake goes on with the first request.

    :param host: IPv4, IPv6, or IPv6 link-local with ``%scope``.
    """
    connecting = _Connecting(reactor, tls=tls)
    factory = TLSMemoryBIOFactory(AnyCertificate(old=True), True, connecting, reactor) if tls else connecting
    factory.noisy = False
    connecting.connector = reactor.connectTCP(host, port, factory, timeout)
    return connecting.done


def _malformed(error: RemoteError) -> Malformed:
    """The class and the code of what is wrong with an answer."""
    codes = {TooLong: "too_long", NotHttp: "not_http", BadEncoding: "encoding"}
    return Malformed(error.what, shown=error.shown, code=codes.get(type(error), ""))
