"""Judge of the logins of a device: which may be tried now, and what is to be said of the others. It changes nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.logins.due import DueLogins
from twisted_detector.inspection.logins.history import MAX_FAILURES, WINDOW, Failure, LoginHistory
from twisted_detector.inspection.logins.ranking import rank
from twisted_detector.inspection.logins.store import LoginHistoryStore, recent_failures
from twisted_detector.inspection.logins.turns import Turns
from twisted_detector.inspection.logins.window_clock import WindowClock
from twisted_detector.model import Candidate, Login
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.reasons import NOT_RETRIED

#: The histories that count for a device, by its names.
Histories = Mapping[str, LoginHistory]


class LoginJudge:
    """Reads the records, with the rules of the package. ``now`` is of the budget's clock, ``wall`` of the other.

    :param credential_of: fingerprint of a login.
    :param kept: whether what was saved is really on the disk.
    """

    def __init__(
        self,
        logins: ConfiguredLogins,
        due: DueLogins,
        *,
        histories: LoginHistoryStore,
        turns: Turns,
        clock: WindowClock,
        credential_of: Callable[[Login], str],
        kept: Callable[[], bool],
    ) -> None:
        self._logins = logins
        self._due = due
        self._histories = histories
        self._turns = turns
        self._clock = clock
        self._credential = credential_of
        self._kept = kept

    def allowed(self, candidate: Candidate, now: float, *, at_once: bool = False) -> Sequence[Login]:
        """The logins that may be tried, best first, where each attempt under way turns out to be right.

        :param at_once: also where none does.
        """
        logins = self._due.of(candidate)
        if not logins:
            return ()
        histories = self._histories.relevant(candidate, now)
        room = MAX_FAILURES - (self._risk(histories, now) if at_once else len(self._settled(histories, now)))
        if room <= 0 or _is_locked(histories, now):
            return ()
        paired = [(login, self._credential(login)) for login in logins]
        allowed = [one for one in paired if not self._bars(histories, one[1], now, at_once=at_once)]
        typed, reserved = self._logins.typed_for(candidate), self._logins.reserves(candidate)
        return rank(allowed, list(histories.values()), typed=typed, room=room, reserved=reserved)

    def barred(self, candidate: Candidate, now: float) -> list[Login]:
        """The logins that the device refused and that are not tried again now."""
        histories = self._histories.relevant(candidate, now)
        return [login for login in self._due.of(candidate) if self._bars(histories, self._credential(login), now)]

    def at_risk(self, candidate: Candidate, now: float) -> int | None:
        """How many failures count, and may come to count of the attempts under way; None while the device locks."""
        histories = self._histories.relevant(candidate, now)
        return None if _is_locked(histories, now) else self._risk(histories, now)

    def failures_left(self, candidate: Candidate, now: float) -> int:
        """How many failures are left, where no attempt that is under way becomes one; none while the device locks."""
        histories = self._histories.relevant(candidate, now)
        return 0 if _is_locked(histories, now) else max(0, MAX_FAILURES - len(self._settled(histories, now)))

    def withholds_right_login(self, candidate: Candidate, now: float) -> bool:
        """Whether a login that the device accepted last is not tried now, only for what else failed."""
        histories = self._histories.relevant(candidate, now)
        if _is_locked(histories, now) or len(self._settled(histories, now)) < MAX_FAILURES:
            return False
        right = {history.last_accepted for history in histories.values() if history.last_accepted}
        return any(
            credential in right and not self._bars(histories, credential, now)
            for credential in map(self._credential, self._due.of(candidate))
        )

    # --- for people ------------------------------------------------------------------------------------------------

    def explain_wait(self, candidate: Candidate, now: float, wall: float) -> str:
        """Why not every login may be tried now, when the next one may, and what to do; "" when all may."""
        logins, barred = self._due.of(candidate), self.barred(candidate, now)
        reasons = []
        if barred:
            names = ", ".join(dict.fromkeys(login.name for login in barred))
            reasons.append(f"{NOT_RETRIED}: {names} (camdetect login, CAMERA_CREDENTIALS)")
            histories = self._histories.relevant(candidate, now).values()
            right = {credential for history in histories for credential in history.ever_accepted}
            if any(self._credential(login) in right for login in barred):
                reasons.append("one that was right once is tried once a day, and at once by `camdetect login retry`")
        if wait := self.explain_time(candidate, now, wall):
            reasons.append(wait)
        elif len(barred) < len(logins) and not self._kept():
            reasons.append("no login is tried while STATE_DIR cannot be written")
        elif len(barred) < len(logins) and not self.allowed(candidate, now):
            reasons.append("one attempt is left, for a login that you type (camdetect login)")
        return "; ".join(reasons)

    def explain_time(self, candidate: Candidate, now: float, wall: float) -> str:
        """Until when no login at all is tried, "" when one may be."""
        histories = self._histories.relevant(candidate, now)
        free = max((history.locked_until for history in histories.values()), default=0.0)
        failures = sorted(at for _, _, at in self._settled(histories, now))
        if len(failures) >= MAX_FAILURES:
            free = max(free, failures[-MAX_FAILURES] + WINDOW)
        return f"no login is tried before {rfc3339(self._clock.wall(free, wall))}" if free > now else ""

    # --- rules -----------------------------------------------------------------------------------------------------

    def _bars(self, histories: Histories, credential: str, now: float, *, at_once: bool = False) -> bool:
        since = math.inf if at_once else self._turns.since(histories, credential)
        return any(history.bars(credential, now, under_way_since=since) for history in histories.values())

    def _settled(self, histories: Histories, now: float) -> set[Failure]:
        """What counts now whatever comes of the attempts under way."""
        return self._turns.settled(histories, recent_failures(histories.values(), now))

    def _risk(self, histories: Histories, now: float) -> int:
        return len(recent_failures(histories.values(), now)) + self._turns.uncharged(histories)


def _is_locked(histories: Histories, now: float) -> bool:
    return any(history.locked_until > now for history in histories.values())
