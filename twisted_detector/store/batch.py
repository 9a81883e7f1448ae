"""Batch of writes that become one transaction, without those that were taken back meanwhile. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from twisted.internet.defer import Deferred

from twisted_detector.model import JournalRecord, Message
from twisted_detector.store.history_rows import HistoryWrites


@dataclass(slots=True)
class Batch:
    """Writes of one transaction; of several writes of one key the newest.

    Bounded by its writers: never more records than the outbox keeps, nor more removals than records that were written;
    one text for each camera, topic and key.

    :ivar appends: records by id.
    :ivar removes: ids of written records.
    :ivar retained: messages that the broker retains by topic, None to forget one.
    :ivar cameras: documents by id, None to delete one.
    :ivar values: texts by table and key.
    :ivar history: what is written of the history.
    :ivar waits: what fires when the transaction was committed or has failed.
    """

    appends: dict[int, JournalRecord] = field(default_factory=dict)
    removes: set[int] = field(default_factory=set)
    retained: dict[str, Message | None] = field(default_factory=dict)
    cameras: dict[str, str | None] = field(default_factory=dict)
    values: dict[tuple[str, str], str] = field(default_factory=dict)
    history: HistoryWrites = field(default_factory=HistoryWrites)
    waits: list[Deferred[None]] = field(default_factory=list)

    def __len__(self) -> int:
        parts = (self.appends, self.removes, self.retained, self.cameras, self.values)
        return sum(map(len, parts)) + len(self.history)

    def remove(self, ids: Sequence[int]) -> None:
        """Take records back: those of this batch are dropped from it, others are to be removed."""
        for record_id in ids:
            if self.appends.pop(record_id, None) is None:
                self.removes.add(record_id)

    def fire_waits(self) -> None:
        """Fire everything that waits for the end of the transaction."""
        waits, self.waits = self.waits, []
        for wait in waits:
            wait.callback(None)

    def split(self, records: int) -> tuple[Batch, Batch]:
        """This batch with the first ``records`` records only, and a batch of the other records."""
        if len(self.appends) <= records:
            return self, Batch()
        rest = dict(islice(self.appends.items(), records, None))
        first = dict(islice(self.appends.items(), records))
        return replace(self, appends=first), Batch(rest)

    def on_top_of(self, failed: Batch) -> Batch:
        """This batch together with an earlier one that was not written."""
        merged = Batch(
            {**failed.appends, **self.appends},
            failed.removes,
            {**failed.retained, **self.retained},
            {**failed.cameras, **self.cameras},
            {**failed.values, **self.values},
            self.history.on_top_of(failed.history),
            self.waits,
        )
        for record_id in self.removes:
            merged.appends.pop(record_id, None)
        # They stay removals too: a transaction that failed at its very end may be on the disk all the same.
        merged.removes |= self.removes
        return merged
