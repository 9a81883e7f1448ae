"""Writer of a small file that is there whole or not at all, for this user only."""

from __future__ import annotations

import os
from pathlib import Path


def write_small_file(path: Path, text: str) -> None:
    """Put ``text`` in the place of the file; its folder is made (0700) where it is missing.

    :raises OSError: it cannot be written; what was there is there still.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    # Nobody's file or link is followed: it must not be there.
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    fresh.replace(path)
