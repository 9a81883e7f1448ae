"""Facts of an inspection go in, and the camera as it was before; the camera as it is now comes out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from twisted_detector.model import OUI, Camera, Candidate, Evidence, EvidenceKind, Inspection, Stream
from twisted_detector.model.addresses import without_login
from twisted_detector.registry.facts.announced import filled_in, without_hearsay


def merge_inspection(
    base: Camera,
    facts: Candidate,
    evidence: tuple[Evidence, ...],
    inspection: Inspection,
    source: str,
    streams: tuple[Stream, ...],
    now: float,
) -> Camera:
    """``base`` with all facts of an inspection; facts that it does not have stay, and those that are only announced."""
    announced, base = base.announced, without_hearsay(base)
    name, name_source = _name(base, inspection)
    registered = "" if announced is not None and announced.manufacturer else _registered_manufacturer(evidence)
    merged = replace(
        base,
        address=facts.address,
        source=source or base.source,
        mac=facts.mac or base.mac,
        endpoint_reference=facts.endpoint_reference or base.endpoint_reference,
        name=name,
        name_source=name_source,
        adopted=facts.adoption,
        manufacturer=inspection.manufacturer or base.manufacturer or registered,
        model=inspection.model or base.model,
        serial_number=inspection.serial_number or base.serial_number,
        firmware_version=inspection.firmware_version or base.firmware_version,
        onvif_url=without_login(inspection.onvif_url) or base.onvif_url,
        http_url=without_login(inspection.http_url) or base.http_url,
        snapshot_url=without_login(_snapshot_of(source, inspection)) or base.snapshot_url,
        # A refused inspection finds no streams: those that were known stay.
        streams=tuple(replace(one, url=without_login(one.url)) for one in streams) or base.streams,
        capabilities=inspection.capabilities or base.capabilities,
        last_seen=now,
        methods=facts.methods,
        evidence=evidence,
        unconfirmed=False,
    )
    return filled_in(merged, announced)


def _name(base: Camera, inspection: Inspection) -> tuple[str, str]:
    """The name, and what it comes from.

    A scope has the name that a person gave. It is not always told: at a start the device may be asked before it
    announced itself, and its host name alone does not take the other's place.
    """
    if not inspection.name or (base.name and base.name_source == "scope" != inspection.name_source):
        return base.name, base.name_source
    return inspection.name, inspection.name_source or "device"


def _registered_manufacturer(evidence: Iterable[Evidence]) -> str:
    """The manufacturer for which the MAC is registered, or "": used as long as the device names none itself."""
    return next((one.value for one in evidence if one.kind == EvidenceKind.VENDOR and one.source == OUI), "")


def _snapshot_of(source: str, inspection: Inspection) -> str:
    """The address of this source's picture: a recorder's other channels must not show the first one's."""
    several = len({stream.source for stream in inspection.streams}) > 1
    return dict(inspection.snapshots).get(source, "") if several else inspection.snapshot_url
