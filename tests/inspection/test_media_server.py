"""What is no camera: media servers that pass on other cameras' streams, and cameras that look like one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests import corpus, recordings
from tests.doubles.rtsp_camera import SDP, result_of
from tests.inspection.test_rtsp import RtspTestCase
from tests.peers.media_server import SERVERS, MediaServer
from twisted_detector.errors import NotACamera, Unreachable
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.media_server import PROGRAMS, MediaServerJudge, RtspAnswers
from twisted_detector.model import Adoption, Candidate, Inspection, Login, Secret, Status
from twisted_detector.model.devices import BY_HAND
from twisted_detector.wire.rtsp.messages import RtspRequest

HOST = Candidate("device", "10.0.0.5", rtsp_ports=(8554,))
GST = "OPTIONS, DESCRIBE, ANNOUNCE, GET_PARAMETER, PAUSE, PLAY, RECORD, SETUP, SET_PARAMETER, TEARDOWN"
DOORS = [door for program in PROGRAMS for door in program.doors]
SIGNS = re.compile(r"a media server \(([^)]+)\) that passes on other cameras' streams: (.+)")


class Pages:
    """The HTTP side of a media server: its pages by port and path; other ports are closed."""

    def __init__(self, pages: Mapping[tuple[int, str], Any]) -> None:
        self.pages = pages
        self.asked: list[str] = []
        self.opened = self.closed = 0

    def __call__(self) -> Pages:
        self.opened += 1
        return self

    async def get(self, url: str, headers: Mapping[str, str]) -> HttpResponse:
        assert not headers, "no login, and nothing else of ours"
        self.asked.append(url)
        found = re.fullmatch(r"https?://10\.0\.0\.5:(\d+)(/.*)", url)
        assert found is not None, url
        page = self.pages.get((int(found[1]), found[2]))
        if page is None:
            raise Unreachable("no connection")
        return page if isinstance(page, HttpResponse) else HttpResponse(page[0], page[1], page[2])

    async def close(self) -> None:
        self.closed += 1


class MediaServerTests(RtspTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.pages = Pages({})

    def play(self, name: str, *, pages: bool = True) -> MediaServer:
        """The scripted server is this one from now on."""
        server = SERVERS[name]
        answer = lambda request: server.answer(request.method, request.cseq)  # noqa: E731
        self.camera.script = {"OPTIONS": answer, "DESCRIBE": answer}
        self.pages = Pages(server.pages if pages else {})
        return server

    def inspect(self, candidate: Candidate = HOST, *, login: Login | None = None, **settings: Any) -> Inspection | None:
        judge = MediaServerJudge(self.clock, open_client=self.pages, **settings)
        inspector = RtspInspector(
            self.clock, connect=self.camera, random_path=lambda: "/random", timeout=5, media_servers=judge
        )
        self.camera.asked.clear()
        return result_of(self.clock, inspector.inspect(candidate, login), wait=60)

    def verdict(self, candidate: Candidate = HOST, **settings: Any) -> tuple[str, list[str]]:
        """The program, and the signs."""
        with self.assertRaises(NotACamera) as caught:
            self.inspect(candidate, **settings)
        found = SIGNS.fullmatch(str(caught.exception))
        assert found is not None, str(caught.exception)
        self.assertEqual(self.pages.opened, self.pages.closed)
        self.assertLessEqual(len(str(caught.exception)), 285)  # an observation has room for it
        return found[1], found[2].split(", it ")

    def test_by_its_page(self) -> None:
        """RTSP that looks like one, and the page of one, are enough: no path is searched, and no login is sent."""
        for name, program, port in (
            ("go2rtc", "go2rtc", 1984),
            ("go2rtc-login", "go2rtc", 1984),
            ("frigate", "Frigate", 8971),
            ("mediamtx", "MediaMTX", 8888),
            ("mediamtx-login", "MediaMTX", 8889),
        ):
            self.play(name)
            found, signs = self.verdict()
            self.assertEqual(program, found, name)
            self.assertGreaterEqual(len(signs), 2)
            if name != "go2rtc-login":  # that one calls itself so, and wants a login for OPTIONS: enough
                self.assertIn(f"{program} answers at its port {port}", ", ".join(signs))
            self.assertEqual(["/random"], self.camera.described(), name)
            self.assertFalse(any(asked.authorized for asked in self.camera.asked))

    def test_without_a_page(self) -> None:
        """Where only RTSP is open, it has to have no path either; each page is asked once."""
        for name, program in (("go2rtc", "go2rtc"), ("mediamtx", "MediaMTX"), ("mediamtx-closed", "MediaMTX")):
            self.play(name, pages=False)
            self.assertEqual(program, self.verdict()[0])
            self.assertGreater(len(self.camera.described()), 20)
            self.assertEqual(len(set(self.pages.asked)), len(self.pages.asked))
        self.assertEqual(("go2rtc", 0), (self.named("go2rtc-login")[0], self.pages.opened))

    def named(self, name: str) -> tuple[str, list[str]]:
        self.play(name, pages=False)
        return self.verdict()

    def test_words(self) -> None:
        """What is told: the program, and each sign."""
        self.play("go2rtc", pages=False)
        self.assertEqual(
            (
                "go2rtc",
                [
                    "it takes streams (ANNOUNCE, RECORD)",
                    "has none of the known paths",
                    "answers OPTIONS as go2rtc does",
                ],
            ),
            self.verdict(),
        )
        self.assertEqual(["it wants a login for OPTIONS", "calls itself go2rtc"], self.named("go2rtc-login")[1])
        self.assertIn("is built of gortsplib, as MediaMTX is", self.named("mediamtx")[1])
        told = [sign for one in PROGRAMS for sign in one.signs(RtspAnswers("gortsplib", public=one.public))]
        for text in ("it is built of gortsplib, as MediaMTX is", "it answers OPTIONS as go2rtc does"):
            self.assertIn((1, text), told)

    def test_others(self) -> None:
        """Further programs are known by their names; where a name may be a device's too, a path makes it a camera."""
        for server, program, with_a_path in (
            ("ZLMediaKit(git hash:d0a3c1a)", "ZLMediaKit", False),
            ("Wowza Streaming Engine 4.8", "Wowza", True),
        ):
            self.camera.script, self.camera.server = {"OPTIONS": self.offering(GST, f"Server: {server}")}, server
            self.camera.paths = {}
            self.assertEqual((program, []), (self.verdict()[0], self.pages.asked))
            self.camera.paths = {"/stream1": SDP}
            if with_a_path:
                self.assertEqual(program, self.verdict()[0])
            else:
                self.assertIsNotNone(self.inspect())

    def test_a_path_of_ours(self) -> None:
        """A stream whose name is a camera's path makes it none: it says in the description who it is."""
        self.play("go2rtc", pages=False)
        described = SDP.replace(b"s=x", b"s=go2rtc/1.9.14")
        del self.camera.script["DESCRIBE"]
        self.camera.paths = {"/stream1": described}
        self.assertIn("calls itself go2rtc", self.verdict()[1])

    def test_configured(self) -> None:
        """Where the configuration has a Frigate, the RTSP that takes streams is its; no page is asked."""
        self.camera.script, self.camera.paths = {"OPTIONS": self.offering(GST)}, {}
        name, signs = self.verdict(configured={"10.0.0.5": "Frigate"})
        self.assertEqual(("Frigate", []), (name, self.pages.asked))
        self.assertIn("the configuration names it as Frigate, so that its streams are our own", ", ".join(signs))

    def test_configured_by_name(self) -> None:
        """A name is resolved, and one that cannot be is no fault."""
        asked: list[str] = []

        async def resolve(name: str) -> str:
            asked.append(name)
            if name == "gone.example":
                raise LookupError(name)
            return "10.0.0.5"

        self.play("go2rtc", pages=False)
        hosts = {"10.0.0.77": "go2rtc", "gone.example": "go2rtc", "nvr.example": "Frigate"}
        name, _ = self.verdict(configured=hosts, resolve=resolve)
        self.assertEqual(("Frigate", ["gone.example", "nvr.example"], 1), (name, asked, len(self.camera.described())))

    def offering(self, public: str, *more: str) -> Any:
        def answer(request: RtspRequest) -> bytes:
            return "\r\n".join(
                ("RTSP/1.0 200 OK", f"CSeq: {request.cseq}", f"Public: {public}", *more, "", "")
            ).encode()

        return answer

    def test_a_configured_host_that_is_a_camera(self) -> None:
        """A camera beside a Frigate, on the machine that the configuration names, is judged by what itself says."""
        for public in ("OPTIONS, DESCRIBE, SETUP, PLAY", GST):
            self.camera.script = {"OPTIONS": self.offering(public)}
            self.pages = Pages(SERVERS["go2rtc"].pages)
            inspection = self.inspect(configured={"10.0.0.5": "go2rtc"})
            assert inspection is not None
            self.assertEqual((Status.ONLINE, []), (inspection.status, self.pages.asked))

    def test_cameras_that_look_like_one(self) -> None:
        """ANNOUNCE and RECORD, and no path that is known, are a camera's too; a library's name is not enough."""
        self.camera.script = {"OPTIONS": self.offering(GST, "Server: GStreamer RTSP server")}
        self.camera.paths = {}
        inspection = self.inspect()
        assert inspection is not None
        self.assertEqual(Status.STREAM_ERROR, inspection.status)
        self.assertEqual(
            {"1984", "8971", "5000", "8888", "8889"}, {url.split(":")[2].split("/")[0] for url in self.pages.asked}
        )
        for server in ("gortsplib", "GStreamer RTSP server", "Rtsp Server/3.0", ""):
            self.pages = Pages({})
            self.camera.script = {"OPTIONS": self.offering(GST, f"Server: {server}")}
            self.camera.paths = {"/stream1": SDP}
            self.camera.server = server
            inspection = self.inspect()
            assert inspection is not None
            self.assertEqual(Status.ONLINE, inspection.status, server)

    def test_an_ordinary_camera_is_asked_nothing_more(self) -> None:
        """Without a sign of RTSP's no page is asked, with and without a path."""
        for paths in ({"/stream1": SDP}, {}):
            self.camera.paths = paths  # type: ignore[assignment]
            self.inspect()
        self.assertEqual([], self.pages.asked)

    def test_pages_that_are_not_its(self) -> None:
        """Other programs at those ports, and rubbish, are no sign."""
        for page in (
            HttpResponse(200, (), b'{"version": "1.0"}'),
            HttpResponse(200, (), b"[" * 60_000),
            HttpResponse(200, (), b"\xff{}"),
            HttpResponse(404),
            HttpResponse(401, (("WWW-Authenticate", 'Basic realm="router"'),)),
            HttpResponse(200, (("Server", "nginx"),), b"<title>My camera</title>"),
        ):
            self.camera.script, self.camera.paths = {"OPTIONS": self.offering(GST)}, {}
            self.pages = Pages({(door.port, "/" + door.url.rpartition("/")[2]): page for door in DOORS})
            inspection = self.inspect()
            assert inspection is not None
            self.assertEqual(Status.STREAM_ERROR, inspection.status)

    def test_who_says_that_it_is_a_camera(self) -> None:
        """A person, the configuration, ONVIF and streams that played overrule every sign; no page is asked then."""
        for candidate in (
            replace(HOST, by_hand=True),
            replace(HOST, methods=(BY_HAND, "neighboursweep")),
            replace(HOST, adoption=Adoption.PERSON),
            replace(HOST, xaddrs=("http://10.0.0.5/onvif/device_service",)),
            replace(HOST, known_urls=("rtsp://10.0.0.5:8554/mine",)),
        ):
            self.play("go2rtc")
            inspection = self.inspect(candidate)
            assert inspection is not None
            self.assertEqual((Status.STREAM_ERROR, []), (inspection.status, self.pages.asked), candidate)
        self.assertIsNotNone(self.inspect(vouched_for=lambda candidate: True))
        for candidate in (replace(HOST, adoption=Adoption.LISTED), replace(HOST, adoption=Adoption.SEEN)):
            self.play("go2rtc")
            self.assertEqual("go2rtc", self.verdict(candidate)[0])  # its network is named, or everything is adopted

    def test_a_maker_of_cameras(self) -> None:
        """Its MAC weighs: firmware is rebuilt around go2rtc. A network card of that maker is outweighed in the end."""
        made = replace(HOST, vendors=("TP-LINK TECHNOLOGIES CO.,LTD.",))
        self.play("go2rtc")
        del self.camera.script["DESCRIBE"]
        inspection = self.inspect(made)
        assert inspection is not None
        self.assertEqual(Status.ONLINE, inspection.status)
        self.play("go2rtc")
        self.assertEqual("go2rtc", self.verdict(made)[0])
        self.play("go2rtc", pages=False)
        self.assertIsNotNone(self.inspect(made))

    def test_a_camera_beside_it(self) -> None:
        """A host may have both: the port with a camera's streams counts."""
        self.play("go2rtc")
        played = self.camera.script["DESCRIBE"]
        self.camera.script["DESCRIBE"] = lambda request: ... if ":554/" in request.url else played(request)
        both = replace(HOST, rtsp_ports=(554, 8554))
        options = self.camera.script["OPTIONS"]
        plain = self.offering("OPTIONS, DESCRIBE, SETUP, PLAY")
        self.camera.script["OPTIONS"] = lambda request: (plain if ":554" in request.url else options)(request)
        self.camera.paths = {"/stream1": SDP}
        inspection = self.inspect(both)
        assert inspection is not None
        self.assertEqual("rtsp://10.0.0.5:554/stream1", inspection.streams[0].url)

    def test_no_login_is_judged_with(self) -> None:
        """With a login, which is given after a judgement only, nothing is judged anew."""
        self.play("go2rtc")
        self.inspect(login=Login("cam", Secret("x")))
        self.assertEqual([], self.pages.asked)


class Recorded(SynchronousTestCase):
    """The doubles' pages are those that the real programs gave."""

    if recordings.SKIP:
        skip = recordings.SKIP

    def test_pages(self) -> None:
        doors = {program.name: program.doors for program in PROGRAMS}
        for program, name, what, expected in (
            ("go2rtc", "go2rtc", "api", True),
            ("go2rtc", "go2rtc", "login_missing_api", True),
            ("go2rtc", "go2rtc", "unknown_path", False),
            ("frigate", "Frigate", "root", True),
            ("frigate", "Frigate", "p8971_no_login_version", False),
            ("frigate", "go2rtc", "version", False),
        ):
            for folder in recordings.versions(program):
                answer = recordings.recordings(folder)[what].answer
                response = HttpResponse(answer.status, tuple(answer.headers), answer.body)
                self.assertEqual(expected, doors[name][0].is_its(response), (folder, what))

    def test_doubles(self) -> None:
        for folder, name, page, what in (
            ("go2rtc-1.9.14", "go2rtc", (1984, "/api"), "api"),
            ("go2rtc-1.9.14", "go2rtc-login", (1984, "/api"), "login_missing_api"),
            ("frigate-0.17.2", "frigate", (8971, "/"), "root"),
        ):
            self.assertEqual(recordings.recordings(folder)[what].answer.body, SERVERS[name].pages[page][2])


class CorpusTests(RtspTestCase):
    """What captured servers say of themselves: none of a camera is a sign that is enough."""

    if corpus.SKIP:
        skip = corpus.SKIP

    def test_none_is_judged(self) -> None:
        """None with a path, and without one only those two that are none: a server of gortsplib's, and a Wowza."""
        judged, seen = set(), 0
        for path in sorted((*corpus.ROOT.glob("*/**/*.txt"), *(corpus.ROOT.parent / "cases").glob("rtsp-*.json"))):
            said = _said(path)
            if not (said.server or said.realm or said.public):
                continue
            seen += 1
            for answers in (
                said,
                replace(said, guarded=bool(said.realm) and not said.public),
                replace(said, no_path=True),
            ):
                judge = MediaServerJudge(self.clock, open_client=Pages({}))
                try:
                    result_of(self.clock, judge.judge(Candidate("d", "10.0.0.5"), answers))
                except NotACamera:
                    judged.add((path.name.partition("_")[0], answers.no_path))
        self.assertGreater(seen, 20)
        self.assertEqual({("gortsplib", True), ("bunny", True)}, judged)


def _said(path: Path) -> RtspAnswers:
    text = path.read_text("utf-8", "replace")

    def first(pattern: str) -> str:
        found = re.search(pattern, text)
        return found[1].strip() if found else ""

    return RtspAnswers(
        server=first(r"\bServer: ([^\r\n\"\\]+)"),
        realm=first(r'realm=\\?"([^"\\]*)'),
        public=first(r"\bPublic: ([^\r\n\"\\]+)"),
        session=first(r"(?m)^(?:<< )?s=([^\r\n]+)"),
    )
