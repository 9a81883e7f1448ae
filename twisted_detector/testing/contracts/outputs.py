"""Contracts of what tells: :class:`IOutput`, :class:`IEventListener` and :class:`ISyncDestination`."""

# ruff: noqa: S101  assertions are what a contract consists of

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from enum import StrEnum
from itertools import pairwise
from typing import Any, Protocol

from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from twisted_detector import events
from twisted_detector.interfaces import IEventListener, IOutput
from twisted_detector.model import Adoption, Camera, Evidence, EvidenceKind, Mac, Message, Proof, Status, Stream
from twisted_detector.model.cameras import Picture
from twisted_detector.model.notices import Notice, NoticeKind, NoticeSubject
from twisted_detector.outputs.sync.seams import Entries, ISyncDestination, TargetRefused, TargetUnavailable
from twisted_detector.testing.contracts.case import CLOSING, Contract, moments

AT = 1_700_000_000.0
_STREAM = Stream("rtsp://10.0.0.5:554/main", "Main", "p0", codec="H264", width=1920, height=1080, fps=25.0)
CAMERAS: tuple[Camera, ...] = (
    Camera(
        "02000000000a",
        "02000000000a",
        "10.0.0.5",
        mac=Mac("02:00:00:00:00:0a"),
        name="Front door",
        manufacturer="Acme",
        model="M1",
        serial_number="77",
        firmware_version="1.2",
        streams=(_STREAM,),
        capabilities=("ptz",),
        status=Status.ONLINE,
        since=AT,
        last_seen=AT,
        last_validated=AT,
        evidence=(Evidence(EvidenceKind.SERIAL, "77", "onvif", AT),),
    ),
    #: What a device says of itself may be any text that can be printed, and what it does not say is missing.
    Camera("02000000000b_2", "02000000000b", "fe80::5%eth0", name='$a/b+c#d "{x}" \\ü\U0001f3a5', last_seen=AT),
    Camera("02000000000c", "02000000000c", "10.0.0.7", streams=(Stream("x", proof=Proof.AUTH),), last_seen=AT),
)
#: What an event of each kind has beside its time, and its camera.
_DETAILS: Mapping[type[events.Event], tuple[Any, ...]] = {
    events.CameraDiscovered: (),
    events.CameraRestored: (),
    events.CameraChanged: (),
    events.CameraMoved: ("10.0.0.4", "10.0.0.5"),
    events.CameraOnline: (),
    events.CameraOffline: ("no answer",),
    events.CameraTrouble: ("404 Not Found",),
    events.CameraAsleep: ("it has a battery",),
    events.StreamChanged: ((), (_STREAM,)),
    events.CheckRequested: (),
    events.AdoptionChanged: (Adoption.NO, "another MAC"),
    events.CredentialAccepted: ("admin",),
    events.CredentialRefused: (("admin", "root"), "refused"),
    events.ClockSkewed: (-3600.00049,),
    events.IdentityConflict: ("serial", "77", "02000000000c"),
    events.DevicesMerged: ("02000000000d", ("02000000000d", "02000000000d_2"), "the same MAC"),
    events.DeviceSplit: ("02000000000d", "two serial numbers"),
    events.SweepFinished: ("wsdiscovery", 3.5, 12, "cancelled"),
    events.QuotaReached: ("host", "10.0.0.9", "no room for more devices of one host"),
    events.ConnectionEvent: ("disconnected", "the broker closed it", "reconnecting", 12.5, 3, 7),
    events.NoticeTold: (Notice("1-1", NoticeKind.OFFLINE, 1000.0, cameras=(NoticeSubject("a", "Door", "10.0.0.9"),)),),
}


def sample_events() -> Iterator[events.Event]:
    """Events of every kind, of cameras of every sort, in the order of a camera's life."""
    for camera in CAMERAS:
        for kind, details in _DETAILS.items():
            of_camera = (camera,) if issubclass(kind, events.CameraEvent) else ()
            yield kind(AT, *of_camera, *details)
        yield events.PictureTaken(AT, camera, Picture(camera.id, b"\xff\xd8\xff\xd9", "image/jpeg", AT, "snapshot"))
        yield events.CameraForgotten(AT, camera)


def missing_kinds() -> set[str]:
    """The kinds of events that are not among the samples; there is none."""
    kinds: set[str] = set()
    left = [events.Event]
    while left:
        kind = left.pop()
        left += kind.__subclasses__()
        kinds.add(kind.__name__)
    return kinds - {type(event).__name__ for event in sample_events()} - {"Event", "CameraEvent"}


def output_contract(build: Callable[[], Any]) -> type[SynchronousTestCase]:
    """The contract of :class:`IOutput`; ``build`` gives an output that has worded nothing yet."""

    class OutputContract(SynchronousTestCase):
        def setUp(self) -> None:
            self.output = build()

        def messages(self, event: events.Event) -> list[Message]:
            return list(self.output.messages(event))

        def test_interface(self) -> None:
            """It provides IOutput, and has a name."""
            verifyObject(IOutput, self.output)
            assert isinstance(self.output.name, str)
            assert self.output.name

        def test_every_event(self) -> None:
            """Of every event, and of any camera, it makes messages or none; a message keeps to what MQTT allows."""
            assert not missing_kinds()
            for event in sample_events():
                for message in self.messages(event):
                    assert isinstance(message, Message)
                    assert message == Message(
                        message.topic,
                        message.payload,
                        qos=message.qos,
                        retain=message.retain,
                        priority=message.priority,
                        expires_after=message.expires_after,
                    )

        def test_pure(self) -> None:
            """The same events give the same messages, whenever they come: no clock, no chance. No event is changed."""
            other = build()
            for event in sample_events():
                before = deepcopy(event)
                assert self.messages(event) == list(other.messages(before))
                assert event == before

        def test_repeated(self) -> None:
            """An event that comes once more makes no other message than the first time."""
            for event in sample_events():
                first = self.messages(event)
                assert set(self.messages(event)) <= set(first)

        def test_one_after_the_other(self) -> None:
            """Whoever asks for the first message only, or asks for two events at once, does no harm."""
            for event in sample_events():
                next(iter(self.output.messages(event)), None)
            other = build()
            for event, next_event in pairwise(sample_events()):
                for _ in zip(self.output.messages(event), other.messages(next_event), strict=False):
                    pass

        def test_forgotten(self) -> None:
            """What the broker retains of a camera is gone when the camera is forgotten."""
            retained: dict[str, bytes] = {}
            for event in sample_events():
                retained |= {one.topic: one.payload for one in self.messages(event) if one.retain}
            assert not [topic for topic, payload in retained.items() for one in CAMERAS if one.id in topic and payload]

    return OutputContract


class ListenerStage(Protocol):
    """A listener, and what it needs; started, where it is a service.

    :ivar listener: no event was handled yet.
    """

    @property
    def listener(self) -> Any: ...

    def stop(self) -> None:
        """Stop it, where it is a service or has timers."""

    def left_open(self) -> Sequence[object]:
        """The files and timers of it that are open now."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def listener_contract(build: Callable[[], ListenerStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`IEventListener`."""

    class ListenerContract(Contract):
        def setUp(self) -> None:
            self.stage = build()
            self.listener = self.stage.listener
            self.advance = self.stage.advance
            self.stopped = False
            self.addCleanup(self.stop)

        def stop(self) -> None:
            if not self.stopped:
                self.stopped = True
                self.stage.stop()
                self.pass_time(CLOSING)
            assert list(self.stage.left_open()) == []

        def handle(self, event: events.Event) -> None:
            assert self.listener.handle(event) is None

        def test_interface(self) -> None:
            """It provides IEventListener."""
            verifyObject(IEventListener, self.listener)

        def test_every_event(self) -> None:
            """It takes every event, of any camera, without raising, and without changing it."""
            assert not missing_kinds()
            for event in sample_events():
                before = deepcopy(event)
                self.handle(event)
                assert event == before
            self.pass_time(CLOSING)

        def test_any_order(self) -> None:
            """Events may come in another order, and twice: a restart, or a plugin, may have made them."""
            for event in reversed(tuple(sample_events())):
                self.handle(event)
                self.handle(event)
            self.pass_time(CLOSING)

        def test_after_the_stop(self) -> None:
            """Events that come during and after its stop are taken, too, and leave nothing open."""
            self.stop()
            for event in sample_events():
                self.handle(event)
            self.pass_time(CLOSING)
            self.stop()

    return ListenerContract


class Trouble(StrEnum):
    """What is wrong with a destination."""

    NONE = "none"
    AWAY = "away"  #: no answer
    REFUSES = "refuses"  #: it takes nothing from us


class DeliveryStage(Protocol):
    """A destination that holds something of others, and nothing of ours.

    :ivar wanted: two entries or more; ``moved``: the same names, each with another content.
    :ivar longest: seconds that a delivery takes at most.
    """

    @property
    def destination(self) -> Any: ...

    @property
    def wanted(self) -> Entries: ...

    @property
    def moved(self) -> Entries: ...

    @property
    def longest(self) -> float: ...

    def ours(self) -> Mapping[str, Any]:
        """Our entries that stand there, as they stand there."""

    def theirs(self) -> Any:
        """What else stands there."""

    def changes(self) -> int:
        """How often something there was changed, or was asked to be."""

    def trouble(self, kind: Trouble) -> None:
        """This is wrong with it from now on."""

    def left_open(self) -> Sequence[object]:
        """The connections, files, threads and timers that are open now."""

    def advance(self, seconds: float) -> None:
        """Time passes."""


def delivery_contract(build: Callable[[], DeliveryStage]) -> type[SynchronousTestCase]:
    """The contract of :class:`ISyncDestination`: only what is ours is touched, and only where it differs."""

    class DeliveryContract(Contract):
        def setUp(self) -> None:
            self.make_stage()

        def make_stage(self) -> None:
            self.stage = build()
            self.advance = self.stage.advance
            self.theirs = deepcopy(self.stage.theirs())

        def deliver(self, wanted: Entries, base: Entries | None = None, *, dry: bool = False) -> Any:
            given = deepcopy((wanted, base or {}))
            result = self.result_of(
                self.stage.destination.deliver(wanted, {} if base is None else base, dry), self.stage.longest
            )
            assert (wanted, base or {}) == given
            assert list(self.stage.left_open()) == []
            assert self.stage.theirs() == self.theirs
            return result

        def failed(self, kind: type[Exception]) -> None:
            work = self.stage.destination.deliver(self.stage.wanted, {}, False)
            self.error_of(work, kind, self.stage.longest)
            assert list(self.stage.left_open()) == []

        def test_interface(self) -> None:
            """It provides ISyncDestination, and says what and where it is."""
            destination = self.stage.destination
            verifyObject(ISyncDestination, destination)
            assert destination.name
            assert destination.where
            assert destination.refresh >= 0

        def test_delivered(self) -> None:
            """What is wanted stands there; delivered again, nothing is changed."""
            result = self.deliver(self.stage.wanted)
            assert result.changed
            assert set(result.written) == set(self.stage.wanted) == set(self.stage.ours())
            changes, stands = self.stage.changes(), deepcopy(self.stage.ours())
            again = self.deliver(self.stage.wanted, result.written)
            assert not again.changed
            assert set(again.written) == set(self.stage.wanted)
            assert (self.stage.changes(), self.stage.ours()) == (changes, stands)

        def test_moved(self) -> None:
            """An entry that is wanted otherwise is changed."""
            written = self.deliver(self.stage.wanted).written
            before = deepcopy(self.stage.ours())
            result = self.deliver(self.stage.moved, written)
            assert result.changed
            assert set(self.stage.ours()) == set(before)
            assert all(self.stage.ours()[name] != before[name] for name in before)

        def test_taken_away(self) -> None:
            """What is not wanted any more is gone, and only that; at the end all is as it was."""
            _, *others = self.stage.wanted
            left = {other: self.stage.wanted[other] for other in others}
            written = self.deliver(self.stage.wanted).written
            result = self.deliver(left, written)
            assert result.changed
            assert set(self.stage.ours()) == set(others) == set(result.written)
            self.deliver({}, result.written)
            assert not self.stage.ours()

        def test_dry(self) -> None:
            """A dry run says what would change, and changes nothing."""
            result = self.deliver(self.stage.wanted, dry=True)
            assert result.diff
            assert (self.stage.changes(), dict(self.stage.ours())) == (0, {})
            written = self.deliver(self.stage.wanted).written
            assert not self.deliver(self.stage.wanted, written, dry=True).diff

        def test_away(self) -> None:
            """Where there is no answer it is TargetUnavailable; later the same delivery is made."""
            self.stage.trouble(Trouble.AWAY)
            self.failed(TargetUnavailable)
            self.stage.trouble(Trouble.NONE)
            assert self.deliver(self.stage.wanted).changed
            assert set(self.stage.ours()) == set(self.stage.wanted)

        def test_refused(self) -> None:
            """Where all is refused it is TargetRefused, and all stands there as before."""
            self.stage.trouble(Trouble.REFUSES)
            self.failed(TargetRefused)
            self.stage.trouble(Trouble.NONE)
            assert (dict(self.stage.ours()), self.stage.theirs()) == ({}, self.theirs)

        def test_cancelled(self) -> None:
            """It may be cancelled at any moment: what is not ours stays, and the next delivery is whole."""
            for moment in moments(self.stage.longest):
                self.make_stage()
                self.cancel_after(self.stage.destination.deliver(self.stage.wanted, {}, False), moment)
                self.pass_time(self.stage.longest)  # a thread cannot be cancelled
                assert list(self.stage.left_open()) == []
                assert self.stage.theirs() == self.theirs
                self.deliver(self.stage.wanted)
                assert set(self.stage.ours()) == set(self.stage.wanted)

    return DeliveryContract
