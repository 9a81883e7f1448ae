"""Contracts of what is on the disk: :class:`mqtt.seams.Journal` and :class:`IStateStore`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector.model import JournalRecord, Message
from twisted_detector.seams import IStateStore
from twisted_detector.testing.contracts.case import Contract
from twisted_detector.testing.contracts.outputs import CAMERAS

_AT = 1_700_000_000.0
#: Seconds within which everything is on the disk, and everything is read from it.
_WITHIN = 2.0


def _record(number: int, payload: bytes = b"x", **more: Any) -> JournalRecord:
    return JournalRecord(number, Message(f"t/{number}", payload, **more), _AT)


class JournalStage(Protocol):
    """A journal on an empty disk; what is written reaches the disk when :meth:`write` is called, and not before."""

    @property
    def journal(self) -> Any:
        """The journal of this life of the program."""

    def write(self) -> None:
        """Let all that was asked for reach the disk."""

    def restart(self) -> None:
        """The program is killed, and starts anew: what was not on the disk is lost."""

    def records(self) -> Sequence[JournalRecord]:
        """The records on the disk, as they are read at a start."""

    def retained(self) -> Sequence[Message]:
        """The remembered documents on the disk, as they are read at a start."""


def journal_contract(build: Callable[[], JournalStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`mqtt.seams.Journal`."""

    class JournalContract(SynchronousTestCase):
        def setUp(self) -> None:
            self.stage = build()
            self.committed: list[int] = []
            self.watch()

        def watch(self) -> None:
            self.stage.journal.committed.add(self.committed.extend)

        def append(self, *records: JournalRecord) -> None:
            for record in records:
                assert self.stage.journal.append(record) is None

        def remove(self, *numbers: int) -> None:
            assert self.stage.journal.remove(numbers) is None

        def after_restart(self) -> list[int]:
            self.stage.restart()
            self.watch()
            return [record.id for record in self.stage.records()]

        def test_appended(self) -> None:
            """What is told as committed survives, whole and in order; what is not written yet is not told so."""
            records = [
                _record(1),
                _record(2, b"\0\xff", qos=0, expires_after=3.5),
                _record(5, b"", retain=True),
                _record(7, "ü".encode()),
            ]
            self.append(*records)
            assert self.committed == []
            self.stage.write()
            assert self.committed == [1, 2, 5, 7]
            self.stage.restart()
            assert list(self.stage.records()) == records

        def test_killed(self) -> None:
            """What was not written when the program was killed may be lost, and was never told as committed."""
            self.append(_record(1))
            self.stage.write()
            self.append(_record(2))
            assert self.committed == [1]
            assert self.after_restart() in ([1], [1, 2])

        def test_removed(self) -> None:
            """What is removed is gone, and no other; so it is in the next life."""
            self.append(_record(1), _record(2), _record(3))
            self.stage.write()
            self.remove(1, 3)
            self.stage.write()
            assert self.after_restart() == [2]
            self.remove(2)
            self.stage.write()
            assert self.after_restart() == []

        def test_removed_before_it_was_written(self) -> None:
            """What is removed before it was written is never written, nor told as committed."""
            self.append(_record(1), _record(2))
            self.remove(1)
            self.stage.write()
            assert self.committed == [2]
            assert self.after_restart() == [2]

        def test_written_again(self) -> None:
            """A record under the same id takes the place of the former."""
            self.append(_record(1, b"old"))
            self.stage.write()
            self.append(_record(1, b"new"))
            self.stage.write()
            self.stage.restart()
            assert [record.message.payload for record in self.stage.records()] == [b"new"]

        def test_retained(self) -> None:
            """Of each topic the latest document is remembered, and none that was forgotten."""
            journal = self.stage.journal
            for topic, payload in (("a", b"1"), ("b", b"2"), ("c", b"3"), ("a", b"4")):
                assert journal.retain(Message(topic, payload, retain=True)) is None
            self.stage.write()
            assert journal.forget("b") is None
            self.stage.write()
            self.stage.restart()
            assert {one.topic: one.payload for one in self.stage.retained()} == {"a": b"4", "c": b"3"}

        def test_forgotten_before_it_was_written(self) -> None:
            """What is forgotten before it was written is not remembered; what is remembered after that is."""
            journal = self.stage.journal
            journal.retain(Message("a", b"1", retain=True))
            journal.forget("a")
            journal.forget("b")
            journal.retain(Message("b", b"2", retain=True))
            self.stage.write()
            self.stage.restart()
            assert {one.topic: one.payload for one in self.stage.retained()} == {"b": b"2"}

    return JournalContract


class StateStoreStage(Protocol):
    """An open store without anything in it."""

    @property
    def store(self) -> Any:
        """The store of this life of the program."""

    def restart(self) -> None:
        """The program is killed, and starts anew with what was on the disk."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def state_store_contract(build: Callable[[], StateStoreStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IStateStore`."""

    class StateStoreContract(Contract):
        def setUp(self) -> None:
            self.stage = build()

        def advance(self, seconds: float) -> None:
            self.stage.advance(seconds)

        def written(self, *saving: Deferred[None]) -> None:
            for one in saving:
                assert self.result_of(one, _WITHIN) is None

        def cameras(self) -> dict[str, Any]:
            return {one.id: one for one in self.result_of(self.stage.store.load_cameras(), _WITHIN)}

        def values(self, table: str) -> dict[str, str]:
            return dict(self.result_of(self.stage.store.load_values(table), _WITHIN))

        def test_interface(self) -> None:
            """It provides IStateStore, and is empty."""
            verifyObject(IStateStore, self.stage.store)
            assert (self.cameras(), self.values("session")) == ({}, {})

        def test_cameras(self) -> None:
            """A camera is read as it was saved last, whatever a device said of itself, in this life and in the next."""
            first, second, third = CAMERAS
            store = self.stage.store
            self.written(*(store.save_camera(one) for one in CAMERAS))
            moved = type(first)(first.id, first.device_id, "10.0.0.77")
            self.written(store.save_camera(moved), store.delete_camera(third.id), store.delete_camera("unknown"))
            for _ in range(2):
                assert self.cameras() == {first.id: moved, second.id: second}
                self.stage.restart()

        def test_values(self) -> None:
            """A value is read as it was saved last, from its own table, in this life and in the next."""
            save = self.stage.store.save_value
            self.written(save("a", "k", "1"), save("b", "k", "2"), save("a", "k", "ü\n'\0"), save("a", "", ""))
            for _ in range(2):
                assert self.values("a") == {"k": "ü\n'\0", "": ""}
                assert (self.values("b"), self.values("c")) == ({"k": "2"}, {})
                self.stage.restart()

        def test_read_at_once(self) -> None:
            """What was saved is read, though it may not be on the disk yet."""
            saving = [self.stage.store.save_camera(CAMERAS[0]), self.stage.store.save_value("a", "k", "1")]
            assert (list(self.cameras()), self.values("a")) == ([CAMERAS[0].id], {"k": "1"})
            self.written(*saving)

        def test_copies(self) -> None:
            """What is read is the reader's own: who changes it changes nothing in the store."""
            self.written(self.stage.store.save_value("a", "k", "1"))
            read = self.result_of(self.stage.store.load_values("a"), _WITHIN)
            if isinstance(read, dict):
                read.clear()
            assert self.values("a") == {"k": "1"}

    return StateStoreContract
