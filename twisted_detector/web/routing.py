"""Table of paths and methods: finds the handler of a request, and finishes the request after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.web.problem import Problem

#: Serves a request with what varies in its path; the body, or a Deferred of it. The head is set on the request.
Serve = Callable[..., Any]


class RouteTable:
    """Paths such as ``/cameras/{id}/check``, in which each ``{name}`` is one whole segment that is not empty.

    :param refuse: writes the head of a problem, and returns its body.
    :param fault: what is answered when a route fails by a fault of ours.
    """

    log = make_logger()

    def __init__(self, refuse: Callable[[Any, Problem], bytes], fault: Problem) -> None:
        self._refuse = refuse
        self._fault = fault
        #: By the number of segments: each path is (its segments, its routes by method).
        self._paths: dict[int, list[tuple[tuple[str, ...], dict[str, Serve]]]] = {}

    def add(self, method: str, path: str, serve: Serve) -> None:
        """Serve requests of this method and path; one of GET serves HEAD, too."""
        segments = tuple(path.split("/")[1:])
        paths = self._paths.setdefault(len(segments), [])
        routes = next((routes for known, routes in paths if known == segments), None)
        if routes is None:
            # What is written out weighs more than what varies.
            routes = {}
            paths.append((segments, routes))
            paths.sort(key=lambda one: [segment.startswith("{") for segment in one[0]])
        routes[method] = serve
        if method == "GET":
            routes.setdefault("HEAD", serve)

    def match(self, method: str, segments: list[str]) -> tuple[Serve, Mapping[str, str]]:
        """Who serves a request, and what varies in its path.

        :raises Problem: 404 or 405.
        """
        allowed: set[str] = set()
        for pattern, routes in self._paths.get(len(segments), ()):
            if not all(_fits(*both) for both in zip(pattern, segments, strict=True)):
                continue
            if method in routes:
                varying = {name[1:-1]: text for name, text in zip(pattern, segments, strict=True) if name[:1] == "{"}
                return routes[method], varying
            allowed |= routes.keys()
        if allowed:
            names = ", ".join(sorted(allowed))
            raise Problem(405, f"this path takes {names}", {"Allow": names})
        raise Problem(404, "there is no such path; see /api/v1/openapi.json")

    def serve(self, request: Any) -> None:
        """Serve a request, and finish it; when its connection is lost, what works on it is cancelled."""
        answer = maybeDeferred(self._serve, request)
        answer.addErrback(self._failed, request)
        gone: list[object] = []
        ended: Deferred[None] = request.notifyFinish()

        def lost(_: object) -> None:
            gone.append(True)
            answer.cancel()

        ended.addErrback(lost)

        def finish(body: bytes) -> None:
            if not gone:
                request.write(body)
                request.finish()

        answer.addCallback(finish)
        answer.addErrback(lambda failure: self.log.failure("A request could not be finished", failure=failure))

    def _serve(self, request: Any) -> Any:
        segments = [segment.decode("utf-8") for segment in request.postpath]
        try:
            serve, varying = self.match(request.method.decode("ascii"), segments)
        except Problem as problem:
            return self._refuse(request, problem)
        return serve(request, **varying)

    def _failed(self, failure: Failure, request: Any) -> bytes:
        if failure.check(CancelledError):
            return b""
        self.log.failure("A request failed", failure=failure)
        return self._refuse(request, self._fault)


def _fits(pattern: str, segment: str) -> bool:
    return pattern == segment or (pattern[:1] == "{" and segment != "")
