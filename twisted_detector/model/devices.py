"""Facts about devices go in as text from many protocols; frozen values that the rest of the program agrees on come out.

Every stamp named ``…_at`` or ``since`` is wall time in seconds since the epoch; it is for people and documents.
Durations are never computed from them (the wall clock jumps); offline is decided by missed checks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import ip_address

from twisted_detector.model.addresses import Mac


class EvidenceKind(StrEnum):
    """What sort of identifier a piece of evidence is; the weight of each is ``identity``'s affair."""

    MAC = "mac"  #: seen at layer 2
    ENDPOINT_REFERENCE = "epr"
    SCOPE_MAC = "scope_mac"
    SERIAL = "serial"
    HARDWARE_ADDRESS = "hardware_address"  #: said by GetNetworkInterfaces
    MDNS = "mdns"  #: host name, or HomeKit's id, of a service
    UPNP = "upnp"  #: unique device name
    ANNOUNCED_MAC = "announced_mac"  #: said in a service's TXT record, or in a unique device name
    VENDOR = "vendor"  #: the maker's name: of no unit
    VENDOR_ID = "vendor_id"  #: a unit's identifier in its maker's own protocol
    CERTIFICATE = "certificate"  #: SHA-256 of the one it shows over TLS: whole series ship with one, so of no unit
    SHARED_MAC = "shared_mac"  #: seen at layer 2, but of a repeater or a host that has several devices behind it
    SHARED_EPR = "shared_epr"  #: of two devices at once, as all that follow
    SHARED_SERIAL = "shared_serial"
    SHARED_SCOPE_MAC = "shared_scope_mac"
    SHARED_HARDWARE_ADDRESS = "shared_hardware_address"
    SHARED_MDNS = "shared_mdns"
    SHARED_UPNP = "shared_upnp"
    SHARED_ANNOUNCED_MAC = "shared_announced_mac"
    SHARED_VENDOR_ID = "shared_vendor_id"


#: The source of the evidence that comes from the registry of MAC addresses (IEEE's MA-L, MA-M and MA-S).
OUI = "oui"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One identifier of a device: what it is, its value, who said so and when."""

    kind: str
    value: str
    source: str
    seen_at: float


@dataclass(frozen=True, slots=True)
class Interface:
    """One address of one network interface of this machine.

    ``address`` is without a scope; ``prefix_length`` tells its network; ``index`` is the kernel's; ``arp`` tells
    whether neighbours there have a MAC (a tunnel's have none).
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


@dataclass(frozen=True, slots=True)
class Sighting:
    """What one method saw of one address: untrusted, and never more than a reason to look closer.

    :ivar method: the discoverer's or watcher's name.
    :ivar address: the address that the bytes came from (IPv6 link-local with ``%scope``).
    :ivar endpoint_reference: WS-Addressing EndpointReference, normalised, or "".
    :ivar xaddrs: ONVIF service addresses, best first, already judged by the XAddr rules.
    :ivar scopes: ONVIF scopes, as said.
    :ivar rtsp_ports: TCP ports that answered as RTSP would, or were announced as such.
    :ivar open_ports: TCP ports that accepted a connection, or were announced as such.
    :ivar evidence: identifiers that the announcement carried.
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


@dataclass(frozen=True, slots=True)
class Candidate:
    """A device as an inspector is asked about it: where it is and what is known already.

    ``known_urls`` are stream URLs (without login) that worked before; try them first.
    ``at_layer2`` tells whether this machine saw a MAC where it stands now: condition for giving it a secret.
    ``behind_shared_mac``: that MAC is not its own.
    ``vendors``: who made it, by whatever says so: itself, its server, the registry of MACs.
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

    @property
    def at_layer2(self) -> bool:
        return self.mac is not None or self.behind_shared_mac
