"""Snapshots over a scripted HTTP client: what is asked, with which login, and what is taken for a picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.facts import login
from twisted_detector.detector.login_attempt import single_use
from twisted_detector.errors import Busy, InspectionError, LoginWithheld, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.http.client import HttpResponse, SinkFor
from twisted_detector.inspection.pictures.snapshot import MAX_COOKIES, SnapshotTaker
from twisted_detector.model import Camera, Login
from twisted_detector.model.cameras import Picture
from twisted_detector.seams import IPictureTaker
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.testing.simulator.wire.digest import format_challenge, verify
from twisted_detector.wire.http import digest

URL = "http://10.0.0.5:8000/onvif/snapshot?channel=1"
CAMERA = Camera(id="cam", device_id="cam", address="10.0.0.5", snapshot_url=URL)
PAINTED = paint(1.0, Random(1))
ADMIN = login("admin", "canary-snapshot")


class ScriptedSite:
    """A camera's web server: answers one after the other, the last for ever.

    :ivar password: of the user ``admin``, asked for by Digest; "" for none.
    """

    def __init__(self, *answers: HttpResponse | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str]] = []
        self.cookies: list[str] = []
        self.opened = self.closed = 0
        self.password = ""
        self.scheme = "digest"
        self.stale = 0
        self.text = b""

    def __call__(self) -> ScriptedSite:
        self.opened += 1
        return self

    async def get(self, url: str, headers: Mapping[str, str], *, sink_for: SinkFor) -> HttpResponse:
        header = headers.get("Authorization", "")
        self.asked.append((url, header))
        self.cookies.append(headers.get("Cookie", ""))
        if self.password and (refused := self._refuse(header)) is not None:
            return refused
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        sink = sink_for(replace(answer, body=b""))
        if sink is None:
            return answer
        for start in range(0, len(answer.body), 100):
            if sink.feed(answer.body[start : start + 100]):
                break
        return replace(answer, body=b"")

    def _refuse(self, header: str) -> HttpResponse | None:
        stale = False
        if header and verify(header, "GET", {"admin": self.password}.get):
            if not self.stale:
                return None
            self.stale -= 1
            stale = True
        asked = digest.Challenge(self.scheme, "cam", f"nonce{len(self.asked)}", qop="auth", stale=stale)
        return HttpResponse(401, (("WWW-Authenticate", format_challenge(asked)),), self.text)

    async def close(self) -> None:
        self.closed += 1


def image(body: bytes = PAINTED, kind: str = "image/jpeg") -> HttpResponse:
    return HttpResponse(200, (("Content-Type", kind),), body)


def redirect(location: str, status: int = 302) -> HttpResponse:
    return HttpResponse(status, (("Location", location),))


class Snapshots(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1000)
        self.site = ScriptedSite(image())
        self.lanes = DeviceLocks()
        self.basic = False

    def taking(self, camera: Camera = CAMERA, one: Login | None = None) -> Deferred[Picture | None]:
        taker = SnapshotTaker(
            self.clock,
            timeout=5.0,
            max_bytes=100_000,
            allow_basic=lambda address: self.basic,
            cnonce=lambda: "0a",
            device_locks=self.lanes,
            open_client=self.site,
        )
        verifyObject(IPictureTaker, taker)
        return Deferred.fromCoroutine(taker.take(camera, one))

    def take(self, camera: Camera = CAMERA, one: Login | None = None) -> Picture:
        picture = self.successResultOf(self.taking(camera, one))
        assert picture is not None
        return picture

    def fails(self, kind: type[Exception], one: Login | None = None, camera: Camera = CAMERA) -> Any:
        problem = self.failureResultOf(self.taking(camera, one), kind).value
        self.assertEqual((self.site.opened, len(self.lanes)), (self.site.closed, 0))
        self.assertNotIn("canary", repr(problem) + str(problem))
        return problem

    def test_picture(self) -> None:
        """The image comes as it is, with its time and type; the connection is closed."""
        picture = self.take()
        self.assertEqual((picture.data, picture.media_type, picture.source), (PAINTED, "image/jpeg", "snapshot"))
        self.assertEqual((picture.camera_id, picture.taken_at), ("cam", 1000.0))
        self.assertEqual(self.site.asked, [(URL, "")])
        self.assertEqual((self.site.opened, self.site.closed, len(self.lanes)), (1, 1, 0))

    def test_no_snapshot(self) -> None:
        """A camera that names none is not asked."""
        self.assertIsNone(self.successResultOf(self.taking(replace(CAMERA, snapshot_url=""))))
        self.assertEqual(self.site.opened, 0)

    def test_one_at_a_time(self) -> None:
        """While somebody else talks to the device the picture waits."""
        other: Deferred[None] = Deferred()

        async def hold() -> None:
            async with self.lanes.acquire("10.0.0.5"):
                await other

        holding = Deferred.fromCoroutine(hold())
        taking = self.taking()
        self.assertEqual(self.site.opened, 0)
        other.callback(None)
        self.successResultOf(holding)
        self.assertIsNotNone(self.successResultOf(taking))

    def test_by_its_bytes(self) -> None:
        """A page that calls itself an image is none, an image that calls itself anything is one."""
        self.site.answers = [image(b"<html>log in</html>")]
        self.assertIn("no picture", str(self.fails(Malformed)))
        self.site.answers = [image(kind="text/plain")]
        self.assertEqual(self.take().media_type, "image/jpeg")

    def test_stream_of_pictures(self) -> None:
        """Of motion JPEG the first picture is taken, however long the stream is, and whatever is said of its parts."""
        text = b"--b\r\nContent-Type: text/plain\r\n\r\nplease wait\r\n"
        part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: 5\r\n\r\n" + PAINTED + b"\r\n"
        for kind in ('multipart/x-mixed-replace; boundary="b"', "multipart/x-mixed-replace", "image/jpeg", "text/html"):
            for body in (part * 50, text + part, part.replace(b"--b", b"--other"), part.replace(b"\r\n", b"\n"), part):
                self.site.answers = [image(body, kind)]
                self.assertEqual(self.take().data, PAINTED)
        self.site.answers = [image(text * 9, "multipart/x-mixed-replace; boundary=b")]
        self.fails(Malformed)

    def test_without_an_end(self) -> None:
        """A picture that lacks its last two octets alone gets them, alone or in a part."""
        for body in (PAINTED[:-2], b"--b\r\n\r\n" + PAINTED[:-2] + b"\r\n--b--\r\n", b"\r\n" + PAINTED[:-2]):
            self.site.answers = [image(body)]
            self.assertEqual(self.take().data, PAINTED)

    def test_statuses(self) -> None:
        """A picture is one, though the camera calls it a part."""
        for status in (200, 203, 206):
            self.site.answers = [replace(image(), status=status)]
            self.assertEqual(self.take().data, PAINTED)

    def test_digest(self) -> None:
        """The login answers a challenge, with the target as it is asked for; the first question goes without."""
        self.site.password = "canary-snapshot"
        self.assertEqual(self.take(one=ADMIN).data, PAINTED)
        self.assertEqual([bool(header) for _, header in self.site.asked], [False, True])
        self.assertIn('uri="/onvif/snapshot?channel=1"', self.site.asked[1][1])

    def test_a_login_that_may_not_be_sent_again(self) -> None:
        """It is asked before it is sent, and after a picture it may be sent as often as it is wanted."""
        self.site.password = "canary-snapshot"
        spent, works = single_use(ADMIN), single_use(ADMIN)
        self.successResultOf(Deferred.fromCoroutine(spent.acquire_permit()))
        self.fails(LoginWithheld, spent)
        self.assertEqual([False], [bool(header) for _, header in self.site.asked])
        for _ in range(2):
            self.site.asked.clear()
            self.assertEqual(self.take(one=works).data, PAINTED)

    def test_without_a_login(self) -> None:
        """Where none is known none is sent."""
        self.site.password = "x"
        problem = self.fails(Unauthorized)
        self.assertEqual((problem.attempted, len(self.site.asked)), (False, 1))

    def test_refused(self) -> None:
        """A login that is refused is sent once."""
        self.site.password = "another"
        problem = self.fails(Unauthorized, ADMIN)
        self.assertEqual((problem.attempted, problem.locked, len(self.site.asked)), (True, False, 2))

    def test_stale_nonce(self) -> None:
        """A nonce that is too old is answered anew, once; the device that says so for ever is left alone."""
        self.site.password = "canary-snapshot"
        self.site.stale = 1
        self.assertEqual(self.take(one=ADMIN).data, PAINTED)
        self.assertEqual(len(self.site.asked), 3)
        self.site.asked.clear()
        self.site.stale = 99
        self.fails(Unauthorized, ADMIN)
        self.assertEqual(len(self.site.asked), 3)

    def test_locking(self) -> None:
        """At a word of locking, or of the last attempt, no login is sent."""
        self.site.password = "canary-snapshot"
        for text in (b"The account is locked", b"You still have 1 attempt(s)"):
            self.site.text = text
            self.site.asked.clear()
            problem = self.fails(Unauthorized, ADMIN)
            self.assertEqual((problem.locked, problem.attempted, len(self.site.asked)), (True, False, 1), text)

    def test_basic(self) -> None:
        """A password goes in clear only where that is allowed."""
        self.site.password, self.site.scheme = "canary-snapshot", "basic"
        problem = self.fails(Unauthorized, ADMIN)
        self.assertEqual((problem.attempted, len(self.site.asked)), (False, 1))
        self.basic = True
        self.assertEqual(self.take(one=ADMIN).data, PAINTED)

    def test_redirects(self) -> None:
        """A redirect is followed on the camera's own port, or to its TLS port; once."""
        for location, after in (
            ("/other.jpg", "http://10.0.0.5:8000/other.jpg"),
            ("http://10.0.0.5:8000/a#b", "http://10.0.0.5:8000/a"),
            ("https://10.0.0.5/a", "https://10.0.0.5/a"),
            ("https://10.0.0.5:443/a", "https://10.0.0.5:443/a"),
            ("http://ipcam.local:8000/a?b#c", "http://10.0.0.5:8000/a?b"),
            ("//Camera:8000/a", "http://10.0.0.5:8000/a"),
            ("https://www.example.com/a", "https://10.0.0.5/a"),
        ):
            self.site = ScriptedSite(redirect(location), image())
            self.take()
            self.assertEqual([url for url, _ in self.site.asked], [URL, after])
        self.site = ScriptedSite(redirect("/b"))
        self.fails(Malformed)
        self.assertEqual(len(self.site.asked), 2)

    def test_redirects_elsewhere(self) -> None:
        """Another host, another port (perhaps another device's), another scheme: nothing is said there."""
        for location in (
            "http://203.0.113.66/a",
            "http://10.0.0.5:8001/a",
            "http://10.0.0.50:8000/a",
            "http://10.0.0.5@203.0.113.66/",
            "//203.0.113.66/a",
            "https://10.0.0.5:8443/a",
            "http://ipcam.local/a",
            "http://ipcam.local:8001/a",
            "http://ipcam.local:99999/a",
            "http://admin:x@ipcam.local:8000/a",
            "http://127.1:8000/a",
            "http://0x7f000001:8000/a",
            "http://2130706433:8000/a",
            "http://[::1]:8000/a",
            "http://bücher.example:8000/a",
            "ftp://10.0.0.5/a",
            "http://[::1",
        ):
            self.site = ScriptedSite(redirect(location), image())
            self.site.password = "canary-snapshot"
            self.site.stale = 0
            self.fails(Malformed, ADMIN)
            self.assertEqual({url for url, _ in self.site.asked}, {URL}, location)

    def test_default_port(self) -> None:
        """A port that is said, and is the usual one, is no other."""
        self.site = ScriptedSite(redirect("http://10.0.0.5:80/a"), image())
        self.take(replace(CAMERA, snapshot_url="http://10.0.0.5/b"))
        self.assertEqual(self.site.asked[1][0], "http://10.0.0.5:80/a")

    def test_cookies(self) -> None:
        """What the camera sets on the way goes back to it, within bounds; it is forgotten with the download."""
        set_cookie = ("Set-Cookie", "sid=a1; Path=/; HttpOnly")
        rude = [("set-cookie", f"c{number}=x") for number in range(99)] + [("Set-Cookie", "evil=a\r\nX: y")]
        self.site = ScriptedSite(HttpResponse(302, (set_cookie, *rude, ("Location", "/b"))), image())
        self.take()
        self.assertEqual(self.site.cookies[0], "")
        self.assertTrue(self.site.cookies[1].startswith("sid=a1; c0=x; "))
        self.assertEqual(self.site.cookies[1].count("="), MAX_COOKIES)
        self.assertNotIn("\n", self.site.cookies[1])
        self.site.answers = [image()]
        self.take()
        self.assertEqual(self.site.cookies[-1], "")

    def test_login_after_a_redirect(self) -> None:
        """Where it leads the first question goes without a login again."""
        self.site = ScriptedSite(redirect("https://10.0.0.5/a.jpg"), image())
        self.site.password = "canary-snapshot"
        self.take(one=ADMIN)
        self.assertEqual([bool(header) for _, header in self.site.asked], [False, True, False, True])

    def test_a_url_that_changes_something(self) -> None:
        """A login is not answered where the URL may change something, as the camera's own or by a redirect."""
        rude = "/cgi-bin/userManager.cgi?action=addUser&user.Name=evil"
        self.site.password = "canary-snapshot"
        problem = self.fails(Unauthorized, ADMIN, replace(CAMERA, snapshot_url=f"http://10.0.0.5{rude}"))
        self.assertEqual((problem.attempted, [header for _, header in self.site.asked]), (False, [""]))
        self.assertIn("may change something", str(problem))
        self.site = ScriptedSite(redirect(rude), image())
        self.site.password = "canary-snapshot"
        problem = self.fails(Unauthorized, ADMIN)
        self.assertEqual(
            (problem.attempted, [bool(header) for _, header in self.site.asked]), (False, [False, True, False])
        )
        self.assertNotIn("userManager", self.site.asked[1][0])

    def test_other_answers(self) -> None:
        """No room is busy, an error is what it is, silence passes through."""
        for answer, kind in (
            (HttpResponse(503), Busy),
            (HttpResponse(429), Busy),
            (HttpResponse(404), Malformed),
            (HttpResponse(500), Malformed),
            (HttpResponse(204), Malformed),
            (Unreachable("silence"), Unreachable),
            (image(PAINTED[:100]), Malformed),
        ):
            self.site = ScriptedSite(answer)
            self.fails(kind)

    def test_reasons(self) -> None:
        """Each answer that is no picture is told in its own words."""

        def closed(scheme: str = "digest") -> ScriptedSite:
            site = ScriptedSite(image())
            site.password, site.scheme = "x", scheme
            return site

        for site, one, expected in (
            (ScriptedSite(HttpResponse(503)), None, "the device has no room for us now: HTTP 503"),
            (ScriptedSite(HttpResponse(404)), None, "the snapshot was answered: HTTP 404"),
            (ScriptedSite(image(b"<html>")), None, "the snapshot is no picture"),
            (ScriptedSite(redirect("http://10.0.0.5:81/")), None, "the snapshot redirects to another place"),
            (ScriptedSite(redirect("http://[::1")), None, "the snapshot redirects to what is no URL"),
            (ScriptedSite(redirect("http://10.0.0.9/")), None, "the snapshot is not at the camera's own address"),
            (closed(), None, "the device wants a login for its snapshot"),
            (closed(), ADMIN, "the device refused the login for its snapshot"),
            (closed("basic"), ADMIN, "the device offers no login scheme that may be used for its snapshot: basic"),
            (closed(), login('a"\n', "x"), "this login cannot be sent to the device"),
        ):
            self.site = site
            self.assertIn(expected, str(self.fails(InspectionError, one)))
        self.site = ScriptedSite(redirect("/b"))
        self.assertIn("the snapshot was answered: HTTP 302", str(self.fails(Malformed)))
        self.site = closed()
        url = "http://10.0.0.5/cgi-bin/userManager.cgi?action=addUser"
        problem = self.fails(Unauthorized, ADMIN, replace(CAMERA, snapshot_url=url))
        expected = "the device wants a login for its snapshot, whose URL may change something: it gets none"
        self.assertIn(expected, str(problem))
        bad = replace(CAMERA, snapshot_url="http://10.0.0.5/a b")
        self.assertEqual("the snapshot's URL is unusable", str(self.fails(Malformed, camera=bad)))

    def test_unusable_urls(self) -> None:
        """A URL at another host, or that cannot be said, is not asked."""
        for url in (
            "http://10.0.0.50/a", "http://203.0.113.66/a", "rtsp://10.0.0.5/a", "http://10.0.0.5.evil/a",
            "http://10.0.0.5@evil/a", "http://10.0.0.5/a b", "http://10.0.0.5/é",
        ):  # fmt: skip
            self.fails(Malformed, camera=replace(CAMERA, snapshot_url=url))
        self.assertEqual(self.site.asked, [])
        self.take(replace(CAMERA, address="fe80::5%eth0", snapshot_url="http://[fe80::5%25eth0]:80/a"))
