"""Klein application that serves the routes of the table and the page's files."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from klein import Klein
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from txaio.tx import make_logger
from werkzeug.exceptions import HTTPException, MethodNotAllowed
from zope.interface import implementer

from twisted_detector.web.access import AccessControl
from twisted_detector.web.api import Api, ApiResponse
from twisted_detector.web.assets import File
from twisted_detector.web.monitoring import MONITORING_ROUTES, MonitoringEndpoints
from twisted_detector.web.problem import MEDIA_TYPE, Problem
from twisted_detector.web.requests import ParsedRequest, parse_head, parse_request
from twisted_detector.web.routes import ROOT, ROUTES, Route
from twisted_detector.web.server import MAX_BODY

#: Seconds for an answer; "why" takes some, and its own parts give up before.
ANSWER_TIMEOUT = 30.0

#: On every answer. No inline script, no inline style, no text that becomes markup, nothing from anywhere else.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self';"
    " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none';"
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
_FAULT = Problem(500, "it failed by a fault of this program; see its log")
_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"QUERY"}


@implementer(IResource)
class RootResource(Resource):
    """The one resource of the site: what is the same for every request, then Klein."""

    isLeaf = True

    def __init__(self, access: AccessControl, app: Klein) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._access = access
        self._inner = app.resource()

    def render(self, request: Any) -> Any:
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        try:
            if request.too_large:
                raise Problem(413, f"a body has at most {MAX_BODY} bytes")
            if request.method not in _METHODS:
                raise Problem(405, "there is no such method", {"Allow": "GET, HEAD, POST, DELETE"})
            self._access.check_host(parse_head(request))
            _check_path(b"/".join(request.postpath))
        except Problem as problem:
            return _refuse(request, problem)
        return self._inner.render(request)


def _check_path(path: bytes) -> None:
    try:
        path.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "the path is not UTF-8") from None


class Application:
    """Server of the API and of the page."""

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        access: AccessControl,
        api: Api,
        monitoring: MonitoringEndpoints,
        files: Mapping[str, File],
    ) -> None:
        self._clock = clock
        self._access = access
        self._api = api
        self._monitoring = monitoring
        self._files = files

    def resource(self) -> RootResource:
        """For :class:`BoundedSite`."""
        app = Klein()
        app.url_map.merge_slashes = False  # a doubled slash is no path of ours, and no redirect either
        for route in ROUTES:
            path = ROOT + route.path.replace("{", "<").replace("}", ">")
            app.route(path, methods=[route.method], endpoint=route.name)(self._endpoint(route, self._api))
        for route in MONITORING_ROUTES:
            app.route(route.path, methods=[route.method], endpoint=route.name)(self._endpoint(route, self._monitoring))
        app.route("/", methods=["GET"], endpoint="page")(self._page)
        app.route("/assets/<name>", methods=["GET"], endpoint="assets")(self._asset)
        app.handle_errors(HTTPException)(self._no_route)
        app.handle_errors(Exception)(self._failed)
        return RootResource(self._access, app)

    # --- the API ---------------------------------------------------------------------------------------------------

    def _endpoint(self, route: Route, handlers: object) -> Callable[..., Any]:
        handler = getattr(handlers, route.handler)

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
        return self._asset(request, "index.html")

    def _asset(self, request: Any, name: str) -> Any:
        file = self._files.get(name)
        if file is None:
            return _refuse(request, Problem(404, "there is no such file"))
        headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
        if request.getHeader("if-none-match") == file.tag:
            return write_response(request, ApiResponse(b"", file.media, 304, headers))
        return write_response(request, ApiResponse(file.data, file.media, headers=headers))

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def _no_route(self, request: Any, failure: Failure) -> Any:
        error = failure.value
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(error.valid_methods or ()))
            problem = Problem(405, f"this path takes {allowed}", {"Allow": allowed})
        else:
            problem = Problem(404, "there is no such path; see /api/v1/openapi.json")
        return _refuse(request, problem)

    def _failed(self, request: Any, failure: Failure) -> Any:
        if failure.check(CancelledError):
            return b""
        self.log.failure("A request failed", failure=failure)
        return _refuse(request, _FAULT)


def _too_slow(seconds: float) -> Problem:
    return Problem(504, f"there was no answer within {seconds:g} seconds")


def _refuse(request: Any, problem: Problem) -> Any:
    return write_response(request, problem_response(problem))


def problem_response(problem: Problem) -> ApiResponse:
    """As an answer."""
    return ApiResponse(problem.body(), MEDIA_TYPE, problem.status, problem.headers)


def write_response(request: Any, answer: ApiResponse) -> Any:
    """Write the head; the body is returned, as Twisted and Klein want it."""
    request.setResponseCode(answer.status)
    request.setHeader("Content-Type", answer.media)
    for name, value in answer.headers.items():
        request.setHeader(name, value)
    if answer.stream is not None:
        last_id = request.getHeader("last-event-id") or _last_id(request)
        answer.stream.begin(last_id)
        return Deferred(lambda _: None)
    if answer.status != 304:
        request.setHeader("Content-Length", str(len(answer.body)))
    return answer.body


def _last_id(request: Any) -> str:
    values = request.args.get(b"last_event_id", [b""])
    return str(values[-1].decode("latin-1"))
