"""aiomqtt, each publish awaited; over an outage with the reconnect loop of its documentation.

The message whose await failed is published again, by this program: aiomqtt keeps nothing.
"""

from __future__ import annotations

import asyncio
from importlib.metadata import version

import aiomqtt
from measure import TOPIC, Task


async def main() -> None:
    task = Task.read()
    payloads = [task.payload(number) for number in range(task.count)]
    number = 0
    while number < task.count:
        try:
            async with aiomqtt.Client("127.0.0.1", task.port, identifier="bench") as client:
                if not number:
                    task.begin()
                while number < task.count:
                    if task.outage:
                        await asyncio.sleep(task.due(number))
                    await client.publish(TOPIC, payloads[number], qos=1)
                    number += 1
        except aiomqtt.MqttError:
            await asyncio.sleep(1)
    task.end(f"aiomqtt {version('aiomqtt')}", number)


asyncio.run(main())
