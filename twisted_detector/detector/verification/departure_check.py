"""Departure check: whether a device that said goodbye is gone.

A goodbye is one datagram, which anybody on the link can send in the name of any device. So it is only a reason to knock
at the device, some times, for a device that really leaves answers for some seconds more. It is gone when it does not
answer twice in a row; one that answers all the time has not said goodbye, and nothing is published.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.task_group import TaskGroup
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import ILiveness
from twisted_detector.model import Candidate, Mac
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

#: Devices that are checked at one time: many that lose their power together are missed by the routine checks as well.
MAX_CHECKS = 32
#: Seconds between a goodbye and the first check, and between the checks. A camera that shuts down, or restarts, says
#: goodbye first and closes its ports within seconds. Goodbyes that come meanwhile change nothing: six connections in 16
#: seconds are all that any number of forged ones costs a device.
DELAYS = (0.3, 0.7, 1.0, 2.0, 4.0, 8.0)
#: Seconds after which a device that did not answer is asked once more: one in Wi-Fi power save misses a moment.
CONFIRM_AFTER = 1.0

_PORTS = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}


class DepartureCheck:
    """Filter between goodbyes and registry. Counts ``disproved_goodbyes``, and ``dropped_goodbyes`` without room.

    :param liveness: knocks at a device; None: every goodbye is believed.
    :param macs: what the kernel knows now, address → MAC.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        liveness: ILiveness | None,
        macs: Callable[[], Mapping[str, Mac]],
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._liveness = liveness
        self._macs = macs
        self._running = TaskGroup("A check of a goodbye", limit=MAX_CHECKS)

    def __len__(self) -> int:
        return len(self._running)

    def receive(self, source: str, address: str, reference: str) -> None:
        """A goodbye was received in the name of the device at ``address``."""
        key = self._registry.device_departing(address, reference)
        if key is None or self._registry.phase(key) is Phase.OFFLINE or key in self._running:
            return
        if self._liveness is None or not self._registry.cameras_of(key):
            self._registry.record_departure(address, self._environment.now(), reference=reference)
        elif self._running.room:
            self._running.start(self._check(self._liveness, key, source, address, reference), key=key)
        else:
            self._environment.counts["dropped_goodbyes"] += 1

    async def _check(self, liveness: ILiveness, key: int, source: str, address: str, reference: str) -> None:
        for delay in DELAYS:
            if await self._is_away(liveness, key, delay) and await self._is_away(liveness, key, CONFIRM_AFTER):
                self._registry.record_departure(address, self._environment.now(), reference=reference)
                return
            if self._registry.device_departing(address, reference) != key:
                return  # it has moved, was forgotten, or proved to be another
        self._environment.counts["disproved_goodbyes"] += 1
        self._environment.record(address, source, "it said goodbye, and answers all the same: it has not left")

    async def _is_away(self, liveness: ILiveness, key: int, delay: float) -> bool:
        """Whether a device does not answer, ``delay`` seconds from now."""
        await deferLater(self._environment.clock, delay)
        if not self._registry.knows(key):
            return False
        device = self._registry.candidate(key)
        if device.address in self._environment.excluded:
            return False
        try:
            answers = await self._answers(liveness, device)
        except (OSError, CamdetectError) as problem:
            self.log.warn("{address} cannot be probed: {problem}", address=device.address, problem=problem)
            return False
        # Another device may have its address by now.
        taken = device.mac is not None and self._macs().get(device.address, device.mac) != device.mac
        return not answers or taken

    async def _answers(self, liveness: ILiveness, device: Candidate) -> bool:
        ports = _ports_of(device)
        if ports:
            return await liveness.accepts(device.address, ports)
        return await liveness.is_alive(device.address, (*device.rtsp_ports, *device.open_ports))

    def stop(self) -> Deferred[Any]:
        """Cancel every check; fires when all have ended."""
        return self._running.cancel_all()


def _ports_of(device: Candidate) -> tuple[int, ...]:
    """The ports at which a device has answered: of its proved streams, and of its services."""
    found: list[int] = []
    for url in (*device.known_urls, *device.xaddrs):
        try:
            parts = urlsplit(url)
            found.append(parts.port or _PORTS[parts.scheme])
        except (ValueError, KeyError):
            continue  # a plugin may know other kinds
    return tuple(dict.fromkeys(found))
