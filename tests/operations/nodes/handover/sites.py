"""Sites on one broker that keeps what is retained: each with a registry and a file of decisions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from twisted_detector.errors import NotSaved
from twisted_detector.events import CameraRestored, Event
from twisted_detector.model import Camera, Mac, Message
from twisted_detector.model.decisions import Decisions, Description
from twisted_detector.model.observers import Observers
from twisted_detector.mqtt.seams import ConnectionChange, ConnectionState
from twisted_detector.mqtt.single_topics import TopicSet
from twisted_detector.operations.decisions.book import DecisionBook
from twisted_detector.operations.nodes.handover.descriptions import SharedDescriptions
from twisted_detector.outputs.dispatcher import OutputDispatcher
from twisted_detector.outputs.topics import Topics
from twisted_detector.outputs.voice import Admission, Voice
from twisted_detector.registry.adoption import AdoptionBook
from twisted_detector.registry.registry import Registry
from twisted_detector.testing.doubles import MemoryStateStore

T = TypeVar("T")
ID, OTHER = "001122334455", "001122334466"


def camera(camera_id: str = ID) -> Camera:
    mac = Mac(":".join(camera_id[number : number + 2] for number in range(0, 12, 2)))
    return Camera(camera_id, camera_id, f"192.0.2.{int(camera_id[-2:], 16)}", mac=mac, name="IPC")


class Hub:
    """A broker. What is published comes to all at once, and stands there for who subscribes later.

    :ivar sent: (node, topic, payload) of each message.
    """

    def __init__(self) -> None:
        self.retained: dict[str, bytes] = {}
        self.clients: list[Client] = []
        self.sent: list[tuple[str, str, bytes]] = []

    def put(self, topic: str, payload: bytes, by: str = "") -> None:
        self.sent.append((by, topic, payload))
        self.retained[topic] = payload
        if not payload:
            del self.retained[topic]
        for client in tuple(self.clients):
            client.deliver(topic, payload)


class Client:
    """The connection of one node, with an outbox that says nothing twice."""

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub, self.name = hub, name
        self.handlers: list[tuple[TopicSet, Callable[[str, bytes], object]]] = []
        self.last: dict[str, bytes] = {}
        self.listeners: Observers[[ConnectionChange]] = Observers("the connection")
        self.add_state_listener = self.listeners.add
        hub.clients.append(self)
        self.outbox = self

    def subscribe(
        self, topic_filter: str, handler: Callable[[str, bytes], object], *, only: TopicSet, **_: object
    ) -> Callable[[], None]:
        assert topic_filter == "system/camera_detector/described/+"
        entry = (only, handler)
        self.handlers.append(entry)
        only.changed.add(self._asked)
        self._asked(list(only), [])
        return lambda: self.handlers.remove(entry) if entry in self.handlers else None

    def _asked(self, added: list[str], _: list[str]) -> None:
        """The broker answers at once."""
        for only, _handler in self.handlers:
            only.unanswered.clear()
        for topic in added:
            if topic in self.hub.retained:
                self.deliver(topic, self.hub.retained[topic])

    def deliver(self, topic: str, payload: bytes) -> None:
        for only, handler in tuple(self.handlers):
            if topic in only:
                handler(topic, payload)

    def publish(self, message: Message) -> Deferred[None]:
        assert message.retain
        if self.last.get(message.topic) != message.payload:
            self.last[message.topic] = message.payload
            self.hub.put(message.topic, message.payload, self.name)
        return succeed(None)

    def discard(self, concerns: Callable[[str], bool]) -> None:
        for topic in [one for one in self.last if concerns(one)]:
            del self.last[topic]

    def change(self, event: str) -> None:
        """The connection comes or goes."""
        state = ConnectionState.CONNECTED if event == "connected" else ConnectionState.DISCONNECTED
        self.listeners.notify(ConnectionChange(event, state, "", 1.0, 1, 2, 2))

    def reconnect(self, *, hears: bool = True) -> None:
        """The connection comes back: what the outbox remembers is said again, and what is retained heard."""
        self.change("disconnected")
        self.change("connected")
        for topic, payload in self.last.items():
            self.hub.put(topic, payload, self.name)
        if hears:
            self.hear()

    def hear(self) -> None:
        """The broker gives what it retains."""
        for topic, payload in tuple(self.hub.retained.items()):
            self.deliver(topic, payload)

    def republish(self, topics: tuple[str, ...]) -> None:
        for topic in topics:
            if topic not in self.last:
                continue
            self.hub.put(topic, self.last[topic], self.name)


class Record:
    """Which nodes there are."""

    def __init__(self, known: set[str]) -> None:
        self.known = known

    def knew(self, node_id: str, _: str) -> bool:
        return node_id in self.known


class Nodes:
    """Which cameras a node publishes."""

    def __init__(self, known: set[str]) -> None:
        self.owned: set[str] = set()
        self.record = Record(known)
        self.is_synchronised = True
        self.gained: Observers[[str]] = Observers("x")

    def owns(self, camera_id: str) -> bool:
        return camera_id in self.owned


class Site:
    """One node. :ivar is_full: its disk takes nothing."""

    def __init__(
        self, clock: Clock, hub: Hub, name: str, folder: Path, *, store: MemoryStateStore | None = None
    ) -> None:
        self.clock, self.hub, self.name, self.folder = clock, hub, name, folder
        folder.mkdir(exist_ok=True)
        self.is_full = False
        self.store = store or MemoryStateStore()
        self.client, self.nodes = Client(hub, name), Nodes({"north", "south", "west"})
        self.topics = Topics(prefix="", node_id=name)
        self.book = DecisionBook(folder, in_thread=self.in_thread)
        done(self.book.load())
        self.adoption = AdoptionBook()
        self.registry = Registry(self.emit, adoption=self.adoption, description_of=lambda one: self.texts(one))
        self.shared = SharedDescriptions(
            clock,
            self.nodes,  # type: ignore[arg-type]
            mqtt=self.client,  # type: ignore[arg-type]
            topics=self.topics,
            book=self.book,
            registry=self.registry,
            store=self.store,
        )
        done(self.shared.load())
        self.adoption.hear(self.shared.adopted_at)
        self.book.changed.add(self.describe)
        self.dispatcher = OutputDispatcher([self.shared], publish=self.client.publish, voice=Voice(self.admit))

    async def in_thread(self, work: Callable[[], T]) -> T:
        if self.is_full:
            raise NotSaved("no space left on device")
        return work()

    def texts(self, camera_id: str) -> Description:
        return self.book.current.of(camera_id).description

    def describe(self, before: Decisions, after: Decisions) -> None:
        for camera_id in {*before.cameras, *after.cameras}:
            self.registry.describe(camera_id, self.clock.seconds())

    def admit(self, event: Event) -> Admission:
        return Admission.ALL if event.camera.id in self.nodes.owned else Admission.NOTHING  # type: ignore[attr-defined]

    def emit(self, event: Event) -> None:
        self.dispatcher.handle(event)
        self.shared.handle(event)

    # --- what happens

    def find(self, *camera_ids: str, own: bool = False) -> Site:
        """It knows cameras; with ``own``, it publishes them."""
        for _ in self.registry.restoring([camera(one) for one in camera_ids], self.clock.seconds()):
            pass
        self.shared.start()
        for one in camera_ids if own else ():
            self.gain(one)
        return self

    def gain(self, camera_id: str = ID) -> None:
        self.nodes.owned.add(camera_id)
        self.nodes.gained.notify(camera_id)
        known = self.registry.camera(camera_id)
        assert known is not None
        self.dispatcher.handle(CameraRestored(self.clock.seconds(), known))

    def lose(self, camera_id: str = ID) -> None:
        self.nodes.owned.discard(camera_id)
        self.client.discard(lambda topic: topic.endswith(camera_id))

    def decide(self, camera_id: str = ID, **texts: str) -> None:
        """A person decides here."""
        done(
            self.book.change_camera(camera_id, lambda one: replace(one, description=replace(one.description, **texts)))
        )

    def name_of(self, camera_id: str = ID) -> tuple[str, str]:
        known = self.registry.camera(camera_id)
        assert known is not None
        return known.given_name, known.area

    def restarted(self) -> Site:
        """The same node after a restart; its book and store are as it left them."""
        self.shared.stop()
        self.hub.clients.remove(self.client)
        return Site(self.clock, self.hub, self.name, self.folder, store=self.store)


def done(work: Any) -> Any:
    """The result of what needs no time."""
    results: list[Any] = []
    Deferred.fromCoroutine(work).addBoth(results.append)
    (result,) = results
    if hasattr(result, "raiseException"):
        result.raiseException()
    return result
