"""``camdetect why`` and ``camdetect doctor``: what the running daemon finds, as lines or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import NOT_RUNNING
from twisted_detector.cli.cameras import elsewhere
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.config.config import Config
from twisted_detector.operations.control_client import NotRunning, send_request
from twisted_detector.operations.host_checks import (
    FAIL,
    Finding,
    check_capabilities,
    check_descriptors,
    check_neighbour_table,
)


@subcommand("why")
def why(directory: Path, address: str, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write why ``address`` is not shown as a camera; exit status 1 when the daemon gives no answer."""
    try:
        answer = send_request(directory, {"command": "why", "address": address})
    except NotRunning:
        raise NotRunning(NOT_RUNNING.format(path=directory)) from None
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
        lines += [f"               {_clean(text)}" for text in elsewhere(camera, camera["id"])]
    reason = answer["reason"]
    lines += ["", f"Likely reason: {_clean(reason['text'])}"]
    if reason["advice"]:
        lines.append(f"What to do:    {_clean(reason['advice'])}")
    return lines


@subcommand("doctor")
def doctor(config: Config, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the daemon's findings, without a daemon those of this machine; exit status 1 when something fails."""
    try:
        findings = send_request(config.state_dir, {"command": "doctor"})["findings"]
    except NotRunning:
        local = [
            Finding("daemon", FAIL, NOT_RUNNING.format(path=config.state_dir), "start it and ask again"),
            check_neighbour_table(),
            check_descriptors(),
            check_capabilities(),
            *(Finding("configuration", "WARN", warning) for warning in config.warnings),
        ]
        findings = [{"name": one.name, "level": one.level, "text": one.text, "advice": one.advice} for one in local]
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
    """``text`` without the characters by which a device could move the cursor of a terminal."""
    return "".join(one for one in text if one.isprintable())
