"""TLS as old firmware speaks it, over a pipe in memory: cameras get it, consumers do not. What failed is said."""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from OpenSSL.SSL import (
    TLS1_1_VERSION,
    TLS1_2_VERSION,
    TLS1_3_VERSION,
    TLS1_VERSION,
    TLS_SERVER_METHOD,
    Connection,
    Context,
)
from twisted.internet import reactor as _reactor  # noqa: TID251 - Twisted's TLS gathers what is written in its turns
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase
from zope.interface import implementer

from twisted_detector.errors import Unreachable
from twisted_detector.inspection.http.client import HttpClient
from twisted_detector.inspection.rtsp.connection import open_connection
from twisted_detector.wire.http.any_certificate import AnyCertificate

#: RFC 2409, section 6.2: the group of 1 024 bits that firmware has.
GROUP_2 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B"
    "302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5AE9F24117C4B1FE6"
    "49286651ECE65381FFFFFFFFFFFFFFFF",
    16,
)
DHE = b"DHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA:@SECLEVEL=0"
ALL = b"ALL:@SECLEVEL=0"


@cache
def certificate(kind: int | type[ec.EllipticCurve]) -> tuple[Any, Any]:
    """Of nobody's, with a key of RSA of so many bits, or on a curve."""
    key = rsa.generate_private_key(65537, kind) if isinstance(kind, int) else ec.generate_private_key(kind())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "camera")])
    begin = datetime(2010, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 2048, begin, begin + timedelta(9_999))
    return builder.sign(key, hashes.SHA256()), key


def integer(number: int) -> bytes:
    """An INTEGER of DER."""
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return b"\2" + (b"\x81" if len(octets) > 127 else b"") + bytes([len(octets)]) + octets


def group_in_pem() -> bytes:
    """The group as a file of PKCS #3."""
    numbers = integer(GROUP_2) + integer(2)
    text = base64.encodebytes(b"\x30\x81" + bytes([len(numbers)]) + numbers)
    return b"-----BEGIN DH PARAMETERS-----\n" + text + b"-----END DH PARAMETERS-----\n"


@implementer(IOpenSSLServerConnectionCreator)
class OldDevice:
    """TLS of one firmware.

    :param version: the newest that it speaks.
    :param key: of its certificate.
    :param curve: the only one on which it exchanges keys.
    """

    def __init__(
        self,
        group: Path,
        *,
        version: int,
        ciphers: bytes,
        key: int | type[ec.EllipticCurve] = 2048,
        curve: ec.EllipticCurve | None = None,
    ) -> None:
        group.write_bytes(group_in_pem())
        context = Context(TLS_SERVER_METHOD)
        context.set_min_proto_version(TLS1_VERSION)
        context.set_max_proto_version(version)
        context.set_cipher_list(ciphers)
        context.load_tmp_dh(str(group).encode())
        if curve is not None:
            context.set_tmp_ecdh(curve)
        shown, private = certificate(key)
        context.use_certificate(shown)
        context.use_privatekey(private)
        self.context = context

    def serverConnectionForTLS(self, protocol: Any) -> Connection:
        return Connection(self.context, None)


class Http(Protocol):
    """Answers any request."""

    def dataReceived(self, data: bytes) -> None:
        if data.startswith(b"OPTIONS"):
            self.transport.write(b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n")
        else:
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")


class Raw(Protocol):
    """Answers the first message with these octets, and closes."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.heard = b""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        self.transport.write(self.answer)
        self.transport.loseConnection()


class Pipe(StringTransport):
    """One end of a connection in memory."""

    aborted = False

    def abortConnection(self) -> None:
        self.aborted = self.disconnecting = True

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is no delay."""


async def run(client: Any, server: Any, clock: Any = None) -> None:
    """Carry octets between the two until neither has any, or one has closed."""
    ends = Pipe(), Pipe()
    server.makeConnection(ends[1])
    client.makeConnection(ends[0])
    for _ in range(20):
        await deferLater(_reactor, 0)  # TLS gathers what is written in one turn
        if clock is not None:
            clock.advance(0)
        for end, other in ((0, server), (1, client)):
            data = ends[end].value()
            ends[end].clear()
            if data:
                other.dataReceived(data)
        if any(end.disconnecting for end in ends) and not any(end.value() for end in ends):
            break
    else:
        return
    for protocol in (client, server):
        protocol.connectionLost(Failure(ConnectionDone()))


def handshake(body: bytes) -> bytes:
    """A record of one handshake message of TLS 1.2."""
    return b"\x16\x03\x03" + len(body).to_bytes(2, "big") + body


class OldTls(TestCase):
    def device(self, **options: Any) -> Callable[[], Any]:
        tls = TLSMemoryBIOFactory(OldDevice(Path(self.mktemp()), **options), False, Factory.forProtocol(Http))
        return lambda: tls.buildProtocol(None)

    async def http(self, server: Any) -> Deferred[Any]:
        reactor = MemoryReactorClock()
        client = HttpClient(reactor, timeout=5)
        posted = Deferred.fromCoroutine(client.post("https://192.0.2.9/x", b"", {}))
        await run(reactor.tcpClients[0][2].buildProtocol(None), server, reactor)
        return posted

    async def rtsp(self, server: Any) -> Deferred[Any]:
        reactor = MemoryReactorClock()

        async def ask() -> Any:
            connection = await open_connection(reactor, "192.0.2.9", 322, 5, tls=True)
            return await connection.request("OPTIONS", "*", timeout=5)

        asked = Deferred.fromCoroutine(ask())
        await run(reactor.tcpClients[0][2].buildProtocol(None), server, reactor)
        return asked

    async def test_old_devices(self) -> None:
        """Diffie-Hellman of 1 024 bits, TLS 1.0 and 1.1, RSA alone, SHA-1, a short key, other curves than P-256.

        Over HTTPS and RTSPS.
        """
        for options in (
            {"version": TLS1_2_VERSION, "ciphers": DHE},
            {"version": TLS1_VERSION, "ciphers": DHE, "key": 1024},
            {"version": TLS1_VERSION, "ciphers": ALL},
            {"version": TLS1_1_VERSION, "ciphers": ALL},
            {"version": TLS1_2_VERSION, "ciphers": b"AES128-SHA:@SECLEVEL=0", "key": 1024},
            {"version": TLS1_2_VERSION, "ciphers": ALL, "key": ec.SECP384R1},
            {"version": TLS1_2_VERSION, "ciphers": ALL, "key": ec.SECP521R1},
            {"version": TLS1_3_VERSION, "ciphers": ALL, "curve": ec.SECP384R1()},
        ):
            server = self.device(**options)
            response = self.successResultOf(await self.http(server()))
            self.assertEqual((response.status, response.body, len(response.certificate)), (200, b"hi", 64), options)
            self.assertEqual(self.successResultOf(await self.rtsp(server())).status, 200)

    async def test_not_for_consumers(self) -> None:
        """The same firmware is refused by the options that programs beside us get."""
        for options in (
            {"version": TLS1_VERSION, "ciphers": ALL},
            {"version": TLS1_1_VERSION, "ciphers": ALL},
        ):
            lost: list[Any] = []

            class Client(Protocol):
                def connectionMade(self) -> None:
                    self.transport.write(b"GET")

                def connectionLost(self, reason: Failure = connectionDone, lost: Any = lost) -> None:
                    lost.append(reason.value)

            tls = TLSMemoryBIOFactory(AnyCertificate(), True, Factory.forProtocol(Client))
            await run(tls.buildProtocol(None), self.device(**options)())
            self.assertEqual([type(one).__name__ for one in lost], ["Error"], options)
        usual, old = (AnyCertificate(old=old).clientConnectionForTLS(None) for old in (False, True))
        self.assertIsNot(usual.get_context(), old.get_context())
        self.assertLess(set(usual.get_cipher_list()), set(old.get_cipher_list()))

    async def test_small_first_message(self) -> None:
        """The first message fits into a packet: small servers read no more."""
        server = Raw(b"")
        self.failureResultOf(await self.http(server), Unreachable)
        self.assertLess(len(server.heard), 600)

    async def test_old_renegotiation(self) -> None:
        """A device that does not know RFC 5746 is spoken with: its answer is followed by our key, not by an alert."""
        der = certificate(1024)[0].public_bytes(Encoding.DER)
        entry = len(der).to_bytes(3, "big") + der
        chain = len(entry).to_bytes(3, "big") + entry
        hello = b"\2\0\0\x26\3\3" + bytes(32) + b"\0\0\x2f\0"
        shown = b"\x0b" + len(chain).to_bytes(3, "big") + chain
        server = Raw(handshake(hello) + handshake(shown) + handshake(b"\x0e\0\0\0"))
        server.dataReceived = lambda data: (
            setattr(server, "heard", server.heard + data)
            or (  # type: ignore[method-assign,func-returns-value]
                server.transport.write(server.answer) if len(server.heard) == len(data) else None
            )
        )
        self.assertNoResult(await self.http(server))
        first = 5 + int.from_bytes(server.heard[3:5], "big")
        self.assertEqual(server.heard[first : first + 1], b"\x16")

    async def test_reasons(self) -> None:
        """What failed is said, over HTTPS and RTSPS alike."""
        for answer, words in (
            (b"", "closed the connection during the handshake"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n", "does not speak TLS"),
            (b"SSH-2.0-dropbear\r\n", "does not speak TLS"),
            (b"\x15\3\1\0\2\2\x28", "no cipher in common"),
            (b"\x15\3\1\0\2\2\x46", "no version of TLS in common"),
            (handshake(b"\2\0\0\x26\3\0" + bytes(32) + b"\0\0\x2f\0"), "no version of TLS in common"),
            (b"\x15\3\1\0\2\2\x50", "internal error"),
        ):
            for ask in (self.http, self.rtsp):
                problem = self.failureResultOf(await ask(Raw(answer)), Unreachable).value
                self.assertEqual((problem.code, problem.what), ("tls", "no TLS connection"))
                self.assertIn(words, problem.shown, answer)
