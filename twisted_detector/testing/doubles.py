"""Doubles of discoverers, inspectors, validators, listeners, publisher and store, which record their calls.

For tests of your plugin or of a part of ours. Nothing happens by itself: a double that is to take its time is held by
a :class:`Gate` and goes on when the gate is opened::

    inspector = ScriptedInspector({"10.0.0.5": an_inspection, "10.0.0.6": Unreachable("no answer")})
    detector = Detector(..., discoverers=[MemoryDiscoverer(a_sighting)], ...)

Every double implements its interface from :mod:`interfaces`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from twisted.internet.defer import Deferred, succeed
from zope.interface import implementer

from twisted_detector.errors import CamdetectError, Unauthorized
from twisted_detector.events import Event
from twisted_detector.interfaces import (
    IDiscoverer,
    IEventListener,
    IInspector,
    IPublisher,
    ISightingSink,
    IStreamValidator,
    IWatcher,
)
from twisted_detector.model import (
    Camera,
    Candidate,
    Inspection,
    Login,
    Message,
    Proof,
    Secret,
    Sighting,
    Stream,
    StreamReport,
)
from twisted_detector.mqtt.outbox.outbox import Outbox
from twisted_detector.mqtt.outbox.queue import Limits
from twisted_detector.seams import IStateStore
from twisted_detector.testing.gate import Gate as Gate

Accepts = Callable[[Login], bool]
#: Messages that are in flight at once, at most.
_WINDOW = 100


@implementer(IDiscoverer)
class MemoryDiscoverer:
    """Reports the sightings that it has, once at each sweep.

    :ivar sightings: change them at any time.
    :ivar problem: is raised at the end of a sweep, None for none.
    :ivar gate: what a sweep waits for after its sightings, None for nothing.
    :ivar sweeps: how many began; ``running``: how many run now; ``most``: how many ran at one time at most.
    """

    def __init__(self, *sightings: Sighting, name: str = "memory", gate: Gate | None = None) -> None:
        self.name = name
        self.sightings = list(sightings)
        self.problem: BaseException | None = None
        self.gate = gate
        self.sweeps = self.running = self.most = 0

    async def sweep(self, sink: ISightingSink) -> None:
        self.sweeps += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            for sighting in self.sightings:
                sink.sighted(sighting)
            if self.gate is not None:
                await self.gate.wait()
            if self.problem is not None:
                raise self.problem
        finally:
            self.running -= 1


@implementer(IWatcher)
class MemoryWatcher:
    """Reports what the test tells it to, while it watches.

    :ivar problem: is raised by ``startWatching`` and ``stopWatching``, None for none.
    :ivar sink: receives the reports; None while it does not watch.
    """

    def __init__(self, name: str = "memory-watcher") -> None:
        self.name = name
        self.problem: Exception | None = None
        self.sink: ISightingSink | None = None

    def startWatching(self, sink: ISightingSink) -> None:
        if self.problem is not None:
            raise self.problem
        self.sink = sink

    def stopWatching(self) -> Deferred[None] | None:
        self.sink = None
        if self.problem is not None:
            raise self.problem
        return succeed(None)

    def report(self, sighting: Sighting) -> None:
        """Report a device at an address."""
        if self.sink is not None:
            self.sink.sighted(sighting)

    def report_departure(self, address: str, reference: str = "") -> None:
        """Report that a device said Bye."""
        if self.sink is not None:
            self.sink.departed(self.name, address, reference)


@dataclass(frozen=True)
class Guarded:
    """An answer for which a login is required: one that ``accepts`` accepts is answered with ``then``.

    :ivar before: the answer without any login; None raises Unauthorized.
    :ivar locks: whether a refusal says that the account is locked.
    """

    then: Inspection | StreamReport
    accepts: Accepts
    before: Inspection | None = None
    locks: bool = False


Answer = Inspection | StreamReport | Guarded | Exception | None


@implementer(IInspector)
class ScriptedInspector:
    """Answers by address; None for an address that has no answer.

    :ivar answers: address → an Inspection, an exception to raise, :class:`Guarded`, or None.
    :ivar calls: ``(address, name of the login or None)`` of every inspection, in order.
    :ivar gate: what every inspection waits for, None for nothing.
    """

    def __init__(
        self, answers: Mapping[str, Answer] | None = None, *, name: str = "scripted", gate: Gate | None = None
    ) -> None:
        self.name = name
        self.answers = dict(answers or {})
        self.calls: list[tuple[str, str | None]] = []
        self.gate = gate

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        self.calls.append((candidate.address, login.name if login else None))
        if self.gate is not None:
            await self.gate.wait()
        answer = await _answer(self.answers.get(candidate.address), login)
        if answer is not None and not isinstance(answer, Inspection):
            raise TypeError("an inspector is scripted with inspections")
        return replace(answer, login=login.name) if answer is not None and login is not None else answer


@implementer(IStreamValidator)
class ScriptedValidator:
    """Answers by stream URL; a URL without an answer plays.

    :ivar answers: URL → a StreamReport, an exception to raise, or :class:`Guarded`. A cheap check agrees while the
        answer is the validated report that the last full proof had; else there is a full proof.
    :ivar validated: ``(URL, name of the login or None)`` of every full proof, in order; ``checked`` of every cheap one.
    :ivar gate: what every check waits for, None for nothing.
    """

    PLAYS = StreamReport(Proof.KEYFRAME, validated=True, codec="H264", width=1920, height=1080, fps=25.0)

    def __init__(self, answers: Mapping[str, Answer] | None = None, *, gate: Gate | None = None) -> None:
        self.answers = dict(answers or {})
        self.validated: list[tuple[str, str | None]] = []
        self.checked: list[tuple[str, str | None]] = []
        self.gate = gate
        self._proved: dict[str, StreamReport] = {}

    async def check(self, stream: Stream, login: Login | None) -> StreamReport:
        self.checked.append((stream.url, login.name if login else None))
        if self.gate is not None:
            await self.gate.wait()
        if stream.url in self._proved:
            answer = await _answer(self.answers.get(stream.url, self.PLAYS), login)
            if answer == self._proved[stream.url]:
                return replace(self._proved[stream.url], proof=Proof.SDP)
        return await self.validate(stream, login)

    async def validate(self, stream: Stream, login: Login | None) -> StreamReport:
        self.validated.append((stream.url, login.name if login else None))
        if self.gate is not None:
            await self.gate.wait()
        answer = await _answer(self.answers.get(stream.url, self.PLAYS), login)
        if not isinstance(answer, StreamReport):
            raise TypeError("a validator is scripted with reports")
        self._proved.pop(stream.url, None)
        if answer.validated:
            self._proved[stream.url] = answer
        return answer


async def _answer(script: Answer, login: Login | None) -> Inspection | StreamReport | None:
    if isinstance(script, Exception):
        raise script
    if not isinstance(script, Guarded):
        return script
    if login is None:
        if script.before is not None:
            return script.before
        raise Unauthorized("it wants a login", attempted=False)
    await login.acquire_permit()
    if not script.accepts(login):
        raise Unauthorized("it refused the login", attempted=True, locked=script.locks)
    if not isinstance(script.then, StreamReport) or script.then.proof in (Proof.SDP, Proof.RTP, Proof.KEYFRAME):
        login.report_accepted()
    return script.then


@implementer(IEventListener)
class RecordingListener:
    """Records every event.

    :ivar problem: is raised after recording, None for none.
    """

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.problem: Exception | None = None

    def handle(self, event: Event) -> None:
        self.events.append(event)
        if self.problem is not None:
            raise self.problem

    def names(self) -> list[str]:
        """The class names of the events, in order."""
        return [type(event).__name__ for event in self.events]

    def take(self) -> list[Event]:
        """The events since the last call."""
        events, self.events = self.events, []
        return events


@implementer(IPublisher)
class RecordingPublisher:
    """Publisher with a real outbox in memory, and a broker that acknowledges each message at once.

    :param connected: whether the broker is there.
    :param acknowledges: whether it acknowledges by itself, or by :meth:`acknowledge` and :meth:`refuse` only.
    :param capacity: so many messages are kept.
    :ivar messages: every message that was published, in order; ``sent``: those that reached the broker.
    :ivar problem: is raised instead, None for none.
    """

    def __init__(self, *, connected: bool = True, acknowledges: bool = True, capacity: int = 50_000) -> None:
        self.messages: list[Message] = []
        self.sent: list[Message] = []
        self.problem: CamdetectError | None = None
        self._connected = connected
        self._acknowledges = acknowledges
        self._outbox = Outbox(lambda: 0.0, wall=lambda: 0.0, limits=Limits(messages=capacity))
        self._in_flight: list[int] = []

    def publish(self, message: Message) -> Deferred[None]:
        if self.problem is not None:
            raise self.problem
        receipt = self._outbox.put(message)
        self.messages.append(message)
        self._send()
        return receipt.acknowledged

    def connect(self) -> None:
        """The broker comes."""
        self._connected = True
        self._send()

    def disconnect(self) -> None:
        """The broker goes: what it has not acknowledged is sent again."""
        self._connected = False
        self._in_flight.clear()
        self._outbox.connection_lost()

    def acknowledge(self) -> None:
        """The broker acknowledges what reached it."""
        tokens, self._in_flight = self._in_flight, []
        self._outbox.acknowledged(tokens)
        self._send()

    def refuse(self) -> None:
        """The broker does not authorise what reached it."""
        tokens, self._in_flight = self._in_flight, []
        for token in tokens:
            self._outbox.refused(token, "not authorised")

    def stop(self) -> None:
        """Nothing is taken any more; what waits fails."""
        self._connected = False
        self._outbox.stop()

    def _send(self) -> None:
        while self._connected and (items := self._outbox.take(_WINDOW - len(self._in_flight))):
            self.sent += [item.message for item in items]
            self._in_flight += [item.token for item in items]
            if self._acknowledges:
                self.acknowledge()

    def retained(self) -> dict[str, bytes]:
        """What a broker would hold now: the last retained payload of each topic, without the emptied ones."""
        held = {message.topic: message.payload for message in self.messages if message.retain}
        return {topic: payload for topic, payload in held.items() if payload}


@implementer(IStateStore)
class MemoryStateStore:
    """Store that forgets nothing while it lives; what is saved is there at once.

    :ivar cameras: by id; ``values``: by table and key.
    """

    def __init__(self) -> None:
        self.cameras: dict[str, Camera] = {}
        self.values: dict[tuple[str, str], str] = {}

    async def load_cameras(self) -> Sequence[Camera]:
        return tuple(self.cameras.values())

    def save_camera(self, camera: Camera) -> Deferred[None]:
        self.cameras[camera.id] = camera
        return succeed(None)

    def delete_camera(self, camera_id: str) -> Deferred[None]:
        self.cameras.pop(camera_id, None)
        return succeed(None)

    async def load_values(self, table: str) -> Mapping[str, str]:
        return {key: value for (of, key), value in self.values.items() if of == table}

    def save_value(self, table: str, key: str, value: str) -> Deferred[None]:
        self.values[table, key] = value
        return succeed(None)


def logins(*pairs: str) -> Iterable[Login]:
    """Logins from texts such as ``admin:secret``."""
    for pair in pairs:
        name, _, password = pair.partition(":")
        yield Login(name, Secret(password))
