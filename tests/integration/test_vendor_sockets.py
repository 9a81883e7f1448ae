"""The sockets of manufacturers' protocols on loopback: what Linux gives to which of several at one port."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.doubles.kernel import FDClock
from tests.ports import free_port
from twisted_detector.discovery.vendors.sockets import UdpPort, open_udp_on
from twisted_detector.model import Interface

LOOPBACK = Interface("lo", socket.if_nametoindex("lo"), "127.0.0.1", 8, multicast=False, loopback=True)
GROUP = "239.255.77.7"


class Link:
    """Sockets on loopback; ``heard`` has (name, datagram, sender, port) of what each received."""

    def __init__(self) -> None:
        self.clock = FDClock()
        self.heard: list[tuple[str, bytes, str, int]] = []
        self.ports: list[UdpPort] = []

    def open(self, name: str, port: int = 0, *groups: str, interface: Interface = LOOPBACK) -> UdpPort:
        def received(data: bytes, sender: str, source: int = 0) -> bool:
            self.heard.append((name, data, sender, source))
            return True

        opened = open_udp_on(self.clock)(interface, port, received, groups)
        self.ports.append(opened)
        return opened

    def read(self) -> list[tuple[str, bytes]]:
        """What came within a moment: names and datagrams."""
        while select.select(self.clock.readers, (), (), 0.1)[0]:
            for reader in tuple(self.clock.readers):
                reader.doRead()
        heard, self.heard = self.heard, []
        return sorted(one[:2] for one in heard)


@pytest.fixture
def link() -> Iterator[Link]:
    link = Link()
    yield link
    for one in link.ports:
        one.close()
    assert link.clock.readers == []
    assert link.clock.getDelayedCalls() == []


def test_to_all_and_to_a_group(link: Link) -> None:
    """Every socket at the port has its copy of what is sent to all, and members of what is sent to a group."""
    port = free_port()
    asking = link.open("asking")
    for name, groups in (("plain", ()), ("member", (GROUP,))):
        link.open(name, port, *groups)
    asking.send(b"all", "255.255.255.255", port)
    asking.send(b"group", GROUP, port)
    assert link.read() == [("member", b"all"), ("member", b"group"), ("plain", b"all")]


def test_to_this_machine_alone(link: Link) -> None:
    """The socket that was opened last has it; the answer to who asked comes to him, from the address and port told."""
    port = free_port()
    asking = link.open("asking")
    first, last = link.open("first", port), link.open("last", port)
    asking.send(b"one", "127.0.0.1", port)
    select.select(link.clock.readers, (), (), 1)
    last.drain()
    ((name, data, sender, source),) = link.heard
    assert (name, data, sender) == ("last", b"one", "127.0.0.1")
    link.heard.clear()
    first.send(b"answer", sender, source)
    assert link.read() == [("asking", b"answer")]
    last.close()
    asking.send(b"two", "127.0.0.1", port)
    assert link.read() == [("first", b"two")]
    last.send(b"three", "127.0.0.1", port)
    assert link.read() == []


def test_another_interface(link: Link) -> None:
    """What came in by another interface than the socket's is not its, wherever the kernel cannot bind it to one."""
    port = free_port()
    link.open("elsewhere", port, interface=replace(LOOPBACK, index=LOOPBACK.index + 1000))
    link.open("asking").send(b"all", "255.255.255.255", port)
    assert link.read() == []


def test_held(link: Link) -> None:
    """A port that another program holds for itself cannot be had, and nothing stays open."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as holding:
        holding.bind(("", 0))
        with pytest.raises(OSError, match="in use"):
            link.open("late", holding.getsockname()[1])
