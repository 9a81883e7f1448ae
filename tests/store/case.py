"""Case of a store on a thread that is no thread: every write happens when the clock is advanced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import StoreError
from twisted_detector.model import Announced, Camera, Evidence, JournalRecord, Mac, Message, Proof, Status, Stream
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.store.batch import Batch
from twisted_detector.store.database import Database
from twisted_detector.store.store import Store

CAMERA = Camera(
    id="0011223344aa",
    device_id="dev-1",
    address="192.0.2.7",
    mac=Mac("00:11:22:33:44:aa"),
    name="Türkamera \ud800",
    streams=(Stream("rtsp://192.0.2.7/1", codec="H264", width=1920, fps=12.5, proof=Proof.KEYFRAME, validated=True),),
    capabilities=("ptz",),
    status=Status.ONLINE,
    since=1.5,
    ip_history=(("192.0.2.6", 1.0), ("192.0.2.7", 2.0)),
    methods=("wsdiscovery",),
    evidence=(Evidence("serial", "S1", "onvif", 3.0),),
    announced=Announced(
        "HIKVISION", kind=DeviceKind.RECORDER, channels=4, conditions=(Condition.OPEN, Condition.SLEEPS)
    ),
    hearsay=("manufacturer",),
    unconfirmed=True,
)


class Reactor(Clock):
    """A clock that has the few other things that a store wants of a reactor."""

    def callFromThread(self, f: Callable[..., object], *args: object, **kwargs: object) -> None:
        f(*args, **kwargs)

    def addSystemEventTrigger(self, phase: str, kind: str, f: Callable[[], object]) -> object:
        return (phase, kind, f)

    def removeSystemEventTrigger(self, trigger: object) -> None:
        pass


class Pool:
    """Does the work at once, or when it is told to."""

    def __init__(self) -> None:
        self.started = self.held = False
        self.waiting: list[Callable[[], None]] = []

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def callInThreadWithCallback(
        self, done: Callable[[bool, Any], None], f: Callable[..., object], *args: object
    ) -> None:
        assert self.started

        def work() -> None:
            try:
                result = f(*args)
            except Exception:
                done(False, Failure())
            else:
                done(True, result)

        if self.held:
            self.waiting.append(work)
        else:
            work()

    def release(self) -> None:
        waiting, self.waiting = self.waiting, []
        for work in waiting:
            work()


class Disk(Database):
    """A database whose disk can be broken."""

    broken = ""
    batches = 0

    def open(self) -> bool:
        if self.broken:
            raise StoreError(self.broken)
        return super().open()

    def write(self, batch: Batch) -> bool:
        if self.broken:
            raise StoreError(self.broken)
        self.batches += 1
        return super().write(batch)


def record(number: int, payload: bytes = b"x", **more: object) -> JournalRecord:
    return JournalRecord(number, Message("t", payload, **more), 1.7e9)  # type: ignore[arg-type]


class StoreCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.directory = Path(self.mktemp()) / "state"
        self.store = self.life()
        self.committed: list[int] = []
        self.store.committed.add(self.committed.extend)
        self.run_now(self.store.open())

    def life(self) -> Store:
        self.reactor = Reactor()
        self.pool = Pool()

        def make(directory: Path, synchronous: str) -> Disk:
            self.disk = Disk(directory, synchronous)
            self.addCleanup(self.disk.close)
            return self.disk

        return Store(self.reactor, self.directory, pool=self.pool, make_database=make)  # type: ignore[arg-type]

    def run_now(self, coroutine: Any) -> Any:
        """The result of a coroutine, or Deferred, within a second of the clock."""
        done = coroutine if isinstance(coroutine, Deferred) else Deferred.fromCoroutine(coroutine)
        self.reactor.pump([0.01] * 100)
        return self.successResultOf(done)

    def next_life(self) -> Store:
        """The process was killed: nothing is closed in order, the lock goes with it."""
        self.disk.close()
        self.store = self.life()
        self.run_now(self.store.open())
        return self.store

    def saved(self) -> list[int]:
        return [item.id for item in self.run_now(self.store.load_outbox())]

    def retained(self) -> list[Message]:
        found: list[Message] = []
        self.run_now(self.store.load_retained(found.append))
        return found
