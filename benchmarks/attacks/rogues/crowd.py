"""One host that is ten thousand devices: each has an EndpointReference, says Hello, and answers as a camera does.

Their streams are refused. Settings: ``addresses`` (of this host), ``devices``, ``rate`` (Hellos a second), ``mac``.
"""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass

from benchmarks.attacks.rogues.device import (
    GROUP,
    Answer,
    Device,
    Request,
    read_request,
    settings,
    speaker,
    tell,
    written,
)


@dataclass
class Crowd(Device):
    """:ivar number: which of them it is."""

    number: int = 0

    def answer(self, request: Request) -> Answer:
        return self.open_answer(request)


def member(number: int, address: str, mac: str) -> Crowd:
    return Crowd(
        address,
        mac=mac,
        name=f"Crowd {number}",
        number=number,
        path=f"/onvif/{number}/device_service",
        media=f"http://{address}/onvif/{number}/media",
        profiles=(("main", "main", f"rtsp://{address}:554/{number}"),),
        reference=uuid.UUID(int=0x0DEF_0000_0000_4000_8000_0000_0000_0000 + number).urn,
    )


async def run() -> None:
    given = settings()
    addresses: list[str] = given["addresses"]
    members = [member(n, addresses[n % len(addresses)], given["mac"]) for n in range(given["devices"])]
    by_number = {str(one.number): one for one in members}

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(15):
                request = await read_request(reader, "")
                if request is not None:
                    parts = request.target.split("/")
                    device = by_number.get(parts[2] if len(parts) > 2 else "")
                    writer.write(written(device.answer(request) if device else Answer(404)))
                    await writer.drain()
        except (TimeoutError, OSError):
            pass
        finally:
            writer.close()

    await asyncio.start_server(handle, "0.0.0.0", 80, backlog=1024)  # all of its addresses
    speakers = {address: speaker(address, "eth0") for address in addresses}
    tell("ready")
    loop = asyncio.get_running_loop()
    began, sent = loop.time(), 0
    while True:
        for _ in range(max(1, min(50, int((loop.time() - began) * given["rate"]) - sent))):
            device = members[sent % len(members)]
            speakers[device.address].sendto(device.hello(), GROUP)
            sent += 1
            if sent % len(members) == 0:
                tell("round", sent=sent, seconds=round(loop.time() - began, 1))
        await asyncio.sleep(1 / given["rate"])


if __name__ == "__main__":
    asyncio.run(run())
