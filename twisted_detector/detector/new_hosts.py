"""Prober of addresses at which a host appeared that is no known camera."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.task_group import TaskGroup, describe_failure
from twisted_detector.interfaces import IAddressProbe, ISightingSink
from twisted_detector.model import Mac
from twisted_detector.model.bounds import MAX_HOSTS, BoundedDict

#: Probes at one time; each is some ten datagrams, or a connect to each usual port. A flood of made-up neighbours gets
#: no more, and the sweep finds all.
MAX_PROBES = 16
#: Seconds after which one probe is given up.
TIMEOUT = 10.0
#: Hosts that are remembered, so that one that comes and goes in the kernel's table is not probed each time.
MAX_REMEMBERED = MAX_HOSTS
#: Seconds after which a host is new again.
REPEAT_AFTER = 600.0
#: Seconds after which one at which no device was found is probed once more: a camera has an address some seconds before
#: it answers, and one that answers its manufacturer's search only says nothing when it is ready.
SECOND_PROBE = 15.0
#: Hosts that wait for it: as many as are probed within that time when each takes two seconds.
MAX_WAITING = 128


class NewHosts:
    """Starts the probes of each new host, twice in ``REPEAT_AFTER`` seconds at most for each address and MAC.

    Counts ``newcomers``, which were probed, and ``dropped_newcomers``, for which there was no room.

    :param probes: the discoverers that can probe one address.
    :param sink: gets the sightings.
    :param is_known: whether a device is known at an address.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        probes: Sequence[IAddressProbe],
        *,
        sink: ISightingSink,
        is_known: Callable[[str], bool],
    ) -> None:
        self._environment = environment
        self._probes = tuple(probes)
        self._sink = sink
        self._is_known = is_known
        self._waiting: set[IDelayedCall] = set()
        self._probed_at: BoundedDict[tuple[str, Mac | None], float] = BoundedDict(MAX_REMEMBERED)
        self._running = TaskGroup("A probe", limit=MAX_PROBES)

    def host_appeared(self, address: str, mac: Mac | None) -> None:
        """A host that is no known camera is at ``address``."""
        environment, key = self._environment, (address, mac)
        now = environment.monotonic()
        if not self._probes or now - self._probed_at.get(key, float("-inf")) < REPEAT_AFTER:
            return
        if self._running.room < len(self._probes):
            environment.counts["dropped_newcomers"] += 1
            return
        self._probed_at.pop(key, None)
        self._probed_at[key] = now
        environment.counts["newcomers"] += 1
        environment.record(address, "neighbours", f"a new neighbour, {mac}: it is looked at")
        self._probe(address)
        if len(self._waiting) < MAX_WAITING:

            def due() -> None:
                self._waiting.discard(call)
                if self._running.room >= len(self._probes) and not self._is_known(address):
                    self._probe(address)

            call = environment.clock.callLater(SECOND_PROBE, due)
            self._waiting.add(call)

    def _probe(self, address: str) -> None:
        for one in self._probes:
            self._running.start(self._run(one, address))

    async def _run(self, probe: IAddressProbe, address: str) -> None:
        try:
            await Deferred.fromCoroutine(probe.probe(address, self._sink)).addTimeout(TIMEOUT, self._environment.clock)
        except CancelledError:
            raise
        except Exception as problem:
            self.log.warn(
                "{address} cannot be looked at by {method}: {error}",
                address=address,
                method=getattr(probe, "name", type(probe).__name__),
                error=describe_failure(problem, TIMEOUT),
            )

    def stop(self) -> Deferred[Any]:
        """Cancel every probe; fires when all have ended."""
        for call in self._waiting:
            call.cancel()
        self._waiting.clear()
        return self._running.cancel_all()
