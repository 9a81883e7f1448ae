"""Where and over which MAC one device is heard goes in; whether that is a move, a second address or a second device
comes out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from twisted_detector.model import Mac

#: Two addresses of one device that are heard within so many seconds of each other, and the first of them again, are in
#: use at the same time: a sweep hears both within seconds, and no lease changes twice in half a minute.
ALTERNATING = 30.0
#: Changes between two MACs count together for so many seconds: two of the steady sweeps.
SWITCHES_COUNT_FOR = 3_600.0
#: So many quick changes between two MACs are made by two devices: a cable is not pulled twice within that time.
PROVING_SWITCHES = 2
#: Addresses that are remembered of one device.
MAX_PLACES = 8


class Where(Enum):
    """What an address is to a device."""

    SAME = auto()  #: where it was
    MOVED = auto()  #: it is here now, and nowhere else
    ALSO = auto()  #: it has several addresses; the one it is called by stays
    OTHER_HERE = auto()  #: something else with its MAC is here
    OTHER_THERE = auto()  #: it is here; what was last seen where it seemed to be is something else with its MAC


@dataclass(frozen=True, slots=True)
class Place:
    """One address: when it was heard there last (wall seconds), over which MAC, and whether it said who it is there."""

    heard: float
    mac: Mac | None
    vouched: bool


class AddressHistory:
    """The places at which one device was heard, and its changes from one MAC to another."""

    def __init__(self) -> None:
        self.places: dict[str, Place] = {}
        self._confirmed = ("", float("-inf"))
        self._mac: Mac | None = None
        self._mac_heard = float("-inf")
        self._switches = 0
        self._switched = float("-inf")

    def confirm(self, address: str, now: float) -> None:
        """It answered at ``address`` after it was heard at another."""
        self._confirmed = (address, now)

    def is_confirmed(self, address: str, now: float) -> bool:
        """Whether it answered at ``address`` just now, although it was heard at another."""
        return self._confirmed[0] == address and 0 <= now - self._confirmed[1] <= ALTERNATING

    def judge(self, address: str, primary: str, *, vouched: bool, now: float, away: bool) -> Where:
        """What ``address``, where it seems to be heard now, is to it.

        :param primary: the address that it is called by.
        :param vouched: it says there who it is, by more than the MAC.
        :param away: it did not answer at ``primary`` when it was asked there last.
        """
        if address == primary:
            return Where.SAME
        was, here = self.places.get(address), self.places.get(primary)
        if not away and self.is_confirmed(primary, now):
            return Where.ALSO if vouched or (was is not None and was.vouched) else Where.OTHER_HERE
        if away or was is None or here is None or not 0 <= now - here.heard <= ALTERNATING:
            return Where.MOVED
        if was.mac is not None and here.mac is not None and was.mac != here.mac:
            return Where.MOVED  # over another of its MACs: `switched` counts
        if not here.vouched:
            return Where.OTHER_THERE
        return Where.ALSO if was.vouched or vouched else Where.OTHER_HERE

    def heard(self, address: str, mac: Mac | None, *, vouched: bool, now: float) -> None:
        """It was heard at ``address``."""
        was = self.places.pop(address, None)
        self.places[address] = Place(now, mac or (was.mac if was else None), vouched or bool(was and was.vouched))
        if len(self.places) > MAX_PLACES:
            del self.places[next(iter(self.places))]

    def forget(self, address: str) -> None:
        """It was not it that was heard at ``address``."""
        self.places.pop(address, None)

    def switched(self, mac: Mac, now: float) -> bool:
        """Note the MAC over which it is heard; True when it is proved by now that two devices are."""
        quick = 0 <= now - self._mac_heard <= ALTERNATING
        if self._mac is not None and mac != self._mac and quick:
            self._switches = self._switches + 1 if 0 <= now - self._switched <= SWITCHES_COUNT_FOR else 1
            self._switched = now
        self._mac, self._mac_heard = mac, now
        return self._switches >= PROVING_SWITCHES

    def settled(self) -> None:
        """What looked like two devices is none, or no more: count anew."""
        self._switches = 0
