"""Runner of what takes long in another thread, one function at a time: the reactor serves other devices meanwhile."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, TypeVar

from twisted.internet.defer import DeferredSemaphore
from twisted.internet.threads import deferToThreadPool

T = TypeVar("T")

#: Seconds after which the other thread hands the interpreter back to the reactor. Python's own 5 ms are taken at each
#: system call of the reactor, for it lets go of the interpreter there: ten of them in one turn held it up for 50 ms.
SWITCH_INTERVAL = 0.0005


class OtherThread:
    """Runs functions in the reactor's pool of threads.

    One at a time: several would share the interpreter with the reactor, and leave it less. What waits is bounded by the
    devices that are inspected at one time.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        sys.setswitchinterval(min(SWITCH_INTERVAL, sys.getswitchinterval()))
        self._room = DeferredSemaphore(1)

    async def run(self, function: Callable[[], T]) -> T:
        """The result of ``function()``; raises what it raises. It must touch nothing that another thread may."""
        async with self._room:
            result: T = await deferToThreadPool(self._reactor, self._reactor.getThreadPool(), function)
        return result
