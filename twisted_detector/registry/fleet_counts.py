"""Counts of all cameras by status, kept from their events: nobody has to look at all of them to count them."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice

from twisted_detector.events import CameraEvent, CameraForgotten, Event
from twisted_detector.model import Status

#: Statuses of cameras that nobody needs to look after.
_WELL = (Status.ONLINE, Status.SLEEPS)


class FleetCounts:
    """Status of each camera by id, with the counts, and those that are not well."""

    def __init__(self) -> None:
        self._status: dict[str, Status] = {}
        self._adopted: set[str] = set()
        self._not_well: set[str] = set()
        self._by_status: Counter[Status] = Counter()

    def record(self, event: Event) -> None:
        """Count the camera of an event as it is now."""
        if not isinstance(event, CameraEvent):
            return
        camera = event.camera
        status = None if isinstance(event, CameraForgotten) else camera.status
        before = self._status.pop(camera.id, None) if status is None else self._status.get(camera.id)
        if before is not status:
            if before is not None:
                self._by_status[before] -= 1
            if status is not None:
                self._status[camera.id] = status
                self._by_status[status] += 1
        for members, belongs in (
            (self._not_well, status not in (None, *_WELL)),
            (self._adopted, status is not None and camera.adopted.is_adopted),
        ):
            if belongs:
                members.add(camera.id)
            else:
                members.discard(camera.id)

    @property
    def by_status(self) -> Mapping[str, int]:
        """How many cameras have each status, without those that none has."""
        return {status.value: count for status, count in self._by_status.items() if count}

    @property
    def total(self) -> int:
        return len(self._status)

    @property
    def adopted(self) -> int:
        """How many cameras are adopted."""
        return len(self._adopted)

    def worst(self, limit: int) -> Iterator[str]:
        """Ids of at most ``limit`` cameras: those that are not well by id, then others, first seen first."""
        found = heapq.nsmallest(limit, self._not_well)
        yield from found
        well = (camera_id for camera_id, status in self._status.items() if status in _WELL)
        yield from islice(well, limit - len(found))
