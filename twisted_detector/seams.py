"""Seams between our own rooms: the login budget, pictures, and what is kept on disk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from twisted_detector.model import Camera, Candidate, Login
from twisted_detector.model.pictures import Picture


class ILoginBudget(Interface):
    """Who may try which credential now. One budget per device over all protocols, kept over restarts.

    Whoever gives a device a login does it through :func:`spend`, which keeps to this order:
    ``spend``, the attempt (with ``again`` before each further time that the login is sent and was not let in yet), and
    then one of ``accepted``, ``refused``, ``doubted``, ``unanswered`` and ``unspent``.
    """

    def allowed_logins(candidate: Candidate, now: float) -> Sequence[Login]:
        """The logins that may be tried on this device now, best first; empty when none may."""

    def explain_wait(candidate: Candidate, now: float) -> str:
        """In words for people: why not every login may be tried now, when the next one may, and what to do; or ""."""

    async def charge(candidate: Candidate, login: Login, now: float) -> bool:
        """``login`` is about to be sent: on the disk before this ends. False: it must not be sent after all."""

    async def charge_again(candidate: Candidate, login: Login, now: float) -> bool:
        """``login`` is about to be sent once more, and nothing says that the device did not count the time before: one
        failure more, on the disk before this ends. False: there is no room for it.
        """

    def refund(candidate: Candidate, login: Login) -> None:
        """It was not sent."""

    def record_unanswered(candidate: Candidate, login: Login) -> None:
        """It was sent, and what came of it is not known."""

    def record_doubt(candidate: Candidate, login: Login, now: float) -> None:
        """It was sent, and the device still wants a login: counts as a failure, though nobody said that it is."""

    def record_accepted(candidate: Candidate, login: Login, now: float) -> None:
        """``login`` worked: it comes first next time."""

    def record_refused(candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """``login`` was refused; ``locked``: the device said that it locks."""

    def has_doubtful_login(candidate: Candidate) -> bool:
        """Whether a login that was accepted before was refused, and is to be tried once more: it may be right."""

    def record_lockout(candidate: Candidate, now: float) -> None:
        """The device said that it locks, without having been given a login."""

    async def charge_purpose(candidate: Candidate, login: Login, now: float, purpose: str) -> bool:
        """A login that the device let in is about to be sent for ``purpose`` too, where it may be refused; on the disk
        before this ends. False: it must not be: a refusal would leave no room for others, or there was one that day.

        It is followed by :meth:`risked`.
        """

    def record_purpose(
        candidate: Candidate, login: Login, now: float, purpose: str, *, refused: bool = False, locked: bool = False
    ) -> None:
        """What came of :meth:`risk`: a refusal bars the login for that purpose for a day, and for nothing else."""

    def record_fingerprint(
        candidate: Candidate, now: float, *, firmware: str = "", door: str = "", wants_login: bool = True
    ) -> None:
        """What shows whether the device is still what it was when it refused a login.

        :param door: who asked it without a login; ``wants_login``: whether it wanted one.
        """


class IPictures(Interface):
    """Has the latest picture of each camera, in bounded memory; a new one is told as :class:`events.PictureTaken`."""

    def latest(camera_id: str) -> Picture | None:
        """The newest picture there is, None when there was none yet; quick, asks nobody."""

    async def refresh(camera_id: str) -> Picture | None:
        """Take a new picture unless one was taken just now or is being taken; None when that camera gives none.

        :raises errors.InspectionError: the camera did not give it this time.
        """


class IPictureTaker(Interface):
    """Takes pictures by one method."""

    name: str = Attribute("Short name: the ``source`` of its pictures.")

    async def take(camera: Camera, login: Login | None) -> Picture | None:
        """One picture of ``camera``; None: not by this method. Bounded in time and bytes; may be cancelled.

        :param login: the one that the device let in before, None when it wanted none: no other is tried.
        :raises errors.InspectionError: the camera did not give it this time. Unauthorized: not with this login.
        """


class IStateStore(Interface):
    """Keeps what must survive a restart. Every method answers later: the reactor's thread never touches the disk."""

    def load_cameras() -> Deferred[Sequence[Camera]]:
        """All cameras as they were saved last."""

    def save_camera(camera: Camera) -> Deferred[None]:
        """Save one camera over its earlier self."""

    def delete_camera(camera_id: str) -> Deferred[None]:
        """Forget one camera."""

    def load_values(table: str) -> Deferred[Mapping[str, str]]:
        """All key → text pairs of one small table (``login_budget``, ``session``, ``dialects``)."""

    def save_value(table: str, key: str, value: str) -> Deferred[None]:
        """Save one pair over its earlier self."""
