"""Follower of the registry's identities: of two devices that prove to be one, the one that stays gets the decisions."""

from __future__ import annotations

from dataclasses import fields, replace
from types import MappingProxyType

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure
from txaio.tx import make_logger
from zope.interface import implementer

from twisted_detector.errors import CamdetectError
from twisted_detector.events import DevicesMerged, Event
from twisted_detector.interfaces import IEventListener
from twisted_detector.model.decisions import NOTHING_DECIDED, CameraDecisions, Decisions, Description
from twisted_detector.operations.decisions.book import DecisionBook


@implementer(IEventListener)
class IdentityFollower:
    """Mover of decisions from ids that were given up."""

    log = make_logger()

    def __init__(self, book: DecisionBook) -> None:
        self._book = book

    def handle(self, event: Event) -> None:
        """See :class:`IEventListener`."""
        if not isinstance(event, DevicesMerged):
            return
        moves = {gone: kept for gone, kept in event.moves.items() if gone in self._book.current.cameras}
        if moves:
            moving = Deferred.fromCoroutine(self._book.change(lambda decisions: moved(decisions, moves)))
            moving.addErrback(self._not_moved)

    def _not_moved(self, failure: Failure) -> None:
        failure.trap(CamdetectError)
        self.log.warn("What was decided about a camera stays under its former id: {error}", error=str(failure.value))


def moved(decisions: Decisions, moves: dict[str, str]) -> Decisions:
    """Decisions under the ids that stay; what was decided about the camera that stays weighs more."""
    cameras = dict(decisions.cameras)
    for gone, kept in moves.items():
        dropped = cameras.pop(gone, None)
        if dropped is not None:
            cameras[kept] = _joined(cameras.get(kept, NOTHING_DECIDED), dropped)
    return replace(decisions, cameras=MappingProxyType(cameras))


def _joined(kept: CameraDecisions, dropped: CameraDecisions) -> CameraDecisions:
    one, other = kept.description, dropped.description
    joined = {each.name: getattr(kept, each.name) or getattr(dropped, each.name) for each in fields(CameraDecisions)}
    texts = Description(one.name or other.name, one.area or other.area, one.note or other.note)
    return CameraDecisions(**joined | {"description": texts})
