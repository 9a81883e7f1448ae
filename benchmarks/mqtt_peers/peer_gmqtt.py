"""gmqtt with MQTT 3.1.1, as everybody here: with MQTT 5 it refuses a message beyond the broker's Receive Maximum of 20.

It has no callback for an acknowledgement, but its storage knows what is left.
"""

from __future__ import annotations

import asyncio
import logging
from importlib.metadata import version

from gmqtt import Client
from gmqtt.mqtt.constants import MQTTv311
from measure import TOPIC, Patience, Task


async def main() -> None:
    # It logs each lost connection with a traceback, which would be measured with it.
    logging.disable(logging.CRITICAL)
    task = Task.read()
    connected = asyncio.Event()
    client = Client("bench")
    client.on_connect = lambda *_: connected.set()
    await client.connect("127.0.0.1", task.port, version=MQTTv311)
    await connected.wait()
    payloads = [task.payload(number) for number in range(task.count)]
    refused = 0
    task.begin()
    for number, payload in enumerate(payloads):
        if task.outage:
            await asyncio.sleep(task.due(number))
        try:
            client.publish(TOPIC, payload, qos=1)
        except Exception:
            refused += 1  # counted, and not acknowledged: this client keeps nothing while it is offline
    storage = client._persistent_storage
    if task.outage:
        patience = Patience()
        while not storage.is_empty and not patience.over(-len(storage.get_all())):  # noqa: ASYNC110  to give up
            await asyncio.sleep(0.1)
    else:
        await storage.wait_empty()
    task.end(f"gmqtt {version('gmqtt')}", task.count - refused - len(storage.get_all()))


asyncio.run(main())
