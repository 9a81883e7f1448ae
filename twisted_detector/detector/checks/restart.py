"""First check after a restart: who was well a day ago at most, and shows its MAC, is checked and not inspected.

An inspection asks ten questions, a check one for each camera: it proves a stream in full, with the login that the
budget allows, as every check does. Nothing is asked before the MAC of the device was seen at its address, so that the
login goes where it went before the restart. A device at whose address another MAC is seen has not answered: who stands
there now is seen by the first sweep.
"""

from __future__ import annotations

from contextlib import suppress

from twisted_detector.detector.checks.routine_check import RoutineCheck
from twisted_detector.detector.environment import Environment
from twisted_detector.detector.verification.mac_lookup import METHOD, MacLookup
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import ILiveness
from twisted_detector.model import Candidate, Mac, Sighting
from twisted_detector.registry.lifecycle import Phase
from twisted_detector.registry.registry import Registry

#: Seconds for which a camera that was well is taken for the same as before: names and profiles change less often, and
#: an inspection for what may have changed unnoticed follows after some hours.
DAY = 86_400.0


class RestartCheck:
    """Set of the devices that an earlier run knew, until each was asked. Counts ``spared_inspections``.

    :param liveness: makes the kernel look for a device whose MAC it does not know; None: it is inspected.
    """

    def __init__(
        self,
        environment: Environment,
        registry: Registry,
        *,
        routine: RoutineCheck,
        mac_lookup: MacLookup,
        liveness: ILiveness | None,
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._routine = routine
        self._mac_lookup = mac_lookup
        self._liveness = liveness
        self._unseen: set[int] = set()
        #: Those that were well, and may be checked.
        self._well: set[int] = set()

    def start(self) -> None:
        """Take down who is known, and who was well, before anything is asked or seen.

        A camera is saved whenever its status changes, and not each time that it is checked: so all that were saved as
        online were it when the earlier run ended, and that was not before the latest moment at which it saw any.
        """
        now = self._environment.now()
        self._unseen = set(self._registry.devices())
        seen = [one.last_seen for one in self._registry.cameras() if one.last_seen <= now]
        self._well = set(filter(self._registry.was_well, self._unseen if seen and now - max(seen) <= DAY else ()))

    def discard(self, key: int) -> None:
        """A person asks for the device: it is inspected."""
        self._well.discard(key)

    async def suffices(self, key: int) -> bool:
        """Check a device whose inspection is due, if that may do.

        :returns: whether it did, or the device is not there; else the device is to be inspected.
        """
        if key not in self._unseen:
            return False
        self._unseen.discard(key)
        may_check = key in self._well
        self._well.discard(key)
        device = self._registry.candidate(key)
        if device.mac is None or not self._environment.gate.shows_mac(device.address):
            return False
        seen = await self._mac_seen(device, knock=may_check)
        if not self._registry.knows(key):
            return True
        if seen is not None and seen != device.mac and not self._is_its_own(key, device, seen):
            self._routine.record_taken(key)
            return True
        return may_check and seen == device.mac and await self._check(key)

    async def _mac_seen(self, device: Candidate, *, knock: bool) -> Mac | None:
        """The MAC that the kernel sees at the address of a device now."""
        if knock and self._liveness is not None and not self._mac_lookup.is_known(device.address):
            with suppress(OSError, CamdetectError):
                await self._liveness.is_alive(device.address, (*device.rtsp_ports, *device.open_ports))
        return await self._mac_lookup.mac_of(device.address)

    def _is_its_own(self, key: int, device: Candidate, seen: Mac) -> bool:
        """Whether a MAC is another one of the device: it has a cable and Wi-Fi."""
        return self._registry.key_of(Sighting(METHOD, device.address, self._environment.now(), seen)) == key

    async def _check(self, key: int) -> bool:
        await self._routine.prove(key)
        if not self._registry.knows(key):
            return True
        phase = self._registry.phase(key)
        if phase is Phase.ONLINE:
            self._environment.counts["spared_inspections"] += 1
            self._registry.spare_inspection(key, self._environment.now())
        return phase in (Phase.ONLINE, Phase.SUSPECT, Phase.OFFLINE)
