"""Texts that nobody may see go in; values that mask themselves come out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from twisted_detector.errors import NotAgain


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must never be shown. ``repr`` and ``str`` are masked; :meth:`reveal` is the one way out."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself, for the bytes of a login and nothing else."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        # A secret that is watched (`spending`) is the same secret.
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


class Permit(Protocol):
    """What whoever lends a login wants to know of each time that it is sent."""

    async def acquire(self) -> bool:
        """It is about to be sent. False: it must not be: an earlier time may count as a failure already."""

    def accepted(self) -> None:
        """The device let it in."""

    def not_counted(self) -> None:
        """The device said that the last time was no wrong login: an old nonce, or nothing about logins at all."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name with its password. ``name`` may be logged, ``password`` masks itself.

    :ivar permit: is asked before each time that the login is sent, and told what came of it; None: nobody counts.
    """

    name: str
    password: Secret
    permit: Permit | None = field(default=None, repr=False, compare=False, kw_only=True)

    async def may_be_sent(self) -> None:
        """Ends when it may be sent; see :meth:`Permit.acquire`.

        :raises errors.NotAgain: it must not be.
        """
        if self.permit is not None and not await self.permit.acquire():
            raise NotAgain

    def was_let_in(self) -> None:
        """See :meth:`Permit.accepted`."""
        if self.permit is not None:
            self.permit.accepted()

    def was_no_attempt(self) -> None:
        """See :meth:`Permit.not_counted`."""
        if self.permit is not None:
            self.permit.not_counted()
