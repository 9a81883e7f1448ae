"""A Home Assistant add-on's folder goes in; what its Supervisor would refuse or ignore comes out.

The fields that we use, of https://developers.home-assistant.io/docs/apps/configuration; what is not among them is
refused here, where the Supervisor would only ignore it. Types of options, and how a value is judged by them: the same
page, "Options / Schema".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

_TYPES = re.compile(
    r"(?:bool|email|url|port|str|password|int|float|(?:str|password|int|float)\(-?\d*,-?\d*\)|match\(.*\)|list\(.+\))\??"
)
_MAPS = "data|ssl|addons|backup|share|media|homeassistant_config|all_addon_configs|addon_config"
#: Of the Supervisor, by the port within the container; ``[HOST]`` is 172.30.32.1 for who is on the host's network.
_WATCHDOG = re.compile(r"(?:https?|tcp)://\[HOST\]:(?:\[PORT:(\d+)\]|(\d+))(/.*)?")


def _is(kind: type) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, kind)


def _each(allowed: str) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(re.fullmatch(allowed, one) for one in value)


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "name": _is(str),
    "version": lambda value: re.fullmatch(r"\d[\w.+-]*", str(value)) is not None,
    "slug": lambda value: re.fullmatch(r"[-_.A-Za-z0-9]+", value) is not None,
    "description": _is(str),
    "arch": _each("aarch64|amd64"),
    "init": _is(bool),
    "startup": lambda value: value in ("initialize", "system", "services", "application", "once"),
    "boot": lambda value: value in ("auto", "manual", "manual_only"),
    "host_network": _is(bool),
    "privileged": _each("BPF|IPC_LOCK|NET_ADMIN|NET_RAW|PERFMON|SYS_ADMIN|SYS_NICE|SYS_PTRACE|SYS_RAWIO|SYS_TIME"),
    "apparmor": _is(bool),
    "tmpfs": _is(bool),
    "services": _each("(mqtt|mysql):(provide|want|need)"),
    "map": _each(f"({_MAPS})(:(rw|ro))?"),
    "backup": lambda value: value in ("hot", "cold"),
    "ingress": _is(bool),
    "ingress_port": lambda value: value in range(65536),
    "panel_icon": lambda value: value.startswith("mdi:"),
    "watchdog": lambda value: _WATCHDOG.fullmatch(value) is not None,
    "options": _is(dict),
    "schema": _is(dict),
}
_NEEDED = ("name", "version", "slug", "description", "arch")


def faults(configuration: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a config.yaml."""
    yield from (f"{name} is missing" for name in _NEEDED if name not in configuration)
    for name, value in configuration.items():
        if name not in _FIELDS:
            yield f"{name} is not known"
        elif not _FIELDS[name](value):
            yield f"{name} cannot be {value!r}"
    schema, options = configuration.get("schema", {}), configuration.get("options", {})
    yield from (f"the type of {name} is not known" for name, kind in schema.items() if not _is_type(kind))
    yield from option_faults(schema, options)


def _is_type(kind: Any, depth: int = 0) -> bool:
    if isinstance(kind, str):
        return _TYPES.fullmatch(kind) is not None
    if isinstance(kind, list):
        return len(kind) == 1 and not isinstance(kind[0], list) and _is_type(kind[0], depth)
    return depth < 2 and isinstance(kind, dict) and all(_is_type(one, depth + 1) for one in kind.values())


def option_faults(schema: Mapping[str, Any], options: Mapping[str, Any], where: str = "") -> Iterator[str]:
    """Why the add-on would not be started with these options."""
    for name, value in options.items():
        if name not in schema:
            yield f"{where}{name} is no option"
        else:
            yield from _value_faults(schema[name], value, f"{where}{name}")
    for name, kind in schema.items():
        inner = kind[0] if isinstance(kind, list) else kind
        if name not in options and not (isinstance(inner, str) and inner.endswith("?")):
            yield f"{where}{name} is missing"


def _value_faults(kind: Any, value: Any, name: str) -> Iterator[str]:
    if isinstance(kind, list):
        if not isinstance(value, list):
            yield f"{name} is no list"
            return
        for one in value:
            yield from _value_faults(kind[0], one, name)
    elif isinstance(kind, dict):
        if isinstance(value, dict):
            yield from option_faults(kind, value, f"{name}.")
        else:
            yield f"{name} is no table"
    elif not _fits(kind.removesuffix("?"), value):
        yield f"{name} is no {kind}"


def _fits(kind: str, value: Any) -> bool:
    word, _, rest = kind.partition("(")
    rest = rest.removesuffix(")")
    match word:
        case "bool":
            return isinstance(value, bool)
        case "port":
            return isinstance(value, int) and 0 < value < 65536
        case "url":
            return bool(urlsplit(str(value)).scheme and urlsplit(str(value)).netloc)
        case "list":
            return value in rest.split("|")
        case "match":
            return re.match(rest, str(value)) is not None
        case "str" | "password":
            least, _, most = rest.partition(",")
            return isinstance(value, str) and int(least or 0) <= len(value) <= int(most or len(value))
        case _:
            return False


def watched(configuration: Mapping[str, Any]) -> tuple[str, int, str]:
    """Host, port and path that the Supervisor asks, of an add-on on the host's network without ``ports``."""
    found = _WATCHDOG.fullmatch(configuration["watchdog"])
    assert found is not None
    assert configuration["host_network"]
    return "172.30.32.1", int(found[1] or found[2]), found[3] or ""


def translation_faults(schema: Mapping[str, Any], texts: Mapping[str, Any]) -> Iterator[str]:
    """Options without a name or a description, and texts of none."""
    given = texts["configuration"]
    yield from (f"{name} is no option" for name in given if name not in schema)
    for name, kind in schema.items():
        text = given.get(name, {})
        yield from (f"{name} has no {part}" for part in ("name", "description") if not text.get(part))
        inner = kind[0] if isinstance(kind, list) else kind
        if isinstance(inner, dict) and set(text.get("fields", {})) != set(inner):
            yield f"{name} has other fields"
