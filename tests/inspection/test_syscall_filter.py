"""A machine goes in, a BPF program comes out; run here as the kernel runs it, it allows the list and nothing else."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.inspection.pictures import syscall_filter
from twisted_detector.inspection.pictures.syscall_filter import _MACHINES, filter_program

ALLOW, EPERM, KILL = 0x7FFF0000, 0x00050001, 0x80000000
#: Headers of the kernel, where its development files are installed: (machine, file, form of a line).
HEADERS = (
    ("x86_64", Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"), r"#define __NR_(\w+) (\d+)\n"),
    ("aarch64", Path("/usr/include/asm-generic/unistd.h"), r"#define __NR(?:3264)?_(\w+) (\d+)\n"),
)
#: What an attacker in the decoder would want, with the numbers of x86_64 and aarch64.
WANTED_BY_NOBODY = {
    "open": (2, None), "openat": (257, 56), "socket": (41, 198), "connect": (42, 203), "clone": (56, 220),
    "clone3": (435, 435), "fork": (57, None), "execve": (59, 221), "kill": (62, 129), "tgkill": (234, 131),
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "prlimit64": (302, 261),
    "prctl": (157, 167), "pkey_mprotect": (329, 288), "io_uring_setup": (425, 425), "memfd_create": (319, 279),
    "sendmsg": (46, 211), "ioctl": (16, 29), "bpf": (321, 280), "pidfd_open": (434, 434), "pidfd_getfd": (438, 438),
}  # fmt: skip


def run(program: bytes, number: int, *, architecture: int, third: int = 0) -> int:
    """The decision of a program (the few instructions that it has) about one call."""
    data = struct.pack("<iIQ6Q", number & 0x7FFFFFFF, architecture, 0, 0, 0, third, 0, 0, 0)
    instructions = [struct.unpack_from("=HBBI", program, at) for at in range(0, len(program), 8)]
    at = loaded = 0
    while True:
        code, if_true, if_false, value = instructions[at]
        at += 1
        match code:
            case 0x20:
                (loaded,) = struct.unpack_from("<I", data, value)
            case 0x06:
                return int(value)
            case 0x15:
                at += if_true if loaded == value else if_false
            case 0x35:
                at += if_true if loaded >= value else if_false
            case 0x45:
                at += if_true if loaded & value else if_false
            case _:
                raise AssertionError(code)


class Program(SynchronousTestCase):
    def each(self) -> Iterator[tuple[int, dict[str, int], bytes]]:
        for machine, (architecture, numbers) in _MACHINES.items():
            yield architecture, dict(numbers), filter_program(machine)

    def test_the_list(self) -> None:
        """What is on the list is allowed; every other number is refused."""
        for architecture, numbers, program in self.each():
            listed = set(numbers.values())
            for number in range(1000):
                expected = ALLOW if number in listed else EPERM
                self.assertEqual(expected, run(program, number, architecture=architecture), number)

    def test_nothing_becomes_code(self) -> None:
        """Memory may be mapped and protected, but never made executable."""
        for architecture, numbers, program in self.each():
            for name in ("mmap", "mprotect"):
                for protection in range(8):
                    expected = EPERM if protection & 4 else ALLOW
                    decided = run(program, numbers[name], architecture=architecture, third=protection)
                    self.assertEqual(expected, decided, (name, protection))

    def test_other_numbers_end_the_process(self) -> None:
        """Calls by the numbers of another ABI (32 bits, x32) mean something else, and end the process."""
        for architecture, numbers, program in self.each():
            self.assertEqual(KILL, run(program, numbers["read"], architecture=0x40000003))
            self.assertEqual(KILL, run(program, 0x40000000 | numbers["read"], architecture=architecture))

    def test_nothing_reaches_out(self) -> None:
        """No call that opens, connects, starts, signals or looks into another process is on a list."""
        for place, (_, numbers, _) in enumerate(self.each()):
            for name, both in WANTED_BY_NOBODY.items():
                self.assertNotIn(name, numbers)
                self.assertNotIn(both[place], numbers.values(), name)

    def test_numbers(self) -> None:
        """The numbers are those of the kernel's own headers, where they are installed."""
        for machine, header, form in HEADERS:
            if header.exists():
                known = {name: int(number) for name, number in re.findall(form, header.read_text())}
                for name, number in _MACHINES[machine][1].items():
                    self.assertEqual(known[name], number, f"{machine}: {name}")

    def test_unknown_machine(self) -> None:
        """For a machine without a list that is said, not guessed."""
        self.patch(syscall_filter, "_MACHINES", {})
        self.assertIn("no list of system calls for", syscall_filter.obstacle())
