"""Resolver of names: IPv4 first, each address once, and an end where nobody answers."""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.operations.adding.names import MAX_ADDRESSES, PATIENCE, NameResolver

FOUND = (
    IPv6Address("TCP", "fd00::1", 0),
    IPv4Address("TCP", "10.0.0.5", 0),
    IPv4Address("TCP", "10.0.0.5", 0),
    IPv4Address("TCP", "10.0.0.6", 0),
)


class ResolvingReactor(Clock):
    """A reactor that knows names."""

    def __init__(self, addresses: Any, *, answers: bool = True) -> None:
        super().__init__()
        self.nameResolver = self
        self._addresses, self._answers = addresses, answers
        self.asked: list[str] = []

    def resolveHostName(self, receiver: Any, name: str) -> None:
        self.asked.append(name)
        receiver.resolutionBegan(None)
        for address in self._addresses:
            receiver.addressResolved(address)
        if self._answers:
            receiver.resolutionComplete()


class ResolverTests(SynchronousTestCase):
    def test_addresses(self) -> None:
        """IPv4 comes first, and each address once."""
        reactor = ResolvingReactor(FOUND)
        found = self.successResultOf(Deferred.fromCoroutine(NameResolver(reactor).resolve("barn.lan")))
        self.assertEqual((["10.0.0.5", "10.0.0.6", "fd00::1"], ["barn.lan"]), (found, reactor.asked))

    def test_unknown(self) -> None:
        """Nobody of that name, and nobody who answers, are no addresses; nothing is left behind."""
        self.assertEqual(
            [], self.successResultOf(Deferred.fromCoroutine(NameResolver(ResolvingReactor(())).resolve("x")))
        )
        reactor = ResolvingReactor((), answers=False)
        resolving = Deferred.fromCoroutine(NameResolver(reactor).resolve("x"))
        reactor.advance(PATIENCE)
        self.assertEqual(((), []), (self.successResultOf(resolving), reactor.getDelayedCalls()))

    def test_bounded(self) -> None:
        """A name of many hosts is a few of them."""
        many = [IPv4Address("TCP", f"10.0.0.{number}", 0) for number in range(99)]
        found = self.successResultOf(Deferred.fromCoroutine(NameResolver(ResolvingReactor(many)).resolve("x")))
        self.assertEqual(MAX_ADDRESSES, len(found))
