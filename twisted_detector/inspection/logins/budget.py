"""The login budget itself; the package has its rules and its theory of operation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import partial

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.inspection.logins.fingerprints import WORK, Fingerprints, is_old
from twisted_detector.inspection.logins.history import MAX_FAILURES, MAX_UNANSWERED, WINDOW, LoginHistory
from twisted_detector.inspection.logins.realms import looks_unique, names_unit, normalise
from twisted_detector.inspection.logins.store import LoginHistoryStore, recent_failures
from twisted_detector.inspection.logins.window_clock import WindowClock
from twisted_detector.model import Adoption, Candidate, Login
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.login_rules import Network, in_networks, logins_for, names_device
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

    :param logins: the configured logins; each a ``LoginRule`` or for every device.
    :param confirmed: networks that the operator named: their devices may be given a secret though no MAC was seen.
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
        logins: Sequence[Login],
        *,
        confirmed: Iterable[Network] = (),
        salt: str,
        save: Callable[[str, str], object],
        kept: Callable[[], bool] = lambda: True,
        uptime: Callable[[], float] | None = None,
        boot: str = "",
        work: int = WORK,
    ) -> None:
        self._logins = tuple(logins)
        self._confirmed = tuple(confirmed)
        self.fingerprints = Fingerprints(salt, work=work)
        self._save = save
        self._kept = kept
        self._clock = WindowClock(uptime, boot)
        self._histories = LoginHistoryStore(save)

    async def prepare(self, run: Callable[[Callable[[], object]], Awaitable[object]]) -> None:
        """Make the fingerprints of all logins, each by ``run``, which takes the time for it to another thread."""
        for login in self._logins:
            await run(partial(self.fingerprints.of, login))

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        self._clock.restore(saved.get(_CLOCK, ""))
        self._histories.restore({name: text for name, text in saved.items() if name != _CLOCK})
        self._replace_old_fingerprints()

    def _replace_old_fingerprints(self) -> None:
        """Replace fingerprints made before scrypt.

        Those of logins that are not configured any more get a name from which nothing can be guessed: they count on.
        """
        old = {credential for credential in self._histories.credentials() if is_old(credential)}
        if not old:
            return
        names = {credential: f"gone {number}" for number, credential in enumerate(sorted(old))}
        for login in self._logins:
            for purpose in _OLD_PURPOSES:
                names[self.fingerprints.old(login, purpose)] = self.fingerprints.of(login, purpose)
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
        logins = self._logins_for(candidate)
        if not logins:
            return ()
        now = self._time(now)
        histories = self._histories.relevant(candidate, now)
        room = MAX_FAILURES - len(recent_failures(histories, now))
        if room <= 0 or any(history.locked_until > now for history in histories):
            return ()
        good = {history.last_accepted for history in histories}
        paired = [(login, self._credential(login)) for login in logins]
        allowed = [
            (login, credential)
            for login, credential in paired
            if not any(history.bars(credential, now) for history in histories)
        ]
        refused = {one for history in histories for one in history.failures if one not in history.forgiven}
        right = {one for history in histories for one in history.ever_accepted}
        allowed.sort(key=lambda one: (one[1] not in good, one[1] in refused, one[1] not in right))
        return tuple(login for login, _ in allowed[:room])

    def known_good(self, candidate: Candidate) -> Login | None:
        """The configured login that this device accepted last, whether or not one may be tried now.

        None for a device that may be given none (any more): whoever is told of it sends it to whoever asks.
        """
        good = {history.last_accepted for history in self._histories.histories_of(candidate).values()} - {""}
        return next((login for login in self._logins_for(candidate) if self._credential(login) in good), None)

    def ever_accepted(self, candidate: Candidate) -> bool:
        """Whether this device ever accepted a login, even one that is not configured any more."""
        return any(history.ever_accepted for history in self._histories.histories_of(candidate).values())

    def explain_wait(self, candidate: Candidate, now: float) -> str:
        """See :class:`ILoginBudget`."""
        logins = logins_for(self._logins, candidate)
        if not logins:
            return "no login is set for this camera (CAMERA_CREDENTIALS)"
        if candidate.adoption is Adoption.BLOCKED:
            return "it is blocked"
        withheld = [login for login in logins if login not in self._logins_for(candidate)]
        if withheld and not candidate.adoption.is_adopted:
            return candidate.not_adopted or "new since the first run: adopt it"
        if withheld:
            return "it is given none, for its MAC is not seen from here; name its network in SCAN_NETWORKS"
        wall, now = now, self._time(now)
        histories = self._histories.relevant(candidate, now)
        reasons = []
        barred = [one for one in logins if any(history.bars(self._credential(one), now) for history in histories)]
        if barred:
            names = ", ".join(dict.fromkeys(login.name for login in barred))
            reasons.append(f"{NOT_RETRIED}: {names} (CAMERA_CREDENTIALS)")
            right = {credential for history in histories for credential in history.ever_accepted}
            if any(self._credential(login) in right for login in barred):
                reasons.append("one that was right once is tried once a day, and at once by `camdetect login retry`")
        free = max((history.locked_until for history in histories), default=0.0)
        failures = sorted(at for _, _, at in recent_failures(histories, now))
        if len(failures) >= MAX_FAILURES:
            free = max(free, failures[-MAX_FAILURES] + WINDOW)
        if free > now:
            reasons.append(f"no login is tried before {rfc3339(self._clock.wall(free, wall))}")
        elif len(barred) < len(logins) and not self._kept():
            reasons.append("no login is tried while STATE_DIR cannot be written")
        return "; ".join(reasons)

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
            for login in self._logins_for(candidate)
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

    # --- devices and logins ------------------------------------------------------------------------------------------

    def _logins_for(self, candidate: Candidate) -> tuple[Login, ...]:
        """The logins that this device may be given at all (rules 7 and 8); none for one that is blocked."""
        if candidate.adoption is Adoption.BLOCKED:
            return ()
        if not (candidate.at_layer2 or in_networks(candidate.address, self._confirmed)):
            # Only a person's word about this very device counts where its MAC is not seen.
            return logins_for(self._logins, candidate) if candidate.adoption is Adoption.PERSON else ()
        if candidate.adoption.is_adopted:
            return logins_for(self._logins, candidate)
        return logins_for(filter(names_device, self._logins), candidate)

    def _credential(self, login: Login, purpose: str = "") -> str:
        return self.fingerprints.of(login, purpose)


def _nothing() -> None:
    """End of an attempt that was charged: its outcome is recorded otherwise."""
