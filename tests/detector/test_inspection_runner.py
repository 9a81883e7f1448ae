"""Visits: who is asked, with which login, and what the registry learns."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.facts import PLAYS, SILENT, A, B, inspection, login, sighting, stream
from twisted_detector.bus import Bus
from twisted_detector.config.logins import LOGINS
from twisted_detector.detector import visit as visit_module
from twisted_detector.detector.examiner import InspectionRunner
from twisted_detector.errors import Busy, Malformed, Unauthorized, Unreachable
from twisted_detector.events import CameraEvent, CredentialAccepted, CredentialRefused
from twisted_detector.inspection.logins.budget import WINDOW, LoginBudget
from twisted_detector.model import Camera, EvidenceKind, Inspection, Login, Mac, Proof, Status, StreamReport
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import Gate, Guarded, RecordingListener, ScriptedInspector, ScriptedValidator

HERE, THERE = "10.0.0.5", "10.0.0.6"
MAIN, SUB = f"rtsp://{HERE}:554/main", f"rtsp://{HERE}:554/sub"
BAD, GOOD, OTHER = login("bad", "canary-b"), login("good", "canary-g"), login("other", "canary-o")
ID = A.compact


def is_good(one: Login) -> bool:
    return one == GOOD


def asks_login(then: Any = None, **more: Any) -> Guarded:
    return Guarded(then or inspection(), is_good, **more)


class ExaminerCase(SynchronousTestCase):
    proof_every = 1

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(10_000)
        self.heard = RecordingListener()
        self.bus = Bus()
        self.bus.subscribe(self.heard)
        self.registry = Registry(self.bus.emit, missed_limit=3)
        self.onvif, self.rtsp = ScriptedInspector(name="onvif"), ScriptedInspector(name="rtsp")
        self.validator = ScriptedValidator()
        self.build()
        self.addCleanup(lambda: self.assertEqual([], self.clock.getDelayedCalls()))

    def build(self, *logins: Login) -> None:
        self.budget = LoginBudget(logins, salt="s", save=lambda key, text: None)
        self.examiner = InspectionRunner(
            self.clock,
            self.registry,
            inspectors=[self.onvif, self.rtsp],
            validator=self.validator,
            budget=self.budget,
            emit=self.bus.emit,
            proof_every=self.proof_every,
        )

    def see(self, address: str = HERE, mac: Any = A) -> int:
        seen = self.registry.observe(sighting(address, mac), self.clock.seconds())
        assert seen is not None
        return seen.key

    def run_it(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        running = Deferred.fromCoroutine(work)
        # A busy device is asked once more a little later.
        self.clock.pump([0.5] * 6 * (not running.called))
        self.successResultOf(running)

    def inspect(self, key: int | None = None) -> int:
        key = self.see() if key is None else key
        self.run_it(self.examiner.inspect(key))
        return key

    def check(self, key: int) -> None:
        self.validator.asked.clear()
        self.run_it(self.examiner.check(key))

    def camera(self, camera_id: str = ID) -> Camera:
        found = self.registry.camera(camera_id)
        assert found is not None
        return found

    def state(self) -> tuple[Status, str]:
        return self.camera().status, self.camera().reason


class InspectTests(ExaminerCase):
    def test_no_login_is_needed(self) -> None:
        """A camera that wants no login is never offered one."""
        self.build(GOOD)
        self.onvif.answers[HERE] = inspection()
        self.inspect()
        self.assertEqual(
            ((Status.ONLINE, ""), [(HERE, None)], [(MAIN, None)]),
            (self.state(), self.onvif.asked, self.validator.asked),
        )
        self.assertEqual(["CameraDiscovered", "CameraOnline"], self.heard.names())
        self.assertEqual(("H264", 1920), (self.camera().streams[0].codec, self.camera().streams[0].width))

    def test_first_that_knows_it(self) -> None:
        """Inspectors are asked in order until one knows the device."""
        self.rtsp.answers[HERE] = inspection(manufacturer="by rtsp")
        self.inspect()
        self.assertEqual("by rtsp", self.camera().manufacturer)
        self.onvif.answers[HERE] = inspection(manufacturer="by onvif")
        self.rtsp.asked.clear()
        self.inspect()
        self.assertEqual(("by onvif", []), (self.camera().manufacturer, self.rtsp.asked))

    def test_no_camera(self) -> None:
        """What nobody knows is foreign and never published."""
        key = self.inspect()
        self.assertEqual(
            (Phase.FOREIGN, (), []), (self.registry.phase(key), self.registry.cameras(), self.heard.events)
        )

    def test_unreachable(self) -> None:
        """A new device that is silent stays a candidate; a known one misses a check, and is offline at the third."""
        self.onvif.answers[HERE] = Unreachable("no route")
        key = self.inspect()
        self.assertIs(Phase.CANDIDATE, self.registry.phase(key))
        self.onvif.answers[HERE] = inspection()
        self.inspect(key)
        self.onvif.answers[HERE] = Unreachable("no route")
        for status in (Status.ONLINE, Status.ONLINE, Status.OFFLINE):
            self.inspect(key)
            self.assertIs(status, self.camera().status)

    def test_most_telling_problem(self) -> None:
        """That it is busy says more than rubbish, and that more than silence, in whichever order they come."""
        key = self.see()
        self.onvif.answers[HERE] = inspection()
        self.inspect(key)
        for one, other, status, reason in (
            (Unreachable("u"), Busy("b"), Status.BUSY, "b"),
            (Busy("b"), Unreachable("u"), Status.BUSY, "b"),
            (Malformed("m"), Busy("b"), Status.BUSY, "b"),
            (Malformed("m"), Unreachable("u"), Status.STREAM_ERROR, "what it answers cannot be read: m"),
            (Unreachable("u"), Malformed("m"), Status.STREAM_ERROR, "what it answers cannot be read: m"),
            (None, None, Status.STREAM_ERROR, "it answers, but no longer as a camera"),
        ):
            self.onvif.answers[HERE], self.rtsp.answers[HERE] = one, other
            self.inspect(key)
            self.assertEqual((status, reason), self.state())

    def test_garbage_from_a_stranger(self) -> None:
        """A new device that talks rubbish is foreign."""
        self.onvif.answers[HERE] = Malformed("no XML")
        self.assertIs(Phase.FOREIGN, self.registry.phase(self.inspect()))
        self.assertEqual((1, 1), (self.examiner.counts["malformed"], self.examiner.counts["rubbish"]))

    def test_one_fault_is_counted_once(self) -> None:
        """A fault with a code is counted under its class and that code, once."""
        self.onvif.answers[HERE] = Malformed("too long", code="too_long")
        self.inspect()
        counted = {name: count for name, count in self.examiner.counts.items() if name.startswith("malformed")}
        self.assertEqual({"malformed_too_long": 1}, counted)

    def test_failing_inspector(self) -> None:
        """An inspector with a fault is logged; the next one is asked, and the fault is not held against the device."""
        self.onvif.answers[HERE] = ZeroDivisionError("a plugin")
        self.rtsp.answers[HERE] = inspection()
        key = self.inspect()
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.rtsp.answers[HERE] = None
        self.inspect(key)
        self.assertEqual((Status.ONLINE, Phase.ONLINE), (self.camera().status, self.registry.phase(key)))
        stranger = self.inspect(self.see(THERE, B))
        self.onvif.answers[THERE] = ZeroDivisionError("a plugin")
        self.inspect(stranger)
        self.assertIs(Phase.CANDIDATE, self.registry.phase(stranger))
        self.assertEqual(3, len(self.flushLoggedErrors(ZeroDivisionError)))

    def test_failing_validator(self) -> None:
        """A validator with a fault costs the proof of that stream, not the visit nor the other streams."""
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        self.validator.answers[MAIN] = ZeroDivisionError("a plugin")
        self.inspect()
        self.assertEqual([False, True], [one.validated for one in self.camera().streams])
        self.assertEqual((Status.ONLINE, 1), (self.camera().status, self.examiner.counts["failed"]))
        self.flushLoggedErrors(ZeroDivisionError)

    def test_errors_of_a_validator(self) -> None:
        """What a validator raises for the device's sake is the report of that stream."""
        self.onvif.answers[HERE] = inspection()
        for problem, status, reason, proof in (
            (Unreachable("u"), Status.STREAM_ERROR, "u", Proof.UNREACHABLE),
            (Malformed("m"), Status.STREAM_ERROR, "m", Proof.TCP),
            (Busy("453"), Status.BUSY, "453", Proof.RTSP),
        ):
            self.validator.answers[MAIN] = problem
            self.inspect()
            self.assertEqual((status, reason, proof), (*self.state(), self.camera().streams[0].proof))

    def test_forgotten_meanwhile(self) -> None:
        """A camera that is forgotten while it is asked stays forgotten."""
        self.onvif.answers[HERE] = inspection()
        key = self.inspect()
        self.onvif.gate = Gate()
        visiting = Deferred.fromCoroutine(self.examiner.inspect(key))
        self.registry.forget(ID, self.clock.seconds())
        self.onvif.gate.open()
        self.successResultOf(visiting)
        self.assertEqual((), self.registry.cameras())
        self.inspect(key)
        self.check(key)
        self.assertEqual((), self.registry.cameras())

    def test_moved_meanwhile(self) -> None:
        """What was answered at an address that the device left in the meantime is nobody's."""
        self.onvif.answers[HERE] = inspection()
        self.onvif.gate = Gate()
        key = self.see()
        visiting = Deferred.fromCoroutine(self.examiner.inspect(key))
        self.see(THERE)
        other = self.see(HERE, B)
        self.onvif.gate.open()
        self.successResultOf(visiting)
        self.assertEqual(((), Phase.CANDIDATE), (self.registry.cameras(), self.registry.phase(key)))
        self.onvif.gate = None
        self.inspect(other)
        self.assertEqual([B.compact], [camera.id for camera in self.registry.cameras()])

    def test_never_asked_where_another_stands(self) -> None:
        """A camera whose address another took is never asked there; after the usual misses it is offline."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        self.see(HERE, B)
        asked = len(self.onvif.asked)
        self.check(key)
        self.inspect(key)
        self.check(key)
        self.assertEqual((asked, []), (len(self.onvif.asked), self.validator.asked))
        self.assertEqual((Status.OFFLINE, "another device answers at its address"), self.state())

    def test_cancelled(self) -> None:
        """A visit that is cancelled leaves nothing behind and a new device as a candidate."""
        self.onvif.gate = Gate()
        key = self.see()
        visiting = Deferred.fromCoroutine(self.examiner.inspect(key))
        visiting.cancel()
        self.failureResultOf(visiting, CancelledError)
        self.assertEqual((0, Phase.CANDIDATE), (self.onvif.gate.waiting, self.registry.phase(key)))

    def test_timed_out(self) -> None:
        """A visit that took too long is a missed check."""
        self.onvif.answers[HERE] = inspection()
        key = self.inspect()
        for _ in range(3):
            self.examiner.timed_out(key)
        self.examiner.timed_out(999)
        self.assertEqual((Status.OFFLINE, "it took too long to answer"), self.state())
        self.assertEqual(4, self.examiner.counts["timed_out"])

    def test_recorder(self) -> None:
        """Each source of a recorder is a camera; its streams are proved first of each source first."""
        streams = [stream(path=f"{source}-{n}", source=source) for source in "abc" for n in (0, 1)]
        self.onvif.answers[HERE] = inspection(HERE, *streams)
        self.inspect()
        self.assertEqual([ID, f"{ID}_2", f"{ID}_3"], [camera.id for camera in self.registry.cameras()])
        self.assertEqual(
            [f"{source}-{n}" for n in (0, 1) for source in "abc"],
            [url.rpartition("/")[2] for url, _ in self.validator.asked],
        )

    def test_too_many_streams(self) -> None:
        """When proving takes too long the visit ends with what was proved; the rest says so and is checked in turn."""
        case = self

        class Slow(ScriptedValidator):
            async def validate(self, one: Any, by: Login | None) -> StreamReport:
                case.clock.advance(visit_module.PROVE_SECONDS / 3)
                return await super().validate(one, by)

        self.validator = Slow()
        self.build()
        self.onvif.answers[HERE] = inspection(HERE, *(stream(path=str(n), plays=False) for n in range(8)))
        key = self.inspect()
        self.assertEqual([True] * 4 + [False] * 4, [one.validated for one in self.camera().streams])
        self.assertIn("not checked yet", self.camera().streams[7].reason)
        for _ in range(12):
            self.check(key)
            self.assertLessEqual(len(self.validator.asked), 2)
        self.assertEqual([True] * 8, [one.validated for one in self.camera().streams])


class LoginTests(ExaminerCase):
    def test_right_login(self) -> None:
        """Asked without, refused, asked with the login: accepted, told by name, and used for the streams."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.inspect()
        self.assertEqual(([(HERE, None), (HERE, "good")], [(MAIN, "good")]), (self.onvif.asked, self.validator.asked))
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.assertEqual(
            ["good"], [event.login for event in self.heard.events if isinstance(event, CredentialAccepted)]
        )

    def test_wrong_then_right(self) -> None:
        """A wrong login is spent once, the right one found; the next visit begins with the right one."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        self.inspect(key)
        self.assertEqual([None, "bad", "good", None, "good"], [name for _, name in self.onvif.asked])
        [refused] = [event for event in self.heard.events if isinstance(event, CredentialRefused)]
        self.assertEqual((("bad",), "it refused the login"), (refused.logins, refused.reason))
        self.assertEqual(1, len([event for event in self.heard.events if isinstance(event, CredentialAccepted)]))

    def test_all_refused(self) -> None:
        """After two refusals nothing more is tried, nor at the next visit; the camera is published as it is."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        self.inspect(key)
        self.check(key)
        self.assertEqual([None, "bad", "other", None], [name for _, name in self.onvif.asked])
        self.assertIs(Status.AUTH_REQUIRED, self.camera().status)
        self.assertIs(Phase.REFUSED, self.registry.phase(key))
        self.clock.advance(WINDOW)
        self.inspect(key)
        self.assertEqual([None, "good"], [name for _, name in self.onvif.asked[-2:]])
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_what_is_known_without_a_login(self) -> None:
        """A camera that nobody may enter is published with all that it told before."""
        before = Inspection("onvif", HERE, 0.0, name="Yard", model="M1", status=Status.AUTH_REQUIRED, reason="401")
        self.onvif.answers[HERE] = asks_login(before=before)
        for logins, reason in (
            ((), "401; no login is configured for it (CAMERA_CREDENTIALS)"),
            ((BAD,), "it refused the login; not tried again until it or the device changes: bad (CAMERA_CREDENTIALS)"),
        ):
            self.build(*logins)
            self.inspect()
            self.assertEqual(
                ((Status.AUTH_REQUIRED, reason), "Yard", "M1"),
                (self.state(), self.camera().name, self.camera().model),
            )

    def test_lock_word(self) -> None:
        """When a refusal says that it locks, no second login is tried, on no protocol, not at the next visit."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = asks_login(locks=True)
        key = self.inspect()
        self.inspect(key)
        self.assertEqual([None, "bad", None], [name for _, name in self.onvif.asked])

    def test_lock_word_without_a_login(self) -> None:
        """A device that says that it is locked before it was given anything is given nothing."""
        self.build(GOOD)
        self.onvif.answers[HERE] = Unauthorized("locked for 30 minutes", locked=True)
        self.inspect()
        self.assertEqual([None], [name for _, name in self.onvif.asked])
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        for url in (MAIN, SUB):
            self.validator.answers[url] = Unauthorized("locked", locked=True)
        self.inspect()
        self.assertEqual({None}, {name for _, name in self.validator.asked})
        advice = "no login is tried before 1970-01-01T03:16:40.000Z"
        self.assertEqual((Status.AUTH_REQUIRED, f"locked; {advice}"), self.state())

    def test_not_sent_is_not_charged(self) -> None:
        """A login that could not be sent (Basic only, say) costs nothing."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = Unauthorized("it takes a password in clear only")
        self.inspect()
        self.assertEqual(
            [BAD, GOOD], list(self.budget.allowed_logins(self.registry.candidate(1), self.clock.seconds()))
        )
        self.assertEqual(Status.AUTH_REQUIRED, self.camera().status)
        self.assertFalse([event for event in self.heard.events if isinstance(event, CredentialRefused)])

    def test_no_login_beyond_a_router(self) -> None:
        """A device whose MAC was not seen is given no login."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.inspect(self.see(mac=None))
        self.assertEqual([(HERE, None)], self.onvif.asked)
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
            self.run_it(self.examiner.check(key))
        self.assertEqual(1, [name for _, name in self.validator.asked].count("good"))
        self.assertEqual((Status.AUTH_REQUIRED, "Acme"), (self.camera().status, self.camera().manufacturer))
        self.assertEqual(1, len([event for event in self.heard.events if isinstance(event, CredentialRefused)]))

    def test_only_rtsp_wants_a_login(self) -> None:
        """Where only the streams want one, it is found there, and the other streams use it."""
        self.build(BAD, GOOD)
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        for url in (MAIN, SUB):
            self.validator.answers[url] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.assertEqual([None, "bad", "good", "good"], [name for _, name in self.validator.asked])
        self.assertIs(Status.ONLINE, self.camera().status)
        self.check(key)
        self.assertEqual([(MAIN, "good")], self.validator.asked)

    def test_a_bad_stream_proves_no_login(self) -> None:
        """An answer that came no further than RTSP says nothing about the login."""
        self.build(GOOD)
        self.onvif.answers[HERE] = inspection()
        self.validator.answers[MAIN] = Guarded(StreamReport(Proof.RTSP, validated=False, reason="404"), is_good)
        self.inspect()
        self.assertEqual((Status.STREAM_ERROR, "404"), self.state())
        self.assertFalse([event for event in self.heard.events if isinstance(event, CredentialAccepted)])

    def test_changed_password(self) -> None:
        """A login that stops working is refused once, not at every check; half an hour later once more, then never."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.onvif.answers[HERE] = Guarded(inspection(), lambda one: False)
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.onvif.asked.clear()
        self.validator.asked.clear()
        for _ in range(600):
            self.clock.advance(60)
            self.run_it(self.examiner.check(key))
            self.run_it(self.examiner.inspect(key))
        tried = [name for _, name in self.onvif.asked + self.validator.asked if name]
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
        self.assertEqual([(MAIN, None)], self.validator.asked)
        self.clock.advance(WINDOW)
        self.check(key)
        self.assertEqual([(MAIN, "good")], self.validator.asked[-1:])

    def test_full_connection_table(self) -> None:
        """A device that refuses for lack of room (Dahua answers 401) is entered again when the window is over."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        key = self.inspect()
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.check(key)
        self.assertEqual((Status.BUSY, visit_module.DOUBT), self.state())
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.check(key)
        self.assertEqual([(MAIN, None)], self.validator.asked)
        self.clock.advance(WINDOW)
        self.check(key)
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_a_plugin_and_rtsp_share_the_account(self) -> None:
        """An inspector of a plugin that does not say whether it tried counts as one that did, on every protocol."""

        class Plugin(ScriptedInspector):
            async def inspect(self, candidate: Any, one: Login | None) -> Inspection | None:
                self.asked.append((candidate.address, one.password.reveal() if one else None))
                raise Unauthorized("no")

        self.build(BAD, OTHER, GOOD)
        self.onvif = Plugin(name="plugin")
        self.build(BAD, OTHER, GOOD)
        self.rtsp.answers[HERE] = asks_login()
        key = self.inspect()
        for _ in range(5):
            self.clock.advance(60)
            self.inspect(key)
        tried = [password for _, password in self.onvif.asked if password]
        self.assertEqual(["canary-b", "canary-o"], tried)
        self.assertEqual([], [name for _, name in self.rtsp.asked if name])

    def test_checks_on_command(self) -> None:
        """Hundreds of visits and checks, one upon another, spend no more than one."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        key = self.inspect()
        for _ in range(200):
            self.inspect(key)
            self.check(key)
        self.assertEqual(["bad", "other"], [name for _, name in self.onvif.asked if name])

    def test_forgotten_and_found_again(self) -> None:
        """A camera that is forgotten and comes back has no new chance, and no new lock."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        for _ in range(5):
            self.inspect(self.see())
            self.assertTrue(self.registry.forget(ID, self.clock.seconds()))
        self.assertEqual(["bad", "other"], [name for _, name in self.onvif.asked if name])
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
        self.assertEqual(["bad", "other"], [name for _, name in self.onvif.asked if name])

    def test_what_is_told_when_all_were_refused(self) -> None:
        """It is told which logins were refused, what to do, and when the next attempt is allowed."""
        self.build(BAD, OTHER, GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.inspect()
        self.assertEqual(
            "it refused the login; not tried again until it or the device changes: bad, other (CAMERA_CREDENTIALS);"
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
            [event for event in self.heard.events if isinstance(event, CredentialRefused | CredentialAccepted)]
        )
        for event in self.heard.events:
            self.assertNotIn("canary", repr(event))
            assert isinstance(event, CameraEvent)
            for message in output.messages(event):
                self.assertNotIn(b"canary", message.payload)


class MakerTests(ExaminerCase):
    """Who made it, where the device does not say so itself."""

    def make(self, *lines: str) -> None:
        assert LOGINS.read_many is not None
        self.build(*LOGINS.read_many(list(lines)))
        self.examiner._maker_of = lambda mac: "Hangzhou Hikvision Digital Technology Co.,Ltd." if mac == A else ""

    def test_a_name_for_want_of_a_better_one(self) -> None:
        """The maker by the MAC stands until the device says its own, and does not come back."""
        self.make()
        self.onvif.answers[HERE] = inspection(manufacturer="")
        key = self.inspect()
        self.assertEqual("Hangzhou Hikvision Digital Technology Co.,Ltd.", self.camera().manufacturer)
        [vendor] = [one for one in self.camera().evidence if one.kind == EvidenceKind.VENDOR]
        self.assertEqual("oui", vendor.source)
        self.onvif.answers[HERE] = inspection(manufacturer="HIKVISION")
        self.inspect(key)
        self.onvif.answers[HERE] = inspection(manufacturer="")
        self.inspect(key)
        self.assertEqual("HIKVISION", self.camera().manufacturer)

    def test_nobody_knows(self) -> None:
        """A MAC that nobody was given names no maker."""
        self.make()
        self.onvif.answers[THERE] = inspection(THERE, manufacturer="")
        self.inspect(self.see(THERE, B))
        self.assertEqual("", self.camera(B.compact).manufacturer)
        self.assertFalse([one for one in self.camera(B.compact).evidence if one.kind == EvidenceKind.VENDOR])

    def test_the_login_of_its_maker(self) -> None:
        """A login for a maker goes to devices whose MAC is its, or that say so, and to no others."""
        lines = ("any:1", "[vendor hikvision]", "hik:2")
        wants = Unauthorized("it wants a login")
        for address, mac, answer, tried in (
            (HERE, A, wants, ["hik", "any"]),
            (THERE, B, wants, ["any"]),
            (THERE, B, inspection(THERE, manufacturer="HIKVISION", status=Status.AUTH_REQUIRED), ["hik", "any"]),
            (THERE, B, inspection(THERE, manufacturer="Axis", status=Status.AUTH_REQUIRED), ["any"]),
        ):
            self.setUp()
            self.make(*lines)
            self.onvif.answers[address] = answer
            self.inspect(self.see(address, mac))
            self.assertEqual([None, *tried], [name for _, name in self.onvif.asked])

    def test_another_network_another_login(self) -> None:
        """Each network has its own login, and no other device is given it."""
        self.make("[network 10.0.0.5/32]", "five:1", "[network 10.0.0.6/32]", "six:2")
        for address in (HERE, THERE):
            self.onvif.answers[address] = Guarded(inspection(address), lambda one: True)
        self.inspect()
        self.inspect(self.see(THERE, B))
        self.assertEqual([(HERE, None), (HERE, "five"), (THERE, None), (THERE, "six")], self.onvif.asked)


class CheckTests(ExaminerCase):
    def setUp(self) -> None:
        super().setUp()
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        self.key = self.inspect()
        self.heard.take()

    def test_well(self) -> None:
        """One stream is looked at, nothing is told."""
        self.check(self.key)
        self.assertEqual(([(MAIN, None)], []), (self.validator.asked, self.heard.events))

    def test_missed(self) -> None:
        """Silence is a missed check; the third makes it offline; an answer ends the count."""
        self.validator.answers[MAIN] = self.validator.answers[SUB] = SILENT
        for status in (Status.ONLINE, Status.ONLINE):
            self.check(self.key)
            self.assertIs(status, self.camera().status)
        self.validator.answers.clear()
        self.check(self.key)
        self.validator.answers[MAIN] = SILENT
        for status in (Status.ONLINE, Status.ONLINE, Status.OFFLINE):
            self.check(self.key)
            self.assertIs(status, self.camera().status)
        self.assertEqual("no answer", self.camera().reason)

    def test_the_other_stream_still_plays(self) -> None:
        """When one stream breaks and another still plays it is online, and both are looked at from then on."""
        self.validator.answers[MAIN] = StreamReport(Proof.RTSP, validated=False, reason="404")
        self.check(self.key)
        self.assertIs(Status.ONLINE, self.camera().status)
        self.check(self.key)
        self.assertEqual([SUB, MAIN], [url for url, _ in self.validator.asked])
        self.validator.answers.clear()
        self.check(self.key)
        self.assertEqual([True, True], [one.validated for one in self.camera().streams])

    def test_any_stream_ends_the_trouble(self) -> None:
        """A camera in trouble is well again when any of its streams plays, not only the first."""
        gone = StreamReport(Proof.RTSP, validated=False, reason="404")
        self.validator.answers[MAIN] = self.validator.answers[SUB] = gone
        self.check(self.key)
        self.check(self.key)
        self.assertEqual((Status.STREAM_ERROR, "404"), self.state())
        del self.validator.answers[SUB]
        self.check(self.key)
        self.check(self.key)
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_busy(self) -> None:
        """No room for us is busy, not an error of the stream."""
        self.validator.answers[MAIN] = self.validator.answers[SUB] = Busy("453 Not Enough Bandwidth")
        self.check(self.key)
        self.assertEqual((Status.BUSY, "453 Not Enough Bandwidth"), self.state())

    def test_busy_for_a_moment(self) -> None:
        """A device that has room for us a moment later is well, and nothing is told."""
        left = [1]

        class Tidying(ScriptedValidator):
            async def validate(self, one: Any, by: Login | None) -> StreamReport:
                report = await super().validate(one, by)
                if left[0]:
                    left[0] -= 1
                    raise Busy("453")
                return report

        self.validator = Tidying()
        self.build()
        self.check(self.key)
        self.assertEqual((Status.ONLINE, [], 2), (self.camera().status, self.heard.events, len(self.validator.asked)))

    def test_wants_a_login_now(self) -> None:
        """A stream that wants a login that we have not is auth_required."""
        self.validator.answers[MAIN] = Unauthorized("it wants a login")
        self.check(self.key)
        advice = "no login is configured for it (CAMERA_CREDENTIALS)"
        self.assertEqual((Status.AUTH_REQUIRED, f"it wants a login; {advice}"), self.state())

    def test_forgotten_meanwhile(self) -> None:
        """A camera that is forgotten while it is checked stays forgotten."""
        self.validator.gate = Gate()
        checking = Deferred.fromCoroutine(self.examiner.check(self.key))
        self.registry.forget(ID, self.clock.seconds())
        self.validator.gate.open()
        self.successResultOf(checking)
        self.assertEqual((), self.registry.cameras())

    def test_without_streams(self) -> None:
        """A camera without streams has nothing to check, which is no event."""
        self.onvif.answers[THERE] = replace(inspection(THERE), streams=(), status=Status.AUTH_REQUIRED)
        key = self.inspect(self.see(THERE, B))
        self.heard.take()
        self.check(key)
        self.assertEqual(([], []), (self.validator.asked, self.heard.events))


class CheapCheckTests(ExaminerCase):
    """Between full proofs."""

    proof_every = 4

    def setUp(self) -> None:
        super().setUp()
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        self.key = self.inspect()
        while not self.proved():  # the first count is another for each device
            pass
        self.heard.take()

    def proved(self) -> bool:
        """Check once; whether that was a full proof."""
        self.validator.glanced.clear()
        self.check(self.key)
        return bool(self.validator.asked)

    def test_every_so_often(self) -> None:
        """Every fourth check is a full proof, the others ask one stream one question, in turn; nothing is told."""
        looks = []
        for _ in range(8):
            looks.append(self.proved())
            self.assertEqual(not looks[-1], len(self.validator.glanced) == 1)
        self.assertEqual([False, False, False, True] * 2, looks)
        self.assertEqual((Status.ONLINE, []), (self.camera().status, self.heard.events))
        self.assertIs(Proof.KEYFRAME, self.camera().streams[0].proof)

    def test_spread(self) -> None:
        """The proofs of devices that were found together do not come together."""
        keys = [self.key]
        for number in range(7, 30):
            address = f"10.0.0.{number}"
            self.onvif.answers[address] = inspection(address)
            keys.append(self.inspect(self.see(address, Mac.parse(f"02:00:00:00:01:{number:02x}"))))
        counts = []
        for _ in range(12):
            proofs = 0
            for key in keys:
                self.check(key)
                proofs += bool(self.validator.asked)
            counts.append(proofs)
        self.assertLess(max(counts), len(keys) / 2)
        self.assertGreater(min(counts), 0)

    def test_present(self) -> None:
        """A device that has just shown itself is not asked, until its proof is due; it is still there."""
        self.examiner.present = lambda key: key == self.key
        before = self.camera()
        self.clock.advance(60)
        self.assertFalse(self.proved())
        self.assertEqual(([], []), (self.validator.glanced, self.heard.events))
        self.assertEqual(self.clock.seconds(), self.camera().last_seen)
        self.assertEqual(before.last_validated, self.camera().last_validated)
        self.assertEqual([False, False, True], [self.proved() for _ in range(3)])

    def test_dead(self) -> None:
        """A device that does not answer is offline after as many checks as ever, and back after a full proof."""
        self.validator.answers[MAIN] = self.validator.answers[SUB] = SILENT
        for status in (Status.ONLINE, Status.ONLINE, Status.OFFLINE):
            self.check(self.key)
            self.assertIs(status, self.camera().status)
        self.validator.answers.clear()
        self.examiner.present = lambda key: True
        self.assertTrue(self.proved())
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_doubt(self) -> None:
        """What the cheap check doubts is judged by the full proof that follows, and proved again at the next check."""
        self.validator.answers[MAIN] = self.validator.answers[SUB] = StreamReport(Proof.RTSP, False, "404")
        self.check(self.key)
        self.assertEqual(1, len(self.validator.asked))
        self.validator.answers.clear()
        self.assertTrue(self.proved())
        self.assertIs(Status.ONLINE, self.camera().status)

    def test_moved(self) -> None:
        """After a move only a full proof will do, whoever answers."""
        self.examiner.present = lambda key: True
        self.see(THERE)
        self.assertTrue(self.proved())

    def test_another_login(self) -> None:
        """After a login was accepted or withdrawn only a full proof will do."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.inspect(self.key)
        while not self.proved():
            pass
        self.assertFalse(self.proved())
        self.budget.record_refused(self.registry.candidate(self.key), OTHER, self.clock.seconds(), True)
        self.assertTrue(self.proved())

    def test_on_command(self) -> None:
        """An inspection is always a full proof."""
        self.validator.asked.clear()
        self.inspect(self.key)
        self.assertEqual([MAIN, SUB], [url for url, _ in self.validator.asked])

    def test_refused_where_it_was_let_in(self) -> None:
        """A login that is refused after it played is not a bad password yet: busy, one attempt, tried again later."""
        self.build(GOOD)
        self.onvif.answers[HERE] = asks_login()
        self.validator.answers[MAIN] = Guarded(PLAYS, is_good)
        self.inspect(self.key)
        self.validator.answers[MAIN] = Guarded(PLAYS, lambda one: False)
        self.validator.asked.clear()
        self.validator.glanced.clear()
        for _ in range(5):
            self.run_it(self.examiner.check(self.key))
        self.assertEqual((Status.BUSY, visit_module.DOUBT), self.state())
        self.assertEqual("busy", self.camera().streams[0].code)
        said = [name for _, name in self.validator.asked + self.validator.glanced]
        self.assertEqual(1, said.count("good"))
