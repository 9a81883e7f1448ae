"""HTTP client of one device, bounded in time and size; its errors say how to treat the device.

Made for devices on the local network: no proxy, no redirect, no cookie. A certificate is recorded but not verified,
since cameras sign their own (so nothing secret may go in clear through TLS either). The meaning of each error's
``code`` is in ``docs/security.md``.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol
from urllib.parse import unquote

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout, gatherResults
from twisted.internet.error import ConnectError, TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IDelayedCall

from twisted_detector.errors import LocalError, Unreachable
from twisted_detector.inspection.connect_reason import connect_reason
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.inspection.http.connection import HttpConnection, KeptConnectionClosed, connect
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.wire.http.head import ResponseHead
from twisted_detector.wire.http.response import Body, ResponseReader
from twisted_detector.wire.soap.document import SoapDocument
from twisted_detector.wire.soap.xml import clean

__all__ = ["HttpClient", "HttpResponse", "HttpTransport", "KeptConnectionClosed", "SinkFor", "retry_once"]

#: 2 MiB for the body of one answer: GetProfiles of an NVR with 64 profiles of 20 kB (the largest seen) has 1.3 MB.
MAX_ANSWER = 2 * 1_048_576
#: Seconds for which a connection is kept between two requests of one inspection.
KEEP_ALIVE = 2
#: Characters of a status line that are kept: some devices write there that they lock.
MAX_REASON = 200

_URL = re.compile(r"(?P<scheme>https?)://(?P<host>\[[^\]/?#]+\]|[^:/?#]+)(?::(?P<port>\d{1,5}))?(?P<target>[/?].*)?")
#: What may stand in a request line.
_PRINTABLE = re.compile(r"[!-~]+")
#: What would end a line of the head.
_LINE_ENDS = re.compile(r"[\r\n\0]+")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """One response: status, headers in order, body; ``certificate``: SHA-256 of the one shown, "" without TLS.

    :ivar reason: what follows the status in the first line, made harmless.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    certificate: str = ""
    reason: str = ""

    def values(self, name: str) -> list[str]:
        """All values of one header, whatever its case."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


#: Chooses by a response's head the reader of its body; None: the body is collected.
SinkFor = Callable[[HttpResponse], Body | None]


async def retry_once(request: Callable[[], Awaitable[HttpResponse]]) -> HttpResponse:
    """The response to ``request()``, which is called a second time after :class:`KeptConnectionClosed` only.

    For requests that are safe to repeat. ``request`` makes new headers: a nonce that the device has seen after all
    would count as a failed login.
    """
    try:
        return await request()
    except KeptConnectionClosed:
        return await request()


class HttpTransport(Protocol):
    """The part of :class:`HttpClient` that an inspection uses; tests have a scripted device here."""

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """Send one POST and wait for the response, whatever its status, until its content is whole.

        :raises KeptConnectionClosed: sent on a kept connection that the device closed.
        :raises errors.Unreachable: no connection, or no answer in time.
        :raises errors.Malformed: an answer that is not HTTP, is too long, or cannot be unpacked.
        """

    async def close(self) -> None:
        """Close what is open; the transport is not used again."""


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a request goes. :ivar host: as it is connected to, with the scope of a link-local address."""

    tls: bool
    host: str
    port: int


class HttpClient:
    """Client with one connection at a time, kept between requests where the device agrees.

    :param timeout: seconds for one request, from connecting to the last byte of the answer.
    :param max_answer: bytes of one answer's body.
    :param queue: shared by all clients: the work that each response causes waits there.
    """

    def __init__(
        self, reactor: Any, *, timeout: float, max_answer: int = MAX_ANSWER, queue: CooperativeQueue | None = None
    ) -> None:
        self._reactor = reactor
        self._queue = queue
        self._timeout = timeout
        self._max_answer = max_answer
        self._live: set[HttpConnection] = set()
        self._kept: tuple[_Origin, HttpConnection, IDelayedCall] | None = None

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """See :class:`HttpTransport`."""
        return await self._bounded("POST", url, body, headers, None)

    async def get(self, url: str, headers: Mapping[str, str], *, sink_for: SinkFor = lambda head: None) -> HttpResponse:
        """Send one GET; the body is empty when ``sink_for`` returned a reader for it; raises as ``post``."""
        return await self._bounded("GET", url, None, headers, sink_for)

    async def close(self) -> None:
        """Close all connections, so that none can linger."""
        self._drop_kept()
        live = tuple(self._live)
        gone = [connection.lost for connection in live]
        for connection in live:
            connection.close()
        await gatherResults(gone)

    async def _bounded(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], sink_for: SinkFor | None
    ) -> HttpResponse:
        answer = _Answer(sink_for)
        reader = ResponseReader(limit=self._max_answer, body_for=answer.body_for, reuse=sink_for is None)
        origin, host_header, target = _split(url)
        request = _format(method, target, host_header, headers, body)
        deferred = Deferred.fromCoroutine(self._exchange(origin, request, reader))
        deferred.addTimeout(self._timeout, self._reactor)
        try:
            certificate = await deferred
        except DeferredTimeout:
            what = "no whole answer" if reader.began else "no answer"
            raise Unreachable(f"{what} within {self._timeout:g} seconds", code="timeout") from None
        except ConnectTimeout:
            raise Unreachable(f"no connection within {self._timeout:g} seconds", code="connect") from None
        except ConnectError as error:
            raise Unreachable("no connection", shown=connect_reason(error), code="connect") from None
        if self._queue is not None:
            await self._queue.wait()
        return answer.response(certificate)

    async def _exchange(self, origin: _Origin, request: bytes, reader: ResponseReader) -> str:
        """Send one request, on the kept connection or on a new one; the certificate that was shown there."""
        connection = self._take_kept(origin) or await self._connect(origin)
        await connection.send(request, reader)
        if connection.can_be_used:
            self._keep(origin, connection)
        return connection.certificate

    async def _connect(self, origin: _Origin) -> HttpConnection:
        if origin.port in SILENT_PORTS:
            raise Unreachable("nothing is ever sent to that port", shown=str(origin.port))
        connection = await connect(self._reactor, origin.host, origin.port, tls=origin.tls, timeout=self._timeout)
        self._live.add(connection)
        connection.lost.addCallback(lambda _: self._live.discard(connection))
        return connection

    # --- the kept connection --------------------------------------------------------------------------------------

    def _keep(self, origin: _Origin, connection: HttpConnection) -> None:
        self._drop_kept()
        self._kept = origin, connection, self._reactor.callLater(KEEP_ALIVE, self._expire)

    def _take_kept(self, origin: _Origin) -> HttpConnection | None:
        """The kept connection, if it leads there and stands; one that leads elsewhere is closed."""
        if self._kept is None:
            return None
        where, connection, _ = self._kept
        if where != origin or not connection.can_be_used:
            self._drop_kept()
            return None
        self._forget_kept()
        return connection

    def _forget_kept(self) -> None:
        if self._kept is not None:
            self._kept[2].cancel()
            self._kept = None

    def _drop_kept(self) -> None:
        if self._kept is not None:
            self._kept[1].abort()
            self._forget_kept()

    def _expire(self) -> None:
        if self._kept is not None:
            self._kept[1].abort()
            self._kept = None


class _Answer:
    """Content of one response, by who reads it."""

    def __init__(self, sink_for: SinkFor | None) -> None:
        self._sink_for = sink_for
        self._head = HttpResponse(0)
        self._document: SoapDocument | None = None

    def body_for(self, head: ResponseHead) -> Body:
        """The reader of the body behind this head."""
        reason = clean(head.phrase.decode("latin-1"))[:MAX_REASON]
        self._head = HttpResponse(head.status, head.fields, reason=reason)
        sink = self._sink_for(self._head) if self._sink_for is not None else None
        if sink is not None:
            return sink
        self._document = SoapDocument()
        return self._document

    def response(self, certificate: str) -> HttpResponse:
        """The response, when it is whole."""
        body = bytes(self._document.content) if self._document is not None else b""
        return replace(self._head, body=body, certificate=certificate)


def _split(url: str) -> tuple[_Origin, str, str]:
    """Where a URL leads, what the Host header says of it, and the target.

    :raises errors.LocalError: no URL that this client asks.
    """
    found = _URL.fullmatch(url)
    if found is None or not _PRINTABLE.fullmatch(url):
        raise LocalError("not a URL that is asked", shown=url[:80])
    tls = found["scheme"] == "https"
    host, port = found["host"], int(found["port"] or (443 if tls else 80))
    target = found["target"] or "/"
    # The scope of a link-local address means nothing to the device (RFC 6874, 1).
    named = re.sub(r"%25[^\]]*", "", host) + (f":{found['port']}" if found["port"] else "")
    return _Origin(tls, unquote(host).strip("[]"), port), named, target if target.startswith("/") else f"/{target}"


def _format(method: str, target: str, host: str, headers: Mapping[str, str], body: bytes | None) -> bytes:
    """One request; what would end a line within a value becomes a blank."""
    fields = {"Host": host, "User-Agent": "camdetect", "Accept-Encoding": "identity", **headers}
    if body is not None:
        fields["Content-Length"] = str(len(body))
    lines = [
        f"{method} {target} HTTP/1.1",
        *(f"{name}: {_LINE_ENDS.sub(' ', value)}" for name, value in fields.items()),
    ]
    return "\r\n".join([*lines, "", ""]).encode("utf-8", "surrogateescape") + (body or b"")
