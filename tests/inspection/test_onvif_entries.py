"""Where a login goes over ONVIF: to services that showed themselves, whatever was announced or named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tests.inspection.scripted_camera import ScriptedCamera
from tests.inspection.test_onvif import ADMIN, ANNOUNCED, NOW, XADDR, Base
from twisted_detector.errors import Malformed
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.onvif.login_schemes import MAX_AHEAD
from twisted_detector.inspection.onvif.service_paths import may_be_service
from twisted_detector.model import Candidate
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.soap.envelope import format_time

CGI = "http://192.0.2.9/cgi-bin/magicBox.cgi"


class Server(ScriptedCamera):
    """A camera with a web server: ONVIF at ``services``, and elsewhere what a web server has, behind a login.

    :ivar onvif_paths: where ONVIF is.
    :ivar elsewhere: what the others answer.
    """

    onvif_paths: tuple[str, ...] = ("/onvif/device_service", "/onvif/media_service")
    elsewhere = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="x", qop="auth"'),), b"<html>")

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpResponse:
        if url.removeprefix("http://192.0.2.9") in self.onvif_paths:
            return await super().post(url, body, headers)
        self.urls.append(url)
        self.sent.append((body, headers))
        return self.elsewhere

    def told(self) -> set[str]:
        """The URLs to which a login was sent; ``sent`` and ``urls`` grow together."""
        return {
            url
            for url, (body, headers) in zip(self.urls, self.sent, strict=True)
            if "Authorization" in headers or b"UsernameToken" in body
        }


class Entries(Base):
    def server(self, auth: str = "digest") -> Server:
        return Server(self.clock.seconds, auth=auth)

    def announcing(self, *xaddrs: str) -> Candidate:
        return replace(ANNOUNCED, xaddrs=xaddrs)

    def test_what_wants_a_login_is_no_entry(self) -> None:
        """An announced address that answers 401 without SOAP is given no login; the fixed one is tried, and entered."""
        for xaddr in (CGI, f"{CGI}?action=reboot", "http://192.0.2.9/ISAPI/Security/users", "http://192.0.2.9/onvif/x"):
            for auth in ("digest", "wsse"):
                camera = self.server(auth)
                inspection = self.inspect(camera, ADMIN, self.announcing(xaddr))
                self.assert_whole(inspection)
                self.assertEqual(XADDR, inspection.onvif_url)
                self.assertNotIn(xaddr, camera.told())

    def test_nothing_else_there(self) -> None:
        """Where no ONVIF is at all, no login is sent, and nothing with a query of the announcer's choice is."""
        for xaddr in (CGI, f"{CGI}?action=reboot"):
            camera = self.server()
            camera.onvif_paths = ()
            camera.elsewhere = HttpResponse(404, (), b"<html>")
            self.failureResultOf(self.start(camera, ADMIN, self.announcing(xaddr)), Malformed)
            self.assertEqual(set(), camera.told())

    def test_the_fixed_path_behind_a_login(self) -> None:
        """A device that answers a bare 401 to everything is entered at the path that the specification fixes."""
        camera = self.camera(auth="digest", pre_auth=set())
        self.assert_whole(self.inspect(camera, ADMIN))
        camera = Server(self.clock.seconds, auth="digest", pre_auth=set())
        self.assert_whole(self.inspect(camera, ADMIN, self.announcing("http://192.0.2.9/")))
        self.assertEqual({XADDR, "http://192.0.2.9/onvif/media_service"}, camera.told())

    def test_an_entry_with_a_query(self) -> None:
        """Even one that speaks ONVIF is asked without a login only."""
        camera = self.server()
        camera.onvif_paths = ("/onvif/device_service?action=reboot",)
        camera.elsewhere = HttpResponse(404, (), b"<html>")
        error = self.refused(camera, ADMIN, self.announcing(f"{XADDR}?action=reboot"))
        self.assertEqual((False, set()), (error.attempted, camera.told()))
        self.assertEqual("eye-1", self.inspect(camera, None, self.announcing(f"{XADDR}?action=reboot")).name)

    def test_services_that_it_names(self) -> None:
        """What GetServices names is given a login where services are, or where it speaks SOAP; else the usual is."""
        for named, whole in (
            (f"{CGI}?action=addUser", True),
            ("http://192.0.2.9/onvif/media_service?cmd=reboot", True),
            ("http://192.0.2.9/ISAPI/Security/users", True),
            ("http://192.0.2.9/admin/media_cgi", False),
        ):
            for auth in ("digest", "wsse"):
                camera = self.server(auth)
                camera.services[onvif.NS_MEDIA] = named
                try:
                    inspection = self.inspect(camera, ADMIN)
                except self.failureException:
                    self.assertFalse(whole, named)
                else:
                    self.assertEqual(whole, len(inspection.streams) == 2, named)
                self.assertEqual(set(), camera.told() - {XADDR, "http://192.0.2.9/onvif/media_service"}, named)

    def test_an_unusual_path_that_speaks_soap(self) -> None:
        """A service at a path of its own is entered when it answered in SOAP without a login."""
        for path in ("/onvif/service/device", "/services/onvif/media", "/Media_Service", "/"):
            camera = self.server("wsse")
            camera.onvif_paths = ("/onvif/device_service", path)
            camera.services[onvif.NS_MEDIA] = f"http://192.0.2.9{path}"
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertIn(f"http://192.0.2.9{path}", camera.told())

    def test_paths(self) -> None:
        """Paths of other programs, and all with a query, are no service's."""
        for path in ("/cgi-bin/x.cgi", "/ISAPI/System/reboot", "/api/users", "/onvif/a?b", "/?x", "/onvif/../etc%2f"):
            self.assertFalse(may_be_service(f"http://192.0.2.9{path}"), path)
        for path in ("", "/", "/onvif/media", "/onvif/media_service", "/soap/x", "/Services/Device"):
            self.assertTrue(may_be_service(f"http://192.0.2.9{path}"), path)


class Tokens(Base):
    def created(self, camera: ScriptedCamera) -> list[str]:
        return [body.split(b"Created>")[1].split(b"<")[0].decode() for body, _ in camera.sent if b"Created>" in body]

    def test_never_dated_later(self) -> None:
        """Whatever clock a device tells, by whatever means, no token is good later than a day from now."""
        latest = format_time(NOW + MAX_AHEAD)
        for ahead in (16 * 3600.0, 31_536_000.0, 3e9):
            for more in ({}, {"pre_auth": set()}, {"refusal": "Wsse authorized time check failed"}):
                camera = self.camera(auth="wsse", said_skew=ahead, skew=ahead, dated=True, window=1e12, **more)
                self.inspect(camera, ADMIN)
                self.assertTrue(self.created(camera))
                self.assertLessEqual(max(self.created(camera)), latest)

    def test_zones(self) -> None:
        """A clock that is really ahead by the farthest time zone is followed."""
        camera = self.camera(auth="wsse", skew=14 * 3600.0)
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual({"right"}, set(camera.logins))


class Proof(Base):
    def test_what_needs_no_login(self) -> None:
        """What the specification opens to everybody is asked without the login until it was accepted, then with it."""
        camera = self.camera(auth="digest", pre_auth=set())
        self.assert_whole(self.inspect(camera, ADMIN))
        with_login = [
            operation
            for operation, (_, headers) in zip(camera.asked, camera.sent, strict=True)
            if "Authorization" in headers
        ]
        self.assertEqual(["GetDeviceInformation", "GetServices"], with_login[:2])

    def test_an_open_question_proves_nothing(self) -> None:
        """A login that only open questions were asked with is not accepted: it was not sent with them."""
        camera = self.camera(auth="digest")
        camera.pre_auth |= {
            "GetDeviceInformation", "GetProfiles", "GetStreamUri", "GetSnapshotUri", "GetScopes",
            "GetNetworkInterfaces",
        }  # fmt: skip
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual(("", []), (inspection.login, camera.logins))

    def test_fault_instead(self) -> None:
        """A fault about something else, in answer to the login, is no proof."""
        camera = self.camera(auth="digest")
        challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="nonce0", qop="auth"'),), b"")
        fault = HttpResponse(500, (), onvif_answers.action_not_supported())
        camera.pre_auth |= {"GetProfiles", "GetStreamUri", "GetSnapshotUri"}
        for operation in ("GetDeviceInformation", "GetScopes", "GetNetworkInterfaces"):
            camera.script[operation] = [challenge, fault]
        self.assertEqual("", self.inspect(camera, ADMIN).login)
