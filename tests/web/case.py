"""Cameras and settings go in; the real site, asked without a socket, comes out: bytes in, status and bytes out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import implementer

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera, Mac, Proof, Secret, Status, Stream
from twisted_detector.model.cameras import Picture
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.seams import IPictures
from twisted_detector.testing.gate import Gate
from twisted_detector.web.access import AccessControl
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.api.handlers import Api
from twisted_detector.web.application import Application
from twisted_detector.web.assets import read_files
from twisted_detector.web.entry.login_codes import LoginCodes
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.facade import DaemonFacade
from twisted_detector.web.history import MqttHistory
from twisted_detector.web.monitoring import MonitoringEndpoints
from twisted_detector.web.server import BoundedSite
from twisted_detector.web.sessions import Sessions

#: In every place of a camera where it must never come out.
CANARY = "s3cr3t-canary"
FILES = read_files()


def camera(number: int = 1, **facts: Any) -> Camera:
    address = f"10.0.0.{number}"
    told: dict[str, Any] = {
        "id": f"0200000000{number:02x}",
        "device_id": f"0200000000{number:02x}",
        "address": address,
        "mac": Mac.parse(f"02:00:00:00:00:{number:02x}"),
        "name": f"Camera {number}",
        "status": Status.ONLINE,
        "since": 1000.0,
        "first_seen": 900.0,
        "last_seen": 1000.0,
        "http_url": f"http://admin:{CANARY}@{address}/",
        "snapshot_url": f"http://{address}/snap?user=admin&password={CANARY}",
        "streams": (
            Stream(f"rtsp://{address}:554/one", name="main", codec="H264", width=640, height=360, fps=15.0,
                   proof=Proof.KEYFRAME, validated=True),
            Stream(f"rtsp://admin:{CANARY}@{address}:554/two", name="sub"),
        ),
        "ip_history": (("10.0.0.99", 900.0), (address, 950.0)),
        **facts,
    }  # fmt: skip
    return Camera(**told)


def mqtt_block() -> dict[str, Any]:
    return {
        "state": "connected", "queue_depth": {"critical": 0, "state": 1, "event": 2, "telemetry": 3},
        "oldest_queued_s": 0.5, "ack_latency_ms": {"p50": 2.0, "p99": 9.0}, "acknowledged": 7,
        "dropped": {"replaced": 4, "expired": 1}, "success_rate": 0.875,
    }  # fmt: skip


@implementer(IPictures)
class Pictures:
    def __init__(self) -> None:
        self.known: dict[str, Picture] = {}
        self.small: dict[str, Picture] = {}
        self.waiting: list[tuple[str, str]] = []
        self.gate: Gate | None = None
        self.problem: Exception | None = None

    def latest(self, camera_id: str) -> Picture | None:
        return self.known.get(camera_id)

    async def refresh(self, camera_id: str) -> Picture | None:
        if self.problem is not None:
            raise self.problem
        return self.known.get(camera_id)

    async def thumbnail(self, camera_id: str) -> Picture | None:
        return self.small.get(camera_id)

    async def live(self, camera_id: str, seen: str) -> Picture | None:
        self.waiting.append((camera_id, seen))
        if self.problem is not None:
            raise self.problem
        if self.gate is not None:
            try:
                await self.gate.wait()
            finally:
                self.waiting.remove((camera_id, seen))
        return self.known.get(camera_id)


@dataclass(frozen=True)
class Got:
    """One answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    raw: bytes = field(repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Line(StringTransport):
    """A transport that notes how it ended."""

    aborted = False
    protocol: Any = None

    def abortConnection(self) -> None:
        self.aborted = self.disconnecting = True

    def lost(self) -> None:
        """The peer hung up."""
        self.protocol.connectionLost(Failure(ConnectionLost()))

    def setTcpNoDelay(self, enabled: bool) -> None:
        pass


class WebSite:
    """The site, and the doubles behind it.

    :ivar asked: ``(name, fields)`` of every question at the router.
    """

    def __init__(
        self,
        *cameras: Camera,
        token: str = "",
        listen: str = "127.0.0.1",
        names: tuple[str, ...] = (),
        ingress: bool = False,
        pictures: Pictures | None = None,
        history: Any = None,
        pages: tuple[str, ...] = (),
    ) -> None:
        self.clock = Clock()
        self.clock.advance(2000.0)
        self.cameras = {one.id: one for one in cameras}
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.mqtt: dict[str, Any] = {}
        self.found: dict[str, Any] = {}
        self.router = RequestRouter()
        self.answers: dict[str, Any] = {}
        for name in ("check", "forget", "adopt", "unadopt", "block", "unblock"):
            self.answer(name, {})
        for name in ("rescan", "probe", "why", "doctor", "status"):
            self.answer(name, {})
        self.answer("blocked", {"devices": []})
        self.answer("plugins", {"plugins": [], "problems": []})
        self.facade = DaemonFacade(
            node_id="node1", version="1.2.3",
            cameras=lambda: tuple(self.cameras.values()), camera=self.cameras.get, document=camera_document,
            wall=self.clock.seconds, history=history,
            mqtt=lambda: mqtt_block() | self.mqtt, discovery=lambda: {"sweeping": False, "last_sweep": {}} | self.found,
            dispatch=self.router.dispatch, handles=self.router.handlers.__contains__, pictures=pictures,
            metrics=lambda: (b"camdetect_up 1\n", "text/plain; version=0.0.4"),
        )  # fmt: skip
        self.hub = EventHub(self.clock, self.clock.seconds, capacity=3, boot="boot")
        self.activity = ActivityFeed(self.facade, self.hub)
        self.history = MqttHistory(self.clock.seconds, mqtt_block)
        self.random = iter(range(1, 200))
        sessions = None
        if token:
            sessions = Sessions(Secret(token), self.clock.seconds, lambda count: bytes([next(self.random)]) * count)
        self.codes = LoginCodes(self.clock.seconds, lambda count: bytes([next(self.random)]) * count)
        access = AccessControl(
            listen=listen, allowed=names, sessions=sessions, monotonic=self.clock.seconds,
            codes=self.codes if token else None, ingress=ingress,
        )  # fmt: skip
        api = Api(self.facade, access=access, hub=self.hub, activity=self.activity, history=self.history)
        monitoring = MonitoringEndpoints(self.facade)
        application = Application(self.clock, access=access, api=api, monitoring=monitoring, files=FILES, pages=pages)
        self.site = BoundedSite(application.handler(), self.clock)

    def answer(self, name: str, answer: Any) -> None:
        """From now on requests of this name are answered with ``answer``, or it is raised."""
        self.answers[name] = answer

        async def handler(fields: Mapping[str, Any]) -> Mapping[str, Any]:
            self.asked.append((name, dict(fields)))
            given = self.answers[name]
            if isinstance(given, Exception):
                raise given
            return dict(given)

        self.router.handlers[name] = handler

    def refuse(self, name: str, text: str) -> None:
        self.answer(name, RemoteError(text))

    def connect(self, peer: str = "127.0.0.1") -> Line:
        line = Line(peerAddress=IPv4Address("TCP", peer, 50000))
        line.protocol = self.site.buildProtocol(line.getPeer())
        line.protocol.makeConnection(line)
        return line

    def raw(self, data: bytes, peer: str = "127.0.0.1") -> Got:
        """Whatever bytes; the answer to them."""
        line = self.connect(peer)
        line.protocol.dataReceived(data)
        got = parsed(line.value())
        line.lost()
        return got

    def ask(
        self, method: str, path: str, body: Any = None, *, peer: str = "127.0.0.1", bare: bool = False, **headers: str
    ) -> Got:
        """A request as the page makes it; ``bare``: without the headers that the page adds."""
        told = {"host": "127.0.0.1:8787"}
        data = b""
        if method not in ("GET", "HEAD") and not bare:
            told["x-camdetect"] = "1"
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            told |= {"content-type": "application/json", "content-length": str(len(data))}
        told |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items() if value)]
        return self.raw("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + data, peer)

    def stream(self, **headers: str) -> Line:
        """A connection on which events come."""
        line = self.connect()
        told = {"host": "localhost", **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        line.protocol.dataReceived(f"GET /api/v1/events HTTP/1.1\r\n{head}\r\n".encode())
        return line


def parsed(data: bytes) -> Got:
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Got(int(first.split()[1]) if first else 0, headers, body, data)


def frames(line: Line) -> list[tuple[str, str, Any]]:
    """(event, id, document) of the server-sent events on a line, chunked as they are (RFC 9112, 7.1)."""
    data = line.value().partition(b"\r\n\r\n")[2]
    text = b""
    while data:
        size, _, rest = data.partition(b"\r\n")
        text += rest[: int(size, 16)]
        data = rest[int(size, 16) + 2 :]
    found = []
    for block in text.decode().split("\n\n"):
        fields = dict(part.split(": ", 1) for part in block.splitlines() if ": " in part and not part.startswith(":"))
        if "event" in fields:
            found.append((fields["event"], fields.get("id", ""), json.loads(fields["data"])))
    return found
