"""A go2rtc of our own, written from ``internal/streams/api.go`` and ``streams.go`` of go2rtc 1.9.

    python go2rtc.py PORT [NAME=VALUE …]

``login`` (name:password, else none), ``fault``: ``slow``, ``nonsense``, ``refuse``; ``file``: where it keeps its
streams, else its file is disabled. A stream is a list of sources; ``watched`` are names that somebody looks at.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site


class Go2rtc(Resource):
    isLeaf = True

    def __init__(self, *, login="", fault="", file="") -> None:
        super().__init__()
        self.login, self.fault = login, fault
        self.file = Path(file) if file else None
        self.streams: dict[str, list[str]] = (
            json.loads(self.file.read_text()) if self.file and self.file.exists() else {}
        )
        self.watched: set[str] = set()
        self.asked: list[str] = []

    def render(self, request: Any) -> Any:
        method = request.method.decode()
        query = {key.decode(): value[0].decode() for key, value in request.args.items()}
        self.asked.append(f"{method} {query.get('name', query.get('src', ''))}".strip())
        print(self.asked[-1], flush=True)
        if self.fault == "slow":
            return NOT_DONE_YET
        if self.fault == "nonsense":
            return b"[1, 2"
        if self.login:
            token = base64.b64encode(self.login.encode()).decode()
            if request.getHeader("authorization") != f"Basic {token}":
                return self._error(request, 401, "Unauthorized")
        src, name = query.get("src", ""), query.get("name", "")
        if not src:
            return self._listed()
        if method == "DELETE":
            self.streams.pop(src, None)
            return self._kept(request)
        if self.fault == "refuse" or src.split(":")[0] not in ("rtsp", "rtsps", "onvif"):
            return self._error(request, 400, "streams: source not supported")
        if method == "PUT":
            self.streams[name or src] = [src]
            return self._kept(request)
        if method == "PATCH":
            alias = urlsplit(src).path[1:] if src.startswith("rtsp://") else ""
            if alias in self.streams:
                self.streams[name] = self.streams[alias]
            elif name in self.streams:
                self.streams[name][:] = [src] * len(self.streams[name])
            else:
                self.streams[name] = [src]
        return b""

    def _listed(self) -> bytes:
        shown = {
            name: {
                "producers": [{"url": url} for url in urls],
                "consumers": [{"id": 1}] if name in self.watched else None,
            }
            for name, urls in self.streams.items()
        }
        return re.sub(r"://[A-Za-z0-9\-._~!$&'()*+,;=%:]+@", "://***@", json.dumps(shown)).encode()

    def _kept(self, request: Any) -> bytes:
        if self.file is None:
            return self._error(request, 400, "config file disabled")
        self.file.write_text(json.dumps(self.streams))
        return b""

    @staticmethod
    def _error(request: Any, status: int, words: str) -> bytes:
        request.setResponseCode(status)
        return f"{words}\n".encode()


def main(port: str, *options: str) -> None:
    go2rtc = Go2rtc(**dict(one.split("=", 1) for one in options))
    reactor.listenTCP(int(port), Site(go2rtc), interface="127.0.0.1")
    print("ready", flush=True)
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
