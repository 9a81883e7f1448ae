"""One request and one answer as values, and the ways to a double: over a socket, as a process, and without either."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from twisted_detector.outputs.sync.http import HttpRequest, HttpResponse
from twisted_detector.outputs.sync.seams import TargetUnavailable


@dataclass(frozen=True)
class Request:
    """What a server is asked.

    :ivar target: path and query as on the wire; ``headers``: by name in small letters.
    :ivar client: who asks; ``port``: the port that was asked.
    """

    method: str
    target: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    client: str = "127.0.0.1"
    port: int = 0

    @property
    def path(self) -> str:
        return unquote(urlsplit(self.target).path)

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(urlsplit(self.target).query, keep_blank_values=True)

    def first(self, name: str) -> str:
        """The first value of a parameter of the query, "" for none."""
        return next((value for key, value in self.query if key == name), "")


@dataclass(frozen=True)
class Answer:
    """What a server answers; ``silent``: nothing, and the connection stays open."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    silent: bool = False


Ask = Callable[[Request], Answer]


class Socketed(Resource):
    """A double as a resource of Twisted's web server.

    :param delay: seconds that every answer takes; what was asked for is done when they begin.
    """

    isLeaf = True

    def __init__(self, ask: Ask, delay: float = 0.0) -> None:
        super().__init__()
        self._ask = ask
        self._delay = delay

    def render(self, request: Any) -> Any:
        headers = {
            name.decode().lower(): b", ".join(values).decode("latin-1")
            for name, values in request.requestHeaders.getAllRawHeaders()
        }
        port = request.getHost().port
        asked = Request(
            request.method.decode(),
            request.uri.decode(),
            headers,
            request.content.read(),
            client=request.getClientAddress().host,
            port=port,
        )
        print(asked.method, asked.path, asked.first("name"), flush=True)  # a query may hold a login
        answer = self._ask(asked)
        if answer.silent:
            return NOT_DONE_YET
        request.setResponseCode(answer.status)
        for name, value in answer.headers:
            request.responseHeaders.addRawHeader(name, value)
        if not self._delay:
            return answer.body
        due = reactor.callLater(self._delay, self._finish, request, answer.body)
        request.notifyFinish().addErrback(lambda _: due.cancel())  # nobody waits for it any more
        return NOT_DONE_YET

    def _finish(self, request: Any, body: bytes) -> None:
        request.write(body)
        request.finish()


class Server:
    """A double as a process on loopback.

    :param options: those that every double has are taken out: ``reads``, a file that holds the addresses that it reads
        from just now, ``delay``, see :class:`Socketed`, ``interface``, another address to listen at, and ``log``, a
        file that gets a line for each request that may change something: method, path, status, what it holds then.
    """

    def __init__(self, port: str, options: dict[str, Any]) -> None:
        self._port = int(port)
        self._reads = Path(options.pop("reads")) if "reads" in options else None
        self._delay = float(options.pop("delay", 0.0))
        self._interface = str(options.pop("interface", "127.0.0.1"))
        self._log = Path(options.pop("log")) if "log" in options else None

    def run(self, ask: Ask, addresses: Callable[[], Iterable[str]], holds: Callable[[], Any] = lambda: None) -> None:
        """Serve until the process is ended."""

        def answer(request: Request) -> Answer:
            told = ask(request)
            if self._reads is not None:
                self._reads.write_text("\n".join(addresses()))
            if self._log is not None and request.method != "GET":
                with self._log.open("a") as log:
                    log.write(json.dumps([request.method, request.path, told.status, holds()]) + "\n")
            return told

        reactor.listenTCP(self._port, Site(Socketed(answer, self._delay)), interface=self._interface)
        print("ready", flush=True)
        reactor.run()


class Direct:
    """A double in the place of :class:`HttpClient`: nothing passes a socket, nothing takes time.

    :ivar asked: every request, as method and target.
    """

    def __init__(self, ask: Ask, *, port: int = 0, client: str = "10.77.0.9", host: str = "127.0.0.1") -> None:
        self.base = f"http://{host}:{port}"
        self.asked: list[str] = []
        self._ask, self._port, self._client = ask, port, client

    @property
    def changing(self) -> list[str]:
        """The requests that may change something."""
        return [one for one in self.asked if not one.startswith(("GET ", "POST /api/login"))]

    async def request(self, request: HttpRequest) -> HttpResponse:
        """See :class:`HttpClient`."""
        target = request.path + (f"?{urlencode(request.query)}" if request.query else "")
        self.asked.append(f"{request.method} {target}")
        named = {name.lower(): value for name, value in request.headers.items()}
        body, client = request.body or b"", self._client
        answer = self._ask(Request(request.method, target, named, body, client=client, port=self._port))
        if answer.silent:
            raise TargetUnavailable("it does not answer", shown="nothing for 15 s")
        cookies = {}
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition(";")[0].partition("=")
                cookies[key.strip()] = rest.strip()
        challenge = next((value for name, value in answer.headers if name.lower() == "www-authenticate"), "")
        location = next((value for name, value in answer.headers if name.lower() == "location"), "")
        return HttpResponse(answer.status, cookies, answer.body, challenge, location)
