"""A camera goes in and a JSON text comes out, and back, whatever an older or newer version wrote."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Adoption, Announced, Camera, Evidence, Mac, Proof, Status, Stream
from twisted_detector.model.announced import Condition, DeviceKind

#: Increased only when a field changes its meaning; new fields need no new version: they are left out or left alone.
VERSION = 1

_PLAIN: Mapping[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "tuple[str, ...]": lambda value: isinstance(value, list) and all(isinstance(item, str) for item in value),
}


def dump_camera(camera: Camera) -> str:
    """One line of JSON with sorted keys: equal cameras give equal text."""
    document = {name: getattr(camera, name) for name in _names(Camera)}
    document["mac"] = camera.mac.text if camera.mac else None
    document["streams"] = [{name: getattr(stream, name) for name in _names(Stream)} for stream in camera.streams]
    document["evidence"] = [{name: getattr(item, name) for name in _names(Evidence)} for item in camera.evidence]
    said = camera.announced
    document["announced"] = {name: getattr(said, name) for name in _names(Announced)} if said is not None else None
    document["version"] = VERSION
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def load_camera(text: str) -> Camera:
    """Read a camera back.

    Unknown fields are ignored, missing or unreadable ones get their default: a camera without some facts is better than
    no camera.

    :raises RemoteError: no JSON object, another version, or no ``id``, ``device_id`` or ``address``.
    """
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise RemoteError("a saved camera is not JSON", shown=text[:60]) from None
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise RemoteError("a saved camera is of an unknown version", shown=text[:60])
    values = _plain(Camera, document)
    if not all(values.get(name) for name in ("id", "device_id", "address")):
        raise RemoteError("a saved camera has no id, device or address", shown=text[:60])
    if (status := document.get("status")) in tuple(Status):
        values["status"] = Status(status)
    if (adopted := document.get("adopted")) in tuple(Adoption):
        values["adopted"] = Adoption(adopted)
    if isinstance(mac := document.get("mac"), str):
        try:
            values["mac"] = Mac.parse(mac)
        except RemoteError:
            values["mac"] = None
    values["streams"] = tuple(_streams(document.get("streams")))
    values["evidence"] = tuple(_evidence(document.get("evidence")))
    values["ip_history"] = tuple(_history(document.get("ip_history")))
    values["announced"] = _announced(document.get("announced"))
    try:
        return Camera(**values)
    except LocalError as error:
        raise RemoteError("a saved camera has impossible values", shown=str(error)) from None


def _names(of: type) -> list[str]:
    return [item.name for item in fields(of)]


def _plain(of: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of ``of`` that have simple types, as far as ``document`` has them right."""
    values: dict[str, Any] = {}
    for item in fields(of):
        fits = _PLAIN.get(str(item.type))
        if fits is not None and item.name in document and fits(document[item.name]):
            value = document[item.name]
            values[item.name] = tuple(value) if isinstance(value, list) else value
    return values


def _items(of: type, value: object, required: tuple[str, ...]) -> list[tuple[dict[str, Any], Mapping[str, Any]]]:
    if not isinstance(value, list):
        return []
    found = [(_plain(of, item), item) for item in value if isinstance(item, dict)]
    return [(values, item) for values, item in found if all(name in values for name in required)]


def _streams(value: object) -> list[Stream]:
    streams = []
    for values, document in _items(Stream, value, ("url",)):
        if document.get("proof") in tuple(Proof):
            values["proof"] = Proof(document["proof"])
        streams.append(Stream(**values))
    return streams


def _evidence(value: object) -> list[Evidence]:
    return [Evidence(**values) for values, _ in _items(Evidence, value, ("kind", "value", "source", "seen_at"))]


def _announced(value: object) -> Announced | None:
    if not isinstance(value, dict):
        return None
    values = _plain(Announced, value)
    if value.get("kind") in tuple(DeviceKind):
        values["kind"] = DeviceKind(value["kind"])
    said = value.get("conditions")
    values["conditions"] = tuple(one for one in Condition if isinstance(said, list) and one.value in said)
    return Announced(**values)


def _history(value: object) -> list[tuple[str, float]]:
    if not isinstance(value, list):
        return []
    return [
        (item[0], float(item[1]))
        for item in value
        if isinstance(item, list) and len(item) == 2 and isinstance(item[0], str) and _PLAIN["float"](item[1])
    ]
