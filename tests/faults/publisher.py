"""A task goes in on the command line; a process that publishes by MqttService, and lines of JSON about it, come out.

Run by the tests as ``python -m tests.faults.publisher PORT STATE_DIR TASK …``: what is killed, measured or given a
jumping clock has to be a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.faults.account import StallMeter, resident_mb
from tests.faults.waiting import sleep, until
from twisted_detector.model import Message, Priority
from twisted_detector.mqtt.service import MqttService, MqttSettings
from twisted_detector.service.monotonic_reactor import monotonic_reactor

CLIENT = "publisher"


class Wall:
    """The wall clock of this process, which a task may let jump."""

    offset = 0.0

    def __call__(self) -> float:
        return time.time() + self.offset


WALL = Wall()


def tell(**what: Any) -> None:
    """One line, at once: the next instant may be the last."""
    os.write(1, json.dumps(what).encode() + b"\n")


class Publisher:
    """The service and what every task needs of it."""

    def __init__(self, steady: Any, port: int, folder: Path) -> None:
        settings = MqttSettings(host="127.0.0.1", port=port, client_id=CLIENT)
        self.service = MqttService(steady, settings, state_dir=folder)
        self.meter = StallMeter(reactor)
        self.acknowledged = 0
        self.service.add_state_listener(
            lambda change: tell(change=change.event, at=time.monotonic(), reason=change.reason)
        )

    def put(self, topic: str, payload: bytes, **message: Any) -> Deferred[None]:
        """Publish; the Deferred of being on the disk, or at the broker before that."""
        receipt = self.service.outbox.put(Message(topic, payload, **message))
        receipt.acknowledged.addCallback(self._acknowledged)
        return receipt.accepted

    def put_state(self, topic: str, payload: bytes, on_disk: Callable[[], object]) -> None:
        """Publish a state; ``on_disk`` is called once it is there, unless the broker had it before.

        A broker without persistence that loses its power with ours takes with it what it had acknowledged.
        """
        receipt = self.service.outbox.put(Message(topic, payload, retain=True))
        arrived: list[object] = []
        receipt.acknowledged.addCallback(arrived.append)

        def look() -> None:
            if not arrived:
                on_disk()

        # The acknowledgement accepts it first, in one call.
        receipt.accepted.addCallback(lambda _: reactor.callLater(0, look))  # type: ignore[attr-defined]

    def _acknowledged(self, _: object) -> None:
        self.acknowledged += 1

    def depth(self) -> int:
        return sum(self.service.outbox.figures().depth.values())

    async def settled(self, within: float = 60.0) -> None:
        await until(lambda: not self.depth(), within, lambda: self.service.outbox.figures())

    def result(self, **what: Any) -> None:
        tell(result=True, **self.meter.figures(), rss_mb=resident_mb(), acknowledged=self.acknowledged, **what)


async def stream(publisher: Publisher, first: str, rate: str) -> None:
    """Number on from ``first``, ``rate`` a second, until killed; tell each number once it is on the disk.

    Every tenth message is critical, every fiftieth goes with a state. Each is told for itself: the critical message
    overtakes the state, and may have arrived before either is on the disk.
    """
    number = int(first)

    def accepted(_: object, topic: str) -> None:
        os.write(1, b"A " + topic.encode() + b"\n")

    def state_on_disk(number: int) -> None:
        os.write(1, b"S %d\n" % number)

    tell(ready=True)
    began, so_far = time.monotonic(), 0
    while True:
        due = int((time.monotonic() - began) * float(rate))
        while so_far < due:
            if number % 50 == 0:
                publisher.put_state("state/p", b"%d" % number, partial(state_on_disk, number))
            key, priority = ("c", Priority.CRITICAL) if number % 10 == 0 else ("e", Priority.EVENT)
            topic = f"f/{CLIENT}/{key}/{number}"
            publisher.put(topic, b"%d" % number + b"." * 64, priority=priority).addCallback(accepted, topic)
            number, so_far = number + 1, so_far + 1
        await sleep(0.004)


async def drain(publisher: Publisher) -> None:
    """Send what an earlier life left behind."""
    left = publisher.depth()
    tell(ready=True, left=left)
    await until(lambda: publisher.service.client.metrics.connects, 60)
    await publisher.settled()
    await until(lambda: not publisher.service.outbox.figures().to_republish, 20)
    publisher.result(left=left)


async def flood(publisher: Publisher, count: str) -> None:
    """Queue ``count`` messages, be ready, and send them once the broker is there."""
    for number in range(int(count)):
        publisher.put(f"f/{CLIENT}/x/{number}", b"%d" % number + b"." * 200)
        if number % 500 == 499:
            await sleep(0)
    await sleep(0.5)
    publisher.meter.reset()
    tell(ready=True)
    await until(lambda: publisher.acknowledged, 60)
    began = time.monotonic()
    await publisher.settled()
    publisher.result(seconds=time.monotonic() - began)


async def threads(publisher: Publisher, number: str, each: str) -> None:
    """``number`` threads, ``each`` messages of each, as fast as possible through callFromThread."""
    barrier = threading.Barrier(int(number))

    def run(key: str) -> None:
        barrier.wait()
        for count in range(int(each)):
            reactor.callFromThread(publisher.put, f"f/{CLIENT}/{key}/{count}", b"." * 32)

    await until(lambda: publisher.service.client.metrics.connects, 20)
    tell(ready=True)
    began = time.monotonic()
    publisher.meter.reset()
    running = [threading.Thread(target=run, args=(f"t{index}",)) for index in range(int(number))]
    for thread in running:
        thread.start()
    wanted = int(number) * int(each)
    await until(lambda: publisher.acknowledged == wanted, 60)
    publisher.result(seconds=time.monotonic() - began)
    for thread in running:
        thread.join()


async def coalesce(publisher: Publisher, count: str, topics: str) -> None:
    """``count`` states on ``topics`` topics while there is no broker; be ready; send what is left of them."""
    await sleep(0.2)
    before = resident_mb()
    most = before
    publisher.meter.reset()
    for number in range(int(count)):
        # Nobody watches the receipts: what is measured is the outbox, not a hundred thousand Deferreds of a test.
        publisher.service.publish(
            Message(f"f/{CLIENT}/s{number % int(topics)}/0", b"%d" % number + b"." * 100, retain=True)
        )
        if number % 200 == 199:
            await sleep(0)
            most = max(most, resident_mb())
    await sleep(0.5)
    most = max(most, resident_mb())
    tell(ready=True)
    await publisher.settled()
    publisher.result(growth_mb=most - before, published=publisher.service.client.metrics.published)


async def jump(publisher: Publisher, *script: str) -> None:
    """Publish all the time while the wall clock jumps: each of ``script`` is ``second:jump``."""
    steps = [(float(at), float(by)) for at, _, by in (each.partition(":") for each in script)]
    tell(ready=True)
    began, number = time.monotonic(), 0
    ends = max(at for at, _ in steps) + 1.5
    slow_commit = [0.0]

    def put() -> None:
        nonlocal number
        topic, put_at = f"f/{CLIENT}/x/{number}", time.monotonic()

        def accepted(_: object) -> None:
            slow_commit[0] = max(slow_commit[0], time.monotonic() - put_at)
            os.write(1, b"A " + topic.encode() + b"\n")

        publisher.put(topic, b"." * 32).addCallback(accepted)
        number += 1

    def shift(by: float) -> None:
        tell(jumped=by, at=time.monotonic())
        WALL.offset += by

    def drive() -> None:  # from a thread: it sees the reactor's timers stand still if they do
        todo = list(steps)
        while time.monotonic() - began < ends:
            while todo and time.monotonic() - began >= todo[0][0]:
                reactor.callFromThread(shift, todo.pop(0)[1])
            reactor.callFromThread(put)
            time.sleep(0.01)
        reactor.callFromThread(finished.callback, None)

    finished: Deferred[None] = Deferred()
    driver = threading.Thread(target=drive, daemon=True)
    driver.start()
    await finished
    waits: Deferred[None] = Deferred()

    def look() -> None:
        deadline = time.monotonic() + 6
        while publisher.depth() and time.monotonic() < deadline:
            time.sleep(0.02)
        reactor.callFromThread(waits.callback, None)

    threading.Thread(target=look, daemon=True).start()
    await waits
    slowest = publisher.service.client.metrics.quantile(1.0)
    publisher.result(said=number, unsent=publisher.depth(), slowest=slowest, slow_commit=slow_commit[0])


async def idle(publisher: Publisher, seconds: str) -> None:
    """Be connected and do nothing."""
    await until(lambda: publisher.service.client.metrics.connects, 20)
    await sleep(float(seconds))
    publisher.result()


TASKS: dict[str, Callable[..., Any]] = {
    each.__name__: each for each in (stream, drain, flood, threads, coalesce, jump, idle)
}


async def run(port: str, folder: str, task: str, *arguments: str) -> None:
    reactor.seconds = WALL  # in the place of the platform's: all of Twisted's timers ask it
    publisher = Publisher(monotonic_reactor(reactor), int(port), Path(folder))
    try:
        await publisher.service.start()
        publisher.meter.start()
        await TASKS[task](publisher, *arguments)
        publisher.meter.stop()
        await publisher.service.stop()
    finally:
        reactor.callLater(0, reactor.stop)


def main() -> None:
    status: list[int] = [0]

    def failed(failure: Any) -> None:
        tell(error=failure.getTraceback())
        status[0] = 1

    reactor.callWhenRunning(lambda: Deferred.fromCoroutine(run(*sys.argv[1:])).addErrback(failed))
    reactor.run()
    sys.exit(status[0])


if __name__ == "__main__":
    main()
