"""An address goes in; what was seen and asked there, what is there now and the likely reason come out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ipaddress import ip_address, ip_network
from typing import Any

from twisted.internet.defer import Deferred, DeferredList, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime

from twisted_detector.config.config import Config
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.connector import EpollConnector, Outcome, TcpConnector
from twisted_detector.discovery.sweep.ports import RTSP_PORTS, ports_to_try
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model.addresses import canonical_address
from twisted_detector.model.encoding import rfc3339
from twisted_detector.operations.diagnosis import REFUSED, SILENT, UNREACHABLE, Case, Reason, diagnose, on_link
from twisted_detector.operations.host_checks import bridge as container_bridge
from twisted_detector.registry.observations import ObservationLog
from twisted_detector.registry.registry import Registry

#: Seconds for a connection that is not answered: a lost SYN is sent again after one.
PATIENCE = 1.5

#: The sweep leaves it out, but ONVIF is asked for there.
_MORE_PORTS = (8080,)

_WORDS = {
    Outcome.OPEN: "open",
    Outcome.REFUSED: REFUSED,
    Outcome.UNREACHABLE: UNREACHABLE,
    Outcome.NO_ROOM: "this machine has no room for a connection",
}


class Why:
    """Answers for the running daemon. It looks once more itself: ARP, and one connection to each usual port.

    :param pacer: says when something may be sent; shared with all others that send.
    :param bridge: tells from this machine's addresses why it is taken for a container on a bridge, or "".
    """

    def __init__(
        self,
        reactor: Any,
        *,
        config: Config,
        registry: Registry,
        casebook: ObservationLog,
        neighbours: INeighbours,
        pacer: PacketRateLimiter | None = None,
        bridge: Callable[[Sequence[str]], str] = container_bridge,
        make_connector: Callable[[Any], TcpConnector] = EpollConnector,
    ) -> None:
        self._reactor = reactor
        self._clock: IReactorTime = reactor
        self._config = config
        self._registry = registry
        self._casebook = casebook
        self._neighbours = neighbours
        self._pacer = pacer
        self._bridge = bridge
        self._make_connector = make_connector

    async def handle(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """``address`` of the request. :raises RemoteError: it is none."""
        text = request.get("address")
        if not isinstance(text, str):
            raise RemoteError("why wants an address")
        address = canonical_address(text)
        case = await self._case(address)
        reason = diagnose(case)
        return {
            "address": address,
            "network": _network(case),
            "mac": case.mac,
            "ports": {str(port): outcome for port, outcome in case.ports.items()},
            "phase": case.phase.value if case.phase else None,
            "facts": [
                {
                    "first_at": rfc3339(fact.first_at),
                    "last_at": rfc3339(fact.last_at),
                    "source": fact.source,
                    "text": fact.text,
                    "times": fact.times,
                }
                for fact in case.facts
            ],
            "cameras": [
                {"id": one.id, "status": one.status.value, "reason": one.reason, "name": one.name}
                for one in case.cameras
            ],
            "reason": _document(reason),
        }

    async def _case(self, address: str) -> Case:
        try:
            interfaces = await self._neighbours.interfaces()
        except CamdetectError:
            interfaces = ()
        config = self._config
        excluded = any(_within(address, text) for text in config.scan_exclude)
        mac = None
        ports: dict[int, str] = {}
        own = any(one.address == address for one in interfaces)
        if not excluded and not own:
            found = await self._neighbours.mac_of(address)
            mac = str(found) if found else None
            # Nobody asks a whole LAN for its MAC through a router, and nobody connects where ARP is not answered.
            if mac is not None or on_link(address, interfaces) is None or ip_address(address).is_loopback:
                ports = await self._try_ports(address)
        key = self._registry.key_at(address)
        cameras = [one for one in self._registry.cameras() if one.address == address]
        before = [
            one
            for one in self._registry.cameras()
            if one.address != address and any(old == address for old, _ in one.ip_history)
        ]
        return Case(
            address=address,
            interfaces=interfaces,
            mac=mac,
            ports=ports,
            rtsp_ports=(*RTSP_PORTS, config.rtsp_port),
            facts=self._casebook.facts(address),
            cameras=cameras,
            phase=self._registry.phase(key) if key is not None else None,
            scanned=config.scan_networks,
            excluded=config.scan_exclude,
            logins=len(config.camera_credentials),
            onvif_enabled=config.onvif_enabled,
            scan_enabled=config.network_scan_enabled,
            bridge=self._bridge([one.address for one in interfaces]),
            moved_to=before[0].address if before and mac is None else "",
        )

    async def _try_ports(self, address: str) -> dict[int, str]:
        """One connection to each port, closed at once; IPv4 only, as the sweep."""
        if ":" in address:
            return {}
        config = self._config
        wanted = ports_to_try((*_MORE_PORTS, config.rtsp_port, config.onvif_port, config.http_port))
        found: dict[int, str] = dict.fromkeys(wanted, SILENT)
        connector = self._make_connector(self._reactor)

        async def attempt(port: int) -> None:
            if self._pacer is not None:
                await self._pacer.turn(by="why.connect", packets=2)
            ended: Deferred[Outcome] = Deferred()
            connector.connect(address, port, ended.callback)
            ended.addTimeout(PATIENCE, self._clock)
            with suppress(DeferredTimeout):
                found[port] = _WORDS[await ended]

        try:
            await DeferredList([Deferred.fromCoroutine(attempt(port)) for port in wanted], consumeErrors=True)
        finally:
            connector.close()
        return found


def _document(reason: Reason) -> dict[str, str]:
    return {"word": reason.word, "text": reason.text, "advice": reason.advice}


def _network(case: Case) -> str | None:
    link = on_link(case.address, case.interfaces)
    if link is None:
        return None
    return f"{link.name} {ip_network((link.address, link.prefix_length), strict=False)}"


def _within(address: str, text: str) -> bool:
    network, where = ip_network(text, strict=False), ip_address(address.partition("%")[0])
    return where.version == network.version and where in network
