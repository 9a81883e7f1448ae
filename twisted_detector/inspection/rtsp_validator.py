"""A stream's URL and a login go in; how far the stream was proved, what it is and why it went no further come out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import Busy, Malformed, RemoteError, Unauthorized, Unreachable
from twisted_detector.inspection.lanes import Lanes
from twisted_detector.inspection.rtsp_client import RtspClient, make_cnonce
from twisted_detector.inspection.rtsp_description import (
    Described,
    Refusal,
    expect_ok,
    read_description,
    request_url,
)
from twisted_detector.inspection.rtsp_session import Connect, Connector
from twisted_detector.inspection.rtsp_watch import Watch
from twisted_detector.interfaces import IStreamValidator
from twisted_detector.model import Login, Proof, Stream, StreamReport
from twisted_detector.wire import h26x, rtsp
from twisted_detector.wire.keyframe import KeyframeFinder
from twisted_detector.wire.keyframe_unit import KeyframeCollector

ACCEPT_SDP = (("Accept", "application/sdp"),)
#: How long the answer to TEARDOWN is waited for; some servers never give one.
FAREWELL = 1.0


@dataclass
class _Progress:
    """How far one check came; turned into a report wherever it ends.

    :ivar step: the request that is awaited.
    :ivar collect: whether the keyframe itself is wanted.
    """

    proof: Proof = Proof.UNREACHABLE
    reason: str = ""
    described: Described | None = None
    finder: KeyframeFinder | None = None
    collect: bool = False
    watch: Watch | None = None
    step: str = "OPTIONS"
    server: str = ""

    def why(self) -> str:
        """The first cause of the end, in plain words."""
        if self.reason:
            return self.reason
        return (self.watch.reason if self.watch is not None else "") or f"no answer to {self.step}"

    def report(self, validated: bool) -> StreamReport:
        seen, found = self.described, self.finder.parameters if self.finder else None
        return StreamReport(
            proof=self.proof,
            validated=validated,
            reason="" if validated else self.why(),
            codec=seen.codec if seen else "",
            width=found.width if found else seen.width if seen else 0,
            height=found.height if found else seen.height if seen else 0,
            fps=(seen.fps if seen else 0.0) or (found.fps if found else 0.0),
            audio=seen.audio if seen else "",
            server=self.server,
            keyframe=self.finder.digest if self.finder else "",
        )


@implementer(IStreamValidator)
class RtspValidator:
    """Climbs the ladder of proofs: TCP, RTSP, SDP with video, RTP, a whole keyframe; always ends with TEARDOWN.

    A report is ``validated`` when the rung ``prove`` was reached. Where keyframes of a codec cannot be told from other
    frames, its RTP packets are enough. ``Proof.AUTH`` is never reported: a login that is wanted or refused is raised.

    :param timeout: seconds for a whole check; the waiting for other users of the device comes on top.
    :param prove: SDP, RTP or KEYFRAME.
    :param allow_basic: whether a password may go in clear to this address.
    :param connect: makes connections; a double in tests.
    :param lanes: shared with whoever else talks RTSP to the same devices.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        *,
        timeout: float = 10.0,
        prove: Proof = Proof.KEYFRAME,
        allow_basic: Callable[[str], bool] = lambda address: False,
        connect: Connect | None = None,
        lanes: Lanes | None = None,
        cnonce: Callable[[], str] = make_cnonce,
    ) -> None:
        self._clock: IReactorTime = reactor
        self._timeout = timeout
        self._prove = prove
        self._allow_basic = allow_basic
        self._connect: Connect = connect or Connector(reactor)
        self._lanes = lanes if lanes is not None else Lanes()
        self._cnonce = cnonce

    async def validate(self, stream: Stream, login: Login | None) -> StreamReport:
        """See :class:`IStreamValidator`.

        :raises Unauthorized: a login is needed, or ``login`` was refused.
        :raises Busy: 453 or 503.
        """
        try:
            url = rtsp.split_url(stream.url)
        except RemoteError as error:
            return StreamReport(
                Proof.UNREACHABLE, validated=False, reason=f"the stream's URL is unusable: {error.what}"
            )
        return await self._climb(url, login, _Progress())

    async def capture(self, stream: Stream, login: Login | None) -> tuple[StreamReport, bytes]:
        """As :meth:`validate`, and the keyframe that came, b"" when none did: see :mod:`wire.keyframe_unit`."""
        try:
            url = rtsp.split_url(stream.url)
        except RemoteError as error:
            raise Malformed("the stream's URL is unusable", shown=error.what) from None
        progress = _Progress(collect=True)
        report = await self._climb(url, login, progress)
        return report, progress.finder.unit if isinstance(progress.finder, KeyframeCollector) else b""

    async def _climb(self, url: rtsp.Url, login: Login | None, progress: _Progress) -> StreamReport:
        async with self._lanes.hold(url.host):
            check = Deferred.fromCoroutine(self._check(url, login, progress))
            try:
                await check.addTimeout(self._timeout, self._clock)
            except DeferredTimeout:
                progress.reason = f"{progress.why()} within {self._timeout:g} seconds"
            except (Unreachable, Malformed, Refusal) as error:
                progress.reason = str(error)
        report = progress.report(self._enough(progress))
        self.log.debug(
            "Stream at {host}:{port}: {proof}, {reason}",
            host=url.host,
            port=url.port,
            proof=report.proof.value,
            reason=report.reason or "validated",
        )
        return report

    def _enough(self, progress: _Progress) -> bool:
        """Whether the rung that was asked for is reached, or the highest that this codec has."""
        ladder = list(Proof)
        wanted = self._prove
        if wanted is Proof.KEYFRAME and progress.finder is not None and not progress.finder.decidable:
            wanted = Proof.RTP
        return ladder.index(progress.proof) >= ladder.index(wanted)

    async def _check(self, url: rtsp.Url, login: Login | None, progress: _Progress) -> None:
        client = RtspClient(
            self._connect,
            url.host,
            url.port,
            tls=url.tls,
            timeout=self._timeout,
            login=login,
            allow_basic=self._allow_basic(url.host),
            cnonce=self._cnonce,
        )
        target = request_url(url)
        try:
            try:
                await client.ask_plain("OPTIONS", target)
                progress.proof = Proof.RTSP
                progress.step = "DESCRIBE"
                response = await client.ask("DESCRIBE", target, ACCEPT_SDP)
                described = progress.described = read_description(response)
                progress.proof = Proof.SDP
            finally:
                progress.server = client.server
                if progress.proof is Proof.UNREACHABLE and client.connected:
                    progress.proof = Proof.TCP
            if self._prove not in (Proof.UNREACHABLE, Proof.TCP, Proof.RTSP, Proof.AUTH, Proof.SDP):
                await self._play(client, target, described, progress)
        finally:
            if client.certificate:
                self.log.debug("{host} has certificate {print}", host=url.host, print=client.certificate)
            client.close()

    async def _play(self, client: RtspClient, target: str, described: Described, progress: _Progress) -> None:
        """SETUP and PLAY, and wait for media; whatever happens then, TEARDOWN."""
        base = described.content_base
        try:
            control = rtsp.resolve_control(target, base, described.video.control)
            aggregate = rtsp.resolve_control(target, base, described.description.control)
        except RemoteError as error:
            raise Refusal(f"the stream's control URL is unusable: {error.what}") from None

        def saw_packet() -> None:
            progress.proof = Proof.RTP

        if progress.collect:
            known = described.codec in (h26x.H264, h26x.H265)
            sets = h26x.parameter_sets(described.video.format_parameters, described.codec) if known else ()
            progress.finder = KeyframeCollector(described.codec, parameter_sets=sets)
        else:
            progress.finder = KeyframeFinder(described.codec, parameters_known=described.parameters_known)
        finder = progress.finder
        watch = progress.watch = Watch(finder, keyframe=self._prove is Proof.KEYFRAME, saw_packet=saw_packet)
        wish = rtsp.format_transport(rtsp.Transport(lower="tcp", interleaved=(0, 1)))
        progress.step = "SETUP"
        response = await client.ask("SETUP", control, (("Transport", wish),))
        expect_ok("SETUP", response)
        try:
            session = (("Session", rtsp.parse_session(response.header("Session")).id),)
        except RemoteError as error:
            raise Refusal(f"SETUP was answered with what cannot be read: {error.what}") from None
        try:
            watch.channel = _channel(response)
            progress.step = "PLAY"
            client.connection.on_interleaved = watch.frame
            client.connection.on_lost = lambda: watch.end("the device closed the connection while it was playing")
            expect_ok("PLAY", await client.ask("PLAY", aggregate, (*session, ("Range", "npt=0.000-")), anew=False))
            await watch.wait()
            if finder.found:
                progress.proof = Proof.KEYFRAME
        except CancelledError:
            client.say("TEARDOWN", aggregate, session)  # no time is left to wait for its answer
            raise
        except (Busy, Refusal, Unauthorized):
            await client.part("TEARDOWN", aggregate, session, timeout=FAREWELL)
            raise
        await client.part("TEARDOWN", aggregate, session, timeout=FAREWELL)


def _channel(response: rtsp.Response) -> int:
    """The channel of the RTP packets: the device's, which need not be the one that was asked for.

    :raises Refusal: another transport than the one asked for.
    """
    text = response.header("Transport")
    try:
        transport = rtsp.parse_transport(text) if text else rtsp.Transport(lower="tcp")
    except RemoteError as error:
        raise Refusal(f"SETUP was answered with what cannot be read: {error.what}") from None
    if transport.lower != "tcp":
        raise Refusal("the device chose another transport than RTP over TCP")
    return transport.interleaved[0] if transport.interleaved else 0
