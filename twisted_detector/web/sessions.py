"""The token goes in; the cookie of a logged-in browser, and whether a cookie is one of ours, come out.

A cookie is ``expiry.nonce.mac``: it proves that its bearer knew the token, does not contain it, and is worth nothing
once the token is changed. A restart does not log anybody out.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

from twisted_detector.model import Secret

NAME = "camdetect_session"
#: A browser that was not used for so many seconds logs in again.
LIFETIME = 30 * 86_400
#: Cookies that were logged out before their time; one more forgets the oldest of them.
MAX_REVOKED = 1024


class Sessions:
    """Makes and judges cookies.

    :param wall: wall seconds: a cookie's end is a date.
    :param random: gives that many random bytes.
    """

    def __init__(self, token: Secret, wall: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._digest = sha256(token.reveal().encode()).digest()
        self._key = hmac.digest(self._digest, b"camdetect web session", "sha256")
        self._wall = wall
        self._random = random
        self._revoked: OrderedDict[str, None] = OrderedDict()

    def is_token(self, text: str) -> bool:
        """Whether ``text`` is the token; takes equally long however much of it is right."""
        given = sha256(text.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(given, self._digest)

    def issue(self) -> str:
        """The value of a new cookie."""
        told = f"{int(self._wall()) + LIFETIME}.{self._random(12).hex()}"
        return f"{told}.{self._mac(told)}"

    def holds(self, cookie: str) -> bool:
        """Whether a cookie is one of ours and still good."""
        told, _, mac = cookie.rpartition(".")
        expiry = told.partition(".")[0]
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(told).encode()):
            return False
        return expiry.isdecimal() and int(expiry) > self._wall() and told not in self._revoked

    def revoke(self, cookie: str) -> None:
        """This cookie is worth nothing any more."""
        if self.holds(cookie):
            self._revoked[cookie.rpartition(".")[0]] = None
            if len(self._revoked) > MAX_REVOKED:
                self._revoked.popitem(last=False)

    def _mac(self, told: str) -> str:
        return hmac.digest(self._key, told.encode("utf-8", "replace"), "sha256").hex()


def set_cookie(value: str, *, secure: bool, lifetime: int = LIFETIME) -> str:
    """The header ``Set-Cookie`` (RFC 6265bis): no script reads it, and no other site makes a browser send it."""
    ending = "; Secure" if secure else ""
    return f"{NAME}={value}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Strict{ending}"
