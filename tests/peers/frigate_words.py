"""What is wrong with a configuration goes in; Frigate's own words about it come out, as its API says them.

The words of 0.15 and later: a heading, then a line for each fault of the schema, or a traceback escaped for HTML.
"""

from __future__ import annotations

from html import escape
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from tests.outputs.frigate_rules import Broken, Violation

_HEAD = "Your configuration is invalid.\nSee the official documentation at docs.frigate.video.\n\n"
_SITE = "/usr/local/lib/python3.11/site-packages/pydantic/main.py"
_APP, _CONFIG, _CAMERA, _ENV = (
    f"/opt/frigate/frigate/{one}.py" for one in ("api/app", "config/config", "config/camera/camera", "config/env")
)
#: minor → the lines of its frames: save, parse_yaml, parse, parse_object, camera, post_validation, env …
_LINES = {
    16: (244, 775, 771, 781, 150, 541, 18),
    17: (258, 814, 810, 820, 166, 521, 19),
    18: (540, 1137, 1133, 1143, 228, 0, 89, 61),
}


def of_schema(text: str, found: list[Violation]) -> str:
    """A line for each fault, with the line of the file as Frigate finds it (it counts from 0)."""
    document = YAML().load(text)
    lines = [f"Line {_line(document, where)}: {' -> '.join(map(str, where))} - {what}" for where, what in found]
    return _HEAD + "\n".join(lines)


def _line(document: Any, where: tuple[Any, ...]) -> int | str:
    if not where:
        return "Unknown"
    current, last = document, "Unknown"
    for part in where:
        try:
            if isinstance(current, CommentedMap | list):
                current = current[part]
        except (KeyError, IndexError, TypeError):
            return "Unable to determine"
        if hasattr(current, "lc"):
            last = current.lc.line
    # A scalar that stands in a list's item has no line of its own.
    return "Unable to determine" if len(where) > 3 and isinstance(where[-2], int) else last


def of_variable(broken: Broken, minor: int) -> str:
    """The traceback of a variable that is not there."""
    lines = _LINES[min(max(minor, 16), 18)]
    frames = [
        (_APP, lines[0], "config_save", "FrigateConfig.parse_yaml(new_config)", -1),
        (_CONFIG, lines[1], "parse_yaml", "return cls.parse(config_yaml, is_json=False, **context)", 7),
        (_CONFIG, lines[2], "parse", "return cls.parse_object(config, **context)", 7),
        (_CONFIG, lines[3], "parse_object", "return cls.model_validate(", 7),
        (_SITE, 627, "model_validate", "return cls.__pydantic_validator__.validate_python(", 7),
    ]
    if broken.again:
        what = "camera_config: CameraConfig = CameraConfig.model_validate("
        frames += [(_CONFIG, lines[5], "post_validation", what, 30), frames[-1]]
    validated = "validated_self = self.__pydantic_validator__.validate_python(data, self_instance=self)"
    frames += [
        (_CAMERA, lines[4], "__init__", "super().__init__(**config)", -1),
        (_SITE, 214, "__init__", validated, 17),
    ]
    if minor < 18:
        frames.append((_ENV, lines[6], "validate_env_string", "return v.format(**FRIGATE_ENV_VARS)", 7))
    else:
        frames.append((_ENV, lines[6], "validate_env_string", "return substitute_frigate_vars(v)", 7))
        frames.append((_ENV, lines[7], "substitute_frigate_vars", "raise KeyError(key)", -1))
    return _traceback(frames, broken.words, minor)


def of_yaml(error: YAMLError, minor: int) -> str:
    """The traceback of a text that is no YAML: of its frames only the first, the others are ruamel's."""
    lines = _LINES[min(max(minor, 16), 18)]
    frame = (_APP, lines[0] - 2, "config_save", "full_config = yaml_config.load(StringIO(new_config))", 14)
    words = f"{type(error).__module__}.{type(error).__name__}: {error}"
    return _traceback([frame], words, minor)


def _traceback(frames: list[tuple[str, int, str, str, int]], words: str, minor: int) -> str:
    told = "Traceback (most recent call last):\n"
    for path, line, function, code, start in frames:
        told += f'  File "{path}", line {line}, in {function}\n    {code}\n'
        if start >= 0:
            told += " " * (4 + start) + "^" * (len(code) - start) + "\n"
    # markupsafe's escape: quotes as numbers.
    told = escape(told + words + "\n", quote=False).replace('"', "&#34;").replace("'", "&#39;")
    return "\n" + (_HEAD if minor >= 15 else "Config Error:\n\n") + told
