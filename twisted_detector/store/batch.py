"""Writes go in one at a time; one transaction's worth comes out, without what was taken back meanwhile. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from twisted_detector.model import JournalRecord, Message


@dataclass(slots=True)
class Batch:
    """What one transaction writes. The newest write of a key is the only one.

    Its bounds are those of whoever writes: never more records than the outbox keeps, nor more removals than records
    that were written; one text for each camera, topic and key.

    :ivar appends: records by id. :ivar removes: ids of written records.
    :ivar retained: by topic what the broker knows, None to forget it.
    :ivar cameras: documents by id, None to delete one. :ivar values: texts by table and key.
    """

    appends: dict[int, JournalRecord] = field(default_factory=dict)
    removes: set[int] = field(default_factory=set)
    retained: dict[str, Message | None] = field(default_factory=dict)
    cameras: dict[str, str | None] = field(default_factory=dict)
    values: dict[tuple[str, str], str] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(map(len, (self.appends, self.removes, self.retained, self.cameras, self.values)))

    def remove(self, ids: Sequence[int]) -> None:
        """Take records back: those of this batch vanish from it, others are to be removed."""
        for record_id in ids:
            if self.appends.pop(record_id, None) is None:
                self.removes.add(record_id)

    def split(self, records: int) -> tuple[Batch, Batch]:
        """All of it but with the first so many records only, and the other records."""
        if len(self.appends) <= records:
            return self, Batch()
        rest = dict(islice(self.appends.items(), records, None))
        first = dict(islice(self.appends.items(), records))
        return Batch(first, self.removes, self.retained, self.cameras, self.values), Batch(rest)

    def after(self, failed: Batch) -> Batch:
        """This batch on top of an earlier one that was not written."""
        merged = Batch(
            {**failed.appends, **self.appends},
            failed.removes,
            {**failed.retained, **self.retained},
            {**failed.cameras, **self.cameras},
            {**failed.values, **self.values},
        )
        for record_id in self.removes:
            merged.appends.pop(record_id, None)
        # They stay removals too: a transaction that failed at its very end may stand on the disk all the same.
        merged.removes |= self.removes
        return merged
