"""Static files of the page, read once at the start, with their types and tags; compressed when first asked for so."""

from __future__ import annotations

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
    """One file of the page.

    :ivar tag: of its bytes as they are (RFC 9110, 8.8.3). :ivar gzip_tag: of those that are compressed.
    """

    def __init__(self, data: bytes, media: str) -> None:
        self.data = data
        self.media = media
        digest = sha256(data).hexdigest()[:20]
        self.tag, self.gzip_tag = f'"{digest}"', f'"{digest}-gzip"'
        self._gzipped: bytes | None = None

    @property
    def is_compressible(self) -> bool:
        """Whether it becomes smaller: a picture does not."""
        return is_compressible(self.media)

    def gzipped(self) -> bytes:
        """Compressed as well as can be, once: it is sent again and again."""
        if self._gzipped is None:
            self._gzipped = compress(self.data, level=9)
        return self._gzipped


def read_files(folder: Path = FOLDER) -> Mapping[str, File]:
    """All of them by name. Nothing else is ever served: a name is looked up here, never on the disk."""
    return {
        path.name: File(path.read_bytes(), TYPES[path.suffix])
        for path in sorted(folder.iterdir())
        if path.suffix in TYPES
    }
