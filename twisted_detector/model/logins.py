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

    async def acquire(self, realm: str = "") -> bool:
        """The login is about to be sent. False: it must not be, for an earlier time may count as a failure already.

        :param realm: that of the challenge which it answers, "" where there is none.
        :raises errors.Unauthorized: it must not answer this realm.
        """

    def accepted(self, scheme: str = "") -> None:
        """The device did with the login what it had refused without one; nothing else shows that a login is right.

        :param scheme: how it was sent, ``digest`` or ``basic``, "" where unknown.
        """

    def unanswered(self) -> None:
        """The last sending was not answered, or only with a stale nonce: it may count though the login was right."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name with its password. ``name`` may be logged, ``password`` masks itself.

    :ivar permit: accounts for each time that the login is sent; None: it is not counted.
    """

    name: str
    password: Secret
    permit: Permit | None = field(default=None, repr=False, compare=False, kw_only=True)

    async def acquire_permit(self, realm: str = "") -> None:
        """Wait until the login may be sent: call it before each time. See :meth:`Permit.acquire`.

        :raises errors.LoginWithheld: it must not be sent.
        :raises errors.Unauthorized: it must not answer this realm.
        """
        if self.permit is not None and not await self.permit.acquire(realm):
            raise LoginWithheld

    def report_accepted(self, scheme: str = "") -> None:
        """The device did with the login what it had refused without one; see :meth:`Permit.accepted`."""
        if self.permit is not None:
            self.permit.accepted(scheme)

    def report_unanswered(self) -> None:
        """The last sending may count at the device; see :meth:`Permit.unanswered`."""
        if self.permit is not None:
            self.permit.unanswered()
