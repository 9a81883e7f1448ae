"""A path goes in; an answer that no server should give comes out: endless, dribbled, or as long as 100 MB.

A process of its own, so that what it costs is not counted as ours. Prints its port.
"""

from __future__ import annotations

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

CHUNK = b"x" * 65_536
MEGABYTES = 100


class Hostile(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.close_connection = True
        try:
            getattr(self, "answer_" + self.path.strip("/").partition("/")[0])()
        except OSError:
            return  # the client has had enough, which is what the tests want

    def answer_body(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MEGABYTES << 20))
        for _ in range(MEGABYTES * 16):
            self.wfile.write(CHUNK)

    def answer_head(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for _ in range(MEGABYTES * 16):
            self.wfile.write(b"X: y\r\n" * 10_000)

    def answer_slow(self) -> None:
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            self.wfile.write(b"x")
            time.sleep(1)

    def log_message(self, *_: object) -> None:
        pass


def main() -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hostile)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"port {server.server_address[1]}", flush=True)
    sys.stdin.read()
    time.sleep(3600)


if __name__ == "__main__":
    main()
