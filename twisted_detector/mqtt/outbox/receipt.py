"""Handle by which a publisher follows one message: Deferreds for "survives a crash" and "acknowledged"."""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import Any
from weakref import ref

from twisted.internet.defer import Deferred

from twisted_detector.errors import PublishError


class _Stage(IntEnum):
    WAITING = 0
    ACCEPTED = 1
    ACKNOWLEDGED = 2


def _watching(add: Callable[..., Any]) -> Any:
    @wraps(add)
    def watching(self: _Watched, *arguments: Any, **keywords: Any) -> Any:
        self.has_watcher = True
        if self.unseen is not None:
            error, self.unseen = self.unseen, None
            self.errback(error())
        return add(self, *arguments, **keywords)

    return watching


class _Watched(Deferred[None]):
    """A Deferred that knows whether it ever got a callback, for which Twisted has no public way.

    It fails for whoever watches, at once or when somebody begins to: a failure that nobody ever looks at is not logged
    as unhandled. A swallowing errback of our own would be no substitute: whoever looks later would find a success.

    :ivar unseen: makes the error of a failure for which there was nobody yet.
    """

    has_watcher = False
    unseen: Callable[[], PublishError] | None = None

    def fail(self, error: Callable[[], PublishError]) -> None:
        """Fail with what ``error`` makes."""
        if self.has_watcher:
            self.errback(error())
        else:
            self.unseen = error

    addCallbacks = _watching(Deferred.addCallbacks)
    addCallback = _watching(Deferred.addCallback)
    addErrback = _watching(Deferred.addErrback)
    addBoth = _watching(Deferred.addBoth)


class Receipt:
    """What a publisher holds of one message: ``accepted`` and ``acknowledged``.

    Both Deferreds are made when they are first read: a message that nobody watches costs none. Cancelling one ends the
    waiting, never the message. A failure of a Deferred that nobody holds is not logged as unhandled: the outbox counts
    and reports its drops itself.
    """

    __slots__ = ("__weakref__", "_accepted", "_acknowledged", "_error", "_stage")

    def __init__(self) -> None:
        self._stage = _Stage.WAITING
        self._error: Callable[[], PublishError] | None = None
        self._accepted: _Watched | None = None
        self._acknowledged: _Watched | None = None

    @property
    def accepted(self) -> Deferred[None]:
        """Fires with None once the message survives ``kill -9`` (committed), or has arrived before that.

        QoS 0 lives in memory only and is accepted at once. While the disk cannot be written it fires with the
        acknowledgement. Fails like :attr:`acknowledged` when the message was dropped before it was accepted.
        """
        if self._accepted is None:
            self._accepted = self._outcome(_Stage.ACCEPTED)
        return self._accepted

    @property
    def acknowledged(self) -> Deferred[None]:
        """Fires with None when the broker has acknowledged the message, or a newer one that took its place.

        Fails with :class:`errors.Dropped`, :class:`errors.NotAuthorized` or :class:`errors.Stopped`.
        """
        if self._acknowledged is None:
            self._acknowledged = self._outcome(_Stage.ACKNOWLEDGED)
        return self._acknowledged

    def _outcome(self, stage: _Stage) -> _Watched:
        outcome = _Watched()
        if self._stage >= stage:
            outcome.callback(None)
        elif self._error is not None:
            outcome.fail(self._error)
        return outcome

    def is_watched(self) -> bool:
        """Whether one of the Deferreds has a callback or is held by somebody else; those that are not are let go."""
        for name in ("_accepted", "_acknowledged"):
            outcome: Any = getattr(self, name)
            if outcome is not None and not outcome.has_watcher:
                setattr(self, name, None)
                outcome = ref(outcome)  # with the last reference it is gone at once
                setattr(self, name, outcome())
        return self._accepted is not None or self._acknowledged is not None

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

        :param error: makes the error, when somebody is watching: a mass of drops is quick.
        """
        if self._stage >= _Stage.ACKNOWLEDGED or self._error is not None:
            return
        self._error = error
        if self.is_watched():
            if self._stage < _Stage.ACCEPTED and self._accepted is not None:
                self._accepted.fail(error)
            if self._acknowledged is not None:
                self._acknowledged.fail(error)


def prune(receipts: list[Receipt]) -> None:
    """Forget the last of ``receipts`` when nobody holds or watches it.

    A state that changes thousands of times during an outage would otherwise keep thousands of receipts.
    """
    if not receipts:
        return
    last: Any = receipts.pop()
    if not last.is_watched():
        last = ref(last)  # with the last reference it is gone at once
        last = last()
    if last is not None:
        receipts.append(last)
