"""Case of ``add`` over a detector with doubles, hosts in memory and a real file of decisions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from tests.doubles.wall import WallClock
from tests.facts import C
from tests.operations.decisions.test_streams import StreamCase
from tests.operations.networks.case import networks_of
from twisted_detector.config.config import Config
from twisted_detector.config.declarations import filled
from twisted_detector.discovery.sweep.connector import Outcome
from twisted_detector.model import Evidence, EvidenceKind, Inspection, Status, StreamReport
from twisted_detector.model.decisions import StreamAddress
from twisted_detector.operations.adding.command import AddCommand
from twisted_detector.operations.adding.devices import AddedDevices
from twisted_detector.operations.adding.single import Means
from twisted_detector.operations.adding.stream_question import Finding, StreamAnswer
from twisted_detector.operations.why import Why
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.testing.lan import MemoryHosts

#: A host that is no camera that is known, its MAC, the id that it would get, and its stream.
NEW, NEW_MAC, NEW_ID = "10.0.0.50", C, C.compact
URL = f"rtsp://{NEW}:5566/live/1"
STREAM = StreamAddress("rtsp", 5566, "/live/1")
IS_THERE = StreamAnswer(Finding.THERE, "the server has a stream at /live/1: H264")


class AddingCase(StreamCase):
    """Cameras at ``HERE`` and ``THERE`` are known; a host at ``NEW`` is not.

    :ivar settings: of the configuration.
    :ivar answers: URL → what a server says of it; others are silent.
    :ivar questions: the URLs that were asked for.
    :ivar wall: the clock with the wall's time, which a test may set.
    """

    settings: Mapping[str, Any] = MappingProxyType({})

    def setUp(self) -> None:
        self.answers: dict[str, StreamAnswer] = {URL: IS_THERE}
        self.questions: list[str] = []
        super().setUp()
        self.neighbours.macs[NEW] = NEW_MAC
        self.hosts.ports[NEW] = {None: Outcome.REFUSED}

    def begin(self) -> None:
        self.hosts = MemoryHosts(self.clock)
        self.observations = ObservationLog()
        super().begin()

    def observe(self, at: float, address: str, source: str, text: str) -> None:
        super().observe(at, address, source, text)
        self.observations.record(at, address, source, text)

    def join(self) -> None:
        super().join()
        self.bus.subscribe(self.observations)
        why = Why(
            self.clock,
            networks=networks_of(filled(Config, dict(self.settings))),
            registry=self.registry,
            observations=self.observations,
            neighbours=self.neighbours,
            bridge=lambda addresses: "",
            make_connector=lambda reactor: MemoryConnectors(self.hosts),
        )
        devices = AddedDevices(
            self.clock,
            self.registry,
            detector=self.detector,
            book=self.book,
            given=self.given,
            verdicts=self.verdicts,
            prepare=self.configured.prepare,
        )
        self.runner.ended.add(devices.inspection_ended)

        async def ask(address: str, stream: StreamAddress) -> StreamAnswer:
            url = stream.url(address)
            self.questions.append(url)
            return self.answers.get(url, StreamAnswer(Finding.NOT_THERE, f"no stream at {stream.target} (404)"))

        async def resolve(name: str) -> Sequence[str]:
            return self.names.get(name, ())

        self.wall = WallClock(self.clock)
        self.adding = AddCommand(Means(self.wall, devices, why.examine, ask, self.clock.seconds), resolve=resolve)
        self.handlers["add"] = self.adding.add
        self.addCleanup(lambda: self.successResultOf(self.adding.stop()))

    def is_camera(self, address: str = NEW, **more: Any) -> None:
        """From now on a camera answers there, which names its stream."""
        self.inspector.answers[address] = Inspection(
            "scripted", address, 0.0, evidence=(Evidence(EvidenceKind.SERIAL, address, "test", 0.0),), **more
        )
        self.hosts.ports[address] = {554: Outcome.OPEN, 80: Outcome.OPEN, None: Outcome.REFUSED}

    def add(self, target: object, seconds: float = 40.0, until: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Add it; the last answer."""
        answer = self.ask("add", target=target)
        for _ in range(int(4 * seconds)):
            if answer["done"] or until():
                break
            self.clock.advance(0.25)
            answer = self.ask("add", job=answer["job"])
        return answer

    @staticmethod
    def told(answer: dict[str, Any], step: str) -> tuple[str, str]:
        """State of a step, and its text or its reason."""
        [found] = [one for one in answer["steps"] if one["step"].partition(" ")[0] == step]
        return found["state"], found["reason"] or found["text"]

    @staticmethod
    def helps(answer: dict[str, Any]) -> list[dict[str, str]]:
        return [one for step in answer["steps"] for one in step["help"]]

    def statuses(self, answer: dict[str, Any]) -> list[Status]:
        return [self.camera(one).status for one in answer["camera_ids"]]

    def plays(self, url: str, report: StreamReport | Exception) -> None:
        self.validator.answers[url] = report

    def sent_to(self, address: str) -> list[int]:
        return [port for _, where, port in self.hosts.attempts if where == address]


class MemoryConnectors:
    """One of several connectors to the same hosts: closing it ends its own attempts only."""

    def __init__(self, hosts: MemoryHosts) -> None:
        self._hosts = hosts
        self._running: list[Callable[[], None]] = []

    def connect(self, address: str, port: int, ended: Callable[[Outcome], None]) -> Callable[[], None]:
        give_up = self._hosts.connect(address, port, ended)
        self._running.append(give_up)
        return give_up

    def poll(self) -> bool:
        return True

    def close(self) -> None:
        for give_up in self._running:
            give_up()
