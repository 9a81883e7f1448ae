"""The fleet on the command line."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.cli import fleet as fleet_module
from twisted_detector.cli.fleet import fleet_status, list_fleet
from twisted_detector.errors import RemoteError
from twisted_detector.operations.control_client import NotRunning

FLEET: dict[str, Any] = {
    "nodes": [
        {
            "node_id": "north", "this": True, "version": "1", "networks": ["10.0.0.0/24"],
            "shared": ["10.9.0.0/24"], "known": 2, "owned": 1, "page": "http://n/", "away": False, "since": None,
        },
        {
            "node_id": "south", "this": False, "version": "1", "networks": [], "shared": [],
            "known": 1, "owned": 0, "page": "", "away": True, "since": "2026-01-01T00:00:00Z",
        },
        {
            "node_id": "west", "this": False, "version": "1", "networks": [], "shared": [],
            "known": 1, "owned": 0, "page": "", "away": True, "since": None,
        },
    ],
    "cameras": {
        "a": {"owner": "north", "known_to": ["north", "south"], "away": "", "name": "Yard", "status": "online"},
        "b": {"owner": "", "known_to": ["north"], "away": "", "name": "", "status": ""},
        "c": {"owner": "", "known_to": [], "away": "south", "name": "Barn", "status": "online"},
    },
}  # fmt: skip


class FleetTest(SynchronousTestCase):
    """``list --fleet`` and ``status --fleet``."""

    def ask(self, command: Any, answer: Any = FLEET, *, use_json: bool = False) -> tuple[int, str, str]:
        """Exit status, output and faults of a command where the daemon answers so."""

        def send_request(_: Path, request: Any) -> Any:
            self.assertEqual({"command": "fleet"}, request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        self.patch(fleet_module, "send_request", send_request)
        out, err = io.StringIO(), io.StringIO()
        status = command(Path("state"), use_json=use_json, out=out, err=err)
        return status, out.getvalue(), err.getvalue()

    def test_list(self) -> None:
        """Each camera with its node, and those that know it; one that nobody publishes."""
        status, shown, _ = self.ask(list_fleet)
        self.assertEqual(0, status)
        self.assertRegex(shown, r"a +Yard +online +north +north south")
        self.assertRegex(shown, r"b +- +- +- +north")
        self.assertRegex(shown, r"c +Barn +online +south \(away\)")

    def test_status(self) -> None:
        """Each node with its figures."""
        status, shown, _ = self.ask(fleet_status)
        self.assertEqual(0, status)
        self.assertRegex(shown, r"north \(this one\) +here +1 +1 +2 +10\.0\.0\.0/24 10\.9\.0\.0/24 +http://n/")
        self.assertRegex(shown, r"south +away since 2026\S+ +1 +0 +1")
        self.assertRegex(shown, r"west +away +1 +0 +1")

    def test_json(self) -> None:
        """The same for programs."""
        self.assertEqual(FLEET["cameras"], json.loads(self.ask(list_fleet, use_json=True)[1]))
        self.assertEqual(FLEET["nodes"], json.loads(self.ask(fleet_status, use_json=True)[1]))

    def test_no_fleet(self) -> None:
        """A daemon without nodes, and none at all: what to do."""
        status, _, told = self.ask(list_fleet, RemoteError("no such request", shown="'fleet'"))
        self.assertEqual(1, status)
        self.assertIn("NODES_ENABLED=true", told)
        status, _, told = self.ask(fleet_status, NotRunning("nobody"))
        self.assertEqual(1, status)
        self.assertIn("state", told)
        self.assertIn("too large", self.ask(list_fleet, RemoteError("the answer is too large"))[2])
