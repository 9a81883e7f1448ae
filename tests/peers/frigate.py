"""A Frigate of our own, written from the API of 0.14 to 0.18: keeps a configuration, checks what it is given, refuses.

    python frigate.py PORT FILE [NAME=VALUE …]

``version``, ``login`` (name:password, else none), ``env``: the file of variables, read at its start and at a restart
(``live``: at every save), ``raw`` (``json`` as since 0.15, ``text`` as before), ``fault``:
``slow`` (never answers), ``nonsense`` (HTML to everything), ``torn`` (writes half and fails with 500), ``lost`` (writes
all and fails with 500). What was asked goes to the standard output, one line each.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from tests.outputs.frigate_rules import faults, load


class Frigate(Resource):
    isLeaf = True

    def __init__(
        self, file: Path, *, version="0.16.4-2a8a4b5", login="", raw="json", fault="", env="", live=""
    ) -> None:
        super().__init__()
        self.file = file
        self.version, self.login, self.raw, self.fault = version, login, raw, fault
        self.saves: list[str] = []
        self.env, self.live = Path(env) if env else None, bool(live)
        self.environment: dict[str, str] = {}
        self.restarts = 0
        self._read_environment()

    def _read_environment(self) -> None:
        if self.env is not None and self.env.exists():
            self.environment = dict(line.split("=", 1) for line in self.env.read_text().splitlines())

    def render(self, request: Any) -> Any:
        path, method = request.path.decode(), request.method.decode()
        print(method, request.uri.decode(), flush=True)
        if self.fault == "slow":
            return NOT_DONE_YET
        if self.fault == "nonsense":
            return b"<!DOCTYPE html><title>router</title>"
        request.setHeader("content-type", "application/json")
        if path == "/api/version":
            return self.version.encode()
        if path == "/api/login":
            return self._log_in(request)
        if self.login and b"let-in" not in (request.getHeader("cookie") or "").encode():
            return self._say(request, 401, "Unauthorized")
        if (method, path) == ("GET", "/api/config/raw"):
            text = self.file.read_text()
            return (json.dumps(text) if self.raw == "json" else text).encode()
        if (method, path) == ("POST", "/api/config/save"):
            return self._save(request)
        if (method, path) == ("POST", "/api/restart"):
            self.restarts += 1
            self._read_environment()
            return self._say(request, 200, "Restarting", success=True)
        return self._say(request, 404, "Not found")

    def _log_in(self, request: Any) -> bytes:
        if not self.login:
            return self._say(request, 404, "Not found")
        given = json.loads(request.content.read())
        if f"{given['user']}:{given['password']}" != self.login:
            return self._say(request, 401, "Login failed")
        request.addCookie(b"frigate_token", b"let-in", httpOnly=True)
        return self._say(request, 200, "", success=True)

    def _save(self, request: Any) -> bytes:
        text = request.content.read().decode()
        if self.fault == "torn":
            self.fault = ""
            self.file.write_text(text[: len(text) // 2])
            return self._say(request, 500, "Internal server error")
        if self.live:
            self._read_environment()
        found = faults(load(text), minor=int(self.version.split(".")[1]), environment=self.environment)
        if found:
            told = "\n".join(f"Line Unknown: {one}" for one in found)
            return self._say(
                request,
                400,
                f"Your configuration is invalid.\nSee the official documentation at docs.frigate.video.\n\n{told}",
            )
        self.file.write_text(text)
        self.saves.append(request.args.get(b"save_option", [b""])[0].decode())
        if self.fault == "lost":
            self.fault = ""
            return self._say(request, 500, "Internal server error")
        return self._say(request, 200, "Config successfully saved.", success=True)

    @staticmethod
    def _say(request: Any, status: int, message: str, *, success: bool = False) -> bytes:
        request.setResponseCode(status)
        return json.dumps({"success": success, "message": message}).encode()


def main(port: str, file: str, *options: str) -> None:
    frigate = Frigate(Path(file), **dict(one.split("=", 1) for one in options))
    reactor.listenTCP(int(port), Site(frigate), interface="127.0.0.1")
    print("ready", flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
