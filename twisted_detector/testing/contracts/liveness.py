"""Contract of :class:`ILiveness`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.errors import LocalError
from twisted_detector.interfaces import ILiveness
from twisted_detector.testing.contracts.case import Contract, moments

HERE, THERE = "10.0.0.5", "10.0.0.6"
#: Seconds that a check takes at most, and packets that it sends.
_LONGEST = 1.0
_PACKETS = 8


class LivenessStage(Protocol):
    """A liveness check on 10.0.0.0/24, where no device is."""

    @property
    def liveness(self) -> Any: ...

    def set_device(self, address: str, *ports: int) -> None:
        """A device is at 10.0.0.5 or 10.0.0.6, and these TCP ports of it are open; other ports refuse."""

    def remove_device(self, address: str) -> None:
        """Nobody is there any more, and nobody answers."""

    def fail(self) -> None:
        """This machine cannot connect from now on."""

    def sent(self) -> int:
        """How many packets, or attempts, were sent so far."""

    def left_open(self) -> Sequence[object]:
        """The sockets and timers that are open now."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def liveness_contract(build: Callable[[], LivenessStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`ILiveness`."""

    class LivenessContract(Contract):
        def setUp(self) -> None:
            self.make_stage()

        def make_stage(self) -> None:
            self.stage = build()
            self.advance = self.stage.advance

        def is_alive(self, address: str, *ports: int) -> bool:
            return self.asked(self.stage.liveness.is_alive(address, ports))

        def accepts(self, address: str, *ports: int) -> bool:
            return self.asked(self.stage.liveness.accepts(address, ports))

        def asked(self, asking: Any) -> bool:
            before = self.stage.sent()
            answer: bool = self.result_of(asking, _LONGEST)
            assert self.stage.sent() - before <= _PACKETS
            assert list(self.stage.left_open()) == []
            return answer

        def test_interface(self) -> None:
            """It provides ILiveness."""
            verifyObject(ILiveness, self.stage.liveness)

        def test_alive(self) -> None:
            """Any answer shows that a device is there, that of a closed port too; silence shows that none is."""
            self.stage.set_device(HERE, 554)
            assert [self.is_alive(HERE, *ports) for ports in ((554,), (8554,), (), (8554, 554))] == [True] * 4
            assert [self.is_alive(THERE, *ports) for ports in ((554,), ())] == [False] * 2
            self.stage.remove_device(HERE)
            assert not self.is_alive(HERE, 554)

        def test_accepts(self) -> None:
            """Only an open port accepts; a port that refuses is another device's, or of a service that has ended."""
            self.stage.set_device(HERE, 554, 80)
            assert [self.accepts(HERE, *ports) for ports in ((554,), (8554, 80))] == [True, True]
            assert [self.accepts(HERE, *ports) for ports in ((8554,), ())] == [False, False]
            assert not self.accepts(THERE, 554, 80)

        def test_cannot_connect(self) -> None:
            """Where this machine cannot connect nothing is known of the device, and that is raised."""
            self.stage.set_device(HERE, 554)
            self.stage.fail()
            self.error_of(self.stage.liveness.accepts(HERE, (554,)), (OSError, LocalError), _LONGEST)
            assert list(self.stage.left_open()) == []

        def test_cancelled(self) -> None:
            """It may be cancelled at any moment, and leaves nothing open."""
            for moment in moments(_LONGEST):
                for method in ("is_alive", "accepts"):
                    self.make_stage()
                    self.cancel_after(getattr(self.stage.liveness, method)(HERE, (554,)), moment)
                    assert list(self.stage.left_open()) == []

    return LivenessContract
