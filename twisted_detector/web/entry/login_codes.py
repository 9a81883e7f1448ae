"""Table of one-time codes: a link with one signs a browser in, and is then worth nothing.

A code is not the token and does not lead to it, so it may stand on a screen or in a log for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256

from twisted_detector.model.bounds import BoundedDict

#: Seconds for which a code that nobody used is good: to walk to another machine and open the link there.
LIFETIME = 30 * 60
#: Letters and digits that a person does not take for another one.
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
#: Characters in each half: 10 of 31 are 2^49 codes, of which an address may try 155 in LIFETIME (``web/access.py``).
_HALF = 5
#: Codes that wait to be used; one more takes the place of the oldest.
MAX_CODES = 16


class LoginCodes:
    """Maker and judge of one-time codes. They are kept in memory only, as digests.

    :param monotonic: seconds that never jump.
    :param random: gives that many random bytes.
    """

    def __init__(self, monotonic: Callable[[], float], random: Callable[[int], bytes]) -> None:
        self._monotonic = monotonic
        self._random = random
        self._expiries: BoundedDict[bytes, float] = BoundedDict(MAX_CODES)

    def issue(self) -> str:
        """A new code, ``abcde-fghjk``."""
        code = "-".join("".join(self._character() for _ in range(_HALF)) for _ in range(2))
        self._expiries[_digest(code)] = self._monotonic() + LIFETIME
        return code

    def redeem(self, code: str) -> bool:
        """Whether ``code`` is good; it is not any more after this."""
        expiry = self._expiries.pop(_digest(code), None)
        return expiry is not None and self._monotonic() < expiry

    def _character(self) -> str:
        # Of 256 bytes 248 are a multiple of 31: the others would make some characters likelier.
        whole = 256 - 256 % len(_ALPHABET)
        while (byte := self._random(1)[0]) >= whole:
            pass
        return _ALPHABET[byte % len(_ALPHABET)]


def _digest(code: str) -> bytes:
    return sha256(code.encode("utf-8", "surrogateescape")).digest()
