"""The login budget itself; the package has its rules and its theory of operation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.logins.due import DueLogins
from twisted_detector.inspection.logins.fingerprints import WORK, Fingerprints, is_old
from twisted_detector.inspection.logins.history import MAX_FAILURES, MAX_UNANSWERED, WINDOW
from twisted_detector.inspection.logins.judge import LoginJudge
from twisted_detector.inspection.logins.realms import looks_unique, names_unit, normalise
from twisted_detector.inspection.logins.store import LoginHistoryStore
from twisted_detector.inspection.logins.turns import Turns
from twisted_detector.inspection.logins.window_clock import WindowClock
from twisted_detector.model import Candidate, Login
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
        self._turns = Turns()
        self._judge = LoginJudge(
            self._logins, self._due, histories=self._histories, turns=self._turns, clock=self._clock,
            credential_of=self._credential, kept=kept,
        )  # fmt: skip

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
        return self._judge.allowed(candidate, self._time(now))

    def known_good(self, candidate: Candidate) -> Login | None:
        """See :class:`ILoginBudget`."""
        # None for one that may be given none: whoever is told of it sends it to whoever asks.
        good = {history.last_accepted for history in self._histories.histories_of(candidate).values()} - {""}
        return next((login for login in self._due.of(candidate) if self._credential(login) in good), None)

    def ever_accepted(self, candidate: Candidate) -> bool:
        """Whether this device ever accepted a login, even one that is not configured any more."""
        return any(history.ever_accepted for history in self._histories.histories_of(candidate).values())

    def explain_wait(self, candidate: Candidate, now: float) -> str:
        """See :class:`ILoginBudget`."""
        if withheld := self._due.explain(candidate):
            return withheld
        return self._judge.explain_wait(candidate, self._time(now), now)

    def withholds_right_login(self, candidate: Candidate, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        return self._judge.withholds_right_login(candidate, self._time(now))

    # --- one login that a person tries -----------------------------------------------------------------------------

    def failures_left(self, candidate: Candidate, now: float) -> int:
        """How many failures of ``MAX_FAILURES`` are left that this device may be given now; none while it locks.

        What is under way is none yet.
        """
        return self._judge.failures_left(candidate, self._time(now))

    def explain_trial(self, candidate: Candidate, login: Login, now: float) -> str:
        """For people: why this login may not be tried on this device now, "" when it may."""
        if login not in self._due.of(candidate):
            return self._due.explain(candidate)
        at = self._time(now)
        if wait := self._judge.explain_time(candidate, at, now):
            return wait
        return "" if self._kept() else "no login is tried while STATE_DIR cannot be written"

    def forgive(self, candidate: Candidate, login: Login) -> None:
        """Let one login be tried again on this device, within the bounds, though it refused it: a person typed it."""
        credential = self._credential(login)
        for name, history in self._histories.histories_of(candidate).items():
            if history.forgive(credential):
                self._histories.save(name)

    # --- attempts ------------------------------------------------------------------------------------------------

    async def charge(self, candidate: Candidate, login: Login, now: float) -> Callable[[], None] | None:
        """See :class:`ILoginBudget`."""
        wall, now, judge = now, self._time(now), self._judge
        while login not in judge.allowed(candidate, now, at_once=True):
            if login not in judge.allowed(candidate, now):
                return None
            await self._turns.next_end()
            now = self._time(wall)
        credentials, own = (self._credential(login), self._credential(login, _AGAIN)), self._histories.own(candidate)
        if all(history.accepted_this_run == credentials[0] for history in own.values()):
            return self._enter(candidate, now, *credentials, charged=False)
        histories = self._histories.relevant(candidate, now).values()
        good = any(history.last_accepted == credentials[0] for history in histories)
        end = await self._charge(candidate, now, *credentials)
        if not self._kept() and not good:
            # A program that is started again and again with a full disk would have a new chance each time.
            self.refund(candidate, login)
            end()
            return None
        return end

    def _enter(self, candidate: Candidate, now: float, *credentials: str, charged: bool) -> Callable[[], None]:
        names = {**self._histories.relevant(candidate, now), **self._histories.own(candidate)}
        return self._turns.enter(names, credentials, now, charged=charged)

    async def _charge(self, candidate: Candidate, now: float, *credentials: str) -> Callable[[], None]:
        """Charge the first of the credentials under which the attempt may be charged."""
        end = self._enter(candidate, now, *credentials, charged=True)
        try:
            await self._histories.charge(candidate, credentials[:1], now)
        except BaseException:
            end()
            raise
        return end

    def begin(self, candidate: Candidate, login: Login, now: float, purpose: str = "") -> Callable[[], None] | None:
        """See :class:`ILoginBudget`."""
        now = self._time(now)
        credential, own = self._credential(login, purpose), self._histories.own(candidate).values()
        at_risk = self._judge.at_risk(candidate, now)
        if at_risk is None:
            return None
        if any(credential in history.unanswered for history in own):
            return _nothing if at_risk <= MAX_FAILURES else None
        if not purpose:  # it counts since :meth:`charge`
            right = all(history.accepted_this_run == credential for history in own)
            return _nothing if right and at_risk <= MAX_FAILURES else None
        if at_risk >= MAX_FAILURES or not all(credential in history.accepted_for_purpose for history in own):
            return None
        return self._enter(candidate, now, credential, charged=False)

    async def charge_again(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        now = self._time(now)
        at_risk = self._judge.at_risk(candidate, now)
        if at_risk is None or at_risk >= MAX_FAILURES:
            return False
        await self._histories.charge(candidate, (self._credential(login, _AGAIN),), now)
        return self._kept()

    def refund(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        self._histories.refund(candidate, self._credential(login))

    def record_unanswered(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        credential = self._credential(login)
        if any(history.last_accepted == credential for history in self._histories.own(candidate).values()):
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
        self._turns.forgive_charges(self._histories.own(candidate), credential)

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
        barred = self._judge.barred(candidate, now)
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

    async def charge_purpose(
        self, candidate: Candidate, login: Login, now: float, purpose: str
    ) -> Callable[[], None] | None:
        """See :class:`ILoginBudget`."""
        credential = self._credential(login, purpose)
        wall, now = now, self._time(now)
        while login in self._judge.allowed(candidate, now) and not self._is_spent(candidate, credential, now):
            if all(
                credential in history.accepted_for_purpose or credential in history.open_to
                for history in self._histories.own(candidate).values()
            ):
                if (self._judge.at_risk(candidate, now) or 0) < MAX_FAILURES:
                    return _nothing
            elif self._judge.failures_left(candidate, now) <= 1 or not self._kept():
                return None
            elif (self._judge.at_risk(candidate, now) or 0) + 1 < MAX_FAILURES:
                return await self._charge(candidate, now, credential)
            await self._turns.next_end()
            now = self._time(wall)
        return None

    def _is_spent(self, candidate: Candidate, credential: str, now: float) -> bool:
        """Whether a login was refused for a purpose in the last day, or not answered in the last window."""
        for history in self._histories.relevant(candidate, now).values():
            refused, unanswered = history.failures.get(credential, ()), history.unanswered.get(credential, ())
            wait = DAY if len(unanswered) >= MAX_UNANSWERED else WINDOW
            if any(now - at < DAY for at in refused) or any(now - at < wait for at in unanswered):
                return True
        return False

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
