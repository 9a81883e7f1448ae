"""Copies of the kernel's tables of links, addresses and neighbours, made of rtnetlink messages.

Addresses are on-link by the prefixes of the interfaces. A neighbour entry elsewhere (a host route, proxy ARP of a
router) is not used: its MAC might be the router's, and a router's MAC must never become a camera's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Any

from twisted_detector.model import Interface, Mac
from twisted_detector.wire.netlink.messages import (
    IFF_LOOPBACK,
    IFF_MULTICAST,
    IFF_NOARP,
    RTM_GETADDR,
    RTM_GETLINK,
    RTM_GETNEIGH,
    AddressMessage,
    LinkMessage,
    NeighbourMessage,
)

#: gc_thresh3 is 1 024 by default; large routers set some ten thousands. About 250 bytes each.
MAX_ENTRIES = 65_536

_IPAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class Target:
    """One on-link address on one interface; ``address`` is without scope."""

    index: int
    address: _IPAddress


@dataclass(frozen=True, slots=True)
class _Subnet:
    """The hosts of one of our networks, from ``first`` to ``last``, as numbers."""

    index: int
    name: str
    version: int
    prefix_length: int
    first: int
    last: int

    def holds(self, number: int, version: int) -> bool:
        """Whether an address, as a number, is one of its hosts."""
        return self.version == version and self.first <= number <= self.last


class KernelTables:
    """Links, addresses and neighbours, by the kernel's index. A dump replaces a table as a whole when it ends.

    What is needed at every login and every few milliseconds of a sweep is kept ready: our networks until a link or an
    address changes, the known neighbours by each message (made anew each time they took 18 ms of 100 cameras). How the
    address of a neighbour is written is kept, too: where the neighbours have to be gone through all the same, no
    address is read again.
    """

    def __init__(self) -> None:
        self._tables: dict[int, dict[Any, Any]] = {RTM_GETLINK: {}, RTM_GETADDR: {}, RTM_GETNEIGH: {}}
        self._links: dict[int, LinkMessage] = self._tables[RTM_GETLINK]
        self._addresses: dict[tuple[int, str, str, int], AddressMessage] = self._tables[RTM_GETADDR]
        self._neighbours: dict[tuple[int, str], NeighbourMessage] = self._tables[RTM_GETNEIGH]
        self._unconfirmed: dict[int, set[Any]] = {}
        self._subnets: tuple[_Subnet, ...] | None = None
        self._own: frozenset[str] = frozenset()  #: with the subnets
        #: Neighbours of the table → how their addresses are written, "" for those that are not on-link.
        self._texts: dict[tuple[int, str], str] = {}
        self._known: dict[str, Mac] | None = None

    # --- in --------------------------------------------------------------------------------------------------------

    def begin(self, kind: int) -> None:
        """A dump of this table (``RTM_GET…``) begins: entries that it does not confirm were removed unnoticed."""
        self._unconfirmed[kind] = set(self._tables[kind])

    def end(self, kind: int, *, whole: bool = True) -> None:
        """The dump has ended; when it was ``whole``, entries that it did not confirm are removed."""
        unconfirmed = self._unconfirmed.pop(kind, ())
        if not (whole and unconfirmed):
            return
        for key in unconfirmed:
            self._tables[kind].pop(key, None)
            self._texts.pop(key, None)
        if kind == RTM_GETNEIGH:
            self._known = None
        else:
            self._forget_derived()

    def apply(self, message: LinkMessage | AddressMessage | NeighbourMessage) -> bool:
        """Apply one message, of a dump or an event; whether it changed the table."""
        key: Any
        if isinstance(message, LinkMessage):
            kind, key = RTM_GETLINK, message.index
        elif isinstance(message, AddressMessage):
            kind, key = RTM_GETADDR, (message.index, message.address, message.peer, message.prefix_length)
        else:
            kind, key = RTM_GETNEIGH, (message.index, message.address)
        table = self._tables[kind]
        self._unconfirmed.get(kind, set()).discard(key)
        before = table.get(key)
        if message.removed:
            table.pop(key, None)
        elif key in table or len(table) < MAX_ENTRIES:
            table[key] = message
        changed = before != table.get(key)
        if isinstance(message, NeighbourMessage):
            self._update_known(message)
            if message.removed:
                self._texts.pop(key, None)
        elif changed:
            self._forget_derived()
        return changed

    def _forget_derived(self) -> None:
        self._subnets = self._known = None
        self._texts.clear()

    def _update_known(self, message: NeighbourMessage) -> None:
        text, known = self.text_of(message), self._known
        if not text or known is None:  # of a link that is gone, or of no network here; or all are gone through anyway
            return
        before = known.get(text)
        now = message.mac if message.usable else None
        if before is None and now is not None:
            known[text] = now
        elif before != now:
            self._known = None  # perhaps the address stands on another link too: go through all again

    # --- out -------------------------------------------------------------------------------------------------------

    def interfaces(self) -> tuple[Interface, ...]:
        """The usable addresses of the interfaces that are up, by index, IPv4 first."""
        found = []
        for address in self._addresses.values():
            link = self._links.get(address.index)
            if link is not None and link.up and address.usable:
                multicast, loopback = bool(link.flags & IFF_MULTICAST), bool(link.flags & IFF_LOOPBACK)
                prefix_length = address.prefix_length
                arp = not link.flags & IFF_NOARP
                found.append(Interface(link.name, link.index, address.address, prefix_length, multicast, loopback, arp))
        return tuple(sorted(found, key=lambda one: (one.index, one.version, int(ip_address(one.address)))))

    def targets(self, text: str) -> tuple[Target, ...]:
        """Where on our links an address may stand, the most special network first.

        None for addresses of this machine, of other networks, of no single device, and for what is no address.
        """
        try:
            address: _IPAddress = ip_address(text)
        except ValueError:
            return ()
        scope = ""
        if isinstance(address, IPv6Address):
            scope = address.scope_id or ""
            address = address.ipv4_mapped or IPv6Address(int(address))
        number, version = int(address), address.version
        if not _is_of_single_device(number, version):
            return ()
        found: list[tuple[int, int]] = []
        for subnet in self._networks():
            if not subnet.holds(number, version) or (scope and scope not in (subnet.name, str(subnet.index))):
                continue
            found.append((-subnet.prefix_length, subnet.index))
        if not found or str(address) in self._own:
            return ()
        return tuple(dict.fromkeys(Target(index, address) for _, index in sorted(found)))

    def _networks(self) -> tuple[_Subnet, ...]:
        """Our networks on links that are up and resolve addresses."""
        if self._subnets is None:
            subnets = []
            for own in self._addresses.values():
                link = self._links.get(own.index)
                if link is not None and link.up and not link.flags & (IFF_LOOPBACK | IFF_NOARP):
                    subnets.append(_subnet(own, link))
            self._subnets = tuple(subnets)
            self._own = frozenset(own.address for own in self._addresses.values())
        return self._subnets

    def mac_at(self, target: Target) -> Mac | None:
        """The MAC that the kernel would send to."""
        entry = self._neighbours.get((target.index, str(target.address)))
        return entry.mac if entry is not None and entry.usable else None

    def known(self) -> Mapping[str, Mac]:
        """All on-link addresses (link-local IPv6 with ``%name``) whose MAC is known, as of now."""
        if self._known is None:
            self._known = {
                text: entry.mac
                for entry in self._neighbours.values()
                if entry.mac is not None and entry.usable and (text := self.text_of(entry))
            }
        return MappingProxyType(self._known)

    def text_of(self, entry: NeighbourMessage) -> str:
        """The address of an entry as others write it (link-local IPv6 with ``%name``); "" when it is not on-link."""
        key = (entry.index, entry.address)
        text = self._texts.get(key)
        if text is None:
            text = self._write(entry)
            if key in self._neighbours:
                self._texts[key] = text
        return text

    def _write(self, entry: NeighbourMessage) -> str:
        link = self._links.get(entry.index)
        if link is None:
            return ""
        address = ip_address(entry.address)
        number, version = int(address), address.version
        subnets = self._networks()
        if entry.address in self._own or not _is_of_single_device(number, version):
            return ""
        if not any(one.index == entry.index and one.holds(number, version) for one in subnets):
            return ""
        return f"{entry.address}%{link.name}" if entry.address.startswith("fe80:") else entry.address


def _is_of_single_device(number: int, version: int) -> bool:
    """Whether an address, as a number, is no group's, not unspecified, and not of this machine's loopback.

    As the properties of :mod:`ipaddress` say, in a fraction of their time: it is asked of each neighbour.
    """
    if version == 4:
        return number > 0 and number >> 24 != 127 and number >> 28 != 14
    return number > 1 and number >> 120 != 0xFF


def _subnet(own: AddressMessage, link: LinkMessage) -> _Subnet:
    network = ip_network((own.peer, own.prefix_length), strict=False)
    first, last = int(network.network_address), int(network.broadcast_address)
    if not isinstance(network, IPv6Network) and network.prefixlen < 31:  # RFC 3021: of a /31 both are hosts
        first, last = first + 1, last - 1
    return _Subnet(own.index, link.name, network.version, own.prefix_length, first, last)


def is_answer(message: NeighbourMessage, targets: Sequence[Target]) -> bool:
    """Whether a message settles what stands at one of ``targets``: its MAC came, or the kernel gave up."""
    if not (message.usable or message.failed):
        return False
    return any(message.index == target.index and message.address == str(target.address) for target in targets)
