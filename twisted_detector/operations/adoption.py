"""Commands of adoption: ``adopt``, ``unadopt``, ``block``, ``unblock`` and ``blocked``, for every way of asking."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from twisted_detector.detector.detector import Detector
from twisted_detector.errors import RemoteError
from twisted_detector.model import Adoption
from twisted_detector.model.encoding import rfc3339
from twisted_detector.registry.registry import Registry

Action = Callable[[dict[str, Any]], dict[str, Any]]


class AdoptionCommands:
    """Executor of the commands; each gets the fields of a command and returns those of its result.

    A camera that was just adopted is asked again at once: it may need a login that it was not given.
    """

    def __init__(self, clock: IReactorTime, registry: Registry, detector: Detector) -> None:
        self._clock = clock
        self._registry = registry
        self._detector = detector

    @property
    def actions(self) -> Mapping[str, Action]:
        """The commands by name."""
        return {
            "adopt": self._adopt,
            "unadopt": self._unadopt,
            "block": self._block,
            "unblock": self._unblock,
            "blocked": self._list_blocked,
        }

    def _adopt(self, command: dict[str, Any]) -> dict[str, Any]:
        """One camera by ``camera_id``; with ``"all": true``, every camera that is not adopted."""
        if command.get("all") is True:
            waiting = [one.id for one in self._registry.cameras() if not one.adopted.is_adopted]
            for camera_id in waiting:
                self._adopt_one(camera_id)
            return {"count": len(waiting)}
        camera_id = _text(command, "camera_id")
        self._adopt_one(camera_id)
        return {"camera_id": camera_id, "adopted": Adoption.PERSON.value}

    def _adopt_one(self, camera_id: str) -> None:
        if not self._registry.adopt(camera_id, self._clock.seconds()):
            raise RemoteError("no camera of that id", shown=camera_id)
        self._detector.check(camera_id)

    def _unadopt(self, command: dict[str, Any]) -> dict[str, Any]:
        camera_id = _text(command, "camera_id")
        camera = self._registry.camera(camera_id)
        if camera is None or not self._registry.unadopt(camera_id, self._clock.seconds()):
            raise RemoteError("no camera of that id", shown=camera_id)
        after = self._registry.camera(camera_id)
        if after is not None and after.adopted is Adoption.LISTED:
            raise RemoteError(
                "the configuration lists it, by its network in SCAN_NETWORKS or a heading of the logins: take it out"
                " there, or block it",
                shown=camera_id,
            )
        self._detector.check(camera_id)
        return {"camera_id": camera_id, "adopted": Adoption.NO.value}

    def _block(self, command: dict[str, Any]) -> dict[str, Any]:
        camera_id = _text(command, "camera_id")
        if self._registry.camera(camera_id) is None:
            raise RemoteError("no camera of that id", shown=camera_id)
        if not self._registry.block(camera_id, self._clock.seconds()):
            raise RemoteError("so many devices are blocked that there is no room for more; unblock some")
        return {"camera_id": camera_id, "adopted": Adoption.BLOCKED.value}

    def _unblock(self, command: dict[str, Any]) -> dict[str, Any]:
        """``device``: the id that it had, its MAC or its EndpointReference."""
        device = _text(command, "device")
        if not self._registry.unblock(device, self._clock.seconds()):
            raise RemoteError("no blocked device has that id, MAC or EndpointReference", shown=device[:60])
        self._detector.rescan()
        return {"device": device}

    def _list_blocked(self, _: dict[str, Any]) -> dict[str, Any]:
        return {
            "devices": [
                {"device": device_id, "macs": list(one.macs), "reference": one.reference, "since": rfc3339(one.at)}
                for device_id, one in sorted(self._registry.blocked().items())
            ]
        }


def _text(command: Mapping[str, Any], name: str) -> str:
    value = command.get(name)
    if not isinstance(value, str) or not value:
        raise RemoteError(f"this command wants {name!r}")
    return value
