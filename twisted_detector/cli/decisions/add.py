"""``camdetect add``: the steps of the running daemon, live on a terminal, as lines elsewhere."""

from __future__ import annotations

import json
import select
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

from rich.live import Live
from rich.text import Text

from twisted_detector.cli.asking import ask
from twisted_detector.cli.screen import printable, screen
from twisted_detector.cli.subcommand import subcommand

#: Seconds between two looks at the job.
INTERVAL = 0.3
_SIGNS = {"doing": ("…", "dim"), "ok": ("✓", "green"), "failed": ("✕", "red")}
_PLAIN = {"doing": "...", "ok": "ok", "failed": "FAILED"}


@subcommand("add")
def add(directory: Path, target: str, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Add what ``target`` names; exit status 0 when at least one camera was found."""
    begun = ask(directory, {"command": "add", "target": target})
    try:
        ids = _follow(directory, begun, use_json=use_json, out=out)
    except KeyboardInterrupt:
        err.write("camdetect add: the daemon continues\n")
        return 1
    return 0 if ids else 1


def _follow(directory: Path, begun: dict[str, Any], *, use_json: bool, out: TextIO) -> list[str]:
    """Show the steps until the end; the ids of the cameras that were found."""
    if use_json:
        *_, last = _states(directory, begun)
        shown = {name: last[name] for name in ("job", "target", "done", "steps", "camera_ids")}
        out.write(json.dumps(shown, indent=2) + "\n")
    elif out.isatty():
        with Live(console=screen(out), auto_refresh=False) as live:
            for last in _states(directory, begun):
                live.update(_drawn(last), refresh=True)
    else:
        last = _tell(directory, begun, out)
    ids: list[str] = last["camera_ids"]
    if not use_json:
        out.write(f"{', '.join(ids)}\n" if ids else "no camera was added\n")
    return ids


def _tell(directory: Path, begun: dict[str, Any], out: TextIO) -> dict[str, Any]:
    """Write each step when it has ended; the last state of the job."""
    told: dict[tuple[str, str], str] = {}
    answer = begun
    for answer in _states(directory, begun):
        for step in answer["steps"]:
            key = (step["address"], step["step"])
            if step["state"] != "doing" and told.get(key) != step["state"]:
                told[key] = step["state"]
                out.write("\n".join(_lines(step)) + "\n")
                out.flush()
    return answer


def _states(directory: Path, answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The states of a job, until it is done."""
    yield answer
    while not answer["done"]:
        select.select([], [], [], INTERVAL)  # nothing else runs here
        answer = ask(directory, {"command": "add", "job": answer["job"]})
        yield answer


def _drawn(answer: Mapping[str, Any]) -> Text:
    drawn = Text()
    for number, step in enumerate(answer["steps"]):
        sign, style = _SIGNS[step["state"]]
        first, *more = _lines(step, word="")
        drawn.append("\n" if number else "").append(sign, style).append(f" {first}")
        for line in more:
            drawn.append(f"\n  {line}", "dim")
    return drawn


def _lines(step: Mapping[str, Any], word: str | None = None) -> list[str]:
    """A step as lines; ``word``: in the place of that of its state."""
    state = _PLAIN[step["state"]] if word is None else word
    lines = [printable(" ".join(filter(None, (state, step["address"], step["text"]))), limit=None)]
    if step["reason"]:
        lines.append(f"  {printable(step['reason'], limit=None)}")
    lines += [f"  {printable(_command(one), limit=None)}" for one in step["help"]]
    return lines


def _command(helping: Mapping[str, str]) -> str:
    """What would help, as the command that does it."""
    commands = {
        "add-network": f"camdetect networks add {helping.get('network', '')}",
        "give-login": f"camdetect login {helping.get('camera_id') or helping.get('address', '')}",
        "use-port": f"camdetect add {helping.get('target', '')}",
        "adopt": f"camdetect adopt {helping.get('camera_id', '')}",
    }
    return f"{helping['text']}: {commands.get(helping['kind'], '')}".rstrip(": ")
