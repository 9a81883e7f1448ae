"""Codec of what an eye reports: a sighting, a goodbye, or a sign of life; JSON with short names.

An eye is believed to have heard what it says, no more: what comes out of :func:`parse_report` has no identifier that
only this machine's kernel or an inspection can give, no address beside the device's own, and no method but those by
which devices are overheard.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from twisted_detector.errors import RemoteError
from twisted_detector.model import Announced, Evidence, EvidenceKind, Mac, Sighting
from twisted_detector.model.addresses import canonical_address
from twisted_detector.model.announced import Condition, DeviceKind
from twisted_detector.model.bounds import MAX_URL
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.wire.onvif.xaddrs import choose_xaddrs
from twisted_detector.wire.vendors.catalog import PROTOCOLS

#: Methods by which an eye hears of devices.
METHODS = frozenset(
    ("wsdiscovery", "mdns", "ssdp", "dhcp", "arp", "neighbours", *(protocol.name for protocol in PROTOCOLS))
)
#: Identifiers that devices announce. Not the MAC of layer 2, nor what only an inspection finds.
ANNOUNCED_KINDS = frozenset(
    {
        EvidenceKind.SCOPE_MAC,
        EvidenceKind.SERIAL,
        EvidenceKind.MDNS,
        EvidenceKind.UPNP,
        EvidenceKind.ANNOUNCED_MAC,
        EvidenceKind.VENDOR,
        EvidenceKind.VENDOR_ID,
    }
)
#: Entries of a list and characters of a text: ``registry/text_bounds.py`` bounds the rest.
MAX_ENTRIES, MAX_TEXT = 64, 512
#: Counts that a sign of life may have.
MAX_COUNTS = 32

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Departure:
    """A device said goodbye; see :meth:`ISightingSink.departed`."""

    source: str
    address: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class SignOfLife:
    """The eye is there: its version, and what it counted."""

    version: str
    counts: Mapping[str, int] = field(default_factory=dict)


Report = Sighting | Departure | SignOfLife


def encode_report(report: Report) -> bytes:
    """A report as JSON; what is empty is left out."""
    if isinstance(report, SignOfLife):
        return encode({"k": "alive", "version": report.version, "counts": dict(report.counts)})
    if isinstance(report, Departure):
        return encode({"k": "gone", "m": report.source, "a": report.address, "epr": report.reference})
    document: dict[str, Any] = {
        "m": report.method,
        "a": report.address,
        "mac": str(report.mac or ""),
        "epr": report.endpoint_reference,
        "xaddrs": report.xaddrs,
        "scopes": report.scopes,
        "types": report.types,
        "rtsp": report.rtsp_ports,
        "ports": report.open_ports,
        "name": report.name,
        "ev": [(one.kind, one.value) for one in report.evidence if one.kind in ANNOUNCED_KINDS],
        "said": _encode_announced(report.announced),
    }
    return encode({"k": "seen", **{name: value for name, value in document.items() if value}})


def _encode_announced(said: Announced | None) -> dict[str, Any] | None:
    if said is None:
        return None
    return {
        "manufacturer": said.manufacturer,
        "model": said.model,
        "name": said.name,
        "serial": said.serial_number,
        "firmware": said.firmware_version,
        "kind": said.kind,
        "channels": said.channels,
        "conditions": said.conditions,
        "managed_by": said.managed_by,
        "address": said.address,
    }


def parse_report(body: bytes, eye: str, now: float) -> Report:
    """The report in ``body``. A sighting has the eye's name as its interface, and ``now`` as its time.

    A MAC that the eye's kernel saw is hearsay here: an announced one, but where nothing else is said; then it stands as
    the sighting's own, which the detector believes when this machine's kernel says the same.

    :raises RemoteError: it is none.
    """
    document = parse_object(body)
    if document is None:
        raise RemoteError("not a report of an eye", shown=body[:40].hex())
    kind = document.get("k")
    if kind == "alive":
        return SignOfLife(_text(document, "version"), _counts(document.get("counts")))
    method, address = _text(document, "m"), canonical_address(_text(document, "a"))
    if method not in METHODS or kind not in ("seen", "gone"):
        raise RemoteError("not a report of this version", shown=f"{kind!r} by {method!r}"[:80])
    reference = _text(document, "epr")
    if kind == "gone":
        return Departure(method, address, reference)
    seen = Sighting(
        method,
        address,
        now,
        endpoint_reference=reference,
        xaddrs=_own_xaddrs(_texts(document, "xaddrs"), address),
        scopes=_texts(document, "scopes"),
        types=_texts(document, "types"),
        rtsp_ports=_ports(document, "rtsp"),
        open_ports=_ports(document, "ports"),
        name=_text(document, "name"),
        interface=eye,
        evidence=tuple(_evidence(document, method, now)),
        announced=_announced(document.get("said")),
    )
    return _with_mac(seen, _text(document, "mac"))


def _with_mac(seen: Sighting, text: str) -> Sighting:
    if not text:
        return seen
    mac = Mac.parse(text)
    facts = (seen.endpoint_reference, seen.xaddrs, seen.rtsp_ports, seen.open_ports, seen.evidence, seen.announced)
    if not any(facts):
        return replace(seen, mac=mac)
    claim = Evidence(EvidenceKind.ANNOUNCED_MAC, mac.text, seen.method, seen.seen_at)
    return replace(seen, evidence=(*seen.evidence, claim))


def _own_xaddrs(xaddrs: tuple[str, ...], address: str) -> tuple[str, ...]:
    """The service addresses at the device's own address: an eye leads to nobody else."""
    return tuple(url for url in choose_xaddrs(xaddrs, address, ()) if urlsplit(url).hostname == address)


def _text(document: Mapping[str, Any], name: str, longest: int = MAX_TEXT) -> str:
    """One text, or ""; without characters that nobody can see."""
    return _printable(document.get(name, ""), name, longest)


def _printable(given: object, name: str, longest: int = MAX_TEXT) -> str:
    if not isinstance(given, str) or len(given) > longest:
        raise RemoteError("a report has a text that is none, or too long", shown=name)
    return given if given.isprintable() else "".join(one for one in given if one.isprintable())


def _list(document: Mapping[str, Any], name: str, read: Callable[[Any], T]) -> tuple[T, ...]:
    given = document.get(name, [])
    if not isinstance(given, list) or len(given) > MAX_ENTRIES:
        raise RemoteError("a report has a list that is none, or too long", shown=name)
    return tuple(read(one) for one in given)


def _texts(document: Mapping[str, Any], name: str) -> tuple[str, ...]:
    return _list(document, name, lambda one: _printable(one, name, MAX_URL))


def _ports(document: Mapping[str, Any], name: str) -> tuple[int, ...]:
    return _list(document, name, lambda one: _whole(one, name, 1, 65_535))


def _whole(given: object, name: str, low: int, high: int) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not low <= given <= high:
        raise RemoteError("a report has a number that is none, or out of bounds", shown=name)
    return given


def _evidence(document: Mapping[str, Any], method: str, now: float) -> tuple[Evidence, ...]:
    def read(given: object) -> Evidence | None:
        if not isinstance(given, list) or len(given) != 2:
            raise RemoteError("a report has evidence that is none")
        kind, value = (_printable(one, "ev") for one in given)
        return Evidence(EvidenceKind(kind), value, method, now) if kind in ANNOUNCED_KINDS and value else None

    return tuple(one for one in _list(document, "ev", read) if one is not None)


def _announced(given: object) -> Announced | None:
    if given is None:
        return None
    if not isinstance(given, dict):
        raise RemoteError("a report has an announcement that is none")
    kind, conditions = _text(given, "kind"), _texts(given, "conditions")
    return Announced(
        manufacturer=_text(given, "manufacturer"),
        model=_text(given, "model"),
        name=_text(given, "name"),
        serial_number=_text(given, "serial"),
        firmware_version=_text(given, "firmware"),
        kind=DeviceKind(kind) if kind in set(DeviceKind) else DeviceKind.UNKNOWN,
        channels=_whole(given.get("channels", 0), "channels", 0, 65_535),
        conditions=tuple(one for one in Condition if one in conditions),
        managed_by=_text(given, "managed_by"),
        address=_text(given, "address"),
    )


def _counts(given: object) -> Mapping[str, int]:
    if not isinstance(given, dict) or len(given) > MAX_COUNTS:
        raise RemoteError("a sign of life has counts that are none, or too many")
    return {_printable(name, "counts", 64): _whole(count, "counts", 0, 2**53) for name, count in given.items()}
