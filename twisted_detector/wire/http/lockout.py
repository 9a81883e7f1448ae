"""Text of a refusal goes in; how many attempts it says are left, and whether it says that the device locks, come out.

Dahua and IMOU write "You still have N attempt(s)", Hikvision "Illegal Login Lock"; others write it in a status line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Characters of a text that are searched: a refusal is a sentence.
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
    """Warning in a refusal.

    :ivar attempts_left: None when it says nothing of the kind.
    :ivar locked: it says that the account or the address is locked.
    """

    attempts_left: int | None = None
    locked: bool = False

    @property
    def warns(self) -> bool:
        """Whether it warns at all: then no login may follow, however many attempts are left.

        They belong to the device's owner; and a device that counts has counted a failure already, ours or another's.
        """
        return self.locked or self.attempts_left is not None

    @property
    def text(self) -> str:
        """The warning, for people."""
        return "the device says that it is locked" if self.locked else "the device counts the attempts that are left"


def read_lockout(text: str) -> Lockout:
    """Read the warning in ``text``."""
    text = text[:MAX_TEXT]
    found = _ATTEMPTS.search(text)
    return Lockout(int(found[1] or found[2] or found[3]) if found else None, bool(_LOCKED.search(text)))
