"""Whom the filter cuts off, when, and for how long; and what its program does with a packet."""

from __future__ import annotations

import ctypes
import socket
import struct
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.doubles.wall import WallClock
from twisted_detector.discovery.multicast.sender_filter import (
    CUT_OFF,
    MAX_COUNTED,
    MAX_CUT_OFF,
    MAX_REFUSED,
    WINDOW,
    SenderFilter,
    filter_program,
)

_NETWORK_HEADER = 0xFFF00000


def passes(program: bytes, sender: str) -> bool:
    """Whether the program lets a packet of ``sender`` through; as the kernel runs it (filter.rst)."""
    if ":" in sender:
        header = bytes(8) + socket.inet_pton(socket.AF_INET6, sender) + bytes(16)
    else:
        header = bytes(12) + socket.inet_aton(sender) + bytes(4)
    instructions = list(struct.iter_unpack("=HBBI", program))
    register, at = 0, 0
    while True:
        code, equal, other, value = instructions[at]
        at += 1
        if code == 0x20:
            (register,) = struct.unpack_from("!I", header, value - _NETWORK_HEADER)
        elif code == 0x15:
            at += equal if register == value else other
        else:
            assert code == 0x06
            return bool(value)


class Program(SynchronousTestCase):
    def test_ipv4(self) -> None:
        """The senders named and no others, wherever they stand in the list."""
        senders = [f"10.0.{n}.{n}" for n in range(MAX_CUT_OFF)]
        program = filter_program([socket.inet_aton(one) for one in senders])
        assert not any(passes(program, one) for one in senders)
        assert all(passes(program, one) for one in ("10.0.0.1", "0.0.0.0", "10.0.64.64"))

    def test_ipv6(self) -> None:
        """All four words count."""
        senders = ["fe80::1", "fe80::1:0:0:1", "2001:db8::1"]
        program = filter_program([socket.inet_pton(socket.AF_INET6, one) for one in senders])
        assert not any(passes(program, one) for one in senders)
        assert all(passes(program, one) for one in ("fe80::2", "fe80::2:0:0:1", "fe81::1", "2001:db9::1", "::1"))

    def test_nobody(self) -> None:
        """An empty list lets everything through."""
        assert passes(filter_program([]), "10.0.0.1")


class FakeSocket:
    """Records the programs that it is given; ``full``: takes none."""

    def __init__(self, family: int = socket.AF_INET) -> None:
        self.family = family
        self.program = filter_program([])
        self.given = 0
        self.full = False

    def setsockopt(self, level: int, option: int, value: bytes) -> None:
        assert (level, option) == (socket.SOL_SOCKET, 26)
        self.given += 1
        if self.full:
            raise OSError(12, "Cannot allocate memory")
        length, where = struct.unpack("HP", value)
        self.program = ctypes.string_at(where, 8 * length)


class Filter(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.socket: Any = FakeSocket()
        self.filter = SenderFilter(self.clock, self.socket)

    def refuse(self, sender: str, times: int = MAX_REFUSED) -> None:
        for _ in range(times):
            self.filter.refused(sender)

    def test_a_flood_is_cut_off(self) -> None:
        """Of that sender alone, and for so long as was said; what it floods afterwards is cut off again."""
        self.refuse("10.0.0.1")
        self.refuse("10.0.0.2", MAX_REFUSED - 1)
        assert not passes(self.socket.program, "10.0.0.1")
        assert passes(self.socket.program, "10.0.0.2")
        self.clock.pump([WINDOW] * int(CUT_OFF / WINDOW - 1))
        assert not passes(self.socket.program, "10.0.0.1")
        self.clock.advance(WINDOW)
        assert passes(self.socket.program, "10.0.0.1")
        assert not self.clock.getDelayedCalls()
        self.refuse("10.0.0.1")
        assert not passes(self.socket.program, "10.0.0.1")

    def test_a_clock_that_is_set(self) -> None:
        """Back by years while a sender is cut off: it is heard again as soon as without that."""
        wall = WallClock(self.clock)
        self.filter = SenderFilter(wall, self.socket)
        self.refuse("10.0.0.1")
        wall.step = -1e9
        self.clock.pump([WINDOW] * int(CUT_OFF / WINDOW))
        assert passes(self.socket.program, "10.0.0.1")

    def test_refusals_over_a_long_time_are_no_flood(self) -> None:
        """A camera that says the same all day is refused as often."""
        for _ in range(10):
            self.refuse("10.0.0.1", MAX_REFUSED - 1)
            self.clock.advance(WINDOW)
        assert self.socket.given == 0

    def test_bounds(self) -> None:
        """Senders that are counted, and that are cut off; one that comes later is, once there is room again."""
        for n in range(MAX_CUT_OFF + 1):
            self.refuse(f"10.0.1.{n}")
        assert self.socket.given == MAX_CUT_OFF
        for n in range(2 * MAX_COUNTED):
            self.refuse(f"10.1.{n // 256}.{n % 256}", 1)
        assert len(self.filter._refused) == MAX_COUNTED
        self.clock.pump([WINDOW] * int(CUT_OFF / WINDOW))
        self.refuse(f"10.0.1.{MAX_CUT_OFF}")
        assert not passes(self.socket.program, f"10.0.1.{MAX_CUT_OFF}")

    def test_a_kernel_that_takes_no_program(self) -> None:
        """It is asked once for each sender, not for each datagram."""
        self.socket.full = True
        self.refuse("10.0.0.1", 3 * MAX_REFUSED)
        assert self.socket.given == 1

    def test_close(self) -> None:
        """No timer is left."""
        self.refuse("10.0.0.1")
        self.filter.close()
        self.filter.close()
        assert not self.clock.getDelayedCalls()
