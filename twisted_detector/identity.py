"""Evidence about a device goes in; which known device it is, and by which name it will be known for ever, comes out.

The rules, strongest first: the MAC that this machine saw at layer 2; the WS-Addressing EndpointReference; the address,
as long as nothing stronger contradicts it. Two devices with different MACs are never one, whatever they say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TypeVar

from twisted_detector.model import Evidence, EvidenceKind, Mac, safe_id

_Key = TypeVar("_Key", Mac, str)

_UUID_PREFIX = re.compile(r"^(?:urn:)?(?:uuid:)+", re.IGNORECASE)

#: Serial numbers that say nothing: too short, or one character over and over ("0000000" of YooSee devices).
_MIN_SERIAL_LENGTH = 5


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


class IdentityIndex:
    """Which device holds which identifier now.

    A device is any hashable key of the caller's. One identifier belongs to at most one device.
    """

    def __init__(self) -> None:
        self._by_mac: dict[Mac, int] = {}
        self._by_endpoint_reference: dict[str, int] = {}
        self._by_address: dict[str, int] = {}
        self._mac_of: dict[int, Mac] = {}
        self._endpoint_reference_of: dict[int, str] = {}
        self._address_of: dict[int, str] = {}

    def find(self, mac: Mac | None, endpoint_reference: str, address: str) -> int | None:
        """The device that these identifiers name, or None for one that is not known."""
        if mac is not None and mac in self._by_mac:
            return self._by_mac[mac]
        if endpoint_reference:
            named = self._by_endpoint_reference.get(endpoint_reference)
            if named is not None and self._may_be(named, mac, address):
                return named
        standing = self._by_address.get(address)
        if standing is not None and not self._contradicts(standing, mac, endpoint_reference):
            return standing
        return None

    def _may_be(self, device: int, mac: Mac | None, address: str) -> bool:
        """Whether an EndpointReference alone may name ``device``.

        Clones carry the same one, and anybody can forge it: a device whose MAC was seen is only found by that MAC, or
        where it already stands.
        """
        known = self._mac_of.get(device)
        return known is None or known == mac or (mac is None and self._address_of.get(device) == address)

    def _contradicts(self, device: int, mac: Mac | None, endpoint_reference: str) -> bool:
        known_mac = self._mac_of.get(device)
        if mac is not None and known_mac is not None:
            return mac != known_mac
        known_reference = self._endpoint_reference_of.get(device)
        return bool(endpoint_reference and known_reference and endpoint_reference != known_reference)

    def bind(self, device: int, mac: Mac | None, endpoint_reference: str, address: str) -> None:
        """``device`` holds these identifiers from now on; the address of another device passes to it.

        Unless that one's MAC was seen there, and this one comes without: where layer 2 speaks, words do not count.
        """
        if mac is not None and device not in self._mac_of:
            self._take(self._by_mac, self._mac_of, mac, device)
        self.bind_reference(device, endpoint_reference)
        standing = self._by_address.get(address)
        if standing is None or standing == device or mac is not None or standing not in self._mac_of:
            self._take(self._by_address, self._address_of, address, device)

    def bind_reference(self, device: int, endpoint_reference: str) -> None:
        """``device`` has this EndpointReference, unless another had it first."""
        holder = self._by_endpoint_reference.get(endpoint_reference)
        if endpoint_reference and (holder is None or holder == device):
            self._take(self._by_endpoint_reference, self._endpoint_reference_of, endpoint_reference, device)

    @staticmethod
    def _take(index: dict[_Key, int], reverse: dict[int, _Key], value: _Key, device: int) -> None:
        before = reverse.get(device)
        if before is not None and before != value and index.get(before) == device:
            del index[before]
        holder = index.get(value)
        if holder is not None and holder != device:
            reverse.pop(holder, None)
        index[value] = device
        reverse[device] = value

    def holder_of_endpoint_reference(self, endpoint_reference: str) -> int | None:
        """The device that was first with this EndpointReference."""
        return self._by_endpoint_reference.get(endpoint_reference)

    def address_of(self, device: int) -> str | None:
        """Where a device stands; None when another has been seen there since."""
        return self._address_of.get(device)

    def remove(self, device: int) -> None:
        """Forget every identifier of ``device``."""
        mac = self._mac_of.pop(device, None)
        if mac is not None and self._by_mac.get(mac) == device:
            del self._by_mac[mac]
        reference = self._endpoint_reference_of.pop(device, None)
        if reference is not None and self._by_endpoint_reference.get(reference) == device:
            del self._by_endpoint_reference[reference]
        address = self._address_of.pop(device, None)
        if address is not None and self._by_address.get(address) == device:
            del self._by_address[address]
