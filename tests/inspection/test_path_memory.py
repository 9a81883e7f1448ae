"""When a search for streams by path is begun, goes on, and is begun anew."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.task import Clock

from tests.doubles.rtsp_camera import SDP, Camera, result_of
from tests.inspection.test_rtsp import LOGIN, NO_VIDEO, RtspTestCase
from twisted_detector.errors import Unauthorized, Unreachable
from twisted_detector.inspection.rtsp.catalog import Hints, paths_for
from twisted_detector.inspection.rtsp.inspector import MAX_PATHS, PAUSE, SEARCH_SECONDS, RtspInspector
from twisted_detector.inspection.rtsp.path_memory import CHANGE_HOLD, SEARCH_AGAIN
from twisted_detector.model import Candidate, Inspection, Login, Secret, Status
from twisted_detector.wire.rtsp.messages import RtspRequest

TOTAL = len(paths_for(Hints()))
OVER = (
    f"RTSP answers but none of the {TOTAL} known paths exists; they are tried again once a day, and when you ask for"
    " it; if you know its stream, give its URL (camdetect stream)"
)


class StampedCamera(Camera):
    """Keeps when each DESCRIBE came."""

    stamps: list[float]

    def __post_init__(self) -> None:
        super().__post_init__()
        self.stamps = []
        self.script["DESCRIBE"] = self.stamp

    def stamp(self, request: RtspRequest) -> Any:
        self.stamps.append(self.clock.seconds())
        return ...


class SearchTests(RtspTestCase):
    """A camera that answers, but has its stream where nobody knows."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_000_000)
        self.camera = StampedCamera(self.clock, paths={"/nobody/knows": SDP})
        self.inspector = RtspInspector(
            self.clock, connect=self.camera, cnonce=lambda: "c", random_path=lambda: "/random", timeout=5
        )
        self.candidate = Candidate("device", "10.0.0.5", rtsp_ports=(554,))

    def inspect(self, login: Login | None = None, **changes: Any) -> Inspection:
        self.camera.asked.clear()
        candidate = replace(self.candidate, **changes)
        inspection = result_of(self.clock, self.inspector.inspect(candidate, login), wait=90)
        assert inspection is not None
        return inspection

    def tried(self) -> int:
        """How many paths were tried in the last inspection."""
        return len(self.camera.described()) - 1

    def test_one_round(self) -> None:
        """All paths are tried once, a few in a row, in seconds; the reason says when they are tried again."""
        inspection = self.inspect()
        self.assertEqual(TOTAL, len(set(self.camera.described()[1:])))
        self.assertEqual((Status.STREAM_ERROR, (), OVER), (inspection.status, inspection.streams, inspection.reason))
        self.assertFalse(inspection.unfinished)
        stamps = self.camera.stamps
        self.assertLess(stamps[-1] - stamps[0], 10)
        for first, later in zip(stamps[1:], stamps[1 + MAX_PATHS :], strict=False):
            self.assertGreaterEqual(later - first, PAUSE)

    def test_not_at_every_check(self) -> None:
        """After it nothing is searched for a day, and the reason stays word for word: it is no news."""
        self.inspect()
        for _ in range(24 * 60 - 5):
            self.clock.advance(60)
            self.assertEqual(OVER, self.inspect().reason)
            self.assertEqual(0, self.tried())
        self.clock.advance(600)
        self.assertEqual(OVER, self.inspect().reason)
        self.assertEqual(TOTAL, self.tried())

    def test_a_clock_that_jumped_back(self) -> None:
        """A stamp in the future does not put the next search off for ever."""
        self.inspect()
        self.clock.rightNow -= 500_000
        self.inspect()
        self.assertEqual(TOTAL, self.tried())

    def test_at_once(self) -> None:
        """Another address, and a person's word, begin it anew at once."""
        self.inspect()
        for changes in ({"address": "10.0.0.6"}, {"address": "10.0.0.5"}, {"by_hand": True}):
            self.inspect(**changes)
            self.assertEqual(TOTAL, self.tried(), changes)
            self.inspect(**changes | {"by_hand": False})
            self.assertEqual(0, self.tried(), changes)

    def test_another_login(self) -> None:
        """Where the login comes first, another login begins it anew; the same is not even sent."""
        self.camera.password, self.camera.login_first = "pa:ss wörd", True
        self.assertEqual(OVER, self.inspect(LOGIN).reason)
        self.assertEqual(OVER, self.inspect(LOGIN).reason)
        self.assertFalse(any(asked.authorized for asked in self.camera.asked))
        self.camera.password = "another"
        self.assertEqual(OVER, self.inspect(Login("cam", Secret("another"))).reason)
        self.assertLessEqual(TOTAL, self.tried())
        self.assertEqual(0, self.camera.wrong_logins)

    def test_refused_login_ends_it(self) -> None:
        """A login that is refused in a search is sent once, however many paths there are."""
        self.camera.password, self.camera.login_first = "another", True
        with self.assertRaises(Unauthorized):
            self.inspect(LOGIN)
        self.assertEqual(1, self.camera.wrong_logins)

    def test_another_firmware(self) -> None:
        """Another Server header, and a device that was away, begin it anew, once an hour at most."""
        self.inspect()
        self.camera.server = "double/2"
        self.inspect()
        self.assertEqual(0, self.tried())
        self.clock.advance(CHANGE_HOLD)
        self.inspect()
        self.assertEqual(TOTAL, self.tried())
        self.camera.refuses = True
        with self.assertRaises(Unreachable):
            self.inspect()
        self.camera.refuses = False
        self.clock.advance(CHANGE_HOLD)
        self.camera.paths = {"/stream1": SDP}
        self.assertEqual(Status.ONLINE, self.inspect().status)
        self.assertLess(CHANGE_HOLD, SEARCH_AGAIN)

    def test_slow(self) -> None:
        """What there is no time for is left to an inspection that is to follow at once, and goes on."""

        def slowly(request: RtspRequest) -> Any:
            answer = f"RTSP/1.0 404 Not Found\r\nCSeq: {request.cseq}\r\n\r\n".encode()
            self.clock.callLater(3.0, self.camera.connections[-1].send, answer)
            return None

        self.camera.script["DESCRIBE"] = slowly
        tried: list[str] = []
        while True:
            inspection = self.inspect()
            tried += self.camera.described()[1:]
            if not inspection.unfinished:
                break
            before = f"RTSP answers but none of the {len(tried)} known paths exists; "
            self.assertEqual(f"{before}{TOTAL - len(tried)} are still to be tried", inspection.reason)
        self.assertEqual((TOTAL, TOTAL, OVER), (len(tried), len(set(tried)), inspection.reason))
        self.assertLess(SEARCH_SECONDS, 60)

    def test_refused_in_another_way(self) -> None:
        """A known path that is there and shows nothing is told of: it is no path that does not exist."""
        self.camera.paths = {"/live": NO_VIDEO}
        self.assertIn(
            f"none of the {TOTAL} known paths shows a stream (/live: the stream has no video)", self.inspect().reason
        )

    def test_several_ports(self) -> None:
        """Each port is searched once; a port that is closed is no reason to search the other anew."""
        ports = (8554, 554)
        self.inspect(rtsp_ports=ports)
        self.assertEqual(2 * TOTAL, self.tried() - 1)
        self.camera.closed_ports = frozenset({8554})
        self.clock.advance(CHANGE_HOLD)
        self.assertEqual(OVER, self.inspect(rtsp_ports=ports).reason)
        self.assertEqual(0, self.tried())
