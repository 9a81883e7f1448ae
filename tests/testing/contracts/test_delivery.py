"""The contract of deliveries, on the double and on every way to Frigate, to go2rtc and to their variables."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from ruamel.yaml import YAML
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock, deferLater

from tests.outputs.case import Place
from tests.outputs.frigate_case import MIDDLE, NEWER, OLDER, THEIRS, camera, document
from tests.peers.exchange import Answer, Direct, Request
from tests.peers.frigate import Frigate
from tests.peers.go2rtc import Go2rtc
from twisted_detector.errors import PublishError, QueueFull
from twisted_detector.model import Message, Secret
from twisted_detector.model.consumers import FRIGATE
from twisted_detector.outputs.frigate.api import FrigateApi
from twisted_detector.outputs.frigate.document import FrigateTopics
from twisted_detector.outputs.frigate.merging import merge_configuration
from twisted_detector.outputs.frigate.topic import MAX_DOCUMENT, TopicDestination
from twisted_detector.outputs.go2rtc.api import Go2rtcApi
from twisted_detector.outputs.sync.env_file import EnvDestination
from twisted_detector.outputs.sync.file import FileDestination
from twisted_detector.outputs.sync.http import HttpRequest, HttpResponse
from twisted_detector.outputs.sync.merging import is_ours, merge_section
from twisted_detector.outputs.sync.seams import TargetRefused, TargetUnavailable
from twisted_detector.testing.contracts import Trouble, delivery_contract

NAMES = ("024000000001", "024000000002")


class TimedStage:
    """What takes time takes it on a clock: an answer, and the work of a thread."""

    longest = 10.0
    latency = 0.05

    def __init__(self) -> None:
        self.clock = Clock()

    async def in_thread(self, work: Callable[[], Any]) -> Any:
        await deferLater(self.clock, self.latency)
        return work()

    def left_open(self) -> Sequence[object]:
        return self.clock.getDelayedCalls()

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)


class PlaceStage(TimedStage):
    """The double."""

    wanted: Mapping[str, Any] = {"a": 1, "b": 2}
    moved: Mapping[str, Any] = {"a": 3, "b": 4}

    def __init__(self) -> None:
        super().__init__()
        self.destination = Place()

    def ours(self) -> Mapping[str, Any]:
        return self.destination.held

    def theirs(self) -> Any:
        return None

    def changes(self) -> int:
        return self.destination.changes

    def trouble(self, kind: Trouble) -> None:
        scripts: dict[Trouble, list[Exception]] = {
            Trouble.AWAY: [TargetUnavailable("no answer")],
            Trouble.REFUSES: [TargetRefused("no")],
        }
        self.destination.script = scripts.get(kind, [])


class FileStage(TimedStage):
    """A configuration file of Frigate, in a folder of its own."""

    text = THEIRS
    section = "cameras"
    wanted: Mapping[str, Any] = document(camera(1), camera(2)).entries
    moved: Mapping[str, Any] = document(camera(1, "10.0.0.71"), camera(2, "10.0.0.72")).entries
    merge = staticmethod(merge_configuration)

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(mkdtemp(dir=Path.cwd()))
        self.path = self.folder / "config.yml"
        self.path.write_text(self.text)
        self.first = self.path.stat()
        self.destination = FileDestination("file", self.path, merge=self.merge, in_thread=self.in_thread)

    def document(self) -> Mapping[str, Any]:
        loaded: Mapping[str, Any] = YAML(typ="safe").load(self.path.read_text()) or {}
        return loaded

    def ours(self) -> Mapping[str, Any]:
        section = self.document().get(self.section) or {}
        return {name: one for name, one in section.items() if name in NAMES}

    def theirs(self) -> Any:
        if not self.path.is_file():
            return copy.deepcopy(YAML(typ="safe").load(self.text))
        loaded = dict(self.document())
        loaded[self.section] = {n: one for n, one in (loaded.get(self.section) or {}).items() if n not in NAMES}
        return loaded

    def changes(self) -> int:
        now = self.path.stat()
        return int((now.st_ino, now.st_mtime_ns) != (self.first.st_ino, self.first.st_mtime_ns))

    def trouble(self, kind: Trouble) -> None:
        if self.path.is_dir():
            self.path.rmdir()
        self.path.unlink(missing_ok=True)
        match kind:
            case Trouble.AWAY:
                self.path.symlink_to(self.path)  # ELOOP: as a disk that gives an error
            case Trouble.REFUSES:
                self.path.mkdir()
            case Trouble.NONE:
                self.path.write_text(self.text)


class Go2rtcFileStage(FileStage):
    """The same for go2rtc."""

    text = "api:\n  listen: ':1984'\nstreams:\n  garden: rtsp://user:secret@10.0.0.5/x\n"
    section = "streams"
    wanted: Mapping[str, Any] = {name: [f"rtsp://10.0.0.{number}:554/main"] for number, name in enumerate(NAMES)}
    moved: Mapping[str, Any] = {name: [f"rtsp://10.0.0.7{number}:554/main"] for number, name in enumerate(NAMES)}
    merge = staticmethod(partial(merge_section, "streams"))


class EnvFileStage(TimedStage):
    """A file of variables."""

    wanted: Mapping[str, Any] = {"FRIGATE_A": Secret("canary-1"), "FRIGATE_B": Secret("canary 2")}
    moved: Mapping[str, Any] = {"FRIGATE_A": Secret("canary-3"), "FRIGATE_B": Secret("canary 4")}

    def __init__(self) -> None:
        super().__init__()
        self.path = Path(mkdtemp(dir=Path.cwd())) / "frigate.env"
        self.prepare()
        self.destination = EnvDestination("env", self.path, in_thread=self.in_thread)

    def prepare(self) -> None:
        self.path.write_text("TZ=UTC\n")
        self.path.chmod(0o600)
        self.first = self.path.stat()

    def lines(self) -> dict[str, str]:
        return dict(line.split("=", 1) for line in self.path.read_text().splitlines())

    def ours(self) -> Mapping[str, Any]:
        return {name: value for name, value in self.lines().items() if name in self.wanted}

    def theirs(self) -> Any:
        if not self.path.is_file():
            return {"TZ": "UTC"}
        return {name: value for name, value in self.lines().items() if name not in self.wanted}

    def changes(self) -> int:
        now = self.path.stat()
        return int((now.st_ino, now.st_mtime_ns) != (self.first.st_ino, self.first.st_mtime_ns))

    def trouble(self, kind: Trouble) -> None:
        self.path.unlink(missing_ok=True)
        match kind:
            case Trouble.AWAY:
                self.path.symlink_to(self.path)
            case Trouble.REFUSES:
                self.path.write_bytes(b"\xff\xfe no text")
            case Trouble.NONE:
                self.prepare()


class SecretFolderStage(EnvFileStage):
    """A folder of variables, a file each."""

    def prepare(self) -> None:
        self.path.mkdir(exist_ok=True)
        (self.path / "their_key").write_text("x")
        self.known = {one.name: one.stat() for one in self.path.iterdir()}

    def lines(self) -> dict[str, str]:
        return {one.name: one.read_text() for one in self.path.iterdir() if one.is_file()}

    def theirs(self) -> Any:
        return {name: value for name, value in self.lines().items() if name not in self.wanted}

    def changes(self) -> int:
        return int({one.name: one.stat().st_mtime_ns for one in self.path.iterdir()} != self.times())

    def times(self) -> dict[str, int]:
        return {name: one.st_mtime_ns for name, one in self.known.items()}

    def trouble(self, kind: Trouble) -> None:
        place = self.path / "FRIGATE_A"
        if place.is_dir():
            place.rmdir()
        place.unlink(missing_ok=True)
        match kind:
            case Trouble.AWAY:
                place.symlink_to(place)
            case Trouble.REFUSES:
                place.mkdir()


class SlowHttp(Direct):
    """A way to a double on which every answer takes a moment."""

    def __init__(self, stage: TimedStage, ask: Callable[[Request], Answer], *, port: int) -> None:
        super().__init__(ask, port=port)
        self._stage = stage

    async def request(self, request: HttpRequest) -> HttpResponse:
        await deferLater(self._stage.clock, self._stage.latency)
        return await super().request(request)


class FrigateStage(TimedStage):
    """A running Frigate."""

    version = MIDDLE
    wanted = FileStage.wanted
    moved = FileStage.moved

    def __init__(self) -> None:
        super().__init__()
        self.double = Frigate(self.version, THEIRS, now=self.clock.seconds)
        self.http = SlowHttp(self, self.answer, port=5000)
        self.refuses = False
        self.destination = FrigateApi(
            self.http,  # type: ignore[arg-type]
            in_thread=self.in_thread,
            monotonic=self.clock.seconds,
        )

    def answer(self, request: Request) -> Answer:
        return Answer(401, [], b"") if self.refuses else self.double.answer(request)

    def document(self) -> Mapping[str, Any]:
        loaded: Mapping[str, Any] = YAML(typ="safe").load(self.double.config.text)
        return loaded

    def ours(self) -> Mapping[str, Any]:
        return {name: one for name, one in self.document()["cameras"].items() if name in NAMES}

    def theirs(self) -> Any:
        loaded = dict(self.document())
        loaded["cameras"] = {name: one for name, one in loaded["cameras"].items() if name not in NAMES}
        return loaded

    def changes(self) -> int:
        return len(self.http.changing)

    def trouble(self, kind: Trouble) -> None:
        self.double.fault = "slow" if kind is Trouble.AWAY else ""
        self.refuses = kind is Trouble.REFUSES


class OlderFrigateStage(FrigateStage):
    version = OLDER


class NewerFrigateStage(FrigateStage):
    version = NEWER


class Go2rtcStage(TimedStage):
    """A running go2rtc."""

    wanted = Go2rtcFileStage.wanted
    moved = Go2rtcFileStage.moved

    def __init__(self) -> None:
        super().__init__()
        self.double = Go2rtc(text="streams:\n  garden: rtsp://10.0.0.5/x\n")
        self.http = SlowHttp(self, self.double.answer, port=1984)
        self.destination = Go2rtcApi(self.http, is_ours=is_ours, keep_logins=False, headers={})  # type: ignore[arg-type]

    def ours(self) -> Mapping[str, Any]:
        return {name: sources for name, sources in self.double.sources().items() if name in NAMES}

    def theirs(self) -> Any:
        return {name: sources for name, sources in self.double.sources().items() if name not in NAMES}

    def changes(self) -> int:
        return len(self.http.changing)

    def trouble(self, kind: Trouble) -> None:
        self.double.fault = "slow" if kind is Trouble.AWAY else ""
        self.double.login = "someone:else" if kind is Trouble.REFUSES else ""


class TopicStage(TimedStage):
    """Frigate's configuration on a broker, with a camera of another node."""

    wanted = FileStage.wanted
    moved = FileStage.moved
    text = b'{"cameras":{"garden":{"enabled":true}}}'

    def __init__(self) -> None:
        super().__init__()
        self.published = 0
        self.problem: PublishError | None = None
        topics = FrigateTopics("frigate/config/cameras", "frigate/config/reload")
        self.destination = TopicDestination(
            self.clock,
            FRIGATE,
            topics,
            publish=self.publish,
            forget=lambda: None,
            ask=lambda: None,
            in_thread=self.in_thread,
        )
        self.destination.set_connected(True)
        self.say(self.text)

    def say(self, payload: bytes) -> None:
        self.standing = payload
        self.destination.receive("frigate/config/cameras", payload)

    def publish(self, message: Message) -> Deferred[None]:
        if self.problem is not None:
            raise self.problem
        if message.retain:
            self.published += 1
            self.standing = message.payload
        return succeed(None)

    def cameras(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = json.loads(self.standing)["cameras"]
        return found

    def ours(self) -> Mapping[str, Any]:
        return {name: one for name, one in self.cameras().items() if name in NAMES}

    def theirs(self) -> Any:
        return {name: one for name, one in self.cameras().items() if name not in NAMES}

    def changes(self) -> int:
        return self.published

    def trouble(self, kind: Trouble) -> None:
        self.problem = QueueFull() if kind is Trouble.AWAY else None
        large = json.dumps({"cameras": {"garden": {"x": "y" * MAX_DOCUMENT}}}).encode()
        self.say(large if kind is Trouble.REFUSES else self.text)


class PlaceTests(delivery_contract(PlaceStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class TopicTests(delivery_contract(TopicStage)):  # type: ignore[misc]
    """Frigate's configuration on the broker keeps the contract."""


class FrigateFileTests(delivery_contract(FileStage)):  # type: ignore[misc]
    """Frigate's file keeps the contract."""


class Go2rtcFileTests(delivery_contract(Go2rtcFileStage)):  # type: ignore[misc]
    """go2rtc's file keeps the contract."""


class EnvFileTests(delivery_contract(EnvFileStage)):  # type: ignore[misc]
    """A file of variables keeps the contract."""


class SecretFolderTests(delivery_contract(SecretFolderStage)):  # type: ignore[misc]
    """A folder of variables keeps the contract."""


class OlderFrigateTests(delivery_contract(OlderFrigateStage)):  # type: ignore[misc]
    """The API of Frigate 0.16 keeps the contract."""


class FrigateTests(delivery_contract(FrigateStage)):  # type: ignore[misc]
    """The API of Frigate 0.17 keeps the contract."""


class NewerFrigateTests(delivery_contract(NewerFrigateStage)):  # type: ignore[misc]
    """The API of Frigate 0.18 keeps the contract."""


class Go2rtcTests(delivery_contract(Go2rtcStage)):  # type: ignore[misc]
    """The API of go2rtc keeps the contract."""
