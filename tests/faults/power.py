"""A folder goes in; an ext4 disk mounted there whose power can be cut, again and again, comes out.

The kernel itself loses what was not synced: ext4 is told to shut down without its journal (the ioctl by which the file
systems' own tests cut the power, xfstests' ``godown``), so what is in the page cache, and in a journal that was not
committed, never reaches the image; then it is mounted anew and recovers as after a real cut. What a medium loses that
had said it was written is beyond it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
from pathlib import Path

#: linux/fs.h and ext4.h: EXT4_IOC_SHUTDOWN, and "without flushing the journal".
_SHUTDOWN, _NO_LOG_FLUSH = 0x8004587D, 2


class PowerDisk:
    """Use as a context manager; it enters with OSError where there are no loop devices or no rights (that needs root).

    :ivar folder: where it is mounted.
    """

    def __init__(self, folder: Path, megabytes: int = 64) -> None:
        self.folder = folder
        self._image = folder.with_suffix(".img")
        self._megabytes = megabytes

    def __enter__(self) -> PowerDisk:
        if os.geteuid() != 0 or not all(map(shutil.which, ("mount", "mkfs.ext4"))):
            raise OSError("a disk of one's own needs root, mount and mkfs.ext4")
        self.folder.mkdir()
        with self._image.open("wb") as image:
            image.truncate(self._megabytes << 20)
        _run("mkfs.ext4", "-q", "-F", "-b", "4096", str(self._image))
        self._mount()
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder.is_mount():
            _run("umount", "--lazy", str(self.folder))
        self._image.unlink()

    def cut(self) -> None:
        """Cut the power and give it back. Whoever writes there is dead already."""
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("I", _NO_LOG_FLUSH))
        finally:
            os.close(descriptor)
        _run("umount", str(self.folder))
        # Every namespace that was made meanwhile has a copy of all mounts, in which the dead disk lives on, and from
        # its own image it would be mounted again as it is: dead.
        fresh = self._image.with_suffix(".next")
        _run("cp", "--sparse=always", str(self._image), str(fresh))
        fresh.replace(self._image)
        self._mount()

    def _mount(self) -> None:
        _run("mount", "-o", "loop", str(self._image), str(self.folder))


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")
