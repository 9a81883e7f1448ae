"""Record of what became of logins on one device: which of them may be tried again, and when.

Logins are known by salted fingerprints (``credential``). All stamps are seconds of the budget's clock
(:mod:`inspection.logins.window_clock`). Pure: the store has them saved.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from twisted_detector.model.bounds import BoundedDict

#: At most so many refusals of one device …
MAX_FAILURES = 2
#: … within so many seconds (the vendors' usual lock time).
WINDOW = 1800.0
#: Refused credentials that are remembered of one device: with two in 30 minutes, those of half a day of changing them.
MAX_CREDENTIALS = 48
#: A login that was sent so often without an answer, and never let in, counts as refused. The first time it may have
#: been the network, or the end of this program; the second time it is the device's way to refuse.
MAX_UNANSWERED = 2
#: A change of the device gives its refused logins another chance, at most once in so many seconds: one that shows a new
#: firmware at every inspection gets no more attempts than that.
FORGIVE_EVERY = 86_400.0
#: One that was ever accepted, and refused twice since, is tried again after so many seconds: a full table of
#: connections answers like a wrong password, and a right login must not be lost for ever by that.
RETRY_EVERY = 86_400.0
#: Logins of which it is remembered that they were accepted once: more than a device has users that are configured here.
MAX_EVER_ACCEPTED = 8
#: Realms of one device under which a login was accepted: those of ONVIF, RTSP and pictures, and of a firmware before.
MAX_REALMS = 6
#: A realm that looks like that of one unit belongs to the device after so many seconds without another that has it.
REALM_SETTLES = 86_400.0
#: Characters of a device's own texts that are kept to see whether it changed.
MAX_TEXT = 100

#: One failure: its kind and number, of which credential, when. The same under every name of the device.
Failure = tuple[str, str, float]
#: When something happened to each credential; the oldest credentials are forgotten first.
Stamps = BoundedDict[str, list[float]]

#: Field of :class:`LoginHistory` → its key on disk, where the names are older.
_KEYS = {
    "failures": "failures",
    "unanswered": "spent",
    "forgiven": "lifted",
    "locked_until": "locked_until",
    "last_accepted": "good",
    "firmware": "firmware",
    "reference": "reference",
    "login_required_by": "closed",
    "forgiven_at": "lifted_at",
    "address": "address",
    "took_digest": "digest",
    "still_counted": "counted",
    "ever_accepted": "ever",
    "realms": "realms",
}


def _no_stamps() -> Stamps:
    return BoundedDict(MAX_CREDENTIALS)


@dataclass
class LoginHistory:
    """What became of credentials under one name of a device.

    :ivar failures: when each was refused, the last few times: one may be tried again after a change of the device.
    :ivar unanswered: when each was sent, where the outcome is not known: counts as a failure until it is.
    :ivar forgiven: those of both that may be tried again, because the device changed since.
    :ivar locked_until: the device said that it locks.
    :ivar last_accepted: the credential that was accepted last, or "".
    :ivar firmware, reference: what the device said of itself when a login was recorded last; "" when it did not.
    :ivar login_required_by: the services of the device (inspectors, streams) that wanted a login.
    :ivar forgiven_at: when it had changed last.
    :ivar address: where a device that is known by its MAC was given a login last, "" for others.
    :ivar took_digest: it took a login by Digest once: one that asks for a password in clear since is not to have it.
    :ivar still_counted: failures that bar no credential, for it was accepted before or since; they count like any
        other.
    :ivar ever_accepted: credentials that were accepted once, the latest last.
    :ivar realms: realm under which a login was accepted → since when; 0.0 when it is certain to be this unit's alone.
    :ivar accepted_this_run: the credential that was accepted since this program runs; not saved.
    :ivar accepted_for_purpose: sent for another purpose since then, and not refused; not saved.
    :ivar open_to: for what purpose, with which credential, the device wanted no login the last time; not saved.
    """

    failures: Stamps = field(default_factory=_no_stamps)
    unanswered: Stamps = field(default_factory=_no_stamps)
    forgiven: set[str] = field(default_factory=set)
    locked_until: float = 0.0
    last_accepted: str = ""
    firmware: str = ""
    reference: str = ""
    login_required_by: set[str] = field(default_factory=set)
    forgiven_at: float = 0.0
    address: str = ""
    took_digest: bool = False
    still_counted: list[float] = field(default_factory=list)
    ever_accepted: list[str] = field(default_factory=list)
    realms: BoundedDict[str, float] = field(default_factory=lambda: BoundedDict(MAX_REALMS))
    accepted_this_run: str = ""
    accepted_for_purpose: set[str] = field(default_factory=set)
    open_to: set[str] = field(default_factory=set)

    # --- judging ---------------------------------------------------------------------------------------------------

    def clamp_stamps(self, now: float) -> None:
        """Clamp stamps in the future to ``now``: a clock that was wrong must not bar a login for years."""
        self.locked_until = min(self.locked_until, now + WINDOW)
        for stamps in (*self.failures.values(), *self.unanswered.values(), self.still_counted):
            stamps[:] = [min(at, now) for at in stamps]

    def bars(self, credential: str, now: float, *, under_way_since: float = math.inf) -> bool:
        """Whether a credential may not be tried: it was refused, and nothing is known to have changed since.

        One that had been accepted before is tried once more when the window is over: full connection tables answer like
        a wrong password (Dahua), and a device that took it once has changed. Refused again, it is tried once a day. One
        whose answer was never seen is tried once more when the window is over.

        :param under_way_since: what was sent since then may still be answered, and bars nothing.
        """
        if credential in self.forgiven:
            return False
        once = RETRY_EVERY if credential in self.ever_accepted else math.inf
        refused = self.failures.get(credential)
        if refused and now - refused[-1] < (WINDOW if credential == self.last_accepted else once):
            return True
        stamps = [at for at in self.unanswered.get(credential, ()) if at < under_way_since]
        if not stamps or credential == self.last_accepted:
            return False
        return now - stamps[-1] < (once if len(stamps) >= MAX_UNANSWERED else WINDOW)

    def recent_failures(self, now: float) -> set[Failure]:
        """What counts as a failure in the window that ends now."""
        both = (("refused", self.failures), ("spent", self.unanswered))
        return {
            # A clock that was set back makes stamps equal (see clamp_stamps), and they count for two all the same.
            (f"{kind} {stamps[:place].count(at)}", credential, at)
            for kind, records in both
            for credential, stamps in records.items()
            for place, at in enumerate(stamps)
            if now - at < WINDOW
        } | {
            (f"counted {self.still_counted[:place].count(at)}", "", at)
            for place, at in enumerate(self.still_counted)
            if now - at < WINDOW
        }

    # --- recording -------------------------------------------------------------------------------------------------

    def charge(self, credential: str, now: float) -> None:
        """Record that a credential is about to be sent."""
        self.unanswered[credential] = [*self.unanswered.pop(credential, []), now][-MAX_UNANSWERED:]
        self.forgiven.discard(credential)

    def refund(self, credential: str) -> bool:
        """Take the last charge back; whether there was one."""
        stamps = self.unanswered.get(credential)
        if not stamps:
            return False
        stamps.pop()
        if not stamps:
            del self.unanswered[credential]
        return True

    def record_accepted(self, credential: str) -> bool:
        """Record an acceptance; whether it has to be saved.

        The credential is not barred any more, and was right whenever it was not answered. A refusal counts on until its
        window is over: there are devices that do not count from zero after a success.
        """
        self.accepted_this_run = credential
        if self.last_accepted == credential and credential not in self.failures and credential not in self.unanswered:
            return False
        self.last_accepted = credential
        self.unanswered.pop(credential, None)
        self._count_on(self.failures.pop(credential, []))
        if credential not in self.ever_accepted:
            self.ever_accepted = [*self.ever_accepted, credential][-MAX_EVER_ACCEPTED:]
        self.forgiven.discard(credential)
        return True

    def record_refused(self, credential: str, now: float) -> bool:
        """Record a refusal; it has always to be saved."""
        if credential == self.last_accepted and credential in self.failures:
            self.last_accepted = ""
        self.refund(credential)
        if credential == self.accepted_this_run:
            self.accepted_this_run = ""
        self.forgiven.discard(credential)
        self.failures[credential] = [*self.failures.pop(credential, []), now][-MAX_FAILURES:]
        self.forgiven &= {*self.failures, *self.unanswered}
        self.accepted_for_purpose.discard(credential)
        return True

    def record_doubt(self, credential: str, now: float) -> bool:
        """Record that the device still wants a login after it had been sent this one; it has always to be saved.

        It counts as a failure. One that had been accepted is not barred by it: it may be about rights.
        """
        self.accepted_this_run = ""
        self.refund(credential)
        if credential == self.last_accepted:
            self._count_on([now])
        else:
            self.charge(credential, now)
        return True

    def _count_on(self, stamps: list[float]) -> None:
        self.still_counted = sorted([*self.still_counted, *stamps])[-MAX_FAILURES:]

    def record_lockout(self, now: float) -> bool:
        """Record that the device says it locks; it has always to be saved."""
        self.locked_until = now + WINDOW
        return True

    def record_digest(self) -> bool:
        """Record that a login was accepted by Digest; whether that has to be saved."""
        new, self.took_digest = not self.took_digest, True
        return new

    def record_realm(self, realm: str, now: float, *, certain: bool) -> bool:
        """Record that a login was accepted under this realm; whether that has to be saved."""
        before = self.realms.get(realm)
        if before is None or (certain and before):
            self.realms[realm] = 0.0 if certain else now
            return True
        return False

    def owns(self, realm: str, now: float, *, looks_unique: bool) -> bool:
        """Whether a realm is this device's alone, as far as the device itself shows."""
        since = self.realms.get(realm)
        return since is not None and (since == 0.0 or (looks_unique and now - since >= REALM_SETTLES))

    def forgive_all(self) -> bool:
        """Let every barred credential be tried again, within the window's count; whether there was one."""
        before, self.forgiven = self.forgiven, {*self.failures, *self.unanswered}
        return self.forgiven != before

    def forgive(self, credential: str) -> bool:
        """Let one barred credential be tried again, within the window's count; whether it was barred."""
        if credential in self.forgiven or not (credential in self.failures or credential in self.unanswered):
            return False
        self.forgiven.add(credential)
        return True

    def rename_credentials(self, renamed: Callable[[str], str]) -> None:
        """Give every credential another name."""
        for stamps in (self.failures, self.unanswered):
            entries = [(renamed(credential), at) for credential, at in stamps.items()]
            stamps.clear()
            stamps.update(entries)
        self.forgiven = set(map(renamed, self.forgiven))
        self.ever_accepted = list(dict.fromkeys(map(renamed, self.ever_accepted)))
        self.last_accepted = renamed(self.last_accepted) if self.last_accepted else ""

    def record_open_to(self, credential: str, *, is_open: bool) -> bool:
        """Record whether a device wanted a login for a purpose; it has never to be saved."""
        if is_open and len(self.open_to) < MAX_CREDENTIALS:
            self.open_to.add(credential)
        elif not is_open:
            self.open_to.discard(credential)
        return False

    def record_accepted_for_purpose(self, credential: str) -> bool:
        """Record that a credential was not refused for its purpose; it has never to be saved."""
        if len(self.accepted_for_purpose) >= MAX_CREDENTIALS:
            self.accepted_for_purpose.clear()  # what it costs is one write more for each
        self.accepted_for_purpose.add(credential)
        return False

    def record_fingerprint(self, now: float, *, firmware: str, reference: str, service: str, wants_login: bool) -> bool:
        """Record what the device says of itself now; whether that has to be saved.

        Another firmware, another EndpointReference, or a ``service`` that wants no login and wanted one before (a
        factory reset): the device is not what it was, and everything may be tried again, within the window's count.
        A lockout stays: it is the device's own statement.
        """
        before = (self.firmware, self.reference, frozenset(self.login_required_by))
        firmware, reference = firmware[:MAX_TEXT] or self.firmware, reference[:MAX_TEXT] or self.reference
        changed = self.firmware not in ("", firmware) or self.reference not in ("", reference)
        self.firmware, self.reference = firmware, reference
        if service and wants_login:
            self.login_required_by.add(service[:MAX_TEXT])
        elif service in self.login_required_by:
            self.login_required_by.remove(service)
            changed = True
        if changed and not (self.forgiven_at and 0 <= now - self.forgiven_at < FORGIVE_EVERY):
            self.forgiven_at = now
            self.forgiven = {*self.failures, *self.unanswered}
        return before != (self.firmware, self.reference, frozenset(self.login_required_by))

    # --- saving ----------------------------------------------------------------------------------------------------

    def serialise(self) -> str:
        """As it is saved; credentials in the order of their time, so that a restart keeps what is oldest."""
        entry = {key: getattr(self, name) for name, key in _KEYS.items()}
        return json.dumps(
            {key: sorted(value) if isinstance(value, set) else value for key, value in entry.items() if value}
        )


def parse_history(text: str) -> LoginHistory:
    """A history as it was saved.

    :raises ValueError: it is none.
    """
    try:
        entry = json.loads(text)
        return LoginHistory(
            failures=_stamps(entry.get("failures", {}), MAX_FAILURES),
            unanswered=_stamps(entry.get("spent", {}), MAX_UNANSWERED),
            forgiven={str(credential) for credential in entry.get("lifted", [])},
            locked_until=_stamp(entry.get("locked_until", 0.0)),
            last_accepted=str(entry.get("good", "")),
            firmware=str(entry.get("firmware", ""))[:MAX_TEXT],
            reference=str(entry.get("reference", ""))[:MAX_TEXT],
            login_required_by={str(service)[:MAX_TEXT] for service in entry.get("closed", [])},
            forgiven_at=_stamp(entry.get("lifted_at", 0.0)),
            address=str(entry.get("address", ""))[:MAX_TEXT],
            took_digest=bool(entry.get("digest", False)),
            still_counted=sorted(_stamp(at) for at in entry.get("counted", []))[-MAX_FAILURES:],
            ever_accepted=_ever_accepted(entry),
            realms=_realms(entry.get("realms", {})),
        )
    except (ValueError, AttributeError, TypeError, RecursionError):
        raise ValueError("no login history") from None


def _ever_accepted(entry: Any) -> list[str]:
    credentials = [*entry.get("ever", []), entry.get("good", "")]
    return [str(credential) for credential in dict.fromkeys(credentials) if credential][-MAX_EVER_ACCEPTED:]


def _realms(saved: Any) -> BoundedDict[str, float]:
    realms: BoundedDict[str, float] = BoundedDict(MAX_REALMS)
    realms.update({str(realm)[:MAX_TEXT]: _stamp(since) for realm, since in saved.items()})
    return realms


def _stamps(saved: Any, most: int) -> Stamps:
    found = _no_stamps()
    for credential, stamps in saved.items():
        if stamps != []:
            several = stamps if isinstance(stamps, list) else [stamps]
            found[str(credential)] = [_stamp(at) for at in several][-most:]
    return found


def _stamp(value: object) -> float:
    """A stamp as it was saved.

    :raises ValueError: when it is no finite number.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError("not a stamp")
    return float(value)
