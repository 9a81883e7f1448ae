"""A command line goes in; it runs in this process's place, and dies at once when the process that started it dies.

Run by its path, by any Python, without this package: ``python broker_leash.py PARENT [--user UID GID CONFIG] -- COMMAND…``.
Linux only: ``PR_SET_PDEATHSIG`` (prctl(2)). It belongs to the thread that forked, which for Twisted's ``spawnProcess`` is
the reactor's and ends with the process. It outlives ``exec``, but not a change of user by the command itself: so for a
command that would give up root, root is given up here, before. No process stays behind to watch.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Bind this process to its parent and become the command.

    ``--user UID GID CONFIG``: become that user first. CONFIG is opened before, given to it, and appended to the command
    as ``-c /proc/self/fd/N``: it may lie where that user cannot go.
    """
    end = arguments.index("--")
    options, command = arguments[:end], arguments[end + 1 :]
    parent = int(options[0])
    if options[1:]:
        _, uid, gid, config = options[1:]
        handle = os.open(config, os.O_RDONLY)
        os.fchown(handle, int(uid), int(gid))
        os.set_inheritable(handle, True)
        os.setgroups([])
        os.setgid(int(gid))
        os.setuid(int(uid))
        command = [*command, "-c", f"/proc/self/fd/{handle}"]
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    if os.getppid() != parent:  # it died before we were bound to it
        sys.exit("the parent has gone")
    os.execv(command[0], command)  # noqa: S606  no shell, which is the point


if __name__ == "__main__":
    main(sys.argv[1:])
