"""Doubles of the MQTT room's network: reactor, loop, thread, resolver and socket of memory."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from twisted_detector.mqtt.network.buffered_socket import AttemptFailed
from twisted_detector.mqtt.network.connect import Address
from twisted_detector.mqtt.network.loop import LoopReport
from twisted_detector.mqtt.network.paho_session import Connack, Ending, Job
from twisted_detector.mqtt.seams import OutboxItem


class ThreadlessReactor(Clock):
    """A Clock whose other threads are this one."""

    def callFromThread(self, function: Callable[..., object], *arguments: Any) -> None:
        function(*arguments)


class FakeLoop:
    """The network side of one attempt, as ``NetworkLoop``; the test plays the broker."""

    def __init__(self, job: Job, *, deliver: Callable[[Any, LoopReport], None], monotonic: Callable[[], float]) -> None:
        self.job = job
        self.deliver = deliver
        self.items: list[OutboxItem] = []
        self.filters: list[str] = []
        self.qos: dict[str, int] = {}
        self.unsubscribed: list[str] = []
        self.handled_total = 0
        self.calls: list[str] = []

    def run(self) -> Ending:
        raise AssertionError("the fake thread does not run it")

    def send(self, items: Sequence[OutboxItem]) -> None:
        self.calls.append("send")
        self.items.extend(items)

    def subscribe(self, filters: Sequence[str], qos: int) -> None:
        self.calls.append("subscribe")
        self.filters.extend(filters)
        self.qos.update(dict.fromkeys(filters, qos))

    def unsubscribe(self, filters: Sequence[str]) -> None:
        self.unsubscribed.extend(filters)

    def handled(self, total: int) -> None:
        self.handled_total = total

    def close(self) -> None:
        self.calls.append("close")

    def dispose(self) -> None:
        self.calls.append("dispose")

    # --- what the broker does

    def accept(self, receive_maximum: int = 65535, protocol: int = 4) -> None:
        self.deliver(self, LoopReport(connack=Connack(receive_maximum, 0, protocol)))

    def acknowledge(self, count: int | None = None) -> list[OutboxItem]:
        """Acknowledge the first ``count`` messages that are in flight, or all."""
        taken = self.items[:count]
        del self.items[: len(taken)]
        if taken:
            self.deliver(self, LoopReport(acknowledged=[item.token for item in taken], latencies=[0.01] * len(taken)))
        return taken

    def deliver_message(self, topic: str, payload: bytes, retained: bool = False) -> None:
        self.deliver(self, LoopReport(messages=[(topic, payload, retained)]))


class FakeThread:
    """Work waits until the test ends it."""

    def __init__(self) -> None:
        self.work: Deferred[Ending] | None = None
        self.stopped = False

    @property
    def busy(self) -> bool:
        return self.work is not None

    def run(self, work: Callable[[], Any]) -> Deferred[Any]:
        self.work = Deferred()
        return self.work

    def end(self, result: Any) -> None:
        """The work returns ``result``, or raises it."""
        assert self.work is not None
        work, self.work = self.work, None
        if isinstance(result, Exception):
            work.errback(result)
        else:
            work.callback(result)

    def stop(self) -> bool:
        self.stopped = True
        return not self.busy


class FakeResolver:
    """Resolver with one address, or ``addresses``, or that fails with ``failure``."""

    failure: AttemptFailed | None = None
    addresses: tuple[Address, ...] = ()

    async def resolve(self, host: str, port: int) -> tuple[Address, ...]:
        if self.failure is not None:
            raise self.failure
        return self.addresses or ((2, (host, port)),)

    def stop(self) -> None:
        pass


class MemorySocket:
    """A socket of bytes: ``incoming`` is what the peer said, ``sent`` one entry for each call of ``send``."""

    def __init__(self) -> None:
        self.incoming: list[bytes | OSError] = []
        self.sent: list[bytes] = []
        self.room = 1 << 30
        self.closed = False

    def recv(self, size: int) -> bytes:
        if not self.incoming:
            raise BlockingIOError
        data = self.incoming.pop(0)
        if isinstance(data, OSError):
            raise data
        if len(data) > size:
            self.incoming.insert(0, data[size:])
        return data[:size]

    def send(self, data: memoryview) -> int:
        taken = min(len(data), self.room)
        if not taken:
            raise BlockingIOError
        self.room -= taken
        self.sent.append(bytes(data[:taken]))
        return taken

    def setsockopt(self, *_: object) -> None:
        pass

    def shutdown(self, _: int) -> None:
        raise OSError(errno.ENOTCONN, os.strerror(errno.ENOTCONN))

    def fileno(self) -> int:
        return -1

    def close(self) -> None:
        self.closed = True
