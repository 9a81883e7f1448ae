"""Interfaces between our own rooms: the login budget, pictures, and the store. Plugins have :mod:`interfaces`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from twisted.internet.defer import Deferred
from zope.interface import Attribute, Interface

from twisted_detector.model import Camera, Candidate, Login
from twisted_detector.model.cameras import Picture
from twisted_detector.model.history import Segment, WeekSummary


class ILoginBudget(Interface):
    """Budget of failed logins, so that no device locks its owner out. One per device over all protocols, kept on disk.

    Every login is sent through :func:`detector.login_attempt.attempt_login`, which keeps to this order: ``charge``, the
    attempt (with ``begin`` before the login is sent for the first time, and ``charge_again`` before each time that it
    is sent though it was not accepted the time before), and then one of ``record_accepted``, ``record_refused``,
    ``record_doubt``, ``record_unanswered`` and ``refund``.
    """

    def allowed_logins(candidate: Candidate, now: float) -> Sequence[Login]:
        """The logins that may be tried on this device now, best first; empty when none may."""

    def explain_wait(candidate: Candidate, now: float) -> str:
        """For people: why not every login may be tried now, when the next one may, and what to do; "" when all may."""

    def known_good(candidate: Candidate) -> Login | None:
        """The login that this device accepted last, whether or not one may be tried now; None for a device that may be
        given none (any more).
        """

    def withholds_right_login(candidate: Candidate, now: float) -> bool:
        """Whether the login that this device accepted last is not tried now, only because too much else failed there:
        the device is not known to want another.
        """

    async def charge(candidate: Candidate, login: Login, now: float) -> Callable[[], None] | None:
        """``login`` is about to be sent: one failure, on disk before this ends; one that was accepted a moment ago
        counts for as long as the attempt is under way. Waits while that is too much beside the attempts at the device
        that are under way.

        :returns: what to call at the end of the attempt, after its outcome was recorded; None: do not send it.
        """

    def begin(candidate: Candidate, login: Login, now: float, purpose: str = "") -> Callable[[], None] | None:
        """``login`` is sent now, a while perhaps after it was charged.

        :returns: what to call at the end of the attempt; None: it must not be sent any more, for others failed
            meanwhile.
        """

    async def charge_again(candidate: Candidate, login: Login, now: float) -> bool:
        """``login`` is about to be sent once more, and the device may have counted the time before: one failure more,
        on disk before this ends. False: there is no room for it.
        """

    def refund(candidate: Candidate, login: Login) -> None:
        """``login`` was charged, and not sent."""

    def record_unanswered(candidate: Candidate, login: Login) -> None:
        """``login`` was sent, and the result is not known."""

    def record_doubt(candidate: Candidate, login: Login, now: float) -> None:
        """``login`` was sent, and the device still wants a login: counts as a failure, though it was not refused."""

    def record_accepted(candidate: Candidate, login: Login, now: float) -> None:
        """``login`` was accepted: it comes first next time."""

    def record_digest(candidate: Candidate) -> None:
        """The device took a login by Digest: it is never sent one in clear from then on."""

    def record_refused(candidate: Candidate, login: Login, now: float, locked: bool) -> None:
        """``login`` was refused; ``locked``: the device answered that it locks."""

    def has_doubtful_login(candidate: Candidate) -> bool:
        """Whether a login that was accepted before was refused since, and is to be tried once more: it may be right."""

    def record_lockout(candidate: Candidate, now: float) -> None:
        """The device answered that it locks, without having been sent a login."""

    def owner_of_realm(candidate: Candidate, realm: str, now: float) -> str:
        """Which other device is known to have this realm to itself, "" for none: a login that answers it may be meant
        to be shown there. Always "" for a device for which a person vouches.
        """

    def record_realm(candidate: Candidate, realm: str, now: float) -> None:
        """A login was accepted in answer to a challenge with this realm."""

    async def charge_purpose(candidate: Candidate, login: Login, now: float, purpose: str) -> Callable[[], None] | None:
        """A login that the device accepted is about to be sent for ``purpose`` too, where it may be refused; on disk
        before this ends. Waits as :meth:`charge`.

        :returns: what to call at the end, after :meth:`record_purpose`; None: it must not be sent: a refusal would
            leave no room for others, or there was one that day.
        """

    def record_purpose(
        candidate: Candidate,
        login: Login,
        now: float,
        purpose: str,
        *,
        accepted: bool = False,
        refused: bool = False,
        locked: bool = False,
        sent: bool = True,
        asked: bool = True,
    ) -> None:
        """The result after :meth:`charge_purpose`. A refusal bars the login for that purpose only, for a day; when it
        was sent and neither accepted nor refused, it counts as a failure for the window. ``asked``: whether the device
        wanted a login; where it wants none, none is charged the next time.
        """

    def record_fingerprint(
        candidate: Candidate,
        now: float,
        *,
        firmware: str = "",
        serial: str = "",
        service: str = "",
        wants_login: bool = True,
    ) -> None:
        """Facts that show whether the device is still the one that refused a login, and which realm names it.

        :param service: the inspector that connected without a login; ``wants_login``: whether the device wanted one.
        """


class IPictures(Interface):
    """Cache of the latest picture of each camera; a new one is emitted as :class:`events.PictureTaken`."""

    def latest(camera_id: str) -> Picture | None:
        """The latest picture, None when there was none yet; nothing is sent."""

    async def refresh(camera_id: str) -> Picture | None:
        """Take a new picture, unless one was taken just now or is being taken; None for a camera without pictures.

        :raises errors.InspectionError: the camera did not give it this time.
        """

    async def thumbnail(camera_id: str) -> Picture | None:
        """The latest picture as a card shows it: smaller, of the same version; itself where it cannot be scaled.
        None when there was none yet; nothing is sent.
        """

    async def live(camera_id: str, seen: str) -> Picture | None:
        """A picture that was taken now, other than that of the version ``seen``; None: it takes longer, ask again.

        Pictures are taken while somebody waits for one, a second apart at the least; none is kept as the latest.

        :raises errors.InspectionError: it cannot be shown live; the reason.
        """


class IPictureTaker(Interface):
    """One method of taking pictures."""

    name: str = Attribute("Short name: the ``source`` of its pictures.")
    of_stream: bool = Attribute("Whether it plays a stream, for which a login that has played it is no gamble.")

    async def take(camera: Camera, login: Login | None) -> Picture | None:
        """One picture of ``camera``; None: not by this method. Bounded in time and bytes; may be cancelled.

        :param login: the one that the device accepted before, None when it wanted none: no other is tried.
        :raises errors.InspectionError: the camera did not give one this time. Unauthorized: not with this login.
        """


class IHistory(Interface):
    """History of the cameras' states."""

    dropped: Mapping[str, int] = Attribute("Changes that were not kept, by reason (``camera``, ``disk``, ``rows``).")

    def week(camera_id: str) -> WeekSummary | None:
        """The last seven days as a card shows them; None for a camera without any."""

    def figures(camera_id: str) -> tuple[float, float, int] | None:
        """(seconds observed, of these online, failures) of the last seven days; costs no more with a long history."""

    async def segments(camera_id: str, begin: float, end: float) -> Sequence[Segment] | None:
        """What the camera was from ``begin`` to ``end`` (wall seconds) without a hole, in at most 500 segments; None
        while the disk cannot be read."""


class IStateStore(Interface):
    """Store of what must survive a restart. Results come later: the reactor's thread never touches the disk.

    The Deferred of a write fires when it is on disk, or at once while the disk takes no writes.
    """

    async def load_cameras() -> Sequence[Camera]:
        """All cameras as they were saved last."""

    def save_camera(camera: Camera) -> Deferred[None]:
        """Save one camera over its earlier self."""

    def delete_camera(camera_id: str) -> Deferred[None]:
        """Forget one camera."""

    async def load_values(table: str) -> Mapping[str, str]:
        """All pairs of key and text of one small table (``login_budget``, ``session``, ``dialects``)."""

    def save_value(table: str, key: str, value: str) -> Deferred[None]:
        """Save one pair over its earlier self."""
