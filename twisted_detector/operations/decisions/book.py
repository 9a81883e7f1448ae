"""Book of what people decide: the present decisions, their file, and who acts on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from twisted.internet.defer import DeferredLock
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, LocalError, NotSaved, RemoteError
from twisted_detector.model.decisions import CameraDecisions, Decisions
from twisted_detector.model.observers import Observers
from twisted_detector.operations.decisions.document import MAX_CAMERAS, ReadDecisions, parse
from twisted_detector.operations.decisions.editing import edit
from twisted_detector.outputs.sync.file import Stamp, read_text, replace_file
from twisted_detector.outputs.sync.seams import InThread, TargetRefused, TargetUnavailable

T = TypeVar("T")

#: Name of the file in STATE_DIR; beside it stands the last text that could be read.
FILE, LAST_GOOD = "overrides", "overrides.last-good"


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
        if not (await self.reload()).is_unreadable:
            return
        try:
            text, _ = await self._on_disk(lambda: read_text(self._last_good))
            found = await self._parse(text)
        except CamdetectError:
            return
        if text:
            self._set(found.decisions)
            self.faults = (*self.faults, "the decisions of the last file that could be read are used")

    async def reload(self) -> Reloaded:
        """Read the file again, because a person edited it; with a mistake in it the rest counts.

        A file that cannot be read, or is no TOML, changes nothing.
        """
        async with self._lock:
            before = self._current
            try:
                text, _ = await self._on_disk(lambda: read_text(self._path))
                found = await self._parse(text)
            except NotSaved as error:
                self.faults = (str(error),)
                return Reloaded(before, before, self.faults, is_unreadable=True)
            except RemoteError as error:
                self.faults = (f"{self._path}: {error}",)
                return Reloaded(before, before, self.faults, is_unreadable=True)
            self.faults = self._named(found)
            self._set(found.decisions)
            if text and not found.faults:
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
            cameras = {**decisions.cameras, camera_id: change(now)}
            if cameras[camera_id] == CameraDecisions():
                del cameras[camera_id]
            if len(cameras) > MAX_CAMERAS:
                raise RemoteError(f"there are decisions about {MAX_CAMERAS} cameras, and there is no room for more")
            return replace(decisions, cameras=MappingProxyType(cameras))

        return (await self.change(apply)).of(camera_id)

    async def change(self, change: Callable[[Decisions], Decisions]) -> Decisions:
        """Change the decisions, one change after the other; returns them as they are then, on the disk.

        :raises RemoteError: ``change`` refuses.
        :raises NotSaved: as :meth:`change_camera`.
        """
        async with self._lock:
            text, stamp = await self._on_disk(lambda: read_text(self._path))
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
        await self._on_disk(lambda: replace_file(self._path, written, was=stamp, secret=True))
        self._read = written, found
        if not found.faults:
            await self._keep_good(written)

    async def _keep_good(self, text: str) -> None:
        def keep() -> None:
            former, stamp = read_text(self._last_good)
            if former != text:
                replace_file(self._last_good, text, was=stamp, secret=True)

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
