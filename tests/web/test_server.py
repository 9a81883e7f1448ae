"""Who gets a place: whoever showed a login keeps it, this machine always has some, and nobody else takes them all."""

from __future__ import annotations

import re
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.logger import LogEvent, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from tests.web.case import Line, WebSite, camera, parsed
from twisted_detector.web.server import (
    HEAD_TIMEOUT,
    IDLE,
    LOCAL_PLACES,
    MAX_UNPROVED,
    BoundedRequest,
    BoundedSite,
    ConnectionLimiter,
)

TOKEN = "long-enough-a-token"
CAPACITY = 100
GUEST, OTHER, HERE = "10.0.0.66", "10.0.0.9", "127.0.0.1"
HALF = b"GET /api/v1/cameras HTTP/1.1\r\nHost: localhost\r\n"


class ConnectionsCase(SynchronousTestCase):
    token = TOKEN

    def setUp(self) -> None:
        self.web = WebSite(camera(), token=self.token)
        self.limiter = ConnectionLimiter(self.web.site, CAPACITY)

    def visit(self, host: str) -> Line | None:
        """A connection; None where it was refused."""
        kind: Any = IPv6Address if ":" in host else IPv4Address
        address = kind("TCP", host, 50000)
        protocol = self.limiter.buildProtocol(address)
        if protocol is None:
            return None
        line = Line(peerAddress=address)
        line.protocol = protocol
        protocol.makeConnection(line)
        return line

    def visits(self, host: str, count: int) -> list[Line]:
        found = [line for _ in range(count) if (line := self.visit(host)) is not None]
        self.assertEqual(len(found), count)
        return found

    def ask(self, line: Line, token: str = TOKEN) -> int:
        line.clear()
        line.protocol.dataReceived(HALF + f"Authorization: Bearer {token}\r\n\r\n".encode())
        return parsed(line.value()).status

    def fill(self, count: int) -> list[Line]:
        """Connections without a login, from as many peers as that takes."""
        return [line for n in range(count) if (line := self.visit(f"10.1.{n // MAX_UNPROVED}.1")) is not None]

    def open_lines(self, lines: list[Line]) -> int:
        return sum(not line.aborted for line in lines)


class PeerTests(ConnectionsCase):
    def test_one_peer(self) -> None:
        """Of one peer without a login 32 are open, the latest; others do not notice."""
        first = self.visit(OTHER)
        lines = self.visits(GUEST, 200)
        self.assertEqual((self.open_lines(lines), self.open_lines(lines[-MAX_UNPROVED:])), (MAX_UNPROVED,) * 2)
        assert first is not None
        self.assertFalse(first.aborted)
        self.assertEqual(self.ask(first), 200)
        for line in lines:
            line.lost()
        self.assertEqual(self.open_lines(self.visits(GUEST, MAX_UNPROVED)), MAX_UNPROVED)

    def test_one_ipv6_host(self) -> None:
        """All addresses of a /64 are one peer; IPv4 written as IPv6 is the peer that it is."""
        lines = [line for n in range(50) if (line := self.visit(f"2001:db8::{n + 1:x}")) is not None]
        self.assertEqual(self.open_lines(lines), MAX_UNPROVED)
        lines = self.visits("::ffff:10.0.0.66", 20) + self.visits(GUEST, 20)
        self.assertEqual(self.open_lines(lines), MAX_UNPROVED)

    def test_with_a_login(self) -> None:
        """What was let in counts no more among them; a wrong token proves nothing, and a lost login unproves."""
        lines = self.visits(GUEST, MAX_UNPROVED)
        self.assertEqual([self.ask(line) for line in lines], [200] * MAX_UNPROVED)
        more = self.visits(GUEST, MAX_UNPROVED)
        self.assertEqual(self.open_lines(lines + more), 2 * MAX_UNPROVED)
        self.assertEqual(self.ask(more[0], "a wrong token"), 401)
        self.visit(GUEST)
        self.assertEqual((self.open_lines(lines), more[0].aborted), (MAX_UNPROVED, True))
        self.assertEqual(self.ask(lines[0], "a wrong token"), 401)
        self.assertFalse(lines[0].aborted)
        self.visit(GUEST)
        self.visits(GUEST, MAX_UNPROVED)
        self.assertEqual((lines[0].aborted, self.open_lines(lines)), (True, MAX_UNPROVED - 1))

    def test_public_paths(self) -> None:
        """What anybody may ask proves nothing."""
        lines = self.visits(GUEST, MAX_UNPROVED)
        for line, path in zip(lines, ("/", "/healthz", "/api/v1/session", "/api/v1/openapi.json"), strict=False):
            line.protocol.dataReceived(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertEqual(parsed(line.value()).status, 200)
        self.visits(GUEST, 4)
        self.assertEqual([line.aborted for line in lines[:5]], [True] * 4 + [False])


class FullLine(Line):
    """A transport that has no more room after each answer, as one whose peer does not read."""

    def write(self, data: bytes) -> None:
        super().write(data)
        self.producer.pauseProducing()


class PipelineTests(ConnectionsCase):
    token = ""

    def answers(self, line: Line) -> int:
        return line.value().count(b"HTTP/1.1 200 OK")

    def test_not_taken(self) -> None:
        """Of many requests at once the next is answered when the last answer was taken; none is lost, and what comes
        meanwhile is left to the kernel.
        """
        line = FullLine(peerAddress=IPv4Address("TCP", HERE, 50000))
        line.protocol = self.web.site.buildProtocol(line.getPeer())
        line.protocol.makeConnection(line)
        one = b"GET /assets/icon-512.png HTTP/1.1\r\nHost: localhost\r\n\r\n"
        line.protocol.dataReceived(50 * one + one[:20])
        for count in range(1, 51):
            self.assertEqual((count, "paused"), (self.answers(line), line.producerState))
            line.protocol.resumeProducing()
        self.assertEqual((50, "producing"), (self.answers(line), line.producerState))
        line.protocol.dataReceived(one[20:])
        self.assertEqual(51, self.answers(line))
        self.web.clock.advance(IDLE)
        self.assertTrue(line.disconnecting)

    def test_slowly_taken(self) -> None:
        """While the next request is held back no time runs for its head, which cannot come; it does from then on."""
        asked: list[BoundedRequest] = []
        line = FullLine(peerAddress=IPv4Address("TCP", GUEST, 50000))
        line.protocol = BoundedSite(asked.append, self.web.clock).buildProtocol(line.getPeer())
        line.protocol.makeConnection(line)
        line.protocol.dataReceived(HALF + b"\r\n")
        line.protocol.dataReceived(HALF)  # while the first is answered
        asked[0].write(b"an answer")
        asked[0].finish()
        self.web.clock.pump([1] * int(IDLE - 1))
        self.assertEqual((False, False), (line.aborted, line.disconnecting))
        line.protocol.resumeProducing()
        self.web.clock.advance(HEAD_TIMEOUT - 1)
        self.assertFalse(line.aborted)
        self.web.clock.advance(1)
        self.assertTrue(line.aborted)

    def test_taken(self) -> None:
        """Where the answers are taken all are there at once, and in their order."""
        line = self.web.connect()
        asked = [b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n" % one for one in (b"healthz", b"none") * 9]
        line.protocol.dataReceived(b"".join(asked))
        self.assertEqual([b"200", b"404"] * 9, re.findall(rb"HTTP/1\.1 (\d+)", line.value()))


class FullTests(ConnectionsCase):
    def test_oldest_goes(self) -> None:
        """When all places are taken the oldest without a login goes, whosever it is; those with one stay."""
        proved = self.visits(OTHER, 10)
        self.assertEqual([self.ask(line) for line in proved], [200] * 10)
        lines = self.fill(CAPACITY)
        room = CAPACITY - LOCAL_PLACES - 10
        self.assertEqual((len(lines), self.open_lines(lines[-room:])), (CAPACITY, room))
        self.assertEqual((self.open_lines(lines), self.open_lines(proved)), (room, 10))
        newcomer = self.visit(GUEST)
        assert newcomer is not None
        self.assertEqual(self.ask(newcomer), 200)

    def test_all_with_a_login(self) -> None:
        """Where every place has a login, one more is refused, but for this machine."""
        lines = [line for _ in range(CAPACITY - LOCAL_PLACES) if (line := self.visit(OTHER)) and self.ask(line) == 200]
        self.assertEqual(len(lines), CAPACITY - LOCAL_PLACES)
        self.assertIsNone(self.visit(GUEST))
        self.visits(HERE, LOCAL_PLACES)
        self.assertEqual(self.open_lines(lines), CAPACITY - LOCAL_PLACES)

    def test_this_machine(self) -> None:
        """However many come from elsewhere, this machine has its places, and takes more from those without a login."""
        lines = self.fill(5 * CAPACITY)
        here = self.visits(HERE, LOCAL_PLACES)
        self.assertEqual(self.open_lines(lines), CAPACITY - LOCAL_PLACES)
        self.assertEqual(parsed(self._get(here[0])).status, 200)
        here += self.visits("::1", 40)
        self.assertEqual((self.open_lines(here), self.open_lines(lines)), (LOCAL_PLACES + 40, CAPACITY - 48))
        self.fill(5 * CAPACITY)
        self.assertEqual(self.open_lines(here), LOCAL_PLACES + 40)

    def test_a_thousand_pages_of_this_machine(self) -> None:
        """There is no bound for one peer where that is this machine: a proxy stands there. The oldest goes here too."""
        lines = self.visits(HERE, CAPACITY)
        self.assertEqual(self.open_lines(lines), CAPACITY)
        self.assertEqual(self.ask(lines[0]), 200)
        self.visit(HERE)
        self.assertEqual((lines[0].aborted, lines[1].aborted), (False, True))

    def test_counts_come_back(self) -> None:
        """What was ended and what is lost leaves nothing behind."""
        for line in self.fill(5 * CAPACITY) + self.visits(HERE, 20):
            line.lost()
        self.assertEqual((len(self.limiter.protocols), self.limiter._remote_count), (0, 0))
        self.assertEqual((dict(self.limiter._unproved_of), self.limiter._unproved), ({}, {}))

    def _get(self, line: Line) -> bytes:
        line.protocol.dataReceived(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return line.value()


class TokenlessTests(ConnectionsCase):
    token = ""

    def test_proved_without_a_token(self) -> None:
        """Where no token is needed, a request that is let in is proof enough."""
        lines = self.visits(GUEST, MAX_UNPROVED)
        self.assertEqual([self.ask(line) for line in lines], [200] * MAX_UNPROVED)
        self.visits(GUEST, MAX_UNPROVED)
        self.assertEqual(self.open_lines(lines), MAX_UNPROVED)


class TimeTests(ConnectionsCase):
    def test_head(self) -> None:
        """A head has ten seconds in all, however diligently its octets come."""
        line = self.visit(GUEST)
        assert line is not None
        for octet in HALF[:9]:
            self.web.clock.advance(1)
            line.protocol.dataReceived(bytes([octet]))
        self.assertFalse(line.aborted)
        self.web.clock.advance(1)
        self.assertTrue(line.aborted)

    def test_silence(self) -> None:
        """So has one that never begins."""
        line = self.visit(GUEST)
        assert line is not None
        self.web.clock.advance(10)
        self.assertTrue(line.aborted)

    def test_idle(self) -> None:
        """One that has asked all it wanted is ended after half a minute, and the log has no line of it."""
        line = self.visit(HERE)
        assert line is not None
        self.ask(line)
        told: list[LogEvent] = []
        globalLogPublisher.addObserver(told.append)
        self.addCleanup(globalLogPublisher.removeObserver, told.append)
        self.web.clock.pump([1] * 31)
        self.assertTrue(line.disconnecting)
        self.assertEqual([], told)

    def test_next_head(self) -> None:
        """Between two requests there may be silence for half a minute; once one has begun it has ten seconds."""
        line = self.visit(GUEST)
        assert line is not None
        self.web.clock.advance(9)
        self.assertEqual(self.ask(line), 200)
        self.web.clock.advance(20)
        line.protocol.dataReceived(b"G")
        for octet in HALF[1:10]:
            self.web.clock.advance(1)
            line.protocol.dataReceived(bytes([octet]))
        self.assertFalse(line.aborted)
        self.web.clock.advance(1)
        self.assertTrue(line.aborted)

    def test_body(self) -> None:
        """A body that trickles in is not waited for either."""
        line = self.visit(GUEST)
        assert line is not None
        line.protocol.dataReceived(b"POST /api/v1/probe HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(29):
            self.web.clock.advance(1)
            line.protocol.dataReceived(b" ")
        self.assertFalse(line.aborted)
        self.web.clock.advance(1)
        self.assertTrue(line.aborted)

    def test_open_page(self) -> None:
        """An open stream of events has no such end, and leaves no timer when it ends itself."""
        line = self.visit(GUEST)
        assert line is not None
        line.protocol.dataReceived(
            f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        self.web.clock.pump([1] * 100)
        self.assertFalse(line.aborted)
        line.lost()
        self.web.hub.stop()
        self.assertEqual([], self.web.clock.getDelayedCalls())
