"""Application that serves the routes of the table and the page's files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Any
from zlib import crc32

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.web.access import AccessControl
from twisted_detector.web.api.handlers import Api
from twisted_detector.web.api.requests import ParsedRequest, parse_head, parse_request
from twisted_detector.web.api.response import ApiResponse
from twisted_detector.web.api.route import ROOT, Route
from twisted_detector.web.api.routes import ROUTES
from twisted_detector.web.assets import File
from twisted_detector.web.compression import LEAST, accepts_gzip, compress, is_compressible
from twisted_detector.web.frames import allow
from twisted_detector.web.monitoring import MONITORING_ROUTES, MonitoringEndpoints
from twisted_detector.web.problem import MEDIA_TYPE, Problem
from twisted_detector.web.rate_limit import is_loopback
from twisted_detector.web.routing import RouteTable
from twisted_detector.web.server import MAX_BODY

#: Seconds for an answer; "why" takes some, and its own parts give up before.
ANSWER_TIMEOUT = 30.0

#: On every answer. No inline script, no inline style, no text that becomes markup, nothing from anywhere else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cache-Control": "no-store",
    "Server": "camdetect",
}
#: Through Home Assistant's ingress the page is shown in a frame of Home Assistant's, which has the same origin.
FRAMED = {
    "Content-Security-Policy": HEADERS["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
_FAULT = Problem(500, "an internal error of camdetect; see its log")
_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"QUERY"}


class RootHandler:
    """Handler of every request: what is the same for all of them, then the route."""

    log = make_logger()

    def __init__(self, access: AccessControl, routes: RouteTable) -> None:
        self._access = access
        self._routes = routes

    def serve(self, request: Any) -> None:
        """Answer a request; what a route answers may come later."""
        try:
            self._begin(request)
        except Problem as problem:
            _finish(request, problem)
        except Exception:
            self.log.failure("A request failed")
            _finish(request, _FAULT)
        else:
            self._routes.serve(request)

    def _begin(self, request: Any) -> None:
        """Write what is the same in every answer.

        :raises Problem: no route is asked.
        """
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        head = parse_head(request)
        if self._access.is_ingress(head):
            for name, value in FRAMED.items():
                request.setHeader(name, value)
        if request.too_large:
            raise Problem(413, f"a body has at most {MAX_BODY} bytes")
        if request.method not in _METHODS:
            raise Problem(405, "there is no such method", {"Allow": "GET, HEAD, POST, DELETE"})
        self._access.check_host(head)
        _check_path(b"/".join(request.postpath))


def _check_path(path: bytes) -> None:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "the path is not UTF-8") from None


class Application:
    """Server of the API and of the page.

    :param pages: URLs of other programs' pages that may be shown in ours: the operator's settings.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        access: AccessControl,
        api: Api,
        monitoring: MonitoringEndpoints,
        files: Mapping[str, File],
        pages: Sequence[str] = (),
    ) -> None:
        self._clock = clock
        self._access = access
        self._api = api
        self._monitoring = monitoring
        self._files = files
        self._pages = pages

    def handler(self) -> Callable[[Any], None]:
        """What :class:`BoundedSite` has every request answered by."""
        routes = RouteTable(_refuse, _FAULT)
        for route in ROUTES:
            routes.add(route.method, ROOT + route.path, self._endpoint(route, self._api.handler(route)))
        for route in MONITORING_ROUTES:
            routes.add(route.method, route.path, self._endpoint(route, getattr(self._monitoring, route.handler)))
        routes.add("GET", "/", self._page)
        routes.add("GET", "/assets/{name}", self._asset)
        return RootHandler(self._access, routes).serve

    # --- the API ---------------------------------------------------------------------------------------------------

    def _endpoint(self, route: Route, handler: Callable[[ParsedRequest], Awaitable[ApiResponse]]) -> Callable[..., Any]:
        def serve(request: Any, **path: str) -> Any:
            answer = Deferred.fromCoroutine(self._answer(route, handler, request, path))
            answer.addTimeout(ANSWER_TIMEOUT, self._clock, lambda _, seconds: problem_response(_too_slow(seconds)))
            return answer.addCallback(lambda answer: write_response(request, answer))

        return serve

    async def _answer(
        self,
        route: Route,
        handler: Callable[[ParsedRequest], Awaitable[ApiResponse]],
        request: Any,
        path: Mapping[str, str],
    ) -> ApiResponse:
        try:
            head = parse_head(request)
            self._access.check_origin(head)
            if not route.public:
                self._access.check_login(head)
                request.channel.report_login(True)
            if route.changes:
                self._access.check_change(head)
            parsed = parse_request(request, head, route, path)
            if route.costs:
                self._access.check_rate(head)
            answer = await handler(parsed)
        except Problem as problem:
            if problem.status == 401 and request.channel is not None:
                request.channel.report_login(False)
            return problem_response(problem)
        except CancelledError:
            raise
        except Exception:
            self.log.failure("A request for {path} failed", path=route.path)
            return problem_response(_FAULT)
        return answer

    # --- the page --------------------------------------------------------------------------------------------------

    def _page(self, request: Any) -> Any:
        (policy,) = request.responseHeaders.getRawHeaders("Content-Security-Policy")
        return self._asset(request, "index.html", allow(policy, self._pages, request.getHeader("host") or ""))

    def _asset(self, request: Any, name: str, policy: str = "") -> Any:
        file = self._files.get(name)
        if file is None:
            return _refuse(request, Problem(404, "there is no such file"))
        packed = file.is_compressible and accepts_gzip(request.getHeader("accept-encoding") or "")
        tag = file.gzip_tag if packed else file.tag
        headers = {"ETag": tag, "Cache-Control": "no-cache"}
        if policy:
            # Part of the tag: a browser that has the file goes on by the policy that came with it.
            tag = headers["ETag"] = f'{tag[:-1]}-{crc32(policy.encode()):08x}"'
            headers["Content-Security-Policy"] = policy
        if file.is_compressible:
            headers["Vary"] = "Accept-Encoding"
        if _has_tag(request.getHeader("if-none-match") or "", tag):
            return write_response(request, ApiResponse(b"", file.media, 304, headers))
        if packed:
            headers["Content-Encoding"] = "gzip"
        return write_response(request, ApiResponse(file.gzipped if packed else file.data, file.media, headers=headers))


def _too_slow(seconds: float) -> Problem:
    return Problem(504, f"there was no answer within {seconds:g} seconds")


def _refuse(request: Any, problem: Problem) -> Any:
    return write_response(request, problem_response(problem))


def _finish(request: Any, problem: Problem) -> None:
    request.write(_refuse(request, problem))
    request.finish()


def problem_response(problem: Problem) -> ApiResponse:
    """As an answer."""
    return ApiResponse(problem.body(), MEDIA_TYPE, problem.status, problem.headers)


def write_response(request: Any, answer: ApiResponse) -> Any:
    """Write the head; the body, or a Deferred that never fires, is returned."""
    request.setResponseCode(answer.status, HTTPStatus(answer.status).phrase.encode("ascii"))
    request.setHeader("Content-Type", answer.media)
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    if answer.stream is not None:
        last_id = request.getHeader("last-event-id") or _last_id(request)
        answer.stream.begin(last_id)
        return Deferred(lambda _: None)
    body = answer.body
    if answer.status != 304:
        if len(body) >= LEAST and "Content-Encoding" not in answer.headers and is_compressible(answer.media):
            request.setHeader("Vary", "Accept-Encoding")
            if accepts_gzip(request.getHeader("accept-encoding") or "") and _is_far(request):
                body = compress(body)
                request.setHeader("Content-Encoding", "gzip")
        request.setHeader("Content-Length", str(len(body)))
    return body


def _is_far(request: Any) -> bool:
    """Whether a network stands between: on this machine compressing only costs."""
    return not is_loopback(str(getattr(request.getClientAddress(), "host", "")))


def _has_tag(header: str, tag: str) -> bool:
    """Whether ``If-None-Match`` names the tag (RFC 9110, 13.1.2: ``W/`` does not matter here)."""
    return header.strip() == "*" or tag in [part.strip().removeprefix("W/") for part in header.split(",")]


def _last_id(request: Any) -> str:
    values = request.args.get(b"last_event_id", [b""])
    return str(values[-1].decode("latin-1"))
