"""Output and follower of what people call cameras: who publishes a camera says it, the others take it over."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import CamdetectError, PublishError
from twisted_detector.events import (
    AdoptionChanged,
    CameraDiscovered,
    CameraEvent,
    CameraForgotten,
    CameraRestored,
    Event,
    PictureTaken,
)
from twisted_detector.interfaces import IEventListener, IOutput
from twisted_detector.model import Camera, Message, Priority
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.decisions import NOTHING_DECIDED, Decisions, Description, Verdict, device_of
from twisted_detector.mqtt.seams import ConnectionChange
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.decisions.book import DecisionBook, with_cameras
from twisted_detector.operations.decisions.document import MAX_CAMERAS
from twisted_detector.operations.nodes.handover.described import UNDESCRIBED, Described, stamp
from twisted_detector.operations.nodes.handover.heard import HeardDocuments
from twisted_detector.operations.nodes.handover.hearing import Hearing
from twisted_detector.operations.nodes.service import NodeService
from twisted_detector.operations.nodes.values import MAX_CLAIMS
from twisted_detector.outputs.topics import Topics
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import IStateStore

#: Table of the store: camera id → what was decided last, with its stamp.
TABLE = "described"
#: Seconds in which what other nodes say is gathered: a thousand names that come at a start are one change of the file;
#: and between two changes of it, at least.
GATHER, PAUSE = 0.2, 5.0
#: Seconds after which what the disk did not take is tried again, and a document that is not the last word replaced.
AGAIN, REPAIR = 60.0, 2.0
_NOTHING = Described()


@implementer(IEventListener, IOutput)
class SharedDescriptions:
    """Output of the documents of this node's cameras, and follower of those of all; the rules are in the package.

    Its observer of the book must be called before that of whoever publishes what is decided.

    :ivar refused: documents that were refused.
    """

    log = make_logger()
    name = "described"

    def __init__(
        self,
        clock: IReactorTime,
        nodes: NodeService,
        *,
        mqtt: MqttService,
        topics: Topics,
        book: DecisionBook,
        registry: Registry,
        store: IStateStore,
    ) -> None:
        self._clock = clock
        self._nodes = nodes
        self._mqtt = mqtt
        self._topics = topics
        self._book = book
        self._registry = registry
        self._store = store
        #: What holds here, of cameras that somebody has described; and what stands on the broker.
        self._held: BoundedDict[str, Described] = BoundedDict(MAX_CLAIMS)
        self._told = HeardDocuments(clock.seconds)
        self._running = False
        may_speak = lambda: self._running and nodes.is_synchronised  # noqa: E731
        self._hearing = Hearing(clock, topics.described, is_ready=may_speak, heard=self._heard)
        #: What a person here decided over, though it was ahead of our clock.
        self._overruled: BoundedDict[str, Described] = BoundedDict(MAX_CLAIMS)
        #: What we published last, by camera.
        self._said: BoundedDict[str, bytes] = BoundedDict(MAX_CLAIMS)
        #: What is to be taken over, and what is being written just now.
        self._wanted: dict[str, Described] = {}
        self._incoming: dict[str, Described] = {}
        self._taking: IDelayedCall | None = None
        self._is_writing = False
        self._repairs: dict[str, IDelayedCall] = {}
        self.refused = 0
        book.changed.add(self._decided)
        self._ends = (
            mqtt.add_state_listener(self._connection_changed),
            mqtt.subscribe(topics.described("+"), self._receive, only=self._hearing.topics),
        )

    # --- life ------------------------------------------------------------------------------------------------------

    async def load(self) -> None:
        """Read what an earlier run kept. What was written into the file since then was decided meanwhile; what was
        decided before stamps were kept is older than all."""
        for camera_id, text in (await self._store.load_values(TABLE)).items():
            if text and (described := Described.parse(text, camera_id)) is not None:
                self._held[camera_id] = described
        for camera_id in {*self._held, *self._book.current.cameras}:
            texts, held = self._book.current.of(camera_id).description, self._held.get(camera_id)
            if held is None and texts != UNDESCRIBED:
                self._hold(camera_id, Described(texts, 1, self._topics.node_id))
            elif held is not None and held.description != texts:
                self._stamp(camera_id, texts)

    def start(self) -> None:
        """Take over what other nodes said meanwhile; the cameras of an earlier run are known by now."""
        self._running = True
        for camera_id in self._told:
            self._consider(camera_id)
        for camera_id in tuple(self._held):
            if self._last_word(camera_id) is not None:
                self._repair_soon(camera_id)

    def stop(self) -> None:
        """Take over nothing any more."""
        self._running = False
        for end in self._ends:
            end()
        self._hearing.stop()
        for one in (self._taking, *self._repairs.values()):
            if one is not None and one.active():
                one.cancel()

    def clock_set(self, _: float) -> None:
        """The wall's clock was set: what seemed to be from the future is judged again, and what was decided over it."""
        for camera_id, other in tuple(self._overruled.items()):
            held = self._held.get(camera_id, _NOTHING)
            if not other.is_ahead(self._clock.seconds()):
                del self._overruled[camera_id]
                if held.by == self._topics.node_id:
                    self._stamp(camera_id, held.description, other)
        for camera_id in self._told:
            self._consider(camera_id)

    # --- what holds ------------------------------------------------------------------------------------------------

    def adopted_at(self, camera_id: str) -> str:
        """Another node that says that a camera is adopted there, "" for none, and for one that is adopted here.

        It is hearsay, and for people only.
        """
        camera = self._registry.camera(camera_id)
        if camera is not None and camera.adopted.is_adopted:
            return ""
        known = self._told.judged(camera_id) or self._held.get(camera_id)
        node_id = known.adopted_at if known is not None else ""
        return node_id if node_id != self._topics.node_id and self._nodes.record.knew(node_id, camera_id) else ""

    def _decided(self, before: Decisions, after: Decisions) -> None:
        """A person decided, here; or what another node said is written down."""
        for camera_id in {*before.cameras, *after.cameras}:
            texts = after.of(camera_id).description
            if texts == before.of(camera_id).description:
                continue
            incoming = self._incoming.get(camera_id)
            if incoming is not None and incoming.description == texts:
                self._hold(camera_id, incoming)
            elif texts == UNDESCRIBED and self._registry.camera(camera_id) is None:
                self._hold(camera_id, None)  # it was forgotten, or goes by another id
            else:
                self._stamp(camera_id, texts)

    def _stamp(self, camera_id: str, texts: Description, over: Described | None = None) -> None:
        if (ahead := self._told.get(camera_id)) is not None and self._told.is_ahead(camera_id):
            # What is later than that others may refuse: it is said with our time, and again if our clock is set.
            self._overruled[camera_id] = ahead
            self._told.put(camera_id, None)
        held, told = self._held.get(camera_id), self._told.get(camera_id)
        at, here = stamp(self._clock.seconds(), (held, told, over)), self._topics.node_id
        self._hold(camera_id, Described(texts, at, here, held.adopted_at if held is not None else ""))
        if self._registry.camera(camera_id) is not None:
            self._repair_soon(camera_id)

    def _hold(self, camera_id: str, described: Described | None) -> None:
        if self._held.get(camera_id) == described:
            return
        if described is None:
            del self._held[camera_id]
        else:
            self._held[camera_id] = described
        self._store.save_value(TABLE, camera_id, described.encode(camera_id).decode() if described else "")

    # --- what is said ----------------------------------------------------------------------------------------------

    def messages(self, event: Event) -> Iterable[Message]:
        """See :class:`IOutput`: it is asked about what this node publishes only."""
        if not isinstance(event, CameraEvent) or isinstance(event, PictureTaken):
            return
        camera_id = event.camera.id
        if isinstance(event, CameraForgotten):
            has_heard = self._hearing.has_heard(camera_id)
            if not has_heard or self._told.get(camera_id) is not None or camera_id in self._said:
                yield self._message(camera_id, b"")
        elif not self._hearing.has_heard(camera_id) or self._told.is_ahead(camera_id):
            return  # what stands there may be the last word
        elif (mine := self._mine(event.camera)) != (self._told.get(camera_id) or _NOTHING):
            yield self._message(camera_id, mine.encode(camera_id))

    def _mine(self, camera: Camera) -> Described:
        """The last word about a camera, and where it is adopted: here, or else where it was before."""
        held, told = self._held.get(camera.id, _NOTHING), self._told.get(camera.id) or _NOTHING
        last = held if held.order >= told.order else told
        if camera.adopted.is_adopted:
            return last.with_adopted_at(self._topics.node_id)
        taken_back = self._book.current.of(device_of(camera.id)).verdict is Verdict.UNADOPTED
        elsewhere = told.adopted_at or held.adopted_at
        return last.with_adopted_at("" if taken_back or elsewhere == self._topics.node_id else elsewhere)

    def _message(self, camera_id: str, payload: bytes) -> Message:
        self._said[camera_id] = payload
        return Message(self._topics.described(camera_id), payload, retain=True, priority=Priority.STATE)

    def _publish(self, camera_id: str, described: Described) -> None:
        """Say it, though it may have been said before: another document stands in its place."""
        topic, payload = self._topics.described(camera_id), described.encode(camera_id)
        if self._said.get(camera_id) == payload:
            self._mqtt.republish((topic,))  # if the outbox remembers it; else it is published, as what is new
        try:
            sending = self._mqtt.publish(self._message(camera_id, payload))
        except PublishError as error:
            self.log.debug("A description was not accepted: {error}", error=str(error))
            return
        sending.addCallbacks(lambda _: self._forget_others(camera_id), lambda failure: failure.trap(PublishError))

    def _forget_others(self, camera_id: str) -> None:
        """What was said of a camera that another node publishes is not said again with the next connection."""
        if not self._nodes.owns(camera_id):
            self._unsay(camera_id)

    def _unsay(self, camera_id: str) -> None:
        if self._said.pop(camera_id, None) is not None:
            self._mqtt.outbox.discard(self._topics.described(camera_id).__eq__)

    # --- what others say -------------------------------------------------------------------------------------------

    def _connection_changed(self, change: ConnectionChange) -> None:
        """Each connection shows anew what stands on the broker; until then nothing is said."""
        if change.event == "connected":
            self._told.clear()
        self._hearing.connection_changed(change)

    def _heard(self, camera_ids: Collection[str]) -> None:
        """What is retained of these has come: what is missing of ours is said."""
        for camera_id in camera_ids:
            if self._nodes.owns(camera_id) and (last := self._last_word(camera_id)) is not None:
                self._publish(camera_id, last)

    def _receive(self, topic: str, payload: bytes) -> None:
        camera_id = topic.rpartition("/")[2]
        if not self._hearing.asks(camera_id):
            return
        if not payload:
            self._told.put(camera_id, None)
            return
        described = Described.parse(payload, camera_id)
        if described is None:
            self.refused += 1
            self._told.put_unreadable(camera_id)
            self._repair_soon(camera_id)
            return
        self._told.put(camera_id, described)
        if self._told.is_ahead(camera_id):
            self.refused += 1
            self._unsay(camera_id)
        else:
            self._consider(camera_id)

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraForgotten):
            self._forget(event.camera.id)
        elif isinstance(event, CameraEvent) and not self._hearing.asks(event.camera.id):
            self._told.put(event.camera.id, None)
            self._hearing.ask(event.camera.id)
        if isinstance(event, CameraDiscovered | CameraRestored | AdoptionChanged):
            # After the change of the registry that this is a part of.
            self._clock.callLater(0, self._consider, event.camera.id)

    def _forget(self, camera_id: str) -> None:
        self._hold(camera_id, None)
        self._hearing.cease(camera_id)
        self._told.unreadable.discard(camera_id)
        if self._said.get(camera_id) != b"":
            self._said.pop(camera_id, None)
            self._clock.callLater(0, self._consider, camera_id)  # it may be said to be adopted here

    def _consider(self, camera_id: str) -> None:
        """Decide what follows from what stands on the broker of a camera."""
        told, camera = self._told.judged(camera_id), self._registry.camera(camera_id)
        if told is None or not self._running:
            return
        if self._last_word(camera_id) is not None:
            self._repair_soon(camera_id)
        if camera is None:
            return
        held, is_ours = self._held.get(camera_id, _NOTHING), self._nodes.owns(camera_id)
        # Who publishes the camera has the stamp that counts: of the same words another one would be in the way later.
        is_same = told.description == held.description and not is_ours
        if told.order > held.order or (is_same and told.order != held.order):
            self._wanted[camera_id] = told
            self._take_soon(GATHER)
        elif told.adopted_at != held.adopted_at:
            self._hold(camera_id, held.with_adopted_at(told.adopted_at))
        self._registry.adoption_heard(camera_id, self._clock.seconds())

    # --- repairs ---------------------------------------------------------------------------------------------------

    def _repair_soon(self, camera_id: str, delay: float = REPAIR) -> None:
        """Replace what stands on the broker if it is not the last word then: once in a while, whoever writes it."""
        if self._running and camera_id not in self._repairs:
            self._repairs[camera_id] = self._clock.callLater(delay, self._repair, camera_id)

    def _repair(self, camera_id: str) -> None:
        del self._repairs[camera_id]
        last = self._last_word(camera_id)
        if last is None:
            return
        if self._nodes.is_synchronised and self._hearing.has_heard(camera_id):
            self._publish(camera_id, last)
        else:
            self._repair_soon(camera_id, AGAIN)

    def _last_word(self, camera_id: str) -> Described | None:
        """What this node has to put in the place of what stands on the broker; None where that is right, or is for the
        publishing node to say."""
        camera, told = self._registry.camera(camera_id), self._told.get(camera_id) or _NOTHING
        if self._told.is_ahead(camera_id) or (camera is None and self._said.get(camera_id) == b""):
            return None
        if camera is not None and self._nodes.owns(camera_id):
            mine = self._mine(camera)
            return None if mine == told and camera_id not in self._told.unreadable else mine
        held = self._held.get(camera_id, _NOTHING)
        if camera is not None and held.order > told.order and held.by == self._topics.node_id:
            return held.with_adopted_at(told.adopted_at)  # it was decided in a file here
        is_adopted = camera is not None and camera.adopted.is_adopted
        # What is said of us we know best.
        return told.with_adopted_at("") if told.adopted_at == self._topics.node_id and not is_adopted else None

    # --- taking over -----------------------------------------------------------------------------------------------

    def _take_soon(self, delay: float) -> None:
        if self._running and not self._is_writing and (self._taking is None or not self._taking.active()):
            self._taking = self._clock.callLater(delay, self._begin_taking)

    def _begin_taking(self) -> None:
        wanted, self._wanted = self._wanted, {}
        if wanted:
            Deferred.fromCoroutine(self._take(wanted)).addErrback(
                lambda failure: self.log.failure("Names of other nodes could not be taken over", failure=failure)
            )

    async def _take(self, wanted: dict[str, Described]) -> None:
        self._is_writing, delay = True, PAUSE
        try:
            await self._book.change(lambda decisions: self._written(decisions, wanted))
            for camera_id, described in self._incoming.items():
                # Of what was called the same before nobody was told.
                if self._book.current.of(camera_id).description == described.description:
                    self._hold(camera_id, described)
        except CamdetectError as error:
            self.log.warn("What other nodes call cameras could not be written down: {error}", error=str(error))
            self._wanted = {**wanted, **self._wanted}
            delay = AGAIN
        finally:
            self._is_writing, self._incoming = False, {}
            self._take_soon(delay)

    def _written(self, decisions: Decisions, wanted: dict[str, Described]) -> Decisions:
        """The decisions with what other nodes say, as far as it is news still and there is room."""
        cameras = dict(decisions.cameras)
        for camera_id, described in wanted.items():
            held = self._held.get(camera_id, _NOTHING)
            is_same = held.description == described.description
            if self._registry.camera(camera_id) is None or (described.order <= held.order and not is_same):
                continue
            if camera_id not in cameras and described.description != UNDESCRIBED and len(cameras) >= MAX_CAMERAS:
                continue
            self._incoming[camera_id] = described
            cameras[camera_id] = replace(cameras.get(camera_id, NOTHING_DECIDED), description=described.description)
        return with_cameras(decisions, cameras)
