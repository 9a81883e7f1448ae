"""Serialiser of plain JSON values as YAML: the lines of a block, or one scalar."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

#: Texts that every YAML reader, 1.1 or 1.2, takes for the text that they are.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"})


def scalar(value: Any) -> str:
    """One value on one line; collections in flow style."""
    if isinstance(value, str):
        if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
            return value
        return f'"{"".join(_escaped(one) for one in value)}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{scalar(key)}: {scalar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(scalar(one) for one in value)}]"
    return json.dumps(value)


def _escaped(one: str) -> str:
    """One character within double quotes (YAML 1.2, 5.7): JSON's pairs of surrogates are no character there."""
    if one in '"\\':
        return "\\" + one
    if "\ud800" <= one <= "\udfff":
        return "\\uFFFD"  # half a character: no text can hold it
    return one if one.isprintable() else f"\\U{ord(one):08X}"


def block(value: Any, indent: int) -> list[str]:
    """The lines of a collection, each behind ``indent`` blanks; what is no table or list of tables is one line."""
    pad = " " * indent
    if isinstance(value, Mapping) and value:
        lines: list[str] = []
        for key, item in value.items():
            lines += _pair(pad, key, item, indent)
        return lines
    if isinstance(value, list) and value and all(isinstance(one, Mapping) and one for one in value):
        lines = []
        for item in value:
            first, *rest = block(item, indent + 2)
            lines += [f"{pad}- {first.lstrip()}", *rest]
        return lines
    return [f"{pad}{scalar(value)}"]


def _pair(pad: str, key: Any, item: Any, indent: int) -> list[str]:
    nested = (isinstance(item, Mapping) and item) or (
        isinstance(item, list) and item and all(isinstance(one, Mapping) and one for one in item)
    )
    if nested:
        return [f"{pad}{scalar(key)}:", *block(item, indent + 2)]
    return [f"{pad}{scalar(key)}: {scalar(item)}"]
