"""A device goes in; the inspectors are asked, logins are spent within the budget, streams proved, the registry told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.cameras import apply_report
from twisted_detector.errors import Busy, InspectionError, Malformed, Unauthorized, Unreachable
from twisted_detector.events import CredentialAccepted, CredentialRefused, Event
from twisted_detector.interfaces import IInspector, ILoginBudget, IStreamValidator
from twisted_detector.model import Candidate, Inspection, Login, Proof, Status, Stream, StreamReport
from twisted_detector.registry import Registry

#: A report that came no further than this says that the device is away, not that its stream is bad.
_AWAY = (Proof.UNREACHABLE,)


@dataclass
class _Visit:
    """What one visit to one device came to so far."""

    candidate: Candidate
    login: Login | None = None
    refused: list[str] = field(default_factory=list)
    reason: str = ""


class Examiner:
    """Asks one device at a time; whatever it does, the visit ends with one word to the registry.

    :param inspectors: in the order in which they are asked; the first that knows the device has it.
    :param emit: is told of logins that were accepted or refused.
    :ivar counts: how visits ended, by result.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        inspectors: Sequence[IInspector],
        validator: IStreamValidator,
        budget: ILoginBudget,
        emit: Callable[[Event], None],
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._inspectors = tuple(inspectors)
        self._validator = validator
        self._budget = budget
        self._emit = emit
        self._login_of: dict[int, Login] = {}
        self.counts: Counter[str] = Counter()

    # --- the full inspection ---------------------------------------------------------------------------------------

    async def inspect(self, key: int) -> None:
        """Ask what the device is and prove its streams."""
        if not self._registry.knows(key):
            return
        visit = _Visit(self._registry.candidate(key))
        self._registry.asking(key, self._clock.seconds())
        problem: InspectionError | None = None
        for inspector in self._inspectors:
            try:
                inspection = await self._ask(inspector, visit)
            except InspectionError as error:
                self.counts[type(error).__name__.lower()] += 1
                self.log.debug(
                    "{inspector} at {address}: {error}",
                    inspector=inspector.name,
                    address=visit.candidate.address,
                    error=error,
                )
                # That it is busy or talks rubbish says more than that another port was silent.
                problem = error if problem is None or isinstance(problem, Unreachable) else problem
                continue
            if inspection is not None:
                inspection = replace(inspection, streams=await self._prove_all(inspection.streams, visit))
                self._conclude(key, self._judge(inspection, visit), visit)
                return
        self._give_up(key, problem)

    async def _ask(self, inspector: IInspector, visit: _Visit) -> Inspection | None:
        """One inspector's answer: first without any login, then with each that the budget allows."""
        refusal: Unauthorized | None = None
        inspection: Inspection | None = None
        try:
            inspection = await inspector.inspect(visit.candidate, None)
        except Unauthorized as error:
            refusal = error
        if refusal is None and (inspection is None or inspection.status is not Status.AUTH_REQUIRED):
            return inspection
        for login in self._logins(visit):
            try:
                answer = await inspector.inspect(visit.candidate, login)
            except Unauthorized as error:
                refusal = error
                if self._note_refusal(visit, login, error):
                    break
                continue
            if answer is None or answer.status is Status.AUTH_REQUIRED:
                # It was not tried (only Basic is offered, say): the answer tells why.
                inspection = answer or inspection
                continue
            self._note_success(visit, login)
            return replace(answer, login=login.name)
        reason = str(refusal) if refusal is not None else "it wants a login"
        base = inspection or Inspection(
            inspector=inspector.name, address=visit.candidate.address, at=self._clock.seconds()
        )
        return replace(base, status=Status.AUTH_REQUIRED, reason=base.reason or reason)

    def _logins(self, visit: _Visit) -> Sequence[Login]:
        if visit.login is not None:
            return (visit.login,)
        return self._budget.allowed(visit.candidate, self._clock.seconds())

    def _note_refusal(self, visit: _Visit, login: Login, error: Unauthorized) -> bool:
        """Charge the budget for a credential that was sent; True when no other may be tried."""
        visit.reason = str(error)
        if not error.attempted:
            return False
        self._budget.refused(visit.candidate, login, self._clock.seconds(), error.locked)
        visit.refused.append(login.name)
        if visit.login is login:
            visit.login = None
        return error.locked

    def _note_success(self, visit: _Visit, login: Login) -> None:
        self._budget.accepted(visit.candidate, login, self._clock.seconds())
        visit.login = login

    # --- streams ---------------------------------------------------------------------------------------------------

    async def _prove_all(self, streams: Sequence[Stream], visit: _Visit) -> tuple[Stream, ...]:
        """Each stream with what its check said; one after the other, for a camera has few connections to give."""
        proved = []
        for stream in streams:
            proved.append(apply_report(stream, await self._prove(stream, visit)))
        return tuple(proved)

    async def _prove(self, stream: Stream, visit: _Visit) -> StreamReport:
        try:
            return await self._validator.validate(stream, visit.login)
        except Unauthorized as error:
            refusal = error
            if visit.login is not None and self._note_refusal(visit, visit.login, error):
                return _without_login(error)
        except Busy as error:
            return StreamReport(proof=Proof.RTSP, validated=False, reason=str(error))
        if visit.refused:
            # One refusal a visit is enough: the next stream has the same account behind it.
            return _without_login(refusal)
        for login in self._logins(visit):
            try:
                report = await self._validator.validate(stream, login)
            except Unauthorized as error:
                refusal = error
                if self._note_refusal(visit, login, error):
                    break
                continue
            except Busy as error:
                return StreamReport(proof=Proof.RTSP, validated=False, reason=str(error))
            if report.proof not in _AWAY:
                self._note_success(visit, login)
            return report
        return _without_login(refusal)

    # --- the end of a visit ----------------------------------------------------------------------------------------

    def _judge(self, inspection: Inspection, visit: _Visit) -> Inspection:
        """An inspection whose streams all want a login is a camera that wants a login."""
        closed = inspection.streams and all(not one.validated and one.proof is Proof.AUTH for one in inspection.streams)
        if closed and inspection.status is Status.ONLINE:
            return replace(inspection, status=Status.AUTH_REQUIRED, reason=inspection.streams[0].reason)
        if visit.login is not None and not inspection.login:
            return replace(inspection, login=visit.login.name)
        return inspection

    def _conclude(self, key: int, inspection: Inspection, visit: _Visit) -> None:
        if not self._registry.knows(key):
            return
        now = self._clock.seconds()
        self.counts[inspection.status.value] += 1
        self._registry.inspected(key, inspection, now)
        accepted = visit.login is not None and visit.login != self._login_of.get(key)
        if visit.login is not None:
            self._login_of[key] = visit.login
        for camera in self._registry.cameras_of(key):
            if accepted:
                self._emit(CredentialAccepted(at=now, camera=camera, login=inspection.login))
            if visit.refused:
                names = tuple(visit.refused)
                self._emit(CredentialRefused(at=now, camera=camera, logins=names, reason=visit.reason))

    def _give_up(self, key: int, problem: InspectionError | None) -> None:
        if not self._registry.knows(key):
            return
        now = self._clock.seconds()
        if isinstance(problem, Busy):
            self._registry.busy(key, str(problem), now)
        elif isinstance(problem, Unreachable):
            self._registry.silent(key, str(problem), now)
        else:
            self.counts["malformed" if isinstance(problem, Malformed) else "foreign"] += 1
            self._registry.disowned(key, now)

    def timed_out(self, key: int) -> None:
        """A visit took too long."""
        self.counts["timed_out"] += 1
        if self._registry.knows(key):
            self._registry.silent(key, "it took too long to answer", self._clock.seconds())

    # --- the routine check -----------------------------------------------------------------------------------------

    async def check(self, key: int) -> None:
        """Look whether the first stream of each of the device's cameras still plays."""
        if not self._registry.knows(key):
            return
        visit = _Visit(self._registry.candidate(key), login=self._login_of.get(key))
        reports: dict[str, StreamReport] = {}
        for camera in self._registry.cameras_of(key):
            if camera.streams:
                reports[camera.primary_url] = await self._prove(
                    next(one for one in camera.streams if one.url == camera.primary_url), visit
                )
        if not reports or not self._registry.knows(key):
            return
        now = self._clock.seconds()
        if all(report.proof in _AWAY for report in reports.values()):
            self.counts["missed"] += 1
            self._registry.silent(key, next(iter(reports.values())).reason, now)
        elif all(report.proof is Proof.AUTH and not report.validated for report in reports.values()):
            self._registry.refused(key, next(iter(reports.values())).reason, now)
        else:
            self.counts["checked"] += 1
            self._registry.checked(key, reports, now)


def _without_login(refusal: Unauthorized) -> StreamReport:
    return StreamReport(proof=Proof.AUTH, validated=False, reason=str(refusal))
