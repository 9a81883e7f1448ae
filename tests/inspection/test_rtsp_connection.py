"""One RTSP connection: requests, their answers, and how it ends; no sockets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.tcp import Connection

from tests.doubles.rtsp_camera import result_of
from tests.inspection.test_rtsp import URL, RtspTestCase
from twisted_detector.errors import LocalError, Malformed, Unreachable
from twisted_detector.inspection.rtsp.connection import (
    END_OF_BODY,
    SECOND_ANSWER,
    USER_AGENT,
    RtspClientConnection,
    RtspSilence,
)
from twisted_detector.wire.rtsp.messages import format_request

#: An answer with a body that is shorter than it says.
SHORT = b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: 99\r\n\r\nv=0\r\n"


class Pipe(Connection):
    """A TCP connection: ``takes`` is what the kernel says to so many bytes that are written straight into it."""

    def __init__(self, takes: Callable[[int], int | Exception], *, encrypts: bool = False) -> None:
        self.takes, self.TLS = takes, encrypts
        self.straight = self.queued = b""

    def setTcpNoDelay(self, enabled: bool) -> None:
        """There is no socket."""

    def writeSomeData(self, data: bytes) -> int | Exception:
        taken = self.takes(len(data))
        self.straight += data[: taken if isinstance(taken, int) else 0]
        return taken

    def write(self, data: bytes) -> None:
        self.queued += data


class SessionTests(RtspTestCase):
    """One connection."""

    def tearDown(self) -> None:
        for connection in self.camera.connections:
            connection.session.close()
        super().tearDown()

    def connect(self) -> Any:
        return result_of(self.clock, self.camera("10.0.0.5", 554, 5.0))

    def test_answer(self) -> None:
        """A request is answered; each has the next CSeq."""
        session = self.connect()
        for number in (1, 2):
            response = result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
            self.assertEqual((response.status, response.cseq), (200, number))

    def test_straight(self) -> None:
        """What the kernel does not take at once goes the transport's way, in order, and so does all after it."""
        whole = format_request("TEARDOWN", URL, 1, [("User-Agent", USER_AGENT)])
        after = format_request("TEARDOWN", URL, 2, [("User-Agent", USER_AGENT)])

        def said(pipe: Pipe) -> tuple[bytes, bytes]:
            session = RtspClientConnection(self.clock)
            session.makeConnection(pipe)
            session.send("TEARDOWN", URL)
            session.send("TEARDOWN", URL)
            return pipe.straight, pipe.queued

        self.assertEqual((whole + after, b""), said(Pipe(lambda length: length)))
        self.assertEqual((whole[:9], whole[9:] + after), said(Pipe(lambda length: 9)))
        self.assertEqual((b"", whole + after), said(Pipe(lambda length: 0)))
        self.assertEqual((b"", whole + after), said(Pipe(lambda length: ConnectionLost())))
        self.assertEqual((b"", whole + after), said(Pipe(lambda length: length, encrypts=True)))

    def test_silence(self) -> None:
        """Without an answer in time the request fails and the connection is closed."""
        self.camera.script["OPTIONS"] = None
        session = self.connect()
        with self.assertRaises(Unreachable) as caught:
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5), wait=6)
        self.assertEqual(str(caught.exception), "no answer to OPTIONS within 5 seconds")
        self.assertTrue(session.closed)

    def test_not_rtsp(self) -> None:
        """Bytes that are not RTSP are Malformed, and nothing more is asked there."""
        self.camera.script["OPTIONS"] = b"HTTP/1.1 400 Bad Request\r\n\r\n"
        session = self.connect()
        for _ in range(2):
            with self.assertRaises(Malformed):
                result_of(self.clock, session.request("OPTIONS", URL, timeout=5))

    def test_one_at_a_time(self) -> None:
        """A second request before the answer is our fault."""
        session = self.connect()
        first = Deferred.fromCoroutine(session.request("OPTIONS", URL, timeout=5))
        with self.assertRaises(LocalError):
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
        self.assertEqual(self.successResultOf(first).status, 200)

    def test_what_is_no_answer(self) -> None:
        """Interim answers, late ones and the server's own requests are not taken for the answer."""
        self.camera.script["DESCRIBE"] = (
            b"RTSP/1.0 100 Continue\r\nCSeq: 2\r\n\r\n"
            b"RTSP/1.0 500 Late\r\nCSeq: 1\r\n\r\n"
            b"OPTIONS * RTSP/1.0\r\nCSeq: 77\r\n\r\n"
            b"RTSP/1.0 404 Here\r\n\r\n"
        )
        session = self.connect()
        result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
        written: list[bytes] = []
        self.patch(session.transport, "receive", written.append)
        pending = Deferred.fromCoroutine(session.request("DESCRIBE", URL, timeout=5))
        session.dataReceived(self.camera.script["DESCRIBE"])
        self.assertEqual(self.successResultOf(pending).reason, "Here")
        self.clock.advance(0)
        self.assertEqual(written[-1], b"RTSP/1.0 501 Not Implemented\r\nCSeq: 77\r\n\r\n")

    def test_a_server_that_does_not_count(self) -> None:
        """An answer with an earlier CSeq is waited over for a moment, once; one with no CSeq of ours is not."""
        for cseqs, wait in (((1, 1, 1), SECOND_ANSWER), ((0, 0, 0), 0.0), ((9, 9, 9), 0.0), ((None,) * 3, 0.0)):
            answers = iter(cseqs)
            self.camera.cseq = lambda number, answers=answers: next(answers)
            session = self.connect()
            began = self.clock.seconds()
            for _ in cseqs:
                response = result_of(self.clock, session.request("OPTIONS", URL, timeout=5), wait=1)
                self.assertEqual(200, response.status)
            self.assertAlmostEqual(wait, self.clock.seconds() - began, delta=0.11)

    def test_a_description_without_a_length(self) -> None:
        """It has come when nothing more of it does: half a second later, or at the connection's end."""
        head = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n\r\n"
        for ended in (False, True):
            session = self.connect()
            self.camera.script["DESCRIBE"] = head
            pending = Deferred.fromCoroutine(session.request("DESCRIBE", URL, timeout=5))
            self.clock.advance(0)
            for piece in (b"v=0\r\n", b"m=video 0 RTP/AVP 96\r\n"):
                self.clock.advance(END_OF_BODY - 0.1)
                self.assertNoResult(pending)
                session.dataReceived(piece)
            if ended:
                self.camera.connections[-1].hang_up()
            else:
                self.clock.advance(END_OF_BODY)
            self.assertEqual(b"v=0\r\nm=video 0 RTP/AVP 96\r\n", self.successResultOf(pending).body)
        session = self.connect()
        pending = Deferred.fromCoroutine(session.request("DESCRIBE", URL, timeout=END_OF_BODY / 2))
        self.clock.advance(0)
        self.clock.advance(END_OF_BODY / 2)
        self.failureResultOf(pending, RtspSilence)

    def test_no_description_is_awaited(self) -> None:
        """Firmware that calls each of its answers one is not waited for but after DESCRIBE."""
        answer = b"RTSP/1.0 200 OK\r\nContent-Type: application/sdp\r\n\r\n"
        session = self.connect()
        for method, awaited in (("OPTIONS", False), ("DESCRIBE", True), ("SETUP", False)):
            self.camera.script[method] = answer
            pending = Deferred.fromCoroutine(session.request(method, URL, timeout=5))
            self.clock.advance(0)
            self.assertEqual(not awaited, pending.called, method)
            self.clock.advance(END_OF_BODY)
            self.assertEqual(200, self.successResultOf(pending).status)

    def test_keep_alive_that_is_refused(self) -> None:
        """It carries no login, and so it is not sent again where it is refused; a method not known is no refusal."""
        for status, sent in ((200, 4), (501, 4), (401, 1), (403, 1), (454, 1)):
            session = self.connect()
            self.camera.script["GET_PARAMETER"] = status
            self.camera.asked.clear()
            session.keep_alive(2.0, "GET_PARAMETER", URL)
            for _ in range(4):
                self.clock.advance(2.0)
                self.clock.advance(0)
            self.assertEqual(sent, len(self.camera.asked), status)
            session.close()

    def test_an_early_end(self) -> None:
        """What was waited over is the answer when the connection ends, and so is one whose body is cut."""
        self.camera.cseq = lambda number: 1
        for said, status in ((b"RTSP/1.0 404 No\r\nCSeq: 1\r\n\r\n", 404), (SHORT, 200)):
            session = self.connect()
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
            self.camera.script["DESCRIBE"] = said
            pending = Deferred.fromCoroutine(session.request("DESCRIBE", URL, timeout=5))
            self.clock.advance(0)
            self.camera.connections[-1].hang_up()
            self.assertEqual(status, self.successResultOf(pending).status)

    def test_whose_fault(self) -> None:
        """Who waits for media is told of the end, and whether it was the device that ended the connection."""
        ends: list[str] = []
        for data, fault in ((bytes(20_000), "too many bytes between RTSP messages that belong to none"), (b"", "")):
            session = self.connect()
            result_of(self.clock, session.request("OPTIONS", URL, timeout=5))
            session.watch(lost=lambda session=session: ends.append(session.fault.what if session.fault else ""))
            session.dataReceived(data)
            self.camera.connections[-1].hang_up()
            self.assertEqual(fault, ends.pop())
        self.assertEqual([], ends)

    def test_a_server_that_asks_on_and_on(self) -> None:
        """A server that does nothing but ask is cut off."""
        session = self.connect()
        session.dataReceived(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 20)
        self.assertTrue(session.closed)

    def test_peer_that_does_not_close(self) -> None:
        """A connection that the peer keeps open is cut after a second."""
        session = self.connect()
        connection = self.camera.connections[0]
        self.patch(connection, "loseConnection", lambda: None)
        session.close()
        self.clock.advance(0.9)
        self.assertTrue(connection.open)
        self.clock.advance(0.2)
        self.assertEqual((connection.open, connection.aborted), (False, True))
