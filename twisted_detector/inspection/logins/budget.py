"""The login budget itself; the package has its rules and its theory of operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.logins.due import DueLogins
from twisted_detector.inspection.logins.fingerprints import WORK, Fingerprints, is_old
from twisted_detector.inspection.logins.history import MAX_FAILURES, MAX_UNANSWERED, WINDOW, LoginHistory
from twisted_detector.inspection.logins.ranking import rank
from twisted_detector.inspection.logins.realms import looks_unique, names_unit, normalise
from twisted_detector.inspection.logins.store import LoginHistoryStore, recent_failures
from twisted_detector.inspection.logins.window_clock import WindowClock
from twisted_detector.model import Candidate, Login
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.reach import NetworksNow, no_networks
from twisted_detector.model.reasons import NOT_RETRIED
from twisted_detector.seams import ILoginBudget

#: What was refused for one purpose is tried for it again after so many seconds.
DAY = 86_400.0
#: Purpose under which repeated sends within one attempt are charged.
_AGAIN = "again"
#: Purposes under which earlier versions saved something: the names of our own picture takers.
_OLD_PURPOSES = ("", _AGAIN, "snapshot", "keyframe")
#: Name under which the clock is saved; every other name is that of a device.
_CLOCK = "clock"


@implementer(ILoginBudget)
class LoginBudget:
    """Limiter of the logins that each device is given; see :mod:`inspection.logins`.

    :param logins: their source, or those that are configured for good; each a ``LoginRule`` or for every device.
    :param confirmed: networks that the operator named, as they are now: their devices may be given a secret though no
        MAC was seen.
    :param salt: makes fingerprints of equal passwords differ between installations.
    :param save: keeps (name, text) for the next run; "" to forget; may return a Deferred that fires when it is done.
    :param kept: whether what was saved is really on the disk.
    :param uptime: seconds since the machine's start, which never jump: the window is counted by them. None: by ``now``.
    :param boot: names the machine's present start, "" where that is not known.
    :param work: cost of a fingerprint; see :class:`Fingerprints`.
    :ivar fingerprints: those of this installation.
    """

    log = make_logger()

    def __init__(
        self,
        logins: ConfiguredLogins | Sequence[Login],
        *,
        confirmed: NetworksNow = no_networks,
        salt: str,
        save: Callable[[str, str], object],
        kept: Callable[[], bool] = lambda: True,
        uptime: Callable[[], float] | None = None,
        boot: str = "",
        work: int = WORK,
    ) -> None:
        self._logins = logins if isinstance(logins, ConfiguredLogins) else ConfiguredLogins(logins)
        self._due = DueLogins(self._logins, confirmed)
        self.fingerprints = Fingerprints(salt, work=work)
        self._save = save
        self._kept = kept
        self._clock = WindowClock(WINDOW, uptime, boot)
        self._histories = LoginHistoryStore(self._save_history)

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        self._clock.restore(saved.get(_CLOCK, ""))
        self._histories.restore({name: text for name, text in saved.items() if name != _CLOCK})
        self._replace_old_fingerprints()

    def _save_history(self, name: str, text: str) -> object:
        self._clock.record()
        return self._save(name, text)

    def _replace_old_fingerprints(self) -> None:
        old = {credential for credential in self._histories.credentials() if is_old(credential)}
        if not old:
            return
        names = self.fingerprints.successors(old, self._logins.all, _OLD_PURPOSES)
        self._histories.rename_credentials(lambda credential: names.get(credential, credential), is_old)

    def _time(self, now: float) -> float:
        """The time by the budget's own clock, by which all is recorded."""
        text = self._clock.due(now)
        if text:
            self._save(_CLOCK, text)
        return self._clock.time(now)

    # --- allowing --------------------------------------------------------------------------------------------------

    def allowed_logins(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """See :class:`ILoginBudget`."""
        logins = self._due.of(candidate)
        if not logins:
            return ()
        now = self._time(now)
        histories, typed = self._histories.relevant(candidate, now), self._logins.typed_for(candidate)
        room = MAX_FAILURES - len(recent_failures(histories, now))
        if room <= 0 or any(history.locked_until > now for history in histories):
            return ()
        paired = [(login, self._credential(login)) for login in logins]
        allowed = [one for one in paired if not any(history.bars(one[1], now) for history in histories)]
        reserved = self._logins.reserves(candidate)
        return rank(allowed, histories, typed=typed, room=room, reserved=reserved)

    def known_good(self, candidate: Candidate) -> Login | None:
        """The configured login that this device accepted last, whether or not one may be tried now.

        None for a device that may be given none (any more): whoever is told of it sends it to whoever asks.
        """
        good = {history.last_accepted for history in self._histories.histories_of(candidate).values()} - {""}
        return next((login for login in self._due.of(candidate) if self._credential(login) in good), None)

    def ever_accepted(self, candidate: Candidate) -> bool:
        """Whether this device ever accepted a login, even one that is not configured any more."""
        return any(history.ever_accepted for history in self._histories.histories_of(candidate).values())

    def explain_wait(self, candidate: Candidate, now: float) -> str:
        """See :class:`ILoginBudget`."""
        if withheld := self._due.explain(candidate):
            return withheld
        logins = self._due.of(candidate)
        wall, now = now, self._time(now)
        histories = self._histories.relevant(candidate, now)
        reasons = []
        barred = [one for one in logins if any(history.bars(self._credential(one), now) for history in histories)]
        if barred:
            names = ", ".join(dict.fromkeys(login.name for login in barred))
            reasons.append(f"{NOT_RETRIED}: {names} (camdetect login, CAMERA_CREDENTIALS)")
            right = {credential for history in histories for credential in history.ever_accepted}
            if any(self._credential(login) in right for login in barred):
                reasons.append("one that was right once is tried once a day, and at once by `camdetect login retry`")
        if wait := self._explain_time(histories, now, wall):
            reasons.append(wait)
        elif len(barred) < len(logins) and not self._kept():
            reasons.append("no login is tried while STATE_DIR cannot be written")
        elif len(barred) < len(logins) and not self.allowed_logins(candidate, wall):
            reasons.append("one attempt is left, for a login that you type (camdetect login)")
        return "; ".join(reasons)

    def _explain_time(self, histories: Sequence[LoginHistory], now: float, wall: float) -> str:
        free = max((history.locked_until for history in histories), default=0.0)
        failures = sorted(at for _, _, at in recent_failures(histories, now))
        if len(failures) >= MAX_FAILURES:
            free = max(free, failures[-MAX_FAILURES] + WINDOW)
        return f"no login is tried before {rfc3339(self._clock.wall(free, wall))}" if free > now else ""

    # --- one login that a person tries -----------------------------------------------------------------------------

    def failures_left(self, candidate: Candidate, now: float) -> int:
        """How many failures of ``MAX_FAILURES`` are left that this device may be given now; none while it locks."""
        now = self._time(now)
        histories = self._histories.relevant(candidate, now)
        locked = any(history.locked_until > now for history in histories)
        return 0 if locked else max(0, MAX_FAILURES - len(recent_failures(histories, now)))

    def explain_trial(self, candidate: Candidate, login: Login, now: float) -> str:
        """For people: why this login may not be tried on this device now, "" when it may."""
        if login not in self._due.of(candidate):
            return self._due.explain(candidate)
        at = self._time(now)
        if wait := self._explain_time(self._histories.relevant(candidate, at), at, now):
            return wait
        return "" if self._kept() else "no login is tried while STATE_DIR cannot be written"

    def forgive(self, candidate: Candidate, login: Login) -> None:
        """Let one login be tried again on this device, within the bounds, though it refused it: a person typed it."""
        credential = self._credential(login)
        for name, history in self._histories.histories_of(candidate).items():
            if history.forgive(credential):
                self._histories.save(name)

    # --- attempts ------------------------------------------------------------------------------------------------

    async def charge(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed_logins(candidate, now):
            return False
        now = self._time(now)
        credential = self._credential(login)
        if all(history.accepted_this_run == credential for history in self._histories.own(candidate)):
            return True
        good = any(history.last_accepted == credential for history in self._histories.relevant(candidate, now))
        await self._histories.charge(candidate, (credential,), now)
        if not self._kept() and not good:
            # A program that is started again and again with a full disk would have a new chance each time.
            self.refund(candidate, login)
            return False
        return True

    def begin(self, candidate: Candidate, login: Login, now: float, purpose: str = "") -> Callable[[], None] | None:
        """See :class:`ILoginBudget`."""
        now = self._time(now)
        credential, histories = self._credential(login, purpose), self._histories.relevant(candidate, now)
        own = self._histories.own(candidate)
        at_risk = self._at_risk(histories, now)
        if any(history.locked_until > now for history in histories):
            return None
        if any(credential in history.unanswered for history in own):
            return _nothing if at_risk <= MAX_FAILURES else None
        right = all(
            credential in history.accepted_for_purpose if purpose else history.accepted_this_run == credential
            for history in own
        )
        if not right or at_risk >= MAX_FAILURES:
            return None
        for history in own:
            history.in_flight += 1

        def end() -> None:
            for history in own:
                history.in_flight -= 1

        return end

    async def charge_again(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        now = self._time(now)
        histories = self._histories.relevant(candidate, now)
        if any(history.locked_until > now for history in histories) or self._at_risk(histories, now) >= MAX_FAILURES:
            return False
        await self._histories.charge(candidate, (self._credential(login, _AGAIN),), now)
        return self._kept()

    @staticmethod
    def _at_risk(histories: Sequence[LoginHistory], now: float) -> int:
        """What counts now, and what may come to count of the attempts under way that were not charged."""
        in_flight = max((history.in_flight for history in histories), default=0)
        return len(recent_failures(histories, now)) + in_flight

    def refund(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        self._histories.refund(candidate, self._credential(login))

    def record_unanswered(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        credential = self._credential(login)
        if any(history.last_accepted == credential for history in self._histories.own(candidate)):
            self._histories.refund(candidate, credential, self._credential(login, _AGAIN))

    def record_doubt(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        now = self._time(now)
        credential = self._credential(login)
        self._histories.update(candidate, lambda history: history.record_doubt(credential, now))

    def record_accepted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        credential, again = self._credential(login), self._credential(login, _AGAIN)
        self._histories.update(candidate, lambda history: history.refund(again) | history.record_accepted(credential))

    def record_digest(self, candidate: Candidate) -> None:
        """See :class:`ILoginBudget`."""
        self._histories.update(candidate, lambda history: history.record_digest())

    def took_digest(self, candidate: Candidate) -> bool:
        """Whether the device ever took a login by Digest; kept over restarts."""
        return any(history.took_digest for history in self._histories.histories_of(candidate).values())

    def record_refused(self, candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """See :class:`ILoginBudget`."""
        credential, at = self._credential(login), self._time(now)
        self._histories.update(candidate, lambda history: history.record_refused(credential, at))
        if locked:
            self.record_lockout(candidate, now)
        # The one warning of a refusal: what follows of it is no warning (outputs/event_log.py).
        text = "{address} refused the login {name}; it is " + NOT_RETRIED
        self.log.warn(text, address=candidate.address, name=login.name)

    def has_doubtful_login(self, candidate: Candidate) -> bool:
        """See :class:`ILoginBudget`."""
        return any(
            history.last_accepted in history.failures for history in self._histories.histories_of(candidate).values()
        )

    def record_lockout(self, candidate: Candidate, now: float) -> None:
        """See :class:`ILoginBudget`."""
        at = self._time(now)
        self._histories.update(candidate, lambda history: history.record_lockout(at))

    def retry(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """Let the logins that this device refused be tried again, because a person says so; those that were barred.

        Within the two failures in 30 minutes, and not before the end of a lock that the device itself told of.
        """
        now = self._time(now)
        histories = self._histories.relevant(candidate, now)
        barred = [
            login
            for login in self._due.of(candidate)
            if any(history.bars(self._credential(login), now) for history in histories)
        ]
        for name, history in self._histories.histories_of(candidate).items():
            if history.forgive_all():
                self._histories.save(name)
        return barred

    # --- realms ------------------------------------------------------------------------------------------------------

    def owner_of_realm(self, candidate: Candidate, realm: str, now: float) -> str:
        """See :class:`ILoginBudget`."""
        realm = normalise(realm)
        if not realm or candidate.adoption.is_trusted:
            return ""
        return self._histories.owner_of_realm(candidate, realm, self._time(now), looks_unique=looks_unique(realm))

    def record_realm(self, candidate: Candidate, realm: str, now: float) -> None:
        """See :class:`ILoginBudget`."""
        realm = normalise(realm)
        if realm:
            certain = names_unit(realm, mac=candidate.mac)
            self._histories.record_realm(candidate, realm, self._time(now), certain=certain)

    # --- for one purpose -------------------------------------------------------------------------------------------

    async def charge_purpose(self, candidate: Candidate, login: Login, now: float, purpose: str) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed_logins(candidate, now):
            return False
        now = self._time(now)
        credential, histories = self._credential(login, purpose), self._histories.relevant(candidate, now)
        for history in histories:
            refused, unanswered = history.failures.get(credential, ()), history.unanswered.get(credential, ())
            wait = DAY if len(unanswered) >= MAX_UNANSWERED else WINDOW
            if any(now - at < DAY for at in refused) or any(now - at < wait for at in unanswered):
                return False
        if all(
            credential in history.accepted_for_purpose or credential in history.open_to
            for history in self._histories.own(candidate)
        ):
            return True
        if len(recent_failures(histories, now)) + 1 >= MAX_FAILURES or not self._kept():
            return False
        await self._histories.charge(candidate, (credential,), now)
        return True

    def record_purpose(
        self,
        candidate: Candidate,
        login: Login,
        now: float,
        purpose: str,
        *,
        accepted: bool = False,
        refused: bool = False,
        locked: bool = False,
        sent: bool = True,
        asked: bool = True,
    ) -> None:
        """See :class:`ILoginBudget`."""
        credential, at = self._credential(login, purpose), self._time(now)
        if refused:
            self._histories.update(candidate, lambda history: history.record_refused(credential, at))
        elif accepted or not sent:
            self._histories.refund(candidate, credential)
        self._histories.update(candidate, lambda history: history.record_open_to(credential, is_open=not asked))
        if accepted and not refused:
            self._histories.update(candidate, lambda history: history.record_accepted_for_purpose(credential))
        if locked:
            self.record_lockout(candidate, now)

    def record_fingerprint(
        self,
        candidate: Candidate,
        now: float,
        *,
        firmware: str = "",
        serial: str = "",
        service: str = "",
        wants_login: bool = True,
    ) -> None:
        """See :class:`ILoginBudget`."""
        now = self._time(now)
        for realm in self._histories.realms_of(candidate):
            if names_unit(realm, serial=serial):
                self._histories.record_realm(candidate, realm, now, certain=True)
        reference = candidate.endpoint_reference
        for name, history in self._histories.histories_of(candidate).items():
            if history.record_fingerprint(
                now, firmware=firmware, reference=reference, service=service, wants_login=wants_login
            ):
                self._histories.save(name)

    def _credential(self, login: Login, purpose: str = "") -> str:
        return self.fingerprints.of(login, purpose)


def _nothing() -> None:
    """End of an attempt that was charged: its outcome is recorded otherwise."""
