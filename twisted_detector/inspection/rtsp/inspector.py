"""Inspector of devices that speak RTSP but not ONVIF: it finds their streams by trying known paths.

Paths are searched where the device tells existing ones from others, few at a time, and a login is sent for a path only
when the device asks for one there. Where none exists, they are not searched again at every check; see
:mod:`inspection.rtsp.path_memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from enum import Enum, auto
from functools import partial
from typing import Any

from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import (
    InspectionError,
    LoginWithheld,
    Malformed,
    NotACamera,
    RemoteError,
    Unauthorized,
    Unreachable,
)
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.catalog import Path, paths_for, vendors_for
from twisted_detector.inspection.rtsp.client import ACCEPT_SDP, RtspClient, make_cnonce
from twisted_detector.inspection.rtsp.connection import (
    RtspConnect,
    RtspConnectionClosed,
    RtspEndpoint,
    RtspSilence,
    RtspTimeouts,
    open_connection,
)
from twisted_detector.inspection.rtsp.description import DescribeRefusal, read_description
from twisted_detector.inspection.rtsp.media_server import MediaServerJudge
from twisted_detector.inspection.rtsp.path_memory import Circumstances, PathMemory
from twisted_detector.inspection.rtsp.searched_server import RtspServer
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
)
from twisted_detector.model.addresses import place_of
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtsp.url import split_url

#: Paths that are tried on one device in a row; a faster search would look like an attack, and be refused as one.
MAX_PATHS = 8
#: Seconds of rest after each row: the catalog is through in some seconds all the same.
PAUSE = 1.0
#: No path is tried after so many seconds of one inspection, which must leave time to prove what was found; the next
#: inspection follows at once and goes on.
SEARCH_SECONDS = 40.0
#: Ports of one device that are inspected; a host with more is no camera.
MAX_PORTS = 4
#: Ports of devices for which the tried paths are remembered; that inspected longest ago is forgotten first.
MAX_REMEMBERED = 4_096
#: IANA's rtsps (322), its usual unprivileged twin, and UniFi Protect's.
TLS_PORTS = frozenset({322, 8322, 7441})
#: When the next search is.
SEARCH_OVER = (
    "they are tried again once a day, and when you ask for it; if you know its stream, give its URL (camdetect stream)"
)


class _UnknownPathReply(Enum):
    """How a server treats a path that does not exist in a request without a login."""

    PATH_FIRST = auto()
    LOGIN_FIRST = auto()
    ANYTHING = auto()


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
    :param media_servers: judges which servers are no camera; None: each may be one.
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
        media_servers: MediaServerJudge | None = None,
        cnonce: Callable[[], str] = make_cnonce,
        random_path: Callable[[], str] = lambda: "/" + make_cnonce(),
    ) -> None:
        self._clock: IReactorTime = reactor
        self._timeout = timeout
        self._allow_basic = allow_basic
        self._connect: RtspConnect = connect or partial(open_connection, reactor)
        self._device_locks = device_locks if device_locks is not None else DeviceLocks()
        self._media_servers = media_servers
        self._cnonce = cnonce
        self._random_path = random_path
        self._memories: BoundedDict[tuple[str, int], PathMemory] = BoundedDict(MAX_REMEMBERED)

    async def inspect(self, candidate: Candidate, login: Login | None) -> Inspection | None:
        """See :class:`IInspector`.

        :raises Unreachable: no port takes a connection, or a device that had streams is silent.
        :raises Unauthorized: the login was refused or cannot be used.
        :raises Malformed: the device stopped speaking RTSP in the middle.
        :raises Busy: 453 or 503.
        :raises NotACamera: only media servers are there.
        """
        if candidate.own_urls:
            return await self._inspect_given(candidate)
        places = _places(candidate.known_urls, candidate)
        silent: Unreachable | None = None
        best: Inspection | None = None
        media_server: NotACamera | None = None
        spoke = unfinished = False
        async with self._device_locks.acquire(candidate.address):
            search_until = self._clock.seconds() + SEARCH_SECONDS
            for port, tls in places:
                server = self._new_server(candidate, port, tls, login, search_until)
                try:
                    inspection = await self._inspect_server(server)
                except NotACamera as error:
                    media_server, spoke = error, True
                    continue
                except LoginWithheld:
                    raise  # no word about the device
                except Unreachable as error:
                    server.memory.server_away()
                    silent, spoke = error, spoke or server.client.connected
                    continue
                except Malformed:
                    if server.client.answered:
                        raise
                    spoke = True  # something else than RTSP
                    continue
                finally:
                    server.client.close()
                if inspection.streams or inspection.status is Status.AUTH_REQUIRED:
                    return inspection
                best = best or inspection
                unfinished = unfinished or inspection.unfinished
        if best is None and media_server is not None:
            raise media_server
        if best is None and silent is not None and (candidate.known_urls or not spoke):
            raise silent
        return replace(best, unfinished=unfinished) if best is not None else None

    async def _inspect_given(self, candidate: Candidate) -> Inspection | None:
        """Whether the device speaks RTSP, first where a person gave a stream: that one is proved, and none is searched.

        Raises as :meth:`inspect`.
        """
        problems: list[InspectionError] = []
        port, target = place_of(candidate.own_urls[0])
        where = f"port {port}, where you gave the stream {target}"
        async with self._device_locks.acquire(candidate.address):
            for each, tls in _places(candidate.own_urls, candidate):
                server = self._new_server(candidate, each, tls, None, self._clock.seconds())
                try:
                    await server.client.ask_without_login(server.target("/"))
                    return self._inspection(server, (), Status.ONLINE, "")
                except (RtspConnectionClosed, Malformed) as error:
                    problems.append(Malformed(f"no RTSP is spoken at {where}: {error}"))
                except Unreachable as error:
                    problems.append(Unreachable(f"no answer at {where}: {error}"))
                finally:
                    server.client.close()
        raise problems[0]

    def _new_server(
        self, candidate: Candidate, port: int, tls: bool, login: Login | None, search_until: float
    ) -> RtspServer:
        key = (candidate.device_id, port)
        memory = self._memories.setdefault(key, PathMemory())
        self._memories.touch(key)
        client = RtspClient(
            self._connect,
            RtspEndpoint(candidate.address, port, tls=tls),
            timeouts=RtspTimeouts(self._timeout, response=self._timeout),
            login=login,
            allow_basic=self._allow_basic(candidate.address),
            searches=True,
            habits=memory.nonces,
            cnonce=self._cnonce,
        )
        return RtspServer(client, candidate, port=port, tls=tls, memory=memory, search_until=search_until)

    # --- one server ------------------------------------------------------------------------------------------------

    async def _inspect_server(self, server: RtspServer) -> Inspection:
        """Inspect one port. Raises as :meth:`inspect`."""
        known = server.known
        await server.client.send_options(server.target(known[0].main if known else "/"))
        server.guarded = bool(server.client.realm)
        reply = await self._probe_unknown_path(server)
        await self._judge(server)
        if reply is _UnknownPathReply.LOGIN_FIRST and server.client.login is None:
            return self._inspection(
                server, (), Status.AUTH_REQUIRED, "the device wants a login before it tells its streams"
            )
        if reply is _UnknownPathReply.ANYTHING:
            # It shows one picture whatever is asked for: one stream, and only its media prove it.
            path = next(iter((*server.known, *paths_for(server.hints))))
            streams = await self._pair(server, path, with_sub=False)
        else:
            streams = await self._search(server)
        await self._judge(server, searched=not streams and not server.wants_login)
        if server.wants_login:
            return self._inspection(server, streams, Status.AUTH_REQUIRED, "the device wants a login for its streams")
        if streams:
            return self._inspection(server, streams, Status.ONLINE, "")
        left = len(server.catalog)
        outlook = f"{left} are still to be tried" if left else SEARCH_OVER
        verb = f"shows a stream ({server.memory.odd})" if server.memory.odd else "exists"
        reason = f"RTSP answers but none of the {len(server.memory.missing)} known paths {verb}; {outlook}"
        return self._inspection(server, (), Status.STREAM_ERROR, reason, unfinished=bool(left))

    async def _judge(self, server: RtspServer, *, searched: bool = False) -> None:
        """Return where the server may be a camera's; asked for without a login only, and so before one is given.

        :raises NotACamera: it is a media server.
        """
        if self._media_servers is not None and server.client.login is None:
            await self._media_servers.judge(server.candidate, server.answers(searched=searched))

    async def _probe_unknown_path(self, server: RtspServer) -> _UnknownPathReply:
        """Ask for a path that cannot exist, without a credential.

        :raises Busy: 453 or 503.
        """
        try:
            response = await server.client.request_without_login(
                "DESCRIBE", server.target(self._random_path()), ACCEPT_SDP
            )
        except (RtspConnectionClosed, RtspSilence) as error:
            # Some hang up on a path that they do not have, or say nothing; so does what is no RTSP server.
            server.unanswered = error
            if not server.client.answered and not server.known:
                raise
            return _UnknownPathReply.PATH_FIRST
        if response.status == 401:
            return _UnknownPathReply.LOGIN_FIRST
        try:
            read_description(response)
        except DescribeRefusal as refusal:
            server.unknown = str(refusal)
            return _UnknownPathReply.PATH_FIRST
        return _UnknownPathReply.ANYTHING

    async def _search(self, server: RtspServer) -> tuple[Stream, ...]:
        """The streams at paths that worked before, or else at the first pair of the catalog that exists."""
        found: list[Stream] = []
        for path in server.known[:MAX_PATHS]:
            found += await self._pair(server, path)
        if found:
            return tuple(found)
        # Nobody who says nothing to a path that worked before has lost it by that.
        if server.unanswered is not None and (server.silent or not server.client.answered):
            raise server.unanswered
        memory, client, candidate = server.memory, server.client, server.candidate
        memory.found = None
        circumstances = Circumstances(candidate.address, hash(client.login), client.server, client.realm)
        if not memory.begin(self._clock.seconds(), circumstances, by_hand=candidate.by_hand):
            return ()
        for path in server.catalog:
            if server.tried and not server.tried % MAX_PATHS:
                await deferLater(self._clock, PAUSE)
            if self._clock.seconds() > server.search_until:
                return ()
            streams = await self._pair(server, path)
            if streams:
                memory.found = path
                return streams
            memory.missing.add(path.main)
        memory.search_ended(self._clock.seconds(), circumstances)
        return ()

    async def _pair(self, server: RtspServer, path: Path, *, with_sub: bool = True) -> tuple[Stream, ...]:
        """The main stream and, if there is one, the sub stream; nothing where the main stream does not exist."""
        main = await self._stream(server, path.main, "main")
        if main is None:
            return ()
        sub = await self._stream(server, path.sub, "sub") if with_sub and path.sub else None
        return (main,) if sub is None else (main, sub)

    async def _stream(self, server: RtspServer, path: str, name: str) -> Stream | None:
        """What is at this path, None where there is no video.

        :raises Unauthorized: the login was refused or cannot be used; nothing else is tried then.
        """
        server.tried += 1
        try:
            response, _ = await server.client.describe(server.target(path))
            described = read_description(response)
        except Unauthorized:
            if server.client.login is not None:
                raise
            server.wants_login = True
            wanted = "the device wants a login"
            return Stream(server.url(path), name, proof=Proof.AUTH, reason=wanted, code=ReasonCode.AUTH_REQUIRED)
        except RtspConnectionClosed:
            return None
        except RtspSilence:
            if not isinstance(server.unanswered, RtspSilence):
                raise  # it has an answer for what does not exist
            server.silent += 1
            return None
        except DescribeRefusal as refusal:
            if refusal.code is not ReasonCode.NOT_FOUND and str(refusal) != server.unknown and not server.memory.odd:
                server.memory.odd = f"{path}: {refusal}"
            return None
        server.session = described.session
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

    def _inspection(
        self,
        server: RtspServer,
        streams: tuple[Stream, ...],
        status: Status,
        reason: str,
        *,
        unfinished: bool = False,
    ) -> Inspection:
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
            unfinished=unfinished,
        )


def _places(first: Sequence[str], candidate: Candidate) -> tuple[tuple[int, bool], ...]:
    """Ports to inspect, those of the URLs ``first`` before others, and whether each speaks TLS."""
    places: dict[int, bool] = {}
    for text in first:
        try:
            url = split_url(text)
        except RemoteError:
            continue
        places.setdefault(url.port, url.tls)
    for port in candidate.rtsp_ports:
        places.setdefault(port, port in TLS_PORTS)
    return tuple(places.items())[:MAX_PORTS]
