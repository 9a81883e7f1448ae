"""Streams into a running go2rtc, of every version that was recorded: what is sent, what is not, and what is told."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import NAME, SUB
from tests.peers.exchange import Answer, Ask, Direct
from tests.peers.go2rtc import VERSIONS, Go2rtc
from twisted_detector.model import Secret
from twisted_detector.model.consumers import Consumer
from twisted_detector.outputs.go2rtc.api import Go2rtcApi
from twisted_detector.outputs.sync.http import HttpRequest, basic_auth
from twisted_detector.outputs.sync.merging import is_ours
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    Sharing,
    TargetPhase,
    TargetRefused,
    TargetUnavailable,
)
from twisted_detector.outputs.sync.target import SyncTarget

SECRET = "rtsp://admin:p%40ss@10.0.0.9:554/main"
STREAMS = {NAME: [SECRET], f"{NAME}_sub": [SUB.url]}
TWENTY = {f"0240000000{number:02}": [f"rtsp://admin:p%40ss@10.0.0.{number}:554/main"] for number in range(1, 21)}


class Case(SynchronousTestCase):
    def api(
        self, double: Go2rtc, *, keep: bool = False, headers: dict[str, str] | None = None, **more: Any
    ) -> Go2rtcApi:
        self.http = Direct(double.answer, port=1984)
        return Go2rtcApi(self.http, is_ours=is_ours, keep_logins=keep, headers=headers or {}, **more)  # type: ignore[arg-type]

    def deliver(self, api: Any, wanted: Entries, base: Entries | None = None, *, dry: bool = False) -> DeliveryResult:
        result: DeliveryResult = self.successResultOf(Deferred.fromCoroutine(api.deliver(wanted, base or {}, dry)))
        return result


class Streams(Case):
    def test_logins_stay_out_of_its_file(self) -> None:
        """A source with a login is in its memory and not in its file, one without in both; others' streams stay."""
        for version in VERSIONS:
            double = Go2rtc(version, text="streams:\n  garden: rtsp://10.0.0.5/x\n")
            api = self.api(double)
            done = self.deliver(api, {**STREAMS, "garden": ["rtsp://10.0.0.9/y"]})
            self.assertEqual({"garden": ["rtsp://10.0.0.5/x"], **STREAMS}, double.sources())
            self.assertIn("garden", done.remark)
            self.assertEqual(set(STREAMS), set(done.written))
            self.assertNotIn("p%40ss", repr(done))
            self.assertNotIn("p%40ss", double.text or "")
            self.assertIn(SUB.url, double.text or "")
            self.deliver(api, {}, done.written)
            self.assertEqual({"garden": ["rtsp://10.0.0.5/x"]}, double.sources())

    def test_published(self) -> None:
        """With PUBLISH_CREDENTIALS its file has the logins, too."""
        for version in VERSIONS:
            double = Go2rtc(version)
            self.deliver(self.api(double, keep=True), STREAMS)
            self.assertIn("p%40ss", double.text or "")

    def test_a_dry_run(self) -> None:
        """What would change is shown without a login, and nothing is sent."""
        for version in VERSIONS:
            told = self.deliver(self.api(Go2rtc(version)), STREAMS, dry=True)
            self.assertEqual([f"+ {NAME}: rtsp://***@10.0.0.9:554/main", f"+ {NAME}_sub: {SUB.url}"], list(told.diff))
            self.assertEqual([], self.http.changing)

    def test_who_looks_follows_a_move(self) -> None:
        """A stream that is looked at is patched in its place, and written down when nobody looks any more."""
        for version in VERSIONS:
            double, name = Go2rtc(version), f"{NAME}_sub"
            api = self.api(double)
            done = self.deliver(api, {name: [SUB.url]})
            stream = double.streams[name]
            double.watch(name)
            self.http.asked.clear()
            moved = {name: [SUB.url.replace("10.0.0.9", "10.0.0.77")]}
            for _ in range(3):
                self.deliver(api, moved, done.written)
            self.assertEqual(["PATCH"], [one.partition(" ")[0] for one in self.http.changing])
            self.assertIs(double.streams[name], stream)
            self.assertEqual(moved[name], stream.sources)
            double.leave(name)
            self.http.asked.clear()
            for _ in range(3):
                self.deliver(api, moved, done.written)
            self.assertEqual(["PATCH", "PUT"], [one.partition(" ")[0] for one in self.http.changing])
            self.assertIn("10.0.0.77", double.text or "")

    def test_several_sources(self) -> None:
        """A stream to which somebody gave a second source is made anew: PATCH would set both to the one."""
        for version, source in product(VERSIONS, (SECRET, SUB.url)):
            double = Go2rtc(version, text=f'streams:\n  "{NAME}":\n    - {source}\n    - ffmpeg:x#audio=opus\n')
            self.deliver(self.api(double), {NAME: [source]}, {NAME: ""})
            self.assertEqual({NAME: [source]}, double.sources())

    def test_its_own_login(self) -> None:
        """Its login is named when it is missing, and sent when it is known; never shown."""
        for version in VERSIONS:
            double = Go2rtc(version, login="me:hunter2")
            failure = self.failureResultOf(Deferred.fromCoroutine(self.api(double).deliver(STREAMS, {}, False)))
            failure.trap(TargetRefused)
            self.assertIn("GO2RTC_USER", str(failure.value))
            api = self.api(double, consumer=Consumer("go2rtc", "north"))
            failure = self.failureResultOf(Deferred.fromCoroutine(api.deliver(STREAMS, {}, False)), TargetRefused)
            self.assertIn("go2rtc wants a login ([go2rtc.north] user, [go2rtc.north] password)", str(failure.value))
            self.assertEqual("go2rtc-api.north", api.name)
            self.deliver(self.api(double, headers=basic_auth("me", Secret("hunter2"))), STREAMS)
            self.assertEqual(STREAMS, double.sources())

    def test_in_trouble(self) -> None:
        """One that is slow, answers nonsense, or has its API elsewhere is away, and nothing is shown of a login."""
        place = "it has no /api/streams there (in go2rtc's file: api, base_path or allow_paths)"
        for version, (options, expected) in product(
            VERSIONS,
            (
                ({"fault": "slow"}, "it does not answer: nothing for 15 s"),
                ({"fault": "nonsense"}, "what answers there is no go2rtc"),
                ({"base_path": "/rtc"}, place),
            ),
        ):
            self.assertEqual(expected, self.away(Go2rtc(version, **options).answer))  # type: ignore[arg-type]
        self.assertEqual(place, self.away(Go2rtc("1.9.14", allow_paths=("/api",)).answer))
        said = self.away(lambda request: Answer(502, [], b"a proxy without a go2rtc"))
        self.assertEqual("go2rtc does not do it: status 502", said)
        login = [("Location", "https://me:hunter2@sso.example/login?rd=http://10.0.0.1:1984/x#y")]
        said = self.away(lambda request: Answer(302, login, b""))
        self.assertEqual(
            "it sends us elsewhere (302), as a page for logins before a program does; GO2RTC_URL must be the program's"
            " own address: https://sso.example/login",
            said,
        )

    def test_nothing_there(self) -> None:
        """A list that is ``null`` is one without a stream."""
        double, null = Go2rtc(VERSIONS[-1]), Answer(200, [], b"null\n")
        ask = self.instead(double, lambda request: request.method == "GET" and not double.streams, null)
        self.deliver(self.api_of(ask), STREAMS)
        self.assertEqual(STREAMS, double.sources())

    def test_done_whatever_was_said(self) -> None:
        """What stands there was delivered, whatever a server, or a proxy before it, made of the answer."""
        for status, body, file_fault in (
            (201, b"", False),
            (500, b"<html>oops</html>", False),
            (504, b"", False),
            (429, b"slow", False),
            (400, b"open /x: read-only", True),
            (400, b"", True),
        ):
            double = Go2rtc(VERSIONS[-1])
            answer = Answer(status, [], body)
            api = self.api_of(self.instead(double, lambda request: request.method != "GET", answer, do=True))
            done = self.deliver(api, TWENTY)
            self.assertEqual((TWENTY, {}), (double.sources(), done.refused))
            self.assertEqual(set(TWENTY), set(done.written))
            self.assertEqual(file_fault, "does not keep them" in done.remark)
            self.assertNotIn("( )", done.remark)
            sent = len(self.http.changing)
            self.assertEqual((20, {}), (sent, self.deliver(api, TWENTY, done.written).refused))
            self.assertEqual(sent, len(self.http.changing))

    def test_not_done_whatever_was_said(self) -> None:
        """What does not stand there was not delivered; what a server fails on is tried again at the next look."""
        for status, body, reason, again in (
            (200, b"yes", "go2rtc took it, and does not have it", 0),
            (500, b"<html>oops</html>", "go2rtc does not do it: status 500", 20),
            (503, b"busy", "go2rtc does not do it: busy", 20),
            (400, b"source not supported", "go2rtc refuses it: source not supported", 0),
        ):
            double = Go2rtc(VERSIONS[-1])
            api = self.api_of(self.instead(double, lambda request: request.method != "GET", Answer(status, [], body)))
            done = self.deliver(api, TWENTY)
            self.assertEqual((dict.fromkeys(TWENTY, reason), {}), (dict(done.refused), done.written))
            self.http.asked.clear()
            self.assertEqual(done.refused, self.deliver(api, TWENTY).refused)
            self.assertEqual(again, len(self.http.changing))

    def test_removal_that_fails(self) -> None:
        """A stream that is there still, with its login, is ours still, and is removed as soon as that can be done."""
        for status, do in ((502, False), (500, False), (200, False), (502, True), (400, True)):
            double, given = Go2rtc(VERSIONS[-1]), "front-door"
            done = self.deliver(self.api(double), STREAMS)
            ill = [True]
            ask = self.instead(
                double, lambda one, ill=ill: bool(ill) and one.method == "DELETE", Answer(status, [], b"no"), do
            )
            api = self.api_of(ask)
            second = self.deliver(api, {given: [SUB.url]}, done.written)
            if do:
                self.assertEqual(({given: [SUB.url]}, {}), (double.sources(), dict(second.refused)))
                continue
            said = "no" if status >= 500 else "it is still there"
            self.assertEqual(dict.fromkeys(STREAMS, f"go2rtc does not remove it: {said}"), dict(second.refused))
            self.assertEqual({given, *STREAMS}, set(second.written))
            ill.clear()
            third = self.deliver(api, {given: [SUB.url]}, second.written)
            self.assertEqual(({given: [SUB.url]}, {}), (double.sources(), dict(third.refused)))
            self.assertEqual({given}, set(third.written))

    def test_replacement_that_fails(self) -> None:
        """A stream that is to be made anew and cannot be removed is not patched, and is made anew at the next look."""
        double = Go2rtc(VERSIONS[-1], text=f'streams:\n  "{NAME}":\n    - {SECRET}\n    - ffmpeg:x#audio=opus\n')
        ill = [True]
        ask = self.instead(double, lambda one: bool(ill) and one.method == "DELETE", Answer(502, [], b""))
        api = self.api_of(ask)
        done = self.deliver(api, {NAME: [SECRET]}, {NAME: ""})
        self.assertEqual({NAME: "go2rtc does not do it: status 502"}, dict(done.refused))
        self.assertEqual(["DELETE"], [one.partition(" ")[0] for one in self.http.changing])
        self.assertIn(NAME, done.written)
        ill.clear()
        self.assertEqual({}, dict(self.deliver(api, {NAME: [SECRET]}, done.written).refused))
        self.assertEqual({NAME: [SECRET]}, double.sources())

    def test_reading_alone(self) -> None:
        """Where the list is told and changes are forbidden it is not the login."""
        double = Go2rtc(VERSIONS[-1])
        ask = self.instead(double, lambda request: request.method != "GET", Answer(403, [], b"read-only"))
        delivering = Deferred.fromCoroutine(self.api_of(ask).deliver(STREAMS, {}, False))
        said = str(self.failureResultOf(delivering, TargetRefused).value)
        self.assertEqual("what answers there tells its streams, and forbids to change them: read-only", said)

    def instead(self, double: Go2rtc, when: Callable[[HttpRequest], bool], answer: Answer, do: bool = False) -> Ask:
        """A go2rtc whose answer is another; ``do``: it does what it is told all the same."""

        def ask(request: Any) -> Answer:
            if not when(request):
                return double.answer(request)
            if do:
                double.answer(request)
            return answer

        return ask

    def api_of(self, ask: Ask) -> Go2rtcApi:
        self.http = Direct(ask, port=1984)
        return Go2rtcApi(self.http, is_ours=is_ours, keep_logins=False, headers={})  # type: ignore[arg-type]

    def away(self, ask: Ask) -> str:
        api = Go2rtcApi(Direct(ask, port=1984), is_ours=is_ours, keep_logins=False, headers={})  # type: ignore[arg-type]
        failure = self.failureResultOf(Deferred.fromCoroutine(api.deliver(STREAMS, {}, False)))
        failure.trap(TargetUnavailable)
        return str(failure.value)


class Followed(Case):
    def setUp(self) -> None:
        self.logged: list[str] = []
        observer = lambda event: self.logged.append(formatEvent(event) or "")  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def follow(self, double: Go2rtc, wanted: Entries) -> tuple[SyncTarget, Clock]:
        """A daemon that keeps go2rtc in step, by a clock of its own."""
        clock = Clock()
        target = SyncTarget(clock, self.api(double), base={}, save=lambda written: None, random=lambda: 0.5)
        target.update(wanted)
        self.addCleanup(lambda: self.successResultOf(target.stop()))
        return target, clock

    def hour(self, clock: Clock) -> list[str]:
        """The requests of an hour that may change something; what was logged before is forgotten."""
        self.http.asked.clear()
        self.logged.clear()
        clock.pump([1.0] * 3600)
        self.assertGreater(len(self.http.asked), 100)
        return self.http.changing


class Quiet(Followed):
    def test_an_idle_hour(self) -> None:
        """Twenty streams with logins and nothing that changes: no request that changes something, no line in the log.

        In releases go2rtc says the logins in full; where a variable has the same value, it says stars.
        """
        for version in VERSIONS:
            for environment in ({}, {"PW": "p%40ss"}, {"PW": "p%40ss", "USER": "admin"}):
                text = "".join(f"  {key}: ${{{key}}}\n" for key in environment)
                double = Go2rtc(version, text=f"streams:\n{text}" if text else "", environment=environment)
                target, clock = self.follow(double, TWENTY)
                self.assertEqual((TargetPhase.DONE, ""), (target.status.phase, target.status.reason))
                self.assertEqual([], self.hour(clock), (version, environment))
                self.assertEqual([], self.logged, (version, environment))

    def test_an_idle_hour_after_a_start(self) -> None:
        """A daemon that starts beside a go2rtc that has all says nothing to it, but what it cannot know."""
        for version in VERSIONS:
            double = Go2rtc(version)
            self.follow(double, TWENTY)
            _, clock = self.follow(double, TWENTY)
            self.assertEqual([], self.http.changing)
            self.assertEqual([], self.hour(clock))

    def test_an_idle_hour_without_a_file(self) -> None:
        """A go2rtc that cannot write its file has the streams, and says 400: no failure, told once, not tried again."""
        plain = {name: [source.replace("admin:p%40ss@", "")] for name, (source,) in TWENTY.items()}
        for version in VERSIONS:
            for options in ({"text": None}, {"file_fault": "yaml: line 4: could not find expected ':'"}):
                double = Go2rtc(version, **options)  # type: ignore[arg-type]
                target, clock = self.follow(double, plain)
                self.assertEqual(plain, double.sources())
                self.assertEqual(TargetPhase.DONE, target.status.phase)
                words = double.file_fault or "config file disabled"
                told = "the streams are there, but go2rtc does not keep them"
                later = "after a restart of it they come back within 30 s"
                self.assertEqual(f"{told} ({words}): {later}", target.status.reason)
                self.assertEqual([], self.hour(clock))
                self.assertEqual([], self.logged)

    def test_a_restart_of_go2rtc(self) -> None:
        """What a restart of go2rtc lost is there again within half a minute, whatever it has in its file."""
        for version in VERSIONS:
            double = Go2rtc(version)
            _, clock = self.follow(double, {**TWENTY, **STREAMS})
            double.start()
            self.assertEqual([f"{NAME}_sub"], list(double.streams))
            clock.advance(30)
            self.assertEqual({**TWENTY, **STREAMS}, double.sources())


class Refusals(Followed):
    def test_one_is_refused(self) -> None:
        """A stream that go2rtc does not take is left out with its words; twenty others, with logins, are served."""
        for version in VERSIONS:
            for bad in ("foo://10.0.0.9/x", "rtsp://admin:p%40ss@10.0.0.9/a b"):
                double = Go2rtc(version)
                # 1.9.10 takes any scheme by PUT, so this one comes with a login, by PATCH.
                source = bad.replace("foo://", "foo://admin:p%40ss@")
                target, clock = self.follow(double, {"024000000000": [source], **TWENTY})
                self.assertEqual(TWENTY, double.sources())
                self.assertEqual(TargetPhase.REFUSED, target.status.phase)
                self.assertIn("left out: 024000000000: go2rtc refuses it", target.status.reason)
                words = (
                    "without a reason (go2rtc gives none before 1.9.12)" if version == "1.9.10" else ": streams: source"
                )
                self.assertIn(words, target.status.reason)
                self.assertNotIn("p%40ss", target.status.reason)
                self.assertLessEqual(len(self.hour(clock)), 12)
                self.assertEqual([], self.logged, "told once")
                self.assertEqual(TWENTY, double.sources())
                target.update({"024000000000": ["rtsp://admin:p%40ss@10.0.0.9/a"], **TWENTY})
                self.assertEqual((21, TargetPhase.DONE), (len(double.streams), target.status.phase))

    def test_a_path_that_is_a_streams_name(self) -> None:
        """PATCH would show the other stream. Without a login there is PUT; with one it is left out, and it alone."""
        for version in VERSIONS:
            for query in ("", "?x=1"):
                double = Go2rtc(version, text="streams:\n  stream1: rtsp://10.0.0.5/x\n")
                plain, locked = f"rtsp://10.0.0.9:554/stream1{query}", f"rtsp://a:b@10.0.0.8/stream1{query}"
                target, clock = self.follow(double, {NAME: [plain], "024000000000": [locked], **TWENTY})
                expected = {"stream1": ["rtsp://10.0.0.5/x"], NAME: [plain], **TWENTY}
                self.assertEqual(expected, double.sources())
                told = (
                    "go2rtc has a stream that is called as the path of this camera, 'stream1', and would show that one"
                    " instead: give yours another name"
                )
                self.assertEqual(f"left out: 024000000000: {told}", target.status.reason)
                self.assertEqual([], self.hour(clock))
                self.assertEqual([], self.logged)
                del double.streams["stream1"]
                clock.advance(30)
                self.assertEqual([locked], double.sources()["024000000000"])
                self.assertEqual(TargetPhase.DONE, target.status.phase)

    def test_a_path_that_is_its_own_name(self) -> None:
        """A camera whose path is its own stream's name follows a move all the same: PATCH alone would do nothing."""
        for version in VERSIONS:
            for user in ("", "a:b@"):
                double = Go2rtc(version)
                target, _ = self.follow(double, {NAME: [f"rtsp://{user}10.0.0.9/{NAME}"]})
                moved = {NAME: [f"rtsp://{user}10.0.0.77/{NAME}"]}
                target.update(moved)
                self.assertEqual(moved, double.sources())
                self.assertNotIn("a:b", double.text or "")


class Shared(Case):
    """Two nodes and one go2rtc."""

    OTHERS = Sharing(met=frozenset(STREAMS), others=frozenset(STREAMS))

    def setUp(self) -> None:
        self.south = {name: [source.replace("p%40ss", "other")] for name, (source,) in STREAMS.items()}

    def tag(self, source: str) -> str:
        return source[::-1]

    def test_what_another_sent(self) -> None:
        """It stays, whoever looks at it, wanted or not; what is missing is sent when it is due."""
        for version in VERSIONS:
            double = Go2rtc(version)
            self.deliver(self.api(double), self.south)
            for more in ({}, {"tag": self.tag}):
                api = self.api(double, **more)
                api.share(self.OTHERS)
                for wanted in (STREAMS, {}):
                    for base in ({}, dict.fromkeys(STREAMS, ""), {NAME: self.tag("rtsp://10.0.0.1/old")}):
                        done = self.deliver(api, wanted, base)
                        self.assertNotIn(NAME, done.written)
                self.assertEqual([], self.http.changing)
            double = Go2rtc(version)
            api = self.api(double)
            api.share(self.OTHERS)
            self.assertEqual(tuple(sorted(STREAMS)), self.deliver(api, STREAMS).waiting)
            self.assertEqual([], self.http.changing)
            api.share(Sharing(self.OTHERS.met, self.OTHERS.others, due=frozenset({NAME})))
            self.assertEqual((f"{NAME}_sub",), self.deliver(api, STREAMS).waiting)
            self.assertEqual([NAME], list(double.sources()))

    def test_what_we_sent(self) -> None:
        """A go2rtc that only we tell follows a move, also one that came while we were not there; it is sent once."""
        moved = {name: [source.replace("10.0.0.9", "10.0.0.77")] for name, (source,) in STREAMS.items()}
        for version in VERSIONS:
            for restarted in (False, True):
                double = Go2rtc(version)
                api = self.api(double, tag=self.tag)
                written = self.deliver(api, STREAMS).written
                if restarted:
                    api = self.api(double, tag=self.tag)
                api.share(self.OTHERS)
                done = self.deliver(api, moved, written)
                self.assertEqual((moved, ()), (double.sources(), done.left))
                asked = len(self.http.changing)
                self.deliver(api, moved, done.written)
                self.assertEqual(asked, len(self.http.changing))

    def test_in_use(self) -> None:
        """A stream that somebody looks at shows no source: after a start nothing is sent until nobody does."""
        for version in VERSIONS:
            double = Go2rtc(version)
            written = self.deliver(self.api(double, tag=self.tag), STREAMS).written
            double.watch(NAME)
            api = self.api(double, tag=self.tag)
            api.share(self.OTHERS)
            done = self.deliver(api, STREAMS, written)
            self.assertEqual((written, (NAME,)), (done.written, done.waiting))
            self.assertEqual([], self.http.changing)
            # What was not seen is not taken for sent: it is another's.
            self.deliver(self.api(double), self.south)
            double.leave(NAME)
            api.share(self.OTHERS)
            self.assertIn(NAME, self.deliver(api, STREAMS, written).left)

    def test_removed_while_in_use(self) -> None:
        """Whether it is still ours shows when nobody looks at it: until then it is not removed, and another's never."""
        for version, restarted, theirs in product(VERSIONS, (False, True), (False, True)):
            double = Go2rtc(version)
            api = self.api(double, tag=self.tag)
            written = self.deliver(api, STREAMS).written
            if theirs:
                self.deliver(self.api(double), self.south)
            if restarted:
                api = self.api(double, tag=self.tag)
            double.watch(NAME)
            api.share(self.OTHERS)
            done = self.deliver(api, {}, written)
            self.assertEqual(((NAME,), {NAME: written[NAME]}), (done.waiting, done.written))
            self.assertIn(NAME, double.sources())
            double.leave(NAME)
            done = self.deliver(api, {}, done.written)
            self.assertEqual((theirs, {}), (NAME in double.sources(), done.written))

    def test_forgotten(self) -> None:
        """What only we forgot stays, and goes when nobody knows it any more."""
        for version in VERSIONS:
            double = Go2rtc(version)
            api = self.api(double, tag=self.tag)
            written = self.deliver(api, STREAMS).written
            api.share(Sharing(self.OTHERS.met, self.OTHERS.others, staying=self.OTHERS.others))
            done = self.deliver(api, {}, written)
            self.assertEqual((STREAMS, written), (double.sources(), done.written))
            api.share(Sharing(self.OTHERS.met))
            self.deliver(api, {}, done.written)
            self.assertEqual({}, double.sources())

    def test_after_another(self) -> None:
        """Who speaks for a camera sends its source, whoever sent one before, also under a name without a MAC."""
        for version in VERSIONS:
            double = Go2rtc(version, text="streams:\n  acme-1: rtsp://10.0.0.5/x\n")
            self.deliver(self.api(double), self.south)
            api = self.api(double)
            api.share(Sharing(met=frozenset({*STREAMS, "acme-1"})))
            wanted = {**STREAMS, "acme-1": ["rtsp://10.0.0.9/x"]}
            self.deliver(api, wanted)
            self.assertEqual(wanted, double.sources())
