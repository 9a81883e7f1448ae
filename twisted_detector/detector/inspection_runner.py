"""Runner of inspections and routine checks; what they come to is recorded in the registry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.detector.session_cache import SessionCache, streams_to_check
from twisted_detector.errors import Busy, InspectionError, Malformed, NotACamera, Unauthorized, Unreachable
from twisted_detector.events import CheckRequested, Event
from twisted_detector.interfaces import IInspector, IStreamValidator
from twisted_detector.model import (
    OUI,
    Candidate,
    Evidence,
    EvidenceKind,
    Inspection,
    Login,
    Mac,
    Proof,
    Status,
    StreamReport,
)
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.registry.observations import describe_inspection
from twisted_detector.registry.registry import Registry
from twisted_detector.registry.text_bounds import MAX_SOURCES, bound_inspection
from twisted_detector.seams import ILoginBudget

#: One inspection or check may take so many seconds in all: a recorder with 64 slow channels gets through, a tar pit
#: does not.
MAX_SECONDS = 120.0
#: New cameras of one device that are published in one turn of the reactor: with all messages each takes a millisecond.
NEW_CAMERAS_AT_ONCE = 8
#: Devices of which it is remembered where they were asked: more than are asked at one time.
MAX_ASKED = 1024
#: A report that came no further than this says that the device is away, not that its stream is bad.
_AWAY = (Proof.UNREACHABLE,)
#: Rungs that only a full proof reaches.
PLAYED = (Proof.RTP, Proof.KEYFRAME)
#: Which problem of several inspectors is the reason: of these, the last says most.
_BY_WEIGHT = (Unreachable, Malformed, Busy, NotACamera)
_KINDS = {Malformed: "unreadable answer", Busy: "busy", Unauthorized: "login wanted", NotACamera: "not a camera"}
_NO_CAMERA = "it answers, but no longer as a camera"
_EXCLUDED = "its address is in SCAN_EXCLUDE"
_TAKEN = "another device answers at its address"
#: Awaited with the key of a device that answered, before it may be published.
BeforeNaming = Callable[[int], Awaitable[None]]


async def _nothing_to_await(key: int) -> None:
    """No name waits for anything."""


class InspectionRunner:
    """Inspects and checks one device per call; each call ends with one record in the registry.

    :param inspectors: in the order in which they are asked; the first that knows the device has it.
    :param emit: emits events of logins that were accepted or refused.
    :param missed: called with the key of each device that did not answer.
    :param is_present: whether a device answered, under its name and from its address, just before this routine check.
    :param proof_every: of so many routine checks one is a full proof; those between are as cheap as possible.
    :param vendor_of: for whom a MAC was registered, or "".
    :ivar counts: how inspections and checks ended, by result.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        inspectors: Sequence[IInspector],
        validator: IStreamValidator,
        budget: ILoginBudget,
        emit: Callable[[Event], None],
        missed: Callable[[int], None] = lambda key: None,
        is_present: Callable[[int], bool] = lambda key: False,
        proof_every: int = 1,
        vendor_of: Callable[[Mac], str] = lambda mac: "",
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._vendor_of = vendor_of
        self._inspectors = tuple(inspectors)
        self._validator = validator
        self._budget = budget
        self._emit = emit
        self._round = 0
        self._by_hand: set[int] = set()
        self._asked: BoundedDict[int, Candidate] = BoundedDict(MAX_ASKED)  # as each was when it was asked last
        self._missed = missed
        self._is_present = is_present
        self.counts: Counter[str] = Counter()
        self._sessions = SessionCache(
            environment, registry, budget=budget, emit=emit, counts=self.counts, proof_every=proof_every
        )

    # --- the full inspection ---------------------------------------------------------------------------------------

    def ask_by_hand(self, key: int) -> None:
        """The next inspection of a device is one that a person asks for."""
        self._by_hand.add(key)
        for camera in self._registry.cameras_of(key):
            self._emit(CheckRequested(at=self._environment.now(), camera=camera))

    async def inspect(self, key: int, before_naming: BeforeNaming = _nothing_to_await) -> bool:
        """Ask what the device is and prove its streams.

        :returns: whether there was more to be tried than there was time for.
        """
        if not self._may_inspect(key):
            return False
        candidate = replace(self._registry.candidate(key), by_hand=key in self._by_hand)
        self._by_hand.discard(key)
        session = self._open_session(key, self._with_vendor(candidate))
        self._registry.begin_inspection(key, self._environment.now())
        try:
            return await self._run_inspectors(key, session, before_naming)
        except Exception:
            # Cancelled, or a fault of ours: the device must not be taken for one that is being asked for ever.
            if self._registry.knows(key):
                self._registry.abort_inspection(key)
            raise

    def wants(self, key: int) -> bool:
        """Whether a device is there to be inspected; what was kept of one that is not is dropped."""
        if self._registry.knows(key):
            return True
        self._sessions.forget(key)
        self._by_hand.discard(key)
        return False

    def _open_session(self, key: int, candidate: Candidate) -> InspectionSession:
        self._asked.pop(key, None)
        self._asked[key] = candidate
        return InspectionSession(
            self._environment.clock,
            candidate,
            validator=self._validator,
            budget=self._budget,
            played_with_login=self._sessions.played_with_login(key),
        )

    async def identify(self, candidate: Candidate) -> Inspection | None:
        """Identity of the device at an address, asked without a login and without its streams; None: it gives none."""
        for inspector in self._inspectors:
            try:
                inspection = await inspector.inspect(candidate, None)
            except InspectionError:
                continue
            if inspection is not None and inspection.evidence:
                return inspection
        return None

    def _with_vendor(self, candidate: Candidate) -> Candidate:
        vendor = self._vendor_of(candidate.mac) if candidate.mac is not None else ""
        if not vendor or vendor in candidate.vendors:
            return candidate
        return replace(candidate, vendors=(*candidate.vendors, vendor))

    def _may_inspect(self, key: int) -> bool:
        """Whether anything may be asked of a device: never at an address at which another was seen since."""
        if not self.wants(key):
            return False
        if not self._is_at(key, self._registry.candidate(key)):
            self._record_no_answer(key, _TAKEN)
            return False
        if self._registry.candidate(key).address in self._environment.excluded:
            # Known from before it was excluded. It is not looked for either.
            self._registry.record_no_answer(key, _EXCLUDED, self._environment.now())
            return False
        if refusal := self._environment.gate.explain_refusal(self._registry.candidate(key).address):
            # Known from a time when it stood on a link, or was listed.
            self._registry.record_no_answer(key, refusal, self._environment.now())
            return False
        return True

    def _is_at(self, key: int, candidate: Candidate) -> bool:
        return self._registry.knows(key) and self._registry.is_at(key, candidate.address)

    async def _run_inspectors(self, key: int, session: InspectionSession, before_naming: BeforeNaming) -> bool:
        problem: InspectionError | None = None
        failed = False
        for inspector in self._inspectors:
            try:
                inspection = await session.inspect(inspector)
            except InspectionError as error:
                self.counts["_".join(filter(None, (type(error).__name__.lower(), error.code)))] += 1
                self.log.debug(
                    "{inspector} at {address}: {error}",
                    inspector=inspector.name,
                    address=session.candidate.address,
                    error=error,
                )
                self._record(session, inspector, f"{_KINDS.get(type(error), 'no answer')}: {error}")
                problem = max((problem or error, error), key=_weight)
                continue
            except CancelledError:
                raise
            except Exception:
                failed = True
                self.counts["failed"] += 1
                self._record(session, inspector, "failed: a fault of this program or of a plugin; see the log")
                self.log.failure("Inspector {inspector} failed; the others are asked", inspector=inspector.name)
                continue
            if inspection is None:
                self._record(session, inspector, "not mine: no camera answered there")
            else:
                inspection = self._bounded(key, inspection, session, inspector)
                self._record(session, inspector, describe_inspection(inspection))
                inspection = replace(inspection, streams=await session.prove_all(inspection.streams))
                await before_naming(key)
                await self._record_inspection(key, self._final_status(inspection, session), session)
                return inspection.unfinished
        if problem is None and failed:
            # The inspectors that failed may be those that know it.
            if self._registry.knows(key):
                self._registry.abort_inspection(key)
            return False
        self._record_failure(key, session, problem)
        return False

    def _bounded(
        self, key: int, inspection: Inspection, session: InspectionSession, inspector: IInspector
    ) -> Inspection:
        """The inspection within the bounds of what one device may say, before anything of it is proved or kept."""
        known = self._registry.cameras_of(key)
        proved = sum(camera.established for camera in known)
        inspection, cut = bound_inspection(
            inspection, sources=MAX_SOURCES + proved, known={camera.source for camera in known}
        )
        for what in cut:
            self._record(session, inspector, what)
        return inspection

    # --- the end of an inspection ----------------------------------------------------------------------------------

    def _final_status(self, inspection: Inspection, session: InspectionSession) -> Inspection:
        """The inspection with the status that its streams show: a camera whose streams all want a login wants one."""
        closed = inspection.streams and all(not one.validated and one.proof is Proof.AUTH for one in inspection.streams)
        if closed and inspection.status is Status.ONLINE and not session.busy:
            return replace(inspection, status=Status.AUTH_REQUIRED, reason=inspection.streams[0].reason)
        if session.busy and inspection.status is Status.ONLINE and not any(one.validated for one in inspection.streams):
            return replace(inspection, status=Status.BUSY, reason=session.busy)
        if session.login is not None and not inspection.login:
            return replace(inspection, login=session.login.name)
        return inspection

    def _has_left(self, key: int, session: InspectionSession) -> bool:
        """Whether the device moved or was forgotten meanwhile: then it is not known which device answered."""
        if self._is_at(key, session.candidate):
            return False
        if self._registry.knows(key):
            self._registry.abort_inspection(key)
        return True

    async def _record_inspection(self, key: int, inspection: Inspection, session: InspectionSession) -> None:
        if self._has_left(key, session):
            return
        self.counts[inspection.status.value] += 1
        mac = session.candidate.mac
        if mac is not None and (vendor := self._vendor_of(mac)):
            evidence = (*inspection.evidence, Evidence(EvidenceKind.VENDOR, vendor, OUI, self._environment.now()))
            inspection = replace(inspection, evidence=evidence)
        if inspection.status is Status.AUTH_REQUIRED:
            inspection = replace(inspection, reason=session.explain(inspection.reason))
        for part in self._parts(key, inspection):
            self._registry.record_inspection(key, part, self._environment.now())
            await deferLater(self._environment.clock, 0)
            if self._has_left(key, session):
                return
        self._registry.record_inspection(key, inspection, self._environment.now())
        self._sessions.record_logins(key, session)
        self._sessions.record_proof(key)

    def _parts(self, key: int, inspection: Inspection) -> Iterator[Inspection]:
        """An inspection that brings many new cameras, growing bit by bit, without its last part, which is all of it.

        Each camera has its events and messages: 64 at once would hold up everything else for a tenth of a second.
        """
        known = {camera.source for camera in self._registry.cameras_of(key)}
        sources = dict.fromkeys(stream.source for stream in inspection.streams)
        if not known <= sources.keys():
            return  # they were renamed, which shows when all are seen together
        new = [source for source in sources if source not in known]
        for end in range(NEW_CAMERAS_AT_ONCE, len(new), NEW_CAMERAS_AT_ONCE):
            kept = known.union(new[:end])
            yield replace(inspection, streams=tuple(one for one in inspection.streams if one.source in kept))

    def _record_no_answer(self, key: int, reason: str) -> None:
        """Record a missed check."""
        self._sessions.proofs.invalidate(key)
        self._environment.record(self._registry.candidate(key).address, "check", f"no answer: {reason}")
        self._registry.record_no_answer(key, reason, self._environment.now())
        self._missed(key)

    def _record(self, session: InspectionSession, inspector: IInspector, text: str) -> None:
        self._environment.record(session.candidate.address, inspector.name, text)

    def _record_failure(self, key: int, session: InspectionSession, problem: InspectionError | None) -> None:
        if self._has_left(key, session):
            return
        now = self._environment.now()
        if isinstance(problem, Busy):
            self._registry.record_busy(key, str(problem), now)
        elif isinstance(problem, Unreachable):
            self._record_no_answer(key, str(problem))
        else:
            self.counts["rubbish" if isinstance(problem, Malformed) else "foreign"] += 1
            reason = f"what it answers cannot be read: {problem}" if problem is not None else _NO_CAMERA
            is_other = isinstance(problem, NotACamera)
            self._registry.record_not_a_camera(key, now, f"it is {problem}" if is_other else reason)
            cameras = self._registry.cameras_of(key)
            if is_other and not any(one.online or one.last_validated > 0 for one in cameras):
                for camera in cameras:  # an earlier version published it
                    self._registry.forget(camera.id, now)

    def timed_out(self, key: int) -> None:
        """An inspection or a check took too long and was cancelled."""
        self.counts["timed_out"] += 1
        candidate = self._asked.get(key)
        if candidate is not None and self._is_at(key, candidate):
            self._record_no_answer(key, "it took too long to answer")

    # --- the routine check -----------------------------------------------------------------------------------------

    async def check(self, key: int) -> None:
        """Check whether a stream of each of the device's cameras still plays, and one that did not the last time."""
        if not self._may_inspect(key):
            return
        candidate = self._registry.candidate(key)
        session = self._open_session(key, candidate)
        session.login = self._sessions.usable_login(key, candidate)
        self._round += 1
        if self._sessions.proofs.holds(key, candidate.address, session.login) and await self._quick_check(key, session):
            return
        reports: dict[str, StreamReport] = {}
        for camera in self._registry.cameras_of(key):
            for stream in streams_to_check(camera.streams, self._round):
                reports[stream.url] = await session.prove(stream)
        if not reports or not self._is_at(key, candidate):
            return
        self._record_check(key, reports, session)
        self._sessions.record_proof(key)

    async def _quick_check(self, key: int, session: InspectionSession) -> bool:
        """Check with as few requests as possible: none if the device is present, else for one stream, each in turn.

        :returns: whether that was enough; a result other than "as before" is recorded as that of a full proof is.
        """
        streams = [one for one in self._registry.streams(key) if one.validated]
        if not streams:
            return False
        if self._is_present(key):
            self.counts["seen"] += 1
            self._registry.record_check(key, {}, self._environment.now())
            return True
        stream = streams[self._round % len(streams)]
        report = await session.prove(stream, cheaply=True)
        if not self._is_at(key, session.candidate):
            return True
        if report.validated and report.proof not in PLAYED:
            self.counts["glanced"] += 1
            self._registry.record_check(key, {}, self._environment.now())
            return True
        self._record_check(key, {stream.url: report}, session)
        self._sessions.record_proof(key)
        return True

    def login_of(self, key: int) -> Login | None:
        """See :meth:`SessionCache.login_of`."""
        return self._sessions.login_of(key)

    def _record_check(self, key: int, reports: dict[str, StreamReport], session: InspectionSession) -> None:
        now = self._environment.now()
        reason = next((one.reason for one in reports.values() if one.reason), "")
        if all(report.proof in _AWAY for report in reports.values()):
            self.counts["missed"] += 1
            self._record_no_answer(key, reason)
        elif not session.busy and all(one.proof is Proof.AUTH and not one.validated for one in reports.values()):
            self._registry.record_auth_required(key, session.explain(reason), now)
        elif session.busy and not any(report.validated for report in reports.values()):
            self._registry.record_busy(key, session.busy, now)
        else:
            self.counts["checked"] += 1
            self._registry.record_check(key, reports, now)
        self._sessions.record_logins(key, session)


def _weight(problem: InspectionError) -> int:
    return max((rank for rank, kind in enumerate(_BY_WEIGHT) if isinstance(problem, kind)), default=-1)
