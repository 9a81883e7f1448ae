"""Claims: identifiers in canonical form with their weights, and the permanent id of a device.

``docs/identity.md`` has the weights and the rules with examples; :mod:`registry.identity.index` applies them.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from twisted_detector.errors import RemoteError
from twisted_detector.model import Evidence, EvidenceKind, Mac, safe_id

#: One identifier: its kind and its value in canonical form.
Claim = tuple[str, str]

#: Weight of a value that two sightings share, by its kind. Kinds that are missing have none (a manufacturer's name).
#: This machine saw the MAC, all others are the device's word: together they may outweigh it, no single one does.
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
#: Kinds of which a device has one value: another value contradicts, with the weight of its kind. Announced MACs are no
#: such kinds (a device with a wire and Wi-Fi has two), nor names of services: each service has its own.
EXCLUSIVE = (EvidenceKind.ENDPOINT_REFERENCE, EvidenceKind.SERIAL, EvidenceKind.VENDOR_ID)
#: Weight of being at the device's address, where nothing stronger was claimed. None while the device is away.
AT_ADDRESS = 10
#: Weight of a tentative claim: tied to the device by its address only, never claimed together with a firm one.
TENTATIVE = 5
#: Weight against: another exclusive value at another place (address or service) is another device, even when the MAC is
#: the same: a proxy-ARP repeater has one MAC for all. MAC and serial number together outweigh it.
ELSEWHERE = 120
#: Weight against: another MAC while the device is alive, or claims without a MAC that would move such a device.
VETO = 1000
#: Weight against: another MAC when the device is away, for it may have gone from the wire to Wi-Fi.
OTHER_MAC = 30
#: Agreement that it takes to recognise a device at another address: one that is alive, and one that is away.
MOVES_ALIVE, MOVES_AWAY = 50, 40

#: Hardware addresses that whole models share, each with its report.
SHARED_HARDWARE = frozenset({"00:30:1b:ba:02:db"})  # IMOU IPC-C22F, Home Assistant issue 162687
_MACS = (EvidenceKind.MAC, EvidenceKind.SCOPE_MAC, EvidenceKind.ANNOUNCED_MAC, EvidenceKind.HARDWARE_ADDRESS)
_NIL_REFERENCE = re.compile(r"[0-]+")
_UUID_PREFIX = re.compile(r"^(?:urn:)?(?:uuid:)+", re.IGNORECASE)
#: Serial numbers that identify nothing: too short, or one character over and over ("0000000" of YooSee devices).
_MIN_SERIAL_LENGTH = 5
#: Characters of one value. A longer one is no identifier but an attempt to fill our memory; a UUID has 36.
_MAX_VALUE = 256
#: Claims of one message: many times what a device with everything has.
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
    without any identifier behind a router, its address. It has no ``_``, which begins the number of a channel.
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
    """``wanted``, with a number behind it when it is taken: two devices with one serial number, or with one address
    after each other, are still two.
    """
    number, free = 1, wanted
    while free in taken:
        number += 1
        free = f"{wanted}-{number}"
    return free


def claim_of(kind: str, value: str) -> Claim | None:
    """One identifier in canonical form; None for one that identifies no single device."""
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
    """All claims of one message that have a weight; a serial number that is the model's name is none."""
    identifiers = [(str(item.kind), item.value) for item in evidence if item.kind != EvidenceKind.MAC]
    if mac is not None:
        identifiers.insert(0, (EvidenceKind.MAC, mac.text))
    identifiers.insert(0, (EvidenceKind.ENDPOINT_REFERENCE, endpoint_reference))
    found = dict.fromkeys(
        claim
        for kind, value in identifiers
        if not (model and kind == EvidenceKind.SERIAL and value.strip().lower() == model.strip().lower())
        and (claim := claim_of(kind, value)) is not None
    )
    return frozenset(tuple(found)[:_MAX_CLAIMS])


@dataclass(frozen=True, slots=True)
class ClaimSet:
    """The claims of one message, announcement or answer, with the address that it came from.

    :ivar services: the service addresses (XAddrs) by which devices at one address can be told apart.
    """

    address: str
    claims: frozenset[Claim] = frozenset()
    services: frozenset[str] = frozenset()

    @property
    def mac(self) -> Mac | None:
        """The MAC that this machine saw."""
        return next((Mac(value) for kind, value in self.claims if kind == EvidenceKind.MAC), None)

    def without(self, discredited: Iterable[Claim]) -> ClaimSet:
        """The same without values that have lost their weight."""
        return ClaimSet(self.address, self.claims.difference(discredited), self.services)
