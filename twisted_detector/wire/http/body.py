"""Bounded collector of the body of an HTTP response, for the clients of the programs that are kept in step.

It works on whatever has ``deliverBody``: a response of :mod:`twisted.web.client` or of treq. What cameras answer is
read by :mod:`.response`.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionAborted
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.http import PotentialDataLoss

from twisted_detector.wire.http.response import MAX_PIECES, OCTETS_OF_PIECE


class AnswerTooLong(ConnectionAborted):
    """An answer was longer than its bound, or came in too many pieces, so that its connection was cut."""


async def collect(response: Any, limit: int) -> bytes:
    """The whole body of ``response``. If this is cancelled, the connection is closed.

    :param limit: bytes at most.
    :raises AnswerTooLong: there are more, or they come in too many pieces.
    :raises twisted.web.client.ResponseFailed: the connection broke off before the body's end.
    """
    collector = _BodyCollector(limit)
    response.deliverBody(collector)
    return await collector.whole


class _BodyCollector(Protocol):
    """Receiver of one body, as ``deliverBody`` wants it.

    :ivar whole: fires once, with the body or with what went wrong.
    """

    def __init__(self, limit: int) -> None:
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
            self._parts.clear()
            self.whole.errback(AnswerTooLong())
            self._close(self.whole)
        else:
            self._parts.append(data)

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
