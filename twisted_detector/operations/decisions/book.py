"""Book of what people decide: the present decisions, their file, and who acts on them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from twisted.internet.defer import DeferredLock
from txaio.tx import make_logger

from twisted_detector.config.page_settings import FILE, LAST_GOOD
from twisted_detector.config.reader import MAX_FILE_BYTES
from twisted_detector.errors import CamdetectError, LocalError, NotSaved, RemoteError
from twisted_detector.model.decisions import NOTHING_DECIDED, CameraDecisions, Decisions
from twisted_detector.model.observers import Observers
from twisted_detector.operations.decisions.document import MAX_CAMERAS, ReadDecisions, parse
from twisted_detector.operations.decisions.editing import edit
from twisted_detector.outputs.sync.file import Stamp, read_text, replace_file
from twisted_detector.outputs.sync.seams import InThread, TargetRefused, TargetUnavailable
from twisted_detector.store.ownership import ROOT_UID

T = TypeVar("T")

#: Bits of a mode by which others than owner and group may do something, or the group more than read.
_FOR_OTHERS = 0o037


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What reading the file again brought; ``faults`` in words.

    :ivar is_unreadable: nothing of it could be read.
    """

    before: Decisions
    after: Decisions
    faults: tuple[str, ...] = ()
    is_unreadable: bool = False


class DecisionBook:
    """Holder of all decisions, in memory as they are in ``STATE_DIR/overrides``.

    :param folder: STATE_DIR.
    :param in_thread: runs what touches the disk in another thread.
    :ivar changed: called with the decisions before and after each change.
    :ivar faults: what is wrong with the file, in words.
    """

    log = make_logger()

    def __init__(self, folder: Path, *, in_thread: InThread) -> None:
        self._path = folder / FILE
        self._last_good = folder / LAST_GOOD
        self._in_thread = in_thread
        self._lock = DeferredLock()
        self._current = Decisions()
        #: What was read last, with its text: an unchanged file need not be read again.
        self._read = "", ReadDecisions(Decisions())
        self.changed: Observers[[Decisions, Decisions]] = Observers("a decision")
        self.faults: tuple[str, ...] = ()

    @property
    def current(self) -> Decisions:
        """All decisions as they are now."""
        return self._current

    # --- reading ---------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read the file at the start. One that cannot be read is left alone, and the last that could be is used."""
        with suppress(NotSaved):
            await self._on_disk(self._remove_parts)
        if not (await self.reload()).is_unreadable:
            return
        try:
            text, _ = await self._on_disk(lambda: _read_own(self._last_good))
            found = await self._parse(text)
        except CamdetectError:
            return
        if text:
            self._set(found.decisions)
            self.faults = (*self.faults, "the last version of the file that could be read is used instead")

    def _remove_parts(self) -> None:
        """Remove what a power cut left of a change: it may have a login in it that is taken back later."""
        for part in self._path.parent.glob(f".{FILE}.*"):  # as ``replace_file`` names them
            with suppress(OSError):
                part.unlink()

    async def reload(self) -> Reloaded:
        """Read the file again, because a person edited it; with a mistake in it the rest counts.

        A file that cannot be read, or is no TOML, changes nothing.
        """
        async with self._lock:
            before = self._current
            try:
                text, _ = await self._on_disk(lambda: _read_own(self._path))
                found = await self._parse(text)
            except NotSaved as error:
                self.faults = (str(error),)
                return Reloaded(before, before, self.faults, is_unreadable=True)
            except RemoteError as error:
                self.faults = (f"{self._path}: {error}",)
                return Reloaded(before, before, self.faults, is_unreadable=True)
            self.faults = self._named(found)
            self._set(found.decisions)
            await self._keep_good(text)
        return Reloaded(before, found.decisions, self.faults)

    def _named(self, found: ReadDecisions) -> tuple[str, ...]:
        return tuple(f"{self._path}: {one}" for one in found.faults)

    async def _parse(self, text: str) -> ReadDecisions:
        """Read a text, in another thread: that of thousands of cameras takes some hundred milliseconds."""
        if text != self._read[0]:
            self._read = text, await self._in_thread(lambda: parse(text))
        return self._read[1]

    # --- changing --------------------------------------------------------------------------------------------------

    async def change_camera(
        self, camera_id: str, change: Callable[[CameraDecisions], CameraDecisions], *, version: int | None = None
    ) -> CameraDecisions:
        """Change what is decided about one camera; returns it as it is then, on the disk.

        :param version: what was seen by whoever changes it; refused when it is not that any more.
        :raises RemoteError: it was changed meanwhile, ``change`` refuses, or there is no room for another camera.
        :raises NotSaved: the disk did not take it, or the file has a mistake that a person has to mend first.
        """

        def apply(decisions: Decisions) -> Decisions:
            now = decisions.of(camera_id)
            if version is not None and version != now.version:
                raise RemoteError("version: it was changed meanwhile by somebody else; look at it again")
            return with_cameras(decisions, {**decisions.cameras, camera_id: change(now)})

        return (await self.change(apply)).of(camera_id)

    async def change(self, change: Callable[[Decisions], Decisions]) -> Decisions:
        """Change the decisions, one change after the other; returns them as they are then, on the disk.

        :raises RemoteError: ``change`` refuses.
        :raises NotSaved: as :meth:`change_camera`.
        """
        async with self._lock:
            text, stamp = await self._on_disk(lambda: _read_own(self._path))
            try:
                found = await self._parse(text)
            except RemoteError as error:
                raise NotSaved(f"{self._path} was edited and cannot be read: {error}; correct it first") from None
            # What was edited by hand since the last time holds, too.
            self.faults = self._named(found)
            self._set(found.decisions)
            before = self._current
            after = change(before)
            if after != before:
                await self._write(text, stamp, before, after)
                self._set(after)
        return after

    async def _write(self, text: str, stamp: Stamp | None, before: Decisions, after: Decisions) -> None:
        try:
            written, found = await self._in_thread(lambda: edit(text, before, after))
        except LocalError as error:
            raise NotSaved(f"{self._path}: {error}") from None
        if len(written.encode()) > MAX_FILE_BYTES:  # else no start would read it
            raise RemoteError("the file of decisions is full; take back what is not needed any more")
        await self._on_disk(lambda: replace_file(self._path, written, was=stamp, secret=True))
        self._read = written, found
        await self._keep_good(written)

    async def _keep_good(self, text: str) -> None:
        """Keep a text that could be read, with a mistake in it or not: a login that was taken back is in no other."""

        def keep() -> None:
            try:
                former, stamp = _read_own(self._last_good)
                if former != text:
                    replace_file(self._last_good, text, was=stamp, secret=True)
            except (TargetRefused, TargetUnavailable):
                with suppress(OSError):
                    self._last_good.unlink()
                raise

        try:
            await self._on_disk(keep)
        except NotSaved as error:
            self.log.warn("{name} cannot be kept: {error}", name=LAST_GOOD, error=str(error))

    async def _on_disk(self, work: Callable[[], T]) -> T:
        try:
            result: T = await self._in_thread(work)
        except (TargetRefused, TargetUnavailable) as error:
            raise NotSaved(f"{self._path}: {error}") from None
        return result

    def _set(self, after: Decisions) -> None:
        before, self._current = self._current, after
        if before != after:
            self.changed.notify(before, after)


def _read_own(path: Path) -> tuple[str, Stamp | None]:
    """As :func:`read_text`, of a file with logins in our own folder: nobody else's, no link; from now on only ours.

    :raises TargetRefused: it is another's; also :func:`read_text`.
    """
    with suppress(OSError):  # what else it may be is told below
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode) or found.st_uid not in (os.geteuid(), ROOT_UID):
            raise TargetRefused("it is a link, or belongs to somebody else")
        if stat.S_ISREG(found.st_mode) and found.st_mode & _FOR_OTHERS:
            path.chmod(0o600)  # an editor made it anew
    return read_text(path)


def with_cameras(decisions: Decisions, cameras: Mapping[str, CameraDecisions]) -> Decisions:
    """The decisions with these about cameras instead; one about which nothing is decided any more is left out.

    :raises RemoteError: there is no room for another camera.
    """
    kept = {camera_id: one for camera_id, one in cameras.items() if one != NOTHING_DECIDED}
    if len(kept) > max(MAX_CAMERAS, len(decisions.cameras)):
        raise RemoteError(f"decisions about {MAX_CAMERAS} cameras are saved already, and there is no room for more")
    return replace(decisions, cameras=MappingProxyType(kept))
