"""JSON objects of cameras, as every topic, page and export has them."""

from __future__ import annotations

from typing import Any

from twisted_detector.model import Camera, Evidence, Stream, host_for_url
from twisted_detector.model.addresses import masked
from twisted_detector.model.encoding import rfc3339, stamp_or_none
from twisted_detector.model.naming import title, title_source


def stream_document(stream: Stream) -> dict[str, Any]:
    """One stream as it stands in ``camera.streams``. No URL in it carries a login."""
    return {
        "url": masked(stream.url),
        "name": stream.name,
        "profile": stream.profile,
        "codec": stream.codec,
        "width": stream.width,
        "height": stream.height,
        "fps": round(stream.fps, 3),
        "audio": stream.audio,
        "proof": stream.proof.value,
        "validated": stream.validated,
        "reason": stream.reason,
        "reason_code": stream.code,
        "back_channel": stream.back_channel,
    }


def evidence_document(evidence: Evidence) -> dict[str, Any]:
    """One identifier, with its source and its time."""
    return {
        "kind": str(evidence.kind),
        "value": evidence.value,
        "source": evidence.source,
        "seen_at": rfc3339(evidence.seen_at),
    }


def camera_document(camera: Camera) -> dict[str, Any]:
    """The ``camera`` object of every topic: the predecessor's fields, and ours beside them."""
    proved = next((stream for stream in camera.streams if stream.validated), None)
    return {
        "id": camera.id,
        "ip": camera.address,
        "mac": camera.mac.text if camera.mac is not None else None,
        "name": title(camera),
        "manufacturer": camera.manufacturer,
        "model": camera.model,
        "serial_number": camera.serial_number,
        "firmware_version": camera.firmware_version,
        "onvif_url": masked(camera.onvif_url) or None,
        "rtsp_urls": _urls_by_name(camera),
        "http_url": device_page(camera),
        "last_seen": camera.last_seen,
        "last_seen_iso": stamp_or_none(camera.last_seen),
        "last_validated": camera.last_validated,
        "last_validated_iso": stamp_or_none(camera.last_validated),
        "online": camera.online,
        "stream_active": proved is not None,
        "profiles": [
            {"name": stream.name, "token": stream.profile, "width": stream.width, "height": stream.height}
            for stream in camera.streams
            if stream.profile
        ],
        "capabilities": dict.fromkeys(camera.capabilities, True),
        "ip_history": [address for address, _ in camera.ip_history],
        "primary_rtsp_url": masked(camera.primary_url) or None,
        "device_id": camera.device_id,
        "channel": camera.channel,
        "streams": [stream_document(stream) for stream in camera.streams],
        "snapshot_url": masked(camera.snapshot_url) or None,
        "clock_offset_s": round(camera.clock_offset, 1),
        "adopted": camera.adopted.value,
        "name_source": title_source(camera),
        "area": camera.area,
        "conditions": [one.value for one in camera.conditions],
        "managed_by": camera.announced.managed_by if camera.announced is not None else "",
        "unconfirmed": camera.unconfirmed,
        "discovery_methods": list(camera.methods),
        "evidence": [evidence_document(one) for one in camera.evidence],
    }


def device_page(camera: Camera) -> str:
    """The page of a camera itself, as it may be published."""
    return masked(camera.http_url) or f"http://{host_for_url(camera.address)}/"


def _urls_by_name(camera: Camera) -> dict[str, str]:
    """Stream URLs by name; a name that several streams have gets a number from the second on."""
    urls: dict[str, str] = {}
    for number, stream in enumerate(camera.streams):
        name = stream.name or stream.profile or str(number)
        urls[name if name not in urls else f"{name}_{number}"] = masked(stream.url)
    return urls
