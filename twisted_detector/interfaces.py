"""Every seam of the program on one page: who sees, who asks, who tells, and how to extend each.

Whatever stands behind one of these can be exchanged: by a plugin, or by the doubles in ``twisted_detector.testing``.
Coroutine methods are declared ``async def``; whoever calls them turns them into Deferreds at the edge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from zope.interface import Attribute, Interface

from twisted_detector.events import Event
from twisted_detector.model import (
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

# --- Seeing -----------------------------------------------------------------------------------------------------------


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


#: Writes something down of an address: (wall seconds, address, who says it, what). Never a secret.
RecordObservation = Callable[[float, str, str, str], None]


def record_nothing(at: float, address: str, source: str, what: str) -> None:
    """Nobody keeps a casebook."""


class IQuickSweep(Interface):
    """Looks for what is known already, at a tenth of the packets of a sweep or less."""

    async def sweep_quickly(sink: ISightingSink) -> None:
        """Look once. Raises like :meth:`IDiscoverer.sweep`; may be cancelled."""


class IAddressProbe(Interface):
    """Looks at one address."""

    async def probe(address: str, sink: ISightingSink) -> None:
        """Look whether a camera is at ``address``, where somebody is; a few packets, and an end within seconds."""


class ILiveness(Interface):
    """Tells whether anybody answers at an address."""

    async def is_alive(address: str, ports: Sequence[int]) -> bool:
        """Whether somebody does at this moment; a few packets without data, and an end within a second.

        :param ports: TCP ports at which somebody answered before, likely ones first.
        """


class IFinder(Interface):
    """Finds one known device again that does not answer where it was."""

    async def find(candidate: Candidate, sink: ISightingSink) -> None:
        """Look for the device wherever it may be now; a few packets, and an end within seconds."""


# --- Asking -----------------------------------------------------------------------------------------------------------


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


# --- Telling ----------------------------------------------------------------------------------------------------------


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


# --- Extending --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakerContext:
    """What a maker gets: the injected reactor, its own settings, and the two directions of talking.

    :ivar reactor: provides IReactorCore, IReactorTime, IReactorTCP, IReactorUDP, IReactorMulticast, IReactorFDSet.
    :ivar config: the whole configuration (:class:`Config`).
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
