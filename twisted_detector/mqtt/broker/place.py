"""Where the broker is, in words that are the same in the log, on the page and on the command line; kept over starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from twisted_detector.store.small_file import write_small_file

#: Below STATE_DIR: which broker the last start took where MQTT_BROKER was not set.
FILE = Path("broker") / "place"
#: Bytes of that file at most.
_MAX_BYTES = 1024


@dataclass(frozen=True, slots=True)
class BrokerPlace:
    """A broker's host and port, and how camdetect came to use it.

    :ivar kind: ``configured``: MQTT_BROKER names it; ``found``: it answered on this machine; ``embedded``: our own.
    :ivar note: what a person should know of it, "" for nothing; ``advice``: the settings to type, "" for none.
    """

    host: str
    port: int
    kind: Literal["configured", "found", "embedded"] = "configured"
    note: str = ""
    advice: str = ""

    @property
    def text(self) -> str:
        """One line for people."""
        where = f"{self.host}, port {self.port}"
        return {
            "configured": where,
            "found": f"{where} (found on this machine)",
            "embedded": f"{where} (camdetect's own broker)",
        }[self.kind]

    @property
    def told(self) -> str:
        """What a person should know and type; "" for nothing."""
        return ": ".join(filter(None, (self.note, self.advice)))

    def document(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "host": self.host,
            "port": self.port,
            "kind": self.kind,
            "text": self.text,
            "told": self.told,
        }


@dataclass(frozen=True, slots=True)
class KeptPlace:
    """What the last start took. ``wanted``: the port of MQTT_PORT, ``port``: the one in use."""

    wanted: int
    port: int
    is_found: bool

    def write(self, state_dir: Path) -> None:
        """:raises OSError: it cannot be written."""
        content = {"wanted": self.wanted, "port": self.port, "found": self.is_found}
        write_small_file(state_dir / FILE, json.dumps(content) + "\n")


def read_kept_place(state_dir: Path, wanted: int) -> KeptPlace | None:
    """What was kept for that port; None where nothing was, or what cannot be such a file is there."""
    try:
        with (state_dir / FILE).open("rb") as stream:
            kept = json.loads(stream.read(_MAX_BYTES))
        place = KeptPlace(kept["wanted"], kept["port"], kept["found"])
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
    is_port = type(place.port) is int and 0 < place.port < 65_536
    return place if is_port and type(place.is_found) is bool and place.wanted == wanted else None
