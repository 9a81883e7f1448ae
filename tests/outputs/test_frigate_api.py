"""Cameras into a running Frigate, of every version that was recorded: what is sent, what runs then, what is told."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from zope.interface.verify import verifyObject

from tests.outputs.case import NAME, TAGS
from tests.outputs.frigate_case import (
    BOSS,
    GUEST,
    MIDDLE,
    NEWER,
    THEIRS,
    Case,
    camera,
    document,
    values,
)
from tests.outputs.frigate_rules import faults, load
from tests.peers.exchange import Answer, Request
from tests.peers.frigate import GUARDED, RECORDED, VERSIONS, Frigate
from tests.peers.go2rtc import Go2rtc
from twisted_detector.model import Camera, Secret
from twisted_detector.model.consumers import Consumer
from twisted_detector.outputs.frigate.api import RESTART_PAUSE
from twisted_detector.outputs.frigate.document import FrigateOptions, build
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    IVariablesDestination,
    TargetPhase,
    TargetRefused,
    TargetStarting,
    TargetUnavailable,
)
from twisted_detector.outputs.sync.target import FIRST_RETRY, STARTING_RETRY, SyncTarget

#: How Frigate's words about a file begin that it may only read.
CANNOT_WRITE = "Could not write config file"


class Files(Case):
    def test_a_camera_comes_and_goes(self) -> None:
        """The rest of Frigate's file stays to the byte; every version gets what it takes, and is asked once."""
        entries = document(camera(1)).entries
        for version in VERSIONS:
            double = self.double(version)
            api = self.api(double)
            verifyObject(IVariablesDestination, api)
            done = self.deliver(api, entries)
            self.assertTrue(done.changed)
            text = double.config.text
            self.assertTrue(text.startswith(THEIRS))
            self.assertEqual("friendly_name" in text, double.minor >= 17)
            self.assertEqual([], faults(load(text), minor=double.minor))
            self.http.asked.clear()
            self.assertFalse(self.deliver(api, entries, done.written).changed)
            self.assertEqual([], self.http.changing)
            self.deliver(api, {}, done.written)
            self.assertEqual(THEIRS, double.config.text, version)
            words = [word for _, word in double.config.published]
            self.assertEqual(double.minor >= 18, "remove" in words, "in 0.17 that ends the part that starts cameras")

    def test_a_dry_run(self) -> None:
        """The difference is shown without anybody's login, and Frigate is only read."""
        for version in VERSIONS:
            double = self.double(version)
            told = self.deliver(self.api(double), document(camera(1)).entries, dry=True)
            self.assertTrue(any(line.startswith("+") and "024000000001" in line for line in told.diff))
            self.assertNotIn("secret", "\n".join(told.diff))
            self.assertEqual([], self.http.changing)

    def test_an_idle_hour(self) -> None:
        """Twenty cameras with logins and nothing that changes: nothing that changes something, no line in the log."""
        cameras = [camera(number) for number in range(1, 21)]
        built = document(*cameras, login=BOSS)
        for version in RECORDED:
            double = self.double(version, environment=values(built))
            api = self.api(double, restart=True)
            target = self.follow(api, built.entries)
            self.clock.pump([10.0] * 40)
            self.assertEqual((TargetPhase.DONE, ""), (target.status.phase, target.status.reason))
            self.http.asked.clear()
            self.logged.clear()
            self.clock.pump([10.0] * 360)
            self.assertGreater(len(self.http.asked), 10)
            self.assertEqual(([], []), (self.http.changing, self.logged), version)

    def test_behind_a_proxy(self) -> None:
        """A proxy may add an Origin to each request: what is written then carries what Frigate asks for."""
        for version in VERSIONS:
            double = self.double(version)

            def ask(request: Request, double: Frigate = double) -> Answer:
                return double.answer(replace(request, headers={**request.headers, "origin": "http://proxy"}))

            self.assertTrue(self.deliver(self.api(double, ask=ask, restart=True), document(camera(1)).entries).changed)
            self.assertIn("024000000001", double.config.text)
            self.assertEqual((3, double.minor < 17), (len(self.reads(double)), bool(double.restarts)))


class NewCameras(Case):
    def test_taken_up_while_it_runs(self) -> None:
        """From 0.17 on new cameras run at once, each once, and the file is as it was saved; before, it waits."""
        for version in VERSIONS:
            double = self.double(version)
            cameras = [camera(1), replace(camera(2), id="02400000000b", device_id="02400000000b")]
            done = self.deliver(self.api(double), document(*cameras).entries)
            new = sorted(one.url for camera in cameras for one in camera.streams)
            before = ["rtsp://user:secret@10.0.0.5/x"]
            if double.minor >= 17:
                self.assertEqual(sorted(before + new), self.reads(double), version)
                self.assertEqual("", done.remark)
            else:
                self.assertEqual(before, self.reads(double))
                self.assertIn("in force after its next start", done.remark)
                self.assertFalse([one for one in self.http.asked if "/config/set" in one])
            self.assertTrue(double.config.text.startswith(THEIRS))
            self.assertEqual(0, double.restarts)

    def test_never_twice(self) -> None:
        """0.17 that was started in between has the camera already: an ``add`` would be a second ffmpeg for good."""
        for version in (MIDDLE, NEWER):
            double = self.double(version)
            restarts = [True]

            def ask(request: Request, double: Frigate = double, restarts: list[bool] = restarts) -> Answer:
                if request.path == "/api/config/set" and restarts:
                    double.starting = restarts.pop()  # somebody restarts it just now
                return double.answer(request)

            api = self.api(double, ask=ask)
            wanted = document(camera(1), camera(2)).entries
            failure = self.failureResultOf(Deferred.fromCoroutine(api.deliver(wanted, {}, False)))
            failure.trap(TargetStarting)
            double.starting = False
            double.restart()
            self.deliver(api, wanted, wanted)
            self.assertEqual(5, len(self.reads(double)), version)
            self.assertEqual(5, len(set(self.reads(double))))

    def test_half_told(self) -> None:
        """Two come, and of the second there was no answer: 0.18 is told again; 0.17 never twice, and it is said so."""
        for version in (MIDDLE, NEWER):
            double = self.double(version)
            told: list[str] = []

            def ask(request: Request, double: Frigate = double, told: list[str] = told) -> Answer:
                if request.path == "/api/config/set":
                    told.append(request.target)
                return Answer(0, silent=True) if len(told) == 2 else double.answer(request)

            api = self.api(double, ask=ask)
            wanted = document(camera(1), camera(2)).entries
            self.assertIn("does not answer", self.failed(api, wanted, TargetUnavailable))
            told += ["", ""]
            done = self.deliver(api, wanted, wanted)
            self.assertEqual(5 if double.minor >= 18 else 3, len(self.reads(double)), version)
            self.assertEqual(double.minor < 18, "024000000002: in Frigate's file, and in force after" in done.remark)

    def test_nothing_to_be_set(self) -> None:
        """A file of nothing but cameras whose names are numbers has no value that could be set to itself."""
        for version in (MIDDLE, NEWER):
            double = self.double(version, "")
            done = self.deliver(self.api(double), document(camera(1)).entries)
            self.assertIn("in force after its next start", done.remark)
            self.assertEqual([], double.config.published)

    def test_one_is_refused(self) -> None:
        """A new camera with a login beside twenty, one of them refused: the twenty are served, and it is said why."""
        odd = document(camera(22), login=GUEST)
        for version in (VERSIONS[0], *RECORDED):
            # The figure is of twenty; YAML of so many takes its time, so one version has them all.
            count = 21 if version == MIDDLE else 5
            cameras = [camera(number) for number in range(1, count + 1)]
            good = document(*cameras, login=BOSS)
            for at, bad in (
                # Its variables are not known; a role that is none; a fault that its words do not name.
                ("024000000022", odd.entries["024000000022"]),
                (
                    "024000000022",
                    {"ffmpeg": {"inputs": [{"path": "rtsp://h/1", "roles": ["clips"]}]}, "zones": {}, "x": 1},
                ),
                ("02 4", {"ffmpeg": {"inputs": [{"path": "rtsp://h/1", "roles": ["detect"]}]}}),
            ):
                double = self.double(version, environment=values(good))
                api = self.api(double)
                target = self.follow(api, {**good.entries, at: bad})
                told = load(double.config.text)["cameras"]
                self.assertEqual({"door", *good.entries}, set(told), (version, at))
                self.assertEqual(TargetPhase.REFUSED, target.status.phase)
                self.assertIn(f"left out: {at}: Frigate", target.status.reason)
                self.assertEqual(2 * count + 1 if double.minor >= 17 else 1, len(self.reads(double)))
                self.assertLessEqual(len(double.config.saves), 12)
                if count < 20:
                    self.others_go_on(double, target, cameras, {at: bad})

    def others_go_on(self, double: Frigate, target: SyncTarget, cameras: list[Camera], refused: Entries) -> None:
        """One of the others moves and is followed; what was refused is tried again, seldom, and told once."""
        last = int(cameras[-1].id[-2:])
        moved = document(*cameras[:-1], camera(last, "10.0.0.200"), login=BOSS).entries
        target.update({**moved, **refused})
        self.assertIn("10.0.0.200", double.config.text)
        self.logged.clear()
        self.http.asked.clear()
        self.clock.pump([10.0] * 61)
        self.assertLessEqual(len(self.http.changing), 5 * 2, self.http.changing)
        self.assertEqual([], [line for line in self.logged if "left out" in line])
        self.assertIn("10.0.0.200", double.config.text)

    def test_its_own_words(self) -> None:
        """Frigate's words reach the user unescaped and whole, without a login."""
        bad = {NAME: {"ffmpeg": {"inputs": [{"path": "rtsp://h/1", "roles": ["detect"]}]}, "description": "'<x>'"}}
        for version in RECORDED:
            done = self.deliver(self.api(self.double(version)), bad)
            (reason,) = done.refused.values()
            self.assertIn(f"cameras -> {NAME} -> description - Extra inputs are not permitted", reason)
            self.assertFalse(done.changed)

    def test_refused_without_us(self) -> None:
        """A file that Frigate refuses as it stands is no camera's fault: said so, and nothing is written."""
        text = THEIRS.replace("roles: [detect]", "roles: [clips]")
        for version in VERSIONS:
            double = self.double(version, text)
            said = self.failed(self.api(double), document(camera(1)).entries, TargetRefused)
            self.assertIn("refuses its own configuration", said)
            self.assertIn("'audio', 'record' or 'detect'", said)
            self.assertEqual(text, double.config.text)


class Variables(Case):
    def test_taught_by_a_restart(self) -> None:
        """Frigate reads its variables when it starts: with FRIGATE_RESTART a new login is in force within a minute."""
        for version in VERSIONS:
            built, known = document(camera(1), login=BOSS), document(camera(2), login=GUEST)
            double = self.double(version, environment=values(known))
            target = self.follow(self.api(double, restart=True), {**built.entries, **known.entries})
            self.assertEqual(1, double.restarts)
            self.assertIn("left out: 024000000001: Frigate does not know the variables", target.status.reason)
            self.assertIn("it is restarted", target.status.reason)
            self.assertNotIn("024000000001", double.config.text)
            self.assertIn("024000000002", double.config.text)
            double.environment = values(built, known)
            self.clock.advance(RESTART_PAUSE)
            double.restart()
            self.clock.pump([10.0] * 31)
            self.assertIn("024000000001", double.config.text)
            self.assertEqual(5, len(self.reads(double)), version)

    def test_never_taught(self) -> None:
        """A variable that a restart did not bring is not looked for by another: it is said what may be wrong."""
        for version in VERSIONS:
            double = self.double(version)
            target = self.follow(self.api(double, restart=True), document(camera(1), login=BOSS).entries)
            self.clock.pump([10.0] * 360)
            self.assertEqual(1, double.restarts)
            self.assertIn("after a restart neither", target.status.reason)
            self.assertEqual(THEIRS, double.config.text)

    def test_without_a_restart(self) -> None:
        """Without FRIGATE_RESTART the way is told; started anew by a person, the camera comes by itself."""
        for version in VERSIONS:
            built = document(camera(1), login=BOSS)
            double = self.double(version)
            target = self.follow(self.api(double), built.entries)
            self.assertIn("give it FRIGATE_ENV_PATH and start it anew", target.status.reason)
            double.environment = values(built)
            double.restart()
            self.clock.pump([10.0] * 31)
            self.assertIn("024000000001", double.config.text)
            self.assertEqual(TargetPhase.DONE, target.status.phase)

    def test_settings_of_a_table(self) -> None:
        """One with a name of its own is told of by it: place, login and what to set."""
        north = Consumer("frigate", "north")
        entries = document(camera(1), login=BOSS).entries
        target = self.follow(self.api(self.double(MIDDLE), consumer=north), entries)
        self.assertEqual("frigate-api.north", target.status.name)
        self.assertIn("give it [frigate.north] env_path and start it anew", target.status.reason)
        double = self.double(MIDDLE, users={"admin": ("hunter2", "admin")})
        told = self.failed(self.api(double, port=8971, consumer=north), entries, TargetRefused)
        self.assertEqual("Frigate wants a login: [frigate.north] user and password, or [frigate.north] token", told)

    def test_braces(self) -> None:
        """A login with braces is taken by every version, by variables and published, and by a camera that turns."""
        turning = replace(camera(1), capabilities=("ptz",), onvif_url="http://10.0.0.1/onvif/device_service")
        for version in VERSIONS:
            for publish in (False, True):
                options = FrigateOptions(publish_credentials=publish)
                built = build([turning], {turning.id: GUEST}, options, tags=TAGS)
                double = self.double(version, environment=values(built))
                done = self.deliver(self.api(double), built.entries)
                self.assertEqual({}, dict(done.refused))
                self.assertIn(turning.id, double.config.text)


class Moves(Case):
    def moved(self, version: str, text: str = THEIRS, **more: Any) -> tuple[Frigate, DeliveryResult]:
        """A Frigate in which a camera with a login moved from 10.0.0.1 to 10.0.0.77."""
        before, after = (document(camera(1, host), login=BOSS) for host in ("10.0.0.1", "10.0.0.77"))
        inside = Go2rtc("1.9.10", text="streams:\n  front: rtsp://10.0.0.5/x\n")
        double = self.double(version, text, environment=values(before), go2rtc=inside)
        api = self.api(double, **more)
        api.set_variables(after.variables)
        done = self.deliver(api, before.entries)
        self.clock.advance(RESTART_PAUSE)
        double.restart()
        double.restarts = 0
        self.http.asked.clear()
        return double, self.deliver(api, after.entries, done.written)

    def test_in_place(self) -> None:
        """0.18 reads from the new address at once, only this camera; others say that they must start anew."""
        for version in VERSIONS:
            double, done = self.moved(version)
            self.assertIn("10.0.0.77", double.config.text)
            self.assertNotIn("10.0.0.1:", double.config.text)
            self.assertEqual(double.minor >= 18, any("10.0.0.77" in one for one in self.reads(double)), version)
            self.assertEqual(3, len(self.reads(double)))
            self.assertEqual(double.minor < 18, "in force after its next start" in done.remark)
            told = [one for one in self.http.asked if "/config/set" in one]
            self.assertEqual(0 if double.minor < 18 else 1, len(told), "0.17 answers 500, and does nothing but write")
            if told:
                self.assertEqual(("024000000001", "ffmpeg"), double.config.published[-1])

    def test_by_a_restart(self) -> None:
        """With FRIGATE_RESTART the others are restarted; 0.18 is not."""
        for version in VERSIONS:
            double, done = self.moved(version, restart=True)
            self.assertEqual((0 if double.minor >= 18 else 1, ""), (double.restarts, done.remark))
            self.assertTrue(any("10.0.0.77" in one for one in self.reads(double)), version)

    def test_turning(self) -> None:
        """A camera that turns has its host in another part of the configuration: 0.18 is told of both."""
        before, after = (
            document(
                replace(camera(1, host), capabilities=("ptz",), onvif_url=f"http://{host}/onvif/device_service")
            ).entries
            for host in ("10.0.0.1", "10.0.0.77")
        )
        double = self.double(NEWER)
        api = self.api(double)
        done = self.deliver(api, before)
        self.deliver(api, after, done.written)
        self.assertEqual(["add", "ffmpeg", "onvif"], [word for _, word in double.config.published])

    def test_through_go2rtc(self) -> None:
        """Where a camera's path leads to the go2rtc inside Frigate, that is told, and the file for the next start."""
        layout = THEIRS + (
            '  "024000000001":\n    ffmpeg:\n      inputs:\n'
            "        - {path: 'rtsp://127.0.0.1:8554/024000000001', roles: [record]}\n"
            "        - {path: 'rtsp://127.0.0.1:8554/024000000001_sub', roles: [detect]}\n"
        )
        for version in VERSIONS:
            double, done = self.moved(version, layout)
            inside = double.go2rtc
            assert inside is not None
            streams = load(double.config.text)["go2rtc"]["streams"]
            self.assertEqual({"024000000001", "024000000001_sub"}, set(streams))
            self.assertTrue(all("@10.0.0.77:554/" in one and "{FRIGATE_LOGIN_" in one for one in streams.values()))
            self.assertNotIn("p@ss", double.config.text)
            paths = [one["path"] for one in load(double.config.text)["cameras"]["024000000001"]["ffmpeg"]["inputs"]]
            self.assertEqual([one for one in paths if "127.0.0.1:8554" in one], paths, "the layout stays")
            if double.minor >= 17:
                self.assertEqual("rtsp://admin:p@ss@10.0.0.77:554/main", inside.sources()["024000000001"][0])
                self.assertEqual("", done.remark)
                # 0.18 fills in the login itself; to others it is sent, which is told where anybody may read it.
                far = self.moved(version, layout, host="frigate")[1].remark
                self.assertEqual(double.minor == 17, "over the network in clear" in far)
            else:
                self.assertIn("in force after its next start", done.remark)
            self.assertFalse([one for one in self.http.asked if "PATCH" in one])
            saves = [one for one in self.http.asked if "/config/save" in one]
            self.assertEqual(1, len(saves), "variables that Frigate took once are tried no more")
            self.assertEqual(["rtsp://10.0.0.5/x"], inside.sources()["front"])

    def test_unknown_in_go2rtc(self) -> None:
        """A variable that Frigate does not know never gets into ``go2rtc.streams``: its go2rtc would not start."""
        layout = THEIRS + (
            '  "024000000001":\n    ffmpeg:\n      inputs:\n'
            "        - {path: 'rtsp://127.0.0.1:8554/024000000001', roles: [detect]}\n"
        )
        for version in VERSIONS:
            double = self.double(version, layout, go2rtc=Go2rtc("1.9.10"))
            done = self.deliver(self.api(double), document(camera(1), login=BOSS).entries)
            self.assertEqual(layout, double.config.text)
            self.assertIn("does not know the variables", done.refused["024000000001"])


class Trouble(Case):
    def test_while_it_starts(self) -> None:
        """nginx alone answers: away, looked at again soon, at a pace that does not double; on either port."""
        for version in VERSIONS:
            for port in (5000, GUARDED):
                double = self.double(version, users={"boss": ("pw", "admin")}, starting=True)
                api = self.api(double, port=port, user="boss", password=Secret("pw"))
                target = self.follow(api, document(camera(1)).entries)
                for _ in range(12):
                    self.assertEqual(TargetPhase.AWAY, target.status.phase)
                    self.clock.advance(STARTING_RETRY)
                double.starting = False
                self.clock.advance(STARTING_RETRY)
                self.assertEqual(TargetPhase.DONE, target.status.phase)
                self.assertEqual(1, sum("is starting" in line for line in self.logged))
                self.logged.clear()

    def test_its_login(self) -> None:
        """Logged in once; wrong, missing, or a viewer's is told without showing it."""
        users = {"boss": ("made-up%1", "admin"), "guest": ("made-up2", "viewer")}
        entries = document(camera(1)).entries
        for version in VERSIONS:
            double = self.double(version, users=users)
            api = self.api(double, port=GUARDED, user="boss", password=Secret("made-up%1"))
            self.assertTrue(self.deliver(api, entries).changed)
            self.assertEqual(1, sum("/api/login" in one for one in self.http.asked))
            double.restart()
            self.deliver(api, entries, entries)
            self.assertEqual(2, sum("/api/login" in one for one in self.http.asked))
            for login in ({}, {"user": "boss", "password": "no"}, {"user": "guest", "password": "made-up2"}):
                more = {"user": login.get("user", ""), "password": Secret(login.get("password", ""))}
                double = self.double(version, users=users)
                said = self.failed(self.api(double, port=GUARDED, **more), entries, TargetRefused)
                self.assertIn("login", said)
                self.assertNotIn("made-up", said)
                self.assertLessEqual(double.failed_logins, 1)

    def test_too_many_logins(self) -> None:
        """429 comes with the right password too: away, not refused."""
        double = self.double(MIDDLE, users={"boss": ("pw", "admin")}, rate_limit=True)
        double.failed_logins = 1
        api = self.api(double, port=GUARDED, user="boss", password=Secret("pw"))
        said = self.failed(api, document(camera(1)).entries, TargetUnavailable)
        self.assertIn("Rate limit exceeded", said)

    def test_nobody_logs_in(self) -> None:
        """With ``auth.enabled: false`` the login fails (500, 404); 0.16 takes all, later ones nobody: a viewer."""
        for version in VERSIONS:
            double = self.double(version, authenticated=False)
            api = self.api(double, port=GUARDED, user="boss", password=Secret("pw"))
            entries = document(camera(1)).entries
            if double.minor <= 16:
                self.assertTrue(self.deliver(api, entries).changed)
            else:
                self.assertIn("administrator", self.failed(api, entries, TargetRefused))
            self.assertEqual(1, sum("/api/login" in one for one in self.http.asked))

    def test_answers_that_are_none(self) -> None:
        """Slow, another program, or failing while it writes: to be tried again, and nothing is lost."""
        for version in VERSIONS:
            for fault, words in (("slow", "does not answer"), ("nonsense", "no Frigate"), ("torn", "failed on it")):
                double = self.double(version, fault=fault)
                said = self.failed(self.api(double), document(camera(1)).entries, TargetUnavailable)
                self.assertIn(words, said)
                self.assertEqual(THEIRS, double.config.text)
            double = self.double(version, fault="lost")
            self.assertTrue(self.deliver(self.api(double), document(camera(1)).entries).changed)
            self.assertIn("024000000001", double.config.text)

    def test_sent_elsewhere(self) -> None:
        """A redirect, to ``https://`` or to a page for logins, is named as one, with its place and no secret of it."""
        for place, shown in (
            ("https://10.0.0.1:8971/login?rd=secret", "https://10.0.0.1:8971/login"),
            ("/login", "/login"),
            ("", "it does not say where"),
        ):
            double = self.double(MIDDLE)
            api = self.api(double, ask=lambda request, place=place: Answer(302, [("Location", place)], b""))
            said = self.failed(api, document(camera(1)).entries, TargetUnavailable)
            self.assertTrue(said.startswith("it sends us elsewhere (302)"), said)
            self.assertIn("FRIGATE_URL must be the program's own address", said)
            self.assertTrue(said.endswith(shown), said)

    def test_file_that_it_may_only_read(self) -> None:
        """That is no fault of a camera, nor of what stands there: asked once, and said so."""
        for version in VERSIONS:
            double = self.double(version)
            saves: list[Any] = []

            def ask(request: Any, double: Any = double, saves: list[Any] = saves) -> Answer:
                if not request.path.endswith("/config/save"):
                    return double.answer(request)
                saves.append(request)
                said = {"success": False, "message": f"{CANNOT_WRITE}, be sure that Frigate has write permission"}
                return Answer(400, [], json.dumps(said).encode())

            said = self.failed(self.api(double, ask=ask), document(camera(1), camera(2)).entries, TargetRefused)
            self.assertIn(f"Frigate would take it, but cannot write its file: {CANNOT_WRITE}", said)
            self.assertEqual((1, THEIRS), (len(saves), double.config.text))

    def test_the_pause_after_a_restart(self) -> None:
        """What changes within the pause is in the file at once, and is no failure; the restart follows in its time."""
        for version in VERSIONS[:4]:
            double = self.double(version)
            target = self.follow(self.api(double, restart=True), document(camera(1)).entries)
            first = document(camera(1, "10.0.0.77")).entries
            target.update(first)
            done = double.restarts
            target.update(document(camera(1, "10.0.0.78")).entries)
            self.assertIn("10.0.0.78", double.config.text)
            self.assertEqual((TargetPhase.DONE, 0, done), (target.status.phase, target.status.tries, double.restarts))
            self.assertIn("is restarted again in", target.status.reason)
            self.clock.pump([1.0] * 130)
            self.assertEqual(done + 1, double.restarts)
            self.assertTrue(any("10.0.0.78" in one for one in self.reads(double)))
            self.assertGreater(FIRST_RETRY, 0)
