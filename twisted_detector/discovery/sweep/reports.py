"""Collector of the open ports of each host of a sweep: one report of a host, with all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

#: Seconds after its first open port in which the others of a host are waited for. Where nothing is dropped all answer
#: within milliseconds; behind a firewall that drops packets a port takes up to a second until it counts as closed.
GRACE = 0.25


@dataclass(slots=True)
class _Found:
    since: float
    ports: list[int] = field(default_factory=list)


class PortReports:
    """Reports each host once, when all its ports are decided, or ``GRACE`` after the first open one.

    Ports that answer later than that bring a second report. A host without an open port is not reported.

    :param report: called with an address and all its open ports so far, in the order in which they answered.
    """

    def __init__(self, report: Callable[[str, tuple[int, ...]], None]) -> None:
        self._report = report
        self._found: dict[str, _Found] = {}
        #: Those that have something to report, in order of ``since``.
        self._waiting: dict[str, _Found] = {}

    def port_opened(self, address: str, port: int, now: float) -> None:
        """A port of a host is open."""
        found = self._found.get(address)
        if found is None:
            found = self._found[address] = _Found(now)
        elif address not in self._waiting:
            found.since = now
        found.ports.append(port)
        self._waiting[address] = found

    def host_ended(self, address: str) -> None:
        """All ports of a host are decided."""
        found = self._found.pop(address, None)
        if found is not None and self._waiting.pop(address, None) is not None:
            self._report(address, tuple(found.ports))

    def report_due(self, now: float) -> None:
        """Report the hosts that waited long enough."""
        while self._waiting:
            address, found = next(iter(self._waiting.items()))
            if now - found.since < GRACE:
                return
            del self._waiting[address]
            self._report(address, tuple(found.ports))
