"""Filter of system calls for the process that decodes: what is not on the list is refused with EPERM.

Linux only, by ``prctl(PR_SET_SECCOMP)`` with a program in classic BPF (seccomp(2), BPF_RET codes of
``linux/seccomp.h``, instructions of ``linux/bpf_common.h``). No library is needed: the list is short, and the program
is one comparison for each entry. ``decoder_child.py`` loads this file by its path, so it imports nothing of ours.

The list is what Python and FFmpeg use *after* everything is loaded: memory, the open pipes, locks within the process,
the clock. No file, no socket, no other process can be reached with it, not even by a signal; and no page of memory
becomes executable any more, so what takes the decoder over has only the code that is there.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

#: prctl(2).
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38
_SECCOMP_MODE_FILTER = 2
#: What the program decides (``linux/seccomp.h``): the call goes on, fails, or ends the process.
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
#: Offsets in ``struct seccomp_data``: number, architecture, low half of the third argument (both machines are
#: little-endian).
_NUMBER, _ARCHITECTURE, _THIRD_ARGUMENT = 0, 4, 32
#: BPF: load a word at an absolute offset; jump if equal, if not less, if a bit is set; return.
_LOAD, _EQUAL, _NOT_LESS, _BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_PROT_EXEC = 4
#: Calls of the x32 ABI have this bit, and numbers of their own behind it.
_X32 = 0x40000000

#: For each machine: its AUDIT_ARCH (``linux/audit.h``), and the numbers of the calls (``asm/unistd.h``).
_MACHINES: Mapping[str, tuple[int, Mapping[str, int]]] = MappingProxyType(
    {
        "x86_64": (
            0xC000003E,
            {
                "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11,
                "brk": 12, "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "sched_yield": 24,
                "mremap": 25, "madvise": 28, "nanosleep": 35, "getpid": 39, "exit": 60, "gettimeofday": 96,
                "sigaltstack": 131, "gettid": 186, "time": 201, "futex": 202, "sched_getaffinity": 204,
                "restart_syscall": 219, "clock_gettime": 228, "clock_nanosleep": 230, "exit_group": 231,
                "getrandom": 318,
            },
        ),
        "aarch64": (
            0xC00000B7,
            {
                "read": 63, "write": 64, "close": 57, "fstat": 80, "lseek": 62, "mmap": 222, "mprotect": 226,
                "munmap": 215, "brk": 214, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139,
                "sched_yield": 124, "mremap": 216, "madvise": 233, "nanosleep": 101, "getpid": 172, "exit": 93,
                "gettimeofday": 169, "sigaltstack": 132, "gettid": 178, "futex": 98, "sched_getaffinity": 123,
                "restart_syscall": 128, "clock_gettime": 113, "clock_nanosleep": 115, "exit_group": 94,
                "getrandom": 278,
            },
        ),
    }
)  # fmt: skip
#: With these, memory could be made executable.
_MAPPING = ("mmap", "mprotect")


def filter_program(machine: str) -> bytes:
    """The BPF program for ``machine`` (``uname -m``), as an array of ``struct sock_filter``.

    :raises KeyError: there is no list for that machine.
    """
    architecture, numbers = _MACHINES[machine]
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    kill = (_RETURN, 0, 0, _KILL_PROCESS)
    program = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),  # a 32-bit call has other numbers
        kill,
        (_LOAD, 0, 0, _NUMBER),
        (_NOT_LESS, 0, 1, _X32),
        kill,
    ]
    for name in _MAPPING:
        program += [
            (_EQUAL, 0, 4, numbers[name]),  # else past these four
            (_LOAD, 0, 0, _THIRD_ARGUMENT),
            (_BIT, 0, 1, _PROT_EXEC),
            refuse,
            allow,
        ]
    for name, number in numbers.items():
        if name not in _MAPPING:
            program += [(_EQUAL, 0, 1, number), allow]
    program.append(refuse)
    return b"".join(struct.pack("=HBBI", *instruction) for instruction in program)


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p))


def obstacle() -> str:
    """Why the filter cannot be put over this process, or "". Reads /proc: to be asked while files may be opened."""
    machine = os.uname().machine
    if machine not in _MACHINES:
        return f"no list of system calls for {machine}"
    try:
        threads = len(list(Path("/proc/self/task").iterdir()))
    except OSError as error:
        return f"/proc/self/task: {error.strerror}"
    return "another thread runs already, which the filter would not hold" if threads > 1 else ""


def refuse_system_calls() -> str:
    """Put the filter over this process, for good; returns "" or why the kernel does not take it."""
    data = filter_program(os.uname().machine)
    instructions = ctypes.create_string_buffer(data, len(data))
    program = _Program(len(data) // 8, ctypes.addressof(instructions))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in (
        (_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*arguments) != 0:
            return f"the kernel refuses: {os.strerror(ctypes.get_errno())}"
    return ""
