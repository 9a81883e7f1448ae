"""A service that decides: when several cameras detect the same within a time window, it publishes that, once.

Switch it on in the configuration file; the one ``+`` in the topic stands for the camera:

    [plugins.consensus]
    topic = "detection/+"
    decision = "site/decision"
    kinds = ["fire", "smoke"]
    cameras = 2
    window = 10
    cooldown = 60

A detection is ``{"kind": "fire", "timestamp": "2026-01-31T12:00:00Z"}``: by its timestamp one that was held up by an
outage, or retained by the broker, is known for what it is. An incident is decided once, and over when there was no
consensus for ``cooldown`` seconds.
"""

import json
from datetime import datetime
from typing import Any

from twisted.application.service import Service
from twisted.plugin import IPlugin
from zope.interface import implementer

from twisted_detector.interfaces import IServiceExtension
from twisted_detector.model import Message, Priority
from twisted_detector.model.encoding import encode, rfc3339

#: Cameras that are held of one kind, and the length of a name: more than any site has, and not much memory.
MAX_CAMERAS, MAX_NAME = 1000, 100


class Consensus(Service):
    def __init__(self, context, topic, decision, kinds, *, cameras=2, window=10.0, cooldown=60.0):
        self.context, self.topic, self.decision = context, topic, decision
        self.needed, self.window, self.cooldown = int(cameras), float(window), float(cooldown)
        self.level = topic.split("/").index("+")
        # Timers and not stamps decide how long: the wall clock may jump, a timer of the daemon does not.
        self.held: dict[str, dict[str, Any]] = {kind: {} for kind in kinds}  # kind → camera → the timer that forgets it
        self.incidents: dict[str, Any] = {}  # kind → the timer that ends it
        self.unreadable = self.late = 0

    def startService(self):
        super().startService()
        self.unsubscribe = self.context.subscribe(self.topic, self.receive)

    def stopService(self):
        super().stopService()
        self.unsubscribe()
        for timers in (*self.held.values(), self.incidents):
            while timers:
                timers.popitem()[1].cancel()

    def receive(self, topic, payload):
        camera = topic.split("/")[self.level]
        try:
            detection = json.loads(payload)
            kind, held = detection["kind"], self.held[detection["kind"]]
            age = self.context.clock.seconds() - datetime.fromisoformat(detection["timestamp"]).timestamp()
            if len(camera) > MAX_NAME:
                raise ValueError("no name of a camera")
        except (ValueError, LookupError, TypeError, RecursionError, OverflowError):
            self.unreadable += 1
            return
        if abs(age) >= self.window:
            self.late += 1
            return
        self.hold(held, camera, self.window - max(0.0, age))
        if len(held) < self.needed:
            return
        if kind in self.incidents:
            self.incidents[kind].reset(self.cooldown)
            return
        self.decide(kind, sorted(held))
        self.incidents[kind] = self.context.clock.callLater(self.cooldown, self.incidents.pop, kind)

    def hold(self, held, camera, seconds):
        forgotten = held.pop(camera, None)
        if forgotten is None and len(held) >= MAX_CAMERAS:
            forgotten = held.pop(next(iter(held)))  # the oldest
        if forgotten is not None:
            forgotten.cancel()
        held[camera] = self.context.clock.callLater(seconds, held.pop, camera)

    def decide(self, kind, cameras):
        stamp = rfc3339(self.context.clock.seconds())
        # QoS 1 may deliver it twice: by the id a consumer knows that it is the same decision.
        document = {"id": f"{kind}-{stamp}", "kind": kind, "cameras": cameras, "timestamp": stamp}
        self.context.publish(Message(self.decision, encode(document), priority=Priority.CRITICAL))


@implementer(IPlugin, IServiceExtension)
class Maker:
    name = "consensus"

    def make(self, context):
        return Consensus(context, **context.settings) if context.settings else None


consensus = Maker()
