"""Entries of one consumer, kept camera by camera: what is worded of one camera stays until that camera changes."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any

from twisted_detector.model import Camera, Login, Secret
from twisted_detector.model.consumers import CameraChoice
from twisted_detector.model.encoding import encode
from twisted_detector.outputs.stream_choice import StreamDocument

#: (a camera, the login that it lets in) → its entries.
Word = Callable[[Camera, Login | None], StreamDocument]
#: Cameras that are joined in one step: some 50 µs.
_STEP = 50


@dataclass(frozen=True, slots=True)
class _Block:
    """The entries of one camera.

    :ivar name: of the first of them, by which they are ordered.
    :ivar entries: as values, empty where only the bytes are wanted; ``encoded``: as members of a JSON object.
    """

    name: str
    entries: Mapping[str, Any]
    variables: Mapping[str, Secret]
    encoded: bytes


@dataclass(frozen=True, slots=True)
class JoinedDocument:
    """The entries of all cameras, in order. :ivar members: the same as members of a JSON object, without its braces."""

    entries: Mapping[str, Any]
    variables: Mapping[str, Secret]
    members: bytes


class CameraBlocks:
    """Cache of the entries of every camera that one consumer holds.

    :param word: makes the entries of one camera.
    :param choice: of the cameras that the consumer holds.
    :param as_values: keep the entries as values; ``as_json``: as JSON. What nobody reads is not kept.
    :ivar changed: whether anything is different from what was joined last.
    """

    def __init__(self, word: Word, choice: CameraChoice, *, as_values: bool, as_json: bool) -> None:
        self._word = word
        self._choice = choice
        self._as_values = as_values
        self._as_json = as_json
        self._blocks: dict[str, _Block] = {}
        self.changed = True

    def __len__(self) -> int:
        return len(self._blocks)

    def update(self, camera_id: str, camera: Camera | None, login: Login | None) -> None:
        """Word one camera anew; None: it was forgotten."""
        block = None
        if camera is not None and self._choice.holds(camera):
            block = self._block(self._word(camera, login))
        if block != self._blocks.get(camera_id):
            self.changed = True
            if block is None:
                del self._blocks[camera_id]
            else:
                self._blocks[camera_id] = block

    def _block(self, document: StreamDocument) -> _Block | None:
        name = next(iter(document.entries), None)
        if name is None:
            return None
        return _Block(
            name,
            document.entries if self._as_values else {},
            document.variables if self._as_values else {},
            encode(document.entries)[1:-1] if self._as_json else b"",
        )

    def entries(self) -> Mapping[str, Any]:
        """The entries of all cameras, in order."""
        ordered = sorted(self._blocks.values(), key=lambda one: one.name)
        return {name: entry for block in ordered for name, entry in block.entries.items()}

    def join(self) -> Generator[None, None, JoinedDocument]:
        """Join all entries to one document, some cameras a step."""
        self.changed = False
        entries: dict[str, Any] = {}
        variables: dict[str, Secret] = {}
        members: list[bytes] = []
        for number, block in enumerate(sorted(self._blocks.values(), key=lambda one: one.name)):
            if self._as_values:
                entries.update(block.entries)
                variables.update(block.variables)
            if self._as_json:
                members.append(block.encoded)
            if number % _STEP == _STEP - 1:
                yield
        return JoinedDocument(entries, variables, b",".join(members))
