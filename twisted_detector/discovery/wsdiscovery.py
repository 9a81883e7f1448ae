"""The interfaces of this machine go in; the ONVIF devices that answer a Probe, or say Hello and Bye, come out.

Sources: WS-Discovery (April 2005), ONVIF Core section 7; SOAP-over-UDP 1.1 section 3.2 and appendix I for repetitions.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from random import Random, SystemRandom
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.dialects import Dialects
from twisted_detector.discovery.multicast import MulticastPort, OpenMulticast, open_multicast_on
from twisted_detector.discovery.wsd_hearing import METHOD, Hearing
from twisted_detector.discovery.wsd_round import ANYWHERE, ANYWHERE_IPV6, GROUP, Round
from twisted_detector.discovery.wsd_routed import RoutedNetworks
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink, IWatcher
from twisted_detector.looking import IFinder, ILookAt, IQuickLook
from twisted_detector.model import Candidate, Interface
from twisted_detector.wire import wsdiscovery as wire

#: Servers with hundreds of virtual interfaces exist, and each costs 16 datagrams per sweep.
_MAX_PORTS = 64
#: Seconds after which a Hello that is said again is news: its repetitions end within 1.25 s.
_HELLO_MEMORY = 5.0
#: Seconds between looks whether an interface came or went.
_FOLLOW_INTERVAL = 10.0
#: Senders and interfaces whose faults were logged.
_MAX_COMPLAINTS = 1024
#: Seconds that a quick look and a search listen: devices answer a group within 0.5 s, and one repetition is sent.
_QUICK_LISTEN = 1.5


@implementer(IDiscoverer, IWatcher, IQuickLook, ILookAt, IFinder)
class WSDiscovery:
    """Probes every multicast interface when told to, and listens for Hello and Bye all the time.

    Sightings carry no MAC: they are reported the moment the datagram is read.

    :param reactor: IReactorTime and IReactorFDSet.
    :param listen: seconds from the first probe to the end of a sweep. Devices wait up to 0.5 s before they answer, and
        the last repetition leaves after 1.25 s at worst: 2 is the least that is fair.
    :param include_loopback: use 127.0.0.1 and ::1 too (simulated cameras).
    :param dialects: remembers who answers what.
    :param networks: CIDR texts; those of them that stand behind a router are asked address by address.
    :param exclude: CIDR texts; nothing is sent to an address of theirs (a group reaches whoever listens).
    :param rate: unicast probes per second into networks behind a router.
    :param random: chance for message ids and delays.
    :param monotonic: seconds that never jump.
    :param open_multicast: for tests.
    :ivar counts: since the start: ``sent``, and what :class:`Hearing` counts.
    """

    name = METHOD
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        neighbours: INeighbours,
        *,
        listen: float = 3.0,
        include_loopback: bool = False,
        dialects: Dialects | None = None,
        networks: Iterable[str] = (),
        exclude: Iterable[str] = (),
        rate: int = 200,
        random: Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        open_multicast: OpenMulticast | None = None,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._listen = listen
        self._include_loopback = include_loopback
        self._dialects = dialects or Dialects()
        self._exclude = tuple(ip_network(text, strict=False) for text in exclude)
        self._routed = RoutedNetworks(networks, self._exclude, rate=rate)
        self._random = SystemRandom() if random is None else random
        self._monotonic = monotonic
        self._open_multicast = open_multicast_on(reactor) if open_multicast is None else open_multicast
        self._complained: dict[str, None] = {}
        self._following: LoopingCall | None = None
        self._refreshing: Deferred[None] | None = None
        self._watched: dict[tuple[str, int], tuple[Sequence[Interface], MulticastPort]] = {}
        self.counts: Counter[str] = Counter()

    def _round(self, sink: ISightingSink) -> Round:
        return Round(
            sink,
            clock=self._reactor,
            monotonic=self._monotonic,
            random=self._random,
            open_multicast=self._open_multicast,
            answered=self._dialects.answered,
            counts=self.counts,
            complain=self._complain,
        )

    async def _round_on_all(self, sink: ISightingSink) -> tuple[Round, list[Interface]]:
        interfaces = self._usable(await self._neighbours.interfaces())
        asking = self._round(sink)
        for interface in _probed(interfaces):
            asking.open(interface, _of_same_link(interface, interfaces))
        return asking, interfaces

    # --- IDiscoverer -----------------------------------------------------------------------------------------------

    async def sweep(self, sink: ISightingSink) -> None:
        """Probe all interfaces and report who answers, each device at once, and once for each of its addresses.

        :raises CamdetectError: nothing could be sent on any interface.
        """
        asking, interfaces = await self._round_on_all(sink)
        try:
            if not asking.probe(tuple(wire.Dialect)):
                names = ", ".join(sorted({one.name for one in interfaces}))
                raise CamdetectError("no interface could be probed", shown=names or "there is none")
            await deferLater(self._reactor, self._listen)
        finally:
            asking.close()
        if self._routed:
            await self._sweep_behind_routers(sink)

    async def _sweep_behind_routers(self, sink: ISightingSink) -> None:
        """One datagram to each address: routers do not forward the group. Some devices do not answer it."""
        own = await self._neighbours.interfaces()
        asking = self._round(sink)
        try:
            asking.open(ANYWHERE)
            await self._routed.ask_each(own, asking.begin_letter(wire.Dialect.TRANSMITTER), self._reactor)
            await deferLater(self._reactor, _QUICK_LISTEN)
        finally:
            asking.close()

    # --- IQuickLook, ILookAt, IFinder ------------------------------------------------------------------------------

    async def look_quickly(self, sink: ISightingSink) -> None:
        """Probe in the few dialects that all known devices answer, once and once more."""
        asking, _ = await self._round_on_all(sink)
        try:
            asking.probe(self._dialects.cover(), repeats=1)
            await deferLater(self._reactor, _QUICK_LISTEN)
        finally:
            asking.close()

    async def look_at(self, address: str, sink: ISightingSink) -> None:
        """Probe one address in all dialects; nothing when it is excluded."""
        await self._search(address, sink, tuple(wire.Dialect))

    async def find(self, candidate: Candidate, sink: ISightingSink) -> None:
        """Ask the group where a device is (Resolve, and a Probe in its dialect), and once more where it was."""
        dialects = self._dialects.of(candidate.endpoint_reference)
        asking, _ = await self._round_on_all(sink)
        try:
            for reference in _notations(candidate.endpoint_reference):
                for version in dict.fromkeys(one.value[1] for one in dialects):
                    asking.ask(_resolving(reference, version), repeats=1)
            asking.probe(dialects, repeats=1)
            await self._search(candidate.address, sink, dialects)
        finally:
            asking.close()

    async def _search(self, address: str, sink: ISightingSink, dialects: Sequence[wire.Dialect]) -> None:
        bare, _, scope = address.partition("%")
        where = ip_address(bare)
        if any(where in network for network in self._exclude if network.version == where.version):
            return
        anywhere = ANYWHERE if where.version == 4 else ANYWHERE_IPV6
        links = [one for one in await self._neighbours.interfaces() if one.version == where.version]
        own = [one for one in links if (one.name == scope if scope else where in _network_of(one))]
        asking = self._round(sink)
        try:
            asking.open(own[0] if own else anywhere, tuple(own))
            asking.probe(dialects, to=address, repeats=1)
            await deferLater(self._reactor, _QUICK_LISTEN)
        finally:
            asking.close()

    # --- IWatcher --------------------------------------------------------------------------------------------------

    def startWatching(self, sink: ISightingSink) -> None:
        """Hear Hello and Bye on every interface, also on those that come later."""
        hearing = Hearing(
            sink,
            clock=self._reactor,
            monotonic=self._monotonic,
            counts=self.counts,
            complain=self._complain,
            lasting=_HELLO_MEMORY,
        )
        self._following = LoopingCall(self._follow, hearing)
        self._following.clock = self._reactor
        self._following.start(_FOLLOW_INTERVAL)

    def stopWatching(self) -> None:
        """Close every socket, now."""
        if self._following is not None and self._following.running:
            self._following.stop()
        self._following = None
        if self._refreshing is not None:
            self._refreshing.cancel()
        self._refreshing = None
        for _, port in self._watched.values():
            port.close()
        self._watched.clear()

    def _follow(self, hearing: Hearing) -> Deferred[None]:
        self._refreshing = refreshing = Deferred.fromCoroutine(self._refresh(hearing))
        return refreshing

    async def _refresh(self, hearing: Hearing) -> None:
        """Open what is missing, close what is gone or has other addresses now. Never raises: the loop must go on."""
        try:
            interfaces = self._usable(await self._neighbours.interfaces())
        except CancelledError:
            return
        except Exception:
            self.log.failure("The interfaces are not known; what is heard stays as it is")
            return
        present: dict[tuple[str, int], Interface] = {}
        for one in _probed(interfaces):
            present.setdefault((one.name, one.version), one)
        for key, (addresses, port) in tuple(self._watched.items()):
            if key not in present or addresses != _of_same_link(present[key], interfaces):
                port.close()
                del self._watched[key]
        for key, interface in present.items():
            if key in self._watched:
                continue
            addresses = _of_same_link(interface, interfaces)
            ear = hearing.ear(interface.name, addresses)
            try:
                self._watched[key] = addresses, self._open_multicast(interface, GROUP, ear, member=True)
            except OSError as problem:
                self._complain(f"listening by IPv{interface.version} on {interface.name}", problem)

    # --- both ------------------------------------------------------------------------------------------------------

    def _usable(self, interfaces: Sequence[Interface]) -> list[Interface]:
        return [one for one in interfaces if (self._include_loopback if one.loopback else one.multicast)]

    def _complain(self, about: str, problem: Exception) -> None:
        """Log a fault once; the oldest are forgotten when there are too many."""
        if about in self._complained:
            return
        if len(self._complained) >= _MAX_COMPLAINTS:
            del self._complained[next(iter(self._complained))]
        self._complained[about] = None
        self.log.warn("WS-Discovery, {about}: {problem}", about=about, problem=problem)


def _probed(interfaces: Sequence[Interface]) -> list[Interface]:
    """Where to send from: every IPv4 address (each may be of another network), and one IPv6 address of each link.

    The loopback interface has no IPv6 multicast.
    """
    chosen = [one for one in interfaces if one.version == 4]
    links: dict[str, Interface] = {}
    for one in interfaces:
        if one.version == 6 and not one.loopback and (one.name not in links or one.address.startswith("fe80:")):
            links[one.name] = one
    return [*chosen, *links.values()][:_MAX_PORTS]


def _network_of(interface: Interface) -> IPv4Network | IPv6Network:
    return ip_network((interface.address, interface.prefix_length), strict=False)


def _notations(reference: str) -> tuple[str, ...]:
    """An EndpointReference as devices may have written it: a normalised UUID has lost its prefix."""
    if not reference:
        return ()
    return (reference,) if ":" in reference else (f"urn:uuid:{reference}", f"uuid:{reference}")


def _resolving(reference: str, version: wire.Version) -> Callable[[str], bytes]:
    return lambda message_id: wire.resolve(message_id, reference, version=version)


def _of_same_link(interface: Interface, interfaces: Sequence[Interface]) -> tuple[Interface, ...]:
    return tuple(one for one in interfaces if one.index == interface.index)
