"""Generator of an example of the TOML file: every setting with what it is, commented out, from the declarations."""

from __future__ import annotations

import json
from collections.abc import Iterator
from textwrap import wrap
from typing import Any

from twisted_detector.config.config import TABLES, Config
from twisted_detector.config.declarations import Setting
from twisted_detector.config.kinds import ValueRefused

_HEAD = """\
# Configuration of camdetect. CAMDETECT_CONFIG names this file; variables of the environment go before it.
#
# Each setting stands here as it is when nothing is set, or with an example. Remove the "#" before a line to set it.
# A file that has passwords must be readable by its owner only (chmod 600). `camdetect config --check` checks it.
"""
_WIDTH = 110
#: Settings that the file cannot have: the variable that names it, and PLUGINS, whose key is that of the tables.
_ONLY_IN_ENVIRONMENT = frozenset({"camdetect_config", "plugins"})
_PLUGINS = """
# Settings of a plugin stand in a table with its name:
#
#[plugins.jsonl]
#path = "/var/lib/camdetect/events.jsonl"
"""


def example() -> str:
    """The whole file."""
    lines: list[str] = []
    heading, defaults = "", Config()
    sections: dict[str, list[str]] = {}
    for key, one in Config.settings().items():
        heading = one.heading or heading
        if key not in _ONLY_IN_ENVIRONMENT:
            sections.setdefault(heading, []).extend(_setting(key, one, defaults.value_of(key)))
    for title, texts in sections.items():
        lines += ["", f"# --- {title} ".ljust(_WIDTH, "-"), *texts]
    lines += ["", "# --- Further consumers ".ljust(_WIDTH, "-"), ""]
    for program, settings in TABLES.settings.items():
        lines += [*_comment(f"Another {program}, with a name of your choice. It may have: {', '.join(settings)}.")]
        lines += ["#", f"#[{program}.north]", ""]
    return _HEAD + "\n".join(lines) + _PLUGINS


def _setting(key: str, one: Setting, default: Any) -> Iterator[str]:
    yield ""
    yield from _comment(one.help)
    yield from _comment(
        f"Allowed: {one.kind.allowed}." + (f" Default: {one.default_text}." if one.default_text else "")
    )
    yield f"#{key} = {_toml(one, default)}"
    if one.secret:
        yield f'#{key}_file = ""'


def _comment(text: str) -> list[str]:
    return [f"# {line}" for line in wrap(text, _WIDTH - 2, break_long_words=False, break_on_hyphens=False)]


def _toml(one: Setting, default: Any) -> str:
    """The example, or the default, as TOML; an empty text counts as not set."""
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, int | float):
        return f"{default:g}" if isinstance(default, float) else str(default)
    if one.example or one.secret or default is None:
        return json.dumps(one.example)
    if one.default_text:  # perhaps it is told how the default is found, not which it is
        return json.dumps(one.default_text if _means(one, default) else "")
    return json.dumps(",".join(default) if isinstance(default, tuple) else str(default))


def _means(one: Setting, default: Any) -> bool:
    """Whether the text that stands for the default could be set instead of it."""
    try:
        return bool(one.kind.read(one.default_text) == default)
    except ValueRefused:
        return False
