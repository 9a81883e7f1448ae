"""A broker goes in; a real Home Assistant core beside it, and what it made of what it heard, comes out."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.lan.lab import Host
from tests.processes import ROOT, Process, wait_until

_FORMS = {"2024.3": "component", "2024.12": "device", "2025.4": "device", "2026.2": "device"}
#: version → how it wants to be told of devices; those whose virtual environment ``.ci/homeassistant`` could make.
CORES = {
    version: discovery
    for version, discovery in _FORMS.items()
    if (ROOT / f".make/homeassistant-{version}/made").exists()
}
_CLEANUP = "No device components to cleanup for"
PEER = ROOT / "tests" / "peers" / "homeassistant_core.py"


class Core:
    """A core on one host of a lab, with that host's broker."""

    def __init__(self, host: Host, version: str, folder: Path, port: int) -> None:
        self._folder = folder
        folder.mkdir()
        python = ROOT / f".make/homeassistant-{version}/bin/python"
        environment = {"HOME": str(folder), "PATH": "/usr/bin:/bin"}
        command = (str(python), "-B", str(PEER), str(folder), "127.0.0.1", str(port))
        self.process: Process = host.start(*command, environment=environment)

    def ready(self) -> None:
        self.process.wait_for("ready", 60)

    def snapshot(self) -> dict[str, Any]:
        path = self._folder / "snapshot.json"
        made: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {"devices": {}, "entities": {}}
        return made

    def wait(self, true: Callable[[dict[str, Any]], object], what: str, seconds: float = 20.0) -> dict[str, Any]:
        """The first snapshot of which this is true."""
        found: list[dict[str, Any]] = []

        def look() -> bool:
            found[:] = [self.snapshot()]
            return bool(true(found[0]))

        wait_until(look, seconds, lambda: f"{what}: {json.dumps(found, indent=1)}\n{self.process.text()}", interval=0.1)
        return found[0]

    def state(self, unique_id: str, state: str, seconds: float = 20.0) -> dict[str, Any]:
        """The entity, once it has this state."""
        snapshot = self.wait(
            lambda made: made["entities"].get(unique_id, {}).get("state") == state, f"{unique_id} = {state}", seconds
        )
        entity: dict[str, Any] = snapshot["entities"][unique_id]
        return entity

    def press(self, unique_id: str) -> None:
        """Press a button."""
        new = self._folder / "press.new"
        new.write_text(self.snapshot()["entities"][unique_id]["entity_id"])
        shutil.move(new, self._folder / "press")

    def delete(self, identifier: str) -> None:
        """Delete a device, as a person does on its page."""
        new = self._folder / "delete.new"
        new.write_text(identifier)
        shutil.move(new, self._folder / "delete")

    def states(self) -> Iterator[dict[str, Any]]:
        """Every state as it was set: ``at``, ``entity_id`` and ``state``."""
        for line in (self._folder / "states.jsonl").read_text().splitlines():
            yield json.loads(line)

    def complaints(self) -> list[str]:
        """What its MQTT integration, its templates and its entities warned of; see also :meth:`cleanups`."""
        ours = ("homeassistant.components", "homeassistant.helpers.template", "homeassistant.helpers.entity")
        lines = (line.split(" ", 2) for line in self.process.lines() if line.count(" ") > 1)
        said = [" ".join(words) for words in lines if words[0] in ("WARNING", "ERROR") and words[1].startswith(ours)]
        return [line for line in said if _CLEANUP not in line]

    def cleanups(self) -> list[str]:
        """The devices whose topic was emptied when it did not know them (any more).

        Of each that it has removed it empties the topic itself, and warns when it hears that: once. More were ours.
        """
        parts = (line.partition(_CLEANUP)[2] for line in self.process.lines())
        return sorted(part.split(",")[0].strip() for part in parts if part)
