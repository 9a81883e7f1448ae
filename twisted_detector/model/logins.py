"""Logins, and the secrets in them, which mask themselves."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from twisted_detector.errors import LoginWithheld


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that must never be shown: ``repr`` and ``str`` are masked, only :meth:`reveal` returns it."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """The text itself, for the bytes of a login and nothing else."""
        return self._text

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        # A watched secret (`detector.login_attempt`) equals the secret itself.
        return self._text == other._text if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__


class Permit(Protocol):
    """Accounting of each time that a login is sent; implemented by the login budget."""

    async def acquire(self) -> bool:
        """The login is about to be sent. False: it must not be, for an earlier time may count as a failure already."""

    def accepted(self) -> None:
        """The device accepted the login."""

    def not_counted(self) -> None:
        """The device did not take the last time for a wrong login: an old nonce, or an answer without any refusal."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name with its password. ``name`` may be logged, ``password`` masks itself.

    :ivar permit: accounts for each time that the login is sent; None: it is not counted.
    """

    name: str
    password: Secret
    permit: Permit | None = field(default=None, repr=False, compare=False, kw_only=True)

    async def acquire_permit(self) -> None:
        """Wait until the login may be sent: call it before each time. See :meth:`Permit.acquire`.

        :raises errors.LoginWithheld: it must not be sent.
        """
        if self.permit is not None and not await self.permit.acquire():
            raise LoginWithheld

    def report_accepted(self) -> None:
        """The device accepted the login; see :meth:`Permit.accepted`."""
        if self.permit is not None:
            self.permit.accepted()

    def report_not_counted(self) -> None:
        """The last time was no attempt with a wrong login; see :meth:`Permit.not_counted`."""
        if self.permit is not None:
            self.permit.not_counted()
