"""The command ``why``: why an address is not shown as a camera, from the observations and from new probes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.connector import EpollConnector, Outcome, TcpConnector
from twisted_detector.discovery.sweep.ports import CAMERA_PORTS, RTSP_PORTS, ports_to_try
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model.addresses import Exclusions, canonical_address
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.reach import Reach, networks_of
from twisted_detector.operations.diagnosis import (
    OPEN,
    REFUSED,
    SILENT,
    UNREACHABLE,
    AddressState,
    Reason,
    diagnose,
    help_for,
    on_link,
)
from twisted_detector.operations.host_checks import bridge_reason as container_bridge
from twisted_detector.operations.networks.site import SiteNetworks
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry

#: Seconds for a connection that is not answered: a lost SYN is sent again after one.
CONNECT_SECONDS = 1.5

#: The sweep leaves them out, but ONVIF is asked for there.
_MORE_PORTS = (8080, 5000)

_OUTCOME_TEXTS = {
    Outcome.OPEN: OPEN,
    Outcome.REFUSED: REFUSED,
    Outcome.UNREACHABLE: UNREACHABLE,
    Outcome.NO_ROOM: "this machine has no room for a connection",
}


class Why:
    """Handler of ``why`` in the running daemon. It probes the address: ARP, and one connection to each usual port.

    :param rate_limiter: shared by all parts that send.
    :param bridge: why this machine, by its addresses, is taken for a container on a bridge, or "".
    """

    def __init__(
        self,
        reactor: Any,
        *,
        networks: SiteNetworks,
        registry: Registry,
        observations: ObservationLog,
        neighbours: INeighbours,
        rate_limiter: PacketRateLimiter | None = None,
        bridge: Callable[[Sequence[str]], str] = container_bridge,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
    ) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._networks = networks
        self._registry = registry
        self._observations = observations
        self._neighbours = neighbours
        self._rate_limiter = rate_limiter
        self._bridge = bridge
        self._make_connector = make_connector

    async def answer(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """The answer for the field ``address``.

        :raises RemoteError: it is no address.
        """
        text = request.get("address")
        if not isinstance(text, str):
            raise RemoteError("why wants an address")
        address = canonical_address(text)
        state = await self.examine(address)
        reason = diagnose(state)
        return {
            "address": address,
            "network": _network(state),
            "mac": state.mac,
            "ports": {str(port): outcome for port, outcome in state.ports.items()},
            "phase": state.phase.value if state.phase else None,
            "facts": [
                {
                    "first_at": rfc3339(fact.first_at),
                    "last_at": rfc3339(fact.last_at),
                    "source": fact.source,
                    "text": fact.text,
                    "times": fact.times,
                }
                for fact in state.facts
            ],
            "cameras": [
                {"id": one.id, "status": one.status.value, "reason": one.reason, "name": one.name}
                for one in state.cameras
            ],
            "reason": _reason_document(reason),
            "help": help_for(state, reason),
        }

    async def examine(self, address: str, *, first: Sequence[int] = (), briefly: bool = False) -> AddressState:
        """What is known of an address, and what ARP and connections to its ports show of it now.

        :param first: ports that are tried before the usual ones.
        :param briefly: where no MAC shows that somebody is there, only the first two ports are tried, and the others
            when one of these was answered.
        """
        try:
            interfaces = await self._neighbours.interfaces()
        except CamdetectError:
            interfaces = ()
        config = self._networks.current
        excluded = address in Exclusions(config.discovery.scan_exclude)
        mac = None
        ports: dict[int, str] = {}
        own = any(one.address == address for one in interfaces)
        out_of_reach = Reach(self._networks.confirmed(), networks_of(interfaces)).explain_refusal(address)
        if not excluded and not own and not out_of_reach:
            found = await self._neighbours.mac_of(address)
            mac = str(found) if found else None
            # Behind a router there is no ARP to ask; on a link, no answer to ARP means that no connection can succeed.
            if mac is not None or on_link(address, interfaces) is None or _bare(address).is_loopback:
                wanted = self._ports(first)
                if briefly and mac is None:
                    ports = await self._try_ports(address, wanted[:2])
                    wanted = wanted[2:] if any(one in (OPEN, REFUSED) for one in ports.values()) else ()
                ports |= await self._try_ports(address, wanted)
        key = self._registry.key_at(address)
        cameras = [one for one in self._registry.cameras() if one.address == address]
        before = [
            one
            for one in self._registry.cameras()
            if one.address != address and any(old == address for old, _ in one.ip_history)
        ]
        return AddressState(
            address=address,
            interfaces=interfaces,
            mac=mac,
            ports=ports,
            rtsp_ports=(*RTSP_PORTS, config.discovery.rtsp_port),
            facts=self._observations.observations_of(address),
            cameras=cameras,
            phase=self._registry.phase(key) if key is not None else None,
            inspected=key is not None and self._registry.was_inspected(key),
            scanned=self._networks.searched(),
            left=tuple(map(str, self._networks.left())),
            excluded=config.discovery.scan_exclude,
            out_of_reach=out_of_reach,
            logins=self._networks.logins,
            onvif_enabled=config.discovery.onvif_enabled,
            scan_enabled=config.discovery.network_scan_enabled,
            bridge=self._bridge([one.address for one in interfaces]),
            moved_to=before[0].address if before and mac is None else "",
        )

    def _ports(self, first: Sequence[int]) -> tuple[int, ...]:
        discovery = self._networks.current.discovery
        more = (*_MORE_PORTS, discovery.rtsp_port, discovery.onvif_port, discovery.http_port)
        return ports_to_try(more, (*first, *CAMERA_PORTS))

    async def _try_ports(self, address: str, wanted: Sequence[int]) -> dict[int, str]:
        """One connection to each port, closed at once."""
        found: dict[int, str] = dict.fromkeys(wanted, SILENT)
        connector = self._make_connector(self._reactor)

        async def attempt(port: int) -> None:
            if self._rate_limiter is not None:
                await self._rate_limiter.acquire(by="why.connect", packets=2, to=address)
            ended: Deferred[Outcome] = Deferred()
            connector.connect(address, port, ended.callback)
            ended.addTimeout(CONNECT_SECONDS, self._clock)
            with suppress(DeferredTimeout):
                found[port] = _OUTCOME_TEXTS[await ended]

        try:
            tries = [Deferred.fromCoroutine(attempt(port)) for port in wanted]
            results: list[tuple[bool, Any]] = list(await DeferredList(tries, consumeErrors=True))
            for well, result in results:
                if not well and result.check(CancelledError):
                    result.raiseException()  # nobody waits for the answer any more
        finally:
            connector.close()
        return found


def _bare(address: str) -> IPv4Address | IPv6Address:
    return ip_address(address.partition("%")[0])


def _reason_document(reason: Reason) -> dict[str, str]:
    return {"word": reason.code, "text": reason.text, "advice": reason.advice}


def _network(state: AddressState) -> str | None:
    link = on_link(state.address, state.interfaces)
    if link is None:
        return None
    return f"{link.name} {link.network}"
