"""Login attempt: the one way in which a login is sent to a device, whatever the protocol, within the login budget.

The budget records how each attempt ended. That a login is right is never inferred from an outcome: who sends it reports
it (:meth:`Login.report_accepted`) when the device did with it what it had refused without one. Where an attempt does
not say whether it sent the password, that is known from whether it revealed the password: unless it did, it cannot have
sent it. Before each sending the attempt acquires a permit (:class:`model.logins.Permit`): until the login was accepted,
and after a sending that was not answered, it may be one failure more at the device, and is charged as one before.
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

#: What a device that shows another's realm is published with.
FOREIGN_REALM = "it shows the realm of another camera that is known, and is given no login; adopt it if it is yours"


@dataclass(frozen=True, slots=True, eq=False)
class _WatchedSecret(Secret):
    """A secret that records whether it was revealed."""

    reveals: list[None] = field(default_factory=list, repr=False)

    def reveal(self) -> str:
        self.reveals.append(None)
        return Secret.reveal(self)

    __repr__ = __str__ = Secret.__repr__


class _Permit:
    """Permit of one attempt (:class:`model.logins.Permit`).

    :param begin: called before the first sending: what is to be called at the end of the attempt; None: it must not be
        sent any more.
    :param again: charges one more sending; False: it must not be sent.
    :param is_foreign: whether a realm is known to be another device's.
    :ivar asked: the login was about to be sent.
    :ivar proved: the device accepted the login. ``doubts``: sendings since then that may count as failures.
    :ivar took_digest: by Digest. ``realm``: the realm under which it was accepted, "" without one.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], Callable[[], None] | None] = lambda: lambda: None,
        again: Callable[[], Awaitable[bool]],
        is_foreign: Callable[[str], bool] = lambda realm: False,
    ) -> None:
        self._begin = begin
        self._again = again
        self._is_foreign = is_foreign
        self._end: Callable[[], None] | None = None
        self._may_count = False
        self._last_realm = ""
        self.asked = False
        self.proved = False
        self.doubts = 0
        self.took_digest = False
        self.realm = ""

    @property
    def unheard(self) -> bool:
        """Whether the last sending was not answered, as far as is reported."""
        return self._may_count

    async def acquire(self, realm: str = "") -> bool:
        self.asked = True
        if self._is_foreign(realm):
            raise Unauthorized(FOREIGN_REALM, attempted=False)
        if self._end is None:
            self._end = self._begin()
            permitted = self._end is not None
        else:
            permitted = (self.proved and not self._may_count) or await self._again()
        self._may_count = False
        self._last_realm = realm
        return permitted

    def accepted(self, scheme: str = "") -> None:
        self.proved = True
        self._may_count = False
        self.doubts = 0
        self.realm = self._last_realm or self.realm
        self.took_digest = self.took_digest or scheme == "digest"

    def unanswered(self) -> None:
        self._may_count = True
        self.doubts += 1

    def end(self) -> None:
        if self._end is not None:
            self._end()


def traces_of(login: Login) -> tuple[bool, bool, bool]:
    """Of a login that :func:`attempt_login` gave: whether it was sent, whether the device accepted it, and whether the
    last sending was not answered.
    """
    sent = isinstance(login.password, _WatchedSecret) and bool(login.password.reveals)
    permit = login.permit
    return (sent, permit.proved, permit.unheard) if isinstance(permit, _Permit) else (sent, False, False)


async def _never() -> bool:
    return False


def single_use(login: Login) -> Login:
    """The same login, to be sent to one device once, and more often only after it was accepted."""
    return Login(login.name, login.password, permit=_Permit(again=_never))


async def attempt_login(
    budget: ILoginBudget,
    clock: IReactorTime,
    candidate: Candidate,
    login: Login,
    attempt: Callable[[Login], Awaitable[T]],
    *,
    wants_login: Callable[[T], bool] = lambda outcome: False,
    doubted: Callable[[T], bool] = lambda outcome: False,
) -> tuple[T, bool]:
    """Run ``attempt`` with ``login``; returns its outcome, and whether the device was seen to accept the login.

    :param wants_login: whether an outcome shows that the device wants a login as before.
    :param doubted: whether an outcome shows that the login was refused after it had been accepted.
    :raises Unauthorized: the device refused it, or (``attempted`` False) the budget forbids to send it.
    """
    over = await budget.charge(candidate, login, clock.seconds())
    if over is None:
        raise Unauthorized("no login may be tried now", attempted=False)
    watched = _WatchedSecret(login.password.reveal())
    permit = _Permit(
        begin=lambda: budget.begin(candidate, login, clock.seconds()),
        again=lambda: budget.charge_again(candidate, login, clock.seconds()),
        is_foreign=lambda realm: bool(budget.owner_of_realm(candidate, realm, clock.seconds())),
    )

    def record() -> None:
        if permit.proved:
            budget.record_accepted(candidate, login, clock.seconds())
        elif watched.reveals:
            budget.record_unanswered(candidate, login)
        else:
            budget.refund(candidate, login)

    try:
        outcome = await attempt(Login(login.name, watched, permit=permit))
    except Unauthorized as error:
        if error.attempted or (error.attempted is None and watched.reveals):
            error.attempted = True
            budget.record_refused(candidate, login, clock.seconds(), error.locked)
        elif error.unsure:
            budget.record_doubt(candidate, login, clock.seconds())
        elif permit.proved:
            record()
        else:
            budget.refund(candidate, login)
        raise
    except BaseException:  # cancelled, or a fault: the budget must record it all the same
        record()
        raise
    else:
        accepted = permit.proved and not wants_login(outcome)
        in_doubt = (wants_login(outcome) or doubted(outcome)) and bool(watched.reveals)
        if accepted or not in_doubt:
            record()
        if in_doubt:
            for _ in range(max(permit.doubts, 1)):
                budget.record_doubt(candidate, login, clock.seconds())
        return outcome, accepted
    finally:
        try:
            _record_proof(budget, clock, candidate, permit)
        finally:
            permit.end()
            over()


async def attempt_for_purpose(
    budget: ILoginBudget,
    clock: IReactorTime,
    candidate: Candidate,
    login: Login,
    purpose: str,
    attempt: Callable[[Login], Awaitable[T]],
    *,
    over: Callable[[], None],
) -> T:
    """Run ``attempt`` with a login that was charged for ``purpose`` (:meth:`ILoginBudget.charge_purpose`).

    It is sent once, and more often only after it was accepted.

    :param over: what the charge returned; called at the end.
    :raises Unauthorized: as ``attempt``.
    """
    watched = _WatchedSecret(login.password.reveal())
    permit = _Permit(
        begin=lambda: budget.begin(candidate, login, clock.seconds(), purpose),
        again=_never,
        is_foreign=lambda realm: bool(budget.owner_of_realm(candidate, realm, clock.seconds())),
    )
    refused = locked = False
    try:
        return await attempt(Login(login.name, watched, permit=permit))
    except Unauthorized as error:
        refused, locked = bool(error.attempted or (error.attempted is None and watched.reveals)), error.locked
        raise
    finally:
        try:
            budget.record_purpose(
                candidate,
                login,
                clock.seconds(),
                purpose,
                accepted=permit.proved,
                refused=refused,
                locked=locked,
                sent=bool(watched.reveals),
                asked=permit.asked or bool(watched.reveals),
            )
            _record_proof(budget, clock, candidate, permit)
        finally:  # whoever waits for the end sees what it came to
            permit.end()
            over()


def _record_proof(budget: ILoginBudget, clock: IReactorTime, candidate: Candidate, permit: _Permit) -> None:
    """Record what an accepted login showed of the device."""
    if permit.took_digest:
        budget.record_digest(candidate)
    if permit.proved and permit.realm:
        budget.record_realm(candidate, permit.realm, clock.seconds())


def is_on_device(url: str, address: str) -> bool:
    """Whether a URL has ``address`` itself for its host, not a name: then a secret may be sent there."""
    _, slashes, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    host = re.escape(host_for_url(address))
    return bool(slashes) and re.fullmatch(f"{host}(:[0-9]+)?", authority) is not None
