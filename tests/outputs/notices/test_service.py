"""Events of cameras, and troubles of the daemon, go in; notices are emitted, each once, over restarts and at night."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import fail
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.outputs.notices.case import START, camera
from twisted_detector import events
from twisted_detector.errors import StoreError
from twisted_detector.model import Camera, Status
from twisted_detector.model.cameras import Picture
from twisted_detector.model.notices import Notice, NoticeKind
from twisted_detector.model.reasons import FROZEN, NOT_RETRIED
from twisted_detector.outputs.notices.quiet_hours import Holder, QuietHours
from twisted_detector.outputs.notices.rules import NoticeRules
from twisted_detector.outputs.notices.service import MAX_EARLY, SAVE_DELAY, Fleet, NoticeService, NoticeState
from twisted_detector.testing.doubles import MemoryStateStore
from twisted_detector.testing.gate import Gate

ALL = (*(kind.value for kind in NoticeKind), "back")


class ServiceCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.wall = Clock()
        self.wall.advance(START)
        self.jump = 0.0
        self.store = MemoryStateStore()
        self.cameras: dict[str, Camera] = {}
        self.expected: dict[str, Any] = {}
        self.told: list[Notice] = []
        self.hours, self.minute = QuietHours(), 720
        self.service = self.started()

    def started(self, kinds: tuple[str, ...] = ALL) -> NoticeService:
        rules = NoticeRules(patience=300.0, kinds=[kind for kind in NoticeKind if kind.value in kinds])
        service = NoticeService(
            self.wall,
            NoticeState(rules, Holder(self.hours, lambda at: self.minute), kinds),
            fleet=Fleet(lambda: tuple(self.cameras.values()), self.expected.get),
            store=self.store,
            emit=self.emit,
            monotonic=lambda: self.wall.seconds() - self.jump,
        )
        service.startService()
        self.addCleanup(lambda: service.running and service.stopService())
        return service

    def emit(self, event: events.Event) -> None:
        assert isinstance(event, events.NoticeTold)
        self.told.append(event.notice)

    def say(self, kind: Any, number: int = 1, *, more: dict[str, Any] | None = None, **facts: Any) -> None:
        """An event of a camera, which is then so."""
        told = replace(self.cameras.get(f"cam{number}") or camera(number), **facts)
        self.cameras[told.id] = told
        self.service.handle(kind(at=self.wall.seconds(), camera=told, **(more or {})))

    def offline(self, *numbers: int) -> None:
        for number in numbers:
            self.say(events.CameraOffline, number, status=Status.OFFLINE, reason="gone", more={"reason": "gone"},
                     since=self.wall.seconds())  # fmt: skip

    def online(self, *numbers: int) -> None:
        for number in numbers:
            self.say(events.CameraOnline, number, status=Status.ONLINE, reason="", since=self.wall.seconds())

    def trouble(self, status: Status, reason: str) -> None:
        self.say(events.CameraTrouble, status=status, reason=reason, more={"reason": reason})

    def pass_time(self, seconds: float) -> list[str]:
        """What is told meanwhile."""
        before = len(self.told)
        self.wall.advance(seconds)
        return [one.event for one in self.told[before:]]

    def restart(self, **more: Any) -> None:
        self.service.stopService()
        self.service = self.started(**more)

    def took(self) -> list[str]:
        found, self.told = [one.event for one in self.told], []
        return found


class Cameras(ServiceCase):
    def test_offline_and_back(self) -> None:
        """Five minutes, then its end at once."""
        self.offline(1)
        self.assertEqual([], self.pass_time(299))
        self.assertEqual(["offline"], self.pass_time(1))
        self.wall.advance(420)
        self.online(1)
        self.assertEqual(["offline", "back"], self.took())

    def test_twelve(self) -> None:
        """Twelve within a minute: one notice, one end."""
        for number in range(1, 13):
            self.offline(number)
            self.wall.advance(5)
        self.assertEqual(["offline"], self.pass_time(400))
        self.assertEqual(12, len(self.told[0].cameras))
        self.online(*range(1, 13))
        self.assertEqual(["offline", "back"], self.took())

    def test_kinds(self) -> None:
        """Frozen, refused and a wrong clock, each with its end."""
        for begin, end, expected in (
            (lambda: self.trouble(Status.STREAM_ERROR, FROZEN), lambda: self.online(1), "frozen"),
            (lambda: self.trouble(Status.AUTH_REQUIRED, NOT_RETRIED), lambda: self.online(1), "login"),
            (lambda: self.say(events.ClockSkewed, clock_offset=90.0, more={"offset": 90.0}),
             lambda: self.say(events.ClockSkewed, clock_offset=0.0, more={"offset": 0.0}), "clock"),
        ):  # fmt: skip
            begin()
            self.assertEqual([expected], self.pass_time(60))
            end()
            self.assertEqual([expected, f"{expected}_over"], self.took())

    def test_refused(self) -> None:
        """A login that was refused just now, though the reason does not say so."""
        more = {"logins": ("viewer",), "reason": "401"}
        self.say(events.CredentialRefused, status=Status.AUTH_REQUIRED, reason="401", more=more)
        self.assertEqual(["login"], self.pass_time(60))

    def test_new_and_moved(self) -> None:
        """What happens once."""
        self.say(events.CameraDiscovered)
        moved = {"old_address": "10.0.0.1", "new_address": "10.0.0.9"}
        self.say(events.CameraMoved, address="10.0.0.9", more=moved)
        self.assertEqual(["new", "moved"], self.pass_time(60))
        self.assertEqual("moved from 10.0.0.1 to 10.0.0.9", self.told[1].reason)

    def test_expected_network(self) -> None:
        """A person says where a camera belongs; it is told when that is decided, and when it moves."""
        self.say(events.CameraOnline)
        self.expected["cam1"] = ip_network("10.9.0.0/24")
        self.service.reconsider()
        self.assertEqual(["network"], self.pass_time(60))
        self.say(events.CameraMoved, address="10.9.0.1", more={"old_address": "10.0.0.1", "new_address": "10.9.0.1"})
        self.assertEqual(["network", "network_over"], self.took())

    def test_no_news(self) -> None:
        """A camera as an earlier run left it, and a picture, are no news."""
        self.say(events.CameraRestored, status=Status.OFFLINE)
        picture = Picture("cam1", START, "image/jpeg", b"", "snapshot")
        self.service.handle(events.PictureTaken(START, self.cameras["cam1"], picture))
        self.assertEqual([], self.pass_time(10_000))

    def test_forgotten(self) -> None:
        """Who forgets a camera hears the end of what was told of it."""
        self.offline(1)
        self.wall.advance(300)
        self.service.handle(events.CameraForgotten(START, self.cameras.pop("cam1")))
        self.assertTrue(self.told[-1].removed)

    def test_without_back(self) -> None:
        """Who does not choose ``back`` is not told that a camera is back."""
        self.restart(kinds=("offline", "frozen"))
        self.offline(1)
        self.wall.advance(300)
        self.online(1)
        self.assertEqual(["offline"], self.took())


class TheDaemon(ServiceCase):
    def test_broker(self) -> None:
        """A broker that is away for minutes; one that is back after a moment is no news."""
        self.service.set_trouble(NoticeKind.BROKER, "refused")
        self.wall.advance(60)
        self.service.set_trouble(NoticeKind.BROKER, "")
        self.assertEqual([], self.pass_time(1000))
        self.service.set_trouble(NoticeKind.BROKER, "refused")
        self.assertEqual(["broker"], self.pass_time(300))
        self.service.set_trouble(NoticeKind.BROKER, "")
        self.assertEqual(["broker", "broker_over"], self.took())

    def test_disk(self) -> None:
        """A disk that takes nothing for a minute."""
        self.service.set_trouble(NoticeKind.DISK, "No space left on device")
        self.assertEqual(["disk"], self.pass_time(60))
        self.assertEqual("No space left on device", self.told[0].reason)

    def test_before_the_start(self) -> None:
        """A trouble that was there before the service began is told as well."""
        self.service.stopService()
        self.service.set_trouble(NoticeKind.BROKER, "it has not answered yet")
        self.service.startService()
        self.assertEqual(["broker"], self.pass_time(300))

    def test_clock_set(self) -> None:
        """When the wall's clock is put forward by a day, nothing has lasted a day."""
        self.offline(1)
        self.wall.rightNow += 86_400.0
        self.jump += 86_400.0
        self.offline(2)
        self.assertEqual([], self.took())
        self.assertEqual(["offline"], self.pass_time(300))

    def test_figures(self) -> None:
        """What the metrics say."""
        self.offline(1)
        self.wall.advance(300)
        self.assertEqual({"open": 1, "told": {"offline": 1}, "ways": {}}, self.service.figures())


class Restarts(ServiceCase):
    def test_not_again(self) -> None:
        """What was told is not told again by the next run, however often; its end is told by it, once."""
        self.offline(1)
        self.wall.advance(300)
        for _ in range(3):
            self.restart()
            self.wall.advance(1000)
        self.assertEqual(["offline"], self.took())
        self.online(1)
        self.restart()
        self.assertEqual(["back"], self.took())
        self.assertEqual([], self.pass_time(10_000))

    def test_back_meanwhile(self) -> None:
        """A camera that was back before the fall of the daemon could be told is told as back after the restart."""
        self.offline(1)
        self.wall.advance(300)
        self.service.stopService()
        self.cameras["cam1"] = camera()
        self.service = self.started()
        self.assertEqual(["offline", "back"], self.took())

    def test_not_told_yet(self) -> None:
        """What had not lasted long enough goes on, and is told when it has, from its beginning."""
        self.offline(1)
        self.say(events.CameraDiscovered, 2)
        self.wall.advance(50)
        self.restart()
        self.assertEqual(["new"], self.pass_time(10))
        self.assertEqual(["offline"], self.pass_time(240))
        self.assertEqual(START, self.told[-1].since)

    def test_offline_before(self) -> None:
        """A camera that was offline when the daemon was installed anew counts from when that began."""
        self.service.stopService()
        self.cameras["cam1"] = camera(status=Status.OFFLINE, since=START - 200)
        self.store.values.clear()
        self.service = self.started()
        self.assertEqual([], self.pass_time(99))
        self.assertEqual(["offline"], self.pass_time(1))

    def test_fall(self) -> None:
        """What was told is on the disk when it is told: a process that falls then tells nothing twice."""
        self.offline(1)
        self.wall.advance(300)
        self.assertEqual(["offline"], self.took())
        self.service = self.started()  # the first never stopped
        self.assertEqual([], self.pass_time(10_000))

    def test_early(self) -> None:
        """What happens before the disk was read is told too; how a camera was then is not what it is now."""
        self.service.stopService()
        gate = Gate()
        load = self.store.load_values

        async def slow(table: str) -> Any:
            await gate.wait()
            return await load(table)

        self.patch(self.store, "load_values", slow)
        self.service = self.started()
        self.say(events.CameraDiscovered, status=Status.OFFLINE)
        self.offline(2)
        self.online(1, 2)
        for number in range(3, MAX_EARLY + 100):
            self.service.handle(events.CameraDiscovered(START, camera(number % 250, id=f"n{number}")))
        gate.open()
        self.assertEqual(["new"], self.pass_time(10_000))
        self.assertEqual(MAX_EARLY, len(self.told[0].cameras))

    def test_unreadable(self) -> None:
        """A store that fails is a fault that is logged, and hurts nobody else."""
        self.service.stopService()
        self.patch(self.store, "load_values", lambda table: fail(StoreError("no")))
        self.service = self.started()
        self.assertEqual(1, len(self.flushLoggedErrors(StoreError)))
        self.offline(1)
        self.assertEqual([], self.pass_time(10_000))

    def test_saved_rarely(self) -> None:
        """A thousand changes that nobody is told of are one write."""
        writes: list[str] = []
        save = self.store.save_value
        self.patch(self.store, "save_value", lambda *given: writes.append(given[2]) or save(*given))
        self.offline(*range(1, 251))
        self.assertEqual([], writes)
        self.wall.advance(SAVE_DELAY)
        self.assertEqual(1, len(writes))
        self.wall.advance(100)
        self.assertEqual(1, len(writes))

    def test_stop(self) -> None:
        """After a stop no timer is left, and what changed last is saved."""
        self.offline(1)
        self.service.stopService()
        self.assertEqual([], self.wall.getDelayedCalls())
        self.assertIn("cam1", self.store.values["notices", "rules"])


class Nights(ServiceCase):
    def setUp(self) -> None:
        super().setUp()
        self.hours, self.minute = QuietHours(22 * 60, 7 * 60), 23 * 60
        self.restart()

    def test_summary(self) -> None:
        """What happens at night is told in the morning as one, what ended meanwhile as such; then all is as before."""
        self.offline(1)
        self.wall.advance(300)
        self.online(1)
        self.trouble(Status.STREAM_ERROR, FROZEN)
        self.wall.advance(7200)
        self.assertEqual([], self.took())
        self.minute = 7 * 60
        self.wall.advance(3600)
        (whole,) = self.told
        self.assertEqual(("summary", ["back", "frozen"]), (whole.event, [one.event for one in whole.parts]))
        self.online(1)
        self.assertEqual(["summary", "frozen_over"], self.took())
        self.assertEqual([], self.pass_time(100_000))

    def test_restart(self) -> None:
        """A restart in the night forgets nothing of it."""
        self.trouble(Status.STREAM_ERROR, FROZEN)
        self.wall.advance(60)
        self.restart()
        self.minute = 7 * 60
        self.wall.advance(3600)
        self.assertEqual([["frozen"]], [[one.event for one in each.parts] for each in self.told])

    def test_told_in_the_evening(self) -> None:
        """The end of what was told in the evening is in the summary."""
        self.minute = 21 * 60
        self.offline(1)
        self.wall.advance(300)
        self.assertEqual(["offline"], self.took())
        self.minute = 22 * 60
        self.online(1)
        self.minute = 7 * 60
        self.wall.advance(3600)
        self.assertEqual([["back"]], [[one.event for one in each.parts] for each in self.told])


class OtherNodes(ServiceCase):
    """Cameras that other nodes publish."""

    def setUp(self) -> None:
        self.left: set[str] = set()
        super().setUp()
        self.service = NoticeService(
            self.wall,
            NoticeState(NoticeRules(patience=300.0, kinds=list(NoticeKind)), Holder(self.hours, lambda at: 720), ALL),
            fleet=Fleet(lambda: tuple(self.cameras.values()), self.expected.get, lambda one: one in self.left),
            store=self.store,
            emit=self.emit,
            monotonic=self.wall.seconds,
        )
        self.service.startService()
        self.addCleanup(self.service.stopService)

    def test_theirs(self) -> None:
        """The node that publishes a camera tells of it, and nobody else."""
        self.left.add("cam1")
        self.offline(1)
        self.wall.advance(400)
        self.online(1)
        self.say(events.CameraDiscovered, 1)
        self.wall.advance(400)
        self.assertEqual([], self.took())

    def test_some_of_them(self) -> None:
        """A notice of several names ours."""
        self.left.update(("cam1", "cam3"))
        self.offline(1, 2, 3)
        self.wall.advance(400)
        self.assertEqual([["cam2"]], [[one.id for one in notice.cameras] for notice in self.told])

    def test_taken_over(self) -> None:
        """Whoever has the camera now tells that it is back."""
        self.left.add("cam1")
        self.offline(1)
        self.wall.advance(400)
        self.left.clear()
        self.online(1)
        self.assertEqual(["back"], self.took())
