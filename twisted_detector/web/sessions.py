"""Login sessions of browsers, without a table of them.

A cookie is ``expiry.nonce.mac``: it proves that its bearer knew the token, does not contain it, and is worth nothing
once the token is changed. A restart does not log anybody out.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from hashlib import sha256

from twisted_detector.model import Secret
from twisted_detector.model.bounds import BoundedDict, BoundedSet
from twisted_detector.model.clocks import CLOCK_WAS_SET

NAME = "camdetect_session"
#: A browser that was not used for so many seconds logs in again.
LIFETIME = 30 * 86_400
#: Cookies that were logged out before their time; one more forgets the oldest of them.
MAX_REVOKED = 1024
#: Browsers that log in before a board without a battery has been told the time; of more, the first log in again.
MAX_EARLY = 64


class Sessions:
    """Maker and judge of session cookies.

    :param wall: wall seconds: a cookie's end is a date.
    :param random: gives that many random bytes.
    """

    def __init__(self, token: Secret, wall: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._digest = sha256(token.reveal().encode()).digest()
        self._key = hmac.digest(self._digest, b"camdetect web session", "sha256")
        self._wall = wall
        self._random = random
        self._revoked: BoundedSet[str] = BoundedSet(MAX_REVOKED)
        self._early: BoundedDict[str, float] = BoundedDict(MAX_EARLY)  # their ends: those in the cookies are in 1970

    def is_token(self, text: str) -> bool:
        """Whether ``text`` is the token; takes equally long however much of it is right."""
        given = sha256(text.encode("utf-8", "surrogateescape")).digest()
        return hmac.compare_digest(given, self._digest)

    def issue(self) -> str:
        """The value of a new cookie."""
        claims = f"{int(self._wall()) + LIFETIME}.{self._random(12).hex()}"
        if self._wall() < CLOCK_WAS_SET:
            self._early[claims] = self._wall() + LIFETIME
        return f"{claims}.{self._mac(claims)}"

    def is_valid(self, cookie: str) -> bool:
        """Whether a cookie is one of ours and still good."""
        claims, _, mac = cookie.rpartition(".")
        expiry = claims.partition(".")[0]
        if not hmac.compare_digest(mac.encode("utf-8", "replace"), self._mac(claims).encode()):
            return False
        return expiry.isdecimal() and self._end(claims, int(expiry)) > self._wall() and claims not in self._revoked

    def _end(self, claims: str, expiry: int) -> float:
        end = self._early.get(claims, float(expiry))
        if claims in self._early and end < CLOCK_WAS_SET <= (now := self._wall()):
            end = self._early[claims] = now + LIFETIME
        return end

    def revoke(self, cookie: str) -> None:
        """Make this cookie invalid before its time."""
        if self.is_valid(cookie):
            self._revoked.add(cookie.rpartition(".")[0])

    def _mac(self, claims: str) -> str:
        return hmac.digest(self._key, claims.encode("utf-8", "replace"), "sha256").hex()


def set_cookie(value: str, *, secure: bool, lifetime: int = LIFETIME) -> str:
    """The header ``Set-Cookie`` (RFC 6265bis): no script reads it, and no other site makes a browser send it."""
    ending = "; Secure" if secure else ""
    return f"{NAME}={value}; Path=/; Max-Age={lifetime}; HttpOnly; SameSite=Strict{ending}"
