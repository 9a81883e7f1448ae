"""The inspector of cameras without ONVIF: which paths are asked for, and what is made of the answers; no sockets."""

from __future__ import annotations

from typing import Any

from zope.interface.verify import verifyObject

from tests.doubles.rtsp_camera import SDP, result_of
from tests.inspection.test_rtsp import LOGIN, URL, WRONG, RtspTestCase
from twisted_detector.errors import Busy, Malformed, Unauthorized, Unreachable
from twisted_detector.inspection.rtsp import catalog, inspector as rtsp_inspection
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.interfaces import IInspector
from twisted_detector.model import Candidate, Inspection, Login, Proof, Status
from twisted_detector.wire.rtsp.messages import RtspRequest


class InspectorTests(RtspTestCase):
    """Cameras without ONVIF."""

    def setUp(self) -> None:
        super().setUp()
        self.inspector = RtspInspector(
            self.clock, connect=self.camera, cnonce=lambda: "c", random_path=lambda: "/random", timeout=5
        )
        self.candidate = Candidate("device", "10.0.0.5", rtsp_ports=(554,))

    def inspect(self, login: Login | None = None, candidate: Candidate | None = None) -> Inspection | None:
        self.camera.asked.clear()
        return result_of(self.clock, self.inspector.inspect(candidate or self.candidate, login), wait=30)

    def test_interface(self) -> None:
        """It is what it says."""
        self.assertTrue(verifyObject(IInspector, self.inspector))

    def test_not_mine(self) -> None:
        """No RTSP port, another protocol on the port and silence on it are none of its affair."""
        self.assertIsNone(self.inspect(candidate=Candidate("d", "10.0.0.5")))
        self.assertEqual(self.camera.connections, [])
        for answer in (b"SSH-2.0-OpenSSH\r\n", None, "close"):
            self.camera.script = {"OPTIONS": answer, "DESCRIBE": answer}
            self.assertIsNone(self.inspect())

    def test_unreachable(self) -> None:
        """Closed ports, and silence where streams were, are Unreachable."""
        self.camera.refuses = True
        with self.assertRaises(Unreachable):
            self.inspect()
        self.camera.refuses, self.camera.script = False, {"OPTIONS": None, "DESCRIBE": None}
        with self.assertRaises(Unreachable):
            self.inspect(candidate=Candidate("device", "10.0.0.5", rtsp_ports=(554,), known_urls=(URL,)))

    def test_path_first(self) -> None:
        """Where paths are told apart they are searched without a credential: main and sub stream come out."""
        self.camera.paths = {"/stream1": SDP, "/stream2": SDP}
        inspection = self.inspect(LOGIN)
        self.assertEqual([stream.url for stream in inspection.streams], [URL, URL[:-1] + "2"])
        self.assertEqual([stream.name for stream in inspection.streams], ["main", "sub"])
        self.assertEqual((inspection.status, inspection.login), (Status.ONLINE, ""))
        stream = inspection.streams[0]
        self.assertEqual((stream.codec, stream.fps, stream.proof, stream.validated), ("H264", 15.0, Proof.SDP, False))
        self.assertFalse(any(asked.authorized for asked in self.camera.asked))
        self.assertEqual(self.camera.most_open, 1)

    def test_path_first_with_password(self) -> None:
        """Paths are searched without the password; it is spent on the one that exists, which is remembered."""
        self.camera.password = LOGIN.password.reveal()
        inspection = self.inspect()
        self.assertEqual((inspection.status, len(inspection.streams)), (Status.AUTH_REQUIRED, 1))
        self.assertEqual(inspection.streams[0].proof, Proof.AUTH)
        inspection = self.inspect(LOGIN)
        self.assertEqual((inspection.status, inspection.login), (Status.ONLINE, "cam"))
        self.assertEqual(self.camera.described(), ["/random", "/stream1", "+/stream1", "+/stream2"])

    def test_path_first_refused(self) -> None:
        """A password that was refused on the right path is spent once."""
        self.camera.password = LOGIN.password.reveal()
        with self.assertRaises(Unauthorized) as caught:
            self.inspect(WRONG)
        self.assertTrue(caught.exception.attempted)
        self.assertEqual(self.camera.wrong_logins, 1)

    def test_login_first(self) -> None:
        """Where the login comes first nothing is searched without one; with one the paths are."""
        self.camera.password, self.camera.login_first = LOGIN.password.reveal(), True
        inspection = self.inspect()
        self.assertEqual((inspection.status, inspection.streams), (Status.AUTH_REQUIRED, ()))
        self.assertEqual(self.camera.described(), ["/random"])
        inspection = self.inspect(LOGIN)
        self.assertEqual((inspection.status, inspection.login), (Status.ONLINE, "cam"))
        self.assertEqual([stream.url for stream in inspection.streams], [URL])

    def test_login_first_refused(self) -> None:
        """A refused credential ends the search at its first path."""
        self.camera.password, self.camera.login_first = LOGIN.password.reveal(), True
        with self.assertRaises(Unauthorized) as caught:
            self.inspect(WRONG)
        self.assertTrue(caught.exception.attempted)
        self.assertEqual((self.camera.wrong_logins, len(self.camera.described())), (1, 3))

    def test_anything(self) -> None:
        """A server that takes every path has one stream: other names for it would be inventions."""
        self.camera.any_path = True
        inspection = self.inspect()
        self.assertEqual((len(inspection.streams), inspection.status), (1, Status.ONLINE))
        self.assertEqual(len(self.camera.described()), 2)

    def test_memory_is_bounded(self) -> None:
        """Which paths were tried is remembered of a bounded number of devices."""
        self.patch(rtsp_inspection, "MAX_REMEMBERED", 2)
        self.setUp()  # the bound is read when the inspector is made
        self.camera.paths = {}
        first = []
        for name in ("a", "b", "c", "a"):
            self.inspect(candidate=Candidate(name, "10.0.0.5", rtsp_ports=(554,)))
            first.append(self.camera.described()[1])
        self.assertEqual(first[0], first[3])

    def test_known_urls(self) -> None:
        """Streams that worked before are asked for first, at the device's present address, and nothing else is."""
        known = ("rtsp://10.0.0.77:554/mine?a=b", "rtsp://10.0.0.77:554/other")
        self.camera.paths = {"/mine?a=b": SDP, "/other": SDP}
        inspection = self.inspect(candidate=Candidate("device", "10.0.0.5", known_urls=known))
        urls = [stream.url for stream in inspection.streams]
        self.assertEqual(urls, ["rtsp://10.0.0.5:554/mine?a=b", "rtsp://10.0.0.5:554/other"])
        self.assertEqual(self.camera.described(), ["/random", "/mine?a=b", "/other"])

    def test_hints(self) -> None:
        """What the server says of its make decides which paths come first, and is told."""
        self.camera.paths, self.camera.server = {"/axis-media/media.amp": SDP}, "AXIS thing"
        inspection = self.inspect()
        self.assertEqual(self.camera.described(), ["/random", "/axis-media/media.amp"])
        self.assertEqual((inspection.manufacturer, inspection.evidence[0].value), ("Axis", "Axis"))

    def test_several_ports(self) -> None:
        """The first port with a stream counts; where none has one, the paths are tried on each."""
        self.camera.closed_ports = frozenset({8554})
        self.camera.paths = {"/stream1": SDP}
        candidate = Candidate("device", "10.0.0.5", rtsp_ports=(8554, 554))
        self.assertEqual(self.inspect(candidate=candidate).streams[0].url, URL)
        self.camera.closed_ports, self.camera.paths = frozenset(), {}
        self.inspect(candidate=Candidate("other", "10.0.0.5", rtsp_ports=(8554, 554)))
        self.assertEqual(len(self.camera.described()), 2 + 2 * len(catalog.paths_for(catalog.Hints())))

    def test_hang_up_on_wrong_path(self) -> None:
        """A server that hangs up on a path that it does not have is asked on, on a new connection each time."""

        def describe(request: RtspRequest) -> Any:
            return ... if request.url == URL else "close"

        self.camera.script["DESCRIBE"] = describe
        self.assertEqual(self.inspect().streams[0].url, URL)
        self.assertEqual(self.camera.most_open, 1)

    def test_options_without_an_answer(self) -> None:
        """A server that answers no OPTIONS, or only that for one of its streams, is asked for those all the same."""
        self.camera.paths = {"/mine": SDP, "/stream1": SDP}
        known = Candidate("device", "10.0.0.5", rtsp_ports=(554,), known_urls=("rtsp://10.0.0.5:554/mine",))
        for answer in (None, "close"):
            self.camera.script["OPTIONS"] = lambda request, answer=answer: ... if "/mine" in request.url else answer
            inspection = self.inspect(candidate=known)
            self.assertEqual("rtsp://10.0.0.5:554/mine", inspection.streams[0].url)
            self.assertEqual("rtsp://10.0.0.5:554/mine", self.camera.asked[0].url)
            self.assertEqual(
                URL, self.inspect(candidate=Candidate("other", "10.0.0.5", rtsp_ports=(554,))).streams[0].url
            )

    def test_silent_but_for_its_streams(self) -> None:
        """A server that answers nothing but DESCRIBE of a stream that it has is found by the path that is known."""
        self.camera.paths = {"/mine": SDP}
        known = Candidate("device", "10.0.0.5", rtsp_ports=(554,), known_urls=("rtsp://10.0.0.5:554/mine",))
        for answer in (None, "close"):
            self.camera.script["OPTIONS"] = answer
            self.camera.script["DESCRIBE"] = lambda request, answer=answer: ... if "/mine" in request.url else answer
            self.assertEqual(1, len(self.inspect(candidate=known).streams))

    def test_silent_for_a_while(self) -> None:
        """A server that says nothing to a path that worked before is silent; its paths are not looked for elsewhere."""
        self.camera.paths = {"/stream1": SDP}
        known = Candidate("device", "10.0.0.5", rtsp_ports=(554,), known_urls=("rtsp://10.0.0.5:554/mine",))
        for script in (lambda request: None, lambda request: None if "/mine" in request.url else ...):
            self.camera.script["DESCRIBE"] = script
            with self.assertRaises(Unreachable):
                self.inspect(candidate=known)
            self.assertEqual(["/random", "/mine"], self.camera.described())

    def test_redirected(self) -> None:
        """A path that redirects to another of the same server is one that exists."""
        self.camera.paths = {"/else": SDP}
        moved = b"RTSP/1.0 302 Found\r\nLocation: rtsp://10.0.0.5:554/else\r\n\r\n"
        self.camera.script["DESCRIBE"] = lambda request: moved if request.url == URL else ...
        self.assertEqual([URL], [stream.url for stream in self.inspect().streams])

    def test_busy(self) -> None:
        """A device without room is busy, not wrong."""
        self.camera.script["DESCRIBE"] = 453
        with self.assertRaises(Busy):
            self.inspect()

    def test_garbage_in_the_middle(self) -> None:
        """A device that stops speaking RTSP after it did is Malformed."""
        self.camera.script["DESCRIBE"] = b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n"
        with self.assertRaises(Malformed):
            self.inspect()

    def test_link_local(self) -> None:
        """The scope of a link-local address stands in what is published and in nothing that the device sees."""
        inspection = self.inspect(candidate=Candidate("device", "fe80::1%eth0", rtsp_ports=(554,)))
        self.assertEqual(inspection.streams[0].url, "rtsp://[fe80::1%25eth0]:554/stream1")
        self.assertEqual({asked.url.partition("]")[0] for asked in self.camera.asked}, {"rtsp://[fe80::1"})


class GivenStreamTests(RtspTestCase):
    """A person gave a stream: the device has to speak RTSP, and no path is searched."""

    def setUp(self) -> None:
        super().setUp()
        self.inspector = RtspInspector(self.clock, connect=self.camera, cnonce=lambda: "c", timeout=5)
        self.camera.paths = {"/stream1": SDP}
        self.candidate = Candidate(
            "device", "10.0.0.5", rtsp_ports=(554,), own_urls=("rtsp://10.0.0.5:5566/live/9", "rtsp://10.0.0.5:5566/2")
        )

    def inspect(self) -> Inspection | None:
        return result_of(self.clock, self.inspector.inspect(self.candidate, None), wait=30)

    def test_nothing_is_searched(self) -> None:
        """One request without a login, at the port that he named; no stream is named but by him."""
        inspection = self.inspect()
        self.assertEqual(((), Status.ONLINE), (inspection.streams, inspection.status))
        self.assertEqual(["OPTIONS"], [asked.method for asked in self.camera.asked])
        self.assertEqual("rtsp://10.0.0.5:5566/", self.camera.asked[0].url)

    def test_other_port(self) -> None:
        """Where his port is closed another shows that the device is there; his stream is proved all the same."""
        self.camera.closed_ports = frozenset({5566})
        self.assertEqual((), self.inspect().streams)

    def test_away(self) -> None:
        """A device that does not answer at all is told with his path."""
        self.camera.refuses = True
        with self.assertRaises(Unreachable) as caught:
            self.inspect()
        self.assertIn("no answer at port 5566, where you gave the stream /live/9: ", str(caught.exception))

    def test_no_rtsp(self) -> None:
        """So is one that speaks something else there, as RTSP over TLS, and one that closes each connection."""
        for answer in (b"\x15\x03\x01\x00\x02\x02\x0a", "close"):
            self.camera.script = {"OPTIONS": answer, "DESCRIBE": answer}
            with self.assertRaises(Malformed) as caught:
                self.inspect()
            self.assertIn("no RTSP is spoken at port 5566, where you gave the stream /live/9: ", str(caught.exception))
