"""Launcher that replaces itself by a command which the kernel kills when the launcher's parent dies.

Run by its path, without this package: ``python -I -S die_with_parent.py PARENT CONFIG [UID GID] -- COMMAND…``. The
command gets CONFIG, a file, as ``-c``. With UID and GID it runs as that user, who becomes owner of the file; passed as
an open descriptor, the file may be in a folder that the user cannot enter.

Linux only: ``PR_SET_PDEATHSIG`` (prctl(2)). It belongs to the thread that forked, which for Twisted's ``spawnProcess``
is the reactor's and ends with the process. It outlives ``exec``, but not a change of user by the command itself: for a
command that would give up root, root is given up here, before. No process stays behind to watch.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Bind this process to its parent and become the command."""
    end = arguments.index("--")
    parent, config, *user = arguments[:end]
    command = arguments[end + 1 :]
    if user:
        uid, gid = map(int, user)
        file = os.open(config, os.O_RDONLY | os.O_NOFOLLOW)
        os.fchown(file, uid, gid)
        os.set_inheritable(file, True)
        config = f"/proc/self/fd/{file}"
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    # Ctrl-C at a terminal goes to every process of its group: the broker must outlive the clean end of its clients.
    os.setsid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != int(parent):  # it died before we were bound to it
        sys.exit("the parent has gone")
    os.execv(command[0], [*command, "-c", config])  # noqa: S606  no shell, which is the point


if __name__ == "__main__":
    main(sys.argv[1:])
