"""Judgement of addresses: an address and the networks of this machine go in, the reason not to ask there comes out.

Announcements, URLs and commands name addresses of anybody's choice. Without this judgement they would make this machine
ask services on its own loopback, the metadata of a cloud (169.254.169.254), or strangers in the Internet.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from twisted_detector.model.addresses import unmapped
from twisted_detector.model.devices import Interface

Network = IPv4Network | IPv6Network
#: Networks that change while they are used: whoever has it asks each time.
NetworksNow = Callable[[], Sequence[Network]]

#: Beyond a router only these are a site's own (RFC 1918, RFC 4193). Not RFC 6598 (100.64.0.0/10): it is the carrier's,
#: and a cloud has its metadata there.
_PRIVATE = tuple(map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7")))
#: Of IPv4 link-local addresses (RFC 3927) clouds use one for metadata; Amazon's by IPv6 is a unique local address.
_METADATA = tuple(map(ip_network, ("169.254.0.0/16", "fd00:ec2::/32")))
#: How the observation of a camera begins that speaks on a link from a network that is not the link's.
BEYOND_LINK = "it speaks from"
#: RFC 4291, 2.5.1: a link has a /64; DHCPv6 gives its hosts a /128 and leaves the prefix to the router.
_IPV6_LINK = 64


def no_networks() -> tuple[Network, ...]:
    """A :data:`NetworksNow` that never has one."""
    return ()


def networks_of(interfaces: Iterable[Interface]) -> tuple[Network, ...]:
    """The networks that stand on the links of ``interfaces``."""
    found: list[Network] = []
    for one in interfaces:
        address, bits = ip_address(one.address), one.prefix_length
        if address.version == 6 and one.arp and not one.loopback:
            bits = min(bits, _IPV6_LINK)
        found.append(ip_network((address, bits), strict=False))
    return tuple(dict.fromkeys(found))


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address (with ``%scope`` or without) is in one of ``networks``; False for what is no address."""
    where = _parsed(address)
    return where is not None and _within(where, networks)


def is_on_link(address: str, networks: Iterable[Network]) -> bool:
    """Whether who speaks from ``address`` stands on a link with ``networks``: link-local IPv6 stands on every one."""
    where = _parsed(address)
    return where is not None and (_is_link_local_ipv6(where) or _within(where, networks))


@dataclass(frozen=True, slots=True)
class Reach:
    """Networks in which devices may be asked.

    :ivar listed: those that the operator named: what stands there is meant, loopback too.
    :ivar links: networks of this machine's interfaces; None: not known, then no address is taken for a stranger's.
    """

    listed: Sequence[Network] = ()
    links: Sequence[Network] | None = None

    def explain_refusal(self, address: str) -> str:
        """For people: why nothing at ``address`` is asked, and what to do; "" where it may be."""
        where = _parsed(address)
        if where is None or where.is_unspecified or where.is_multicast or where == _BROADCAST:
            return "that is not the address of a single device"
        if _within(where, self.listed):
            return ""
        if where.is_loopback:
            return "that is this machine itself, which is asked only when SCAN_NETWORKS names the address"
        links = [one for one in self.links or () if not one.is_loopback]
        if _is_link_local_ipv6(where) or _within(where, links):
            return ""
        if _within(where, _METADATA):
            return "no interface of this machine has such an address: it is asked only when SCAN_NETWORKS names it"
        if self.links is None or _within(where, _PRIVATE):
            return ""
        return (
            "it is no private address, and in no network of this machine's interfaces:"
            " it is asked only when SCAN_NETWORKS names it"
        )


_BROADCAST = IPv4Address("255.255.255.255")


def _parsed(address: str) -> IPv4Address | IPv6Address | None:
    try:
        return unmapped(ip_address(address.partition("%")[0]))
    except ValueError:
        return None


def _is_link_local_ipv6(where: IPv4Address | IPv6Address) -> bool:
    return where.version == 6 and where.is_link_local


def _within(where: IPv4Address | IPv6Address, networks: Iterable[Network]) -> bool:
    return any(where in network for network in networks if network.version == where.version)
