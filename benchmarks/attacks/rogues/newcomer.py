"""Device that wants a login in the way that suits it: in clear, as a Digest that it then takes, or as a token.

Settings: ``address``, ``mac``, ``scheme`` (``basic``, ``digest``, ``token``), and optionally ``clock_ahead`` (seconds),
``snapshot`` and ``media`` (targets of its choice), ``stream`` (RTSP URI), ``open`` (operations), ``port``. Any login is
taken.
"""

from __future__ import annotations

import asyncio
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
)

#: What every device answers to everybody.
PRE_AUTH = frozenset({"GetSystemDateAndTime", "GetServices", "GetCapabilities", "GetEndpointReference", "GetHostname"})
#: The shortest JPEG that is one by its first and last bytes.
PICTURE = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00\xff\xd9"


@dataclass
class Newcomer(Device):
    """:ivar scheme: how it wants to be logged in to; :ivar open: what it answers whoever asks, beside the usual."""

    scheme: str = "basic"
    open: frozenset[str] = frozenset()

    def answer(self, request: Request) -> Answer:
        if request.operation in PRE_AUTH | self.open:
            return self.open_answer(request)
        if not self.is_content(request):
            if self.scheme == "token" and request.operation:
                return not_authorized()
            return challenged(
                'Basic realm="IP Camera"'
                if self.scheme == "basic"
                else digest_challenge(f"IP Camera {self.mac}", token_hex(8))
            )
        if not request.operation:
            return Answer(200, PICTURE, content_type="image/jpeg")
        return self.open_answer(request)

    def is_content(self, request: Request) -> bool:
        """Whether it answers: a login of the kind that it wants is there, whatever it says."""
        return request.has_token if self.scheme == "token" and request.operation else bool(request.authorization)


def main() -> None:
    given = settings()
    device = Newcomer(
        given["address"],
        given.get("port", 80),
        given["mac"],
        scheme=given["scheme"],
        open=frozenset(given.get("open", ())),
        profiles=(("main", "main", given.get("stream", f"rtsp://{given['address']}:554/live")),),
        snapshot=given.get("snapshot", ""),
        media=given.get("media", ""),
        clock_ahead=given.get("clock_ahead", 0.0),
    )
    asyncio.run(serve([device], hello_every=5.0))


if __name__ == "__main__":
    main()
