"""The command ``login``: logins that a device refused are tried there again, because a person says so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.interfaces import IReactorTime

from twisted_detector.detector.detector import Detector
from twisted_detector.errors import RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.model import parse_address
from twisted_detector.registry.registry import Registry


class LoginCommand:
    """Executor of ``login``; its one ``action`` is ``retry``.

    The device is asked again at once. The bound of two failures in 30 minutes holds for a person's word as well; the
    answer tells when there is room.
    """

    def __init__(self, clock: IReactorTime, registry: Registry, detector: Detector, budget: LoginBudget) -> None:
        self._clock = clock
        self._registry = registry
        self._detector = detector
        self._budget = budget

    def execute(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Retry at the device of a camera (``camera_id``), or at an ``address``.

        :raises RemoteError: another action, or no device of that id or address.
        """
        if fields.get("action") != "retry":
            raise RemoteError("login knows one action: retry", shown=ascii(fields.get("action"))[:60])
        key = self._key_of(fields.get("camera_id"), fields.get("address"))
        now = self._clock.seconds()
        candidate = self._registry.candidate(key)
        logins = self._budget.retry(candidate, now)
        waits = self._budget.explain_wait(candidate, now)
        for camera in self._registry.cameras_of(key)[:1]:
            self._detector.check(camera.id)
        names = list(dict.fromkeys(login.name for login in logins))
        return {"address": candidate.address, "logins": names, "waits": waits}

    def _key_of(self, camera_id: object, address: object) -> int:
        if isinstance(camera_id, str) and camera_id:
            key = self._registry.key_of_camera(camera_id)
            if key is None:
                raise RemoteError("no camera of that id", shown=camera_id[:60])
            return key
        if not isinstance(address, str) or not address:
            raise RemoteError("this command wants 'camera_id' or 'address'")
        keys = self._registry.keys_at(str(parse_address(address)))
        if len(keys) > 1:
            raise RemoteError("several devices are at that address; name one by its camera_id", shown=address)
        if not keys:
            raise RemoteError("no device is known at that address", shown=address)
        return keys[0]
