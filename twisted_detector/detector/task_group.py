"""Group of running coroutines that are bounded in number and end together."""

from __future__ import annotations

import sys
from collections.abc import Coroutine, Hashable
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, TimeoutError as DeferredTimeout
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError


def describe_failure(problem: BaseException | None, timeout: float) -> str:
    """Why something failed that was given ``timeout`` seconds, in plain words.

    Twisted's time-out says ``(10.0, 'Deferred')``, and many exceptions say nothing at all.
    """
    if isinstance(problem, DeferredTimeout):
        return f"it took longer than {timeout:g} s"
    text = str(problem)
    if isinstance(problem, OSError | CamdetectError):
        return text or "the system gives no reason"
    return f"an internal error of camdetect or of a plugin ({': '.join(filter(None, (type(problem).__name__, text)))})"


class TaskGroup:
    """Set of running coroutines.

    A coroutine handles what it expects to fail itself; any other failure is logged and hurts no other.

    :param what: noun for the log: what each of them is.
    :param limit: how many run at one time; the caller asks :attr:`room` before :meth:`start`, and decides what to do
        without room. By default the caller bounds them by other means.
    """

    log = make_logger()

    def __init__(self, what: str, *, limit: int = sys.maxsize) -> None:
        self._what = what
        self._limit = limit
        self._running: dict[Hashable, Deferred[None]] = {}

    def __len__(self) -> int:
        return len(self._running)

    def __contains__(self, key: object) -> bool:
        return key in self._running

    @property
    def room(self) -> int:
        """How many more may be started now."""
        return self._limit - len(self._running)

    def start(self, coroutine: Coroutine[Deferred[Any], Any, None], *, key: Hashable = None) -> Deferred[None]:
        """Run ``coroutine`` until its end or :meth:`cancel_all`.

        :param key: name that no other running coroutine of the group has; with it ``key in group`` answers.
        :returns: fires with None when the coroutine has ended, however it did, and has left the group. What is added
            to it runs before :meth:`cancel_all` is done.
        """
        name = object() if key is None else key
        running = self._running[name] = Deferred.fromCoroutine(coroutine)
        running.addErrback(self._log_failure)
        return running.addCallback(self._ended, name)

    def cancel_all(self) -> Deferred[Any]:
        """Cancel all that runs; fires when all of it has ended."""
        running = tuple(self._running.values())
        ended: Deferred[Any] = DeferredList(running)
        for one in running:
            one.cancel()
        return ended

    def _ended(self, _: None, name: Hashable) -> None:
        self._running.pop(name, None)

    def _log_failure(self, failure: Failure) -> None:
        if not failure.check(CancelledError):
            self.log.failure("{what} failed", failure=failure, what=self._what)
