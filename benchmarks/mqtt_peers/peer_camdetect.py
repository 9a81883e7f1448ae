"""Ours, with its defaults: the outbox on disk in the folder given last on the command line, or in memory without one.

Every message's Deferred is watched, as paho's ``on_publish`` is.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from measure import TOPIC, Patience, Task
from twisted.internet import reactor, task as twisted_task

from twisted_detector import __version__
from twisted_detector.model import Message
from twisted_detector.mqtt.seams import ConnectionState
from twisted_detector.mqtt.service import MqttService, MqttSettings


def main() -> None:
    task = Task.read()
    state_dir = Path(sys.argv[6]) if len(sys.argv) > 6 else None
    service = MqttService(
        reactor, MqttSettings(host="127.0.0.1", client_id="bench", port=task.port), state_dir=state_dir
    )
    payloads = [task.payload(number) for number in range(task.count)]
    acknowledged = 0

    def count(_: None) -> None:
        nonlocal acknowledged
        acknowledged += 1
        if acknowledged == task.count:
            finish()

    def finish() -> None:
        task.end(f"camdetect {__version__}", acknowledged)
        service.stopService().addBoth(lambda _: reactor.stop())

    def publish(number: int) -> None:
        service.publish(Message(TOPIC, payloads[number])).addCallback(count)

    def begin() -> None:
        task.begin()
        if not task.outage:
            for number in range(task.count):
                publish(number)
            return
        patience, published = Patience(), 0

        def tick() -> None:
            nonlocal published
            while published < task.count and published <= (time.perf_counter() - task.began) * task.rate:
                publish(published)
                published += 1
            if published == task.count and acknowledged < task.count and patience.over(acknowledged):
                ticking.stop()
                finish()

        ticking = twisted_task.LoopingCall(tick)
        ticking.start(0.005)

    def changed(_: object) -> None:
        if service.state is ConnectionState.CONNECTED:
            remove()
            # A moment for birth and subscriptions, as the peers have after their CONNACK.
            reactor.callLater(0.1, begin)

    remove = service.add_state_listener(changed)
    reactor.callWhenRunning(service.startService)
    reactor.run()


main()
