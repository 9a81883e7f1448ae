"""Visits to devices go in; what the next one may build on comes out: the login that was let in, and what was proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime

from twisted_detector.casebook import login_texts
from twisted_detector.events import CredentialAccepted, CredentialRefused, Event
from twisted_detector.interfaces import ILoginBudget
from twisted_detector.lifecycle import Phase
from twisted_detector.looking import Note
from twisted_detector.model import Candidate, Login
from twisted_detector.registry import Registry
from twisted_detector.standing import Standing
from twisted_detector.visit import Visit


class Guestbook:
    """What came of earlier visits, by key of the device.

    :param proof_every: every so manieth routine check is a full proof; those between are as cheap as may be.
    :param emit: is told of logins that were accepted or refused.
    :param note: writes down what became of each login.
    :param counts: where ``failed`` is counted.
    """

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        budget: ILoginBudget,
        emit: Callable[[Event], None],
        note: Note,
        counts: Counter[str],
        proof_every: int,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._budget = budget
        self._emit = emit
        self._note = note
        self._counts = counts
        self._login_of: dict[int, Login] = {}
        self._played: set[int] = set()
        self._standing = Standing(proof_every)

    def forget(self, key: int) -> None:
        """The device is no more."""
        self._login_of.pop(key, None)
        self._played.discard(key)
        self._standing.doubt(key)

    # --- logins ----------------------------------------------------------------------------------------------------

    def played_with_login(self, key: int) -> bool:
        """Whether the device ever showed a stream for a login."""
        return key in self._played

    def login_of(self, key: int) -> Login | None:
        """The login that a device let in the last time and that may be spent on it now; None where there is none."""
        return self.login_for(key, self._registry.candidate(key)) if self._registry.knows(key) else None

    def login_for(self, key: int, candidate: Candidate) -> Login | None:
        """The same for a device that is known."""
        login = self._login_of.get(key)
        return login if login in self._budget.allowed(candidate, self._clock.seconds()) else None

    def note_logins(self, key: int, visit: Visit) -> None:
        """Keep the login that was let in for the next check; tell when it is another than before, and who was not."""
        now, before = self._clock.seconds(), self._login_of.pop(key, None)
        for words in login_texts(visit.login, visit.refused, visit.reason):
            self._note(now, visit.candidate.address, "login", words)
        self._counts["failed"] += visit.failures
        if visit.login is not None:
            self._login_of[key] = visit.login
            if any(one.validated for one in self._registry.streams(key)):
                self._played.add(key)
            if visit.login != before:
                for camera in self._registry.cameras_of(key):
                    self._emit(CredentialAccepted(at=now, camera=camera, login=visit.login.name))
        elif before is not None and not visit.refused:
            self._login_of[key] = before
        if visit.refused:
            for camera in self._registry.cameras_of(key):
                names = tuple(visit.refused)
                self._emit(CredentialRefused(at=now, camera=camera, logins=names, reason=visit.reason))

    # --- proofs ----------------------------------------------------------------------------------------------------

    def proof_stands(self, key: int, address: str, login: Login | None) -> bool:
        """See :meth:`Standing.holds`; counts one check."""
        return self._standing.holds(key, address, login)

    def doubt(self, key: int) -> None:
        """See :meth:`Standing.doubt`."""
        self._standing.doubt(key)

    def note_proof(self, key: int) -> None:
        """From now on cheap checks will do, if every stream is well; else the next check is a proof again."""
        streams = self._registry.streams(key) if self._registry.phase(key) is Phase.ONLINE else ()
        # Whether a frozen camera, whose streams play, moves again, only keyframes tell.
        well = all(camera.online for camera in self._registry.cameras_of(key))
        if streams and well and all(one.validated for one in streams):
            self._standing.proved(key, self._registry.candidate(key).address, self._login_of.get(key))
        else:
            self._standing.doubt(key)
