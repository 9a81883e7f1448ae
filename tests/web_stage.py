"""Stage for the page: the real page over a real bus, with cameras, pictures and figures that are made up.

For the browser tests, the benchmark and the screenshot: commands come on standard input, one JSON object a line.
Listens on loopback only, and sends nothing.

    python -m tests.web_stage --cameras 24 --port 8787 [--token WORD] [--picture-less]
"""

from __future__ import annotations

import argparse
import json
import math
import random
import struct
import sys
import time
import zlib
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType, SimpleNamespace
from typing import Any

from twisted.application.service import IService
from twisted.internet.defer import Deferred
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from zope.interface import implementer

from tests.decision_stage import DecisionStage
from tests.first_run_stage import FirstRunStage
from tests.fleet_stage import FleetStage
from tests.notice_stage import NoticeStage
from twisted_detector import events
from twisted_detector.bus import Bus
from twisted_detector.config.load import load
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures.live import LivePictures
from twisted_detector.errors import RemoteError
from twisted_detector.interfaces import IEventListener, MakerContext
from twisted_detector.model import Adoption, Announced, Camera, Evidence, Mac, Proof, Status, Stream
from twisted_detector.model.announced import Condition
from twisted_detector.model.cameras import Picture
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.history import WEEK, Segment, StateChange, WeekSummary
from twisted_detector.mqtt.broker.place import BrokerPlace
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.plugins.builtin_web import web
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IHistory, IPictures
from twisted_detector.store.timeline import Week, in_segments, pieces
from twisted_detector.web import access
from twisted_detector.web.history import INTERVAL, SAMPLES

PLACES = (
    "Driveway", "Front door", "Garden", "Barn", "Car park north", "Car park south", "Hallway", "Loading dock",
    "Workshop", "Roof", "Gate", "Reception", "Stairwell", "Cellar", "Terrace", "Stable", "Orchard", "Pump house",
)  # fmt: skip
MAKERS = (("Axis", "P3265-LVE"), ("HIKVISION", "DS-2CD2387G2"), ("Dahua", "IPC-HFW5442E"), ("Reolink", "RLC-811A"))
TROUBLES = (
    (Status.OFFLINE, "no answer to three checks in a row"),
    (Status.AUTH_REQUIRED, "it wants a login; none that is configured is accepted"),
    (Status.STREAM_ERROR, "rtsp://…/Streaming/Channels/101: SETUP answered with 461 Unsupported Transport"),
)


def cameras(count: int, now: float) -> list[Camera]:
    """The same ones every time."""
    dice = random.Random(7)
    return [_camera(number, now, dice) for number in range(count)]


def _camera(number: int, now: float, dice: random.Random) -> Camera:
    mac = Mac.parse(f"00:40:8c:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}")
    maker, model = MAKERS[number % len(MAKERS)]
    address = f"192.168.{number // 200 + 1}.{number % 200 + 20}"
    troubled = number % 8 == 5
    status, reason = TROUBLES[number // 8 % 3] if troubled else (Status.ONLINE, "")
    h265 = number % 3 == 1
    plays = status is Status.ONLINE
    streams = () if status is Status.AUTH_REQUIRED else tuple(
        Stream(
            url=f"rtsp://{address}:554/{path}", name=name, profile=f"profile_{n}",
            codec="H265" if h265 and not n else "H264",
            width=width, height=height, fps=fps, audio="AAC" if number % 2 else "",
            proof=Proof.KEYFRAME if plays else Proof.RTSP, validated=plays, reason="" if plays else reason,
        )
        for n, (path, name, width, height, fps) in enumerate((
            ("Streaming/Channels/101", "main", 2560, 1440, 25.0), ("Streaming/Channels/102", "sub", 640, 360, 10.0),
        ))
    )  # fmt: skip
    moved = number % 5 == 2
    history = [(address, now - 3 * 86400)]
    if moved:
        history = [(f"192.168.{number // 200 + 1}.{number % 200 + 30 - 17}", now - 40 * 86400), (address, now - 7200)]
    place = PLACES[number % len(PLACES)]
    round_ = number // len(PLACES)
    return Camera(
        id=mac.text.replace(":", ""), device_id=mac.text.replace(":", ""), address=address, mac=mac,
        name=f"{place} {round_ + 1}" if round_ else place, manufacturer=maker, model=model,
        serial_number=f"SN{number:06d}", firmware_version="11.8.61", onvif_url=f"http://{address}/onvif/device_service",
        http_url=f"http://{address}/", snapshot_url=f"http://{address}/snap.jpg", streams=streams,
        capabilities=("ptz",) if number % 7 == 0 else (), status=status, reason=reason,
        since=now - dice.choice((90, 1800, 7200, 86400 * 3)), first_seen=now - 40 * 86400, last_seen=now - 12,
        last_validated=now - 30, ip_history=tuple(history), methods=("neighboursweep", "wsdiscovery"),
        evidence=(Evidence("mac", mac.text, "neighbours", now - 40 * 86400),),
    )  # fmt: skip


# --- pictures -------------------------------------------------------------------------------------------------------


def png(width: int, height: int, pixel: Any) -> bytes:
    """An image by a function of x and y in 0 … 1 that gives red, green and blue in 0 … 1."""
    rows = bytearray()
    for line in range(height):
        rows.append(0)
        for column in range(width):
            rows.extend(int(255 * min(1.0, max(0.0, part))) for part in pixel(column / width, line / height))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(rows), 9))
        + chunk(b"IEND", b"")
    )


def scene(number: int) -> bytes:
    """Hills under a sky, a road, sometimes by night: made up, and told apart at a glance."""
    dice = random.Random(number)
    night = number % 3 == 2
    hour = dice.random()
    phases = [dice.random() * 6.3 for _ in range(4)]
    turn = dice.random() * 0.5 - 0.25

    def pixel(x: float, y: float) -> tuple[float, float, float]:
        ridge = 0.45 + 0.06 * math.sin(5 * x + phases[0]) + 0.03 * math.sin(13 * x + phases[1])
        near = 0.62 + 0.05 * math.sin(3 * x + phases[2])
        if y < ridge:
            glow = y / ridge
            colour = (0.55 + 0.4 * glow * hour, 0.68 + 0.2 * glow, 0.86 - 0.25 * glow * hour)
        elif y < near:
            colour = (0.35, 0.47 + 0.1 * hour, 0.42)
        else:
            depth = (y - near) / (1 - near)
            middle = 0.5 + turn * (1 - depth)
            if abs(x - middle) < 0.03 + 0.3 * depth:
                line = abs(x - middle) < 0.004 + 0.01 * depth and math.sin(40 / (0.2 + depth)) > 0
                colour = (0.86, 0.84, 0.76) if line else (0.43, 0.43, 0.44)
            else:
                colour = (0.36 + 0.08 * depth, 0.48 - 0.05 * depth, 0.28)
        shade = 1 - 0.5 * ((x - 0.5) ** 2 + (y - 0.5) ** 2)
        if night:
            grey = (0.3 * colour[0] + 0.6 * colour[1] + 0.1 * colour[2]) * 0.62 * shade
            return (grey, grey * 1.03, grey)
        return tuple(part * shade for part in colour)  # type: ignore[return-value]

    return png(256, 144, pixel)


@implementer(IPictures)
class Scenes:
    def __init__(self, registry: Registry, now: float, reactor: Any) -> None:
        self._registry = registry
        self._now = now
        self._live = LivePictures(Environment(reactor, time.monotonic), camera=registry.camera, take=self._take)
        self._reactor = reactor
        self._scenes = [scene(number) for number in range(6)]

    def latest(self, camera_id: str) -> Picture | None:
        camera = self._registry.camera(camera_id)
        if camera is None or not camera.streams:
            return None
        number = int(camera_id, 16) % len(self._scenes)
        return Picture(camera_id, self._scenes[number], "image/png", self._now - 20, "snapshot")

    async def refresh(self, camera_id: str) -> Picture | None:
        return self.latest(camera_id)

    async def thumbnail(self, camera_id: str) -> Picture | None:
        return self.latest(camera_id)

    async def live(self, camera_id: str, seen: str) -> Picture | None:
        return await self._live.next(camera_id, seen)

    async def _take(self, camera_id: str, first: str) -> Picture | None:
        now = self._reactor.seconds()
        return Picture(camera_id, self._scenes[int(now) % len(self._scenes)], "image/png", now, "snapshot")


# --- the daemon's other parts ---------------------------------------------------------------------------------------


class Figures:
    """MQTT's block and the sweep's, as they would be."""

    def __init__(self, now: float) -> None:
        self.dice = random.Random(3)
        self.number = 0
        self.state, self.reason, self.advice = "connected", "", ""
        self.was_back = True  # after a disconnect
        self.sweeping = False
        self.now = now
        self.notices: NoticeStage | None = None
        self.sites: FleetStage | None = None

    def mqtt(self) -> dict[str, Any]:
        self.number += 1
        n = self.number
        away = 300 < n < 318
        busy = max(0.0, math.sin(n / 47)) ** 6
        queue = (
            (n - 300) * 6
            if away
            else max(0, int(busy * 40 * self.dice.random()) + max(0, 108 - (n - 318) * 40) * (n >= 318))
        )
        p50 = 2.1 + 0.6 * math.sin(n / 31) + self.dice.random() * 0.5
        return {
            "state": "waiting" if away else self.state, "reason": self.reason,
            "advice": self.advice, "degraded": False, "session": 2,
            "connected_since": rfc3339(self.now - 2008),
            "connects": 2, "disconnects": 1, "failures": 3, "protocol": "5",
            "queue_depth": {"critical": 0, "state": queue // 3, "event": queue - queue // 3,
                            "telemetry": int(busy * 3)},
            "oldest_queued_s": queue / 8,
            "ack_latency_ms": {"p50": round(p50, 2), "p99": round(p50 * 3 + busy * 40, 2)},
            "published": 12 * n, "acknowledged": 12 * n - queue, "dropped": {"replaced": 41}, "success_rate": 0.999973,
            "reconnect_seconds": {"last": 87.2, "max": 87.2} if self.was_back else {},
            "last_disconnect_reason": "the connection was reset",
        }  # fmt: skip

    def discovery(self) -> dict[str, Any]:
        return {
            "phase": "steady", "sweeping": self.sweeping, "sweeps": 12, "counts": {},
            "last_sweep": {
                name: {"at": rfc3339(self.now - 240), "duration_s": took, "sightings": seen, "error": ""}
                for name, took, seen in (("neighboursweep", 2.9, 31), ("wsdiscovery", 3.0, 18), ("mdns", 3.0, 6))
            },
            "methods": {},
        }  # fmt: skip

    def blocks(self) -> dict[str, Any]:
        return {
            "status": "online", "reason": "", "stats": {}, "mqtt": self.mqtt(), "discovery": self.discovery(),
            "consumers": {
                "frigate-api": {
                    "program": "frigate", "name": "", "state": "done", "reason": "", "tries": 0, "cameras": 12,
                },
                "go2rtc-api.north": {
                    "program": "go2rtc", "name": "north", "state": "away", "reason": "it does not answer", "tries": 3,
                    "cameras": 4,
                },
            },
            "broker": BrokerPlace("127.0.0.1", 39385, "embedded").document(),
            "notices": {"open": self.notices.open_count if self.notices is not None else 0},
            "reactor": {"lag_ms": {"p50": 0.1, "p99": 1.2, "max": 9.4}},
            "resources": {"cpu_percent": 1.2, "rss_mb": 58.1, "fds": 31},
            **({"nodes": {}} if self.sites is not None else {}),
        }  # fmt: skip


class Stage(LineReceiver):
    """Obeys lines of standard input."""

    delimiter = b"\n"

    def __init__(
        self, reactor: Any, bus: Bus, *, registry: Registry, figures: Figures, router: RequestRouter,
        decisions: DecisionStage,
    ) -> None:  # fmt: skip
        self._reactor, self._bus, self._registry, self._figures = reactor, bus, registry, figures
        self._decisions = decisions
        self._router = router
        self.setRawMode()
        self.setLineMode()

    def lineReceived(self, line: bytes) -> None:
        command = json.loads(line)
        now = self._reactor.seconds()
        if command["do"] == "sweep":
            self._figures.sweeping = command["on"]
            return
        if command["do"] == "mqtt":
            self._figures.state, self._figures.reason = command["state"], command["reason"]
            self._figures.advice = command["advice"]
            self._figures.was_back = command.get("was_back", True)
            return
        if command["do"] == "attempt":  # one more that fails as those before
            self._bus.emit(events.ConnectionEvent(now, "failed", self._figures.reason, self._figures.state, 5.0, 2, 2))
            return
        if command["do"] == "notice" and self._figures.notices is not None:
            self._figures.notices.tell(command["name"])
            return
        if command["do"] == "page":
            asking = Deferred.fromCoroutine(self._router.dispatch("page", {}))
            asking.addCallback(lambda answer: self.sendLine(json.dumps(answer).encode()))
            return
        if command["do"] == "tries":
            self.sendLine(json.dumps(self._decisions.tries).encode())
            return
        if command["do"] == "disk":
            self._decisions.is_full = command["full"]
            return
        if command["do"] == "give":  # as somebody else does, in another browser
            self._decisions.give(command["id"], command["given"])
            return
        if command["do"] == "fleet" and self._figures.sites is not None:
            self._figures.sites.states[command["id"]] = command["state"]
            return
        if command["do"] == "storm":
            for camera in self._registry.cameras()[: command["count"]]:
                self._bus.emit(events.CameraOnline(now, replace(camera, since=now)))
            return
        camera = self._registry.camera(command["id"])
        if camera is None:
            return
        if command["do"] == "offline":
            gone = replace(camera, status=Status.OFFLINE, reason="no answer to three checks in a row", since=now)
            self._put(gone)
            self._bus.emit(events.CameraOffline(now, gone, reason=gone.reason))
        elif command["do"] == "forget":  # likewise
            Deferred.fromCoroutine(self._router.dispatch("forget", {"camera_id": camera.id}))
        elif command["do"] == "facts":
            facts = command["facts"]
            if (said := facts.get("announced")) is not None:
                conditions = tuple(map(Condition, said.get("conditions", ())))
                facts = facts | {"announced": Announced(**said | {"conditions": conditions})}
            adopted = Adoption(facts.get("adopted", camera.adopted))
            status = Status(facts.get("status", camera.status))
            told = replace(camera, **{**facts, "status": status, "adopted": adopted})
            self._put(told)
            self._bus.emit(events.CameraChanged(now, told))
        elif command["do"] == "name":
            named = replace(camera, name=command["name"])
            self._put(named)
            self._bus.emit(events.CameraChanged(now, named))

    def _put(self, camera: Camera) -> None:
        STAGED[camera.id] = camera

    def connectionLost(self, reason: object = None) -> None:
        if self._reactor.running:
            self._reactor.stop()


#: The cameras as the stage has changed them since.
STAGED: dict[str, Camera] = {}


class Company:
    """A registry whose cameras are what the stage says."""

    def __init__(self, found: list[Camera], emit: Any) -> None:
        STAGED.update((one.id, one) for one in found)
        self._emit = emit

    def cameras(self) -> tuple[Camera, ...]:
        return tuple(STAGED.values())

    def camera(self, camera_id: str) -> Camera | None:
        return STAGED.get(camera_id)

    def adopt(self, camera_id: str, adoption: Adoption, now: float) -> None:
        camera = STAGED[camera_id] = replace(STAGED[camera_id], adopted=adoption)
        self._emit(events.AdoptionChanged(now, camera, adoption, "a person accepted it"))

    def forget(self, camera_id: str, now: float) -> None:
        self._emit(events.CameraForgotten(now, STAGED.pop(camera_id)))

    def put(self, camera: Camera, now: float) -> None:
        STAGED[camera.id] = camera
        self._emit(events.CameraDiscovered(now, camera))


@implementer(IHistory, IEventListener)
class Past:
    """A week of each camera, made up, and what the stage does from then on."""

    dropped: Mapping[str, int] = MappingProxyType({})

    def __init__(self, company: Company, reactor: Any) -> None:
        self._reactor = reactor
        now = reactor.seconds()
        self._changes = {one.id: self._made_up(number, one, now) for number, one in enumerate(company.cameras())}

    @staticmethod
    def _made_up(number: int, camera: Camera, now: float) -> list[StateChange]:
        dice = random.Random(number)
        at, found = now - (3 if number % 7 == 3 else 12) * 86_400.0, []
        while at < now - 7200:
            found.append((at, "online", ""))
            at += dice.expovariate(1 / (40 * 3600 if number % 4 else 4000 * 3600))
            if at < now - 7200:
                found.append((at, *dice.choice((("offline", TROUBLES[0][1]), ("stream_error", TROUBLES[2][1])))))
                at += dice.expovariate(1 / 2700)
        found.append((now - 7000, camera.status.value, camera.reason))
        return [StateChange(n, camera.id, when, status, reason) for n, (when, status, reason) in enumerate(found)]

    def handle(self, event: events.Event) -> None:
        if isinstance(event, events.CameraOffline):
            camera, changes = event.camera, self._changes[event.camera.id]
            changes.append(StateChange(len(changes), camera.id, event.at, camera.status.value, camera.reason))

    def _segments(self, camera_id: str, begin: float, end: float) -> list[Segment]:
        away = [(end - 5 * 86_400.0, end - 5 * 86_400.0 + 14_400.0)]
        return in_segments(pieces(self._changes.get(camera_id, []), away, begin, end))

    def week(self, camera_id: str) -> WeekSummary:
        now, week = self._reactor.seconds(), Week()
        for one in self._segments(camera_id, now - WEEK, now):
            week.add(one.begin, one.condition)
        return week.summary(now)

    def figures(self, camera_id: str) -> tuple[float, float, int]:
        week = self.week(camera_id)
        return week.observed, week.online, week.failures

    async def segments(self, camera_id: str, begin: float, end: float) -> list[Segment]:
        return self._segments(camera_id, begin, end)


def plugin(name: str, kinds: list[str], **more: Any) -> dict[str, Any]:
    """One of the list of plugins."""
    return {
        "name": name, "kinds": kinds, "file": f"/etc/camdetect/plugins/{name}.py", "state": "loaded", "why": "",
        "is_builtin": False, "package": "", "faults": 0, "last_fault": "", "stalls": 0,
        "last_stall": {"seconds": 0.0, "stack": ""}, "counts": {}, **more,
    }  # fmt: skip


PLUGINS = [
    plugin("acme", ["discoverer", "watcher"], counts={"calls": 90, "sightings": 4}),
    plugin("bell", ["listener"], state="disabled", faults=10, last_fault="ValueError in bell.py, line 12",
           why="it raised 10 errors within a day, the last one: ValueError in bell.py, line 12"),
    plugin("slow", ["service"], package="camdetect-slow 1.2", stalls=3, counts={"published": 2000, "limited": 70},
           last_stall={"seconds": 1.4, "stack": 'File "/etc/camdetect/plugins/slow.py", line 20, in _tell\n'}),
    plugin("gone", [], state="left out", why="ModuleNotFoundError: No module named 'acme_sdk'"),
    plugin("quiet", ["output"], state="off", why="its settings switch it off, or it has none"),
    plugin("wsdiscovery", ["discoverer"], is_builtin=True),
]  # fmt: skip


def register_handlers(router: RequestRouter, company: Company, figures: Figures, reactor: Any) -> None:
    asked: dict[str, int] = {}
    hidden: dict[str, Camera] = {}

    async def why(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        address = fields["address"]
        if not address.replace(".", "").replace(":", "").isalnum():
            raise RemoteError("not an IP address", shown=repr(address))
        fact = {"first_at": rfc3339(1.7e9), "last_at": rfc3339(1.7e9), "source": "arp", "text": "answers", "times": 3}
        if address in asked:  # by hand: after one look it is a camera
            asked[address] += 1
            word, text = ("being-asked", "It is being asked now") if asked[address] == 1 else ("shown", "It is shown")
            found = [{"id": "00408c000002", "status": "online", "reason": "", "name": "Barn"}]
            return {"address": address, "network": None, "mac": "02:00:00:00:00:13", "ports": {}, "phase": None,
                    "facts": [fact], "cameras": found if word == "shown" else [],
                    "reason": {"word": word, "text": text, "advice": ""}, "help": []}  # fmt: skip
        reason = {
            "word": "ports-closed",
            "text": "It is there, but no camera's port is open",
            "advice": "switch RTSP on",
        }
        helps = [{"kind": "add-network", "text": "Search 10.77.0.0/24", "network": "10.77.0.0/24"}]
        return {"address": address, "network": None, "mac": "02:00:00:00:00:13",
                "ports": {"554": "refused", "80": "refused"}, "phase": None, "facts": [fact], "cameras": [],
                "reason": reason, "help": helps}  # fmt: skip

    async def doctor(_: Mapping[str, Any]) -> Mapping[str, Any]:
        finding = {"name": "MQTT", "level": "OK", "text": "connected to broker, port 1883", "advice": ""}
        warning = {
            "name": "clocks",
            "level": "WARN",
            "text": "off: 00408c000003 +71 s",
            "advice": "set NTP in the cameras",
        }
        return {"findings": [finding, warning]}

    async def plugins(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"plugins": PLUGINS, "problems": ["PLUGINS names gallery, but no plugin has that name"]}

    async def status(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return figures.blocks()

    async def rescan(_: Mapping[str, Any]) -> Mapping[str, Any]:
        before, figures.sweeping = figures.sweeping, True
        reactor.callLater(3, setattr, figures, "sweeping", False)
        return {"already_sweeping": before}

    async def probe(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        asked[fields["address"]] = 0
        return {"address": fields["address"]}

    async def check(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        missed = {"missed": ["west: it did not answer"]} if fields["camera_id"] == "far57" else {}
        return {"camera_id": fields["camera_id"], **missed}

    async def forget(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        company.forget(fields["camera_id"], reactor.seconds())
        return {"camera_id": fields["camera_id"]}

    async def adopt(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if "camera_ids" in fields:
            known = [one for one in fields["camera_ids"] if company.camera(one)]
            for one in known:
                company.adopt(one, Adoption.PERSON, reactor.seconds())
            return {"count": len(known)}
        company.adopt(fields["camera_id"], Adoption.PERSON, reactor.seconds())
        return {"camera_id": fields["camera_id"], "adopted": "person"}

    async def unadopt(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if company.cameras()[0].id == fields["camera_id"]:
            raise RemoteError("the configuration lists it")
        company.adopt(fields["camera_id"], Adoption.NO, reactor.seconds())
        return {"camera_id": fields["camera_id"], "adopted": "no"}

    async def block(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        camera = company.camera(fields["camera_id"])
        assert camera is not None
        hidden[camera.device_id] = camera
        company.forget(camera.id, reactor.seconds())
        return {"camera_id": camera.id, "adopted": "blocked"}

    async def blocked(_: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "devices": [
                {"device": one, "macs": [str(camera.mac)], "reference": "", "since": rfc3339(reactor.seconds())}
                for one, camera in hidden.items()
            ]
        }

    async def unblock(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        if fields["device"] not in hidden:
            raise RemoteError("no blocked device has that id, MAC or EndpointReference", shown=fields["device"])
        company.put(hidden.pop(fields["device"]), reactor.seconds())
        return {"device": fields["device"]}

    async def export(fields: Mapping[str, Any]) -> Mapping[str, Any]:
        text = "cameras:\n" + "".join(f"  camdetect_{one.id}: {{}}\n" for one in company.cameras())
        return {"text": text, "media_type": "application/yaml", "filename": f"{fields['format']}.yml"}

    adopting = (adopt, unadopt, block, blocked, unblock)
    for handler in (why, doctor, plugins, status, rescan, probe, check, forget, export, *adopting):
        router.register(handler.__name__, handler)


def make(reactor: Any, options: argparse.Namespace) -> tuple[IService, Stage]:
    now = reactor.seconds()
    bus, router, figures = Bus(), RequestRouter(), Figures(now)
    company = Company(cameras(options.cameras, now), bus.emit)
    register_handlers(router, company, figures, reactor)
    decisions = DecisionStage(STAGED, bus.emit, reactor)
    for name, handler in {**decisions.handlers, **FirstRunStage().handlers}.items():
        router.register(name, handler)
    figures.notices = NoticeStage(cameras(options.cameras, now), bus.emit, reactor)
    router.register("notices", figures.notices.board.answer)

    if options.sites:
        figures.sites = FleetStage(cameras(options.cameras, now), now)
        router.register("fleet", figures.sites.answer)
        router.register("whereabouts", figures.sites.whereabouts)

    async def interfaces() -> list[Any]:
        return []

    neighbours: Any = SimpleNamespace(interfaces=interfaces)
    pictures: Any = None if options.picture_less else Scenes(company, now, reactor)  # type: ignore[arg-type]
    environment = {"STATE_DIR": "/nonexistent", "WEB_LISTEN": f"127.0.0.1:{options.port}", "WEB_TOKEN": options.token}
    config = load({k: v for k, v in environment.items() if v}, hostname="attic")
    context = MakerContext(reactor, config, {}, lambda _: None, lambda *_: lambda: None)  # type: ignore[arg-type, return-value]
    past = Past(company, reactor)
    bus.subscribe(past)
    service: Any = web.make(context, bus, company, neighbours, figures, router, pictures, past)  # type: ignore[arg-type]
    history = service.history
    real, history._wall = history._wall, lambda: now - (SAMPLES - figures.number) * INTERVAL
    for _ in range(SAMPLES - 1):
        history.sample()
    history._wall = real
    for event in (
        events.ConnectionEvent(now - 3500, "connected", "", "connected", 0.2, 1, 1),
        events.ConnectionEvent(now - 2095, "disconnected", "the connection was reset", "waiting", 1405.0, 0, 1),
        events.ConnectionEvent(now - 2060, "failed", "the broker does not answer", "waiting", 35.0, 3, 1),
        events.ConnectionEvent(now - 2008, "connected", "", "connected", 87.2, 4, 2),
    ):
        history.handle(event)
    activity = service.activity
    for number, camera in enumerate(company.cameras()[:12]):
        activity.handle(events.CameraOnline(now - 400 + 30 * number, camera))
    staged = Stage(reactor, bus, registry=company, figures=figures, router=router, decisions=decisions)  # type: ignore[arg-type]
    return service, staged


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--cameras", type=int, default=24)
    parser.add_argument("--port", type=int, default=8787)
    parser.add_argument("--token", default="")
    parser.add_argument("--picture-less", action="store_true")
    parser.add_argument("--sites", action="store_true", help="two more nodes on the broker, one of them away")
    parser.add_argument("--unlimited", action="store_true", help="no limit of how often is asked")
    options = parser.parse_args()
    if options.unlimited:
        access.ACTION_BURST = access.WRONG_BURST = 1e9
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    service, stage = make(reactor, options)
    reactor.callWhenRunning(service.startService)  # type: ignore[attr-defined]
    reactor.callWhenRunning(lambda: (StandardIO(stage), print("ready", flush=True)))  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()
