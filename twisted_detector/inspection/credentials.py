"""The configured logins and what became of each go in; which of them may be tried on a device now comes out.

Cameras lock accounts and reject addresses after a few failures (Hikvision after 5 to 7, for 30 minutes), and
count ONVIF, RTSP and HTTP together. So there is one budget per device over all of them, and it survives restarts.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.interfaces import ILoginBudget
from twisted_detector.model import Candidate, Login, parse_address

#: At most so many refusals of one device …
MAX_FAILURES = 2
#: … within so many seconds (the vendors' usual lock time).
WINDOW = 1800.0
DAY = 86_400.0
#: Devices that are remembered; the one that had a login tried longest ago goes first.
MAX_REMEMBERED = 65_536
#: Refused credentials that are remembered of one device: with two in 30 minutes, those of half a day of changing them.
MAX_MARKS = 48

Network = IPv4Network | IPv6Network


@dataclass
class _Sheet:
    """What became of credentials under one name of a device: stamps in wall seconds, by fingerprint."""

    failures: dict[str, float] = field(default_factory=dict)
    locked_until: float = 0.0
    good: str = ""

    def hold_clock(self, now: float) -> None:
        """A stamp from the future is a clock that was wrong then, or is now: it counts from now on, not for years."""
        self.locked_until = min(self.locked_until, now + WINDOW)
        for mark, at in self.failures.items():
            self.failures[mark] = min(at, now)

    def bars(self, mark: str, now: float) -> bool:
        """Whether a credential may not be tried: it was refused, and nothing is known to have changed since.

        One that had been let in before is tried once more when the window is over: full connection tables answer like
        a wrong password (Dahua), and a device that took it once has changed. Refused again, it is barred.
        """
        at = self.failures.get(mark)
        return at is not None and not (mark == self.good and now - at >= WINDOW)


@implementer(ILoginBudget)
class LoginBudget:
    """At most one failure per device and credential, and two per device in 30 minutes, over all protocols.

    A refused credential is tried on that device again only when the credential changed (its fingerprint differs).
    Passwords are never kept: only a salted fingerprint, so that a changed password counts as a new credential.

    :param logins: the configured logins, best first.
    :param confirmed: networks that the operator named: their devices may be given a secret though no MAC was seen.
    :param salt: makes fingerprints of equal passwords differ between installations.
    :param save: is told (key, text) to keep for the next run.
    """

    log = make_logger()

    def __init__(
        self,
        logins: Sequence[Login],
        *,
        confirmed: Iterable[Network] = (),
        salt: str,
        save: Callable[[str, str], object],
    ) -> None:
        self._logins = tuple(logins)
        self._confirmed = tuple(confirmed)
        self._salt = salt
        self._save = save
        self._sheets: dict[str, _Sheet] = {}

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        for key, text in saved.items():
            try:
                entry = json.loads(text)
                failures = {str(mark): _stamp(at) for mark, at in entry.get("failures", {}).items()}
                sheet = _Sheet(failures, _stamp(entry.get("locked_until", 0.0)), str(entry.get("good", "")))
            except (ValueError, AttributeError, TypeError, RecursionError):
                self.log.warn("The saved login budget of {key} cannot be read and is forgotten", key=key)
                continue
            self._sheets[key] = sheet
            self._bound(sheet)

    def allowed(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """See :class:`ILoginBudget`."""
        if not self._may_have_a_secret(candidate):
            return ()
        sheets = [self._sheets[name] for name in _met_as(candidate) if name in self._sheets]
        for sheet in sheets:
            sheet.hold_clock(now)
        if any(sheet.locked_until > now for sheet in sheets):
            return ()
        # One refusal is noted under every name of the device: it counts once.
        recent = {(mark, at) for sheet in sheets for mark, at in sheet.failures.items() if now - at < WINDOW}
        room = MAX_FAILURES - len(recent)
        if room <= 0:
            return ()
        good = {sheet.good for sheet in sheets}
        marked = [(login, self._mark(login)) for login in self._logins]
        open_to = [(login, mark) for login, mark in marked if not any(sheet.bars(mark, now) for sheet in sheets)]
        open_to.sort(key=lambda one: one[1] not in good)
        return tuple(login for login, _ in open_to[:room])

    def accepted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)
        for name in _noted_as(candidate):
            sheet = self._sheet(name)
            if sheet.good == mark and mark not in sheet.failures:
                continue
            # The device counts from zero after a success; so do we for this credential.
            sheet.good = mark
            sheet.failures.pop(mark, None)
            self._keep(name, sheet)

    def may_be_risked(self, candidate: Candidate, login: Login, now: float, purpose: str) -> bool:
        """See :class:`ILoginBudget`. What was refused for a purpose may be tried for it once a day."""
        if login not in self.allowed(candidate, now):
            return False
        mark = self._mark(login, purpose)
        sheets = [self._sheets[name] for name in _met_as(candidate) if name in self._sheets]
        if any(now - sheet.failures.get(mark, -DAY) < DAY for sheet in sheets):
            return False
        recent = {(one, at) for sheet in sheets for one, at in sheet.failures.items() if now - at < WINDOW}
        return len(recent) + 1 < MAX_FAILURES

    def refused(self, candidate: Candidate, login: Login, now: float, locked: bool, purpose: str = "") -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login, purpose)
        for name in _noted_as(candidate):
            sheet = self._sheet(name)
            if mark == sheet.good and mark in sheet.failures:
                sheet.good = ""
            # Put at the end: the oldest go first when there are too many.
            sheet.failures.pop(mark, None)
            sheet.failures[mark] = now
            if locked:
                sheet.locked_until = now + WINDOW
            self._keep(name, sheet)
        self.log.warn(
            "{address} refused the login {name}; it is not tried there again until it changes",
            address=candidate.address,
            name=login.name,
        )

    def _sheet(self, name: str) -> _Sheet:
        """The sheet of this name, the youngest from now on."""
        sheet = self._sheets.pop(name) if name in self._sheets else _Sheet()
        self._sheets[name] = sheet
        self._bound(sheet)
        return sheet

    def _bound(self, sheet: _Sheet) -> None:
        while len(self._sheets) > MAX_REMEMBERED:
            del self._sheets[next(iter(self._sheets))]
        while len(sheet.failures) > MAX_MARKS:
            del sheet.failures[next(iter(sheet.failures))]

    def _may_have_a_secret(self, candidate: Candidate) -> bool:
        """A secret goes only to what was seen at layer 2, or where the operator said that cameras are."""
        if candidate.at_layer2:
            return True
        address = parse_address(candidate.address)
        return any(address.version == network.version and address in network for network in self._confirmed)

    def _mark(self, login: Login, purpose: str = "") -> str:
        text = f"{self._salt}\0{login.name}\0{login.password.reveal()}" + (f"\0{purpose}" if purpose else "")
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def _keep(self, name: str, sheet: _Sheet) -> None:
        self._bound(sheet)
        entry = {"failures": sheet.failures, "locked_until": sheet.locked_until, "good": sheet.good}
        # In the order of their time, not of their names: the oldest go first after a restart too.
        self._save(name, json.dumps(entry))


def _stamp(value: object) -> float:
    """A stamp as it was saved.

    :raises ValueError: when it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a stamp")
    return float(value)


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
