"""Visits to devices go in; what the next one may build on comes out: the login that was let in, and what was proved."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IReactorTime

from twisted_detector.detector.visit import InspectionSession
from twisted_detector.events import CredentialAccepted, CredentialRefused, Event
from twisted_detector.interfaces import RecordObservation
from twisted_detector.model import Candidate, Login, Stream
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import login_texts
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget

#: The golden ratio's fraction: its multiples spread evenly, however many there are (Knuth, TAOCP 6.4).
_SPREAD = 0.6180339887498949


@dataclass(slots=True)
class _Proof:
    left: int
    address: str
    login: Login | None


class ProofCache:
    """Which devices were fully proved lately.

    :param proof_every: every so manieth check is a full proof (1: every).
    """

    def __init__(self, proof_every: int) -> None:
        self._every = max(1, proof_every)
        self._of: dict[int, _Proof] = {}
        self._met: set[int] = set()

    def proved(self, key: int, address: str, login: Login | None) -> None:
        """A device was fully proved there, with this login."""
        left = self._every
        if key not in self._met:
            self._met.add(key)
            left = 1 + int(key * _SPREAD % 1 * self._every)
        self._of[key] = _Proof(left, address, login)

    def invalidate(self, key: int) -> None:
        """Something is wrong, or the device is gone: only a full proof will do."""
        if self._of.pop(key, None) is None:
            self._met.discard(key)

    def still_holds(self, key: int, address: str, login: Login | None) -> bool:
        """Count one check; whether a cheap one will do: proved lately, at this address, with this login."""
        standing = self._of.get(key)
        if standing is None or standing.address != address or standing.login != login:
            return False
        standing.left -= 1
        return standing.left > 0


def worth_a_look(streams: Sequence[Stream], turn: int) -> list[Stream]:
    """The first stream that played, and of those that did not one, in turn: a camera has few connections to give."""
    played = [stream for stream in streams if stream.validated][:1]
    silent = [stream for stream in streams if not stream.validated]
    return played + ([silent[turn % len(silent)]] if silent else [])


class SessionCache:
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
        note: RecordObservation,
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
        self._standing = ProofCache(proof_every)

    def forget(self, key: int) -> None:
        """The device is no more."""
        self._login_of.pop(key, None)
        self._played.discard(key)
        self._standing.invalidate(key)

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
        return login if login in self._budget.allowed_logins(candidate, self._clock.seconds()) else None

    def note_logins(self, key: int, visit: InspectionSession) -> None:
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
        """See :meth:`ProofCache.still_holds`; counts one check."""
        return self._standing.still_holds(key, address, login)

    def invalidate(self, key: int) -> None:
        """See :meth:`ProofCache.invalidate`."""
        self._standing.invalidate(key)

    def note_proof(self, key: int) -> None:
        """From now on cheap checks will do, if every stream is well; else the next check is a proof again."""
        streams = self._registry.streams(key) if self._registry.phase(key) is Phase.ONLINE else ()
        # Whether a frozen camera, whose streams play, moves again, only keyframes tell.
        well = all(camera.online for camera in self._registry.cameras_of(key))
        if streams and well and all(one.validated for one in streams):
            self._standing.proved(key, self._registry.candidate(key).address, self._login_of.get(key))
        else:
            self._standing.invalidate(key)
