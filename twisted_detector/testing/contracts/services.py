"""Contract of a service that starts and stops with the daemon: Twisted's :class:`IService`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.application.service import IService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.testing.contracts.case import Contract, moments


class ServiceStage(Protocol):
    """A service that was not started yet, and what it needs.

    :ivar longest: seconds that its stop takes at most; what else the daemon has to stop waits so long.
    """

    @property
    def service(self) -> Any: ...

    @property
    def longest(self) -> float: ...

    def left_open(self) -> Sequence[object]:
        """The sockets, files, timers and subscriptions of it that are open now."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def service_contract(build: Callable[[], ServiceStage]) -> type[SynchronousTestCase]:
    """The contract of a service: it works from its start to its stop, and leaves nothing open."""

    class ServiceContract(Contract):
        def setUp(self) -> None:
            self.make_stage()

        def make_stage(self) -> None:
            self.stage = build()
            self.service = self.stage.service
            self.advance = self.stage.advance

        def stop(self) -> None:
            """Stop it: when it says that it has, nothing is open."""
            stopping: Deferred[Any] = maybeDeferred(self.service.stopService)
            self.result_of(stopping, self.stage.longest)
            assert not self.service.running
            assert list(self.stage.left_open()) == []

        def test_interface(self) -> None:
            """It provides IService, and does not run yet."""
            assert IService.providedBy(self.service)
            assert not self.service.running

        def test_idle(self) -> None:
            """Before it is started nothing is open: it may be left out for another's fault, and is not stopped then."""
            self.pass_time(1.0)
            assert list(self.stage.left_open()) == []

        def test_runs(self) -> None:
            """The start returns nothing and does not wait; it runs until its stop, and raises nothing meanwhile."""
            assert self.service.startService() is None
            assert self.service.running
            self.pass_time(5.0)
            assert self.service.running
            self.stop()
            assert self.logged_errors() == []

        def test_stopped(self) -> None:
            """It may be stopped at any moment, and does nothing from then on."""
            for moment in moments(5.0):
                self.make_stage()
                self.service.startService()
                if moment:
                    self.pass_time(moment)
                self.stop()
                self.pass_time(5.0)
                assert list(self.stage.left_open()) == []
                assert self.logged_errors() == []

    return ServiceContract
