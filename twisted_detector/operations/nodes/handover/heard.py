"""Table of the documents that stand on the broker, as this node heard them in the present connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from twisted_detector.operations.nodes.handover.described import Described
from twisted_detector.operations.nodes.values import MAX_CLAIMS

#: Characters that are remembered; of more, only those of cameras that this node knows. Names for 20 000, some 8 MB.
MAX_CHARACTERS = 2_000_000


class HeardDocuments:
    """Table of what was heard of each camera, within bounds.

    :param is_known: whether this node knows a camera: for those there is always room.
    :param now: wall seconds.
    :ivar unreadable: known cameras in whose place something stands that nobody can read.
    """

    def __init__(self, is_known: Callable[[str], bool], now: Callable[[], float]) -> None:
        self._is_known = is_known
        self._now = now
        self._documents: dict[str, Described] = {}
        self._characters = 0
        self.unreadable: set[str] = set()

    def __len__(self) -> int:
        return len(self._documents)

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

    def put(self, camera_id: str, described: Described | None) -> bool:
        """Remember what stands there now, None for nothing; whether there was room."""
        self._characters -= _characters(self._documents.pop(camera_id, None))
        self.unreadable.discard(camera_id)
        if described is None:
            return True
        is_full = len(self) >= MAX_CLAIMS or self._characters + _characters(described) > MAX_CHARACTERS
        if is_full and not self._is_known(camera_id):
            return False
        self._characters += _characters(described)
        self._documents[camera_id] = described
        return True

    def put_unreadable(self, camera_id: str) -> bool:
        """Remember that what stands there now cannot be read; False for a camera that this node does not know."""
        if self.is_ahead(camera_id):
            self.put(camera_id, None)
        if not self._is_known(camera_id):
            return False
        self.unreadable.add(camera_id)
        return True

    def clear(self) -> None:
        """Forget everything: another connection shows what stands on the broker then."""
        self._documents.clear()
        self.unreadable.clear()
        self._characters = 0


def _characters(described: Described | None) -> int:
    if described is None:
        return 0
    texts = described.description
    return 100 + len(texts.name) + len(texts.area) + len(texts.note)
