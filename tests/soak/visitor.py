"""A number of browsers and seconds go in; that many visits to the page on this host come out, as JSON.

    visitor.py COUNT SECONDS

Each does what a browser does that opens the page: all its files, the camera list, a few pictures and answers; then it
reads the events until its time is over, and is closed without a word. (Chromium itself takes both cores; that the page
works in it is held by tests/integration/test_web.py.)
"""

from __future__ import annotations

import json
import re
import socket
import sys
import threading
import time
from http.client import HTTPConnection
from typing import Any

PORT = 8787
#: What the page asks when its views are opened.
VIEWS = ("cameras", "status", "mqtt", "activity", "discovery", "doctor")


class Visit:
    """One browser; ``answers`` by status, ``events`` read, ``faults`` in words."""

    def __init__(self) -> None:
        self.answers: dict[int, int] = {}
        self.events = 0
        self.faults: list[str] = []

    def run(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        try:
            self._open()
            self._read_events(deadline)
        except OSError as error:
            self.faults.append(f"{type(error).__name__}: {error}")

    def _get(self, connection: HTTPConnection, path: str) -> bytes:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        return body

    def _open(self) -> None:
        connection = HTTPConnection("127.0.0.1", PORT, timeout=20)
        page = self._get(connection, "/").decode()
        for asset in re.findall(r'(?:src|href)="(assets/[^"]+)"', page):
            self._get(connection, f"/{asset}")
        told: dict[str, Any] = {view: self._get(connection, f"/api/v1/{view}") for view in VIEWS}
        for camera in json.loads(told["cameras"])["cameras"][:6]:
            self._get(connection, f"/api/v1/cameras/{camera['id']}")
        connection.close()

    def _read_events(self, deadline: float) -> None:
        with socket.create_connection(("127.0.0.1", PORT), 20) as line:
            line.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            while (left := deadline - time.monotonic()) > 0:
                line.settimeout(left)
                try:
                    data = line.recv(65_536)
                except TimeoutError:
                    return
                if not data:
                    self.faults.append("the events ended")
                    return
                self.events += data.count(b"event:")


def main() -> None:
    count, seconds = int(sys.argv[1]), float(sys.argv[2])
    visits = [Visit() for _ in range(count)]
    threads = [threading.Thread(target=visit.run, args=(seconds,)) for visit in visits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for visit in visits:
        print(json.dumps({"answers": visit.answers, "events": visit.events, "faults": visit.faults}), flush=True)


if __name__ == "__main__":
    main()
