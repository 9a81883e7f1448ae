"""Cameras, notices and rules as the tests of notices want them."""

from __future__ import annotations

import time
from typing import Any

from twisted_detector.model import Adoption, Camera, Status
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.notices.rules import NoticeRules

START = 1_700_000_000.0
MINUTE = 60.0
PATIENCE = 5 * MINUTE
OFFLINE = {NoticeKind.OFFLINE: "it does not answer"}


def clock(at: float) -> str:
    """A time of the day, in UTC."""
    return time.strftime("%H:%M", time.gmtime(at))


def camera(number: int = 1, network: str = "10.0.0", **facts: Any) -> Camera:
    told: dict[str, Any] = {
        "id": f"cam{number}", "device_id": f"cam{number}", "address": f"{network}.{number}",
        "name": f"Camera {number}", "status": Status.ONLINE, "since": START, "last_validated": START,
        "adopted": Adoption.PERSON, **facts,
    }  # fmt: skip
    return Camera(**told)


def subject(number: int = 1, network: str = "10.0.0") -> NoticeSubject:
    return NoticeSubject(f"cam{number}", f"Camera {number}", f"{network}.{number % 256}")


def rules(**more: Any) -> NoticeRules:
    more.setdefault("patience", PATIENCE)
    more.setdefault("kinds", tuple(NoticeKind))
    return NoticeRules(**more)


def notice(kind: NoticeKind = NoticeKind.OFFLINE, *numbers: int, **facts: Any) -> Notice:
    facts.setdefault("id", "1-1")
    facts.setdefault("since", START)
    facts.setdefault("network", "10.0.0.0/24")
    return Notice(kind=kind, cameras=tuple(map(subject, numbers)), **facts)
