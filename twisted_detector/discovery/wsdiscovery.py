"""The interfaces of this machine go in; the ONVIF devices that answer a Probe, or say Hello and Bye, come out.

Sources: WS-Discovery (April 2005), ONVIF Core section 7; SOAP-over-UDP 1.1 section 3.2 and appendix I for repetitions.
"""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random, SystemRandom
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import LoopingCall, deferLater
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.discovery.multicast import Group, MulticastPort, OpenMulticast, open_multicast_on
from twisted_detector.discovery.wsd_hearing import METHOD, Hearing
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import IDiscoverer, INeighbours, ISightingSink, IWatcher
from twisted_detector.model import Interface
from twisted_detector.wire import wsdiscovery as wire

GROUP = Group(wire.GROUP_IPV4, wire.GROUP_IPV6, wire.PORT)

#: SOAP-over-UDP appendix I. So many after the first: cameras in Wi-Fi power save miss a whole burst.
_REPEATS = 3
_MIN_DELAY, _MAX_DELAY, _UPPER_DELAY = 0.05, 0.25, 0.5
#: Servers with hundreds of virtual interfaces exist, and each costs 16 datagrams per sweep.
_MAX_PORTS = 64
#: Seconds after which a Hello that is said again is news: its repetitions end within 1.25 s.
_HELLO_MEMORY = 5.0
#: Seconds between looks whether an interface came or went.
_FOLLOW_INTERVAL = 10.0
#: Senders and interfaces whose faults were logged.
_MAX_COMPLAINTS = 1024


@implementer(IDiscoverer, IWatcher)
class WSDiscovery:
    """Probes every multicast interface when told to, and listens for Hello and Bye all the time.

    Sightings carry no MAC: they are reported the moment the datagram is read.

    :param reactor: IReactorTime and IReactorFDSet.
    :param listen: seconds from the first probe to the end of a sweep. Devices wait up to 0.5 s before they answer, and
        the last repetition leaves after 1.25 s at worst: 2 is the least that is fair.
    :param include_loopback: use 127.0.0.1 and ::1 too (simulated cameras).
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
        random: Random | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        open_multicast: OpenMulticast | None = None,
    ) -> None:
        self._reactor = reactor
        self._neighbours = neighbours
        self._listen = listen
        self._include_loopback = include_loopback
        self._random = SystemRandom() if random is None else random
        self._monotonic = monotonic
        self._open_multicast = open_multicast_on(reactor) if open_multicast is None else open_multicast
        self._complained: dict[str, None] = {}
        self._following: LoopingCall | None = None
        self._refreshing: Deferred[None] | None = None
        self._watched: dict[tuple[str, int], tuple[Sequence[Interface], MulticastPort]] = {}
        self.counts: Counter[str] = Counter()

    # --- IDiscoverer -----------------------------------------------------------------------------------------------

    async def sweep(self, sink: ISightingSink) -> None:
        """Probe all interfaces and report who answers, each device at once, and once for each of its addresses.

        :raises CamdetectError: nothing could be sent on any interface.
        """
        interfaces = self._usable(await self._neighbours.interfaces())
        asked: set[str] = set()
        hearing = Hearing(
            sink,
            clock=self._reactor,
            monotonic=self._monotonic,
            counts=self.counts,
            complain=self._complain,
            asked=asked,
        )
        opened: list[tuple[Interface, MulticastPort]] = []
        repeats: dict[str, IDelayedCall] = {}
        try:
            for interface in _probed(interfaces):
                ear = hearing.ear(interface.name, _of_same_link(interface, interfaces))
                try:
                    opened.append((interface, self._open_multicast(interface, GROUP, ear, member=False)))
                except OSError as problem:
                    self._complain(f"probing from {interface.address} on {interface.name}", problem)
            if not sum(self._probe(*where, dialect, asked, repeats) for dialect in wire.Dialect for where in opened):
                names = ", ".join(sorted({one.name for one in interfaces}))
                raise CamdetectError("no interface could be probed", shown=names or "there is none")
            await deferLater(self._reactor, self._listen)
        finally:
            for call in repeats.values():
                if call.active():
                    call.cancel()
            for _, port in opened:
                port.close()

    def _probe(
        self,
        interface: Interface,
        port: MulticastPort,
        dialect: wire.Dialect,
        asked: set[str],
        repeats: dict[str, IDelayedCall],
    ) -> bool:
        """Send the first probe of one dialect and arrange for its repetitions; whether the first went out."""
        message_id = uuid.UUID(int=self._random.getrandbits(128), version=4).urn
        asked.add(message_id)
        data = wire.probe(message_id, dialect)

        def send(left: int, delay: float) -> bool:
            if left:
                repeats[message_id] = self._reactor.callLater(delay, send, left - 1, min(2 * delay, _UPPER_DELAY))
            try:
                port.send(data)
            except OSError as problem:
                self._complain(f"probing from {interface.address} on {interface.name}", problem)
                return False
            self.counts["sent"] += 1
            return True

        return send(_REPEATS, self._random.uniform(_MIN_DELAY, _MAX_DELAY))

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


def _of_same_link(interface: Interface, interfaces: Sequence[Interface]) -> tuple[Interface, ...]:
    return tuple(one for one in interfaces if one.index == interface.index)
