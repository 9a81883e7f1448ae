"""Every seam of the program on one page: who sees, who asks, who tells, and how to extend each.

Whatever stands behind one of these can be exchanged: by a plugin, or by the doubles in ``twisted_detector.testing``.
Coroutine methods are declared ``async def``; whoever calls them turns them into Deferreds at the edge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface

from twisted_detector.budgeting import ILoginBudget as ILoginBudget
from twisted_detector.delivery import (
    ConnectionChange as ConnectionChange,
    ConnectionState as ConnectionState,
    ConnectionTimer as ConnectionTimer,
    JournalRecord as JournalRecord,
    OutboxItem as OutboxItem,
)
from twisted_detector.events import Event
from twisted_detector.model import (
    Camera,
    Candidate,
    Inspection,
    Interface as NetworkInterface,
    Login,
    Mac,
    Message,
    Sighting,
    Stream,
    StreamReport,
)
from twisted_detector.records import dataclass

# --- Seeing ---------------------------------------------------------------------------------------------------------


class ISightingSink(Interface):
    """Where discoverers and watchers report to. Both calls are synchronous, quick and never raise."""

    def sighted(sighting: Sighting) -> None:
        """Something was seen at an address."""

    def departed(source: str, address: str, reference: str = "") -> None:
        """The device at ``address`` said goodbye by the method named ``source``.

        :param reference: its EndpointReference, where it said one: of several devices at one address, that one.
        """


class IDiscoverer(Interface):
    """Looks once when told to."""

    name: str = Attribute("Short name of the method, as in ``discovery_methods`` of a camera.")

    async def sweep(sink: ISightingSink) -> None:
        """Look once, bounded in time and packets. May be cancelled at any await.

        Raise if the looking itself failed; what is known stays known.
        """


class IWatcher(Interface):
    """Hears announcements all the time."""

    name: str = Attribute("Short name of the method.")

    def startWatching(sink: ISightingSink) -> None:
        """Begin to report to ``sink``."""

    def stopWatching() -> Deferred[None] | None:
        """End it; the Deferred fires when every socket is closed."""


class INeighbours(Interface):
    """Which IP address has which MAC on this machine's links, and which networks those are."""

    async def mac_of(address: str) -> Mac | None:
        """The MAC last seen at ``address``, None where the kernel knows none (or a router stands between)."""

    def known() -> Mapping[str, Mac]:
        """All on-link addresses (link-local IPv6 with ``%scope``) whose MAC is known now; asks nobody."""

    def watch(heard: Callable[[str, Mac | None], None]) -> Callable[[], None]:
        """Call ``heard(address, mac)`` whenever a MAC is learnt or confirmed; None: nobody answers there any more.

        ``heard`` is synchronous and quick, and never raises; it may be told of what is known already.

        :returns: a function that ends it; to end it twice is no fault.
        """

    async def interfaces() -> Sequence[NetworkInterface]:
        """The addresses of this machine's interfaces that are up."""


# --- Asking ---------------------------------------------------------------------------------------------------------


class IInspector(Interface):
    """Asks one device what it is."""

    name: str = Attribute("Short name, as in ``inspector`` of an Inspection.")

    async def inspect(candidate: Candidate, login: Login | None) -> Inspection | None:
        """Find out what stands at ``candidate.address``; None: not mine.

        Called first with ``login`` None, and again with a login only after :class:`errors.Unauthorized`
        (or an Inspection with status ``auth_required``) and only when the login budget allows it. Who sends it
        more than once calls ``await login.may_be_sent()`` before each time, and ``was_let_in`` when it was.

        :raises errors.Unreachable: no answer.
        :raises errors.Unauthorized: a login is needed, or ``login`` was refused.
        :raises errors.Malformed: an answer that cannot be read.
        :raises errors.Busy: no room now.
        """


class IStreamValidator(Interface):
    """Proves that one stream is what it claims."""

    async def validate(stream: Stream, login: Login | None) -> StreamReport:
        """Check ``stream``. Never raises for what the peer does: the report says how far it came and why no further.

        :raises errors.Unauthorized: a login is needed, or ``login`` was refused (the conductor keeps the budget).
        """

    async def check(stream: Stream, login: Login | None) -> StreamReport:
        """As :meth:`validate`, but cheap while what was proved stands: then validated with a rung below RTP."""


# --- Telling --------------------------------------------------------------------------------------------------------


class IEventListener(Interface):
    """Is told every event. Synchronous and quick; what it raises is logged and hurts no other listener."""

    def handle(event: Event) -> None:
        """``event`` happened."""


class IOutput(Interface):
    """Words events for one consumer. Pure: no I/O, no clock."""

    name: str = Attribute("Short name of the consumer.")

    def messages(event: Event) -> Iterable[Message]:
        """The messages that ``event`` gives this consumer; none is a good answer."""


class IPublisher(Interface):
    """Says messages over MQTT, whatever the connection does."""

    def publish(message: Message) -> Deferred[None]:
        """Take ``message``; never blocks. On the reactor's thread only.

        The Deferred fires with None when the broker has acknowledged it (QoS 0: when it was handed to the socket), and
        fails with :class:`errors.Dropped`, :class:`errors.NotAuthorized` or :class:`errors.Stopped` when that cannot
        happen any more. A failure that nobody looks at is not reported a second time.

        :raises errors.QueueFull: a critical message for which there is no room.
        :raises errors.Stopped: after the service was stopped.
        """


class ISubscriber(Interface):
    """Hears messages from the broker."""

    def subscribe(topic_filter: str, handler: Callable[[str, bytes], Awaitable[None] | None]) -> Callable[[], None]:
        """Call ``handler(topic, payload)`` for every message that matches; restored after every reconnect.

        :returns: a function that ends it.
        """


class IStateStore(Interface):
    """Keeps what must survive a restart. Every method answers later: the reactor's thread never touches the disk."""

    def load_cameras() -> Deferred[Sequence[Camera]]:
        """All cameras as they were saved last."""

    def save_camera(camera: Camera) -> Deferred[None]:
        """Save one camera over its earlier self."""

    def delete_camera(camera_id: str) -> Deferred[None]:
        """Forget one camera."""

    def load_values(table: str) -> Deferred[Mapping[str, str]]:
        """All key → text pairs of one small table (``login_budget``, ``session``, ``dialects``)."""

    def save_value(table: str, key: str, value: str) -> Deferred[None]:
        """Save one pair over its earlier self."""


# --- The MQTT connection --------------------------------------------------------------------------------------------


class IConnectionActions(Interface):
    """What the connection machine has done for it. None of these may raise."""

    def attempt(epoch: int) -> None:
        """Begin connection attempt number ``epoch``; answer with ``connected``, ``refused`` or ``lost``."""

    def abandon(epoch: int) -> None:
        """End attempt or connection ``epoch``: with DISCONNECT when it stands; what it says later is ignored."""

    def schedule(timer: ConnectionTimer, delay: float) -> None:
        """Call ``due(timer)`` in ``delay`` seconds; replaces a running timer of that kind."""

    def cancel(timer: ConnectionTimer) -> None:
        """Forget a timer, running or not."""

    def announce(change: ConnectionChange) -> None:
        """Tell everybody who wants to know."""


class IConnection(Interface):
    """Decides when to connect. ``now`` is monotonic seconds; inputs of an old epoch are dropped."""

    state: ConnectionState = Attribute("How it stands.")
    reason: str = Attribute("Why it is not connected, in plain words.")
    degraded: bool = Attribute("Whether the first connection is overdue.")
    epoch: int = Attribute("Number of the latest attempt.")

    def start(now: float) -> None:
        """Connect from now on."""

    def stop(now: float) -> None:
        """Disconnect and stay so."""

    def connected(epoch: int, session: int, now: float) -> None:
        """The broker accepted attempt ``epoch``."""

    def refused(epoch: int, reason: str, now: float, terminal: bool = False) -> None:
        """Attempt ``epoch`` failed; ``terminal``: trying again soon will not help."""

    def lost(epoch: int, reason: str, now: float) -> None:
        """Connection ``epoch`` broke."""

    def due(timer: ConnectionTimer, now: float) -> None:
        """A timer ran out."""


class IOutbox(Interface):
    """Keeps messages until the broker has acknowledged them. On the reactor's thread only."""

    on_ready: Callable[[], None] = Attribute("Set by the sender; called when a message became sendable.")

    def take(limit: int) -> Sequence[OutboxItem]:
        """The next messages to send in order, at most ``limit``; from now on they are in flight.

        The window is what is in flight plus ``limit``: the outbox may keep a share of it free for high priorities.
        """

    def acknowledged(tokens: Sequence[int]) -> None:
        """The broker has these."""

    def refused(token: int, reason: str) -> None:
        """The broker, or the protocol, does not take this one; it is not to be sent again."""

    def connection_lost() -> None:
        """Everything in flight goes back to the queue, in order."""

    def next_due() -> float | None:
        """Seconds until a message that is held back may be taken; None: there is none, or not before something lands.

        :meth:`take` may give less than there is when one is to be sent alone; what it gives then lands first.
        """

    def depth() -> int:
        """How many messages are kept, in flight or not."""

    def resay(topics: Iterable[str] | None = None) -> None:
        """Queue every retained document that is known (or those of ``topics``) again: the broker may have lost it."""


# --- Extending ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakerContext:
    """What a maker gets: the injected reactor, its own settings, and the two directions of talking.

    :ivar reactor: provides IReactorCore, IReactorTime, IReactorTCP, IReactorUDP, IReactorMulticast, IReactorFDSet.
    :ivar config: the whole configuration (:class:`twisted_detector.config.Config`).
    :ivar settings: this plugin's own table of the configuration file (``[plugins.<name>]``), texts.
    :ivar publish: the publisher's ``publish``.
    :ivar subscribe: the subscriber's ``subscribe``.
    :ivar parts: shared parts by interface, for instance ``parts[INeighbours]``.
    """

    reactor: Any
    config: Any
    settings: Mapping[str, Any]
    publish: Callable[[Message], Deferred[None]]
    subscribe: Callable[[str, Callable[[str, bytes], Awaitable[None] | None]], Callable[[], None]]
    parts: Mapping[Any, Any]

    @property
    def clock(self) -> IReactorTime:
        """The reactor under its narrow name."""
        clock: IReactorTime = self.reactor
        return clock


class IMaker(Interface):
    """Makes one part from a context. ``make`` returns None when the configuration has switched the part off."""

    name: str = Attribute("Name of the plugin: its table in the configuration file, its word in ``PLUGINS``.")

    def make(context: MakerContext) -> object | None:
        """Build the part, or None."""


class IDiscovererMaker(IMaker):
    """Makes an IDiscoverer (which may be an IWatcher as well)."""


class IWatcherMaker(IMaker):
    """Makes an IWatcher."""


class IInspectorMaker(IMaker):
    """Makes an IInspector."""


class IOutputMaker(IMaker):
    """Makes an IOutput."""


class IListenerMaker(IMaker):
    """Makes an IEventListener."""


class IServiceExtension(IMaker):
    """Makes a ``twisted.application.service.IService`` that starts and stops with the daemon."""
