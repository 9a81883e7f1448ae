"""A clock, a broker in memory and a folder for state, as a plugin of an author sees them."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import Interface

from twisted_detector import plugins as plugin_package
from twisted_detector.interfaces import (
    MakerContext,
)
from twisted_detector.service.extensions import loader
from twisted_detector.testing.doubles import RecordingPublisher
from twisted_detector.testing.subscriber import MemorySubscriber

START = 1_700_000_000.0


EXAMPLES = {"addresses", "jsonl", "telemetry", "consensus", "actuator"}


class Site(SynchronousTestCase):
    """A clock, a broker in memory and a folder for state."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(START)
        self.publisher = RecordingPublisher()
        self.subscriber = MemorySubscriber(self.clock)
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        paths = list(plugin_package.__path__)
        self.addCleanup(setattr, plugin_package, "__path__", paths)
        plugin_package.__path__ = list(paths)
        loader.look_in([loader.CHECKOUT_PLUGINS])

    def context(self, **settings: Any) -> MakerContext:
        return MakerContext(
            reactor=self.clock,
            config=SimpleNamespace(state_dir=self.folder, web=SimpleNamespace(enabled=False)),
            settings=settings,
            publish=self.publisher.publish,
            subscribe=self.subscriber.subscribe,
        )

    def maker(self, kind: type[Interface], name: str) -> Any:
        return next(maker for maker in loader.makers(kind, [name]) if maker.name == name)

    def documents(self, topic: str) -> list[dict[str, Any]]:
        return [json.loads(message.payload) for message in self.publisher.messages if message.topic == topic]
