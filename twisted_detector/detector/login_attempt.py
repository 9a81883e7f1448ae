"""Login attempt: the one way in which a login is sent to a device, whatever the protocol, within the login budget.

The budget records how each attempt ended. Where an attempt does not say whether it sent the password, that is known
from whether it revealed the password: unless it did, it cannot have sent it. Before each sending the attempt acquires
a permit (:class:`secret.Permit`): until the login was accepted, a second sending may be a second failure at the device,
and is charged as one before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from twisted.internet.interfaces import IReactorTime

from twisted_detector.errors import Unauthorized
from twisted_detector.model import Candidate, Login, Secret, host_for_url
from twisted_detector.seams import ILoginBudget

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class _WatchedSecret(Secret):
    """A secret that records whether it was revealed."""

    reveals: list[None] = field(default_factory=list, repr=False)

    def reveal(self) -> str:
        self.reveals.append(None)
        return Secret.reveal(self)

    __repr__ = __str__ = Secret.__repr__


class _Permit:
    """Permit of one attempt (:class:`secret.Permit`).

    :param again: charges one more sending; False: it must not be sent.
    """

    def __init__(self, again: Callable[[], Awaitable[bool]]) -> None:
        self._again = again
        self._free = False
        self._sent = False

    async def acquire(self) -> bool:
        if self._sent and not self._free:
            return await self._again()
        self._sent = True
        return True

    def accepted(self) -> None:
        self._free = True

    def not_counted(self) -> None:
        self._sent = False


async def _never() -> bool:
    return False


def single_use(login: Login) -> Login:
    """The same login, to be sent to one device once, and more often only after it was accepted."""
    return Login(login.name, login.password, permit=_Permit(_never))


async def attempt_login(
    budget: ILoginBudget,
    clock: IReactorTime,
    candidate: Candidate,
    login: Login,
    attempt: Callable[[Login], Awaitable[T]],
    *,
    let_in: Callable[[T], bool | None],
    doubted: Callable[[T], bool] = lambda outcome: False,
) -> T:
    """Run ``attempt`` with ``login``; returns its outcome.

    :param let_in: whether an outcome shows that the login was accepted; False: that it may have been refused on the
        way; None: neither.
    :param doubted: whether an outcome shows that the login was refused after it had been accepted.
    :raises Unauthorized: the device refused it, or (``attempted`` False) the budget forbids to send it.
    """
    if not await budget.charge(candidate, login, clock.seconds()):
        raise Unauthorized("no login may be tried now", attempted=False)
    watched = _WatchedSecret(login.password.reveal())
    permit = _Permit(lambda: budget.charge_again(candidate, login, clock.seconds()))

    def unclear() -> None:
        if watched.reveals:
            budget.record_unanswered(candidate, login)
        else:
            budget.refund(candidate, login)

    try:
        outcome = await attempt(Login(login.name, watched, permit=permit))
    except Unauthorized as error:
        if error.attempted or (error.attempted is None and watched.reveals):
            error.attempted = True
            budget.record_refused(candidate, login, clock.seconds(), error.locked)
        else:
            budget.refund(candidate, login)
        raise
    except BaseException:  # cancelled, or a fault: the budget must record it all the same
        unclear()
        raise
    right = let_in(outcome)
    if right:
        budget.record_accepted(candidate, login, clock.seconds())
    if (right is False or doubted(outcome)) and watched.reveals:
        budget.record_doubt(candidate, login, clock.seconds())
    elif not right:
        unclear()
    return outcome


def is_on_device(url: str, address: str) -> bool:
    """Whether a URL has ``address`` itself for its host, not a name: then a secret may be sent there."""
    _, slashes, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = re.escape(host_for_url(address))
    return bool(slashes) and re.fullmatch(f"{host}(:[0-9]+)?", authority) is not None
