"""What the subcommands share: faults as one line, one run of the reactor."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli.list import watch
from twisted_detector.cli.status import status
from twisted_detector.cli.subcommand import run_reactor
from twisted_detector.errors import StoreError


class Faults(SynchronousTestCase):
    def test_daemon_away(self) -> None:
        """Without a daemon, status and --watch say so with exit status 1; --quiet writes nothing to standard output."""
        for act in (
            lambda path, out, err: status(path, use_json=False, quiet=True, out=out, err=err),
            lambda path, out, err: watch(path, out=out, err=err),
        ):
            out, err = io.StringIO(), io.StringIO()
            self.assertEqual(1, act(Path(self.mktemp()), out, err))
            self.assertEqual("", out.getvalue())
            self.assertIn("no daemon answers", err.getvalue())


class NoReactor:
    """Runs and ends at once, as far as ``react`` looks."""

    def addSystemEventTrigger(self, phase: str, event: str, call: Callable[..., object]) -> None:
        """Nothing is done at shutdown."""

    def callWhenRunning(self, call: Callable[..., object], *arguments: object) -> None:
        call(*arguments)

    def run(self) -> None:
        """Whatever did not wait has ended already."""

    def stop(self) -> None:
        raise ReactorNotRunning


class Running(SynchronousTestCase):
    reactor: Any = NoReactor()

    def test_result(self) -> None:
        """The result of the work comes back, although react() ends the process."""

        async def work() -> int:
            return 7

        self.assertEqual(7, run_reactor(self.reactor, work()))

    def test_fault(self) -> None:
        """A fault of ours is raised, for the subcommand to report."""

        async def work() -> int:
            raise StoreError("locked")

        with self.assertRaises(StoreError):
            run_reactor(self.reactor, work())

    def test_bug(self) -> None:
        """Any other exception is logged, and ends the process with status 1 instead of an empty result."""

        async def work() -> int:
            raise ZeroDivisionError

        with self.assertRaises(SystemExit) as ended:
            run_reactor(self.reactor, work())
        self.assertEqual(1, ended.exception.code)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
