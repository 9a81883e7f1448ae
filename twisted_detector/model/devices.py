"""Values about devices: what was seen of one, its identifiers, and the candidate that an inspector is given.

Every stamp named ``…_at`` or ``since`` is wall time in seconds since the epoch; it is for people and documents.
Durations are never computed from them (the wall clock jumps); offline is decided by missed checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from twisted_detector.model.addresses import Mac
from twisted_detector.model.adoption import Adoption
from twisted_detector.model.announced import Announced


class EvidenceKind(StrEnum):
    """Kind of an identifier. Its weight is in :mod:`registry.identity.claims`.

    A value that two devices have at once is kept with :data:`SHARED` before its kind: ``shared_serial``.
    """

    MAC = "mac"  #: seen at layer 2
    ENDPOINT_REFERENCE = "epr"
    SCOPE_MAC = "scope_mac"
    SERIAL = "serial"
    HARDWARE_ADDRESS = "hardware_address"  #: from GetNetworkInterfaces
    MDNS = "mdns"  #: host name, or HomeKit's id, of a service
    UPNP = "upnp"  #: unique device name
    ANNOUNCED_MAC = "announced_mac"  #: from a service's TXT record, or in the name of a device, host or service
    VENDOR = "vendor"  #: the manufacturer's name: identifies no unit
    VENDOR_ID = "vendor_id"  #: a unit's identifier in its manufacturer's own protocol
    CERTIFICATE = "certificate"  #: SHA-256 of its TLS certificate: whole series ship with one, so identifies no unit
    SHARED_MAC = "shared_mac"  #: seen at layer 2, but of a repeater or a host that has several devices behind it


#: Before the kind of an identifier that two devices have at once. Saved cameras have it: it never changes.
SHARED = "shared_"
#: The source of the evidence that comes from the registry of MAC addresses (IEEE's MA-L, MA-M and MA-S).
OUI = "oui"
#: Method of a sighting that a person's command makes: nobody was seen there.
BY_HAND = "command"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One identifier of a device.

    :ivar kind: an :class:`EvidenceKind`, with :data:`SHARED` before it when another device has the value too.
    :ivar source: the method or inspector that found it.
    :ivar seen_at: wall seconds at which it was found last.
    """

    kind: str
    value: str
    source: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class Interface:
    """One address of one network interface of this machine.

    :ivar index: the kernel's number of the interface.
    :ivar address: without a scope.
    :ivar prefix_length: bits of the address that name its network.
    :ivar arp: whether neighbours there have a MAC (a tunnel's have none).
    """

    name: str
    index: int
    address: str
    prefix_length: int
    multicast: bool = True
    loopback: bool = False
    arp: bool = True

    @property
    def version(self) -> int:
        """4 or 6."""
        return ip_address(self.address).version

    @property
    def network(self) -> IPv4Network | IPv6Network:
        """The network that its address and prefix name."""
        return ip_network((self.address, self.prefix_length), strict=False)


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one discovery method saw of one address: untrusted, and never more than a reason to inspect it.

    :ivar method: the discoverer's or watcher's name.
    :ivar address: the address that the bytes came from (IPv6 link-local with ``%scope``).
    :ivar endpoint_reference: WS-Addressing EndpointReference, normalised, or "".
    :ivar xaddrs: ONVIF service addresses, best first, already filtered by the XAddr rules.
    :ivar scopes: ONVIF scopes, as announced.
    :ivar rtsp_ports: TCP ports that answered as RTSP would, or were announced as such.
    :ivar open_ports: TCP ports that accepted a connection, or were announced as such.
    :ivar evidence: identifiers that the announcement carried.
    :ivar announced: what else the device says of itself, in its manufacturer's own protocol.
    """

    method: str
    address: str
    seen_at: float
    mac: Mac | None = None
    endpoint_reference: str = ""
    xaddrs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    rtsp_ports: tuple[int, ...] = ()
    open_ports: tuple[int, ...] = ()
    name: str = ""
    interface: str = ""
    evidence: tuple[Evidence, ...] = ()
    announced: Announced | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device for an inspector to inspect: its address and what is known already.

    :ivar known_urls: stream URLs (without login) that worked before; try them first.
    :ivar behind_shared_mac: the MAC that was seen at its address is not its own.
    :ivar vendors: names of its manufacturer: its own word, its server's, the registry of MACs.
    :ivar adoption: whether it may be given logins, at its present address; ``not_adopted``: in plain words why not, and
        what to do, "" when it is adopted.
    :ivar is_bound: its adoption is on record, and it shows itself as the device that was adopted.
    :ivar by_hand: a person asks for this inspection: what was tried in vain before is tried again.
    :ivar own_urls: the stream that a person gave for its first camera, then the smaller one if he gave it; without
        login. Then no others are searched.
    """

    device_id: str
    address: str
    mac: Mac | None = None
    endpoint_reference: str = ""
    xaddrs: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    rtsp_ports: tuple[int, ...] = ()
    open_ports: tuple[int, ...] = ()
    known_urls: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    behind_shared_mac: bool = False
    vendors: tuple[str, ...] = ()
    adoption: Adoption = Adoption.NO
    not_adopted: str = ""
    is_bound: bool = False
    by_hand: bool = False
    own_urls: tuple[str, ...] = ()

    @property
    def at_layer2(self) -> bool:
        """Whether this machine saw a MAC at its present address: the condition for giving it a secret."""
        return self.mac is not None or self.behind_shared_mac
