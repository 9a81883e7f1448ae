"""The configured logins and what became of each go in; which of them may be tried on a device now comes out.

Cameras lock accounts and reject addresses after a few failures (Hikvision after 5 to 7, for 30 minutes), and
count ONVIF, RTSP and HTTP together. So there is one budget per device over all of them, and it survives restarts: that
a login is going to be sent is on the disk before it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.inspection.logins.ledger import Ledger, recent
from twisted_detector.inspection.logins.sheet import MAX_FAILURES, WINDOW, Sheet
from twisted_detector.model import Candidate, Login
from twisted_detector.model.encoding import rfc3339
from twisted_detector.model.login_rules import Network, logins_for, within
from twisted_detector.seams import ILoginBudget

#: What was refused for one purpose is tried for it again after so many seconds.
DAY = 86_400.0
#: Under this name stands what was sent beyond the first time of one attempt.
_AGAIN = "again"


@implementer(ILoginBudget)
class LoginBudget:
    """At most one failure per device and credential, and two per device in 30 minutes, over all protocols.

    A refused credential is tried on that device again only when the credential changed (its fingerprint differs) or
    the device did. Passwords are never kept: only a salted fingerprint, so that a changed password is a new credential.

    :param logins: the configured logins; each a ``LoginRule`` or for every device.
    :param confirmed: networks that the operator named: their devices may be given a secret though no MAC was seen.
    :param salt: makes fingerprints of equal passwords differ between installations.
    :param save: is told (key, text) to keep for the next run; "" to forget; may answer with a Deferred when it is done.
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
        self._ledger = Ledger(save)

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        self._ledger.restore(saved)

    # --- asking ----------------------------------------------------------------------------------------------------

    def allowed_logins(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """See :class:`ILoginBudget`."""
        if not self._may_have_a_secret(candidate):
            return ()
        sheets = self._ledger.known(candidate, now)
        room = MAX_FAILURES - len(recent(sheets, now))
        if room <= 0 or any(sheet.locked_until > now for sheet in sheets):
            return ()
        good = {sheet.good for sheet in sheets}
        marked = [(login, self._mark(login)) for login in logins_for(self._logins, candidate)]
        open_to = [(login, mark) for login, mark in marked if not any(sheet.bars(mark, now) for sheet in sheets)]
        open_to.sort(key=lambda one: one[1] not in good)
        return tuple(login for login, _ in open_to[:room])

    def known_good(self, candidate: Candidate) -> Login | None:
        """The configured login that this device let in last, whether or not one may be tried now."""
        good = {sheet.good for sheet in self._ledger.met(candidate).values()} - {""}
        return next((login for login in logins_for(self._logins, candidate) if self._mark(login) in good), None)

    def explain_wait(self, candidate: Candidate, now: float) -> str:
        """See :class:`ILoginBudget`."""
        logins = logins_for(self._logins, candidate)
        if not logins:
            return "no login is configured for it (CAMERA_CREDENTIALS)"
        if not self._may_have_a_secret(candidate):
            return "it is given none, for its MAC is not seen from here; name its network in SCAN_NETWORKS"
        sheets = self._ledger.known(candidate, now)
        words = []
        barred = [one for one in logins if any(sheet.bars(self._mark(one), now) for sheet in sheets)]
        if barred:
            names = ", ".join(dict.fromkeys(login.name for login in barred))
            words.append(f"not tried again until it or the device changes: {names} (CAMERA_CREDENTIALS)")
        free = max((sheet.locked_until for sheet in sheets), default=0.0)
        failures = sorted(at for _, _, at in recent(sheets, now))
        if len(failures) >= MAX_FAILURES:
            free = max(free, failures[-MAX_FAILURES] + WINDOW)
        if free > now:
            words.append(f"no login is tried before {rfc3339(free)}")
        elif len(barred) < len(logins) and not self._kept():
            words.append("no login is tried while STATE_DIR cannot be written")
        return "; ".join(words)

    # --- spending --------------------------------------------------------------------------------------------------

    async def charge(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed_logins(candidate, now):
            return False
        mark = self._mark(login)
        if all(sheet.proved == mark for sheet in self._ledger.noted(candidate)):
            return True
        good = any(sheet.good == mark for sheet in self._ledger.known(candidate, now))
        await self._ledger.charge(candidate, (mark,), now)
        if not self._kept() and not good:
            # Whoever is started again and again with a full disk would have a new chance each time.
            self.refund(candidate, login)
            return False
        return True

    async def charge_again(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)
        sheets = self._ledger.known(candidate, now)
        if any(sheet.locked_until > now for sheet in sheets):
            return False
        if all(sheet.proved == mark and mark not in sheet.spent for sheet in self._ledger.noted(candidate)):
            # Let in since this program runs, and not charged the first time: right unless it was changed just now. It
            # is sent again, however little room there is: some servers close each connection after their 401.
            await self._ledger.charge(candidate, (mark, self._mark(login, _AGAIN)), now)
            return True
        if len(recent(sheets, now)) >= MAX_FAILURES:
            return False
        await self._ledger.charge(candidate, (self._mark(login, _AGAIN),), now)
        return self._kept()

    def refund(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        self._ledger.withdraw(candidate, self._mark(login))

    def record_unanswered(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)
        if any(sheet.good == mark for sheet in self._ledger.noted(candidate)):
            self._ledger.withdraw(candidate, mark, self._mark(login, _AGAIN))

    def record_doubt(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)

        def doubt(sheet: Sheet) -> bool:
            sheet.withdraw(mark)
            sheet.spend(mark, now)
            sheet.proved = ""
            return True

        self._ledger.note(candidate, doubt)

    def record_accepted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        mark, again = self._mark(login), self._mark(login, _AGAIN)
        self._ledger.note(candidate, lambda sheet: sheet.withdraw(again) | sheet.accept(mark))

    def record_refused(self, candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)
        self._ledger.note(candidate, lambda sheet: sheet.refuse(mark, now))
        if locked:
            self.record_lockout(candidate, now)
        self.log.warn(
            "{address} refused the login {name}; it is not tried there again until it changes",
            address=candidate.address,
            name=login.name,
        )

    def has_doubtful_login(self, candidate: Candidate) -> bool:
        """See :class:`ILoginBudget`."""
        return any(sheet.good in sheet.failures for sheet in self._ledger.met(candidate).values())

    def record_lockout(self, candidate: Candidate, now: float) -> None:
        """See :class:`ILoginBudget`."""
        self._ledger.note(candidate, lambda sheet: sheet.lock(now))

    # --- for one purpose -------------------------------------------------------------------------------------------

    async def charge_purpose(self, candidate: Candidate, login: Login, now: float, purpose: str) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed_logins(candidate, now):
            return False
        mark, sheets = self._mark(login, purpose), self._ledger.known(candidate, now)
        if any(
            now - at < DAY for sheet in sheets for at in (*sheet.failures.get(mark, ()), *sheet.spent.get(mark, ()))
        ):
            return False
        if all(mark in sheet.risked for sheet in self._ledger.noted(candidate)):
            return True
        if len(recent(sheets, now)) + 1 >= MAX_FAILURES or not self._kept():
            return False
        await self._ledger.charge(candidate, (mark,), now)
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
        mark = self._mark(login, purpose)
        self._ledger.withdraw(candidate, mark)
        self._ledger.note(candidate, lambda sheet: sheet.refuse(mark, now) if refused else sheet.dare(mark))
        if locked:
            self.record_lockout(candidate, now)

    def record_fingerprint(
        self, candidate: Candidate, now: float, *, firmware: str = "", door: str = "", wants_login: bool = True
    ) -> None:
        """See :class:`ILoginBudget`."""
        reference = candidate.endpoint_reference
        for name, sheet in self._ledger.met(candidate).items():
            if sheet.show(now, firmware=firmware, reference=reference, door=door, wants_login=wants_login):
                self._ledger.keep(name)

    # --- whom and which --------------------------------------------------------------------------------------------

    def _may_have_a_secret(self, candidate: Candidate) -> bool:
        """A secret goes only to what was seen at layer 2, or where the operator said that cameras are."""
        return candidate.at_layer2 or within(candidate.address, self._confirmed)

    def _mark(self, login: Login, purpose: str = "") -> str:
        text = f"{self._salt}\0{login.name}\0{login.password.reveal()}" + (f"\0{purpose}" if purpose else "")
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
