"""Quotas: how many devices one host and one network may have in the registry, and how many cameras an hour may add.

Whoever can send one datagram can make up a device. What is made up must neither fill the memory nor take the place of
what is real: a quota belongs to one host or one network, so that a flood is at the expense of whoever sends it, and
what was never proved goes before what was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import ip_network

from twisted_detector.model import Mac
from twisted_detector.model.addresses import parse_address

#: Devices behind one MAC, or at one address, of which no stream was ever proved: a recorder that announces each of 64
#: channels (the most that are sold in shops) as a device of its own.
MAX_UNPROVED_PER_HOST = 64
#: Devices behind one MAC or at one address in all: the largest recorders have 256 channels, and a router that answers
#: ARP for a whole /24 has 254 cameras behind it.
MAX_PER_HOST = 256
#: Devices of one network (:func:`network_of`: at most 1 024 IPv4 addresses): four for each of its addresses.
MAX_PER_NETWORK = 4096
#: Devices of one daemon: a /16 full of them. More is a flood of forged announcements, or years of guests.
MAX_DEVICES = 65_536
#: New cameras in the first hour of an installation, whatever the setting: its first round finds all that there are.
#: With the longest texts each costs 40 kB.
FIRST_HOUR = 2048
#: Default of MAX_NEW_CAMERAS_PER_HOUR: a new building's switch brings some hundred cameras at one time.
NEW_CAMERAS_PER_HOUR = 500
#: A quota that was reached is told once a day of each host and network, and of so many of these at most: who forges
#: devices can forge hosts.
TELL_EVERY, MAX_TOLD = 86_400.0, 64

_HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a device, or its cameras, found no room.

    :ivar cause: the quota: ``host``, ``network``, ``devices`` or ``new_cameras``.
    :ivar subject: the MAC, address or network that it is of; "" for one of the whole daemon.
    :ivar text: in plain words, and what to do.
    """

    cause: str
    subject: str
    text: str


def network_of(address: str) -> str:
    """The network by which an address is counted: /22 of IPv4, /64 of IPv6, with the link's name where it has one."""
    bare, _, scope = address.partition("%")
    bits = 64 if ":" in bare else 22
    network = str(ip_network(f"{parse_address(bare)}/{bits}", strict=False))
    return f"{network}%{scope}" if scope else network


@dataclass(slots=True)
class _Member:
    network: str
    address: str = ""
    mac: str = ""

    @property
    def hosts(self) -> tuple[str, ...]:
        return tuple(filter(None, (self.address, self.mac)))


class DeviceQuotas:
    """Members of each host and network, by handle of the device.

    A device is *unpublished* until its first inspection is published, then *unproved* until :meth:`is_proved` says
    otherwise. Both may have to make room for others, the oldest first.

    :param is_proved: whether a stream of a device was ever proved, or a person vouches for it.
    :param channels: how many cameras a device's own inspection named.
    """

    def __init__(self, *, is_proved: Callable[[int], bool], channels: Callable[[int], int]) -> None:
        self._is_proved = is_proved
        self._channels = channels
        self._members: dict[int, _Member] = {}
        self._of_host: dict[str, dict[int, None]] = {}
        self._of_network: Counter[str] = Counter()
        #: By network, and under "" all: devices that may have to go, the oldest first.
        self._unpublished: dict[str, dict[int, None]] = {}
        self._unproved: dict[str, dict[int, None]] = {}

    def __len__(self) -> int:
        return len(self._members)

    def add(self, key: int, address: str) -> None:
        """A device was made at ``address``."""
        network = network_of(address)
        self._members[key] = _Member(network)
        self._of_network[network] += 1
        self._put(self._unpublished, key, network)

    def place(self, key: int, address: str, mac: Mac | None) -> None:
        """A device was seen at ``address``, over ``mac`` where that is known."""
        member = self._members[key]
        seen = mac.text if mac is not None else member.mac
        if (member.address, member.mac) == (address, seen):
            return
        self._leave_hosts(key, member)
        member.address, member.mac = address, seen
        for host in member.hosts:
            self._of_host.setdefault(host, {})[key] = None
        network = network_of(address)
        if network != member.network:
            for table in (self._unpublished, self._unproved):
                if key in table.get(member.network, ()):
                    self._take(table, key, member.network)
                    self._put(table, key, network)
            self._leave_network(member)
            member.network = network
            self._of_network[network] += 1

    def host_of(self, key: int) -> str:
        """The MAC that a device is behind, or its address; "" for one that is gone."""
        member = self._members.get(key)
        return (member.mac or member.address) if member is not None else ""

    def publish(self, key: int) -> None:
        """A device has cameras now."""
        member = self._members[key]
        self._take(self._unpublished, key, member.network)
        self._put(self._unproved, key, member.network)

    def remove(self, key: int) -> None:
        """A device is gone."""
        member = self._members.pop(key)
        self._leave_hosts(key, member)
        self._leave_network(member)
        for table in (self._unpublished, self._unproved):
            self._take(table, key, member.network)

    # --- decisions ----------------------------------------------------------------------------------------------------

    def full_host(self, address: str, mac: Mac | None, key: int | None = None) -> Refusal | None:
        """Why one more device does not fit behind this MAC and at this address; None when it does.

        :param key: the device, when it is known already; where it is counted now it may stay.
        """
        for host in filter(None, (mac.text if mac is not None else "", address)):
            keys = self._of_host.get(host, {})
            if len(keys) < MAX_UNPROVED_PER_HOST or key in keys:
                continue
            channels = max(map(self._channels, keys))
            unproved = sum(not self._is_proved(one) for one in keys)
            if unproved >= max(MAX_UNPROVED_PER_HOST, channels) or len(keys) >= max(MAX_PER_HOST, channels):
                what = f"{host} shows more devices than one host has: {len(keys)}, {unproved} of them without a stream"
                return Refusal("host", host, f"{what}. No more of it are taken in; see what stands there")
        return None

    def members_of_host(self, host: str) -> tuple[int, ...]:
        """The devices behind a MAC or at an address, the oldest first."""
        return tuple(self._of_host.get(host, ()))

    def full_network(self, address: str) -> str | None:
        """The network in which one more device does not fit, "" when the whole daemon is full; None: it fits."""
        network = network_of(address)
        if self._of_network[network] >= MAX_PER_NETWORK:
            return network
        return "" if len(self._members) >= MAX_DEVICES else None

    def victim(self, network: str) -> int | None:
        """The device of a network ("" for any) that goes first when room is needed; None: all were proved."""
        unpublished = next(iter(self._unpublished.get(network, ())), None)
        if unpublished is not None:
            return unpublished
        return next(self.unproved(network), None)

    def unproved(self, network: str = "") -> Iterator[int]:
        """The devices of a network ("" for any) that were published and never proved, the oldest first."""
        for key in tuple(self._unproved.get(network, ())):
            if key not in self._members:
                continue
            if self._is_proved(key):
                self._take(self._unproved, key, self._members[key].network)  # never asked again
            else:
                yield key

    @staticmethod
    def refusal_of_network(network: str) -> Refusal:
        """Why there is no room in a network, "" for the whole daemon, though all were proved."""
        where, limit = (f"in {network}", MAX_PER_NETWORK) if network else ("here", MAX_DEVICES)
        text = f"{limit} devices {where} are the most that are kept: no more are taken in; forget those that are gone"
        return Refusal("network" if network else "devices", network, text)

    # --- details ------------------------------------------------------------------------------------------------------

    @staticmethod
    def _put(table: dict[str, dict[int, None]], key: int, network: str) -> None:
        for name in (network, ""):
            table.setdefault(name, {})[key] = None

    @staticmethod
    def _take(table: dict[str, dict[int, None]], key: int, network: str) -> None:
        for name in (network, ""):
            keys = table.get(name)
            if keys is not None:
                keys.pop(key, None)
                if not keys:
                    del table[name]

    def _leave_hosts(self, key: int, member: _Member) -> None:
        for host in member.hosts:
            keys = self._of_host[host]
            keys.pop(key, None)
            if not keys:
                del self._of_host[host]

    def _leave_network(self, member: _Member) -> None:
        self._of_network[member.network] -= 1
        if not self._of_network[member.network]:
            del self._of_network[member.network]


class NewCameraLimit:
    """Limit of the cameras that are published anew in one hour; what proved itself and what did not are counted apart.

    A camera that plays, or that let a login in, never waits for those that are only claimed.

    :param per_hour: cameras of either kind.
    """

    def __init__(self, per_hour: int = NEW_CAMERAS_PER_HOUR) -> None:
        self.per_hour = per_hour
        self._room = dict.fromkeys((False, True), float(per_hour))
        self._at: float | None = None
        self._first_since: float | None = None

    def first_run(self, now: float) -> None:
        """Nothing is known from an earlier run: the first hour may bring what there is."""
        self._first_since = now
        self._room = dict.fromkeys((False, True), float(max(self.per_hour, FIRST_HOUR)))

    def clock_set(self, by: float) -> None:
        """The wall's clock was set: the first hour lasts no longer and no shorter for that."""
        self._at = None if self._at is None else self._at + by
        self._first_since = None if self._first_since is None else self._first_since + by

    def admits(self, cameras: int, now: float, *, proved: bool) -> bool:
        """Whether so many may be published now; if so they are counted. One device is never too large for an hour."""
        elapsed = max(now - self._at, 0.0) if self._at is not None else 0.0
        self._at = now
        first = self._first_since is not None and 0 <= now - self._first_since < _HOUR
        for kind, room in self._room.items():
            full = max(room, float(self.per_hour)) if first else float(self.per_hour)
            self._room[kind] = min(room + elapsed * self.per_hour / _HOUR, full)
        if self._room[proved] < min(cameras, self.per_hour):
            return False
        self._room[proved] -= cameras
        return True

    def refusal(self) -> Refusal:
        """Why :meth:`admits` said no."""
        text = (
            f"more than {self.per_hour} new cameras in an hour: no more are published now, those that play excepted."
            " If they are yours, raise MAX_NEW_CAMERAS_PER_HOUR; if not, see who announces them"
        )
        return Refusal("new_cameras", "", text)


class RefusalLog:
    """Counts refusals by cause, and says which are to be told: each subject of each cause once a day, and a bounded
    number of them.

    :ivar counts: refusals by cause.
    :ivar last: the refusal that came last.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.last: Refusal | None = None
        self._told: dict[tuple[str, str], float] = {}

    def record(self, refusal: Refusal, now: float) -> bool:
        """Count a refusal; whether it is to be told."""
        self.counts[refusal.cause] += 1
        self.last = refusal
        name = (refusal.cause, refusal.subject)
        for key, at in tuple(self._told.items()) if len(self._told) >= MAX_TOLD and name not in self._told else ():
            if not 0 <= now - at < TELL_EVERY:
                del self._told[key]
        before = self._told.get(name)
        if before is None and len(self._told) >= MAX_TOLD:
            return False
        if before is not None and 0 <= now - before < TELL_EVERY:
            return False
        self._told[name] = now
        return True
