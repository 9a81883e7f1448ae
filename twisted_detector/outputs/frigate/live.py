"""Tells a running Frigate what its file says already, as far as its version takes it up without a restart.

``PUT /api/config/set`` with ``requires_restart: 0`` reads the whole file anew and publishes what its topic names to the
parts that run. What it sets is a value that stands there: a name that Python's ``int()`` takes would be an index there,
and as a part of the topic it is none. Frigate writes the file anew in its own style; it is saved once more after that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from twisted_detector.model import Secret
from twisted_detector.model.addresses import is_sent_in_clear, without_login
from twisted_detector.model.encoding import parse_object
from twisted_detector.outputs.frigate.refusals import words
from twisted_detector.outputs.frigate.saving import Merged
from twisted_detector.outputs.frigate.session import FrigateSession
from twisted_detector.outputs.frigate.versions import Abilities
from twisted_detector.outputs.sync.http import HttpRequest
from twisted_detector.outputs.sync.seams import TargetUnavailable

#: Of a block the parts that have a topic of their own since 0.18; any other change is in force after the next start.
_TOPICS = ("ffmpeg", "onvif")
_IN_CLEAR = (
    " is http:// to another machine: logins of cameras go over the network in clear, to the go2rtc inside Frigate; use"
    " https:// (port 8971)"
)
#: Streams that were refused and are told of at once.
_MAX_REMARKS = 5
#: Values of a file among which one is looked for that can be set to what it is.
_MAX_SCALARS = 200


class LiveUpdates:
    """What is still to be told to one running Frigate.

    :ivar waiting: cameras, and streams, whose change is in force after Frigate's next start.
    """

    def __init__(self, session: FrigateSession) -> None:
        self._session = session
        #: (camera, word of the topic), in the order in which they are to be told; no more than two for each camera.
        self._due: list[tuple[str, str]] = []
        self.waiting: set[str] = set()
        #: Cameras to be added that Frigate may have read of already, for the sake of another.
        self._unsure: set[str] = set()
        self._asked = 0
        #: Sources of streams as they were told last, by name.
        self._told: dict[str, str] = {}
        #: Whether a camera's login went to another machine in clear.
        self._in_clear = False

    @property
    def is_due(self) -> bool:
        """Whether something is still to be told."""
        return bool(self._due)

    def forget(self) -> None:
        """Frigate starts anew, and reads its file."""
        self._due.clear()
        self._unsure.clear()
        self._told.clear()
        self.waiting.clear()

    async def cameras(self) -> frozenset[str]:
        """The cameras that the running Frigate goes by."""
        found = parse_object(await self._session.get("/api/config/raw_paths", self._fresh()))
        cameras = found.get("cameras") if found is not None else None
        if not isinstance(cameras, dict):
            raise TargetUnavailable("Frigate does not tell its cameras")
        return frozenset(cameras)

    def _fresh(self) -> dict[str, str]:
        """A query that was never asked: its nginx keeps answers for some seconds."""
        self._asked += 1
        return {"asked": str(self._asked)}

    def plan(self, merged: Merged, abilities: Abilities, running: frozenset[str]) -> None:
        """Note what is to be told of a file that was saved.

        :param running: the cameras that Frigate went by before.
        """
        for name, block in merged.after.items():
            old = merged.before.get(name)
            if old == block or (name, "add") in self._due:
                continue  # what is still to be added is added as it stands in the file then
            if old is None and abilities.adds and name not in running:
                self._due.append((name, "add"))
            elif old is not None and abilities.moves and name in running:
                changed = {key for key in {*old, *block} if old.get(key) != block.get(key)}
                self._due += [(name, key) for key in _TOPICS if key in changed and key in block]
                if changed - set(_TOPICS):
                    self.waiting.add(name)
            else:
                self.waiting.add(name)
        for name in merged.before:
            if name not in merged.after:
                if abilities.removes and name in running:
                    self._due.append((name, "remove"))
                else:
                    self.waiting.add(name)

    async def tell(self, abilities: Abilities, document: Mapping[str, Any]) -> bool:
        """Tell what is due; whether anything was.

        :param document: the values of the file.
        :raises TargetUnavailable: Frigate is away; what is left is due still.
        """
        told, value = False, _standing(document)
        running = await self.cameras() if self._due else frozenset()
        while self._due:
            name, word = self._due[0]
            if word == "add" and abilities.adds_twice and name in running:
                # Frigate was started since and has it; or it read the file for another, and does not run it.
                if name in self._unsure:
                    self.waiting.add(name)
            elif value is None or (word != "add" and name not in running):
                self.waiting.add(name)
            else:
                told = True
                if not await self._set(f"config/cameras/{name}/{word}", value):
                    self.waiting.add(name)
            self._due.pop(0)
            self._unsure.discard(name)
        return told

    async def _set(self, topic: str, value: Mapping[str, Any]) -> bool:
        """Whether Frigate took it; 400 and 500 say why in its own log only."""
        body = json.dumps({"requires_restart": 0, "update_topic": topic, "config_data": value}).encode()
        request = HttpRequest("PUT", "/api/config/set", headers={"Content-Type": "application/json"}, body=body)
        try:
            answer = await self._session.request(request)
        except TargetUnavailable:
            self._unsure |= {name for name, word in self._due if word == "add"}
            raise
        if answer.status == 503:
            raise TargetUnavailable("somebody else is just changing its configuration", shown=words(answer.text))
        return answer.status == 200

    # --- streams of the go2rtc inside it ---------------------------------------------------------------------------

    async def tell_streams(
        self, sources: Mapping[str, str], variables: Mapping[str, Secret], abilities: Abilities
    ) -> str:
        """Tell the go2rtc inside Frigate where streams are now; what a person should know of it, or "".

        PUT, although who looks is cut off by it for half a minute: after the gentler PATCH of go2rtc's own port Frigate
        counts too many frames, and ends its ffmpeg for that.
        """
        changed = {name: source for name, source in sources.items() if self._told.get(name) != source}
        if not changed or not abilities.passes_streams:
            self.waiting |= set(changed) & set(self._told)
            self._told |= changed
            return self._warning
        answer = await self._session.request(HttpRequest("GET", "/api/go2rtc/streams", self._fresh()))
        shown = parse_object(answer.text) if answer.status == 200 else None
        if shown is None:
            return "the go2rtc inside Frigate does not answer"
        remarks: list[str] = []
        for name, source in changed.items():
            filled = _filled(source, variables)
            full = source if abilities.fills_sources else filled
            if not _is_there(shown.get(name), filled):
                request = HttpRequest("PUT", f"/api/go2rtc/streams/{name}", {"src": full})
                answer = await self._session.request(request)
                if answer.status != 200:
                    remarks.append(f"the go2rtc inside Frigate refuses {name}: {words(answer.text)}")
                    continue
                has_login = full == filled and full != without_login(full)
                self._in_clear |= has_login and is_sent_in_clear(self._session.base)
            self._told[name] = source
        return "; ".join(filter(None, [*remarks[:_MAX_REMARKS], self._warning]))

    @property
    def _warning(self) -> str:
        return self._session.consumer.settings("url") + _IN_CLEAR if self._in_clear else ""


def _filled(source: str, variables: Mapping[str, Secret]) -> str:
    for name, value in variables.items():
        source = source.replace(f"{{{name}}}", value.reveal())
    return source


def _is_there(stream: Any, source: str) -> bool:
    """Whether a stream has this source, as far as Frigate shows it: without the login."""
    producers = stream.get("producers") if isinstance(stream, dict) else None
    if not isinstance(producers, list) or not producers or not isinstance(producers[0], dict):
        return False
    return without_login(str(producers[0].get("url"))) == without_login(source)


def _standing(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """A value that stands in a configuration, as ``config_data``: to set it changes nothing."""
    found = list(islice(_scalars(document), _MAX_SCALARS))
    numbers = [path for path in found if isinstance(path[-1], bool | int | float)]
    if not found:
        return None
    *keys, value = (numbers or found)[0]
    for key in reversed(keys):
        value = {key: value}
    return value if isinstance(value, dict) else None


def _scalars(table: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The keys to each scalar of a table, and its value; without keys that Frigate would take for an index, or cut."""
    for key, value in table.items():
        if not isinstance(key, str) or "." in key or _is_number(key):
            continue
        if isinstance(value, Mapping):
            yield from _scalars(value, (*above, key))
        elif value not in (None, "") and not isinstance(value, list):
            yield (*above, key, value)


def _is_number(key: str) -> bool:
    try:
        int(key)
    except ValueError:
        return False
    return True
