"""A device with open RTSP ports goes in; the streams that it has, or why they cannot be told, come out.

For devices that do not speak ONVIF: paths are searched where the device tells them apart, few at a time, and a
credential is spent on a path only when the device asks for one there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import Malformed, RemoteError, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.catalog import Hints, Path, paths_for, vendors_for
from twisted_detector.inspection.rtsp.client import RtspClient, make_cnonce
from twisted_detector.inspection.rtsp.connection import Closed, Connect, StreamConnector
from twisted_detector.inspection.rtsp.description import DescribeRefusal, read_description, request_url
from twisted_detector.inspection.rtsp.proof import ACCEPT_SDP
from twisted_detector.inspection.rtsp.validator import RtspValidator
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
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtsp import parser as rtsp

__all__ = ["RtspInspector", "RtspValidator"]

#: Paths that are tried on one device in one look; more would look like an attack, and fill the device's log.
MAX_PATHS = 8
#: Ports of one device that are looked at; a host with more is no camera.
MAX_PORTS = 4
#: Devices of which it is remembered which paths were tried; the one not asked for longest goes first.
MAX_REMEMBERED = 4_096
#: IANA's rtsps (322), its usual unprivileged twin, and UniFi Protect's.
TLS_PORTS = frozenset({322, 8322, 7441})


class _Manner(Enum):
    """How a server treats a path that does not exist, asked without a credential."""

    PATH_FIRST = auto()
    LOGIN_FIRST = auto()
    ANYTHING = auto()


@dataclass
class _Memory:
    """What earlier looks at one port of one device came to: main paths that do not exist, and the pair that does."""

    missing: set[str] = field(default_factory=set)
    found: Path | None = None


@dataclass
class _Look:
    """One look at one port."""

    client: RtspClient
    candidate: Candidate
    port: int
    tls: bool
    memory: _Memory
    room: int
    wants_login: bool = False

    def url(self, path: str) -> str:
        """As it is published: with the scope of a link-local address."""
        return f"{'rtsps' if self.tls else 'rtsp'}://{host_for_url(self.candidate.address)}:{self.port}{path}"

    def target(self, path: str) -> str:
        """As it is asked for."""
        return request_url(rtsp.split_url(self.url(path)))

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
    """Finds streams on RTSP servers by path; see :class:`IInspector`.

    Answers None for a device that announces ONVIF (another asks it), for one without RTSP ports, and where no port
    speaks RTSP.

    :param timeout: seconds for a connection, and for each answer.
    :param allow_basic: whether a password may go in clear to this address.
    :param random_path: makes a path that no device has.
    :param connect: makes connections; a double in tests.
    :param lanes: shared with whoever else talks RTSP to the same devices.
    """

    name = "rtsp"
    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float = 10.0,
        allow_basic: Callable[[str], bool] = lambda address: False,
        connect: Connect | None = None,
        lanes: DeviceLocks | None = None,
        cnonce: Callable[[], str] = make_cnonce,
        random_path: Callable[[], str] = lambda: "/" + make_cnonce(),
    ) -> None:
        self._clock: IReactorTime = reactor
        self._timeout = timeout
        self._allow_basic = allow_basic
        self._connect: Connect = connect or StreamConnector(reactor)
        self._lanes = lanes if lanes is not None else DeviceLocks()
        self._cnonce = cnonce
        self._random_path = random_path
        self._memories: OrderedDict[tuple[str, int], _Memory] = OrderedDict()

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
        async with self._lanes.hold(candidate.address):
            for index, (port, tls) in enumerate(places):
                share = room // (len(places) - index)
                look = self._new_look(candidate, port, tls, login, room=share)
                try:
                    inspection = await self._look(look)
                except Unreachable as error:
                    silent, spoke = error, spoke or look.client.connected
                    continue
                except Malformed:
                    if look.client.answered:
                        raise
                    spoke = True  # something else than RTSP
                    continue
                finally:
                    look.client.close()
                    room -= share - look.room
                if inspection.streams or inspection.status is Status.AUTH_REQUIRED:
                    return inspection
                best = best or inspection
        if best is None and silent is not None and (candidate.known_urls or not spoke):
            raise silent
        return best

    def _new_look(self, candidate: Candidate, port: int, tls: bool, login: Login | None, *, room: int) -> _Look:
        client = RtspClient(
            self._connect,
            candidate.address,
            port,
            tls=tls,
            timeout=self._timeout,
            login=login,
            allow_basic=self._allow_basic(candidate.address),
            cnonce=self._cnonce,
        )
        key = (candidate.device_id, port)
        memory = self._memories.setdefault(key, _Memory())
        self._memories.move_to_end(key)
        if len(self._memories) > MAX_REMEMBERED:
            self._memories.popitem(last=False)
        return _Look(client, candidate, port, tls, memory, room)

    # --- one port -------------------------------------------------------------------------------------------------

    async def _look(self, look: _Look) -> Inspection:
        """Ask one port. Raises as :meth:`inspect`."""
        await look.client.ask_plain("OPTIONS", look.target("/"))
        manner = await self._manner(look)
        if manner is _Manner.LOGIN_FIRST and not look.client.has_login:
            return self._told(look, (), Status.AUTH_REQUIRED, "the device wants a login before it tells its streams")
        if manner is _Manner.ANYTHING:
            # It shows one picture whatever is asked for: one stream, and only its media prove it.
            streams = await self._pair(look, next(iter((*_known(look), *look.catalog()))), with_sub=False)
        else:
            streams = await self._search(look)
        if look.wants_login:
            return self._told(look, streams, Status.AUTH_REQUIRED, "the device wants a login for its streams")
        if streams:
            return self._told(look, streams, Status.ONLINE, "")
        tried, left = len(look.memory.missing), len(paths_for(look.hints)) - len(look.memory.missing)
        more = f"; {left} are still to be tried" if left else ""
        reason = f"RTSP answers but none of the {tried} known paths exists{more}"
        return self._told(look, (), Status.STREAM_ERROR, reason)

    async def _manner(self, look: _Look) -> _Manner:
        """Ask for a path that cannot exist, without a credential.

        :raises Busy: 453 or 503.
        """
        try:
            response = await look.client.ask_plain("DESCRIBE", look.target(self._random_path()), ACCEPT_SDP)
        except Closed:
            return _Manner.PATH_FIRST  # some hang up on a path that they do not have
        if response.status == 401:
            return _Manner.LOGIN_FIRST
        try:
            read_description(response)
        except DescribeRefusal:
            return _Manner.PATH_FIRST
        return _Manner.ANYTHING

    async def _search(self, look: _Look) -> tuple[Stream, ...]:
        """The streams at paths that worked before, or else at the first pair of the catalog that exists."""
        found: list[Stream] = []
        for path in _known(look):
            if look.room > 0:
                found += await self._pair(look, path)
        if found:
            return tuple(found)
        look.memory.found = None
        for path in look.catalog():
            if look.room <= 0:
                break
            streams = await self._pair(look, path)
            if streams:
                look.memory.found = path
                return streams
            look.memory.missing.add(path.main)
        return ()

    async def _pair(self, look: _Look, path: Path, *, with_sub: bool = True) -> tuple[Stream, ...]:
        """The main stream and, if there is one, the sub stream; nothing where the main stream does not exist."""
        main = await self._stream(look, path.main, "main")
        if main is None:
            return ()
        sub = await self._stream(look, path.sub, "sub") if with_sub and path.sub and look.room > 0 else None
        return (main,) if sub is None else (main, sub)

    async def _stream(self, look: _Look, path: str, name: str) -> Stream | None:
        """What is at this path, None where there is no video.

        :raises Unauthorized: the login was refused or cannot be used; nothing else is tried then.
        """
        look.room -= 1
        try:
            described = read_description(await look.client.ask("DESCRIBE", look.target(path), ACCEPT_SDP))
        except Unauthorized:
            if look.client.has_login:
                raise
            look.wants_login = True
            wanted = "the device wants a login"
            return Stream(look.url(path), name, proof=Proof.AUTH, reason=wanted, code=ReasonCode.AUTH_REQUIRED)
        except (Closed, DescribeRefusal):
            return None
        return Stream(
            url=look.url(path),
            name=name,
            codec=described.codec,
            width=described.width,
            height=described.height,
            fps=described.fps,
            audio=described.audio,
            back_channel=described.back_channel,
            proof=Proof.SDP,
        )

    def _told(self, look: _Look, streams: tuple[Stream, ...], status: Status, reason: str) -> Inspection:
        now = self._clock.seconds()
        vendors = vendors_for(look.hints)
        if look.client.certificate:
            self.log.debug(
                "{address}:{port} has the certificate {fingerprint}",
                address=look.candidate.address,
                port=look.port,
                fingerprint=look.client.certificate,
            )
        return Inspection(
            inspector=self.name,
            address=look.candidate.address,
            at=now,
            # A server that is sold under many names does not tell which of them is on the box.
            manufacturer=vendors[0] if len(vendors) == 1 else "",
            streams=streams,
            evidence=tuple(Evidence(EvidenceKind.VENDOR, vendor, self.name, now) for vendor in vendors[:1]),
            status=status,
            reason=reason,
            login=look.client.login_name if look.client.accepted else "",
        )


def _places(candidate: Candidate) -> tuple[tuple[int, bool], ...]:
    """Ports to look at, those of streams that worked first, and whether each speaks TLS."""
    places: dict[int, bool] = {}
    for text in candidate.known_urls:
        try:
            url = rtsp.split_url(text)
        except RemoteError:
            continue
        places.setdefault(url.port, url.tls)
    for port in candidate.rtsp_ports:
        places.setdefault(port, port in TLS_PORTS)
    return tuple(places.items())[:MAX_PORTS]


def _known(look: _Look) -> tuple[Path, ...]:
    """What worked before on this port: the pair that a look found, or else the paths of the streams that are known."""
    if look.memory.found is not None:
        return (look.memory.found,)
    paths: dict[str, Path] = {}
    for text in look.candidate.known_urls:
        try:
            url = rtsp.split_url(text)
        except RemoteError:
            continue
        if (url.port, url.tls) == (look.port, look.tls) and url.target:
            paths.setdefault(url.target, Path(url.target, "", rule="known", vendors=()))
    return tuple(paths.values())
