"""Frigate's configuration as a double: a file that is saved whole or set by keys, checked, and told to what runs."""

from __future__ import annotations

import copy
import io
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tests.outputs.frigate_rules import Broken, Violation, substituted, violations
from tests.peers.exchange import Answer
from tests.peers.frigate_running import NEWER_WORDS, WORDS, Running
from tests.peers.frigate_words import of_schema, of_variable, of_yaml

_USER = re.compile(r":\/\/[a-zA-Z0-9_-]+:[\S]+@")


class Configuration:
    """:ivar text: its file; ``values``: what the app goes by: the file of its start, or of the last ``set``.
    :ivar environment: the variables of its start.
    :ivar safe_mode: it was started with a file that it does not take.
    """

    def __init__(self, minor: int, text: str, path: Path | None, environment: Mapping[str, str]) -> None:
        self.minor, self.path = minor, path
        self.text = path.read_text() if path is not None else text
        self.environment = dict(environment)
        self.running = Running(minor)
        self.published: list[tuple[str, str]] = []
        self.saves: list[str] = []
        self.safe_mode = False
        self.values: dict[str, Any] = {}
        self.start()

    def start(self) -> None:
        try:
            self.values = self._checked(self.text)
            self.safe_mode = False
        except (Refused, Broken, YAMLError):
            self.values, self.safe_mode = {"cameras": {}}, True
        self.running.start(self.values["cameras"])

    def write(self, text: str) -> None:
        self.text = text
        if self.path is not None:
            self.path.write_text(text)

    def _checked(self, text: str) -> dict[str, Any]:
        """The values of a configuration that Frigate takes, variables replaced.

        :raises Refused: by its schema. :raises Broken: a variable is not there. :raises YAMLError: it is no YAML.
        """
        try:
            values = copy.deepcopy(_loaded(text))
        except YAMLError:
            YAML().load(io.StringIO(text))  # it is loaded twice, and the words are those of the first time
            raise
        found = violations(values, self.minor, self.environment)
        if found:
            raise Refused(found)
        values["cameras"] = {name: self._completed(block) for name, block in values["cameras"].items()}
        return dict(values)

    def _completed(self, block: dict[str, Any]) -> dict[str, Any]:
        """A camera with its variables replaced, and the roles that Frigate gives a single input."""
        inputs = [
            {
                "path": substituted(str(one["path"]), self.environment, minor=self.minor),
                "roles": list(one.get("roles", [])),
            }
            for one in block["ffmpeg"]["inputs"]
        ]
        if len(inputs) == 1:
            inputs[0]["roles"] = ["record", "detect"]
        return {**block, "ffmpeg": {**block["ffmpeg"], "inputs": inputs}}

    # --- save ------------------------------------------------------------------------------------------------------

    def save(self, kind: str, option: str | None, body: bytes) -> Answer:
        if not body:
            return told(422, {"detail": [_missing("body")]})
        if option is None:
            return told(422, {"detail": [_missing("query", "save_option")]})
        if not kind.startswith("text/plain"):
            fault = {"type": "json_invalid", "loc": ["body", 0], "msg": "JSON decode error", "input": {}}
            return told(422, {"detail": [{**fault, "ctx": {"error": "Expecting value"}}]})
        try:
            text = body.decode()
        except UnicodeDecodeError:
            return crash()
        try:
            self._checked(text)
        except Refused as refused:
            return say(400, of_schema(text, refused.found), success=False)
        except Broken as broken:
            return say(400, of_variable(broken, self.minor), success=False)
        except YAMLError as error:
            return say(400, of_yaml(error, self.minor), success=False)
        self.write(text)
        self.saves.append(option)
        more = ", restarting (this can take up to one minute)..." if option == "restart" else "."
        return say(200, f"Config successfully saved{more}")

    # --- set -------------------------------------------------------------------------------------------------------

    def set(self, query: list[tuple[str, str]], body: bytes) -> Answer:
        """``PUT /api/config/set``: 0.16 knows the query alone, and says 200 to all else."""
        if not body:
            return told(422, {"detail": [_missing("body")]})
        asked = json.loads(body)
        updates: list[tuple[list[Any], Any]] = [
            (key.split("."), int(value) if value.isdigit() else value) for key, value in query
        ]
        if not updates and self.minor >= 17:
            if not asked.get("config_data"):
                return say(400, "No configuration data provided", success=False)
            updates = list(_flat(asked["config_data"]))
            if self.minor < 18:  # a name with a dot is cut in two
                updates = [(".".join(key).split("."), value) for key, value in updates]
        before = self.text
        try:
            after = self._updated(updates)
        except (KeyError, IndexError, TypeError):
            return say(500, "Error updating config", success=False)
        memory = bool(asked.get("skip_save")) and self.minor >= 18
        try:
            values = self._checked(after)
        except Refused as refused:
            words = "Error parsing config. Check logs for error message."
            if self.minor >= 18:
                words = f"Error saving config: {refused.found[0][1]}"
            return say(400, words, success=False)
        except (Broken, KeyError):
            return say(400, "Error parsing config. Check logs for error message.", success=False)
        self.write(before if memory else after)
        topic, now = asked.get("update_topic"), asked.get("requires_restart", 1) == 0
        if self.minor >= 17 and (now or topic):
            old, self.values = self.values, values
            if topic and not self._publish(topic, old):
                return crash()
        if memory:
            return say(200, "Config applied in-memory")
        more = ", restart to apply" if self.minor < 18 or not now else ""
        return say(200, f"Config successfully updated{more}")

    def _updated(self, updates: list[tuple[list[Any], Any]]) -> str:
        """The file with the keys set, written anew as ruamel writes it; a key that ``int()`` takes is an index."""
        yaml = YAML()
        yaml.indent(mapping=2, sequence=4, offset=2)
        document = yaml.load(self.text)
        for key, value in updates:
            for at in range(len(key)):
                try:
                    number = int(key[at])
                except ValueError:
                    continue
                key[at] = (key[at - 1], number)
                key.pop(at - 1)
            self._put(document, key, value)
        out = io.StringIO()
        if updates:
            yaml.dump(document, out)
        return out.getvalue() or self.text

    def _put(self, document: Any, key: list[Any], value: Any) -> None:
        for part in key[:-1]:
            if part not in document or document[part] is None:
                document[part] = {}
            document = document[part]
        if value == "" or (value is None and self.minor >= 18):
            del document[key[-1]]
        else:
            document[key[-1]] = value

    def _publish(self, topic: str, old: dict[str, Any]) -> bool:
        """Tell what runs; False where Frigate fails on it, with the file written already."""
        parts = topic.split("/")
        known = WORDS | (NEWER_WORDS if self.minor >= 18 else set())
        if len(parts) != 4 or parts[3] not in known:
            return False
        _, _, name, word = parts
        block = (old if word == "remove" else self.values)["cameras"].get(name)
        if block is None:
            return False
        self.published.append((name, word))
        self.running.hear(word, name, block)
        return True

    # --- reading ---------------------------------------------------------------------------------------------------

    def shown(self) -> dict[str, Any]:
        """``GET /api/config``: of all its keys those that a follower may look at; logins as ``*:*``."""
        cameras = {
            name: {
                "enabled": block.get("enabled", True),
                "ffmpeg": {
                    "inputs": [
                        {
                            "path": masked(one["path"]),
                            "roles": one["roles"],
                            "global_args": [],
                            "hwaccel_args": [],
                            "input_args": [],
                        }
                        for one in block["ffmpeg"]["inputs"]
                    ]
                },
            }
            for name, block in self.values["cameras"].items()
        }
        streams = (self.values.get("go2rtc") or {}).get("streams") or {}
        go2rtc = {"streams": {name: masked(one) if isinstance(one, str) else one for name, one in streams.items()}}
        return {
            "cameras": cameras,
            "go2rtc": go2rtc,
            "safe_mode": self.safe_mode if self.minor >= 17 else None,
            "version": None,
        }

    def raw_paths(self) -> dict[str, Any]:
        cameras = {
            name: {"ffmpeg": {"inputs": block["ffmpeg"]["inputs"]}} for name, block in self.values["cameras"].items()
        }
        return {"cameras": cameras, "go2rtc": {"streams": (self.values.get("go2rtc") or {}).get("streams") or {}}}


@lru_cache(64)
def _loaded(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


class Refused(Exception):
    def __init__(self, found: list[Violation]) -> None:
        super().__init__(found)
        self.found = found


def _flat(values: Mapping[str, Any], above: tuple[str, ...] = ()) -> Any:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, (*above, key))
        else:
            yield [*above, key], value


def masked(url: str) -> str:
    """``clean_camera_user_pass``."""
    return _USER.sub("://*:*@", url)


def _missing(*where: Any) -> dict[str, Any]:
    return {"type": "missing", "loc": list(where), "msg": "Field required", "input": None}


def told(status: int, value: Any, *headers: tuple[str, str]) -> Answer:
    """A JSON answer as FastAPI writes it."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Answer(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body))), *headers], body)


def say(status: int, message: str, *, success: bool = True) -> Answer:
    return told(status, {"success": success, "message": message})


def crash() -> Answer:
    """An exception that nobody caught."""
    return text(500, "Internal Server Error")


def text(status: int, words: str) -> Answer:
    body = words.encode()
    return Answer(status, [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))], body)
