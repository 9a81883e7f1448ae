"""A reactor goes in; it comes out with timers that no jump of the wall clock holds up or hurries, and tells the time.

Twisted measures its timers with the wall clock. When that is set back by an hour (NTP, an administrator, a board
without a battery), every timer waits an hour longer: reconnects, commits, heartbeats. Made steady, they follow another
clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from zope.interface import directlyProvides, providedBy

from twisted_detector.errors import LocalError


class _MonotonicReactor:
    """The reactor, but for ``seconds``: who asks gets the wall's time, as stamps want it."""

    def __init__(self, reactor: Any, wall: Callable[[], float]) -> None:
        self._reactor = reactor
        self.seconds = wall

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


def monotonic_reactor(reactor: Any, monotonic: Callable[[], float] = time.monotonic) -> Any:
    """Give the timers of ``reactor`` another clock; what is returned is handed down in its place.

    Its ``callLater`` counts by ``monotonic``, its ``seconds`` is still the wall's, and it provides the same interfaces.
    For the root of a program, before anything else uses the reactor.

    :param monotonic: seconds of a clock that never jumps.
    :raises LocalError: timers are under way already; the other clock would mean nothing to them.
    """
    if reactor.getDelayedCalls():
        raise LocalError("a reactor is made steady before it has timers")
    wall = reactor.seconds
    reactor.seconds = monotonic
    steady = _MonotonicReactor(reactor, wall)
    directlyProvides(steady, providedBy(reactor))
    return steady
