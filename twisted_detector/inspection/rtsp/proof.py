"""A connection to an RTSP server goes in; how far one stream of it was proved, and what it is, come out.

The ladder: TCP, RTSP, SDP with video, RTP, a whole keyframe; whatever happens, TEARDOWN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as StructuralProtocol

from twisted.internet.defer import CancelledError

from twisted_detector.errors import Busy, RemoteError, Unauthorized
from twisted_detector.inspection.rtsp.client import RtspClient
from twisted_detector.inspection.rtsp.description import Described, DescribeRefusal, expect_ok, read_description
from twisted_detector.inspection.rtsp.frames import FrameWatch
from twisted_detector.model import Proof, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp import h26x
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.keyframe_unit import KeyframeCollector
from twisted_detector.wire.rtsp import parser as rtsp

ACCEPT_SDP = (("Accept", "application/sdp"),)
#: How long the answer to TEARDOWN is waited for; some servers never give one.
FAREWELL = 1.0
#: Rungs for which a stream has to be played.
PLAYED = (Proof.RTP, Proof.KEYFRAME)


class Pair(StructuralProtocol):
    """Two UDP ports of ours; see :class:`UdpPair`."""

    numbers: tuple[int, int]

    def open_way(self, server_port: int) -> None:
        """Send an empty packet to where the media will come from."""

    def close(self) -> None:
        """Give the ports back."""


#: Makes a pair that hears one host.
OpenPair = Callable[[str, Callable[[bytes], None]], Pair]


@dataclass
class ProofProgress:
    """How far one check came; turned into a report wherever it ends.

    :ivar step: the request that is awaited.
    """

    proof: Proof = Proof.UNREACHABLE
    reason: str = ""
    reason_code: ReasonCode = ReasonCode.NONE
    described: Described | None = None
    finder: KeyframeFinder | None = None
    watch: FrameWatch | None = None
    step: str = "OPTIONS"
    server: str = ""
    certificate: str = ""

    def why(self) -> str:
        """The first cause of the end, in plain words."""
        if self.reason:
            return self.reason
        return (self.watch.reason if self.watch is not None else "") or f"no answer to {self.step}"

    def code(self) -> ReasonCode:
        """The same for programs."""
        if self.reason_code:
            return self.reason_code
        if self.watch is not None and self.watch.code:
            return self.watch.code
        return ReasonCode.UNREACHABLE if self.proof is Proof.UNREACHABLE else ReasonCode.NO_ANSWER

    def report(self, validated: bool) -> StreamReport:
        """What came of it."""
        seen, found = self.described, self.finder.parameters if self.finder else None
        return StreamReport(
            proof=self.proof,
            validated=validated,
            reason="" if validated else self.why(),
            code=ReasonCode.NONE if validated else self.code(),
            codec=seen.codec if seen else "",
            width=found.width if found else seen.width if seen else 0,
            height=found.height if found else seen.height if seen else 0,
            fps=(seen.fps if seen else 0.0) or (found.fps if found else 0.0),
            audio=seen.audio if seen else "",
            server=self.server,
            certificate=self.certificate,
            back_channel=seen.back_channel if seen else False,
            keyframe=self.finder.digest if self.finder else "",
        )

    def reached(self, wanted: Proof) -> bool:
        """Whether ``wanted`` is reached, or the highest rung that this codec has."""
        ladder = list(Proof)
        if wanted is Proof.KEYFRAME and self.finder is not None and not self.finder.decidable:
            wanted = Proof.RTP
        return ladder.index(self.proof) >= ladder.index(wanted)


class StreamProof:
    """One stream's climb; :attr:`progress` is right at any moment.

    :param host: whose datagrams count, where RTP comes over UDP.
    :param prove: SDP, RTP or KEYFRAME.
    :param before: what the stream said of itself when it was proved the last time; None: the server is asked OPTIONS
        first, to be introduced.
    :param collect: whether the keyframe itself is wanted: the finder is a :class:`KeyframeCollector` then.
    """

    def __init__(
        self,
        client: RtspClient,
        target: str,
        *,
        host: str,
        prove: Proof,
        open_pair: OpenPair,
        before: Described | None,
        collect: bool = False,
    ) -> None:
        self.progress = ProofProgress()
        self._client = client
        self._target = target
        self._host = host
        self._prove = prove
        self._open_pair = open_pair
        self._before = before
        self._collect = collect

    async def run(self) -> None:
        """Climb as far as it goes.

        :raises Unauthorized, Busy, Unreachable, Malformed: as the client. :raises Refusal: the device's answer ends it.
        """
        client, progress = self._client, self.progress
        try:
            if self._before is None:
                await client.ask_plain("OPTIONS", self._target)
                progress.proof = Proof.RTSP
            progress.step = "DESCRIBE"
            response = await client.ask("DESCRIBE", self._target, ACCEPT_SDP)
            progress.proof = Proof.RTSP
            described = progress.described = read_description(response, self._before)
            progress.proof = Proof.SDP
        finally:
            progress.server, progress.certificate = client.server, client.certificate
            if progress.proof is Proof.UNREACHABLE and client.connected:
                progress.proof = Proof.RTSP if client.answered else Proof.TCP
        if self._prove in PLAYED:
            await self._play(described)

    async def _play(self, described: Described) -> None:
        """SETUP and PLAY, and wait for media; whatever happens then, TEARDOWN."""
        base, progress = described.content_base, self.progress
        try:
            control = rtsp.resolve_control(self._target, base, described.video.control)
            aggregate = rtsp.resolve_control(self._target, base, described.description.control)
        except RemoteError as error:
            raise DescribeRefusal(f"the stream's control URL is unusable: {error.what}") from None

        def saw_packet() -> None:
            progress.proof = Proof.RTP

        finder = progress.finder = self._finder(described)
        watch = progress.watch = FrameWatch(finder, keyframe=self._prove is Proof.KEYFRAME, saw_packet=saw_packet)
        pairs: list[Pair] = []
        try:
            await self._media(control, aggregate, watch, pairs)
        finally:
            for pair in pairs:
                pair.close()

    def _finder(self, described: Described) -> KeyframeFinder:
        codec = described.codec
        if not self._collect:
            return KeyframeFinder(codec, parameters_known=described.parameters_known)
        known = codec in (h26x.H264, h26x.H265)
        sets = h26x.parameter_sets(described.video.format_parameters, codec) if known else ()
        return KeyframeCollector(codec, parameter_sets=sets)

    async def _media(self, control: str, aggregate: str, watch: FrameWatch, pairs: list[Pair]) -> None:
        client, progress = self._client, self.progress
        progress.step = "SETUP"
        wish = rtsp.format_transport(rtsp.Transport(lower="tcp", interleaved=(0, 1)))
        response = await client.ask("SETUP", control, (("Transport", wish),))
        if response.status == 461:
            pairs.append(self._open_pair(self._host, lambda data: watch.frame(rtsp.Interleaved(watch.channel, data))))
            wish = rtsp.format_transport(rtsp.Transport(lower="udp", client_port=pairs[0].numbers))
            response = await client.ask("SETUP", control, (("Transport", wish),))
        expect_ok("SETUP", response)
        try:
            session = (("Session", rtsp.parse_session(response.header("Session")).id),)
        except RemoteError as error:
            raise DescribeRefusal(f"SETUP was answered with what cannot be read: {error.what}") from None
        try:
            if pairs:
                _open_way(response, pairs[0])
            else:
                watch.channel = _channel(response)
                client.connection.on_interleaved = watch.frame
            progress.step = "PLAY"
            lost = "the device closed the connection while it was playing"
            client.connection.on_lost = lambda: watch.end(lost, ReasonCode.LOST)
            expect_ok("PLAY", await client.ask("PLAY", aggregate, (*session, ("Range", "npt=0.000-")), anew=False))
            await watch.wait()
            if progress.finder is not None and progress.finder.found:
                progress.proof = Proof.KEYFRAME
        except CancelledError:
            client.say("TEARDOWN", aggregate, session)  # no time is left to wait for its answer
            raise
        except (Busy, DescribeRefusal, Unauthorized):
            await client.part("TEARDOWN", aggregate, session, timeout=FAREWELL)
            raise
        await client.part("TEARDOWN", aggregate, session, timeout=FAREWELL)


def _transport(response: rtsp.RtspResponse, lower: str) -> rtsp.Transport:
    """What SETUP agreed upon; nothing said is what was asked for.

    :raises Refusal: another transport than the one asked for.
    """
    text = response.header("Transport")
    try:
        transport = rtsp.parse_transport(text) if text else rtsp.Transport(lower=lower)
    except RemoteError as error:
        raise DescribeRefusal(f"SETUP was answered with what cannot be read: {error.what}") from None
    if transport.lower != lower:
        raise DescribeRefusal(
            f"the device chose another transport than RTP over {lower.upper()}", ReasonCode.NO_TRANSPORT
        )
    return transport


def _channel(response: rtsp.RtspResponse) -> int:
    """The channel of the RTP packets: the device's, which need not be the one that was asked for."""
    transport = _transport(response, "tcp")
    return transport.interleaved[0] if transport.interleaved else 0


def _open_way(response: rtsp.RtspResponse, pair: Pair) -> None:
    transport = _transport(response, "udp")
    if transport.server_port is not None and transport.server_port[0]:
        pair.open_way(transport.server_port[0])
