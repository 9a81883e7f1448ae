"""What was claimed in one breath at one address goes in; which known device it is, by weighed evidence, comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from twisted_detector.model import EvidenceKind, Mac
from twisted_detector.registry.identity.claims import (
    AT_ADDRESS,
    ELSEWHERE,
    EXCLUSIVE,
    MOVES_AWAY,
    MOVES_LIVING,
    OTHER_MAC,
    TENTATIVE,
    VETO,
    WEIGHTS,
    Claim,
    Seen,
)

#: Claims that are kept of one device, beside MACs: what it said first stays.
MAX_CLAIMS = 32
#: Addresses at which one device stands at a time: two families on two interfaces, twice.
MAX_STANDS = 8
#: Services by which one device is told apart from others at its address.
MAX_DOORS = 16
#: Two devices that share a value were both there when each was heard after the other: the first change of turns may be
#: a camera that went from the wire to Wi-Fi, the second is none.
PROVING_TURNS = 2


@dataclass(frozen=True, slots=True)
class Match:
    """What speaks for and against that something is a certain device."""

    agrees: int
    contradicts: int
    at_home: bool
    alive: bool

    @property
    def accepted(self) -> bool:
        """Whether it is that device."""
        enough = self.at_home or self.agrees >= (MOVES_LIVING if self.alive else MOVES_AWAY)
        return enough and self.agrees > self.contradicts


class IdentityIndex:
    """Which device claims what, and where each stands.

    A device is an int of the caller's. A claim is *firm* when it was said in one breath with another firm one of the
    device, or when the device was nothing before; otherwise it is tied by the address alone, and gives way.

    :param alive: tells whether a device is there, as far as is known.
    :ivar spent: values that two living devices had at once: they say nothing any more.
    """

    def __init__(self, alive: Callable[[int], bool]) -> None:
        self._alive = alive
        self._claims: dict[int, dict[Claim, bool]] = {}
        self._holders: dict[Claim, dict[int, None]] = {}
        self._standing: dict[str, dict[int, None]] = {}
        self._stands: dict[int, dict[str, None]] = {}
        self._doors: dict[int, frozenset[str]] = {}
        self._turns: dict[Claim, tuple[int, int]] = {}
        self.spent: set[Claim] = set()

    # --- who is it -------------------------------------------------------------------------------------------------

    def find(self, seen: Seen) -> int | None:
        """The device that this is, or None for one that is not known. The best verdict wins, then life, then age."""
        candidates = dict.fromkeys(self._standing.get(seen.address, ()))
        for claim in seen.claims:
            candidates.update(dict.fromkeys(self._holders.get(claim, ())))
        best: tuple[tuple[int, bool, int], int] | None = None
        for key in candidates:
            verdict = self.judge(key, seen)
            if verdict.accepted:
                rank = (verdict.agrees - verdict.contradicts, verdict.alive, -key)
                best = max(best or (rank, key), (rank, key))
        return best[1] if best else None

    def judge(self, key: int, seen: Seen, *, contested_too: bool = False) -> Match:
        """Weigh whether ``seen`` is the device ``key``.

        :param contested_too: let values count that several living devices claim.
        """
        mine: dict[str, dict[str, bool]] = {}
        for (kind, value), firm in self._claims.get(key, {}).items():
            if (kind, value) not in self.spent:
                mine.setdefault(kind, {})[value] = firm
        theirs: dict[str, set[str]] = {}
        for kind, value in seen.claims.difference(self.spent):
            theirs.setdefault(kind, set()).add(value)
        alive = self._alive(key)
        at_home = seen.address in self._stands.get(key, ())
        same_place = at_home and (not seen.doors or not self._doors[key] or bool(seen.doors & self._doors[key]))
        agrees = contradicts = 0
        for kind, values in theirs.items():
            known = mine.get(kind, {})
            common = values & known.keys()
            if common:
                worth = [
                    WEIGHTS[kind] if known[value] else TENTATIVE
                    for value in common
                    if contested_too or not self._contested((kind, value))
                ]
                agrees += max(worth, default=0)
            elif any(known.values()) and kind in EXCLUSIVE:
                contradicts += WEIGHTS[kind] if same_place else ELSEWHERE
            elif known and kind in EXCLUSIVE:
                contradicts += TENTATIVE
            elif any(sure for of_kind in mine.values() for sure in of_kind.values()) and kind in EXCLUSIVE:
                # It never said so, and another one did.
                contradicts += WEIGHTS[kind] if any(self._is_of_another(key, (kind, value)) for value in values) else 0
        contradicts += self._other_mac(mine, theirs, agrees, alive=alive, at_home=at_home)
        if at_home and (alive or not theirs or not mine):
            agrees += AT_ADDRESS
        return Match(agrees, contradicts, at_home, alive)

    @staticmethod
    def _other_mac(
        mine: dict[str, dict[str, bool]], theirs: dict[str, set[str]], agrees: int, *, alive: bool, at_home: bool
    ) -> int:
        known, other = mine.get(EvidenceKind.MAC, {}), theirs.get(EvidenceKind.MAC, set())
        firm = any(known.values())
        if not other:
            # Anybody can say anything: words do not move a living device whose MAC was seen.
            return VETO if firm and alive and not at_home else 0
        if not known or other & known.keys():
            return 0
        if not firm:
            return TENTATIVE
        if agrees >= MOVES_LIVING and other <= mine.get(EvidenceKind.HARDWARE_ADDRESS, {}).keys():
            return 0  # it said itself, when it was asked, that this is its other interface
        return VETO if alive else OTHER_MAC

    def _is_of_another(self, key: int, claim: Claim) -> bool:
        return any(other != key and self._claims[other][claim] for other in self._holders.get(claim, ()))

    def _contested(self, claim: Claim) -> bool:
        holders = self._holders.get(claim, ())
        return len(holders) > 1 and sum(1 for key in holders if self._alive(key)) > 1

    # --- claims ----------------------------------------------------------------------------------------------------

    def bind(self, key: int, seen: Seen, *, firm: bool = False) -> None:
        """``key`` claims this from now on.

        :param firm: for certain; otherwise as what it says together with what is known tells.
        """
        mine = self._claims.setdefault(key, {})
        claims = seen.claims.difference(self.spent)
        firm = firm or not any(mine.values()) or any(mine.get(claim) for claim in claims)
        if firm:
            kinds = {kind for kind, _ in claims if kind == EvidenceKind.MAC or kind in EXCLUSIVE}
            for claim in [one for one, sure in mine.items() if not sure and one[0] in kinds and one not in claims]:
                self._drop(key, claim)
        for claim in sorted(claims):
            if firm:
                for other in [one for one in self._holders.get(claim, ()) if not self._claims[one][claim]]:
                    if other != key:
                        self._drop(other, claim)
            if claim not in mine and len(mine) >= MAX_CLAIMS and claim[0] != EvidenceKind.MAC:
                continue
            was = mine.pop(claim, False)  # the latest stands last
            mine[claim] = was or firm
            self._hold(key, claim)

    def _hold(self, key: int, claim: Claim) -> None:
        holders = self._holders.setdefault(claim, {})
        if key not in holders:
            holders[key] = None
            if len(holders) > 1:
                self._turns[claim] = key, self._turns.get(claim, (key, 0))[1]

    def _drop(self, key: int, claim: Claim) -> None:
        self._claims[key].pop(claim, None)
        holders = self._holders.get(claim, {})
        holders.pop(key, None)
        if len(holders) < 2:
            self._turns.pop(claim, None)
        if not holders:
            self._holders.pop(claim, None)
            self.spent.discard(claim)

    def drop(self, key: int, claim: Claim) -> None:
        """``key`` does not claim this any more."""
        self._drop(key, claim)

    def claims(self, key: int) -> frozenset[Claim]:
        """Everything firm that a device claims and that has weight."""
        return frozenset(one for one, firm in self._claims.get(key, {}).items() if firm and one not in self.spent)

    def nameless(self, key: int) -> bool:
        """Whether a device never claimed anything for certain, nor what lost its weight since, and has no MAC."""
        return not any(self._claims.get(key, {}).values()) and not self.macs(key)

    def firm(self, key: int, claim: Claim) -> bool:
        """Whether a device claims this for certain."""
        return self._claims.get(key, {}).get(claim, False)

    def others(self, key: int) -> Iterator[tuple[Claim, int]]:
        """Every value with weight that another device claims too, with that device."""
        for claim in tuple(self._claims.get(key, {})):
            if claim not in self.spent:
                for other in tuple(self._holders.get(claim, ())):
                    if other != key:
                        yield claim, other

    def macs(self, key: int) -> tuple[Mac, ...]:
        """The MACs of a device that have weight, the one seen last at the end."""
        kind = EvidenceKind.MAC
        return tuple(Mac(one[1]) for one in self._claims.get(key, {}) if one[0] == kind and one not in self.spent)

    # --- two with one value ----------------------------------------------------------------------------------------

    def turn(self, key: int) -> list[Claim]:
        """``key`` was heard; returns the values that are now proved to be of two devices at once."""
        proved = []
        for claim in self._claims.get(key, {}):
            if claim in self._turns and claim not in self.spent:
                last, turns = self._turns[claim]
                if last != key:
                    self._turns[claim] = key, turns + 1
                    if turns + 1 >= PROVING_TURNS:
                        proved.append(claim)
        return proved

    def turns(self, claim: Claim) -> int:
        """How often those who claim this took turns since there are two of them."""
        return self._turns.get(claim, (0, 0))[1]

    def spend(self, claim: Claim) -> tuple[int, ...]:
        """A value loses its weight; returns the devices that claim it."""
        self.spent.add(claim)
        return tuple(self._holders.get(claim, ()))

    def claimants(self, claim: Claim) -> tuple[int, ...]:
        """The devices that claim this, the first at the front."""
        return tuple(self._holders.get(claim, ()))

    # --- places ----------------------------------------------------------------------------------------------------

    def stand(self, key: int, seen: Seen, *, also: bool = False) -> None:
        """``key`` stands at an address; who stood there goes, unless both can be told apart by their services.

        It does not go either when its MAC was seen, it lives, and this one comes without: where layer 2 speaks, words
        do not count. Then ``key`` stands nowhere.

        :param also: it stands at its other addresses still.
        """
        if not also:
            for address in tuple(self._stands.get(key, ())):
                if address != seen.address:
                    self.leave(key, address)
                    self._doors[key] = frozenset()
        doors = seen.doors or self._doors.get(key, frozenset())
        if also and self._stands.get(key, {}).keys() - {seen.address} and len(doors) < MAX_DOORS:
            doors |= self._doors.get(key, frozenset())
        for other in tuple(self._standing.get(seen.address, ())):
            theirs = self._doors[other]
            if other == key or (doors and theirs and not doors & theirs):
                continue
            if seen.mac is None and self.macs(other) and self._alive(other):
                self._doors.setdefault(key, doors)
                return
            self.leave(other, seen.address)
        places = self._stands.setdefault(key, {})
        if seen.address in places or len(places) < MAX_STANDS:
            places[seen.address] = None
            self._standing.setdefault(seen.address, {})[key] = None
        self._doors[key] = doors

    def leave(self, key: int, address: str) -> None:
        """``key`` does not stand at ``address`` any more."""
        self._stands.get(key, {}).pop(address, None)
        standing = self._standing.get(address, {})
        standing.pop(key, None)
        if not standing:
            self._standing.pop(address, None)

    def standing_at(self, address: str) -> tuple[int, ...]:
        """The devices that stand at an address, the first at the front."""
        return tuple(self._standing.get(address, ()))

    def stands_at(self, key: int, address: str) -> bool:
        """Whether a device stands at an address."""
        return address in self._stands.get(key, ())

    def remove(self, key: int) -> None:
        """Forget everything about ``key``."""
        for claim in tuple(self._claims.get(key, ())):
            self._drop(key, claim)
        for address in tuple(self._stands.get(key, ())):
            self.leave(key, address)
        for each in (self._claims, self._stands, self._doors):
            each.pop(key, None)
