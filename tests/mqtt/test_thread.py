"""A pool of one thread goes in; whose thread it is, and what becomes of work that has not come back, comes out."""

from __future__ import annotations

from collections.abc import Callable
from queue import Queue
from threading import Event, Thread, current_thread  # noqa: TID251  what is tested is a thread
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.mqtt.network.thread import OneThread

#: Seconds; a thread of an idle machine needs a thousandth of one.
PATIENCE = 20


class Calls:
    """The part of a reactor that a pool needs: what a thread has called is run by the test."""

    def __init__(self) -> None:
        self.queue: Queue[Callable[[], object]] = Queue()

    def callFromThread(self, call: Callable[..., object], *arguments: Any) -> None:
        self.queue.put(lambda: call(*arguments))

    def run_one(self) -> None:
        self.queue.get(timeout=PATIENCE)()


class OneThreadTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.calls = Calls()
        self.pool = OneThread(self.calls, "test")

    def test_daemon(self) -> None:
        """Work runs in one thread, the same each time, that does not keep the process from ending."""
        threads: list[Thread] = []
        for _ in range(2):
            self.pool.run(current_thread).addCallback(threads.append)
            self.calls.run_one()
        self.assertIs(threads[0], threads[1])
        self.assertTrue(threads[0].daemon)
        self.assertTrue(self.pool.stop())
        self.assertFalse(threads[0].is_alive())

    def test_busy(self) -> None:
        """A thread that has not come back is not waited for."""
        release = Event()
        done = self.pool.run(lambda: release.wait(PATIENCE))
        self.assertTrue(self.pool.busy)
        self.assertFalse(self.pool.stop())
        release.set()
        self.calls.run_one()
        self.assertTrue(self.successResultOf(done))
        self.assertFalse(self.pool.busy)
        self.assertTrue(self.pool.stop())
