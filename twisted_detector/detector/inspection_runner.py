"""Runner of inspections; what they come to is recorded in the registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from twisted.internet.defer import CancelledError
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.detector.checks.routine_check import RoutineCheck
from twisted_detector.detector.device_sessions import DeviceSessions
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.detector.login_trial import TrialOutcome, TrialResult, judge
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
    Stream,
)
from twisted_detector.model.cameras import deciding_streams
from twisted_detector.model.decisions import NOT_GIVEN, OwnStreams
from twisted_detector.model.observers import Observers
from twisted_detector.model.reasons import NO_CAMERA, ReasonCode
from twisted_detector.registry.channels import assign_channels, channel_id
from twisted_detector.registry.observations import describe_inspection
from twisted_detector.registry.registry import Registry
from twisted_detector.registry.text_bounds import MAX_SOURCES, bound_inspection
from twisted_detector.seams import ILoginBudget

#: One inspection or check may take so many seconds in all: a recorder with 64 slow channels gets through, a tar pit
#: does not.
MAX_SECONDS = 120.0
#: New cameras of one device that are published in one turn of the reactor: with all messages each takes a millisecond.
NEW_CAMERAS_AT_ONCE = 8
#: Which problem of several inspectors is the reason: of these, the last says most.
_BY_WEIGHT = (Unreachable, Malformed, Busy, NotACamera)
_KINDS = {Malformed: "unreadable answer", Busy: "busy", Unauthorized: "login wanted", NotACamera: "not a camera"}
#: Awaited with the key of a device that answered, before it may be published.
BeforeNaming = Callable[[int], Awaitable[None]]


async def _nothing_to_await(key: int) -> None:
    """No name waits for anything."""


def _vendor_is_unknown(mac: Mac) -> str:
    return ""


def _none_given(camera_id: str, address: str) -> OwnStreams:
    return NOT_GIVEN


@dataclass(frozen=True, slots=True)
class Probes:
    """What devices are asked with.

    :ivar inspectors: in the order in which they are asked; the first that knows the device has it.
    :ivar validator: proves their streams.
    :ivar vendor_of: for whom a MAC was registered, or "".
    :ivar own_streams: the streams that a person gave for the camera with that id; of a device that is new, those that
        are expected at its address ("" for others).
    """

    inspectors: Sequence[IInspector]
    validator: IStreamValidator
    vendor_of: Callable[[Mac], str] = _vendor_is_unknown
    own_streams: Callable[[str, str], OwnStreams] = _none_given


class InspectionRunner:
    """Inspects one device per call; each call ends with one record in the registry.

    :param emit: emits events of logins that were accepted or refused.
    :param missed: called with the key of each device that did not answer.
    :param proof_every: of so many routine checks one is a full proof; those between are as cheap as possible.
    :ivar routine: the routine checks, which know what the inspections came to.
    :ivar counts: how inspections and checks ended, by result.
    :ivar ended: called with the key of each device whose inspection ended, however it did.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        probes: Probes,
        budget: ILoginBudget,
        emit: Callable[[Event], None],
        missed: Callable[[int], None] = lambda key: None,
        proof_every: int = 1,
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._vendor_of = probes.vendor_of
        self._own_streams = probes.own_streams
        self._inspectors = tuple(probes.inspectors)
        self._emit = emit
        self._by_hand: set[int] = set()
        self.ended: Observers[[int]] = Observers("the end of an inspection")
        self._sessions = DeviceSessions(
            environment,
            registry,
            validator=probes.validator,
            budget=budget,
            emit=emit,
            missed=missed,
            proof_every=proof_every,
        )
        self.routine = RoutineCheck(environment, registry, sessions=self._sessions)
        self.counts = self._sessions.counts

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
        _, unfinished = await self._inspect(key, before_naming)
        return unfinished

    async def try_login(self, key: int, login: Login, before_naming: BeforeNaming = _nothing_to_await) -> TrialResult:
        """Inspect a device with this one login, if the budget allows it there, and tell what became of the login."""
        session, _ = await self._inspect(key, before_naming, login)
        if session is not None:
            return judge(session, login)
        reasons = [camera.reason for camera in self._registry.cameras_of(key) if camera.reason]
        return TrialResult(TrialOutcome.NOT_TRIED, f"it is not asked: {(*reasons, 'it is gone')[0]}")

    async def _inspect(
        self, key: int, before_naming: BeforeNaming, only: Login | None = None
    ) -> tuple[InspectionSession | None, bool]:
        """Session of the inspection, None where nothing may be asked; and whether there was more to be tried."""
        if not self._sessions.may_ask(key):
            return None, False
        candidate = self._registry.candidate(key)
        where = "" if self._registry.is_published(key) else candidate.address
        own = self._own_streams(candidate.device_id, where).urls(candidate.address)
        candidate = replace(candidate, by_hand=key in self._by_hand, own_urls=own)
        self._by_hand.discard(key)
        session = self._sessions.open(key, self._with_vendor(candidate), only)
        self._registry.begin_inspection(key, self._environment.now())
        try:
            return session, await self._run_inspectors(key, session, before_naming)
        except Exception:
            # Cancelled, or a fault of ours: the device must not be taken for one that is being asked for ever.
            if self._registry.knows(key):
                self._registry.abort_inspection(key)
            raise
        finally:
            self.ended.notify(key)

    def wants(self, key: int) -> bool:
        """Whether a device is there to be asked; what was kept of one that is not is dropped."""
        known = self._sessions.wants(key)
        if not known:
            self._by_hand.discard(key)
        return known

    def timed_out(self, key: int) -> None:
        """An inspection or a check took too long and was cancelled."""
        self._sessions.timed_out(key)

    def has_played(self, key: int) -> bool:
        """See :meth:`SessionCache.played_with_login`."""
        return self._sessions.cache.played_with_login(key)

    def login_of(self, key: int) -> Login | None:
        """See :meth:`SessionCache.login_of`."""
        return self._sessions.cache.login_of(key)

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
                self._record(session, inspector, "failed: an internal error of camdetect or of a plugin; see the log")
                self.log.failure("Inspector {inspector} failed; the others are asked", inspector=inspector.name)
                continue
            if inspection is None:
                self._record(session, inspector, "not mine: no camera answered there")
            else:
                inspection = self._bounded(key, inspection, session, inspector)
                self._record(session, inspector, describe_inspection(inspection))
                streams = self._with_own_streams(key, inspection, session.candidate)
                inspection = replace(inspection, streams=await session.prove_all(streams))
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

    def _with_own_streams(self, key: int, inspection: Inspection, candidate: Candidate) -> tuple[Stream, ...]:
        """The streams of an inspection, with those in their places that a person gave."""
        cameras = {camera.channel: camera for camera in self._registry.cameras_of(key)}
        device_id, address = candidate.device_id, candidate.address
        channels = assign_channels(cameras.values(), inspection.streams)
        # What is only expected at an address is the stream of a device that is new and names none itself.
        where = address if not inspection.streams and not cameras else ""
        own = {number: self._own_streams(channel_id(device_id, number), where) for number, _, _ in channels}
        if not any(own.values()):
            return inspection.streams
        streams: list[Stream] = []
        for number, source, found in channels:
            known = cameras.get(number)
            if not inspection.streams and known is not None:
                source = known.source  # it names none this time
                found = tuple(one for one in known.streams if not one.own)
            streams += own[number].replace_in(found, address, source) if own[number] else found
        return tuple(streams)

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
        if deciding_streams(inspection.streams) is not inspection.streams:
            return self._explained(inspection, session)
        closed = inspection.streams and all(not one.validated and one.proof is Proof.AUTH for one in inspection.streams)
        if closed and inspection.status is Status.ONLINE and not session.busy:
            return replace(inspection, status=Status.AUTH_REQUIRED, reason=inspection.streams[0].reason)
        if session.busy and inspection.status is Status.ONLINE and not any(one.validated for one in inspection.streams):
            return replace(inspection, status=Status.BUSY, reason=session.busy)
        return _with_login(inspection, session)

    def _explained(self, inspection: Inspection, session: InspectionSession) -> Inspection:
        """The inspection of a device of which a person gave a stream: where that wants a login, with what to do."""
        streams = tuple(
            replace(one, reason=session.explain(one.reason))
            if one.own and one.proof is Proof.AUTH and not one.validated and one.code != ReasonCode.BUSY
            else one
            for one in inspection.streams
        )
        return _with_login(replace(inspection, streams=streams), session)

    def _has_left(self, key: int, session: InspectionSession) -> bool:
        """Whether the device moved or was forgotten meanwhile: then it is not known which device answered."""
        if self._sessions.is_at(key, session.candidate):
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
        self._sessions.cache.record_logins(key, session)
        self._sessions.cache.record_proof(key)

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

    def _record(self, session: InspectionSession, inspector: IInspector, text: str) -> None:
        self._environment.record(session.candidate.address, inspector.name, text)

    def _record_failure(self, key: int, session: InspectionSession, problem: InspectionError | None) -> None:
        if self._has_left(key, session):
            return
        now = self._environment.now()
        if isinstance(problem, Busy):
            self._registry.record_busy(key, str(problem), now)
        elif isinstance(problem, Unreachable):
            self._sessions.record_silence(key, str(problem))
        else:
            self.counts["rubbish" if isinstance(problem, Malformed) else "foreign"] += 1
            reason = f"what it answers cannot be read: {problem}" if problem is not None else NO_CAMERA
            is_other = isinstance(problem, NotACamera)
            self._registry.record_not_a_camera(key, now, f"it is {problem}" if is_other else reason, other=is_other)
            cameras = self._registry.cameras_of(key)
            if is_other and not any(one.online or one.last_validated > 0 for one in cameras):
                for camera in cameras:  # an earlier version published it
                    self._registry.forget(camera.id, now)


def _with_login(inspection: Inspection, session: InspectionSession) -> Inspection:
    if session.login is not None and not inspection.login:
        return replace(inspection, login=session.login.name)
    return inspection


def _weight(problem: InspectionError) -> int:
    return max((rank for rank, kind in enumerate(_BY_WEIGHT) if isinstance(problem, kind)), default=-1)
