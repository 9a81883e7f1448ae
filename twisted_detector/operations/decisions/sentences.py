"""Comparison of two sets of decisions: what changed, in sentences without any password."""

from __future__ import annotations

from collections.abc import Iterator

from twisted_detector.config.differences import told_logins
from twisted_detector.model.addresses import masked
from twisted_detector.model.decisions import CameraDecisions, Decisions
from twisted_detector.operations.decisions.document import STAND_IN, entries

#: More are counted: whoever edits a thousand cameras by hand knows what changed.
MAX_SENTENCES = 100


def told(before: Decisions, after: Decisions) -> tuple[str, ...]:
    """What changed; "camera 00408cabcdef: name is Barn"."""
    lines = [*_told(before, after)]
    left = len(lines) - MAX_SENTENCES
    return (*lines[:MAX_SENTENCES], *([f"and {left} more changes"] if left > 0 else []))


def _told(before: Decisions, after: Decisions) -> Iterator[str]:
    for camera_id in dict.fromkeys((*before.cameras, *after.cameras)):
        old, new = before.of(camera_id), after.of(camera_id)
        if old != new:
            shown, values = _values(old), _values(new)
            for name, value in values.items():
                if value != shown[name]:
                    yield f"camera {camera_id}: {name} {f'is {value}' if value else 'was removed'}"
            if old.login != new.login and values["login"] == shown["login"]:
                yield f"camera {camera_id}: login of {values['login']} has a new password"
    yield from (f"network {one} was added" for one in after.networks if one not in before.networks)
    yield from (f"network {one} was removed" for one in before.networks if one not in after.networks)
    yield from told_logins(before.logins, after.logins)


def _values(decided: CameraDecisions) -> dict[str, str]:
    shown = entries(
        decided, login=lambda login: f"user {login.name}", stream=lambda stream: masked(stream.url(STAND_IN))
    )
    return {name: " ".join(value.split()) for name, value in shown.items()}
