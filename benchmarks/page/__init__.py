"""Sections of docs/benchmarks.md, and what their tables are made of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from statistics import median

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"


def write_section(title: str, text: str) -> None:
    """Put the section into the page; ``title`` begins with its number signs."""
    page = PAGE.read_text("utf-8") if PAGE.exists() else "# Benchmarks\n"
    section = f"{title}\n\n{text}\n"
    pattern = re.compile(rf"^{re.escape(title)}\n.*?(?=^## |\Z)", re.DOTALL | re.MULTILINE)
    page = pattern.sub(lambda _: section + "\n", page) if pattern.search(page) else f"{page.rstrip()}\n\n{section}"
    PAGE.write_text(page.rstrip("\n") + "\n", "utf-8")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` (0..1) of the values lie."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def milliseconds_table(rows: Sequence[tuple[str, Sequence[float], str]], *, digits: int = 0) -> str:
    """A table of what was measured in milliseconds: what, its values, and the most that is wanted ("" for nothing)."""
    lines = ["| | median, ms | most, ms | at most, ms |", "|---|---:|---:|---:|"]
    lines += [f"| {what} | {median(v):.{digits}f} | {max(v):.{digits}f} | {most} |" for what, v, most in rows]
    return "\n".join(lines)
