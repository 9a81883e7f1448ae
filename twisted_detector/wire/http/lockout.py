"""Text of a refusal goes in; how many attempts it says are left, and whether it says that the device locks, come out.

Dahua and IMOU write "You still have N attempt(s)", Hikvision "Illegal Login Lock" or an element ``retryLoginTime``;
others write it in a status line, some in Chinese whatever their language.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

#: Characters of a text that are searched: a refusal is a sentence.
MAX_TEXT = 4000
#: What is counted, and how it is said that so much of it is left; between a name and its number stand the signs of XML
#: or JSON at most.
_TRIES = r"(?:attempt|tr(?:y|ies)|retr(?:y|ies))(?:s|\(s\))?"
_LEFT = r"(?:left|remain(?:s|ing)?)"
_GAP = r"(?:\s+is\b)?[\s:=<>\"']{1,6}"
_ATTEMPTS = re.compile(
    rf"\b(\d{{1,4}})\s+(?:more\s+|remaining\s+)?(?:login\s+)?(?:attempt|{_TRIES}\s+{_LEFT}\b)"
    rf"|\b(no)\s+(?:(?:more|remaining)\s+(?:login\s+)?{_TRIES}(?!\w)|(?:login\s+)?{_TRIES}\s+{_LEFT}\b)"
    rf"|\b{_LEFT}[\s_]{{0,3}}(?:login\s+)?(?:{_TRIES}|(?:retry|login)?[\s_]{{0,3}}times){_GAP}(\d{{1,4}})\b"
    rf"|\b{_TRIES}\s+{_LEFT}{_GAP}(\d{{1,4}})\b"
    rf"|\bretry(?:Login)?Times?{_GAP}(\d{{1,4}})\b"
    r"|(?:剩余|还有|还可|还能)\D{0,8}(\d{1,4})\s*次",
    re.I,
)
_LOCKED = re.compile(
    r"\block(?:s|ed|out|ing)?\b|\bblocked\b|\btoo many\b|\billegal login\b|\bbanned\b|锁定|锁住|鎖定", re.I
)


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
    left = next(filter(None, found.groups())) if found else None
    return Lockout(None if left is None else int(left) if left.isdigit() else 0, bool(_LOCKED.search(text)))
