"""One device, a login budget and a validator go in; what its inspectors and its streams answered comes out.

A visit asks without any login first, spends what the budget allows where one is wanted, and stops at the first word
of locking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.detector.login_attempt import leads_to, spend
from twisted_detector.errors import Busy, InspectionError, Unauthorized, Unreachable
from twisted_detector.interfaces import IInspector, IStreamValidator
from twisted_detector.model import Candidate, EvidenceKind, Inspection, Login, Proof, Status, Stream, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.registry.camera_set import apply_report
from twisted_detector.seams import ILoginBudget

T = TypeVar("T")

#: The streams of one device are proved for so many seconds at most, so that the visit comes to an end before it is
#: cancelled: a recorder with more of them is known by those that were.
PROVE_SECONDS = 75.0
#: Seconds until a busy device is asked once more: GStreamer takes one apart in about one.
BUSY_PAUSE = 1.5
#: A report that came so far says that the login was right, where one was wanted.
_LET_IN = (Proof.SDP, Proof.RTP, Proof.KEYFRAME)
#: Of a device that refuses what it took before; the login is tried once more when the budget's window is over.
DOUBT = "it refuses a login that it took before: it may have no connection left, and is asked again later"

Look = Callable[[Stream, Login | None], Coroutine[Deferred[Any], Any, StreamReport]]


class InspectionSession:
    """One visit to one device, and what it came to so far.

    :param played_with_login: an earlier visit was shown a stream for a login.

    :ivar login: the login that was let in, None where none was needed or none was.
    :ivar refused: names of the logins that were refused; ``reason``: what the device said to the last.
    :ivar locked: whether the device said that it locks: nothing more is tried.
    :ivar busy: what the device said when it had no room for a stream's check, or "".
    :ivar failures: how often a validator failed by a fault of ours.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        candidate: Candidate,
        *,
        validator: IStreamValidator,
        budget: ILoginBudget,
        played_with_login: bool = False,
    ) -> None:
        self._clock = clock
        self._played_with_login = played_with_login
        self._validator = validator
        self._budget = budget
        self.candidate = candidate
        self.login: Login | None = None
        self.refused: list[str] = []
        self.reason = ""
        self.locked = False
        self.busy = ""
        self.failures = 0

    async def ask(self, inspector: IInspector) -> Inspection | None:
        """One inspector's answer: first without any login, then with each that the budget allows."""
        refusal: Unauthorized | None = None
        inspection: Inspection | None = None
        try:
            inspection = await inspector.inspect(self.candidate, None)
        except Unauthorized as error:
            refusal = error
        wanted = refusal is not None or (inspection is not None and inspection.status is Status.AUTH_REQUIRED)
        self._learn(inspection, door=inspector.name if wanted or inspection else "", wants_login=wanted)
        if not wanted:
            return inspection
        if refusal is not None:
            self._note_lock(refusal)
        for login in self._logins():
            try:
                answer = await self._spend(
                    login,
                    lambda given: inspector.inspect(self.candidate, given),
                    _was_let_in,
                    lambda answer: answer is not None and answer.doubted,
                )
            except Unauthorized as error:
                refusal = error
                if self._note_refusal(login, error):
                    break
                continue
            if answer is None or answer.status is Status.AUTH_REQUIRED:
                # It was not tried (only Basic is offered, say), or it was of no use: the answer tells why.
                inspection = answer or inspection
                if self.login == login:
                    self.login = None
                continue
            self.login = login
            self._learn(answer)
            return replace(answer, login=login.name)
        # What became of a login says more than that one is wanted.
        reason = str(refusal) if refusal is not None else inspection.reason if inspection is not None else ""
        base = inspection or Inspection(
            inspector=inspector.name, address=self.candidate.address, at=self._clock.seconds()
        )
        return replace(base, status=Status.AUTH_REQUIRED, reason=reason or "it wants a login")

    def _learn(self, inspection: Inspection | None, *, door: str = "", wants_login: bool = True) -> None:
        """What the device says of itself decides which logins are for it, and whether it is still what it was."""
        firmware = ""
        if inspection is not None:
            firmware = inspection.firmware_version
            made_by = [one.value for one in inspection.evidence if one.kind == EvidenceKind.VENDOR]
            vendors = dict.fromkeys(filter(None, (inspection.manufacturer, *made_by, *self.candidate.vendors)))
            self.candidate = replace(self.candidate, vendors=tuple(vendors))
        now = self._clock.seconds()
        self._budget.record_fingerprint(self.candidate, now, firmware=firmware, door=door, wants_login=wants_login)

    def _logins(self) -> Sequence[Login]:
        if self.locked:
            return ()
        if self.login is not None:
            return (self.login,)
        return self._budget.allowed_logins(self.candidate, self._clock.seconds())

    async def _spend(
        self,
        login: Login,
        attempt: Callable[[Login], Awaitable[T]],
        let_in: Callable[[T], bool | None],
        doubted: Callable[[T], bool] = lambda outcome: False,
    ) -> T:
        return await spend(self._budget, self._clock, self.candidate, login, attempt, let_in=let_in, doubted=doubted)

    def _note_refusal(self, login: Login, error: Unauthorized) -> bool:
        """Remember which login was refused; True when no other may be tried."""
        self.reason = str(error)
        if error.attempted:
            self.locked = self.locked or error.locked
            self.refused.append(login.name)
            if self.login == login:
                self.login = None
        else:
            self._note_lock(error)
        return self.locked

    def _note_lock(self, error: Unauthorized) -> None:
        """The device says that it locks though it was given nothing."""
        if error.locked and not self.locked:
            self.locked = True
            self._budget.record_lockout(self.candidate, self._clock.seconds())

    def advice(self, reason: str) -> str:
        """Why the device is not entered, with what the budget says of it: what to do, and when it is tried again."""
        outlook = self._budget.explain_wait(self.candidate, self._clock.seconds())
        return "; ".join(filter(None, (reason, outlook)))

    async def prove_all(self, streams: Sequence[Stream]) -> tuple[Stream, ...]:
        """Each stream with what its check said; one after the other, for a camera has few connections to give.

        The first of each source comes first. When time is up, the rest is left to the routine checks.
        """
        began = self._clock.seconds()
        seen: Counter[str] = Counter()
        order: list[tuple[int, int]] = []
        for position, stream in enumerate(streams):
            order.append((seen[stream.source], position))
            seen[stream.source] += 1
        proved = list(streams)
        for _, position in sorted(order):
            stream = streams[position]
            if self._clock.seconds() - began > PROVE_SECONDS:
                proved[position] = replace(
                    stream, reason="not checked yet: the device has many streams", code=ReasonCode.NOT_CHECKED
                )
            else:
                proved[position] = apply_report(stream, await self.prove(stream))
        return tuple(proved)

    async def prove(self, stream: Stream, *, cheaply: bool = False) -> StreamReport:
        """What the check of one stream said; never raises for what the device or a validator does."""
        try:
            return await self._try(stream, self._validator.check if cheaply else self._validator.validate)
        except Busy as error:
            self.busy = str(error)
            return _unproved(Proof.RTSP, error, ReasonCode.BUSY)
        except Unreachable as error:
            return _unproved(Proof.UNREACHABLE, error, ReasonCode.UNREACHABLE)
        except InspectionError as error:
            return _unproved(Proof.TCP, error, ReasonCode.NOT_RTSP)
        except CancelledError:
            raise
        except Exception:
            self.failures += 1
            self.log.failure("The check of a stream at {address} failed", address=self.candidate.address)
            reason = "the check failed by a fault of ours"
            return StreamReport(proof=Proof.TCP, validated=False, reason=reason, code=ReasonCode.FAULT)

    async def _patiently(self, stream: Stream, look: Look) -> StreamReport:
        """A device that is busy just after it was asked is often only tidying up after us: once more, a bit later."""
        try:
            return await self._look(stream, look)
        except Busy:
            await deferLater(self._clock, BUSY_PAUSE)
        return await self._look(stream, look)

    async def _look(self, stream: Stream, look: Look) -> StreamReport:
        """With the login that was let in, if there is one; it goes to the device itself only."""
        if self.login is None or not leads_to(stream.url, self.candidate.address):
            return await look(stream, None)
        return await self._with(self.login, stream, look)

    async def _with(self, login: Login, stream: Stream, look: Look) -> StreamReport:
        return await self._spend(
            login, lambda given: look(stream, given), lambda report: report.proof in _LET_IN or None
        )

    async def _try(self, stream: Stream, look: Look) -> StreamReport:
        """Without any login or with the one that was let in, then with each that the budget allows."""
        try:
            return await self._patiently(stream, look)
        except Unauthorized as error:
            refusal = error
            if self.login is not None:
                self._note_refusal(self.login, error)
            else:
                self._note_lock(error)
        if self.refused or self.locked:
            # One refusal a visit is enough: the next stream has the same account behind it.
            return self._unauthorized(refusal)
        if not leads_to(stream.url, self.candidate.address):
            reason = "another host wants a login, and is given none"
            return StreamReport(Proof.AUTH, validated=False, reason=reason, code=ReasonCode.AUTH_REQUIRED)
        for login in self._logins():
            try:
                report = await self._with(login, stream, self._validator.validate)
            except Unauthorized as error:
                refusal = error
                if self._note_refusal(login, error):
                    break
                continue
            if report.proof in _LET_IN:
                self.login = login
            return report
        return self._unauthorized(refusal)

    def _unauthorized(self, refusal: Unauthorized) -> StreamReport:
        if refusal.locked:
            return _unproved(Proof.AUTH, refusal, ReasonCode.LOCKED)
        if self._played_with_login and self._budget.has_doubtful_login(self.candidate):
            # A full table of connections answers like a wrong password (Dahua): this one was right before.
            self.busy = DOUBT
            return StreamReport(proof=Proof.AUTH, validated=False, reason=DOUBT, code=ReasonCode.BUSY)
        return _unproved(
            Proof.AUTH, refusal, ReasonCode.AUTH_REFUSED if refusal.attempted else ReasonCode.AUTH_REQUIRED
        )


def _was_let_in(answer: Inspection | None) -> bool | None:
    """Whether a login was: an answer that says that it was later refused says that it was let in before."""
    if answer is None:
        return None
    return answer.status is not Status.AUTH_REQUIRED or (answer.doubted and bool(answer.login))


def _unproved(proof: Proof, error: InspectionError, code: ReasonCode) -> StreamReport:
    return StreamReport(proof=proof, validated=False, reason=str(error), code=code)
