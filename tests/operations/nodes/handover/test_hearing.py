"""Of which cameras what the broker retains is known in a connection, and when something can be said to be missing."""

from __future__ import annotations

from collections.abc import Collection

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.operations.nodes.handover.hearing import RETAINED, Hearing


class HearingTest(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.is_ready = True
        self.came: list[list[str]] = []
        self.hearing = Hearing(self.clock, "t/{}".format, is_ready=lambda: self.is_ready, heard=self.heard)
        self.addCleanup(self.hearing.stop)

    def heard(self, camera_ids: Collection[str]) -> None:
        self.assertTrue(all(map(self.hearing.has_heard, camera_ids)))
        if camera_ids:
            self.came.append(sorted(camera_ids))

    def change(self, event: str) -> None:
        if event == "connected":
            self.hearing.topics.unanswered.clear()
        self.hearing.connection_changed(ConnectionChange(event, ConnectionState.CONNECTED, "", 0.0, 1, 1, 1))

    def test_before_the_first_connection(self) -> None:
        """Nothing can stand there that we have to hear first."""
        self.hearing.ask("a")
        self.assertTrue(self.hearing.has_heard("a"))
        self.change("failed")
        self.assertTrue(self.hearing.has_heard("a"))

    def test_connection(self) -> None:
        """Of all of them, what is retained may come for a while; without a connection nothing is known, and a second
        one begins anew."""
        for camera_id in ("a", "b"):
            self.hearing.ask(camera_id)
        self.change("connected")
        self.assertFalse(self.hearing.has_heard("a"))
        self.clock.advance(RETAINED - 1)
        self.change("disconnected")
        self.clock.advance(RETAINED)
        self.assertEqual(([], False), (self.came, self.hearing.has_heard("a")))
        self.change("connected")
        self.clock.advance(RETAINED)
        self.assertEqual(([["a", "b"]], []), (self.came, self.clock.getDelayedCalls()))
        self.change("disconnected")
        self.assertFalse(self.hearing.has_heard("a"))

    def test_found_later(self) -> None:
        """A camera that is found while there is a connection has its own time; those before it are heard as ever."""
        self.hearing.ask("a")
        self.change("connected")
        self.clock.advance(RETAINED - 1)
        self.assertFalse(self.hearing.asks("b"))
        self.hearing.ask("b")
        self.hearing.topics.unanswered.clear()
        self.assertTrue(self.hearing.asks("b"))
        self.clock.advance(1)
        self.assertEqual(([["a"]], False), (self.came, self.hearing.has_heard("b")))
        self.clock.advance(RETAINED - 1)
        self.assertEqual([["a"], ["b"]], self.came)
        self.change("disconnected")
        self.hearing.ask("c")
        self.assertFalse(self.hearing.has_heard("c"))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_many(self) -> None:
        """What the broker was not yet asked for, of thousands, is waited for."""
        for camera_id in ("a", "b"):
            self.hearing.ask(camera_id)
        self.change("connected")
        self.hearing.topics.unanswered.add("t/b")
        self.clock.advance(RETAINED)
        self.assertEqual(([["a"]], False), (self.came, self.hearing.has_heard("b")))
        self.hearing.topics.unanswered.clear()
        self.clock.advance(RETAINED)
        self.assertEqual([["a"], ["b"]], self.came)

    def test_not_ready(self) -> None:
        """As long as it is not known who is there nothing is missing."""
        self.hearing.ask("a")
        self.change("connected")
        self.is_ready = False
        self.clock.advance(RETAINED)
        self.assertEqual(([], False), (self.came, self.hearing.has_heard("a")))
        self.is_ready = True
        self.clock.advance(RETAINED)
        self.assertEqual([["a"]], self.came)

    def test_forgotten(self) -> None:
        """What stands there of a camera that is not asked for is not known; found again it is heard anew."""
        self.hearing.ask("a")
        self.change("connected")
        self.clock.advance(RETAINED)
        self.hearing.cease("a")
        self.assertEqual(([], False), (list(self.hearing.topics), self.hearing.has_heard("a")))
        self.hearing.ask("a")
        self.assertFalse(self.hearing.has_heard("a"))
        self.hearing.topics.unanswered.clear()
        self.clock.advance(RETAINED)
        self.assertEqual([["a"], ["a"]], self.came)
