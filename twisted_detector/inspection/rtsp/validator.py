"""Validator of streams: how far a stream can be proved, what it is, and why it could not be proved further.

Beside the full proof there is a cheap check: one request to the server, which confirms what was proved before or puts
it in doubt.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from twisted.internet.defer import Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import Busy, LoginWithheld, Malformed, RemoteError, Unauthorized, Unreachable
from twisted_detector.inspection.device_locks import DeviceLocks
from twisted_detector.inspection.rtsp.client import RtspClient, make_cnonce
from twisted_detector.inspection.rtsp.connection import RtspConnect, RtspEndpoint, RtspTimeouts, open_connection
from twisted_detector.inspection.rtsp.description import (
    DescribeRefusal,
    StreamDescription,
    expect_ok,
    read_description,
    request_url,
)
from twisted_detector.inspection.rtsp.nonces import NonceHabits
from twisted_detector.inspection.rtsp.proof import PLAYED, OpenMediaPorts, ProofProgress, StreamProof
from twisted_detector.inspection.rtsp.udp import UdpPortPair
from twisted_detector.interfaces import IStreamValidator
from twisted_detector.model import Login, Proof, Stream, StreamReport
from twisted_detector.model.bounds import BoundedDict
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtsp.url import RtspUrl, split_url

#: Streams, and servers, whose last answers are remembered: as many as there are devices in a large network.
MAX_REMEMBERED = 4_096
#: Seconds after which the client of a server that nobody asked is forgotten, for its camera has another address by now.
#: A nonce lives for some minutes, and a connection without a request for one.
FORGOTTEN_AFTER = 900.0
#: After a server closed so many kept connections, none is kept to it any more: it gives them up by itself.
MAX_CLOSED = 2
#: Seconds after which a server that had no room is asked once more, when the session that it still holds may be ours:
#: GStreamer's answers 503 while it takes down what we have just ended.
TAKES_DOWN = 1.0

T = TypeVar("T")


@dataclass
class _ProvedStream:
    """Result of the last full proof of one stream.

    :ivar wants_login: DESCRIBE was accepted with a login only.
    :ivar codec: what the packets showed, which the description may call by another name.
    """

    described: StreamDescription
    wants_login: bool
    codec: str = ""


@dataclass
class _Server:
    """Client of one server: it keeps the nonce, and the connection where the server does.

    :ivar asked_at: monotonic seconds. :ivar closed: kept connections that the server closed.
    """

    client: RtspClient
    asked_at: float
    closed: int = 0


@implementer(IStreamValidator)
class RtspValidator:
    """Prover of streams by the ladder of :mod:`inspection.rtsp.proof`.

    A report is ``validated`` when the rung ``prove`` was reached. Where keyframes of a codec cannot be told from other
    frames that is never a keyframe: the code is ``UNKNOWN_CODEC`` then. ``Proof.AUTH`` is never reported: a login that
    is wanted or refused is raised.

    :param timeout: seconds for a whole check; the wait for the device's lock comes on top.
    :param prove: SDP, RTP or KEYFRAME.
    :param allow_basic: whether a password may go in clear to this address. TLS makes no difference: the
        certificates of cameras are not verified.
    :param connect: opens connections; a double in tests.
    :param device_locks: shared with everything else that speaks RTSP with the same devices.
    :param open_pair: opens UDP ports; a double in tests.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float = 10.0,
        prove: Proof = Proof.KEYFRAME,
        allow_basic: Callable[[str], bool] = lambda address: False,
        connect: RtspConnect | None = None,
        device_locks: DeviceLocks | None = None,
        cnonce: Callable[[], str] = make_cnonce,
        open_pair: OpenMediaPorts | None = None,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._timeout = timeout
        self._prove = prove
        self._allow_basic = allow_basic
        self._connect: RtspConnect = connect or partial(open_connection, reactor)
        self._device_locks = device_locks if device_locks is not None else DeviceLocks()
        self._cnonce = cnonce
        self._open_pair: OpenMediaPorts = open_pair or (
            lambda host, receive: UdpPortPair(reactor, host, receive=receive)
        )
        self._proved: BoundedDict[str, _ProvedStream] = BoundedDict(MAX_REMEMBERED)
        self._habits: BoundedDict[tuple[str, int, bool], NonceHabits] = BoundedDict(MAX_REMEMBERED)
        self._servers: BoundedDict[tuple[str, int, bool], _Server] = BoundedDict(MAX_REMEMBERED)

    # --- the full proof --------------------------------------------------------------------------------------------

    async def validate(self, stream: Stream, login: Login | None) -> StreamReport:
        """See :class:`IStreamValidator`.

        :raises Unauthorized: a login is needed, or ``login`` was refused.
        :raises LoginWithheld: ``login`` must not be sent (again).
        :raises Busy: 453 or 503.
        """
        try:
            url = split_url(stream.url)
        except RemoteError as error:
            reason = f"the stream's URL is unusable: {error.what}"
            return StreamReport(Proof.UNREACHABLE, validated=False, reason=reason, code=ReasonCode.UNUSABLE_URL)
        report, _ = await self._prove_stream(stream, url, login)
        return report

    async def capture(self, stream: Stream, login: Login | None) -> tuple[StreamReport, bytes]:
        """As :meth:`validate`, and the keyframe that came, b"" when none did: see :mod:`wire.rtp.keyframe`.

        :raises Malformed: the stream's URL is unusable; else as :meth:`validate`.
        """
        try:
            url = split_url(stream.url)
        except RemoteError as error:
            raise Malformed("the stream's URL is unusable", shown=error.what) from None
        report, finder = await self._prove_stream(stream, url, login, collect=True)
        return report, finder.unit if finder is not None else b""

    async def _prove_stream(
        self, stream: Stream, url: RtspUrl, login: Login | None, *, collect: bool = False
    ) -> tuple[StreamReport, KeyframeFinder | None]:
        return await self._ask_again_if_busy(url, lambda: self._prove_once(stream, url, login, collect=collect))

    async def _ask_again_if_busy(self, url: RtspUrl, ask: Callable[[], Coroutine[Deferred[Any], Any, T]]) -> T:
        try:
            return await ask()
        except Busy as error:
            if (url.host, url.port, url.tls) not in self._servers:
                raise
            busy = error
        await deferLater(self._clock, TAKES_DOWN, lambda: None)
        try:
            return await ask()
        except LoginWithheld:
            raise busy from None  # whether the login was accepted is not known: what the server said is

    async def _prove_once(
        self, stream: Stream, url: RtspUrl, login: Login | None, *, collect: bool
    ) -> tuple[StreamReport, KeyframeFinder | None]:
        known = self._proved.pop(stream.url, None)
        client = self._new_client(url, login)
        proof = StreamProof(
            client,
            request_url(url),
            host=url.host,
            wanted=self._prove,
            open_pair=self._open_pair,
            previous=known.described if known is not None else None,
            collect=collect,
        )
        progress = proof.progress
        async with self._device_locks.acquire(url.host):
            try:
                await self._bounded(proof.prove(), progress)
            finally:
                client.close()
        validated = progress.reached(self._prove)
        if validated and progress.described is not None:
            codec = progress.finder.codec if progress.finder is not None else ""
            self._remember(stream.url, url, _ProvedStream(progress.described, client.accepted, codec), client)
        report = progress.report(validated)
        self.log.debug(
            "Stream at {host}:{port}: {proof}, {reason} {certificate}",
            host=url.host,
            port=url.port,
            proof=report.proof.value,
            reason=report.reason or "validated",
            certificate=report.certificate,
        )
        return report, progress.finder

    def _new_client(self, url: RtspUrl, login: Login | None) -> RtspClient:
        return RtspClient(
            self._connect,
            RtspEndpoint(url.host, url.port, tls=url.tls),
            timeouts=RtspTimeouts(self._timeout, response=None),
            login=login,
            allow_basic=self._allow_basic(url.host),
            habits=self._habits.setdefault((url.host, url.port, url.tls), NonceHabits()),
            cnonce=self._cnonce,
        )

    async def _bounded(self, work: Coroutine[Deferred[Any], Any, None], progress: ProofProgress) -> None:
        """Run ``work`` within the time-out; its failure is written to ``progress``."""
        try:
            await Deferred.fromCoroutine(work).addTimeout(self._timeout, self._clock)
        except LoginWithheld:
            raise  # no word about the device
        except DeferredTimeout:
            progress.reason_code = progress.final_code()
            advice = progress.monitor.advice if progress.monitor is not None else ""
            progress.reason = f"{progress.reason_text()} within {self._timeout:g} seconds{advice}"
        except DescribeRefusal as error:
            progress.reason, progress.reason_code = str(error), error.code
        except Malformed as error:
            progress.reason, progress.reason_code = str(error), ReasonCode.NOT_RTSP
        except Unreachable as error:
            progress.reason_code, progress.reason = progress.final_code(), str(error)

    def _remember(self, name: str, url: RtspUrl, proved: _ProvedStream, client: RtspClient) -> None:
        self._proved[name] = proved
        before = self._servers.get((url.host, url.port, url.tls))
        self._remember_server(url, _Server(client, self._clock.seconds(), before.closed if before is not None else 0))

    def _remember_server(self, url: RtspUrl, server: _Server) -> None:
        """As the one that was asked last; those that nobody asks any more are forgotten."""
        place = (url.host, url.port, url.tls)
        self._servers.pop(place, None)
        self._servers[place] = server
        while True:
            place, oldest = next(iter(self._servers.items()))
            if self._clock.seconds() - oldest.asked_at < FORGOTTEN_AFTER:
                return
            del self._servers[place]
            self._device_locks.close_kept(place[0], owner=oldest)

    # --- the cheap check -------------------------------------------------------------------------------------------

    async def check(self, stream: Stream, login: Login | None) -> StreamReport:
        """See :class:`IStreamValidator`.

        DESCRIBE, which shows whether the picture is still the one that was proved; OPTIONS where DESCRIBE wants a login
        that may not be spent now. On the connection of the last check where the server keeps it.

        :raises Unauthorized: ``login`` was refused.
        :raises Busy: 453 or 503.
        """
        proved = self._proved.get(stream.url)
        if proved is None:
            return await self.validate(stream, login)
        url = split_url(stream.url)
        progress = await self._ask_again_if_busy(url, lambda: self._check_once(stream, url, login, proved))
        if not progress.reason or progress.proof is Proof.UNREACHABLE:
            return progress.report(validated=not progress.reason)
        self.log.debug("{url} is proved anew: {reason}", url=stream.url, reason=progress.reason)
        return await self.validate(stream, login)

    async def _check_once(
        self, stream: Stream, url: RtspUrl, login: Login | None, proved: _ProvedStream
    ) -> ProofProgress:
        server = self._server_for(url, login)
        progress = ProofProgress(step="DESCRIBE", codec=proved.codec)
        blind = proved.wants_login and login is None
        async with self._device_locks.acquire(url.host, server):
            client = server.client
            client.forget_lost_connection()
            try:
                await self._bounded(
                    self._check_quickly(client, request_url(url), proved, progress, blind=blind), progress
                )
            except Unauthorized:
                client.close()
                self._proved.pop(stream.url, None)
                raise
            except BaseException:
                client.close()
                raise
            if progress.reason:
                gone = client.abandon()
                if gone is not None:
                    await gone
            else:
                self._keep_connection(url.host, server)
        return progress

    def _server_for(self, url: RtspUrl, login: Login | None) -> _Server:
        """The server's client; a new one for another login, or where a rule changed."""
        server = self._servers.get((url.host, url.port, url.tls))
        if server is None or server.client.login != login:
            server = _Server(self._new_client(url, login), 0.0)
        server.client.renew_permit(login)
        server.asked_at = self._clock.seconds()
        self._remember_server(url, server)
        return server

    async def _check_quickly(
        self, client: RtspClient, target: str, proved: _ProvedStream, progress: ProofProgress, *, blind: bool
    ) -> None:
        """Send one request.

        :raises DescribeRefusal: its answer is not what was proved.
        """
        try:
            if blind:
                progress.step = "OPTIONS"
                method, response = await client.ask_without_login(target)
                if response.status != 401:
                    expect_ok(method, response)
                progress.proof = Proof.RTSP
                return
            response, _ = await client.describe(target)
            progress.proof = Proof.RTSP
            played = self._prove in PLAYED
            described = progress.described = read_description(response, proved.described, played=played)
            if described.essentials != proved.described.essentials:
                what = "the stream describes itself in another way than when it was proved"
                raise DescribeRefusal(what, ReasonCode.CHANGED)
            proved.described = described
            progress.proof = Proof.SDP
        finally:
            progress.server, progress.certificate = client.server, client.certificate
            if progress.proof is Proof.UNREACHABLE and client.connected:
                progress.proof = Proof.TCP

    def _keep_connection(self, host: str, server: _Server) -> None:
        """Keep the connection for the next check, where the server keeps it too."""
        client = server.client
        if not client.is_open or server.closed >= MAX_CLOSED:
            client.close()
            return

        def gone() -> None:
            server.closed += 1

        client.connection.watch(lost=gone)
        self._device_locks.keep_connection(host, server, client.abandon)
