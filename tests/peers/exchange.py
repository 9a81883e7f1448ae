"""One request and one answer as values, and the two ways to a double: over a socket, and without one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from twisted_detector.outputs.sync.http import HttpResponse
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
    """A double as a resource of Twisted's web server."""

    isLeaf = True

    def __init__(self, ask: Ask) -> None:
        super().__init__()
        self._ask = ask

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
        return answer.body


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

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """See :class:`HttpClient`."""
        target = path + (f"?{urlencode(query)}" if query else "")
        self.asked.append(f"{method} {target}")
        named = {name.lower(): value for name, value in (headers or {}).items()}
        answer = self._ask(Request(method, target, named, body or b"", client=self._client, port=self._port))
        if answer.silent:
            raise TargetUnavailable("it does not answer", shown="nothing for 15 s")
        cookies = {}
        for name, value in answer.headers:
            if name.lower() == "set-cookie":
                key, _, rest = value.partition(";")[0].partition("=")
                cookies[key.strip()] = rest.strip()
        return HttpResponse(answer.status, cookies, answer.body)
