"""The seam between who takes pictures and who shows them: the latest one by camera id, and a newer one on demand."""

from __future__ import annotations

from zope.interface import Attribute, Interface

from twisted_detector.model import Camera, Login
from twisted_detector.picture import Picture


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
