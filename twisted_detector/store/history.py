"""Recorder of the cameras' changes of state, with quotas; and their history as the page and the metrics want it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, DeferredLock
from twisted.internet.task import deferLater
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.events import CameraEvent, CameraForgotten, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Status
from twisted_detector.model.history import (
    MAX_REASON,
    UNSTEADY,
    WEEK,
    Condition,
    DaemonLife,
    ForeignPast,
    Segment,
    StateChange,
    WeekSummary,
)
from twisted_detector.model.observers import Observers
from twisted_detector.model.reasons import FROZEN
from twisted_detector.seams import IHistory
from twisted_detector.store import foreign_pasts, history_rows as rows
from twisted_detector.store.foreign_pasts import ForeignPasts
from twisted_detector.store.history_rows import HistoryWrites
from twisted_detector.store.store import Store
from twisted_detector.store.timeline import MIN_GAP, Piece, Week, gaps, in_segments, pieces

T = TypeVar("T")

#: Seconds that a change is kept: a year, and the month in which somebody compares it with the last one.
KEPT = 400 * 86_400.0
#: Quota of one camera: a bad week of a bad cable at once, then one row an hour, so less than 10 000 in 400 days.
BURST, REFILL_SECONDS = 200.0, 3600.0
#: Rows in all: ten thousand cameras with thirty each, or a thousand with 300; some 40 MB. The oldest go first.
MAX_ROWS = 300_000
#: Seconds between notes that the daemon still runs. After a crash, the time since the last one is "not observed". Each
#: writes 20 kB to a board's card, and in a calm day nothing else does.
ALIVE_INTERVAL = 900.0
#: Seconds between slices of old rows that are removed, so that messages are committed between them.
TRIM_PAUSE = 0.1
#: Seconds for which a camera is here for the first time: another node gives it up when it has not seen it for so long,
#: which OFFLINE_THRESHOLD may make long.
JUST_CAME = 86_400.0
#: Table of the store with what other nodes recorded.
_PASTS = "past"
_TOO_OFTEN = "it changes so often that not every change is kept"


@dataclass(slots=True)
class _Known:
    """A camera as its latest change left it.

    :ivar status: "" before the first. :ivar room: rows that its quota has left, at ``room_at``.
    :ivar unsteady: its changes are not kept one by one; ``latest``: the last of these.
    """

    week: Week
    status: str = ""
    address: str = ""
    room: float = BURST
    room_at: float = 0.0
    unsteady: bool = False
    latest: Camera | None = None

    def refill(self, now: float) -> None:
        self.room = min(BURST, self.room + max(0.0, now - self.room_at) / REFILL_SECONDS)
        self.room_at = now


@implementer(IEventListener, IHistory)
class CameraHistory:
    """Listener that keeps one row for each change of a camera's status or address.

    What waits for the disk, or is not kept, is bounded; what is not kept is counted.

    :ivar dropped: changes that were not kept, by what forbade it: ``camera`` (its quota), ``disk`` (it took no writes),
        ``rows`` (the oldest, beyond the quota of all).
    :ivar restamped: called when it has followed the wall's clock, which was set.
    """

    log = make_logger()

    def __init__(self, reactor: Any, store: Store) -> None:
        """:param reactor: its ``seconds`` is the wall's time."""
        self._reactor = reactor
        self._store = store
        self._known: dict[str, _Known] = {}  # by camera; bounded by the registry, which tells of each that is forgotten
        self._lives: list[DaemonLife] = []
        self._last_id = self._first_id = 0
        self._timer: Any = None
        self._trimming = False
        self._restamping = DeferredLock()
        self._meanwhile: list[Event] | None = None  # while the week is read again, which takes a moment
        self._pasts = ForeignPasts(partial(store.save_value, _PASTS))
        self.dropped: Counter[str] = Counter()
        self.restamped: Observers[[]] = Observers("a clock that the history follows")

    # --- the life of the daemon

    async def start(self) -> None:
        """Read the last week, and begin a run of the daemon. A disk that cannot be read only means an empty past."""
        now = self._reactor.seconds()
        last = await self._store.ask_history(rows.last_id)
        # Where it cannot be read, ids must not be those of rows that may come back: microseconds are far beyond them.
        self._last_id = int(now * 1e6) if last is None else last
        self._first_id = self._last_id
        lives = [life for row in await self._store.ask_history(rows.lives) or () if (life := rows.read_life(row))]
        number = lives[-1].id + 1 if lives else 1 if last is not None else int(now)
        self._lives = [*lives, DaemonLife(number, now, now)][-rows.MAX_LIVES :]
        self._pasts.restore(dict(await self._store.load_values(_PASTS)))
        await self._load(now)
        self._note_alive()
        self._timer = self._reactor.callLater(ALIVE_INTERVAL, self._tick)

    def clock_set(self, by: float) -> None:
        """The wall's clock was set by ``by`` seconds: what this run has told happened so much later, or earlier."""
        Deferred.fromCoroutine(self._restamp(by)).addErrback(
            lambda failure: self.log.failure("The history could not follow the clock", failure=failure)
        )

    async def _restamp(self, by: float) -> None:
        """Move the stamps of this run, and read the last week again; what happens meanwhile is told afterwards."""
        async with self._restamping:
            life = self._lives[-1]
            self._lives[-1] = DaemonLife(life.id, life.began + by, life.ended + by)
            self._note_alive()
            self._pasts.restamp(by)
            self._meanwhile, self._known = [], {}
            try:
                self._store.write_history(lambda writes: writes.restamp(self._first_id, by))
                await self._store.ask_history(partial(rows.restamp, after=self._first_id, by=by))
                await self._load(self._reactor.seconds())
            finally:
                meanwhile, self._meanwhile = self._meanwhile, None
                for event in meanwhile:
                    self.handle(event)
        self.restamped.notify()

    async def stop(self) -> None:
        """Note when the run ended."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._note_alive()

    def _note_alive(self) -> None:
        life = self._lives[-1] = DaemonLife(self._lives[-1].id, self._lives[-1].began, self._reactor.seconds())
        self._store.write_history(lambda writes: writes.lives.update({life.id: life}))

    async def _load(self, now: float) -> None:
        since = now - WEEK
        away = gaps(self._lives, now)
        after: dict[str, int] = {}  # of each camera: the first gap that is not told yet

        def take(found: Iterable[StateChange]) -> Iterator[None]:
            for change in found:
                known = self._known.setdefault(change.camera_id, _Known(Week()))
                after[change.camera_id] = _tell_gaps(known.week, away, after.get(change.camera_id, 0), change.at)
                self._restore(known, change)
                yield

        found = await self._store.ask_history(partial(rows.last_before, since=since)) or []
        await self._store.in_slices(take(rows.readable(found)))
        last = 0
        while found := await self._store.ask_history(partial(rows.page_since, since=since, after=last)) or []:
            last = found[-1][0]
            await self._store.in_slices(take(rows.readable(found)))

        def end() -> Iterator[None]:
            for camera_id, number in after.items():
                _tell_gaps(self._known[camera_id].week, away, number, now)
                self._known[camera_id].week.advance(now)
                yield
            for camera_id in self._pasts.cameras:
                self._lay_over(camera_id, now)
                yield

        await self._store.in_slices(end())

    @staticmethod
    def _restore(known: _Known, change: StateChange) -> None:
        known.refill(change.at)
        known.status, known.address = change.status, change.address or known.address
        known.unsteady = change.status == UNSTEADY
        known.room = max(0.0 if known.unsteady else 1.0, known.room - 1)
        known.week.add(change.at, Condition.of(change.status))

    def _tick(self) -> None:
        self._timer = self._reactor.callLater(ALIVE_INTERVAL, self._tick)
        self._note_alive()
        now = self._reactor.seconds()
        self._pasts.expire(now - KEPT)
        for known in self._known.values():
            if known.unsteady and known.latest is not None:
                self._keep(known, known.latest, now)
        if not self._trimming:
            self._trimming = True
            Deferred.fromCoroutine(self._trim(now)).addErrback(
                lambda failure: self.log.failure("Old rows of the history could not be removed", failure=failure)
            )

    async def _trim(self, now: float) -> None:
        try:
            while removed := await self._store.ask_history(partial(rows.trim, before=now - KEPT, most=MAX_ROWS)):
                self.dropped["rows"] += removed[1]
                if max(removed) < rows.TRIM_SLICE:
                    return
                await deferLater(self._reactor, TRIM_PAUSE)
        finally:
            self._trimming = False

    # --- changes

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if self._meanwhile is not None:
            self._meanwhile.append(event)
        elif isinstance(event, CameraForgotten):
            self._known.pop(event.camera.id, None)
            self._pasts.forget(event.camera.id)
            self._store.write_history(lambda writes: writes.forgotten.update({event.camera.id: self._last_id}))
        elif isinstance(event, CameraEvent) and not isinstance(event, PictureTaken):
            camera = event.camera
            known = self._known.get(camera.id)
            if known is None:
                known = self._known[camera.id] = _Known(Week(), room_at=self._reactor.seconds())
            latest = known.latest
            if latest is not None and known.unsteady:
                same = camera.status is latest.status and camera.address == latest.address
            else:
                known.address = known.address or camera.address  # not every row has it
                same = camera.status.value == known.status and camera.address == known.address
            if not same:
                # Stamps are ours, not the event's: one that is told again after a restart has that of its first time.
                self._keep(known, camera, self._reactor.seconds())

    def _keep(self, known: _Known, camera: Camera, now: float) -> None:
        """Write the change as far as the camera's quota has room; its last row says that there is none."""
        settled = known.unsteady and camera is known.latest
        known.latest = camera
        known.refill(now)
        moved = camera.address if camera.address != known.address else ""
        if known.room >= 2:
            known.unsteady = False
            known.status, known.address, known.latest = camera.status.value, camera.address, None
            self._append(
                known, StateChange(0, camera.id, now, camera.status.value, _reason(camera), _code(camera), moved)
            )
        elif not known.unsteady and known.room >= 1:
            known.unsteady = True
            known.status = UNSTEADY
            self._append(known, StateChange(0, camera.id, now, UNSTEADY, _TOO_OFTEN))
            self.dropped["camera"] += 1
        elif not settled:
            known.unsteady = True
            self.dropped["camera"] += 1

    def _append(self, known: _Known, change: StateChange) -> None:
        known.room -= 1
        known.week.add(change.at, Condition.of(change.status))
        known.week.advance(change.at)
        self._last_id += 1
        self._store.write_history(partial(self._add, change._replace(id=self._last_id)))
        self._note_alive()

    def _add(self, change: StateChange, writes: HistoryWrites) -> None:
        if len(writes.changes) >= rows.MAX_UNWRITTEN:
            del writes.changes[next(iter(writes.changes))]
            self.dropped["disk"] += 1
        writes.changes[change.id] = change

    # --- IHistory

    def week(self, camera_id: str) -> WeekSummary | None:
        """See :class:`IHistory`."""
        known = self._known.get(camera_id)
        return known.week.summary(self._reactor.seconds()) if known is not None else None

    def figures(self, camera_id: str) -> tuple[float, float, int] | None:
        """See :class:`IHistory`."""
        known = self._known.get(camera_id)
        return (*known.week.seconds(self._reactor.seconds()), known.week.failures) if known is not None else None

    async def segments(self, camera_id: str, begin: float, end: float) -> list[Segment] | None:
        """See :class:`IHistory`."""
        return await self._recorded(camera_id, begin, end, in_segments)

    async def _recorded(self, camera_id: str, begin: float, end: float, tell: Callable[[list[Piece]], T]) -> T | None:
        unwritten, away = self._store.unwritten_history(), gaps(self._lives, end)
        stays = self._pasts.of(camera_id)

        def read(execute: rows.Execute) -> T:
            # In the store's thread: ten thousand rows take as long as several frames of a page.
            found = rows.readable(rows.of_camera(execute, camera_id, begin))
            own = pieces(unwritten.of_camera(camera_id, found), away, begin, end)
            return tell(foreign_pasts.overlaid(own, stays, begin, end))

        return await self._store.ask_history(read)

    # --- other nodes

    def unrecorded(self, camera_id: str) -> tuple[float, float] | None:
        """(begin, end) of the time before the present observation in which a camera was not seen here; None where it
        was, or where that is long past."""
        known, now = self._known.get(camera_id), self._reactor.seconds()
        week = known.week if known is not None else None
        return foreign_pasts.unrecorded(week, now, since=now - WEEK, recent=JUST_CAME, least=MIN_GAP)

    async def changes(self, camera_id: str, begin: float, end: float) -> list[StateChange] | None:
        """What a camera was from ``begin`` to ``end``, as another node may record it; None while the disk cannot be
        read."""
        unobserved = StateChange(0, camera_id, begin, Condition.UNOBSERVED)

        def tell(found: list[Piece]) -> list[StateChange]:
            return [(change or unobserved)._replace(at=start) for start, _, change in found]

        return await self._recorded(camera_id, begin, end, tell)

    def take_past(self, past: ForeignPast) -> None:
        """Another node published a camera, and tells what it recorded, or cannot tell yet."""
        self._pasts.put(past)
        if past.camera_id not in self._known:
            self._known[past.camera_id] = _Known(Week(), room_at=self._reactor.seconds())
        self._lay_over(past.camera_id, self._reactor.seconds())

    def stays(self, camera_id: str) -> tuple[ForeignPast, ...]:
        """The times that a camera spent at other nodes, told or not."""
        return self._pasts.of(camera_id)

    @property
    def untold(self) -> list[ForeignPast]:
        """What other nodes have not told yet."""
        return self._pasts.untold

    def _lay_over(self, camera_id: str, now: float) -> None:
        known = self._known.get(camera_id)
        if known is not None:
            known.week = foreign_pasts.overlaid_week(known.week, self._pasts.of(camera_id), now)


def _tell_gaps(week: Week, away: list[tuple[float, float]], first: int, until: float) -> int:
    """Tell the week of the gaps that began before ``until``, from the one of that number on; the number of the next."""
    while first < len(away) and away[first][0] <= until:
        begin, end = away[first]
        condition = week.condition
        if begin != -float("inf"):
            week.add(begin, Condition.UNOBSERVED)
            week.add(end, condition)
        first += 1
    return first


def _reason(camera: Camera) -> str:
    return "" if camera.status is Status.ONLINE else camera.reason[:MAX_REASON]


def _code(camera: Camera) -> str:
    """A code where there is one: of the reason, or of the first stream that does not play."""
    if camera.status in (Status.ONLINE, Status.OFFLINE):
        return ""
    if camera.reason == FROZEN:
        return FROZEN
    if camera.code:
        return camera.code
    return next((one.code for one in camera.streams if one.code and not one.validated), "")
