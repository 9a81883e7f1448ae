"""The networks in a node's document, and those of the shared ones that it takes."""

from __future__ import annotations

from ipaddress import ip_network
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from tests.config.case import read
from tests.operations.networks.case import networks_of
from twisted_detector.discovery.traffic import NetworkTraffic
from twisted_detector.errors import CamdetectError
from twisted_detector.model import Interface
from twisted_detector.operations.nodes.networks import ALONE, LOOK, SharedNetworks
from twisted_detector.operations.nodes.values import NodeAbout, NodeDocument, Reached
from twisted_detector.testing.lan import LOOPBACK, MemoryNeighbours

ETH0 = Interface("eth0", 2, "192.168.1.9", 24)
NET, FAR = "192.168.1.0/24", "10.20.0.0/24"
PAGE = "http://north.example:8787/"


class NetworksTest(SynchronousTestCase):
    """This node is north, and stands in 192.168.1.0/24."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.traffic = NetworkTraffic(self.clock.seconds)
        self.traffic.follow([ip_network(FAR)])  # type: ignore[list-item]
        self.others: list[NodeDocument] = []
        self.about = NodeAbout()
        self.nodes: Any = SimpleNamespace(
            describe=self.describe, is_synchronised=False, record=SimpleNamespace(present=[])
        )
        self.begin(NODES_NETWORKS=FAR)

    def begin(self, *interfaces: Interface, **settings: str) -> None:
        self.networks = networks_of(read(settings))
        self.shared = SharedNetworks(
            self.clock,
            self.nodes,
            networks=self.networks,
            neighbours=MemoryNeighbours(*(interfaces or (LOOPBACK, ETH0))),
            traffic=self.traffic,
            about=NodeAbout("1.2", page=PAGE),
            monotonic=self.clock.seconds,
        )
        self.shared.start()
        self.addCleanup(self.shared.stop)

    def describe(self, about: NodeAbout) -> None:
        self.about = about
        self.tell()

    def tell(self) -> None:
        own = NodeDocument("north", "n1", 1, 1, about=self.about)
        self.nodes.record.present[:] = [own, *self.others]

    def other(self, name: str, reached: Reached) -> None:
        self.others = [NodeDocument(name, name, 1, 1, about=NodeAbout(shared={FAR: reached}))]

    def look(self, *, synchronised: bool = True) -> tuple[str, ...]:
        """What is swept after the next look."""
        self.nodes.is_synchronised = synchronised
        self.clock.advance(LOOK)
        return self.networks.swept()

    def test_document(self) -> None:
        """The links by their networks, what is shared apart, the page."""
        self.assertEqual(NodeAbout("1.2", (NET,), PAGE, {FAR: Reached.UNTRIED}), self.about)

    def test_own_link(self) -> None:
        """A shared network that this node stands in is its own before all others'."""
        self.begin(NODES_NETWORKS=NET)
        self.assertEqual({NET: Reached.LINK}, self.about.shared)

    def test_named(self) -> None:
        """One that this node has in SCAN_NETWORKS it searches anyhow."""
        self.begin(SCAN_NETWORKS=FAR, NODES_NETWORKS=FAR)
        self.assertEqual(((FAR,), {}), (self.about.networks, self.about.shared))
        self.assertEqual((FAR,), self.networks.swept())

    def test_not_known_yet(self) -> None:
        """Before it is known who is there nothing shared is swept; then what nobody reaches better."""
        self.assertEqual(("interfaces",), self.networks.swept())
        self.other("south", Reached.UNTRIED)
        self.assertEqual(("interfaces", FAR), self.look())

    def test_better(self) -> None:
        """A node that has found cameras there goes on; when it is away, this one begins."""
        self.other("south", Reached.ANSWERED)
        self.assertEqual(("interfaces",), self.look())
        self.others = []
        self.assertEqual(("interfaces", FAR), self.look())

    def test_nothing_answers(self) -> None:
        """Then another node may try."""
        self.other("south", Reached.UNTRIED)
        self.look()
        self.traffic.begin()
        self.traffic.end(1000.0)
        self.assertEqual(("interfaces",), self.look())
        self.assertEqual({FAR: Reached.SILENT}, self.about.shared)

    def test_without_broker(self) -> None:
        """For half a minute nothing changes; then each node searches what it can: twice is better than not at all."""
        self.other("south", Reached.ANSWERED)
        self.look()
        for _ in range(int(ALONE / LOOK) - 1):
            self.assertEqual(("interfaces",), self.look(synchronised=False))
        self.assertEqual(("interfaces", FAR), self.look(synchronised=False))
        self.assertEqual(("interfaces",), self.look())

    def test_no_interfaces(self) -> None:
        """While the kernel does not tell, nothing changes."""

        async def fails() -> Any:
            raise CamdetectError("the kernel did not tell its interfaces")

        before = self.about
        self.patch(self.shared._neighbours, "interfaces", fails)
        self.assertEqual(("interfaces",), self.look())
        self.assertEqual(before, self.about)
