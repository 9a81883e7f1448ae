"""go2rtc 1.9.10 and 1.9.14 as a double: its list of streams, its file, its refusals, its login.

    python go2rtc.py PORT [NAME=VALUE …]

The options are its own fields, and those of :class:`tests.peers.exchange.Server`.
``tests/outputs/test_go2rtc_recordings.py`` compares it with what the two real ones answered. New facts come as new
recordings. What it does not play (pictures, websockets, ``/api/config`` by POST) is listed there. In the place
of its player's page stands one of ours that does what a frame's owner sees of it: it names the websocket of its origin.
"""

from __future__ import annotations

import base64
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.peers.exchange import Answer, Request, Server

#: The versions that were recorded, all of which it plays; tests of what follows a go2rtc run with each.
VERSIONS = ("1.9.10", "1.9.14")
_SCHEMES = [
    "exec", "onvif", "ffmpeg", "rtmp", "multitrans", "eseecloud", "ivideon", "alsa", "tapo", "vigi", "doorbird",
    "tuya", "echo", "kasa", "bubble", "gopro", "roborock", "wyoming", "rtspx", "flussonic", "http", "webrtc",
    "yandex", "nest", "isapi", "rtsp", "rtmps", "v4l2", "dvrip", "https", "rtmpx", "rtsps", "ring", "httpx", "wyze",
    "tcp",
]  # fmt: skip
_INSECURE = ("exec", "echo", "expr")
#: Go sends longer bodies in chunks.
_UNCHUNKED = 2048
_PLAYER = """\
<!DOCTYPE html><title>player</title><body><script>
const player = document.createElement("video-stream");
player.src = new URL("api/ws" + location.search, location.href);
document.body.append(player);
</script></body>
"""
_NO_FILE = "config file disabled"
_CORS = [
    ("Access-Control-Allow-Headers", "Authorization, Content-Type"),
    ("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE, OPTIONS"),
    ("Access-Control-Allow-Origin", "*"),
]


@dataclass
class Stream:
    """Sources, who looks (None before anybody did), and where the running connection leads ("" for none)."""

    sources: list[str]
    consumers: list[dict[str, Any]] | None = None
    connected: str = ""


@dataclass
class Go2rtc:
    """:ivar text: its file, None for none; ``path``: where it lies on the disk, if it does.
    :ivar file_fault: words of the system, or of the YAML reader, about a file that it cannot write.
    :ivar login: ``name:password``; not asked of loopback, but for ``local_auth`` (since 1.9.12).
    :ivar fault: ``slow`` (never answers), ``nonsense``, ``refuse`` (every source).
    """

    version: str = VERSIONS[-1]
    text: str | None = ""
    path: Path | None = None
    file_fault: str = ""
    login: str = ""
    local_auth: bool = False
    base_path: str = ""
    allow_paths: tuple[str, ...] = ()
    origin: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    rtsp: str = ":8554"
    config_path: str = "/config/go2rtc.yaml"
    fault: str = ""

    def __post_init__(self) -> None:
        self.asked: list[str] = []
        self.streams: dict[str, Stream] = {}
        if self.path is not None:
            self.text = self.path.read_text() if self.path.exists() else ""
        self.start()

    @property
    def patch(self) -> int:
        return int(self.version.rpartition(".")[2])

    def start(self) -> None:
        """As after a start: what only was patched in is gone."""
        self._secrets: set[str] = set()
        try:
            found = YAML(typ="safe", pure=True).load(self.text or "")
        except YAMLError:
            found = None
        told = found.get("streams") if isinstance(found, dict) else None
        self.streams = {
            str(name): Stream([self._replaced(one) for one in (value if isinstance(value, list) else [value])])
            for name, value in (told if isinstance(told, dict) else {}).items()
        }

    def _replaced(self, source: str) -> str:
        def value(match: re.Match[str]) -> str:
            name, colon, default = match[1].partition(":")
            if name in self.environment:
                self._secrets.add(self.environment[name])
                return self.environment[name]
            return default if colon else match[0]

        return re.sub(r"\$\{([^}{]+)\}", value, str(source))

    def sources(self) -> dict[str, list[str]]:
        return {name: stream.sources for name, stream in self.streams.items()}

    def own(self, name: str, source: str) -> None:
        """A stream of its user's, by its command line."""
        self.streams[name] = Stream([source])

    def watch(self, name: str) -> None:
        """Somebody looks, and it plays."""
        stream = self.streams[name]
        stream.consumers, stream.connected = [{"id": 7}], stream.sources[0]

    def leave(self, name: str) -> None:
        self.streams[name].consumers, self.streams[name].connected = [], ""

    # --- answers ---------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer:
        self.asked.append(f"{request.method} {request.first('name') or request.first('src')}".strip())
        if self.fault == "slow":
            return Answer(0, silent=True)
        if self.fault == "nonsense":
            return Answer(200, [("Content-Type", "text/html")], b"[1, 2")
        told = self._told(request)
        return Answer(told.status, [*told.headers, *_CORS], told.body) if self.origin and told.status != 401 else told

    def _told(self, request: Request) -> Answer:
        local = request.client.startswith("127.") and not (self.local_auth and self.patch >= 12)
        if self.login and not local:
            token = base64.b64encode(self.login.encode()).decode()
            if request.headers.get("authorization") != f"Basic {token}":
                return _error(401, "Unauthorized", ("Www-Authenticate", 'Basic realm="go2rtc"'))
        path = request.path
        if self.allow_paths and self.patch >= 12 and path not in self.allow_paths:
            return _error(404, "404 page not found")
        path = path.removeprefix(self.base_path) if path.startswith(self.base_path) else "/none"
        if path == "/api":
            return self._about(request)
        if path == "/api/streams":
            return self._streams(request)
        if path == "/api/schemes" and self.patch >= 12:
            return _json(_SCHEMES)
        if path == "/api/config" and request.method == "GET":
            if self.text is None:
                return _error(410, "")
            return _answer(200, self.text, "application/yaml") if not self.file_fault else _error(404, "")
        if path == "/stream.html" and request.method == "GET":
            page = _answer(200, _PLAYER, "text/html; charset=utf-8")
            return Answer(200, [("Accept-Ranges", "bytes"), *page.headers], page.body)
        if path == "/api/restart":
            if request.method != "POST":
                return _error(400, "")
            self.start()
            return Answer(200, [("Content-Length", "0")])
        return _error(404, "404 page not found")

    def _about(self, request: Request) -> Answer:
        told: dict[str, Any] = {} if self.text is None else {"config_path": self.config_path}
        told |= {"host": request.headers.get("host", ""), "revision": ""}
        return _json({**told, "rtsp": {"listen": self.rtsp, "default_query": "video&audio"}, "version": self.version})

    def _streams(self, request: Request) -> Answer:
        src, name, method = request.first("src"), request.first("name"), request.method
        if not src and method != "POST":
            return self._secretive(_json({key: _shown(self.streams[key]) for key in sorted(self.streams)}))
        if method == "GET":
            stream = self.streams.get(src)
            return _error(404, "") if stream is None else self._secretive(_json(_shown(stream), indent=2))
        if method == "PUT":
            sources = [value for key, value in request.query if key == "src"]
            refusal = next(filter(None, (self._refusal(one, strict=self.patch >= 12) for one in sources)), "")
            if refusal:
                return _error(400, refusal.strip())
            self.streams[name or src] = Stream(sources)
            return self._written(name or src, sources)
        if method == "PATCH" and name:
            return self._patched(name, src)
        if method == "DELETE":
            self.streams.pop(src, None)
            return self._written(src, None)
        return _error(400, "")

    def _patched(self, name: str, src: str) -> Answer:
        parts = urlsplit(src)
        link = parts.path[1:] if parts.scheme == "rtsp" and len(parts.path) > 1 else ""
        other = self.streams.get(link) or self.streams.get(src)
        if other is not None:
            self.streams[name] = other
        elif refusal := self._refusal(src, strict=True):
            return _error(400, refusal.strip())
        elif name in self.streams:
            self.streams[name].sources[:] = [src] * len(self.streams[name].sources)
        else:
            self.streams[name] = Stream([src])
        return Answer(200, [("Content-Length", "0")])

    def _refusal(self, source: str, *, strict: bool) -> str:
        """Words against a source, a blank for a refusal without any (before 1.9.12), "" when it is taken.

        :param strict: schemes are looked at, too (1.9.10: by PATCH only).
        """
        scheme = source.partition(":")[0]
        words = ""
        if self.fault == "refuse":
            words = "streams: source not supported"
        elif scheme in _INSECURE and self.patch >= 12:
            words = "streams: source from insecure producer"
        elif any(one.isspace() for one in source):
            words = "streams: source with spaces may be insecure"
        elif strict and (":" not in source or scheme not in _SCHEMES):
            words = "streams: source not supported"
        return words if not words or self.patch >= 12 else " "

    def _secretive(self, answer: Answer) -> Answer:
        """Values that came from variables are stars, wherever they stand (since 1.9.11)."""
        body = answer.body
        for secret in self._secrets if self.patch >= 11 else ():
            body = body.replace(secret.encode(), b"***")
        return _answer(answer.status, body.decode(), "application/json")

    # --- its file --------------------------------------------------------------------------------------------------

    def _written(self, name: str, sources: list[str] | None) -> Answer:
        if self.text is None or self.file_fault:
            return _error(400, self.file_fault or _NO_FILE)
        self.text = _edited(self.text, name, sources)
        if self.path is not None:
            self.path.write_text(self.text)
        return Answer(200, [("Content-Length", "0")])


def _edited(text: str, name: str, sources: list[str] | None) -> str:
    """The file with one stream set, or taken out; all else stays."""
    lines = text.splitlines()
    if not any(line.startswith("streams:") for line in lines):
        if sources is None:
            return text
        lines.append("streams:")
    head = next(index for index, line in enumerate(lines) if line.startswith("streams:"))
    end = next((i for i in range(head + 1, len(lines)) if lines[i][:1] not in (" ", "#", "")), len(lines))
    key = f"  {_key(name)}:"
    at = next((i for i in range(head + 1, end) if lines[i].startswith(key)), None)
    until = at
    if at is not None:
        until = next((i for i in range(at + 1, end) if not lines[i].startswith("   ")), end)
    new = [] if sources is None else [key, *(f"    - {one}" for one in sources)]
    if at is None:
        lines[end:end] = new
    else:
        lines[at:until] = new
    return "\n".join([*lines, ""])


def _key(name: str) -> str:
    if re.fullmatch(r"[0-9]+(e[0-9]+)?", name):
        return f'"{name}"'
    return f"'{name}'" if ": " in name else name


def _shown(stream: Stream) -> dict[str, Any]:
    producers: list[dict[str, Any]] = [{"url": one} for one in stream.sources]
    if stream.connected:
        producers[0] = {
            "id": 3,
            "format_name": "rtsp",
            "protocol": "rtsp+tcp",
            "remote_addr": f"{urlsplit(stream.connected).hostname}:554",
            "url": stream.connected,
            "sdp": "v=0\r\n",
            "user_agent": "go2rtc/1.9",
            "medias": ["video, recvonly, H264"],
            "receivers": [],
            "bytes_recv": 1000,
        }
    return {"producers": producers, "consumers": stream.consumers}


def _json(value: Any, *, indent: int | None = None) -> Answer:
    separators = (",", ":") if indent is None else (",", ": ")
    text = json.dumps(value, ensure_ascii=False, separators=separators, indent=indent)
    for one in "&<>":
        text = text.replace(one, f"\\u{ord(one):04x}")
    return _answer(200, text + "\n", "application/json")


def _answer(status: int, text: str, kind: str) -> Answer:
    body = text.encode()
    length = [("Content-Length", str(len(body)))] if len(body) <= _UNCHUNKED else []
    return Answer(status, [("Content-Type", kind), *length], body)


def _error(status: int, words: str, *more: tuple[str, str]) -> Answer:
    told = _answer(status, f"{words}\n", "text/plain; charset=utf-8")
    return Answer(status, [*told.headers, ("X-Content-Type-Options", "nosniff"), *more], told.body)


def main(port: str, *options: str) -> None:
    given: dict[str, Any] = dict(one.split("=", 1) for one in options)
    server = Server(port, given)
    if "path" in given:
        given["path"] = Path(given["path"])
    double = Go2rtc(**given)
    server.run(double.answer, lambda: (one for ones in double.sources().values() for one in ones), double.sources)


if __name__ == "__main__":
    main(*sys.argv[1:])
