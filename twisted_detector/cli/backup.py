"""``camdetect backup`` and ``camdetect restore``: the state directory as one file, and back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TextIO

from twisted_detector.cli.subcommand import subcommand
from twisted_detector.config.node_name import FILE as SUFFIX
from twisted_detector.config.page_settings import FILE, LAST_GOOD
from twisted_detector.errors import RemoteError, StoreError
from twisted_detector.operations.decisions.document import parse
from twisted_detector.operations.decisions.editing import edit
from twisted_detector.store.backup import make_backup, restore_backup

#: The page's own token, as ``web`` keeps it.
_TOKEN = "web_token"  # noqa: S105  a file's name
_NAMES = (FILE, LAST_GOOD, SUFFIX, _TOKEN)


def _whole(data: bytes) -> bytes:
    return data


def _without_logins(data: bytes) -> bytes:
    """The decisions without logins, and without the settings that may be secrets."""
    try:
        text = data.decode()
        found = parse(text)
    except (UnicodeDecodeError, RemoteError):
        found = None
    if found is None or found.faults:  # what is not understood may be a login
        raise StoreError(f"{FILE} cannot be read, so its logins cannot be left out: correct it first")
    before = found.decisions
    cameras = {key: replace(one, login=None) for key, one in before.cameras.items()}
    settings = {key: value for key, value in before.settings.items() if not _is_secret(key)}
    after = replace(before, cameras=MappingProxyType(cameras), logins=(), settings=MappingProxyType(settings))
    return edit(text, before, after)[0].encode()


def _is_secret(setting: str) -> bool:
    return any(word in setting.upper() for word in ("PASSWORD", "TOKEN", "SECRET", "CREDENTIALS"))


@subcommand("backup")
def backup(directory: Path, archive: Path, *, without_logins: bool, out: TextIO, err: TextIO) -> int:
    """Write a backup."""
    names: Mapping[str, Callable[[bytes], bytes]] = (
        {FILE: _without_logins, SUFFIX: _whole} if without_logins else dict.fromkeys(_NAMES, _whole)
    )
    files = make_backup(directory, archive, names, without_logins=without_logins)
    out.write(f"{archive}: {', '.join(files)} of {directory}\n")
    if not without_logins and FILE in files:
        out.write("It contains the cameras' passwords: keep it where nobody else can read it.\n")
    return 0


@subcommand("restore")
def restore(archive: Path, directory: Path, *, out: TextIO, err: TextIO) -> int:
    """Put a backup in place of the present state."""
    restored = restore_backup(archive, directory, frozenset(_NAMES))
    cameras = "1 camera" if restored.cameras == 1 else f"{restored.cameras} cameras"
    out.write(f"{directory}: {', '.join(restored.files)} restored, {cameras}\n")
    if restored.aside is not None:
        out.write(f"What was there before is in {restored.aside}; delete it once everything works.\n")
    return 0
