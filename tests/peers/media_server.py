"""Media servers as doubles: what go2rtc, Frigate (its RTSP is go2rtc's) and MediaMTX answer where no path is known.

    python media_server.py NAME RTSP_PORT [HTTP_PORT]

Words and order are those of the sources: go2rtc 1.9.14 (pkg/rtsp/server.go, which closes after a 404), gortsplib 5
(server_conn.go) and MediaMTX 1. ``tests/inspection/test_media_server.py`` compares the pages with recordings.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread

GO2RTC_PUBLIC = "Public: OPTIONS, SETUP, TEARDOWN, DESCRIBE, PLAY, PAUSE, ANNOUNCE, RECORD"
GORTSPLIB = "Server: gortsplib"
#: (status, headers, body) of its page.
Page = tuple[int, tuple[tuple[str, str], ...], bytes]


@dataclass(frozen=True)
class MediaServer:
    """:ivar options, describe: status and headers of its answers; ``pages``: (port, path) → page."""

    options: tuple[str, ...]
    describe: tuple[str, ...]
    pages: dict[tuple[int, str], Page]
    closes: bool = False

    def answer(self, method: str, cseq: int | None) -> bytes:
        """The RTSP answer to a request for any path."""
        status, *headers = self.options if method == "OPTIONS" else self.describe
        return "\r\n".join((f"RTSP/1.0 {status}", f"CSeq: {cseq}", *headers, "", "")).encode()


_GO2RTC_API: Page = (
    200,
    (("Content-Type", "application/json"),),
    b'{"config_path":"/config/go2rtc.yaml","host":"10.77.0.1:1984","revision":"","rtsp":{"listen":"127.0.0.1:8554",'
    b'"default_query":"video\\u0026audio"},"version":"1.9.14"}\n',
)
_GO2RTC_CLOSED: Page = (401, (("Www-Authenticate", 'Basic realm="go2rtc"'),), b"Unauthorized\n")
_FRIGATE: Page = (
    200,
    (("Server", "nginx/1.22.1"), ("Content-Type", "text/html")),
    b"<!doctype html><html><head><title>Frigate</title></head>"
    b'<body><script>window.baseUrl="/";</script></body></html>\n',
)
_MEDIAMTX: Page = (404, (("Server", "mediamtx"),), b"404 page not found")
_GO2RTC_401 = ("401 Unauthorized", 'Www-Authenticate: Basic realm="go2rtc"')
_MTX_PUBLIC = "Public: DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, GET_PARAMETER, TEARDOWN"
_MTX_401 = (
    "401 Unauthorized",
    GORTSPLIB,
    'WWW-Authenticate: Basic realm="ipcam"',
    'WWW-Authenticate: Digest realm="ipcam", nonce="5ee1", algorithm="MD5"',
)

SERVERS = {
    "go2rtc": MediaServer(("200 OK", GO2RTC_PUBLIC), ("404 Not Found",), {(1984, "/api"): _GO2RTC_API}, closes=True),
    "go2rtc-login": MediaServer(_GO2RTC_401, _GO2RTC_401, {(1984, "/api"): _GO2RTC_CLOSED}),
    "frigate": MediaServer(
        ("200 OK", GO2RTC_PUBLIC), ("404 Not Found",), {(8971, "/"): _FRIGATE, (5000, "/"): _FRIGATE}, closes=True
    ),
    "mediamtx": MediaServer(("200 OK", _MTX_PUBLIC, GORTSPLIB), ("404 Not Found", GORTSPLIB), {(8888, "/"): _MEDIAMTX}),
    "mediamtx-closed": MediaServer(("200 OK", _MTX_PUBLIC, GORTSPLIB), ("400 Bad Request", GORTSPLIB), {}),
    "mediamtx-login": MediaServer(("200 OK", _MTX_PUBLIC, GORTSPLIB), _MTX_401, {(8889, "/"): _MEDIAMTX}),
}


def main(name: str, rtsp_port: int, http_port: int) -> None:
    server = SERVERS[name]

    class Rtsp(StreamRequestHandler):
        def handle(self) -> None:
            lines: list[str] = []
            for raw in self.rfile:
                if line := raw.decode("latin-1").strip():
                    lines.append(line)
                    continue
                method = lines[0].split()[0]
                print(*lines[0].split()[:2], flush=True)
                cseq = next((int(re.sub(r"\D", "", one)) for one in lines if one.lower().startswith("cseq")), 0)
                self.wfile.write(server.answer(method, cseq))
                if server.closes and method == "DESCRIBE":
                    return
                lines.clear()

    class Http(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            print("GET", self.path, flush=True)
            status, headers, body = server.pages.get((http_port, self.path), (404, (), b""))
            self.send_response_only(status)
            for key, value in (*headers, ("Content-Length", str(len(body)))):
                self.send_header(key, value)
            self.end_headers()
            self.wfile.write(body)

    ThreadingTCPServer.allow_reuse_address = True
    if http_port:
        Thread(target=ThreadingHTTPServer(("", http_port), Http).serve_forever, daemon=True).start()
    with ThreadingTCPServer(("", rtsp_port), Rtsp) as rtsp:
        rtsp.daemon_threads = True
        print("it is there", flush=True)
        rtsp.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
