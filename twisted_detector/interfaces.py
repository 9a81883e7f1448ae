"""Public interfaces of camdetect: the page for authors of plugins.

A plugin is an object with a *maker* interface below in a module of the ``plugins`` folder, for instance an
:class:`IDiscovererMaker`. At start its ``make`` is called with a :class:`MakerContext`, and with those parts of the
daemon that it declares as its ``needs``; it returns the part:

=========================  ===========================================================================================
discoverer, watcher        reports addresses where a camera may be to an :class:`ISightingSink`
inspector                  finds out what one device is: its name, its streams
output                     turns events into MQTT messages for one consumer
event listener             does anything else with events
service extension          a Twisted service that starts and stops with the daemon
=========================  ===========================================================================================

A discoverer may also provide :class:`IQuickSweep`, :class:`INetworkSweep`, :class:`ISweepProgress`,
:class:`IAddressProbe`, :class:`IFinder` and :class:`ISeveralMethods`. For your tests there are doubles in
``twisted_detector.testing``.
Coroutine methods are declared ``async def``; the caller turns them into Deferreds where it needs them. All is called on
the reactor's thread.
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
from twisted_detector.model.reach import Network

# --- Plugins ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MakerContext:
    """What every maker gets: the reactor, the configuration, and the MQTT connection.

    :ivar reactor: provides IReactorCore, IReactorTime, IReactorTCP, IReactorUDP, IReactorMulticast, IReactorFDSet.
    :ivar config: the whole configuration (:class:`Config`).
    :ivar settings: this plugin's own table of the configuration file (``[plugins.<name>]``), all values as texts.
    :ivar publish: the publisher's ``publish``.
    :ivar subscribe: the subscriber's ``subscribe``.
    """

    reactor: Any
    config: Any
    settings: Mapping[str, Any]
    publish: Callable[[Message], Deferred[None]]
    subscribe: Callable[[str, Callable[[str, bytes], Awaitable[None] | None]], Callable[[], None]]

    @property
    def clock(self) -> IReactorTime:
        """The reactor, as a clock."""
        clock: IReactorTime = self.reactor
        return clock


@dataclass(frozen=True, slots=True)
class OptionalNeed:
    """A need that is None where nobody provides it; see :func:`optional`."""

    kind: type[Any]


def optional(kind: type[Any]) -> OptionalNeed:
    """For ``needs`` of a maker: its ``make`` gets None where nobody provides ``kind``."""
    return OptionalNeed(kind)


class IMaker(Interface):
    """Factory of one part; a plugin provides one of the interfaces derived from it.

    It may declare what it needs, what it provides, and what it comes before: see :class:`IMakerDeclarations`.
    """

    name: str = Attribute("Name of the plugin: its table in the configuration file, its name in ``PLUGINS``.")
    make: Callable[..., object | None] = Attribute(
        "``make(context, *needed)`` makes the part, once at each start of the daemon's parts, which may start again in "
        "one process; None when the configuration has switched it off."
    )


class IMakerDeclarations(Interface):
    """Attributes that a maker may have, each of them or none. Makers are called in an order in which whatever one needs
    was made before it; only what nobody declares is left to the alphabet.
    """

    needs: Sequence[type[Any] | OptionalNeed] = Attribute(
        "Classes or interfaces of the parts that ``make`` gets after the context, in this order: those of the daemon, "
        "and those that other makers provide. Where nobody provides one, the plugin is left out with an error, unless "
        "it is :func:`optional`."
    )
    provides: type[Any] | None = Attribute(
        "Class or interface of what this maker makes, under which others may need it; the first that provides it stays."
    )
    before: Sequence[str] = Attribute(
        "Names of makers of the same kind whose parts come after this one's: outputs word each event in this order, "
        "and inspectors are asked in it."
    )


class IDiscovererMaker(IMaker):
    """Makes an IDiscoverer (which may be an IWatcher as well)."""


class IWatcherMaker(IMaker):
    """Makes an IWatcher."""


class IInspectorMaker(IMaker):
    """Makes an IInspector."""


class IOutputMaker(IMaker):
    """Makes an IOutput."""


class IListenerMaker(IMaker):
    """Makes an IEventListener. A maker that is an IServiceExtension too makes one part that is both."""


class IServiceExtension(IMaker):
    """Makes a ``twisted.application.service.IService`` that starts and stops with the daemon."""


# --- Discovery --------------------------------------------------------------------------------------------------------


class ISightingSink(Interface):
    """Receiver of what discoverers and watchers find. Both methods are synchronous, quick and never raise."""

    def sighted(sighting: Sighting) -> None:
        """A device was seen at an address."""

    def departed(source: str, address: str, reference: str = "") -> None:
        """The device at ``address`` announced that it leaves the network.

        :param source: name of the method that received the announcement.
        :param reference: its EndpointReference, where it has one: it tells several devices at one address apart.
        """


class IDiscoverer(Interface):
    """One discovery method that sweeps the networks on demand."""

    name: str = Attribute("Short name of the method, as in ``discovery_methods`` of a camera.")

    async def sweep(sink: ISightingSink) -> None:
        """Search once for devices, bounded in time and packets. May be cancelled at any await.

        :raises OSError, errors.CamdetectError: the search itself failed; devices that are known stay known.
        """


class IWatcher(Interface):
    """One discovery method that receives announcements all the time."""

    name: str = Attribute("Short name of the method.")

    def startWatching(sink: ISightingSink) -> None:
        """Begin to listen, and to report to ``sink``."""

    def stopWatching() -> Deferred[None] | None:
        """Stop listening; the Deferred fires when every socket is closed."""


class ISeveralMethods(Interface):
    """Discoverer or watcher by several methods, such as the protocols of several manufacturers."""

    methods: Sequence[str] = Attribute("Short names that its sightings have as their method, in the place of its own.")


class IQuickSweep(Interface):
    """Discoverer that can also search quickly for devices that are known already.

    At most half the packets of its sweep.
    """

    async def sweep_quickly(sink: ISightingSink) -> None:
        """Search once. Raises as :meth:`IDiscoverer.sweep`; may be cancelled."""


class INetworkSweep(Interface):
    """Discoverer that can also sweep one network alone: one that a person added."""

    async def sweep_network(network: Network, sink: ISightingSink) -> None:
        """Sweep it once, beside a sweep of all that may be under way; nothing where a sweep has no more to do there.

        Raises as :meth:`IDiscoverer.sweep`; may be cancelled.
        """


class ISweepProgress(Interface):
    """Discoverer whose sweep may take longer than ``DISCOVERY_TIMEOUT``, as long as it gets on."""

    def progress() -> int:
        """A number that grows with each question of the sweep under way."""


class IAddressProbe(Interface):
    """Discoverer that can also probe one address."""

    async def probe(address: str, sink: ISightingSink) -> None:
        """Probe whether a camera is at ``address``, which is in use; a few packets, and an end within seconds."""


class IFinder(Interface):
    """Discoverer that can also find one known device again that does not answer at its address."""

    async def find(candidate: Candidate, sink: ISightingSink) -> None:
        """Search for the device at any address; a few packets, and an end within seconds."""


class ILiveness(Interface):
    """Check whether any device answers at an address."""

    async def is_alive(address: str, ports: Sequence[int]) -> bool:
        """Whether a device answers at ``address`` now; a few packets without data, and an end within a second.

        :param ports: TCP ports that answered before, likely ones first.
        """

    async def accepts(address: str, ports: Sequence[int]) -> bool:
        """Whether one of the first ``ports`` accepts a connection at ``address`` now; packets and time as above.

        Another device behind the same address does not answer for this one, nor does a host whose service has ended.

        :raises OSError, errors.LocalError: this machine cannot connect now: nothing is known of the device.
        """


class INeighbours(Interface):
    """Neighbour table of this machine: the MACs of addresses on its links, and its own interfaces."""

    async def mac_of(address: str) -> Mac | None:
        """The MAC last seen at ``address``, None where the kernel knows none (or a router stands between)."""

    def known() -> Mapping[str, Mac]:
        """All on-link addresses (link-local IPv6 with ``%scope``) whose MAC is known now; nothing is sent."""

    def watch(
        changed: Callable[[str, Mac | None], None], *, interfaces_changed: Callable[[], None] | None = None
    ) -> Callable[[], None]:
        """Call ``changed(address, mac)`` whenever a MAC is learnt or confirmed; None: the address does not answer any
        more. Call ``interfaces_changed()`` whenever :meth:`interfaces` has another result than before.

        Both are synchronous and quick, and never raise; ``changed`` may be called with what is known already.

        :returns: a function that ends it; to end it twice is no fault.
        """

    async def interfaces() -> Sequence[NetworkInterface]:
        """The addresses of this machine's interfaces that are up."""


# --- Inspection -------------------------------------------------------------------------------------------------------


class IInspector(Interface):
    """One protocol by which a device is asked what it is: its name, its streams."""

    name: str = Attribute("Short name, as in ``inspector`` of an Inspection.")

    async def inspect(candidate: Candidate, login: Login | None) -> Inspection | None:
        """Find out what is at ``candidate.address``; None: no device of this protocol.

        Called first with ``login`` None, and again with a login only after :class:`errors.Unauthorized` (or an
        Inspection with status ``auth_required``), when the login budget allows it. An inspector that sends the login
        more than once calls ``await login.acquire_permit()`` before each time. That a login is right is known only when
        the inspector says so: ``login.report_accepted()``, when the device did with it what it had refused without.

        :raises errors.Unreachable: no answer; LoginWithheld, which is one, as :meth:`Login.acquire_permit` raised it.
        :raises errors.Unauthorized: a login is needed, or ``login`` was refused.
        :raises errors.Malformed: an answer that cannot be read.
        :raises errors.Busy: no room now.
        :raises errors.NotACamera: it is known what it is, and that is no camera; the text, for people, begins with "a".
        """


class IStreamValidator(Interface):
    """Proof of one stream: that it plays, and what is in it."""

    async def validate(stream: Stream, login: Login | None) -> StreamReport:
        """Prove ``stream``. The report has how far it was proved, and why no further; other errors are not raised.

        :raises errors.Unauthorized: a login is needed, or ``login`` was refused (the caller keeps the login budget).
        :raises errors.LoginWithheld: ``login`` must not be sent now. errors.Busy: the device has no room now.
        """

    async def check(stream: Stream, login: Login | None) -> StreamReport:
        """As :meth:`validate`, but cheap while nothing has changed: then validated with a proof below RTP."""


# --- Outputs ----------------------------------------------------------------------------------------------------------


class IEventListener(Interface):
    """Listener that receives every event. Synchronous and quick; what it raises is logged and hurts no other."""

    def handle(event: Event) -> None:
        """``event`` happened."""


class IOutput(Interface):
    """Turns events into MQTT messages for one consumer. Pure: no I/O, no clock."""

    name: str = Attribute("Short name of the consumer.")

    def messages(event: Event) -> Iterable[Message]:
        """The messages that this consumer gets of ``event``; often none."""


# --- Services of the daemon -------------------------------------------------------------------------------------------


class IPublisher(Interface):
    """Publisher of MQTT messages, with an outbox for times without a connection."""

    def publish(message: Message) -> Deferred[None]:
        """Queue ``message`` for publication; never blocks. On the reactor's thread only.

        The Deferred fires with None when the broker has acknowledged it (QoS 0: when it was handed to the socket), and
        fails with :class:`errors.Dropped`, :class:`errors.NotAuthorized` or :class:`errors.Stopped` when that cannot
        happen any more. A failure without an errback is not logged as an unhandled error.

        :raises errors.QueueFull: a critical message for which there is no room.
        :raises errors.Stopped: after the service was stopped.
        """


class ISubscriber(Interface):
    """Subscriber to MQTT topics."""

    def subscribe(
        topic_filter: str,
        handler: Callable[[str, bytes], Awaitable[None] | None],
        *,
        retained: Callable[[str, bytes], Awaitable[None] | None] | None = None,
    ) -> Callable[[], None]:
        """Call ``handler(topic, payload)`` for every message that matches; restored after every reconnect.

        Messages of more than a mebibyte are passed over.

        :param retained: called in its stead with a message that the broker had retained before it got the subscription,
            and which therefore comes again with every connection: what commands something is not to be obeyed again.
        :returns: a function that ends the subscription.
        """


#: Records an observation about an address for ``camdetect why``: (wall seconds, address, source, text). No secrets.
RecordObservation = Callable[[float, str, str, str], None]


def record_nothing(at: float, address: str, source: str, what: str) -> None:
    """A :data:`RecordObservation` that keeps nothing."""
