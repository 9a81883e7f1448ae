"""Host with open TCP ports where no camera is: prints the first line of whatever comes.

Settings: ``address``, ``ports``.
"""

from __future__ import annotations

import asyncio

from benchmarks.attacks.rogues.device import settings, tell


async def run() -> None:
    given = settings()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = writer.get_extra_info("sockname")[1]
        tell("connected", port=port, peer=writer.get_extra_info("peername")[0])
        try:
            async with asyncio.timeout(10):
                line = await reader.readline()
                tell("request", port=port, line=line.decode("latin-1").strip()[:200])
                writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                await writer.drain()
        except (TimeoutError, OSError):
            pass
        finally:
            writer.close()

    for port in given["ports"]:
        await asyncio.start_server(handle, given["address"], port)
    tell("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run())
