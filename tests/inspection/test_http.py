"""The HTTP transport on a reactor in memory: what is sent, what comes back, and every way in which it can go wrong."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from random import Random
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost, ConnectionRefusedError
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from twisted_detector.errors import InspectionError, LocalError, Malformed, RemoteError, Unreachable
from twisted_detector.inspection.http.client import (
    KEEP_ALIVE,
    HttpClient,
    HttpResponse,
    KeptConnectionClosed,
    retry_once,
)
from twisted_detector.inspection.http.connection import QUIET, SETTLING
from twisted_detector.model.addresses import SILENT_PORTS
from twisted_detector.testing.simulator.media.painter import paint
from twisted_detector.wire.http.response import Body, Wholeness
from twisted_detector.wire.image import ImageReader

URL = "http://192.0.2.9:8000/onvif/device_service?x=1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: a\r\nx-one: b\r\n\r\nhello"
SOAP = b'<?xml version="1.0"?><s:Envelope xmlns:s="x"><s:Body><s:Fault/></s:Body></s:Envelope>'
TIMEOUT = 5.0
PAINTED = paint(3.0, Random(1))


class Wire(StringTransport):
    """A connection that remembers how it was ended and tells its protocol."""

    protocol: Any = None
    aborted = False

    def abortConnection(self) -> None:
        self.aborted = True
        self.drop(ConnectionLost())

    def drop(self, reason: Exception) -> None:
        if self.protocol is not None:
            protocol, self.protocol = self.protocol, None
            protocol.connectionLost(Failure(reason))

    def receive(self, data: bytes) -> None:
        if self.protocol is not None:
            self.protocol.dataReceived(data)


STREAM = "multipart/x-mixed-replace"


class Enough:
    """Takes so many bytes; less than none: refuses them."""

    def __init__(self, wanted: int) -> None:
        self.taken = b""
        self._wanted = wanted

    def feed(self, data: bytes) -> bool:
        self.taken += data
        if self._wanted < 0:
            raise RemoteError("no picture")
        return len(self.taken) >= self._wanted

    def judge(self) -> Wholeness:
        return Wholeness.OPEN


class Http(SynchronousTestCase):
    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.client = HttpClient(self.reactor, timeout=TIMEOUT, max_answer=100_000)
        self.addCleanup(self.no_call_is_left)

    def no_call_is_left(self) -> None:
        """Whatever happened, closing leaves neither connection nor timer."""
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def post(self, url: str = URL, body: bytes = b"<body/>") -> Deferred[HttpResponse]:
        headers = {"Content-Type": "application/soap+xml", "Authorization": 'Digest realm="é\udcff"'}
        return Deferred.fromCoroutine(self.client.post(url, body, headers))

    def connect(self, index: int = -1) -> Wire:
        """Let the newest connection attempt succeed."""
        factory = self.reactor.tcpClients[index][2]
        wire = Wire()
        wire.protocol = factory.buildProtocol(None)
        wire.protocol.makeConnection(wire)
        return wire

    def test_request(self) -> None:
        """One POST with length, host and headers goes to the host and port of the URL."""
        posted = self.post()
        self.assertEqual(self.reactor.tcpClients[0][:2], ("192.0.2.9", 8000))
        wire = self.connect()
        head, _, body = wire.value().partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.assertEqual(lines[0], b"POST /onvif/device_service?x=1 HTTP/1.1")
        self.assertEqual(body, b"<body/>")
        for line in (
            b"Content-Length: 7",
            b"Host: 192.0.2.9:8000",
            b"Content-Type: application/soap+xml",
            b'Authorization: Digest realm="\xc3\xa9\xff"',
        ):
            self.assertIn(line, lines)
        wire.receive(OK)
        self.successResultOf(posted)

    def test_response(self) -> None:
        """Status, headers in order and body come back, even byte by byte."""
        posted = self.post()
        wire = self.connect()
        for octet in OK:
            self.assertNoResult(posted)
            wire.receive(bytes([octet]))
        response = self.successResultOf(posted)
        self.assertEqual((response.status, response.body), (200, b"hello"))
        self.assertEqual(response.values("X-ONE"), ["a", "b"])

    def test_any_status(self) -> None:
        """An error status is an answer, and a redirect is not followed."""
        for status in (401, 400, 500, 302):
            posted = self.post()
            wire = self.connect()
            wire.receive(
                b"HTTP/1.0 %d x\r\nLocation: http://203.0.113.66/\r\nWWW-Authenticate: Basic\r\n\r\nbody" % status
            )
            wire.drop(ConnectionDone())
            response = self.successResultOf(posted)
            self.assertEqual((response.status, response.body), (status, b"body"))
        self.assertEqual({client[0] for client in self.reactor.tcpClients}, {"192.0.2.9"})

    def get(self, sink: Body | None = None) -> Deferred[HttpResponse]:
        return Deferred.fromCoroutine(self.client.get(URL, {"Accept": "image/jpeg"}, sink_for=lambda head: sink))

    def test_get(self) -> None:
        """A GET has no body, and its answer comes as that of a POST does."""
        asked = self.get()
        wire = self.connect()
        head = wire.value()
        self.assertTrue(head.startswith(b"GET /onvif/device_service?x=1 HTTP/1.1\r\n") and head.endswith(b"\r\n\r\n"))
        self.assertIn(b"\r\nAccept: image/jpeg\r\n", head)
        wire.receive(OK)
        self.assertEqual(self.successResultOf(asked).body, b"hello")

    def test_enough(self) -> None:
        """A body without an end goes to who takes it, until that is enough; then the connection is cut."""
        sink = Enough(10)
        asked = self.get(sink)
        wire = self.connect()
        wire.receive(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n")
        for _ in range(4):
            wire.receive(b"abc")
        response = self.successResultOf(asked)
        self.assertEqual((response.status, response.body, response.values("Content-Type")), (200, b"", [STREAM]))
        self.assertEqual(sink.taken, b"abcabcabcabc")
        self.assertTrue(wire.disconnecting or wire.aborted)
        wire.drop(ConnectionLost())

    def test_not_what_it_should_be(self) -> None:
        """A body that who takes it refuses is malformed; one that is too long is, too."""
        for sink, data in ((Enough(-1), b"abc"), (Enough(10**9), b"x" * 100_001)):
            asked = self.get(sink)
            wire = self.connect()
            wire.receive(b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n" + data)
            self.failureResultOf(asked, Malformed)
            wire.drop(ConnectionLost())

    def test_no_end(self) -> None:
        """A stream that never has enough ends with the time-out."""
        asked = self.get(Enough(10**9))
        wire = self.connect()
        wire.receive(b"HTTP/1.1 200 OK\r\n\r\nabc")
        self.reactor.advance(TIMEOUT)
        self.failureResultOf(asked, Unreachable)
        wire.drop(ConnectionLost())

    def test_ipv6(self) -> None:
        """A link-local address is connected with its scope, which the Host header does not have."""
        posted = self.post("http://[fe80::9%25eth0]:8000/x")
        self.assertEqual(self.reactor.tcpClients[0][:2], ("fe80::9%eth0", 8000))
        wire = self.connect()
        self.assertIn(b"\r\nHost: [fe80::9]:8000\r\n", wire.value())
        wire.receive(OK)
        self.successResultOf(posted)
        posted = self.post("http://[2001:db8::9]/x")
        self.assertEqual(self.reactor.tcpClients[1][:2], ("2001:db8::9", 80))
        self.connect().receive(OK)
        self.successResultOf(posted)

    def test_kept(self) -> None:
        """A second question goes over the same connection."""
        for _ in range(2):
            posted = self.post()
            if len(self.reactor.tcpClients) == 1 and not hasattr(self, "wire"):
                self.wire = self.connect()
            self.wire.receive(OK)
            self.successResultOf(posted)
        self.assertEqual(len(self.reactor.tcpClients), 1)
        self.assertEqual(self.wire.value().count(b"POST "), 2)

    def test_kept_but_closed(self) -> None:
        """A connection that the device closed under the second question is made again, once."""
        posted = self.post()
        wire = self.connect()
        wire.receive(OK)
        self.successResultOf(posted)
        posted = Deferred.fromCoroutine(retry_once(lambda: self.client.post(URL, b"<body/>", {})))
        wire.drop(ConnectionDone())
        self.assertNoResult(posted)
        second = self.connect()
        self.assertIn(b"<body/>", second.value())
        second.drop(ConnectionLost())
        self.failureResultOf(posted, Unreachable)
        self.assertEqual(len(self.reactor.tcpClients), 2)

    def test_kept_but_cut(self) -> None:
        """One byte of an answer is enough for it not to be asked for again."""
        posted = self.post()
        wire = self.connect()
        wire.receive(OK)
        self.successResultOf(posted)
        posted = Deferred.fromCoroutine(retry_once(lambda: self.client.post(URL, b"<body/>", {})))
        wire.receive(b"H")
        wire.drop(ConnectionLost())
        error = self.failureResultOf(posted, InspectionError).value
        self.assertNotIsInstance(error, KeptConnectionClosed)
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_codes(self) -> None:
        """Every fault has a word of its own that stays the same."""

        def refuse() -> None:
            self.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))

        def answer(*pieces: bytes) -> Callable[[], None]:
            def act() -> None:
                wire = self.connect()
                for piece in pieces:
                    wire.receive(piece)
                wire.drop(ConnectionLost())

            return act

        for code, act in {
            "connect": refuse,
            "timeout": lambda: self.reactor.advance(TIMEOUT + 1),
            "closed": answer(OK[:-1]),
            "too_long": answer(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 100_001),
            "not_http": answer(b"SSH-2.0-x\r\n\r\n"),
            "encoding": answer(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", b"\x1f\x8b" + bytes(20)),
        }.items():
            posted = self.post()
            act()
            error = self.failureResultOf(posted, InspectionError).value
            self.assertEqual(error.code, code)

    def test_encoded(self) -> None:
        """Gzip that nobody asked for is unpacked within the bound; an encoding that is not known is refused at once."""
        for body, code in (
            (gzip.compress(SOAP), ""),
            (gzip.compress(b"<" * 200_000), "too_long"),
            (b"\3\4", "encoding"),
        ):
            posted = self.post()
            wire = self.connect()
            self.assertIn(b"\r\nAccept-Encoding: identity\r\n", wire.value())
            kind = b"br" if code == "encoding" else b"GZIP"
            wire.receive(b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: 999999\r\n\r\n" % kind)
            wire.receive(body)
            if code:
                self.assertEqual(self.failureResultOf(posted, Malformed).value.code, code)
            else:
                self.reactor.advance(SETTLING)
                self.assertEqual(self.successResultOf(posted).body, SOAP)
            self.assertTrue(wire.aborted)
        posted = self.post()
        self.connect().receive(OK.replace(b"X-One: a", b"Content-Encoding: identity"))
        self.assertEqual(self.successResultOf(posted).body, b"hello")

    def test_chunked(self) -> None:
        """A body in chunks is put together."""
        posted = self.post()
        self.connect().receive(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;x=y\r\nllo\r\n0\r\n\r\n"
        )
        self.assertEqual(self.successResultOf(posted).body, b"hello")

    def test_endless_heads(self) -> None:
        """Heads, interim answers and chunk sizes that never end are cut, heads at the bound of a head."""
        for bound, start, endless in (
            (65_536, b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 100),
            (65_536, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
            (65_536, b"", b"\r\n" * 500),
            (65_536, b"HTTP/1.1 200 OK\r\nX: ", b"y" * 1000),
            (2_000, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n", b"0" * 1000),
            (100_000, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"0" * 1000),  # no chunks at all
            (2_000, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"\r\n" * 500),
        ):
            posted = self.post()
            wire = self.connect()
            wire.receive(start)
            received = 0
            while wire.protocol is not None and received < 1_000_000:
                wire.receive(endless)
                received += len(endless)
            self.failureResultOf(posted, Malformed)
            self.assertLess(received, bound + 3000)

    def test_endless_trailers(self) -> None:
        """Trailers are waited for a moment, so that the connection can be used again; then the answer is used."""
        posted = self.post()
        wire = self.connect()
        wire.receive(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nT: y\r\n")
        self.assertNoResult(posted)
        self.reactor.advance(SETTLING)
        self.assertEqual(self.successResultOf(posted).body, b"hi")
        self.assertTrue(wire.aborted)

    def test_header_injection(self) -> None:
        """A line break in a header's value does not begin another header."""
        posted = Deferred.fromCoroutine(self.client.post(URL, b"", {"X": "a\r\nEvil: 1"}))
        wire = self.connect()
        self.assertIn(b"POST ", wire.value())
        self.assertNotIn(b"\nEvil", wire.value())
        wire.receive(OK)
        self.successResultOf(posted)

    def test_not_a_url(self) -> None:
        """What cannot stand in a request line is not asked."""
        for url in ("http://10.0.0.5/a b", "http://10.0.0.5/a\rX: y", "http://10.0.0.5\r\nX: y/", "http://10.0.0.5/é"):
            self.failureResultOf(self.post(url), LocalError)
        self.assertEqual(self.reactor.tcpClients, [])

    def test_closed_at_once(self) -> None:
        """A device that closes the first connection without an answer is not asked again."""
        posted = self.post()
        self.connect().drop(ConnectionDone())
        problem = self.failureResultOf(posted, Unreachable).value
        self.assertEqual("the device closed the connection without an answer", str(problem))
        self.assertEqual(len(self.reactor.tcpClients), 1)

    def test_refused(self) -> None:
        """A refused connection is unreachable."""
        posted = self.post()
        self.reactor.tcpClients[0][2].clientConnectionFailed(None, Failure(ConnectionRefusedError()))
        self.failureResultOf(posted, Unreachable)

    def test_no_connection_in_time(self) -> None:
        """Without a connection it ends at the time-out."""
        posted = self.post()
        self.reactor.advance(TIMEOUT - 0.1)
        self.assertNoResult(posted)
        self.reactor.advance(0.2)
        self.failureResultOf(posted, Unreachable)

    def test_no_answer_in_time(self) -> None:
        """Silence, a dribbled head and a dribbled body all end at the time-out, with the connection closed."""
        for start in (b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"):
            posted = self.post()
            wire = self.connect()
            wire.receive(start)
            for _ in range(10):
                wire.receive(b"x")
                self.assertNoResult(posted)
                self.reactor.advance(TIMEOUT / 10)
            problem = self.failureResultOf(posted, Unreachable).value
            self.assertIn(
                str(problem), (f"no answer within {TIMEOUT:g} seconds", f"no whole answer within {TIMEOUT:g} seconds")
            )
            self.assertTrue(wire.protocol is None or wire.disconnecting)

    def test_garbage(self) -> None:
        """What is not HTTP is malformed."""
        for data in (b"RTSP/1.0\r\n\r\n", b"\x00" * 100 + b"\r\n\r\n", b"SSH-2.0-x\r\n", b"HTTP/1.1 abc d\r\n\r\n"):
            posted = self.post()
            wire = self.connect()
            wire.receive(data)
            wire.drop(ConnectionDone())
            self.failureResultOf(posted, Malformed)

    def test_contradictory_length(self) -> None:
        """Of two lengths none is believed: the answer ends with the connection, or when nothing more comes."""
        for end in (True, False):
            posted = self.post()
            wire = self.connect()
            wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nabc")
            self.assertNoResult(posted)
            if end:
                wire.drop(ConnectionDone())
            else:
                self.reactor.advance(QUIET)
            self.assertEqual(self.successResultOf(posted).body, b"abc")

    def test_content_before_frame(self) -> None:
        """An envelope that is closed is used at once where no frame ends later, and after a moment where one should."""
        chunked = b"Transfer-Encoding: chunked\r\n\r\n%x  \r\n" % len(SOAP)
        for head, wait in (
            (b"\r\n", 0.0),
            (b"Content-Length: %d bytes\r\n\r\n" % len(SOAP), 0.0),
            (b"Content-Length: %d\r\n\r\n" % (len(SOAP) - 5), 0.0),
            (b"Content-Length: %d\r\n\r\n" % (len(SOAP) + 5), SETTLING),
            (chunked, SETTLING),
        ):
            posted = self.post()
            wire = self.connect()
            wire.receive(b"HTTP/1.1 200 OK\r\n" + head + SOAP)
            if wait:
                self.assertNoResult(posted)
                wire.receive(b"\r\n" if head == chunked else b"")
                self.reactor.advance(wait)
            self.assertEqual(self.successResultOf(posted).body.rstrip(), SOAP, head)
            self.assertNotEqual(wire.aborted, b"bytes" in head)
            self.reactor.advance(KEEP_ALIVE)

    def test_last_tag_missing(self) -> None:
        """An envelope that lacks its last tags alone is used after a moment, unless it goes on."""
        for length in (b"", b"Content-Length: 999\r\n"):
            posted = self.post()
            self.connect().receive(b"HTTP/1.1 200 OK\r\n" + length + b"\r\n" + SOAP[:-13])
            self.assertNoResult(posted)
            self.reactor.advance(SETTLING)
            self.assertEqual(self.successResultOf(posted).body, SOAP[:-13])
        posted = self.post()
        wire = self.connect()
        begin = SOAP.replace(b"<s:Fault/>", b"<a><bResponse></bResponse>")
        for piece in (b"HTTP/1.1 200 OK\r\n\r\n" + begin[: begin.index(b"</s:Body")], b"</", b"a></s:Body>"):
            wire.receive(piece)
            self.reactor.advance(SETTLING - 0.1)
            self.assertNoResult(posted)
        self.reactor.advance(0.1)
        self.assertTrue(self.successResultOf(posted).body.endswith(b"</a></s:Body>"))

    def test_picture_that_comes_slowly(self) -> None:
        """A pause within a picture is no end of it, though what came could be one that lacks its end alone."""
        asked = self.get(picture := ImageReader())
        wire = self.connect()
        wire.receive(b"HTTP/1.0 200 OK\r\n\r\n" + PAINTED[:-9])
        self.reactor.advance(QUIET + 0.1)
        self.assertNoResult(asked)
        wire.receive(PAINTED[-9:])
        self.successResultOf(asked)
        self.assertEqual(picture.image().data, PAINTED)

    def test_content_and_closed(self) -> None:
        """Whatever its frame said, an envelope that is closed is used when the device closes; half of one is not."""
        for length in (len(SOAP), len(SOAP) - 13, len(SOAP) - 4, len(SOAP) - 30):
            posted = self.post()
            wire = self.connect()
            wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n" + SOAP[:length])
            wire.drop(ConnectionDone())
            if length > len(SOAP) - 20:
                self.assertEqual(self.successResultOf(posted).body, SOAP[:length])
            else:
                self.assertEqual(self.failureResultOf(posted, Unreachable).value.code, "closed")

    def test_slow_answer(self) -> None:
        """A pause within an envelope is no end of it, with a length or without."""
        for head in (b"\r\n", b"Content-Length: %d\r\n\r\n" % len(SOAP)):
            posted = self.post()
            wire = self.connect()
            wire.receive(b"HTTP/1.1 200 OK\r\n" + head)
            for piece in (SOAP[:21], SOAP[21:60], SOAP[60:]):
                self.assertNoResult(posted)
                self.reactor.advance(QUIET + 0.1)
                self.assertNoResult(posted)
                wire.receive(piece)
            self.assertEqual(self.successResultOf(posted).body, SOAP)

    def test_refusal_without_an_end(self) -> None:
        """What matters of a refusal stands in its head: its text may break off, or never end, or never come."""
        for head in (b"Content-Length: 500\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\nff\r\n", b"\r\n"):
            for closed, text in ((True, b""), (True, b"<html>"), (False, b""), (False, b"<html>")):
                posted = self.post()
                wire = self.connect()
                wire.receive(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\n" + head + text)
                self.assertNoResult(posted)
                if closed:
                    wire.drop(ConnectionDone())
                else:
                    self.reactor.advance(QUIET)
                self.assertEqual(self.successResultOf(posted).values("www-authenticate"), ["Basic"])

    def test_closed_while_under_way(self) -> None:
        """Closing the client ends the request that is under way."""
        posted = self.post()
        self.connect()
        self.successResultOf(Deferred.fromCoroutine(self.client.close()))
        self.assertEqual("the connection was given up", str(self.failureResultOf(posted, Unreachable).value))

    def test_silent_ports(self) -> None:
        """Nothing is sent to a port of another protocol, whatever a device calls its service's port."""
        for port in SILENT_PORTS:
            problem = self.failureResultOf(self.post(f"http://10.0.0.5:{port}/"), Unreachable).value
            self.assertEqual(f"nothing is ever sent to that port: {port}", str(problem))

    def test_unasked(self) -> None:
        """What comes on a kept connection between two requests is no answer to the next one."""
        posted = self.post()
        wire = self.connect()
        wire.receive(OK)
        self.successResultOf(posted)
        wire.receive(OK)
        self.assertTrue(wire.aborted)
        posted = self.post()
        self.assertEqual(len(self.reactor.tcpClients), 2)
        self.connect().receive(OK)
        self.successResultOf(posted)

    def test_no_head_on_a_kept_connection(self) -> None:
        """An answer without a head is that of a new connection; on a kept one it may be the late end of another."""
        mangled = b"POST /onvif/device_service\0HTTP/1.1\0\r\nHost\0 192.0.2.9\0\r\n\r\n"
        for head in (
            b"HTTP/1.1 401 x\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 204 x\r\n\r\n",
            OK,
        ):
            for late in (SOAP, mangled + SOAP):
                for step in (len(late), 7):
                    posted = self.post()
                    wire = self.connect()
                    wire.receive(head)
                    self.reactor.advance(SETTLING)
                    self.successResultOf(posted)
                    posted = self.post()
                    for begin in range(0, len(late), step):
                        wire.receive(late[begin : begin + step])
                    error = self.failureResultOf(posted, Malformed).value
                    self.assertEqual("not_http", error.code)
                    self.assertEqual("an answer without a head on a connection that was used before", str(error))
                    self.assertTrue(wire.aborted)
                    posted = self.post()
                    self.connect().receive(late)
                    self.assertEqual(self.successResultOf(posted).body, SOAP)
        posted = self.post()
        wire = self.connect()
        wire.receive(OK)
        self.successResultOf(posted)
        posted = self.post()
        wire.receive(mangled + OK)
        self.assertEqual(self.successResultOf(posted).body, b"hello")

    def test_not_kept(self) -> None:
        """A connection is kept where the device agrees, for two seconds, and for one place only."""
        for head, kept in (
            (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
            (b"HTTP/1.0 200 OK\r\n", False),
            (b"HTTP/1.0 200 OK\r\nConnection: Keep-Alive\r\n", True),
            (b"HTTP/1.1 200 OK\r\n", True),
        ):
            posted = self.post()
            wire = self.connect()
            wire.receive(head + b"Content-Length: 2\r\n\r\nhi")
            self.successResultOf(posted)
            self.assertEqual(kept, not wire.aborted)
            self.reactor.advance(KEEP_ALIVE)
            self.assertTrue(wire.aborted)

    def test_length_of_nothing(self) -> None:
        """Content that comes a moment after a length of 0 is the answer's; without any the connection is kept."""
        for content in (SOAP, b""):
            posted = self.post()
            wire = self.connect()
            wire.receive(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
            self.assertNoResult(posted)
            wire.receive(content)
            self.reactor.advance(0 if content else SETTLING)
            self.assertEqual(self.successResultOf(posted).body, content)
            self.assertEqual(wire.aborted, bool(content))
            self.reactor.advance(KEEP_ALIVE)

    def test_cut(self) -> None:
        """A body that ends too early is no answer."""
        posted = self.post()
        wire = self.connect()
        wire.receive(OK[:-1])
        wire.drop(ConnectionLost())
        problem = self.failureResultOf(posted, Unreachable).value
        self.assertEqual("the device closed the connection without a whole answer", str(problem))

    def test_too_long(self) -> None:
        """A body, a head or an endless line of interim answers above the bound is cut and malformed."""
        body, head = 100_000, 100_000 + 65_536
        for bound, start, endless in (
            (body, b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 1000),
            (body, b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", b"x" * 1000),
            (head, b"HTTP/1.1 200 OK\r\n", b"X-Head: er\r\n" * 100),
            (head, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100),
        ):
            posted = self.post()
            wire = self.connect()
            wire.receive(start)
            received = 0
            while wire.protocol is not None and not wire.disconnecting and received < 1_000_000:
                wire.receive(endless)
                received += len(endless)
            self.failureResultOf(posted, Malformed)
            self.assertLess(received, bound + 3000)

    def test_bound_is_per_answer(self) -> None:
        """Many answers over one connection may together be longer than the bound."""
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n" + b"x" * 60_000
        posted = self.post()
        wire = self.connect()
        wire.receive(answer)
        self.successResultOf(posted)
        for _ in range(3):
            posted = self.post()
            wire.receive(answer)
            self.assertEqual(len(self.successResultOf(posted).body), 60_000)

    def test_cancelled(self) -> None:
        """A cancelled question closes its connection."""
        posted = self.post()
        wire = self.connect()
        posted.addErrback(lambda failure: None)
        posted.cancel()
        self.assertTrue(wire.protocol is None or wire.disconnecting)
