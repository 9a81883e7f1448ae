"""The bounded collector of bodies."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.client import ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss

from twisted_detector.wire.http.body import AnswerTooLong, collect
from twisted_detector.wire.http.response import MAX_PIECES


class Response:
    """What ``deliverBody`` is called on."""

    def deliverBody(self, protocol: Protocol) -> None:
        self.body = protocol
        self.transport = StringTransport()
        protocol.makeConnection(self.transport)

    def end(self, reason: Exception) -> None:
        self.body.connectionLost(Failure(reason))


class Collecting(SynchronousTestCase):
    def setUp(self) -> None:
        self.response = Response()

    def collect(self, limit: int = 5) -> Deferred[bytes]:
        return Deferred.fromCoroutine(collect(self.response, limit))

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
