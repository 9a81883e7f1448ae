"""Value that follows a camera from node to node: what people call it, since when, and where it is adopted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from twisted_detector.errors import RemoteError
from twisted_detector.model.clocks import CLOCK_WAS_SET
from twisted_detector.model.decisions import Description
from twisted_detector.model.encoding import encode, parse_object
from twisted_detector.operations.decisions.fields import MAX_NAME, MAX_NOTE, read_line, read_note
from twisted_detector.operations.nodes.values import MAX_NUMBER, is_node_id

#: Octets of a document: each text with four octets a character, twice that where JSON escapes it, and the rest.
MAX_OCTETS = 8 * (2 * MAX_NAME + MAX_NOTE) + 1024
#: Milliseconds by which a stamp may be ahead of our clock: a day, for a clock in the wrong zone.
AHEAD = 86_400_000
UNDESCRIBED = Description()
_MEMBERS = frozenset({"camera_id", "name", "area", "note", "decided_at", "decided_by", "adopted_at"})


@dataclass(frozen=True, slots=True)
class Described:
    """What people decided about one camera that holds at every node.

    :ivar at: stamp of the description, milliseconds since 1970; 0: nobody has decided anything.
    :ivar by: the node at which it was decided.
    :ivar adopted_at: the node that says that it is adopted there, "" for none. No part of what is decided.
    """

    description: Description = UNDESCRIBED
    at: int = 0
    by: str = ""
    adopted_at: str = ""

    @property
    def order(self) -> tuple[int, str, str, str, str]:
        """Of two the greater counts: it is the same for everybody."""
        texts = self.description
        return (self.at, self.by, texts.name, texts.area, texts.note)

    def is_ahead(self, now: float) -> bool:
        """Whether the stamp is from the future: by a clock that was set, for a board that starts in 1970 cannot judge.

        Then somebody writes wrong stamps, or our clock is behind. ``now``: wall seconds.
        """
        return now >= CLOCK_WAS_SET and self.at > now * 1000 + AHEAD

    def with_adopted_at(self, node_id: str) -> Described:
        """The same, adopted there."""
        return replace(self, adopted_at=node_id)

    def encode(self, camera_id: str) -> bytes:
        """The document of a camera as JSON."""
        texts = self.description
        document = {
            "camera_id": camera_id,
            "name": texts.name,
            "area": texts.area,
            "note": texts.note,
            "decided_at": self.at,
            "decided_by": self.by,
            "adopted_at": self.adopted_at,
        }
        return encode(document)

    @classmethod
    def parse(cls, payload: bytes | str, camera_id: str) -> Described | None:
        """The document in ``payload``; None for one that is not of this camera, or that no node writes."""
        document = parse_object(payload) if len(payload) <= MAX_OCTETS else None
        if document is None or document.keys() != _MEMBERS or document["camera_id"] != camera_id:
            return None
        at, by, adopted_at = document["decided_at"], document["decided_by"], document["adopted_at"]
        if isinstance(at, bool) or not isinstance(at, int) or not 0 <= at <= MAX_NUMBER:
            return None
        if not is_node_id(by, or_none=at == 0) or not is_node_id(adopted_at, or_none=True):
            return None
        try:
            texts = Description(**{name: _own(name, document[name]) for name in ("name", "area", "note")})
        except RemoteError:
            return None
        return cls(texts, at, by, adopted_at) if at or texts == UNDESCRIBED else None


def _own(name: str, given: Any) -> str:
    """A text as a person may have typed it, and as it was kept: what reading it would change is no node's."""
    read = (read_note if name == "note" else read_line)(name, given)
    if read != given:
        raise RemoteError(f"{name}: is written in another way than it is kept")
    return read


def stamp(now: float, known: Iterable[Described | None]) -> int:
    """The stamp of a decision made now: later than all that are known. ``now``: wall seconds."""
    return max((round(now * 1000), *(one.at + 1 for one in known if one is not None)))
