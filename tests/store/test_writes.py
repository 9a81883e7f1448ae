"""A calm day of four cameras with a broker that is slow to answer: what of it is written to a board's card.

Counted, not timed: the commits, the octets of the write-ahead log, and those of pictures.
"""

from __future__ import annotations

from typing import Any

from tests.facts import PLAYS, candidate, inspection, login, sighting, stream
from tests.store.case import StoreCase
from twisted_detector.bus import Bus
from twisted_detector.events import PictureTaken
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.model import Mac, Message
from twisted_detector.model.cameras import Picture
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.operations.heartbeat import Heartbeat
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.registry import Registry
from twisted_detector.store.album import Album
from twisted_detector.store.album_keeper import AlbumKeeper
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.store.history import CameraHistory

CAMERAS = 4
#: Of a camera and day: the issue's figure.
MOST = 1_000_000
#: Pages of the log's index (``-shm``, three) that a commit makes the kernel write, and those that the log's frames lie
#: across: seen with /proc/PID/io and strace, 20 kB for a commit of one row.
PER_COMMIT = 4 * 4096
#: A snapshot of two megapixels.
PICTURE = b"\xff" * 300_000


class CountingAlbum(Album):
    written = 0

    def save(self, picture: Picture) -> None:
        self.written += len(picture.data)
        super().save(picture)


class CalmDay(StoreCase):
    def setUp(self) -> None:
        super().setUp()
        self.reactor.rightNow = 1.7e9
        topics = Topics(prefix="", node_id="node1")
        self.outbox = Outbox(self.reactor.seconds, wall=self.reactor.seconds, journal=self.store)
        publish = lambda message: self.outbox.put(message).acknowledged  # noqa: E731
        bus = Bus()
        self.registry = Registry(bus.emit)
        self.history = CameraHistory(self.reactor, self.store)
        self.run_now(self.history.start())
        self.album = CountingAlbum(self.directory / "pictures")
        keeper = AlbumKeeper(
            self.album,
            self.in_thread,
            restore=lambda picture: None,
            latest=lambda camera_id: None,
            camera_ids=lambda: [one.id for one in self.registry.cameras()],
            monotonic=self.reactor.seconds,
        )
        keeper.startService()
        outputs = (TopicsOutput(topics), HomeAssistantOutput(topics, prefix="homeassistant", picture_max_bytes=10**6))
        for listener in (
            OutputDispatcher(outputs, publish=publish),
            CameraSaver(self.store),
            self.history,
            keeper,
        ):
            bus.subscribe(listener)
        heartbeat = Heartbeat(
            self.reactor,
            node_id="node1",
            service="camera_detector",
            topics=topics.health,
            interval=60.0,
            blocks=lambda: {"at": self.reactor.seconds(), "filler": "." * 2000},
            publish=publish,
            monotonic=self.reactor.seconds,
        )
        heartbeat.start()
        self.budget = LoginBudget(
            [login("viewer", "canary")],
            salt="s",
            save=lambda name, text: self.store.save_value("login_budget", name, text),
            uptime=self.reactor.seconds,
            boot="this one",
            work=2,
        )
        self.bus = bus
        self.keys = [self.found(number) for number in range(CAMERAS)]
        self.minute()
        self.disk._connected().execute("PRAGMA wal_autocheckpoint = 0")

    async def in_thread(self, work: Any) -> Any:
        return work()

    def found(self, number: int) -> int:
        address = f"10.0.0.{number + 10}"
        seen = self.registry.record_sighting(sighting(address, Mac(f"02:00:00:00:00:{number:02x}")), self.now)
        assert seen is not None
        self.inspect(seen.key)
        return seen.key

    def inspect(self, key: int) -> None:
        address = self.registry.candidate(key).address
        one = stream(address, codec=PLAYS.codec, width=PLAYS.width, height=PLAYS.height, fps=PLAYS.fps)
        self.registry.record_inspection(key, inspection(address, one), self.now)

    @property
    def now(self) -> float:
        return float(self.reactor.seconds())

    def minute(self) -> None:
        """The broker takes a tenth of a second for each acknowledgement: longer than the store waits for one."""
        for _ in range(4):
            taken = self.outbox.take(1000)
            self.reactor.advance(0.1)
            self.outbox.acknowledged([one.token for one in taken])
            self.reactor.advance(0.02)
        self.reactor.advance(60 - 4 * 0.12)

    def log(self) -> int:
        return (self.directory / "state.db-wal").stat().st_size

    def live(self, minutes: int) -> None:
        for minute in range(minutes):
            for key in self.keys:
                url = self.registry.cameras_of(key)[0].primary_url
                if minute % 5 == 0:
                    self.registry.record_check(key, {url: PLAYS}, self.now)
                    self.budget.explain_wait(candidate(), self.now)
                if minute % 360 == 0:
                    self.inspect(key)
            if minute % 60 == 0:
                for camera in self.registry.cameras():
                    picture = Picture(camera.id, PICTURE + b"%d" % minute, "image/jpeg", self.now, "snapshot")
                    self.bus.emit(PictureTaken(at=self.now, camera=camera, picture=picture))
            self.minute()

    def test_octets(self) -> None:
        """The log, as much again at a checkpoint (at most), the pages beside, pictures: less than was promised."""
        self.live(120)
        log, commits, pictures = self.log(), self.disk.batches, self.album.written
        self.live(24 * 60)
        log, commits, pictures = self.log() - log, self.disk.batches - commits, self.album.written - pictures
        written = 2 * log + commits * PER_COMMIT + pictures
        told = f"{commits} commits, {log} octets of log, {pictures} of pictures, {written // CAMERAS} a camera"
        self.assertLess(written / CAMERAS, MOST, told)
        self.assertLessEqual(commits, 24 * 4 + 12 + 1, f"more than notes that it lives, and the budget's clock: {told}")
        self.assertGreater(pictures, 0)

    def test_what_changes_is_written_in_its_place(self) -> None:
        """A document that takes the place of the one before: its own page, and not those of an index as well."""

        def say(number: int, text: str) -> int:
            self.store.retain(Message(f"camera/status/{number:04}", text.encode() * 250, retain=True))
            before = self.log()
            self.reactor.advance(0.1)
            return self.log() - before

        for number in range(200):
            say(number, "before ")
        self.assertLessEqual(max(say(number, "another") for number in range(0, 200, 7)), 2 * 4120)
