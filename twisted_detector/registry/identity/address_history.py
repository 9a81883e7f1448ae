"""History of the addresses and MACs of one device: tells a move from a second address and from a second device."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from twisted_detector.model import Mac
from twisted_detector.model.bounds import BoundedDict

#: Two addresses of one device that are seen within so many seconds of each other, and the first of them again, are in
#: use at the same time: a sweep sees both within seconds, and no lease changes twice in half a minute.
ALTERNATING = 30.0
#: Changes between two MACs count together for so many seconds: two of the steady sweeps.
SWITCHES_COUNT_FOR = 3_600.0
#: Where a MAC was seen not longer ago than so many seconds, its device answers, whatever it calls itself: an
#: inspection that follows a sighting takes no longer.
MAC_HOLDS = 10.0
#: So many quick changes between two MACs are made by two devices: a cable is not pulled twice within that time.
PROVING_SWITCHES = 2
#: Addresses that are remembered of one device.
MAX_ADDRESSES = 8


class Placement(Enum):
    """What an address is to a device."""

    SAME = auto()  #: its primary address
    MOVED = auto()  #: its new and only address
    ADDITIONAL = auto()  #: one more address of it; the primary address stays
    OTHER_DEVICE_HERE = auto()  #: the address of another device with the same MAC
    OTHER_DEVICE_THERE = auto()  #: its new address; at its primary one, another device with the same MAC was seen last


@dataclass(frozen=True, slots=True)
class Place:
    """One address of a device.

    :ivar seen_at: wall seconds at which the device was seen there last.
    :ivar mac: the MAC over which it was seen.
    :ivar identified: it identified itself there, by more than the MAC.
    :ivar mac_seen_at: wall seconds at which the MAC was seen there last: an answer from the address shows none.
    """

    seen_at: float
    mac: Mac | None
    identified: bool
    mac_seen_at: float


class AddressHistory:
    """Addresses at which one device was seen, and its changes from one MAC to another."""

    def __init__(self) -> None:
        self.places: BoundedDict[str, Place] = BoundedDict(MAX_ADDRESSES)
        self._confirmed = ("", float("-inf"))
        self._mac: Mac | None = None
        self._mac_seen_at = float("-inf")
        self._switches = 0
        self._switched_at = float("-inf")

    def confirm(self, address: str, now: float) -> None:
        """The device answered at ``address`` after it was seen at another."""
        self._confirmed = (address, now)

    def is_confirmed(self, address: str, now: float) -> bool:
        """Whether the device answered at ``address`` just now, although it was seen at another."""
        return self._confirmed[0] == address and 0 <= now - self._confirmed[1] <= ALTERNATING

    def placement_of(
        self, address: str, primary: str, *, identified: bool, now: float, away: bool, replaced: bool = False
    ) -> Placement:
        """What ``address``, where the device seems to be seen now, is to it.

        :param primary: the address under which the device is published.
        :param identified: it identifies itself at ``address``, by more than the MAC.
        :param away: it did not answer at ``primary`` when that was checked last.
        :param replaced: another device was seen in its place, at ``primary`` or at ``address``, since it was there:
            then it is not in use at both.
        """
        if address == primary:
            return Placement.SAME
        here, there = self.places.get(address), self.places.get(primary)
        identified = identified or (here is not None and here.identified)
        if not away and self.is_confirmed(primary, now):
            return Placement.ADDITIONAL if identified else Placement.OTHER_DEVICE_HERE
        if away or replaced or here is None or there is None or not 0 <= now - there.seen_at <= ALTERNATING:
            return Placement.MOVED
        if here.mac is not None and there.mac is not None and here.mac != there.mac:
            return Placement.MOVED  # over another of its MACs: `record_mac` counts these
        if not there.identified:
            return Placement.OTHER_DEVICE_THERE
        return Placement.ADDITIONAL if identified else Placement.OTHER_DEVICE_HERE

    def record(self, address: str, mac: Mac | None, *, identified: bool, now: float) -> None:
        """The device was seen at ``address``."""
        was = self.places.pop(address, None)
        mac_seen_at = now if mac is not None else was.mac_seen_at if was else float("-inf")
        mac = mac or (was.mac if was else None)
        self.places[address] = Place(now, mac, identified or bool(was and was.identified), mac_seen_at)

    def mac_at(self, address: str, now: float) -> Mac | None:
        """The MAC over which the device was seen at ``address`` just now."""
        place = self.places.get(address)
        return place.mac if place is not None and 0 <= now - place.mac_seen_at <= MAC_HOLDS else None

    def address_of(self, mac: Mac) -> str:
        """The address at which the device was seen over ``mac``, or ""."""
        return next((address for address, one in self.places.items() if one.mac == mac), "")

    def forget(self, address: str) -> None:
        """What was seen at ``address`` was another device."""
        self.places.pop(address, None)

    def record_mac(self, mac: Mac, now: float) -> bool:
        """The device was seen over ``mac``; True when its changes between MACs prove by now that it is two devices."""
        quick = 0 <= now - self._mac_seen_at <= ALTERNATING
        if self._mac is not None and mac != self._mac and quick:
            self._switches = self._switches + 1 if 0 <= now - self._switched_at <= SWITCHES_COUNT_FOR else 1
            self._switched_at = now
        self._mac, self._mac_seen_at = mac, now
        return self._switches >= PROVING_SWITCHES

    def reset_switches(self) -> None:
        """What looked like two devices is one, or was split: count the changes anew."""
        self._switches = 0
