"""Adoption: whether a device may be given the operator's logins, and who said so."""

from __future__ import annotations

from enum import StrEnum


class Adoption(StrEnum):
    """Whether a device is adopted, and by what. Documents and the store carry the value; it never changes its meaning.

    Any device can call itself a camera and ask for a login, so a login without an audience goes only to adopted ones.
    """

    NO = "no"  #: found, not adopted: it is named and published, and given no login
    LISTED = "listed"  #: its network, or itself, is named in the configuration
    PERSON = "person"  #: a person accepted it
    FIRST_RUN = "first-run"  #: it was there when camdetect looked around for the first time
    SEEN = "seen"  #: ADOPTION=all: its MAC was seen on a link of this machine
    BLOCKED = "blocked"  #: a person blocked it: it is asked nothing and shown nowhere

    @property
    def is_adopted(self) -> bool:
        """Whether it may be given a login that has no audience."""
        return self not in (Adoption.NO, Adoption.BLOCKED)

    @property
    def is_trusted(self) -> bool:
        """Whether a person vouches for it: it may be given a password in clear, where the configuration allows that."""
        return self in (Adoption.LISTED, Adoption.PERSON)
