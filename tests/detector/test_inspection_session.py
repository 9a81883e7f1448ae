"""Inspection session: which logins are tried on which device, in which order, and when none is."""

from __future__ import annotations

from typing import Any

from tests.detector.case import BAD, GOOD, HERE, ID, MAIN, OTHER, SUB, RunnerCase, asks_login, is_good
from tests.facts import PLAYS, inspection, login, stream
from twisted_detector.detector import inspection_session as session_module
from twisted_detector.errors import LoginWithheld, Unauthorized
from twisted_detector.events import CameraEvent, CameraTrouble, CredentialAccepted, CredentialRefused
from twisted_detector.inspection.logins.history import WINDOW
from twisted_detector.model import Inspection, Login, Proof, Status, StreamReport
from twisted_detector.model.reasons import NOT_RETRIED
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.testing.doubles import Guarded, ScriptedInspector


class LoginTests(RunnerCase):
    def test_right_login(self) -> None:
        """Asked without, refused, asked with the login: accepted, emitted by name, and used for the streams."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.inspect()
        self.assertEqual(
            ([(HERE, None), (HERE, "good")], [(MAIN, "good")]), (self.onvif.calls, self.validator.validated)
        )
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.assertEqual(
            ["good"], [event.login for event in self.listener.events if isinstance(event, CredentialAccepted)]
        )

    def test_wrong_then_right(self) -> None:
        """A wrong login is spent once, the right one found; the next session begins with the right one."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        self.inspect(key)
        self.assertEqual([None, "bad", "good", None, "good"], [name for _, name in self.onvif.calls])
        [refused] = [event for event in self.listener.events if isinstance(event, CredentialRefused)]
        self.assertEqual((("bad",), "it refused the login"), (refused.logins, refused.reason))
        self.assertEqual(1, len([event for event in self.listener.events if isinstance(event, CredentialAccepted)]))

    def test_all_refused(self) -> None:
        """After two refusals nothing more is tried, nor in the next session; the camera is published as it is."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        self.inspect(key)
        self.check(key)
        self.assertEqual([None, "bad", "other", None], [name for _, name in self.onvif.calls])
        self.assertIs(Status.AUTH_REQUIRED, self.camera().status)
        self.assertIs(Phase.REFUSED, self.registry.phase(key))
        self.clock.advance(WINDOW)
        self.inspect(key)
        self.assertEqual([None, "good"], [name for _, name in self.onvif.calls[-2:]])
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_what_is_known_without_a_login(self) -> None:
        """A camera that nobody may enter is published with all that it told before."""
        before = Inspection("onvif", HERE, 0.0, name="Yard", model="M1", status=Status.AUTH_REQUIRED, reason="401")
        self.onvif.answers[HERE] = asks_login(before=before)
        for logins, reason in (
            ((), "401; no login is set for this camera (camdetect login, CAMERA_CREDENTIALS)"),
            ((BAD,), f"it refused the login; {NOT_RETRIED}: bad (camdetect login, CAMERA_CREDENTIALS)"),
        ):
            self.build(*logins)
            self.inspect()
            self.assertEqual(
                ((Status.AUTH_REQUIRED, reason), "Yard", "M1"),
                (self.state(), self.camera().name, self.camera().model),
            )

    def test_lock_word(self) -> None:
        """When a refusal says that it locks, no second login is tried, on no protocol, not in the next session."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = asks_login(locks=True)
        key = self.inspect()
        self.inspect(key)
        self.assertEqual([None, "bad", None], [name for _, name in self.onvif.calls])

    def test_lock_word_without_a_login(self) -> None:
        """A device that says that it is locked before it was given anything is given nothing."""
        self.build(GOOD)
        self.onvif.answers[HERE] = Unauthorized("locked for 30 minutes", locked=True)
        self.inspect()
        self.assertEqual([None], [name for _, name in self.onvif.calls])
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        for url in (MAIN, SUB):
            self.validator.answers[url] = Unauthorized("locked", locked=True)
        self.inspect()
        self.assertEqual({None}, {name for _, name in self.validator.validated})
        advice = "no login is tried before 1970-01-01T03:16:40.000Z"
        self.assertEqual((Status.AUTH_REQUIRED, f"locked; {advice}"), self.state())

    def test_right_but_withheld(self) -> None:
        """Two others that failed there say nothing of the login that was right: the camera is busy, and it says why."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login(inspection(HERE, stream(path="main")))
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.assertEqual(Status.ONLINE, self.camera().status)
        for typed in (login("typo", "canary-typo"), login("other", "canary-other")):
            self.budget.record_refused(self.registry.candidate(key), typed, self.clock.seconds(), False)
        self.run_it(self.runner.routine.check(key))
        advice = "no login is tried before 1970-01-01T03:16:40.000Z"
        self.assertEqual((Status.BUSY, f"{session_module.WITHHELD}; {advice}"), self.state())
        self.clock.advance(1801)
        self.run_it(self.runner.routine.check(key))
        self.assertEqual(Status.ONLINE, self.camera().status)

    def test_kept_back_in_the_last_moment(self) -> None:
        """What another attempt came to while this one waited for its turn at the device is no word about the login."""
        case = self

        class Late(ScriptedInspector):
            async def inspect(self, at: Any, given: Any) -> Any:
                if given is None:
                    raise Unauthorized("it wants a login", attempted=False)
                case.budget.record_doubt(at, GOOD, case.clock.seconds())
                await given.acquire_permit()
                raise AssertionError("it was sent")

        self.onvif = Late(name="onvif")
        self.build(GOOD)
        self.budget.record_accepted(self.registry.candidate(self.see()), GOOD, self.clock.seconds())
        self.inspect()
        self.assertEqual((Status.BUSY, str(LoginWithheld())), self.state())

    def test_not_sent_is_not_charged(self) -> None:
        """A login that could not be sent (Basic only, say) costs nothing."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = Unauthorized("it takes a password in clear only")
        self.inspect()
        self.assertEqual(
            [BAD, GOOD], list(self.budget.allowed_logins(self.registry.candidate(1), self.clock.seconds()))
        )
        self.assertEqual(Status.AUTH_REQUIRED, self.camera().status)
        self.assertFalse([event for event in self.listener.events if isinstance(event, CredentialRefused)])

    def test_no_login_beyond_a_router(self) -> None:
        """A device whose MAC was not seen is given no login."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.inspect(self.see(mac=None))
        self.assertEqual([(HERE, None)], self.onvif.calls)
        self.assertEqual([Status.AUTH_REQUIRED], [camera.status for camera in self.registry.cameras()])

    def test_rtsp_refuses_what_onvif_took(self) -> None:
        """A login that ONVIF took and RTSP refuses is spent once for all streams, and never again."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login(
            inspection(HERE, *(stream(path=path) for path in ("main", "sub", "third")))
        )
        for path in ("main", "sub", "third"):
            self.validator.answers[f"rtsp://{HERE}:554/{path}"] = Guarded(PLAYS, lambda one: False)
        key = self.inspect()
        for _ in range(5):
            self.clock.advance(60)
            self.run_it(self.runner.routine.check(key))
        self.assertEqual(1, [name for _, name in self.validator.validated].count("good"))
        self.assertEqual((Status.AUTH_REQUIRED, "Acme"), (self.camera().status, self.camera().manufacturer))
        self.assertEqual(1, len([event for event in self.listener.events if isinstance(event, CredentialRefused)]))

    def test_only_rtsp_wants_a_login(self) -> None:
        """Where only the streams want one, it is found there, and the other streams use it."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        for url in (MAIN, SUB):
            self.validator.answers[url] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.assertEqual([None, "bad", "good", "good"], [name for _, name in self.validator.validated])
        self.assertIs(Status.ONLINE, self.camera().status)
        self.check(key)
        self.assertEqual([(MAIN, "good")], self.validator.validated)

    def test_a_bad_stream_proves_no_login(self) -> None:
        """An answer that came no further than RTSP says nothing about the login."""
        self.build(GOOD)
        self.onvif.answers[HERE] = inspection()
        self.validator.answers[MAIN] = Guarded(StreamReport(Proof.RTSP, validated=False, reason="404"), is_good)
        self.inspect()
        self.assertEqual((Status.STREAM_ERROR, "404"), self.state())
        self.assertFalse([event for event in self.listener.events if isinstance(event, CredentialAccepted)])

    def test_changed_password(self) -> None:
        """A login that stops working is refused once, not at every check; half an hour later once more, then never."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.onvif.answers[HERE] = Guarded(inspection(), lambda one: False)
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.onvif.calls.clear()
        self.validator.validated.clear()
        for _ in range(600):
            self.clock.advance(60)
            self.run_it(self.runner.routine.check(key))
            self.run_it(self.runner.inspect(key))
        tried = [name for _, name in self.onvif.calls + self.validator.validated if name]
        self.assertEqual(["good", "good"], tried)
        self.assertIs(Status.AUTH_REQUIRED, self.camera().status)

    def test_the_budget_has_the_last_word(self) -> None:
        """A login that was let in is not spent at the next check when the device has locked in the meantime."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.budget.record_refused(self.registry.candidate(key), OTHER, self.clock.seconds(), True)
        self.check(key)
        self.assertEqual([(MAIN, None)], self.validator.validated)
        self.clock.advance(WINDOW)
        self.check(key)
        self.assertEqual([(MAIN, "good")], self.validator.validated[-1:])

    def test_full_connection_table(self) -> None:
        """A device that refuses for lack of room (Dahua answers 401) is entered again when the window is over."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.check(key)
        self.assertEqual((Status.BUSY, session_module.DOUBT), self.state())
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.check(key)
        self.assertEqual([(MAIN, None)], self.validator.validated)
        self.clock.advance(WINDOW)
        self.check(key)
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_one_word_for_a_doubt(self) -> None:
        """While a login that was right before is doubted, inspections and checks say the same, and nothing goes on."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.onvif.answers[HERE] = Guarded(inspection(), lambda one: False)
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.check(key)
        told = len(self.listener.events)
        for _ in range(3):
            self.inspect(key)
            self.assertEqual((Status.BUSY, session_module.DOUBT), self.state())
            self.check(key)
            self.assertEqual((Status.BUSY, session_module.DOUBT), self.state())
        self.assertEqual([], [event for event in self.listener.events[told:] if isinstance(event, CameraTrouble)])
        # Refused once more when the window is over, it is no doubt any more.
        self.clock.advance(WINDOW)
        for judge in (self.inspect, self.check, self.inspect):
            judge(key)
            self.assertIs(Status.AUTH_REQUIRED, self.camera().status)

    def test_a_plugin_and_rtsp_share_the_account(self) -> None:
        """An inspector of a plugin that does not say whether it tried counts as one that did, on every protocol."""

        class Plugin(ScriptedInspector):
            async def inspect(self, candidate: Any, one: Login | None) -> Inspection | None:
                self.calls.append((candidate.address, one.password.reveal() if one else None))
                raise Unauthorized("no")

        self.build(BAD, OTHER, GOOD)
        self.onvif = Plugin(name="plugin")
        self.build(BAD, OTHER, GOOD)
        self.rtsp.answers[HERE] = asks_login()
        key = self.inspect()
        for _ in range(5):
            self.clock.advance(60)
            self.inspect(key)
        tried = [password for _, password in self.onvif.calls if password]
        self.assertEqual(["canary-b", "canary-o"], tried)
        self.assertEqual([], [name for _, name in self.rtsp.calls if name])

    def test_checks_on_command(self) -> None:
        """Hundreds of inspections and checks, one upon another, spend no more than one."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        for _ in range(200):
            self.inspect(key)
            self.check(key)
        self.assertEqual(["bad", "other"], [name for _, name in self.onvif.calls if name])

    def test_forgotten_and_found_again(self) -> None:
        """A camera that is forgotten and comes back has no new chance, and no new lock."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        for _ in range(5):
            self.inspect(self.see())
            self.assertTrue(self.registry.forget(ID, self.clock.seconds()))
        self.assertEqual(["bad", "other"], [name for _, name in self.onvif.calls if name])
        self.clock.advance(WINDOW)
        self.inspect(self.see())
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_moves_give_no_chance(self) -> None:
        """A camera that goes from address to address is the same device everywhere."""
        self.build(BAD, OTHER, GOOD)
        for number in range(20, 30):
            address = f"10.0.0.{number}"
            self.onvif.answers[address] = asks_login(inspection(address))
            self.inspect(self.see(address))
        self.assertEqual(["bad", "other"], [name for _, name in self.onvif.calls if name])

    def test_what_is_told_when_all_were_refused(self) -> None:
        """It is told which logins were refused, what to do, and when the next attempt is allowed."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.inspect()
        self.assertEqual(
            f"it refused the login; {NOT_RETRIED}: bad, other (camdetect login, CAMERA_CREDENTIALS);"
            " no login is tried before 1970-01-01T03:16:40.000Z",
            self.camera().reason,
        )

    def test_no_secret_is_told(self) -> None:
        """Whatever becomes of logins, no event, document or error holds a password."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good, locks=True)
        key = self.inspect()
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.check(key)
        output = TopicsOutput(Topics(prefix="", node_id="n"))
        self.assertTrue(
            [event for event in self.listener.events if isinstance(event, CredentialRefused | CredentialAccepted)]
        )
        for event in self.listener.events:
            self.assertNotIn("canary", repr(event))
            assert isinstance(event, CameraEvent)
            for message in output.messages(event):
                self.assertNotIn(b"canary", message.payload)
