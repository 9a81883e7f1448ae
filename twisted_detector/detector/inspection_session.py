"""Session of one inspection or check of one device: inspectors and stream checks, with the logins that they need.

Everything is asked without a login first. Where one is wanted, those that the budget allows are tried, until one is
accepted, or until the device says that it locks.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.detector.login_attempt import attempt_login, is_on_device, traces_of
from twisted_detector.errors import Busy, InspectionError, LoginWithheld, Unauthorized, Unreachable
from twisted_detector.interfaces import IInspector, IStreamValidator
from twisted_detector.model import Candidate, EvidenceKind, Inspection, Login, Proof, Status, Stream, StreamReport
from twisted_detector.model.addresses import place_of
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.registry.camera_set import apply_report
from twisted_detector.seams import ILoginBudget

T = TypeVar("T")

#: The streams of one device are proved for so many seconds at most, so that the session ends before it is
#: cancelled: a recorder with more of them is known by those that were.
PROVE_SECONDS = 75.0
#: Seconds until a busy device is asked once more: GStreamer takes one apart in about one.
BUSY_PAUSE = 1.5
#: Of a device that refuses what it took before; the login is tried once more when the budget's window is over.
DOUBT = (
    "it refuses a login that it took before: the password was changed (give the new one: camdetect login), or it has "
    "no connection left; it is asked again later (at once: camdetect login retry)"
)

#: Of a device whose login is right, and is not risked for what else failed there.
WITHHELD = "its login was right, and is kept back while other attempts that failed there count"

#: RFC 2326, 7.1.1.
_STATUS = re.compile(r"\b[45][0-9]{2}\b")

_WANTED = "it wants a login"

StreamCheck = Callable[[Stream, Login | None], Coroutine[Deferred[Any], Any, StreamReport]]


class InspectionSession:
    """State of the session: what it came to so far.

    :param played_with_login: whether the device ever played a stream for a login.
    :param only: the one login that may be tried; None: each that the budget allows.
    :param cancelled_without_turn: called when it was cancelled while it waited for what else is under way with a login.

    :ivar candidate: the device, with the vendors that it named.
    :ivar login: the login that was accepted; None where none was needed or none was accepted.
    :ivar refused: names of the logins that were refused; ``reason``: what the device said to the last.
    :ivar locked: whether the device said that it locks: nothing more is tried.
    :ivar busy: what the device said when it had no room for a stream's check, or "".
    :ivar accepted: names of the logins that something on the device let in, whatever came after; ``sent``: whether any
        was sent.
    :ivar wants: what was said where a login is wanted and none was let in, "" where none is wanted.
    :ivar inspected: whether an inspector knew the device; ``problem``: why the last that was asked got no answer.
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
        only: Login | None = None,
        cancelled_without_turn: Callable[[], None] = lambda: None,
    ) -> None:
        self._cancelled_without_turn = cancelled_without_turn
        self._clock = clock
        self._played_with_login = played_with_login
        self._only = only
        self._validator = validator
        self._budget = budget
        self.candidate = candidate
        self.login: Login | None = None
        self.refused: list[str] = []
        self.reason = ""
        self.locked = False
        self.busy = ""
        self.accepted: list[str] = []
        self.sent = self.inspected = self._unheard = False
        self.wants = self.problem = ""
        self.failures = 0

    async def inspect(self, inspector: IInspector) -> Inspection | None:
        """One inspector's result: first without any login, then with each that the budget allows.

        :raises InspectionError: as the inspector.
        """
        try:
            inspection = await self._inspect(inspector)
        except InspectionError as error:
            self.problem = str(error)
            raise
        self.inspected = self.inspected or inspection is not None
        return inspection

    async def _inspect(self, inspector: IInspector) -> Inspection | None:
        refusal: Unauthorized | None = None
        inspection: Inspection | None = None
        withheld = ""
        try:
            inspection = await inspector.inspect(self.candidate, None)
        except Unauthorized as error:
            refusal = error
        wanted = refusal is not None or (inspection is not None and inspection.status is Status.AUTH_REQUIRED)
        self._record_fingerprint(inspection, service=inspector.name if wanted or inspection else "", wants_login=wanted)
        if not wanted:
            return inspection
        self.wants = str(refusal or (inspection and inspection.reason) or _WANTED)
        if refusal is not None:
            self._record_lockout(refusal)
        for login in self._logins():
            try:
                answer, accepted = await self._attempt(
                    login,
                    lambda given: inspector.inspect(self.candidate, given),
                    _wants_login,
                    lambda answer: answer is not None and answer.doubted,
                )
            except LoginWithheld as error:
                if self._budget.known_good(self.candidate) == login:
                    withheld = str(error)  # what failed meanwhile at the device is no word about this one
                refusal = Unauthorized(str(error), attempted=False)
                break
            except Unauthorized as error:
                refusal = error
                if self._record_refusal(login, error):
                    break
                continue
            if answer is None or answer.status is Status.AUTH_REQUIRED:
                # It was not sent (only Basic is offered, say), or it was of no use: the answer has the reason.
                inspection = answer or inspection
                self.problem = "no answer to the login" if self._unheard else self.problem
                if self.login == login:
                    self.login = None
                continue
            self._record_fingerprint(answer)
            self.wants = ""
            if not accepted:
                return replace(answer, login="")  # it asked for none this time
            self.login = login
            return replace(answer, login=login.name)
        # The outcome of a login says more than that one is wanted.
        reason = str(refusal) if refusal is not None else inspection.reason if inspection is not None else ""
        base = inspection or Inspection(
            inspector=inspector.name, address=self.candidate.address, at=self._clock.seconds()
        )
        if doubt := self._doubt() or withheld:
            self.busy = doubt
            return replace(base, status=Status.BUSY, reason=doubt)
        self.wants = reason or _WANTED
        return replace(base, status=Status.AUTH_REQUIRED, reason=self.wants)

    def _record_fingerprint(
        self, inspection: Inspection | None, *, service: str = "", wants_login: bool = True
    ) -> None:
        """What the device says of itself decides which logins are for it, and whether it is still the same device."""
        firmware = serial = ""
        if inspection is not None:
            firmware, serial = inspection.firmware_version, inspection.serial_number
            made_by = [one.value for one in inspection.evidence if one.kind == EvidenceKind.VENDOR]
            vendors = dict.fromkeys(filter(None, (inspection.manufacturer, *made_by, *self.candidate.vendors)))
            self.candidate = replace(self.candidate, vendors=tuple(vendors))
        now = self._clock.seconds()
        self._budget.record_fingerprint(
            self.candidate, now, firmware=firmware, serial=serial, service=service, wants_login=wants_login
        )

    def _logins(self) -> Sequence[Login]:
        if self.locked:
            return ()
        if self.login is not None:
            return (self.login,)
        allowed = self._budget.allowed_logins(self.candidate, self._clock.seconds())
        return allowed if self._only is None else [login for login in allowed if login == self._only]

    async def _attempt(
        self,
        login: Login,
        attempt: Callable[[Login], Awaitable[T]],
        wants_login: Callable[[T], bool] = lambda outcome: False,
        doubted: Callable[[T], bool] = lambda outcome: False,
    ) -> tuple[T, bool]:
        began = False

        async def watched(given: Login) -> T:
            nonlocal began
            began = True
            try:
                return await attempt(given)
            finally:
                sent, accepted, self._unheard = traces_of(given)
                self.sent = self.sent or sent
                self.accepted += [login.name] * accepted

        try:
            return await attempt_login(
                self._budget, self._clock, self.candidate, login, watched, wants_login=wants_login, doubted=doubted
            )
        except CancelledError:
            if not began:
                self._cancelled_without_turn()
            raise

    def _record_refusal(self, login: Login, error: Unauthorized) -> bool:
        """Record which login was refused; True when no other may be tried."""
        self.reason = str(error)
        if error.attempted:
            self.locked = self.locked or error.locked
            self.refused.append(login.name)
            if self.login == login:
                self.login = None
        else:
            self._record_lockout(error)
        return self.locked

    def _record_lockout(self, error: Unauthorized) -> None:
        """Record that the device locks though it was sent no login."""
        if error.locked and not self.locked:
            self.locked = True
            self._budget.record_lockout(self.candidate, self._clock.seconds())

    def explain(self, reason: str) -> str:
        """``reason``, and what the budget says of it: what to do, and when a login is tried again."""
        outlook = self._budget.explain_wait(self.candidate, self._clock.seconds())
        return "; ".join(filter(None, (reason, outlook)))

    async def prove_all(self, streams: Sequence[Stream]) -> tuple[Stream, ...]:
        """Each stream with its report; one after the other, since a camera has few connections to give.

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
        """Report of one stream; never raises for what the device or a validator does.

        :param cheaply: by ``check`` instead of ``validate`` of :class:`IStreamValidator`.
        """
        report = await self._prove(stream, cheaply=cheaply)
        if stream.own and not report.validated:
            report = replace(report, reason=explain_own(stream, report))
        return report

    async def _prove(self, stream: Stream, *, cheaply: bool) -> StreamReport:
        try:
            return await self._check_with_any(stream, self._validator.check if cheaply else self._validator.validate)
        except (Busy, LoginWithheld) as error:
            self.busy = str(error)
            return _unproved(Proof.RTSP, error, ReasonCode.BUSY)
        except Unreachable as error:
            self.problem = str(error)
            return _unproved(Proof.UNREACHABLE, error, ReasonCode.UNREACHABLE)
        except InspectionError as error:
            self.problem = str(error)
            return _unproved(Proof.TCP, error, ReasonCode.NOT_RTSP)
        except CancelledError:
            raise
        except Exception:
            self.failures += 1
            self.log.failure("The check of a stream at {address} failed", address=self.candidate.address)
            reason = "the check failed by a fault of ours"
            return StreamReport(proof=Proof.TCP, validated=False, reason=reason, code=ReasonCode.FAULT)

    async def _check_twice(self, stream: Stream, check: StreamCheck) -> StreamReport:
        """Check once more, a bit later, when the device is busy: it is often still closing our last connection."""
        try:
            return await self._check(stream, check)
        except Busy:
            await deferLater(self._clock, BUSY_PAUSE)
        return await self._check(stream, check)

    async def _check(self, stream: Stream, check: StreamCheck) -> StreamReport:
        """Check with the login that was accepted, if there is one; it is sent to the device itself only."""
        if self.login is None or not is_on_device(stream.url, self.candidate.address):
            return await check(stream, None)
        report, _ = await self._check_with(self.login, stream, check)
        return report

    async def _check_with(self, login: Login, stream: Stream, check: StreamCheck) -> tuple[StreamReport, bool]:
        return await self._attempt(login, lambda given: check(stream, given))

    async def _check_with_any(self, stream: Stream, check: StreamCheck) -> StreamReport:
        """Check without any login or with the one that was accepted, then with each that the budget allows."""
        try:
            return await self._check_twice(stream, check)
        except Unauthorized as error:
            refusal = error
            self.wants = str(error)
            if self.login is not None:
                self._record_refusal(self.login, error)
            else:
                self._record_lockout(error)
        if self.refused or self.locked:
            # One refusal in a session is enough: the next stream has the same accounts.
            return self._unauthorized(refusal)
        if not is_on_device(stream.url, self.candidate.address):
            reason = self.wants = "another host wants a login, and is given none"
            return StreamReport(Proof.AUTH, validated=False, reason=reason, code=ReasonCode.AUTH_REQUIRED)
        for login in self._logins():
            try:
                report, accepted = await self._check_with(login, stream, self._validator.validate)
            except Unauthorized as error:
                refusal = error
                if self._record_refusal(login, error):
                    break
                continue
            if accepted:
                self.login = login
            self.wants = ""
            return report
        return self._unauthorized(refusal)

    def _unauthorized(self, refusal: Unauthorized) -> StreamReport:
        self.wants = str(refusal)
        if refusal.locked:
            return _unproved(Proof.AUTH, refusal, ReasonCode.LOCKED)
        if doubt := self._doubt():
            self.busy = doubt
            return StreamReport(proof=Proof.AUTH, validated=False, reason=doubt, code=ReasonCode.BUSY)
        return _unproved(
            Proof.AUTH, refusal, ReasonCode.AUTH_REFUSED if refusal.attempted else ReasonCode.AUTH_REQUIRED
        )

    def _doubt(self) -> str:
        """Why the device is not known to want another login, though it did not accept one now; "" where it is.

        A full table of connections answers like a wrong password (Dahua), and this one was right before.
        """
        if self.locked:
            return ""
        if self._played_with_login and self._budget.has_doubtful_login(self.candidate):
            return DOUBT
        withheld = self._budget.withholds_right_login(self.candidate, self._clock.seconds())
        return self.explain(WITHHELD) if withheld and not self.refused and self._only is None else ""


def _wants_login(answer: Inspection | None) -> bool:
    """Whether a device wants a login as before; one that refused it only later had accepted it before."""
    return answer is not None and answer.status is Status.AUTH_REQUIRED and not (answer.doubted and bool(answer.login))


def explain_own(stream: Stream, report: StreamReport) -> str:
    """Why a stream does not play that a person gave: the path by which he knows it, and what the server said."""
    port, target = place_of(stream.url)
    if report.code == ReasonCode.NOT_FOUND:
        status = _STATUS.search(report.reason)
        answer = f" ({status[0]})" if status is not None else ""
        return f"the camera has no stream at {target}{answer}: correct its address, or leave the stream to camdetect"
    where = f"{target} at port {port}"
    if report.proof is Proof.AUTH:
        return f"{report.reason} (for the stream that you gave, {where})"
    if report.proof is Proof.TCP and stream.url.startswith("rtsp:"):
        return f"the stream that you gave, {where}, does not play: {report.reason}; if it speaks TLS, write rtsps://"
    return f"the stream that you gave, {where}, does not play: {report.reason}"


def _unproved(proof: Proof, error: InspectionError, code: ReasonCode) -> StreamReport:
    return StreamReport(proof=proof, validated=False, reason=str(error), code=code)
