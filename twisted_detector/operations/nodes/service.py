"""Service that takes part in the election over MQTT, and admits to publication what this node has the voice for."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from math import inf
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.internet.task import LoopingCall
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import PublishError
from twisted_detector.events import CameraEvent, CameraForgotten, CameraRestored, Event, PictureTaken
from twisted_detector.interfaces import IEventListener
from twisted_detector.model import Camera, Message, Priority, Status
from twisted_detector.model.bounds import BoundedDict, BoundedSet
from twisted_detector.model.encoding import parse_object
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.seams import ConnectionChange
from twisted_detector.mqtt.service import MqttService
from twisted_detector.operations.host_checks import Finding
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.faults import findings, slow_broker
from twisted_detector.operations.nodes.fleet import fleet_document
from twisted_detector.operations.nodes.sites import SiteRecord
from twisted_detector.operations.nodes.states import CameraStates
from twisted_detector.operations.nodes.timing import TIMING
from twisted_detector.operations.nodes.values import MAX_CLAIMS, Beat, NodeAbout, NodeDocument, Rank
from twisted_detector.outputs.topics import Topics, camera_of
from twisted_detector.outputs.voice import Admission, Voice

#: Seconds between two ticks of the election.
TICK = 0.2
#: Until the next one where something is due: a takeover waits for two of them.
SOON = 0.05
#: Seconds after which a broker that returns nothing to us is told of: what it withholds keeps every camera unpublished.
UNRETURNED = 30.0
#: Seconds for which a bid or an event waits before a broker is told of that answers too late for either.
HELD_UP = 10.0
#: A beat that could not be sent for so long is no sign of life any more.
BEAT_LIFETIME = 2.0
#: Events of one camera that wait until it is known who publishes it; the oldest go first, the state is told anyhow.
MAX_WAITING = 20
#: Cameras that are begun with in one tick, the others in the next ones: thousands at once would take longer than a node
#: may be without a tick (``stall``), and everything would be given up and gained again without end.
MAX_BEGUN = 100


def rank_of(camera: Camera) -> Rank:
    """How well this node sees one of its cameras."""
    if camera.status is Status.OFFLINE:
        return Rank.AWAY
    if camera.mac is not None:
        return Rank.SEES_MAC
    return Rank.ROUTED if camera.established else Rank.HEARD_OF


@implementer(IEventListener)
class NodeService:
    """Adapter of the election to MQTT and the bus.

    :param find: a camera by its id.
    :param monotonic: seconds of a clock that counts while the machine sleeps, where there is one.
    :ivar record: of the nodes, those that are away too.
    :ivar gained: called with each camera that this node publishes from now on, before it does.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        election: Election,
        *,
        mqtt: MqttService,
        topics: Topics,
        find: Callable[[str], Camera | None],
        monotonic: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._election = election
        self.record = SiteRecord(election)
        self.gained: Observers[[str]] = Observers("a camera of this node")
        self._states = CameraStates(
            clock,
            lambda handler, only: mqtt.subscribe(topics.every_status, handler, only=only),
            topic=topics.status,
        )
        self._mqtt = mqtt
        self._topics = topics
        self._find = find
        self._monotonic = monotonic
        self._dispatch: Callable[[Event], None] | None = None
        #: Cameras that we owned when the connection was lost.
        self._paused: set[str] = set()
        self._waiting: BoundedDict[str, deque[Event]] = BoundedDict(MAX_CLAIMS)
        #: Cameras that we own and have yet to begin with, in their order.
        self._beginning: dict[str, None] = {}
        #: Cameras that another node knew at any time.
        self._met: BoundedSet[str] = BoundedSet(MAX_CLAIMS)
        #: Cameras that were forgotten while it was not known whose they are.
        self._forgotten: BoundedDict[str, CameraForgotten] = BoundedDict(MAX_CLAIMS)
        self._releasing: Event | None = None
        self._rival = self._fault = ""
        self._connected_at = self._held_up_since = inf
        self._prompt: IDelayedCall | None = None
        self._loop = LoopingCall(self._tick)
        self._loop.clock = clock
        documents, beats, wills = topics.every_node
        mqtt.subscribe(documents, self._receive_document, retained=self._receive_retained)
        mqtt.subscribe(beats, self._receive_beat)
        mqtt.subscribe(wills, self._receive_will)
        mqtt.add_state_listener(self._connection_changed)

    def start(self, dispatch: Callable[[Event], None]) -> None:
        """Take part. :param dispatch: publishes what comes of an event, as far as :meth:`admit` lets it."""
        self._dispatch = dispatch
        self._loop.start(TICK, now=True)

    def stop(self) -> None:
        """Decide nothing more. Events that may be told at this moment are; the others are for the next owner to see."""
        now = self._monotonic()
        for camera_id in [one for one in self._waiting if self._election.publishes(one, now)]:
            self._begin(camera_id)
        if self._loop.running:
            self._loop.stop()
        if self._prompt is not None and self._prompt.active():
            self._prompt.cancel()
        self._states.stop()

    # --- what this node publishes

    @property
    def voice(self) -> Voice:
        """What this node publishes, for those who do."""
        return Voice(
            self.admit,
            self.owns,
            self._election.is_anothers,
            is_shared=True,
            keeps=self.keeps,
            met=self._met.__contains__,
            owner=self._election.owner_of,
            on_gain=lambda listener: self.gained.add(lambda _: listener()),
        )

    def admit(self, event: Event) -> Admission:
        """What is published of an event now. What may not yet be waits, until it is known whose the camera is."""
        if not isinstance(event, CameraEvent):
            return Admission.ALL
        camera_id, election = event.camera.id, self._election
        now = self._monotonic()
        is_begun = camera_id not in self._waiting and camera_id not in self._beginning
        if event is self._releasing or (is_begun and election.publishes(camera_id, now)):
            return Admission.ALL
        if isinstance(event, PictureTaken) and election.holds(camera_id, now):
            return Admission.ALL  # no state that another one's would contradict
        if not election.is_connected and camera_id in self._paused:
            # The outbox keeps it. A state that another node may tell meanwhile is told when it is known to be ours.
            return Admission.NEWS if election.others.know(camera_id) else Admission.ALL
        if election.is_anothers(camera_id):
            return Admission.NOTHING
        if isinstance(event, CameraForgotten):
            self._forgotten[camera_id] = event
        elif election.is_owned(camera_id) or not isinstance(event, CameraRestored | PictureTaken):
            self._waiting.setdefault(camera_id, deque(maxlen=MAX_WAITING)).append(event)
            if election.is_owned(camera_id):
                self._tick_in(0)
        return Admission.NOTHING

    def owns(self, camera_id: str) -> bool:
        """Whether this node publishes a camera; as long as there is no connection, whether it did."""
        return self._election.is_owned(camera_id) or (not self._election.is_connected and camera_id in self._paused)

    def keeps(self, camera_id: str) -> bool:
        """Whether this node keeps a camera's entries in other programs, which nobody but its publisher does.

        Of one that no other node knows whoever has an entry keeps it, once it is known who is there.
        """
        if not self._election.others.know(camera_id):
            return self.is_synchronised
        return self._find(camera_id) is not None and self._election.holds(camera_id, self._monotonic())

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if isinstance(event, CameraForgotten):
            self._election.forgotten(event.camera.id)
            self._waiting.pop(event.camera.id, None)
        elif isinstance(event, CameraEvent):
            self._election.sighted(event.camera.id, rank_of(event.camera))

    def block(self) -> Mapping[str, Any]:
        """The ``nodes`` block of the health document."""
        election = self._election
        return {
            "owned": len(election.owned),
            "known": len(election.known),
            "others": sorted(one.node_id for one in election.others.documents),
            "rival": self._rival,
            "fault": self._fault,
        }

    def findings(self) -> Iterator[Finding]:
        """Check of the command ``doctor``."""
        return findings(self.block())

    async def answer(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """Handler of the request ``fleet``."""
        states = await self._states.look(self.record.camera_ids())
        return fleet_document(self.record, states, instance=self._election.instance)

    def describe(self, about: NodeAbout) -> None:
        """This node is that, beside its cameras: its document says so from now on."""
        self._election.describe(about)

    @property
    def is_synchronised(self) -> bool:
        """Whether it is known who is there."""
        return self._election.is_synchronised(self._monotonic())

    @property
    def is_connected(self) -> bool:
        """Whether there is a connection to the broker."""
        return self._election.is_connected

    # --- what comes over MQTT

    def _connection_changed(self, change: ConnectionChange) -> None:
        if change.event == "connected":
            self._connected_at = self._monotonic()
            self._election.connected(change.session, self._monotonic())
            self._tick_if_started()
        elif change.event in ("disconnected", "stopped"):
            self._paused |= self._election.owned
            self._election.disconnected()
            self._tick_if_started()

    def _receive_document(self, topic: str, payload: bytes, *, retained: bool = False) -> None:
        if not payload:
            self.record.removed(topic.split("/")[-2])
        if (document := NodeDocument.parse(payload)) is not None:
            self.record.received(document)
            for camera_id in document.claims if document.node_id != self._topics.node_id else ():
                self._met.add(camera_id)
            self._election.received_document(document, self._monotonic(), retained=retained)
            self._tick_if_started()

    def _receive_retained(self, topic: str, payload: bytes) -> None:
        self._receive_document(topic, payload, retained=True)

    def _receive_beat(self, _: str, payload: bytes) -> None:
        if (beat := Beat.parse(payload)) is not None:
            self._election.received_beat(beat, self._monotonic())
            if self._election.instance in (beat.instance, *beat.asks):
                self._tick_if_started()

    def _receive_will(self, _: str, payload: bytes) -> None:
        said: Mapping[str, Any] = parse_object(payload) or {}
        instance, session = said.get("instance"), said.get("session")
        if said.get("status") == "offline" and isinstance(instance, str) and isinstance(session, int):
            if any(one.instance == instance for one in self._election.others.documents):
                self.record.ended(instance, self._clock.seconds())
            self._election.gone(instance, session)
            self._tick_if_started()

    # --- what is decided

    def _tick_if_started(self) -> None:
        if self._loop.running:
            self._tick()

    def _tick(self) -> None:
        now = self._monotonic()
        if self._waits_for_lease:
            self._election.want()
        outcome = self._election.tick(now)
        for camera_id in outcome.lost:
            self._beginning.pop(camera_id, None)
        self._beginning.update(dict.fromkeys(outcome.gained))
        if outcome.document is not None:
            payload = outcome.document.encode()
            self._send(Message(self._topics.node, payload, 1, True, Priority.CRITICAL, durable=False))
        if outcome.beat is not None:
            payload, lifetime = outcome.beat.encode(), BEAT_LIFETIME
            self._send(Message(self._topics.beat, payload, 0, False, Priority.CRITICAL, lifetime, durable=False))
        if outcome.lost:
            self._fall_silent(outcome.lost)
        for camera_id in tuple(islice(self._beginning, MAX_BEGUN)):
            self._begin(camera_id)
        self._tell_waiting(now)
        for camera_id in outcome.again:
            self._mqtt.republish((self._topics.discovery(camera_id), self._topics.status(camera_id)))
        if self._election.is_connected:
            self._paused.intersection_update(self._undecided(self._paused))
            self._empty_forgotten(now)
        self._tell_rival(now)
        self._tell_fault(now)
        if outcome.is_near or self._beginning:
            self._tick_in(SOON)

    def _tick_in(self, seconds: float) -> None:
        if self._prompt is None or not self._prompt.active():
            self._prompt = self._clock.callLater(seconds, self._tick_if_started)

    @property
    def _waits_for_lease(self) -> bool:
        return any(map(self._election.is_owned, self._waiting))

    def _undecided(self, camera_ids: Iterable[str]) -> set[str]:
        election = self._election
        return {one for one in camera_ids if not election.is_owned(one) and not election.is_anothers(one)}

    def _fall_silent(self, camera_ids: Iterable[str]) -> None:
        """What was said of cameras that are not ours any more stays on the broker, and is not said again.

        Without a connection those are kept that nobody else knows: they are said at the next one, as ever.
        """
        others = self._election.others
        lost = {one for one in camera_ids if self._election.is_connected or others.know(one)}
        if lost:
            self._mqtt.outbox.discard(lambda topic: camera_of(topic) in lost)

    def _begin(self, camera_id: str) -> None:
        self._beginning.pop(camera_id, None)
        self.gained.notify(camera_id)
        events = self._waiting.pop(camera_id, ())
        camera = self._find(camera_id)
        if camera is None or self._dispatch is None:
            return
        for event in (*events, CameraRestored(self._clock.seconds(), camera)):
            self._dispatch(event)

    def _tell_waiting(self, now: float) -> None:
        """What waited for the broker to show that we still have the voice is told; what another one tells is not."""
        for camera_id in [one for one in self._waiting if one not in self._beginning]:
            is_ours = self._election.publishes(camera_id, now)
            if is_ours or (self.is_synchronised and self._election.is_anothers(camera_id)):
                for event in self._waiting.pop(camera_id):
                    if is_ours and self._dispatch is not None:
                        self._dispatch(event)

    def _empty_forgotten(self, now: float) -> None:
        """What stands on the broker of a camera that was forgotten goes, unless another node knows it."""
        if not self._forgotten or self._dispatch is None or not self._election.is_synchronised(now):
            return
        forgotten, self._forgotten = tuple(self._forgotten.items()), BoundedDict(MAX_CLAIMS)
        for camera_id, event in forgotten:
            if not self._election.others.know(camera_id) and self._find(camera_id) is None:
                self._releasing = event
                self._dispatch(event)
        self._releasing = None

    def _tell_fault(self, now: float) -> None:
        election = self._election
        waits = election.is_connected and not election.is_synchronised(now)
        is_held_up = len(election.others) > 0 and (election.is_bidding or self._waits_for_lease)
        self._held_up_since = min(self._held_up_since, now) if is_held_up and election.is_connected else inf
        fault = ""
        if waits and now - self._connected_at > UNRETURNED:
            fault = (
                f"no camera is published: the broker does not return {self._topics.node} to this node. Let it publish"
                f" there and on {self._topics.beat}, and subscribe to {', '.join(self._topics.every_node)}"
            )
        elif now - self._held_up_since > HELD_UP and election.round_trip > TIMING.slowest:
            fault = slow_broker(election.round_trip, TIMING.slowest)
        elif len(election.known) >= MAX_CLAIMS:
            fault = f"a node publishes at most {MAX_CLAIMS} cameras: cameras beyond these are not published"
        if fault and not self._fault:
            self.log.warn("Nodes: {fault}", fault=fault)
        self._fault = fault

    def _tell_rival(self, now: float) -> None:
        rival = self._election.others.rival(now)
        if rival and rival != self._rival:
            self.log.warn(
                "Another daemon with node id {node} is at this broker (instance {other}): give each its own NODE_ID",
                node=self._election.node_id,
                other=rival,
            )
        self._rival = rival

    def _send(self, message: Message) -> None:
        try:
            sending: Deferred[None] = self._mqtt.publish(message)
        except PublishError as error:
            self.log.debug("{topic} was not accepted: {error}", topic=message.topic, error=str(error))
            return
        # What happens to it later is the outbox's to count and to report.
        sending.addErrback(lambda failure: failure.trap(PublishError) and None)
