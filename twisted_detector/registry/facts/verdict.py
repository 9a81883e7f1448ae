"""Status of a camera with its reason, by what was found and by what the camera says of itself.

What was found goes first. A stream that plays makes a camera ``online`` whatever it says; a login that is wanted, a
missing place and an absence are told as they are. What it says explains why there is no stream, or that it sleeps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from twisted_detector.model import Camera, Inspection, Proof, Status, Stream
from twisted_detector.model.announced import EXPLAINING, FRESH, STREAMLESS, Condition, explain
from twisted_detector.model.cameras import deciding_streams
from twisted_detector.model.reasons import BEING_CHECKED, FROZEN, NO_CAMERA, NOTHING_ELSE, ReasonCode

#: Seconds for which a camera that sleeps is awake without a break, at most: its battery would not last. One that was
#: there for longer hangs on a charger, or somebody else speaks in its name: when it goes it is offline as any other.
AWAKE_AT_MOST = 900.0
#: Statuses of a camera that is not there.
AWAY = (Status.OFFLINE, Status.SLEEPS)
#: Reason code of a stream that has none of its own, by the status of its camera.
CODES = {
    Status.OFFLINE: ReasonCode.UNREACHABLE,
    Status.STREAM_ERROR: ReasonCode.NOT_CHECKED,
    Status.AUTH_REQUIRED: ReasonCode.AUTH_REQUIRED,
    Status.BUSY: ReasonCode.BUSY,
    Status.SLEEPS: ReasonCode.UNREACHABLE,
}


#: Reason of a camera of whose trouble nobody gave one: an inspector of a plugin need not.
REASONS = {
    Status.ONLINE: "",
    Status.OFFLINE: "it does not answer",
    Status.STREAM_ERROR: "no stream could be proved",
    Status.AUTH_REQUIRED: "it wants a login",
    Status.BUSY: "it has no room for another connection",
    Status.SLEEPS: "; ".join(explain(Condition.SLEEPS)),
}


class Verdict(NamedTuple):
    """:ivar code: see :attr:`Camera.code`."""

    status: Status
    reason: str
    code: str = ""


def judge(camera: Camera, status: Status, reason: str, now: float, *, there_since: float | None = None) -> Verdict:
    """The status of ``camera``, which was as it is until now.

    :param status: as it was found, with its ``reason``.
    :param there_since: when it came, if it is there; None: when it turned to the status that it has.
    """
    said = camera.announced.conditions if camera.announced is not None else ()
    awake = now - (camera.since if there_since is None else there_since)
    if Condition.SLEEPS in said and _is_asleep(camera, status, awake):
        return Verdict(Status.SLEEPS, REASONS[Status.SLEEPS], Condition.SLEEPS.value)
    if status not in (Status.STREAM_ERROR, Status.AUTH_REQUIRED) or reason == FROZEN:
        return Verdict(status, reason)
    ruled_out = () if camera.unconfirmed and reason != BEING_CHECKED else STREAMLESS
    condition = next((one for one in EXPLAINING if one in said and one not in ruled_out), None)
    if condition is None:
        return Verdict(status, _of_claim(camera) if camera.unconfirmed and reason == NO_CAMERA else reason)
    text = ": ".join(explain(condition, camera.announced)) + _of_others(camera, condition)
    if not camera.unconfirmed or reason not in (NO_CAMERA, BEING_CHECKED):
        text = f"{reason}; by its own word {text}"
    return Verdict(status, text, condition.value)


def _of_others(camera: Camera, condition: Condition) -> str:
    """What is to be done where new cameras all stand at the address of their factory."""
    others = camera.announced.others if camera.announced is not None else 0
    if not others or condition not in FRESH:
        return ""
    who = "another new one" if others == 1 else f"at least {others} more new ones"
    return (
        f"; {who} spoke from {camera.address} within an hour (camdetect why {camera.address} lists them): give each an"
        " address of its own with its manufacturer's tool, and each is a camera here"
    )


def _of_claim(camera: Camera) -> str:
    """Why a camera that only says that it is one has no stream."""
    elsewhere = camera.announced.address if camera.announced is not None else ""
    if elsewhere and elsewhere != camera.address:
        return (
            f"it says that its address is {elsewhere}, and speaks from {camera.address}: it may wait at the address of"
            " its factory; give it one of this network with its manufacturer's tool"
        )
    return NOTHING_ELSE


def _is_asleep(camera: Camera, status: Status, awake: float) -> bool:
    """Whether a camera that has a battery sleeps, rather than that something is the matter with it."""
    if status is Status.STREAM_ERROR:
        return not camera.streams
    return status is Status.OFFLINE and not (camera.status not in AWAY and awake > AWAKE_AT_MOST)


def status_of_streams(streams: Sequence[Stream]) -> tuple[Status, str]:
    """Status of a camera by its streams, and the reason of one that is not online."""
    deciding = deciding_streams(streams)
    if any(stream.validated for stream in deciding):
        return Status.ONLINE, ""
    first = next((one for one in deciding if one.reason), None)
    reason = first.reason if first is not None else "no stream could be proved"
    if first is None or not first.own:
        return Status.STREAM_ERROR, reason
    if first.code == ReasonCode.BUSY:
        return Status.BUSY, reason
    return (Status.AUTH_REQUIRED if first.proof is Proof.AUTH else Status.STREAM_ERROR), reason


def status_of(inspection: Inspection, streams: tuple[Stream, ...]) -> tuple[Status, str]:
    """Status of a camera by an inspection that proved these streams of it, and the reason."""
    if deciding_streams(streams) is not streams:
        return status_of_streams(streams)  # a person gave one: what else the device says does not matter
    if inspection.status is not Status.ONLINE:
        return inspection.status, inspection.reason
    if any(stream.validated for stream in streams):
        return Status.ONLINE, ""
    if not streams:
        return Status.STREAM_ERROR, inspection.reason or "it names no stream"
    return Status.STREAM_ERROR, streams[0].reason or "no stream could be proved"
