"""A Frigate configuration as values goes in; what Frigate 0.14 to 0.18 says against it comes out.

The rules that camdetect relies on, as they stand in Frigate's models (``frigate/config/camera/``): unknown fields are
refused, roles are ``audio``, ``record`` and ``detect``, each given once, ``detect`` must be there, a camera's name has
letters, digits, "_" and "-", ``friendly_name`` came with 0.17, and a path is formatted with the variables.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
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


def load(text: str) -> Any:
    """YAML as Frigate reads it."""
    return YAML(typ="safe", pure=True).load(text)


def faults(configuration: Any, *, minor: int, environment: Mapping[str, str] | None = None) -> list[str]:
    """What is wrong with it, for Frigate 0.<minor>. ``environment`` None: whatever variable is asked for is there."""
    if not isinstance(configuration, dict) or not isinstance(configuration.get("cameras", {}), dict):
        return ["no table of cameras"]
    return [
        fault
        for name, block in configuration.get("cameras", {}).items()
        for fault in _of(name, block, minor, environment)
    ]


def _of(name: Any, block: Any, minor: int, environment: Mapping[str, str] | None) -> Iterator[str]:
    if not isinstance(name, str) or not re.fullmatch(r"[a-zA-Z0-9_-]+", name):
        yield f"cameras -> {name!r} - String should match pattern '^[a-zA-Z0-9_-]+$'"
    allowed = _CAMERA | ({"friendly_name"} if minor >= 17 else set())
    yield from (f"cameras -> {name} -> {key} - Extra inputs are not permitted" for key in block if key not in allowed)
    for section, fields in _FIELDS.items():
        found = block.get(section, {})
        yield from (
            f"{name} -> {section} -> {key} - Extra inputs are not permitted" for key in found if key not in fields
        )
    inputs = block.get("ffmpeg", {}).get("inputs", [])
    roles = [role for one in inputs for role in one.get("roles", [])]
    if len(inputs) == 1:
        roles = ["record", "detect"]  # whatever is given, Frigate says so itself
    yield from (f"{name} - Input should be 'audio', 'record' or 'detect'" for role in roles if role not in _ROLES)
    if len(roles) != len(set(roles)):
        yield f"{name} - Each input role may only be used once."
    if "detect" not in roles:
        yield f"{name} - The detect role is required."
    for one in inputs:
        yield from (f"{name} - {key}: Extra inputs are not permitted" for key in one if key not in _INPUT)
    detect = block.get("detect", {})
    for key in ("width", "height", "fps"):
        if not isinstance(detect.get(key, 1), int):
            yield f"{name} -> detect -> {key} - Input should be a valid integer"
    onvif = block.get("onvif", {})
    if not isinstance(onvif.get("port", 1), int):
        yield f"{name} -> onvif -> port - Input should be a valid integer"
    for text in [one.get("path") for one in inputs] + [onvif.get("user"), onvif.get("password")]:
        if text is not None:
            try:
                substituted(text, environment)
            except (KeyError, IndexError, ValueError) as error:
                yield f"{name} - {type(error).__name__}: {error}"


class _Anything(dict):
    def __missing__(self, key: str) -> str:
        return f"<{key}>" if key.startswith("FRIGATE_") else super().__getitem__(key)


def substituted(text: str, environment: Mapping[str, str] | None) -> str:
    """A value with its variables (``validate_env_string`` of 0.15 to 0.17)."""
    return text.format_map(_Anything() if environment is None else dict(environment))


def for_ffmpeg(path: str) -> str:
    """The URL that ffmpeg gets (``escape_special_characters`` of ``frigate/util/builtin.py``)."""
    found = re.search(r":\/\/[a-zA-Z0-9_-]+:[\S]+@", path)
    if found is None:
        return path
    password = found[0][3:-1].partition(":")[2]
    return path.replace(password, quote_plus(password))
