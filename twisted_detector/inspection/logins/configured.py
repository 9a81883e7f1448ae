"""Source of all logins as they are now: those of environment and files, and those that a person typed meanwhile.

Order of weight, within one audience: environment and files, then what was typed. A login that was typed for one device
comes before all others there.

A new login is used when its fingerprint was made, which takes another thread some 50 ms; one that was removed is not
used from the moment on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from twisted.internet.defer import Deferred, DeferredLock
from txaio.tx import make_logger

from twisted_detector.errors import RemoteError
from twisted_detector.model import Candidate, Login
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.decisions import PAGE, Decisions, device_of
from twisted_detector.model.login_rules import (
    Audience,
    LoginRule,
    has_own_login,
    in_networks,
    logins_for,
)
from twisted_detector.model.observers import Observers
from twisted_detector.model.reach import Network

#: Logins whose fingerprints a start waits for: five seconds. Those beyond are made while the daemon runs.
PREPARED_AT_START = 100
#: Devices for which somebody typed a login since the start, kept or not.
MAX_CARED_FOR = 4_096
#: Typed logins whose fingerprints wait to be made: some seconds of work.
MAX_WAITING = 32

#: Makes the fingerprint of a login in another thread.
Prepare = Callable[[Login], Awaitable[object]]


class ConfiguredLogins:
    """Source of the logins, in the order of their weight.

    :param configured: of environment and files; each a ``LoginRule`` or for every device.
    :param decided: with what people typed.
    :param source: the word for where they are from.
    :param prepare: None: fingerprints are made when they are needed.
    :ivar changed: called when a login came or went, or where a device is expected changed; ``lists_changed``: when
        another device is named in a list.
    """

    log = make_logger()

    def __init__(
        self,
        configured: Sequence[Login] = (),
        *,
        decided: Decisions | None = None,
        source: str = "environment",
        prepare: Prepare | None = None,
    ) -> None:
        self._configured = tuple(configured)
        self._source = source
        self._decided = decided or Decisions()
        self._prepare = prepare
        self._prepared: set[Login] = set()
        self._preparing = False
        self._making = DeferredLock()
        self._tried: dict[str, Login] = {}
        self._cared_for: BoundedDict[str, None] = BoundedDict(MAX_CARED_FOR)
        self._shared: tuple[Login, ...] = ()
        self._own: Mapping[str, tuple[Login, ...]] = {}
        self._expected: Mapping[str, tuple[Network, ...]] = {}
        self.changed: Observers[[]] = Observers("a change of the logins")
        self.lists_changed: Observers[[]] = Observers("a change of the devices that logins name")
        self._publish()

    @property
    def configured_source(self) -> str:
        """The word for where the configured ones are from."""
        return self._source

    # --- reading ---------------------------------------------------------------------------------------------------

    @property
    def all(self) -> tuple[Login, ...]:
        """Every login that is used now, each once."""
        own = (login for logins in self._own.values() for login in logins)
        return tuple(dict.fromkeys(map(_bare, (*self._shared, *own))))

    def lists(self, candidate: Candidate) -> bool:
        """Whether a list of logins names this very device."""
        return has_own_login(self._shared, candidate)

    def of(self, candidate: Candidate, among: Callable[[Login], bool] = lambda login: True) -> tuple[Login, ...]:
        """The logins that are for this device, best first, each once. :param among: which are looked at."""
        device = candidate.device_id
        tried = (_rule(self._tried[device], device),) if device in self._tried else ()
        own = (*tried, *self._own.get(device, ()))
        return logins_for(filter(among, (*own, *self._shared)), candidate)

    def typed_for(self, candidate: Candidate) -> frozenset[Login]:
        """The logins that a person typed for this device alone, even if it is not the device that was adopted."""
        device = candidate.device_id
        tried = (self._tried[device],) if device in self._tried else ()
        return frozenset(map(_bare, (*tried, *self._own.get(device, ()))))

    def reserves(self, candidate: Candidate) -> int:
        """How many of the failures that a device may be given are left to the person who types logins for it."""
        return int(candidate.device_id in self._own or candidate.device_id in self._cared_for)

    def unexpected_at(self, candidate: Candidate) -> Network | None:
        """The network that a person expects this device on, where it is outside of that; else None."""
        expected = self._expected.get(candidate.device_id, ())
        return next((one for one in expected if not in_networks(candidate.address, (one,))), None)

    def source_of(self, login: Login, candidate: Candidate) -> str:
        """Where a login of this device is from: environment, file or page."""
        configured = login in logins_for(self._configured, candidate) and login not in self.typed_for(candidate)
        return self._source if configured else PAGE

    # --- changing --------------------------------------------------------------------------------------------------

    def replace_configured(self, logins: Sequence[Login], source: str) -> None:
        """Environment and files were read again."""
        self._configured, self._source = tuple(logins), source
        self._change()

    def replace_decided(self, _: Decisions, decided: Decisions) -> None:
        """A person decided otherwise; an observer of the decisions."""
        before, self._decided = self._decided, decided
        if _concerning(before) != _concerning(decided):
            self._change()

    async def prepare_first(self) -> None:
        """Make the fingerprints that a start has to wait for; the rest comes meanwhile."""
        await self._make_ready(self._missing()[:PREPARED_AT_START])
        self._change()

    @contextmanager
    def trying(self, device_id: str, login: Login) -> Iterator[None]:
        """While it lasts this login is for this device too, before its others: a person wants to know whether it is
        right. Its fingerprint has to be made before (:meth:`prepare`).
        """
        self._tried[device_id] = login
        self._cared_for[device_id] = None
        try:
            yield
        finally:
            del self._tried[device_id]

    async def prepare(self, login: Login) -> None:
        """Make the fingerprint of a login that is about to be tried.

        :raises RemoteError: so many others wait for theirs.
        """
        if len(self._making.waiting) >= MAX_WAITING:
            raise RemoteError("too many logins are being tried at once; wait a moment")
        await self._make_ready([_bare(login)])

    def _change(self) -> None:
        self._update()
        if self._prepare is not None and not self._preparing and self._missing():
            self._preparing = True
            Deferred.fromCoroutine(self._prepare_rest()).addErrback(
                lambda failure: self.log.failure("Logins cannot be prepared", failure=failure)
            )

    async def _prepare_rest(self) -> None:
        try:
            while missing := self._missing():
                await self._make_ready(missing)
                self._update()
        finally:
            self._preparing = False

    async def _make_ready(self, logins: Iterable[Login]) -> None:
        if self._prepare is None:
            return
        for login in logins:
            # One at a time: each takes 16 MiB, and whoever may send commands may send any number of logins.
            async with self._making:
                if login not in self._prepared:
                    await self._prepare(login)
                    self._prepared.add(login)

    def _missing(self) -> list[Login]:
        """Logins that wait for their fingerprints; those that are gone are dropped from the others."""
        typed = (one.login for one in self._decided.cameras.values() if one.login is not None)
        wanted = dict.fromkeys(map(_bare, (*self._configured, *self._decided.logins, *typed)))
        if self._prepare is not None:
            self._prepared &= {*wanted, *self._tried.values()}
        return [login for login in wanted if login not in self._prepared]

    def _update(self) -> None:
        before = _naming(self._shared)
        self._publish()
        self.changed.notify()
        if before != _naming(self._shared):
            self.lists_changed.notify()

    def _publish(self) -> None:
        """Work out what is used from now on."""

        def ready(login: Login) -> bool:
            return self._prepare is None or _bare(login) in self._prepared

        own: dict[str, tuple[Login, ...]] = {}
        expected: dict[str, tuple[Network, ...]] = {}
        for camera_id, decided in self._decided.cameras.items():
            device_id = device_of(camera_id)
            if decided.login is not None and ready(decided.login):
                own[device_id] = (*own.get(device_id, ()), _rule(decided.login, device_id))
            if decided.network is not None:
                expected[device_id] = (*expected.get(device_id, ()), decided.network)
        self._shared = tuple(filter(ready, (*self._configured, *self._decided.logins)))
        self._own, self._expected = own, expected


def _bare(login: Login) -> Login:
    return Login(login.name, login.password)


def _rule(login: Login, device_id: str) -> LoginRule:
    return LoginRule(login.name, login.password, Audience.DEVICE, device_id)


def _naming(logins: Iterable[Login]) -> list[str]:
    """Whom a list of logins names."""
    return [one.value for one in logins if isinstance(one, LoginRule) and one.audience is Audience.CAMERA]


def _concerning(decided: Decisions) -> object:
    """What of the decisions concerns logins."""
    cameras = {key: (one.login, one.network) for key, one in decided.cameras.items() if one.login or one.network}
    return cameras, decided.logins
