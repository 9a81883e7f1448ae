"""What a device says of itself goes in; claims with their weights, and its name for ever, come out.

``docs/identity.md`` has the weights and the rules with examples; ``identity_index`` applies them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from twisted_detector.errors import RemoteError
from twisted_detector.model import Evidence, EvidenceKind, Mac, safe_id

#: One identifier: its kind and its value in canonical form.
Claim = tuple[str, str]

#: How much it says that two sightings share a value of this kind. Kinds that are missing say nothing (a maker's name).
#: The MAC was seen by this machine, all others are words: all of them together may outweigh it, no single one does.
WEIGHTS: Mapping[str, int] = {
    EvidenceKind.MAC: 100,
    EvidenceKind.ENDPOINT_REFERENCE: 50,  # WS-Discovery 1.1, 2.6: stable and globally unique; clones exist
    EvidenceKind.SERIAL: 40,
    EvidenceKind.SCOPE_MAC: 40,
    EvidenceKind.ANNOUNCED_MAC: 40,
    EvidenceKind.MDNS: 40,
    EvidenceKind.UPNP: 40,
    EvidenceKind.VENDOR_ID: 40,
    EvidenceKind.HARDWARE_ADDRESS: 20,  # some models answer with one that all units share
}
#: A device has one value of these: another one speaks against it, with the weight of its kind. MACs that are said
#: are no such kinds (a device with a wire and Wi-Fi has two), nor names of services: each has its own.
EXCLUSIVE = (EvidenceKind.ENDPOINT_REFERENCE, EvidenceKind.SERIAL, EvidenceKind.VENDOR_ID)
#: It stands where the device stands, and nothing stronger was said. Not worth anything when the device is away.
AT_ADDRESS = 10
#: A value that is tied to the device by its address only, and was never said in one breath with another one of it.
TENTATIVE = 5
#: Another exclusive value at another place (address or service) is another device, even when the MAC is the same: a
#: proxy-ARP repeater has one MAC for all. MAC and serial number together outweigh it.
ELSEWHERE = 120
#: Another MAC while the device lives, or words alone that would move a living device whose MAC was seen.
VETO = 1000
#: Another MAC when the device is away: it may have gone from the wire to Wi-Fi.
OTHER_MAC = 30
#: Agreement that it takes to find a device at another address: one that lives, and one that is away.
MOVES_LIVING, MOVES_AWAY = 50, 40

#: Hardware addresses that whole models share, each with its report.
SHARED_HARDWARE = frozenset({"00:30:1b:ba:02:db"})  # IMOU IPC-C22F, Home Assistant issue 162687
_MACS = (EvidenceKind.MAC, EvidenceKind.SCOPE_MAC, EvidenceKind.ANNOUNCED_MAC, EvidenceKind.HARDWARE_ADDRESS)
_NIL_REFERENCE = re.compile(r"[0-]+")
_UUID_PREFIX = re.compile(r"^(?:urn:)?(?:uuid:)+", re.IGNORECASE)
#: Serial numbers that say nothing: too short, or one character over and over ("0000000" of YooSee devices).
_MIN_SERIAL_LENGTH = 5
#: A longer value is no identifier but an attempt to fill our memory; a UUID has 36 characters.
_MAX_VALUE = 256
#: Claims of one breath: many times what a device with everything has.
_MAX_CLAIMS = 24


def normalise_endpoint_reference(text: str) -> str:
    """An EndpointReference without ``urn:uuid:`` and in lower case, so that all notations of one compare equal."""
    return _UUID_PREFIX.sub("", text.strip()).lower()


def useful_serial(serial: str) -> bool:
    """Whether a serial number can tell two devices apart at all."""
    stripped = serial.strip()
    return len(stripped) >= _MIN_SERIAL_LENGTH and len(set(stripped)) > 1


def permanent_id(mac: Mac | None, endpoint_reference: str, evidence: Iterable[Evidence], address: str) -> str:
    """The id that a device gets when it is first published; it never changes afterwards.

    The MAC without colons when it was seen; else the EndpointReference; else a useful serial number; else, for a device
    that tells nothing about itself and stands behind a router, its address. There is no ``_`` in it: that begins the
    number of a channel.
    """
    if mac is not None:
        return mac.compact
    name = "ip-" + re.sub("[.:%]", "-", address)
    if endpoint_reference:
        name = "epr-" + endpoint_reference
    else:
        serials = (item.value for item in evidence if item.kind == EvidenceKind.SERIAL and useful_serial(item.value))
        name = next(("sn-" + serial for serial in serials), name)
    return safe_id(name.replace("_", "-"))


def unused_id(wanted: str, taken: Collection[str]) -> str:
    """``wanted`` or, when it is taken, with a number: two devices with one serial number, or one address one after the
    other, are still two.
    """
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free


def claim_of(kind: str, value: str) -> Claim | None:
    """One identifier in canonical form; None for one that identifies nobody."""
    value = value.strip()
    if kind not in WEIGHTS or not value or len(value) > _MAX_VALUE:
        return None
    if kind in _MACS:
        try:
            value = Mac.parse(value).text
        except RemoteError:
            return None
        return None if value in SHARED_HARDWARE else (str(kind), value)
    if kind == EvidenceKind.ENDPOINT_REFERENCE:
        value = normalise_endpoint_reference(value)
        return None if not value or _NIL_REFERENCE.fullmatch(value) else (str(kind), value)
    if kind == EvidenceKind.SERIAL:
        return (str(kind), value) if useful_serial(value) else None
    return (str(kind), value.lower())


def claims_of(
    mac: Mac | None, endpoint_reference: str, evidence: Iterable[Evidence], *, model: str = ""
) -> frozenset[Claim]:
    """Everything with a weight that was said in one breath; a serial number that is the model's name is none."""
    said = [(str(item.kind), item.value) for item in evidence if item.kind != EvidenceKind.MAC]
    if mac is not None:
        said.insert(0, (EvidenceKind.MAC, mac.text))
    said.insert(0, (EvidenceKind.ENDPOINT_REFERENCE, endpoint_reference))
    found = dict.fromkeys(
        claim
        for kind, value in said
        if not (model and kind == EvidenceKind.SERIAL and value.strip().lower() == model.strip().lower())
        and (claim := claim_of(kind, value)) is not None
    )
    return frozenset(tuple(found)[:_MAX_CLAIMS])


@dataclass(frozen=True, slots=True)
class Seen:
    """One breath of something at one address: what it claims, and by which services (XAddrs) it can be told apart."""

    address: str
    claims: frozenset[Claim] = frozenset()
    doors: frozenset[str] = frozenset()

    @property
    def mac(self) -> Mac | None:
        """The MAC that this machine saw."""
        return next((Mac(value) for kind, value in self.claims if kind == EvidenceKind.MAC), None)

    def without(self, spent: Iterable[Claim]) -> Seen:
        """It without values that have lost their weight."""
        return Seen(self.address, self.claims.difference(spent), self.doors)
