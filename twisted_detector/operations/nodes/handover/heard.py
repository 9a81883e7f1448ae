"""Table of the documents that stand on the broker, as this node heard them in the present connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted_detector.model.bounds import BoundedDict
from twisted_detector.operations.nodes.handover.described import Described
from twisted_detector.operations.nodes.values import MAX_CLAIMS


class HeardDocuments:
    """Table of what was heard of each camera of this node.

    :param now: wall seconds.
    :ivar unreadable: cameras in whose place something stands that nobody can read.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._documents: BoundedDict[str, Described] = BoundedDict(MAX_CLAIMS)
        self.unreadable: set[str] = set()

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._documents))

    def get(self, camera_id: str) -> Described | None:
        """What stands there of a camera; None for nothing that was heard."""
        return self._documents.get(camera_id)

    def judged(self, camera_id: str) -> Described | None:
        """What stands there of a camera, and is not ahead of our clock."""
        return None if self.is_ahead(camera_id) else self.get(camera_id)

    def is_ahead(self, camera_id: str) -> bool:
        """Whether something whole stands there that is ahead of our clock, which may be behind.

        Nothing follows from it, and nothing is said over it, until our clock is set or a person decides here.
        """
        told = self._documents.get(camera_id)
        return told is not None and told.is_ahead(self._now())

    def put(self, camera_id: str, described: Described | None) -> None:
        """Remember what stands there now, None for nothing."""
        self._documents.pop(camera_id, None)
        self.unreadable.discard(camera_id)
        if described is not None:
            self._documents[camera_id] = described

    def put_unreadable(self, camera_id: str) -> None:
        """Remember that what stands there now cannot be read."""
        if self.is_ahead(camera_id):
            self.put(camera_id, None)
        self.unreadable.add(camera_id)

    def clear(self) -> None:
        """Forget everything: another connection shows what stands on the broker then."""
        self._documents.clear()
        self.unreadable.clear()
