"""Service that decides what is told: it gives the rules what happens, keeps their state, and emits what they tell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from math import inf
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import (
    CameraDiscovered,
    CameraEvent,
    CameraForgotten,
    CameraMoved,
    CameraRestored,
    CredentialRefused,
    Event,
    NoticeTold,
    PictureTaken,
)
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera
from twisted_detector.model.naming import title
from twisted_detector.model.notices import BACK, Notice, NoticeKind, NoticeSubject
from twisted_detector.model.reach import Network
from twisted_detector.outputs.notices.board import NoticeBoard
from twisted_detector.outputs.notices.conditions import conditions
from twisted_detector.outputs.notices.local_time import time_of_day
from twisted_detector.outputs.notices.quiet_hours import Holder
from twisted_detector.outputs.notices.rules import DAEMON, NoticeRules
from twisted_detector.outputs.notices.saved import dump_rules, load_rules
from twisted_detector.outputs.notices.way import TABLE
from twisted_detector.outputs.notices.wording import MAX_NAME, tidy
from twisted_detector.seams import IStateStore

_KEY = "rules"
#: Seconds after a change that nobody was told of in which it is saved: a thousand cameras change at once.
SAVE_DELAY = 5.0
#: A step of the wall's clock by more seconds is one: timers and slewing make less between two events.
STEP = 5.0
#: Events before the state of an earlier run was read: some milliseconds after the start.
MAX_EARLY = 1000
#: What happens once: a camera as it is now does not show it.
_EVENTS = (CameraDiscovered, CameraMoved)


@dataclass(frozen=True, slots=True)
class Fleet:
    """The cameras as they are now, and the network on which a person expects one, None for anywhere.

    :ivar leaves: whether another node of the fleet tells of a camera.
    """

    cameras: Callable[[], Collection[Camera]]
    expected: Callable[[str], Network | None]
    leaves: Callable[[str], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class NoticeState:
    """The rules, and what is held back in quiet hours; ``kinds``: the words of NOTICE_KINDS."""

    rules: NoticeRules
    holder: Holder
    kinds: Collection[str]


@implementer(IEventListener)
class NoticeService(Service):
    """Listener of cameras' events, service with a timer, and the state of the daemon's own troubles.

    :param emit: gives each notice to the listeners of the bus, the ways among them.
    :ivar told: notices that were told, by event. :ivar board: the ways, and the command ``notices``.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        state: NoticeState,
        *,
        fleet: Fleet,
        store: IStateStore,
        emit: Callable[[Event], None],
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._state = state
        self._rules = state.rules
        self._holder = state.holder
        self._fleet = fleet
        self._store = store
        self._emit = emit
        self._monotonic = monotonic
        self._offset = clock.seconds() - monotonic()
        self._early: list[CameraEvent] = []
        self._troubles: dict[NoticeKind, str] = {}
        self._ready = False
        self._loading: Deferred[None] | None = None
        self._timer: IDelayedCall | None = None
        self._wakes_at = inf
        self._saving: IDelayedCall | None = None
        self._saved = ""
        self.told: Counter[str] = Counter()
        self.board = NoticeBoard(self.recent, lambda at: time_of_day(at, clock.seconds()))

    # --- start and stop --------------------------------------------------------------------------------------------

    def startService(self) -> None:
        """Read what an earlier run told, and compare it with how the cameras are."""
        super().startService()  # type: ignore[no-untyped-call]
        self._loading = Deferred.fromCoroutine(self._load())
        self._loading.addErrback(self._report_fault)

    async def _load(self) -> None:
        self._saved = (await self._store.load_values(TABLE)).get(_KEY, "")
        load_rules(self._saved, self._rules, self._holder)
        now = self._clock.seconds()
        cameras = self._fleet.cameras()
        self._rules.retain({camera.id for camera in cameras}, now)
        for camera in cameras:
            self._observe(camera, now, since=camera.since)
        self._ready = True
        early, self._early = self._early, []
        for event in early:
            self._record_moment(event, now)  # how the camera is now was just looked at
        self._advance()

    def stopService(self) -> Deferred[None] | None:
        """Tell nothing more, and save."""
        super().stopService()  # type: ignore[no-untyped-call]
        for timer in (self._timer, self._saving):
            if timer is not None and timer.active():
                timer.cancel()
        self._timer = self._saving = None
        if self._loading is not None:
            self._loading.cancel()
        self._save()
        return None

    # --- what happens ----------------------------------------------------------------------------------------------

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if not isinstance(event, CameraEvent) or isinstance(event, CameraRestored | PictureTaken):
            return
        if not self._ready:
            if isinstance(event, _EVENTS) and len(self._early) < MAX_EARLY:
                self._early.append(event)
            return
        self._check_clock()
        self._happened(event)
        self._advance()

    def _happened(self, event: CameraEvent) -> None:
        now = self._clock.seconds()
        if isinstance(event, CameraForgotten):
            self._rules.forget(event.camera.id, now)
            return
        self._record_moment(event, now)
        self._observe(event.camera, now, refused=isinstance(event, CredentialRefused))

    def _record_moment(self, event: CameraEvent, now: float) -> None:
        subject = subject_of(event.camera)
        if isinstance(event, CameraDiscovered):
            self._rules.happened(NoticeKind.NEW, subject, now, reason=f"found at {event.camera.address}")
        elif isinstance(event, CameraMoved):
            reason = f"moved from {event.old_address} to {event.new_address}"
            self._rules.happened(NoticeKind.MOVED, subject, now, reason=reason, origin=event.old_address)

    def _observe(self, camera: Camera, now: float, *, since: float | None = None, refused: bool = False) -> None:
        found = conditions(
            camera,
            before=self._rules.known(camera.id),
            expected=self._fleet.expected(camera.id),
            refused=refused,
        )
        began = {} if since is None else dict.fromkeys((NoticeKind.OFFLINE, NoticeKind.STREAM), since)
        self._rules.observe(subject_of(camera), found, now, since=began)

    def set_trouble(self, kind: NoticeKind, reason: str) -> None:
        """The daemon has a trouble of its own, or has not, for ``reason`` is ""."""
        if reason:
            self._troubles[kind] = reason
        else:
            self._troubles.pop(kind, None)
        if self._ready:
            self._check_clock()
            self._advance()

    def reconsider(self) -> None:
        """A person may have changed where cameras are expected."""
        if self._ready:
            now = self._clock.seconds()
            for camera in self._fleet.cameras():
                self._observe(camera, now)
            self._advance()

    # --- what is told ----------------------------------------------------------------------------------------------

    def recent(self) -> list[Notice]:
        """Those that last, the latest first, then those that are over, likewise."""
        return list(self._rules.recent())

    def figures(self) -> dict[str, Any]:
        """Block of the health document."""
        return {"open": len(self._rules.open), "told": dict(self.told), "ways": self.board.figures()}

    def _advance(self) -> None:
        """Tell what is due, and wait for the next."""
        if not self.running:
            return
        now = self._clock.seconds()
        self._rules.observe(DAEMON, self._troubles, now)
        ours = map(self._without_others, self._rules.due(now))
        due = [one for one in ours if one is not None and self._is_wanted(one)]
        if self._holder.is_quiet(now):
            self._holder.hold(due)
        else:
            if self._holder.held:
                whole = self._holder.release(self._rules.next_id(now), now)
                due = [*([whole] if whole is not None else []), *due]
            for notice in due:
                self._tell(notice, now)
        if due:
            self._save()
        else:
            self._save_soon()
        self._wait(min(self._rules.next_at(), self._holder.next_at(now)), now)

    def _without_others(self, notice: Notice) -> Notice | None:
        """The notice without the cameras of which another node tells; None where no camera is left of it."""
        leaves = self._fleet.leaves
        cameras = tuple(one for one in notice.cameras if not leaves(one.id))
        if len(cameras) == len(notice.cameras):
            return notice
        remaining = tuple(one for one in notice.remaining if not leaves(one.id))
        return replace(notice, cameras=cameras, remaining=remaining) if cameras else None

    def _is_wanted(self, notice: Notice) -> bool:
        return notice.event != BACK or BACK in self._state.kinds

    def _tell(self, notice: Notice, now: float) -> None:
        self.told[notice.event] += 1
        self._emit(NoticeTold(at=now, notice=notice))

    def _wait(self, until: float, now: float) -> None:
        if self._timer is not None:
            if until == self._wakes_at:  # as after most events
                return
            self._timer.cancel()
            self._timer = None
        self._wakes_at = until
        if until < inf:
            self._timer = self._clock.callLater(max(0.0, until - now), self._timer_ended)

    def _timer_ended(self) -> None:
        self._timer = None
        self._check_clock()
        self._advance()

    def _check_clock(self) -> None:
        """Nothing has lasted longer because the wall's clock was set."""
        offset = self._clock.seconds() - self._monotonic()
        if abs(offset - self._offset) > STEP:
            self._rules.shift(offset - self._offset)
        self._offset = offset

    # --- the store -------------------------------------------------------------------------------------------------

    def _save_soon(self) -> None:
        if self._saving is None:
            self._saving = self._clock.callLater(SAVE_DELAY, self._save)

    def _save(self) -> None:
        if self._saving is not None and self._saving.active():
            self._saving.cancel()
        self._saving = None
        if not self._ready:
            return
        text = dump_rules(self._rules, self._holder)
        if text != self._saved:
            self._saved = text
            self._store.save_value(TABLE, _KEY, text)

    def _report_fault(self, failure: Any) -> None:
        if not failure.check(CancelledError):
            self.log.failure("Notices could not be started", failure=failure)


def subject_of(camera: Camera) -> NoticeSubject:
    """A camera as notices name it."""
    return NoticeSubject(camera.id, tidy(title(camera), MAX_NAME), camera.address)
