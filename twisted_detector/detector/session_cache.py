"""Caches by device that the next check builds on: the login that worked last, and whether a full proof still holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.events import CredentialAccepted, CredentialRefused, Event
from twisted_detector.model import Candidate, Login, Stream
from twisted_detector.model.cameras import deciding_streams
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.observations import describe_logins
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
    """Counters of the checks since the last full proof of each device.

    :param proof_every: of so many checks one is a full proof (1: every).
    """

    def __init__(self, proof_every: int) -> None:
        self._every = max(1, proof_every)
        self._proofs: dict[int, _Proof] = {}
        self._known: set[int] = set()

    def record(self, key: int, address: str, login: Login | None) -> None:
        """A device was fully proved at ``address``, with this login."""
        left = self._every
        if key not in self._known:
            self._known.add(key)
            left = 1 + int(key * _SPREAD % 1 * self._every)
        self._proofs[key] = _Proof(left, address, login)

    def invalidate(self, key: int) -> None:
        """Something is wrong, or the device is gone: the next check is a full proof."""
        if self._proofs.pop(key, None) is None:
            self._known.discard(key)

    def holds(self, key: int, address: str, login: Login | None) -> bool:
        """Count one check; whether a cheap one is enough: lately proved, at this address, with this login."""
        proof = self._proofs.get(key)
        if proof is None or proof.address != address or proof.login != login:
            return False
        proof.left -= 1
        return proof.left > 0


def streams_to_check(streams: Sequence[Stream], turn: int) -> list[Stream]:
    """The first stream that played, and of those that did not one, in turn: a camera has few connections to give.

    The main one that a person gave is always among them: the camera is judged by it.
    """
    deciding = deciding_streams(streams)
    first = [stream for stream in deciding if stream.validated or stream.own][:1]
    silent = [stream for stream in streams if not stream.validated and stream not in first]
    return first + ([silent[turn % len(silent)]] if silent else [])


class SessionCache:
    """Cache of what earlier inspections and checks came to, by key of the device.

    :param emit: emits events of logins that were accepted or refused.
    :param counts: where ``failed`` is counted.
    :param proof_every: see :class:`ProofCache`.
    :ivar proofs: the proofs; :meth:`record_proof` adds to them.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        budget: ILoginBudget,
        emit: Callable[[Event], None],
        counts: Counter[str],
        proof_every: int,
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._budget = budget
        self._emit = emit
        self._counts = counts
        self._login_of: dict[int, Login] = {}
        self._played: set[int] = set()
        self.proofs = ProofCache(proof_every)

    def forget(self, key: int) -> None:
        """Drop all of a device that was forgotten."""
        self._login_of.pop(key, None)
        self._played.discard(key)
        self.proofs.invalidate(key)

    # --- logins ----------------------------------------------------------------------------------------------------

    def played_with_login(self, key: int) -> bool:
        """Whether the device ever played a stream for a login."""
        return key in self._played

    def login_of(self, key: int) -> Login | None:
        """The login that a device accepted last, if it may be sent to the device now."""
        return self.usable_login(key, self._registry.candidate(key)) if self._registry.knows(key) else None

    def usable_login(self, key: int, candidate: Candidate) -> Login | None:
        """As :meth:`login_of`, for a device that is known."""
        login = self._login_of.get(key)
        return login if login in self._budget.allowed_logins(candidate, self._environment.now()) else None

    def record_logins(self, key: int, session: InspectionSession) -> None:
        """Keep the login that was accepted; emit an event when it is another than before, and for refused ones."""
        now, before = self._environment.now(), self._login_of.pop(key, None)
        for text in describe_logins(session.login, session.refused, session.reason):
            self._environment.record(session.candidate.address, "login", text)
        self._counts["failed"] += session.failures
        if session.login is not None:
            self._login_of[key] = session.login
            if any(one.validated for one in self._registry.streams(key)):
                self._played.add(key)
            if session.login != before:
                for camera in self._registry.cameras_of(key):
                    self._emit(CredentialAccepted(at=now, camera=camera, login=session.login.name))
        elif before is not None and not session.refused:
            self._login_of[key] = before
        if session.refused:
            for camera in self._registry.cameras_of(key):
                names = tuple(session.refused)
                self._emit(CredentialRefused(at=now, camera=camera, logins=names, reason=session.reason))

    # --- proofs ----------------------------------------------------------------------------------------------------

    def record_proof(self, key: int) -> None:
        """From now on cheap checks are enough, if every stream is well; else the next check is a full proof."""
        streams = self._registry.streams(key) if self._registry.phase(key) is Phase.ONLINE else ()
        # Only keyframes show whether a frozen camera, whose streams play, moves again.
        well = all(camera.online for camera in self._registry.cameras_of(key))
        if streams and well and all(one.validated for one in streams):
            self.proofs.record(key, self._registry.candidate(key).address, self._login_of.get(key))
        else:
            self.proofs.invalidate(key)
