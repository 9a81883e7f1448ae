"""Proof of one stream, by the ladder of proofs: TCP, RTSP, SDP with video, RTP, a whole keyframe.

Each rung proves more than the one below (:class:`Proof` has them in order). Whatever happens, TEARDOWN is sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol as StructuralProtocol

from twisted.internet.defer import CancelledError

from twisted_detector.errors import Busy, LoginWithheld, Malformed, RemoteError, Unauthorized, Unreachable
from twisted_detector.inspection.rtsp.client import RtspClient
from twisted_detector.inspection.rtsp.connection import RtspClientConnection
from twisted_detector.inspection.rtsp.description import (
    BUSY,
    DescribeRefusal,
    StreamDescription,
    expect_ok,
    read_description,
)
from twisted_detector.inspection.rtsp.media_monitor import MediaMonitor
from twisted_detector.model import Proof, StreamReport
from twisted_detector.model.reasons import ReasonCode
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtsp.headers import (
    SessionHeader,
    TransportHeader,
    format_transport,
    parse_session,
    parse_transport,
)
from twisted_detector.wire.rtsp.messages import InterleavedFrame, RtspResponse
from twisted_detector.wire.rtsp.url import resolve_aggregate, resolve_control

#: Seconds for the response to TEARDOWN; some servers never send one.
TEARDOWN_TIMEOUT = 1.0
#: Seconds between the requests that keep a session: whoever ends one sooner than after two is not to be helped.
MIN_KEEP_ALIVE = 1.0
#: Refusals of PLAY that may mean its Range: it is sent without one, once (RFC 2326, 11.3.8, 11.3.13, 11.3.14).
TRY_WITHOUT_RANGE = frozenset({400, 451, 456, 457})
#: Those that may mean the URL of the whole presentation: the media's own is tried, once (RFC 2326, 11.3.16).
TRY_MEDIA_ALONE = frozenset({404, 459})
#: Refusals of SETUP that mean no transport: no room, and what this login may not see (it is not sent a second time).
FINAL = frozenset({403, *BUSY})
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
            played = self._wanted in PLAYED
            described = progress.described = read_description(response, self._previous, played=played)
            progress.proof = Proof.SDP
        finally:
            progress.server, progress.certificate = client.server, client.certificate
            if progress.proof is Proof.UNREACHABLE and client.connected:
                progress.proof = Proof.RTSP if client.answered else Proof.TCP
        if played:
            await self._play(described)

    async def _play(self, described: StreamDescription) -> None:
        """SETUP and PLAY, and wait for media; whatever happens then, TEARDOWN."""
        progress = self.progress
        try:
            aggregate = resolve_aggregate(self._target, described.content_base, described.aggregate)
            control = resolve_control(aggregate, described.control)
        except RemoteError as error:
            raise DescribeRefusal(f"the stream's control URL is unusable: {error.what}") from None

        def packet_received() -> None:
            progress.proof = Proof.RTP

        finder = progress.finder = self._finder(described)
        monitor = progress.monitor = MediaMonitor(
            finder,
            keyframe=self._wanted is Proof.KEYFRAME,
            on_first_packet=packet_received,
            encrypted=described.encrypted,
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
            own=frozenset(described.own_types),
            size=described.named_size,
            collect=self._collect,
            encrypted=described.encrypted,
        )

    async def _receive_media(
        self, control: str, aggregate: str, monitor: MediaMonitor, pairs: list[MediaPorts]
    ) -> None:
        client, progress = self._client, self.progress
        progress.step = "SETUP"
        response = await self._set_up(control, aggregate, monitor, pairs)
        session = _session(response)
        try:
            if pairs:
                _open_path(response, pairs[0])
            progress.step = "PLAY"
            connection = client.connection
            # Over TCP too where UDP was chosen: some firmware says so and means it not.
            connection.watch(frames=monitor.receive, lost=lambda: monitor.finish(*_ending(connection)))
            patience = _named_session(response).timeout
            response = await self._start(control, aggregate, session)
            session = session or _session(response)
            method = "GET_PARAMETER" if "GET_PARAMETER" in client.public.upper() else "OPTIONS"
            connection.keep_alive(max(patience / 2, MIN_KEEP_ALIVE), method, aggregate, session)
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

    async def _set_up(
        self, control: str, aggregate: str, monitor: MediaMonitor, pairs: list[MediaPorts]
    ) -> RtspResponse:
        """SETUP with RTP over TCP; where that is refused, or UDP chosen for it, once more with UDP.

        461 says that TCP is refused. Old firmware has any other status for it, so each may mean it; where UDP is not to
        be had either it did not, and is the reason.

        :raises Busy, DescribeRefusal: neither is to be had.
        """
        client = self._client
        offered = format_transport(TransportHeader(lower="tcp", interleaved=(0, 1)))
        response = await client.request("SETUP", control, (("Transport", offered),))
        if response.status < 400 or response.status in FINAL:
            expect_ok("SETUP", response)
            transport = _transport(response, "tcp")
            if transport.lower == "tcp":
                # The device's channel need not be the one that was asked for.
                monitor.interleaved(transport.interleaved[0] if transport.interleaved else 0)
                return response
            await client.request_and_ignore("TEARDOWN", aggregate, _session(response), timeout=TEARDOWN_TIMEOUT)
        try:
            pairs.append(
                self._open_pair(self._host, lambda data: monitor.receive(InterleavedFrame(monitor.channel, data)))
            )
            self.progress.step = f"SETUP over UDP (over TCP it was answered {response.status})"
            offered = format_transport(TransportHeader(lower="udp", client_port=pairs[0].numbers))
            second = await client.request("SETUP", control, (("Transport", offered),))
            expect_ok("SETUP", second)
        except LoginWithheld:
            raise  # no word about the device
        except (DescribeRefusal, Malformed, Unreachable):
            if response.status != 461:
                expect_ok("SETUP", response)
            raise
        return second

    async def _start(self, control: str, aggregate: str, session: tuple[tuple[str, str], ...]) -> RtspResponse:
        """PLAY, of the presentation from its beginning; where that is refused, as the refusal says that it may be.

        :raises Busy, DescribeRefusal: it may not.
        """
        client, whole = self._client, (*session, ("Range", "npt=0.000-"))
        response = await client.request("PLAY", aggregate, whole, reconnect=False)
        if response.status in TRY_WITHOUT_RANGE:
            response = await client.request("PLAY", aggregate, session, reconnect=False)
        if response.status in TRY_MEDIA_ALONE and control != aggregate:
            response = await client.request("PLAY", control, session, reconnect=False)
        expect_ok("PLAY", response)
        return response


def _named_session(response: RtspResponse) -> SessionHeader:
    """The session; without an identifier where the device names none, or none that can be sent."""
    try:
        return parse_session(next(filter(None, response.all("Session")), ""))
    except RemoteError:
        return SessionHeader("")


def _session(response: RtspResponse) -> tuple[tuple[str, str], ...]:
    """The Session header for further requests; none without a session."""
    identifier = _named_session(response).id
    return (("Session", identifier),) if identifier else ()


def _ending(connection: RtspClientConnection) -> tuple[str, ReasonCode]:
    """Why a connection ended while media were awaited: the device need not have closed it."""
    if connection.fault is None:
        return "the device closed the connection while it was playing", ReasonCode.LOST
    return f"what came while it was playing cannot be read: {connection.fault.what}", ReasonCode.NOT_RTSP


def _transport(response: RtspResponse, lower: str) -> TransportHeader:
    """The transport in the response to SETUP; without one that can be read, what was offered: it was accepted."""
    try:
        return parse_transport(response.header("Transport"))
    except RemoteError:
        return TransportHeader(lower=lower)


def _open_path(response: RtspResponse, pair: MediaPorts) -> None:
    """Send an empty packet to where the media will come from.

    :raises DescribeRefusal: the device chose something else than UDP, of which there are no packets to be had.
    """
    transport = _transport(response, "udp")
    if transport.lower != "udp":
        raise DescribeRefusal("the device chose another transport than RTP over UDP", ReasonCode.NO_TRANSPORT)
    if transport.server_port is not None and transport.server_port[0]:
        pair.open_path(transport.server_port[0])
