"""What the subcommands share: faults as one line, one run of the reactor."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.error import ReactorNotRunning
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import status as status_module
from twisted_detector.cli.list import list_cameras, watch
from twisted_detector.cli.status import status
from twisted_detector.cli.subcommand import run_reactor
from twisted_detector.errors import StoreError


class Faults(SynchronousTestCase):
    def test_daemon_away(self) -> None:
        """Without a daemon, status and --watch say so with exit status 1; with --quiet the status alone says it."""
        for act in (
            lambda path, out, err: status(path, use_json=False, quiet=False, out=out, err=err),
            lambda path, out, err: watch(path, out=out, err=err),
        ):
            out, err = io.StringIO(), io.StringIO()
            self.assertEqual(1, act(Path(self.mktemp()), out, err))
            self.assertEqual("", out.getvalue())
            self.assertIn("no daemon answers", err.getvalue())
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(1, status(Path(self.mktemp()), use_json=True, quiet=True, out=out, err=err))
        self.assertEqual(("", ""), (out.getvalue(), err.getvalue()))

    def test_quiet_and_well(self) -> None:
        """A daemon that answers is told by exit status 0, and with --quiet by nothing else."""
        self.patch(status_module, "send_request", lambda directory, request: {"status": "degraded"})
        out, err = io.StringIO(), io.StringIO()
        self.assertEqual(0, status(Path("state"), use_json=True, quiet=True, out=out, err=err))
        self.assertEqual(("", ""), (out.getvalue(), err.getvalue()))

    def test_nothing_to_list(self) -> None:
        """Without a daemon and without a state directory, list is exit status 1 and says what to do."""
        missing, out, err = Path(self.mktemp()), io.StringIO(), io.StringIO()
        self.assertEqual(1, list_cameras(None, missing, use_json=True, out=out, err=err))
        self.assertEqual("", out.getvalue())
        for part in (str(missing), "no daemon runs", "camdetect run", "STATE_DIR"):
            self.assertIn(part, err.getvalue())


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
