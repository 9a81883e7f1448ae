"""Index of identity claims: which device claims which identifiers, and at which addresses each device is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice

from twisted_detector.model import EvidenceKind, Mac
from twisted_detector.registry.identity.claims import (
    AT_ADDRESS,
    ELSEWHERE,
    EXCLUSIVE,
    MOVES_ALIVE,
    MOVES_AWAY,
    OTHER_MAC,
    TENTATIVE,
    VETO,
    WEIGHTS,
    Claim,
    ClaimSet,
)

#: Claims that are kept of one device, beside MACs: the first ones stay.
MAX_CLAIMS = 32
#: Addresses at which one device is at a time: two families on two interfaces, twice.
MAX_ADDRESSES = 8
#: Services by which one device is told apart from others at its address.
MAX_SERVICES = 16
#: Changes between two devices with one value that prove both to be there. The first change may be one camera that went
#: from the wire to Wi-Fi, the second is none.
PROVING_ALTERNATIONS = 2
#: Seconds within which no device goes from one address to another and is seen at both: a sweep and the announcements
#: that it causes bring the one and the other within seconds.
QUICK_TURN = 30.0


@dataclass(frozen=True, slots=True)
class Turn:
    """The device that made a claim last, of several that make it.

    :ivar changes: how often the devices took turns.
    :ivar at: wall seconds; ``-inf``: a device that is new among them, or gone.
    :ivar by_mac: its MAC was seen then.
    """

    key: int
    changes: int
    at: float
    by_mac: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Weights for and against a claim set being of a certain device."""

    agrees: int
    contradicts: int
    at_address: bool
    alive: bool

    @property
    def accepted(self) -> bool:
        """Whether the claim set is of that device."""
        enough = self.at_address or self.agrees >= (MOVES_ALIVE if self.alive else MOVES_AWAY)
        return enough and self.agrees > self.contradicts


class IdentityIndex:
    """Index of the claims and addresses of all devices.

    A device is an int of the caller's. A claim is *firm* when it was made together with another firm claim of the
    device, or when it was the first of the device; otherwise it is *tentative*: tied to the device by the address
    alone, and given up when another device makes it firmly.

    :param alive: returns whether a device is there, as far as is known.
    :ivar discredited: claims that two devices made at the same time: they have no weight any more.
    """

    def __init__(self, alive: Callable[[int], bool]) -> None:
        self._alive = alive
        self._claims: dict[int, dict[Claim, bool]] = {}  # True: firm
        self._holders: dict[Claim, dict[int, None]] = {}
        self._devices_at: dict[str, dict[int, None]] = {}
        self._addresses_of: dict[int, dict[str, None]] = {}
        self._services: dict[int, frozenset[str]] = {}
        self._turns: dict[Claim, Turn] = {}  # of claims that several devices make
        self.discredited: set[Claim] = set()
        self._weakened: set[Claim] = set()
        self._relieved: set[int] = set()

    # --- resolving ----------------------------------------------------------------------------------------------------

    def find(self, claimed: ClaimSet) -> int | None:
        """The device that made these claims, None for an unknown one. Best match first, then alive, then oldest."""
        candidates = dict.fromkeys(self._devices_at.get(claimed.address, ()))
        for claim in claimed.claims:
            candidates.update(dict.fromkeys(self._holders.get(claim, ())))
        best: tuple[tuple[int, bool, int], int] | None = None
        for key in candidates:
            match = self.weigh(key, claimed)
            if match.accepted:
                rank = (match.agrees - match.contradicts, match.alive, -key)
                best = max(best or (rank, key), (rank, key))
        return best[1] if best else None

    def weigh(self, key: int, claimed: ClaimSet, *, contested_too: bool = False) -> Match:
        """Weigh whether the claims are of the device ``key``.

        :param contested_too: give weight to values that several living devices claim.
        """
        mine: dict[str, dict[str, bool]] = {}
        for (kind, value), firm in self._claims.get(key, {}).items():
            if (kind, value) not in self.discredited:
                mine.setdefault(kind, {})[value] = firm
        theirs: dict[str, set[str]] = {}
        for kind, value in claimed.claims.difference(self.discredited):
            theirs.setdefault(kind, set()).add(value)
        alive = self._alive(key)
        at_address = self.is_at(key, claimed.address)
        own = self._services.get(key)
        same_place = at_address and (not claimed.services or not own or bool(claimed.services & own))
        agrees = contradicts = 0
        for kind, values in theirs.items():
            known = mine.get(kind, {})
            common = values & known.keys()
            if common:
                weights = [
                    WEIGHTS[kind] if known[value] else TENTATIVE
                    for value in common
                    if contested_too or not self._contested((kind, value))
                ]
                agrees += max(weights, default=0)
            elif kind not in EXCLUSIVE:
                continue
            elif any(known.values()):
                contradicts += WEIGHTS[kind] if same_place else ELSEWHERE
            elif known:
                contradicts += TENTATIVE
            elif any(firm for of_kind in mine.values() for firm in of_kind.values()):
                # The device never claimed a value of this kind, and another device claimed this one.
                contradicts += WEIGHTS[kind] if any(self._is_of_another(key, (kind, value)) for value in values) else 0
        contradicts += self._other_mac(key, mine, theirs, agrees, alive=alive, at_address=at_address)
        if at_address and (alive or not theirs or not mine):
            agrees += AT_ADDRESS
        return Match(agrees, contradicts, at_address, alive)

    def _other_mac(
        self,
        key: int,
        mine: dict[str, dict[str, bool]],
        theirs: dict[str, set[str]],
        agrees: int,
        *,
        alive: bool,
        at_address: bool,
    ) -> int:
        known, other = mine.get(EvidenceKind.MAC, {}), theirs.get(EvidenceKind.MAC, set())
        firm = any(known.values())
        if not other:
            # Claims can be forged: without a MAC they do not move a living device whose MAC was seen.
            return VETO if firm and alive and not at_address else 0
        if not known:
            # Where it is, a MAC was seen that several devices have. Another one is that of another device.
            return OTHER_MAC if any(kind == EvidenceKind.MAC for kind, _ in self._claims.get(key, ())) else 0
        if other & known.keys():
            return 0
        if not firm:
            return TENTATIVE
        if agrees >= MOVES_ALIVE and other <= mine.get(EvidenceKind.HARDWARE_ADDRESS, {}).keys():
            return 0  # when it was inspected, the device named this MAC as that of its other interface
        return VETO if alive else OTHER_MAC

    def _is_of_another(self, key: int, claim: Claim) -> bool:
        return any(other != key and self._claims[other][claim] for other in self._holders.get(claim, ()))

    def _contested(self, claim: Claim) -> bool:
        holders = self._holders.get(claim, ())
        # No further than the second: it is asked for each holder, and a flood makes as many as there may be.
        return len(tuple(islice(filter(self._alive, holders), 2))) > 1

    # --- claims -------------------------------------------------------------------------------------------------------

    def add_claims(self, key: int, claimed: ClaimSet, *, firm: bool = False) -> list[tuple[int, Claim]]:
        """Record that ``key`` made these claims; returns which devices thereby lost which, that were tentative.

        :param firm: they are firm; otherwise that follows from the claims of the device so far.
        """
        lost = []
        mine = self._claims.setdefault(key, {})
        claims = claimed.claims.difference(self.discredited)
        firm = firm or not self.firm_claims(key) or any(mine.get(claim) for claim in claims)
        if firm:
            kinds = {kind for kind, _ in claims if kind == EvidenceKind.MAC or kind in EXCLUSIVE}
            for claim in [one for one, sure in mine.items() if not sure and one[0] in kinds and one not in claims]:
                self.remove_claim(key, claim)
        for claim in sorted(claims):
            if firm:
                for other in [one for one in self._holders.get(claim, ()) if not self._claims[one][claim]]:
                    if other != key:
                        self.remove_claim(other, claim)
                        lost.append((other, claim))
            if claim not in mine and len(mine) >= MAX_CLAIMS and claim[0] != EvidenceKind.MAC:
                continue
            was = mine.pop(claim, False)  # the latest is the last
            mine[claim] = was or firm
            self._add_holder(key, claim)
        return lost

    def _add_holder(self, key: int, claim: Claim) -> None:
        holders = self._holders.setdefault(claim, {})
        if key not in holders:
            holders[key] = None
            if len(holders) > 1:
                changes = self._turns[claim].changes if claim in self._turns else 0
                self._turns[claim] = Turn(key, changes, float("-inf"), by_mac=False)

    def remove_claim(self, key: int, claim: Claim) -> None:
        """``key`` does not make this claim any more."""
        self._claims[key].pop(claim, None)
        self._relieved.add(key)
        holders = self._holders.get(claim, {})
        holders.pop(key, None)
        turn = self._turns.get(claim)
        if len(holders) < 2:
            self._turns.pop(claim, None)
        elif turn is not None and turn.key == key:  # it may have been one of the others: who comes next takes no turn
            self._turns[claim] = replace(turn, at=float("-inf"), by_mac=False)
        if holders:
            self._weakened.add(claim)
        else:
            self._holders.pop(claim, None)
            self.discredited.discard(claim)

    def firm_claims(self, key: int) -> frozenset[Claim]:
        """The firm claims of a device that have weight."""
        return frozenset(one for one, firm in self._claims.get(key, {}).items() if firm and one not in self.discredited)

    def claims(self, key: int) -> tuple[Claim, ...]:
        """All claims of a device."""
        return tuple(self._claims.get(key, ()))

    def is_unidentified(self, key: int) -> bool:
        """Whether a device never made a firm claim, not even one that was discredited since, and has no MAC."""
        return not any(self._claims.get(key, {}).values()) and not self.macs(key)

    def is_firm(self, key: int, claim: Claim) -> bool:
        """Whether a claim of a device is firm."""
        return self._claims.get(key, {}).get(claim, False)

    def rivals(self, key: int) -> Iterator[tuple[Claim, int]]:
        """Every claim of a device with weight that another device makes too, with that device."""
        for claim in tuple(self._claims.get(key, {})):
            if claim not in self.discredited:
                for other in tuple(self._holders.get(claim, ())):
                    if other != key:
                        yield claim, other

    def claimants(self, claim: Claim) -> tuple[int, ...]:
        """The devices that make a claim, the first one at the front."""
        return tuple(self._holders.get(claim, ()))

    def macs(self, key: int) -> tuple[Mac, ...]:
        """The MACs of a device that have weight, the one seen last at the end."""
        kind = EvidenceKind.MAC
        return tuple(Mac(one[1]) for one in self._claims.get(key, {}) if one[0] == kind and one not in self.discredited)

    def own_mac(self, key: int) -> Mac | None:
        """The MAC that is believed to be a device's own: the latest of those that it had before all others."""
        first = (key,)
        own = [mac for mac in self.macs(key) if self.claimants((EvidenceKind.MAC, mac.text))[:1] == first]
        return own[-1] if own else None

    # --- one value of two devices -------------------------------------------------------------------------------------

    def record_turn(self, key: int, now: float, *, by_mac: bool, moved: bool = False) -> list[Claim]:
        """``key`` is there now; returns the claims that are proved thereby to be of two devices at once.

        Two that were told apart by their MACs are two. Where a MAC was not seen, one device may have gone from the one
        address to the other: then a change of turns counts only when it is quick, and back to where the device was.

        :param by_mac: its MAC was seen.
        :param moved: it was at another address before.
        """
        proved = []
        for claim in self._claims.get(key, {}):
            turn = self._turns.get(claim)
            if turn is None or claim in self.discredited:
                continue
            changes = turn.changes
            if turn.key != key:
                changes += (by_mac and turn.by_mac) or (not moved and 0 <= now - turn.at <= QUICK_TURN)
            if changes >= PROVING_ALTERNATIONS:
                proved.append(claim)
            self._turns[claim] = Turn(key, changes, now, by_mac)
        return proved

    def discredit(self, claim: Claim) -> tuple[int, ...]:
        """Take the weight from a claim; returns the devices that make it."""
        self.discredited.add(claim)
        self._weakened.add(claim)
        return self.claimants(claim)

    def weaken(self, key: int) -> None:
        """What a device claims is held against others less than before: it has lost the MAC that was its own."""
        self._weakened.update(self._claims.get(key, ()))

    def take_weakened(self) -> tuple[int, ...]:
        """The devices that lost a claim since the last call, or of which another one lost a claim, or its MAC."""
        keys = self._relieved.union(*(self._holders.get(claim, ()) for claim in self._weakened))
        self._weakened.clear()
        self._relieved.clear()
        return tuple(sorted(keys))

    # --- addresses ----------------------------------------------------------------------------------------------------

    def place(self, key: int, claimed: ClaimSet, *, also: bool = False) -> None:
        """Record that device ``key`` is at ``claimed.address``. Any device that was recorded there is displaced, except

        1. one that can be told apart from ``key`` by its services;
        2. one that is alive and whose MAC was seen, when ``claimed`` has no MAC: where layer 2 was seen, claims do not
           count. Then ``key`` gets no place.

        :param also: the device stays at its other addresses.
        """
        if not also and tuple(self._addresses_of.get(key, ())) != (claimed.address,):
            for address in tuple(self._addresses_of.get(key, ())):
                if address != claimed.address:
                    self.displace(key, address)
            self._services[key] = frozenset()  # they are those at another address, also when it lost that since
        services = claimed.services or self._services.get(key, frozenset())
        if also and self._addresses_of.get(key, {}).keys() - {claimed.address} and len(services) < MAX_SERVICES:
            services |= self._services.get(key, frozenset())
        for other in self.devices_at(claimed.address):
            theirs = self._services[other]
            if other == key or (services and theirs and not services & theirs):
                continue
            if claimed.mac is None and self.macs(other) and self._alive(other):
                self._services.setdefault(key, services)
                return
            self.displace(other, claimed.address)
        addresses = self._addresses_of.setdefault(key, {})
        if claimed.address in addresses or len(addresses) < MAX_ADDRESSES:
            addresses[claimed.address] = None
            self._devices_at.setdefault(claimed.address, {})[key] = None
        self._services[key] = services

    def displace(self, key: int, address: str) -> None:
        """Device ``key`` is not at ``address`` any more."""
        self._addresses_of.get(key, {}).pop(address, None)
        devices = self._devices_at.get(address, {})
        devices.pop(key, None)
        if not devices:
            self._devices_at.pop(address, None)

    def devices_at(self, address: str) -> tuple[int, ...]:
        """The devices at an address, the first one at the front."""
        return tuple(self._devices_at.get(address, ()))

    def is_anywhere(self, key: int) -> bool:
        """Whether there is an address at which no other device was seen in its place."""
        return bool(self._addresses_of.get(key))

    def is_at(self, key: int, address: str) -> bool:
        """Whether a device is at an address."""
        return address in self._addresses_of.get(key, ())

    def remove(self, key: int) -> None:
        """Forget a device."""
        for claim in tuple(self._claims.get(key, ())):
            self.remove_claim(key, claim)
        for address in tuple(self._addresses_of.get(key, ())):
            self.displace(key, address)
        for each in (self._claims, self._addresses_of, self._services):
            each.pop(key, None)
