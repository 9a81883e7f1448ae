"""Service that repeats all announcements when Home Assistant starts, and removes those that are not wanted any more.

Two things make it necessary to read back what stands on the broker under our own name. What an earlier run announced
and this one does not know (forgotten, another mode, switched off) is still there, and nobody else removes it: read back
it is found even when the state directory was lost, which a list of our own would not survive. And another daemon may
have announced the same camera (``other_daemons.py``).

All of it comes by the thousand, after a connect or a start. So nothing here looks at all cameras for one event, and
what is done for each camera or for each announcement is done when its turn in the queue comes, between other work.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall, deferLater
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import PublishError
from twisted_detector.model import Camera, Message, Priority
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.model.encoding import parse_object
from twisted_detector.model.naming import title
from twisted_detector.outputs.homeassistant.other_daemons import OtherDaemons
from twisted_detector.outputs.homeassistant.output import MAX_STANDING, HomeAssistantOutput
from twisted_detector.outputs.homeassistant.payloads import ORIGIN, node_object_id, owner_of
from twisted_detector.outputs.topics import Topics

#: Seconds between two cameras that are repeated: 20 a second keep a small computer with Home Assistant responsive.
PACE = 0.05
#: Home Assistant subscribes to a thousand topics after its birth message; it may have a moment for that.
AFTER_BIRTH = 1.0
#: What is not wanted is removed so many seconds after the start: by then everything that was saved is known.
SETTLE = 5.0
#: The same when nothing was saved: what was there before the state directory was lost is found again by then.
SETTLE_LOST = 600.0
#: Seconds between two stamps of when a camera was seen; where that would be more than 30 stamps a minute in all, those
#: between two cameras.
SEEN_INTERVAL, SEEN_PACE = 300.0, 2.0
#: A daemon that restarts is away for less; then others announce its cameras.
PATIENCE = 60.0
#: Announcements of our own that are remembered until they can be judged: as many as are made.
MAX_STRAYS = MAX_STANDING
#: A device of ours takes 6 kB.
MAX_PAYLOAD = 131_072
#: Tells Home Assistant that what was announced on this topic will come on another one: it keeps its entities.
#: https://www.home-assistant.io/integrations/mqtt/#migration-from-single-component-to-device-based-discovery
MIGRATE = b'{"migrate_discovery":true}'
#: In every topic of ours: the origin, then a camera's id or the daemon's.
_MARKER = f"{ORIGIN}_"

Handler = Callable[[str, bytes], Awaitable[None] | None]


@dataclass(frozen=True, slots=True)
class CameraSource:
    """The cameras as they are now.

    :ivar all: every one; asked once for a round through all of them, never for one event.
    :ivar find: one by its id.
    :ivar owns: whether this node publishes a camera, by its id, and no other one.
    :ivar extra_messages: what else is published for a camera that is announced again: its state, its picture.
    """

    all: Callable[[], Collection[Camera]]
    find: Callable[[str], Camera | None]
    extra_messages: Callable[[Camera], Iterable[Message]]
    owns: Callable[[str], bool] = lambda _: True


@dataclass(frozen=True, slots=True)
class AnnouncerSettings:
    """Where announcements are made.

    :ivar prefix: Home Assistant's discovery prefix.
    :ivar status_topic: of Home Assistant's birth message.
    :ivar topics: our own; the will topic shows whose an announcement is.
    """

    prefix: str
    status_topic: str
    topics: Topics


class Announcer(Service):
    """Repeats and removes announcements.

    :param output: None when Home Assistant is switched off: then all that we ever announced is removed.
    :param wait_turn: returns when there is time for one camera or one announcement (CooperativeQueue).
    :param publish: queues a message; :param republish: publishes what retained topics hold once more, though nothing
        changed.
    :ivar removed: announcements that were removed.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        settings: AnnouncerSettings,
        *,
        output: HomeAssistantOutput | None,
        cameras: CameraSource,
        wait_turn: Callable[[], Awaitable[None]],
        publish: Callable[[Message], Any],
        republish: Callable[[Iterable[str]], None],
        subscribe: Callable[[str, Handler], Callable[[], None]],
    ) -> None:
        self._clock = clock
        self._settings = settings
        self._output = output
        self._others = output.others if output is not None else OtherDaemons()
        self._cameras = cameras
        self._wait_turn = wait_turn
        self._publish = publish
        self._republish = republish
        self._subscribe = subscribe
        self._unsubscribe: list[Callable[[], None]] = []
        self._calls: set[IDelayedCall] = set()
        self._rounds: set[Deferred[None]] = set()
        self._birth_due = False
        self._inheriting: set[str] = set()
        self._pending: OrderedDict[str, None] = OrderedDict()
        self._pacing: IDelayedCall | None = None
        self._stamps = LoopingCall(self._publish_seen)
        self._stamps.clock = clock
        self._node_id = node_object_id(settings.topics).removeprefix(_MARKER)
        self._settled = False
        self._strays: set[str] = set()
        self._leaving: dict[str, list[str]] = {}  # by camera, or the daemon: topics of the other form, to be emptied
        self._removing: BoundedSet[str] = BoundedSet(MAX_STRAYS)
        self.removed = 0

    def startService(self) -> None:
        """Subscribe, and announce the daemon's device."""
        super().startService()  # type: ignore[no-untyped-call]
        prefix = self._settings.prefix
        for topics in (f"{prefix}/device/+/config", f"{prefix}/+/+/+/config"):
            self._unsubscribe.append(self._subscribe(topics, self._receive_announcement))
        if self._output is None:
            self._settled = True
            return
        self._unsubscribe.append(self._subscribe(self._settings.status_topic, self._receive_birth))
        for message in self._output.node_messages():
            self._send(message)
        self._call_later(SETTLE if self._cameras.all() else SETTLE_LOST, self._settle)
        self._stamps.start(SEEN_INTERVAL, now=False)

    def stopService(self) -> None:
        """Unsubscribe, and publish nothing more."""
        super().stopService()  # type: ignore[no-untyped-call]
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        self._unsubscribe.clear()
        if self._stamps.running:
            self._stamps.stop()
        for call in self._calls:
            call.cancel()
        self._calls.clear()
        for one in tuple(self._rounds):
            one.cancel()

    # --- everything again ------------------------------------------------------------------------------------------

    def _receive_birth(self, _topic: str, payload: bytes) -> None:
        if payload != b"online" or self._output is None or self._birth_due:
            return
        for message in self._output.node_messages():
            self._repeat(message)
        self._republish(self._settings.topics.health)
        self._birth_due = True  # others that come meanwhile are answered with the same round
        self._call_later(AFTER_BIRTH, self._announce_all)

    def _announce_all(self) -> None:
        self._birth_due = False
        self._pending |= dict.fromkeys(camera.id for camera in self._cameras.all())
        if self._pacing is None:
            self._announce_next()

    def _schedule(self, camera_ids: Iterable[str], delay: float) -> None:
        """Announce these again, one after the other; each waits once, however often it is scheduled."""
        self._pending |= dict.fromkeys(camera_ids)
        if self._pending and self._pacing is None:
            self._pacing = self._call_later(delay, self._announce_next)

    def _announce_next(self) -> None:
        self._pacing = None
        if not self._pending or self._output is None:
            return
        camera_id, _ = self._pending.popitem(last=False)
        if camera_id == self._node_id:
            for message in self._output.node_messages():
                self._repeat(message)
        elif (camera := self._cameras.find(camera_id)) is not None and self._cameras.owns(camera_id):
            extra = self._cameras.extra_messages(camera)
            for message in (*self._output.camera_messages(camera), *extra, self._output.seen_message(camera)):
                self._repeat(message)
        for topic in self._leaving.pop(camera_id, ()):
            self._empty(topic)
        self._schedule((), PACE)

    def _repeat(self, message: Message) -> None:
        self._send(message)
        if message.retain:
            # What is on its way now is not sent twice; what the broker has already is sent once more.
            self._republish((message.topic,))

    def _send(self, message: Message) -> None:
        try:
            sending = self._publish(message)
        except PublishError as error:
            self.log.debug("{topic} was not accepted: {error}", topic=message.topic, error=str(error))
            return
        # What happens to it later is the outbox's to count and to report.
        sending.addErrback(lambda failure: failure.trap(PublishError) and None)

    def _publish_seen(self) -> Deferred[None]:
        return self._begin_round(self._publish_all_seen())

    async def _publish_all_seen(self) -> None:
        cameras = self._cameras.all()
        many = len(cameras) > SEEN_INTERVAL / SEEN_PACE
        for known in cameras:
            if many:
                await deferLater(self._clock, SEEN_PACE)
            await self._wait_turn()
            # Looked up now: of one that was forgotten meanwhile nothing is to stand on the broker.
            camera = self._cameras.find(known.id) if self._cameras.owns(known.id) else None
            if self._output is not None and camera is not None:
                self._send(self._output.seen_message(camera))

    def _begin_round(self, coroutine: Coroutine[Any, Any, None]) -> Deferred[None]:
        """Go through many things, one at a time, until the end or a stop; its Deferred never fails."""
        going = Deferred.fromCoroutine(coroutine)
        self._rounds.add(going)

        def end(result: Failure | None) -> None:
            self._rounds.discard(going)
            if isinstance(result, Failure) and not result.check(CancelledError):
                self.log.failure("A round through the announcements failed", failure=result)

        return going.addBoth(end)

    # --- what stands on the broker ---------------------------------------------------------------------------------

    def _receive_announcement(self, topic: str, payload: bytes) -> Awaitable[None] | None:
        if f"/{_MARKER}" not in topic or len(payload) > MAX_PAYLOAD:
            return None  # of another program: there may be thousands
        return self._judge(topic, payload)

    async def _judge(self, topic: str, payload: bytes) -> None:
        await self._wait_turn()
        if not self.running:
            return
        if not payload:
            self._others.forget(topic)
            self._strays.discard(topic)
            self._record_emptied(topic)
            return
        document = parse_object(payload)
        owner = owner_of(document) if document is not None else ""
        if owner == self._settings.topics.lwt:
            self._others.forget(topic)
            if self._output is not None:
                self._output.standing.add(topic)
            if self._settled:
                self._remove_stray(topic)
            elif len(self._strays) < MAX_STRAYS:
                self._strays.add(topic)
        elif owner and self._watch(owner):
            self._others.record(topic, owner)

    def _settle(self) -> None:
        self._settled = True
        self._begin_round(self._remove_strays())

    async def _remove_strays(self) -> None:
        for topic in sorted(self._strays):
            await self._wait_turn()
            if topic in self._strays:  # else it was emptied meanwhile
                self._strays.discard(topic)
                self._remove_stray(topic)

    def _remove_stray(self, topic: str) -> None:
        """Remove an announcement of our own, unless it is wanted."""
        key = _key(topic)
        camera = self._cameras.find(key)
        if self._output is not None and (camera is not None or key == self._node_id):
            if topic in self._output.expected_topics(camera):
                return
            if camera is None or self._output.expected_topics(camera):
                self._migrate(key, topic)
                return
        if topic in self._removing:
            return
        self.removed += 1
        self.log.info("{topic} is left over from an earlier run and is removed", topic=topic)
        self._empty(topic)

    def _migrate(self, key: str, topic: str) -> None:
        """It was announced in the other form; what is wanted is refused as long as that stands."""
        leaving = self._leaving.setdefault(key, [])
        if topic not in leaving:
            leaving.append(topic)
            self._send(Message(topic, MIGRATE, priority=Priority.STATE))
            self._schedule((key,), AFTER_BIRTH)

    def _empty(self, topic: str) -> None:
        self._removing.add(topic)
        if self._output is not None:
            self._send(self._output.emptying(topic))
        else:
            self._send(Message(topic, b"", retain=True, priority=Priority.STATE))

    def _record_emptied(self, topic: str) -> None:
        """An announcement is gone; where nobody here took it away, a person deleted the device in Home Assistant."""
        self._removing.discard(topic)
        output, camera = self._output, self._cameras.find(_key(topic))
        if output is None:
            return
        by_us = topic in output.emptied
        output.emptied.discard(topic)
        stood = topic in output.standing
        output.standing.discard(topic)
        if by_us or not stood or camera is None or topic not in output.expected_topics(camera):
            return
        if output.deletions.add(camera.id):
            self.log.info(
                "{name} was deleted in Home Assistant: it is not announced there again before somebody asks for it"
                " (camdetect check {id}, or its button on the page)",
                name=title(camera),
                id=camera.id,
            )
            # Or else the outbox would say at the next connection what it knows to stand there.
            for message in (output.emptying(topic), *output.removal_messages(camera.id)):
                self._send(message)

    # --- other daemons ---------------------------------------------------------------------------------------------

    def _watch(self, owner: str) -> bool:
        """Subscribe to the will topic of another daemon; False when it is none, or there are too many."""
        if self._others.knows(owner):
            return True
        if not self._others.admit(owner):
            return False
        self._unsubscribe.append(self._subscribe(owner, self._receive_will))
        return True

    def _receive_will(self, owner: str, payload: bytes) -> None:
        document = parse_object(payload)
        alive = document is not None and document.get("status") == "online"
        if self._others.is_alive(owner) and not alive and owner not in self._inheriting:
            self._inheriting.add(owner)
            self._call_later(PATIENCE, self._inherit, owner)
        self._others.set_alive(owner, alive)

    def _inherit(self, owner: str) -> None:
        """Announce what another daemon had announced and we know too, unless it is back."""
        self._inheriting.discard(owner)
        if self._output is not None and not self._others.is_alive(owner):
            self._schedule(map(_key, self._others.topics_of(owner)), PACE)

    def _call_later(self, delay: float, call: Callable[..., None], *arguments: object) -> IDelayedCall:
        def run() -> None:
            self._calls.discard(delayed)
            call(*arguments)

        delayed: IDelayedCall = self._clock.callLater(delay, run)
        self._calls.add(delayed)
        return delayed


def _key(topic: str) -> str:
    """The camera of which a topic of ours is, by its id, or the daemon."""
    return next(level for level in topic.split("/") if level.startswith(_MARKER)).removeprefix(_MARKER)
