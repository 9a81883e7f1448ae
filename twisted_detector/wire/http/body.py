"""Bounded collector of the body of an HTTP response, for every HTTP client of the house.

It works on whatever has ``deliverBody``: a response of :mod:`twisted.web.client` or of treq.
"""

from __future__ import annotations

from typing import Any, Protocol as StructuralProtocol

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from twisted_detector.errors import RemoteError

#: Pieces of a body, as they come from the network or as chunks (RFC 9112, 7.1): some thousand, and then on the average
#: 64 octets each. Servers write chunks of lines or buffers; a chunk of one octet costs as much as one of 4 kB.
MAX_PIECES, OCTETS_OF_PIECE = 1024, 64


class AnswerTooLong(ConnectionAborted):
    """An answer was longer than its bound, or came in too many pieces, so that its connection was cut."""


class BodySink(StructuralProtocol):
    """Consumer of a body that need not end by itself."""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; True when no more are needed: the connection is cut.

        :raises errors.RemoteError: they are not what they should be.
        """


async def collect(response: Any, limit: int, sink: BodySink | None = None) -> bytes:
    """The whole body of ``response``; empty when ``sink`` takes it. If this is cancelled, the connection is closed.

    :param limit: bytes at most, also of what ``sink`` takes.
    :raises AnswerTooLong: there are more, or they come in too many pieces.
    :raises errors.RemoteError: the sink's.
    :raises twisted.web.client.ResponseFailed: the connection broke off before the body's end.
    """
    collector = _BodyCollector(limit, sink)
    response.deliverBody(collector)
    return await collector.whole


def discard(response: Any) -> None:
    """Give ``response`` back unread: its connection is closed at the body's first byte, and kept if there is none."""
    collector = _BodyCollector(0, None)
    collector.whole.addErrback(lambda _: None)
    response.deliverBody(collector)


class _BodyCollector(Protocol):
    """Receiver of one body, as ``deliverBody`` wants it.

    :ivar whole: fires once, with the body or with what went wrong.
    """

    def __init__(self, limit: int, sink: BodySink | None) -> None:
        self._sink = sink
        self._parts: list[bytes] = []
        self._room = limit
        self._pieces = MAX_PIECES * OCTETS_OF_PIECE
        self.whole: Deferred[bytes] = Deferred(self._close)

    def dataReceived(self, data: bytes) -> None:
        if self.whole.called:
            return
        self._room -= len(data)
        self._pieces += len(data) - OCTETS_OF_PIECE
        if self._room < 0 or self._pieces < 0:
            self._end(AnswerTooLong())
        elif self._sink is None:
            self._parts.append(data)
        else:
            try:
                if self._sink.feed(data):
                    self._end(None)
            except RemoteError as error:
                self._end(error)

    def _end(self, problem: Exception | None) -> None:
        self._parts.clear()
        if problem is None:
            self.whole.callback(b"")
        else:
            self.whole.errback(problem)
        self._close(self.whole)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self.whole.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            self.whole.callback(b"".join(self._parts))
        else:
            self.whole.errback(reason)

    def _close(self, _: Deferred[bytes]) -> None:
        if self.transport is not None:
            self.transport.loseConnection()
