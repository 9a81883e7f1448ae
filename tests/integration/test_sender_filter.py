"""The filter of senders on real sockets, over loopback: who floods fills nobody's buffer."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.task import Clock

from twisted_detector.discovery.multicast.sender_filter import CUT_OFF, MAX_REFUSED, WINDOW, SenderFilter


@pytest.fixture(params=[(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")], ids=["IPv4", "IPv6"])
def opened(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    family, address = request.param
    with socket.socket(family, socket.SOCK_DGRAM) as receiver:
        try:
            receiver.bind((address, 0))
        except OSError:
            pytest.skip(f"no {address} here")
        receiver.settimeout(0.2)
        yield receiver


def received(opened: socket.socket, sender: str) -> bool:
    """Whether a datagram of ``sender`` arrives."""
    with socket.socket(opened.family, socket.SOCK_DGRAM) as sending:
        sending.bind((sender, 0))
        sending.sendto(b"x", opened.getsockname()[:2])
    try:
        return opened.recv(10) == b"x"
    except TimeoutError:
        return False


def test_a_flood_is_cut_off_in_the_kernel(opened: socket.socket) -> None:
    """Its datagrams are not even received; those of another sender are; afterwards its are again."""
    flooding, other = ("127.0.0.2", "127.0.0.3") if opened.family == socket.AF_INET else ("::1", "")
    clock = Clock()
    senders = SenderFilter(clock, opened)
    assert received(opened, flooding)
    for _ in range(MAX_REFUSED):
        senders.refused(flooding)
    assert not received(opened, flooding)
    assert not other or received(opened, other)
    clock.pump([WINDOW] * int(CUT_OFF / WINDOW))
    assert received(opened, flooding)
