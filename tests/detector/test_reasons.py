"""What is told of a device that could not be judged for a reason of ours: it is not blamed for it."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred

from tests.detector.case import GOOD, HERE, MAIN, XADDR, DetectorCase, RunnerCase, asks_login
from tests.facts import A, B, inspection, sighting, stream
from twisted_detector.detector.inspection_session import PROVE_SECONDS
from twisted_detector.detector.login_attempt import attempt_login
from twisted_detector.errors import LoginWithheld, Malformed, Unauthorized
from twisted_detector.model import Candidate, Login, Status, Stream
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.testing.doubles import Guarded, ScriptedValidator


class SessionReasons(RunnerCase):
    """Inspections."""

    def test_a_fault_of_a_validator(self) -> None:
        """A validator that fails is our fault; that of an inspector leaves nothing known."""
        self.onvif.answers[HERE] = inspection(HERE)
        self.validator.answers[MAIN] = KeyError("x")
        self.inspect()
        self.assertEqual("the check failed by a fault of ours", self.camera().streams[0].reason)
        self.assertEqual(ReasonCode.FAULT, self.camera().streams[0].code)
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))

    def test_a_fault_of_an_inspector(self) -> None:
        """It is recorded as ours, and the device is neither a camera nor none."""
        self.onvif.answers[HERE] = KeyError("x")
        key = self.inspect()
        self.assertEqual(1, len(self.flushLoggedErrors(KeyError)))
        self.assertIn("failed: an internal error of camdetect or of a plugin; see the log", self.observe)
        self.assertIs(Phase.CANDIDATE, self.registry.phase(key))

    def test_an_answer_that_we_cannot_read(self) -> None:
        """It is told as that, not as a device that is no camera."""
        self.onvif.answers[HERE] = inspection(HERE)
        key = self.inspect()
        self.onvif.answers[HERE] = Malformed("an answer is too long")
        self.inspect(key)
        self.assertEqual((Status.STREAM_ERROR, "what it answers cannot be read: an answer is too long"), self.state())

    def test_a_login_that_is_withheld(self) -> None:
        """A login that may not be sent again is no device that is away, nor one that refused it."""
        withheld = (
            "no login may be sent to it now: one that was sent is not answered yet, or may have counted as a failure"
        )
        stale = "the device calls each nonce too old, so that no login can be tried"
        for error, reason in ((LoginWithheld(), withheld), (LoginWithheld(stale), stale)):
            self.validator = WithholdingValidator(error)
            self.build(GOOD)
            self.onvif.answers[HERE] = asks_login()
            self.inspect()
            self.assertEqual((Status.BUSY, reason), self.state())

    def test_an_inspector_that_withholds_a_login(self) -> None:
        """The reason is the inspector's own, and what the budget says of it."""

        def withhold(login: Login) -> bool:
            raise LoginWithheld("each nonce is too old")

        self.build(GOOD)
        self.onvif.answers[HERE] = Guarded(inspection(HERE), withhold)
        self.inspect()
        status, reason = self.state()
        self.assertEqual((Status.AUTH_REQUIRED, "each nonce is too old"), (status, reason.partition(";")[0]))

    def test_time_is_up(self) -> None:
        """Streams for which there was no time are not called bad."""
        names = [f"s{number}" for number in range(3)]
        self.onvif.answers[HERE] = inspection(HERE, *(stream(HERE, name, name, plays=False) for name in names))
        self.validator = SlowValidator(self.clock)
        self.build()
        running = Deferred.fromCoroutine(self.runner.inspect(self.see()))
        self.clock.pump([0.5] * 20)
        self.successResultOf(running)
        reasons = {one.reason for camera in self.registry.cameras() for one in camera.streams}
        self.assertIn("not checked yet: the device has many streams", reasons)

    def test_a_budget_that_is_spent(self) -> None:
        """A login that the budget does not give is not said to be refused."""

        async def attempt(login: Login) -> str:
            raise AssertionError("it was sent")

        candidate = Candidate("x", HERE)
        asking = Deferred.fromCoroutine(attempt_login(self.budget, self.clock, candidate, GOOD, attempt))
        problem = self.failureResultOf(asking, Unauthorized).value
        self.assertEqual(("no login may be tried now", False), (str(problem), problem.attempted))


class WithholdingValidator(ScriptedValidator):
    """May not send the login that it is given."""

    def __init__(self, error: LoginWithheld) -> None:
        super().__init__()
        self._error = error

    async def validate(self, stream: Stream, login: Login | None) -> Any:
        raise self._error if login is not None else Unauthorized("it wants a login", attempted=False)


class SlowValidator(ScriptedValidator):
    """Takes all the time there is for its first stream."""

    def __init__(self, clock: Any) -> None:
        super().__init__()
        self._clock = clock

    async def validate(self, stream: Stream, login: Login | None) -> Any:
        self._clock.rightNow += PROVE_SECONDS + 1
        return await super().validate(stream, login)


class SightingReasons(DetectorCase):
    """What is left alone."""

    excluded = ("10.0.0.66",)

    def test_left_alone(self) -> None:
        """An excluded address, and a device that a person blocked, are told to be left alone."""
        self.start()
        self.watcher.report(sighting(HERE, A, xaddrs=XADDR))
        self.clock.pump([1] * 20)
        self.registry.block(self.ids()[0], self.clock.seconds())
        self.watcher.report(sighting(HERE, A, xaddrs=("http://10.0.0.5/o",)))
        self.watcher.report(sighting("10.0.0.66", B))
        told = {address: text for address, _, text in self.observed}
        self.assertEqual("it is blocked (camdetect unblock): it is asked nothing", told[HERE])
        self.assertEqual("SCAN_EXCLUDE has it: it is asked nothing", told["10.0.0.66"])
