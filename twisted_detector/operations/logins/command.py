"""Command ``login``: tries, keeps or removes a login that a person typed, or has a device ask for its own again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from txaio.tx import make_logger

from twisted_detector.detector.detector import Detector
from twisted_detector.detector.login_trial import TrialOutcome, TrialResult
from twisted_detector.errors import CamdetectError, RemoteError
from twisted_detector.inspection.logins.budget import LoginBudget
from twisted_detector.inspection.logins.configured import ConfiguredLogins
from twisted_detector.inspection.logins.history import MAX_FAILURES
from twisted_detector.model import Camera, Login, parse_address
from twisted_detector.operations.decisions.fields import read_login
from twisted_detector.operations.decisions.verdicts import VerdictCarrier
from twisted_detector.operations.logins.keeping import Audienced, LoginKeeper
from twisted_detector.registry.registry import Registry

#: Seconds until there is an answer, whatever the camera does: a page or a terminal waits for it.
WAIT_SECONDS = 10.0
#: Logins that are tried at one time, beside the bounds of inspections: a person tries one, a first run a few.
MAX_TRIALS = 8
_GOES_ON = "the camera has not answered yet; the attempt continues, and the camera's status will show the result"


class LoginCommand:
    """Executor of ``login``; its ``action`` is ``try``, ``save``, ``clear`` or ``retry``.

    The bound of two failures in 30 minutes holds for a person's word as well; the answer tells when there is room.

    :param logins: where a login stands while it is tried.
    """

    log = make_logger()

    def __init__(
        self,
        clock: IReactorTime,
        registry: Registry,
        *,
        detector: Detector,
        budget: LoginBudget,
        logins: ConfiguredLogins,
        verdicts: VerdictCarrier,
        keeper: LoginKeeper,
    ) -> None:
        self._clock = clock
        self._registry = registry
        self._detector = detector
        self._budget = budget
        self._logins = logins
        self._verdicts = verdicts
        self._keeper = keeper
        self._trying: set[str] = set()

    async def execute(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do what ``action`` says, at the device of a camera (``camera_id``), or at an ``address``.

        :raises RemoteError: another action, no device of that id or address, or a field that is refused.
        :raises NotSaved: the disk did not take what was to be kept.
        """
        action = fields.get("action")
        if action == "retry":
            return self._retry(fields)
        if action not in ("try", "save", "clear"):
            raise RemoteError("action: must be one of try, save, clear, retry")
        camera = self._camera_of(fields)
        if action == "clear":
            cleared = await self._verdicts.clear_login(camera.id)
            text = "its own login was removed" if cleared else "it had no login of its own"
            return {"camera_id": camera.id, "text": text, "kept": ""}
        login = read_login(fields.get("user"), fields.get("password"))
        audience = await self._keeper.audience_of(camera, fields.get("keep") or "camera")
        if action == "try" or audience.choice == "camera":
            self._check_identity(camera)
        if action == "try":
            return await self._answer_of(camera, login, audience)
        if audience.choice == "no":
            raise RemoteError("keep: with no there is nothing to save; try it, or choose what to keep it for")
        await self._keeper.keep(camera, login, audience)
        self._detector.check(camera.id)
        return {"camera_id": camera.id, "text": f"kept for: {audience.kept}", "kept": audience.kept}

    def _check_identity(self, camera: Camera) -> None:
        """:raises RemoteError: another device may stand where the adopted one did: it is not accepted in passing."""
        if why := self._registry.explain_difference(camera.id):
            raise RemoteError(f"it may be another device than was adopted: {why}; if it is yours, adopt it")

    # --- try -------------------------------------------------------------------------------------------------------

    async def _answer_of(self, camera: Camera, login: Login, audience: Audienced) -> Mapping[str, Any]:
        """The answer when it is there, at the latest after ``WAIT_SECONDS``; what is under way goes on."""
        if camera.device_id in self._trying:
            raise RemoteError("another login is being tried there; wait for its result")
        if len(self._trying) >= MAX_TRIALS:
            raise RemoteError("too many logins are being tried at once; wait a moment")
        answered: Deferred[Mapping[str, Any]] = Deferred()

        def late() -> None:
            answered.callback(self._worded(camera, TrialResult(TrialOutcome.UNANSWERED, _GOES_ON), ""))

        def ended(result: Mapping[str, Any] | Failure) -> None:
            if timer.active():
                timer.cancel()
                answered.callback(result)
            elif isinstance(result, Failure) and not result.check(CamdetectError):
                self.log.failure("A login could not be tried", failure=result)

        timer = self._clock.callLater(WAIT_SECONDS, late)
        Deferred.fromCoroutine(self._try(camera, login, audience)).addBoth(ended)
        return await answered

    async def _try(self, camera: Camera, login: Login, audience: Audienced) -> Mapping[str, Any]:
        self._trying.add(camera.device_id)
        try:
            await self._verdicts.adopt([camera.id])
            await self._logins.prepare(login)
            with self._logins.trying(camera.device_id, login):
                result = await self._attempt(camera, login)
                kept = ""
                if result.outcome is TrialOutcome.ACCEPTED:
                    result, kept = await self._keep(camera, login, audience, result)
        finally:
            self._trying.discard(camera.device_id)
        return self._worded(camera, result, kept)

    async def _attempt(self, camera: Camera, login: Login) -> TrialResult:
        key = self._registry.key_of_camera(camera.id)
        if key is None:
            raise RemoteError("no camera with that id", shown=camera.id[:60])
        if why_not := self._budget.explain_trial(self._registry.candidate(key), login, self._clock.seconds()):
            return TrialResult(TrialOutcome.NOT_TRIED, why_not)
        self._budget.forgive(self._registry.candidate(key), login)
        result = await self._detector.try_login(key, login)
        if result is None:
            return TrialResult(TrialOutcome.UNANSWERED, "the camera took too long to answer")
        if result.outcome in (TrialOutcome.NOT_TRIED, TrialOutcome.REFUSED) and self._registry.knows(key):
            candidate, now = self._registry.candidate(key), self._clock.seconds()
            if waits := self._budget.explain_trial(candidate, login, now):
                was_sent = result.outcome is TrialOutcome.REFUSED
                return TrialResult(result.outcome, f"{result.text}; {waits}" if was_sent else waits)
        return result

    async def _keep(
        self, camera: Camera, login: Login, audience: Audienced, result: TrialResult
    ) -> tuple[TrialResult, str]:
        """The result with the camera's state, and for whom the login is kept."""
        now = self._registry.camera(camera.id) or camera
        state = "it is online" if now.online else f"{now.status.value}: {now.reason}"
        text = result.text if now.reason and now.reason in result.text else f"{result.text}; {state}"
        try:
            if audience.choice == "camera":
                self._check_identity(camera)  # it may have shown itself as another while it was asked
            await self._keeper.keep(camera, login, audience)
        except CamdetectError as error:
            return TrialResult(result.outcome, f"{text}; it was not kept: {error}"), ""
        return TrialResult(result.outcome, text), audience.kept

    def _worded(self, camera: Camera, result: TrialResult, kept: str) -> Mapping[str, Any]:
        key = self._registry.key_of_camera(camera.id)
        left = 0
        if key is not None:
            left = self._budget.failures_left(self._registry.candidate(key), self._clock.seconds())
        return {
            "camera_id": camera.id,
            "outcome": result.outcome.value,
            "text": result.text,
            "left": left,
            "of": MAX_FAILURES,
            "kept": kept,
        }

    # --- retry -----------------------------------------------------------------------------------------------------

    def _retry(self, fields: Mapping[str, Any]) -> Mapping[str, Any]:
        key = self._key_of(fields.get("camera_id"), fields.get("address"))
        now = self._clock.seconds()
        candidate = self._registry.candidate(key)
        logins = self._budget.retry(candidate, now)
        waits = self._budget.explain_wait(candidate, now)
        for camera in self._registry.cameras_of(key)[:1]:
            self._detector.check(camera.id)
        names = list(dict.fromkeys(login.name for login in logins))
        return {"address": candidate.address, "logins": names, "waits": waits}

    # --- devices ---------------------------------------------------------------------------------------------------

    def _camera_of(self, fields: Mapping[str, Any]) -> Camera:
        key = self._key_of(fields.get("camera_id"), fields.get("address"))
        camera = self._registry.camera(str(fields.get("camera_id")))
        for found in (camera, *self._registry.cameras_of(key)):
            if found is not None:
                return found
        raise RemoteError("no camera is known at that address yet; add it first (camdetect add)")

    def _key_of(self, camera_id: object, address: object) -> int:
        if isinstance(camera_id, str) and camera_id:
            key = self._registry.key_of_camera(camera_id)
            if key is None:
                raise RemoteError("no camera with that id", shown=camera_id[:60])
            return key
        if not isinstance(address, str) or not address:
            raise RemoteError("this command needs 'camera_id' or 'address'")
        keys = self._registry.keys_at(str(parse_address(address)))
        if len(keys) > 1:
            raise RemoteError("several devices are at that address; name one by its camera_id", shown=address)
        if not keys:
            raise RemoteError("no device is known at that address", shown=address)
        return keys[0]
