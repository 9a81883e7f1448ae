"""Move check: whether a device that is seen at another address has moved there, or has two addresses.

A device that still answers where it was has not moved: it has two addresses, or something else has its MAC (a repeater
answers ARP for all behind it). Which of the two, it says itself when it is asked at the other address.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace

from txaio.tx import make_logger

from twisted_detector.detector.environment import Environment
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import ILiveness
from twisted_detector.model import Candidate, Inspection, Mac, Sighting
from twisted_detector.registry.matching import as_sighting
from twisted_detector.registry.registry import Registry

#: Sightings of one address that wait for the result: a sweep brings three, and announcements are repeated.
MAX_HELD = 8
#: Addresses that are checked at one time; beyond it, what is seen is believed at once.
MAX_ADDRESSES = 64


class MoveCheck:
    """Filter between sightings and registry. Counts ``second_addresses``.

    :param liveness: whether a device answers at an address; None: nothing is checked, every move is believed.
    :param macs: what the kernel knows now, address → MAC.
    :param identify: asks the device at an address for its identity, without any login; None: it gives none.
    """

    log = make_logger()

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        liveness: ILiveness | None,
        macs: Callable[[], Mapping[str, Mac]],
        identify: Callable[[Candidate], Awaitable[Inspection | None]],
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._liveness = liveness
        self._macs = macs
        self._identify = identify
        self._held: dict[str, list[Sighting]] = {}

    async def verify(self, sighting: Sighting) -> Sequence[Sighting]:
        """The sightings to believe now: this one, after what was learnt by the check; none while one of the same
        address is being checked, which then brings this one too.

        Never raises for what a device does.
        """
        address = sighting.address
        held = self._held.get(address)
        if held is not None:
            if len(held) < MAX_HELD:
                held.append(sighting)
            return ()
        now = self._environment.now()
        key = self._registry.device_moved_by(sighting, now) if sighting.mac is not None else None
        if key is None or self._liveness is None or len(self._held) >= MAX_ADDRESSES:
            return (sighting,)
        held = self._held[address] = [sighting]
        try:
            device = self._registry.candidate(key)
            if await self._still_answers(self._liveness, device):
                self._environment.counts["second_addresses"] += 1
                held[:1] = await self._identified(device, sighting)
                if self._registry.knows(key):
                    self._registry.confirm_address(key, self._environment.now())
        finally:
            del self._held[address]
        return held

    async def _still_answers(self, liveness: ILiveness, device: Candidate) -> bool:
        """Whether a device answers where it was, and not another one in its place."""
        if device.mac is None or device.address in self._environment.excluded:
            return False
        try:
            answers = await liveness.is_alive(device.address, (*device.rtsp_ports, *device.open_ports))
        except (OSError, CamdetectError) as problem:
            self.log.warn("{address} cannot be probed: {problem}", address=device.address, problem=problem)
            return False
        return answers and self._macs().get(device.address) == device.mac

    async def _identified(self, device: Candidate, sighting: Sighting) -> list[Sighting]:
        """A sighting, and before one that has a MAC but no identity the identity that the device there gives."""
        if sighting.endpoint_reference or sighting.evidence:
            return [sighting]
        inspection = await self._identify(
            replace(
                device,
                device_id="",
                address=sighting.address,
                # The host of each is replaced by the address that is asked.
                xaddrs=device.xaddrs,
                open_ports=tuple(dict.fromkeys((*sighting.open_ports, *device.open_ports))),
                known_urls=(),
            )
        )
        if inspection is None:
            return [sighting]
        return [replace(as_sighting(inspection, sighting.address), mac=sighting.mac), sighting]
