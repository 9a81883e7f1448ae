"""A reactor whose timers run by a monotonic clock, and whose ``seconds`` is still the wall's time.

Twisted measures its timers with the wall clock. When that is set back by an hour (NTP, an administrator, a board
without a battery), every timer waits an hour longer: reconnects, commits, heartbeats. :func:`monotonic_reactor`
replaces ``reactor.seconds``, by which the reactor runs its timers, and returns a proxy with the old one, for stamps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from zope.interface import directlyProvides, providedBy

from twisted_detector.errors import LocalError


class _MonotonicReactor:
    """Proxy of the reactor whose ``seconds`` is the wall's time, for stamps."""

    def __init__(self, reactor: Any, wall: Callable[[], float]) -> None:
        self._reactor = reactor
        self.seconds = wall

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)


def monotonic_reactor(reactor: Any, monotonic: Callable[[], float] = time.monotonic) -> Any:
    """Give the timers of ``reactor`` another clock, and return the proxy that is to be used in its place.

    Its ``callLater`` counts by ``monotonic``, its ``seconds`` is still the wall's, and it provides the same interfaces.
    For the root of a program, before anything else uses the reactor.

    :param monotonic: seconds of a clock that never jumps.
    :raises LocalError: timers are under way already; the other clock would mean nothing to them.
    """
    if reactor.getDelayedCalls():
        raise LocalError("a reactor is made steady before it has timers")
    wall = reactor.seconds
    reactor.seconds = monotonic
    proxy = _MonotonicReactor(reactor, wall)
    directlyProvides(proxy, providedBy(reactor))
    return proxy
