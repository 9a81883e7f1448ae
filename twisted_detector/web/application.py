"""The table of routes and the page's files go in; a Klein application that serves them, each judged, comes out."""

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
from twisted_detector.web.probes import OPERATIONS, Probes
from twisted_detector.web.problem import MEDIA_TYPE, Problem
from twisted_detector.web.requests import ParsedRequest, head_of, read
from twisted_detector.web.routes import ROOT, ROUTES, Route
from twisted_detector.web.server import MAX_BODY

#: Seconds for an answer; "why" takes some, and its own parts give up before.
PATIENCE = 30.0

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
_METHODS = {b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT", b"QUERY"}


@implementer(IResource)
class Front(Resource):
    """The one resource: what is the same for every request, then Klein."""

    isLeaf = True

    def __init__(self, guard: AccessControl, app: Klein) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._guard = guard
        self._inner = app.resource()

    def render(self, request: Any) -> Any:
        for name, value in HEADERS.items():
            request.setHeader(name, value)
        try:
            if request.too_large:
                raise Problem(413, f"a body has at most {MAX_BODY} bytes")
            if request.method not in _METHODS:
                raise Problem(405, "there is no such method", {"Allow": "GET, HEAD, POST, DELETE"})
            self._guard.host(head_of(request))
            _decoded(b"/".join(request.postpath))
        except Problem as problem:
            return give(request, refusal(problem))
        return self._inner.render(request)


def _decoded(path: bytes) -> str:
    try:
        return path.decode("utf-8")
    except UnicodeDecodeError:
        raise Problem(400, "the path is not UTF-8") from None


class Application:
    """Serves the API and the page."""

    log = make_logger()

    def __init__(
        self, clock: IReactorTime, *, guard: AccessControl, api: Api, operations: Probes, files: Mapping[str, File]
    ) -> None:
        self._clock = clock
        self._guard = guard
        self._api = api
        self._operations = operations
        self._files = files

    def resource(self) -> Front:
        """For :class:`BoundedSite`."""
        app = Klein()
        app.url_map.merge_slashes = False  # a doubled slash is no path of ours, and no redirect either
        for route in ROUTES:
            path = ROOT + route.path.replace("{", "<").replace("}", ">")
            app.route(path, methods=[route.method], endpoint=route.name)(self._serving(route, self._api))
        for route in OPERATIONS:
            app.route(route.path, methods=[route.method], endpoint=route.name)(self._serving(route, self._operations))
        app.route("/", methods=["GET"], endpoint="page")(self._page)
        app.route("/assets/<name>", methods=["GET"], endpoint="assets")(self._asset)
        app.handle_errors(HTTPException)(self._no_route)
        app.handle_errors(Exception)(self._failed)
        return Front(self._guard, app)

    # --- the API ---------------------------------------------------------------------------------------------------

    def _serving(self, route: Route, handlers: object) -> Callable[..., Any]:
        handler = getattr(handlers, route.handler)

        def serve(request: Any, **path: str) -> Any:
            answering = Deferred.fromCoroutine(self._answer(route, handler, request, path))
            answering.addTimeout(PATIENCE, self._clock, lambda _, seconds: refusal(_too_slow(seconds)))
            return answering.addCallback(lambda answer: give(request, answer))

        return serve

    async def _answer(
        self,
        route: Route,
        handler: Callable[[ParsedRequest], Awaitable[ApiResponse]],
        request: Any,
        path: Mapping[str, str],
    ) -> ApiResponse:
        try:
            head = head_of(request)
            self._guard.other_sites(head)
            if not route.public:
                self._guard.login(head)
            if route.changes:
                self._guard.change(head)
            asked = read(request, head, route, path)
            if route.costs:
                self._guard.action(head)
            answer = await handler(asked)
        except Problem as problem:
            return refusal(problem)
        except CancelledError:
            raise
        except Exception:
            self.log.failure("A request for {path} failed", path=route.path)
            return refusal(Problem(500, "it failed by a fault of this program; see its log"))
        return answer

    # --- the page --------------------------------------------------------------------------------------------------

    def _page(self, request: Any) -> Any:
        return self._asset(request, "index.html")

    def _asset(self, request: Any, name: str) -> Any:
        file = self._files.get(name)
        if file is None:
            return give(request, refusal(Problem(404, "there is no such file")))
        headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
        if request.getHeader("if-none-match") == file.tag:
            return give(request, ApiResponse(b"", file.media, 304, headers))
        return give(request, ApiResponse(file.data, file.media, headers=headers))

    # --- what goes wrong -------------------------------------------------------------------------------------------

    def _no_route(self, request: Any, failure: Failure) -> Any:
        error = failure.value
        if isinstance(error, MethodNotAllowed):
            allowed = ", ".join(sorted(error.valid_methods or ()))
            problem = Problem(405, f"this path takes {allowed}", {"Allow": allowed})
        else:
            problem = Problem(404, "there is no such path; see /api/v1/openapi.json")
        return give(request, refusal(problem))

    def _failed(self, request: Any, failure: Failure) -> Any:
        if failure.check(CancelledError):
            return b""
        self.log.failure("A request failed", failure=failure)
        return give(request, refusal(Problem(500, "it failed by a fault of this program; see its log")))


def _too_slow(seconds: float) -> Problem:
    return Problem(504, f"there was no answer within {seconds:g} seconds")


def refusal(problem: Problem) -> ApiResponse:
    """As an answer."""
    return ApiResponse(problem.body(), MEDIA_TYPE, problem.status, problem.headers)


def give(request: Any, answer: ApiResponse) -> Any:
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
