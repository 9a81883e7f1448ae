"""A running Frigate of every version that was recorded, and one that keeps it in step, for the tests of its API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.case import CAMERA, MAIN, SUB, TAGS, at_once
from tests.peers.exchange import Ask, Direct
from tests.peers.frigate import RECORDED, Frigate
from twisted_detector.model import Camera, Login, Secret
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.frigate.document import FrigateOptions, build
from twisted_detector.outputs.stream_choice import StreamDocument
from twisted_detector.outputs.sync.seams import DeliveryResult, Entries
from twisted_detector.outputs.sync.target import SyncTarget

OLDER, MIDDLE, NEWER = RECORDED
BOSS, GUEST = Login("admin", Secret("p@ss")), Login("guest", Secret("a{x}b"))
THEIRS = """\
# mine
mqtt:
  host: 'broker'   # stays, with its quotes, which Frigate itself would drop
cameras:
  door:  # the first
    ffmpeg:
      inputs:
        - path: rtsp://user:secret@10.0.0.5/x
          roles: [detect]
"""


def camera(number: int, address: str = "") -> Camera:
    """One whose name ``int()`` takes: most of ours are such."""
    name, host = f"0240000000{number:02}", address or f"10.0.0.{number}"
    streams = tuple(replace(one, url=one.url.replace("10.0.0.9", host)) for one in (MAIN, SUB))
    return replace(CAMERA, id=name, device_id=name, address=host, name=f"Camera {number}", streams=streams)


def document(*cameras: Camera, login: Login | None = None) -> StreamDocument:
    logins = {one.id: login for one in cameras} if login is not None else {}
    return build(cameras, logins, FrigateOptions(), tags=TAGS)


def values(*documents: StreamDocument) -> dict[str, str]:
    return {name: secret.reveal() for one in documents for name, secret in one.variables.items()}


class Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.logged: list[str] = []
        observer = lambda event: self.logged.append(formatEvent(event) or "")  # noqa: E731
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def double(self, version: str, text: str = THEIRS, **more: Any) -> Frigate:
        return Frigate(version, text, now=self.clock.seconds, **more)

    def api(
        self, double: Frigate, *, port: int = 5000, host: str = "127.0.0.1", ask: Ask | None = None, **more: Any
    ) -> FrigateApi:
        """:param ask: in the place of what the double answers."""
        self.http = Direct(ask or double.answer, port=port, host=host)
        self.addCleanup(self.never, double, self.http)
        return FrigateApi(self.http, in_thread=at_once, monotonic=self.clock.seconds, **more)  # type: ignore[arg-type]

    def never(self, double: Frigate, http: Direct) -> None:
        """What a version answers with 200 and does wrong, or erases recordings, was not asked of it."""
        self.assertFalse([one for one in http.asked if one.startswith("DELETE")])
        words = {word for _, word in double.config.published}
        if double.minor < 17:
            self.assertFalse([one for one in http.asked if "/config/set" in one])
        elif double.minor == 17:
            self.assertLessEqual(words, {"add"})
        self.assertTrue(double.config.running.maintained, "the part that starts cameras died")
        reads = [one for one in double.config.running.reads if "127.0.0.1:8554" not in one]
        self.assertEqual(sorted(set(reads)), reads, "a second ffmpeg for good")

    def deliver(
        self, api: FrigateApi, wanted: Entries, base: Entries | None = None, *, dry: bool = False
    ) -> DeliveryResult:
        result: DeliveryResult = self.successResultOf(Deferred.fromCoroutine(api.deliver(wanted, base or {}, dry)))
        return result

    def failed(self, api: FrigateApi, wanted: Entries, *kinds: type[Exception]) -> str:
        failure = self.failureResultOf(Deferred.fromCoroutine(api.deliver(wanted, {}, False)))
        failure.trap(*kinds)
        return str(failure.value)

    def follow(self, api: FrigateApi, wanted: Entries) -> SyncTarget:
        target = SyncTarget(self.clock, api, base={}, save=lambda written: None, random=lambda: 0.5)
        self.addCleanup(lambda: self.successResultOf(target.stop()))
        target.update(wanted)
        return target

    def reads(self, double: Frigate) -> list[str]:
        """What the running Frigate reads from."""
        return double.config.running.reads
