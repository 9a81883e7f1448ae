"""The account of a rude camera: Digest over the bytes as they are, a WS-UsernameToken, and each failed login counted.

It counts as the rudest firmware does: whatever is sent as a login and does not fit is a failure, an aged nonce too.
Each is printed, as ``failed WHERE WHY``; the first login that fits as ``granted WHERE``.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from dataclasses import dataclass, field

from twisted_detector.testing.simulator.wire.soap import parse_time, read_username_token
from twisted_detector.wire.soap.xml import Element

_PARAMETER = re.compile(r'(\w+)=(?:"([^"]*)"|([^",\s]+))')


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


@dataclass
class Account:
    """One account, for HTTP and RTSP alike.

    :ivar realm: the bytes of the realm, in whatever encoding the firmware has.
    :ivar one_time: where (``http``, ``rtsp``) a nonce is good for one request.
    :ivar nonce_seconds: for which one is good elsewhere; an older one is refused without a word of it.
    """

    name: str
    password: str
    realm: bytes = b"IP Camera"
    one_time: tuple[str, ...] = ()
    nonce_seconds: float = 1e9
    _made_at: float = 0.0
    _nonces: dict[str, str] = field(default_factory=dict)  #: where each is good
    _granted: set[str] = field(default_factory=set)

    def nonce(self, where: str) -> str:
        """A nonce that is good there from now on."""
        if time.monotonic() - self._made_at > self.nonce_seconds:
            self._nonces.clear()
            self._made_at = time.monotonic()
        if where in self.one_time or where not in self._nonces.values():
            self._nonces[secrets.token_hex(16)] = where
        return [nonce for nonce, there in self._nonces.items() if there == where][-1]

    def takes_digest(self, where: str, authorization: bytes, method: str) -> bool:
        """Whether this is the right Digest login; nothing is counted when there is none."""
        if not authorization:
            return False
        scheme, _, rest = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "digest":
            return self.fails(where, f"{scheme} is not taken")
        given = {key.lower(): quoted or bare for key, quoted, bare in _PARAMETER.findall(rest)}
        if given.get("realm", "").encode("latin-1") != self.realm:
            return self.fails(where, f"realm {given.get('realm')!r}")
        nonce = given.get("nonce", "")
        if time.monotonic() - self._made_at > self.nonce_seconds:
            return self.fails(where, "an aged nonce")
        if self._nonces.get(nonce) != where:
            return self.fails(where, "an old nonce")
        if where in self.one_time:
            del self._nonces[nonce]
        one = md5(b":".join((self.name.encode(), self.realm, self.password.encode())))
        two = md5(f"{method}:{given.get('uri', '')}".encode())
        between = f":{given['nc']}:{given['cnonce']}:{given['qop']}" if "qop" in given else ""
        if given.get("username") != self.name or given.get("response") != md5(f"{one}:{nonce}{between}:{two}".encode()):
            return self.fails(where, "a wrong response")
        return self.grants(where)

    def takes_token(self, header: Element | None, now: float, window: float) -> bool:
        """Whether a SOAP header has the right token, made within ``window`` seconds of the device's ``now``."""
        token = read_username_token(header)
        if token is None:
            return False
        if token.plain or token.name != self.name or not token.proves(self.password):
            return self.fails("token", "a wrong token")
        if abs(parse_time(token.created) - now) > window:
            return self.fails("token", f"made at {token.created}")
        return self.grants("token")

    def grants(self, where: str) -> bool:
        if where not in self._granted:
            self._granted.add(where)
            print("granted", where, flush=True)
        return True

    @staticmethod
    def fails(where: str, why: str) -> bool:
        print("failed", where, why, flush=True)
        return False
