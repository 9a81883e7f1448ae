"""Messages of an outbox go in, to survive ``kill -9``; word of what was written comes out. The seam, not the disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from twisted_detector.model import JournalRecord, Message


class Journal(Protocol):
    """The outbox on disk. Every call returns at once; what is removed before it was written is never written."""

    on_committed: Callable[[Sequence[int]], None]  #: set by the outbox: these survive ``kill -9`` from now on
    on_renewed: Callable[[], None]  #: set by the outbox: the disk has lost everything, say it again

    def append(self, record: JournalRecord) -> None:
        """Write ``record`` soon."""

    def remove(self, ids: Sequence[int]) -> None:
        """Forget these records, not before the ``append`` that came before it."""

    def retain(self, message: Message) -> None:
        """``message`` is what the broker was last told on its topic."""

    def forget(self, topic: str) -> None:
        """Nothing is retained on ``topic`` any more."""
