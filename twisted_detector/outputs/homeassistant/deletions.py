"""Record of the devices that a person deleted in Home Assistant: they are not announced again until somebody asks.

Home Assistant empties the topic of an announcement whose device was deleted there. Without this record the next change
of the camera would bring the device back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

#: Devices that are remembered: as many as a registry has cameras.
MAX_DELETIONS = 10_000


class Deletions:
    """Ids of cameras whose device was deleted.

    :param save: keeps one id with a text, "" for none, over a restart.
    """

    def __init__(self, save: Callable[[str, str], object]) -> None:
        self._save = save
        self._ids: set[str] = set()

    def restore(self, saved: Mapping[str, str]) -> None:
        """Take over what was saved."""
        self._ids |= {camera_id for camera_id, text in saved.items() if text}

    def __contains__(self, camera_id: object) -> bool:
        return camera_id in self._ids

    def add(self, camera_id: str) -> bool:
        """A person deleted its device; False when that is known, or there are too many."""
        if camera_id in self._ids or len(self._ids) >= MAX_DELETIONS:
            return False
        self._ids.add(camera_id)
        self._save(camera_id, "deleted")
        return True

    def discard(self, camera_id: str) -> None:
        """Somebody wants it back, or the camera was forgotten."""
        if camera_id in self._ids:
            self._ids.discard(camera_id)
            self._save(camera_id, "")
