"""The service of pictures: who starts, hears and ends with it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.events import Event
from twisted_detector.interfaces import IEventListener
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


class Serving(SynchronousTestCase):
    def make(self, *, kept: bool = True) -> PictureService:
        self.said: list[str] = []
        parts: list[Any] = [Part(name, self.said) for name in ("scheduler", "decoder", "keeper")]
        self.scheduler = parts[0]
        return PictureService(parts[0], parts[1], parts[2] if kept else None)

    def test_interfaces(self) -> None:
        """It is the daemon's IPictures, and wants all events; both are handed to the scheduler."""
        service = self.make()
        for interface in (IPictures, IEventListener):
            self.assertTrue(verifyObject(interface, service))
        self.assertEqual("latest of a", service.latest("a"))
        self.assertEqual("new of a", self.successResultOf(Deferred.fromCoroutine(service.refresh("a"))))
        service.handle(Event(at=1.0))
        self.assertEqual(["scheduler hears", "keeper hears"], self.said)

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
        self.assertEqual(["scheduler stops", "decoder stops", "keeper stops"], self.said)

    def test_nothing_kept(self) -> None:
        """Without a keeper the rest is the same."""
        service = self.make(kept=False)
        service.startService()
        service.handle(Event(at=1.0))
        self.successResultOf(service.stopService())
        self.assertEqual(["scheduler starts", "scheduler hears", "scheduler stops", "decoder stops"], self.said)
