"""One device, a login budget and a validator go in; what its inspectors and its streams answered comes out.

A visit asks without any login first, spends what the budget allows where one is wanted, and stops at the first word
of locking.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.cameras import apply_report
from twisted_detector.errors import Busy, InspectionError, Unauthorized, Unreachable
from twisted_detector.interfaces import IInspector, ILoginBudget, IStreamValidator
from twisted_detector.model import Candidate, Inspection, Login, Proof, Status, Stream, StreamReport
from twisted_detector.reasons import ReasonCode

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


class Visit:
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
        if refusal is None and (inspection is None or inspection.status is not Status.AUTH_REQUIRED):
            return inspection
        self.locked = self.locked or (refusal is not None and refusal.locked)
        for login in self._logins():
            try:
                answer = await inspector.inspect(self.candidate, login)
            except Unauthorized as error:
                refusal = error
                if self._note_refusal(login, error):
                    break
                continue
            if answer is None or answer.status is Status.AUTH_REQUIRED:
                # It was not tried (only Basic is offered, say): the answer tells why.
                inspection = answer or inspection
                continue
            self._note_success(login)
            return replace(answer, login=login.name)
        reason = str(refusal) if refusal is not None else "it wants a login"
        base = inspection or Inspection(
            inspector=inspector.name, address=self.candidate.address, at=self._clock.seconds()
        )
        return replace(base, status=Status.AUTH_REQUIRED, reason=base.reason or reason)

    def _logins(self) -> Sequence[Login]:
        if self.locked:
            return ()
        if self.login is not None:
            return (self.login,)
        return self._budget.allowed(self.candidate, self._clock.seconds())

    def _note_refusal(self, login: Login, error: Unauthorized) -> bool:
        """Charge the budget for a credential that was sent; True when no other may be tried."""
        self.reason = str(error)
        self.locked = self.locked or error.locked
        if error.attempted:
            self._budget.refused(self.candidate, login, self._clock.seconds(), error.locked)
            self.refused.append(login.name)
            if self.login is login:
                self.login = None
        return self.locked

    def _note_success(self, login: Login) -> None:
        self._budget.accepted(self.candidate, login, self._clock.seconds())
        self.login = login

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
            return await look(stream, self.login)
        except Busy:
            await deferLater(self._clock, BUSY_PAUSE)
        return await look(stream, self.login)

    async def _try(self, stream: Stream, look: Look) -> StreamReport:
        """Without any login or with the one that was let in, then with each that the budget allows."""
        try:
            return await self._patiently(stream, look)
        except Unauthorized as error:
            refusal = error
            if self.login is not None:
                self._note_refusal(self.login, error)
        if self.refused or self.locked or refusal.locked:
            # One refusal a visit is enough: the next stream has the same account behind it.
            return self._unauthorized(refusal)
        for login in self._logins():
            try:
                report = await self._validator.validate(stream, login)
            except Unauthorized as error:
                refusal = error
                if self._note_refusal(login, error):
                    break
                continue
            if report.proof in _LET_IN:
                self._note_success(login)
            return report
        return self._unauthorized(refusal)

    def _unauthorized(self, refusal: Unauthorized) -> StreamReport:
        if refusal.locked:
            return _unproved(Proof.AUTH, refusal, ReasonCode.LOCKED)
        if self._played_with_login and self._budget.doubtful(self.candidate):
            # A full table of connections answers like a wrong password (Dahua): this one was right before.
            self.busy = DOUBT
            return StreamReport(proof=Proof.AUTH, validated=False, reason=DOUBT, code=ReasonCode.BUSY)
        return _unproved(
            Proof.AUTH, refusal, ReasonCode.AUTH_REFUSED if refusal.attempted else ReasonCode.AUTH_REQUIRED
        )


def _unproved(proof: Proof, error: InspectionError, code: ReasonCode) -> StreamReport:
    return StreamReport(proof=proof, validated=False, reason=str(error), code=code)
