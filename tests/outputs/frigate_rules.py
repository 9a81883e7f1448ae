"""A Frigate configuration as values goes in; what Frigate 0.14 to 0.18 says against it comes out.

The rules that camdetect relies on, as they stand in Frigate's models (``frigate/config/camera/``) and in the recorded
answers: unknown fields are refused, roles are ``audio``, ``record`` and ``detect``, each given once, ``detect`` must be
there, a camera's name has letters, digits, "_" and "-", ``friendly_name`` came with 0.17, and a path is formatted with
the variables: once in 0.14, twice in 0.15 to 0.17, by a replacement of its own since 0.18.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from string import Formatter
from typing import Any
from urllib.parse import quote_plus

from ruamel.yaml import YAML

_CAMERA = {
    "audio", "birdseye", "detect", "enabled", "ffmpeg", "live", "motion", "mqtt", "notifications", "objects", "onvif",
    "record", "review", "snapshots", "timestamp_style", "ui", "webui_url", "zones", "best_image_timeout",
}  # fmt: skip
_FIELDS = {
    "detect": {"enabled", "width", "height", "fps", "min_initialized", "max_disappeared", "stationary"},
    "ffmpeg": {"inputs", "global_args", "hwaccel_args", "input_args", "output_args", "retry_interval", "path"},
    "objects": {"track", "filters", "mask"},
    "onvif": {"host", "port", "user", "password", "autotracking", "ignore_time_mismatch", "tls_insecure"},
}
_INPUT = {"path", "roles", "global_args", "hwaccel_args", "input_args"}
_ROLES = {"audio", "record", "detect"}
_EXTRA = "Extra inputs are not permitted"
_NAME = "String should match pattern '^[a-zA-Z0-9_-]+$'"
_REPLACED = re.compile(r"\{(FRIGATE_[A-Za-z0-9_]+)\}")

#: (where, what): one fault as pydantic says it.
Violation = tuple[tuple[Any, ...], str]


class Broken(Exception):
    """A variable that is not there, or braces that are none: it goes through all of Frigate as it was raised.

    :ivar again: only the second pass found it.
    """

    def __init__(self, error: Exception, *, again: bool) -> None:
        self.words = f"{type(error).__name__}: {error}"
        self.again = again
        super().__init__(self.words)


def load(text: str) -> Any:
    """YAML as Frigate reads it."""
    return YAML(typ="safe", pure=True).load(text)


def faults(configuration: Any, *, minor: int, environment: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with it, for Frigate 0.<minor>. ``environment`` None: whatever variable is asked for is there."""
    found = []
    cameras = configuration.get("cameras", {}) if isinstance(configuration, dict) else None
    for name, block in (cameras or {}).items():
        try:
            alone = {**configuration, "cameras": {name: block}}
            found += [
                f"{' -> '.join(map(str, where))} - {what}" for where, what in violations(alone, minor, environment)
            ]
        except Broken as broken:
            found.append(f"{name} - {broken}")
    return found if cameras is not None else ["no table of cameras"]


def violations(configuration: Any, minor: int, environment: Mapping[str, str] | None) -> list[Violation]:
    """What pydantic finds.

    :raises Broken: by the first camera whose text cannot be formatted.
    """
    if not isinstance(configuration, dict):
        return [((), "Input should be a valid dictionary or instance of FrigateConfig")]
    if "cameras" not in configuration:
        return [(("cameras",), "Field required")]
    cameras = configuration["cameras"] or {}
    found = [one for name, block in cameras.items() for one in _of(name, block, minor, environment)]
    if not found:
        for name, block in cameras.items():
            for _, text in _texts(block):
                _formatted(text, minor, environment, again=True)
            if not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
                return [(("name",), _NAME)]
    return found


def _of(name: Any, block: Any, minor: int, environment: Mapping[str, str] | None) -> Iterator[Violation]:
    here = ("cameras", name)
    if not isinstance(name, str):
        yield (*here, "[key]"), "Input should be a valid string"
        return
    if not isinstance(block, dict):
        yield here, "Input should be a valid dictionary or instance of CameraConfig"
        return
    for where, text in _texts(block):
        try:
            _formatted(text, minor, environment)
        except ValueError as error:
            yield (*here, *where), f"Value error, {error}"
    inputs = block.get("ffmpeg", {}).get("inputs", [])
    roles = [role for one in inputs for role in one.get("roles", [])]
    for number, one in enumerate(inputs):
        yield from (((*here, "ffmpeg", "inputs", number, key), _EXTRA) for key in one if key not in _INPUT)
        for at, role in enumerate(one.get("roles", [])):
            if role not in _ROLES:
                yield (*here, "ffmpeg", "inputs", number, "roles", at), "Input should be 'audio', 'record' or 'detect'"
    if len(inputs) == 1:
        roles = ["record", "detect"]  # whatever is given, Frigate says so itself
    if len(roles) != len(set(roles)):
        yield (*here, "ffmpeg", "inputs"), "Value error, Each input role may only be used once."
    elif "detect" not in roles:
        yield (*here, "ffmpeg", "inputs"), "Value error, The detect role is required."
    for section, fields in _FIELDS.items():
        yield from (((*here, section, key), _EXTRA) for key in block.get(section, {}) if key not in fields)
    for section, keys in (("detect", ("width", "height", "fps")), ("onvif", ("port",))):
        for key in keys:
            value = block.get(section, {}).get(key, 1)
            if not isinstance(value, int) and not str(value).isdigit():
                yield (*here, section, key), "Input should be a valid integer, unable to parse string as an integer"
    allowed = _CAMERA | ({"friendly_name"} if minor >= 17 else set())
    yield from (((*here, key), _EXTRA) for key in block if key not in allowed)


def _texts(block: Mapping[str, Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The texts of a camera in which variables may stand, with where they stand."""
    for number, one in enumerate(block.get("ffmpeg", {}).get("inputs", [])):
        yield ("ffmpeg", "inputs", number, "path"), str(one.get("path", ""))
    for key in ("user", "password"):
        if block.get("onvif", {}).get(key) is not None:
            yield ("onvif", key), str(block["onvif"][key])


class _Anything(dict):
    """Every variable that may be asked for, each with a value of its own."""

    def __missing__(self, key: str) -> str:
        if not key.startswith("FRIGATE_"):
            raise KeyError(key)
        return f"<{key}>"


def _formatted(text: str, minor: int, environment: Mapping[str, str] | None, *, again: bool = False) -> str:
    values = _Anything() if environment is None else dict(environment)

    def once(text: str) -> str:
        return Formatter().vformat(text, (), values) if environment is None else text.format(**values)

    try:
        if minor >= 18:
            return _REPLACED.sub(lambda match: str(values[match[1]]), text)
        return once(once(text)) if again and minor >= 15 else once(text)
    except (KeyError, IndexError) as error:
        raise Broken(error, again=again) from None


def substituted(text: str, environment: Mapping[str, str] | None, *, minor: int = 17) -> str:
    """A value with its variables, as Frigate 0.<minor> uses it.

    :raises Broken: it cannot be formatted.
    """
    return _formatted(text, minor, environment, again=True)


def for_ffmpeg(path: str) -> str:
    """The URL that ffmpeg gets (``escape_special_characters`` of ``frigate/util/builtin.py``)."""
    found = re.search(r":\/\/[a-zA-Z0-9_-]+:[\S]+@", path)
    if found is None:
        return path
    password = found[0][3:-1].partition(":")[2]
    return path.replace(password, quote_plus(password))
