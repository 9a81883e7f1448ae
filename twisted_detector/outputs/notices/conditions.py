"""Conditions of a camera that are worth a notice, from the camera as it is now."""

from __future__ import annotations

from collections.abc import Collection

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera, Status
from twisted_detector.model.addresses import parse_address
from twisted_detector.model.notices import NoticeKind
from twisted_detector.model.reach import Network
from twisted_detector.model.reasons import FROZEN, NO_LOGIN, NOT_RETRIED

#: Seconds by which a clock must be off: recordings mislead then. As Home Assistant's "needs attention".
WRONG_CLOCK = 60.0
#: While one of these is true of a camera, whether its streams play cannot be seen.
_UNKNOWN = (Status.OFFLINE, Status.BUSY, Status.SLEEPS)


def conditions(
    camera: Camera,
    *,
    before: Collection[NoticeKind] = (),
    expected: Network | None = None,
    refused: bool = False,
) -> dict[NoticeKind, str]:
    """The conditions of ``camera``, each with a reason in plain words.

    :param before: those that it had. What cannot be seen now goes on: a frozen camera that goes offline is no better.
    :param expected: the network on which a person expects it.
    :param refused: whether it refused a login just now.
    """
    found: dict[NoticeKind, str] = {}
    status, reason = camera.status, camera.reason
    if status is Status.OFFLINE:
        found[NoticeKind.OFFLINE] = reason
    for kind, now, kept in (
        (NoticeKind.STREAM, status is Status.STREAM_ERROR and reason != FROZEN, status is Status.AUTH_REQUIRED),
        (NoticeKind.FROZEN, status is Status.STREAM_ERROR and reason == FROZEN, status is not Status.ONLINE),
        (NoticeKind.LOGIN, status is Status.AUTH_REQUIRED and (refused or NOT_RETRIED in reason),
         status is Status.AUTH_REQUIRED and NO_LOGIN not in reason),  # else one was only tried, and not kept
    ):  # fmt: skip
        if now or (kind in before and (kept or status in _UNKNOWN)):
            found[kind] = "" if reason == FROZEN else reason
    if abs(camera.clock_offset) >= WRONG_CLOCK:
        found[NoticeKind.CLOCK] = f"it is {camera.clock_offset:+.0f} s off"
    if expected is not None and not _is_in(camera.address, expected):
        found[NoticeKind.NETWORK] = f"it is expected on {expected}"
    if camera.established or camera.adopted.is_adopted:
        return found
    # Whatever calls itself a camera is no news; of what was one, the end is.
    return {kind: reason for kind, reason in found.items() if kind in before}


def _is_in(address: str, network: Network) -> bool:
    try:
        return parse_address(address) in network
    except RemoteError:
        return True  # nothing can be said of it
