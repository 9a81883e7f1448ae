"""Decisions before and after go in; what changed comes out, in sentences without any password."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_detector.config.differences import told_logins
from twisted_detector.model.decisions import CameraDecisions, Decisions, StreamAddress
from twisted_detector.outputs.camera_json import public_url

#: More are counted: whoever edits a thousand cameras by hand knows what he did.
MAX_SENTENCES = 100


def told(before: Decisions, after: Decisions) -> tuple[str, ...]:
    """What changed; "camera 00408cabcdef: name is Barn"."""
    lines = [*_told(before, after)]
    left = len(lines) - MAX_SENTENCES
    return (*lines[:MAX_SENTENCES], *([f"and {left} changes more"] if left > 0 else []))


def _told(before: Decisions, after: Decisions) -> Iterator[str]:
    for camera_id in dict.fromkeys((*before.cameras, *after.cameras)):
        old, new = before.of(camera_id), after.of(camera_id)
        if old != new:
            shown, values = _values(old), _values(new)
            for name, value in values.items():
                if value != shown[name]:
                    yield f"camera {camera_id}: {name} {f'is {value}' if value else 'is taken back'}"
            if old.login != new.login and values["login"] == shown["login"]:
                yield f"camera {camera_id}: login of {values['login']} has another password"
    yield from (f"network {one} was added" for one in after.networks if one not in before.networks)
    yield from (f"network {one} was removed" for one in before.networks if one not in after.networks)
    yield from told_logins(before.logins, after.logins)


def _values(decided: CameraDecisions) -> dict[str, str]:
    described, login = decided.description, decided.login
    return {
        "name": described.name,
        "area": described.area,
        "note": " ".join(described.note.split()),
        "adopted": decided.verdict.value if decided.verdict is not None else "",
        "login": f"user {login.name}" if login is not None else "",
        "main": _stream(decided.main),
        "sub": _stream(decided.sub),
        "network": str(decided.network) if decided.network is not None else "",
    }


def _stream(stream: StreamAddress | None) -> str:
    return public_url(stream.url("camera")) if stream is not None else ""
