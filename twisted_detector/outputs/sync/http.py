"""A request for a program that follows goes in; its whole answer comes out, bounded in time and size."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from OpenSSL.SSL import Connection
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool, ResponseDone
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer, IPolicyForHTTPS
from zope.interface import implementer

from twisted_detector.model import Secret
from twisted_detector.outputs.sync.documents import MAX_DOCUMENT
from twisted_detector.outputs.sync.seams import Away

#: Seconds for one request: Frigate validates a configuration of 100 cameras in about one.
TIMEOUT = 15.0


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer: status, the cookies that it set, its body."""

    status: int
    cookies: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")


class Http:
    """Speaks with one server; no proxy, no redirect.

    :param base: ``http://host:port`` with what comes before every path.
    :param insecure: do not verify a certificate (Frigate makes its own).
    """

    def __init__(self, reactor: Any, base: str, *, insecure: bool = False, timeout: float = TIMEOUT) -> None:
        self._reactor = reactor
        self._base = base.rstrip("/")
        self._timeout = timeout
        # One at a time and none kept: an hour lies between two changes.
        pool = HTTPConnectionPool(reactor, persistent=False)
        policy: dict[str, Any] = {"contextFactory": _Trusting()} if insecure else {}
        self._agent = Agent(reactor, connectTimeout=timeout, pool=pool, **policy)

    async def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """The answer, whatever its status.

        :raises Away: none in time, or none that is HTTP, or one that is too long.
        """
        url = f"{self._base}{path}" + (f"?{urlencode(query)}" if query else "")
        asked = Deferred.fromCoroutine(self._exchange(method, url, body, headers or {}))
        asked.addTimeout(self._timeout, self._reactor, _timed_out)
        try:
            return await asked
        except (Away, CancelledError):
            raise
        except Exception as error:
            # Whatever the other end did to the connection or the protocol; none of it is a fault of ours to be logged.
            raise Away("it does not answer", shown=_reason(error)) from None

    async def _exchange(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> HttpAnswer:
        raw = Headers({"User-Agent": ["camdetect"]})
        for name, value in headers.items():
            raw.addRawHeader(name, value)
        response = await self._agent.request(
            method.encode("ascii"), url.encode("ascii"), raw, _Body(body) if body is not None else None
        )
        collector = _Collector()
        response.deliverBody(collector)
        data = await collector.whole
        cookies = {}
        for line in response.headers.getRawHeaders("set-cookie", []):
            name, _, value = line.partition(";")[0].partition("=")
            cookies[name.strip()] = value.strip()
        return HttpAnswer(response.code, cookies, data)


def basic(name: str, password: Secret) -> dict[str, str]:
    """The header of HTTP Basic (RFC 7617); none for no name."""
    if not name:
        return {}
    token = base64.b64encode(f"{name}:{password.reveal()}".encode()).decode("ascii")
    return {"Authorization": f"Basic {token}"}


def _timed_out(_: Any, seconds: float) -> None:
    raise Away("it does not answer", shown=f"nothing for {seconds:g} s")


def _reason(error: Exception) -> str:
    reasons = getattr(error, "reasons", None)  # ResponseFailed and its like carry what happened to them
    inner = reasons[-1].value if reasons else error
    return f"{inner}".splitlines()[0] if f"{inner}" else type(inner).__name__


class _Collector(Protocol):
    """Gathers a body up to its bound."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self.whole: Deferred[bytes] = Deferred(self._give_up)

    def _give_up(self, _: object) -> None:
        if self.transport is not None:
            abort = getattr(self.transport, "abortConnection", self.transport.loseConnection)
            abort()

    def dataReceived(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > MAX_DOCUMENT:
            self._parts.clear()
            self._give_up(None)
        else:
            self._parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if self._size > MAX_DOCUMENT:
            self.whole.errback(Failure(Away("its answer is larger than any configuration")))
        elif reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(Failure(Away("its answer broke off")))


@implementer(IBodyProducer)
class _Body:
    """A body that is there already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.length = len(data)

    def startProducing(self, consumer: Any) -> Deferred[None]:
        consumer.write(self._data)
        return succeed(None)

    def pauseProducing(self) -> None:
        """It is written at once."""

    def resumeProducing(self) -> None:
        """It is written at once."""

    def stopProducing(self) -> None:
        """It is written at once."""


@implementer(IPolicyForHTTPS, IOpenSSLClientConnectionCreator)
class _Trusting:
    """Takes any certificate: for a server whose own one nobody signed."""

    def __init__(self) -> None:
        self._context = CertificateOptions(verify=False).getContext()

    def creatorForNetloc(self, hostname: bytes, port: int) -> _Trusting:
        """See IPolicyForHTTPS."""
        return self

    def clientConnectionForTLS(self, tlsProtocol: Any) -> Connection:
        """See IOpenSSLClientConnectionCreator."""
        return Connection(self._context, None)
