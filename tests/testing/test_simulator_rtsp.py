"""The simulated camera's RTSP server and RTP sender, over transports in memory."""

from __future__ import annotations

from itertools import pairwise
from random import Random

from twisted.internet.error import CannotListenError, ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.model import Login, Secret
from twisted_detector.testing.simulator.access import SimulatedAccess
from twisted_detector.testing.simulator.camera import Auth, CameraSpec, Quirks
from twisted_detector.testing.simulator.faults import GARBAGE, Garbage, Limited, Made, Silent
from twisted_detector.testing.simulator.media.clip import main_clip
from twisted_detector.testing.simulator.rtsp.channels import UdpChannel
from twisted_detector.testing.simulator.rtsp.sender import RtpSender
from twisted_detector.testing.simulator.rtsp.server import MAX_WAITING, SESSION_SECONDS, RtspConnection
from twisted_detector.testing.simulator.rtsp.sessions import MAX_SESSIONS, RtspService
from twisted_detector.wire.http.digest import authorization, parse_challenges
from twisted_detector.wire.rtp import packets as rtp, rtcp
from twisted_detector.wire.rtp.h26x import fragments, video_parameters
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtsp import sdp
from twisted_detector.wire.rtsp.parser import (
    Interleaved,
    Parser,
    RtspResponse,
    format_interleaved,
    format_request,
    parse_public,
    parse_rtp_info,
    parse_session,
    parse_transport,
    resolve_control,
)

URL = "rtsp://10.0.0.9:8554/stream1"
TCP = ("Transport", "RTP/AVP/TCP;unicast;interleaved=4-5")


class Client:
    """Speaks RTSP to one connection of a service."""

    def __init__(self, service: RtspService) -> None:
        self.connection = RtspConnection(service)
        self.transport = StringTransport()
        self.parser = Parser()
        self.cseq = 0
        self.session = ""
        self.connection.makeConnection(self.transport)

    def receive(self) -> list[RtspResponse | Interleaved]:
        data = self.transport.value()
        self.transport.clear()
        return [event for event in self.parser.receive(data) if isinstance(event, RtspResponse | Interleaved)]

    def send(self, method: str, url: str = URL, *headers: tuple[str, str]) -> None:
        self.cseq += 1
        session = (("Session", self.session),) if self.session else ()
        self.connection.dataReceived(format_request(method, url, self.cseq, (*session, *headers)))

    def ask(self, method: str, url: str = URL, *headers: tuple[str, str]) -> RtspResponse:
        self.send(method, url, *headers)
        answer = next(event for event in self.receive() if isinstance(event, RtspResponse))
        assert answer.cseq == self.cseq
        return answer

    def set_up(self, url: str = URL) -> RtspResponse:
        answer = self.ask("SETUP", url + "/trackID=1", TCP)
        if answer.status == 200:
            self.session = parse_session(answer.header("Session")).id
        return answer


class Conversation(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.advance(1_700_000_000)

    def service(self, auth: Auth = Auth.NONE, **quirks: object) -> RtspService:
        spec = CameraSpec("10.0.0.9", auth=auth, login=Login("viewer", Secret("right")), quirks=Quirks(**quirks))  # type: ignore[arg-type]
        self.guard = SimulatedAccess(spec, clock=self.clock, random=Random(1))
        return RtspService(spec, self.guard, reactor=self.clock, random=Random(2))

    def test_whole_session(self) -> None:
        """OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER and TEARDOWN of a client of our own."""
        service = self.service()
        client = Client(service)
        self.assertIn("GET_PARAMETER", parse_public(client.ask("OPTIONS", "*").header("Public")))
        described = client.ask("DESCRIBE")
        video = sdp.parse(described.body).video
        assert video is not None
        self.assertEqual((video.encoding, video.framerate), ("H264", 15.0))
        parameters = video_parameters(video.format_parameters)
        assert parameters is not None
        self.assertEqual((parameters.width, parameters.height), (640, 360))
        control = resolve_control(URL, described.header("Content-Base"), video.control)
        answer = client.ask("SETUP", control, TCP)
        client.session = parse_session(answer.header("Session")).id
        self.assertEqual(parse_session(answer.header("Session")).timeout, SESSION_SECONDS)
        transport = parse_transport(answer.header("Transport"))
        self.assertEqual((transport.lower, transport.interleaved), ("tcp", (4, 5)))
        played = client.ask("PLAY", described.header("Content-Base"))
        (info,) = parse_rtp_info(played.header("RTP-Info"))
        self.clock.advance(0)
        frames = [event for event in client.receive() if isinstance(event, Interleaved)]
        self.assertEqual({frame.channel for frame in frames}, {4, 5})
        first = rtp.parse(next(frame.data for frame in frames if frame.channel == 4))
        self.assertEqual((first.sequence, first.timestamp), (info.sequence, info.rtptime))
        self.assertEqual(f"{first.ssrc:08X}", transport.ssrc)
        self.assertEqual(client.ask("GET_PARAMETER").status, 200)
        self.assertEqual(client.ask("PAUSE").status, 200)
        self.clock.advance(1)
        self.assertEqual(client.receive(), [])
        client.send("TEARDOWN")
        goodbye, farewell = client.receive()
        assert isinstance(goodbye, Interleaved)
        assert isinstance(farewell, RtspResponse)
        self.assertIn(rtcp.GOODBYE, rtcp.packet_types(goodbye.data))
        self.assertEqual((farewell.status, client.transport.disconnecting, len(service.sessions)), (200, True, 0))

    def test_paths(self) -> None:
        """Unknown paths are 404, a secret one hides the usual ones, and both come before the login."""
        client = Client(self.service(Auth.DIGEST))
        self.assertEqual(client.ask("DESCRIBE", URL + "x").status, 404)
        self.assertEqual(client.ask("DESCRIBE").status, 401)
        client = Client(self.service(secret_path="/cam?channel=1&subtype=0"))
        self.assertEqual(client.ask("DESCRIBE").status, 404)
        base = "rtsp://10.0.0.9:8554/cam?channel=1&subtype=0"
        self.assertEqual([client.ask("DESCRIBE", url).status for url in (base, base + "/")], [200, 200])
        self.assertEqual(client.ask("SETUP", base + "/trackID=1", TCP).status, 200)

    def test_auth_first(self) -> None:
        """A camera that asks for the login first says 404 only to those who have it."""
        client = Client(self.service(Auth.BASIC, auth_first=True))
        self.assertEqual(client.ask("DESCRIBE", URL + "x").status, 401)
        login = ("Authorization", "Basic dmlld2VyOnJpZ2h0")
        self.assertEqual(client.ask("DESCRIBE", URL + "x", login).status, 404)

    def test_digest(self) -> None:
        """Digest lets the right password in, for each method by itself."""
        client = Client(self.service(Auth.DIGEST))
        challenge = parse_challenges(client.ask("DESCRIBE").all("WWW-Authenticate"))[0]
        login = authorization(challenge, "viewer", "right", "DESCRIBE", URL, cnonce="c")
        self.assertEqual(client.ask("DESCRIBE", URL, ("Authorization", login)).status, 200)
        self.assertEqual(client.ask("SETUP", URL, TCP, ("Authorization", login)).status, 401)
        self.assertEqual((self.guard.successes, self.guard.failures), (1, 1))

    def test_sessions_are_known(self) -> None:
        """Without this connection's own session id, PLAY, PAUSE and TEARDOWN are 454; a second SETUP is 455."""
        client = Client(self.service())
        for method in ("PLAY", "PAUSE", "TEARDOWN"):
            self.assertEqual(client.ask(method).status, 454)
        client.set_up()
        self.assertEqual(client.set_up().status, 455)
        client.session = "0"
        self.assertEqual(client.ask("PLAY").status, 454)

    def test_busy(self) -> None:
        """SETUP is 453 for a busy camera, and when all sessions are taken; a closed connection gives one back."""
        self.assertEqual(Client(self.service(busy=True)).set_up().status, 453)
        service = self.service()
        clients = [Client(service) for _ in range(MAX_SESSIONS + 1)]
        self.assertEqual([client.set_up().status for client in clients], [200] * MAX_SESSIONS + [453])
        clients[0].connection.connectionLost()
        self.assertEqual(clients[-1].set_up().status, 200)

    def test_transports(self) -> None:
        """Multicast and unknown profiles are 461, nothing readable is 400."""
        client = Client(self.service())
        for text, status in (("RTP/AVP;multicast", 461), ("RTP/SAVP/TCP;interleaved=0-1", 461), ("x", 400)):
            self.assertEqual(client.ask("SETUP", URL, ("Transport", text)).status, status)

    def test_no_frames(self) -> None:
        """A camera without frames answers PLAY with 200 and sends nothing."""
        client = Client(self.service(no_frames=True))
        client.set_up()
        self.assertEqual(client.ask("PLAY").status, 200)
        self.clock.advance(5)
        self.assertEqual(client.receive(), [])

    def test_delay(self) -> None:
        """A slow camera answers one request after the other, each after its delay."""
        client = Client(self.service(delay=1.0))
        client.send("OPTIONS")
        client.send("DESCRIBE")
        counts = []
        for _ in range(3):
            counts.append(len(client.receive()))
            self.clock.advance(1)
        self.assertEqual(counts, [0, 1, 1])

    def test_session_times_out(self) -> None:
        """A minute without a request or a receiver report ends the connection, one in between keeps it."""
        client = Client(self.service())
        client.set_up()
        for data in (format_interleaved(5, b"report"), format_request("OPTIONS", "*", 9)):
            self.clock.advance(SESSION_SECONDS - 1)
            client.connection.dataReceived(data)
        self.clock.advance(SESSION_SECONDS - 1)
        self.assertFalse(client.transport.disconnected)
        self.clock.advance(1)
        self.assertTrue(client.transport.disconnected)

    def test_nonsense(self) -> None:
        """Bytes that are no RTSP get 400 and the end; an unknown method gets 501 and nothing worse."""
        client = Client(self.service())
        self.assertEqual(client.ask("RECORD").status, 501)
        client = Client(self.service())
        client.connection.dataReceived(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertIn(b"400 Bad Request", client.transport.value())
        self.assertTrue(client.transport.disconnecting)
        self.assertEqual(Client(self.service()).ask("DESCRIBE", "http://x/").status, 400)

    def test_client_that_does_not_read(self) -> None:
        """While nothing is read, requests wait, and too many of them end the connection."""
        client = Client(self.service())
        client.connection.pauseProducing()
        for _ in range(MAX_WAITING):
            client.send("OPTIONS")
        self.assertEqual((client.transport.value(), client.transport.disconnected), (b"", False))
        client.send("OPTIONS")
        self.assertTrue(client.transport.disconnected)

    def test_end_leaves_nothing(self) -> None:
        """When the connection is lost while playing, nothing is left that will happen."""
        service = self.service(delay=0.1)
        client = Client(service)
        client.send("SETUP", URL, TCP)
        self.clock.advance(0.1)
        (answer,) = client.receive()
        assert isinstance(answer, RtspResponse)
        client.session = parse_session(answer.header("Session")).id
        client.send("PLAY")
        self.clock.advance(0.1)
        client.send("OPTIONS")
        client.connection.connectionLost()
        self.assertEqual(self.clock.getDelayedCalls(), [])


class MemoryChannel:
    def __init__(self) -> None:
        self.ready = True
        self.packets: list[rtp.RtpPacket] = []
        self.reports: list[bytes] = []

    def rtp(self, packet: bytes) -> None:
        self.packets.append(rtp.parse(packet))

    def rtcp(self, packet: bytes) -> None:
        self.reports.append(packet)


def without_noise(nal: bytes) -> bytes:
    while nal.endswith(b"\0\0\3"):
        nal = nal[:-3]
    return nal


class Sending(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.channel = MemoryChannel()
        self.sender = RtpSender(main_clip(), self.channel, clock=self.clock, random=Random(3), cname="x")

    def test_pace(self) -> None:
        """Fifteen pictures leave in a second, 6000 ticks apart, each ended by its marker, sequence without a gap."""
        first = self.sender.sequence
        self.sender.play()
        self.clock.pump([0.01] * 500)
        packets = self.channel.packets
        ends = [packet for packet in packets if packet.marker]
        self.assertEqual(len(ends), 75)
        self.assertEqual({(b.timestamp - a.timestamp) & 0xFFFFFFFF for a, b in pairwise(ends)}, {6000})
        self.assertEqual([packet.sequence for packet in packets], [(first + n) & 0xFFFF for n in range(len(packets))])
        self.assertTrue(all(len(packet.payload) <= 1400 for packet in packets))

    def test_clip_goes_round(self) -> None:
        """The NAL units that leave are the clip's own (but for noise), and after the last comes the first again."""
        self.sender.play()
        self.clock.pump([1 / 15] * 62)
        sent: list[bytes] = []
        for packet in self.channel.packets:
            for part in fragments(packet.payload):
                if part.first and not part.last:
                    indicator = packet.payload[0] & 0xE0
                    sent.append(bytes((indicator | part.kind,)) + part.data)
                elif part.first:
                    sent.append(part.data)
                else:
                    sent[-1] += part.data
        clip = [nal for unit in main_clip().units for nal in unit.nals]
        self.assertGreater(len(sent), len(clip) + 3)
        self.assertEqual([without_noise(nal) for nal in sent], (clip * 2)[: len(sent)])

    def test_noise(self) -> None:
        """A keyframe is not sent twice with the same bytes; of a frozen camera it is, and nothing else comes."""

        def keyframes(frozen: bool) -> list[str]:
            digests = []
            for seed in range(6):
                channel = MemoryChannel()
                sender = RtpSender(
                    main_clip(), channel, clock=self.clock, random=Random(seed), cname="c", frozen=frozen
                )
                sender.play()
                self.clock.pump([0.1] * 3)
                sender.stop()
                finder = KeyframeFinder("H264", parameters_known=True)
                self.assertTrue([finder.packet(packet) for packet in channel.packets][-1])
                digests.append(finder.digest)
            return digests

        self.assertGreater(len(set(keyframes(frozen=False))), 4)
        self.assertEqual(len(set(keyframes(frozen=True))), 1)

    def test_reports(self) -> None:
        """A sender report comes with the first picture and then every five seconds."""
        self.sender.play()
        self.clock.pump([0.05] * 220)
        self.assertEqual([rtcp.packet_types(data)[0] for data in self.channel.reports], [rtcp.SENDER_REPORT] * 3)

    def test_pause_keeps_the_place(self) -> None:
        """After a pause the next picture follows the last, with sequence and timestamp running on."""
        self.sender.play()
        self.clock.pump([1 / 15] * 5)
        before = self.channel.packets[-1]
        self.sender.pause()
        self.clock.advance(10)
        self.assertIs(self.channel.packets[-1], before)
        count = len(self.channel.packets)
        self.sender.play()
        self.clock.advance(0)
        after = self.channel.packets[count]
        self.assertEqual((after.sequence - before.sequence) & 0xFFFF, 1)
        self.assertEqual((after.timestamp - before.timestamp) & 0xFFFFFFFF, 6000)

    def test_full_channel(self) -> None:
        """While the channel is full pictures are left out, and the stream goes on with a keyframe."""
        self.sender.play()
        self.clock.advance(0)
        self.channel.ready = False
        self.clock.pump([1 / 15] * 3)
        count = len(self.channel.packets)
        self.channel.ready = True
        self.clock.pump([1 / 15] * 15)
        self.assertEqual(fragments(self.channel.packets[count].payload)[0].kind, 7)
        self.assertEqual(self.sender.left_out, 14)

    def test_no_flood(self) -> None:
        """After a long standstill the stream goes on from now, at most a second is made up for."""
        self.sender.play()
        self.clock.advance(0)
        self.clock.advance(3600)
        self.assertLess(self.sender.pictures, 20)
        self.clock.advance(-7200)
        pictures = self.sender.pictures
        self.clock.pump([7200, 0.1])
        self.assertLess(self.sender.pictures - pictures, 20)

    def test_stop(self) -> None:
        """Stopping says BYE only after something was sent, and leaves no timer."""
        self.sender.stop()
        self.assertEqual(self.channel.reports, [])
        self.sender.play()
        self.clock.advance(0)
        self.sender.stop()
        self.assertIn(rtcp.GOODBYE, rtcp.packet_types(self.channel.reports[-1]))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class Datagrams:
    """A UDP reactor in memory: which ports are taken is given, what is written is kept."""

    def __init__(self, taken: int) -> None:
        self.taken = taken
        self.open: list[int] = []
        self.written: list[tuple[bytes, tuple[str, int]]] = []

    def listenUDP(self, port: int, protocol: object, interface: str) -> object:
        if self.taken:
            self.taken -= 1
            raise CannotListenError(interface, port, OSError("taken"))
        self.open.append(port)
        reactor = self

        class Port:
            def write(self, data: bytes, address: tuple[str, int]) -> None:
                reactor.written.append((data, address))

            def stopListening(self) -> None:
                if port in reactor.open:
                    reactor.open.remove(port)

        protocol.transport = Port()  # type: ignore[attr-defined]
        return protocol.transport  # type: ignore[attr-defined]


class UdpPorts(SynchronousTestCase):
    def test_pair(self) -> None:
        """An even port and its neighbour are opened, and packets go to the client's two ports and no other host."""
        reactor = Datagrams(taken=3)
        heard: list[None] = []
        channel = UdpChannel(
            reactor,
            "10.0.0.9",
            host="10.0.0.2",
            client_port=(5000, 5001),
            heard=lambda: heard.append(None),
            random=Random(1),
        )
        self.assertEqual(list(channel.server_port), reactor.open)
        self.assertEqual((channel.server_port[0] % 2, channel.server_port[1] - channel.server_port[0]), (0, 1))
        channel.rtp(b"a")
        channel.rtcp(b"b")
        self.assertEqual(reactor.written, [(b"a", ("10.0.0.2", 5000)), (b"b", ("10.0.0.2", 5001))])
        channel._rtcp.datagramReceived(b"report", ("10.0.0.2", 5001))
        channel._rtcp.datagramReceived(b"report", ("10.0.0.3", 5001))
        self.assertEqual(len(heard), 1)
        channel.close()
        channel.close()
        self.assertEqual(reactor.open, [])


class Faults(SynchronousTestCase):
    def test_silent(self) -> None:
        """A silent server takes everything, says nothing, and lets go after ten minutes."""
        clock = Clock()
        protocol, transport = Silent(clock.callLater), StringTransport()
        protocol.makeConnection(transport)
        protocol.dataReceived(b"OPTIONS * RTSP/1.0\r\n\r\n")
        clock.advance(599)
        self.assertEqual((transport.value(), transport.disconnected), (b"", False))
        clock.advance(1)
        self.assertTrue(transport.disconnected)

    def test_garbage(self) -> None:
        """A garbage server answers each piece, sixteen times at most."""
        protocol, transport = Garbage(), StringTransport()
        protocol.makeConnection(transport)
        for _ in range(16):
            self.assertFalse(transport.disconnecting)
            protocol.dataReceived(b"x")
        self.assertEqual(transport.value(), GARBAGE * 16)
        self.assertTrue(transport.disconnecting)

    def test_limit(self) -> None:
        """Connections over the bound are refused until one is closed."""
        factory = Limited(Made(Garbage), limit=2)
        transports = []
        for _ in range(2):
            protocol, transport = factory.buildProtocol(None), StringTransport()
            assert protocol is not None
            protocol.makeConnection(transport)
            transports.append(transport)
        self.assertIsNone(factory.buildProtocol(None))
        protocol.connectionLost(Failure(ConnectionDone()))
        self.assertIsNotNone(factory.buildProtocol(None))
        factory.close_all()
        self.assertEqual([transport.disconnected for transport in transports], [True, False])
