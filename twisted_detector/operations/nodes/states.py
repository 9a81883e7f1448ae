"""Watcher of the cameras' states on the broker, for as long as somebody looks at the fleet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import Any

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import deferLater

from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.encoding import parse_object
from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.operations.nodes.values import MAX_CLAIMS

#: Seconds in which what the broker has retained comes, a thousand cameras from a board's broker too.
FIRST = 1.0
#: Seconds after the last question until the states are not followed any more: each of them would come to every node.
LOOKED = 300.0
#: Is given topic and payload.
Handler = Callable[[str, bytes], None]
#: Characters of each text that is kept.
_MOST = {"name": 64, "area": 64, "ip": 64, "status": 32, "reason": 300, "since": 40}


class CameraStates:
    """Watcher of ``camera/status/<id>`` of all cameras that are asked for.

    Whoever owns a camera publishes its state, retained, for all who want to know: other nodes read the same.

    :param subscribe: to the states of the cameras of a set; returns what ends it.
    :param topic: the topic of a camera's state.
    """

    def __init__(
        self,
        clock: IReactorTime,
        subscribe: Callable[[Handler, TopicSet], Callable[[], None]],
        *,
        topic: Callable[[str], str],
    ) -> None:
        self._clock = clock
        self._subscribe = subscribe
        self._topic = topic
        self._topics = TopicSet()
        self._states: BoundedDict[str, Mapping[str, str]] = BoundedDict(MAX_CLAIMS)
        self._unsubscribe: Callable[[], None] | None = None
        self._ready_at = 0.0
        self._end: IDelayedCall | None = None

    async def look(self, camera_ids: Iterable[str]) -> Mapping[str, Mapping[str, str]]:
        """By camera: ``name``, ``area``, ``ip``, ``status``, ``reason`` and ``since``, as they are published."""
        wanted = dict.fromkeys(map(self._topic, islice(camera_ids, MAX_CLAIMS)))
        self._topics.remove([one for one in self._topics if one not in wanted])
        if self._topics.add(wanted):
            self._ready_at = self._clock.seconds() + FIRST
        if self._unsubscribe is None:
            self._unsubscribe = self._subscribe(self._receive, self._topics)
        if self._end is not None:
            self._end.cancel()
        self._end = self._clock.callLater(LOOKED, self.stop)
        wait = self._ready_at - self._clock.seconds()
        if 0 < wait <= FIRST:  # else the wall's clock was set meanwhile
            await deferLater(self._clock, wait)
        return self._states

    def stop(self) -> None:
        """Follow them no longer."""
        if self._end is not None and self._end.active():
            self._end.cancel()
        if self._unsubscribe is not None:
            self._unsubscribe()
        self._end = self._unsubscribe = None
        self._topics = TopicSet()
        self._states = BoundedDict(MAX_CLAIMS)

    def _receive(self, topic: str, payload: bytes) -> None:
        camera_id = topic.rpartition("/")[2]
        document = parse_object(payload) if payload else None
        if document is None:
            self._states.pop(camera_id, None)
            return
        camera = document.get("camera")
        facts: dict[str, Any] = {**(camera if isinstance(camera, dict) else {}), **document}
        self._states[camera_id] = {name: _text(facts.get(name), most) for name, most in _MOST.items()}


def _text(given: Any, most: int) -> str:
    return given[:most] if isinstance(given, str) else ""
