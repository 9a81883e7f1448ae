"""A thread for blocking calls, each answered by a Deferred; one that never returns does not keep the process alive."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread  # noqa: TID251  a daemon thread, made by Twisted's pool: see OneThread
from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThreadPool
from twisted.python.threadpool import ThreadPool

T = TypeVar("T")


def _daemon_thread(**named: Any) -> Thread:
    return Thread(daemon=True, **named)


class _DaemonPool(ThreadPool):
    # a static method: a function, and from Python 3.14 on a partial too, would be given the pool first
    threadFactory = staticmethod(_daemon_thread)  # type: ignore[assignment]


class OneThread:
    """A pool of one thread of our own, so that DNS and the reactor's pool do not wait for us, nor we for them.

    The thread is a daemon: one that hangs in the C library (a resolver without a time-out) must not keep the process
    from ending. Nothing that it does needs an orderly end; what does is awaited by its Deferred.
    """

    def __init__(self, reactor: Any, name: str) -> None:
        self._reactor = reactor
        self._pool = _DaemonPool(0, 1, name)
        self._running = 0

    @property
    def busy(self) -> bool:
        """Whether a call has not returned yet."""
        return self._running > 0

    def run(self, work: Callable[[], T]) -> Deferred[T]:
        """Call ``work`` in the thread, after those that were given before."""
        if not self._pool.started:
            self._pool.start()
        self._running += 1
        done: Deferred[T] = deferToThreadPool(self._reactor, self._pool, work)
        return done.addBoth(self._finished)

    def _finished(self, result: Any) -> Any:
        self._running -= 1
        return result

    def stop(self) -> bool:
        """Join the thread; False, without waiting, if a call has not returned."""
        if self.busy:
            return False
        if self._pool.started:
            self._pool.stop()
        return True
