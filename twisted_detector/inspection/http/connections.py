"""An HTTP client's connections go in; connections that are cut when too much comes come out, TLS among them.

Bounds are kept below HTTP, where every byte passes: an endless head costs no more than a long one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from functools import cache
from typing import Any, Protocol as StructuralProtocol
from urllib.parse import unquote

from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate
from OpenSSL.SSL import Connection
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionAborted, ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from twisted_detector.errors import RemoteError, Unreachable
from twisted_detector.model.addresses import SILENT_PORTS

#: 64 KiB for the head of one answer with its interim answers: heads of devices have below 1 kB, servers allow 8 to 64.
MAX_HEAD = 65_536


class AnswerTooLong(ConnectionAborted):
    """An answer was longer than allowed, so the connection was cut."""


class ClosedWhileKept(ConnectionLost):
    """A connection that had answered before was closed under the next question, without a byte of an answer."""


@implementer(IBodyProducer)
class Body:
    """A request's body that is there at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Nothing is left to pause."""

    def resumeProducing(self) -> None:
        """Nothing is left to resume."""

    def stopProducing(self) -> None:
        """Nothing is left to stop."""


class Sink(StructuralProtocol):
    """Takes a body that need not end by itself."""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True: enough, the connection is cut.

        :raises errors.RemoteError: they are not what they should be.
        """


class Collector(Protocol):
    """Gathers a response's body, at most ``limit`` bytes of it.

    :ivar sink: takes it instead, and may have enough of it.
    """

    def __init__(self, limit: int) -> None:
        self.sink: Sink | None = None
        self._parts: list[bytes] = []
        self._room = limit
        self.whole: Deferred[bytes] = Deferred(self._cancelled)

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._room -= len(data)
        if self._room < 0:
            self._end(AnswerTooLong())
        elif self.sink is None:
            self._parts.append(data)
        else:
            try:
                if self.sink.feed(data):
                    self._end(None)
            except RemoteError as error:
                self._end(error)

    def _end(self, problem: Exception | None) -> None:
        self._parts.clear()
        if problem is None:
            self.whole.callback(b"")
        else:
            self.whole.errback(problem)
        self._cancelled(self.whole)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)

    def _cancelled(self, _: Deferred[bytes]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()


class _Bounded(ProtocolWrapper):
    """Cuts a connection on which more came since the last request than the factory's ``limit`` allows."""

    factory: _BoundedFactory
    _received = 0
    _answered = False
    _gave_up = False

    def makeConnection(self, transport: ITransport) -> None:
        self.factory.live.add(self)
        self._head = bytearray()
        self._in_head = True
        ProtocolWrapper.makeConnection(self, transport)

    def write(self, data: bytes) -> None:
        self._asked()
        ProtocolWrapper.write(self, data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._asked()
        ProtocolWrapper.writeSequence(self, data)

    def _asked(self) -> None:
        self._answered = self._answered or self._received > 0
        self._received = 0
        self._head.clear()
        self._in_head = True

    def dataReceived(self, data: bytes) -> None:
        if not self._received and not self._answered:
            self.factory.first_byte(self.transport)
        self._received += len(data)
        if self._in_head:
            self._follow_head(data)
        if self._too_long:
            self.abortConnection()
        else:
            ProtocolWrapper.dataReceived(self, data)

    def loseConnection(self) -> None:
        # Within a head nothing but a line over the parser's own bound makes the client close.
        self._gave_up = self._in_head and self._received > 0
        ProtocolWrapper.loseConnection(self)

    @property
    def _too_long(self) -> bool:
        return self._gave_up or self._received > (MAX_HEAD if self._in_head else self.factory.limit)

    def _follow_head(self, data: bytes) -> None:
        """Notice where the head ends; what is interim (RFC 9110, 15.2) is followed by another head."""
        self._head += data[: MAX_HEAD + 1]
        while (end := self._head.find(b"\r\n\r\n")) >= 0:
            if self._head[8:10] != b" 1":
                self._in_head = False
                self._head.clear()
                return
            del self._head[: end + 4]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.live.discard(self)
        if self._too_long:
            reason = Failure(AnswerTooLong())
        elif self._answered and not self._received:
            reason = Failure(ClosedWhileKept())
        ProtocolWrapper.connectionLost(self, reason)


class _BoundedFactory(WrappingFactory[Any]):
    """Puts a :class:`_Bounded` between the network and what ``wrapped`` makes.

    :ivar live: those that are connected.
    :ivar first_byte: is told the transport when its peer begins to speak: TLS is established then.
    """

    protocol = _Bounded
    noisy = False

    def __init__(self, wrapped: Any, limit: int, live: set[_Bounded], first_byte: Callable[[Any], None]) -> None:
        WrappingFactory.__init__(self, wrapped)
        self.limit = limit
        self.live = live
        self.first_byte = first_byte


@implementer(IStreamClientEndpoint)
class _BoundedEndpoint:
    """An endpoint whose connections are :class:`_Bounded`; who connects gets its own protocol as usual."""

    def __init__(self, endpoint: Any, bounded: Callable[[IProtocolFactory], _BoundedFactory]) -> None:
        self._endpoint = endpoint
        self._bounded = bounded

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connected: Deferred[Any] = self._endpoint.connect(self._bounded(protocolFactory))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IOpenSSLClientConnectionCreator)
class _AnyCertificate:
    """TLS that encrypts but trusts anybody: cameras sign their own certificates."""

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        return Connection(_context(), None)


@cache
def _context() -> Any:
    """Made once: it reads the ciphers anew each time."""
    return CertificateOptions().getContext()


@implementer(IAgentEndpointFactory)
class Endpoints:
    """Makes the endpoint for a URI whose host is an IP address.

    :param limit: bytes of one answer.
    :ivar live: the connections that are open.
    :ivar certificates: by ``host:port`` as in the URL, SHA-256 of the certificate (DER) that was shown there.
    """

    def __init__(self, reactor: Any, *, timeout: float, limit: int) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._limit = limit
        self.live: set[_Bounded] = set()
        self.certificates: dict[bytes, str] = {}

    def endpointForURI(self, uri: URI) -> _BoundedEndpoint:
        if uri.port in SILENT_PORTS:
            raise Unreachable("nothing is ever sent to that port", shown=str(uri.port))
        host = unquote(uri.host.decode("ascii")).strip("[]")
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        endpoint: Any = kind(self._reactor, host, uri.port, timeout=self._timeout)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(_AnyCertificate(), endpoint)

        def first_byte(transport: Any) -> None:
            if uri.scheme == b"https":
                self.certificates[uri.netloc] = _fingerprint(transport)

        return _BoundedEndpoint(endpoint, lambda wrapped: _BoundedFactory(wrapped, self._limit, self.live, first_byte))


def _fingerprint(transport: Any) -> str:
    certificate = transport.getPeerCertificate()
    return "" if certificate is None else hashlib.sha256(dump_certificate(FILETYPE_ASN1, certificate)).hexdigest()
