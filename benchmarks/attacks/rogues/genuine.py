"""Genuine camera with the operator's login and a web server that does what an administrator asks: the victim.

It verifies Digest logins (RFC 7616, MD5, qop auth) and prints whom it let in, with the target. Settings: ``address``,
``mac``, ``stream``; the login is in ``SIMULATOR_LOGIN``. It is no rogue; it stands here because it must not share the
product's code either.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from dataclasses import dataclass, field
from secrets import token_hex

from benchmarks.attacks.rogues.device import (
    Answer,
    Device,
    Request,
    challenged,
    digest_challenge,
    serve,
    settings,
    tell,
)
from benchmarks.attacks.rogues.newcomer import PICTURE, PRE_AUTH

_FIELD = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,]+))')
#: Challenges that are remembered; each request without a login gets a new one.
MAX_NONCES = 10_000


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


@dataclass
class Genuine(Device):
    """:ivar login: ``name:password``."""

    login: str = ""
    _nonces: dict[str, None] = field(default_factory=dict)

    def answer(self, request: Request) -> Answer:
        if request.operation in PRE_AUTH and request.target.startswith("/onvif/"):
            return self.open_answer(request)
        if not self._is_proved(request):
            if request.authorization:
                tell("refused", camera=self.address, target=request.target, peer=request.peer)
            nonce = token_hex(8)
            self._nonces[nonce] = None
            while len(self._nonces) > MAX_NONCES:
                del self._nonces[next(iter(self._nonces))]
            return challenged(digest_challenge(f"Genuine {self.mac}", nonce))
        tell("granted", method=request.method, target=request.target, peer=request.peer, operation=request.operation)
        if not request.operation or not request.target.startswith("/onvif/"):
            return Answer(200, PICTURE, content_type="image/jpeg")
        return self.open_answer(request)

    def _is_proved(self, request: Request) -> bool:
        scheme, _, rest = request.authorization.partition(" ")
        if scheme.lower() != "digest":
            return False
        given = {name: quoted or plain for name, quoted, plain in _FIELD.findall(rest)}
        name, _, password = self.login.partition(":")
        if given.get("nonce") not in self._nonces or given.get("username") != name:
            return False
        if given.get("uri") != request.target:
            return False
        whole = _md5(f"{name}:{given.get('realm', '')}:{password}")
        asked = _md5(f"{request.method}:{given.get('uri', '')}")
        between = ":".join(given.get(one, "") for one in ("nonce", "nc", "cnonce", "qop"))
        return given.get("response") == _md5(f"{whole}:{between}:{asked}")


def main() -> None:
    given = settings()
    device = Genuine(
        given["address"],
        mac=given["mac"],
        name="Genuine",
        login=os.environ["SIMULATOR_LOGIN"],
        profiles=(("main", "main", given["stream"]),),
        snapshot=f"http://{given['address']}/snapshot.jpg",
    )
    asyncio.run(serve([device], hello_every=10.0))


if __name__ == "__main__":
    main()
