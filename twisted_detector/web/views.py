"""Views of a camera as JSON: its card on the page, and the whole of it."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor
from typing import Any

from twisted_detector.model import Camera
from twisted_detector.model.cameras import Picture
from twisted_detector.model.encoding import rfc3339, stamp_or_none
from twisted_detector.model.history import CONDITIONS, Condition, Segment, WeekSummary
from twisted_detector.web.facade import DaemonFacade

#: Fields of the public camera object that a card shows; the rest is fetched when it is opened.
_BRIEF = (
    "id", "ip", "mac", "name", "manufacturer", "model", "device_id", "channel", "online", "last_seen_iso",
    "last_validated_iso", "discovery_methods", "adopted", "name_source",
    "conditions",
)  # fmt: skip
_STREAM = ("url", "name", "codec", "width", "height", "fps", "audio", "validated", "reason")
#: Streams on a card; a recorder's channel has two or three.
_MAX_STREAMS = 8


def brief(facade: DaemonFacade, camera: Camera) -> dict[str, Any]:
    """A card: about a fifth of the whole."""
    whole = facade.document(camera)
    return {
        **{name: whole[name] for name in _BRIEF},
        "streams": [{name: one[name] for name in _STREAM} for one in whole["streams"][:_MAX_STREAMS]],
        "moves": max(0, len(camera.ip_history) - 1),
        **_state(facade, camera),
    }


def full(facade: DaemonFacade, camera: Camera) -> dict[str, Any]:
    """The camera object of the contract, and its state and history beside it."""
    return {
        **facade.document(camera),
        **_state(facade, camera),
        "moves": max(0, len(camera.ip_history) - 1),
        "addresses": [{"ip": address, "since": rfc3339(at)} for address, at in camera.ip_history],
    }


def _state(facade: DaemonFacade, camera: Camera) -> dict[str, Any]:
    pictures, history = facade.pictures, facade.history
    return {
        "status": camera.status.value,
        "reason": camera.reason,
        "reason_code": camera.code,
        "since": stamp_or_none(camera.since),
        "first_seen_iso": stamp_or_none(camera.first_seen),
        "picture": picture_document(pictures.latest(camera.id) if pictures is not None else None),
        "week": week_document(history.week(camera.id) if history is not None else None),
    }


def week_document(week: WeekSummary | None) -> dict[str, Any] | None:
    """The last seven days for the bar of a card; None where nothing is known of them."""
    if week is None:
        return None
    return {
        # Rounded down: 1 is "all the time".
        "availability": None if week.availability is None else floor(week.availability * 1e5) / 1e5,
        "observed_s": round(week.observed),
        "failures": week.failures,
        "last_offline": stamp_or_none(week.last_offline),
        "last_offline_s": round(week.last_offline_for),
        "first_cell": week.first_cell,
        "cells": week.cells,
    }


def history_document(camera_id: str, found: Sequence[Segment], begin: float, end: float) -> dict[str, Any]:
    """What a camera was from ``begin`` to ``end``."""
    seconds = {condition: sum(one.seconds[number] for one in found) for number, condition in enumerate(CONDITIONS)}
    observed = end - begin - seconds[Condition.UNOBSERVED]
    return {
        "camera_id": camera_id,
        "from": rfc3339(begin),
        "until": rfc3339(end),
        "availability": floor(min(1.0, seconds[Condition.ONLINE] / observed) * 1e5) / 1e5 if observed > 0 else None,
        "seconds": {condition.value: round(seconds[condition], 3) for condition in CONDITIONS},
        "segments": [
            {
                "from": rfc3339(one.begin),
                "until": rfc3339(one.end),
                "state": one.condition.value,
                "status": one.status,
                "reason": one.reason,
                "code": one.code,
                "ip": one.address or None,
                "merged": one.merged,
                "seconds": {
                    condition.value: round(length, 3)
                    for condition, length in zip(CONDITIONS, one.seconds, strict=True)
                    if length
                },
            }
            for one in found
        ],
    }


def picture_document(picture: Picture | None) -> dict[str, Any] | None:
    """What is known of a picture besides its bytes; None where there is none."""
    if picture is None:
        return None
    return {
        "taken_at": rfc3339(picture.taken_at),
        "version": picture.version,
        "source": picture.source,
        "media_type": picture.media_type,
        "frozen_since": None if picture.frozen_since is None else rfc3339(picture.frozen_since),
    }
