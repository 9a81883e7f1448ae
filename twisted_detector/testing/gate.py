"""Gate that holds coroutines until a test opens it."""

from __future__ import annotations

from twisted.internet.defer import Deferred


class Gate:
    """Coroutines that :meth:`wait` here go on when it is opened.

    :ivar waiting: how many wait now.
    """

    def __init__(self) -> None:
        self._waiters: list[Deferred[None]] = []

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    async def wait(self) -> None:
        """Wait; ends with CancelledError when the waiting is cancelled."""
        waiter: Deferred[None] = Deferred(self._waiters.remove)
        self._waiters.append(waiter)
        await waiter

    def open(self) -> None:
        """Let all go on that wait now."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)
