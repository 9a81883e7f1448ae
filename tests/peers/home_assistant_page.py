"""The page of Home Assistant as far as it is recognised by: its manifest on port 8123, and its announcement by mDNS.

    python home_assistant_page.py ADDRESS

The announcement is that of its integration ``zeroconf``: ``_home-assistant._tcp``; the manifest that of ``frontend``.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from twisted_detector.wire.lan import dns_sd, mdns

KIND = "_home-assistant._tcp"
MANIFEST = {
    "background_color": "#FFFFFF",
    "display": "standalone",
    "name": "Home Assistant",
    "short_name": "Home Assistant",
}


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        print("asked", self.path, self.headers.get("Authorization", "-"), flush=True)
        found = self.path == "/manifest.json"
        body = json.dumps(MANIFEST).encode() if found else b""
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/manifest+json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: the line above says it."""


def announce(address: str) -> None:
    pointer = dns_sd.kind_name(KIND)
    records = (mdns.Record(pointer, mdns.PTR, 120, (b"Home", *pointer)),)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as group:
        group.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        group.bind(("", mdns.PORT))
        member = struct.pack("4s4s", socket.inet_aton(mdns.GROUP_IPV4), socket.inet_aton(address))
        group.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        while True:
            data, sender = group.recvfrom(9000)
            asked = mdns.parse(data)
            if any(mdns.same(one.name) == mdns.same(pointer) for one in asked.questions):
                answer = mdns.response(records, message_id=asked.id, questions=asked.questions)
                group.sendto(answer, sender)


def main() -> None:
    address = sys.argv[1]
    Thread(target=announce, args=(address,), daemon=True).start()
    server = HTTPServer((address, 8123), Page)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
