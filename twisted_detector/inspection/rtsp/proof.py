"""Proof of one stream, by the ladder of proofs: TCP, RTSP, SDP with video, RTP, a whole keyframe.

Each rung proves more than the one below (:class:`Proof` has them in order). Whatever happens, TEARDOWN is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol as StructuralProtocol

from twisted.internet.defer import CancelledError

from twisted_detector.errors import Busy, RemoteError, Unauthorized
from twisted_detector.inspection.rtsp.client import RtspClient
from twisted_detector.inspection.rtsp.connection import RtspClientConnection
from twisted_detector.inspection.rtsp.description import DescribeRefusal, StreamDescription, expect_ok, read_description
from twisted_detector.inspection.rtsp.media_monitor import MediaMonitor
from twisted_detector.model import Proof, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtsp.headers import TransportHeader, format_transport, parse_session, parse_transport
from twisted_detector.wire.rtsp.messages import InterleavedFrame, RtspResponse
from twisted_detector.wire.rtsp.url import resolve_control

#: Seconds for the response to TEARDOWN; some servers never send one.
TEARDOWN_TIMEOUT = 1.0
#: Refusals of SETUP that may mean RTP over TCP: UDP is tried, once. 461 says so; old firmware has others for it.
TRY_UDP = frozenset({400, 406, 461, 500, 501, 551})
#: Rungs for which a stream has to be played.
PLAYED = (Proof.RTP, Proof.KEYFRAME)


class MediaPorts(StructuralProtocol):
    """Two UDP ports of ours, for RTP and RTCP; see :class:`UdpPortPair`."""

    numbers: tuple[int, int]

    def open_path(self, server_port: int) -> None:
        """Send an empty packet to where the media will come from."""

    def close(self) -> None:
        """Give the ports back."""


#: Opens two ports that receive from one host.
OpenMediaPorts = Callable[[str, Callable[[bytes], None]], MediaPorts]


@dataclass
class ProofProgress:
    """Progress of one proof; turned into a report wherever it ends.

    :ivar step: the request whose response is awaited.
    :ivar codec: what the packets showed at an earlier proof, where nothing is played now.
    """

    step: str = "OPTIONS"
    codec: str = ""
    proof: Proof = field(default=Proof.UNREACHABLE, init=False)
    reason: str = field(default="", init=False)
    reason_code: ReasonCode = field(default=ReasonCode.NONE, init=False)
    described: StreamDescription | None = field(default=None, init=False)
    finder: KeyframeFinder | None = field(default=None, init=False)
    monitor: MediaMonitor | None = field(default=None, init=False)
    server: str = field(default="", init=False)
    certificate: str = field(default="", init=False)

    def reason_text(self) -> str:
        """The first cause of the end, for people."""
        if self.reason:
            return self.reason
        return (self.monitor.reason if self.monitor is not None else "") or f"no answer to {self.step}"

    def final_code(self) -> ReasonCode:
        """The same for programs."""
        if self.reason_code:
            return self.reason_code
        if self.monitor is not None and self.monitor.code:
            return self.monitor.code
        return ReasonCode.UNREACHABLE if self.proof is Proof.UNREACHABLE else ReasonCode.NO_ANSWER

    def report(self, validated: bool) -> StreamReport:
        """The report of the proof."""
        seen, found = self.described, self.finder.parameters if self.finder else None
        return StreamReport(
            proof=self.proof,
            validated=validated,
            reason="" if validated else self.reason_text(),
            code=ReasonCode.NONE if validated else self.final_code(),
            codec=self.codec or (self.finder.codec if self.finder else "") or (seen.codec if seen else ""),
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
        """Whether ``wanted`` is reached."""
        ladder = list(Proof)
        return ladder.index(self.proof) >= ladder.index(wanted)


class StreamProof:
    """Proof of one stream, rung by rung; :attr:`progress` is right at any moment.

    :param host: sender of the datagrams that count, where RTP comes over UDP.
    :param wanted: the rung to reach: SDP, RTP or KEYFRAME.
    :param previous: the stream's description when it was proved the last time; None: OPTIONS is sent first.
    :param collect: whether the keyframe itself is wanted.
    """

    def __init__(
        self,
        client: RtspClient,
        target: str,
        *,
        host: str,
        wanted: Proof,
        open_pair: OpenMediaPorts,
        previous: StreamDescription | None,
        collect: bool = False,
    ) -> None:
        self.progress = ProofProgress()
        self._client = client
        self._target = target
        self._host = host
        self._wanted = wanted
        self._open_pair = open_pair
        self._previous = previous
        self._collect = collect

    async def prove(self) -> None:
        """Prove as much as can be proved.

        :raises Unauthorized, Busy, Unreachable, Malformed: as the client.
        :raises DescribeRefusal: the device's response ends the proof.
        """
        client, progress = self._client, self.progress
        try:
            if self._previous is None:
                await client.send_options(self._target)
            progress.step = "DESCRIBE"
            response, self._target = await client.describe(self._target)
            progress.proof = Proof.RTSP
            described = progress.described = read_description(response, self._previous)
            progress.proof = Proof.SDP
        finally:
            progress.server, progress.certificate = client.server, client.certificate
            if progress.proof is Proof.UNREACHABLE and client.connected:
                progress.proof = Proof.RTSP if client.answered else Proof.TCP
        if self._wanted in PLAYED:
            await self._play(described)

    async def _play(self, described: StreamDescription) -> None:
        """SETUP and PLAY, and wait for media; whatever happens then, TEARDOWN."""
        base, progress = described.content_base, self.progress
        try:
            control = resolve_control(self._target, base, described.control)
            aggregate = resolve_control(self._target, base, described.aggregate)
        except RemoteError as error:
            raise DescribeRefusal(f"the stream's control URL is unusable: {error.what}") from None

        def packet_received() -> None:
            progress.proof = Proof.RTP

        finder = progress.finder = self._finder(described)
        monitor = progress.monitor = MediaMonitor(
            finder, keyframe=self._wanted is Proof.KEYFRAME, on_first_packet=packet_received
        )
        pairs: list[MediaPorts] = []
        try:
            await self._receive_media(control, aggregate, monitor, pairs)
        finally:
            for pair in pairs:
                pair.close()

    def _finder(self, described: StreamDescription) -> KeyframeFinder:
        return KeyframeFinder(
            described.codec,
            parameter_sets=described.parameter_sets,
            auxiliary=frozenset(described.auxiliary_types),
            size=described.named_size,
            collect=self._collect,
        )

    async def _receive_media(
        self, control: str, aggregate: str, monitor: MediaMonitor, pairs: list[MediaPorts]
    ) -> None:
        client, progress = self._client, self.progress
        progress.step = "SETUP"
        offered = format_transport(TransportHeader(lower="tcp", interleaved=(0, 1)))
        response = await client.request("SETUP", control, (("Transport", offered),))
        if response.status in TRY_UDP:
            pairs.append(
                self._open_pair(self._host, lambda data: monitor.receive(InterleavedFrame(monitor.channel, data)))
            )
            offered = format_transport(TransportHeader(lower="udp", client_port=pairs[0].numbers))
            response = await client.request("SETUP", control, (("Transport", offered),))
        expect_ok("SETUP", response)
        session = _session(response)
        try:
            if pairs:
                _open_path(response, pairs[0])
            else:
                monitor.channel = _channel(response)
            progress.step = "PLAY"
            connection = client.connection
            connection.watch(
                frames=None if pairs else monitor.receive, lost=lambda: monitor.finish(*_ending(connection))
            )
            response = await client.request("PLAY", aggregate, (*session, ("Range", "npt=0.000-")), reconnect=False)
            expect_ok("PLAY", response)
            session = session or _session(response)
            await monitor.wait()
            if progress.finder is not None and progress.finder.found:
                progress.proof = Proof.KEYFRAME
        except CancelledError:
            client.send("TEARDOWN", aggregate, session)  # no time is left to wait for its answer
            raise
        except (Busy, DescribeRefusal, Unauthorized):
            await client.request_and_ignore("TEARDOWN", aggregate, session, timeout=TEARDOWN_TIMEOUT)
            raise
        await client.request_and_ignore("TEARDOWN", aggregate, session, timeout=TEARDOWN_TIMEOUT)


def _session(response: RtspResponse) -> tuple[tuple[str, str], ...]:
    """The Session header for further requests; none where the device names no session, or none that can be sent."""
    try:
        identifier = parse_session(next(filter(None, response.all("Session")), "")).id
    except RemoteError:
        return ()
    return (("Session", identifier),) if identifier else ()


def _ending(connection: RtspClientConnection) -> tuple[str, ReasonCode]:
    """Why a connection ended while media were awaited: the device need not have closed it."""
    if connection.fault is None:
        return "the device closed the connection while it was playing", ReasonCode.LOST
    return f"what came while it was playing cannot be read: {connection.fault.what}", ReasonCode.NOT_RTSP


def _transport(response: RtspResponse, lower: str) -> TransportHeader:
    """The transport in the response to SETUP; without one, what was offered.

    :raises DescribeRefusal: another transport than the one asked for.
    """
    text = response.header("Transport")
    try:
        transport = parse_transport(text) if text else TransportHeader(lower=lower)
    except RemoteError as error:
        raise DescribeRefusal(f"SETUP was answered with what cannot be read: {error.what}") from None
    if transport.lower != lower:
        raise DescribeRefusal(
            f"the device chose another transport than RTP over {lower.upper()}", ReasonCode.NO_TRANSPORT
        )
    return transport


def _channel(response: RtspResponse) -> int:
    """The channel of the RTP packets: the device's, which need not be the one that was asked for."""
    transport = _transport(response, "tcp")
    return transport.interleaved[0] if transport.interleaved else 0


def _open_path(response: RtspResponse, pair: MediaPorts) -> None:
    transport = _transport(response, "udp")
    if transport.server_port is not None and transport.server_port[0]:
        pair.open_path(transport.server_port[0])
