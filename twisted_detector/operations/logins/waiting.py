"""Asker of the cameras that want a login: where another one may be tried, they need not wait for their next check."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from txaio.tx import make_logger

from twisted_detector.model import Status
from twisted_detector.model.bounds import TurnBudget
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget

#: Cameras that are looked at in one turn of the reactor, and seconds that this may take.
_CAMERAS_PER_TURN, _SECONDS_PER_TURN = 100, 0.005


class WaitingCameras:
    """Asker of cameras that want a login, at each change of the logins.

    :param budget: says whether a camera may be given one now.
    :param check: has a camera asked again at once, by its id.
    """

    log = make_logger()

    def __init__(
        self,
        reactor: Any,
        registry: Registry,
        *,
        budget: ILoginBudget,
        check: Callable[[str], object],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reactor = reactor
        self._registry = registry
        self._budget = budget
        self._check = check
        self._turn = TurnBudget(_CAMERAS_PER_TURN, _SECONDS_PER_TURN, monotonic)
        self._steps: Iterator[None] | None = None

    def logins_changed(self) -> None:
        """Another login may be there; one that changes while cameras are gone through begins anew."""
        is_under_way = self._steps is not None
        self._steps = self._looking()
        if not is_under_way:
            Deferred.fromCoroutine(self._run()).addErrback(
                lambda failure: self.log.failure("Cameras that wait for a login are not asked", failure=failure)
            )

    async def _run(self) -> None:
        try:
            while self._steps is not None and self._turn.advance(self._steps):
                await deferLater(self._reactor, 0)
        finally:
            self._steps = None

    def _looking(self) -> Iterator[None]:
        asked: set[str] = set()
        for camera in self._registry.cameras():
            yield
            key = self._registry.key_of_camera(camera.id)
            if camera.status is not Status.AUTH_REQUIRED or camera.device_id in asked or key is None:
                continue
            asked.add(camera.device_id)
            if self._budget.allowed_logins(self._registry.candidate(key), self._reactor.seconds()):
                self._check(camera.id)
