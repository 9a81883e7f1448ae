"""Explanations of a camera: what it says of itself, as sentences for its owner, with what he can do."""

from __future__ import annotations

from typing import NamedTuple

from twisted_detector.model import Camera, Status
from twisted_detector.model.announced import Condition, explain
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.naming import STATE_WORDS
from twisted_detector.model.reasons import BEING_CHECKED

#: Conditions of a camera that plays of which its owner should know.
_REMARKABLE = (Condition.OPEN, Condition.DEFAULT_STATE)
#: What to do about a camera that is known by its word alone.
_ONCE_MORE = "Ask again in a few seconds."
_CHECK_AGAIN = "When that is done have it checked: Check now on its page, or the MQTT command check."


class Explanation(NamedTuple):
    """:ivar code: for programs. :ivar text: what is the matter; ``advice``: what to do about it."""

    code: str
    text: str
    advice: str


def explain_camera(camera: Camera, names: str) -> Explanation | None:
    """Why a camera is as it is, where its word is the reason or all that is known; None elsewhere.

    :param names: what it is called, with others that stand there.
    """
    if camera.code:
        return _of_condition(camera, names)
    if camera.unconfirmed and camera.status is Status.STREAM_ERROR:
        text = f"Camera {names} is shown by its own word alone: {camera.reason}."
        return Explanation("unconfirmed", text, _ONCE_MORE if camera.reason == BEING_CHECKED else _CHECK_AGAIN)
    return None


def _of_condition(camera: Camera, names: str) -> Explanation:
    what, advice = explain(Condition(camera.code), camera.announced)
    reason = what if camera.unconfirmed or camera.status is Status.SLEEPS else camera.reason
    reason = reason.removesuffix(f": {advice}")
    awake = f" It was awake last at {rfc3339(camera.last_seen)}." if camera.status is Status.SLEEPS else ""
    return Explanation(camera.code, f"Camera {names} {STATE_WORDS[camera.status]}: {reason}.{awake}", _sentence(advice))


def remarks(camera: Camera) -> str:
    """What the owner of a camera that plays should know all the same, or ""."""
    told = [explain(one) for one in camera.conditions if one in _REMARKABLE]
    return " ".join(_sentence(f"it says: {what}; {advice}") for what, advice in told)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."
