"""Endpoints of the HTTP client: connections over TCP or TLS that are cut when a peer sends too much.

The bounds are kept below HTTP, where every byte passes: an endless head costs no more than a long one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import unquote

from OpenSSL.crypto import FILETYPE_ASN1, dump_certificate
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import (
    IConsumer,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory, IBodyProducer
from zope.interface import implementer

from twisted_detector.errors import Unreachable
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.wire.http.any_certificate import AnyCertificate
from twisted_detector.wire.http.body import AnswerTooLong

#: 64 KiB for the head of one answer with its interim answers: heads of devices have below 1 kB, servers allow 8 to 64.
MAX_HEAD = 65_536


#: Octets that are read in one turn of the reactor: what a device cuts into chunks of one octet, 2 700 of them, takes
#: 10 ms. A whole picture takes some more turns.
MAX_READ = 16_384


class ClosedWhileKept(ConnectionLost):
    """A kept connection was closed by the peer under the next request, before a byte of its answer."""


@implementer(IBodyProducer)
class Body:
    """Producer of a request's body, which is written at once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """Everything is written already."""

    def resumeProducing(self) -> None:
        """Everything is written already."""

    def stopProducing(self) -> None:
        """Everything is written already."""


class _Bounded(ProtocolWrapper):
    """Connection that is cut when more than the factory's ``limit`` came since the last request."""

    factory: _BoundedFactory
    _received = 0
    _answered = False
    _gave_up = False

    def makeConnection(self, transport: ITransport) -> None:
        self.factory.live.add(self)
        if hasattr(transport, "bufferSize"):
            transport.bufferSize = MAX_READ
        self._head = bytearray()
        self._in_head = True
        ProtocolWrapper.makeConnection(self, transport)

    def write(self, data: bytes) -> None:
        self._request_begins()
        ProtocolWrapper.write(self, data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._request_begins()
        ProtocolWrapper.writeSequence(self, data)

    def _request_begins(self) -> None:
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
    """Factory that puts a :class:`_Bounded` between the network and each protocol of ``wrapped``.

    :ivar live: the connections that are open.
    :ivar first_byte: called with the transport at the peer's first byte: TLS is established then.
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
    """Endpoint whose connections are :class:`_Bounded`; ``connect`` gives the caller's own protocol as usual."""

    def __init__(self, endpoint: Any, bounded: Callable[[IProtocolFactory], _BoundedFactory]) -> None:
        self._endpoint = endpoint
        self._bounded = bounded

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connected: Deferred[Any] = self._endpoint.connect(self._bounded(protocolFactory))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IAgentEndpointFactory)
class Endpoints:
    """Factory of the endpoint for a URI whose host is an IP address.

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
            endpoint = wrapClientTLS(AnyCertificate(), endpoint)

        def first_byte(transport: Any) -> None:
            if uri.scheme == b"https":
                self.certificates[uri.netloc] = _fingerprint(transport)

        return _BoundedEndpoint(endpoint, lambda wrapped: _BoundedFactory(wrapped, self._limit, self.live, first_byte))


def _fingerprint(transport: Any) -> str:
    certificate = transport.getPeerCertificate()
    return "" if certificate is None else hashlib.sha256(dump_certificate(FILETYPE_ASN1, certificate)).hexdigest()
