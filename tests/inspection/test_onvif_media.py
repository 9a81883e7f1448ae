"""The media services of ONVIF devices: profiles, addresses, pictures, and what is not where it should be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import Any

from tests.inspection.scripted_camera import MAIN, SUB, ScriptedCamera
from tests.inspection.test_onvif import ADDRESS, ADMIN, ANNOUNCED, XADDR, Base
from twisted_detector.errors import Malformed, Unreachable
from twisted_detector.inspection.http.client import HttpResponse
from twisted_detector.inspection.onvif.findings import Findings
from twisted_detector.inspection.onvif.inspector import Scheduling
from twisted_detector.inspection.onvif.streams import MAX_PER_SOURCE
from twisted_detector.model import Status
from twisted_detector.testing.simulator.wire import onvif_answers
from twisted_detector.testing.simulator.wire.soap import fault_envelope
from twisted_detector.wire.onvif import answers as onvif
from twisted_detector.wire.soap.envelope import NS_SOAP, NS_SOAP11


class Media(Base):
    def test_media2(self) -> None:
        """Media2 is preferred: it alone can say H.265."""
        camera = self.camera(profiles=(replace(MAIN, codec="H265"), SUB))
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        inspection = self.inspect(camera)
        self.assertEqual(inspection.streams[0].codec, "H265")
        self.assertEqual(inspection.capabilities, ("media", "media2", "events", "username_token"))
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

    def test_media2_that_hangs_up(self) -> None:
        """So it is where Media2 hangs up instead, for each profile anew, as long as all else is answered."""
        camera = self.camera(services={onvif.NS_MEDIA2: "http://192.0.2.9/onvif/media2_service"})
        react = camera._react

        def hang_up(url: str, body: bytes, headers: Any) -> HttpResponse:
            if "media2" in url and b"GetStreamUri" in body:
                camera.asked.append("hung up")
                raise Unreachable("the device closed the connection without an answer", code="closed")
            return react(url, body, headers)

        camera._react = hang_up  # type: ignore[method-assign]
        self.assert_whole(self.inspect(camera))
        self.assertEqual(camera.asked.count("hung up"), 2)

    def test_gone_in_the_middle(self) -> None:
        """A device that hangs up on one call after the other is gone."""
        gone = Unreachable("the device closed the connection without an answer", code="closed")
        camera = self.camera(script={"GetProfiles": [gone] * 9})
        self.failureResultOf(self.start(camera, None, ANNOUNCED), Unreachable)
        self.assertEqual(camera.asked.count("GetProfiles"), 3)

    def test_mixed_up_paths(self) -> None:
        """Media that is named where another service is, which has no profiles, is looked for at the usual places."""
        for named, asked in (("/onvif/ptz_service", 2), ("/onvif/media_service", 1)):
            camera = self.camera(services={onvif.NS_MEDIA: f"http://192.0.2.9{named}"})
            camera.script["GetProfiles"] = [onvif_answers.profiles(())]
            inspection = self.inspect(camera)
            self.assertEqual(camera.asked.count("GetProfiles"), asked)
            self.assertEqual(inspection.status, Status.ONLINE if asked == 2 else Status.STREAM_ERROR)

    def test_path_alone(self) -> None:
        """An address of a stream that is a path alone is one at the device, at the port of RTSP."""
        urls = [one.url for one in self.inspect(self.camera(uri="/live/")).streams]
        self.assertEqual(urls, ["rtsp://192.0.2.9/live/P1", "rtsp://192.0.2.9/live/P2"])

    def test_many_profiles(self) -> None:
        """An NVR's forty profiles all become streams."""
        profiles = tuple(replace(MAIN, token=f"P{n}", source=f"VS{n}") for n in range(40))
        self.assertEqual(len(self.inspect(self.camera(profiles=profiles)).streams), 40)

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
        camera.script["GetProfiles"] = [HttpResponse(404, (), b"")] * 4
        self.assertIsNone(self.successResultOf(self.start(camera, None, ANNOUNCED)))

    def test_one_stream_fails(self) -> None:
        """A profile without an address costs that stream; when all fail, it is said why."""
        fault = HttpResponse(400, (), fault_envelope("ter:NoProfile", "no such profile"))
        self.assertEqual(len(self.inspect(self.camera(script={"GetStreamUri": [fault]})).streams), 1)
        inspection = self.inspect(self.camera(script={"GetStreamUri": [fault, fault]}))
        self.assertEqual((inspection.status, inspection.streams), (Status.STREAM_ERROR, ()))
        self.assertEqual(inspection.model, "Eye 1")


class Recorder(Base):
    def test_pictures_of_channels(self) -> None:
        """Each source of a recorder has its own picture, whatever the number of its profiles."""
        profiles = tuple(replace(MAIN, token=f"{kind}{n}", source=f"VS{n}") for n in range(3) for kind in "ms")
        inspection = self.inspect(self.camera(profiles=profiles))
        self.assertEqual(dict(inspection.snapshots), {f"VS{n}": f"http://192.0.2.9/snap/m{n}" for n in range(3)})
        self.assertEqual(inspection.snapshot_url, "http://192.0.2.9/snap/m0")

    def test_bound(self) -> None:
        """What no recorder has is not asked for: the profiles beyond the bounds, of the device and of one source."""
        profiles = tuple(
            replace(MAIN, token=f"P{n}", source=f"VS{n // MAX_PER_SOURCE}") for n in range(onvif.MAX_PROFILES + 5)
        )
        self.assertEqual(len(self.inspect(self.camera(profiles=profiles)).streams), onvif.MAX_PROFILES)
        camera = self.camera(profiles=tuple(replace(MAIN, token=f"P{n}") for n in range(MAX_PER_SOURCE + 5)))
        self.assertEqual(MAX_PER_SOURCE, len(self.inspect(camera).streams))
        self.assertEqual(MAX_PER_SOURCE, camera.asked.count("GetStreamUri"))

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
            profiles = read()
            self.assertIsInstance(profiles[0], onvif.Profile)  # no tree is left to be read here
            return profiles

        profiles = tuple(replace(MAIN, token=f"P{n}", name="x" * 2000, source=f"VS{n}") for n in range(100))
        found = self.inspect(self.camera(profiles=profiles), scheduling=Scheduling(elsewhere=elsewhere))
        self.assertEqual((100, [1]), (len(found.streams), lengths))
        self.inspect(self.camera(), scheduling=Scheduling(elsewhere=elsewhere))
        self.assertEqual([1], lengths)

    def test_codecs(self) -> None:
        """Media2 profiles of every codec keep it, with their audio."""
        codecs = ("H264", "H265", "AV1", "JPEG")
        camera = self.camera(profiles=tuple(replace(MAIN, token=codec, codec=codec) for codec in codecs))
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        streams = self.inspect(camera).streams
        self.assertEqual([(one.codec, one.audio) for one in streams], [(codec, "PCMU") for codec in codecs])


class Fallbacks(Base):
    """Services that are not where they are said to be, or do not work as they are said to."""

    def only_at(self, *paths: str, wrong: HttpResponse | None = None, **said: Any) -> ScriptedCamera:
        """A camera with services at these paths; elsewhere it has a web page for all, or ``wrong``."""
        camera = self.camera(**said)
        react = camera._react

        def answer(url: str, body: bytes, headers: Any) -> HttpResponse:
            if url.removeprefix("http://192.0.2.9") in paths:
                return react(url, body, headers)
            camera.urls.append(url)
            camera.asked.append("nothing")
            camera.sent.append((body, headers))
            return wrong or HttpResponse(404, (), b"<html>no</html>")

        camera._react = answer  # type: ignore[method-assign]
        return camera

    def test_wrong_path_of_a_service(self) -> None:
        """A service that is not at the path that is named is looked for at the usual ones, with and without a login."""
        for wrong, auth, place in product(
            (
                HttpResponse(404, (), b"<html>no</html>"),
                HttpResponse(405, (), b""),
                HttpResponse(400, (), b"<html>Bad Request</html>"),
                HttpResponse(200, (), b"<html>Welcome</html>"),
            ),
            ("none", "digest", "wsse"),
            ("/onvif/media_service", "/onvif/Media", "/onvif/device_service"),
        ):
            camera = self.only_at("/onvif/device_service", place, wrong=wrong, auth=auth)
            camera.services[onvif.NS_MEDIA] = "http://192.0.2.9/onvif/medias_service"
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertNotIn("wrong", camera.logins)

    def test_wrong_path_of_the_device_service(self) -> None:
        """An announced device service that is not there is looked for where the specification has it."""
        for wrong in (HttpResponse(404), HttpResponse(405), HttpResponse(400, (), b"<html>"), HttpResponse(501)):
            camera = self.only_at("/onvif/device_service", "/onvif/media_service", wrong=wrong)
            announced = replace(ANNOUNCED, xaddrs=("http://192.0.2.9/onvif/devices",))
            self.assertEqual(XADDR, self.inspect(camera, candidate=announced).onvif_url)

    def test_address_of_another_network(self) -> None:
        """Services that are named at the address of a router are asked at the device's own, at its own port at last."""
        camera = self.only_at("/onvif/device_service", "/onvif/media_service")
        camera.services[onvif.NS_MEDIA] = "http://203.0.113.66:8106/onvif/media_service"
        self.assert_whole(self.inspect(camera, ADMIN))
        self.assertFalse(any("203.0.113.66" in url for url in camera.urls))

    def test_media2_that_faults(self) -> None:
        """Media2 that is announced and does not work is replaced by Media1, whether that is named or not."""
        for fault, named in product(
            (
                HttpResponse(500, (), onvif_answers.action_not_supported()),
                HttpResponse(404, (), b""),
                HttpResponse(200, (), b"<html></html>"),
            ),
            (True, False),
        ):
            camera = self.camera()
            answer = camera._answer

            def without(
                operation: str, namespace: str, token: str, answer: Any = answer, fault: HttpResponse = fault
            ) -> HttpResponse:
                return fault if namespace == onvif.NS_MEDIA2 else answer(operation, namespace, token)

            camera._answer = without  # type: ignore[method-assign]
            camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
            if not named:
                del camera.services[onvif.NS_MEDIA]
            inspection = self.inspect(camera)
            self.assert_whole(inspection)
            self.assertEqual("http://192.0.2.9/snap/P1", inspection.snapshot_url)

    def test_media2_with_profiles_only(self) -> None:
        """Where Media2 lists profiles and faults at their addresses, Media1 is asked for all of it."""
        camera = self.camera()
        answer = camera._answer

        def without(operation: str, namespace: str, token: str) -> HttpResponse:
            if namespace == onvif.NS_MEDIA2 and operation != "GetProfiles":
                return HttpResponse(500, (), onvif_answers.action_not_supported())
            return answer(operation, namespace, token)

        camera._answer = without  # type: ignore[method-assign]
        camera.services[onvif.NS_MEDIA2] = "http://192.0.2.9/onvif/media2_service"
        inspection = self.inspect(camera)
        self.assert_whole(inspection)
        self.assertEqual("http://192.0.2.9/snap/P1", inspection.snapshot_url)
        self.assertLessEqual(camera.asked.count("GetStreamUri"), 4)

    def test_profiles_without_video(self) -> None:
        """A profile for sound or metadata alone is no stream, and is not asked for one."""
        sound = onvif.Profile("A1", "sound", audio="PCMU")
        camera = self.camera(profiles=(sound, MAIN, SUB))
        self.assert_whole(self.inspect(camera))
        self.assertEqual(2, camera.asked.count("GetStreamUri"))
        only = self.inspect(self.camera(profiles=(onvif.Profile("X"),)))
        self.assertEqual(["X"], [stream.profile for stream in only.streams])  # it says nothing of any

    def test_profile_without_an_address(self) -> None:
        """An empty address, or one of another kind, costs that stream only."""
        for uri in (b"", b"http://192.0.2.9/video.mjpg"):
            empty = onvif_answers.stream_uri("rtsp://x").replace(b"rtsp://x", uri)
            streams = self.inspect(self.camera(script={"GetStreamUri": [empty]})).streams
            self.assertEqual(["P2"], [stream.profile for stream in streams])


class Soap11(Base):
    """Devices that do not know SOAP 1.2, or answer it in their own way."""

    def older(self, answer: bytes | HttpResponse, **said: Any) -> ScriptedCamera:
        """A camera that answers SOAP 1.2 with ``answer``, and 1.1 in 1.1."""
        camera = self.camera(**said)
        react = camera._react

        def only_11(url: str, body: bytes, headers: Any) -> HttpResponse:
            if NS_SOAP.encode() in body:
                camera.asked.append("1.2")
                return answer if isinstance(answer, HttpResponse) else HttpResponse(500, (), answer)
            self.assertEqual("text/xml; charset=utf-8", headers["Content-Type"])
            self.assertIn('"http://www.onvif.org/', headers["SOAPAction"])
            reaction = react(url, body, headers)
            return replace(reaction, body=reaction.body.replace(NS_SOAP.encode(), NS_SOAP11.encode()))

        camera._react = only_11  # type: ignore[method-assign]
        return camera

    def test_answers_in_11(self) -> None:
        """An answer in SOAP 1.1 to a request in 1.2 is read as any other."""
        for auth in ("none", "digest", "wsse"):
            camera = self.camera(auth=auth)
            post = camera.post

            async def older(url: str, body: bytes, headers: Any, post: Any = post) -> HttpResponse:
                answer = await post(url, body, headers)
                return replace(answer, body=answer.body.replace(NS_SOAP.encode(), NS_SOAP11.encode()))

            camera.post = older  # type: ignore[method-assign]
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertNotIn("wrong", camera.logins)

    def test_only_11(self) -> None:
        """A device that refuses SOAP 1.2, however it does, is asked in 1.1 from then on."""
        mismatch = _fault11("SOAP-ENV:VersionMismatch", "Wrong SOAP version")
        for answer, auth in product(
            (
                mismatch,
                HttpResponse(400, (), mismatch),
                HttpResponse(200, (), mismatch),
                fault_envelope("s:VersionMismatch", "wrong", code="s:VersionMismatch"),
                HttpResponse(415, (), b""),
                HttpResponse(415, (), b"<html>Unsupported Media Type</html>"),
                HttpResponse(400, (), b"<html>Bad Request</html>"),
                HttpResponse(500, (), b""),
                HttpResponse(200, (), b""),
                HttpResponse(202, (), b"\r\n"),
                _fault11("SOAP-ENV:Client", "End of file or no input"),
            ),
            ("none", "digest", "wsse"),
        ):
            camera = self.older(answer, auth=auth)
            self.assert_whole(self.inspect(camera, ADMIN))
            self.assertEqual(1, camera.asked.count("1.2"), answer)
            self.assertNotIn("wrong", camera.logins)

    def test_without_action(self) -> None:
        """A device that finds no action of the name in the content type is given none there from then on."""
        for code, reason in (
            ("wsa:ActionNotSupported", "The [action] cannot be processed at the receiver."),
            (
                "a:ActionNotSupported",
                "The message with Action 'http://x/y' cannot be processed at the receiver, due to",
            ),
        ):
            for auth in ("none", "digest", "wsse"):
                camera = self.camera(auth=auth)
                post, fault = camera.post, HttpResponse(500, (), fault_envelope(code, reason))

                async def without(url: str, body: bytes, headers: Any, post: Any = post, fault: Any = fault) -> Any:
                    answer = await post(url, body, headers)
                    return fault if "action=" in headers["Content-Type"] else answer

                camera.post = without  # type: ignore[method-assign]
                self.assert_whole(self.inspect(camera, ADMIN))
                self.assertEqual(["action=" in headers["Content-Type"] for _, headers in camera.sent].count(True), 1)
                self.assertNotIn("wrong", camera.logins)

    def test_no_action_at_all(self) -> None:
        """A device that says so with the action and without it lacks that operation; others are asked as usual."""
        fault = HttpResponse(500, (), fault_envelope("wsa:x", "The [action] cannot be processed at the receiver."))
        camera = self.camera(script={"GetSystemDateAndTime": [fault] * 9})
        self.assert_whole(self.inspect(camera))
        self.assertEqual(camera.asked.count("GetSystemDateAndTime"), 2)
        self.assertEqual(["action=" in headers["Content-Type"] for _, headers in camera.sent].count(False), 1)

    def test_neither(self) -> None:
        """What answers neither is asked twice and no more; its first answer stands."""
        camera = self.camera(script={"GetSystemDateAndTime": [HttpResponse(500, (), b"<html>")] * 9})
        self.failureResultOf(self.start(camera, None, ANNOUNCED), Malformed)
        self.assertEqual(2, len(camera.asked))

    def test_a_fault_of_12(self) -> None:
        """A device that has no clock to show is asked on in SOAP 1.2."""
        fault = HttpResponse(500, (), onvif_answers.action_not_supported())
        camera = self.camera(script={"GetSystemDateAndTime": [fault]})
        self.assert_whole(self.inspect(camera))
        self.assertTrue(all(NS_SOAP.encode() in body for body, _ in camera.sent))


def _fault11(code: str, text: str) -> bytes:
    return (
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{NS_SOAP11}"><SOAP-ENV:Body><SOAP-ENV:Fault><faultcode>{code}</faultcode>'
        f"<faultstring>{text}</faultstring></SOAP-ENV:Fault></SOAP-ENV:Body></SOAP-ENV:Envelope>"
    ).encode()
