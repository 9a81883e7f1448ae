"""The bounded collector of bodies."""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from twisted_detector.errors import RemoteError
from twisted_detector.wire.http.body import MAX_PIECES, AnswerTooLong, collect, discard


class Response:
    """What ``deliverBody`` is called on."""

    def deliverBody(self, protocol: Protocol) -> None:
        self.body = protocol
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)

    def end(self, reason: Exception) -> None:
        self.body.connectionLost(Failure(reason))


class Sink:
    def __init__(self) -> None:
        self.taken = b""

    def feed(self, data: bytes) -> bool:
        self.taken += data
        if b"?" in data:
            raise RemoteError("not what it should be")
        return b"." in data


class Collecting(SynchronousTestCase):
    def setUp(self) -> None:
        self.response = Response()

    def collect(self, limit: int = 5, sink: Any = None) -> Deferred[bytes]:
        return Deferred.fromCoroutine(collect(self.response, limit, sink))

    def test_whole(self) -> None:
        """A body within the bound comes out whole, with a length or without."""
        for ended in (ResponseDone(), PotentialDataLoss()):
            body = self.collect()
            self.response.body.dataReceived(b"ab")
            self.response.body.dataReceived(b"cde")
            self.response.end(ended)
            self.assertEqual(self.successResultOf(body), b"abcde")

    def test_too_long(self) -> None:
        """One byte more than the bound ends it, and closes the connection; what comes after is ignored."""
        body = self.collect()
        self.response.body.dataReceived(b"abcdef")
        self.failureResultOf(body, AnswerTooLong)
        self.assertTrue(self.response.transport.disconnecting)
        self.response.body.dataReceived(b"more")
        self.response.end(ResponseDone())

    def test_too_many_pieces(self) -> None:
        """A body in chunks of one octet ends early; in chunks of lines or of buffers it is whole, however long."""
        body = self.collect(10**6)
        for _ in range(MAX_PIECES + 100):
            self.response.body.dataReceived(b"x")
        self.failureResultOf(body, AnswerTooLong)
        self.assertTrue(self.response.transport.disconnecting)
        for size in (64, 1024):
            self.setUp()
            body = self.collect(10**7)
            for _ in range(9000):
                self.response.body.dataReceived(b"x" * size)
            self.response.end(ResponseDone())
            self.assertEqual(9000 * size, len(self.successResultOf(body)))

    def test_cut_short(self) -> None:
        """A body that broke off is no body."""
        body = self.collect()
        self.response.body.dataReceived(b"abc")
        self.response.end(ResponseFailed([]))
        self.failureResultOf(body, ResponseFailed)

    def test_cancelled(self) -> None:
        """A cancelled collection closes the connection."""
        body = self.collect()
        body.cancel()
        self.failureResultOf(body)
        self.assertTrue(self.response.transport.disconnecting)

    def test_sink(self) -> None:
        """A sink takes the body until it has enough, within the bound too."""
        sink = Sink()
        body = self.collect(sink=sink)
        self.response.body.dataReceived(b"ab")
        self.response.body.dataReceived(b"c.")
        self.assertEqual((self.successResultOf(body), sink.taken), (b"", b"abc."))
        self.assertTrue(self.response.transport.disconnecting)
        endless = self.collect(sink=Sink())
        self.response.body.dataReceived(b"abcdef")
        self.failureResultOf(endless, AnswerTooLong)

    def test_sink_refuses(self) -> None:
        """What a sink refuses is raised, and the connection closed."""
        body = self.collect(sink=Sink())
        self.response.body.dataReceived(b"?")
        self.failureResultOf(body, RemoteError)
        self.assertTrue(self.response.transport.disconnecting)

    def test_discarded(self) -> None:
        """A body that nobody reads costs its first byte; one that is empty leaves the connection open."""
        discard(self.response)
        self.response.end(ResponseDone())
        self.assertFalse(self.response.transport.disconnecting)
        discard(self.response)
        self.response.body.dataReceived(b"a")
        self.assertTrue(self.response.transport.disconnecting)
