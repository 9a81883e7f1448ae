"""The ONVIF inspector against scripted cameras: what it learns, what it asks, and whom it tells a secret."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.inspection.scripted_camera import MAIN, SUB, ScriptedCamera
from twisted_detector.errors import Busy, LocalError, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.http.client import HttpResponse, KeptConnectionClosed
from twisted_detector.inspection.onvif.findings import Findings
from twisted_detector.inspection.onvif.inspector import MAX_REMEMBERED, OnvifInspector
from twisted_detector.inspection.onvif.session import OnvifSession
from twisted_detector.interfaces import IInspector
from twisted_detector.model import Candidate, EvidenceKind, Inspection, Login, Secret, Status
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.testing.simulator.wire.soap import fault_envelope
from twisted_detector.wire.onvif import answers as onvif, requests

NOW = 1_700_000_000.0
ADDRESS = "192.0.2.9"
XADDR = "http://192.0.2.9/onvif/device_service"
ADMIN = Login("admin", Secret("secret"))
WRONG = Login("admin", Secret("hunter2"))
ANNOUNCED = Candidate("dev", ADDRESS, xaddrs=(XADDR,))


class Base(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(NOW)
        self.random_calls = 0

    def camera(self, **said: Any) -> ScriptedCamera:
        return ScriptedCamera(self.clock.seconds, **said)

    def random(self, size: int) -> bytes:
        self.random_calls += 1
        return bytes([self.random_calls % 256]) * size

    def inspector(self, camera: ScriptedCamera, **said: Any) -> OnvifInspector:
        return OnvifInspector(
            self.clock,
            timeout=5.0,
            random=self.random,
            monotonic=self.clock.seconds,
            open_transport=lambda: camera,
            **said,
        )

    def start(self, camera: ScriptedCamera, login: Login | None, candidate: Candidate, **said: Any) -> Deferred[Any]:
        return Deferred.fromCoroutine(self.inspector(camera, **said).inspect(candidate, login))

    def inspect(
        self, camera: ScriptedCamera, login: Login | None = None, candidate: Candidate = ANNOUNCED, **said: Any
    ) -> Inspection:
        inspection = self.successResultOf(self.start(camera, login, candidate, **said))
        self.assertIsInstance(inspection, Inspection)
        return inspection

    def refused(
        self, camera: ScriptedCamera, login: Login | None, candidate: Candidate = ANNOUNCED, **said: Any
    ) -> Unauthorized:
        error: Unauthorized = self.failureResultOf(self.start(camera, login, candidate, **said), Unauthorized).value
        return error

    def assert_whole(self, inspection: Inspection) -> None:
        self.assertEqual((inspection.model, inspection.status), ("Eye 1", Status.ONLINE))
        self.assertEqual([stream.profile for stream in inspection.streams], ["P1", "P2"])


class Changing(ScriptedCamera):
    """Its password changes after so many right logins."""

    moment = 0

    async def post(self, url: str, body: bytes, headers: Any) -> HttpResponse:
        if self.logins.count("right") == self.moment:
            self.password = "another"
        return await super().post(url, body, headers)


class Facts(Base):
    def test_interface(self) -> None:
        """It is an inspector."""
        verifyObject(IInspector, self.inspector(self.camera()))

    def test_everything(self) -> None:
        """A camera without a login gives all its facts."""
        inspection = self.inspect(self.camera())
        self.assertEqual(
            (inspection.manufacturer, inspection.model, inspection.firmware_version, inspection.serial_number),
            ("Acme", "Eye 1", "1.2", "SN42"),
        )
        self.assertEqual((inspection.inspector, inspection.address, inspection.at), ("onvif", ADDRESS, NOW))
        self.assertEqual((inspection.name, inspection.hardware_id), ("Front door", "hw"))
        self.assertEqual(inspection.onvif_url, XADDR)
        self.assertEqual(inspection.http_url, "http://192.0.2.9/")
        self.assertEqual(inspection.snapshot_url, "http://192.0.2.9/snap/P1")
        self.assertEqual(inspection.capabilities, ("media", "events"))
        self.assertEqual((inspection.login, inspection.reason, inspection.status), ("", "", Status.ONLINE))

    def test_streams(self) -> None:
        """A stream carries its profile's facts and its address."""
        first, second = self.inspect(self.camera()).streams
        self.assertEqual((first.url, first.name, first.profile), ("rtsp://192.0.2.9:554/stream/P1", "main", "P1"))
        self.assertEqual((first.source, first.codec, first.audio), ("VS1", "H264", "PCMU"))
        self.assertEqual((first.width, first.height, first.fps), (2560, 1440, 25.0))
        self.assertEqual((second.name, second.width), ("sub", 640))

    def test_evidence(self) -> None:
        """Identifiers are reported as they were said, but for hardware addresses that identify nobody."""
        candidate = replace(ANNOUNCED, scopes=("onvif://www.onvif.org/MacAddress/00408CABCDEF",))
        evidence = {(item.kind, item.value) for item in self.inspect(self.camera(), candidate=candidate).evidence}
        self.assertEqual(
            evidence,
            {
                (EvidenceKind.ENDPOINT_REFERENCE, "5f5a69c2-e0ae-504f-829b-00408cabcdef"),
                (EvidenceKind.SCOPE_MAC, "00:40:8c:ab:cd:ef"),
                (EvidenceKind.SERIAL, "SN42"),
                (EvidenceKind.HARDWARE_ADDRESS, "00:40:8c:ab:cd:ef"),
            },
        )

    def test_few_questions(self) -> None:
        """A camera with two profiles is asked twelve times at most, whatever its login scheme."""
        for auth in ("none", "digest", "wsse"):
            for media2 in (False, True):
                camera = self.camera(auth=auth)
                if media2:
                    camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
                self.assert_whole(self.inspect(camera, ADMIN))
                self.assertLessEqual(len(camera.asked), 12, f"{auth} {camera.asked}")
                self.assertEqual(camera.closed, 1)

    def test_media2(self) -> None:
        """Media2 is preferred: it alone can say H.265."""
        camera = self.camera(profiles=(replace(MAIN, codec="H265"), SUB))
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        inspection = self.inspect(camera)
        self.assertEqual(inspection.streams[0].codec, "H265")
        self.assertEqual(inspection.capabilities, ("media", "media2", "events"))
        self.assertEqual(camera.asked.count("GetProfiles"), 1)

    def test_media2_without_configurations(self) -> None:
        """What Media2 leaves out is taken from Media1."""
        camera = self.camera()
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        camera.script["GetProfiles"] = [onvif_answers.profiles2((MAIN, SUB), configurations=False)]
        stream = self.inspect(camera).streams[0]
        self.assertEqual((stream.codec, stream.width, stream.source), ("H264", 2560, "VS1"))
        self.assertEqual(camera.asked.count("GetProfiles"), 2)

    def test_media2_without_addresses(self) -> None:
        """Where Media2 fails to give an address, Media1 is asked."""
        camera = self.camera()
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        camera.script["GetProfiles"] = [onvif_answers.profiles2((MAIN,), configurations=False)]
        camera.script["GetStreamUri"] = [HttpResponse(500, (), onvif_answers.action_not_supported())]
        self.assertEqual(self.inspect(camera).streams[0].url, "rtsp://192.0.2.9:554/stream/P1")

    def test_many_profiles(self) -> None:
        """An NVR's forty profiles all become streams."""
        profiles = tuple(replace(MAIN, token=f"P{n}", source=f"VS{n}") for n in range(40))
        self.assertEqual(len(self.inspect(self.camera(profiles=profiles)).streams), 40)

    def test_capabilities(self) -> None:
        """A device without GetServices is asked for GetCapabilities."""
        camera = self.camera()
        camera.script["GetServices"] = [HttpResponse(500, (), onvif_answers.action_not_supported())]
        self.assert_whole(self.inspect(camera))

    def test_guessed_media(self) -> None:
        """A device that names no service at all is asked at the usual places."""
        camera = self.camera(services={})
        camera.script["GetProfiles"] = [HttpResponse(404, (), b"<html>no</html>")]
        self.assert_whole(self.inspect(camera))
        self.assertIn("http://192.0.2.9/onvif/Media", camera.urls)

    def test_media_at_a_dead_port(self) -> None:
        """A media service announced at a port where nothing answers is looked for where the device does answer."""
        camera = self.camera(script={"GetProfiles": [Unreachable("no connection")]})
        camera.services[onvif.NS_MEDIA] = "http://192.0.2.1:8106/onvif/media_service"
        self.assert_whole(self.inspect(camera, candidate=replace(ANNOUNCED, xaddrs=("http://192.0.2.9:81/onvif/d",))))
        self.assertIn("http://192.0.2.9:8106/onvif/media_service", camera.urls)
        media = [url for url, asked in zip(camera.urls, camera.asked, strict=True) if asked == "GetStreamUri"]
        self.assertEqual({"http://192.0.2.9:81/onvif/media_service"}, set(media))

    def test_no_media(self) -> None:
        """An ONVIF device without pictures (a door controller) is not ours."""
        camera = self.camera(services={})
        camera.script["GetProfiles"] = [HttpResponse(404, (), b"")] * 3
        self.assertIsNone(self.successResultOf(self.start(camera, None, ANNOUNCED)))

    def test_optional(self) -> None:
        """Operations that a device does not have or garbles cost only their fact."""
        camera = self.camera()
        for operation in ("GetEndpointReference", "GetNetworkInterfaces", "GetScopes", "GetSnapshotUri"):
            camera.script[operation] = [HttpResponse(500, (), onvif_answers.action_not_supported())]
        camera.script["GetDeviceInformation"] = [b"<<<garbage"]
        inspection = self.inspect(camera)
        self.assertEqual((len(inspection.streams), inspection.model, inspection.evidence), (2, "", ()))

    def test_one_hangs(self) -> None:
        """One question without an answer is forgiven; the second means that the device is gone."""
        camera = self.camera(script={"GetNetworkInterfaces": [Unreachable("silence")]})
        self.assert_whole(self.inspect(camera))
        camera = self.camera(script={"GetNetworkInterfaces": [Unreachable("silence")], "GetScopes": [Unreachable("x")]})
        self.failureResultOf(self.start(camera, None, ANNOUNCED), Unreachable)
        self.assertEqual(camera.closed, 1)

    def test_one_stream_fails(self) -> None:
        """A profile without an address costs that stream; when all fail, it is said why."""
        fault = HttpResponse(400, (), fault_envelope("ter:NoProfile", "no such profile"))
        self.assertEqual(len(self.inspect(self.camera(script={"GetStreamUri": [fault]})).streams), 1)
        inspection = self.inspect(self.camera(script={"GetStreamUri": [fault, fault]}))
        self.assertEqual((inspection.status, inspection.streams), (Status.STREAM_ERROR, ()))
        self.assertEqual(inspection.model, "Eye 1")

    def test_busy(self) -> None:
        """HTTP 503 means that the device has no room now."""
        camera = self.camera(script={"GetProfiles": [HttpResponse(503)]})
        self.failureResultOf(self.start(camera, None, ANNOUNCED), Busy)


class Where(Base):
    def test_nothing_known(self) -> None:
        """A candidate without address or open port of ONVIF kind is asked nothing."""
        camera = self.camera()
        for candidate in (Candidate("dev", ADDRESS), Candidate("dev", ADDRESS, open_ports=(554, 22))):
            self.assertIsNone(self.successResultOf(self.start(camera, ADMIN, candidate)))
        self.assertEqual(camera.asked, [])

    def test_guess(self) -> None:
        """Without an announcement, the ports that were seen open and are of the right kind are tried."""
        camera = self.camera(script={"GetSystemDateAndTime": [HttpResponse(404, (), b"<html></html>")]})
        candidate = Candidate("dev", ADDRESS, open_ports=(8000, 80, 554, 9999))
        inspection = self.inspect(camera, candidate=candidate)
        self.assertEqual(camera.urls[:2], [XADDR, "http://192.0.2.9:8000/onvif/device_service"])
        self.assertEqual(inspection.onvif_url, camera.urls[1])

    def test_configured_port(self) -> None:
        """The ports to guess are the configuration's."""
        camera = self.camera()
        self.inspect(camera, candidate=Candidate("dev", ADDRESS, open_ports=(6688,)), onvif_ports=(6688,))
        self.assertEqual(camera.urls[0], "http://192.0.2.9:6688/onvif/device_service")

    def test_not_onvif(self) -> None:
        """A web server that answers something else is not ours, and one that wants a login gets none."""
        candidate = Candidate("dev", ADDRESS, open_ports=(80,))
        basic = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="router", nonce="n"'),), b"")
        for answer in (
            HttpResponse(200, (), b"<!DOCTYPE html><html></html>"),
            HttpResponse(404),
            basic,
            Unreachable("x"),
        ):
            camera = self.camera(script={"GetSystemDateAndTime": [answer]})
            self.assertIsNone(self.successResultOf(self.start(camera, ADMIN, candidate)))
            self.assertEqual((camera.asked, camera.logins), (["GetSystemDateAndTime"], []))

    def test_announced_but_silent(self) -> None:
        """An announced service that does not answer is unreachable, and its port is tried once only."""
        camera = self.camera(script={"GetSystemDateAndTime": [Unreachable("silence")] * 2})
        candidate = replace(ANNOUNCED, xaddrs=(XADDR, XADDR + "2"))
        self.failureResultOf(self.start(camera, None, candidate), Unreachable)
        self.assertEqual(len(camera.asked), 1)

    def test_announced_but_garbage(self) -> None:
        """An announced service that answers garbage is malformed."""
        for answer in (b"\x00\xff" * 100, b"<html></html>", HttpResponse(500, (), b""), Malformed("not HTTP")):
            camera = self.camera(script={"GetSystemDateAndTime": [answer]})
            self.failureResultOf(self.start(camera, None, ANNOUNCED), Malformed)
            self.assertEqual(camera.closed, 1)

    def test_second_address(self) -> None:
        """Of several announced addresses the one that answers is used."""
        camera = self.camera(script={"GetSystemDateAndTime": [Unreachable("silence")]})
        inspection = self.inspect(camera, candidate=replace(ANNOUNCED, xaddrs=("http://192.0.2.9:81/x", XADDR)))
        self.assertEqual(inspection.onvif_url, XADDR)

    def test_hostile_addresses(self) -> None:
        """Whatever a device says, only its own address is asked, and nothing it gives out leads elsewhere."""
        evil = "http://203.0.113.66"
        camera = self.camera(
            auth="digest",
            services={space: f"{evil}:8080/{n}" for n, space in enumerate((onvif.NS_DEVICE, onvif.NS_MEDIA))},
            uri="rtsp://root:toor@203.0.113.66:555/",
        )
        xaddrs = (f"{evil}/onvif/device_service", "http://127.0.0.1:8106:8106/x", "http://0.0.0.0/y", "gopher://h/")
        inspection = self.inspect(camera, ADMIN, candidate=replace(ANNOUNCED, xaddrs=xaddrs))
        for url in camera.urls:
            self.assertTrue(url.startswith(("http://192.0.2.9/", "http://192.0.2.9:8080/")), url)
        self.assertEqual(inspection.streams[0].url, "rtsp://192.0.2.9:555/P1")
        self.assertNotIn("203.0.113.66", repr(inspection))
        self.assertNotIn("toor", repr(inspection))

    def test_session_refuses_other_hosts(self) -> None:
        """The session itself asks no other host, even if a URL slipped through."""
        camera = self.camera()
        session = OnvifSession(camera, ADDRESS, ADMIN, allow_basic=False, random=self.random, now=self.clock.seconds)
        for url in ("http://203.0.113.66/", "http://192.0.2.99/", "http://192.0.2.9@203.0.113.66/"):
            asked = Deferred.fromCoroutine(session.call(url, requests.get_scopes()))
            self.failureResultOf(asked, LocalError)
        self.assertEqual(camera.asked, [])


class Logins(Base):
    def test_needed(self) -> None:
        """Without a login a protected camera gives what it tells everybody, and the reason."""
        for auth in ("digest", "wsse", "basic"):
            camera = self.camera(auth=auth)
            inspection = self.inspect(camera)
            self.assertEqual(inspection.status, Status.AUTH_REQUIRED)
            self.assertIn("a login is needed", inspection.reason)
            self.assertEqual(inspection.capabilities, ("media", "events"))
            self.assertEqual([item.kind for item in inspection.evidence], [EvidenceKind.ENDPOINT_REFERENCE])
            self.assertEqual(inspection.clock_offset, 0.0)
            self.assertLessEqual(len(camera.asked), 6)
            self.assertEqual(camera.logins, [])
            self.assertEqual(inspection.name, "eye-1")

    def test_partly_open(self) -> None:
        """A camera that protects only its device information still gives its streams without a login."""
        camera = self.camera(auth="digest")
        camera.pre_auth |= {"GetProfiles", "GetStreamUri", "GetSnapshotUri"}
        inspection = self.inspect(camera)
        self.assertEqual((inspection.status, len(inspection.streams), inspection.model), (Status.ONLINE, 2, ""))

    def test_digest(self) -> None:
        """A camera with HTTP Digest gets one challenge, then only right logins, each with its own count."""
        for algorithm in ("", "MD5", "SHA-256"):
            camera = self.camera(auth="digest", algorithm=algorithm)
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertEqual((inspection.login, set(camera.logins)), ("admin", {"right"}))
            headers = [sent.get("Authorization", "") for _, sent in camera.sent]
            counts = [header.partition("nc=")[2][:8] for header in headers if header]
            self.assertEqual(counts, [f"{n:08x}" for n in range(1, len(counts) + 1)])
            self.assertFalse(any(b"UsernameToken" in body for body, _ in camera.sent))

    def test_wsse(self) -> None:
        """A camera with WS-UsernameToken gets fresh tokens, and no Authorization header."""
        camera = self.camera(auth="wsse")
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual((inspection.login, set(camera.logins)), ("admin", {"right"}))
        self.assertFalse(any("Authorization" in headers for _, headers in camera.sent))
        nonces = [body.partition(b"<w:Nonce")[2][:200] for body, _ in camera.sent if b"<w:Nonce" in body]
        self.assertEqual(len(nonces), len(set(nonces)))

    def test_no_login_before_a_challenge(self) -> None:
        """What needs no login is asked without one."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth)
            self.inspect(camera, ADMIN)
            for operation, (body, headers) in zip(camera.asked[:4], camera.sent[:4], strict=True):
                self.assertNotIn("Authorization", headers, operation)
                self.assertNotIn(b"UsernameToken", body)

    def test_refused(self) -> None:
        """A wrong password is tried once, and its refusal ends the inspection."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth)
            error = self.refused(camera, WRONG)
            self.assertEqual((error.attempted, error.locked), (True, False))
            self.assertEqual(camera.logins, ["wrong"], auth)
            self.assertEqual(camera.closed, 1)
            self.assertNotIn("hunter2", str(error))

    def test_attempts_left(self) -> None:
        """A device that counts is believed, however many are left: nothing follows a refusal, nor a first question."""
        camera = self.camera(auth="wsse", refusal="You still have 26 attempt(s)")
        camera.script["GetDeviceInformation"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, error.locked, camera.logins), (True, True, ["wrong"]))
        self.assertIn("the login was refused, and the device counts the attempts", str(error))
        camera = self.camera(auth="wsse", refusal="You still have 26 attempt(s)")
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, error.locked, camera.logins), (False, True, []))

    def test_password_changed_meanwhile(self) -> None:
        """A device that let a login in and then counts down has another password now: it is not asked on."""
        for auth, status in (("wsse", 400), ("digest", 401)):
            camera = self.camera(auth=auth)
            headers = (("WWW-Authenticate", 'Digest realm="cam", nonce="new", qop="auth"'),) if status == 401 else ()
            counting = HttpResponse(status, headers, onvif_answers.not_authorized("You still have 3 attempt(s)"))
            camera.script["GetProfiles"] = [counting] * 4
            error = self.refused(camera, ADMIN)
            self.assertEqual((error.attempted, error.locked), (True, True))
            self.assertEqual(("GetProfiles", 1), (camera.asked[-1], camera.asked.count("GetProfiles")))

    def test_warned_in_other_places(self) -> None:
        """A device may count or lock in the status line, in a body that is no SOAP, or with a 403."""
        for status, reason, body in (
            (401, "Unauthorized: 24 attempts left", b""),
            (401, "Unauthorized", b"<html>You still have 5 attempt(s)</html>"),
            (403, "Forbidden", b"Illegal Login Lock"),
            (403, "Locked for 30 minutes", b"<html></html>"),
            (401, "5 attempts left", onvif_answers.not_authorized()),
        ):
            camera = self.camera(auth="digest")
            challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="a", qop="auth"'),), b"")
            said = HttpResponse(status, challenge.headers, body, reason=reason)
            camera.script["GetDeviceInformation"] = [challenge, said]
            error = self.refused(camera, ADMIN)
            self.assertEqual((error.attempted, error.locked), (True, True), reason)
            self.assertEqual(2, camera.asked.count("GetDeviceInformation"))

    def test_password_changed_at_any_moment(self) -> None:
        """Whenever a password changes while a silent camera is asked: one refused question, told, and none after it."""
        for auth in ("digest", "wsse", "basic"):
            for moment in range(1, 9):
                camera = Changing(self.clock.seconds, auth=auth)
                camera.moment = moment
                inspection = self.inspect(camera, ADMIN, allow_basic=lambda candidate: True)
                self.assertEqual(inspection.login, "admin")
                whole = moment >= camera.logins.count("right") and "wrong" not in camera.logins
                self.assertEqual([] if whole else ["wrong"], camera.logins[moment:], (auth, moment))
                self.assertEqual(not whole, inspection.doubted)
                if len(inspection.streams) < 2:
                    self.assertIs(Status.AUTH_REQUIRED, inspection.status)

    def test_locked(self) -> None:
        """A device that says it is locked gets no credential at all."""
        camera = self.camera(auth="wsse", refusal="The account is locked for 30 minutes")
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, error.locked, camera.logins), (False, True, []))

    def test_basic(self) -> None:
        """A password is said in clear only where that is allowed."""
        camera = self.camera(auth="basic")
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, camera.logins), (False, []))
        camera = self.camera(auth="basic")
        self.assert_whole(self.inspect(camera, ADMIN, allow_basic=lambda candidate: candidate.address == ADDRESS))

    def test_basic_beside_a_fault(self) -> None:
        """A device that offers only Basic gets no token either, though it speaks SOAP: it would count as a failure."""
        camera = self.camera(auth="wsse")
        refusal = HttpResponse(401, (("WWW-Authenticate", 'Basic realm="cam"'),), onvif_answers.not_authorized())
        camera.script["GetDeviceInformation"] = [refusal]
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, camera.logins), (False, []))
        self.assertIn("basic", str(error))

    def test_unauthorized_without_challenge(self) -> None:
        """A 401 without a challenge but with a SOAP fault means the token."""
        camera = self.camera(auth="wsse")
        camera.script["GetDeviceInformation"] = [HttpResponse(401, (), onvif_answers.not_authorized())]
        self.assert_whole(self.inspect(camera, ADMIN))

    def test_stale(self) -> None:
        """A nonce that is used up is replaced, which is no failed login, even at the first use."""
        camera = self.camera(auth="digest", nonce_uses=2)
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertNotIn("wrong", camera.logins)
        self.assertIn("stale", camera.logins)
        camera = self.camera(auth="digest")
        old = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="old", qop="auth"'),), b"")
        camera.script["GetDeviceInformation"] = [old]
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(camera.logins[:2], ["stale", "right"])

    def test_expired_without_saying_so(self) -> None:
        """A nonce that expires unsaid ends an inspection, as a changed password would; the next takes new ones."""
        for uses in (1, 3):
            camera = self.camera(auth="digest", nonce_uses=uses, stale=False)
            inspector = self.inspector(camera)
            first, second = (
                self.successResultOf(Deferred.fromCoroutine(inspector.inspect(ANNOUNCED, ADMIN))) for _ in range(2)
            )
            self.assertEqual((Status.AUTH_REQUIRED, True), (first.status, first.doubted))
            self.assert_whole(second)
            self.assertEqual(
                ([*["right"] * uses, "stale"], {"right"}), (camera.logins[: uses + 1], set(camera.logins[uses + 1 :]))
            )

    def test_never_ending_stale(self) -> None:
        """A device that calls every nonce stale is given up after one more try."""
        camera = self.camera(auth="digest", nonce_uses=0)
        error = self.refused(camera, ADMIN)
        self.assertEqual((error.attempted, camera.logins), (True, ["stale", "stale"]))

    def test_wrong_after_another_fault(self) -> None:
        """A fault about something else does not prove the login: the refusal after it is the last attempt."""
        camera = self.camera(auth="digest", stale=False)
        challenge = HttpResponse(401, (("WWW-Authenticate", 'Digest realm="cam", nonce="nonce0", qop="auth"'),), b"")
        camera.script["GetDeviceInformation"] = [challenge, HttpResponse(500, (), onvif_answers.action_not_supported())]
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, camera.logins), (True, ["wrong"]))

    def test_forbidden_operation(self) -> None:
        """A user without the right to one operation loses that fact only."""
        camera = self.camera(auth="wsse")
        camera.script["GetNetworkInterfaces"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual((inspection.login, inspection.doubted), ("admin", True))
        self.assertEqual("GetNetworkInterfaces", camera.asked[-1])

    def test_forbidden_beyond_http(self) -> None:
        """Where HTTP lets a login in and SOAP refuses, it is about rights: no failure, and the rest is asked."""
        camera = self.camera(auth="digest")
        camera.script["GetProfiles"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        inspection = self.inspect(camera, ADMIN)
        self.assertEqual((inspection.status, inspection.doubted), (Status.AUTH_REQUIRED, False))
        self.assertEqual("GetScopes", camera.asked[-1])
        self.assertNotIn("wrong", camera.logins)

    def test_forbidden_profiles(self) -> None:
        """A user who may not see the profiles is told so, and the login does not count as wrong."""
        camera = self.camera(auth="wsse")
        camera.script["GetProfiles"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        inspection = self.inspect(camera, ADMIN)
        self.assertEqual((inspection.status, inspection.model), (Status.AUTH_REQUIRED, "Eye 1"))
        self.assertIn("no right", inspection.reason)

    def test_everything_protected(self) -> None:
        """A device that protects even the public questions (Axis) is inspected with a login, and named without."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth, pre_auth=set())
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertNotIn("wrong", camera.logins)
            self.assertIsNone(inspection.clock_offset)
            self.assertEqual(self.inspect(self.camera(auth=auth, pre_auth=set())).status, Status.AUTH_REQUIRED)


class Clocks(Base):
    def test_offset(self) -> None:
        """How far the device's clock is off is measured."""
        for skew in (0.0, 3600.0, -86_400.0):
            self.assertEqual(self.inspect(self.camera(skew=skew)).clock_offset, skew)

    def test_round_trip(self) -> None:
        """Half of the round trip is taken off."""

        class Slow(ScriptedCamera):
            async def post(inner, url: str, body: bytes, headers: Any) -> HttpResponse:
                self.clock.advance(1.0)
                answer = await ScriptedCamera.post(inner, url, body, headers)
                self.clock.advance(1.0)
                return answer

        self.assertEqual(self.inspect(Slow(self.clock.seconds)).clock_offset, 0.0)

    def test_skewed(self) -> None:
        """A camera whose clock is a year off accepts the login, because it is made for its clock."""
        camera = self.camera(auth="wsse", skew=-31_536_000.0)
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(set(camera.logins), {"right"})

    def test_at_the_epoch(self) -> None:
        """A camera that believes it is 1970 is served, too."""
        camera = self.camera(auth="wsse", skew=-NOW + 7.0)
        self.assert_whole(self.inspect(camera, ADMIN))

    def test_local_time_as_utc(self) -> None:
        """A camera that gives out local time as UTC is seen through, by its Date or its zone, before any login."""
        for said in ({"dated": True}, {"zone": "CST-8"}, {"zone": "CST-8", "local": 0.0}):
            camera = self.camera(auth="wsse", skew=1.0, said_skew=8 * 3600.0 + 1.0, **said)
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertEqual(set(camera.logins), {"right"}, said)
            self.assertEqual(inspection.clock_offset, 1.0)

    def test_clock_that_is_a_zone_off(self) -> None:
        """A clock that is really off by a time zone is believed where the evidence says so."""
        for said in ({"dated": True}, {}, {"zone": "CST-8", "local": 8 * 3600.0}):
            camera = self.camera(auth="wsse", skew=8 * 3600.0, **said)
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertEqual(set(camera.logins), {"right"}, said)

    def test_protected_clock(self) -> None:
        """Where even the clock wants a login, the Date of the refusal stands in for it."""
        camera = self.camera(auth="wsse", pre_auth=set(), skew=-86_400.0, dated=True)
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual((set(camera.logins), inspection.clock_offset), ({"right"}, -86_400.0))

    def test_wrong_by_its_own_words(self) -> None:
        """A refusal that names the time, not the password, is answered once with the other time."""
        refusal = "Wsse authorized time check failed"
        camera = self.camera(auth="wsse", said_skew=3600.0, refusal=refusal)
        camera.script["GetDeviceInformation"] = [HttpResponse(400, (), onvif_answers.not_authorized())]
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual(camera.logins[:2], ["wrong", "right"])
        camera = self.camera(auth="wsse", said_skew=3600.0, refusal=refusal)
        self.assertTrue(self.refused(camera, WRONG).attempted)
        self.assertEqual(camera.logins, ["wrong", "wrong"])

    def test_wrong_password_with_an_offset(self) -> None:
        """A wrong password costs one attempt whatever the clock, and the reason names the clock."""
        for said in ({"said_skew": 3600.0}, {"skew": -86_400.0}, {"said_skew": 28_800.0, "zone": "CST-8"}):
            camera = self.camera(auth="wsse", **said)
            error = self.refused(camera, WRONG)
            self.assertTrue(error.attempted)
            self.assertEqual(camera.logins, ["wrong"])
            self.assertIn("the device's clock is", str(error))

    def test_wrong_time_with_few_attempts_left(self) -> None:
        """There is no second try where attempts run out, whatever the reason."""
        camera = self.camera(auth="wsse", said_skew=3600.0)
        said = [
            onvif_answers.not_authorized(),
            onvif_answers.not_authorized("Time check failed. You still have 1 attempt(s)"),
        ]
        camera.script["GetDeviceInformation"] = [HttpResponse(400, (), fault) for fault in said]
        error = self.refused(camera, WRONG)
        self.assertEqual((error.attempted, error.locked), (True, True))
        self.assertEqual(camera.asked.count("GetDeviceInformation"), 2)

    def test_absurd_clock(self) -> None:
        """A clock at the end of time does not break the login."""
        camera = self.camera(auth="wsse", window=1e12)
        answer = onvif_answers.system_date_and_time(253_402_300_799.0)
        camera.script["GetSystemDateAndTime"] = [answer]
        self.assert_whole(self.inspect(camera, ADMIN))


class Visits(Base):
    """Two calls of one inspector, as a visit makes them: without a login, and with one at once."""

    def visit(
        self, camera: ScriptedCamera, *logins: Login, candidate: Candidate = ANNOUNCED, pause: float = 0.0, **said: Any
    ) -> Any:
        inspector = self.inspector(camera, **said)
        outcome: Any = None
        for login in (None, *logins):
            deferred = Deferred.fromCoroutine(inspector.inspect(candidate, login))
            deferred.addErrback(lambda failure: failure.value)
            outcome = self.successResultOf(deferred)
            self.clock.advance(pause)
        return outcome

    def test_nothing_twice(self) -> None:
        """What was told without a login is not asked again, and the challenge is answered at once."""
        named = replace(ANNOUNCED, scopes=("onvif://www.onvif.org/name/Front%20door",))
        by_port = replace(ANNOUNCED, xaddrs=(), open_ports=(80,))
        for auth in ("digest", "wsse"):
            for candidate in (named, ANNOUNCED, by_port):
                camera = self.camera(auth=auth)
                self.assert_whole(self.visit(camera, ADMIN, candidate=candidate, login_follows=lambda candidate: True))
                self.assertLessEqual(len(camera.asked), 12, camera.asked)
                self.assertEqual(set(camera.logins), {"right"})
                for operation in ("GetSystemDateAndTime", "GetServices", "GetEndpointReference"):
                    self.assertEqual(camera.asked.count(operation), 1)

    def test_briefly(self) -> None:
        """The streams of a device that refuses to say what it is are asked for without a login only if none follows."""
        for follows in (False, True):
            camera = self.camera(auth="digest")
            camera.pre_auth |= {"GetProfiles", "GetStreamUri", "GetSnapshotUri"}
            inspection = self.inspect(camera, login_follows=lambda candidate, follows=follows: follows)
            self.assertEqual(0 if follows else 2, len(inspection.streams))
            self.assertEqual(Status.AUTH_REQUIRED if follows else Status.ONLINE, inspection.status)

    def test_not_for_long(self) -> None:
        """After some seconds the device is asked anew: its challenge is old."""
        camera = self.camera(auth="digest")
        self.assert_whole(self.visit(camera, ADMIN, pause=3.0))
        self.assertEqual(camera.asked.count("GetServices"), 2)

    def test_two_logins(self) -> None:
        """The second login answers the challenge that came with the refusal of the first: one failure for each."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth)
            self.assert_whole(self.visit(camera, WRONG, ADMIN))
            self.assertEqual((camera.logins[0], set(camera.logins[1:])), ("wrong", {"right"}))
            headers = [sent.get("Authorization", "") for _, sent in camera.sent]
            used = [
                (header.partition("nonce=")[2][:12], header.partition("nc=")[2][:8]) for header in headers if header
            ]
            self.assertEqual(len(used), len(set(used)))

    def test_everything_protected(self) -> None:
        """A device that refused even the public questions is asked them with the login."""
        camera = self.camera(auth="digest", pre_auth=set())
        self.assert_whole(self.visit(camera, ADMIN))
        self.assertEqual(set(camera.logins), {"right"})
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth, pre_auth=set())
            self.assert_whole(self.visit(camera, ADMIN, login_follows=lambda candidate: True))
            self.assertLessEqual(len(camera.asked), 12, camera.asked)

    def test_locked(self) -> None:
        """A device that said it is locked gets no credential."""
        camera = self.camera(auth="wsse", refusal="The account is locked")
        error = self.visit(camera, ADMIN)
        self.assertIsInstance(error, Unauthorized)
        self.assertEqual((error.locked, camera.logins), (True, []))

    def test_bounded(self) -> None:
        """Greetings of devices that nobody asks again are forgotten."""
        inspector = self.inspector(self.camera(auth="digest"))
        for number in range(MAX_REMEMBERED + 20):
            self.successResultOf(
                Deferred.fromCoroutine(inspector.inspect(replace(ANNOUNCED, device_id=f"{number}"), None))
            )
        self.assertEqual(len(inspector._anonymous), MAX_REMEMBERED)


class Transport(Base):
    """What servers do with connections, statuses and certificates."""

    def test_kept_connection_closed(self) -> None:
        """A question that a kept connection swallowed is asked once more, with a login of its own."""
        for auth in ("digest", "wsse"):
            camera = self.camera(auth=auth)
            camera.script["GetNetworkInterfaces"] = [KeptConnectionClosed("closed")]
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertEqual(camera.asked.count("GetNetworkInterfaces"), 2)
            first, second = (sent for sent in camera.sent if b"GetNetworkInterfaces" in sent[0])
            self.assertNotEqual(first, second)
        camera = self.camera(script={"GetSystemDateAndTime": [KeptConnectionClosed("closed")] * 2})
        self.failureResultOf(self.start(camera, None, ANNOUNCED), Unreachable)

    def test_other_breaks_are_not_repeated(self) -> None:
        """A break in the midst of an answer costs its fact: the device may count the question."""
        camera = self.camera(script={"GetNetworkInterfaces": [Unreachable("cut")]})
        self.assert_whole(self.inspect(camera))
        self.assertEqual(camera.asked.count("GetNetworkInterfaces"), 1)

    def test_redirect_to_https(self) -> None:
        """A device that sends us to the same service by TLS is followed there, but to its own address only."""
        moved = HttpResponse(301, (("Location", "https://203.0.113.66/onvif/device_service"),))
        camera = self.camera(auth="digest", script={"GetSystemDateAndTime": [moved]})
        inspection = self.inspect(camera, ADMIN)
        self.assert_whole(inspection)
        self.assertEqual(inspection.onvif_url, "https://192.0.2.9/onvif/device_service")
        self.assertFalse(any("203.0.113.66" in url for url in camera.urls))

    def test_redirects_elsewhere(self) -> None:
        """A loop ends after one turn, other pages are not fetched, and no redirect is followed with a login."""
        for location in ("http://192.0.2.9:81/onvif/device_service", "http://192.0.2.9/login.html", "::", ""):
            moved = HttpResponse(302, (("Location", location),))
            camera = self.camera(script={"GetSystemDateAndTime": [moved] * 20})
            self.failureResultOf(self.start(camera, None, ANNOUNCED), Malformed)
            self.assertLessEqual(len(camera.asked), 2)
        camera = self.camera(auth="digest", script={"GetNetworkInterfaces": [HttpResponse(307, moved.headers)]})
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertEqual({url.partition("/onvif")[0] for url in camera.urls}, {"http://192.0.2.9"})

    def test_faults_of_all_colours(self) -> None:
        """NotAuthorized in 200, in 400, in 401 and in 500 is a refusal; content types are not looked at."""
        for status in (200, 400, 401, 403, 500):
            camera = self.camera(auth="wsse")
            plain = (("Content-Type", "text/plain"),)
            camera.script["GetDeviceInformation"] = [HttpResponse(status, plain, onvif_answers.not_authorized())]
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertEqual(set(camera.logins), {"right"}, status)

    def test_invalid_utf8(self) -> None:
        """Broken characters in one answer cost the characters only."""
        camera = self.camera()
        name = onvif.DeviceInformation("Acme", "Eye 1")
        camera.script["GetDeviceInformation"] = [
            onvif_answers.device_information(name).replace(b"Acme", b"Ac\xff\xfeme")
        ]
        inspection = self.inspect(camera)
        self.assertEqual((inspection.manufacturer, inspection.model), ("Ac\ufffd\ufffdme", "Eye 1"))

    def test_certificate(self) -> None:
        """The certificate that a device shows is noted as evidence, and trusted in nothing: no password in clear."""
        https = replace(ANNOUNCED, xaddrs=("https://192.0.2.9/onvif/device_service",))
        camera = self.camera(auth="digest", certificate="ab" * 32)
        inspection = self.inspect(camera, ADMIN, candidate=https)
        said = {item.kind: item.value for item in inspection.evidence}
        self.assertEqual(said[EvidenceKind.CERTIFICATE], "ab" * 32)
        camera = self.camera(auth="basic", certificate="ab" * 32)
        error = self.refused(camera, ADMIN, candidate=https)
        self.assertEqual((error.attempted, camera.logins), (False, []))

    def test_header_injection(self) -> None:
        """Line breaks that a device puts into its challenge or its tokens do not come back as headers."""
        camera = self.camera(auth="digest")
        evil = 'Digest realm="a\r\nX-Evil: 1", nonce="n\r\nX: y", opaque="o\nX: y", qop="auth"'
        camera.script["GetDeviceInformation"] = [HttpResponse(401, (("WWW-Authenticate", evil),))]
        self.start(camera, ADMIN, ANNOUNCED).addErrback(lambda failure: failure.trap(Unauthorized))
        sent = [value for _, headers in camera.sent for pair in headers.items() for value in pair]
        self.assertGreater(len(sent), 4)
        self.assertFalse([value for value in sent if "\r" in value or "\n" in value])

    def test_one_at_a_time(self) -> None:
        """A device is asked by one inspection at a time; another one meanwhile is not held up."""

        class Slow(ScriptedCamera):
            async def post(inner, url: str, body: bytes, headers: Any) -> HttpResponse:
                await deferLater(self.clock, 1.0)
                return await ScriptedCamera.post(inner, url, body, headers)

        slow, quick = Slow(self.clock.seconds), self.camera()
        locks = DeviceLocks()
        asking = [self.start(slow, None, ANNOUNCED, device_locks=locks) for _ in range(2)]
        other = self.start(quick, None, replace(ANNOUNCED, address="192.0.2.10"), device_locks=locks)
        self.successResultOf(other)
        self.clock.pump([1.0] * 11)
        self.successResultOf(asking[0])
        self.assertEqual(slow.closed, 1)
        self.assertEqual(slow.asked.count("GetServices"), 1)
        self.clock.pump([1.0] * 11)
        self.successResultOf(asking[1])
        self.assertEqual(len(locks), 0)


class Recorder(Base):
    def test_pictures_of_channels(self) -> None:
        """Each source of a recorder has its own picture, whatever the number of its profiles."""
        profiles = tuple(replace(MAIN, token=f"{kind}{n}", source=f"VS{n}") for n in range(3) for kind in "ms")
        inspection = self.inspect(self.camera(profiles=profiles))
        self.assertEqual(dict(inspection.snapshots), {f"VS{n}": f"http://192.0.2.9/snap/m{n}" for n in range(3)})
        self.assertEqual(inspection.snapshot_url, "http://192.0.2.9/snap/m0")

    def test_bound(self) -> None:
        """What no recorder has is not asked for: the profiles beyond the bound."""
        profiles = tuple(replace(MAIN, token=f"P{n}", source="VS") for n in range(onvif.MAX_PROFILES + 5))
        self.assertEqual(len(self.inspect(self.camera(profiles=profiles)).streams), onvif.MAX_PROFILES)

    def test_long_stream_addresses(self) -> None:
        """Of an address that is too long no more is kept than shows that it is: a device may name 256 of 2 kB."""
        found = Findings(ANNOUNCED)
        found.add_stream(MAIN, f"rtsp://{ADDRESS}/{'x' * 1500}")
        self.assertEqual([513], [len(one.url) for one in found.streams])

    def test_long_answers_are_read_elsewhere(self) -> None:
        """What takes long to read is read in another thread; what is short is not worth one."""
        lengths: list[int] = []

        async def elsewhere(read: Callable[[], Any]) -> Any:
            lengths.append(1)
            return read()

        profiles = tuple(replace(MAIN, token=f"P{n}", name="x" * 2000, source="VS") for n in range(100))
        found = self.inspect(self.camera(profiles=profiles), elsewhere=elsewhere)
        self.assertEqual((100, [1]), (len(found.streams), lengths))
        self.inspect(self.camera(), elsewhere=elsewhere)
        self.assertEqual([1], lengths)

    def test_codecs(self) -> None:
        """Media2 profiles of every codec keep it, with their audio."""
        codecs = ("H264", "H265", "AV1", "JPEG")
        camera = self.camera(profiles=tuple(replace(MAIN, token=codec, codec=codec) for codec in codecs))
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        streams = self.inspect(camera).streams
        self.assertEqual([(one.codec, one.audio) for one in streams], [(codec, "PCMU") for codec in codecs])
