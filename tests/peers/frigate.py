"""Frigate 0.14 to 0.18 as a double: its app behind its nginx, the file, the login, its go2rtc, and what runs.

    python frigate.py PORT FILE [NAME=VALUE …]

The options are its own fields, and those of :class:`tests.peers.exchange.Server`: ``env`` is the file of variables,
read at its start and at a restart (``live``: at every request); among the addresses that it reads from are those of the
go2rtc inside it (``inside``).
``tests/outputs/test_frigate_recordings.py`` compares it with what 0.16.4, 0.17.2 and 0.18 in development answered. New
facts come as new recordings. What it does not play is listed there.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Any

from tests.outputs.frigate_rules import substituted
from tests.peers.exchange import Answer, Request, Server
from tests.peers.frigate_config import Configuration, crash, masked, say, text, told
from tests.peers.go2rtc import Go2rtc

#: The versions that were recorded, as they say them themselves (the revisions of the releases are made up). It plays
#: all of them, and tests of what follows a Frigate run with each. Of older ones only the configuration was run.
RECORDED = ("0.16.4-abcdef0", "0.17.2-abcdef0", "0.18.0-e3fa701")
VERSIONS = ("0.14.1-f4f3cfa", "0.15.2-abcdef0", *RECORDED)
TOKEN = "MADE-UP.JWT.TOKEN"
#: The port that asks for a login.
GUARDED = 8971
_PAGE = (
    '<!doctype html><html><head><title>Frigate</title></head><body><script>window.baseUrl="/";</script></body></html>\n'
)
#: Seconds for which nginx keeps an answer that is JSON.
_KEPT = 5.0
_REASONS = {401: "Authorization Required", 403: "Forbidden", 500: "Internal Server Error", 502: "Bad Gateway"}


@dataclass
class Frigate:
    """:ivar users: name → password and role. ``authenticated`` False: ``auth.enabled: false`` in its file.
    :ivar starting: nginx runs, the app not yet.
    :ivar limited: a login was refused within the second, and the next is one too many.
    :ivar go2rtc: the one inside it; None while that does not run.
    :ivar fault: ``slow``, ``nonsense`` (a web page to everything), ``torn`` (writes half a file and fails with 500),
        ``lost`` (writes all and fails with 500): the last two once.
    """

    version: str = RECORDED[1]
    text: str = ""
    path: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    env: Path | None = None
    live: bool = False
    users: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    authenticated: bool = True
    starting: bool = False
    rate_limit: bool = False
    go2rtc: Go2rtc | None = None
    now: Callable[[], float] = lambda: 0.0
    fault: str = ""

    def __post_init__(self) -> None:
        self.minor = int(self.version.split(".")[1])
        self.config = Configuration(self.minor, self.text, self.path, self._environment())
        self.restarts = 0
        self.failed_logins = 0
        self._sessions: dict[str, str] = {}
        self._kept: dict[str, tuple[float, Answer]] = {}

    def _environment(self) -> dict[str, str]:
        read = dict(self.environment)
        if self.env is not None and self.env.is_dir():
            read |= {one.name: one.read_text() for one in self.env.iterdir()}
        elif self.env is not None and self.env.exists():
            read |= dict(line.split("=", 1) for line in self.env.read_text().splitlines())
        return read

    def restart(self) -> None:
        """As after a restart: the file and the variables as they are now; sessions are over."""
        self.restarts += 1
        self.config.environment = self._environment()
        self.config.start()
        self._sessions.clear()

    # --- nginx -----------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        if self.fault == "slow":
            return Answer(0, silent=True)
        if self.fault == "nonsense":
            return Answer(200, [("Content-Type", "text/html")], b"<!DOCTYPE html><title>router</title>")
        if self.live:
            self.config.environment = self._environment()
        path = request.path
        if self.starting:
            return _page(502 if path == "/api/login" else 500)
        role = self._role(request)
        if path != "/api/login" and role is None:
            return _page(401)
        if not path.startswith("/api/"):
            return Answer(200, [("Content-Type", "text/html"), ("Cache-Control", "no-store")], _PAGE.encode())
        return self._proxied(request, path, role or "")

    def _role(self, request: Request) -> str | None:
        if request.port != GUARDED:
            return "admin"
        if not self.authenticated:
            return "admin" if self.minor <= 16 else "viewer"
        cookie = request.headers.get("cookie", "").partition("frigate_token=")[2].partition(";")[0]
        bearer = request.headers.get("authorization", "").removeprefix("Bearer ")
        user = self._sessions.get(cookie) or self._sessions.get(bearer)
        return self.users[user][1] if user in self.users else None

    def _proxied(self, request: Request, path: str, role: str) -> Answer:
        if path.startswith("/api/go2rtc/api") and self.minor < 18:
            if request.method != "GET":
                return _page(403)
            return self._own_go2rtc(request, path.removeprefix("/api/go2rtc"))
        if path == "/api/version":
            return text(200, self.version)
        kept = self._kept.get(request.target) if request.method == "GET" else None
        state = "MISS"
        if kept is not None:
            if self.now() - kept[0] < _KEPT:
                return Answer(kept[1].status, [*kept[1].headers, *_proxy("HIT")], kept[1].body)
            state = "EXPIRED"
        told_ = self._app(request, path.removeprefix("/api"), role)
        if told_.status != 200:
            return told_
        if request.method != "GET":
            return Answer(200, [*told_.headers, *_proxy("")], told_.body)
        if ("Content-Type", "application/json") in told_.headers:
            self._kept[request.target] = self.now(), told_
        return Answer(200, [*told_.headers, *_proxy(state)], told_.body)

    def _own_go2rtc(self, request: Request, target: str) -> Answer:
        if self.go2rtc is None:
            return _page(502)
        headers = {"host": request.headers.get("host", "").rpartition(":")[0]}
        return self.go2rtc.answer(Request(request.method, target, headers, client="10.77.0.9"))

    # --- the app ---------------------------------------------------------------------------------------------------

    def _app(self, request: Request, path: str, role: str) -> Answer:
        method = request.method
        if method != "GET" and "origin" in request.headers and "x-csrf-token" not in request.headers:
            return say(401, "Missing CSRF header", success=False)
        if path == "/login" and method == "POST":
            return self._log_in(request)
        if path.startswith("/go2rtc/"):
            return self._streams(request, path, role)
        denied = None if role == "admin" else _denied(self.minor)
        if path == "/config" and method == "GET":
            return told(200, self.config.shown())
        if path == "/config/raw" and method == "GET":
            if self.minor == 14:
                return text(200, self.config.text)
            return (denied if self.minor >= 17 else None) or text(200, json.dumps(self.config.text, ensure_ascii=False))
        if path == "/config/raw_paths" and method == "GET" and self.minor >= 17:
            return denied or told(200, self.config.raw_paths())
        if path == "/config/save":
            return _method("POST") if method != "POST" else denied or self._save(request)
        if path == "/config/set" and method == "PUT":
            return denied or self.config.set(request.query, request.body)
        if path == "/restart" and method == "POST":
            if denied is None:
                self.restart()
            return denied or say(200, "Restarting (this can take up to one minute)...")
        if path.count("/") == 1 and method == "GET":
            return say(404, "Camera not found", success=False)
        return told(404, {"detail": "Not Found"})

    def _log_in(self, request: Request) -> Answer:
        if not self.authenticated:
            return told(404, {"message": "Authentication is disabled"}) if self.minor >= 18 else crash()
        try:
            given = json.loads(request.body)
        except ValueError:
            given = request.body.decode()
        fault: dict[str, Any] = {"loc": ["body"], "input": given}
        if not isinstance(given, dict):
            words = "Input should be a valid dictionary or object to extract fields from"
            return told(
                422, {"detail": [{"type": "model_attributes_type", "loc": ["body"], "msg": words, "input": given}]}
            )
        for name in ("user", "password"):
            if name not in given:
                fault = {"type": "missing", "loc": ["body", name], "msg": "Field required", "input": given}
                return told(422, {"detail": [fault]})
        if self.rate_limit and self.failed_logins:
            return told(429, {"error": "Rate limit exceeded: 1 per 1 second"})
        if self.users.get(given["user"], ("", ""))[0] != given["password"]:
            self.failed_logins += 1
            return told(401, {"message": "Login failed"})
        self._sessions[TOKEN] = given["user"]
        age = "Max-Age=86400; " if self.minor >= 18 else ""
        cookie = (
            f"frigate_token={TOKEN}; {'' if age else 'expires=Fri, 29 Oct 2083 19:01:14 GMT; '}HttpOnly; {age}Path=/"
        )
        return Answer(200, [("Content-Length", "0"), ("set-cookie", f"{cookie}; SameSite=lax")])

    def _save(self, request: Request) -> Answer:
        option = dict(request.query).get("save_option")
        if self.fault == "torn":
            self.fault = ""
            self.config.write(request.body.decode()[: len(request.body) // 2])
            return crash()
        told_ = self.config.save(request.headers.get("content-type", ""), option, request.body)
        if told_.status == 200 and option == "restart":
            self.restart()
        if self.fault == "lost" and told_.status == 200:
            self.fault = ""
            return crash()
        return told_

    def _streams(self, request: Request, path: str, role: str) -> Answer:
        name = path.removeprefix("/go2rtc/streams").removeprefix("/")
        method = request.method
        if not path.startswith("/go2rtc/streams"):
            return told(404, {"detail": "Not Found"})
        if method != "GET" and self.minor < 17:
            return _method("GET")
        if method != "GET" and role != "admin":
            return told(403, {"detail": f"Role {role} not authorized. Required: admin"})
        src = request.first("src")
        if method == "PUT" and src.split(":")[0] in ("exec", "echo", "expr"):
            return say(400, "Restricted stream source type", success=False)
        if self.go2rtc is None:
            return crash() if method == "GET" else say(500, "Error communicating with go2rtc", success=False)
        if self.minor >= 18:
            src = substituted(src, self.config.environment, minor=self.minor)
        if method == "PUT":
            answer = self.go2rtc.answer(_asking("PUT", name=name, src=src))
            if answer.status != 200:
                return say(answer.status, f"Failed to add stream: {answer.body.decode()}", success=False)
            return say(200, "Stream added successfully")
        if method == "DELETE":
            self.go2rtc.answer(_asking("DELETE", src=name))
            return say(200, "Stream deleted successfully")
        answer = self.go2rtc.answer(_asking("GET", src=name))
        if answer.status != 200:
            return say(500, "Error fetching stream data", success=False)
        streams = json.loads(answer.body)
        for stream in [streams] if name else streams.values():
            for producer in stream["producers"]:
                producer["url"] = masked(producer["url"])
        return told(200, streams)


def _asking(method: str, **query: str) -> Request:
    from urllib.parse import urlencode

    given = urlencode({name: value for name, value in query.items() if value})
    return Request(method, "/api/streams" + (f"?{given}" if given else ""))


def _denied(minor: int) -> Answer:
    if minor <= 16:
        return told(403, {"detail": "Role viewer not authorized. Required: admin"})
    return told(403, {"detail": "Access denied. A user with the admin role is required."})


def _method(allowed: str) -> Answer:
    return told(405, {"detail": "Method Not Allowed"}, ("allow", allowed))


def _proxy(state: str) -> list[tuple[str, str]]:
    return [("Cache-Control", "no-store"), *([("X-Cache-Status", state)] if state else [])]


def _page(status: int) -> Answer:
    """A page of nginx itself."""
    words = f"{status} {_REASONS[status]}"
    body = (
        f"<html>\r\n<head><title>{words}</title></head>\r\n<body>\r\n<center><h1>{words}</h1></center>\r\n"
        "<hr><center>nginx/1.22.1</center>\r\n</body>\r\n</html>\r\n"
    ).encode()
    return Answer(status, [("Content-Type", "text/html"), ("Content-Length", str(len(body)))], body)


def main(port: str, file: str, *options: str) -> None:
    given: dict[str, Any] = dict(one.split("=", 1) for one in options)
    server = Server(port, given)
    if "env" in given:
        given["env"] = Path(given["env"])
    if given.pop("inside", ""):
        given["go2rtc"] = Go2rtc(text="")
    double = Frigate(path=Path(file), now=monotonic, **given)

    def addresses() -> list[str]:
        inside = double.go2rtc.sources().values() if double.go2rtc is not None else ()
        return [*double.config.running.reads, *(one for ones in inside for one in ones)]

    server.run(double.answer, addresses, lambda: double.config.text)


if __name__ == "__main__":
    main(*sys.argv[1:])
