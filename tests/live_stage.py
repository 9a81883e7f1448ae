"""Stage for live pictures: the real page, registry, pictures and sync service over one simulated camera on loopback.

The camera's web server is a process of its own; in between stands a forwarder that counts who connects. Commands come
on standard input, one JSON object a line: ``count`` changes nothing, ``offline`` is what the camera is then. The answer
to each is how often it was connected to, and how many pictures were emitted.

    python -m tests.live_stage --port 8787 --camera 127.0.0.1:8000 [--go2rtc URL] [--login NAME:PASSWORD]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from types import SimpleNamespace
from typing import Any

from twisted.internet.defer import succeed
from twisted.internet.stdio import StandardIO
from twisted.protocols.basic import LineReceiver
from twisted.protocols.portforward import ProxyFactory

from tests.facts import adopting, inspection, login, sighting, stream
from twisted_detector.bus import Bus
from twisted_detector.config.load import load
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures.live import LivePictures
from twisted_detector.detector.pictures.scheduler import PictureScheduler, PictureTurns
from twisted_detector.detector.pictures.taking import PictureLogins, PictureTaking
from twisted_detector.events import PictureTaken
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.pictures.decoder import Decoder
from twisted_detector.inspection.pictures.snapshot import SnapshotTaker
from twisted_detector.inspection.pictures.thumbnails import Thumbnails
from twisted_detector.interfaces import MakerContext
from twisted_detector.model import Mac
from twisted_detector.operations.requests import RequestRouter
from twisted_detector.outputs.sync.board import SyncBoard
from twisted_detector.outputs.topics import Topics
from twisted_detector.outputs.voice import Voice
from twisted_detector.plugins.builtin_pictures import PictureService
from twisted_detector.plugins.builtin_sync import sync, sync_requests
from twisted_detector.plugins.builtin_web import web
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import MemoryStateStore

ADDRESS = "127.0.0.1"


class Counting(ProxyFactory):
    """Forwarder that counts the connections.

    :ivar count: so many were made.
    """

    noisy = False
    count = 0

    def buildProtocol(self, addr: Any) -> Any:
        self.count += 1
        return super().buildProtocol(addr)  # type: ignore[no-untyped-call]


class Company:
    """The daemon's parts, as far as a live picture needs them.

    :ivar key: of the one device.
    """

    def __init__(self, reactor: Any, options: argparse.Namespace) -> None:
        self.reactor = reactor
        host, _, port = options.camera.rpartition(":")
        self.forwarder = Counting(host, int(port))  # type: ignore[no-untyped-call]
        listening = reactor.listenTCP(0, self.forwarder, interface=ADDRESS)
        self.bus = Bus()
        self.taken = 0
        self.bus.subscribe(self)
        freezes = FreezeDetector(pictures=3)
        self.registry = Registry(self.bus.emit, missed_limit=1, freeze_detector=freezes, adoption=adopting())
        now = reactor.seconds()
        seen = self.registry.record_sighting(sighting(ADDRESS, Mac("02:00:00:00:00:0a")), now)
        assert seen is not None
        self.key = seen.key
        self.registry.begin_inspection(self.key, now)
        snapshot = f"http://{ADDRESS}:{listening.getHost().port}/snapshot.jpg"
        found = inspection(ADDRESS, stream(ADDRESS, codec="H264"), snapshot_url=snapshot)
        self.registry.record_inspection(self.key, found, now)
        viewer = login(*options.login.split(":")) if options.login else None
        budget = LoginBudget([viewer] if viewer else [], salt="s", save=lambda key, text: None)
        environment = Environment(reactor, time.monotonic)
        taker = SnapshotTaker(
            reactor, timeout=5.0, max_bytes=2_000_000, allow_basic=lambda _: False, cnonce=lambda: "0123456789abcdef",
            device_locks=DeviceLocks(),
        )  # fmt: skip
        logins = PictureLogins(lambda key: viewer, lambda key: False, budget)
        taking = PictureTaking(environment, self.registry, takers=(taker,), logins=logins)
        turns = PictureTurns(0.0, lambda: 0.5)
        scheduler = PictureScheduler(
            environment, self.registry, taking=taking, turns=turns, freeze_detector=freezes, emit=self.bus.emit
        )
        live = LivePictures(environment, camera=self.registry.camera, take=taking.take)
        self.pictures = PictureService(
            scheduler, live, decoder=Decoder(reactor), thumbnails=Thumbnails(None), keeper=None
        )
        self.services = [self.pictures, *self.make(options, budget)]

    def make(self, options: argparse.Namespace, budget: LoginBudget) -> list[Any]:
        """The sync service and the page, by their makers."""
        settings = {"STATE_DIR": "/nonexistent", "WEB_LISTEN": f"{ADDRESS}:{options.port}"}
        if options.go2rtc:
            settings["GO2RTC_URL"] = options.go2rtc
        config = load(settings, hostname="attic")
        context = MakerContext(self.reactor, config, {}, lambda _: succeed(None), lambda *_: lambda: None)
        router = RequestRouter()

        async def interfaces() -> list[Any]:
            return []

        parts: Any = SimpleNamespace(
            interfaces=interfaces, mqtt=lambda: {"state": "connected", "queue_depth": {}}, discovery=dict, blocks=dict
        )
        topics = Topics(prefix="", node_id="attic")
        mqtt: Any = SimpleNamespace()  # of one node alone, nothing is shared over it
        followers = sync.make(
            context, self.registry, budget, MemoryStateStore(), topics, SyncBoard(), Voice(), mqtt
        )  # fmt: skip
        sync_requests.make(context, self.registry, budget, router, followers)
        return [followers, web.make(context, self.bus, self.registry, parts, parts, router, self.pictures, None)]

    def handle(self, event: Any) -> None:
        self.taken += isinstance(event, PictureTaken)


class Stage(LineReceiver):
    """Obeys lines of standard input."""

    delimiter = b"\n"

    def __init__(self, company: Company) -> None:
        self._company = company

    def lineReceived(self, line: bytes) -> None:
        command, company = json.loads(line), self._company
        if command["do"] == "offline":
            reason = "no answer to three checks in a row"
            company.registry.record_no_answer(company.key, reason, company.reactor.seconds())
        self.sendLine(json.dumps({"asked": company.forwarder.count, "taken": company.taken}).encode())

    def connectionLost(self, reason: object = None) -> None:
        if self._company.reactor.running:
            self._company.reactor.stop()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--camera", required=True)
    parser.add_argument("--go2rtc", default="")
    parser.add_argument("--login", default="")
    options = parser.parse_args()
    from twisted.internet import reactor
    from twisted.logger import globalLogBeginner, textFileLogObserver

    globalLogBeginner.beginLoggingTo([textFileLogObserver(sys.stderr)], redirectStandardIO=False)
    company = Company(reactor, options)
    start: Any = reactor
    for service in company.services:
        start.callWhenRunning(service.startService)
    start.callWhenRunning(lambda: (StandardIO(Stage(company)), print("ready", flush=True)))
    start.run()


if __name__ == "__main__":
    main()
