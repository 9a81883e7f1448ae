"""Look-up of MACs: of the address at which a device is seen, and of a device before it gets its name for ever."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.interfaces import INeighbours, ISightingSink
from twisted_detector.model import Mac, Sighting
from twisted_detector.registry.registry import Registry

METHOD = "neighbours"

#: A look-up that takes longer than this many seconds has no answer: the kernel gives up ARP after 3.
LOOKUP_TIMEOUT = 5.0
#: Seconds for which a device that answered on our link waits for its name: the kernel knows its MAC, but its event may
#: be among those that were lost (a second until the next dump), or wait behind a thousand others.
NAMING_TIMEOUT = 5.0
#: Seconds for one look-up meanwhile, and between two: what the kernel knows by then is read after each.
NAMING_LOOK, NAMING_PAUSE = 1.0, 0.5


class MacLookup:
    """Asks the kernel for MACs. Counts ``failed_lookups``, and ``named_without_mac``.

    :param neighbours: None: no MAC is looked up, and no name waits for one (MAC_TRACKING_ENABLED is off).
    :param sink: gets the MACs of devices that wait for their names.
    """

    log = make_logger()

    def __init__(
        self, environment: Environment, registry: Registry, *, neighbours: INeighbours | None, sink: ISightingSink
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._neighbours = neighbours
        self._sink = sink

    def is_known(self, address: str) -> bool:
        """Whether the MAC at ``address`` is known now; nothing is sent."""
        return self._neighbours is not None and address in self._neighbours.known()

    async def mac_of(self, address: str, timeout: float = LOOKUP_TIMEOUT) -> Mac | None:
        """The MAC at ``address``; None: it is not known, or not within ``timeout`` seconds."""
        if self._neighbours is None:
            return None
        if (known := self._neighbours.known().get(address)) is not None:
            return known
        counts = self._environment.counts
        try:
            lookup = Deferred.fromCoroutine(self._neighbours.mac_of(address))
            return await lookup.addTimeout(timeout, self._environment.clock)
        except CancelledError:
            raise
        except DeferredTimeout:
            counts["failed_lookups"] += 1
        except Exception:
            counts["failed_lookups"] += 1
            if counts["failed_lookups"] == 1:
                self.log.failure("MAC addresses cannot be looked up; cameras get other names meanwhile")
        return self._neighbours.known().get(address)

    async def settle_name(self, key: int) -> None:
        """Return when a device may be published: a name that it gets before its MAC was seen is a poor one for ever.

        The device has just answered, so the kernel knows the MAC. It is reported with the name that the device gave at
        that address, as if it had announced itself only now; it may show that the device is a known one.
        """
        ends_at = self._environment.monotonic() + NAMING_TIMEOUT
        while self._waits_for_mac(key):
            device = self._registry.candidate(key)
            left = ends_at - self._environment.monotonic()
            mac = await self.mac_of(device.address, max(0.0, min(left, NAMING_LOOK)))
            if mac is not None:
                seen = Sighting(METHOD, device.address, self._environment.now(), mac, device.endpoint_reference)
                self._sink.sighted(seen)
            if not self._waits_for_mac(key):
                return
            if left <= 0:
                self._environment.counts["named_without_mac"] += 1
                text = f"its MAC was not seen within {NAMING_TIMEOUT:g} s: it is named without it"
                self._environment.record(device.address, METHOD, text)
                return
            await deferLater(self._environment.clock, NAMING_PAUSE)

    def _waits_for_mac(self, key: int) -> bool:
        """Whether a device that was never published stands where its MAC can be seen, and was not."""
        if self._neighbours is None or not self._registry.knows(key) or self._registry.is_published(key):
            return False
        candidate = self._registry.candidate(key)
        if not self._registry.is_at(key, candidate.address):
            return False  # the MAC showed that it is another device
        seen = candidate.mac is not None or candidate.behind_shared_mac
        return not seen and self._environment.gate.shows_mac(candidate.address)
