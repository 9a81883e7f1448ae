"""An http or https URI of a device goes in; a connection to it comes out that is cut when too much is said on it.

A certificate is not verified: cameras sign their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from OpenSSL.SSL import Connection
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, TCP6ClientEndpoint, wrapClientTLS
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import (
    IOpenSSLClientConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    ITransport,
)
from twisted.internet.protocol import connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer


class AnswerTooLong(ConnectionAborted):
    """An answer was longer than allowed, so the connection was cut."""


class _Bounded(ProtocolWrapper):
    """Cuts a connection on which more than the factory's ``limit`` bytes came since the last request."""

    factory: _BoundedFactory
    _received = 0

    def makeConnection(self, transport: ITransport) -> None:
        self.factory.live.add(self)
        ProtocolWrapper.makeConnection(self, transport)

    def write(self, data: bytes) -> None:
        self._received = 0
        ProtocolWrapper.write(self, data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self._received = 0
        ProtocolWrapper.writeSequence(self, data)

    def dataReceived(self, data: bytes) -> None:
        self._received += len(data)
        if self._received <= self.factory.limit:
            ProtocolWrapper.dataReceived(self, data)
        else:
            self.abortConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.live.discard(self)
        ProtocolWrapper.connectionLost(
            self, Failure(AnswerTooLong()) if self._received > self.factory.limit else reason
        )


class _BoundedFactory(WrappingFactory[Any]):
    """Puts a :class:`_Bounded` between the network and what ``wrapped`` makes; ``live`` are those connected."""

    protocol = _Bounded
    noisy = False

    def __init__(self, wrapped: Any, limit: int, live: set[_Bounded]) -> None:
        WrappingFactory.__init__(self, wrapped)
        self.limit = limit
        self.live = live


@implementer(IStreamClientEndpoint)
class _BoundedEndpoint:
    """An endpoint whose connections are :class:`_Bounded`; who connects gets its own protocol as usual."""

    def __init__(self, endpoint: Any, limit: int, live: set[_Bounded]) -> None:
        self._endpoint = endpoint
        self._limit = limit
        self._live = live

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        connected: Deferred[Any] = self._endpoint.connect(_BoundedFactory(protocolFactory, self._limit, self._live))
        return connected.addCallback(lambda wrapper: wrapper.wrappedProtocol)


@implementer(IOpenSSLClientConnectionCreator)
class _AnyCertificate:
    """TLS that encrypts but trusts anybody: cameras sign their own certificates."""

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Any:
        return Connection(CertificateOptions().getContext(), None)


@implementer(IAgentEndpointFactory)
class Endpoints:
    """Makes the endpoint for a URI whose host is an IP address."""

    def __init__(self, reactor: Any, *, timeout: float, limit: int) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._limit = limit
        self.live: set[_Bounded] = set()

    def endpointForURI(self, uri: URI) -> _BoundedEndpoint:
        host = unquote(uri.host.decode("ascii")).strip("[]")
        kind = TCP6ClientEndpoint if ":" in host else TCP4ClientEndpoint
        endpoint: Any = kind(self._reactor, host, uri.port, timeout=self._timeout)
        if uri.scheme == b"https":
            endpoint = wrapClientTLS(_AnyCertificate(), endpoint)
        return _BoundedEndpoint(endpoint, self._limit, self.live)
