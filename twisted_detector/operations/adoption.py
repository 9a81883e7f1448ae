"""Commands of adoption: ``adopt``, ``unadopt``, ``block``, ``unblock`` and ``blocked``, for every way of asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from twisted_detector.detector.detector import Detector
from twisted_detector.errors import RemoteError
from twisted_detector.model import Adoption, Candidate
from twisted_detector.model.encoding import rfc3339
from twisted_detector.operations.decisions.commands import wanted_camera
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.operations.requests import Handler
from twisted_detector.registry.registry import Registry


class AdoptionCommands:
    """Executor of the commands; each gets the fields of a command and returns those of its result.

    A camera that was just adopted is asked again at once: it may need a login that it was not given.

    :param is_listed: whether the configuration names a device.
    """

    def __init__(
        self,
        registry: Registry,
        detector: Detector,
        *,
        verdicts: VerdictCarrier,
        is_listed: Callable[[Candidate], bool],
    ) -> None:
        self._registry = registry
        self._detector = detector
        self._verdicts = verdicts
        self._is_listed = is_listed

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The commands by name."""
        return {
            "adopt": self._adopt,
            "unadopt": self._unadopt,
            "block": self._block,
            "unblock": self._unblock,
            "blocked": self._list_blocked,
        }

    async def _adopt(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        """One camera by ``camera_id``, several by ``camera_ids``; with ``"all": true``, all that are not adopted.

        Of several, those that were forgotten meanwhile are passed over.
        """
        if command.get("all") is True:
            waiting = [one.id for one in self._registry.cameras() if not one.adopted.is_adopted]
            return await self._adopt_several(waiting)
        if "camera_ids" in command:
            named = command["camera_ids"]
            if not isinstance(named, list) or not all(isinstance(one, str) for one in named):
                raise RemoteError("camera_ids: must be a list of ids")
            known = [one for one in dict.fromkeys(named) if self._registry.camera(one) is not None]
            return await self._adopt_several(known)
        camera = wanted_camera(self._registry, command)
        await self._verdicts.adopt([camera.id])
        self._detector.check(camera.id)
        return {"camera_id": camera.id, "adopted": Adoption.PERSON.value}

    async def _adopt_several(self, camera_ids: Sequence[str]) -> Mapping[str, Any]:
        await self._verdicts.adopt(camera_ids)
        for camera_id in camera_ids:
            self._detector.check(camera_id)
        return {"count": len(camera_ids)}

    async def _unadopt(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        camera = wanted_camera(self._registry, command)
        key = self._registry.key_of_camera(camera.id)
        if key is not None and self._is_listed(self._registry.candidate(key)):
            raise RemoteError(
                "the configuration lists it, by its network in SCAN_NETWORKS or a heading of the logins: take it out"
                " there, or block it",
                shown=camera.id,
            )
        await self._verdicts.unadopt(camera.id)
        self._detector.check(camera.id)
        return {"camera_id": camera.id, "adopted": Adoption.NO.value}

    async def _block(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        camera = wanted_camera(self._registry, command)
        if not await self._verdicts.block(camera.id):
            raise RemoteError("so many devices are blocked that there is no room for more; unblock some")
        return {"camera_id": camera.id, "adopted": Adoption.BLOCKED.value}

    async def _unblock(self, command: Mapping[str, Any]) -> Mapping[str, Any]:
        """``device``: the id that it had, its MAC or its EndpointReference."""
        device = command.get("device")
        if not isinstance(device, str) or not device:
            raise RemoteError("this command needs 'device'")
        if not await self._verdicts.unblock(device):
            raise RemoteError("no blocked device has that id, MAC or EndpointReference", shown=device[:60])
        self._detector.rescan()
        return {"device": device}

    async def _list_blocked(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "devices": [
                {"device": device_id, "macs": list(one.macs), "reference": one.reference, "since": rfc3339(one.at)}
                for device_id, one in sorted(self._registry.blocked().items())
            ]
        }
