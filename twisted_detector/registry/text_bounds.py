"""Bounds of what one device may say of itself: sightings, inspections and saved cameras go in, bounded ones come out.

Each text of a device has a bound, and so has the sum: a camera's document stands in the registry, in the outbox, on the
broker and on the page, so a device that could make it megabytes long would take the memory of all of them. What can be
cut is cut (names); what a cut would break is left out (addresses), or stands under a shorter name (tokens, which are
shown and never sent back).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from hashlib import blake2b
from itertools import islice

from twisted_detector.model import Announced, Camera, Evidence, Inspection, Sighting, Stream
from twisted_detector.model.announced import Condition
from twisted_detector.model.bounds import MAX_NAME as MAX_NAME, MAX_URL as MAX_URL

MAX_TOKEN = MAX_NAME
#: Manufacturer, model, version, serial number: no specification has a bound; the longest that was seen has 60.
MAX_FACT = 128
#: Why something does not work, in a device's words; octets of UTF-8.
MAX_REASON = 500
#: One identifier in UTF-8 (as ``claims``), and capabilities of one device.
MAX_EVIDENCE_OCTETS, MAX_EVIDENCE, MAX_CAPABILITIES = 256, 32, 32
#: Video sources of a device of which none has proved a stream: the largest recorders in shops have 64 channels. For
#: each that has, one more may come.
MAX_SOURCES = 64
#: Video inputs that a device may announce: the largest recorders have 256.
MAX_CHANNELS = 256
#: Octets of the JSON document of one camera, and the part of it that its streams may take: what else stands there has
#: at most 20 KiB with every field at its bound.
MAX_DOCUMENT, MAX_STREAMS_OCTETS = 65_536, 45_056
#: Names and marks of one stream in the document (``outputs/camera_json.py``: three objects), beside the texts.
_STREAM_FRAME = 350
#: What one announcement may carry: a device has an address per interface and family, and announces 5 to 20 scopes.
MAX_XADDRS, MAX_SCOPES, MAX_SCOPE, MAX_SCOPES_TEXT, MAX_PORTS = 16, 64, 512, 8192, 64


def shorten_token(token: str) -> str:
    """A token as it is shown: a long one keeps its beginning, and differs from any other by a digest."""
    if len(token) <= MAX_TOKEN:
        return token
    return f"{token[: MAX_TOKEN - 17]}~{blake2b(token.encode('utf-8', 'replace'), digest_size=8).hexdigest()}"


def bound_reason(reason: str) -> str:
    """A reason within its bound; one of a device may be as long as its answer."""
    return (
        reason
        if len(reason) <= MAX_REASON // 4
        else reason.encode("utf-8", "replace")[:MAX_REASON].decode("utf-8", "ignore")
    )


def bound_sighting(sighting: Sighting) -> Sighting:
    """A sighting within the bounds; what is too long or too much is left out."""
    room = MAX_SCOPES_TEXT
    scopes = []
    for scope in sighting.scopes[:MAX_SCOPES]:
        room -= len(scope)
        if room < 0:
            break
        if len(scope) <= MAX_SCOPE:
            scopes.append(scope)
    return replace(
        sighting,
        method=_shown(sighting.method, MAX_NAME),
        endpoint_reference=_whole(sighting.endpoint_reference, MAX_EVIDENCE_OCTETS),
        xaddrs=tuple(url for url in sighting.xaddrs if len(url) <= MAX_URL)[:MAX_XADDRS],
        scopes=tuple(scopes),
        types=tuple(one[:MAX_FACT] for one in sighting.types[:MAX_PORTS]),
        rtsp_ports=_ports(sighting.rtsp_ports),
        open_ports=_ports(sighting.open_ports),
        name=sighting.name[:MAX_NAME],
        evidence=_bound_evidence(sighting.evidence),
        announced=bound_announced(sighting.announced),
    )


def _ports(numbers: Iterable[int]) -> tuple[int, ...]:
    """Those that TCP has: to connect to another raises in whoever tries."""
    return tuple(one for one in islice(numbers, MAX_PORTS) if 0 < one < 65_536)


def bound_announced(announced: Announced | None) -> Announced | None:
    """What a device says of itself within the bounds; characters that nobody can see are left out."""
    if announced is None:
        return None
    return replace(
        announced,
        manufacturer=_shown(announced.manufacturer, MAX_FACT),
        model=_shown(announced.model, MAX_FACT),
        name=_shown(announced.name, MAX_NAME),
        serial_number=_shown(announced.serial_number, MAX_FACT),
        firmware_version=_shown(announced.firmware_version, MAX_FACT),
        channels=min(max(announced.channels, 0), MAX_CHANNELS),
        conditions=tuple(one for one in Condition if one in announced.conditions),
        managed_by=_shown(announced.managed_by, MAX_NAME),
        address=_shown(announced.address, MAX_NAME),
        others=0,
    )


def _shown(text: str, longest: int) -> str:
    """What can be shown of a text that came in a datagram."""
    return "".join(one for one in text[: 2 * longest] if one.isprintable()).strip()[:longest]


def bound_inspection(
    inspection: Inspection, *, sources: int = MAX_SOURCES, known: Collection[str] = ()
) -> tuple[Inspection, tuple[str, ...]]:
    """An inspection within the bounds, and in plain words what was cut or left out.

    :param sources: video sources that the device may have.
    :param known: tokens of those that are cameras already; they stay before others.
    """
    cut: Counter[str] = Counter()
    streams = _bound_streams(inspection.streams, sources, known, cut)
    kept = {stream.source for stream in streams}
    snapshots = tuple(
        (token, url)
        for source, url in inspection.snapshots[: max(sources, 1)]
        if (token := shorten_token(source)) in kept and _fits(url, cut)
    )
    status, reason = inspection.status, bound_reason(inspection.reason)
    if inspection.streams and not streams:
        reason = reason or f"its stream addresses are longer than {MAX_URL} characters"
    bounded = replace(
        inspection,
        name=_cut(inspection.name, MAX_NAME, "the name", cut),
        manufacturer=_cut(inspection.manufacturer, MAX_FACT, "the manufacturer", cut),
        model=_cut(inspection.model, MAX_FACT, "the model", cut),
        firmware_version=_cut(inspection.firmware_version, MAX_FACT, "the firmware version", cut),
        serial_number=_cut(inspection.serial_number, MAX_FACT, "the serial number", cut),
        hardware_id=_cut(inspection.hardware_id, MAX_FACT, "the hardware id", cut),
        onvif_url=inspection.onvif_url if _fits(inspection.onvif_url, cut) else "",
        http_url=inspection.http_url if _fits(inspection.http_url, cut) else "",
        snapshot_url=inspection.snapshot_url if _fits(inspection.snapshot_url, cut) else "",
        snapshots=snapshots,
        streams=streams,
        capabilities=tuple(one[:MAX_NAME] for one in inspection.capabilities[:MAX_CAPABILITIES]),
        evidence=_bound_evidence(inspection.evidence),
        status=status,
        reason=reason,
    )
    return bounded, tuple(f"{what} ({count})" if count > 1 else what for what, count in cut.items())


def bound_camera(camera: Camera) -> Camera:
    """A saved camera within the bounds: an earlier version may have had none."""
    cut: Counter[str] = Counter()
    streams = tuple(_bound_document(_bound_each(camera.streams, cut), cut))
    return replace(
        camera,
        source=shorten_token(camera.source),
        name=camera.name[:MAX_NAME],
        manufacturer=camera.manufacturer[:MAX_FACT],
        model=camera.model[:MAX_FACT],
        serial_number=camera.serial_number[:MAX_FACT],
        firmware_version=camera.firmware_version[:MAX_FACT],
        onvif_url=_whole(camera.onvif_url, MAX_URL),
        http_url=_whole(camera.http_url, MAX_URL),
        snapshot_url=_whole(camera.snapshot_url, MAX_URL),
        streams=streams,
        capabilities=tuple(one[:MAX_NAME] for one in camera.capabilities[:MAX_CAPABILITIES]),
        reason=bound_reason(camera.reason),
        evidence=_bound_evidence(camera.evidence),
        announced=bound_announced(camera.announced),
    )


# --- details ----------------------------------------------------------------------------------------------------------


def _bound_streams(
    streams: Iterable[Stream], sources: int, known: Collection[str], cut: Counter[str]
) -> tuple[Stream, ...]:
    by_source: dict[str, list[Stream]] = {}
    for stream in _bound_each(streams, cut):
        by_source.setdefault(stream.source, []).append(stream)
    if len(by_source) > sources:
        order = sorted(by_source, key=lambda source: source not in known)  # in the order of the device, else
        for source in order[sources:]:
            del by_source[source]
            cut[f"more than {sources} video sources: more are taken in when those have played"] += 1
    return tuple(one for each in by_source.values() for one in _bound_document(each, cut))


def _bound_each(streams: Iterable[Stream], cut: Counter[str]) -> Iterator[Stream]:
    for stream in streams:
        if not _fits(stream.url, cut):
            continue
        if len(stream.profile) > MAX_TOKEN or len(stream.source) > MAX_TOKEN:
            cut[f"a token of more than {MAX_TOKEN} characters is shown shorter"] += 1
        yield replace(
            stream,
            name=_cut(stream.name, MAX_NAME, "the name of a stream", cut),
            profile=shorten_token(stream.profile),
            source=shorten_token(stream.source),
            codec=stream.codec[:MAX_NAME],
            audio=stream.audio[:MAX_NAME],
            reason=bound_reason(stream.reason),
        )


def _bound_document(streams: Iterable[Stream], cut: Counter[str]) -> Iterator[Stream]:
    """The streams of one camera that fit into its document."""
    room = MAX_STREAMS_OCTETS
    for stream in streams:
        room -= _octets(stream)
        if room < 0:
            cut[f"streams for which the camera's document of {MAX_DOCUMENT // 1024} KiB has no room"] += 1
        else:
            yield stream


def _octets(stream: Stream) -> int:
    """What a stream takes in its camera's document; its reason may yet come, and be as long as any."""
    name, url, profile = (len(_json(text)) for text in (stream.name, stream.url, stream.profile))
    return _STREAM_FRAME + MAX_REASON + 3 * name + 2 * url + 2 * profile + len(_json(stream.codec + stream.audio))


def _json(text: str) -> bytes:
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "replace")


def _bound_evidence(evidence: Iterable[Evidence]) -> tuple[Evidence, ...]:
    return tuple(one for one in evidence if _whole(one.value, MAX_EVIDENCE_OCTETS))[:MAX_EVIDENCE]


def _whole(text: str, octets: int) -> str:
    """A text that a cut would make another one: "" when it is too long."""
    return text if len(text) <= octets and len(text.encode("utf-8", "replace")) <= octets else ""


def _fits(url: str, cut: Counter[str]) -> bool:
    if _whole(url, MAX_URL) == url:
        return True
    cut[f"an address of more than {MAX_URL} characters is left out"] += 1
    return False


def _cut(text: str, longest: int, what: str, cut: Counter[str]) -> str:
    if len(text) > longest:
        cut[f"{what} is cut at {longest} characters"] += 1
    return text[:longest]
