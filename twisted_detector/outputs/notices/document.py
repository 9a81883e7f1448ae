"""Notices as JSON: for the MQTT topic, the webhook, and the command ``notices``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.notices import Notice, NoticeSubject
from twisted_detector.outputs.notices.wording import MAX_NAME, MAX_REASON, Clock, headline, line, text, tidy

#: Cameras that are named in a document, and in a row of a list; of more, ``count`` has the number. Some 12 kB.
MAX_CAMERAS, MAX_LISTED_CAMERAS = 100, 10


def told_document(notice: Notice, clock: Clock, *, node_id: str, now: float) -> dict[str, Any]:
    """A notice as it is told to programs."""
    document = {
        **_facts(notice),
        "title": headline(notice),
        "text": text(notice, clock),
        "node_id": node_id,
        "timestamp": rfc3339(now),
    }
    if notice.parts:
        document["notices"] = [{**_facts(one), "text": line(one, clock)} for one in notice.parts]
        document["more"] = notice.more
    return document


def listed_document(notice: Notice, clock: Clock) -> dict[str, Any]:
    """A notice as one row of the list of open and recent ones."""
    until = rfc3339(notice.until) if notice.until is not None else None
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "text": line(notice, clock),
        "since": rfc3339(notice.since),
        "until": until,
        "cameras": _cameras(notice.cameras[:MAX_LISTED_CAMERAS]),
        "count": len(notice.cameras),
    }


def _facts(notice: Notice) -> dict[str, Any]:
    return {
        "id": notice.id,
        "kind": notice.kind.value,
        "event": notice.event,
        "cameras": _cameras(notice.cameras),
        "count": len(notice.cameras),
        "remaining": _cameras(notice.remaining),
        "network": notice.network or None,
        "reason": tidy(notice.reason, MAX_REASON),
        "since": rfc3339(notice.since),
        "ended": rfc3339(notice.until) if notice.until is not None else None,
    }


def _cameras(subjects: Sequence[NoticeSubject]) -> list[dict[str, str]]:
    return [
        {"id": one.id, "name": tidy(one.name, MAX_NAME), "ip": tidy(one.address, MAX_NAME)}
        for one in subjects[:MAX_CAMERAS]
    ]
