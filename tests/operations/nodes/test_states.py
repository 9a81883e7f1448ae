"""The states of the fleet's cameras, read from the broker while somebody looks."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.operations.nodes import states
from twisted_detector.operations.nodes.states import FIRST, LOOKED, CameraStates, Handler
from twisted_detector.testing.subscriber import MemorySubscriber

DOCUMENT: dict[str, Any] = {
    "status": "offline", "reason": "it does not answer", "since": "2026-01-01T00:00:00.000Z",
    "camera": {"name": "Yard", "area": "Out", "ip": "10.0.0.5", "status": 5},
}  # fmt: skip
STATE = {
    "name": "Yard", "area": "Out", "ip": "10.0.0.5", "status": "offline", "reason": "it does not answer",
    "since": "2026-01-01T00:00:00.000Z",
}  # fmt: skip


class StatesTest(SynchronousTestCase):
    """A broker with one camera."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.broker = MemorySubscriber(self.clock)
        self.states = CameraStates(self.clock, self.subscribe, topic="site/camera/status/{}".format)
        self.addCleanup(self.states.stop)
        self.asked = TopicSet()
        self.cameras = ["a", "b"]

    def subscribe(self, handler: Handler, only: TopicSet) -> Callable[[], None]:
        self.asked = only
        return self.broker.subscribe("site/camera/status/+", handler)

    def look(self) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.states.look(self.cameras))  # type: ignore[arg-type]

    def say(self, camera_id: str, payload: bytes) -> None:
        self.broker.deliver(f"site/camera/status/{camera_id}", payload)

    def seen(self) -> Any:
        return self.successResultOf(self.look())

    def test_first(self) -> None:
        """The first question waits for what the broker has, a second one with it; the next is answered at once."""
        self.assertEqual([], [*self.broker.filters])
        first = self.look()
        self.clock.advance(FIRST / 2)
        second = self.look()
        self.say("a", json.dumps(DOCUMENT).encode())
        self.assertNoResult(first)
        self.clock.advance(FIRST / 2)
        self.assertEqual({"a": STATE}, self.successResultOf(first))
        self.assertEqual({"a": STATE}, self.successResultOf(second))
        self.assertEqual({"a": STATE}, self.seen())
        self.assertEqual(["site/camera/status/+"], [*self.broker.filters])

    def test_emptied(self) -> None:
        """A camera that was forgotten has no state, nor one whose state cannot be read."""
        self.look()
        self.clock.advance(FIRST)
        for payload in (b"", b"{", b"[]"):
            self.say("a", json.dumps(DOCUMENT).encode())
            self.say("a", payload)
            self.assertEqual({}, self.seen())

    def test_what_others_wrote(self) -> None:
        """Whatever stands there, each text is one, and bounded."""
        self.look()
        self.clock.advance(FIRST)
        self.say("a", json.dumps({"status": ["x"], "reason": "r" * 1000, "camera": [1]}).encode())
        self.say("b", json.dumps({"camera": {"name": 5}}).encode())
        found = self.seen()
        self.assertEqual(("", 300, ""), (found["a"]["status"], len(found["a"]["reason"]), found["a"]["name"]))
        self.assertEqual("", found["b"]["name"])

    def test_nobody_looks(self) -> None:
        """Then they are not sent to this node any more, and nothing is kept."""
        self.look()
        self.clock.advance(FIRST)
        self.say("a", json.dumps(DOCUMENT).encode())
        self.clock.advance(LOOKED - FIRST - 1)
        self.seen()
        self.clock.advance(LOOKED - 1)
        self.assertEqual(1, len(self.broker.filters))
        self.clock.advance(1)
        self.assertEqual([], [*self.broker.filters])
        self.assertEqual([], self.clock.getDelayedCalls())
        again = self.look()
        self.assertNoResult(again)
        self.clock.advance(FIRST)
        self.assertEqual({}, self.successResultOf(again))
        for _ in range(2):
            self.states.stop()
            self.assertEqual([], [*self.broker.filters, *self.clock.getDelayedCalls()])

    def test_no_cameras(self) -> None:
        """There is nothing to wait for."""
        self.cameras = []
        self.assertEqual({}, self.seen())

    def test_topic_by_topic(self) -> None:
        """The broker is asked for the cameras that the fleet has: for new ones, too, which are waited for, and for none
        that is there no more; for so many at most."""
        self.look()
        self.clock.advance(FIRST)
        self.assertEqual(["site/camera/status/a", "site/camera/status/b"], list(self.asked))
        self.cameras = ["b", "c"]
        looking = self.look()
        self.assertEqual(["site/camera/status/b", "site/camera/status/c"], list(self.asked))
        self.assertNoResult(looking)
        self.clock.advance(FIRST)
        self.assertEqual({}, self.successResultOf(looking))
        self.patch(states, "MAX_CLAIMS", 1)
        self.look()
        self.assertEqual(["site/camera/status/b"], list(self.asked))
        self.clock.advance(LOOKED)
        self.cameras = ["d"]
        self.look()
        self.assertEqual(["site/camera/status/d"], list(self.asked))
