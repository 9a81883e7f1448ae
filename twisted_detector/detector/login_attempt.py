"""A login and an attempt to use it go in; the attempt's outcome comes out, and the budget has been told all of it.

This is the one way in which a device is given a secret, whatever the protocol. What the attempt does not say for
itself is known from whether it looked at the password: who never did cannot have sent it. Whoever sends it asks each
time (:class:`secret.Permit`): until it was let in, a second time may be a second failure at the device, and is charged
as one before it is sent.
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
class _Watched(Secret):
    """A secret that notes whether anybody looked at it."""

    looks: list[None] = field(default_factory=list, repr=False)

    def reveal(self) -> str:
        self.looks.append(None)
        return Secret.reveal(self)

    __repr__ = __str__ = Secret.__repr__


class _Permit:
    """See :class:`secret.Permit`; shared by all that one attempt consists of.

    :param again: charges one more time and says whether it may be.
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


def once(login: Login) -> Login:
    """The same login, to be sent to one device once, and more often only after it was let in."""
    return Login(login.name, login.password, permit=_Permit(_never))


async def spend(
    budget: ILoginBudget,
    clock: IReactorTime,
    candidate: Candidate,
    login: Login,
    attempt: Callable[[Login], Awaitable[T]],
    *,
    let_in: Callable[[T], bool | None],
    doubted: Callable[[T], bool] = lambda outcome: False,
) -> T:
    """What ``attempt`` comes to with ``login``.

    :param let_in: whether an outcome says that the login was right; False: that it may have been refused on the way;
        None: nothing of it.
    :param doubted: whether an outcome says that it was refused after it had been let in.
    :raises Unauthorized: the device refused it, or (``attempted`` False) the budget forbids to send it.
    """
    if not await budget.charge(candidate, login, clock.seconds()):
        raise Unauthorized("no login may be tried now", attempted=False)
    watched = _Watched(login.password.reveal())
    permit = _Permit(lambda: budget.charge_again(candidate, login, clock.seconds()))

    def unclear() -> None:
        if watched.looks:
            budget.record_unanswered(candidate, login)
        else:
            budget.refund(candidate, login)

    try:
        outcome = await attempt(Login(login.name, watched, permit=permit))
    except Unauthorized as error:
        if error.attempted or (error.attempted is None and watched.looks):
            error.attempted = True
            budget.record_refused(candidate, login, clock.seconds(), error.locked)
        else:
            budget.refund(candidate, login)
        raise
    except BaseException:  # cancelled, or whatever else: the budget must know
        unclear()
        raise
    right = let_in(outcome)
    if right:
        budget.record_accepted(candidate, login, clock.seconds())
    if (right is False or doubted(outcome)) and watched.looks:
        budget.record_doubt(candidate, login, clock.seconds())
    elif not right:
        unclear()
    return outcome


def leads_to(url: str, address: str) -> bool:
    """Whether a URL leads to ``address`` itself, by no name and over nobody else: then a secret may go there."""
    _, slashes, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = re.escape(host_for_url(address))
    return bool(slashes) and re.fullmatch(f"{host}(:[0-9]+)?", authority) is not None
