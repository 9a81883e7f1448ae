"""Whoever holds the reactor's thread for a second is named with its stack, and nobody else."""

from __future__ import annotations

import threading  # noqa: TID251  what is watched is a thread
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.service.extensions.record import PluginRecord, Stall
from twisted_detector.service.extensions.stalls import LOOK_SECONDS, SAMPLE_SECONDS, STALL_SECONDS, StallWatchdog
from twisted_detector.service.extensions.supervision import Supervision

#: Looks of the thread that a test waits for at most; it needs three.
_PATIENCE = 1500


class StallTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.now = 0.0
        self.told: list[tuple[str, Stall, int]] = []
        self.watchdog = StallWatchdog(lambda: self.now, self.report)
        self.addCleanup(self.watchdog.stop)
        self.acme, self.other = PluginRecord("acme"), PluginRecord("other")

    def report(self, record: PluginRecord, stall: Stall) -> None:
        self.told.append((record.name, stall, threading.get_ident()))

    def wait(self, until: Callable[[], object]) -> None:
        pause = threading.Event()
        for _ in range(_PATIENCE):
            if until():
                return
            pause.wait(LOOK_SECONDS / 10)
        self.fail("the watchdog does not look")

    def block_here(self, seconds: float) -> None:
        """The plugin's own function, in which it holds the thread."""
        self.now += seconds
        self.wait(lambda: self.watchdog._sample is not None)

    def test_named_with_its_stack(self) -> None:
        """A call of more than a second is told when it ends, with the stack where it was."""
        before = self.watchdog.enter(self.acme)
        self.block_here(SAMPLE_SECONDS)
        self.assertEqual([], self.told)
        self.now += STALL_SECONDS
        self.watchdog.leave(before)
        ((name, stall, _),) = self.told
        self.assertEqual("acme", name)
        self.assertIn("in block_here", stall.stack)
        self.assertLessEqual(STALL_SECONDS, stall.seconds)

    def test_never_returns(self) -> None:
        """A call that does not return is told from the watchdog's thread, once."""
        before = self.watchdog.enter(self.acme)
        self.block_here(2 * STALL_SECONDS)
        self.wait(lambda: self.told)
        ((name, stall, thread),) = self.told
        self.assertNotEqual(threading.get_ident(), thread)
        self.assertEqual(("acme", True), (name, "in block_here" in stall.stack))
        self.now += 10.0
        self.watchdog.leave(before)
        self.assertEqual(1, len(self.told))

    def test_quick(self) -> None:
        """Calls of less than a second, however many, are not told."""
        for _ in range(1000):
            before = self.watchdog.enter(self.acme)
            self.now += STALL_SECONDS - 0.01
            self.watchdog.leave(before)
        self.assertEqual([], self.told)

    def test_within(self) -> None:
        """Time in another plugin's call within is that one's: whoever publishes is not blamed for who listens."""
        outer = self.watchdog.enter(self.acme)
        inner = self.watchdog.enter(self.other)
        self.now += 3.0
        self.watchdog.leave(inner)
        self.watchdog.leave(outer)
        self.assertEqual(["other"], [name for name, _, _ in self.told])

    def test_sleeps(self) -> None:
        """Without calls the thread sleeps, and the next call wakes it."""
        self.watchdog.leave(self.watchdog.enter(self.acme))
        self.wait(lambda: self.watchdog._sleeps)
        before = self.watchdog.enter(self.acme)
        self.block_here(SAMPLE_SECONDS)
        self.watchdog.leave(before)
        self.wait(lambda: self.watchdog._sleeps)

    def test_ends(self) -> None:
        """It ends with the daemon, whether it sleeps or not; without a plugin there is no thread."""
        self.assertIsNone(self.watchdog._thread)
        self.watchdog.leave(self.watchdog.enter(self.acme))
        thread: Any = self.watchdog._thread
        self.wait(lambda: self.watchdog._sleeps)
        self.watchdog.stop()
        thread.join(10.0)
        self.assertFalse(thread.is_alive())


class Telling(SynchronousTestCase):
    def test_log(self) -> None:
        """The log names it with the stack, at most once a minute; every stall is counted."""
        lines: list[str] = []
        now = [0.0]
        log = SimpleNamespace(error=lambda text, **named: lines.append(text.format(**named)))
        self.patch(Supervision, "log", log)
        supervision = Supervision(lambda: now[0])
        record = supervision.record("acme")
        for _ in range(3):
            supervision._stalled(record, Stall(1.5, "File acme.py, in sweep"))
        now[0] = 61.0
        supervision._stalled(record, Stall(2.5, ""))
        self.assertEqual((4, Stall(2.5, "")), (record.stalls, record.last_stall))
        self.assertEqual(2, len(lines))
        self.assertIn("Plugin acme held everything up for 1.5 s", lines[0])
        self.assertIn("It was here:\nFile acme.py, in sweep", lines[0])

    def test_of_a_coroutine(self) -> None:
        """Each step of a plugin's coroutine is a call: it is blamed for what it does, not for what it waits for."""
        now = [0.0]
        supervision = Supervision(lambda: now[0])
        self.addCleanup(supervision.stop)
        self.patch(Supervision, "log", SimpleNamespace(error=lambda *_, **__: None))
        from twisted.internet.defer import Deferred

        first: Deferred[None] = Deferred()
        second: Deferred[None] = Deferred()

        class Slow:
            name = "slow"

            async def sweep(self, sink: object) -> None:
                await first
                now[0] += 2.0
                await second

        part = supervision.guard("slow").part(Slow())
        sweeping = Deferred.fromCoroutine(part.sweep(None))
        now[0] += 100.0
        self.assertEqual(0, supervision.record("slow").stalls)
        first.callback(None)
        self.assertEqual(1, supervision.record("slow").stalls)
        now[0] += 100.0
        second.callback(None)
        self.successResultOf(sweeping)
        self.assertEqual(1, supervision.record("slow").stalls)
