"""Policy of which logins a device may be given at all (rules 7 and 8 of the package), and why it may not."""

from __future__ import annotations

from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.model import Adoption, Candidate, Login
from twisted_detector.model.login_rules import in_networks, names_device
from twisted_detector.model.reach import NetworksNow
from twisted_detector.model.reasons import NO_LOGIN


class DueLogins:
    """Chooser among the logins, for one device at a time.

    :param confirmed: networks that the operator named: their devices may be given a secret though no MAC was seen.
    """

    def __init__(self, logins: ConfiguredLogins, confirmed: NetworksNow) -> None:
        self._logins = logins
        self._confirmed = confirmed

    def of(self, candidate: Candidate) -> tuple[Login, ...]:
        """The logins that this device may be given; none for one that is blocked, or not where it is expected."""
        if candidate.adoption is Adoption.BLOCKED or self._logins.unexpected_at(candidate) is not None:
            return ()
        if not (candidate.at_layer2 or in_networks(candidate.address, self._confirmed())):
            # Only a person's word about this very device counts where its MAC is not seen.
            return self._logins.of(candidate) if candidate.adoption is Adoption.PERSON else ()
        if candidate.adoption.is_adopted:
            return self._logins.of(candidate)
        return self._logins.of(candidate, names_device)

    def explain(self, candidate: Candidate) -> str:
        """For people: why this device is given no login, or not all that are for it, and what to do; "" when it is."""
        logins, typed = self._logins.of(candidate), self._logins.typed_for(candidate)
        if not logins and not typed:
            return f"{NO_LOGIN} (camdetect login, CAMERA_CREDENTIALS)"
        if candidate.adoption is Adoption.BLOCKED:
            return "it is blocked"
        if (network := self._logins.unexpected_at(candidate)) is not None:
            return (
                f"it is at {candidate.address}, outside the network that you expect it on ({network}): no login is"
                " given"
            )
        due = self.of(candidate)
        withheld = [login for login in (*logins, *typed) if login not in due]
        if withheld and not candidate.adoption.is_adopted:
            return candidate.not_adopted or "new since the first run: adopt it"
        if typed and not candidate.is_bound:
            return (
                "the login that you gave it alone waits: it is not, or no longer, the device that you adopted; adopt it"
            )
        if withheld:
            return "it is given none, for its MAC is not seen from here; name its network in SCAN_NETWORKS"
        return ""
