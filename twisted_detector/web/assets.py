"""Static files of the page, read once at the start, with their types and tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


@dataclass(frozen=True, slots=True)
class File:
    """One file of the page."""

    data: bytes = field(repr=False)
    media: str
    tag: str


def read_files(folder: Path = FOLDER) -> Mapping[str, File]:
    """All of them by name. Nothing else is ever served: a name is looked up here, never on the disk."""
    files = {}
    for path in sorted(folder.iterdir()):
        if path.suffix in TYPES:
            data = path.read_bytes()
            files[path.name] = File(data, TYPES[path.suffix], f'"{sha256(data).hexdigest()[:20]}"')
    return files
