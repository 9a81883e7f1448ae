"""Static files of the page, read once at the start, with their types and tags; what compresses is held compressed."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from twisted_detector.web.compression import compress, is_compressible

FOLDER = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}


class File:
    """One file of the page; of one that compresses only that form is held, which every browser takes.

    :ivar tag: of its bytes as they are (RFC 9110, 8.8.3). :ivar gzip_tag: of those that are compressed.
    """

    def __init__(self, data: bytes, media: str) -> None:
        self.media = media
        digest = sha256(data).hexdigest()[:20]
        self.tag, self.gzip_tag = f'"{digest}"', f'"{digest}-gzip"'
        self._held = compress(data, level=9) if self.is_compressible else data

    @property
    def is_compressible(self) -> bool:
        """Whether it becomes smaller: a picture does not."""
        return is_compressible(self.media)

    @property
    def data(self) -> bytes:
        """Its bytes as they are on the disk."""
        return gzip.decompress(self._held) if self.is_compressible else self._held

    @property
    def gzipped(self) -> bytes:
        """Compressed as well as can be; only where it :attr:`is_compressible`."""
        return self._held


def read_files(folder: Path = FOLDER) -> Mapping[str, File]:
    """All of them by name. Nothing else is ever served: a name is looked up here, never on the disk."""
    return {
        path.name: File(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(folder.iterdir())
        if path.suffix in TYPES
    }
