"""The configured logins and what became of each go in; which of them may be tried on a device now comes out.

Cameras lock accounts and reject addresses after a few failures (Hikvision after 5 to 7, for 30 minutes), and
count ONVIF, RTSP and HTTP together. So there is one budget per device over all of them, and it survives restarts: that
a login is going to be sent is on the disk before it is sent.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.documents import rfc3339
from twisted_detector.inspection.login_rules import Network, logins_for, within
from twisted_detector.inspection.login_sheet import MAX_FAILURES, WINDOW, Failure, Sheet, load
from twisted_detector.interfaces import ILoginBudget
from twisted_detector.model import Candidate, Login

#: Devices that are remembered; the one that had a login tried longest ago goes first.
MAX_REMEMBERED = 65_536
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
        self._save = save
        self._kept = kept
        self._sheets: dict[str, Sheet] = {}
        #: Which sheet of a MAC was charged last at an address; no more than there are sheets.
        self._at: dict[str, str] = {}
        #: (name of a device, fingerprint for a purpose) that were not refused since this program runs.
        self._risked: set[tuple[str, str]] = set()

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        for key, text in saved.items():
            if not text:
                continue
            try:
                sheet = self._sheets[key] = load(text)
                if sheet.address:
                    self._at[sheet.address] = key
            except ValueError:
                self.log.warn("The saved login budget of {key} cannot be read and is forgotten", key=key)
        self._bound()

    # --- asking ----------------------------------------------------------------------------------------------------

    def allowed(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """See :class:`ILoginBudget`."""
        if not self._may_have_a_secret(candidate):
            return ()
        sheets = self._known(candidate, now)
        room = MAX_FAILURES - len(_recent(sheets, now))
        if room <= 0 or any(sheet.locked_until > now for sheet in sheets):
            return ()
        good = {sheet.good for sheet in sheets}
        marked = [(login, self._mark(login)) for login in logins_for(self._logins, candidate)]
        open_to = [(login, mark) for login, mark in marked if not any(sheet.bars(mark, now) for sheet in sheets)]
        open_to.sort(key=lambda one: one[1] not in good)
        return tuple(login for login, _ in open_to[:room])

    def known_good(self, candidate: Candidate) -> Login | None:
        """The configured login that this device let in last, whether or not one may be tried now."""
        good = {self._sheets[name].good for name in _met_as(candidate) if name in self._sheets} - {""}
        return next((login for login in logins_for(self._logins, candidate) if self._mark(login) in good), None)

    def outlook(self, candidate: Candidate, now: float) -> str:
        """See :class:`ILoginBudget`."""
        logins = logins_for(self._logins, candidate)
        if not logins:
            return "no login is configured for it (CAMERA_CREDENTIALS)"
        if not self._may_have_a_secret(candidate):
            return "it is given none, for its MAC is not seen from here; name its network in SCAN_NETWORKS"
        sheets = self._known(candidate, now)
        words = []
        barred = [one for one in logins if any(sheet.bars(self._mark(one), now) for sheet in sheets)]
        if barred:
            names = ", ".join(dict.fromkeys(login.name for login in barred))
            words.append(f"not tried again until it or the device changes: {names} (CAMERA_CREDENTIALS)")
        free = max((sheet.locked_until for sheet in sheets), default=0.0)
        recent = sorted(at for _, _, at in _recent(sheets, now))
        if len(recent) >= MAX_FAILURES:
            free = max(free, recent[-MAX_FAILURES] + WINDOW)
        if free > now:
            words.append(f"no login is tried before {rfc3339(free)}")
        elif len(barred) < len(logins) and not self._kept():
            words.append("no login is tried while STATE_DIR cannot be written")
        return "; ".join(words)

    # --- spending --------------------------------------------------------------------------------------------------

    async def spend(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed(candidate, now):
            return False
        mark, names = self._mark(login), _noted_as(candidate)
        if all(self._sheet(name).proved == mark for name in names):
            return True
        good = any(sheet.good == mark for sheet in self._known(candidate, now))
        await self._charge(candidate, names, (mark,), now)
        if not self._kept() and not good:
            # Whoever is started again and again with a full disk would have a new chance each time.
            self.unspent(candidate, login)
            return False
        return True

    async def again(self, candidate: Candidate, login: Login, now: float) -> bool:
        """See :class:`ILoginBudget`."""
        mark, names = self._mark(login), _noted_as(candidate)
        sheets = self._known(candidate, now)
        if any(sheet.locked_until > now for sheet in sheets):
            return False
        if all(sheet.proved == mark and mark not in sheet.spent for sheet in map(self._sheet, names)):
            # Let in since this program runs, and not charged the first time: right unless it was changed just now. It
            # is sent again, however little room there is: some servers close each connection after their 401.
            await self._charge(candidate, names, (mark, self._mark(login, _AGAIN)), now)
            return True
        if len(_recent(sheets, now)) >= MAX_FAILURES:
            return False
        await self._charge(candidate, names, (self._mark(login, _AGAIN),), now)
        return self._kept()

    def unspent(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        self._withdraw(_noted_as(candidate), self._mark(login))

    def unanswered(self, candidate: Candidate, login: Login) -> None:
        """See :class:`ILoginBudget`."""
        mark, names = self._mark(login), _noted_as(candidate)
        if any(self._sheet(name).good == mark for name in names):
            self._withdraw(names, mark, self._mark(login, _AGAIN))

    def doubted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)
        for name in _noted_as(candidate):
            sheet = self._sheet(name)
            sheet.withdraw(mark)
            sheet.spend(mark, now)
            sheet.proved = ""
            self._keep(name)

    def accepted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        mark, again = self._mark(login), self._mark(login, _AGAIN)
        for name in _noted_as(candidate):
            sheet = self._sheet(name)
            repeated = sheet.withdraw(again)
            if sheet.accept(mark) or repeated:
                self._keep(name)

    def refused(self, candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """See :class:`ILoginBudget`."""
        for name in _noted_as(candidate):
            self._sheet(name).refuse(self._mark(login), now)
            self._keep(name)
        if locked:
            self.locked(candidate, now)
        self.log.warn(
            "{address} refused the login {name}; it is not tried there again until it changes",
            address=candidate.address,
            name=login.name,
        )

    def doubtful(self, candidate: Candidate) -> bool:
        """See :class:`ILoginBudget`."""
        sheets = [self._sheets[name] for name in _met_as(candidate) if name in self._sheets]
        return any(sheet.good in sheet.failures for sheet in sheets)

    def locked(self, candidate: Candidate, now: float) -> None:
        """See :class:`ILoginBudget`."""
        for name in _noted_as(candidate):
            self._sheet(name).locked_until = now + WINDOW
            self._keep(name)

    # --- for one purpose -------------------------------------------------------------------------------------------

    async def risk(self, candidate: Candidate, login: Login, now: float, purpose: str) -> bool:
        """See :class:`ILoginBudget`."""
        if login not in self.allowed(candidate, now):
            return False
        mark, sheets, names = self._mark(login, purpose), self._known(candidate, now), _noted_as(candidate)
        if any(
            now - at < DAY for sheet in sheets for at in (*sheet.failures.get(mark, ()), *sheet.spent.get(mark, ()))
        ):
            return False
        if all((name, mark) in self._risked for name in names):
            return True
        if len(_recent(sheets, now)) + 1 >= MAX_FAILURES or not self._kept():
            return False
        await self._charge(candidate, names, (mark,), now)
        return True

    def risked(
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
        mark, names = self._mark(login, purpose), _noted_as(candidate)
        self._withdraw(names, mark)
        for name in names:
            if refused:
                self._risked.discard((name, mark))
                self._sheet(name).refuse(mark, now)
                self._keep(name)
            else:
                if len(self._risked) >= MAX_REMEMBERED:
                    self._risked.clear()  # what it costs is one write more for each
                self._risked.add((name, mark))
        if locked:
            self.locked(candidate, now)

    def showed(
        self, candidate: Candidate, now: float, *, firmware: str = "", door: str = "", wants_login: bool = True
    ) -> None:
        """See :class:`ILoginBudget`."""
        reference = candidate.endpoint_reference
        for name in _met_as(candidate):
            sheet = self._sheets.get(name)
            if sheet and sheet.show(now, firmware=firmware, reference=reference, door=door, wants_login=wants_login):
                self._keep(name)

    # --- the sheets ------------------------------------------------------------------------------------------------

    async def _charge(self, candidate: Candidate, names: Sequence[str], marks: Sequence[str], now: float) -> None:
        """Note these as about to be sent; ends when that is on the disk."""
        for name in names:
            sheet = self._sheet(name)
            for mark in marks:
                sheet.spend(mark, now)
            if candidate.mac is not None:
                self._stand(name, sheet, candidate.address)
        try:
            for write in [saved for name in names if isinstance(saved := self._keep(name), Deferred)]:
                await write
        except CancelledError:
            self._withdraw(names, *marks)
            raise

    def _withdraw(self, names: Iterable[str], *marks: str) -> None:
        for name in names:
            sheet = self._sheet(name)
            if sum(map(sheet.withdraw, marks)):  # each of them, so not any()
                self._keep(name)

    def _stand(self, name: str, sheet: Sheet, address: str) -> None:
        """The device whose MAC is in ``name`` was given a login at ``address``."""
        if self._at.get(sheet.address) == name:
            del self._at[sheet.address]
        sheet.address = address
        self._at[address] = name

    def _known(self, candidate: Candidate, now: float) -> list[Sheet]:
        names = _met_as(candidate)
        if candidate.mac is None and candidate.address in self._at:
            # Its MAC is not seen (yet): it may be the one that was given logins there.
            names = (*names, self._at[candidate.address])
        sheets = [self._sheets[name] for name in names if name in self._sheets]
        for sheet in sheets:
            sheet.hold_clock(now)
        return sheets

    def _sheet(self, name: str) -> Sheet:
        """The sheet of this name, the youngest from now on."""
        sheet = self._sheets.pop(name) if name in self._sheets else Sheet()
        self._sheets[name] = sheet
        self._bound()
        return sheet

    def _bound(self) -> None:
        while len(self._sheets) > MAX_REMEMBERED:
            name = next(iter(self._sheets))
            sheet = self._sheets.pop(name)
            if self._at.get(sheet.address) == name:
                del self._at[sheet.address]
            self._save(name, "")

    def _may_have_a_secret(self, candidate: Candidate) -> bool:
        """A secret goes only to what was seen at layer 2, or where the operator said that cameras are."""
        return candidate.at_layer2 or within(candidate.address, self._confirmed)

    def _mark(self, login: Login, purpose: str = "") -> str:
        text = f"{self._salt}\0{login.name}\0{login.password.reveal()}" + (f"\0{purpose}" if purpose else "")
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def _keep(self, name: str) -> object:
        return self._save(name, self._sheets[name].dump())


def _recent(sheets: Iterable[Sheet], now: float) -> set[Failure]:
    """What counts now; one failure is noted under every name of the device, and counts once."""
    return {failure for sheet in sheets for failure in sheet.recent(now)}


def _noted_as(candidate: Candidate) -> tuple[str, ...]:
    """The names under which what this device does is noted.

    Where the MAC is known it is the only one: the next device at the address starts with a clean sheet, and one that
    lies about its EndpointReference spends its own budget, not that of the device whose it is.
    """
    if candidate.mac is not None:
        return (f"mac {candidate.mac.compact}",)
    at = (f"at {candidate.address}",)
    return (*at, f"epr {candidate.endpoint_reference}") if candidate.endpoint_reference else at


def _met_as(candidate: Candidate) -> tuple[str, ...]:
    """Every name under which this device may have been met, before its MAC was known too."""
    return tuple(dict.fromkeys((*_noted_as(candidate), *_noted_as(replace(candidate, mac=None)))))
