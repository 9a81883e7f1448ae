"""Simulated cameras on the network, alone and as a fleet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.defer import Deferred

from twisted_detector.errors import LocalError
from twisted_detector.model import Mac
from twisted_detector.testing.simulator.access import SimulatedAccess
from twisted_detector.testing.simulator.camera import CameraSpec
from twisted_detector.testing.simulator.faults import ConnectionLimit, FunctionFactory, GarbageProtocol, SilentProtocol
from twisted_detector.testing.simulator.http import HttpAnswer, HttpRequest, site
from twisted_detector.testing.simulator.onvif import OnvifService
from twisted_detector.testing.simulator.rtsp.server import RtspConnection
from twisted_detector.testing.simulator.rtsp.sessions import RtspService
from twisted_detector.testing.simulator.vendors.responder import VendorResponder, VendorSockets, facts_of
from twisted_detector.testing.simulator.wsdiscovery import ResponderSockets, WSDiscoveryResponder

#: Connections that wait to be accepted, the kernel's usual bound for small servers.
_BACKLOG = 50
#: Cameras of one fleet: three to five sockets each, and a process has 1024 unless told otherwise.
MAX_CAMERAS = 1000


def lay_out(
    count: int, addresses: Sequence[str], *, model: CameraSpec, mac_of: Callable[[str], Mac | None] = lambda _: None
) -> tuple[CameraSpec, ...]:
    """``count`` cameras like ``model``, spread over ``addresses`` in turn.

    More cameras than addresses share an address and get the next ports up. The first camera of an address has the MAC
    that ``mac_of`` gives, the others one that is made up from their seed.

    :raises LocalError: a count out of 1..1000, no address, or ports that do not suffice.
    """
    if not 1 <= count <= MAX_CAMERAS or not addresses:
        raise LocalError("a fleet has 1 to 1000 cameras and at least one address", shown=str(count))
    specs = []
    for number in range(count):
        address = addresses[number % len(addresses)]
        floor = number // len(addresses)
        ports = [port and port + floor for port in (model.http_port, model.rtsp_port)]
        if max(ports) > 65_535:
            raise LocalError("too many cameras for the ports above", shown=str(max(ports)))
        specs.append(
            replace(
                model,
                address=address,
                # The address is part of it, so that fleets on several machines are different cameras.
                seed=f"{model.seed} {address} {floor}",
                name=f"{model.name} {number + 1}",
                mac=model.mac if number == 0 and model.mac else (mac_of(address) if floor == 0 else None),
                http_port=ports[0],
                rtsp_port=ports[1],
            )
        )
    return tuple(specs)


class SimulatedCamera:
    """One camera on the network.

    :ivar spec: what it is, with the ports that it really has.
    :ivar access: its account: how many logins failed, whether it locked.
    :ivar onvif: its ONVIF services; ``requests`` counts the calls of each operation.
    :ivar rtsp: its streams; ``sessions`` are those that are watched now.
    """

    def __init__(self, spec: CameraSpec, *, reactor: Any, random: Random) -> None:
        self._reactor = reactor
        self._random = random
        self._servers: list[tuple[Any, ConnectionLimit]] = []
        self._take(spec)

    def _take(self, spec: CameraSpec) -> None:
        self.spec = spec
        self.access = SimulatedAccess(spec, clock=self._reactor, random=self._random)
        self.onvif = OnvifService(spec, self.access, clock=self._reactor)
        self.rtsp = RtspService(spec, self.access, reactor=self._reactor, random=self._random)

    def start(self) -> None:
        """Open its ports.

        :raises twisted.internet.error.CannotListenError: a port is taken, or the address is not this machine's.
        """
        rtsp_port = self._listen(self.spec.rtsp_port, FunctionFactory(lambda: RtspConnection(self.rtsp)))
        http_port = self.spec.http_port
        if self.spec.onvif:
            delay = self.spec.quirks.delay
            server = site(self._answer, reactor=self._reactor, delay=delay, now=lambda: self.onvif.now())
            http_port = self._listen(http_port, server)
        self._take(replace(self.spec, http_port=http_port, rtsp_port=rtsp_port))

    async def stop(self) -> None:
        """End its sessions, close its ports and cut its connections; returns when all is closed."""
        servers, self._servers = self._servers, []
        for port, _ in servers:
            stopping: Deferred[None] | None = port.stopListening()
            if stopping is not None:
                await stopping
        for session in tuple(self.rtsp.sessions):
            await session.end()
        for _, limit in servers:
            limit.close_all()

    def _answer(self, request: HttpRequest) -> HttpAnswer:
        return self.onvif.answer(request)

    def _listen(self, port: int, factory: Any) -> int:
        quirks = self.spec.quirks
        if quirks.silent:
            factory = FunctionFactory(lambda: SilentProtocol(self._reactor.callLater))
        elif quirks.garbage:
            factory = FunctionFactory(GarbageProtocol)
        limit = ConnectionLimit(factory)
        listening = self._reactor.listenTCP(port, limit, backlog=_BACKLOG, interface=self.spec.address)
        self._servers.append((listening, limit))
        bound: int = listening.getHost().port
        return bound


class Fleet:
    """Cameras that start and stop together.

    :ivar cameras: the cameras, in the order given; after :meth:`start` each knows its ports.
    """

    def __init__(self, reactor: Any, cameras: Sequence[CameraSpec], *, random: Random | None = None) -> None:
        """Make a fleet that is not yet on the network.

        :param random: for nonces, sequence numbers and delays; seeded by the system when not given.
        """
        random = random or Random()  # noqa: S311 - a simulator's nonces protect nothing
        self.cameras = tuple(SimulatedCamera(spec, reactor=reactor, random=random) for spec in cameras)
        self._responder = WSDiscoveryResponder(clock=reactor, random=random)
        self._sockets = ResponderSockets(reactor, self._responder)
        self._vendors = VendorResponder()
        self._vendor_sockets = VendorSockets(reactor, self._vendors)
        self._announced = False

    async def start(self) -> None:
        """Open every port and send Hello; nothing is left open when that fails.

        :raises twisted.internet.error.CannotListenError: a port is taken, or an address is not this machine's.
        """
        try:
            for camera in self.cameras:
                camera.start()
            announced = [camera.spec for camera in self.cameras if camera.spec.onvif]
            if announced:
                await self._sockets.open(announced)
            self._open_vendors()
        except BaseException:
            await self.stop()
            raise
        self._announced = True
        self._responder.announce()

    def _open_vendors(self) -> None:
        for spec in (camera.spec for camera in self.cameras):
            for name in spec.vendors:
                self._vendors.add(facts_of(spec, name), name)
        self._vendor_sockets.open([camera.spec.address for camera in self.cameras if camera.spec.vendors])

    async def stop(self) -> None:
        """Send Bye and close every port; returns when all are closed."""
        if self._announced:
            self._announced = False
            self._responder.stop()
        await self._sockets.close()
        self._vendor_sockets.close()
        for camera in self.cameras:
            await camera.stop()
