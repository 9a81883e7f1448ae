"""Pages of a list of cameras, by id, each with where the next one begins."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.model import Camera

#: Cameras in one page at most, and when nobody says how many: some 20 ms of work.
MAX_LIMIT = 100
#: More cameras are never known (MAX_DEVICES of the registry, with 256 channels each): a larger number is no place.
MAX_OFFSET = 2**24
#: Octets of one page: what is much larger, a broker or a reader refuses. One camera is in it, however large.
MAX_OCTETS = 262_144


@dataclass(frozen=True, slots=True)
class Page:
    """Some of all cameras.

    :ivar offset: how many come before. :ivar total: how many there are.
    """

    cameras: tuple[Camera, ...]
    offset: int
    total: int

    @property
    def next(self) -> int | None:
        """``offset`` of the next page; None: this is the last."""
        after = self.offset + len(self.cameras)
        return after if after < self.total else None

    def fill(self, write: Callable[[Camera], bytes]) -> tuple[Page, list[bytes]]:
        """What ``write`` makes of each camera, and the page without those for which MAX_OCTETS left no room."""
        written: list[bytes] = []
        octets = 0
        for camera in self.cameras:
            document = write(camera)
            octets += len(document)
            if written and octets > MAX_OCTETS:
                break
            written.append(document)
        return replace(self, cameras=self.cameras[: len(written)]), written


def page_of(cameras: Iterable[Camera], fields: Mapping[str, Any]) -> Page:
    """The page that ``offset`` (0) and ``limit`` (MAX_LIMIT) of a request name, in the order of the ids.

    A camera that comes or goes between two pages moves those after it by one place.

    :raises RemoteError: one of the two is no whole number, or out of bounds.
    """
    offset = _whole(fields, "offset", 0, (0, MAX_OFFSET))
    limit = _whole(fields, "limit", MAX_LIMIT, (1, MAX_LIMIT))
    known = tuple(cameras)
    # Not the whole in order: a page near the beginning is what nearly everybody asks for.
    first = heapq.nsmallest(offset + limit, known, key=lambda one: one.id)
    return Page(tuple(first[offset:]), offset, len(known))


def _whole(fields: Mapping[str, Any], name: str, default: int, bounds: tuple[int, int]) -> int:
    value = fields.get(name, default)
    low, high = bounds
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise RemoteError(f"{name!r} is a whole number from {low} to {high}", shown=repr(value)[:60])
    return value
