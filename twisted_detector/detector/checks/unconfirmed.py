"""Check of devices that are known by their word alone: whether they are there, for no inspection tells that."""

from __future__ import annotations

from contextlib import suppress

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.verification.mac_lookup import MacLookup
from twisted_detector.errors import CamdetectError
from twisted_detector.interfaces import ILiveness
from twisted_detector.model import Candidate
from twisted_detector.registry.registry import Registry

_AWAY = "it is not there any more"


class UnconfirmedCheck:
    """Checks one device per call: by one connection, which may be refused, and its MAC, which the kernel looks up then.

    Where neither shows the device it is away. No more is asked in each round; the dozens of questions of an inspection
    come once an hour, or when it shows something new.

    :param liveness: None: it is only looked whether the kernel knows the MAC.
    """

    def __init__(
        self, environment: Environment, registry: Registry, *, mac_lookup: MacLookup, liveness: ILiveness | None
    ) -> None:
        self._environment = environment
        self._registry = registry
        self._mac_lookup = mac_lookup
        self._liveness = liveness

    async def check(self, key: int) -> None:
        """Record whether a device is there."""
        if not self._is_one(key):
            return
        device = self._registry.candidate(key)
        environment = self._environment
        barred = device.address in environment.excluded or environment.gate.explain_refusal(device.address)
        here = not barred and await self._is_there(device)
        if not self._is_one(key) or not self._registry.is_at(key, device.address):
            return
        if here:
            self._registry.record_presence(key, environment.now())
        else:
            self._registry.record_no_answer(key, _AWAY, environment.now())

    def _is_one(self, key: int) -> bool:
        return self._registry.knows(key) and self._registry.is_unconfirmed(key)

    async def _is_there(self, device: Candidate) -> bool:
        answers = False
        if self._liveness is not None:
            with suppress(OSError, CamdetectError):
                answers = await self._liveness.is_alive(device.address, (*device.rtsp_ports, *device.open_ports))
        if device.mac is None:
            return answers
        # It may answer no connection at all; and another device may have its address by now.
        return await self._mac_lookup.mac_of(device.address) == device.mac
