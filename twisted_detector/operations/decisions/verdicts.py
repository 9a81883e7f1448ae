"""Carrier of verdicts: what a person decides about a device's adoption goes to the disk first, then to the registry.

A verdict that was edited in the file is carried out when the file is read. Each only once: an adoption ends by itself
when the device shows itself as another, and neither a restart nor another edit must renew it. So what was carried out
is kept, and only what differs from that is carried out. A login that was typed for a device is a person's word about
that device, too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import CameraDiscovered, DevicesMerged, Event
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Login
from twisted_detector.model.decisions import NOTHING_DECIDED, CameraDecisions, Decisions, Verdict, device_of
from twisted_detector.operations.decisions.book import DecisionBook, with_cameras
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IStateStore

#: Table of the store: camera id → what was carried out.
TABLE = "verdicts"


@dataclass(frozen=True, slots=True)
class _Word:
    """What a person said about a device: the verdict, and the user of the login typed for it, "" for none."""

    verdict: str = ""
    user: str = ""

    @classmethod
    def of(cls, decided: CameraDecisions) -> _Word:
        verdict = decided.verdict.value if decided.verdict is not None else ""
        return cls(verdict, decided.login.name if decided.login is not None else "")

    @classmethod
    def parse(cls, text: str) -> _Word:
        verdict, _, user = text.partition(" ")
        return cls(verdict, user)

    def __str__(self) -> str:
        return f"{self.verdict} {self.user}" if self.user else self.verdict

    def adopts(self, before: _Word) -> bool:
        """Whether it lets the device in, and did not say so before."""
        if self.verdict == Verdict.ADOPTED and before.verdict != Verdict.ADOPTED:
            return True
        return self.verdict in ("", Verdict.ADOPTED) and bool(self.user) and self.user != before.user


@implementer(IEventListener)
class VerdictCarrier:
    """Carrier of verdicts to the registry; :meth:`start` begins with what was edited while the daemon was away.

    :param store: keeps what was carried out.
    :param check: has a camera asked again at once; ``rescan``: sweeps, for a device that may come back.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        book: DecisionBook,
        store: IStateStore,
        check: Callable[[str], object],
        rescan: Callable[[], object],
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._book = book
        self._store = store
        self._applied: dict[str, _Word] = {}
        self._check = check
        self._rescan = rescan
        self._deciding: set[str] = set()
        self._running = False
        book.changed.add(self._changed)

    async def start(self) -> None:
        """Carry out what was edited meanwhile; the cameras of the earlier run are known by now."""
        saved = await self._store.load_values(TABLE)
        self._applied = {key: _Word.parse(text) for key, text in saved.items() if text} | self._applied
        self._running = True
        for camera_id in {*self._applied, *self._book.current.cameras}:
            self._carry_out(camera_id)

    def stop(self) -> None:
        """Carry nothing out any more."""
        self._running = False

    # --- a person decides ------------------------------------------------------------------------------------------

    async def adopt(self, camera_ids: Iterable[str], login: Login | None = None) -> None:
        """Adopt the devices of these cameras; with a login, that is kept for them.

        :raises NotSaved: the disk did not take it; nobody is adopted.
        """
        with self._decided_here(camera_ids) as firsts:

            def change(decided: CameraDecisions) -> CameraDecisions:
                return replace(decided, verdict=Verdict.ADOPTED, login=login or decided.login)

            await self._change(firsts, change, without_login=login is not None)
            for camera_id in firsts:
                self._registry.adopt(camera_id, self._clock.seconds())

    async def unadopt(self, camera_id: str) -> None:
        """Take the adoption of a camera's device back.

        :raises NotSaved: the disk did not take it.
        """
        with self._decided_here([camera_id]) as firsts:
            await self._change(firsts, lambda decided: replace(decided, verdict=Verdict.UNADOPTED))
            self._registry.unadopt(camera_id, self._clock.seconds())

    async def block(self, camera_id: str) -> bool:
        """Block a camera's device; False when so many are blocked that there is no room.

        :raises NotSaved: the disk did not take it.
        """
        with self._decided_here([camera_id]) as firsts:
            before = self._book.current.of(firsts[0]).verdict
            await self._change(firsts, lambda decided: replace(decided, verdict=Verdict.BLOCKED))
            if self._registry.block(camera_id, self._clock.seconds()):
                return True
            await self._change(firsts, lambda decided: replace(decided, verdict=before))
            return False

    async def unblock(self, text: str) -> bool:
        """Unblock the device of this id, MAC or EndpointReference; False when none is blocked.

        :raises NotSaved: the disk did not take it.
        """
        devices = self._registry.find_blocked(text)
        blocked = [one for one in self._book.current.cameras if device_of(one) in devices]
        with self._noting(blocked):
            await self._change(
                blocked, lambda one: replace(one, verdict=None) if one.verdict is Verdict.BLOCKED else one
            )
        return self._registry.unblock(text, self._clock.seconds())

    async def clear_login(self, camera_id: str) -> bool:
        """Remove the login that was typed for a camera's device; whether there was one.

        :raises NotSaved: the disk did not take it.
        """
        current = self._book.current
        ids = [one for one in current.cameras if device_of(one) == device_of(camera_id) and current.of(one).login]
        with self._noting(ids):
            await self._change(ids, lambda decided: replace(decided, login=None))
        return bool(ids)

    async def drop(self, camera_ids: Collection[str]) -> None:
        """A person has these cameras forgotten: what was decided about them goes, too.

        :raises NotSaved: the disk did not take it.
        """
        gone = [one for one in camera_ids if one in self._book.current.cameras]
        with self._noting(gone):
            await self._change(gone, lambda decided: NOTHING_DECIDED)

    async def _change(
        self,
        camera_ids: Collection[str],
        change: Callable[[CameraDecisions], CameraDecisions],
        *,
        without_login: bool = False,
    ) -> None:
        """One change of several cameras. :param without_login: the other channels of their devices lose theirs."""
        if not camera_ids:
            return
        devices = set(map(device_of, camera_ids))

        def apply(decisions: Decisions) -> Decisions:
            cameras = dict(decisions.cameras)
            if without_login:
                for one in [one for one in cameras if device_of(one) in devices]:
                    cameras[one] = replace(cameras[one], login=None)
            for one in camera_ids:
                cameras[one] = change(decisions.of(one))
            return with_cameras(decisions, cameras)

        await self._book.change(apply)

    @contextmanager
    def _decided_here(self, camera_ids: Iterable[str]) -> Iterator[list[str]]:
        """The first cameras of the devices of these, about which something is decided while it lasts."""
        firsts = dict.fromkeys(map(self._first_of, camera_ids))
        with self._noting(firsts):
            yield list(firsts)

    @contextmanager
    def _noting(self, camera_ids: Collection[str]) -> Iterator[None]:
        """While it lasts these are carried out by who changes them; in the end what was said is noted as done."""
        ids = set(camera_ids) - self._deciding
        self._deciding |= ids
        try:
            yield
            for camera_id in ids:
                self._note(camera_id, _Word.of(self._book.current.of(camera_id)))
        finally:
            self._deciding -= ids

    def _first_of(self, camera_id: str) -> str:
        key = self._registry.key_of_camera(camera_id)
        cameras = self._registry.cameras_of(key) if key is not None else ()
        return min(cameras, key=lambda one: one.channel).id if cameras else camera_id

    # --- the file was edited ---------------------------------------------------------------------------------------

    def _changed(self, before: Decisions, after: Decisions) -> None:
        if self._running:
            for camera_id in {*before.cameras, *after.cameras} - self._deciding:
                self._carry_out(camera_id)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`: a camera comes about which something was decided before, or two are one."""
        if isinstance(event, CameraDiscovered) and event.camera.id in self._book.current.cameras:
            # After the change of the registry that this is a part of.
            self._clock.callLater(0, self._found, event.camera.id)
        elif isinstance(event, DevicesMerged):
            # The decisions follow; that is no new word about the one that stays.
            for gone, kept in event.moves.items():
                dropped = self._applied.get(gone)
                self._note(gone, _Word())
                if dropped is not None:
                    own = self._applied.get(kept, _Word())
                    self._note(kept, _Word(own.verdict or dropped.verdict, own.user or dropped.user))

    def _found(self, camera_id: str) -> None:
        if self._running:
            self._carry_out(camera_id)

    def _carry_out(self, camera_id: str) -> None:
        """Carry out what differs from what was carried out before; a camera that is not known yet waits."""
        said, before = _Word.of(self._book.current.of(camera_id)), self._applied.get(camera_id, _Word())
        if said == before:
            return
        now = self._clock.seconds()
        if before.verdict == Verdict.BLOCKED and said.verdict != Verdict.BLOCKED:
            if self._registry.unblock(device_of(camera_id), now):
                self._rescan()
            before = _Word()
            self._note(camera_id, before)
        known = self._registry.camera(camera_id) is not None
        if said.adopts(before):
            if not known:
                return
            if said.verdict != before.verdict or not self._registry.explain_difference(camera_id):
                self._registry.adopt(camera_id, now)
            # Else a login was typed for the device that was adopted, and another may stand there: it waits.
            self._check(camera_id)
        elif said.verdict != before.verdict and said.verdict in (Verdict.UNADOPTED, Verdict.BLOCKED):
            if not known:
                return
            if said.verdict == Verdict.UNADOPTED:
                self._registry.unadopt(camera_id, now)
                self._check(camera_id)
            elif not self._registry.block(camera_id, now):
                self.log.warn("{camera} cannot be blocked: so many devices are that there is no room", camera=camera_id)
                return
        self._note(camera_id, said)

    def _note(self, camera_id: str, said: _Word) -> None:
        if self._applied.get(camera_id, _Word()) == said:
            return
        if said == _Word():
            del self._applied[camera_id]
        else:
            self._applied[camera_id] = said
        self._store.save_value(TABLE, camera_id, str(said))
