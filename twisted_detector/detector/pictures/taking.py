"""Taking of one picture of a camera: by the first method that gives one, with the login that its device accepted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted_detector.detector.environment import Environment
from twisted_detector.detector.login_attempt import attempt_for_purpose, attempt_login
from twisted_detector.errors import InspectionError, Unauthorized, Unreachable
from twisted_detector.model import Camera, Candidate, Login
from twisted_detector.model.cameras import Picture
from twisted_detector.registry.registry import Registry
from twisted_detector.seams import ILoginBudget, IPictureTaker


@dataclass(frozen=True, slots=True)
class PictureLogins:
    """The logins with which pictures are taken.

    :ivar login_of: the login that the device with this key accepted; no other is ever used.
    :ivar has_played: whether the device ever played a stream for a login.
    :ivar budget: charged before each is sent.
    """

    login_of: Callable[[int], Login | None]
    has_played: Callable[[int], bool]
    budget: ILoginBudget


class PictureTaking:
    """The one way in which a picture of a camera is taken, whoever asked for it.

    :param takers: the first that gives a picture of a camera has it.
    """

    def __init__(
        self, environment: Environment, registry: Registry, *, takers: Sequence[IPictureTaker], logins: PictureLogins
    ) -> None:
        self._clock = environment.clock
        self._excluded = environment.excluded
        self._registry = registry
        self._takers = tuple(takers)
        self._login_of = logins.login_of
        self._has_played = logins.has_played
        self._budget = logins.budget

    async def take(self, camera_id: str, first: str = "") -> Picture | None:
        """The picture of the first taker that gives one; None where there is no camera, or no taker for it.

        :param first: name of the taker that is asked before the others: the one that gave the picture before.
        :raises InspectionError: none gave a picture; the last problem that a taker had.
        """
        camera, key = self._registry.camera(camera_id), self._registry.key_of_camera(camera_id)
        if camera is None or key is None:
            return None
        candidate = self._registry.candidate(key)
        if not self._registry.is_at(key, camera.address):
            raise Unreachable("another device answers at its address")
        if camera.address in self._excluded:
            raise Unreachable("nothing is sent to its address (SCAN_EXCLUDE)")
        login = self._login_of(key)
        problem: InspectionError | None = None
        for taker in sorted(self._takers, key=lambda one: one.name != first):
            try:
                if taker.of_stream and login is not None and self._has_played(key):
                    picture = await self._play_with(taker, camera, candidate, login)
                else:
                    picture = await self._take_with(taker, camera, candidate, login)
            except Unauthorized as error:
                problem = error
                if error.locked:
                    break
                continue
            except InspectionError as error:
                problem = error
                continue
            if picture is not None:
                return picture
        if problem is not None:
            raise problem
        return None

    async def _play_with(
        self, taker: IPictureTaker, camera: Camera, candidate: Candidate, login: Login
    ) -> Picture | None:
        """The picture of a taker that does with the login what every check does with it."""
        picture, _ = await attempt_login(
            self._budget, self._clock, candidate, login, lambda lent: taker.take(camera, lent)
        )
        return picture

    async def _take_with(
        self, taker: IPictureTaker, camera: Camera, candidate: Candidate, login: Login | None
    ) -> Picture | None:
        """One taker's picture.

        The login is charged for the taker's name as purpose: a login without the right to snapshots may be good for the
        stream.
        """
        budget, clock, purpose = self._budget, self._clock, taker.name
        over = await budget.charge_purpose(candidate, login, clock.seconds(), purpose) if login is not None else None
        if login is None or over is None:
            try:
                return await taker.take(camera, None)
            except Unauthorized as error:
                if error.locked:
                    budget.record_lockout(candidate, clock.seconds())
                elif login is not None:
                    raise Unauthorized(self._withheld(candidate, purpose), attempted=False) from None
                raise
        return await attempt_for_purpose(
            budget, clock, candidate, login, purpose, lambda lent: taker.take(camera, lent), over=over
        )

    def _withheld(self, candidate: Candidate, purpose: str) -> str:
        """Why the login that the device accepted was not sent for a picture."""
        wait = self._budget.explain_wait(candidate, self._clock.seconds())
        return (
            wait or f"it refused its login for a {purpose} lately, or did not answer, or one attempt is left: not sent"
        )
