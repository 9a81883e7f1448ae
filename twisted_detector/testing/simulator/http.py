"""The web server of one camera: Twisted's, with bounds and a delay. What it answers is decided by :mod:`.onvif`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

#: Largest body of a request: ONVIF's own requests stay below 4 KiB, a configuration upload is none of ours.
MAX_BODY = 65_536
#: Seconds without a byte after which a connection is closed, as small web servers in cameras do.
IDLE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request: ``target`` as in the request line, ``path`` without its query."""

    method: str
    target: str
    path: str
    authorization: str
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """One answer; a header name may have several values."""

    status: int
    body: bytes
    content_type: str = "application/soap+xml; charset=utf-8"
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


class _BoundedRequest(Request):
    """A request whose connection is cut when its body grows over the bound, whatever length it announced."""

    channel: Any
    content: Any

    def handleContentChunk(self, data: bytes) -> None:
        if self.content.tell() + len(data) > MAX_BODY:
            self.channel.transport.abortConnection()
            return
        super().handleContentChunk(data)  # type: ignore[no-untyped-call]


class _Root(Resource):
    """Every path, answered by one function."""

    isLeaf = True

    def __init__(
        self,
        answer: Callable[[HttpRequest], HttpAnswer],
        *,
        clock: IReactorTime,
        delay: float,
        now: Callable[[], float] | None,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._answer = answer
        self._now = now or clock.seconds
        self._clock = clock
        self._delay = delay

    def render(self, request: Any) -> bytes | int:
        read = HttpRequest(
            method=_text(request.method),
            target=_text(request.uri),
            path=_text(request.path),
            authorization=_text(request.getHeader(b"authorization") or b""),
            body=request.content.read(),
        )
        answer = self._answer(read)
        request.setResponseCode(answer.status)
        request.setHeader(b"Content-Type", answer.content_type.encode("latin-1"))
        request.setHeader(b"Server", b"camdetect-simulator")
        # As real cameras do: the device's clock, which may be wrong, not that of this machine.
        request.setHeader(b"Date", formatdate(self._now(), usegmt=True).encode("ascii"))
        for name, values in answer.headers.items():
            request.responseHeaders.setRawHeaders(name.encode("latin-1"), [value.encode("utf-8") for value in values])
        if not self._delay:
            return answer.body
        pause: Deferred[None] = deferLater(self._clock, self._delay)
        request.notifyFinish().addErrback(lambda _: pause.cancel())
        pause.addCallbacks(lambda _: self._finish(request, answer.body), lambda _: None)
        return NOT_DONE_YET

    @staticmethod
    def _finish(request: Any, body: bytes) -> None:
        request.setHeader(b"Content-Length", str(len(body)).encode("ascii"))
        request.write(body)
        request.finish()


class HttpSite(Site):
    """A site without an access log."""

    def log(self, request: Any) -> None:
        """Nothing: see the class."""


def site(
    answer: Callable[[HttpRequest], HttpAnswer],
    *,
    reactor: Any,
    delay: float = 0.0,
    now: Callable[[], float] | None = None,
) -> Site:
    """The factory of one camera's web server.

    :param delay: seconds that each answer takes longer.
    :param now: the camera's clock, seconds since the epoch; this machine's when not given.
    """
    root = _Root(answer, clock=reactor, delay=delay, now=now)
    made: Site = HttpSite(root, requestFactory=_BoundedRequest, timeout=IDLE_SECONDS, reactor=reactor)  # type: ignore[no-untyped-call]
    return made


def _text(octets: bytes) -> str:
    return octets.decode("utf-8", "replace")
