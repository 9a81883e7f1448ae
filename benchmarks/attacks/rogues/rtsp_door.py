"""Device that knows RTSP alone, and asks for the login in the way that suits it. Settings: ``address``, ``scheme``."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

from benchmarks.attacks.rogues.device import Device, Request, digest_challenge, serve_rtsp, settings, tell


@dataclass
class Door(Device):
    """:ivar scheme: ``basic`` or ``digest``."""

    scheme: str = "basic"

    def rtsp_challenges(self, request: Request) -> Sequence[str]:
        if self.scheme == "digest":
            return (digest_challenge(f"IP Camera {self.address}", token_hex(8)),)
        return super().rtsp_challenges(request)


async def run() -> None:
    given = settings()
    await serve_rtsp(Door(given["address"], scheme=given["scheme"]))
    tell("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(run())
