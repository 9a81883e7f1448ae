"""The configured logins and what became of each go in; which of them may be tried on a device now comes out.

Cameras lock accounts and reject addresses after a few failures (Hikvision after 5 to 7, for 30 minutes), and
count ONVIF, RTSP and HTTP together. So there is one budget per device over all of them, and it survives restarts.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Network, IPv6Network

from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.interfaces import ILoginBudget
from twisted_detector.model import Candidate, Login, parse_address

#: At most so many refusals of one device …
MAX_FAILURES = 2
#: … within so many seconds (the vendors' usual lock time).
WINDOW = 1800.0
#: Devices that are remembered; the oldest entry goes first.
MAX_REMEMBERED = 65_536

Network = IPv4Network | IPv6Network


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
        self._failures: dict[str, dict[str, float]] = {}
        self._locked_until: dict[str, float] = {}
        self._last_good: dict[str, str] = {}

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        for key, text in saved.items():
            try:
                entry = json.loads(text)
                failures = {str(mark): float(at) for mark, at in entry.get("failures", {}).items()}
                locked, good = float(entry.get("locked_until", 0.0)), str(entry.get("good", ""))
            except (ValueError, AttributeError, TypeError):
                self.log.warn("The saved login budget of {key} cannot be read and is forgotten", key=key)
                continue
            self._failures[key] = failures
            if locked:
                self._locked_until[key] = locked
            if good:
                self._last_good[key] = good

    def allowed(self, candidate: Candidate, now: float) -> Sequence[Login]:
        """See :class:`ILoginBudget`."""
        if not self._may_have_a_secret(candidate):
            return ()
        keys = _keys(candidate)
        if any(self._locked_until.get(key, 0.0) > now for key in keys):
            return ()
        failures: dict[str, float] = {}
        for key in keys:
            failures.update(self._failures.get(key, {}))
        # A stamp from the future is a clock that jumped back: it still counts.
        recent = sum(1 for at in failures.values() if now - at < WINDOW)
        room = MAX_FAILURES - recent
        if room <= 0:
            return ()
        fresh = [login for login in self._logins if self._mark(login) not in failures]
        good = {self._last_good.get(key) for key in keys}
        fresh.sort(key=lambda login: self._mark(login) not in good)
        return tuple(fresh[:room])

    def accepted(self, candidate: Candidate, login: Login, now: float) -> None:
        """See :class:`ILoginBudget`."""
        mark = self._mark(login)
        for key in _keys(candidate):
            # The device counts from zero after a success; so do we for this credential.
            if self._last_good.get(key) == mark and mark not in self._failures.get(key, {}):
                continue
            self._last_good[key] = mark
            self._failures.get(key, {}).pop(mark, None)
            self._keep(key)

    def refused(self, candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """See :class:`ILoginBudget`."""
        for key in _keys(candidate):
            self._failures.setdefault(key, {})[self._mark(login)] = now
            if locked:
                self._locked_until[key] = now + WINDOW
            self._keep(key)
        self.log.warn(
            "{address} refused the login {name}; it is not tried there again until it changes",
            address=candidate.address,
            name=login.name,
        )

    def _may_have_a_secret(self, candidate: Candidate) -> bool:
        """A secret goes only to what was seen at layer 2, or where the operator said that cameras are."""
        if candidate.at_layer2:
            return True
        address = parse_address(candidate.address)
        return any(address.version == network.version and address in network for network in self._confirmed)

    def _mark(self, login: Login) -> str:
        text = f"{self._salt}\0{login.name}\0{login.password.reveal()}"
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()

    def _keep(self, key: str) -> None:
        while len(self._failures) > MAX_REMEMBERED:
            self._failures.pop(next(iter(self._failures)))
        entry = {
            "failures": self._failures.get(key, {}),
            "locked_until": self._locked_until.get(key, 0.0),
            "good": self._last_good.get(key, ""),
        }
        self._save(key, json.dumps(entry, sort_keys=True))


def _keys(candidate: Candidate) -> tuple[str, ...]:
    """Every name under which this device may be met: a failure counts for all of them."""
    names = [f"at {candidate.address}"]
    if candidate.mac is not None:
        # Where the MAC is known the address is no part of the device: the next one at it starts with a clean sheet.
        names = [f"mac {candidate.mac.compact}"]
    if candidate.endpoint_reference:
        names.append(f"epr {candidate.endpoint_reference}")
    return tuple(names)
