"""Filter in the kernel for the senders of a flood: their datagrams take no more room in the socket's buffer.

The kernel's buffer of a socket is one for all senders. What is read from it and refused costs little, but whenever the
processor is busy elsewhere a flood fills the buffer, and an honest device's only Hello finds no room in it. So a sender
that floods is cut off before the buffer, for some seconds at a time, by a program of the Linux socket filter (the
kernel's Documentation/networking/filter.rst). No privilege is needed for it.
"""

from __future__ import annotations

import ctypes
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from twisted.internet.interfaces import IDelayedCall, IReactorTime

#: Refused datagrams in one window that make a flood. A recorder with 64 channels that answers four dialects, each four
#: times, sends 1 024 in more than two windows, and half of them are news.
MAX_REFUSED = 512
#: Seconds of a window, and for which a sender is cut off: what it floods between two of them is a tenth at most.
WINDOW, CUT_OFF = 1.0, 10.0
_WINDOWS = int(CUT_OFF / WINDOW)
#: Senders that are counted, and that are cut off at one time. The kernel keeps programs of some 20 kB
#: (net.core.optmem_max); where it takes no more, the others are read and refused as before.
MAX_COUNTED, MAX_CUT_OFF = 1024, 64

#: asm-generic/socket.h, linux/filter.h and linux/bpf_common.h.
_SO_ATTACH_FILTER = 26
_LOAD_WORD, _JUMP_IF_EQUAL, _RETURN = 0x20, 0x15, 0x06
_NETWORK_HEADER = 0xFFF00000  #: SKF_NET_OFF: offsets from here on are those in the IP header
_SOURCE = {4: 12, 16: 8}  #: offset of the source address in that header, by the address's length
_ALL = 0xFFFFFFFF


def _instruction(code: int, value: int, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, 0, otherwise, value)


def filter_program(senders: Sequence[bytes]) -> bytes:
    """The program that drops what these senders (packed addresses) send, and keeps the rest."""
    program = b""
    for sender in senders:
        words = struct.unpack(f"!{len(sender) // 4}I", sender)
        for n, word in enumerate(words):
            rest = 2 * (len(words) - n) - 1  # of the instructions about this sender
            program += _instruction(_LOAD_WORD, _NETWORK_HEADER + _SOURCE[len(sender)] + 4 * n)
            program += _instruction(_JUMP_IF_EQUAL, word, rest)
        program += _instruction(_RETURN, 0)
    return program + _instruction(_RETURN, _ALL)


class SenderFilter:
    """Filter of one socket; it counts what is refused of each sender.

    :param clock: ends the windows.
    """

    def __init__(self, clock: IReactorTime, opened: socket.socket) -> None:
        self._clock = clock
        self._socket = opened
        self._refused: Counter[str] = Counter()
        self._cut_off: dict[str, int] = {}  # ends of windows that are left; a wall's clock may be set
        self._window: IDelayedCall | None = None

    def refused(self, sender: str) -> None:
        """A datagram of ``sender`` (an address without its scope) was of no use."""
        if sender not in self._refused and len(self._refused) >= MAX_COUNTED:
            return
        if self._window is None:
            self._window = self._clock.callLater(WINDOW, self._ended)
        self._refused[sender] += 1
        if self._refused[sender] >= MAX_REFUSED and sender not in self._cut_off and len(self._cut_off) < MAX_CUT_OFF:
            self._cut_off[sender] = _WINDOWS
            self._attach()

    def close(self) -> None:
        """Count no more."""
        if self._window is not None:
            self._window.cancel()
            self._window = None

    def _ended(self) -> None:
        self._window = None
        self._refused.clear()
        if not self._cut_off:
            return
        kept = {sender: left - 1 for sender, left in self._cut_off.items() if left > 1}
        fewer, self._cut_off = len(kept) < len(self._cut_off), kept
        if fewer:
            self._attach()
        if kept:
            self._window = self._clock.callLater(WINDOW, self._ended)

    def _attach(self) -> None:
        program = filter_program([socket.inet_pton(self._socket.family, sender) for sender in self._cut_off])
        kept = ctypes.create_string_buffer(program, len(program))
        # struct sock_fprog: how many instructions, and where they are
        where = struct.pack("HP", len(program) // 8, ctypes.addressof(kept))
        with suppress(OSError):  # no room, or no such filter here: these senders are read and refused
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, where)
