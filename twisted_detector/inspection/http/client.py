"""HTTP client of one device, bounded in time and size; its errors say how to treat the device.

Made for devices on the local network: no proxy, no redirect, no cookie, no encoding of bodies. A certificate is
recorded but not verified, since cameras sign their own (so nothing secret may go in clear through TLS either). The
meaning of each error's ``code`` is in ``docs/security.md``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

from OpenSSL.SSL import Error as TlsError
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectError, ConnectingCancelledError, ConnectionClosed
from twisted.python.failure import Failure
from twisted.web.client import URI, Agent, HTTPConnectionPool, RequestTransmissionFailed, ResponseFailed
from twisted.web.http_headers import Headers

from twisted_detector.errors import InspectionError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.inspection.http.connections import MAX_HEAD, Body, ClosedWhileKept, Endpoints
from twisted_detector.wire.http.body import AnswerTooLong, BodySink, collect, discard
from twisted_detector.wire.soap.xml import clean

#: 2 MiB for the body of one answer: GetProfiles of an NVR with 64 profiles of 20 kB (the largest seen) has 1.3 MB.
MAX_ANSWER = 2 * 1_048_576
#: Seconds for which a connection is kept between two requests of one inspection.
KEEP_ALIVE = 2
#: Characters of a status line that are kept: some devices write there that they lock.
MAX_REASON = 200


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


class KeptConnectionClosed(Unreachable):
    """The device closed a kept connection before it sent a byte of a response."""


#: Chooses by a response's head the sink of its body; None: the body is collected as usual.
SinkFor = Callable[[HttpResponse], BodySink | None]


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
        """Send one POST and wait for the whole response, whatever its status.

        :raises KeptConnectionClosed: sent on a kept connection that the device closed.
        :raises errors.Unreachable: no connection, or no answer in time.
        :raises errors.Malformed: an answer that is not HTTP, is too long, or is encoded.
        """

    async def close(self) -> None:
        """Close what is open; the transport is not used again."""


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
        self._pool = HTTPConnectionPool(reactor, persistent=True)
        self._pool.maxPersistentPerHost = 1
        self._pool.cachedConnectionTimeout = KEEP_ALIVE
        self._pool.retryAutomatically = False
        self._endpoints = Endpoints(reactor, timeout=timeout, limit=max_answer + MAX_HEAD)
        self._agent = Agent.usingEndpointFactory(reactor, self._endpoints, self._pool)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        """See :class:`HttpTransport`."""
        return await self._bounded("POST", url, body, headers)

    async def get(self, url: str, headers: Mapping[str, str], *, sink_for: SinkFor = lambda head: None) -> HttpResponse:
        """Send one GET; the body is empty when ``sink_for`` returned a sink for it; raises as ``post``."""
        return await self._bounded("GET", url, None, headers, sink_for)

    async def _bounded(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], sink_for: SinkFor | None = None
    ) -> HttpResponse:
        deferred = Deferred.fromCoroutine(self._exchange(method, url, body, headers, sink_for))
        deferred.addTimeout(self._timeout, self._reactor, _timed_out)
        try:
            response = await deferred
        except ConnectingCancelledError:
            raise CancelledError() from None
        except ConnectError as error:
            raise Unreachable("no connection", shown=str(error), code="connect") from None
        except (ResponseFailed, RequestTransmissionFailed, ConnectionClosed) as error:
            raise _explain(error) from None
        if self._queue is not None:
            await self._queue.wait()
        return response

    async def close(self) -> None:
        """Close kept connections, abort all, so that none can linger."""
        closed = self._pool.closeCachedConnections()
        for connection in tuple(self._endpoints.live):
            connection.abortConnection()
        await closed

    async def _exchange(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str], sink_for: SinkFor | None
    ) -> HttpResponse:
        raw = Headers({})
        for name, value in headers.items():
            raw.addRawHeader(name.encode("ascii"), value.encode("utf-8", "surrogateescape"))
        uri = URI.fromBytes(url.encode("ascii"))
        raw.setRawHeaders(b"Host", [_host_header(uri.netloc)])
        raw.setRawHeaders(b"User-Agent", [b"camdetect"])
        raw.setRawHeaders(b"Accept-Encoding", [b"identity"])
        producer = Body(body) if body is not None else None
        response = await self._agent.request(method.encode("ascii"), url.encode("ascii"), raw, producer)
        encodings = [value.strip().lower() for value in response.headers.getRawHeaders(b"Content-Encoding", [])]
        if any(encoding not in (b"", b"identity") for encoding in encodings):
            # A few bytes of gzip can be gigabytes: what was not requested is not unpacked.
            discard(response)
            raise Malformed("an answer in an encoding that was not asked for", code="encoding")
        head = HttpResponse(
            status=response.code,
            headers=tuple(
                (name.decode("latin-1"), value.decode("utf-8", "surrogateescape"))
                for name, values in response.headers.getAllRawHeaders()
                for value in values
            ),
            certificate=self._endpoints.certificates.get(uri.netloc, ""),
            reason=clean(response.phrase.decode("latin-1"))[:MAX_REASON],
        )
        try:
            sink = sink_for(head) if sink_for is not None else None
        except Exception:
            discard(response)
            raise
        try:
            return replace(head, body=await collect(response, self._max_answer, sink))
        except RemoteError as error:
            raise Malformed(error.what, shown=error.shown) from None


def _timed_out(result: object, timeout: float) -> Failure:
    """The failure of an exchange that the time-out cancelled."""
    return Failure(Unreachable(f"no answer within {timeout:g} seconds", code="timeout"))


def _explain(error: Exception) -> InspectionError:
    """The kind of a broken exchange: a response that is not HTTP, or a connection that went away."""
    reasons = [reason.value for reason in getattr(error, "reasons", ())] or [error]
    for reason in reasons:
        if isinstance(reason, AnswerTooLong):
            return Malformed("an answer is too long", code="too_long")
        if isinstance(reason, ClosedWhileKept):
            return KeptConnectionClosed("the device closed a kept connection", code="closed")
        if isinstance(reason, (ResponseFailed, RequestTransmissionFailed)) and reason is not error:
            return _explain(reason)
    first = reasons[0]  # what follows is a consequence: a connection that closed loses data, bad data closes it
    if isinstance(first, (ConnectionClosed, CancelledError)):
        return Unreachable("the device closed the connection without a whole answer", code="closed")
    if isinstance(first, TlsError):
        return Unreachable("no TLS connection", shown=type(first).__name__, code="tls")
    return Malformed("an answer that is not HTTP", shown=type(first).__name__, code="not_http")


def _host_header(netloc: bytes) -> bytes:
    """Host and port without the scope of a link-local address, which means nothing to the device (RFC 6874, 1)."""
    before, percent, after = netloc.partition(b"%25")
    return before + after[after.index(b"]") :] if percent else netloc
