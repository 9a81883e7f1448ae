"""Pictures over the API: thumbnails, live pictures that a page waits for, and the players of other programs."""

from __future__ import annotations

from dataclasses import replace

from tests.web.case import Line, Pictures, parsed
from tests.web.test_api import JPEG, ApiCase, picture
from twisted_detector.errors import RemoteError, Unreachable
from twisted_detector.testing.gate import Gate
from twisted_detector.web.application import ANSWER_TIMEOUT

ONE = "020000000001"


class PicturesCase(ApiCase):
    def setUp(self) -> None:
        self.pictures = Pictures()
        super().setUp()


class Thumbnails(PicturesCase):
    def test_a_thumbnail(self) -> None:
        """It comes in place of the picture where it is asked for, with a tag of its own, and may be kept as long."""
        self.pictures.known[ONE] = picture(ONE)
        self.pictures.small[ONE] = replace(picture(ONE), data=b"\xff\xd8small")
        whole = self.web.ask("GET", f"{self.one}/picture?v=1234500")
        small = self.web.ask("GET", f"{self.one}/picture?v=1234500&size=thumb")
        self.assertEqual((JPEG, b"\xff\xd8small"), (whole.body, small.body))
        self.assertNotEqual(whole.headers["etag"], small.headers["etag"])
        self.assertIn("immutable", small.headers["cache-control"])
        self.assertIn("no-cache", self.web.ask("GET", f"{self.one}/picture?size=thumb").headers["cache-control"])
        self.assertIn("sandbox", small.headers["content-security-policy"])
        again = self.web.ask("GET", f"{self.one}/picture?size=thumb", if_none_match=small.headers["etag"])
        self.assertEqual((304, b""), (again.status, again.body))
        self.refused(400, "GET", f"{self.one}/picture?size=huge")
        self.assertIn("no picture", self.refused(404, "GET", f"{self.web_path(3)}/picture?size=thumb"))

    def web_path(self, number: int) -> str:
        return self.one[:-1] + str(number)


class Live(PicturesCase):
    def begin(self, **headers: str) -> Line:
        line = self.web.connect()
        told = {"host": "localhost", "x-camdetect": "1", **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in told.items() if value)
        line.protocol.dataReceived(f"POST /api/v1/cameras/{ONE}/live?seen=7 HTTP/1.1\r\n{head}\r\n".encode())
        return line

    def test_a_picture(self) -> None:
        """The page is given the picture as soon as it is there, and when it was taken; what it has is passed on."""
        self.pictures.known[ONE] = picture(ONE)
        self.pictures.gate = Gate()
        line = self.begin()
        self.assertEqual((b"", [(ONE, "7")]), (line.value(), self.pictures.waiting))
        self.pictures.gate.open()
        got = parsed(line.value())
        self.assertEqual((200, JPEG, "image/jpeg"), (got.status, got.body, got.headers["content-type"]))
        self.assertEqual(('"1234500"', "1970-01-01T00:20:34.500Z"), (got.headers["etag"], got.headers["x-taken-at"]))
        self.assertIn("sandbox", got.headers["content-security-policy"])
        self.assertEqual("no-store", got.headers["cache-control"])

    def test_who_hangs_up(self) -> None:
        """A page that is gone waits no longer, so nothing is taken for it."""
        self.pictures.gate = Gate()
        line = self.begin()
        self.assertEqual(1, len(self.pictures.waiting))
        line.lost()
        self.assertEqual([], self.pictures.waiting)

    def test_too_slow(self) -> None:
        """Nor does one whose answer took too long."""
        self.pictures.gate = Gate()
        line = self.begin()
        self.web.clock.advance(ANSWER_TIMEOUT)
        self.assertEqual((504, []), (parsed(line.value()).status, self.pictures.waiting))

    def test_reasons(self) -> None:
        """Why there is none is told in words; a picture that takes long is no fault."""
        self.pictures.problem = Unreachable("it is offline: no answer")
        told = self.refused(503, "POST", f"{self.one}/live")
        self.assertEqual("there is no live picture: it is offline: no answer", told)
        self.pictures.problem = None
        self.assertIn("takes long", self.refused(503, "POST", f"{self.one}/live"))
        self.pictures.known[ONE] = picture(ONE, "image/svg+xml")
        self.refused(404, "POST", f"{self.one}/live")
        self.refused(404, "POST", "/api/v1/cameras/nobody/live")

    def test_no_other_site(self) -> None:
        """No other site makes a browser take pictures: that needs our header, which only we may send."""
        for headers in ({"x-camdetect": ""}, {"sec-fetch-site": "cross-site"}, {"origin": "http://evil.example"}):
            self.assertEqual(403, parsed(self.begin(**headers).value()).status)
        self.assertEqual([], self.pictures.waiting)


class Players(PicturesCase):
    def test_none(self) -> None:
        """A daemon that keeps no program in step has none; nothing is asked of the camera."""
        self.assertEqual({"players": []}, self.get(f"{self.one}/live"))
        self.assertEqual([], self.pictures.waiting)

    def test_as_the_visitor_reaches_it(self) -> None:
        """What the operator called 127.0.0.1 is told as this browser reaches it."""
        player = {"program": "go2rtc", "name": "", "url": "http://127.0.0.1:1984/stream.html?src=a"}
        self.web.answer("players", {"camera_id": ONE, "players": [player]})
        self.assertEqual({"players": [player]}, self.get(f"{self.one}/live"))
        elsewhere = self.get(f"{self.one}/live", host="localhost:8787")
        self.assertEqual([player], elsewhere["players"])
        self.assertEqual([("players", {"camera_id": ONE})] * 2, self.web.asked)
        self.web.answer("players", RemoteError("camera_id: there is no camera with that id"))
        self.assertIn("no camera", self.refused(404, "GET", f"{self.one}/live"))
