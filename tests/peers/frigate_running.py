"""What Frigate's app says to its other processes goes in; which ffmpeg reads from where comes out.

0.17 and 0.18 as they were recorded with the real parts: ``add`` of a camera that is there makes a second ffmpeg in
0.17 and is ignored in 0.18; ``remove`` in 0.17 ends the part that starts cameras, or the camera that was added last.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

#: Words of a topic that 0.17 knows; 0.18 knows more.
WORDS = {
    "add", "audio", "birdseye", "detect", "enabled", "motion", "notifications", "objects", "record", "remove",
    "review", "snapshots", "zones",
}  # fmt: skip
NEWER_WORDS = {"ffmpeg", "onvif", "refresh", "live", "mqtt", "ui"}


@dataclass
class _Capture:
    name: str
    paths: list[str]
    awake: bool = True


@dataclass
class Running:
    """:ivar maintained: whether the thread that starts and stops cameras lives."""

    minor: int
    maintained: bool = True
    captures: list[_Capture] = field(default_factory=list)
    _added: list[str] = field(default_factory=list)

    def start(self, cameras: dict[str, dict[str, Any]]) -> None:
        """Every camera of the file, as after a start."""
        self.maintained, self._added = True, []
        self.captures = [_Capture(name, paths(block), block.get("enabled", True)) for name, block in cameras.items()]

    @property
    def reads(self) -> list[str]:
        """The addresses that an ffmpeg reads from, one that is read twice two times."""
        return sorted(path for one in self.captures if one.awake for path in one.paths)

    def hear(self, word: str, name: str, block: dict[str, Any]) -> None:
        there = [one for one in self.captures if one.name == name]
        if word == "add" and self.maintained and not (there and self.minor >= 18):
            self.captures.append(_Capture(name, paths(block), block.get("enabled", True)))
            self._added.append(name)
        elif word == "remove" and self.maintained:
            self._remove(name)
        elif word == "enabled":
            for one in there:
                one.awake = bool(block.get("enabled", True))
        elif word == "ffmpeg":
            for one in there:
                one.paths = paths(block)

    def _remove(self, name: str) -> None:
        if self.minor >= 18:
            self.captures = [one for one in self.captures if one.name != name]
        elif name not in self._added:
            self.maintained = False
        else:
            last = self._added[-1]
            self._added.remove(name)
            self.captures = [one for one in self.captures if one.name != last]


def paths(block: dict[str, Any]) -> list[str]:
    return [str(one["path"]) for one in block.get("ffmpeg", {}).get("inputs", [])]
