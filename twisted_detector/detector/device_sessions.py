"""Opener of the sessions in which devices are asked: only of those that may be asked now, each at its address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.detector.session_cache import SessionCache
from twisted_detector.events import Event
from twisted_detector.interfaces import IStreamValidator
from twisted_detector.model import Candidate, Login
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget

#: Devices of which it is remembered where they were asked: more than are asked at one time.
MAX_ASKED = 1024
_EXCLUDED = "its address is in SCAN_EXCLUDE"
TAKEN = "another device answers at its address"
NO_TURN = "time was up before a login had its turn: other attempts with one were under way there; it is asked again"


class DeviceSessions:
    """Opens sessions, and records in the registry which devices did not answer in them.

    :param emit: emits events of logins that were accepted or refused.
    :param missed: called with the key of each device that did not answer.
    :param proof_every: see :class:`ProofCache`.
    :ivar counts: how inspections and checks ended, by result.
    :ivar cache: what earlier sessions came to.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        validator: IStreamValidator,
        budget: ILoginBudget,
        emit: Callable[[Event], None],
        missed: Callable[[int], None],
        proof_every: int,
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._validator = validator
        self._budget = budget
        self._missed = missed
        #: Where each was when it was asked last, and whether that was cancelled while a login waited for its turn.
        self._asked: BoundedDict[int, tuple[str, bool]] = BoundedDict(MAX_ASKED)
        self.counts: Counter[str] = Counter()
        self.cache = SessionCache(
            environment, registry, budget=budget, emit=emit, counts=self.counts, proof_every=proof_every
        )

    def wants(self, key: int) -> bool:
        """Whether a device is there to be asked; what was kept of one that is not is dropped."""
        if self._registry.knows(key):
            return True
        self.cache.forget(key)
        return False

    def may_ask(self, key: int) -> bool:
        """Whether anything may be asked of a device: never at an address at which another was seen since."""
        if not self.wants(key):
            return False
        candidate = self._registry.candidate(key)
        if not self.is_at(key, candidate):
            self.record_no_answer(key, TAKEN)
            return False
        if candidate.address in self._environment.excluded:
            # Known from before it was excluded. It is not looked for either.
            self._registry.record_no_answer(key, _EXCLUDED, self._environment.now())
            return False
        if refusal := self._environment.gate.explain_refusal(candidate.address):
            # Known from a time when it stood on a link, or was listed.
            self._registry.record_no_answer(key, refusal, self._environment.now())
            return False
        return True

    def open(self, key: int, candidate: Candidate, only: Login | None = None) -> InspectionSession:
        """A session with a device, as it is now. :param only: the one login that may be tried in it."""
        self._asked.pop(key, None)
        self._asked[key] = (candidate.address, False)
        return InspectionSession(
            self._environment.clock,
            candidate,
            validator=self._validator,
            budget=self._budget,
            played_with_login=self.cache.played_with_login(key),
            only=only,
            cancelled_without_turn=partial(self._asked.__setitem__, key, (candidate.address, True)),
        )

    def is_at(self, key: int, candidate: Candidate) -> bool:
        """Whether a device is still known, and no other was seen where it was asked."""
        return self._registry.knows(key) and self._registry.is_at(key, candidate.address)

    def record_no_answer(self, key: int, reason: str) -> None:
        """Record a missed check."""
        self.cache.proofs.invalidate(key)
        self._environment.record(self._registry.candidate(key).address, "check", f"no answer: {reason}")
        self._registry.record_no_answer(key, reason, self._environment.now())
        self._missed(key)

    def record_silence(self, key: int, reason: str) -> None:
        """Record an inspection without an answer: a missed check, but of a device that may never answer one."""
        if self._registry.is_unconfirmed(key):
            self._registry.record_silence(key, self._environment.now())
        else:
            self.record_no_answer(key, reason)

    def timed_out(self, key: int) -> None:
        """A session took too long and was cancelled. Where it waited for its turn, that says nothing of the device."""
        self.counts["timed_out"] += 1
        address, without_turn = self._asked.get(key, ("", False))
        if not address or not self._registry.knows(key) or not self._registry.is_at(key, address):
            return
        if without_turn:
            self._asked[key] = (address, False)
            self._environment.record(address, "check", NO_TURN)
        else:
            self.record_silence(key, "it took too long to answer")
