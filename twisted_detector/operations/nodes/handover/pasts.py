"""Exchange of the cameras' pasts: who comes to publish a camera asks the former publisher what it recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from math import isfinite
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import MAX_ID_LENGTH
from twisted_detector.model.history import ForeignPast
from twisted_detector.operations.nodes.service import NodeService
from twisted_detector.store.foreign_pasts import read_rows, written_rows
from twisted_detector.store.history import CameraHistory

#: Name of the command between nodes.
COMMAND = "past"
#: Cameras of one question, so that it fits a command, and its answer with 16 kB each a message.
MAX_ASKED = 16
#: Seconds from a change of hands to the question, so that one asks for the cameras that came together; between two
#: questions; and between two looks whether a node that was away is there again.
SOON, PAUSE, LOOK = 2.0, 1.0, 15.0
#: Questions that are not answered as they should be, for one past: then it stays untold until the next start.
MAX_TRIES = 3
#: Questions that are answered at once, and seconds for each that follows: each reads the disk.
BURST, REFILL_SECONDS = 8, 1.0

#: Has a node carry out a command.
Ask = Callable[[str, str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class PastExchange:
    """Exchange between the history of this node and those of others.

    :param ask: sends a question.
    :param monotonic: seconds that never jump.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        nodes: NodeService,
        *,
        node_id: str,
        history: CameraHistory,
        ask: Ask,
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._node_id = node_id
        self._history = history
        self._ask = ask
        self._monotonic = monotonic
        self._room, self._room_at = float(BURST), monotonic()
        self._tries: Counter[tuple[str, str, float]] = Counter()
        self._next: IDelayedCall | None = None
        self._is_asking = self._running = False
        nodes.gained.add(self._gained)

    def start(self) -> None:
        """Ask for what was not told in an earlier run."""
        self._running = True
        self._look_in(SOON)

    def stop(self) -> None:
        """Ask for nothing more."""
        self._running = False
        if self._next is not None and self._next.active():
            self._next.cancel()

    # --- asking ----------------------------------------------------------------------------------------------------

    def _gained(self, camera_id: str) -> None:
        """This node publishes a camera from now on."""
        former = self._nodes.record.former_owner_of(camera_id)
        if former in ("", self._node_id):
            return
        if any((one.camera_id, one.node_id) == (camera_id, former) for one in self._history.untold):
            return  # it comes and goes
        missing = self._history.unrecorded(camera_id)
        if missing is not None:
            reason = f"node {former} published this camera then, and has not told what it recorded: it is asked when"
            self._history.take_past(ForeignPast(camera_id, former, *missing, None, f"{reason} it is there"))
            self._look_in(SOON)

    def _look_in(self, seconds: float) -> None:
        if self._running and (self._next is None or not self._next.active()):
            self._next = self._clock.callLater(seconds, self._look)

    def _look(self) -> None:
        """Ask one node that is there for what it has not told, if there is one."""
        untold = [one for one in self._history.untold if self._tries[_key(one)] < MAX_TRIES]
        if not untold or self._is_asking:
            return
        there = [one for one in untold if self._nodes.record.is_present(one.node_id)]
        if not there or not self._nodes.is_synchronised:
            self._look_in(LOOK)
            return
        asked = [one for one in there if one.node_id == there[0].node_id][:MAX_ASKED]
        self._is_asking = True
        asking = Deferred.fromCoroutine(self._ask_for(asked))
        asking.addErrback(lambda failure: self.log.failure("A past could not be asked for", failure=failure))
        asking.addBoth(self._asked)

    def _asked(self, _: object) -> None:
        self._is_asking = False
        self._look_in(PAUSE)

    async def _ask_for(self, asked: list[ForeignPast]) -> None:
        """Ask for pasts of one node, a camera once, and keep what it tells."""
        by_camera = {one.camera_id: one for one in asked}
        self._tries.update(map(_key, by_camera.values()))
        times = {camera_id: [one.begin, one.until] for camera_id, one in by_camera.items()}
        try:
            answer = await self._ask(asked[0].node_id, COMMAND, {"cameras": times})
        except CamdetectError as error:
            self.log.debug("{node} did not tell a past: {error}", node=asked[0].node_id, error=str(error))
            return
        pasts = answer.get("pasts")
        told: dict[str, Any] = pasts if isinstance(pasts, dict) else {}
        for camera_id, one in by_camera.items():
            changes = read_rows(camera_id, told.get(camera_id), one.begin, one.until)
            if changes is None:
                self.log.warn("{node} tells a past that cannot be read", node=one.node_id)
            elif one in self._history.untold:  # the camera may have been forgotten meanwhile
                self._history.take_past(replace(one, changes=changes, reason=""))

    # --- answering -------------------------------------------------------------------------------------------------

    async def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handler of the command: what this node recorded of cameras, by camera.

        :raises RemoteError: the question is none, comes too soon after others, or the disk cannot be read.
        """
        times = _read_times(fields.get("cameras"))
        self._take_room()
        pasts = {}
        for camera_id, (begin, until) in times.items():
            changes = await self._history.changes(camera_id, begin, min(until, self._clock.seconds()))
            if changes is None:
                raise RemoteError("the history cannot be read from the disk now")
            pasts[camera_id] = written_rows(changes)
        return {"pasts": pasts}

    def _take_room(self) -> None:
        now = self._monotonic()
        self._room = min(BURST, self._room + (now - self._room_at) / REFILL_SECONDS)
        self._room_at = now
        if self._room < 1:
            raise RemoteError(f"{COMMAND} was asked for too often; ask again in {REFILL_SECONDS:.0f} s")
        self._room -= 1


def _key(past: ForeignPast) -> tuple[str, str, float]:
    return past.camera_id, past.node_id, past.begin


def _read_times(given: object) -> dict[str, tuple[float, float]]:
    if not isinstance(given, dict) or not 0 < len(given) <= MAX_ASKED:
        raise RemoteError(f"cameras: must be [from, until] of each of at most {MAX_ASKED} cameras")
    times = {}
    for camera_id, span in given.items():
        if not isinstance(span, list) or len(span) != 2 or len(camera_id) > MAX_ID_LENGTH:
            raise RemoteError("cameras: must be [from, until] of each")
        begin, until = map(_seconds, span)
        times[camera_id] = (begin, max(begin, until))
    return times


def _seconds(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float) or not isfinite(given):
        raise RemoteError("cameras: a time is a number of seconds since 1970")
    return float(given)
