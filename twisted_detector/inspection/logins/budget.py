"""The login budget itself; the package has its rules and its theory of operation."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.inspection.logins.history import MAX_FAILURES, WINDOW, LoginHistory
from twisted_detector.inspection.logins.store import LoginHistoryStore, recent_failures
from twisted_detector.model import Candidate, Login
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.login_rules import Network, in_networks, logins_for
from twisted_detector.seams import ILoginBudget

#: What was refused for one purpose is tried for it again after so many seconds.
DAY = 86_400.0
#: Purpose under which repeated sends within one attempt are charged.
_AGAIN = "again"


@implementer(ILoginBudget)
class LoginBudget:
    """Limiter of the logins that each device is given; see :mod:`inspection.logins`.

    :param logins: the configured logins; each a ``LoginRule`` or for every device.
    :param confirmed: networks that the operator named: their devices may be given a secret though no MAC was seen.
    :param salt: makes fingerprints of equal passwords differ between installations.
    :param save: keeps (name, text) for the next run; "" to forget; may return a Deferred that fires when it is done.
    :param kept: whether what was saved is really on the disk.
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
    ) -> None:
        self._logins = tuple(logins)
        self._confirmed = tuple(confirmed)
        self._salt = salt
        self._kept = kept
        self._histories = LoginHistoryStore(save)

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        self._histories.restore(saved)

    # --- allowing --------------------------------------------------------------------------------------------------

    def allowed_logins(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """See :class:`ILoginBudget`."""
        if not self._is_trusted(candidate):
            return ()
        histories = self._histories.relevant(candidate, now)
        room = MAX_FAILURES - len(recent_failures(histories, now))
        if room <= 0 or any(history.locked_until > now for history in histories):
            return ()
        good = {history.last_accepted for history in histories}
        paired = [(login, self._credential(login)) for login in logins_for(self._logins, candidate)]
        allowed = [
            (login, credential)
            for login, credential in paired
            if not any(history.bars(credential, now) for history in histories)
        ]
        allowed.sort(key=lambda one: one[1] not in good)
        return tuple(login for login, _ in allowed[:room])

    def known_good(self, candidate: Candidate) -> Login | None:
        """The configured login that this device accepted last, whether or not one may be tried now."""
        good = {history.last_accepted for history in self._histories.histories_of(candidate).values()} - {""}
        return next((login for login in logins_for(self._logins, candidate) if self._credential(login) in good), None)

    def explain_wait(self, candidate: Candidate, now: float) -> str:
        """See :class:`ILoginBudget`."""
        logins = logins_for(self._logins, candidate)
        if not logins:
            return "no login is configured for it (CAMERA_CREDENTIALS)"
        if not self._is_trusted(candidate):
            return "it is given none, for its MAC is not seen from here; name its network in SCAN_NETWORKS"
        histories = self._histories.relevant(candidate, now)
        reasons = []
        barred = [one for one in logins if any(history.bars(self._credential(one), now) for history in histories)]
        if barred:
            names = ", ".join(dict.fromkeys(login.name for login in barred))
            reasons.append(f"not tried again until it or the device changes: {names} (CAMERA_CREDENTIALS)")
        free = max((history.locked_until for history in histories), default=0.0)
        failures = sorted(at for _, _, at in recent_failures(histories, now))
        if len(failures) >= MAX_FAILURES:
            free = max(free, failures[-MAX_FAILURES] + WINDOW)
        if free > now:
            reasons.append(f"no login is tried before {rfc3339(free)}")
        elif len(barred) < len(logins) and not self._kept():
            reasons.append("no login is tried while STATE_DIR cannot be written")
        return "; ".join(reasons)

    # --- attempts ------------------------------------------------------------------------------------------------

    async def charge(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed_logins(candidate, now):
            return False
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

    async def charge_again(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        credential = self._credential(login)
        histories = self._histories.relevant(candidate, now)
        if any(history.locked_until > now for history in histories):
            return False
        if all(
            history.accepted_this_run == credential and credential not in history.unanswered
            for history in self._histories.own(candidate)
        ):
            # Let in since this program runs, and not charged the first time: right unless it was changed just now. It
            # is sent again, however little room there is: some servers close each connection after their 401.
            await self._histories.charge(candidate, (credential, self._credential(login, _AGAIN)), now)
            return True
        if len(recent_failures(histories, now)) >= MAX_FAILURES:
            return False
        await self._histories.charge(candidate, (self._credential(login, _AGAIN),), now)
        return self._kept()

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
        credential = self._credential(login)

        def doubt(history: LoginHistory) -> bool:
            history.refund(credential)
            history.charge(credential, now)
            history.accepted_this_run = ""
            return True

        self._histories.update(candidate, doubt)

    def record_accepted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        credential, again = self._credential(login), self._credential(login, _AGAIN)
        self._histories.update(candidate, lambda history: history.refund(again) | history.record_accepted(credential))

    def record_refused(self, candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """See :class:`ILoginBudget`."""
        credential = self._credential(login)
        self._histories.update(candidate, lambda history: history.record_refused(credential, now))
        if locked:
            self.record_lockout(candidate, now)
        self.log.warn(
            "{address} refused the login {name}; it is not tried there again until it changes",
            address=candidate.address,
            name=login.name,
        )

    def has_doubtful_login(self, candidate: Candidate) -> bool:
        """See :class:`ILoginBudget`."""
        return any(
            history.last_accepted in history.failures for history in self._histories.histories_of(candidate).values()
        )

    def record_lockout(self, candidate: Candidate, now: float) -> None:
        """See :class:`ILoginBudget`."""
        self._histories.update(candidate, lambda history: history.record_lockout(now))

    # --- for one purpose -------------------------------------------------------------------------------------------

    async def charge_purpose(self, candidate: Candidate, login: Login, now: float, purpose: str) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed_logins(candidate, now):
            return False
        credential, histories = self._credential(login, purpose), self._histories.relevant(candidate, now)
        if any(
            now - at < DAY
            for history in histories
            for at in (*history.failures.get(credential, ()), *history.unanswered.get(credential, ()))
        ):
            return False
        if all(credential in history.accepted_for_purpose for history in self._histories.own(candidate)):
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
        refused: bool = False,
        locked: bool = False,
    ) -> None:
        """See :class:`ILoginBudget`."""
        credential = self._credential(login, purpose)
        self._histories.refund(candidate, credential)
        self._histories.update(
            candidate,
            lambda history: (
                history.record_refused(credential, now) if refused else history.record_accepted_for_purpose(credential)
            ),
        )
        if locked:
            self.record_lockout(candidate, now)

    def record_fingerprint(
        self, candidate: Candidate, now: float, *, firmware: str = "", service: str = "", wants_login: bool = True
    ) -> None:
        """See :class:`ILoginBudget`."""
        reference = candidate.endpoint_reference
        for name, history in self._histories.histories_of(candidate).items():
            if history.record_fingerprint(
                now, firmware=firmware, reference=reference, service=service, wants_login=wants_login
            ):
                self._histories.save(name)

    # --- devices and logins ------------------------------------------------------------------------------------------

    def _is_trusted(self, candidate: Candidate) -> bool:
        """Whether it was seen at layer 2, or is in a network that the operator named."""
        return candidate.at_layer2 or in_networks(candidate.address, self._confirmed)

    def _credential(self, login: Login, purpose: str = "") -> str:
        text = f"{self._salt}\0{login.name}\0{login.password.reveal()}" + (f"\0{purpose}" if purpose else "")
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
