"""Destination that is one configuration file: our entries are merged, and the file is replaced atomically."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from zope.interface import implementer

from twisted_detector.outputs.sync.documents import MAX_DOCUMENT, delivery_result, is_yaml, merge_text
from twisted_detector.outputs.sync.seams import (
    ALONE,
    DeliveryResult,
    Entries,
    InThread,
    ISharedDestination,
    Merge,
    Sharing,
    TargetRefused,
    TargetUnavailable,
)


@implementer(ISharedDestination)
class FileDestination:
    """Configuration file that holds our entries beside those of others, which stay.

    :param path: YAML when its name ends in ``.yml`` or ``.yaml``, else JSON; made when there is none.
    :param secret: our entries have logins in them: nobody but its owner, or its group, reads it, and no former self of
        it stays, in which a login could be that was taken away.
    """

    refresh = 0.0

    def __init__(self, name: str, path: Path, *, merge: Merge, in_thread: InThread, secret: bool = False) -> None:
        self.name = name
        self.where = str(path)
        self._path = path
        self._secret = secret
        self._merge = merge
        self._in_thread = in_thread
        self._sharing = ALONE

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self._sharing = sharing

    async def deliver(self, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISharedDestination`."""
        merge = partial(self._merge, sharing=self._sharing)
        result: DeliveryResult = await self._in_thread(lambda: self._deliver(merge, wanted, base, dry))
        return result

    def _deliver(self, merge: Merge, wanted: Entries, base: Entries, dry: bool) -> DeliveryResult:
        text, stamp = read_text(self._path)
        if not wanted and stamp is None:
            return DeliveryResult()
        after, merged = merge_text(text, yaml=is_yaml(self._path.name), merge=merge, base=base, wanted=wanted)
        result = delivery_result(self._path.name, text, after, merged, dry=dry)
        if not (self._secret and wanted):
            if after != text and not dry:
                replace_file(self._path, after, was=stamp)
            return result
        mode = mode_for_others(self._path)
        if not dry:
            if after != text or mode:
                replace_file(self._path, after, was=stamp, secret=True)
            remove_previous(self._path)
        if mode:
            remark = f"it has logins in it, and its mode is {mode}"
            if not dry:
                now = stat.S_IMODE(self._path.stat().st_mode)
                remark = (
                    f"it has logins in it, and its mode was {mode}: now it is {now:04o}. A program of another user"
                    " reads it by its group: chgrp, chmod 0640"
                )
            result = replace(result, remark="; ".join(filter(None, (result.remark, remark))))
        return result


#: By which a file that was touched is known: time of change, size, inode number.
Stamp = tuple[int, int, int]


def _stamp(path: Path) -> Stamp | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def read_text(path: Path) -> tuple[str, Stamp | None]:
    """The text of a file and its stamp; ("", None) when there is none.

    :raises TargetUnavailable: it cannot be read now.
    :raises TargetRefused: it is no text file, or larger than any configuration.
    """
    try:
        stamp = _stamp(path)
        if stamp is None:
            return "", None
        if not stat.S_ISREG(path.stat().st_mode) or stamp[1] > MAX_DOCUMENT:
            raise TargetRefused("it is no file of a configuration's size")
        with path.open("rb") as file:
            data = file.read(MAX_DOCUMENT + 1)
        return data.decode("utf-8"), stamp
    except UnicodeDecodeError:
        raise TargetRefused("it is not UTF-8") from None
    except OSError as error:
        raise TargetUnavailable("it cannot be read", shown=error.strerror or "") from None


def mode_for_others(path: Path) -> str:
    """The mode of a file that more than its owner and its group can read, or its group can write; else ""."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return ""
    return f"{mode:04o}" if mode & 0o037 else ""


def remove_previous(path: Path) -> None:
    """Remove the former self of a file that has logins in it; earlier versions kept one.

    :raises TargetUnavailable: it cannot be removed.
    """
    try:
        _previous_of(path.resolve()).unlink(missing_ok=True)
    except OSError as error:
        raise TargetUnavailable("its former self, with logins, cannot be removed", shown=error.strerror or "") from None


def replace_file(path: Path, text: str, *, was: Stamp | None, secret: bool = False) -> None:
    """Replace a file by ``text``, whole or not at all; the former file stays as ``<name>.previous``.

    A file that was there keeps its owner and mode, a new one gets 0644.

    :param was: its stamp when it was read; touched since, it is left alone.
    :param secret: 0600, or 0640 where it was that; and no former self: a password that was taken away must be gone.
    :raises TargetUnavailable: the disk does not take it now, or somebody is just writing it.
    :raises TargetRefused: it is mounted by itself, so that nothing can take its place; or it is secret, and everybody
        may put a file, or a link, into its folder.
    """
    try:
        target = path.resolve()  # behind a link stands the file that is meant
        if secret and any(folder.stat().st_mode & stat.S_IWOTH for folder in {path.absolute().parent, target.parent}):
            raise TargetRefused("everybody may write its folder: logins are not put there")
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(text.encode())
                _copy_owner_and_mode(target, file.fileno(), secret)
                file.flush()
                os.fsync(file.fileno())
            if _stamp(target) != was:
                raise TargetUnavailable("somebody else is just writing it")
            if was is not None and not secret:
                _link_previous(target)
            Path(name).replace(target)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        if error.errno in (errno.EBUSY, errno.EXDEV):
            raise TargetRefused("it is mounted by itself and cannot be replaced at once: mount its folder") from None
        raise TargetUnavailable("it cannot be written", shown=error.strerror or "") from None


def _copy_owner_and_mode(target: Path, handle: int, secret: bool) -> None:
    """Give the new file owner and mode of the file that it replaces, within what a secret one may have."""
    try:
        former = target.stat()
    except FileNotFoundError:
        os.fchmod(handle, 0o600 if secret else 0o644)
        return
    mode = stat.S_IMODE(former.st_mode)
    try:
        os.fchown(handle, former.st_uid, former.st_gid)
    except OSError:  # only root may give a file away; ours is then as good
        with contextlib.suppress(OSError):
            os.fchown(handle, -1, former.st_gid)
    if secret:
        # A group that was chosen, not one that was left open with all others; and only if it is that group still.
        chosen = not mode & 0o007 and os.fstat(handle).st_gid == former.st_gid
        mode = 0o600 | (mode & 0o040 if chosen else 0)
        os.fchmod(handle, mode)
        return
    with contextlib.suppress(OSError):  # a file system without modes (FAT, some network shares) has its own
        os.fchmod(handle, mode)


def _previous_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.previous")


def _link_previous(target: Path) -> None:
    previous = _previous_of(target)
    copy = target.with_name(f".{target.name}.previous~")
    with contextlib.suppress(FileNotFoundError):
        copy.unlink()
    try:
        os.link(target, copy)
    except OSError:  # a file system without links
        shutil.copy2(target, copy)
    copy.replace(previous)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with contextlib.suppress(OSError):  # network shares know it of files alone; the file stands there by now
            os.fsync(handle)
    finally:
        os.close(handle)
