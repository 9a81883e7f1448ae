"""Of two devices that prove to be one, the one that stays gets what was decided about the other."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from types import MappingProxyType
from typing import Any

from twisted.internet.defer import Deferred, fail, maybeDeferred
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.config.page_settings import FILE
from twisted_detector.errors import NotSaved
from twisted_detector.events import CameraOnline, DevicesMerged
from twisted_detector.model import Camera, Login, Secret
from twisted_detector.model.decisions import CameraDecisions, Decisions, Description, Verdict
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.followers import IdentityFollower, moved

KEPT, GONE = "a", "b"
BARN = CameraDecisions(
    Description("Barn", "", "on the gable"),
    Verdict.ADOPTED,
    Login("viewer", Secret("look")),
    network=ip_network("10.0.0.0/24"),
)


def deciding(**cameras: CameraDecisions) -> Decisions:
    return Decisions(MappingProxyType(cameras))


def merged(*gone: str) -> DevicesMerged:
    return DevicesMerged(1.0, Camera(KEPT, KEPT, "10.0.0.5"), GONE, gone, "they have one MAC")


class MovedTests(SynchronousTestCase):
    def test_all(self) -> None:
        """Everything moves."""
        self.assertEqual({KEPT: BARN}, dict(moved(deciding(b=BARN), {GONE: KEPT}).cameras))

    def test_both(self) -> None:
        """Value by value: what was decided about the one that stays weighs more."""
        kept = CameraDecisions(Description("Stable", "Yard"), Verdict.BLOCKED, Login("admin", Secret("x")))
        joined = moved(deciding(a=kept, b=BARN), {GONE: KEPT}).of(KEPT)
        self.assertEqual(Description("Stable", "Yard", "on the gable"), joined.description)
        self.assertEqual((Verdict.BLOCKED, kept.login, BARN.network), (joined.verdict, joined.login, joined.network))

    def test_nobody(self) -> None:
        """Without decisions about it nothing changes; others stay."""
        before = deciding(c=BARN)
        self.assertEqual(before, moved(before, {GONE: KEPT}))


class FollowerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        self.is_full = False
        self.book = DecisionBook(self.folder, in_thread=self.in_thread)
        self.follower = IdentityFollower(self.book)

    def in_thread(self, work: Any) -> Any:
        return fail(NotSaved("no space left on device")) if self.is_full else maybeDeferred(work)

    def decide(self, camera_id: str, decided: CameraDecisions) -> None:
        self.successResultOf(Deferred.fromCoroutine(self.book.change_camera(camera_id, lambda _: decided)))

    def test_merged(self) -> None:
        """They move in the file and in memory, each channel to its own; others stay where they are."""
        self.decide(GONE, BARN)
        self.decide(f"{GONE}_2", replace(BARN, description=Description("Gate")))
        self.decide("c", BARN)
        self.follower.handle(merged(GONE, f"{GONE}_2", f"{GONE}_3"))
        names = {key: one.description.name for key, one in self.book.current.cameras.items()}
        self.assertEqual({KEPT: "Barn", f"{KEPT}_2": "Gate", "c": "Barn"}, names)
        text = (self.folder / FILE).read_text()
        self.assertNotIn(f"[camera.{GONE}", text)
        self.assertIn(f"[camera.{KEPT}_2]", text)

    def test_nothing_decided(self) -> None:
        """Where nothing was decided no file is written; other events are nothing to it."""
        self.follower.handle(merged(GONE))
        self.follower.handle(CameraOnline(1.0, Camera(GONE, GONE, "10.0.0.5")))
        self.assertFalse((self.folder / FILE).exists())

    def test_disk(self) -> None:
        """A disk that is full is told in the log; the decisions stay under the former id."""
        self.decide(GONE, BARN)
        self.is_full = True
        self.follower.handle(merged(GONE))
        self.assertEqual([GONE], list(self.book.current.cameras))
