"""The running daemon's answers go in; lines for people, or JSON, come out: ``camdetect why`` and ``doctor``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.config.config import Config
from twisted_detector.errors import CamdetectError
from twisted_detector.operations.control_socket import NotRunning, ask
from twisted_detector.operations.host_checks import (
    FAIL,
    Finding,
    check_capabilities,
    check_descriptors,
    check_neighbour_table,
)

_NOT_RUNNING = "no daemon answers at {path}: start it (camdetect run), or give its STATE_DIR"


def why(directory: Path, address: str, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Ask why ``address`` is not shown; the exit status is 0 when there is an answer, else 1."""
    try:
        answer = ask(directory, {"command": "why", "address": address})
    except NotRunning:
        err.write(f"camdetect why: {_NOT_RUNNING.format(path=directory)}\n")
        return 1
    except CamdetectError as error:
        err.write(f"camdetect why: {error}\n")
        return 1
    out.write(json.dumps(answer, indent=2, sort_keys=True) + "\n" if use_json else "\n".join([*why_lines(answer), ""]))
    return 0


def why_lines(answer: Mapping[str, Any]) -> list[str]:
    """The answer to ``why`` for people."""
    lines = [f"{answer['address']}  (network: {answer['network'] or 'none of this machine'})"]
    lines += ["", "What was seen, asked and answered:"]
    for fact in answer["facts"]:
        times = f"  ({fact['times']} times since {fact['first_at']})" if fact["times"] > 1 else ""
        lines.append(f"  {fact['last_at']}  {fact['source']:<12}  {_clean(fact['text'])}{times}")
    if not answer["facts"]:
        lines.append("  nothing")
    lines += ["", "Now:", f"  MAC          {answer['mac'] or 'none'}"]
    by_outcome: dict[str, list[str]] = {}
    for port, outcome in answer["ports"].items():
        by_outcome.setdefault(outcome, []).append(port)
    for outcome, ports in sorted(by_outcome.items()):
        lines.append(f"  ports        {outcome}: {', '.join(sorted(ports, key=int))}")
    if answer["phase"]:
        lines.append(f"  phase        {answer['phase']}")
    for camera in answer["cameras"]:
        lines.append(
            f"  camera       {camera['id']} {_clean(camera['name'])} {camera['status']} {camera['reason']}".rstrip()
        )
    reason = answer["reason"]
    lines += ["", f"Likely reason: {_clean(reason['text'])}"]
    if reason["advice"]:
        lines.append(f"What to do:    {_clean(reason['advice'])}")
    return lines


def doctor(config: Config, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Ask the daemon how it is; the exit status is 1 when something fails. Without one, this machine is checked."""
    try:
        findings = ask(config.state_dir, {"command": "doctor"})["findings"]
    except NotRunning:
        local = [
            Finding("daemon", FAIL, _NOT_RUNNING.format(path=config.state_dir), "start it and ask again"),
            check_neighbour_table(),
            check_descriptors(),
            check_capabilities(),
            *(Finding("configuration", "WARN", warning) for warning in config.warnings),
        ]
        findings = [{"name": one.name, "level": one.level, "text": one.text, "advice": one.advice} for one in local]
    except CamdetectError as error:
        err.write(f"camdetect doctor: {error}\n")
        return 1
    if use_json:
        out.write(json.dumps(findings, indent=2, sort_keys=True) + "\n")
    else:
        out.write("\n".join([*doctor_lines(findings), ""]))
    return 1 if any(one["level"] == FAIL for one in findings) else 0


def doctor_lines(findings: Sequence[Mapping[str, str]]) -> list[str]:
    """The findings for people, each with what to do under it."""
    width = max((len(one["name"]) for one in findings), default=0)
    lines = []
    for one in findings:
        lines.append(f"{one['level']:<4}  {one['name']:<{width}}  {_clean(one['text'])}")
        if one["advice"]:
            lines.append(f"{'':<4}  {'':<{width}}  -> {_clean(one['advice'])}")
    return lines


def _clean(text: str) -> str:
    """What a device said may move the cursor of a terminal; not here."""
    return "".join(one for one in text if one.isprintable())
