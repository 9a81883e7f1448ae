"""A fleet of nodes with its brokers and the network between them, and every breach of what the election promises.

The nodes are the real state machines. The network does what networks do: each message takes its own time to a node,
comes twice or not at all (beats); a link that is cut keeps what was sent and delivers it when it heals in time, the
kernel gives up after four seconds; a broker ends a session without a sign of life after its keepalive, and publishes
the will. A node that is stopped wakes with all that came meanwhile, its timers or its messages first.

Breaches: the state of a camera reaches a broker from a node that began before another one did that was heard there
already (*stale*); after five seconds of quiet two nodes publish one camera (*two*), or none does though one knows it
(*none*), or the owner may not speak of it (*mute*), or the state that stands on the broker is not the owner's (*lost*),
or a document is not the node's (*old*).
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count

from twisted_detector.mqtt.network.watchdog import Watchdog
from twisted_detector.operations.nodes.election import Election
from twisted_detector.operations.nodes.values import Beat, NodeDocument, Rank

#: Seconds from one tick of a node to the next, and where more is due soon.
TICK, SOON = 0.2, 0.05
#: One way to or from a broker, at most; while nobody does anything to the network, and otherwise.
QUIET_DELAY, DELAY = 0.02, 0.15
#: In a cluster of brokers, at most: until one of its members delivers what another one took, or knows of a subscription
#: there; and until it gives what is retained.
SKEW, RETAINED_LATE = 0.12, 2.5
#: Seconds from when a node is well again until it has told others what it is.
ANSWERED = 1.5
#: The kernel's TCP_USER_TIMEOUT, and when the node notices that its broker is silent.
GIVES_UP, NOTICES = 4.0, (3.4, 4.0)
#: When a broker ends a session without a sign of life: 1.5 times a keepalive of 30, or sooner.
KEEPALIVE = (5.0, 45.0)
#: How probably the state of a camera changes from one tick to the next.
CHANGES = 0.3
#: Seconds that a handover takes: the former owner withdraws, the new one begins.
HANDOVER = 1.5
#: Seconds of quiet after which one node has each camera.
QUIET = 5.0
CAMERAS = ("a", "b", "c")


Maker = Callable[[str, str], Election]


@dataclass
class Session:
    """One MQTT session. :ivar open: as the broker sees it."""

    node: Node
    broker: Broker
    number: int
    instance: str
    open: bool = True
    since: float = 0.0
    arrives: float = 0.0  #: when the last packet of the node arrives: one connection keeps its order
    #: When the last document of each topic arrives at the node; in a cluster, the last message of each node.
    gets: dict[str, float] = field(default_factory=dict)
    #: What is under way while the link is cut, each with the time when it was sent.
    held: list[tuple[float, Callable[[], None]]] = field(default_factory=list)


@dataclass
class Broker:
    """A broker: the documents that it retains and who is connected."""

    name: int
    up: bool = True
    retained: dict[str, NodeDocument] = field(default_factory=dict)
    wills: dict[str, tuple[str, int]] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    #: By camera, the latest beginning of a node that was heard here, and the node.
    heard: dict[str, tuple[float, str]] = field(default_factory=dict)
    #: By camera, the node whose state was published last.
    last: dict[str, str] = field(default_factory=dict)


@dataclass
class Node:
    """One daemon."""

    name: str
    broker: Broker
    drift: float
    offset: float
    election: Election
    instance: str
    sessions: int = 0
    session: Session | None = None
    running: bool = True
    frozen: bool = False
    cut_at: float | None = None
    inbox: list[Callable[[], None]] = field(default_factory=list)  #: what came while it was frozen
    knows: dict[str, Rank] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    #: Cameras with a state that is to be published as soon as it may be.
    due: set[str] = field(default_factory=set)
    hurries: bool = False
    well_since: float = 0.0
    #: The client's own, which pings where nothing came.
    watchdog: Watchdog = field(default_factory=lambda: Watchdog(0.0))


class World:
    """Nodes, brokers, time.

    :param cluster: the broker is a cluster: what one node publishes keeps its order, messages of different nodes come
        to each node in an order of their own, and what is retained comes late, perhaps after something newer; what
        comes while one subscribes may be lost.
    :param make: makes a node's state machine of its id and instance; a bad one is for seeing that the world notices.
    :ivar breaches: what must not be.
    :ivar changes: how probably a state changes in a tick; ``stays_frozen``: nodes that do not go on in :meth:`rest`.
    :ivar late: states that were written while a link was cut, and arrived when it healed, after another node had begun;
        in a cluster, states of a node that was cut off or stopped when another one came back and knew nothing of it.
    :ivar sent: messages of nodes by kind, and their pings (PINGREQ).
    :ivar takeovers: seconds from the loss of an owner until another one published, by what happened to the owner.
    """

    def __init__(
        self, seed: int, nodes: int, *, brokers: int = 1, cluster: bool = False, make: Maker = Election
    ) -> None:
        self.random = random.Random(seed)
        self.cluster = cluster
        self._consumer_gets: dict[str, float] = defaultdict(float)
        self.now = 0.0
        self._make = make
        self._order = count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.delay = DELAY
        self.loss = self.twice = 0.0
        self.changes = CHANGES
        self.keepalive = KEEPALIVE
        self.stays_frozen: set[str] = set()
        self._bridge_arrives: dict[tuple[int, int], float] = defaultdict(float)
        self.joined = True
        self.brokers = [Broker(number) for number in range(brokers)]
        self.nodes = [self._node(f"n{number}", self.brokers[number % brokers]) for number in range(nodes)]
        self.breaches: list[str] = []
        self.late = 0
        self.sent: Counter[str] = Counter()
        self.takeovers: dict[str, list[float]] = defaultdict(list)
        self._lost_at: dict[str, tuple[str, float]] = {}
        for node in self.nodes:
            self.at(self.random.random(), partial(self._connect, node))
            self.at(self.random.random() * TICK, partial(self._tick_again, node))

    def _node(self, name: str, broker: Broker) -> Node:
        instance = f"{name}-{self.random.getrandbits(32):x}"
        drift, offset = 1 + self.random.uniform(-1e-3, 1e-3), self.random.uniform(0, 1e6)
        return Node(name, broker, drift, offset, self._make(name, instance), instance)

    # --- time

    def at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), act))

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self._events and self._events[0][0] <= end:
            self.now, _, act = heapq.heappop(self._events)
            act()
        self.now = end

    def _clock(self, node: Node) -> float:
        return node.offset + self.now * node.drift

    # --- what a node does

    def _tick_again(self, node: Node) -> None:
        self.tick(node)
        self.at(self.now + TICK, partial(self._tick_again, node))

    def _tick_soon(self, node: Node) -> None:
        node.hurries = False
        self.tick(node)

    def tick(self, node: Node) -> None:
        """What the adapter does at each tick, and after each message."""
        if not node.running or node.frozen:
            return
        session = node.session
        if node.due & node.election.owned:
            node.election.want()
        outcome = node.election.tick(self._clock(node))
        if outcome.is_near and not node.hurries:
            node.hurries = True
            self.at(self.now + SOON, partial(self._tick_soon, node))
        for camera in outcome.lost:
            node.began.pop(camera, None)
        for camera in outcome.gained:
            node.began[camera] = self.now
            self._taken_over(node, camera)
        if session is None:
            return
        if node.watchdog.wants_ping(self.now, waiting=False):
            self.sent["ping"] += 1
            node.watchdog.ping_sent(self.now)
            self._to_broker(session, partial(self._to_node, session, partial(node.watchdog.received, self.now)))
        if outcome.document is not None:
            self.sent["document"] += 1
            self._to_broker(session, partial(self._publish_document, session, outcome.document))
        if outcome.beat is not None:
            self.sent["beat"] += 1
            self._to_broker(session, partial(self._publish_beat, session, outcome.beat))
        for camera in node.knows:
            if camera in outcome.gained or camera in outcome.again or self.random.random() < self.changes:
                node.due.add(camera)
        for camera in sorted(node.due):
            if node.election.publishes(camera, self._clock(node)):
                node.due.discard(camera)
                self._to_broker(session, partial(self._publish_state, session, camera, node.began[camera]))
            elif node.election.is_anothers(camera):
                node.due.discard(camera)

    def _taken_over(self, node: Node, camera: str) -> None:
        how, at = self._lost_at.pop(camera, ("", 0.0))
        if how:
            self.takeovers[how].append(self.now - at)

    def owner_lost(self, node: Node, how: str) -> None:
        """Note that the cameras of a node are without a voice from now on, as far as another node knows them."""
        for camera in node.began:
            others = [one for one in self.nodes if one is not node and self._is_well(one) and camera in one.knows]
            if others:
                self._lost_at[camera] = (how, self.now)

    def _is_well(self, node: Node) -> bool:
        return node.running and not node.frozen and node.cut_at is None and node.session is not None

    # --- between a node and its broker

    def _way(self) -> float:
        return self.random.uniform(0.001, self.delay)

    def _to_broker(self, session: Session, act: Callable[[], None]) -> None:
        if session.node.cut_at is not None:
            session.held.append((self.now, partial(self._late, session, act)))
            return
        session.arrives = max(session.arrives, self.now + self._way())
        self.at(session.arrives, partial(self._arrive, session, act))

    def _arrive(self, session: Session, act: Callable[[], None]) -> None:
        if session.open and session.broker.up:
            act()

    def _late(self, session: Session, act: Callable[[], None]) -> None:
        """What was written while the link was cut arrives: this may be stale, and has to be put right."""
        before = len(self.breaches)
        self._arrive(session, act)
        if len(self.breaches) > before:
            self.late += 1
            del self.breaches[before:]

    def _to_node(
        self,
        session: Session,
        act: Callable[[], None],
        *,
        topic: str = "",
        of: str = "",
        may_be_lost: bool = False,
        late: float = 0.0,
    ) -> None:
        """What is of one topic keeps its order, but for a second copy; what is of different topics may overtake.

        :param of: the node that published it: in a cluster all of that keeps its order, live.
        """
        if may_be_lost and self.random.random() < self.loss:
            return
        is_live_of_another = self.cluster and of not in ("", session.node.name) and not late
        if is_live_of_another and self.now < session.since + self.random.uniform(0.0, SKEW):
            return  # the member where it was published does not know of the subscription yet
        for copy in range(1 + (self.random.random() < self.twice)):
            if session.node.cut_at is not None:
                session.held.append((self.now, partial(self._receive, session, act)))
                continue
            arrives = self.now + (self.random.uniform(0.001, SKEW) if self.cluster else self._way()) + late
            if self.cluster:
                topic = "" if late else of
            if topic and not copy:
                arrives = session.gets[topic] = max(arrives, session.gets.get(topic, 0.0))
            self.at(arrives + copy * self._way(), partial(self._receive, session, act))

    def _receive(self, session: Session, act: Callable[[], None]) -> None:
        node = session.node
        if node.session is not session or not node.running:
            return
        if node.frozen:
            node.inbox.append(partial(self._receive, session, act))
            return
        node.watchdog.received(self.now)
        act()
        self.tick(node)

    # --- brokers

    def _publish_document(self, session: Session, document: NodeDocument, *, bridged: bool = False) -> None:
        self._spread_document(session.broker, session.node.name, document)

    def _spread_document(self, broker: Broker, name: str, document: NodeDocument, *, bridged: bool = False) -> None:
        broker.retained[name] = document
        for one in broker.sessions:
            self._to_node(one, partial(self._give_document, one.node, document), topic=name, of=name)
        if not bridged:
            self._bridge(broker, lambda other: self._spread_document(other, name, document, bridged=True))

    def _give_document(self, node: Node, document: NodeDocument, *, retained: bool = False) -> None:
        read = NodeDocument.parse(document.encode())
        assert read == document, (read, document)
        node.election.received_document(read, self._clock(node), retained=retained)

    def _publish_beat(self, session: Session, beat: Beat) -> None:
        self._spread_beat(session.broker, beat)

    def _spread_beat(self, broker: Broker, beat: Beat, *, bridged: bool = False) -> None:
        for one in broker.sessions:
            give = partial(self._give_beat, one.node, beat)
            self._to_node(one, give, of=beat.node_id, may_be_lost=True)
        if not bridged:
            self._bridge(broker, lambda other: self._spread_beat(other, beat, bridged=True))

    def _give_beat(self, node: Node, beat: Beat) -> None:
        node.election.received_beat(beat, self._clock(node))

    def _spread_will(self, broker: Broker, name: str, instance: str, number: int, *, bridged: bool = False) -> None:
        broker.wills[name] = (instance, number)
        for one in broker.sessions:
            self._to_node(one, partial(one.node.election.gone, instance, number), of=name)
        if not bridged:
            self._bridge(broker, lambda other: self._spread_will(other, name, instance, number, bridged=True))

    def _bridge(self, broker: Broker, act: Callable[[Broker], None]) -> None:
        for other in self.brokers:
            if other is not broker and self.joined:
                self._pass_over(broker, other, act)

    def _pass_over(self, broker: Broker, other: Broker, act: Callable[[Broker], None]) -> None:
        """One connection keeps its order."""
        way = (broker.name, other.name)
        self._bridge_arrives[way] = max(self._bridge_arrives[way], self.now + self._way())
        self.at(self._bridge_arrives[way], partial(self._over_bridge, other, act))

    def _over_bridge(self, other: Broker, act: Callable[[Broker], None]) -> None:
        if self.joined and other.up:
            act(other)

    def _publish_state(self, session: Session, camera: str, began: float) -> None:
        broker, name = session.broker, session.node.name
        if self.cluster:  # its consumer is at another member
            at = self._consumer_gets[name] = max(self._consumer_gets[name], self.now + self.random.uniform(0.0, SKEW))
            self.at(at, partial(self._consume, broker, name, camera, began))
        else:
            self._consume(broker, name, camera, began)

    def _consume(self, broker: Broker, name: str, camera: str, began: float) -> None:
        latest, by = broker.heard.get(camera, (-1.0, ""))
        node = next(one for one in self.nodes if one.name == name)
        if began < latest and by != name and self.cluster and latest < node.well_since + ANSWERED:
            # Cut off or stopped when the other one came back, it could not tell it what the cluster did not yet.
            self.late += 1
        elif began < latest and by != name:
            self.breaches.append(f"stale: {camera} of {name} (began {began:.2f}) after {by} (began {latest:.2f})")
        elif began >= latest:
            broker.heard[camera] = (began, name)
        broker.last[camera] = name

    def end_session(self, session: Session, *, will: bool = True) -> None:
        """The broker closes a session."""
        if not session.open:
            return
        session.open = False
        session.broker.sessions.remove(session)
        if will and session.broker.up:
            self._spread_will(session.broker, session.node.name, session.instance, session.number)
        if session.node.cut_at is None:
            self.at(self.now + self._way(), partial(self._reset, session))

    def _reset(self, session: Session) -> None:
        """The node reads the end of its connection."""
        node = session.node
        if node.session is not session:
            return
        if node.frozen:
            node.inbox.append(partial(self._reset, session))
            return
        node.session = None
        if node.running:
            node.election.disconnected()
            self.tick(node)
            self.at(self.now + self.random.uniform(0.2, 0.5), partial(self._connect, node))

    def _connect(self, node: Node) -> None:
        if not node.running or node.session is not None:
            return
        if node.frozen or node.cut_at is not None or not node.broker.up:
            self.at(self.now + 0.5, partial(self._connect, node))
            return
        for old in tuple(node.broker.sessions):
            if old.node is node:
                self.end_session(old)  # one client id
        node.sessions += 1
        session = node.session = Session(node, node.broker, node.sessions, node.instance, since=self.now)
        node.broker.sessions.append(session)
        node.election.connected(node.sessions, self._clock(node))
        for name, document in node.broker.retained.items():
            will = node.broker.wills.get(name)
            late = self.random.uniform(0.0, RETAINED_LATE) if self.cluster else 0.0
            if will is not None:
                self._to_node(session, partial(node.election.gone, *will), late=late)
            give = partial(self._give_document, node, document, retained=True)
            self._to_node(session, give, topic=name, late=late)
        self.tick(node)

    # --- deeds

    def see(self, node: Node, camera: str, rank: Rank) -> None:
        node.knows[camera] = rank
        if node.running and not node.frozen:
            node.election.sighted(camera, rank)

    def forget(self, node: Node, camera: str) -> None:
        if node.running and not node.frozen and node.knows.pop(camera, None) is not None:
            node.election.forgotten(camera)

    def crash(self, node: Node) -> None:
        if not node.running:
            return
        self.owner_lost(node, "crash")
        node.running, node.frozen = False, False
        node.inbox.clear()
        node.began.clear()
        node.due.clear()
        if node.session is not None:
            session, node.session = node.session, None
            if node.cut_at is None:
                self.end_session(session)
            else:
                self._expire(session)

    def restart(self, node: Node) -> None:
        if node.running:
            return
        fresh = self._node(node.name, node.broker)
        node.election, node.instance, node.running = fresh.election, fresh.instance, True
        for camera, rank in node.knows.items():
            node.election.sighted(camera, rank)
        self._connect(node)

    def freeze(self, node: Node) -> None:
        if node.running and not node.frozen:
            self.owner_lost(node, "freeze")
            node.frozen = True
            if node.session is not None:
                self._expire(node.session)

    def _expire(self, session: Session) -> None:
        self.at(self.now + self.random.uniform(*self.keepalive), partial(self._end_silent, session, self.now))

    def _end_silent(self, session: Session, since: float) -> None:
        node = session.node
        if node.session is not session or node.frozen or node.cut_at is not None:
            self.end_session(session)

    def thaw(self, node: Node) -> None:
        if not node.frozen:
            return
        node.frozen, node.well_since = False, self.now
        if self.random.random() < 0.5:
            self.tick(node)
        inbox, node.inbox = node.inbox, []
        for act in inbox:
            act()
        for camera, rank in node.knows.items():
            node.election.sighted(camera, rank)

    def cut(self, node: Node) -> None:
        if node.cut_at is None:
            self.owner_lost(node, "cut")
            node.cut_at = self.now
            if node.session is not None:
                self._expire(node.session)
                self.at(self.now + self.random.uniform(*NOTICES), partial(self._notice_cut, node, node.session))

    def _notice_cut(self, node: Node, session: Session) -> None:
        if node.cut_at is not None and node.session is session and self.now - node.cut_at >= NOTICES[0]:
            session.held.clear()
            self._reset(session)

    def heal(self, node: Node) -> None:
        if node.cut_at is None:
            return
        node.cut_at, node.well_since = None, self.now
        session = node.session
        if session is None:
            return
        held, session.held = session.held, []
        if not session.open:
            self.at(self.now + self._way(), partial(self._reset, session))
            return
        for sent, act in held:
            if self.now - sent > GIVES_UP:
                self._reset(session)  # the kernel has given the connection up
                return
            session.arrives = max(session.arrives, self.now + self._way())
            self.at(session.arrives, act)

    def restart_broker(self, broker: Broker, *, keeps: bool) -> None:
        """It is killed: no wills; and comes back."""
        if not broker.up:
            return
        for session in tuple(broker.sessions):
            self.end_session(session, will=False)
        broker.up = False
        if not keeps:
            broker.retained.clear()
            broker.wills.clear()
        self.at(self.now + self.random.uniform(0.2, 3.0), partial(self._is_back, broker))

    def _is_back(self, broker: Broker) -> None:
        broker.up = True
        if self.joined:
            self._exchange()

    def join(self) -> None:
        if not self.joined:
            self.joined = True
            self._exchange()

    def _exchange(self) -> None:
        """A bridge connects: each side gets what the other has retained, old copies of its own documents too."""
        retained = [(broker, dict(broker.wills), dict(broker.retained)) for broker in self.brokers]
        for broker, wills, documents in retained:
            for other in self.brokers:
                if other is not broker:
                    for name, will in wills.items():
                        self._pass_over(broker, other, partial(self._bring_will, name, will))
                    for name, document in documents.items():
                        self._pass_over(broker, other, partial(self._bring_document, name, document))

    def _bring_will(self, name: str, will: tuple[str, int], broker: Broker) -> None:
        self._spread_will(broker, name, *will, bridged=True)

    def _bring_document(self, name: str, document: NodeDocument, broker: Broker) -> None:
        self._spread_document(broker, name, document, bridged=True)

    def rest(self) -> None:
        """Everything heals; five seconds from when all who run are connected."""
        self.loss = self.twice = 0.0
        self.delay, self.changes = QUIET_DELAY, 0.0
        for node in self.nodes:
            self.heal(node)
            if node.name not in self.stays_frozen:
                self.thaw(node)
        self.join()
        for _ in range(100):
            if all(node.session is not None and node.session.open for node in self.nodes if node.running):
                break
            self.run(0.1)
        self.run(QUIET)

    def judge(self) -> None:
        """Who publishes what, after quiet; a handover may be under way."""
        running = [node for node in self.nodes if node.running]
        for node in running:  # each has something to say of all that it believes to own
            node.due |= node.election.owned
        self.run(3 * TICK)
        for camera in CAMERAS:
            knowing = [node.name for node in running if camera in node.knows and not node.frozen]
            publishing = self._publishing(camera)
            if len(publishing) > 1:
                self.breaches.append(f"two: {camera} is published by {publishing}")
            if knowing and not publishing:
                self.run(HANDOVER)
                publishing = self._publishing(camera)
                if not publishing:
                    self.breaches.append(f"none: {camera} is known to {knowing} and published by nobody")
            if not knowing and publishing:
                self.breaches.append(f"unknown: {camera} is published by {publishing}")
        self.run(HANDOVER)
        for node in running:
            if not node.frozen and (mute := sorted(node.due & node.election.owned)):
                self.breaches.append(f"mute: {node.name} owns {mute}, and may not say anything of them")
            for broker in self.brokers:
                if broker.retained[node.name].claims != node.election.document.claims:
                    self.run(QUIET_DELAY)  # what it said a moment ago is under way
                if broker.retained[node.name].claims != node.election.document.claims:
                    self.breaches.append(f"old: what broker {broker.name} retains of {node.name} is not what it says")
        for camera in CAMERAS:
            for node in filter(lambda one: self._publishing(camera) == [one.name], running):
                if node.broker.last.get(camera) != node.name:
                    self.run(3 * TICK)  # it has just begun, and its first state is under way
                if self._publishing(camera) == [node.name] and (last := node.broker.last.get(camera)) != node.name:
                    self.breaches.append(f"lost: the last state of {camera} is of {last}, its owner is {node.name}")

    def _publishing(self, camera: str) -> list[str]:
        running = [node for node in self.nodes if node.running and not node.frozen]
        return [node.name for node in running if node.election.holds(camera, self._clock(node))]
