"""What a device says when it refuses a login goes in; how many attempts are left, and whether it locks, comes out.

Dahua and IMOU write "You still have N attempt(s)", Hikvision "Illegal Login Lock"; others say it in a status line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Characters of a text in which such words are looked for: a refusal is a sentence, not a book.
MAX_TEXT = 4000
_ATTEMPTS = re.compile(
    r"\b(\d{1,4})\s+(?:more\s+|remaining\s+)?(?:login\s+)?attempt"
    r"|(?:remain\w*|left)\s+(?:login\s+)?attempts?(?:\(s\))?\s*(?:is\b|[:=])?\s*(\d{1,4})\b"
    r"|attempts?(?:\(s\))?\s+(?:left|remain\w*)\s*[:=]?\s*(\d{1,4})\b",
    re.I,
)
_LOCKED = re.compile(r"\block(?:s|ed|out|ing)?\b|\bblocked\b|\btoo many\b|\billegal login\b|\bbanned\b", re.I)


@dataclass(frozen=True, slots=True)
class Lockout:
    """What a refusal says of the attempts that come after it.

    :ivar attempts_left: None when it says nothing of the kind.
    :ivar locked: it says that the account or the address is locked.
    """

    attempts_left: int | None = None
    locked: bool = False

    @property
    def counts(self) -> bool:
        """Whether it says anything at all: then no login may follow, however many attempts are left.

        They are its owner's; and who counts aloud has counted something already, ours or another's.
        """
        return self.locked or self.attempts_left is not None

    @property
    def words(self) -> str:
        """What it says, for people."""
        return "the device says that it is locked" if self.locked else "the device counts the attempts that are left"


def read_lockout(text: str) -> Lockout:
    """What ``text`` warns of."""
    text = text[:MAX_TEXT]
    found = _ATTEMPTS.search(text)
    return Lockout(int(found[1] or found[2] or found[3]) if found else None, bool(_LOCKED.search(text)))
