"""Case of the commands by which a person decides about devices, over a detector with doubles and a real file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred

from tests.detector.case import HERE, ID, THERE, DetectorCase
from tests.facts import A, B, sighting
from twisted_detector.config.page_settings import FILE
from twisted_detector.errors import NotSaved, RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Camera, Candidate, Interface, Login
from twisted_detector.operations.adoption import AdoptionCommands
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.operations.forgetting import ForgetCommand
from twisted_detector.operations.logins.command import LoginCommand
from twisted_detector.operations.logins.keeping import LoginKeeper
from twisted_detector.operations.requests import Handler
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import MemoryStateStore
from twisted_detector.testing.lan import ETH0

T = TypeVar("T")


class DecidingCase(DetectorCase):
    """Two cameras that are there, and not adopted; every command of a person about them.

    :ivar named: addresses that the configuration names.
    :ivar is_full: the disk takes no writes.
    :ivar left_alone: addresses that are asked nothing.
    """

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir(mode=0o700)
        self.store = MemoryStateStore()
        self.named: set[str] = set()
        self.is_full = False
        self.excluded = self.left_alone = set[str]()
        self.prepared: list[str] = []
        self.interfaces: tuple[Interface, ...] = (ETH0,)
        super().setUp()
        self.book = DecisionBook(self.folder, in_thread=self.in_thread)
        self.begin()

    async def in_thread(self, work: Callable[[], T]) -> T:
        if self.is_full:
            raise NotSaved("no space left on device")
        return work()

    def make_budget(self) -> LoginBudget:
        async def prepare(login: Login) -> None:
            self.prepared.append(login.name)

        self.configured = ConfiguredLogins(self.logins, prepare=prepare)
        self.done(self.configured.prepare_first())
        return LoginBudget(self.configured, salt="s", save=self.saved_logins.__setitem__, work=2)

    def begin(self) -> None:
        """The daemon starts, and finds both."""
        self.adoption = AdoptionBook(is_listed=self.is_listed)
        self.registry = Registry(self.bus.emit, missed_limit=3, adoption=self.adoption)
        self.start()
        self.join()
        self.find()

    def find(self) -> None:
        for address, mac in ((HERE, A), (THERE, B)):
            self.watcher.report(sighting(address, mac, xaddrs=(f"http://{address}/o",)))
        self.clock.pump([1] * 20)
        self.inspector.calls.clear()

    def is_listed(self, candidate: Candidate) -> bool:
        return candidate.address in self.named

    def join(self) -> None:
        self.done(self.book.load())
        self.book.changed.add(self.configured.replace_decided)
        self.verdicts = VerdictCarrier(
            self.clock,
            self.registry,
            book=self.book,
            store=self.store,
            check=self.detector.check,
            rescan=self.detector.rescan,
        )
        self.bus.subscribe(self.verdicts)
        self.done(self.verdicts.start())

        async def interfaces() -> Any:
            return self.interfaces

        login = LoginCommand(
            self.clock,
            self.registry,
            detector=self.detector,
            budget=self.budget,
            logins=self.configured,
            verdicts=self.verdicts,
            keeper=LoginKeeper(self.book, self.verdicts, interfaces=interfaces),
        )
        adoption = AdoptionCommands(
            self.registry, self.detector, verdicts=self.verdicts, is_listed=self.adoption.is_listed
        )
        forget = ForgetCommand(self.clock, self.registry, drop=self.verdicts.drop, monotonic=self.clock.seconds)
        self.handlers: dict[str, Handler] = {
            "login": login.execute,
            "forget": forget.execute,
            **adoption.handlers,
        }

    # --- asking ----------------------------------------------------------------------------------------------------

    def done(self, work: Any) -> Any:
        return self.successResultOf(Deferred.fromCoroutine(work))

    def begin_asking(self, name: str, **fields: Any) -> Deferred[Mapping[str, Any]]:
        return Deferred.fromCoroutine(self.handlers[name](fields))

    def ask(self, name: str, seconds: float = 3, **fields: Any) -> dict[str, Any]:
        asked = self.begin_asking(name, **fields)
        self.clock.pump([0.25] * int(4 * seconds) * (not asked.called))
        return dict(self.successResultOf(asked))

    def refused(self, name: str, **fields: Any) -> str:
        asked = self.begin_asking(name, **fields)
        return str(self.failureResultOf(asked, RemoteError, NotSaved).value)

    def camera(self, camera_id: str = ID) -> Camera:
        found = self.registry.camera(camera_id)
        assert found is not None
        return found

    def candidate(self, camera_id: str = ID) -> Candidate:
        key = self.registry.key_of_camera(camera_id)
        assert key is not None
        return self.registry.candidate(key)

    # --- the file --------------------------------------------------------------------------------------------------

    @property
    def file(self) -> Path:
        return self.folder / FILE

    def text(self) -> str:
        return self.file.read_text() if self.file.exists() else ""

    def edit(self, text: str) -> None:
        """A person edits the file, and has it read again."""
        self.file.write_text(text)
        self.done(self.book.reload())
