"""The command ``networks``: which networks are searched, how, and with how many packets; a person adds and removes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, ip_network
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.kinds import MAX_SWEPT_ADDRESSES
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.targets import SweepSettings, network_of
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.interfaces import INeighbours
from twisted_detector.model import Interface
from twisted_detector.model.decisions import PAGE, Decisions
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.reach import Network, Reach, networks_of
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.decisions.document import MAX_NETWORKS
from twisted_detector.operations.decisions.fields import read_searched_network
from twisted_detector.operations.networks.site import INTERFACES, SiteNetworks

#: Interfaces that programs make for machines within this machine, by how they call them.
_BRIDGES = (
    (re.compile(r"docker0"), "Docker's default bridge"),
    (re.compile(r"br-[0-9a-f]{12}|docker_gwbridge"), "a Docker network"),
    (re.compile(r"podman[0-9]+|cni-podman[0-9]+"), "a Podman network"),
    (re.compile(r"virbr[0-9]+"), "virtual machines (libvirt)"),
    (re.compile(r"lxc(?:br)?[0-9]+|lxdbr[0-9]+|incusbr[0-9]+"), "containers (LXC)"),
)
#: Networks of interfaces that are listed; a server of containers has hundreds.
_MAX_INTERFACES = 256


@dataclass(frozen=True, slots=True)
class _Listed:
    """One network with where it comes from.

    :ivar source: ``interfaces``, ``environment``, ``file`` or ``page``.
    :ivar links: the interfaces that stand in it, or around it.
    """

    network: Network
    source: str
    links: Sequence[Interface] = ()


class NetworksCommand:
    """Executor of ``networks``.

    :param networks: as they are now.
    :param book: where those that a person adds are kept.
    :param limiter: knows what was sent where.
    """

    def __init__(
        self, networks: SiteNetworks, *, book: DecisionBook, neighbours: INeighbours, limiter: PacketRateLimiter
    ) -> None:
        self._networks = networks
        self._book = book
        self._neighbours = neighbours
        self._traffic = limiter.traffic

    async def execute(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """List the networks, after ``action`` (add or remove) was carried out with ``network``.

        ``still`` is the listed network in which a removed one is searched all the same, or "".

        :raises RemoteError: a field is refused.
        :raises NotSaved: the disk did not take the change.
        """
        action = fields.get("action")
        if action not in (None, "", "add", "remove"):
            raise RemoteError("action: must be add or remove", shown=ascii(action)[:60])
        interfaces = await self._interfaces()
        network = read_searched_network("network", fields.get("network", "")) if action else None
        if network is not None:
            await self._book.change(
                self._adding(network, interfaces) if action == "add" else self._removing(network, interfaces)
            )
        listed = [(one.network, self._document(one, interfaces)) for one in self._listed(interfaces)]
        still = next(
            (one["network"] for outer, one in listed if one["searched"] and network and _is_within(network, outer)), ""
        )
        return {"networks": [one for _, one in listed], "still": still if action == "remove" else ""}

    async def _interfaces(self) -> Sequence[Interface]:
        try:
            return await self._neighbours.interfaces()
        except CamdetectError:
            return ()  # the doctor tells of it

    # --- changing --------------------------------------------------------------------------------------------------

    def _adding(self, network: Network, interfaces: Sequence[Interface]) -> Any:
        if network in self._networks.current.discovery.named_networks:
            setting, *_ = _setting(self._networks, network).split()
            raise RemoteError(f"network: {setting.upper()} already lists it")
        reach = Reach((), networks_of(interfaces))
        for address in (network.network_address, network.broadcast_address):
            # Else whoever may send commands could have cameras' logins offered to any host in the Internet.
            if reach.explain_refusal(str(address)):
                raise RemoteError(
                    f"network: {network} is neither private nor a network of this machine's interfaces; if it is yours,"
                    " add it to SCAN_NETWORKS"
                )

        def apply(decisions: Decisions) -> Decisions:
            if network in decisions.networks:
                return decisions
            named = {*self._networks.current.discovery.named_networks, *decisions.networks, network}
            if sum(one.num_addresses for one in named) > MAX_SWEPT_ADDRESSES:
                raise RemoteError(f"network: all networks together may have at most {MAX_SWEPT_ADDRESSES} addresses")
            if len(decisions.networks) >= MAX_NETWORKS:
                raise RemoteError(f"network: {MAX_NETWORKS} were added, and there is no room for more")
            return replace(decisions, networks=(*decisions.networks, network))

        return apply

    def _removing(self, network: Network, interfaces: Sequence[Interface]) -> Any:
        def apply(decisions: Decisions) -> Decisions:
            if network in decisions.networks:
                return replace(decisions, networks=tuple(one for one in decisions.networks if one != network))
            if network in self._networks.current.discovery.named_networks:
                raise RemoteError(f"network: {_setting(self._networks, network)} lists it; remove it there")
            links = [one.name for one in interfaces if one.version == 4 and network_of(one) == network]
            if links:
                raise RemoteError(
                    f"network: it is the network of {links[0]}; to leave it alone, set SCAN_EXCLUDE={network}, or"
                    " remove the word interfaces from SCAN_NETWORKS"
                )
            raise RemoteError(f"network: {network} is not one of the added networks")

        return apply

    # --- listing ---------------------------------------------------------------------------------------------------

    def _listed(self, interfaces: Sequence[Interface]) -> Iterator[_Listed]:
        """Those of the configuration, those that were added, then those of the interfaces that are none of these."""
        links = [one for one in interfaces if one.version == 4 and not one.loopback]
        config = self._networks.current
        configured = config.discovery.named_networks
        shared = self._networks.shared()
        for network in self._networks.named():
            around = [one for one in links if isinstance(network, IPv4Network) and network.subnet_of(network_of(one))]
            setting = "nodes_networks" if network in shared else "scan_networks"
            source = config.sources.get(setting, "file").partition(",")[0]
            yield _Listed(network, source if network in configured else PAGE, around)
        of_links: dict[IPv4Network, list[Interface]] = {}
        for one in links:
            of_links.setdefault(network_of(one), []).append(one)
        rest = [one for one in of_links if one not in self._networks.named()]
        for network in sorted(rest)[:_MAX_INTERFACES]:
            yield _Listed(network, INTERFACES, of_links[network])

    def _document(self, one: _Listed, interfaces: Sequence[Interface]) -> dict[str, Any]:
        why_not = self._why_not_swept(one, interfaces)
        by = [*_multicast(one, self._networks.current), *([] if why_not else _sweeps(one, self._networks.current))]
        sent = self._traffic.of(one.network)
        return {
            "network": str(one.network),
            "source": one.source,
            "interfaces": [link.name for link in one.links],
            "what": next((what for link in one.links for name, what in _BRIDGES if name.fullmatch(link.name)), ""),
            "searched": bool(by),
            "by": by,
            "why": why_not,
            "last": rfc3339(sent.at) if sent.at is not None else None,
            "packets": sent.sweep if sent.at is not None else None,
            "packets_last_hour": sent.hour,
            "hosts": sent.hosts if sent.at is not None else None,
        }

    def _why_not_swept(self, one: _Listed, interfaces: Sequence[Interface]) -> str:
        """Why its addresses are not tried one by one, "" where they are."""
        config, network = self._networks.current.discovery, one.network
        if not isinstance(network, IPv4Network):
            return "IPv6 addresses are not tried one by one; multicast finds the cameras on this machine's links"
        if not config.network_scan_enabled:
            return "NETWORK_SCAN_ENABLED is off: its addresses are not tried one by one"
        if network in self._networks.left():
            return (
                "it is one of NODES_NETWORKS, and another node searches it (camdetect status --fleet), or it is not"
                " known yet which one does"
            )
        if any(network.subnet_of(each) for each in _exclusions(self._networks.current)):
            return "SCAN_EXCLUDE contains it: nothing is sent to its addresses"
        if one.source != INTERFACES:
            return ""
        if INTERFACES not in config.scan_networks:
            return "SCAN_NETWORKS does not have the word interfaces: its addresses are not tried one by one"
        settings = SweepSettings(networks=config.scan_networks)
        if str(network) in settings.plan(interfaces, ()).too_large:
            return (
                f"it is too large to sweep: {network.num_addresses} addresses, while at most {settings.max_addresses}"
                " are swept on all interfaces together; only hosts that this machine already knows are checked. Add the"
                " part with your cameras"
            )
        return ""


def _setting(networks: SiteNetworks, network: Network) -> str:
    name = "nodes_networks" if network in networks.shared() else "scan_networks"
    in_environment = networks.current.sources.get(name, "") == "environment"
    return f"{name.upper()} in the environment" if in_environment else f"{name} in the configuration file"


def _is_within(inner: Network, outer: Network) -> bool:
    return inner.network_address in outer and inner.prefixlen >= outer.prefixlen


def _exclusions(config: Config) -> list[IPv4Network]:
    networks = (ip_network(text, strict=False) for text in config.discovery.scan_exclude)
    return [one for one in networks if isinstance(one, IPv4Network)]


def _multicast(one: _Listed, config: Config) -> list[str]:
    """The methods that reach the links of a network by multicast and broadcast."""
    if not any(link.multicast for link in one.links):
        return []
    discovery = config.discovery
    excluded = _exclusions(config)
    can_broadcast = any(
        link.version == 4
        and link.multicast
        and link.arp
        and not any(network_of(link).subnet_of(each) for each in excluded)
        for link in one.links
    )
    enabled = {
        "wsdiscovery": discovery.onvif_enabled,
        "mdns": discovery.mdns_enabled,
        "ssdp": discovery.ssdp_enabled,
        "vendors": discovery.vendor_discovery_enabled and can_broadcast,
    }
    return [name for name, is_enabled in enabled.items() if is_enabled]


def _sweeps(one: _Listed, config: Config) -> list[str]:
    """The methods that ask each of its addresses."""
    if any(link.arp for link in one.links):
        return ["neighboursweep"]
    beyond = ["wsdiscovery"] if not one.links and config.discovery.onvif_enabled and not one.network.is_loopback else []
    return [*beyond, "portscan"]
