"""The fate of one message goes in; the Deferreds of whoever published it fire."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Any
from weakref import ref

from twisted.internet.defer import Deferred

from twisted_detector.errors import PublishError


class _Stage(IntEnum):
    WAITING = 0
    ACCEPTED = 1
    ACKNOWLEDGED = 2


class _Answer(Deferred[None]):
    """A Deferred that knows whether anybody has looked at it."""

    looked_at = False

    def addCallbacks(self, *args: Any, **kwargs: Any) -> Any:
        self.looked_at = True
        return super().addCallbacks(*args, **kwargs)

    def addCallback(self, *args: Any, **kwargs: Any) -> Any:
        self.looked_at = True
        return super().addCallback(*args, **kwargs)

    def addErrback(self, *args: Any, **kwargs: Any) -> Any:
        self.looked_at = True
        return super().addErrback(*args, **kwargs)

    def addBoth(self, *args: Any, **kwargs: Any) -> Any:
        self.looked_at = True
        return super().addBoth(*args, **kwargs)


class Receipt:
    """What a publisher holds of one message: ``accepted`` and ``acknowledged``.

    Both Deferreds are made when they are asked for: a message that nobody watches costs none. Cancelling one stops the
    waiting, never the message. A failure of a Deferred that nobody holds is not logged as unhandled: the outbox counts
    and reports its drops itself.
    """

    __slots__ = ("__weakref__", "_accepted", "_acknowledged", "_error", "_stage")

    def __init__(self) -> None:
        self._stage = _Stage.WAITING
        self._error: Callable[[], PublishError] | None = None
        self._accepted: _Answer | None = None
        self._acknowledged: _Answer | None = None

    @property
    def accepted(self) -> Deferred[None]:
        """Fires with None once the message survives ``kill -9`` (committed), or has arrived before that.

        QoS 0 lives in memory only and is accepted at once. While the disk cannot be written it fires with the
        acknowledgement. Fails like :attr:`acknowledged` when the message was dropped before it was accepted.
        """
        if self._accepted is None:
            self._accepted = self._answer(_Stage.ACCEPTED)
        return self._accepted

    @property
    def acknowledged(self) -> Deferred[None]:
        """Fires with None when the broker has acknowledged the message, or a newer one that took its place.

        Fails with :class:`errors.Dropped`, :class:`errors.NotAuthorized` or :class:`errors.Stopped`.
        """
        if self._acknowledged is None:
            self._acknowledged = self._answer(_Stage.ACKNOWLEDGED)
        return self._acknowledged

    def _answer(self, stage: _Stage) -> _Answer:
        answer = _Answer()
        if self._stage >= stage:
            answer.callback(None)
        elif self._error is not None:
            answer.errback(self._error())
        return answer

    def watched(self) -> bool:
        """Whether one of the Deferreds has a callback, or is held by somebody."""
        if self._accepted is None and self._acknowledged is None:
            return False
        self._accepted = self._unless_abandoned("_accepted")
        self._acknowledged = self._unless_abandoned("_acknowledged")
        return self._accepted is not None or self._acknowledged is not None

    def _unless_abandoned(self, name: str) -> _Answer | None:
        answer: _Answer | None = getattr(self, name)
        if answer is None or answer.looked_at:
            return answer
        setattr(self, name, None)
        weak = ref(answer)
        del answer
        return weak()  # None when ours was the last reference

    def accept(self) -> None:
        """The message is on the disk, or is of the kind that never goes there."""
        if self._stage >= _Stage.ACCEPTED or self._error is not None:
            return
        self._stage = _Stage.ACCEPTED
        if self._accepted is not None:
            self._accepted.callback(None)

    def acknowledge(self) -> None:
        """The broker has the message."""
        if self._stage >= _Stage.ACKNOWLEDGED or self._error is not None:
            return
        self.accept()
        self._stage = _Stage.ACKNOWLEDGED
        if self._acknowledged is not None:
            self._acknowledged.callback(None)

    def fail(self, error: Callable[[], PublishError]) -> None:
        """The message will not arrive any more, at least not in this life of the program.

        :param error: makes the error when somebody is there to hear it: a mass of drops is quick.
        """
        if self._stage >= _Stage.ACKNOWLEDGED or self._error is not None:
            return
        self._error = error
        if self.watched():
            if self._stage < _Stage.ACCEPTED and self._accepted is not None:
                self._accepted.errback(error())
            if self._acknowledged is not None:
                self._acknowledged.errback(error())


def prune(receipts: list[Receipt]) -> None:
    """Forget the last of ``receipts`` when nobody holds it or waits for it.

    A state that changes thousands of times during an outage would otherwise keep thousands of receipts.
    """
    if not receipts:
        return
    last = receipts.pop()
    last_ref = ref(last)
    if last.watched():
        receipts.append(last)
        return
    del last
    held = last_ref()
    if held is not None:
        receipts.append(held)
