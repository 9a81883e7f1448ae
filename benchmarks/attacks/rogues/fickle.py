"""Cameras that keep open what others close, and close what others keep open, with another login than ours.

Each refuses every login, and prints each refusal. Settings: ``cameras`` (list of ``address``, ``scheme``, ``open``:
operations that need no login), ``hello_every``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_hex

from benchmarks.attacks.rogues.device import (
    Answer,
    Device,
    Request,
    challenged,
    digest_challenge,
    not_authorized,
    serve,
    settings,
    tell,
)


@dataclass
class Fickle(Device):
    """:ivar scheme: ``digest``, ``basic``, ``both`` or ``wsse``; :ivar open: what it answers whoever asks."""

    scheme: str = "digest"
    open: frozenset[str] = frozenset()

    def answer(self, request: Request) -> Answer:
        if request.operation in self.open:
            return self.open_answer(request)
        if request.has_login:
            tell("refused", camera=self.address, scheme=self.scheme, operation=request.operation)
        if self.scheme == "wsse" and request.operation:
            return not_authorized()
        return challenged(*self._challenges())

    def rtsp_challenges(self, request: Request) -> Sequence[str]:
        if request.has_login:
            tell("refused", camera=self.address, scheme=self.scheme, operation=f"RTSP {request.method}")
        return self._challenges()

    def _challenges(self) -> Sequence[str]:
        digest, basic = digest_challenge(f"camera {self.address}", token_hex(8)), 'Basic realm="camera"'
        return {"basic": (basic,), "both": (digest, basic)}.get(self.scheme, (digest,))


def main() -> None:
    given = settings()
    cameras = [
        Fickle(
            one["address"],
            name=f"Fickle {number}",
            scheme=one["scheme"],
            open=frozenset(one["open"]),
            profiles=(("main", "main", f"rtsp://{one['address']}:554/live"),),
            snapshot=f"http://{one['address']}/snapshot.jpg",
        )
        for number, one in enumerate(given["cameras"])
    ]
    asyncio.run(serve(cameras, hello_every=given["hello_every"], quiet=True, rtsp=True))


if __name__ == "__main__":
    main()
