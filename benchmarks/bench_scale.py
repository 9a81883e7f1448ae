"""A fleet of cameras in one process goes in; what knowing and telling it costs, at several sizes, comes out.

    make bench-scale           measures, prints the tables, and puts them into docs/benchmarks.md

No network: sightings and inspections are given to the registry as the detector gives them, and everything that listens
to its events is there as in a daemon: the topics, Home Assistant with its announcer, Frigate's topic and file, go2rtc's
API, the store's records, observations, the page with an open stream, pictures, the health document. The outbox is in
memory; a broker that takes all at once empties it. Time is simulated, so that nothing waits; work is measured in
processor time, for the machine is shared.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from json import dumps, loads
from pathlib import Path
from statistics import median
from types import MappingProxyType
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet.base import DelayedCall
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import ILogObserver, LogEvent, globalLogBeginner
from zope.interface import implementer, provider

from benchmarks.page import write_section
from twisted_detector.bus import Bus
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.pictures.scheduler import PictureScheduler, PictureTurns
from twisted_detector.detector.pictures.taking import PictureLogins, PictureTaking
from twisted_detector.events import CameraRestored
from twisted_detector.inspection.cooperative_queue import CooperativeQueue
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.model import (
    Camera,
    Evidence,
    EvidenceKind,
    Inspection,
    Login,
    Mac,
    Message,
    Proof,
    Secret,
    Sighting,
    Stream,
)
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.consumers import FRIGATE, GO2RTC
from twisted_detector.model.encoding import encode
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.operations.report import HealthReport, camera_block
from twisted_detector.outputs.camera_json import camera_document
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.event_log import EventLog
from twisted_detector.outputs.follower import ConsumerSettings
from twisted_detector.outputs.frigate.document import FrigateOptions, FrigateTopics
from twisted_detector.outputs.go2rtc.document import Go2rtcOptions
from twisted_detector.outputs.homeassistant.announcer import Announcer, AnnouncerSettings, CameraSource
from twisted_detector.outputs.homeassistant.output import HomeAssistantOutput
from twisted_detector.outputs.stream_choice import CameraLogins
from twisted_detector.outputs.sync.consumer import Destinations
from twisted_detector.outputs.sync.seams import DeliveryResult, Entries, ISyncDestination
from twisted_detector.outputs.sync_service import SyncService
from twisted_detector.outputs.topics import Topics, TopicsOutput
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.freeze_detector import FreezeDetector
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry
from twisted_detector.service.garbage import begin_collecting
from twisted_detector.store.camera_saver import CameraSaver
from twisted_detector.store.cameras import dump_camera, load_camera
from twisted_detector.web.activity import ActivityFeed
from twisted_detector.web.event_hub import EventHub
from twisted_detector.web.facade import DaemonFacade

TITLE = "## Scale, in one process"
SIZES = (100, 1_000, 10_000)
RESTARTS = (1_000, 5_000, 10_000)
#: Seconds from one camera to the next while they are found, and wall seconds of the start.
APART, START = 0.02, 1.7e9
#: Seconds: longer turns are printed.
SHOWN = 0.03
#: Cameras that change, one after the other, in a fleet that is known.
CHANGES = 300
LOGIN = Login("viewer", Secret("not-a-secret"))


class SteppedClock(Clock):
    """A clock that stands still but for the time that is computed, which it measures turn by turn."""

    def __init__(self) -> None:
        super().__init__()
        self.rightNow = START
        self.longest = 0.0
        self._began = time.thread_time()

    def seconds(self) -> float:
        """Simulated time, and what the present turn has computed so far."""
        return self.rightNow + (time.thread_time() - self._began)

    def turn(self, work: Callable[..., Any], *arguments: Any) -> Any:
        """The result of ``work``, which is one turn of a reactor."""
        self._began = began = time.thread_time()
        result = work(*arguments)
        took = time.thread_time() - began
        self.longest = max(self.longest, took)
        if took > SHOWN:
            print(f"{took * 1e3:.0f} ms: {work!r}", file=sys.stderr)
        self._began = time.thread_time()
        return result

    def advance(self, amount: float) -> None:
        """Pass ``amount`` seconds; each call that is due in them is a turn."""
        until = self.rightNow + amount
        while True:
            due = min(self.calls, key=DelayedCall.getTime, default=None)
            if due is None or due.getTime() > until:
                break
            self.rightNow = max(self.rightNow, due.getTime())
            self.calls.remove(due)
            due.called = 1
            self.turn(due.func, *due.args)
        self.rightNow = until


@implementer(ISyncDestination)
class MemoryDestination:
    """A file or an API that takes everything at once."""

    def __init__(self, name: str) -> None:
        self.name, self.where, self.refresh = name, "memory", 0.0
        self.deliveries = 0

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISyncDestination`."""
        self.deliveries += 1
        return DeliveryResult({name: "" if isinstance(value, Secret) else value for name, value in wanted.items()})


class MemoryStore:
    """A store that makes the texts that go to the disk, and keeps none."""

    async def load_values(self, table: str) -> dict[str, str]:
        return {}

    def save_value(self, table: str, key: str, value: str) -> Deferred[None]:
        return succeed(None)

    def save_camera(self, camera: Camera) -> Deferred[None]:
        dump_camera(camera)
        return succeed(None)

    def delete_camera(self, camera_id: str) -> Deferred[None]:
        return succeed(None)


class OpenPage:
    """A browser that reads everything at once."""

    ready, position, stalled_since = True, 0, 0.0

    def __init__(self) -> None:
        self.octets = 0

    def send(self, data: bytes) -> None:
        """See :class:`EventSink`."""
        self.octets += len(data)

    def end(self) -> None:
        """See :class:`EventSink`."""


class House:
    """Registry, bus, and everything that listens, as the daemon joins them.

    :param adopted: what an earlier run decided.
    """

    def __init__(self, adopted: Mapping[str, str] = MappingProxyType({})) -> None:
        self.clock = clock = SteppedClock()
        self.published: Counter[str] = Counter()
        self.bus = bus = Bus()
        self.adopted = dict(adopted)
        book, freezes = AdoptionBook(mode="all", save=self.adopted.__setitem__), FreezeDetector()
        book.restore(self.adopted)
        self.registry = registry = Registry(
            bus.emit, adoption=book, freeze_detector=freezes, new_cameras_per_hour=1_000_000
        )
        self.outbox = Outbox(time.monotonic, wall=clock.seconds, limits=Limits(messages=200_000))
        self.topics = topics = Topics(prefix="", node_id="bench")
        self.topics_output = TopicsOutput(topics)
        self.homeassistant = HomeAssistantOutput(topics, prefix="homeassistant", picture_max_bytes=300_000)
        bus.subscribe(ObservationLog())
        bus.subscribe(OutputDispatcher((self.homeassistant, self.topics_output), publish=self.publish))
        bus.subscribe(CameraSaver(MemoryStore()))  # type: ignore[arg-type]
        bus.subscribe(EventLog())
        self.announcer = Announcer(
            clock,
            AnnouncerSettings("homeassistant", "homeassistant/status", topics),
            output=self.homeassistant,
            cameras=CameraSource(registry.cameras, registry.camera, self._extra_messages),
            wait_turn=CooperativeQueue(clock, monotonic=clock.seconds).wait,
            publish=self.publish,
            republish=self.outbox.republish,
            subscribe=self._subscribe,
        )
        self.budget = LoginBudget([LOGIN], salt="bench", save=lambda key, text: None)
        self.destinations = [MemoryDestination(name) for name in ("frigate-file", "go2rtc-api")]
        self.sync = SyncService(
            clock,
            (
                ConsumerSettings(
                    FRIGATE,
                    FrigateOptions(),
                    Destinations(entries=self.destinations[:1]),
                    topics=FrigateTopics(topics.frigate_cameras, "frigate/config/reload"),
                ),
                ConsumerSettings(GO2RTC, Go2rtcOptions(), Destinations(live=self.destinations[1:])),
            ),
            cameras=registry.cameras,
            logins=CameraLogins(lambda camera: LOGIN, lambda camera: "", self.budget.fingerprints),
            store=MemoryStore(),  # type: ignore[arg-type]
            publish=self.publish,
            random=lambda: 0.5,
        )
        bus.subscribe(self.sync)
        environment = Environment(clock, clock.seconds)
        logins = PictureLogins(lambda key: LOGIN, lambda key: False, self.budget)
        self.pictures = PictureScheduler(
            environment,
            registry,
            taking=PictureTaking(environment, registry, takers=(), logins=logins),
            turns=PictureTurns(300.0, lambda: 0.5),
            freeze_detector=freezes,
            emit=bus.emit,
        )
        bus.subscribe(self.pictures)
        facade = DaemonFacade(
            node_id="bench",
            version="",
            cameras=registry.cameras,
            camera=registry.camera,
            document=camera_document,
            wall=clock.seconds,
            mqtt=dict,
            discovery=dict,
            dispatch=lambda name, fields: succeed({}),
            handles=lambda name: False,
            pictures=None,
            history=None,
            metrics=lambda: (b"", ""),
        )
        hub = EventHub(clock, clock.seconds, capacity=8, boot="b")
        self.page = OpenPage()
        hub.subscribe(self.page, "")
        bus.subscribe(ActivityFeed(facade, hub))

    def start(self) -> None:
        """Start what has a life of its own."""
        self.clock.turn(self.announcer.startService)
        self.clock.turn(self.sync.startService)
        self.clock.turn(self.pictures.startService)

    def publish(self, message: Message) -> Deferred[None]:
        """As the MQTT service does it."""
        family = "/".join(message.topic.split("/")[:2])
        self.published[family] += 1
        return self.outbox.put(message).acknowledged

    def drain(self) -> None:
        """Let the broker take a window of messages, in one turn."""
        items = self.outbox.take(100)
        self.outbox.acknowledged([item.token for item in items])

    def pass_time(self, seconds: float) -> None:
        """Pass time, and let the broker take what waits after each of its steps."""
        self.clock.advance(seconds)
        while self.outbox.depth():
            self.clock.turn(self.drain)

    def _extra_messages(self, camera: Camera) -> Iterator[Message]:
        yield from self.topics_output.messages(CameraRestored(at=camera.last_seen, camera=camera))

    def _subscribe(self, topic: str, handler: Callable[[str, bytes], Awaitable[None] | None]) -> Callable[[], None]:
        return lambda: None

    # --- what a camera does ------------------------------------------------------------------------------------------

    def find(self, number: int) -> None:
        """One camera is seen twice and inspected, as it is when it is new."""
        registry, now = self.registry, self.clock.seconds()
        for method in ("wsdiscovery", "arp"):
            result = registry.record_sighting(sighting_of(number, method, now), now)
        if result is None:
            raise RuntimeError(f"no room for camera {number}")
        registry.begin_inspection(result.key, now)
        registry.record_inspection(result.key, inspection_of(number, now), now + 0.5)

    def change(self, number: int) -> None:
        """One camera is away, and back."""
        registry, now = self.registry, self.clock.seconds()
        key = registry.key_at(address_of(number))
        if key is None:
            raise RuntimeError(f"camera {number} is not known")
        for missed in range(3):
            registry.record_no_answer(key, "it does not answer", now + missed)
        self.pass_time(APART)
        registry.begin_inspection(key, now + 4)
        registry.record_inspection(key, inspection_of(number, now + 4), now + 4)

    def health(self) -> bytes:
        """The document's part that is of cameras: the rest of it does not grow with them."""
        report = HealthReport._worst
        shown = camera_block(report(self))  # type: ignore[arg-type]
        fleet = self.registry.fleet
        return encode({"cameras": shown, "stats": {"total_cameras": fleet.total, "by_status": dict(fleet.by_status)}})

    _registry = property(lambda self: self.registry)


def address_of(number: int) -> str:
    """The address of a camera: 250 in each /24."""
    return f"10.{number // 62_500}.{number // 250 % 250}.{number % 250 + 1}"


def mac_of(number: int) -> Mac:
    """Its MAC."""
    return Mac.from_bytes((0x02_00_00_00_00_00 + number + 1).to_bytes(6, "big"))


def sighting_of(number: int, method: str, now: float) -> Sighting:
    """What is seen of it."""
    reference = f"urn:uuid:{number:08x}-0000-4000-8000-{number * 7919 % 2**48:012x}"
    address = address_of(number)
    return Sighting(
        address=address,
        method=method,
        seen_at=now,
        mac=mac_of(number),
        endpoint_reference=reference if method == "wsdiscovery" else "",
        xaddrs=(f"http://{address}/onvif/device_service",) if method == "wsdiscovery" else (),
    )


def inspection_of(number: int, now: float) -> Inspection:
    """What it answers: a camera with two streams, one of thirty models."""
    address, model = address_of(number), f"M{number % 30}"
    streams = tuple(
        Stream(
            url=f"rtsp://{address}:554/Streaming/Channels/10{n}?transportmode=unicast&profile=Profile_{n}",
            name=name,
            profile=f"Profile_{n}",
            codec="H264",
            width=width,
            height=width * 9 // 16,
            fps=25.0,
            proof=Proof.KEYFRAME,
            validated=True,
        )
        for n, (name, width) in enumerate((("mainStream", 1920), ("subStream", 640)), 1)
    )
    return Inspection(
        inspector="onvif",
        address=address,
        at=now,
        streams=streams,
        evidence=(
            Evidence(EvidenceKind.SERIAL, f"DS-2CD{number:09}", "onvif", now),
            Evidence(EvidenceKind.HARDWARE_ADDRESS, mac_of(number).text, "onvif", now),
        ),
        manufacturer="Acme",
        model=model,
        serial_number=f"DS-2CD{number:09}",
        firmware_version="V5.7.3 build 220112",
        name=f"Camera {number}",
        name_source="scope",
        onvif_url=f"http://{address}/onvif/device_service",
        snapshot_url=f"http://{address}/onvif-http/snapshot?Profile_1",
        capabilities=("media", "events", "ptz"),
        clock_offset=0.2,
    )


@dataclass(frozen=True)
class Found:
    """Finding a fleet. Processor times in milliseconds, memory in kB; all of one camera but ``longest`` and ``health``.

    :ivar change: of one camera that goes away and comes back, in the fleet that is known.
    """

    cameras: int
    found: float
    longest: float
    messages: float
    frigate_octets: int
    change: float
    change_longest: float
    health: int
    resident: float
    traced: float


@dataclass(frozen=True)
class Restarted:
    """A restart. Seconds of processor time; the longest turn in milliseconds."""

    cameras: int
    seconds: float
    longest: float
    messages: int


@provider(ILogObserver)
def fail(event: LogEvent) -> None:
    """A fault that a part only logs would make the figures of work that was not done."""
    if "log_failure" in event:
        print(event["log_failure"].value, event["log_failure"].getBriefTraceback(), file=sys.stderr, flush=True)
        os._exit(1)


def resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def find_fleet(count: int, *, traced: bool) -> Found:
    warm_up()
    gc.collect()
    house = House()
    house.start()
    begin_collecting()
    before = resident()
    if traced:
        tracemalloc.start()
    began = time.process_time()
    for number in range(count):
        house.clock.turn(house.find, number)
        house.pass_time(APART)
    house.pass_time(12.0)
    used = time.process_time() - began
    if len(house.registry.cameras()) != count:
        raise RuntimeError(f"{len(house.registry.cameras())} of {count} cameras are known")
    longest, house.clock.longest = house.clock.longest, 0.0
    kept = tracemalloc.get_traced_memory()[0] if traced else 0
    after = resident()
    tracemalloc.stop()
    messages = sum(house.published.values())
    began = time.process_time()
    for number in range(CHANGES):
        house.change(number * 7919 % count)
        house.pass_time(APART)
    changed = time.process_time() - began
    return Found(
        count,
        used / count * 1e3,
        longest * 1e3,
        messages / count,
        len(house.outbox._retained.get(house.topics.frigate_cameras).payload),  # type: ignore[union-attr]
        changed / CHANGES * 1e3,
        house.clock.longest * 1e3,
        len(house.health()),
        (after - before) / count / 1e3,
        kept / count / 1e3,
    )


def warm_up() -> None:
    """Whatever is made once is made before the measuring: patterns, caches, code that was never run."""
    house = House()
    house.start()
    for number in range(20):
        house.find(number)
        house.pass_time(1.0)


def restart_fleet(count: int) -> Restarted:
    warm_up()
    first = House()
    first.start()
    for number in range(count):
        first.find(number)
        if not number % 50:
            first.pass_time(APART)
    first.pass_time(12.0)
    saved = [dump_camera(camera) for camera in first.registry.cameras()]
    retained = [first.outbox._retained.get(topic) for topic in first.outbox._retained]
    adopted = first.adopted
    del first
    gc.collect()
    gc.disable()  # as the daemon's root does, until it has started
    house = House(adopted)
    clock = house.clock
    slices = TurnBudget(1000, 0.01, time.thread_time)
    began = time.process_time()

    def go_through(steps: Iterator[object]) -> None:
        while clock.turn(slices.advance, steps):
            pass

    cameras: list[Camera] = []
    go_through(map(house.outbox.restore_document, filter(None, retained)))
    go_through(map(cameras.append, map(load_camera, saved)))
    clock.turn(house.outbox.republish)  # the connection stands: all that was said is said again
    steps, going_on = house.registry.restoring(cameras, clock.seconds()), True
    while going_on:
        going_on = clock.turn(slices.advance, steps)
        clock.turn(house.drain)
    house.start()
    clock.turn(begin_collecting)
    house.pass_time(0.1)
    said = time.process_time() - began
    house.pass_time(30.0)
    return Restarted(count, said, clock.longest * 1e3, house.outbox.figures().acknowledged)


def in_process(*arguments: str) -> Any:
    """The result of a run in a process of its own: what one run leaves does not slow the next."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return loads(done.stdout)


def measure_found(sizes: Sequence[int], rounds: int) -> list[Found]:
    """The medians of ``rounds`` runs of each size, in turn; memory is traced in a run of its own."""
    runs: dict[int, list[Found]] = {size: [] for size in sizes}
    for _ in range(rounds):
        for size in sizes:
            runs[size].append(Found(**in_process("--found", str(size))))
    result = []
    for size, found in runs.items():
        values = {name: median(getattr(one, name) for one in found) for name in asdict(found[0])}
        traced = Found(**in_process("--found", str(size), "--traced")).traced if size <= 1_000 else 0.0
        result.append(replace(Found(**values), traced=traced))
    return result


def text_of(found: Sequence[Found], restarted: Sequence[Restarted], rounds: int) -> str:
    base = found[0]
    lines = [
        "`make bench-scale`: registry, bus, and everything that listens (topics, Home Assistant with its announcer,"
        " Frigate's topic and file, go2rtc's API, the texts for the disk, observations, an open page, pictures), no"
        " network; the outbox in memory, emptied at once. Processor time, medians of"
        f" {rounds} runs, each in a process of its own.",
        "",
        f"Measured on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, load"
        f" average at the end {os.getloadavg()[0]:.1f}.",
        "",
        "| cameras | ms a camera, found | × the first | longest turn ms | messages a camera | ms a change | × the first"
        " | longest turn ms | cameras in the health document, bytes | Frigate's document, kB | resident kB a camera |"
        " Python's objects, kB |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.cameras} | {one.found:.2f} | {one.found / base.found:.2f} | {one.longest:.0f} | {one.messages:.1f} |"
        f" {one.change:.2f} | {one.change / base.change:.2f} | {one.change_longest:.0f} | {one.health} |"
        f" {one.frigate_octets / 1000:.0f} | {one.resident:.1f} | {f'{one.traced:.1f}' if one.traced else '–'} |"
        for one in found
    ]
    lines += [
        "",
        "*A change*: a camera goes away, is said to, and comes back, while the others are well; Frigate's and go2rtc's"
        " documents hold all cameras, so what is joined for one change grows with them, in slices.",
        "",
        "A restart: what is retained and the cameras are read back in slices, everything retained is said again, and"
        " the announcer settles.",
        "",
        "| cameras known | s until all is said | longest turn ms | messages |",
        "|---:|---:|---:|---:|",
    ]
    lines += [f"| {one.cameras} | {one.seconds:.2f} | {one.longest:.0f} | {one.messages} |" for one in restarted]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--found", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--restart", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--traced", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--profile", help="profile one run of --found or --restart into this file")
    asked = parser.parse_args()
    if asked.found or asked.restart:
        globalLogBeginner.beginLoggingTo([fail], redirectStandardIO=False, discardBuffer=True)
        if asked.profile:
            import cProfile

            profile = cProfile.Profile()
            profile.enable()
        run = find_fleet(asked.found, traced=asked.traced) if asked.found else restart_fleet(asked.restart)
        if asked.profile:
            profile.disable()
            profile.dump_stats(asked.profile)
        print(dumps(asdict(run)))
        return
    found = measure_found(asked.sizes, asked.rounds)
    restarted = [Restarted(**in_process("--restart", str(size))) for size in RESTARTS]
    text = text_of(found, restarted, asked.rounds)
    print(text)
    if asked.write:
        write_section(TITLE, text)


if __name__ == "__main__":
    main()
