"""Saver of Frigate's configuration: one camera that Frigate refuses never holds up the others.

``POST /api/config/save`` validates the whole file, writes it byte for byte, and changes nothing that runs. So the
cameras that it is about, by its own words, are left as they are, and the rest is saved; where the words do not tell,
halves are saved until the refused ones are found.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from twisted_detector.outputs.frigate.merging import STREAMS, merge_configuration
from twisted_detector.outputs.frigate.refusals import cameras_named, unknown_variable, words
from twisted_detector.outputs.frigate.session import FrigateSession
from twisted_detector.outputs.sync.documents import merge_text
from twisted_detector.outputs.sync.http import HttpRequest, HttpResponse
from twisted_detector.outputs.sync.seams import (
    ALONE,
    Entries,
    InThread,
    MergeResult,
    Sharing,
    TargetRefused,
    TargetUnavailable,
)

#: Saves of one delivery: of a thousand cameras two refused ones are found with so many; each takes about a second.
MAX_SAVES = 40
_REFERENCE = re.compile(r"\{(FRIGATE_[A-Za-z0-9_]+)\}")
#: Frigate's words about a file, or a folder, that it may only read (all versions).
_CANNOT_WRITE = "Could not write config file"
#: What is told of a camera whose variables are missing.
UNKNOWN = "Frigate does not know the variables of its login yet"
#: What is told of a camera that was not tried any more.
_LATER = "Frigate refused too many others before it; it is tried again later"


@dataclass(slots=True)
class Merged:
    """A configuration with entries of ours in it.

    :ivar before: the cameras that stood there; ``result``: the whole as values, and what was written.
    """

    text: str
    before: Mapping[str, Any]
    result: MergeResult

    @property
    def after(self) -> Mapping[str, Any]:
        """The cameras that stand there then."""
        return self.result.document.get("cameras") or {}

    def changed(self) -> list[str]:
        """The cameras that are new or different."""
        return [name for name, block in self.after.items() if self.before.get(name) != block]


@dataclass(slots=True)
class Saved:
    """What was saved.

    :ivar refused: cameras that were left as they are, each with the reason; ``unknown``: variables that are missing.
    """

    merged: Merged
    refused: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


class ConfigSaver:
    """Saves entries of ours into the configuration of one Frigate."""

    def __init__(self, session: FrigateSession, *, in_thread: InThread) -> None:
        self._session = session
        self._in_thread = in_thread
        #: Variables that Frigate is known to know; they are read when it starts, and stay.
        self._proven: set[str] = set()
        self._sharing = ALONE
        #: Text, base, entries, sharing and result of the last merge, if it changed nothing.
        self._unchanged: tuple[str, Entries, Entries, Sharing, Merged] | None = None
        #: What was refused last, and why: where the words do not tell, these are the first that are suspected.
        self._refused: dict[str, str] = {}

    def share(self, sharing: Sharing) -> None:
        """See :class:`ISharedDestination`."""
        self._sharing = sharing

    async def merge_without(self, text: str, base: Entries, wanted: Entries, names: Iterable[str]) -> Merged:
        """``text`` with ``wanted`` in it, but for ``names``, of which what stands there stays."""
        names = frozenset(names)
        # What another node wrote is better than what we wrote before it did.
        sharing = replace(self._sharing, others=self._sharing.others | (self._sharing.met & names))
        merged: Merged = await self._in_thread(partial(_merged, text, base, without(wanted, base, names), sharing))
        return merged

    async def merge(self, text: str, base: Entries, wanted: Entries, *, values: bool = True) -> Merged:
        """``text`` with ``wanted`` in it.

        :param values: whether the values of the whole are wanted; without them, what changed nothing is remembered: the
            YAML of a thousand cameras takes seconds, and a Frigate is looked at every five minutes.
        """
        sharing = self._sharing
        if not values and self._unchanged is not None and self._unchanged[:4] == (text, base, wanted, sharing):
            return self._unchanged[4]
        merged: Merged = await self._in_thread(partial(_merged, text, base, wanted, sharing))
        self._unchanged = None
        if merged.text == text:
            without_values = Merged(text, {}, replace(merged.result, document={}))
            self._unchanged = text, dict(base), dict(wanted), sharing, without_values
        return merged

    async def save(
        self, text: str, merged: Merged, base: Entries, wanted: Entries, refused: Mapping[str, str]
    ) -> Saved:
        """Save ``merged``, made of ``text``; without those that Frigate refuses.

        :param refused: cameras that were refused before, each with the reason; ``merged`` is without them.
        :raises TargetRefused: it refuses its own configuration, too. :raises TargetUnavailable: no clear answer.
        """
        saved = Saved(merged, dict(refused))
        said = await self._try(text, merged.text)
        tries = 1
        while said:
            variable = unknown_variable(said)
            changed = saved.merged.changed()
            about = _users(wanted, changed, variable) if variable else cameras_named(said, changed)
            reasons = dict.fromkeys(about, _reason(said)) or {
                name: self._refused[name] for name in changed if name in self._refused
            }
            if not reasons or tries >= MAX_SAVES:
                break
            saved.unknown |= {variable} if variable else set()
            saved.refused |= reasons
            saved.merged = await self.merge_without(text, base, wanted, saved.refused)
            said = await self._try(text, saved.merged.text) if saved.merged.text != text else ""
            tries += 1
        if said:
            own = await self._try(text, text)
            if own:
                raise TargetRefused(f"Frigate refuses its own configuration, as it stands there: {own}")
            await self._bisect(text, base, wanted, saved, MAX_SAVES - tries - 1)
        self._refused = dict(saved.refused)
        return saved

    async def _bisect(self, text: str, base: Entries, wanted: Entries, saved: Saved, tries: int) -> None:
        """Save what can be saved, by halves; the words of those that cannot are theirs."""
        waiting, standing = [saved.merged.changed()], text
        saved.merged = await self.merge_without(text, base, wanted, {*saved.refused, *waiting[0]})
        while waiting:
            names = waiting.pop(0)
            others = [one for group in waiting for one in group]
            if not tries:
                saved.refused |= dict.fromkeys([*names, *others], _LATER)
                return
            attempt = await self.merge_without(text, base, wanted, {*saved.refused, *others})
            said = await self._try(text, attempt.text) if attempt.text != text else ""
            tries -= 1
            if not said:
                saved.merged, standing = attempt, attempt.text
            elif len(names) == 1:
                saved.refused[names[0]] = self._refused[names[0]] = _reason(said)
            else:
                middle = len(names) // 2
                waiting[:0] = [names[:middle], names[middle:]]
        if saved.merged.text != standing:  # of all that was to come nothing is left, but something was to go
            await self._try(text, saved.merged.text)

    async def prove(self, text: str, merged: Merged, wanted: Entries) -> Saved:
        """Which cameras have a stream inside Frigate with variables that it does not know: they stay as they are.

        Nobody looks at variables in ``go2rtc.streams`` when a file is saved, and go2rtc does not start without them.
        So they are saved in the cameras' paths first, where Frigate looks; then the file as it was.
        """
        proof = Saved(merged)
        streams: Mapping[str, str] = merged.result.written.get(STREAMS, {})
        known = self._proven | set(_REFERENCE.findall(repr(merged.before)))
        asked = {name: set(_REFERENCE.findall(source)) - known for name, source in streams.items()}
        cameras = [name for name in wanted if asked.get(name) or asked.get(f"{name}_sub")]
        for _ in range(MAX_SAVES):
            cameras = [name for name in cameras if name not in proof.refused]
            if not cameras:
                break
            probe = await self._in_thread(partial(_with_addresses, text, {name: wanted[name] for name in cameras}))
            said = await self._try(text, probe)
            if not said:
                self._proven |= {one for name in cameras for key in (name, f"{name}_sub") for one in asked.get(key, ())}
                await self._try(probe, text)
                break
            variable = unknown_variable(said)
            proof.unknown |= {variable} if variable else set()
            about = _users(wanted, cameras, variable) if variable else cameras_named(said, cameras)
            proof.refused |= dict.fromkeys(about or cameras, _reason(said))
        return proof

    async def _try(self, before: str, after: str) -> str:
        """Save a text; Frigate's words when it refuses it, "" when it stands there."""
        try:
            answer = await self.post(after)
        except TargetUnavailable as error:
            await self._recover(before, after, error)
            return ""
        if answer.status >= 500:
            failed = TargetUnavailable("Frigate failed on it", shown=words(answer.text))
            await self._recover(before, after, failed)
            return ""
        if answer.status == 200:
            return ""
        said = words(answer.text) or f"status {answer.status}"
        if _CANNOT_WRITE in said:
            raise TargetRefused(f"Frigate would take it, but cannot write its file: {said}")
        return said

    async def post(self, text: str) -> HttpResponse:
        """The answer to a text; it must be called text, and nothing else."""
        query, headers = {"save_option": "saveonly"}, {"Content-Type": "text/plain"}
        return await self._session.request(HttpRequest("POST", "/api/config/save", query, headers, text.encode()))

    async def _recover(self, before: str, after: str, error: TargetUnavailable) -> None:
        """After a save without a clear answer: find out what came of it; restore ``before`` where it is neither."""
        current = await read_configuration(self._session)
        if current == after:
            return
        if current != before:
            answer = await self.post(before)
            if answer.status != 200:
                raise TargetUnavailable(
                    "Frigate broke off while it wrote, and did not take the former configuration back"
                )
        raise error


async def read_configuration(session: FrigateSession) -> str:
    """The text of Frigate's file (a JSON string that calls itself text since 0.15).

    :raises TargetUnavailable: what answers there is no Frigate.
    """
    body = await session.get("/api/config/raw")
    if body.startswith('"'):
        try:
            body = str(json.loads(body))
        except ValueError:
            raise TargetUnavailable("its configuration came in pieces") from None
    if body.lstrip().startswith(("<!", "<html")):
        raise TargetUnavailable("what answers there is no Frigate", shown="a web page instead of a configuration")
    return body


def _merged(text: str, base: Entries, wanted: Entries, sharing: Sharing) -> Merged:
    before: dict[str, Any] = {}

    def merge(
        document: Mapping[str, Any], base: Entries, wanted: Entries, *, sharing: Sharing = sharing
    ) -> MergeResult:
        cameras = document.get("cameras")
        before.update(copy.deepcopy(cameras) if isinstance(cameras, dict) else {})
        return merge_configuration(document, base, wanted, sharing=sharing)

    after, result = merge_text(text, yaml=True, merge=merge, base=base, wanted=wanted)
    return Merged(after, before, result)


def _with_addresses(text: str, wanted: Entries) -> str:
    """A configuration in which cameras read from where they are, whatever path somebody gave them."""

    def merge(document: Mapping[str, Any], base: Entries, wanted: Entries, *, sharing: Sharing = ALONE) -> MergeResult:
        whole = copy.deepcopy(dict(document))
        cameras = whole.setdefault("cameras", {})
        for name, block in wanted.items():
            cameras[name] = {**cameras.get(name, {}), "ffmpeg": block["ffmpeg"]}
        return MergeResult(whole, {})

    return merge_text(text, yaml=True, merge=merge, base={}, wanted=wanted)[0]


def without(wanted: Entries, base: Entries, names: Iterable[str]) -> dict[str, Any]:
    """``wanted``, but of ``names`` what stands there already, or nothing."""
    left_out = set(names)
    old = {name: base[name] for name in left_out if name in base}
    return {**{name: one for name, one in wanted.items() if name not in left_out}, **old}


def _users(wanted: Entries, names: Iterable[str], variable: str) -> frozenset[str]:
    """The cameras that refer to a variable."""
    return frozenset(name for name in names if f"{{{variable}}}" in repr(wanted.get(name)))


def _reason(said: str) -> str:
    if unknown_variable(said):
        return UNKNOWN
    return f"Frigate refuses it: {said}"
