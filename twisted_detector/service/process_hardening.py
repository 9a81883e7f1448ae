"""Hardening of a process that holds passwords: other processes of its user cannot look into it.

Linux: ``prctl(PR_SET_DUMPABLE, 0)`` (prctl(2)). The kernel then writes no core dump, lets nobody but root attach to the
process or read its memory (ptrace(2), process_vm_readv(2)), and gives ``/proc/<pid>/environ``, where passwords may
stand, ``mem`` and ``maps`` to root alone. What this program reads of itself (``/proc/self/statm``, ``status``, ``fd``)
stays readable to it. Children lose the flag with their ``exec``: they must hold no secret.
"""

from __future__ import annotations

import ctypes

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
#: The only value with which a process of the same user may look in; 0 nobody, 2 root (``fs.suid_dumpable``).
_DUMPABLE = 1


def _prctl(option: int, argument: int = 0) -> int:
    """-1 where it is refused, or where there is no such call."""
    try:
        prctl = ctypes.CDLL(None).prctl
    except AttributeError:
        return -1
    result: int = prctl(option, argument, 0, 0, 0)
    return result


def forbid_inspection() -> None:
    """Close this process to others. The roots call it before they read a secret; where it fails, see below."""
    _prctl(_PR_SET_DUMPABLE, 0)


def is_open_to_inspection() -> bool:
    """Whether other processes of this user may read this one's memory, as far as is known."""
    return _prctl(_PR_GET_DUMPABLE) in (_DUMPABLE, -1)
