"""Exchange of the cameras' pasts: who comes to publish a camera asks the former publisher what it recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import MAX_ID_LENGTH
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.clocks import CLOCK_WAS_SET
from twisted_detector.model.history import WEEK, ForeignPast
from twisted_detector.operations.nodes.service import NodeService
from twisted_detector.operations.nodes.values import MAX_CLAIMS
from twisted_detector.store.foreign_pasts import MAX_SECONDS, read_rows, written_rows
from twisted_detector.store.history import CameraHistory

#: Name of the command between nodes.
COMMAND = "past"
#: Cameras of one question, so that it fits a command, and its answer with 16 kB each a message.
MAX_ASKED = 16
#: Seconds from a change of hands to the question, so that one asks for the cameras that came together; between two
#: questions; and between two looks whether a node that was away is there again.
SOON, PAUSE, LOOK = 2.0, 1.0, 15.0
#: Longest wait after questions that got no answer, one after the other.
LATEST = 120.0
#: Answers that cannot be read, for one past: then it stays untold until the next start. No answer is none of them.
MAX_TRIES = 3
#: Questions that are answered at once, and seconds for each that follows: each reads the disk.
BURST, REFILL_SECONDS = 8, 1.0

#: A past: its camera, its node and when it began.
_Key = tuple[str, str, float]
#: Has a node carry out a command.
Ask = Callable[[str, str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]


class PastExchange:
    """Exchange between the history of this node and those of others.

    :param ask: sends a question.
    :param monotonic: seconds that never jump.
    :param chance: from 0 to 1, so that those who were refused together do not come again together.
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
        chance: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._node_id = node_id
        self._history = history
        self._ask = ask
        self._monotonic = monotonic
        self._chance = chance
        self._room, self._room_at = float(BURST), monotonic()
        #: Answers about a past that could not be read; and of each that was asked for, the number of its question.
        self._tries: Counter[_Key] = Counter()
        self._turns: dict[_Key, int] = {}
        self._number = self._unanswered = 0
        self._next: IDelayedCall | None = None
        self._is_asking = self._running = False
        #: Cameras that came before our clock was set, with their former publishers.
        self._early: BoundedDict[str, str] = BoundedDict(MAX_CLAIMS)
        nodes.gained.add(self._gained)
        history.restamped.add(self._clock_set)

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
        if self._clock.seconds() < CLOCK_WAS_SET:
            self._early[camera_id] = former  # when it was the other's can be told when the clock is set
        else:
            self._note_missing(camera_id, former)

    def _clock_set(self) -> None:
        """The history has followed the clock."""
        if self._clock.seconds() >= CLOCK_WAS_SET:
            early, self._early = self._early, BoundedDict(MAX_CLAIMS)
            for camera_id, former in early.items():
                if self._nodes.owns(camera_id):
                    self._note_missing(camera_id, former)

    def _note_missing(self, camera_id: str, former: str) -> None:
        if any(one.changes is None and one.node_id == former for one in self._history.stays(camera_id)):
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
        if self._is_asking:
            return
        untold = {_key(one): one for one in self._history.untold}
        self._tries = Counter({key: number for key, number in self._tries.items() if key in untold})
        self._turns = {key: number for key, number in self._turns.items() if key in untold}
        untold = {key: one for key, one in untold.items() if self._tries[key] < MAX_TRIES}
        if not untold:
            return
        # What was not answered comes after all others.
        turns = sorted(untold, key=lambda key: self._turns.get(key, 0))
        there = [untold[key] for key in turns if self._nodes.record.is_present(untold[key].node_id)]
        if not there or not self._nodes.is_synchronised:
            self._look_in(LOOK)
            return
        asked = [one for one in there if one.node_id == there[0].node_id][:MAX_ASKED]
        self._is_asking = True
        asking = Deferred.fromCoroutine(self._ask_for(asked))
        asking.addErrback(lambda failure: self.log.failure("A past could not be asked for", failure=failure))
        asking.addBoth(self._asked)

    def _asked(self, is_answered: bool | None) -> None:
        self._is_asking = False
        if is_answered:
            self._unanswered = 0
            self._look_in(PAUSE)
        else:
            self._look_in(min(LATEST, LOOK * 2**self._unanswered) * (0.5 + self._chance()))
            self._unanswered = min(self._unanswered + 1, 10)

    async def _ask_for(self, asked: list[ForeignPast]) -> bool:
        """Ask for pasts of one node, a camera once, and keep what it tells; returns whether an answer came."""
        by_camera = {one.camera_id: one for one in asked}
        self._number += 1
        self._turns.update(dict.fromkeys(map(_key, by_camera.values()), self._number))
        times = {camera_id: [one.begin, one.until] for camera_id, one in by_camera.items()}
        try:
            answer = await self._ask(asked[0].node_id, COMMAND, {"cameras": times})
        except CamdetectError as error:
            self.log.debug("{node} did not tell a past: {error}", node=asked[0].node_id, error=str(error))
            return False
        pasts = answer.get("pasts")
        told: dict[str, Any] = pasts if isinstance(pasts, dict) else {}
        for camera_id, one in by_camera.items():
            changes = read_rows(camera_id, told.get(camera_id), one.begin, one.until)
            if changes is None:
                self._tries[_key(one)] += 1
                self.log.warn("{node} tells a past that cannot be read", node=one.node_id)
            elif one in self._history.stays(camera_id):  # the camera may have been forgotten meanwhile
                self._history.take_past(replace(one, changes=changes, reason=""))
        return True

    # --- answering -------------------------------------------------------------------------------------------------

    async def answer(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handler of the command: what this node recorded of cameras in the last week, by camera.

        :raises RemoteError: the question is none, comes too soon after others, or the disk cannot be read.
        """
        times = _read_times(fields.get("cameras"))
        self._take_room()
        pasts = {}
        for camera_id, (begin, until) in times.items():
            now = self._clock.seconds()
            changes = await self._history.changes(camera_id, max(begin, now - WEEK), min(until, now))
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


def _key(past: ForeignPast) -> _Key:
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
    if isinstance(given, bool) or not isinstance(given, int | float) or not abs(given) < MAX_SECONDS:
        raise RemoteError("cameras: a time is a number of seconds since 1970")
    return float(given)
