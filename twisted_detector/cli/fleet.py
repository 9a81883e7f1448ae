"""``camdetect list --fleet`` and ``status --fleet``: the nodes of one broker, and which of them has each camera."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import NOT_RUNNING
from twisted_detector.cli.screen import cell, screen, table
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.operations.control_client import NotRunning, send_request


@subcommand("list --fleet")
def list_fleet(directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write every camera of every node to ``out``, with the node that publishes it."""
    cameras = _ask(directory)["cameras"]
    if use_json:
        out.write(json.dumps(cameras, indent=2, sort_keys=True) + "\n")
        return 0
    rows = (
        (camera_id, one["name"], one["status"] or "-", _owner(one), " ".join(one["known_to"]))
        for camera_id, one in cameras.items()
    )
    screen(out).print(table(("ID", "NAME", "STATE", "NODE", "KNOWN TO"), (tuple(map(cell, row)) for row in rows)))
    return 0


@subcommand("status --fleet")
def fleet_status(directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the nodes to ``out``."""
    nodes = _ask(directory)["nodes"]
    if use_json:
        out.write(json.dumps(nodes, indent=2, sort_keys=True) + "\n")
        return 0
    rows = (
        (
            f"{one['node_id']} (this one)" if one["this"] else one["node_id"],
            _presence(one),
            one["version"],
            str(one["owned"]),
            str(one["known"]),
            " ".join((*one["networks"], *one["shared"])),
            one["page"],
        )
        for one in nodes
    )
    headings = ("NODE", "STATE", "VERSION", "PUBLISHES", "KNOWS", "NETWORKS", "PAGE")
    screen(out).print(table(headings, (tuple(map(cell, row)) for row in rows)))
    return 0


def _owner(camera: Mapping[str, Any]) -> str:
    return f"{camera['away']} (away)" if camera["away"] else camera["owner"] or "-"


def _presence(node: Mapping[str, Any]) -> str:
    if not node["away"]:
        return "here"
    return f"away since {node['since']}" if node["since"] else "away"


def _ask(directory: Path) -> Mapping[str, Any]:
    try:
        return send_request(directory, {"command": "fleet"})
    except NotRunning:
        raise NotRunning(NOT_RUNNING.format(path=directory)) from None
    except RemoteError as error:
        if "no such" not in str(error):
            raise
        raise LocalError("the daemon takes part in no fleet: set NODES_ENABLED=true for each node") from None
