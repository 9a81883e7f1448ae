"""Contracts of what asks a device: :class:`IInspector` and :class:`IStreamValidator`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any, Protocol

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.errors import Busy, LoginWithheld, Malformed, Unauthorized, Unreachable
from twisted_detector.interfaces import IInspector, IStreamValidator
from twisted_detector.model import Candidate, Inspection, Login, Proof, Status, Stream, StreamReport
from twisted_detector.testing.contracts.case import CLOSING, Contract, CountingPermit, moments, wrong

#: Proofs that need no media.
_BELOW_RTP = (Proof.RTSP, Proof.SDP)


class Manner(StrEnum):
    """How a device behaves."""

    OPEN = "open"  #: it wants no login
    GUARDED = "guarded"  #: it wants one, and tells without one that it does
    CLOSED = "closed"  #: no connection
    SILENT = "silent"  #: a connection, and no answer
    GARBAGE = "garbage"  #: an answer that cannot be read
    BUSY = "busy"  #: it has no room now
    OTHER = "other"  #: it speaks another protocol (an inspector), or has not got what is asked for (a validator)


class DeviceStage(Protocol):
    """One device, and what asks it; nothing was asked yet.

    :ivar login: the device accepts it, and no other.
    :ivar longest: seconds that one question takes at most.
    """

    @property
    def login(self) -> Login: ...

    @property
    def longest(self) -> float: ...

    def behave(self, manner: Manner) -> None:
        """The device behaves like that from now on."""

    def logins(self) -> int:
        """How often a login reached the device."""

    def left_open(self) -> Sequence[object]:
        """The connections, timers and locks that are open now; without one that is kept for the next question."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


class InspectorStage(DeviceStage, Protocol):
    """:ivar candidate: the device as discovery found it: one that announced this protocol, unless it speaks another."""

    @property
    def inspector(self) -> Any: ...

    @property
    def candidate(self) -> Candidate: ...


class ValidatorStage(DeviceStage, Protocol):
    """:ivar stream: a stream of the device."""

    @property
    def validator(self) -> Any: ...

    @property
    def stream(self) -> Stream: ...

    def change(self) -> None:
        """The stream describes itself in another way from now on: it has another codec."""

    def requests(self) -> int:
        """How many requests the device was sent so far."""


def _login_contract(build: Callable[[], Any], ask: Callable[[Any, Login | None], Any]) -> Any:
    """What asking a device promises of logins, of time, and of being cancelled."""

    class LoginContract(Contract):
        def setUp(self) -> None:
            self.make_stage()

        def make_stage(self, manner: Manner = Manner.OPEN) -> None:
            self.stage: Any = build()
            self.stage.behave(manner)
            self.advance = self.stage.advance

        def ask(self, login: Login | None = None) -> Any:
            return self.result_of(ask(self.stage, login), self.stage.longest)

        def refused(self, kind: Any, login: Login | None = None) -> Any:
            return self.error_of(ask(self.stage, login), kind, self.stage.longest)

        def assert_ended(self) -> None:
            self.pass_time(CLOSING)
            assert list(self.stage.left_open()) == []

        def test_no_login_wanted(self) -> None:
            """A device that wants no login is sent none, and none is reported as accepted."""
            permit = CountingPermit()
            self.ask(permit.on(self.stage.login))
            assert (self.stage.logins(), permit.acquired, permit.accepted_times) == (0, 0, 0)

        def test_right_login(self) -> None:
            """A permit is acquired before each time that the login is sent, and that it was accepted is reported."""
            self.make_stage(Manner.GUARDED)
            permit = CountingPermit()
            self.ask(permit.on(self.stage.login))
            assert 1 <= self.stage.logins() <= permit.acquired
            assert permit.accepted_times
            self.assert_ended()

        def test_wrong_login(self) -> None:
            """A refused login is told as one that was attempted, not as accepted, and needs a permit for each time."""
            self.make_stage(Manner.GUARDED)
            permit = CountingPermit()
            error = self.refused(Unauthorized, permit.on(wrong(self.stage.login)))
            assert error.attempted is not False or error.unsure
            assert 1 <= self.stage.logins() <= permit.acquired
            assert permit.accepted_times == 0
            self.assert_ended()

        def test_withheld(self) -> None:
            """Without a permit the login is not sent: that is LoginWithheld, and no refusal."""
            self.make_stage(Manner.GUARDED)
            self.refused(LoginWithheld, CountingPermit(grants=False).on(self.stage.login))
            assert self.stage.logins() == 0
            self.assert_ended()

        def test_foreign_realm(self) -> None:
            """Where the permit forbids to answer a realm, its error is what is raised, and nothing is sent."""
            self.make_stage(Manner.GUARDED)
            error = self.refused(Unauthorized, CountingPermit(foreign=True).on(self.stage.login))
            assert (error.attempted, self.stage.logins()) == (False, 0)
            self.assert_ended()

        def test_busy(self) -> None:
            """A device without room is Busy, which says nothing against it."""
            self.make_stage(Manner.BUSY)
            self.refused(Busy)
            self.assert_ended()

        def test_cancelled(self) -> None:
            """It may be cancelled at any moment: it ends, nothing is left open, and the login is not sent any more."""
            for manner in (Manner.GUARDED, Manner.SILENT):
                for moment in moments(self.stage.longest):
                    self.make_stage(manner)
                    self.cancel_after(ask(self.stage, self.stage.login), moment)
                    self.assert_ended()
                    sent = self.stage.logins()
                    self.pass_time(self.stage.longest)
                    assert self.stage.logins() == sent
                    self.stage.behave(Manner.OPEN)
                    self.ask()

    return LoginContract


def inspector_contract(build: Callable[[], InspectorStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IInspector`."""
    base: Any = _login_contract(build, lambda stage, login: stage.inspector.inspect(stage.candidate, login))

    class InspectorContract(base):  # type: ignore[misc]
        def test_interface(self) -> None:
            """It provides IInspector, and has a name."""
            verifyObject(IInspector, self.stage.inspector)
            assert isinstance(self.stage.inspector.name, str)
            assert self.stage.inspector.name

        def test_found(self) -> None:
            """A camera is inspected: by whom, where, and its streams; no login is in it that was not accepted."""
            found = self.ask()
            assert isinstance(found, Inspection)
            assert (found.inspector, found.address) == (self.stage.inspector.name, self.stage.candidate.address)
            assert (found.status, found.login) == (Status.ONLINE, "")
            assert found.streams
            self.assert_ended()

        def test_login_is_named(self) -> None:
            """An inspection with a login names the one that was accepted, and never holds a password."""
            self.make_stage(Manner.GUARDED)
            found = self.ask(self.stage.login)
            assert (found.login, found.status) == (self.stage.login.name, Status.ONLINE)
            assert self.stage.login.password.reveal() not in repr(found)

        def test_login_wanted(self) -> None:
            """Without a login, a device that wants one is Unauthorized, or found with that status; none was sent."""
            self.make_stage(Manner.GUARDED)
            working = self.finish(self.stage.inspector.inspect(self.stage.candidate, None), self.stage.longest)
            outcome: list[Any] = []
            working.addBoth(outcome.append)
            if isinstance(outcome[0], Inspection):
                assert (outcome[0].status, outcome[0].login) == (Status.AUTH_REQUIRED, "")
            else:
                assert isinstance(outcome[0].value, Unauthorized)
                assert not outcome[0].value.attempted
            assert self.stage.logins() == 0
            self.assert_ended()

        def test_closed(self) -> None:
            """Where nobody answers it is Unreachable."""
            self.make_stage(Manner.CLOSED)
            self.refused(Unreachable)
            self.assert_ended()

        def test_no_camera_of_its_kind(self) -> None:
            """Another protocol is None, an answer that cannot be read None or Malformed, silence None or Unreachable.

            Nothing else is raised, and the device can be inspected when it is well again.
            """
            for manner, allowed in (
                (Manner.OTHER, ()),
                (Manner.GARBAGE, (Malformed,)),
                (Manner.SILENT, (Unreachable,)),
            ):
                self.make_stage(manner)
                working = self.finish(self.stage.inspector.inspect(self.stage.candidate, None), self.stage.longest)
                outcome: list[Any] = []
                working.addBoth(outcome.append)
                error = getattr(outcome[0], "value", None)
                assert outcome[0] is None or isinstance(error, allowed), (manner, outcome[0])
                self.assert_ended()
                self.stage.behave(Manner.OPEN)
                assert isinstance(self.ask(), Inspection)

    return InspectorContract


def validator_contract(build: Callable[[], ValidatorStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IStreamValidator`."""
    base: Any = _login_contract(build, lambda stage, login: stage.validator.validate(stage.stream, login))

    class ValidatorContract(base):  # type: ignore[misc]
        def check(self, login: Login | None = None) -> StreamReport:
            report: StreamReport = self.result_of(
                self.stage.validator.check(self.stage.stream, login), self.stage.longest
            )
            return report

        def test_interface(self) -> None:
            """It provides IStreamValidator."""
            verifyObject(IStreamValidator, self.stage.validator)

        def test_plays(self) -> None:
            """A stream that plays is validated; there is no reason against it."""
            report = self.ask()
            assert (report.validated, report.reason, report.code) == (True, "", "")
            assert report.codec
            self.assert_ended()

        def test_login_wanted(self) -> None:
            """Without a login, a stream that wants one is Unauthorized, and none was sent."""
            self.make_stage(Manner.GUARDED)
            assert self.refused(Unauthorized).attempted is False
            assert self.stage.logins() == 0
            self.assert_ended()

        def test_does_not_play(self) -> None:
            """Whatever else keeps a stream from being proved is in its report, for people and for programs."""
            for manner in (Manner.OTHER, Manner.CLOSED, Manner.SILENT, Manner.GARBAGE):
                self.make_stage(manner)
                for report in (self.ask(), self.check()):
                    assert not report.validated
                    assert report.reason
                    assert report.code
                self.assert_ended()
                self.stage.behave(Manner.OPEN)
                assert self.ask().validated

        def test_check(self) -> None:
            """While nothing has changed a check is cheap, and validated with a proof below RTP."""
            self.ask()
            for_proof = self.stage.requests()
            report = self.check()
            assert (report.validated, report.reason, report.code) == (True, "", "")
            assert report.proof in _BELOW_RTP
            assert self.stage.requests() - for_proof < for_proof
            self.assert_ended()

        def test_first_check(self) -> None:
            """A stream that was never proved is proved."""
            report = self.check()
            assert report.validated
            assert report.proof not in _BELOW_RTP

        def test_changed(self) -> None:
            """A stream that has changed is proved anew."""
            self.ask()
            self.stage.change()
            report = self.check()
            assert report.proof not in _BELOW_RTP
            self.assert_ended()

        def test_check_cancelled(self) -> None:
            """A check may be cancelled at any moment, too."""
            for moment in moments(self.stage.longest):
                self.make_stage()
                self.ask()
                self.stage.behave(Manner.SILENT)
                self.cancel_after(self.stage.validator.check(self.stage.stream, None), moment)
                self.assert_ended()

    return ValidatorContract
