"""File of the token that is made where nobody has set one: ``STATE_DIR/web_token``."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

NAME = "web_token"
#: Random bytes of a token: 128 bits.
_BYTES = 16
#: A person may put another token there: no shorter than what WEB_TOKEN is warned of, nothing that a header cannot
#: carry.
_TOKEN = re.compile(r"[!-~]{16,4096}")


def read_or_make_token(directory: Path, random: Callable[[int], bytes]) -> tuple[str, str]:
    """The token of a state directory, and what a person must know of it ("" when all is as it should be).

    What cannot be a token, or could be read by others, is replaced. Where the file cannot be written the token is good
    until the daemon ends.
    """
    path = directory / NAME
    found, why = _read(path)
    if found:
        return found, ""
    token = random(_BYTES).hex()
    try:
        _write(path, token)
    except OSError as problem:
        return (
            token,
            f"{path} cannot be written ({problem.strerror}): browsers have to sign in again after each restart",
        )
    return token, f"{path} {why}; it now has a new token" if why else ""


def _read(path: Path) -> tuple[str, str]:
    """The token, or why the file has none that may be used; ("", "") where there is no file."""
    try:
        # O_NONBLOCK: to open a FIFO would wait for its writer
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return "", ""
    except OSError as problem:
        return "", f"cannot be read ({problem.strerror})"
    with os.fdopen(descriptor, "rb") as stream:
        described = os.fstat(descriptor)
        if not stat.S_ISREG(described.st_mode) or described.st_uid not in (os.geteuid(), 0):
            return "", "is not a file of this user"
        if described.st_mode & 0o077:
            return "", "could be read or written by other users"
        text = stream.read(8192).decode("ascii", "replace").strip()
    return (text, "") if _TOKEN.fullmatch(text) else ("", "has no token of at least 16 characters")


def _write(path: Path, token: str) -> None:
    """Make the file anew, readable by this user only, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    with suppress(FileNotFoundError):
        fresh.unlink()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600), "w", encoding="ascii") as stream:
        stream.write(token + "\n")
        stream.flush()
        os.fsync(stream.fileno())
    fresh.rename(path)
