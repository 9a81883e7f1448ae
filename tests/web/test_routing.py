"""Tests of the table of paths: what serves a request, and how it ends."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.web.problem import Problem
from twisted_detector.web.routing import RouteTable

FAULT = Problem(500, "it failed")


class Request:
    """A request as far as the table looks at it."""

    def __init__(self, method: bytes, path: bytes) -> None:
        self.method = method
        self.postpath = path.split(b"/")[1:]
        self.written: list[bytes] = []
        self.finished = 0
        self.gone: Deferred[None] = Deferred()

    def notifyFinish(self) -> Deferred[None]:
        return self.gone

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def finish(self) -> None:
        self.finished += 1


def refuse(request: Any, problem: Problem) -> bytes:
    return f"{problem.status} {problem.detail}".encode()


class RouteTableTests(SynchronousTestCase):
    """Matching and finishing."""

    def setUp(self) -> None:
        self.table = RouteTable(refuse, FAULT)
        self.table.add("GET", "/", lambda request: b"page")
        self.table.add("GET", "/cameras/{id}", lambda request, id: f"camera {id}".encode())
        self.table.add("DELETE", "/cameras/{id}", lambda request, id: f"gone {id}".encode())
        self.table.add("GET", "/cameras/all", lambda request: b"all")
        self.table.add("POST", "/cameras/{id}/check", lambda request, id: f"check {id}".encode())

    def ask(self, method: bytes, path: bytes) -> str:
        request = Request(method, path)
        self.table.serve(request)
        self.assertEqual(1, request.finished)
        return b"".join(request.written).decode()

    def test_each_path(self) -> None:
        """Method and path lead to their route, what varies is handed on; what is written out weighs more."""
        self.assertEqual("page", self.ask(b"GET", b"/"))
        self.assertEqual("camera 7", self.ask(b"GET", b"/cameras/7"))
        self.assertEqual("camera 7", self.ask(b"HEAD", b"/cameras/7"))
        self.assertEqual("gone 7", self.ask(b"DELETE", b"/cameras/7"))
        self.assertEqual("all", self.ask(b"GET", b"/cameras/all"))
        self.assertEqual("gone all", self.ask(b"DELETE", b"/cameras/all"))
        self.assertEqual("check 7", self.ask(b"POST", b"/cameras/7/check"))

    def test_none(self) -> None:
        """A path that is none, with an empty segment or a doubled slash, is 404; another method is 405, with those
        that the path takes."""
        for path in (b"/nothing", b"/cameras/", b"//cameras/7", b"/cameras/7/", b"/cameras/7/check/more", b"/cameras"):
            self.assertEqual("404", self.ask(b"GET", path)[:3], path)
        self.assertEqual("405 this path takes DELETE, GET, HEAD", self.ask(b"POST", b"/cameras/7"))

    def test_later(self) -> None:
        """An answer that takes its time is written when it is there; a fault of the route is told as one."""
        answer: Deferred[bytes] = Deferred()
        self.table.add("GET", "/slow", lambda request: answer)
        request = Request(b"GET", b"/slow")
        self.table.serve(request)
        self.assertEqual(0, request.finished)
        answer.callback(b"at last")
        self.assertEqual(([b"at last"], 1), (request.written, request.finished))

        def fail(request: Any) -> bytes:
            raise ZeroDivisionError

        self.table.add("GET", "/bad", fail)
        self.assertEqual("500 it failed", self.ask(b"GET", b"/bad"))
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_the_browser_leaves(self) -> None:
        """A lost connection cancels what works on the request; nothing is written to it."""
        cancelled: list[object] = []
        answer: Deferred[bytes] = Deferred(cancelled.append)
        self.table.add("GET", "/slow", lambda request: answer)
        request = Request(b"GET", b"/slow")
        self.table.serve(request)
        request.gone.errback(ConnectionError())
        self.assertEqual(([answer], [], 0), (cancelled, request.written, request.finished))
