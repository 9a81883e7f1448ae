"""What Home Assistant and other daemons say on the broker goes in; announcements, again or withdrawn, come out, paced.

Two things make it necessary to read back what stands on the broker under our own name. What an earlier run announced
and this one does not know (forgotten, another mode, switched off) is still there, and nobody else removes it: read back
it is found even when the state directory was lost, which a list of our own would not survive. And another daemon may
know the same camera: whoever announced it last has it, and the others keep quiet as long as that one lives.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

from twisted.application.service import Service
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger

from twisted_detector.errors import PublishError
from twisted_detector.model import Camera, Message, Priority

#: Seconds between two cameras that are said again: 20 a second keep a small computer with Home Assistant responsive.
PACE = 0.05
#: Home Assistant subscribes to a thousand topics after its birth message; it may have a moment for that.
AFTER_BIRTH = 1.0
#: What is not wanted is removed so many seconds after the start: by then everything that was saved is known.
SETTLE = 5.0
#: The same when nothing was saved: what was there before the state directory was lost is found again by then.
SETTLE_LOST = 600.0
#: Seconds between two stamps of when a camera was seen.
SEEN_INTERVAL = 300.0
#: A daemon that restarts is away for less; then others announce its cameras.
PATIENCE = 60.0
#: Foreign topics and daemons that are noted; more are none of a sane broker's.
MAX_ELSEWHERE, MAX_OWNERS, MAX_STRAYS = 10_000, 64, 10_000
#: A device of ours takes 6 kB.
MAX_PAYLOAD = 131_072

Handler = Callable[[str, bytes], Awaitable[None] | None]


class Wording(Protocol):
    """What is said for Home Assistant: ``outputs.homeassistant.HomeAssistantOutput``."""

    elsewhere: Callable[[str], bool]

    def node(self) -> Iterable[Message]:
        """The daemon's device."""

    def camera(self, camera: Camera) -> Iterable[Message]:
        """A camera's device."""

    def seen(self, camera: Camera) -> Message:
        """When it was there last."""

    def wanted(self, camera: Camera | None) -> set[str]:
        """The topics that are to hold something for a camera, or for the daemon."""


class Announcer(Service):
    """Says everything again on Home Assistant's birth message, and removes what is not wanted any more.

    :param wording: None when Home Assistant is switched off: then all that we ever announced is removed.
    :param own: our will topic: by it an announcement shows whose it is.
    :param node: the object id of our own device; those of cameras are ``marker`` and the camera's id.
    :param cameras: all cameras by id, as they are now.
    :param also: what else is said of a camera that is said again: its state, its picture.
    :param resay: says what was said last on retained topics once more though nothing changed.
    :param owner_of: the will topic of the daemon that made an announcement; "" when none of us did.
    :ivar removed: announcements that were removed.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        *,
        wording: Wording | None,
        prefix: str,
        status_topic: str,
        health: Iterable[str],
        own: str,
        node: str,
        marker: str,
        cameras: Callable[[], Mapping[str, Camera]],
        also: Callable[[Camera], Iterable[Message]],
        publish: Callable[[Message], Any],
        resay: Callable[[Iterable[str]], None],
        subscribe: Callable[[str, Handler], Callable[[], None]],
        owner_of: Callable[[Mapping[str, Any]], str],
    ) -> None:
        self._clock = clock
        self._wording = wording
        self._prefix = prefix
        self._status_topic = status_topic
        self._health = tuple(health)
        self._own = own
        self._node = node
        self._marker = marker
        self._cameras = cameras
        self._also = also
        self._publish = publish
        self._resay = resay
        self._subscribe = subscribe
        self._owner_of = owner_of
        self._ends: list[Callable[[], None]] = []
        self._calls: set[IDelayedCall] = set()
        self._pending: dict[str, None] = {}
        self._pacing: IDelayedCall | None = None
        self._stamps = LoopingCall(self._say_seen)
        self._stamps.clock = clock
        self._settled = False
        self._strays: set[str] = set()
        self._foreign: dict[str, str] = {}
        self._alive: dict[str, bool] = {}
        self.removed = 0
        if wording is not None:
            wording.elsewhere = self.elsewhere

    def startService(self) -> None:
        """Listen; say the daemon's device."""
        super().startService()  # type: ignore[no-untyped-call]
        for topics in (f"{self._prefix}/device/+/config", f"{self._prefix}/+/+/+/config"):
            self._ends.append(self._subscribe(topics, self._heard))
        if self._wording is None:
            self._settled = True
            return
        self._ends.append(self._subscribe(self._status_topic, self._birth))
        for message in self._wording.node():
            self._say(message)
        self._later(SETTLE if self._cameras() else SETTLE_LOST, self._settle)
        self._stamps.start(SEEN_INTERVAL, now=False)

    def stopService(self) -> None:
        """Say no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        for end in self._ends:
            end()
        self._ends.clear()
        if self._stamps.running:
            self._stamps.stop()
        for call in self._calls:
            call.cancel()
        self._calls.clear()

    # --- everything again ------------------------------------------------------------------------------------------

    def _birth(self, _topic: str, payload: bytes) -> None:
        if payload != b"online" or self._wording is None:
            return
        for message in self._wording.node():
            self._say_again(message)
        self._resay(self._health)
        self._again(self._cameras(), AFTER_BIRTH)

    def _again(self, camera_ids: Iterable[str], delay: float) -> None:
        """Say these again, one after the other; however often this is asked for, each waits once."""
        self._pending |= dict.fromkeys(camera_ids)
        if self._pending and self._pacing is None:
            self._pacing = self._later(delay, self._next)

    def _next(self) -> None:
        self._pacing = None
        if not self._pending or self._wording is None:
            return
        camera_id = next(iter(self._pending))
        del self._pending[camera_id]
        if (camera := self._cameras().get(camera_id)) is not None:
            for message in (*self._wording.camera(camera), *self._also(camera), self._wording.seen(camera)):
                self._say_again(message)
        self._again((), PACE)

    def _say_again(self, message: Message) -> None:
        self._say(message)
        if message.retain:
            # What is on its way now is not said twice; what the broker was told already is said once more.
            self._resay((message.topic,))

    def _say(self, message: Message) -> None:
        try:
            said = self._publish(message)
        except PublishError as error:
            self.log.debug("{topic} was not taken: {error}", topic=message.topic, error=str(error))
            return
        # What happened to it later is the outbox's to count and to tell.
        said.addErrback(lambda failure: failure.trap(PublishError) and None)

    def _say_seen(self) -> None:
        try:
            if self._wording is not None:
                for camera in self._cameras().values():
                    self._say(self._wording.seen(camera))
        except Exception:
            self.log.failure("When cameras were seen could not be said")

    # --- what stands on the broker ---------------------------------------------------------------------------------

    def _heard(self, topic: str, payload: bytes) -> None:
        if f"/{self._marker}" not in topic or len(payload) > MAX_PAYLOAD:
            return  # of another program: there may be thousands
        if not payload:
            self._foreign.pop(topic, None)
            self._strays.discard(topic)
            return
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            return
        owner = self._owner_of(document) if isinstance(document, dict) else ""
        if owner == self._own:
            self._foreign.pop(topic, None)
            if self._settled:
                self._judge(topic)
            elif len(self._strays) < MAX_STRAYS:
                self._strays.add(topic)
        elif owner and len(self._foreign) < MAX_ELSEWHERE and self._watches(owner):
            self._foreign[topic] = owner

    def _settle(self) -> None:
        self._settled = True
        strays, self._strays = self._strays, set()
        for topic in sorted(strays):
            self._judge(topic)

    def _judge(self, topic: str) -> None:
        """Remove an announcement of our own that should not be there."""
        identity = next(level for level in topic.split("/") if level.startswith(self._marker))
        camera = self._cameras().get(identity.removeprefix(self._marker))
        if self._wording is not None and (camera is not None or identity == self._node):
            if topic in self._wording.wanted(camera):
                return
            # It was announced another way; what is wanted was refused as long as that stood.
            self._again((identity.removeprefix(self._marker),), AFTER_BIRTH)
        self.removed += 1
        self.log.info("{topic} is of an earlier run and is removed", topic=topic)
        self._say(Message(topic, b"", retain=True, priority=Priority.STATE))

    # --- other daemons ---------------------------------------------------------------------------------------------

    def elsewhere(self, topic: str) -> bool:
        """Whether another daemon, which is alive, announced last on this topic."""
        return self._alive.get(self._foreign.get(topic, ""), False)

    def _watches(self, owner: str) -> bool:
        """Listen to the will topic of another daemon; False when that is none, or there are too many."""
        if owner in self._alive:
            return True
        if len(self._alive) >= MAX_OWNERS or not owner.endswith("/lwt") or "+" in owner or "#" in owner:
            return False
        self._alive[owner] = False
        self._ends.append(self._subscribe(owner, self._presence))
        return True

    def _presence(self, owner: str, payload: bytes) -> None:
        try:
            document = json.loads(payload)
        except (ValueError, RecursionError):
            return
        alive = isinstance(document, dict) and document.get("status") == "online"
        if self._alive.get(owner) and not alive:
            self._later(PATIENCE, self._inherit, owner)
        self._alive[owner] = alive

    def _inherit(self, owner: str) -> None:
        """Announce what another daemon had announced, unless it is back."""
        if self._alive.get(owner):
            return
        theirs = {topic for topic, by in self._foreign.items() if by == owner}
        wording = self._wording
        if theirs and wording is not None:
            cameras = self._cameras()
            self._again([each for each, camera in cameras.items() if theirs & wording.wanted(camera)], PACE)

    def _later(self, delay: float, call: Callable[..., None], *arguments: object) -> IDelayedCall:
        def run() -> None:
            self._calls.discard(delayed)
            call(*arguments)

        delayed: IDelayedCall = self._clock.callLater(delay, run)
        self._calls.add(delayed)
        return delayed
