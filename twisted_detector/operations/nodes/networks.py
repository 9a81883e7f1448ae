"""Service that says which networks this node searches, and leaves the shared ones to whoever reaches them best."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall

from twisted_detector.discovery.sweep.targets import network_of
from twisted_detector.discovery.traffic import NetworkTraffic
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface
from twisted_detector.model.reach import Network
from twisted_detector.operations.networks.site import INTERFACES, SiteNetworks
from twisted_detector.operations.nodes.charges import Outcomes, searcher_of
from twisted_detector.operations.nodes.service import NodeService
from twisted_detector.operations.nodes.values import MAX_NETWORKS, NodeAbout, Reached

#: Seconds between two looks.
LOOK = 5.0
#: Seconds without the broker after which this node searches what it can reach, whoever else does.
ALONE = 30.0


class SharedNetworks:
    """Service of the networks in this node's document, and of those in NODES_NETWORKS that it is to search.

    Until the broker has told who is there, none of these is searched: another node may be at it.

    :param about: the rest of what this node says of itself.
    """

    def __init__(
        self,
        clock: IReactorTime,
        nodes: NodeService,
        *,
        networks: SiteNetworks,
        neighbours: INeighbours,
        traffic: NetworkTraffic,
        about: NodeAbout,
        monotonic: Callable[[], float],
    ) -> None:
        self._monotonic = monotonic
        self._nodes = nodes
        self._networks = networks
        self._neighbours = neighbours
        self._traffic = traffic
        self._about = about
        self._outcomes = Outcomes()
        self._alone_at = inf
        self._loop = LoopingCall(self.look)
        self._loop.clock = clock

    def start(self) -> None:
        """Look now and from now on."""
        self._alone_at = self._monotonic() + ALONE
        self._networks.take(())
        self._loop.start(LOOK, now=True)

    def stop(self) -> None:
        """Look no longer."""
        if self._loop.running:
            self._loop.stop()

    def look(self) -> Deferred[None]:
        """Say what this node searches now, and take what it is to search of the shared networks."""
        return Deferred.fromCoroutine(self._look())

    async def _look(self) -> None:
        try:
            interfaces = await self._neighbours.interfaces()
        except CamdetectError:
            return  # the doctor tells of it
        shared = self._networks.shared()
        self._nodes.describe(
            NodeAbout(
                self._about.version,
                self._searched(interfaces),
                self._about.page,
                {str(one): self._reached(one, interfaces) for one in shared},
            )
        )
        now = self._monotonic()
        if self._nodes.is_synchronised:
            self._alone_at = now + ALONE
            documents = self._nodes.record.present
            here = documents[0].node_id
            self._networks.take([one for one in shared if searcher_of(str(one), documents) == here])
        elif now >= self._alone_at:
            self._networks.take(shared)

    def _searched(self, interfaces: Sequence[Interface]) -> tuple[str, ...]:
        """The networks that are this node's own to search, its word ``interfaces`` written out."""
        shared = set(map(str, self._networks.shared()))
        links = [str(network_of(one)) for one in interfaces if one.version == 4 and not one.loopback]
        named = (text for text in self._networks.searched() if text not in shared)
        found = (link for text in named for link in (links if text == INTERFACES else [text]))
        return tuple(dict.fromkeys(found))[:MAX_NETWORKS]

    def _reached(self, network: Network, interfaces: Sequence[Interface]) -> Reached:
        if any(network_of(one) == network for one in interfaces if one.version == 4):
            return Reached.LINK
        now, count = self._monotonic(), self._traffic.of(network)
        if count.at is not None:
            self._outcomes.swept(str(network), count.at, count.hosts, now)
        return self._outcomes.reached(str(network), now)
