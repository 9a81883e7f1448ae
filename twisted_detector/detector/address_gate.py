"""Gate between everything that names an address and everything that asks one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError
from twisted_detector.model import Interface
from twisted_detector.model.reach import Network, NetworksNow, Reach, is_in, networks_of, no_networks


class AddressGate:
    """Holder of the :class:`Reach` of this machine, which follows its interfaces.

    :param listed: networks that the operator named, as they are now.
    :param interfaces: see :meth:`INeighbours.interfaces`; None: the interfaces are never known.
    """

    log = make_logger()

    def __init__(
        self,
        listed: NetworksNow = no_networks,
        interfaces: Callable[[], Awaitable[Sequence[Interface]]] | None = None,
    ) -> None:
        self._interfaces = interfaces
        self._listed = listed
        self._networks: Sequence[Network] | None = None
        self._links: Sequence[Interface] = ()

    async def refresh(self) -> None:
        """Read the interfaces anew; where that fails, those that are known stay."""
        if self._interfaces is None:
            return
        try:
            interfaces = await self._interfaces()
        except (OSError, CamdetectError) as problem:
            self.log.warn("The interfaces are not known: {problem}", problem=problem)
            return
        self._networks = networks_of(interfaces)
        self._links = interfaces

    def explain_refusal(self, address: str) -> str:
        """See :meth:`Reach.explain_refusal`."""
        return Reach(self._listed(), self._networks).explain_refusal(address)

    def shows_mac(self, address: str) -> bool:
        """Whether this machine sees the MAC of who answers at ``address``: it stands on a link, and is not our own."""
        if address.partition("%")[0] in {one.address for one in self._links}:
            return False
        resolving = (one for one in self._links if one.arp and not one.loopback)
        return is_in(address, [one.network for one in resolving])
