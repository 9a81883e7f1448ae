"""Backup of a state directory as one archive, made while the daemon runs, and its restoration while none runs."""

from __future__ import annotations

import fcntl
import gzip
import io
import os
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from twisted_detector.errors import StateRefused, StoreError
from twisted_detector.store.database import check_database, copy_database

#: Name of the database in the directory and in the archive.
DATABASE = "state.db"
#: Octets of all files that are restored: a database of 4 096 cameras with 400 days of history has less than half of it.
MAX_STATE = 1024 * 1024 * 1024
#: Octets that are left on the disk for the daemon and others: a small board has one medium for all.
_LEFT_FREE = 64 * 1024 * 1024
#: Octets in memory at a time. A head that claims more (pax, GNU's long names) is none of ours.
_PART = 1024 * 1024
_LOCK = "lock"
#: Where the former state goes when another is restored over it.
_ASIDE = "before-restore"


@dataclass(frozen=True, slots=True)
class RestoredState:
    """What was restored. ``aside``: the folder of the state before, None where there was none."""

    files: tuple[str, ...]
    cameras: int
    aside: Path | None


def make_backup(
    directory: Path, archive: Path, names: Mapping[str, Callable[[bytes], bytes]], *, without_logins: bool
) -> tuple[str, ...]:
    """Write the state in ``directory`` into a new archive (tar, gzip, mode 0600); the names of its files.

    :param names: of the files beside the database that belong to the state, where they are there; each is written as
        its function makes it.
    :raises StoreError: there is no state, the archive is there already, or the disk fails.
    """
    if not (directory / DATABASE).exists():
        raise StoreError("there is no state to back up", shown=str(directory))
    kept: list[str] = []
    try:
        with tempfile.TemporaryDirectory(dir=archive.absolute().parent, prefix=".backup-") as folder:
            database = Path(folder) / DATABASE
            copy_database(directory / DATABASE, database, without_logins=without_logins)
            part = Path(folder) / "archive"
            with part.open("xb") as raw, tarfile.open(fileobj=raw, mode="w:gz") as tar:
                os.fchmod(raw.fileno(), 0o600)
                tar.add(database, DATABASE, filter=_ours)
                kept.append(DATABASE)
                for name, written in names.items():
                    path = directory / name
                    if not path.is_file():
                        continue
                    data = written(path.read_bytes())
                    member = tarfile.TarInfo(name)
                    member.size, member.mtime = len(data), int(path.stat().st_mtime)
                    tar.addfile(_ours(member), io.BytesIO(data))
                    kept.append(name)
            with part.open("rb") as finished:
                os.fsync(finished.fileno())
            os.link(part, archive)  # fails where there is one already, whoever was quicker
    except FileExistsError:
        raise StoreError("the file exists already; camdetect does not overwrite it", shown=str(archive)) from None
    except OSError as error:
        raise StoreError(f"the backup cannot be written: {error.strerror or error}") from None
    return tuple(kept)


def _ours(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    member.mode = 0o600
    return member


def restore_backup(archive: Path, directory: Path, names: frozenset[str]) -> RestoredState:
    """Put the state of an archive into ``directory``; what was there is moved into a folder beside it, whole.

    :param names: of the files beside the database that may be in it; anything else refuses the archive.
    :raises StateRefused: a daemon uses the directory.
    :raises StoreError: it is no backup, or one of a newer version; nothing was changed.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(directory), tempfile.TemporaryDirectory(dir=directory, prefix=".restore-") as name:
            folder = Path(name)
            files = _extract(archive, folder, names)
            cameras = check_database(folder / DATABASE)
            aside = _set_aside(directory, {DATABASE, *names})
            for file in files:
                (folder / file).rename(directory / file)
            if os.geteuid() == 0:  # with root's files in it the daemon's user would run without its state
                owner = directory.stat()
                for path in (*(directory / file for file in (*files, _LOCK)), *([aside] if aside else [])):
                    os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)
    # ValueError: what SQLite says about a damaged file is no text. ArithmeticError, LookupError: tarfile works with the
    # numbers and keywords of a damaged head before it judges them (OverflowError in Python 3.11.7).
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, ValueError, ArithmeticError, LookupError):
        raise StoreError("it is not a backup made by camdetect", shown=str(archive)) from None
    except EOFError:
        raise StoreError("it is incomplete", shown=str(archive)) from None
    except OSError as error:
        raise StoreError(f"it cannot be restored: {error.strerror or error}", shown=str(archive)) from None
    return RestoredState(files, cameras, aside)


class _Unpacked(gzip.GzipFile):
    """Reader of an archive from anywhere: what it unpacks to in memory is bounded."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _PART:
            raise tarfile.ReadError("a head that is too large")
        return super().read(size)


def _extract(archive: Path, folder: Path, names: frozenset[str]) -> tuple[str, ...]:
    found: list[str] = []
    room = MAX_STATE
    with _Unpacked(archive) as unpacked, tarfile.open(fileobj=unpacked, mode="r:") as tar:
        for member in tar:
            if member.name not in {DATABASE, *names} or not member.isreg() or member.name in found:
                raise StoreError(
                    "it is not a backup made by camdetect: it has another file in it", shown=ascii(member.name)[:60]
                )
            room -= member.size
            if room < 0:
                raise StoreError("what is in it is larger than any state", shown=member.name)
            if member.size + _LEFT_FREE > shutil.disk_usage(folder).free:
                raise StoreError("there is no room on the disk for what is in it", shown=member.name)
            source = tar.extractfile(member)
            handle = os.open(folder / member.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as target:
                while source is not None and (part := source.read(_PART)):
                    target.write(part)
                target.flush()
                os.fsync(target.fileno())
            found.append(member.name)
    if DATABASE not in found:
        raise StoreError("it is not a backup made by camdetect: it has no database in it", shown=str(archive))
    return tuple(found)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the lock of a state directory, as a daemon does."""
    lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StateRefused(f"camdetect runs with STATE_DIR={directory}: stop it first") from None
        yield
    finally:
        os.close(lock)


def _set_aside(directory: Path, names: set[str]) -> Path | None:
    """Move the files of the present state into a folder of their own; None where there is none."""
    present = [name for name in sorted(names | {f"{DATABASE}-wal", f"{DATABASE}-shm"}) if (directory / name).exists()]
    if not present:
        return None
    aside = directory / time.strftime(f"{_ASIDE}-%Y%m%dT%H%M%S")
    number = 1
    while aside.exists():
        aside, number = aside.with_name(f"{aside.name.partition('_')[0]}_{number}"), number + 1
    aside.mkdir(mode=0o700)
    for name in present:
        (directory / name).rename(aside / name)
    return aside
