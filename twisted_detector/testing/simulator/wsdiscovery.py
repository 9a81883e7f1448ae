"""WS-Discovery responder for simulated cameras (April 2005 and OASIS 1.1, SOAP-over-UDP 1.1).

One socket per process receives the group's datagrams on all interfaces that have a camera; one more per address
receives what is sent to it alone, and sends. IPv4 only: simulated cameras on IPv6 addresses have no WS-Discovery and
are found by their ports.
"""

from __future__ import annotations

import socket
import uuid
from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol

from twisted_detector.errors import RemoteError
from twisted_detector.model.bounds import BoundedSet
from twisted_detector.testing.simulator.camera import CameraSpec
from twisted_detector.testing.simulator.onvif import pretty
from twisted_detector.testing.simulator.wire.wsdiscovery import bye, hello, probe_match, resolve_match
from twisted_detector.wire.lan.wsdiscovery import (
    GROUP_IPV4,
    PORT,
    Announcement,
    Match,
    Version,
    normalize_reference,
    parse,
)
from twisted_detector.wire.soap.xml import escape

#: WS-Discovery 3.1.3, APP_MAX_DELAY: an answer to a multicast waits a random time up to this, lest all speak at once.
MAX_DELAY = 0.5
#: SOAP-over-UDP asks receivers to know repetitions by their MessageID; a sweep sends four of them, so this is plenty.
MAX_KNOWN = 256
#: Answers of one camera that wait for their time, for it is small: two sweeps in four dialects at once, and the same
#: again. More are not sent, as a camera under a flood would do.
MAX_WAITING = 16

_ALL_GROUPS = 49  # IP_MULTICAST_ALL in linux/in.h, which Python's socket does not name


def match_of(spec: CameraSpec) -> Match:
    """The camera's own entry in Hello and in answers."""
    return Match(
        endpoint_reference=spec.endpoint_reference,
        types=tuple(f"{{{namespace}}}{name}" for namespace, name in spec.types),
        scopes=spec.scopes,
        xaddrs=(spec.service_url("device"),),
        metadata_version=1,
    )


def is_addressed(spec: CameraSpec, request: Announcement) -> bool:
    """Whether a Probe or Resolve is for this camera.

    A Probe is, when it names no type or one of the camera's, and each scope in it is the beginning of one of the
    camera's (WS-Discovery 5.1, the rule of RFC 3986).
    """
    if request.kind == "resolve":
        return normalize_reference(request.endpoint_reference) == spec.uuid
    if request.kind != "probe":
        return False
    ours = {name for namespace, name in spec.types} | {f"{{{namespace}}}{name}" for namespace, name in spec.types}
    types_fit = all(
        name in ours or (not name.startswith("{") and name.rpartition(":")[2] in ours) for name in request.types
    )
    if not types_fit or not request.scopes:
        return types_fit
    own = spec.scopes
    return all(_has_scope(own, scope) for scope in request.scopes)


def format_answer(spec: CameraSpec, request: Announcement, *, message_id: str) -> bytes:
    """The camera's answer to a Probe or Resolve that concerns it."""
    if request.kind == "resolve":
        data = resolve_match(
            match_of(spec), message_id=message_id, relates_to=request.message_id, version=request.version
        )
    else:
        others = [_other(spec, number) for number in range(1, spec.quirks.matches)]
        data = probe_match(
            (*others, match_of(spec)), message_id=message_id, relates_to=request.message_id, version=request.version
        )
    return pretty(data) if spec.quirks.pretty else data


#: Stand in a worded answer where the ids of one exchange will stand.
_OWN_ID, _ASKED_ID = "urn:uuid:own-id-of-the-answer", "urn:uuid:id-of-what-was-asked"


class _Camera:
    """Camera of a responder: what it says of itself is worded once.

    :ivar waiting: its answers that wait for their time.
    """

    def __init__(self, spec: CameraSpec, send: Callable[[bytes, tuple[str, int]], None]) -> None:
        self.spec = spec
        self.send = send
        self.waiting = 0
        self._worded: dict[tuple[str, Version], tuple[bytes, ...]] = {}

    def answer(self, request: Announcement, message_id: str) -> bytes:
        """As :func:`format_answer`."""
        key = (request.kind, request.version)
        if key not in self._worded:
            self._worded[key] = _split(
                format_answer(self.spec, replace(request, message_id=_ASKED_ID), message_id=_OWN_ID)
            )
        before, between, after = self._worded[key]
        return b"".join((before, message_id.encode(), between, escape(request.message_id).encode(), after))


def _split(worded: bytes) -> tuple[bytes, bytes, bytes]:
    before, _, rest = worded.partition(_OWN_ID.encode())
    between, _, after = rest.partition(_ASKED_ID.encode())
    return before, between, after


class WSDiscoveryResponder:
    """Responder for a number of cameras.

    :ivar answers_sent: answers sent.
    """

    def __init__(self, *, clock: IReactorTime, random: Random) -> None:
        self.answers_sent = 0
        self._clock = clock
        self._random = random
        self._cameras: list[_Camera] = []
        self._known: BoundedSet[tuple[str, str, int]] = BoundedSet(MAX_KNOWN)
        self._waiting: set[Any] = set()

    def add(self, spec: CameraSpec, send: Callable[[bytes, tuple[str, int]], None]) -> None:
        """Answer for ``spec`` too; ``send(datagram, address)`` sends from its own address."""
        self._cameras.append(_Camera(spec, send))

    def remove(self, spec: CameraSpec) -> None:
        """Answer for ``spec`` no more, without a Bye, as a camera whose cable is pulled."""
        self._cameras = [camera for camera in self._cameras if camera.spec is not spec]

    def receive(self, data: bytes, sender: tuple[str, int], *, to: str = "") -> None:
        """Take one datagram.

        :param to: the address that it was sent to; "" for the group.
        """
        try:
            request = parse(data)
        except RemoteError:
            return  # not WS-Discovery
        if request.kind not in ("probe", "resolve"):
            return
        is_new = self._known.add((request.message_id, to, sender[1]))
        if request.message_id and not is_new:
            return
        for camera in self._cameras:
            spec = camera.spec
            reached = spec.address == to if to else _is_loopback(spec.address) == _is_loopback(sender[0])
            if reached and not spec.quirks.mute and is_addressed(spec, request):
                self._answer_later(camera, request, sender, at_once=bool(to))

    def announce(self) -> None:
        """Send Hello for every camera."""
        for camera in self._cameras:
            if not camera.spec.quirks.mute:
                camera.send(hello(match_of(camera.spec), message_id=self._message_id()), (GROUP_IPV4, PORT))

    def stop(self) -> None:
        """Send Bye for every camera; answers that wait are not sent."""
        for call in tuple(self._waiting):
            call.cancel()
        self._waiting.clear()
        for camera in self._cameras:
            camera.waiting = 0
        for camera in self._cameras:
            if not camera.spec.quirks.mute:
                camera.send(bye(camera.spec.endpoint_reference, message_id=self._message_id()), (GROUP_IPV4, PORT))

    def _answer_later(self, camera: _Camera, request: Announcement, sender: tuple[str, int], *, at_once: bool) -> None:
        if camera.waiting >= MAX_WAITING:
            return
        delay = camera.spec.quirks.delay + (0.0 if at_once else self._random.uniform(0, MAX_DELAY))

        def send_answer() -> None:
            self._waiting.discard(call)
            camera.waiting -= 1
            self.answers_sent += 1
            camera.send(camera.answer(request, self._message_id()), sender)

        call = self._clock.callLater(delay, send_answer)
        self._waiting.add(call)
        camera.waiting += 1

    def _message_id(self) -> str:
        return f"urn:uuid:{uuid.UUID(int=self._random.getrandbits(128), version=4)}"


class _ResponderSocket(DatagramProtocol):
    """One socket of the responder."""

    noisy = False

    def __init__(self, responder: WSDiscoveryResponder, address: str) -> None:
        self._responder = responder
        self._address = address

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._responder.receive(datagram, (addr[0], addr[1]), to=self._address)

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        if self.transport is None:
            return
        try:
            self.transport.write(data, address)
        except OSError:
            return  # no route, interface down: a real camera's datagram would be lost as well


class ResponderSockets:
    """The sockets of a responder: one for the group, one for each address of a camera."""

    def __init__(self, reactor: Any, responder: WSDiscoveryResponder) -> None:
        self._reactor = reactor
        self._responder = responder
        self._ports: list[Any] = []

    async def open(self, specs: Sequence[CameraSpec]) -> None:
        """Open all, join the group on the interface of each address.

        :raises twisted.internet.error.CannotListenError: an address that is not this machine's, or a port that somebody
            holds alone.
        """
        group = self._listen(GROUP_IPV4, _ResponderSocket(self._responder, ""))
        # Linux hands a group's datagrams to every socket bound to it, whichever socket joined, unless switched off.
        group.getHandle().setsockopt(socket.IPPROTO_IP, _ALL_GROUPS, 0)
        sockets: dict[str, _ResponderSocket] = {}
        for spec in specs:
            if ":" in spec.address:
                continue
            if spec.address not in sockets:
                one = sockets[spec.address] = _ResponderSocket(self._responder, spec.address)
                port = self._listen(spec.address, one)
                port.setOutgoingInterface(spec.address)
                self._join(group, spec.address)
            self._responder.add(spec, sockets[spec.address].send)

    async def close(self) -> None:
        """Close all."""
        ports, self._ports = self._ports, []
        for port in ports:
            await port.stopListening()

    def _listen(self, address: str, protocol: _ResponderSocket) -> Any:
        # Other programs on this machine may listen to the group too, so the port is opened for several.
        port = self._reactor.listenMulticast(PORT, protocol, interface=address, listenMultiple=True)
        self._ports.append(port)
        return port

    @staticmethod
    def _join(group: Any, address: str) -> None:
        membership = socket.inet_aton(GROUP_IPV4) + socket.inet_aton(address)
        try:
            group.getHandle().setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        except OSError as error:
            if error.errno != 98:  # EADDRINUSE: joined on this interface already, by another of its addresses
                raise


def _is_loopback(address: str) -> bool:
    """Whether an address is of the loopback network, whose datagrams reach no other, and the other way round."""
    return address.startswith("127.")


def _has_scope(scopes: Sequence[str], wanted: str) -> bool:
    beginning = wanted.rstrip("/").lower()
    return any(scope.lower() == beginning or scope.lower().startswith(beginning + "/") for scope in scopes)


def _other(spec: CameraSpec, number: int) -> Match:
    """The entry of another device in the same datagram that is no camera, as of a print server on the same host."""
    return Match(
        endpoint_reference=f"urn:uuid:{uuid.uuid5(uuid.UUID(spec.uuid), str(number))}",
        types=("{http://schemas.xmlsoap.org/ws/2006/02/devprof}Device",),
        xaddrs=(f"http://{spec.address}:5357/{number}",),
        metadata_version=1,
    )
