"""Fingerprints of logins: what stands for a login in the saved records, from which the password cannot be guessed
quickly.

Each is made by scrypt (RFC 7914) with a salt of the installation, once per login: whoever reads the database needs as
long for every guess as this machine needed once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from twisted_detector.model import Login

#: scrypt's cost: 16 MiB and some 50 ms of a small board's core for one login.
WORK = 2**14
_BLOCK, _LANES = 8, 1
#: Logins whose fingerprint is kept in memory: more than there may be, with one for each camera that has its own.
_MAX_KEPT = 8_192
_OLD = re.compile(r"[0-9a-f]{24}")


class Fingerprints:
    """Maker of the fingerprints of one installation.

    :param salt: makes fingerprints of equal passwords differ between installations.
    :param work: scrypt's cost ``n``, a power of two.
    """

    def __init__(self, salt: str, *, work: int = WORK) -> None:
        self._salt = salt
        self._work = work

    def of(self, login: Login, purpose: str = "") -> str:
        """The fingerprint of a login, for one purpose; the first of a login takes scrypt's time."""
        stretched = _stretch(self._salt, login.name, login.password.reveal(), self._work)
        return "s" + hashlib.blake2b(purpose.encode(), key=stretched, digest_size=12).hexdigest()

    def tag_login(self, login: Login) -> str:
        """A short one, for the name of a variable that holds the login; whoever reads a configuration reads it."""
        return self.of(login, "variable")[1:9]

    def tag_text(self, text: str) -> str:
        """A short one of any other text, made quickly: a thousand cameras may have a secret in their paths."""
        key = hashlib.blake2b(self._salt.encode(), digest_size=32).digest()
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=4).hexdigest()

    def successors(self, old: Iterable[str], logins: Iterable[Login], purposes: Sequence[str]) -> dict[str, str]:
        """Fingerprints made before scrypt → those of today.

        Those of logins that are not configured any more get a name from which nothing can be guessed: they count on.
        """
        names = {credential: f"gone {number}" for number, credential in enumerate(sorted(old))}
        for login in logins:
            for purpose in purposes:
                names[self.old(login, purpose)] = self.of(login, purpose)
        return names

    def old(self, login: Login, purpose: str = "") -> str:
        """The fingerprint as it was before scrypt, to recognise saved ones."""
        text = f"{self._salt}\0{login.name}\0{login.password.reveal()}" + (f"\0{purpose}" if purpose else "")
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()


def is_old(fingerprint: str) -> bool:
    """Whether a saved fingerprint was made before scrypt."""
    return _OLD.fullmatch(fingerprint) is not None


@lru_cache(_MAX_KEPT)
def _stretch(salt: str, name: str, password: str, work: int) -> bytes:
    text = f"{name}\0{password}".encode("utf-8", "surrogatepass")
    return hashlib.scrypt(text, salt=f"camdetect\0{salt}".encode(), n=work, r=_BLOCK, p=_LANES, dklen=32)
