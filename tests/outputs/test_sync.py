"""Followers: tries and waits, files replaced at once, secrets that only their owner reads, what is told when."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer
from zope.interface.verify import verifyObject

from tests.outputs.test_frigate import CAMERA, NAME
from twisted_detector.events import CameraForgotten, CameraMoved, ClockSkewed, Event, StreamChanged
from twisted_detector.model import Camera, Login, Message, Secret
from twisted_detector.outputs.frigate.document import FrigateOptions
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions
from twisted_detector.outputs.sync.env_file import EnvDelivery, quoted
from twisted_detector.outputs.sync.file import FileDelivery
from twisted_detector.outputs.sync.merging import difference, merge_section
from twisted_detector.outputs.sync.seams import Away, Delivered, Entries, IDelivery, NotTaken, TargetPhase
from twisted_detector.outputs.sync.target import LAST_RETRY, SyncTarget
from twisted_detector.outputs.sync_service import LONGEST_WAIT, QUIET, SyncService


async def at_once(work: Callable[[], Delivered]) -> Delivered:
    return work()


@implementer(IDelivery)
class Place:
    """A place that does what it is told to do: an exception to raise, or None to take it."""

    def __init__(self, name: str = "place", refresh: float = 0.0) -> None:
        self.name, self.where, self.refresh = name, "somewhere", refresh
        self.script: list[Exception] = []
        self.hangs = False
        self.delivered: list[tuple[Any, Any, bool]] = []

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> Delivered:
        """See :class:`IDelivery`."""
        if self.hangs:
            await Deferred()
        if self.script:
            raise self.script.pop(0)
        self.delivered.append((dict(wanted), dict(base), dry))
        return Delivered(
            {k: "" if isinstance(v, Secret) else v for k, v in wanted.items()}, True, diff=("+x",) if dry else ()
        )


class Following(SynchronousTestCase):
    def follower(self, place: Place, **more: Any) -> tuple[SyncTarget, Clock, list[Any]]:
        clock, saved = Clock(), []
        more = {"base": {}, "save": saved.append, "random": lambda: 0.5, **more}
        return SyncTarget(clock, place, **more), clock, saved

    def test_the_same_again(self) -> None:
        """A wish is delivered once, with what was left there before; what stands there is kept for the next run."""
        place = Place()
        verifyObject(IDelivery, place)
        follower, clock, saved = self.follower(place, base={"old": 1})
        for _ in range(3):
            follower.want({"a": 1})
        follower.want({"a": 2})
        self.assertEqual(place.delivered, [({"a": 1}, {"old": 1}, False), ({"a": 2}, {"a": 1}, False)])
        self.assertEqual(saved, [{"a": 1}, {"a": 2}])
        self.assertEqual((follower.status.phase, clock.getDelayedCalls()), (TargetPhase.DONE, []))

    def test_away(self) -> None:
        """Who does not answer is tried again, later each time and never later than the bound, until it is there."""
        place = Place()
        place.script = [Away("it does not answer")] * 12
        follower, clock, _ = self.follower(place)
        follower.want({"a": 1})
        waits = []
        while not place.delivered:
            (call,) = clock.getDelayedCalls()
            waits.append(call.getTime() - clock.seconds())
            self.assertEqual((follower.status.phase, follower.status.tries), (TargetPhase.AWAY, len(waits)))
            clock.advance(waits[-1])
        self.assertEqual(waits[:4], [1.0, 2.0, 4.0, 8.0])
        self.assertEqual(max(waits), LAST_RETRY)
        self.assertEqual((follower.status.phase, follower.status.tries), (TargetPhase.DONE, 0))

    def test_refused(self) -> None:
        """What is refused is not tried soon again, and its reason is told; another wish is tried at once."""
        place = Place()
        place.script = [NotTaken("Frigate refuses it", shown="bad roles")]
        follower, clock, saved = self.follower(place)
        follower.want({"a": 1})
        self.assertEqual(follower.status.phase, TargetPhase.REFUSED)
        self.assertIn("bad roles", follower.status.reason)
        clock.advance(LAST_RETRY * 0.5)
        self.assertEqual((place.delivered, saved), ([], []))
        follower.want({"a": 2})
        self.assertEqual([one[0] for one in place.delivered], [{"a": 2}])
        self.assertEqual(clock.getDelayedCalls(), [])

    def test_a_fault_of_ours(self) -> None:
        """A fault of ours is logged with its traceback and ends nothing."""
        place = Place()
        place.script = [KeyError("x")]
        follower, clock, _ = self.follower(place)
        follower.want({"a": 1})
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 1)
        clock.advance(LAST_RETRY * 1.2)
        self.assertEqual(len(place.delivered), 1)

    def test_without_end(self) -> None:
        """A delivery that does not come to an end is given up; a newer wish waits for it, and is not lost."""
        place = Place()
        place.hangs = True
        follower, clock, _ = self.follower(place)
        follower.want({"a": 1})
        follower.want({"a": 2})
        place.hangs = False
        clock.advance(120)
        self.assertEqual([one[0] for one in place.delivered], [{"a": 2}])

    def test_stop(self) -> None:
        """After the stop nothing goes on and nothing is due."""
        for hangs in (True, False):
            place = Place(refresh=30)
            place.hangs = hangs
            follower, clock, _ = self.follower(place)
            follower.want({"a": 1})
            self.successResultOf(follower.stop())
            follower.want({"a": 2})
            self.assertEqual((clock.getDelayedCalls(), len(place.delivered)), ([], 0 if hangs else 1))

    def test_looked_at_again(self) -> None:
        """A place that may lose it by itself is looked at again and again."""
        place = Place(refresh=30)
        follower, clock, _ = self.follower(place)
        follower.want({"a": 1})
        clock.pump([30] * 3)
        self.assertEqual(len(place.delivered), 4)

    def test_dry(self) -> None:
        """A dry run tells what would change and keeps nothing."""
        place = Place()
        follower, _, saved = self.follower(place, dry=True)
        follower.want({"a": 1})
        self.assertEqual((place.delivered[0][2], saved, follower.status.phase), (True, [], TargetPhase.DRY))


class Files(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp()).resolve()
        self.folder.mkdir()
        self.path = self.folder / "config.yml"

    def deliver(self, wanted: Any, base: Any = None, *, dry: bool = False, name: str = "") -> Delivered:
        path = self.folder / name if name else self.path
        merge = partial(merge_section, "cameras")
        delivery = FileDelivery("file", path, merge=merge, differ=difference, in_thread=at_once)
        verifyObject(IDelivery, delivery)
        return self.successResultOf(Deferred.fromCoroutine(delivery.deliver(wanted, base or {}, dry)))

    def refused(self, kind: type[Exception]) -> str:
        merge = partial(merge_section, "cameras")
        delivery = FileDelivery("file", self.path, merge=merge, differ=difference, in_thread=at_once)
        work = Deferred.fromCoroutine(delivery.deliver({NAME: {"a": 1}}, {}, False))
        return str(self.failureResultOf(work, kind).value)

    def test_made(self) -> None:
        """A file that is not there is made, YAML or JSON by its name; without cameras there is none."""
        self.assertFalse(self.deliver({}).changed)
        self.assertFalse(self.path.exists())
        self.assertTrue(self.deliver({NAME: {"a": 1}}).changed)
        self.assertEqual(self.path.read_text(), f'cameras:\n  "{NAME}":\n    a: 1\n')
        self.deliver({NAME: {"a": 1}}, name="x.json")
        self.assertEqual(json.loads((self.folder / "x.json").read_text()), {"cameras": {NAME: {"a": 1}}})

    def test_replaced_at_once(self) -> None:
        """Mode stays, the former self is kept, a link stays a link, nothing temporary is left."""
        real = self.folder / "real.yml"
        real.write_text("a: 1\n")
        real.chmod(0o640)
        self.path.symlink_to(real)
        number = real.stat().st_ino
        self.deliver({NAME: {"a": 1}})
        self.assertTrue(self.path.is_symlink())
        self.assertNotEqual(real.stat().st_ino, number)
        self.assertEqual(stat.S_IMODE(real.stat().st_mode), 0o640)
        self.assertEqual((self.folder / "real.yml.previous").read_text(), "a: 1\n")
        self.assertEqual(
            sorted(one.name for one in self.folder.iterdir()), ["config.yml", "real.yml", "real.yml.previous"]
        )

    def test_nothing_to_do(self) -> None:
        """What stands there already is not written again; a dry run writes nothing and tells what it would."""
        done = self.deliver({NAME: {"a": 1}})
        before = self.path.stat()
        self.assertFalse(self.deliver({NAME: {"a": 1}}, done.written).changed)
        dry = self.deliver({NAME: {"a": 2}}, done.written, dry=True)
        self.assertEqual(self.path.stat().st_mtime_ns, before.st_mtime_ns)
        self.assertIn("+    a: 2", dry.diff)

    def test_refused(self) -> None:
        """What is no configuration is left as it is, and the reason is told."""
        for data in (b"a: [", b"\xff\xfe", b"- 1\n"):
            self.path.write_bytes(data)
            self.assertTrue(self.refused(NotTaken))
            self.assertEqual(self.path.read_bytes(), data)
        self.path.unlink()
        os.mkfifo(self.path)
        self.refused(NotTaken)

    def test_no_folder(self) -> None:
        """A folder that is not there may come."""
        self.path = self.folder / "away" / "config.yml"
        self.assertIn("cannot be written", self.refused(Away))


class Environment(SynchronousTestCase):
    def deliver(self, path: Path, wanted: dict[str, str], base: Entries | None = None) -> Delivered:
        delivery = EnvDelivery("env", path, in_thread=at_once)
        verifyObject(IDelivery, delivery)
        secrets = {name: Secret(value) for name, value in wanted.items()}
        return self.successResultOf(Deferred.fromCoroutine(delivery.deliver(secrets, base or {}, False)))

    def test_file(self) -> None:
        """A line for each, mode 0600 whatever it was, other people's lines stay, and what is gone is gone."""
        path = Path(self.mktemp())
        path.write_text("# mine\nFRIGATE_MQTT_PASSWORD=x\n")
        path.chmod(0o644)
        done = self.deliver(path, {"FRIGATE_A_PASSWORD": "p w", "FRIGATE_A_USER": "admin"})
        self.assertEqual(done.written, {"FRIGATE_A_PASSWORD": "", "FRIGATE_A_USER": ""})
        self.assertNotIn("p w", repr(done))
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        mine = "# mine\nFRIGATE_MQTT_PASSWORD=x\n"
        self.assertEqual(path.read_text(), f"{mine}FRIGATE_A_PASSWORD='p w'\nFRIGATE_A_USER=admin\n")
        self.assertFalse(self.deliver(path, {"FRIGATE_A_PASSWORD": "p w", "FRIGATE_A_USER": "admin"}).changed)
        self.deliver(path, {}, done.written)
        self.assertEqual(path.read_text(), mine)
        self.assertFalse(path.with_name(path.name + ".previous").exists())

    def test_folder(self) -> None:
        """In a folder each has a file of its own, as it is; other files stay, and no name leads out of it."""
        folder = Path(self.mktemp())
        folder.mkdir()
        (folder / "FRIGATE_MQTT_PASSWORD").write_text("x")
        done = self.deliver(folder, {"FRIGATE_A_USER": "a b", "FRIGATE_B_USER": "b"})
        self.assertEqual((folder / "FRIGATE_A_USER").read_text(), "a b")
        self.assertEqual(stat.S_IMODE((folder / "FRIGATE_A_USER").stat().st_mode), 0o600)
        outside = folder.with_name("outside")
        outside.write_text("")
        self.deliver(folder, {"FRIGATE_A_USER": "a b"}, {**done.written, "../outside": ""})
        self.assertEqual(sorted(one.name for one in folder.iterdir()), ["FRIGATE_A_USER", "FRIGATE_MQTT_PASSWORD"])
        self.assertTrue(outside.exists())

    def test_quoting(self) -> None:
        """A value reads the same in docker compose and systemd; one with a line break is refused."""
        for value, expected in (("a%20b", "a%20b"), ("$x #", "'$x #'"), ("it's $1", '"it\'s \\$1"'), ("", "")):
            self.assertEqual(quoted(value), expected)
        with self.assertRaises(NotTaken):
            quoted("a\nb")


class Values:
    """The small tables of a store."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}

    def load_values(self, table: str) -> Deferred[dict[str, str]]:
        return succeed(dict(self.values))

    def save_value(self, table: str, key: str, value: str) -> Deferred[None]:
        self.values[key] = value
        return succeed(None)


class Telling(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.cameras: list[Camera] = [CAMERA]
        self.said: list[Message] = []
        self.store = Values()
        self.places = {sort: Place(sort) for sort in ("frigate", "frigate_env", "go2rtc", "go2rtc_live")}

    def service(self, *, frigate: bool = True) -> SyncService:
        def publish(message: Message) -> Deferred[None]:
            self.said.append(message)
            return succeed(None)

        service = SyncService(
            self.clock,
            cameras=lambda: self.cameras,
            login_of=lambda camera: Login("admin", Secret("hunter2")),
            store=self.store,  # type: ignore[arg-type]
            publish=publish,
            random=lambda: 0.5,
            frigate_options=FrigateOptions() if frigate else None,
            go2rtc_options=Go2rtcOptions(),
            topics=("site/frigate/config/cameras", "site/frigate/config/reload"),
            deliveries={sort: [place] for sort, place in self.places.items()},
        )
        service.startService()
        self.addCleanup(lambda: self.assertEqual(self.clock.getDelayedCalls(), []))
        self.addCleanup(lambda: self.successResultOf(service.stopService()))
        return service

    def moved(self, address: str) -> Event:
        streams = tuple(replace(one, url=one.url.replace("10.0.0.9", address)) for one in CAMERA.streams)
        self.cameras = [replace(CAMERA, address=address, streams=streams)]
        return CameraMoved(at=1.0, camera=self.cameras[0], old_address="10.0.0.9", new_address=address)

    def test_the_topic(self) -> None:
        """The configuration is retained with QoS 1, without a login; an empty word that it changed follows it."""
        self.service()
        configuration, reload = self.said
        self.assertEqual(
            (configuration.topic, configuration.qos, configuration.retain), ("site/frigate/config/cameras", 1, True)
        )
        document = json.loads(configuration.payload)
        self.assertEqual(list(document["cameras"]), [NAME])
        self.assertIn("10.0.0.9", document["cameras"][NAME]["ffmpeg"]["inputs"][0]["path"])
        self.assertNotIn(b"hunter2", configuration.payload)
        self.assertEqual((reload.topic, reload.payload, reload.retain), ("site/frigate/config/reload", b"", False))

    def test_a_restart_is_no_change(self) -> None:
        """What an earlier run said already is retained again, but nobody is told to read it again."""
        self.service()
        self.said.clear()
        self.service()
        self.assertEqual([one.retain for one in self.said], [True])

    def test_a_burst_is_one_change(self) -> None:
        """What happens together is told once when it is quiet, and under constant noise within the longest wait."""
        service = self.service()
        for place in self.places.values():
            place.delivered.clear()
        for number in range(5):
            service.handle(self.moved(f"10.0.0.{77 + number}"))
        self.assertEqual(self.places["frigate"].delivered, [])
        self.clock.advance(QUIET)
        (told,) = self.places["frigate"].delivered
        self.assertIn("10.0.0.81", repr(told[0]))
        began = self.clock.seconds()
        while len(self.places["frigate"].delivered) == 1:
            service.handle(self.moved("10.0.0.99"))
            self.clock.advance(QUIET / 2)
        self.assertLessEqual(self.clock.seconds() - began, LONGEST_WAIT + QUIET)

    def test_idle_events(self) -> None:
        """What changes nothing of what is told is no reason to tell."""
        service = self.service()
        service.handle(ClockSkewed(at=1.0, camera=CAMERA, offset=9.0))
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_gets_the_password(self) -> None:
        """It goes to the file of variables and to go2rtc's API, which needs it; to no other place."""
        self.service()
        told = {sort: repr([one[0] for one in place.delivered]) for sort, place in self.places.items()}
        self.assertNotIn("hunter2", told["frigate"] + told["go2rtc"] + told["frigate_env"])
        self.assertIn("hunter2", told["go2rtc_live"])
        values = self.places["frigate_env"].delivered[0][0].values()
        self.assertIn("hunter2", [one.reveal() for one in values])

    def test_values_come_first(self) -> None:
        """Who refers to a variable is told only when its value was delivered, or could not be."""
        self.places["frigate_env"].hangs = True
        self.service()
        self.assertEqual((self.places["frigate"].delivered, len(self.places["go2rtc"].delivered)), ([], 1))
        self.clock.advance(120)
        self.assertEqual(len(self.places["frigate"].delivered), 1)

    def test_forgotten(self) -> None:
        """When the last camera is forgotten, that is told too; where there never was one, nothing is said."""
        service = self.service()
        self.cameras = []
        service.handle(CameraForgotten(at=1.0, camera=CAMERA))
        self.clock.advance(QUIET)
        self.assertEqual(self.said[-2].payload, b'{"cameras":{}}')
        self.assertEqual(self.places["frigate"].delivered[-1][0], {})
        self.said.clear()
        self.store = Values()
        self.service()
        self.assertEqual(self.said, [])

    def test_switched_off(self) -> None:
        """With FRIGATE_UPDATE_ENABLED=false Frigate is told nothing; go2rtc is."""
        self.service(frigate=False)
        self.assertEqual((self.said, self.places["frigate"].delivered), ([], []))
        self.assertEqual(len(self.places["go2rtc"].delivered), 1)

    def test_rotating_urls_are_remembered(self) -> None:
        """A camera that makes up new URLs is asked by go2rtc itself, from then on and in the next run."""
        self.cameras = [replace(CAMERA, onvif_url="http://10.0.0.9/onvif/device_service")]
        service = self.service()
        other = tuple(replace(one, url=one.url + "/2") for one in CAMERA.streams)
        service.handle(StreamChanged(at=1.0, camera=self.cameras[0], old=CAMERA.streams, new=other))
        self.clock.advance(QUIET)
        self.assertIn("onvif://", repr(self.places["go2rtc"].delivered[-1]))
        self.places["go2rtc"].delivered.clear()
        self.service()
        self.assertIn("onvif://", repr(self.places["go2rtc"].delivered[-1]))
