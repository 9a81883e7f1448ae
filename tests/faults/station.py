"""A broker's port goes in; an MqttService with a state directory that keeps books of what it said comes out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twisted.internet import reactor

from tests.faults.account import Account, Ledger, StallMeter, excused
from tests.faults.waiting import until
from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.service import MqttService, MqttSettings


class Station:
    """A publisher with numbered messages. ``settings``: as of MqttSettings; an outbox of 50 000 messages.

    :ivar changes: of the connection, each with its monotonic time. :ivar acknowledged_at: of messages, in order.
    :ivar failed: messages whose Deferred failed.
    """

    def __init__(
        self, folder: Path, port: int, *, client_id: str = "faults", on: Any = reactor, **settings: Any
    ) -> None:
        self.events: list[Any] = []
        self.folder = folder
        self.service = MqttService(
            on,
            MqttSettings(**{"host": "127.0.0.1", "port": port, "client_id": client_id, **settings}),
            state_dir=folder,
            emit=self.events.append,
        )
        self.client_id = client_id
        self.ledger = Ledger()
        self.changes: list[tuple[float, ConnectionChange]] = []
        self.acknowledged_at: list[float] = []
        self.failed: list[Any] = []
        self.meter = StallMeter(reactor)
        self._numbers: dict[str, int] = {}
        self._stopped = False
        self.service.add_state_listener(lambda change: self.changes.append((time.monotonic(), change)))

    async def start(self) -> Station:
        await self.service.start()
        self.meter.start()
        return self

    async def stop(self) -> None:
        if not self._stopped:
            self._stopped = True
            self.meter.stop()
            await self.service.stop()

    @property
    def connected(self) -> bool:
        return self.service.state is ConnectionState.CONNECTED

    async def connects(self, within: float = 10.0) -> Station:
        await until(lambda: self.connected, within, lambda: self.service.client.reason)
        return self

    def say(self, count: int, key: str = "x", size: int = 32, **message: Any) -> None:
        """Publish the next ``count`` messages of ``key``; each has a topic of its own."""
        first = self._numbers.get(key, 0)
        self._numbers[key] = first + count
        with excused():
            self._say(range(first, first + count), key, size, message)

    def _say(self, numbers: range, key: str, size: int, message: dict[str, Any]) -> None:
        for number in numbers:
            topic = f"f/{self.client_id}/{key}/{number}"
            said = self.service.publish(Message(topic, b"%d " % number + b"." * size, **message))
            self.ledger.accept(topic)
            said.addCallbacks(lambda _: self.acknowledged_at.append(time.monotonic()), self.failed.append)

    def say_state(self, topic: str, text: str) -> None:
        """Publish a retained document."""
        self.service.publish(Message(topic, text.encode(), retain=True, priority=Priority.STATE))

    async def settled(self, within: float = 20.0) -> None:
        """Until everything is acknowledged."""
        figures = self.service.outbox.figures
        await until(lambda: not sum(figures().depth.values()), within, lambda: figures())
        assert not self.failed, self.failed[:3]

    def since(self, moment: float, *events: str) -> float:
        """Seconds from ``moment`` to the first later change that is one of ``events``."""
        return next(at for at, change in self.changes if at >= moment and change.event in events) - moment

    def first_acknowledgement(self, moment: float) -> float:
        """Seconds from ``moment`` to the first later acknowledgement."""
        return next(at for at in self.acknowledged_at if at >= moment) - moment

    def balance(self, fault: str, arrivals: Sequence[str], **figures: Any) -> Account:
        """See :meth:`LoginHistoryStore.balance`; with what this process measured."""
        mine = [topic for topic in arrivals if topic.startswith(f"f/{self.client_id}/")]
        return self.ledger.balance(fault, mine, **{**self.meter.figures(), **figures})

    def check_pairs(self) -> None:
        """Every ``connecting`` has one ``connected`` or ``refused``, every ``connected`` one ``disconnected``."""
        state = "out"
        follows = {
            "out": {"connecting": "trying"},
            "trying": {"connected": "in", "refused": "out"},
            "in": {"disconnected": "out"},
        }
        for _, change in self.changes:
            if change.event in ("failed", "stopped", "degraded"):
                continue
            assert change.event in follows[state], [each.event for _, each in self.changes]
            state = follows[state][change.event]
