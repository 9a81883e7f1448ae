"""Destination of secret variables: a file with a line each, or a folder with a file each; mode 0600, or 0640 if so set.

The file is what docker compose reads (``env_file:``) and systemd (``EnvironmentFile=``). The folder is what Docker
mounts at ``/run/secrets`` and systemd calls ``CREDENTIALS_DIRECTORY``: Frigate and go2rtc look there at every start, so
a new camera needs no new container.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from zope.interface import implementer

from twisted_detector.model import Secret
from twisted_detector.outputs.sync.file import mode_for_others, read_text, replace_file
from twisted_detector.outputs.sync.seams import (
    DeliveryResult,
    Entries,
    InThread,
    ISyncDestination,
    TargetRefused,
    TargetUnavailable,
)

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=")
_BARE = re.compile(r"[A-Za-z0-9_.~%+/:,@=?&;-]*")


@implementer(ISyncDestination)
class EnvDestination:
    """Variables that the program which is kept in step can read, and nobody else. Only their names are reported.

    :param path: a folder that exists: a file for each variable; else the file.
    """

    refresh = 0.0

    def __init__(self, name: str, path: Path, *, in_thread: InThread) -> None:
        self.name = name
        self.where = str(path)
        self._path = path
        self._in_thread = in_thread

    async def deliver(self, wanted: Mapping[str, Secret | None], base: Entries, dry: bool) -> DeliveryResult:
        """See :class:`ISyncDestination`; the entries are variables with their values, None for one that stays."""
        result: DeliveryResult = await self._in_thread(lambda: self._deliver(wanted, base, dry))
        return result

    def _deliver(self, wanted: Mapping[str, Secret | None], base: Entries, dry: bool) -> DeliveryResult:
        known = {name: value for name, value in wanted.items() if value is not None}
        gone = {name: "" for name in base if name not in wanted}
        changed = self._folder(known, gone, dry) if self._path.is_dir() else self._file(known, gone, dry)
        written = dict.fromkeys(wanted, "")
        return DeliveryResult(written, bool(changed), diff=tuple(f"{name}=***" for name in changed))

    def _file(self, wanted: Mapping[str, Secret], base: Entries, dry: bool) -> list[str]:
        text, stamp = read_text(self._path)
        if not wanted and not base:
            return []
        others = [line for line in text.splitlines() if not _is_one_of(line, {*wanted, *base})]
        lines = [*others, *(f"{name}={quote_value(value.reveal())}" for name, value in sorted(wanted.items()))]
        after = "\n".join([*lines, ""])
        if after == text and not mode_for_others(self._path):
            return []
        if not dry:
            replace_file(self._path, after, was=stamp, secret=True)
        return sorted({*wanted, *base})

    def _folder(self, wanted: Mapping[str, Secret], base: Entries, dry: bool) -> list[str]:
        changed = []
        for name, value in wanted.items():
            path = self._path / name
            text, stamp = read_text(path)
            if stamp is None or text != value.reveal() or mode_for_others(path):
                changed.append(name)
                if not dry:
                    replace_file(path, value.reveal(), was=stamp, secret=True)
        for name in base:
            if name not in wanted and _LINE.fullmatch(f"{name}=") and (self._path / name).exists():
                changed.append(name)
                if not dry:
                    try:
                        (self._path / name).unlink(missing_ok=True)
                    except OSError as error:
                        raise TargetUnavailable("a secret cannot be removed", shown=error.strerror or "") from None
        return changed


def _is_one_of(line: str, names: set[str]) -> bool:
    match = _LINE.match(line.strip())
    return match is not None and match[1] in names


def quote_value(value: str) -> str:
    """A value as docker compose and systemd both read it.

    :raises TargetRefused: it has a line break, which no such file can hold.
    """
    if "\n" in value or "\r" in value or "\0" in value:
        raise TargetRefused("a password has a line break; use a folder of secrets instead of a file")
    if _BARE.fullmatch(value):
        return value
    if "'" not in value:
        return f"'{value}'"
    return '"' + re.sub(r'(["\\$`])', r"\\\1", value) + '"'
