"""A page of Markdown goes in; the commands of its fenced blocks come out, each with its line.

Every block of the language ``sh`` is executed, unless the line before it is a comment that says by whom or why not:

    <!-- not run: needs Home Assistant -->
    <!-- executed: compose-up -->           a test in tests/containers runs it
"""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.processes import ROOT

#: Languages whose blocks are commands.
SHELL = frozenset({"sh", "console"})
_FENCE = re.compile(r"^\s*```(\S*)\s*$")
_MARK = re.compile(r"^\s*<!-- (not run|executed): (\S.*?) -->$")


@dataclass(frozen=True)
class Block:
    """A fenced block. ``line`` is that of its fence; ``mark`` is "not run", "executed" or "", ``why`` what follows."""

    page: str
    line: int
    language: str
    text: str
    mark: str = ""
    why: str = ""

    @property
    def is_shell(self) -> bool:
        return self.language in SHELL

    def commands(self) -> list[Command]:
        """Each with what belongs to it: continued lines, and here-documents."""
        found = []
        waiting: list[str] = []
        for number, line in enumerate(self.text.splitlines(), self.line + 1):
            if not waiting and (not line.strip() or line.lstrip().startswith("#")):
                continue
            waiting.append(line)
            text = "\n".join(waiting)
            if _is_whole(text):
                found.append(Command(self.page, number - len(waiting) + 1, text))
                waiting = []
        if waiting:
            raise ValueError(f"{self.page}:{self.line}: no shell command: {waiting[0]}")
        return found


@dataclass(frozen=True)
class Command:
    """What is typed at one prompt."""

    page: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}: {self.text}"


def _is_whole(text: str) -> bool:
    done = subprocess.run(["bash", "-n"], input=text + "\n", capture_output=True, text=True, timeout=10)
    return done.returncode == 0 and not done.stderr and not text.endswith("\\")


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a page, in their order."""
    page = str(path.relative_to(ROOT))
    found: list[Block] = []
    opened: Block | None = None
    before = ""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            mark = _MARK.match(before)
            said = (mark[1], mark[2]) if mark else ("", "")
            opened = Block(page, number, fence[1], "", *said)
        elif opened is not None and fence and not fence[1]:
            found.append(opened)
            opened = None
        elif opened is not None:
            opened = Block(page, opened.line, opened.language, f"{opened.text}{line}\n", opened.mark, opened.why)
        before = line
    if opened is not None:
        raise ValueError(f"{page}:{opened.line}: the block has no end")
    return found


def pages() -> list[Path]:
    """README.md, the documents, and the page for authors of plugins."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "plugins" / "README.md"]
