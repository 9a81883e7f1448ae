"""A login that is typed for cameras with rude manners: what they are sent, what they count, and what is told."""

from __future__ import annotations

from typing import Any

from tests.detector.case import HERE, ID
from tests.doubles.rtsp_camera import KEYFRAME, SDP, SPS, Camera
from tests.facts import A, sighting
from tests.operations.deciding_case import DecidingCase
from twisted_detector.inspection.rtsp.inspector import RtspInspector
from twisted_detector.inspection.rtsp.validator import RtspValidator
from twisted_detector.model import Status
from twisted_detector.operations.logins.command import WAIT_SECONDS

RIGHT, WRONG = "canary-right", "canary-wrong"


class RudeTests(DecidingCase):
    """A camera that has RTSP only, asked by the real inspector and the real proof."""

    def begin(self) -> None:
        self.rude = Camera(self.clock, paths={"/stream1": SDP}, password=RIGHT, media=[SPS, KEYFRAME])
        connect: Any = self.rude
        inspector = RtspInspector(self.clock, timeout=5, connect=connect, random_path=lambda: "/none")
        self.inspector: Any = inspector
        self.validator: Any = RtspValidator(self.clock, timeout=5, connect=connect)
        super().begin()

    def find(self) -> None:
        self.watcher.report(sighting(HERE, A, rtsp_ports=(554,)))
        self.clock.pump([0.1] * 100)
        self.assertEqual((Status.AUTH_REQUIRED, 0), (self.camera().status, self.rude.wrong_logins))

    def try_it(self, password: str, seconds: float = 9) -> tuple[str, int]:
        asked = self.begin_asking("login", camera_id=ID, action="try", user="cam", password=password)
        self.clock.pump([0.1] * int(10 * seconds))
        self.answer = self.successResultOf(asked)
        return self.answer["outcome"], self.answer["left"]

    def test_hangs_up_after_each_refusal(self) -> None:
        """A connection that ends with a 401 is no outcome: the right one is accepted, and the camera online."""
        self.rude.hangs_up = True
        self.assertEqual(("accepted", 2), self.try_it(RIGHT))
        self.assertEqual((Status.ONLINE, 0), (self.camera().status, self.rude.wrong_logins))

    def test_hangs_up_after_a_typo(self) -> None:
        """With one failure left nothing is sent twice: the right one is accepted, and the camera is online soon."""
        self.rude.hangs_up = True
        self.assertEqual(("refused", 1), self.try_it(WRONG))
        self.assertEqual(("accepted", 1), self.try_it(RIGHT))
        self.assertIn("no login may be sent to it now", self.answer["text"])
        self.clock.pump([1] * 90)
        self.assertEqual((Status.ONLINE, 1), (self.camera().status, self.rude.wrong_logins))

    def test_locks_after_two(self) -> None:
        """It is never sent a third one, and it is told when the next may be."""
        self.assertEqual(("refused", 1), self.try_it(WRONG))
        self.assertEqual(("refused", 0), self.try_it(WRONG))
        self.assertIn("no login is tried before", self.answer["text"])
        self.assertEqual(("not-tried", 0), self.try_it(RIGHT))
        self.assertEqual(2, self.rude.wrong_logins)

    def test_slow(self) -> None:
        """One that needs six seconds for an answer is told as unanswered within ten, and counts."""
        self.rude.script["DESCRIBE"] = self.slowly
        asked = self.begin_asking("login", camera_id=ID, action="try", user="cam", password=RIGHT)
        self.clock.pump([0.1] * int(10 * WAIT_SECONDS) + [0.1])
        answer = self.successResultOf(asked)
        self.assertEqual("unanswered", answer["outcome"])
        self.assertEqual("", answer["kept"])
        self.clock.pump([0.5] * 100)
        self.assertNotIn(RIGHT, self.text())

    def slowly(self, request: Any) -> Any:
        """It answers what has a login after six seconds, when nobody waits any more."""
        if not request.header("Authorization"):
            return ...
        self.clock.callLater(6, lambda: None)
        return None

    def test_no_login_needed(self) -> None:
        """It was opened meanwhile: nothing is sent, and nothing kept."""
        self.rude.password = ""
        self.assertEqual(("not-needed", 2), self.try_it(WRONG))
        self.assertFalse([one for one in self.rude.asked if one.authorized])
        self.assertEqual(("", Status.ONLINE), (self.answer["kept"], self.camera().status))

    def test_no_connection_left(self) -> None:
        """453 after the login was accepted: it is kept, and it is told that the camera is full."""
        self.rude.script["SETUP"] = 453
        self.assertEqual(("accepted", 2), self.try_it(RIGHT))
        self.assertIn("453", self.answer["text"])
        self.assertEqual(("camera", Status.BUSY), (self.answer["kept"], self.camera().status))
