"""Trial of one login that a person typed: what the device did with it, in one word and in plain ones."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from twisted_detector.detector.inspection_session import InspectionSession
from twisted_detector.model import Login


class TrialOutcome(StrEnum):
    """What became of a login that was to be tried. Answers carry the value; it never changes its meaning."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNANSWERED = "unanswered"  #: nobody knows whether it is right: the device did not answer, or not to it
    NOT_NEEDED = "not-needed"  #: the device wants none for anything
    NOT_TRIED = "not-tried"  #: it was not sent


@dataclass(frozen=True, slots=True)
class TrialResult:
    """Outcome of a trial, and what is to be said of it."""

    outcome: TrialOutcome
    text: str


def judge(session: InspectionSession, login: Login) -> TrialResult:
    """What the session, which had this login and no other, came to."""
    return TrialResult(*_judge(session, login))


def _judge(session: InspectionSession, login: Login) -> tuple[TrialOutcome, str]:
    trouble, was_accepted = session.busy or session.problem, login.name in session.accepted
    if session.login == login:
        return TrialOutcome.ACCEPTED, _but(session.busy)
    if login.name in session.refused:
        if session.locked:
            return TrialOutcome.REFUSED, f"the camera refused it, and counts or locks: {session.reason}"
        if was_accepted:
            text = (
                f"one of its services accepted it and another refused it ({session.reason}): the user needs both rights"
            )
            return TrialOutcome.REFUSED, text
        reason = session.reason
        return TrialOutcome.REFUSED, reason if "refused" in reason else f"the camera refused it: {reason}"
    if was_accepted and trouble:
        return TrialOutcome.ACCEPTED, _but(trouble)
    if session.sent and trouble:
        return TrialOutcome.UNANSWERED, f"it was sent, but the camera did not say whether it is right: {trouble}"
    if session.sent and session.wants:
        return TrialOutcome.REFUSED, f"the camera still asks for a login after this one was sent: {session.wants}"
    if session.busy:
        return TrialOutcome.NOT_TRIED, f"the camera has no free connection, so it was not sent: {session.busy}"
    if session.wants:
        return TrialOutcome.NOT_TRIED, f"it was not sent: {session.wants}"
    if session.problem and not session.inspected:
        return TrialOutcome.UNANSWERED, f"the camera does not answer: {session.problem}"
    return TrialOutcome.NOT_NEEDED, "the camera needs no login"


def _but(trouble: str) -> str:
    return f"the camera accepts it; {trouble}" if trouble else "the camera accepts it"
