"""The ONVIF inspector against scripted cameras: what it learns, what it asks, and whom it tells a secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from tests.inspection.scripted_camera import ScriptedCamera
from twisted_detector.errors import Busy, LocalError, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.http.client import HttpResponse, KeptConnectionClosed
from twisted_detector.inspection.onvif.inspector import (
    MAX_REMEMBERED,
    UNSWEPT_AGAIN,
    GuessedPorts,
    LoginPolicy,
    OnvifInspector,
)
from twisted_detector.inspection.onvif.session import OnvifSession
from twisted_detector.interfaces import IInspector
from twisted_detector.model import Candidate, EvidenceKind, Inspection, Login, Secret, Status
from twisted_detector.testing.simulator.wire import onvif_answers
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
        policy = LoginPolicy(**{rule: said.pop(rule) for rule in ("allow_basic", "login_follows") if rule in said})
        return OnvifInspector(
            self.clock, lambda: camera, random=self.random, monotonic=self.clock.seconds, logins=policy, **said
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
        self.assertEqual(inspection.capabilities, ("media", "events", "username_token"))
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
        """A camera with two profiles is asked thirteen times at most, whatever its login scheme."""
        for auth in ("none", "digest", "wsse"):
            for media2 in (False, True):
                camera = self.camera(auth=auth)
                if media2:
                    camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
                self.assert_whole(self.inspect(camera, ADMIN))
                self.assertLessEqual(len(camera.asked), 13, f"{auth} {camera.asked}")
                self.assertEqual(camera.closed, 1)

    def test_capabilities(self) -> None:
        """A device without GetServices is asked for GetCapabilities."""
        camera = self.camera()
        camera.script["GetServices"] = [HttpResponse(500, (), onvif_answers.action_not_supported())]
        self.assert_whole(self.inspect(camera))

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
        self.inspect(camera, candidate=Candidate("dev", ADDRESS, open_ports=(6688,)), ports=GuessedPorts(first=(6688,)))
        self.assertEqual(camera.urls[0], "http://192.0.2.9:6688/onvif/device_service")

    def test_ports_that_no_sweep_tries(self) -> None:
        """A device that announces nothing is asked there too, last and without a login, where RTSP or HTTP answered."""
        at = "http://192.0.2.9:{}/onvif/device_service".format
        for candidate, urls in (
            (Candidate("dev", ADDRESS, rtsp_ports=(8554,), open_ports=(8554,)), [at(8080), at(5000)]),
            (Candidate("dev", ADDRESS, rtsp_ports=(554,)), [at(8080), at(5000)]),
            (Candidate("dev", ADDRESS, open_ports=(80,)), [XADDR, at(8080), at(5000)]),
            (Candidate("dev", ADDRESS, open_ports=(5000,)), [at(5000), at(8080)]),
            (Candidate("dev", ADDRESS, open_ports=(22,)), []),
            (Candidate("dev", ADDRESS), []),
            (replace(ANNOUNCED, rtsp_ports=(554,)), [XADDR]),
        ):
            inspector = self.inspector(self.camera(), ports=GuessedPorts(unswept=(8080, 5000)))
            self.assertEqual(urls, [url for url, _ in inspector.entries(candidate)])

    def test_onvif_at_such_a_port(self) -> None:
        """Found there it is a camera like any other; in vain they are not asked again for hours, but for a person."""
        mute = Candidate("dev", ADDRESS, rtsp_ports=(8554,), open_ports=(8554,))
        camera = self.camera(script={"GetSystemDateAndTime": [HttpResponse(404)]})
        inspection = self.inspect(camera, candidate=mute, ports=GuessedPorts(unswept=(8080, 5000)))
        self.assertEqual("http://192.0.2.9:5000/onvif/device_service", inspection.onvif_url)

        camera = self.camera(script={"GetSystemDateAndTime": [Unreachable("closed")] * 9})
        inspector = self.inspector(camera, ports=GuessedPorts(unswept=(8080, 5000)))
        for candidate, wait, times in (
            (mute, 0, 2),
            (mute, 3600, 2),
            (replace(mute, by_hand=True), 0, 4),
            (replace(mute, address="192.0.2.10"), 0, 6),
            (mute, UNSWEPT_AGAIN, 8),
        ):
            self.clock.advance(wait)
            self.assertIsNone(self.successResultOf(Deferred.fromCoroutine(inspector.inspect(candidate, None))))
            self.assertEqual(times, len(camera.urls))
        self.assertEqual([], camera.logins)

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
            camera = self.camera(script={"GetSystemDateAndTime": [answer] * 2})
            self.failureResultOf(self.start(camera, None, ANNOUNCED), Malformed)
            self.assertEqual(camera.closed, 1)

    def test_announced_without_an_address(self) -> None:
        """A device that announces scopes of ONVIF and no address is asked where the specification has its service."""
        candidate = replace(ANNOUNCED, xaddrs=(), scopes=("onvif://www.onvif.org/type/video_encoder",))
        self.assertEqual(self.inspect(self.camera(), candidate=candidate).onvif_url, XADDR)
        for other in (replace(candidate, scopes=("ldap:///x",)), replace(candidate, open_ports=(8000,))):
            camera = self.camera(script={"GetSystemDateAndTime": [HttpResponse(404)]})
            self.assertIsNone(self.successResultOf(self.start(camera, None, other)))
            self.assertNotIn(XADDR, camera.urls)

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
        session = OnvifSession(
            camera, ADDRESS, login=ADMIN, allow_basic=False, random=self.random, now=self.clock.seconds
        )
        for url in ("http://203.0.113.66/", "http://192.0.2.99/", "http://192.0.2.9@203.0.113.66/"):
            asked = Deferred.fromCoroutine(session.call(url, requests.get_scopes()))
            self.failureResultOf(asked, LocalError)
        self.assertEqual(camera.asked, [])


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
        """What was told without a login is not asked again, but for a challenge where one is wanted."""
        named = replace(ANNOUNCED, scopes=("onvif://www.onvif.org/name/Front%20door",))
        by_port = replace(ANNOUNCED, xaddrs=(), open_ports=(80,))
        for auth in ("digest", "wsse"):
            for candidate in (named, ANNOUNCED, by_port):
                camera = self.camera(auth=auth)
                self.assert_whole(self.visit(camera, ADMIN, candidate=candidate, login_follows=lambda candidate: True))
                self.assertLessEqual(len(camera.asked), 15 if auth == "digest" else 12, camera.asked)
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
            self.assertLessEqual(len(camera.asked), 13, camera.asked)

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
        for added, slash in (("", ""), ("?randnum=969264636618", ""), ("/", "/")):
            moved = HttpResponse(301, (("Location", f"https://203.0.113.66/onvif/device_service{added}"),))
            camera = self.camera(auth="digest", script={"GetSystemDateAndTime": [moved]})
            inspection = self.inspect(camera, ADMIN)
            self.assert_whole(inspection)
            self.assertEqual(inspection.onvif_url, f"https://192.0.2.9/onvif/device_service{slash}")
            self.assertFalse(any("203.0.113.66" in url or "randnum" in url for url in camera.urls))

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
