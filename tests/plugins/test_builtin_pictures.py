"""The service of pictures: who starts, hears and ends with it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.events import CameraForgotten, Event
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera
from twisted_detector.plugins.builtin_pictures import PictureService
from twisted_detector.seams import IPictures


class Part:
    """Scheduler, decoder or keeper; writes down what is asked of it."""

    def __init__(self, name: str, said: list[str]) -> None:
        self.name, self.said = name, said
        self.ended: Deferred[None] = succeed(None)

    def startService(self) -> None:
        self.said.append(f"{self.name} starts")

    def stopService(self) -> Deferred[None]:
        self.said.append(f"{self.name} stops")
        return self.ended

    async def stop(self) -> None:
        await self.stopService()

    def handle(self, event: Event) -> None:
        self.said.append(f"{self.name} hears")

    def latest(self, camera_id: str) -> str:
        return f"latest of {camera_id}"

    async def refresh(self, camera_id: str) -> str:
        return f"new of {camera_id}"

    async def next(self, camera_id: str, seen: str) -> str:
        return f"live of {camera_id} after {seen}"

    async def of(self, picture: str) -> str:
        return f"small {picture}"

    def forget(self, camera_id: str) -> None:
        self.said.append(f"{self.name} forgets {camera_id}")


class Stopping(Part):
    """Live pictures or thumbnails: no service, and a Deferred when they end."""

    def stop(self) -> Deferred[None]:  # type: ignore[override]
        return self.stopService()


class Serving(SynchronousTestCase):
    def make(self, *, kept: bool = True) -> PictureService:
        self.said: list[str] = []
        scheduler, decoder, keeper = parts = [Part(name, self.said) for name in ("scheduler", "decoder", "keeper")]
        live, thumbnails = (Stopping(name, self.said) for name in ("live", "thumbnails"))
        self.scheduler = parts[0]
        made: Any = PictureService
        service: PictureService = made(
            scheduler, live, decoder=decoder, thumbnails=thumbnails, keeper=keeper if kept else None
        )
        return service

    def test_interfaces(self) -> None:
        """It is the daemon's IPictures, and wants all events; both are handed to the scheduler."""
        service = self.make()
        for interface in (IPictures, IEventListener):
            self.assertTrue(verifyObject(interface, service))
        self.assertEqual("latest of a", service.latest("a"))
        self.assertEqual("new of a", self.successResultOf(Deferred.fromCoroutine(service.refresh("a"))))
        service.handle(Event(at=1.0))
        self.assertEqual(["scheduler hears", "keeper hears"], self.said)
        live = Deferred.fromCoroutine(service.live("a", "7"))
        self.assertEqual("live of a after 7", self.successResultOf(live))
        small = Deferred.fromCoroutine(service.thumbnail("a"))
        self.assertEqual("small latest of a", self.successResultOf(small))

    def test_forgotten(self) -> None:
        """Of a camera that is forgotten neither a live picture nor a thumbnail stays."""
        service = self.make()
        service.handle(CameraForgotten(1.0, Camera(id="a", device_id="a", address="10.0.0.1")))
        self.assertEqual(["scheduler hears", "live forgets a", "thumbnails forgets a", "keeper hears"], self.said)

    def test_order(self) -> None:
        """Pictures that were kept are read first; at the end each step waits for the one before."""
        service = self.make()
        service.startService()
        self.assertEqual(["keeper starts", "scheduler starts"], self.said)
        self.said.clear()
        self.scheduler.ended = Deferred()
        ending = service.stopService()
        self.assertEqual(["scheduler stops"], self.said)
        self.scheduler.ended.callback(None)
        self.successResultOf(ending)
        ends = ("scheduler", "live", "thumbnails", "decoder", "keeper")
        self.assertEqual([f"{one} stops" for one in ends], self.said)

    def test_nothing_kept(self) -> None:
        """Without a keeper the rest is the same."""
        service = self.make(kept=False)
        service.startService()
        service.handle(Event(at=1.0))
        self.successResultOf(service.stopService())
        ends = [f"{one} stops" for one in ("scheduler", "live", "thumbnails", "decoder")]
        self.assertEqual(["scheduler starts", "scheduler hears", *ends], self.said)
