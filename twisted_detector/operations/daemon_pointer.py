"""Pointers to running daemons: small files in a runtime directory by which the command line finds STATE_DIR by itself.

A pointer is ``<folder>/<pid>.json``, ``{"pid": 123, "state_dir": "/…"}``, in ``XDG_RUNTIME_DIR/camdetect`` or in
``/run/camdetect``. Whoever follows one asks, and believes, who listens behind it, root too. So:

1. A folder counts only when it and the one above belong to this user or root, and nobody else can write them; neither
   it nor a file in it is followed when it is a link.
2. What it leads to must be such a directory as well, and who listens there must be this user or root, by the kernel's
   word (SO_PEERCRED): after its daemon has ended, anybody may have taken the place.
3. Where the process is gone or nobody listens, it was killed. The next daemon that starts removes its pointer.
"""

from __future__ import annotations

import json
import os
import re
import socket
import stat
import struct
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from twisted_detector.operations.control_socket import NAME
from twisted_detector.store.ownership import ROOT_UID, why_untrusted

_FILE_NAME = re.compile(r"[1-9][0-9]{0,9}\.json")
#: A path has at most 4096 bytes (PATH_MAX), in JSON six for each at worst.
_MAX_BYTES = 32_768
#: Pointers of one folder that are read: nobody runs so many daemons.
_MAX_FILES = 64
#: Seconds that a daemon may take to accept: it is on this machine, but may be in a long turn.
_TIMEOUT = 2.0


@dataclass(frozen=True, slots=True)
class RunningDaemon:
    """A daemon that a pointer leads to.

    :ivar may_be_asked: False for one of root's, when this process is not root's.
    """

    state_dir: Path
    may_be_asked: bool


class DaemonPointer:
    """Writer of the pointer to this process.

    :param folders: the first that can be used gets it; where none can, there is no pointer.
    """

    def __init__(self, folders: Sequence[Path], state_dir: Path) -> None:
        self._folders = folders
        self._state_dir = state_dir
        self._written: Path | None = None

    def write(self) -> None:
        """Write the pointer, and remove those of daemons that were killed."""
        name, content = f"{os.getpid()}.json", {"pid": os.getpid(), "state_dir": str(self._state_dir.resolve())}
        for folder in self._folders:
            try:
                with _opened(folder, make=True) as directory:
                    _remove_stale(directory)
                    _write_atomically(directory, name, json.dumps(content).encode())
            except OSError:
                continue  # a convenience: its absence is told where it is missed, by the command line
            self._written = folder
            return

    def remove(self) -> None:
        """Remove the pointer, if one was written."""
        folder, self._written = self._written, None
        if folder is not None:
            with suppress(OSError), _opened(folder) as directory:
                os.unlink(f"{os.getpid()}.json", dir_fd=directory)


def find_daemons(folders: Sequence[Path]) -> list[RunningDaemon]:
    """The daemons that run and that pointers lead to, each once."""
    found: dict[Path, RunningDaemon] = {}
    for folder in folders:
        with suppress(OSError), _opened(folder) as directory:
            for name in _names(directory):
                state_dir = _read(directory, name)
                if state_dir is not None and (may_be_asked := _probe(state_dir)) is not None:
                    found[state_dir] = RunningDaemon(state_dir, may_be_asked)
    return list(found.values())


def is_served(directory: Path) -> bool:
    """Whether a daemon listens in ``directory``, which may be one that this user may not ask."""
    return _peer(directory) is not None


# --- files ------------------------------------------------------------------------------------------------------------


@contextmanager
def _opened(folder: Path, *, make: bool = False) -> Iterator[int]:
    """The descriptor of a folder that nobody else can write: what is done by it cannot be led elsewhere.

    :raises OSError: it is not there, is a link, or somebody else can write it or the one above.
    """
    _require_trusted(folder.parent.stat())
    if make:
        with suppress(FileExistsError):
            folder.mkdir(mode=0o755)
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _require_trusted(os.fstat(directory))
        yield directory
    finally:
        os.close(directory)


def _require_trusted(found: os.stat_result) -> None:
    if reason := why_untrusted(found, owners={os.geteuid()}):
        raise PermissionError(reason)


def _names(directory: int) -> list[str]:
    return sorted(name for name in os.listdir(directory) if _FILE_NAME.fullmatch(name))[:_MAX_FILES]


def _read(directory: int, name: str) -> Path | None:
    """The state directory that a pointer names; None when it is none, not to be trusted, or its process is gone."""
    try:
        with suppress(PermissionError):  # there is one, of another user
            os.kill(int(name.removesuffix(".json")), 0)
        # O_NONBLOCK: to open a FIFO would wait for its writer
        file = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
        with closing(os.fdopen(file, "rb")) as stream:
            described = os.fstat(file)
            _require_trusted(described)
            if not stat.S_ISREG(described.st_mode):
                return None
            text = json.loads(stream.read(_MAX_BYTES))["state_dir"]
    except (OSError, OverflowError, ValueError, KeyError, TypeError, RecursionError):
        return None
    is_path = isinstance(text, str) and text.startswith("/") and "\0" not in text
    return Path(text) if is_path else None


def _remove_stale(directory: int) -> None:
    for name in _names(directory):
        state_dir = _read(directory, name)
        if state_dir is None or not is_served(state_dir):
            with suppress(OSError):
                os.unlink(name, dir_fd=directory)


def _write_atomically(directory: int, name: str, data: bytes) -> None:
    fresh = f".{name}.new"
    with suppress(FileNotFoundError):
        os.unlink(fresh, dir_fd=directory)  # of a process that had this number and was killed
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(fresh, flags, 0o600, dir_fd=directory), "wb") as stream:
        stream.write(data)
        # Others may read that a daemon runs, and where: they are told to ask as its user, not that there is none.
        os.fchmod(stream.fileno(), 0o644)
    os.rename(fresh, name, src_dir_fd=directory, dst_dir_fd=directory)


# --- who listens ------------------------------------------------------------------------------------------------------


def _probe(state_dir: Path) -> bool | None:
    """Whether who listens in ``state_dir`` may be asked; None when nobody does, or somebody who is not trusted."""
    with suppress(OSError):
        _require_trusted(state_dir.stat())
        peer = _peer(state_dir)
        if peer is None:
            return None
        if peer == _CLOSED_TO_US:
            return False
        return True if peer in (os.geteuid(), ROOT_UID) else None
    return None


#: For a user, where the socket is there and only its owner may connect.
_CLOSED_TO_US = -1


def _peer(directory: Path) -> int | None:
    """The user who listens on the control socket in ``directory``, as the kernel says; None when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_TIMEOUT)
        try:
            probe.connect(str(directory / NAME))
            _, user, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except PermissionError:
            return _CLOSED_TO_US
        except (OSError, ValueError):
            return None
    return int(user)
