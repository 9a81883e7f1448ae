"""Inspection runner: which inspectors are asked, how an inspection or a check ends, and what the registry learns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, succeed

from tests.detector.case import GOOD, HERE, ID, MAIN, OTHER, SUB, THERE, RunnerCase, asks_login
from tests.facts import SILENT, A, B, inspection, stream
from twisted_detector.config.logins import LOGINS
from twisted_detector.detector import device_sessions, inspection_session as session_module
from twisted_detector.detector.device_sessions import NO_TURN
from twisted_detector.errors import Busy, Malformed, NotACamera, Unauthorized, Unreachable
from twisted_detector.model import Candidate, EvidenceKind, Login, Mac, Proof, Status, StreamReport
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.testing.doubles import Gate, Guarded, ScriptedValidator


class InspectTests(RunnerCase):
    def test_no_login_is_needed(self) -> None:
        """A camera that wants no login is never offered one."""
        self.build(GOOD)
        self.onvif.answers[HERE] = inspection()
        self.inspect()
        self.assertEqual(
            ((Status.ONLINE, ""), [(HERE, None)], [(MAIN, None)]),
            (self.state(), self.onvif.calls, self.validator.validated),
        )
        self.assertEqual(["CameraDiscovered", "CameraOnline"], self.listener.names())
        self.assertEqual(("H264", 1920), (self.camera().streams[0].codec, self.camera().streams[0].width))

    def test_first_that_knows_it(self) -> None:
        """Inspectors are asked in order until one knows the device."""
        self.rtsp.answers[HERE] = inspection(manufacturer="by rtsp")
        self.inspect()
        self.assertEqual("by rtsp", self.camera().manufacturer)
        self.onvif.answers[HERE] = inspection(manufacturer="by onvif")
        self.rtsp.calls.clear()
        self.inspect()
        self.assertEqual(("by onvif", []), (self.camera().manufacturer, self.rtsp.calls))

    def test_a_recorder_bit_by_bit(self) -> None:
        """The cameras of a large recorder are published some at a time, each with a turn between; all in the end."""
        many = tuple(stream(path=str(number), source=f"{number:02}") for number in range(50))
        self.onvif.answers[HERE] = inspection(HERE, *many)
        running = Deferred.fromCoroutine(self.runner.inspect(self.see()))
        counts = [self.registry.fleet.total]
        while not running.called:
            self.clock.advance(0)
            counts.append(self.registry.fleet.total)
        self.assertEqual([8, 50], counts)  # a clock that is moved on makes all turns that are left
        self.listener.take()
        self.inspect()
        self.assertEqual((50, []), (self.registry.fleet.total, self.listener.names()))
        self.onvif.answers[HERE] = inspection(HERE, *(replace(one, source=f"x{one.source}") for one in many))
        self.inspect()
        self.assertEqual([Status.ONLINE] * 50, [camera.status for camera in self.registry.cameras()])

    def test_gone_in_the_middle(self) -> None:
        """A recorder that is forgotten while its cameras are published is not published on."""
        many = tuple(stream(path=str(number), source=f"{number:02}") for number in range(50))
        self.onvif.answers[HERE] = inspection(HERE, *many)
        running = Deferred.fromCoroutine(self.runner.inspect(self.see()))
        for camera in self.registry.cameras():
            self.registry.forget(camera.id, self.clock.seconds())
        self.clock.advance(0)
        self.successResultOf(running)
        self.assertEqual(0, self.registry.fleet.total)

    def test_what_one_device_may_say(self) -> None:
        """What a device says beyond the bounds is cut before anything of it is proved, and that is noted."""
        noted: list[str] = []
        self.observe = noted
        many = tuple(stream(path=str(number), source=str(number)) for number in range(200))
        self.onvif.answers[HERE] = inspection(HERE, *many, name="n" * 1000)
        self.inspect()
        self.assertEqual((64, 64), (self.registry.fleet.total, len(self.validator.validated)))
        self.assertEqual(64, len(self.camera().name))
        self.assertTrue([text for text in noted if "cut at 64" in text] and [t for t in noted if "(136)" in t], noted)
        self.inspect()  # those that played make room for more
        self.assertEqual(128, self.registry.fleet.total)

    def test_no_camera(self) -> None:
        """What nobody knows is foreign and never published."""
        key = self.inspect()
        self.assertEqual(
            (Phase.FOREIGN, (), []), (self.registry.phase(key), self.registry.cameras(), self.listener.events)
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
            (Busy("b"), NotACamera("a media server (go2rtc)"), Status.STREAM_ERROR, "it is a media server (go2rtc)"),
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
        self.assertEqual((1, 1), (self.runner.counts["malformed"], self.runner.counts["rubbish"]))

    def test_a_media_server(self) -> None:
        """It is foreign with its reason, and is given no login."""
        self.build(GOOD)
        self.rtsp.answers[HERE] = NotACamera("a media server (go2rtc) that passes on other cameras' streams: signs")
        key = self.inspect()
        self.assertEqual((Phase.FOREIGN, ()), (self.registry.phase(key), self.registry.cameras()))
        self.assertEqual(([(HERE, None)], []), (self.rtsp.calls, self.listener.events))
        self.assertIn(
            "not a camera: a media server (go2rtc) that passes on other cameras' streams: signs", self.observe
        )

    def test_a_media_server_that_was_published(self) -> None:
        """What an earlier version took for a camera is forgotten; what once played stays, with the reason."""
        self.rtsp.answers[HERE] = replace(inspection(), status=Status.STREAM_ERROR, streams=())
        key = self.inspect()
        self.assertEqual(1, self.registry.fleet.total)
        self.rtsp.answers[HERE] = NotACamera("a media server")
        self.inspect(key)
        self.assertEqual((0, "CameraForgotten"), (self.registry.fleet.total, self.listener.names()[-1]))

    def test_one_fault_is_counted_once(self) -> None:
        """A fault with a code is counted under its class and that code, once."""
        self.onvif.answers[HERE] = Malformed("too long", code="too_long")
        self.inspect()
        counted = {name: count for name, count in self.runner.counts.items() if name.startswith("malformed")}
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
        """A validator with a fault costs the proof of that stream, not the inspection nor the other streams."""
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        self.validator.answers[MAIN] = ZeroDivisionError("a plugin")
        self.inspect()
        self.assertEqual([False, True], [one.validated for one in self.camera().streams])
        self.assertEqual((Status.ONLINE, 1), (self.camera().status, self.runner.counts["failed"]))
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
        inspecting = Deferred.fromCoroutine(self.runner.inspect(key))
        self.registry.forget(ID, self.clock.seconds())
        self.onvif.gate.open()
        self.successResultOf(inspecting)
        self.assertEqual((), self.registry.cameras())
        self.inspect(key)
        self.check(key)
        self.assertEqual((), self.registry.cameras())

    def test_moved_meanwhile(self) -> None:
        """What was answered at an address that the device left in the meantime is nobody's."""
        self.onvif.answers[HERE] = inspection()
        self.onvif.gate = Gate()
        key = self.see()
        inspecting = Deferred.fromCoroutine(self.runner.inspect(key))
        self.see(THERE)
        other = self.see(HERE, B)
        self.onvif.gate.open()
        self.successResultOf(inspecting)
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
        asked = len(self.onvif.calls)
        self.check(key)
        self.inspect(key)
        self.check(key)
        self.assertEqual((asked, []), (len(self.onvif.calls), self.validator.validated))
        self.assertEqual((Status.OFFLINE, "another device answers at its address"), self.state())

    def test_cancelled(self) -> None:
        """An inspection that is cancelled leaves nothing behind and a new device as a candidate."""
        self.onvif.gate = Gate()
        key = self.see()
        inspecting = Deferred.fromCoroutine(self.runner.inspect(key))
        inspecting.cancel()
        self.failureResultOf(inspecting, CancelledError)
        self.assertEqual((0, Phase.CANDIDATE), (self.onvif.gate.waiting, self.registry.phase(key)))

    def test_timed_out(self) -> None:
        """An inspection that took too long is a missed check."""
        self.onvif.answers[HERE] = inspection()
        key = self.inspect()
        for _ in range(3):
            self.runner.timed_out(key)
        self.runner.timed_out(999)
        self.assertEqual((Status.OFFLINE, "it took too long to answer"), self.state())
        self.assertEqual(4, self.runner.counts["timed_out"])

    def test_no_turn(self) -> None:
        """Nor is one a missed check that waited for its turn with a login all the time; that is what is recorded."""
        self.build(GOOD)
        self.onvif.answers[HERE] = Guarded(inspection(), lambda given: given == GOOD)
        self.validator.answers[MAIN] = Guarded(ScriptedValidator.PLAYS, lambda given: given == GOOD)
        key = self.inspect()
        self.assertEqual(Status.ONLINE, self.camera().status)
        for _ in range(2):  # as many as may be under way at one time
            self.successResultOf(Deferred.fromCoroutine(self.budget.charge(self.registry.candidate(key), GOOD, 0.0)))
        for work in (self.runner.inspect, self.runner.routine.check) * 2:
            running = Deferred.fromCoroutine(work(key))
            self.assertNoResult(running)
            running.cancel()
            self.failureResultOf(running, CancelledError)
            self.runner.timed_out(key)
        self.assertEqual(Status.ONLINE, self.camera().status)
        self.assertEqual([NO_TURN] * 4, self.observe[-4:])

    def test_no_turn_for_the_second(self) -> None:
        """Where another login was sent before, that is true as well; what took too long by itself is a missed check."""
        self.build(OTHER, GOOD)
        self.onvif.answers[HERE] = Guarded(inspection(), lambda given: False)
        key, charge = self.see(), self.budget.charge

        async def charge_first(candidate: Candidate, login: Login, now: float) -> Callable[[], None] | None:
            await (Deferred() if self.onvif.calls[1:] else succeed(None))
            return await charge(candidate, login, now)

        self.budget.charge = charge_first  # type: ignore[method-assign]
        running = Deferred.fromCoroutine(self.runner.inspect(key))
        self.assertEqual([None, OTHER.name], [name for _, name in self.onvif.calls])
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.runner.timed_out(key)
        self.assertEqual(NO_TURN, self.observe[-1])
        self.assertIn("before a login had its turn", NO_TURN)
        self.runner.timed_out(key)
        self.assertEqual("no answer: it took too long to answer", self.observe.pop())
        self.onvif.gate = Gate()
        running = Deferred.fromCoroutine(self.runner.inspect(key))
        running.cancel()
        self.failureResultOf(running, CancelledError)
        self.runner.timed_out(key)
        self.assertEqual("no answer: it took too long to answer", self.observe[-1])

    def test_no_turn_is_forgotten(self) -> None:
        """Sessions that are cancelled for another reason than the time add up to nothing."""
        self.patch(device_sessions, "MAX_ASKED", 3)
        self.build(GOOD)
        self.budget.charge = lambda *_: Deferred()  # type: ignore[method-assign,assignment,misc]
        for number in range(10):
            address = f"10.0.0.{number + 1}"
            self.onvif.answers[address] = Guarded(inspection(address), lambda given: False)
            key = self.see(address, Mac(f"02:00:00:00:00:{number:02x}"))
            running = Deferred.fromCoroutine(self.runner.inspect(key))
            self.assertNoResult(running)
            running.cancel()
            self.failureResultOf(running, CancelledError)
        kept = [one for one in vars(self.runner._sessions).values() if isinstance(one, (dict, set, list))]
        self.assertLessEqual(max(map(len, kept)), 3)

    def test_recorder(self) -> None:
        """Each source of a recorder is a camera; its streams are proved first of each source first."""
        streams = [stream(path=f"{source}-{n}", source=source) for source in "abc" for n in (0, 1)]
        self.onvif.answers[HERE] = inspection(HERE, *streams)
        self.inspect()
        self.assertEqual([ID, f"{ID}_2", f"{ID}_3"], [camera.id for camera in self.registry.cameras()])
        self.assertEqual(
            [f"{source}-{n}" for n in (0, 1) for source in "abc"],
            [url.rpartition("/")[2] for url, _ in self.validator.validated],
        )

    def test_too_many_streams(self) -> None:
        """When proving takes too long the inspection ends with what was proved; the rest is checked in turn."""
        case = self

        class Slow(ScriptedValidator):
            async def validate(self, one: Any, by: Login | None) -> StreamReport:
                case.clock.advance(session_module.PROVE_SECONDS / 3)
                return await super().validate(one, by)

        self.validator = Slow()
        self.build()
        self.onvif.answers[HERE] = inspection(HERE, *(stream(path=str(n), plays=False) for n in range(8)))
        key = self.inspect()
        self.assertEqual([True] * 4 + [False] * 4, [one.validated for one in self.camera().streams])
        self.assertIn("not checked yet", self.camera().streams[7].reason)
        for _ in range(12):
            self.check(key)
            self.assertLessEqual(len(self.validator.validated), 2)
        self.assertEqual([True] * 8, [one.validated for one in self.camera().streams])


class VendorTests(RunnerCase):
    """The vendor by the MAC, where the device does not say so itself."""

    def make(self, *lines: str) -> None:
        assert LOGINS.read_many is not None
        self.build(*LOGINS.read_many(list(lines)))
        self.vendor_of = lambda mac: "Hangzhou Hikvision Digital Technology Co.,Ltd." if mac == A else ""

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
            self.assertEqual([None, *tried], [name for _, name in self.onvif.calls])

    def test_another_network_another_login(self) -> None:
        """Each network has its own login, and no other device is given it."""
        self.make("[network 10.0.0.5/32]", "five:1", "[network 10.0.0.6/32]", "six:2")
        for address in (HERE, THERE):
            self.onvif.answers[address] = Guarded(inspection(address), lambda one: True)
        self.inspect()
        self.inspect(self.see(THERE, B))
        self.assertEqual([(HERE, None), (HERE, "five"), (THERE, None), (THERE, "six")], self.onvif.calls)


class CheckTests(RunnerCase):
    def setUp(self) -> None:
        super().setUp()
        self.onvif.answers[HERE] = inspection(HERE, stream(path="main"), stream(path="sub"))
        self.key = self.inspect()
        self.listener.take()

    def test_well(self) -> None:
        """One stream is checked, nothing is emitted."""
        self.check(self.key)
        self.assertEqual(([(MAIN, None)], []), (self.validator.validated, self.listener.events))

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
        """When one stream breaks and another still plays it is online, and both are checked from then on."""
        self.validator.answers[MAIN] = StreamReport(Proof.RTSP, validated=False, reason="404")
        self.check(self.key)
        self.assertIs(Status.ONLINE, self.camera().status)
        self.check(self.key)
        self.assertEqual([SUB, MAIN], [url for url, _ in self.validator.validated])
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
        self.assertEqual(
            (Status.ONLINE, [], 2), (self.camera().status, self.listener.events, len(self.validator.validated))
        )

    def test_wants_a_login_now(self) -> None:
        """A stream that wants a login that we have not is auth_required."""
        self.validator.answers[MAIN] = Unauthorized("it wants a login")
        self.check(self.key)
        advice = "no login is set for this camera (camdetect login, CAMERA_CREDENTIALS)"
        self.assertEqual((Status.AUTH_REQUIRED, f"it wants a login; {advice}"), self.state())

    def test_forgotten_meanwhile(self) -> None:
        """A camera that is forgotten while it is checked stays forgotten."""
        self.validator.gate = Gate()
        checking = Deferred.fromCoroutine(self.runner.routine.check(self.key))
        self.registry.forget(ID, self.clock.seconds())
        self.validator.gate.open()
        self.successResultOf(checking)
        self.assertEqual((), self.registry.cameras())

    def test_without_streams(self) -> None:
        """A camera without streams has nothing to check, which is no event."""
        self.onvif.answers[THERE] = replace(inspection(THERE), streams=(), status=Status.AUTH_REQUIRED)
        key = self.inspect(self.see(THERE, B))
        self.listener.take()
        self.check(key)
        self.assertEqual(([], []), (self.validator.validated, self.listener.events))
