"""Contract of :class:`INeighbours`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Mac

HERE, THERE = "10.0.0.5", "10.0.0.6"
OWN, OTHER_OWN = "10.0.0.9", "10.0.1.9"
MAC, OTHER_MAC = Mac("02:00:00:00:00:05"), Mac("02:00:00:00:00:06")


class NeighboursStage(Protocol):
    """Neighbours of a machine with one link up and one address on it, 10.0.0.9/24, and no neighbour known.

    :ivar neighbours: ready: what it can know it knows.
    """

    @property
    def neighbours(self) -> INeighbours: ...

    @property
    def sent(self) -> Sequence[str]:
        """The addresses that something was sent to, or would have been, by calls of ``neighbours``."""

    def learn(self, address: str, mac: Mac | None) -> None:
        """The kernel finds ``mac`` at ``address``, or (None) that none answers there."""

    def set_own_addresses(self, *addresses: str) -> None:
        """The link has these addresses from now on, each of a /24."""

    def set_link(self, *, up: bool) -> None:
        """The link goes up or down."""

    def repeat(self) -> None:
        """The kernel repeats its messages about links and addresses."""

    def stop(self) -> None:
        """End it, and check that nothing is left open."""


def neighbours_contract(build: Callable[[], NeighboursStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`INeighbours`: each watcher is called once for each change, and nothing is sent for it."""

    class NeighboursContract(SynchronousTestCase):
        def setUp(self) -> None:
            self.stage = build()
            self.addCleanup(self.stage.stop)
            self.neighbours: Any = self.stage.neighbours
            self.calls: list[tuple[str, Mac | None]] = []
            self.interface_changes: list[set[str]] = []

        def watch(self) -> Callable[[], None]:
            unwatch: Callable[[], None] = self.neighbours.watch(
                lambda address, mac: self.calls.append((address, mac)),
                interfaces_changed=lambda: self.interface_changes.append(self.own_addresses()),
            )
            return unwatch

        def own_addresses(self) -> set[str]:
            interfaces = self.successResultOf(Deferred.fromCoroutine(self.neighbours.interfaces()))
            return {one.address for one in interfaces if not one.loopback and one.version == 4}

        def test_interface(self) -> None:
            """It provides INeighbours."""
            verifyObject(INeighbours, self.neighbours)

        def test_known(self) -> None:
            """``known`` has every usable neighbour and no other, and nothing is sent for it."""
            assert dict(self.neighbours.known()) == {}
            self.stage.learn(HERE, MAC)
            self.stage.learn(THERE, OTHER_MAC)
            self.stage.learn(HERE, None)
            assert dict(self.neighbours.known()) == {THERE: OTHER_MAC}
            assert list(self.stage.sent) == []

        def test_neighbours(self) -> None:
            """Each watcher is called once for every usable neighbour, and for every one that stops answering."""
            for watchers in (1, 2):
                self.watch()
                self.calls.clear()
                self.stage.learn(HERE, MAC)
                self.stage.learn(HERE, OTHER_MAC)
                self.stage.learn(HERE, None)
                one_each = [(HERE, MAC), (HERE, OTHER_MAC), (HERE, None)]
                assert self.calls == [call for call in one_each for _ in range(watchers)]
            assert (self.interface_changes, list(self.stage.sent)) == ([], [])

        def test_addresses(self) -> None:
            """Each watcher is called once for a new address of this machine, and for one that goes, at that time."""
            for watchers in (1, 2):
                self.watch()
                self.interface_changes.clear()
                self.stage.set_own_addresses(OWN, OTHER_OWN)
                self.stage.set_own_addresses(OWN)
                assert self.interface_changes == [{OWN, OTHER_OWN}] * watchers + [{OWN}] * watchers
            assert (self.calls, list(self.stage.sent)) == ([], [])

        def test_links(self) -> None:
            """Watchers are called for a link that goes down or comes up too."""
            self.watch()
            self.stage.set_link(up=False)
            self.stage.set_link(up=True)
            assert self.interface_changes == [set(), {OWN}]

        def test_repetitions(self) -> None:
            """Watchers are not called for links and addresses that are repeated unchanged."""
            self.watch()
            self.stage.repeat()
            assert self.interface_changes == []

        def test_unwatch(self) -> None:
            """A watcher that ended is called no more, however often it ends; others are not concerned."""
            unwatch = self.watch()
            self.watch()
            unwatch()
            unwatch()
            self.stage.learn(HERE, MAC)
            self.stage.set_link(up=False)
            assert (self.calls, len(self.interface_changes)) == ([(HERE, MAC)], 1)

        def test_one_kind(self) -> None:
            """A watcher of neighbours alone is not called for interfaces, which is no fault."""
            self.neighbours.watch(lambda address, mac: self.calls.append((address, mac)))
            self.stage.set_link(up=False)
            self.stage.set_link(up=True)
            self.stage.learn(HERE, MAC)
            assert self.calls == [(HERE, MAC)]

    return NeighboursContract
