"""The command ``forget``: one camera by its id, or all that a filter names."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from txaio.tx import make_logger

from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.model import Adoption, Camera, Status
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.model.reach import Network, is_in
from twisted_detector.operations.decisions.commands import wanted_camera
from twisted_detector.registry.registry import Registry

#: Seconds of one turn of the reactor in which cameras are forgotten: with its messages each takes a millisecond.
SLICE_SECONDS, MAX_STEPS = 0.01, 1000
#: Ids that the answer names; the number is that of all.
MAX_NAMED = 100
_CRITERIA = ("status", "network", "adopted", "never_proved", "older_than")
#: What a command has beside them.
_OTHERS = ("command", "id", "dry_run")


@dataclass(frozen=True, slots=True)
class CameraFilter:
    """Criteria that a camera must meet, each that is given; None: any.

    :ivar older_than: seconds since it was last seen, at least.
    """

    statuses: frozenset[str] | None = None
    network: Network | None = None
    adopted: frozenset[Adoption] | None = None
    never_proved: bool | None = None
    older_than: float | None = None

    def matches(self, camera: Camera, now: float) -> bool:
        """Whether a camera meets all criteria. ``now``: wall seconds."""
        return (
            (self.statuses is None or camera.status.value in self.statuses)
            and (self.network is None or is_in(camera.address, (self.network,)))
            and (self.adopted is None or camera.adopted in self.adopted)
            and (self.never_proved is None or self.never_proved is not (camera.online or camera.last_validated > 0))
            and (self.older_than is None or now - camera.last_seen >= self.older_than)
        )


def read_filter(fields: Mapping[str, Any]) -> CameraFilter:
    """The filter that a command's fields make.

    :raises RemoteError: no criterion, one that is not known (a slip must not mean "all"), or a value that is none.
    """
    unknown = [name for name in fields if name not in (*_CRITERIA, *_OTHERS)]
    if unknown:
        raise RemoteError(f"forget knows {', '.join(_CRITERIA)}, and camera_id", shown=ascii(unknown[0])[:60])
    if not any(fields.get(name) is not None for name in _CRITERIA):
        raise RemoteError(f"forget wants a camera_id, or one of {', '.join(_CRITERIA)}")
    adopted = fields.get("adopted")
    if isinstance(adopted, bool):
        adopted = [one.value for one in Adoption if one.is_adopted is adopted]
    never_proved, older_than, network = fields.get("never_proved"), fields.get("older_than"), fields.get("network")
    if not isinstance(never_proved, bool | None):
        raise RemoteError("never_proved is true or false", shown=ascii(never_proved)[:60])
    if older_than is not None and not (
        isinstance(older_than, int | float) and not isinstance(older_than, bool) and math.isfinite(older_than)
    ):
        raise RemoteError("older_than is a number of seconds", shown=ascii(older_than)[:60])
    try:
        bounds = None if network is None else ip_network(str(network), strict=False)
    except ValueError:
        raise RemoteError("network is one in CIDR notation", shown=ascii(network)[:60]) from None
    words = _words(adopted, "adopted", [one.value for one in Adoption])
    return CameraFilter(
        statuses=_words(fields.get("status"), "status", [one.value for one in Status]),
        network=bounds,
        adopted=None if words is None else frozenset(map(Adoption, words)),
        never_proved=never_proved,
        older_than=older_than,
    )


class ForgetCommand:
    """Executor of ``forget``.

    :param drop: forgets what a person decided about these cameras.
    :param monotonic: seconds that never jump.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        drop: Callable[[Collection[str]], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._drop = drop
        self._budget = TurnBudget(MAX_STEPS, SLICE_SECONDS, monotonic)

    async def execute(self, fields: Mapping[str, Any]) -> dict[str, Any]:
        """Forget one camera at once, or begin to forget all that a filter names; the answer says which.

        :raises RemoteError: no camera with that id, or as :func:`read_filter`.
        :raises NotSaved: the disk did not take that what was decided about it is dropped; it is not forgotten.
        """
        if fields.get("camera_id") is not None:
            camera_id = wanted_camera(self._registry, fields).id
            await self._drop([camera_id])
            self._registry.forget(camera_id, self._clock.seconds())
            return {"camera_id": camera_id}
        wanted, now = read_filter(fields), self._clock.seconds()
        found = [camera.id for camera in self._registry.cameras() if wanted.matches(camera, now)]
        dry_run = fields.get("dry_run") is True
        if not dry_run:
            self._forget(found, wanted)
        return {"matched": len(found), "camera_ids": found[:MAX_NAMED], "dry_run": dry_run}

    def _forget(self, camera_ids: list[str], wanted: CameraFilter) -> None:
        gone: list[str] = []

        def steps() -> Any:
            for camera_id in camera_ids:
                camera, now = self._registry.camera(camera_id), self._clock.seconds()
                # It may have come back, or have been adopted, since the answer.
                if camera is not None and wanted.matches(camera, now):
                    self._registry.forget(camera_id, now)
                    gone.append(camera_id)
                yield

        left = steps()

        def turn() -> None:
            if self._budget.advance(left):
                self._clock.callLater(0, turn)
            else:
                Deferred.fromCoroutine(self._drop_all(gone))

        turn()

    async def _drop_all(self, camera_ids: list[str]) -> None:
        try:
            await self._drop(camera_ids)
        except CamdetectError as error:
            self.log.warn("What was decided about cameras that are forgotten is kept: {error}", error=str(error))


def _words(value: object, name: str, known: list[str]) -> frozenset[str] | None:
    """One word, or a list of words, that are known."""
    if value is None:
        return None
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not words or not all(isinstance(one, str) and one in known for one in words):
        raise RemoteError(f"{name} is one of {', '.join(known)}, or a list of them", shown=ascii(value)[:60])
    return frozenset(words)
