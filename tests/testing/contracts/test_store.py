"""The contracts of what is on the disk, on the doubles and on SQLite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from twisted.internet.defer import Deferred

from tests.mqtt.test_outbox import MemoryJournal
from tests.store.case import Disk, Pool, Reactor
from twisted_detector.model import JournalRecord, Message
from twisted_detector.store.store import Store
from twisted_detector.testing.contracts import journal_contract, state_store_contract
from twisted_detector.testing.doubles import MemoryStateStore


class MemoryJournalStage:
    """The double."""

    journal_kind = MemoryJournal

    def __init__(self) -> None:
        self.journal = self.journal_kind()

    def write(self) -> None:
        self.journal.commit()

    def restart(self) -> None:
        before, self.journal = self.journal, self.journal_kind()
        self.journal.disk, self.journal.retained = before.disk, before.retained

    def records(self) -> Sequence[JournalRecord]:
        return [self.journal.disk[number] for number in sorted(self.journal.disk)]

    def retained(self) -> Sequence[Message]:
        return tuple(self.journal.retained.values())


class StoreStage:
    """SQLite, in a folder of its own, on a thread that is no thread."""

    def __init__(self) -> None:
        self.directory = Path(mkdtemp(dir=Path.cwd())) / "state"
        self.start()

    def start(self) -> None:
        self.reactor = Reactor()

        def make(directory: Path, synchronous: str) -> Disk:
            self.disk = Disk(directory, synchronous)
            return self.disk

        self.journal = self.store = Store(
            self.reactor,
            self.directory,
            pool=Pool(),
            make_database=make,  # type: ignore[arg-type]
        )
        self.result_of(self.store.open())

    def result_of(self, work: Any) -> Any:
        results: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        self.advance(1.0)
        return results[0]

    def advance(self, seconds: float) -> None:
        self.reactor.pump([seconds / 10] * 10)

    def write(self) -> None:
        self.advance(1.0)

    def restart(self) -> None:
        self.disk.close()
        self.start()

    def records(self) -> Sequence[JournalRecord]:
        records: Sequence[JournalRecord] = self.result_of(self.store.load_outbox())
        return records

    def retained(self) -> Sequence[Message]:
        documents: list[Message] = []
        self.result_of(self.store.load_retained(documents.append))
        return documents


class MemoryStateStoreStage:
    """The double: what is saved is there at once, and so after a restart."""

    def __init__(self) -> None:
        self.store = MemoryStateStore()

    def restart(self) -> None:
        before, self.store = self.store, MemoryStateStore()
        self.store.cameras, self.store.values = before.cameras, before.values

    def advance(self, seconds: float) -> None:
        """Nothing takes time."""


class MemoryJournalTests(journal_contract(MemoryJournalStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class StoreJournalTests(journal_contract(StoreStage)):  # type: ignore[misc]
    """SQLite keeps the contract of a journal."""


class MemoryStateStoreTests(state_store_contract(MemoryStateStoreStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class StoreStateTests(state_store_contract(StoreStage)):  # type: ignore[misc]
    """SQLite keeps the contract of a store of state."""
