"""Album of the cameras' pictures on the disk, so that a restart of the daemon does not leave the page blank.

One file for each camera below the state directory, readable by its owner alone: a picture may show the inside of a
house.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator
from contextlib import suppress
from operator import itemgetter
from pathlib import Path

from twisted_detector.model.cameras import Picture

#: Larger pictures are not kept, nor more of them together: as much as the daemon keeps in memory.
MAX_PICTURE, MAX_BYTES = 2 * 1024 * 1024, 32 * 1024 * 1024
#: Files of a folder that are looked at.
_MAX_FILES = 20_000
_SOURCES = ("snapshot", "keyframe")
_SUFFIXES = {"image/jpeg": ".jpg", "image/png": ".png"}


class Album:
    """Files of pictures. Every method blocks: to be called in a thread, one at a time.

    :param directory: is made when the first picture is saved.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def load(self, camera_ids: Collection[str]) -> list[Picture]:
        """The pictures of these cameras, the newest first, up to the bound; files of other cameras are removed."""
        found: list[Picture] = []
        size = 0
        for _, path in sorted(self._files(), key=itemgetter(0), reverse=True):
            picture = _read(path) if size < MAX_BYTES else None
            if picture is None or picture.camera_id not in camera_ids:
                with suppress(OSError):
                    path.unlink()
                continue
            size += len(picture.data)
            found.append(picture)
        return found

    def save(self, picture: Picture) -> None:
        """Keep a picture in place of the camera's one before; one that is too large, or of an odd kind, is left out.

        :raises OSError: it cannot be written.
        """
        if picture.media_type not in _SUFFIXES or picture.source not in _SOURCES or len(picture.data) > MAX_PICTURE:
            return
        path = self._path(picture.camera_id, picture.source, picture.media_type)
        new = self._directory / f"{picture.camera_id}.new"
        try:
            self._directory.mkdir(mode=0o700, exist_ok=True)
            new.unlink(missing_ok=True)
            # Nobody's file or link is followed: it must not be there.
            with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
                file.write(picture.data)
            os.utime(new, (picture.taken_at, picture.taken_at))
            self.forget(picture.camera_id)
            new.replace(path)
        except OSError:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise

    def forget(self, camera_id: str) -> None:
        """Keep no picture of this camera."""
        for source in _SOURCES:
            for media_type in _SUFFIXES:
                with suppress(OSError):
                    self._path(camera_id, source, media_type).unlink()

    def _path(self, camera_id: str, source: str, media_type: str) -> Path:
        return self._directory / f"{camera_id}.{source}{_SUFFIXES[media_type]}"

    def _files(self) -> Iterator[tuple[float, Path]]:
        with suppress(OSError), os.scandir(self._directory) as entries:
            for number, entry in enumerate(entries):
                if number >= _MAX_FILES:
                    return
                with suppress(OSError):
                    status = entry.stat(follow_symlinks=False)
                    yield status.st_mtime, Path(entry.path)


def _read(path: Path) -> Picture | None:
    """The picture in a file; None for what is none of ours."""
    media_type = next((kind for kind, suffix in _SUFFIXES.items() if suffix == path.suffix), "")
    camera_id, _, source = path.stem.rpartition(".")
    if not media_type or source not in _SOURCES:
        return None
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not 0 < status.st_size <= MAX_PICTURE:
                return None
            data = file.read(MAX_PICTURE)
    except OSError:
        return None
    return Picture(camera_id, data, media_type, status.st_mtime, source)
