"""paho-mqtt with ``loop_start`` and its defaults, as most programs use it."""

from __future__ import annotations

import threading
import time
from importlib.metadata import version

from measure import TOPIC, Patience, Task
from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion


def main() -> None:
    task = Task.read()
    connected, done = threading.Event(), threading.Event()
    acknowledged = 0

    def on_publish(*_: object) -> None:
        nonlocal acknowledged
        acknowledged += 1
        if acknowledged == task.count:
            done.set()

    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="bench")
    client.on_connect = lambda *_: connected.set()
    client.on_publish = on_publish
    client.connect("127.0.0.1", task.port)
    client.loop_start()
    connected.wait(10)
    payloads = [task.payload(number) for number in range(task.count)]
    task.begin()
    for number, payload in enumerate(payloads):
        if task.outage:
            time.sleep(task.due(number))
        client.publish(TOPIC, payload, qos=1)
    patience = Patience()
    while not done.wait(0.25 if task.outage else None) and not patience.over(acknowledged):
        pass
    task.end(f"paho-mqtt {version('paho-mqtt')}", acknowledged)


main()
