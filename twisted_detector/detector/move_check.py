"""A sighting that would move a known device goes in; what is to be believed comes out, after a look at its old address.

A device that still answers where it was has not moved: it has two addresses, or something else has its MAC (a repeater
answers ARP for all behind it). Which of the two, it says itself when it is asked at the other address.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Container, Mapping, Sequence
from dataclasses import replace

from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import ILiveness
from twisted_detector.model import Candidate, Inspection, Mac, Sighting
from twisted_detector.registry.matching import as_sighting
from twisted_detector.registry.registry import Registry

#: Sightings of one address that wait for the answer: a sweep brings three, and announcements are repeated.
MAX_HELD = 8
#: Addresses that are looked after at one time; beyond it, what is seen is believed at once.
MAX_ADDRESSES = 64


class MoveCheck:
    """Stands between the sightings and the registry.

    :param knock: tells whether anybody answers at an address; None: nobody knocks, every move is believed.
    :param macs: what the kernel knows now, address → MAC.
    :param identify: asks a device who it is, without any login; None: it does not say.
    :param excluded: addresses that are asked nothing.
    :param counts: where to count ``second_addresses``.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        knock: ILiveness | None,
        macs: Callable[[], Mapping[str, Mac]],
        identify: Callable[[Candidate], Awaitable[Inspection | None]],
        excluded: Container[str],
        counts: Counter[str],
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._knock = knock
        self._macs = macs
        self._identify = identify
        self._excluded = excluded
        self._held: dict[str, list[Sighting]] = {}
        self.counts = counts

    async def pass_on(self, sighting: Sighting) -> Sequence[Sighting]:
        """What is to be taken in now: the sighting, with what was learnt; nothing while its address is waited for.

        Never raises for what a device does.
        """
        address = sighting.address
        held = self._held.get(address)
        if held is not None:
            if len(held) < MAX_HELD:
                held.append(sighting)
            return ()
        key = self._registry.leaving(sighting, self._clock.seconds()) if sighting.mac is not None else None
        if key is None or self._knock is None or len(self._held) >= MAX_ADDRESSES:
            return (sighting,)
        held = self._held[address] = [sighting]
        try:
            device = self._registry.candidate(key)
            if await self._is_still_there(self._knock, device):
                self.counts["second_addresses"] += 1
                held[:1] = await self._introduced(device, sighting)
                if self._registry.knows(key):
                    self._registry.stays(key, self._clock.seconds())
        finally:
            del self._held[address]
        return held

    async def _is_still_there(self, knock: ILiveness, device: Candidate) -> bool:
        """Whether a device answers where it was, and not another one in its place."""
        if device.mac is None or device.address in self._excluded:
            return False
        try:
            answers = await knock.is_alive(device.address, (*device.rtsp_ports, *device.open_ports))
        except (OSError, CamdetectError) as problem:
            self.log.warn("{address} cannot be knocked at: {problem}", address=device.address, problem=problem)
            return False
        return answers and self._macs().get(device.address) == device.mac

    async def _introduced(self, device: Candidate, sighting: Sighting) -> list[Sighting]:
        """A sighting that says no more than its MAC, and before it what stands there says of itself."""
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
