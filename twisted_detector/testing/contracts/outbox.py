"""Contract of the queue behind the MQTT connection: :class:`mqtt.seams.IOutbox`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.model import Message
from twisted_detector.mqtt.seams import IOutbox

#: More messages than are taken at once.
_MANY = 20


class OutboxStage(Protocol):
    """An empty outbox."""

    @property
    def outbox(self) -> Any: ...

    def put(self, message: Message) -> None:
        """Queue a message."""


def outbox_contract(build: Callable[[], OutboxStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IOutbox`."""

    class OutboxContract(SynchronousTestCase):
        def setUp(self) -> None:
            self.stage = build()
            self.outbox = self.stage.outbox
            self.ready = 0

            def is_ready() -> None:
                self.ready += 1

            self.outbox.ready.add(is_ready)

        def put(self, *names: str, **more: Any) -> None:
            for name in names:
                self.stage.put(Message(f"t/{name.rstrip('0123456789')}", name.encode(), **more))

        def take(self, limit: int = 100) -> list[str]:
            items = self.outbox.take(limit)
            assert len(items) <= limit
            self.tokens = [item.token for item in items]
            return [item.message.payload.decode() for item in items]

        def test_interface(self) -> None:
            """It provides IOutbox."""
            verifyObject(IOutbox, self.outbox)
            assert (self.outbox.depth(), list(self.outbox.take(10)), self.outbox.next_due()) == (0, [], None)

        def test_order(self) -> None:
            """What is put is told to be ready, and taken once, in order; it is kept until it is acknowledged."""
            self.put("a", "b", "c")
            assert self.ready >= 1
            assert self.take() == ["a", "b", "c"]
            assert (self.take(), self.outbox.depth()) == ([], 3)

        def test_tokens(self) -> None:
            """Tokens are positive, and no two are equal, on any connection."""
            self.put("a", "b")
            self.take()
            first = self.tokens
            self.outbox.connection_lost()
            self.take()
            assert len({*first, *self.tokens}) >= 2
            assert min(*first, *self.tokens) > 0

        def test_acknowledged(self) -> None:
            """What is acknowledged is gone, whatever the order."""
            self.put("a", "b", "c")
            self.take()
            self.outbox.acknowledged(self.tokens[::-1])
            self.outbox.connection_lost()
            assert (self.take(), self.outbox.depth()) == ([], 0)

        def test_refused(self) -> None:
            """What is refused is gone, too."""
            self.put("a", "b")
            self.take()
            self.outbox.refused(self.tokens[0], "not authorised")
            self.outbox.connection_lost()
            assert (self.take(), self.outbox.depth()) == (["b"], 1)

        def test_connection_lost(self) -> None:
            """What was in flight comes again, in order, before what is newer."""
            self.put("a", "b", "c")
            self.take(100)
            self.outbox.acknowledged(self.tokens[1:2])
            self.put("d")
            self.outbox.connection_lost()
            assert self.take() == ["a", "c", "d"]

        def test_limit(self) -> None:
            """No more than the limit is taken at once; in the end everything is."""
            self.put(*(f"e{number}" for number in range(_MANY)))
            taken: list[str] = []
            while len(taken) < _MANY:
                some = self.take(4)
                assert some
                taken += some
                self.outbox.acknowledged(self.tokens)
            assert taken == [f"e{number}" for number in range(_MANY)]

        def test_republish(self) -> None:
            """Acknowledged documents come again when the broker may have lost them: all, or those of some topics."""
            self.put("a1", "b1", retain=True)
            self.put("c1")
            self.take()
            self.outbox.acknowledged(self.tokens)
            self.outbox.republish(["t/b"])
            assert self.take() == ["b1"]
            self.outbox.acknowledged(self.tokens)
            self.outbox.republish()
            assert sorted(self.take()) == ["a1", "b1"]

    return OutboxContract
