"""Limit of one thread for each destination: a disk that hangs holds one of the pool, and not all of them in the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted_detector.outputs.sync.seams import InThread, TargetUnavailable


class OwnThread:
    """Runs the work of one destination in a thread, and no second one before the first came back.

    A thread cannot be cancelled: a delivery that was given up goes on in it for as long as its network disk is away.
    """

    def __init__(self, in_thread: InThread) -> None:
        self._in_thread = in_thread
        self._busy = False

    async def __call__(self, work: Callable[[], Any]) -> Any:
        """What ``work`` returns.

        :raises TargetUnavailable: what was begun before has not come back.
        """
        if self._busy:
            raise TargetUnavailable("what was begun there before has not ended (a network disk that is away?)")
        self._busy = True

        def run() -> Any:
            try:
                return work()
            finally:
                self._busy = False

        return await self._in_thread(run)
