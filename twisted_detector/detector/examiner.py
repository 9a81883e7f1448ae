"""A device goes in; the inspectors are asked, logins are spent within the budget, streams proved, the registry told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Sequence
from dataclasses import replace

from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.detector.session_cache import SessionCache, worth_a_look
from twisted_detector.detector.visit import InspectionSession
from twisted_detector.errors import Busy, InspectionError, Malformed, Unauthorized, Unreachable
from twisted_detector.events import Event
from twisted_detector.interfaces import IInspector, IStreamValidator, RecordObservation, record_nothing
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
from twisted_detector.registry.observations import inspected_text
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget

#: One visit may take so many seconds in all: a recorder with 64 slow channels gets through, a tar pit does not.
MAX_SECONDS = 120.0
#: A report that came no further than this says that the device is away, not that its stream is bad.
_AWAY = (Proof.UNREACHABLE,)
#: Rungs that only a full proof reaches.
PLAYED = (Proof.RTP, Proof.KEYFRAME)
#: Which fault of several inspectors is told: that it is busy says more than rubbish, and that more than silence.
_TELLING = (Unreachable, Malformed, Busy)
_KIND_OF_ANSWER = {Malformed: "unreadable answer", Busy: "busy", Unauthorized: "login wanted"}
_NO_CAMERA = "it answers, but no longer as a camera"
_EXCLUDED = "its address is in SCAN_EXCLUDE"
_TAKEN = "another device answers at its address"


class InspectionRunner:
    """Asks one device at a time; whatever it does, the visit ends with one word to the registry.

    :param inspectors: in the order in which they are asked; the first that knows the device has it.
    :param emit: is told of logins that were accepted or refused.
    :param note: writes down how each visit went.
    :param proof_every: every so manieth routine check is a full proof; those between are as cheap as may be.
    :ivar present: whether a device has shown itself, where it stands, since the last routine check began.
    :param excluded: addresses at which nobody is asked anything.
    :param maker_of: whom a MAC was registered for, or "".
    :ivar missed: is told the key of each device that did not answer.
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
        note: RecordObservation = record_nothing,
        proof_every: int = 1,
        excluded: Container[str] = (),
        maker_of: Callable[[Mac], str] = lambda mac: "",
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._maker_of = maker_of
        self._inspectors = tuple(inspectors)
        self._validator = validator
        self._budget = budget
        self._round = 0
        self._note = note
        self._excluded = excluded
        self.missed: Callable[[int], None] = lambda key: None
        self.present: Callable[[int], bool] = lambda key: False
        self.counts: Counter[str] = Counter()
        self._guestbook = SessionCache(
            clock, registry, budget=budget, emit=emit, note=note, counts=self.counts, proof_every=proof_every
        )

    # --- the full inspection ---------------------------------------------------------------------------------------

    async def inspect(self, key: int) -> None:
        """Ask what the device is and prove its streams."""
        if not self._is_there(key):
            return
        visit = self._visit(key, self._with_maker(self._registry.candidate(key)))
        self._registry.asking(key, self._clock.seconds())
        try:
            await self._ask_all(key, visit)
        except Exception:
            # Cancelled, or a fault of ours: the device must not be taken for one that is being asked for ever.
            if self._registry.knows(key):
                self._registry.broke_off(key)
            raise

    def _visit(self, key: int, candidate: Candidate) -> InspectionSession:
        return InspectionSession(
            self._clock,
            candidate,
            validator=self._validator,
            budget=self._budget,
            played_with_login=self._guestbook.played_with_login(key),
        )

    async def identify(self, candidate: Candidate) -> Inspection | None:
        """What stands at an address says who it is, without any login and without its streams; None: nothing useful."""
        for inspector in self._inspectors:
            try:
                inspection = await inspector.inspect(candidate, None)
            except InspectionError:
                continue
            if inspection is not None and inspection.evidence:
                return inspection
        return None

    def _with_maker(self, candidate: Candidate) -> Candidate:
        made_by = self._maker_of(candidate.mac) if candidate.mac is not None else ""
        if not made_by or made_by in candidate.vendors:
            return candidate
        return replace(candidate, vendors=(*candidate.vendors, made_by))

    def _is_there(self, key: int) -> bool:
        """Whether a device can be visited: never at an address where another was seen since."""
        if not self._registry.knows(key):
            self._guestbook.forget(key)
            return False
        if not self._stands(key, self._registry.candidate(key)):
            self._silent(key, _TAKEN)
            return False
        if self._registry.candidate(key).address in self._excluded:
            # Known from before it was excluded. It is not looked for either.
            self._registry.silent(key, _EXCLUDED, self._clock.seconds())
            return False
        return True

    def _stands(self, key: int, candidate: Candidate) -> bool:
        return self._registry.knows(key) and self._registry.stands_at(key, candidate.address)

    async def _ask_all(self, key: int, visit: InspectionSession) -> None:
        problem: InspectionError | None = None
        failed = False
        for inspector in self._inspectors:
            try:
                inspection = await visit.ask(inspector)
            except InspectionError as error:
                self.counts["_".join(filter(None, (type(error).__name__.lower(), error.code)))] += 1
                self.log.debug(
                    "{inspector} at {address}: {error}",
                    inspector=inspector.name,
                    address=visit.candidate.address,
                    error=error,
                )
                self._noted(visit, inspector, f"{_KIND_OF_ANSWER.get(type(error), 'no answer')}: {error}")
                problem = max((problem or error, error), key=_telling)
                continue
            except CancelledError:
                raise
            except Exception:
                failed = True
                self.counts["failed"] += 1
                self.log.failure("Inspector {inspector} failed; the others are asked", inspector=inspector.name)
                continue
            if inspection is None:
                self._noted(visit, inspector, "not mine: no camera answered there")
            else:
                self._noted(visit, inspector, inspected_text(inspection))
                inspection = replace(inspection, streams=await visit.prove_all(inspection.streams))
                self._conclude(key, self._judge(inspection, visit), visit)
                return
        if problem is None and failed:
            # Nobody who could have known it was able to say so.
            if self._registry.knows(key):
                self._registry.broke_off(key)
            return
        self._give_up(key, visit, problem)

    # --- the end of a visit ----------------------------------------------------------------------------------------

    def _judge(self, inspection: Inspection, visit: InspectionSession) -> Inspection:
        """An inspection whose streams all want a login is a camera that wants a login."""
        closed = inspection.streams and all(not one.validated and one.proof is Proof.AUTH for one in inspection.streams)
        if closed and inspection.status is Status.ONLINE and not visit.busy:
            return replace(inspection, status=Status.AUTH_REQUIRED, reason=inspection.streams[0].reason)
        if visit.busy and inspection.status is Status.ONLINE and not any(one.validated for one in inspection.streams):
            return replace(inspection, status=Status.BUSY, reason=visit.busy)
        if visit.login is not None and not inspection.login:
            return replace(inspection, login=visit.login.name)
        return inspection

    def _lost(self, key: int, visit: InspectionSession) -> bool:
        """Whether the device moved or was forgotten meanwhile: who answered there, nobody knows."""
        if self._stands(key, visit.candidate):
            return False
        if self._registry.knows(key):
            self._registry.broke_off(key)
        return True

    def _conclude(self, key: int, inspection: Inspection, visit: InspectionSession) -> None:
        if self._lost(key, visit):
            return
        now = self._clock.seconds()
        self.counts[inspection.status.value] += 1
        mac = visit.candidate.mac
        if mac is not None and (made_by := self._maker_of(mac)):
            evidence = (*inspection.evidence, Evidence(EvidenceKind.VENDOR, made_by, OUI, now))
            inspection = replace(inspection, evidence=evidence)
        if inspection.status is Status.AUTH_REQUIRED:
            inspection = replace(inspection, reason=visit.advice(inspection.reason))
        self._registry.inspected(key, inspection, now)
        self._guestbook.note_logins(key, visit)
        self._guestbook.note_proof(key)

    def _silent(self, key: int, reason: str) -> None:
        """A device did not answer."""
        now = self._clock.seconds()
        self._guestbook.invalidate(key)
        self._note(now, self._registry.candidate(key).address, "check", f"no answer: {reason}")
        self._registry.silent(key, reason, now)
        self.missed(key)

    def _noted(self, visit: InspectionSession, inspector: IInspector, what: str) -> None:
        self._note(self._clock.seconds(), visit.candidate.address, inspector.name, what)

    def _give_up(self, key: int, visit: InspectionSession, problem: InspectionError | None) -> None:
        if self._lost(key, visit):
            return
        now = self._clock.seconds()
        if isinstance(problem, Busy):
            self._registry.busy(key, str(problem), now)
        elif isinstance(problem, Unreachable):
            self._silent(key, str(problem))
        else:
            self.counts["rubbish" if isinstance(problem, Malformed) else "foreign"] += 1
            reason = f"what it answers cannot be read: {problem}" if problem is not None else _NO_CAMERA
            self._registry.disowned(key, now, reason)

    def timed_out(self, key: int) -> None:
        """A visit took too long."""
        self.counts["timed_out"] += 1
        if self._registry.knows(key):
            self._silent(key, "it took too long to answer")

    # --- the routine check -----------------------------------------------------------------------------------------

    async def check(self, key: int) -> None:
        """Look whether a stream of each of the device's cameras still plays, and one that did not the last time."""
        if not self._is_there(key):
            return
        candidate = self._registry.candidate(key)
        visit = self._visit(key, candidate)
        visit.login = self._guestbook.login_for(key, candidate)
        self._round += 1
        if self._guestbook.proof_stands(key, candidate.address, visit.login) and await self._agrees(key, visit):
            return
        reports: dict[str, StreamReport] = {}
        for camera in self._registry.cameras_of(key):
            for stream in worth_a_look(camera.streams, self._round):
                reports[stream.url] = await visit.prove(stream)
        if not reports or not self._stands(key, candidate):
            return
        self._judge_check(key, reports, visit)
        self._guestbook.note_proof(key)

    async def _agrees(self, key: int, visit: InspectionSession) -> bool:
        """Whether what was proved stands, by as little as may tell so: the device was just seen, or one question.

        One stream is asked for, each in its turn. Whatever else comes of it is judged as a full proof is.
        """
        streams = [one for one in self._registry.streams(key) if one.validated]
        if not streams:
            return False
        if self.present(key):
            self.counts["seen"] += 1
            self._registry.checked(key, {}, self._clock.seconds())
            return True
        stream = streams[self._round % len(streams)]
        report = await visit.prove(stream, cheaply=True)
        if not self._stands(key, visit.candidate):
            return True
        if report.validated and report.proof not in PLAYED:
            self.counts["glanced"] += 1
            self._registry.checked(key, {}, self._clock.seconds())
            return True
        self._judge_check(key, {stream.url: report}, visit)
        self._guestbook.note_proof(key)
        return True

    def login_of(self, key: int) -> Login | None:
        """See :meth:`SessionCache.login_of`."""
        return self._guestbook.login_of(key)

    def _judge_check(self, key: int, reports: dict[str, StreamReport], visit: InspectionSession) -> None:
        now = self._clock.seconds()
        reason = next((one.reason for one in reports.values() if one.reason), "")
        if all(report.proof in _AWAY for report in reports.values()):
            self.counts["missed"] += 1
            self._silent(key, reason)
        elif not visit.busy and all(one.proof is Proof.AUTH and not one.validated for one in reports.values()):
            self._registry.refused(key, visit.advice(reason), now)
        elif visit.busy and not any(report.validated for report in reports.values()):
            self._registry.busy(key, visit.busy, now)
        else:
            self.counts["checked"] += 1
            self._registry.checked(key, reports, now)
        self._guestbook.note_logins(key, visit)


def _telling(problem: InspectionError) -> int:
    return max((rank for rank, kind in enumerate(_TELLING) if isinstance(problem, kind)), default=-1)
