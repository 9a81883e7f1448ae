"""The name of a kind goes in; the captured answers of that kind come out, from ``$CORPUS`` or ``../shared/corpus``.

The corpus is never part of the project: where it is absent, the tests that read it say so and skip.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(os.environ.get("CORPUS", Path(__file__).resolve().parents[2] / "shared" / "corpus"))  # noqa: TID251
SKIP = "" if (ROOT / "index.json").is_file() else f"no corpus: set CORPUS or put it at {ROOT}"


@dataclass(frozen=True)
class Case:
    id: str
    kind: str
    odd: str
    expect: dict[str, Any]
    context: dict[str, Any]
    path: Path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()


@cache
def _index() -> tuple[Case, ...]:
    if SKIP:
        return ()
    entries = json.loads((ROOT / "index.json").read_text())
    return tuple(
        Case(
            id=entry["id"],
            kind=entry["kind"],
            odd=entry.get("odd", ""),
            expect=entry.get("expect") or {},
            context=entry.get("context") or {},
            path=ROOT / entry["file"],
        )
        for entry in entries
    )


def cases(*kinds: str) -> list[Case]:
    """All cases of these kinds; an empty list where there is no corpus."""
    return [case for case in _index() if case.kind in kinds]
