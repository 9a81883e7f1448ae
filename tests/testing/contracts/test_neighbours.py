"""The contract of neighbours, on the double and on the kernel's."""

from __future__ import annotations

from dataclasses import replace

from tests.doubles.kernel import FAILED, REACHABLE, UP, FDClock, Kernel, address, link, neighbour
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.model import Mac
from twisted_detector.testing.contracts import neighbours_contract
from twisted_detector.testing.lan import ETH0, MemoryNeighbours
from twisted_detector.wire.netlink import messages as netlink


class MemoryStage:
    """The double, on its own."""

    def __init__(self) -> None:
        self.neighbours = MemoryNeighbours(ETH0)

    @property
    def sent(self) -> list[str]:
        return self.neighbours.lookups

    def learn(self, address: str, mac: Mac | None) -> None:
        self.neighbours.learn(address, mac)

    def set_own_addresses(self, *addresses: str) -> None:
        self.neighbours.change_interfaces(*(replace(ETH0, address=one) for one in addresses))

    def set_link(self, *, up: bool) -> None:
        self.neighbours.change_interfaces(*((ETH0,) if up else ()))

    def repeat(self) -> None:
        self.neighbours.change_interfaces(*self.neighbours.addresses)

    def stop(self) -> None:
        self.neighbours.problem = AssertionError("it has ended")


class KernelStage:
    """The real thing, over a kernel in memory."""

    def __init__(self) -> None:
        self.kernel, self.clock = Kernel(), FDClock()
        self.kernel.neighbours.clear()
        self.sent: list[str] = []
        self.neighbours = KernelNeighbours(
            self.clock,
            monotonic=self.clock.seconds,
            open_socket=self.kernel.open,
            provoke=lambda address, index: self.sent.append(str(address)),
        )
        self.own = {ETH0.address}
        self.neighbours.start()
        self.neighbours.doRead()

    def receive(self, *messages: bytes) -> None:
        self.kernel.pending += messages
        self.neighbours.doRead()

    def learn(self, address: str, mac: Mac | None) -> None:
        self.receive(neighbour(2, address, mac.text if mac else "", REACHABLE if mac else FAILED))

    def set_own_addresses(self, *addresses: str) -> None:
        added, removed = set(addresses) - self.own, self.own - set(addresses)
        self.receive(*(address(2, one, 24) for one in added))
        self.receive(*(address(2, one, 24, kind=netlink.RTM_DELADDR) for one in removed))
        self.own = set(addresses)

    def set_link(self, *, up: bool) -> None:
        self.receive(link(2, "eth0", UP if up else netlink.IFF_UP))

    def repeat(self) -> None:
        self.receive(link(2, "eth0", UP), link(2, "eth0", UP | 0x100), address(2, ETH0.address, 24))

    def stop(self) -> None:
        self.neighbours.stop()
        assert (self.clock.getDelayedCalls(), self.clock.readers) == ([], [])


class MemoryNeighboursTests(neighbours_contract(MemoryStage)):  # type: ignore[misc]
    """The double keeps the contract."""


class KernelNeighboursTests(neighbours_contract(KernelStage)):  # type: ignore[misc]
    """The kernel's neighbours keep the contract."""
