"""``camdetect status``: the health of the running daemon, as a screen, as JSON, or as an exit status alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import NOT_RUNNING
from twisted_detector.cli.screen import cell, pairs, screen, status_cell, table
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.operations.control_client import NotRunning, send_request


def status(directory: Path, *, use_json: bool, quiet: bool, out: TextIO, err: TextIO) -> int:
    """Write how the daemon of a state directory is; exit status 0 when it answers, else 1.

    :param quiet: write nothing, neither what it answers nor a fault: for a health check.
    """
    return _status(directory, use_json=use_json, quiet=quiet, out=out, err=StringIO() if quiet else err)


#: The phases of the sweeps (``detector/schedule.py``).
_PHASES = {
    "aggressive": "scanning often (just started, or something changed)",
    "stabilising": "scanning less and less often",
    "steady": "scanning now and then",
    "fixed": "scanning at a fixed interval",
}


@subcommand("status")
def _status(directory: Path, *, use_json: bool, quiet: bool, out: TextIO, err: TextIO) -> int:
    try:
        blocks = send_request(directory, {"command": "status"})
    except NotRunning:
        raise NotRunning(NOT_RUNNING.format(path=directory)) from None
    if quiet:
        return 0
    if use_json:
        out.write(json.dumps(blocks, indent=2, sort_keys=True) + "\n")
    else:
        _show(blocks, screen(out))
    return 0


def _show(blocks: Mapping[str, Any], console: Any) -> None:
    stats, mqtt, discovery = blocks["stats"], blocks["mqtt"], blocks["discovery"]
    broker = blocks.get("broker", {})  # a daemon of before says nothing of it
    latency, process = mqtt["ack_latency_ms"], blocks["resources"]
    console.print(
        pairs(
            (
                ("daemon", cell(blocks["status"], "green" if blocks["status"] == "online" else "yellow")),
                ("reason", blocks["reason"]),
                ("MQTT", cell(mqtt["state"], "green" if mqtt["state"] == "connected" else "red")),
                ("broker", broker.get("text", "")),
                ("", cell(broker["told"], limit=None) if broker.get("told") else ""),
                ("", "; ".join(filter(None, (mqtt.get("reason"), mqtt.get("advice"))))),
                ("last loss", mqtt["last_disconnect_reason"]),
                ("eyes", ", ".join(f"{name} {eye['state']}" for name, eye in blocks.get("eyes", {}).items())),
                ("messages", f"{mqtt['acknowledged']} acknowledged, {sum(mqtt['queue_depth'].values())} waiting"),
                ("success", "–" if mqtt["success_rate"] is None else f"{mqtt['success_rate']:.3%}"),
                ("latency", f"p50 {latency['p50']} ms, p99 {latency['p99']} ms" if latency["p50"] is not None else ""),
                (
                    "phase",
                    _PHASES.get(discovery["phase"], discovery["phase"])
                    + (", sweeping" if discovery["sweeping"] else ""),
                ),
                ("reactor lag", f"p99 {blocks['reactor']['lag_ms']['p99']} ms"),
                ("process", f"{process['rss_mb']} MB, {process['cpu_percent']} % of a core, {process['fds']} files"),
            )
        )
    )
    counts = stats["by_status"]
    console.print(table(("CAMERAS", ""), [(status_cell(word), cell(count)) for word, count in sorted(counts.items())]))
    rows = (
        (
            cell(method),
            cell(sweep["at"]),
            cell(f"{sweep['duration_s']} s"),
            cell(sweep["sightings"]),
            cell(sweep["error"]),
        )
        for method, sweep in sorted(discovery["last_sweep"].items())
    )
    console.print(table(("LAST SWEEP BY", "AT", "TOOK", "SEEN", "FAULT"), rows))
