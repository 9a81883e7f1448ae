"""What a broker did before, by which the end of an attempt or of a connection is judged.

Two answers of a broker mean something else than they say. "Not authorised" to a login that it had let in, or any other
refusal of what it had accepted: what it asks about logins is not up yet, a certificate is just being replaced, or
something was changed for good; waiting a little tells which. The first login of a machine that starts together with its
broker is refused so, too. And a connection that is closed
without a word within seconds, again and again, though each attempt is let in at once: that is what a broker does when
two clients use one client id (MQTT 3.1.1, 3.1.4-2), each of which throws the other off.
"""

from __future__ import annotations

from dataclasses import dataclass

from twisted_detector.mqtt.seams import Cause

#: A connection that the broker closed within so many seconds was short. A rival comes back after its own delay: 0.25 to
#: 3 s with our kind, 1 to 5 s with most others.
SHORT = 10.0

#: So many short connections in a row, with no failed attempt between, are no accident. A broker that is restarted again
#: and again has failed attempts between them.
SUSPICIOUS = 3


#: Longest wait, in seconds, while another client certainly takes our client id away: who throws the other off once a
#: minute leaves it some use. While it only may, the waits are the ordinary ones: a message that the broker does not
#: take looks the same, and the outbox finds out which by connecting again.
CERTAIN_WAIT = 60.0

#: Parts of reasons by which :mod:`operations.doctor` knows what to advise.
LET_IN_BEFORE = "the login that it let in before"
ACCEPTED_BEFORE = "what it accepted before"
USED_TWICE = "another client uses the client id"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What an ending means.

    :ivar passing: whether a terminal one may be none all the same: the broker may still be starting, or our clock may
        not be set, so the next attempts are soon.
    :ivar longest_wait: seconds to which the wait may grow since each attempt of ours may throw another client off; 0:
        that is not so.
    """

    reason: str
    terminal: bool = False
    longest_wait: float = 0.0
    passing: bool = False


class Experience:
    """Memory of one broker and one login. ``now`` is monotonic seconds.

    :param client_id: named in reasons.
    :param doubted: seconds for which a refusal of what was accepted before is not believed, and one of what never was
        is thought to be passing.
    """

    def __init__(self, client_id: str, doubted: float) -> None:
        self._client_id = client_id
        self._doubted = doubted
        self._let_in = False
        self._let_in_at = 0.0
        self._refused_since: float | None = None
        self._short = 0

    def record_success(self, now: float) -> None:
        """The broker let us in."""
        self._let_in = True
        self._let_in_at = now
        self._refused_since = None

    def judge_attempt(self, reason: str, terminal: bool, cause: Cause, now: float) -> Judgement:
        """An attempt failed."""
        self._short = 0
        if cause not in (Cause.LOGIN, Cause.TERMS) or not terminal:
            # Whatever else it was, a broker that goes away and comes back begins its start anew.
            self._refused_since = None
            return Judgement(reason, terminal)
        if self._refused_since is None:
            self._refused_since = now
        is_young = now - self._refused_since < self._doubted
        if not self._let_in:
            return Judgement(reason, terminal=True, passing=is_young)
        what = LET_IN_BEFORE if cause is Cause.LOGIN else ACCEPTED_BEFORE
        if is_young:
            return Judgement(f"the broker refuses {what}; perhaps it is still starting ({reason})")
        minutes = self._doubted / 60
        return Judgement(
            f"the broker has refused {what} for more than {minutes:g} minutes ({reason})",
            terminal=True,
        )

    def judge_loss(self, reason: str, cause: Cause, now: float) -> Judgement:
        """A connection that stood broke."""
        if cause is Cause.TAKEN_OVER:
            self._short = 0
            return Judgement(f"{reason}; {USED_TWICE} {self._client_id} too", longest_wait=CERTAIN_WAIT)
        if cause is not Cause.CLOSED or now - self._let_in_at > SHORT:
            self._short = 0
            return Judgement(reason)
        self._short += 1
        if self._short < SUSPICIOUS:
            return Judgement(reason)
        return Judgement(
            f"{reason}, again and again within seconds of letting us in; perhaps {USED_TWICE} {self._client_id} too, or"
            " the broker does not take something that we send"
        )
