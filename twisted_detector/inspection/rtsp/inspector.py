"""Inspector of devices that speak RTSP but not ONVIF: it finds their streams by trying known paths.

Paths are searched where the device tells existing ones from others, few at a time, and a login is sent for a path only
when the device asks for one there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import Malformed, RemoteError, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.catalog import Hints, Path, paths_for, vendors_for
from twisted_detector.inspection.rtsp.client import RtspClient, make_cnonce
from twisted_detector.inspection.rtsp.connection import RtspConnect, RtspConnectionClosed, open_connection
from twisted_detector.inspection.rtsp.description import DescribeRefusal, read_description, request_url
from twisted_detector.inspection.rtsp.proof import ACCEPT_SDP
from twisted_detector.interfaces import IInspector
from twisted_detector.model import (
    Candidate,
    Evidence,
    EvidenceKind,
    Inspection,
    Login,
    Proof,
    Status,
    Stream,
    host_for_url,
)
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtsp.url import split_url

#: Paths that are tried on one device in one inspection; more would look like an attack, and fill the device's log.
MAX_PATHS = 8
#: Ports of one device that are inspected; a host with more is no camera.
MAX_PORTS = 4
#: Ports of devices for which the tried paths are remembered; that inspected longest ago is forgotten first.
MAX_REMEMBERED = 4_096
#: IANA's rtsps (322), its usual unprivileged twin, and UniFi Protect's.
TLS_PORTS = frozenset({322, 8322, 7441})


class _UnknownPathReply(Enum):
    """How a server treats a path that does not exist in a request without a login."""

    PATH_FIRST = auto()
    LOGIN_FIRST = auto()
    ANYTHING = auto()


@dataclass
class _Memory:
    """Results of earlier inspections of one port: main paths that do not exist, and the pair that does."""

    missing: set[str] = field(default_factory=set)
    found: Path | None = None


@dataclass
class _RtspServer:
    """One port of a device, while it is inspected.

    :ivar room: paths that may still be tried.
    """

    client: RtspClient
    candidate: Candidate
    port: int
    tls: bool
    memory: _Memory
    room: int
    wants_login: bool = False

    def url(self, path: str) -> str:
        """The URL as it is published: with the scope of a link-local address."""
        return f"{'rtsps' if self.tls else 'rtsp'}://{host_for_url(self.candidate.address)}:{self.port}{path}"

    def target(self, path: str) -> str:
        """The URL as it stands in a request."""
        return request_url(split_url(self.url(path)))

    @property
    def hints(self) -> Hints:
        return Hints(self.client.server, self.client.realm, self.candidate.scopes, (self.port,), self.candidate.vendors)

    def catalog(self) -> tuple[Path, ...]:
        """Paths of the catalog that are not known to be missing, likeliest first; all again when all are."""
        paths = paths_for(self.hints)
        left = tuple(path for path in paths if path.main not in self.memory.missing)
        if not left:
            self.memory.missing.clear()
        return left or paths


@implementer(IInspector)
class RtspInspector:
    """Finder of streams by path; see :class:`IInspector`.

    Returns None for a device that announces ONVIF (that inspector's), for one without RTSP ports, and where no port
    speaks RTSP.

    :param timeout: seconds for a connection, and for each answer.
    :param allow_basic: whether a password may go in clear to this address.
    :param random_path: makes a path that no device has.
    :param connect: opens connections; a double in tests.
    :param device_locks: shared with everything else that speaks RTSP with the same devices.
    """

    name = "rtsp"
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float = 10.0,
        allow_basic: Callable[[str], bool] = lambda address: False,
        connect: RtspConnect | None = None,
        device_locks: DeviceLocks | None = None,
        cnonce: Callable[[], str] = make_cnonce,
        random_path: Callable[[], str] = lambda: "/" + make_cnonce(),
    ) -> None:
        self._clock: IReactorTime = reactor
        self._timeout = timeout
        self._allow_basic = allow_basic
        self._connect: RtspConnect = connect or partial(open_connection, reactor)
        self._device_locks = device_locks if device_locks is not None else DeviceLocks()
        self._cnonce = cnonce
        self._random_path = random_path
        self._memories: BoundedDict[tuple[str, int], _Memory] = BoundedDict(MAX_REMEMBERED)

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        """See :class:`IInspector`.

        :raises Unreachable: no port takes a connection, or a device that had streams is silent.
        :raises Unauthorized: the login was refused or cannot be used.
        :raises Malformed: the device stopped speaking RTSP in the middle.
        :raises Busy: 453 or 503.
        """
        places = _places(candidate)
        silent: Unreachable | None = None
        best: Inspection | None = None
        spoke = False
        room = MAX_PATHS
        async with self._device_locks.acquire(candidate.address):
            for index, (port, tls) in enumerate(places):
                share = room // (len(places) - index)
                server = self._new_server(candidate, port, tls, login, room=share)
                try:
                    inspection = await self._inspect_server(server)
                except Unreachable as error:
                    silent, spoke = error, spoke or server.client.connected
                    continue
                except Malformed:
                    if server.client.answered:
                        raise
                    spoke = True  # something else than RTSP
                    continue
                finally:
                    server.client.close()
                    room -= share - server.room
                if inspection.streams or inspection.status is Status.AUTH_REQUIRED:
                    return inspection
                best = best or inspection
        if best is None and silent is not None and (candidate.known_urls or not spoke):
            raise silent
        return best

    def _new_server(self, candidate: Candidate, port: int, tls: bool, login: Login | None, *, room: int) -> _RtspServer:
        client = RtspClient(
            self._connect,
            candidate.address,
            port,
            tls=tls,
            timeout=self._timeout,
            login=login,
            allow_basic=self._allow_basic(candidate.address),
            searches=True,
            cnonce=self._cnonce,
        )
        key = (candidate.device_id, port)
        memory = self._memories.setdefault(key, _Memory())
        self._memories.touch(key)
        return _RtspServer(client, candidate, port, tls, memory, room)

    # --- one server ------------------------------------------------------------------------------------------------

    async def _inspect_server(self, server: _RtspServer) -> Inspection:
        """Inspect one port. Raises as :meth:`inspect`."""
        await server.client.request_without_login("OPTIONS", server.target("/"))
        reply = await self._probe_unknown_path(server)
        if reply is _UnknownPathReply.LOGIN_FIRST and server.client.login is None:
            return self._inspection(
                server, (), Status.AUTH_REQUIRED, "the device wants a login before it tells its streams"
            )
        if reply is _UnknownPathReply.ANYTHING:
            # It shows one picture whatever is asked for: one stream, and only its media prove it.
            streams = await self._pair(server, next(iter((*_known(server), *server.catalog()))), with_sub=False)
        else:
            streams = await self._search(server)
        if server.wants_login:
            return self._inspection(server, streams, Status.AUTH_REQUIRED, "the device wants a login for its streams")
        if streams:
            return self._inspection(server, streams, Status.ONLINE, "")
        tried, left = len(server.memory.missing), len(paths_for(server.hints)) - len(server.memory.missing)
        more = f"; {left} are still to be tried" if left else ""
        reason = f"RTSP answers but none of the {tried} known paths exists{more}"
        return self._inspection(server, (), Status.STREAM_ERROR, reason)

    async def _probe_unknown_path(self, server: _RtspServer) -> _UnknownPathReply:
        """Ask for a path that cannot exist, without a credential.

        :raises Busy: 453 or 503.
        """
        try:
            response = await server.client.request_without_login(
                "DESCRIBE", server.target(self._random_path()), ACCEPT_SDP
            )
        except RtspConnectionClosed:
            return _UnknownPathReply.PATH_FIRST  # some hang up on a path that they do not have
        if response.status == 401:
            return _UnknownPathReply.LOGIN_FIRST
        try:
            read_description(response)
        except DescribeRefusal:
            return _UnknownPathReply.PATH_FIRST
        return _UnknownPathReply.ANYTHING

    async def _search(self, server: _RtspServer) -> tuple[Stream, ...]:
        """The streams at paths that worked before, or else at the first pair of the catalog that exists."""
        found: list[Stream] = []
        for path in _known(server):
            if server.room > 0:
                found += await self._pair(server, path)
        if found:
            return tuple(found)
        server.memory.found = None
        for path in server.catalog():
            if server.room <= 0:
                break
            streams = await self._pair(server, path)
            if streams:
                server.memory.found = path
                return streams
            server.memory.missing.add(path.main)
        return ()

    async def _pair(self, server: _RtspServer, path: Path, *, with_sub: bool = True) -> tuple[Stream, ...]:
        """The main stream and, if there is one, the sub stream; nothing where the main stream does not exist."""
        main = await self._stream(server, path.main, "main")
        if main is None:
            return ()
        sub = await self._stream(server, path.sub, "sub") if with_sub and path.sub and server.room > 0 else None
        return (main,) if sub is None else (main, sub)

    async def _stream(self, server: _RtspServer, path: str, name: str) -> Stream | None:
        """What is at this path, None where there is no video.

        :raises Unauthorized: the login was refused or cannot be used; nothing else is tried then.
        """
        server.room -= 1
        try:
            described = read_description(await server.client.request("DESCRIBE", server.target(path), ACCEPT_SDP))
        except Unauthorized:
            if server.client.login is not None:
                raise
            server.wants_login = True
            wanted = "the device wants a login"
            return Stream(server.url(path), name, proof=Proof.AUTH, reason=wanted, code=ReasonCode.AUTH_REQUIRED)
        except (RtspConnectionClosed, DescribeRefusal):
            return None
        return Stream(
            url=server.url(path),
            name=name,
            codec=described.codec,
            width=described.width,
            height=described.height,
            fps=described.fps,
            audio=described.audio,
            back_channel=described.back_channel,
            proof=Proof.SDP,
        )

    def _inspection(self, server: _RtspServer, streams: tuple[Stream, ...], status: Status, reason: str) -> Inspection:
        now = self._clock.seconds()
        vendors = vendors_for(server.hints)
        if server.client.certificate:
            self.log.debug(
                "{address}:{port} has the certificate {fingerprint}",
                address=server.candidate.address,
                port=server.port,
                fingerprint=server.client.certificate,
            )
        return Inspection(
            inspector=self.name,
            address=server.candidate.address,
            at=now,
            # A server that is sold under many names does not tell which of them is on the box.
            manufacturer=vendors[0] if len(vendors) == 1 else "",
            streams=streams,
            evidence=tuple(Evidence(EvidenceKind.VENDOR, vendor, self.name, now) for vendor in vendors[:1]),
            status=status,
            reason=reason,
            login=server.client.login.name if server.client.login is not None and server.client.accepted else "",
        )


def _places(candidate: Candidate) -> tuple[tuple[int, bool], ...]:
    """Ports to inspect, those of streams that worked first, and whether each speaks TLS."""
    places: dict[int, bool] = {}
    for text in candidate.known_urls:
        try:
            url = split_url(text)
        except RemoteError:
            continue
        places.setdefault(url.port, url.tls)
    for port in candidate.rtsp_ports:
        places.setdefault(port, port in TLS_PORTS)
    return tuple(places.items())[:MAX_PORTS]


def _known(server: _RtspServer) -> tuple[Path, ...]:
    """What worked before on this port: the pair that an inspection found, or else the paths of known streams."""
    if server.memory.found is not None:
        return (server.memory.found,)
    paths: dict[str, Path] = {}
    for text in server.candidate.known_urls:
        try:
            url = split_url(text)
        except RemoteError:
            continue
        if (url.port, url.tls) == (server.port, server.tls) and url.target:
            paths.setdefault(url.target, Path(url.target, "", rule="known", vendors=()))
    return tuple(paths.values())
