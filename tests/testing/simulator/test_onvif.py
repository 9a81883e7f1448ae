"""The simulated camera's ONVIF services, asked with the client's own requests, and its web server in memory."""

from __future__ import annotations

from random import Random

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import LocalError
from twisted_detector.model import Login, Secret
from twisted_detector.testing.simulator.access import SimulatedAccess
from twisted_detector.testing.simulator.camera import SNAPSHOTS, Auth, CameraSpec, Quirks
from twisted_detector.testing.simulator.http import MAX_BODY, HttpAnswer, HttpRequest, site
from twisted_detector.testing.simulator.onvif import SOURCE, OnvifService
from twisted_detector.wire.http.digest import authorization, parse_challenges
from twisted_detector.wire.image import read_image
from twisted_detector.wire.onvif import answers as onvif, requests as ask
from twisted_detector.wire.soap.envelope import SoapFault, envelope, format_time, parse_response, username_token
from twisted_detector.wire.soap.xml import Element

DEVICE, MEDIA, MEDIA2 = (f"/onvif/{name}_service" for name in ("device", "media", "media2"))


class Services(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)

    def service(self, auth: Auth = Auth.NONE, *, media2: bool = True, quirks: Quirks | None = None) -> OnvifService:
        spec = CameraSpec(
            "10.0.0.9", auth=auth, login=Login("viewer", Secret("right")), media2=media2, quirks=quirks or Quirks()
        )
        self.spec = spec
        self.access = SimulatedAccess(spec, clock=self.clock, random=Random(1))
        return OnvifService(spec, self.access, clock=self.clock)

    def ask(
        self, service: OnvifService, body: str, *, path: str = DEVICE, header: str = "", credentials: str = ""
    ) -> HttpAnswer:
        data = envelope(body, header_xml=header)
        return service.answer(HttpRequest("POST", path, path, credentials, data))

    def body(self, service: OnvifService, body: str, *, path: str = DEVICE) -> Element:
        answer = self.ask(service, body, path=path)
        self.assertEqual(answer.status, 200, answer.body)
        return parse_response(answer.body)

    def test_device(self) -> None:
        """The device service tells the facts of the specification."""
        service = self.service()
        services = onvif.parse_services(self.body(service, ask.get_services()))
        self.assertEqual(services[onvif.NS_MEDIA2], "http://10.0.0.9:8000/onvif/media2_service")
        capabilities = onvif.parse_capabilities(self.body(service, ask.get_capabilities()))
        self.assertEqual(onvif.services_of(capabilities)[onvif.NS_MEDIA], "http://10.0.0.9:8000/onvif/media_service")
        information = onvif.parse_device_information(self.body(service, ask.get_device_information()))
        self.assertEqual(information.serial_number, self.spec.serial_number)
        reference = onvif.parse_endpoint_reference(self.body(service, ask.get_endpoint_reference()))
        self.assertEqual(reference.removeprefix("urn:uuid:"), self.spec.uuid)
        (interface,) = onvif.parse_network_interfaces(self.body(service, ask.get_network_interfaces()))
        self.assertEqual(interface.hardware_address, self.spec.hardware_address.text)
        self.assertEqual(onvif.parse_scopes(self.body(service, ask.get_scopes())), self.spec.scopes)
        self.assertIn("sim-360", onvif.parse_hostname(self.body(service, ask.get_hostname())))

    def test_clock_skew(self) -> None:
        """A skewed camera tells its own time."""
        service = self.service(quirks=Quirks(clock_skew=-3600))
        told = onvif.parse_system_date_and_time(self.body(service, ask.get_system_date_and_time()))
        self.assertEqual(told.seconds, 1_700_000_000 - 3600)

    def test_local_time_as_utc(self) -> None:
        """A camera that gives out local time as UTC says its zone, and keeps its clock."""
        for zone, name in ((8 * 3600.0, "LT-8:00"), (-12_600.0, "LT3:30")):
            service = self.service(quirks=Quirks(local_as_utc=zone))
            told = onvif.parse_system_date_and_time(self.body(service, ask.get_system_date_and_time()))
            self.assertEqual((told.seconds, told.utc_offset, told.zone), (1_700_000_000 + zone, zone, name))
            self.assertEqual(service.now(), 1_700_000_000)

    def test_media(self) -> None:
        """Both media services tell two profiles of one source and where each is streamed."""
        service = self.service()
        for path, profiles, uri, snapshot in (
            (MEDIA, ask.get_profiles(), ask.get_stream_uri, ask.get_snapshot_uri),
            (MEDIA2, ask.get_profiles2(), ask.get_stream_uri2, ask.get_snapshot_uri2),
        ):
            main, sub = onvif.parse_profiles(self.body(service, profiles, path=path))
            self.assertEqual((main.codec, main.width, main.height, main.fps), ("H264", 640, 360, 15.0))
            self.assertEqual((sub.width, sub.source, main.source), (320, SOURCE, SOURCE))
            answer = self.body(service, uri(sub.token), path=path)
            self.assertEqual(onvif.parse_uri(answer), "rtsp://10.0.0.9:8554/stream2")
            answer = self.body(service, snapshot(main.token), path=path)
            self.assertEqual(onvif.parse_uri(answer), "http://10.0.0.9:8000/snapshot.jpg")
            self.assertEqual(self.ask(service, uri("nobody"), path=path).status, 400)

    def test_without_media2(self) -> None:
        """A camera without Media2 neither announces nor has it."""
        service = self.service(media2=False)
        services = onvif.parse_services(self.body(service, ask.get_services()))
        self.assertNotIn(onvif.NS_MEDIA2, services)
        self.assertEqual(self.ask(service, ask.get_profiles2(), path=MEDIA2).status, 404)

    def test_pre_auth(self) -> None:
        """Operations of PRE_AUTH are answered without a login, whatever the authentication."""
        for auth in Auth:
            service = self.service(auth)
            for request in (ask.get_services(), ask.get_system_date_and_time(), ask.get_endpoint_reference()):
                self.assertEqual(self.ask(service, request).status, 200)

    def test_digest(self) -> None:
        """Digest: 401 with a challenge, then the answer; the failure costs nothing before a password was sent."""
        for auth in (Auth.DIGEST, Auth.DIGEST_SHA256):
            service = self.service(auth)
            refusal = self.ask(service, ask.get_profiles(), path=MEDIA)
            self.assertEqual(refusal.status, 401)
            challenge = parse_challenges(refusal.headers["WWW-Authenticate"])[0]
            right = authorization(challenge, "viewer", "right", "POST", MEDIA, cnonce="c")
            self.assertEqual(self.ask(service, ask.get_profiles(), path=MEDIA, credentials=right).status, 200)
            self.assertEqual(self.access.failures, 0)

    def test_wsse(self) -> None:
        """WS-UsernameToken: 400 with ter:NotAuthorized and no challenge; the camera's clock counts, not ours."""
        service = self.service(Auth.WSSE, quirks=Quirks(clock_skew=600))
        refusal = self.ask(service, ask.get_scopes())
        self.assertEqual((refusal.status, refusal.headers), (400, {}))
        with self.assertRaises(SoapFault) as caught:
            parse_response(refusal.body)
        self.assertEqual(caught.exception.fault.subcode, "NotAuthorized")
        for offset, nonce, status in ((0, b"1", 400), (600, b"2", 200)):
            created = format_time(self.clock.seconds() + offset)
            header = username_token("viewer", "right", nonce=nonce, created=created)
            self.assertEqual(self.ask(service, ask.get_scopes(), header=header).status, status)

    def test_attempts_left(self) -> None:
        """A camera that locks says how many attempts are left, and then that it is locked."""
        service = self.service(Auth.WSSE, quirks=Quirks(lock_after=2))
        faults = []
        for nonce in (b"1", b"2", b"3"):
            header = username_token("viewer", "wrong", nonce=nonce, created=format_time(self.clock.seconds()))
            with self.assertRaises(SoapFault) as caught:
                parse_response(self.ask(service, ask.get_scopes(), header=header).body)
            faults.append(caught.exception.fault)
        self.assertEqual(faults[0].attempts_left, 1)
        self.assertTrue(faults[2].locked)
        self.assertEqual(self.access.locks, 1)
        silent = self.service(Auth.WSSE, quirks=Quirks(lock_after=2, lock_silent=True))
        with self.assertRaises(SoapFault) as caught:
            parse_response(self.ask(silent, ask.get_scopes(), header=header).body)
        self.assertIsNone(caught.exception.fault.attempts_left)
        self.assertEqual((1, 0), (self.access.failures, self.access.locks))

    def test_snapshot(self) -> None:
        """The snapshot is a JPEG under the same account; a token camera asks for Digest there."""
        answer = self.service().answer(HttpRequest("GET", "/snapshot.jpg", "/snapshot.jpg", "", b""))
        self.assertEqual((answer.status, answer.content_type, answer.body[:2]), (200, "image/jpeg", b"\xff\xd8"))
        service = self.service(Auth.WSSE)
        answer = service.answer(HttpRequest("GET", "/snapshot.jpg", "/snapshot.jpg", "", b""))
        challenge = parse_challenges(answer.headers["WWW-Authenticate"])[0]
        right = authorization(challenge, "viewer", "right", "GET", "/snapshot.jpg", cnonce="c")
        answer = service.answer(HttpRequest("GET", "/snapshot.jpg", "/snapshot.jpg", right, b""))
        self.assertEqual(answer.status, 200)

    def test_snapshot_moves(self) -> None:
        """Two snapshots are never equal, but of a frozen camera they are."""
        for frozen in (False, True):
            service = self.service(quirks=Quirks(frozen=frozen))
            pictures = set()
            for _ in range(4):
                self.clock.advance(1)
                answer = service.answer(HttpRequest("GET", "/snapshot.jpg", "/snapshot.jpg", "", b""))
                found = read_image(answer.body)
                self.assertEqual((found.width, found.height, found.data), (160, 90, answer.body))
                pictures.add(answer.body)
            self.assertEqual(len(pictures), 1 if frozen else 4)

    def test_snapshot_quirks(self) -> None:
        """What a camera gives instead of a snapshot is what its quirk says."""
        answers = {}
        for quirk in SNAPSHOTS:
            service = self.service(quirks=Quirks(snapshot=quirk))
            answers[quirk] = service.answer(HttpRequest("GET", "/snapshot.jpg", "/snapshot.jpg", "", b""))
        self.assertEqual(answers["denied"].status, 401)
        self.assertGreater(len(answers["huge"].body), 16_777_216)
        self.assertIn(b"<html>", answers["html"].body)
        self.assertEqual(answers["elsewhere"].status, 302)
        self.assertTrue(answers["multipart"].content_type.startswith("multipart/"))
        self.assertEqual(read_image(answers["multipart"].body).media_type, "image/jpeg")
        with self.assertRaises(LocalError):
            Quirks(snapshot="nonsense")

    def test_wrong_requests(self) -> None:
        """Unknown operations, paths, methods and bytes get the answer that a device gives, not an exception."""
        service = self.service()
        self.assertEqual(self.ask(service, '<a:Reboot xmlns:a="urn:x"/>').status, 500)
        self.assertEqual(self.ask(service, ask.get_services(), path="/other").status, 404)
        for method, data, status in (("GET", b"", 405), ("POST", b"", 400), ("POST", b"<!DOCTYPE a><a/>", 400)):
            self.assertEqual(service.answer(HttpRequest(method, DEVICE, DEVICE, "", data)).status, status)

    def test_pretty(self) -> None:
        """A camera that writes on many lines is understood all the same."""
        service = self.service(quirks=Quirks(pretty=True))
        answer = self.ask(service, ask.get_services())
        self.assertGreater(answer.body.count(b"\n"), 10)
        self.assertEqual(len(onvif.parse_services(parse_response(answer.body))), 3)


class WebServer(SynchronousTestCase):
    def serve(self, *, delay: float = 0.0) -> tuple[StringTransport, object]:
        self.clock = Clock()
        self.seen: list[HttpRequest] = []

        def answer(request: HttpRequest) -> HttpAnswer:
            self.seen.append(request)
            return HttpAnswer(401, b"no", headers={"WWW-Authenticate": ("Digest a", "Basic b")})

        factory = site(answer, reactor=self.clock, delay=delay)
        factory.doStart()
        self.addCleanup(factory.doStop)
        protocol = factory.buildProtocol(None)
        transport = StringTransport()
        protocol.makeConnection(transport)
        return transport, protocol

    def test_request_and_answer(self) -> None:
        """Target, path, Authorization and body arrive; every challenge is its own header."""
        transport, protocol = self.serve()
        protocol.dataReceived(b"POST /a?b=1 HTTP/1.1\r\nHost: x\r\nAuthorization: z\r\nContent-Length: 3\r\n\r\nabc")
        self.assertEqual(self.seen, [HttpRequest("POST", "/a?b=1", "/a", "z", b"abc")])
        self.assertIn(b"401", transport.value().split(b"\r\n")[0])
        self.assertEqual(transport.value().count(b"WWW-Authenticate: "), 2)
        self.assertTrue(transport.value().endswith(b"\r\n\r\nno"))

    def test_delay(self) -> None:
        """A slow camera answers after its delay; a client that left before is forgotten."""
        transport, protocol = self.serve(delay=2.0)
        protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.clock.advance(1.9)
        self.assertEqual(transport.value(), b"")
        self.clock.advance(0.2)
        self.assertTrue(transport.value().endswith(b"no"))

    def test_body_bound(self) -> None:
        """A body over the bound cuts the connection, announced or in chunks."""
        for head in (b"Content-Length: 999999999", b"Transfer-Encoding: chunked"):
            transport, protocol = self.serve()
            protocol.dataReceived(b"POST / HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            chunk = b"x" * 16_384
            framed = b"4000\r\n" + chunk + b"\r\n" if b"chunked" in head else chunk
            for _ in range(MAX_BODY // 16_384):
                protocol.dataReceived(framed)
            self.assertFalse(transport.disconnected)
            protocol.dataReceived(framed)
            self.assertTrue(transport.disconnected)
            self.assertEqual(self.seen, [])
