"""TCP ports go in; every byte that comes to them goes out as a line, and each request is asked for a login.

trap.py PORT…
"""

from __future__ import annotations

import socketserver
import sys
import threading

ANSWER = (
    b"%b 401 Unauthorized\r\nCSeq: 1\r\n"
    b'WWW-Authenticate: Basic realm="IP Camera"\r\n'
    b'WWW-Authenticate: Digest realm="IP Camera", nonce="0a1b", qop="auth"\r\nContent-Length: 0\r\n\r\n'
)


class Trap(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while data := self.request.recv(65_536):
            print(f"{self.server.server_address[1]} {self.client_address[0]} {data!r}", flush=True)
            self.request.sendall(ANSWER % (b"RTSP/1.0" if b"RTSP/" in data else b"HTTP/1.1"))


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def main() -> None:
    servers = [Server(("0.0.0.0", int(port)), Trap) for port in sys.argv[1:]]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


main()
