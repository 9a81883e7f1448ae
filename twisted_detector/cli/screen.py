"""Output of the subcommands: tables and lines in colours for a terminal, plain elsewhere.

Texts of a device may hold anything: only their printable characters reach the terminal, and no markup is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

#: Colour of a camera's status, and of the findings of a doctor.
COLOURS = {
    "online": "green",
    "offline": "red",
    "stream_error": "yellow",
    "auth_required": "yellow",
    "busy": "cyan",
    "sleeps": "blue",
}
#: Wider cells of a list are cut: the name of a device may have any length.
MAX_CELL = 120
#: Columns where the output is no terminal: enough that no cell is folded, the longest reasons among them.
_PLAIN_WIDTH = 20_000


def printable(text: object, *, limit: int | None = MAX_CELL) -> str:
    """The text without the characters that would move a cursor or colour a terminal."""
    return "".join(one for one in str(text) if one.isprintable())[:limit]


def screen(out: TextIO) -> Console:
    """A console on ``out``: colours and its width on a terminal, neither elsewhere (also with NO_COLOR)."""
    console = Console(file=out, highlight=False, markup=False, emoji=False)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    return console


def cell(text: object, style: str = "", *, limit: int | None = MAX_CELL) -> Text:
    """One cell; an empty one is a dash."""
    shown = printable(text, limit=limit) if text not in ("", None) else ""
    return Text(shown or "-", style=style if shown else "dim", no_wrap=False, overflow="fold")


def status_cell(status: str) -> Text:
    """A status in its colour."""
    return cell(status, COLOURS.get(status, ""))


def table(headings: Sequence[str], rows: Iterable[Sequence[Text]]) -> Table:
    """A table without more lines than it needs."""
    made = Table(*headings, box=SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    for row in rows:
        made.add_row(*row)
    return made


def pairs(rows: Iterable[tuple[str, object]]) -> Table:
    """Names and values under each other, those without a value left out."""
    made = Table.grid(padding=(0, 2))
    for name, value in rows:
        if value not in ("", None):
            made.add_row(Text(name, style="dim"), value if isinstance(value, Text) else cell(value))
    return made
