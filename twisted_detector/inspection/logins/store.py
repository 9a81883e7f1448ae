"""Store of the login histories of all devices, by the names under which each device was met.

They survive restarts: what is recorded is handed to ``save``, and what must be on the disk first can be awaited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from twisted.internet.defer import CancelledError, Deferred
from txaio.tx import make_logger

from twisted_detector.inspection.logins.history import Failure, LoginHistory, parse_history
from twisted_detector.model import Candidate

#: Devices that are remembered; the one that had a login tried longest ago is forgotten first.
MAX_REMEMBERED = 65_536


class LoginHistoryStore:
    """All histories, by the names of devices.

    Where the MAC is known it is the only name under which something is recorded: the next device at the address starts
    with an empty history, and one that lies about its EndpointReference is charged itself, not the device whose it is.
    Else the names are the address, and the EndpointReference.

    :param save: keeps (name, text) for the next run; "" to forget; may return a Deferred that fires when it is done.
    """

    log = make_logger()

    def __init__(self, save: Callable[[str, str], object]) -> None:
        self._save = save
        self._histories: dict[str, LoginHistory] = {}
        #: Address → name of the device with a MAC that was charged there last; no more than there are histories.
        self._at: dict[str, str] = {}
        #: Realm → names of the devices under which a login was accepted with it; no more than there are histories.
        self._realms: dict[str, set[str]] = {}

    def __len__(self) -> int:
        return len(self._histories)

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what an earlier run saved; an entry that cannot be read is forgotten."""
        for name, text in saved.items():
            if not text:
                continue
            try:
                history = self._histories[name] = parse_history(text)
                if history.address:
                    self._at[history.address] = name
                for realm in history.realms:
                    self._realms.setdefault(realm, set()).add(name)
            except ValueError:
                self.log.warn("The saved login budget of {key} cannot be read and is forgotten", key=name)
        self._forget_oldest()

    def rename_credentials(self, renamed: Callable[[str], str], concerns: Callable[[str], bool]) -> None:
        """Rename the credentials of every history that has one which ``concerns`` it, and have those saved."""
        for name, history in self._histories.items():
            known = {*history.failures, *history.unanswered, *history.ever_accepted, history.last_accepted}
            if any(map(concerns, known)):
                history.rename_credentials(renamed)
                self.save(name)

    def credentials(self) -> set[str]:
        """All credentials of all histories."""
        return {
            credential
            for history in self._histories.values()
            for credential in (*history.failures, *history.unanswered, *history.ever_accepted)
        }

    # --- reading ---------------------------------------------------------------------------------------------------

    def histories_of(self, candidate: Candidate) -> dict[str, LoginHistory]:
        """The histories under every name by which this device may have been met, before its MAC was known too."""
        names = dict.fromkeys((*_names(candidate), *_names(replace(candidate, mac=None))))
        return {name: self._histories[name] for name in names if name in self._histories}

    def relevant(self, candidate: Candidate, now: float) -> dict[str, LoginHistory]:
        """What counts for this device, by name; where its MAC is not seen (yet), of the one that was given logins there
        too.
        """
        histories = self.histories_of(candidate)
        if candidate.mac is None and candidate.address in self._at:
            name = self._at[candidate.address]
            histories[name] = self._histories[name]
        for history in histories.values():
            history.clamp_stamps(now)
        return histories

    def own(self, candidate: Candidate) -> dict[str, LoginHistory]:
        """The histories in which things are recorded, by name; new where there are none; the youngest from now on."""
        return {name: self._history(name) for name in _names(candidate)}

    def owner_of_realm(self, candidate: Candidate, realm: str, now: float, *, looks_unique: bool) -> str:
        """Name of the other device that alone has this realm, "" where there is none, or more than one."""
        owners = self._realms.get(realm, set())
        if len(owners) != 1 or owners & self.histories_of(candidate).keys():
            return ""
        (owner,) = owners
        return owner if self._histories[owner].owns(realm, now, looks_unique=looks_unique) else ""

    # --- recording -------------------------------------------------------------------------------------------------

    def update(self, candidate: Candidate, change: Callable[[LoginHistory], bool]) -> None:
        """Change each of :meth:`own`; it is saved where ``change`` returns True."""
        for name in _names(candidate):
            if change(self._history(name)):
                self.save(name)

    async def charge(self, candidate: Candidate, credentials: Iterable[str], now: float) -> None:
        """Record these as about to be sent; ends when that is on the disk. Cancelled, they are refunded."""
        credentials, names = tuple(credentials), _names(candidate)
        for name in names:
            history = self._history(name)
            for credential in credentials:
                history.charge(credential, now)
            if candidate.mac is not None:
                self._move(name, history, candidate.address)
        try:
            for write in [saved for name in names if isinstance(saved := self.save(name), Deferred)]:
                await write
        except CancelledError:
            self.refund(candidate, *credentials)
            raise

    def record_realm(self, candidate: Candidate, realm: str, now: float, *, certain: bool) -> None:
        """Record that a login was accepted with this realm, under the one name that tells the device best."""
        name = _names(candidate)[-1]
        history = self._history(name)
        before = set(history.realms)
        changed = history.record_realm(realm, now, certain=certain)
        for gone in before.difference(history.realms):
            self._forget_realm(gone, name)
        self._realms.setdefault(realm, set()).add(name)
        if changed:
            self.save(name)

    def realms_of(self, candidate: Candidate) -> tuple[str, ...]:
        """The realms under which a login was accepted on this device."""
        history = self._histories.get(_names(candidate)[-1])
        return tuple(history.realms) if history is not None else ()

    def refund(self, candidate: Candidate, *credentials: str) -> None:
        """Take the last charge of each back."""
        # Each of them, so not any().
        self.update(candidate, lambda history: sum(map(history.refund, credentials)) > 0)

    def save(self, name: str) -> object:
        """Have a history saved as it is now."""
        return self._save(name, self._histories[name].serialise())

    # --- the histories ---------------------------------------------------------------------------------------------

    def _history(self, name: str) -> LoginHistory:
        history = self._histories.pop(name) if name in self._histories else LoginHistory()
        self._histories[name] = history
        self._forget_oldest()
        return history

    def _move(self, name: str, history: LoginHistory, address: str) -> None:
        """Record that the device whose MAC is in ``name`` was given a login at ``address``."""
        self._forget_address(name, history)
        history.address = address
        self._at[address] = name

    def _forget_address(self, name: str, history: LoginHistory) -> None:
        if self._at.get(history.address) == name:
            del self._at[history.address]

    def _forget_realm(self, realm: str, name: str) -> None:
        names = self._realms.get(realm, set())
        names.discard(name)
        if not names:
            self._realms.pop(realm, None)

    def _forget_oldest(self) -> None:
        while len(self._histories) > MAX_REMEMBERED:
            name = next(iter(self._histories))
            history = self._histories.pop(name)
            self._forget_address(name, history)
            for realm in history.realms:
                self._forget_realm(realm, name)
            self._save(name, "")


def recent_failures(histories: Iterable[LoginHistory], now: float) -> set[Failure]:
    """What counts now; one failure is recorded under every name of the device, and counts once."""
    return {failure for history in histories for failure in history.recent_failures(now)}


def _names(candidate: Candidate) -> tuple[str, ...]:
    if candidate.mac is not None:
        return (f"mac {candidate.mac.compact}",)
    at = (f"at {candidate.address}",)
    return (*at, f"epr {candidate.endpoint_reference}") if candidate.endpoint_reference else at
