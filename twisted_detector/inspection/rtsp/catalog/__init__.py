"""Catalog of RTSP paths by device family: what is known of a device orders the paths to try, likeliest first.

The facts are in ``rules.json``. Each rule has a source: ``"vendor"`` is a page or manual of the vendor's own, read on
the day in ``checked_on``; ``"cited"`` such a page as others cite it, which could not be read on that day; ``"project"``
the file of a public project that names the path. Paths with a user or a password in them have no place here.
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from twisted_detector.errors import LocalError
from twisted_detector.model.login_rules import names_manufacturer

#: A rule is about one family of devices: more paths than this are guessing.
MAX_PATHS = 4
#: The whole catalog: at 8 paths per inspection a device is through within some hours.
MAX_RULES = 64
PROVENANCES = frozenset({"vendor", "cited", "project"})

_DATE = re.compile(r"20\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_PATH = re.compile(r"/[\x21-\x7e]{0,120}")
_FIELDS = frozenset({"id", "vendors", "ports", "paths", "hints", "provenance", "source_url", "checked_on"})
_HINTS = ("server", "realm", "scope")


@dataclass(frozen=True, slots=True)
class Hints:
    """Texts and numbers that give a device's make away; every text may be "" and is compared without regard to case."""

    server: str = ""
    realm: str = ""
    scopes: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    mac_vendors: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path:
    """A main stream's path and, where the family has one, its sub stream's; both begin with ``/``."""

    main: str
    sub: str
    rule: str
    vendors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """One family of devices.

    :ivar ports: where its RTSP server usually is; none says nothing.
    :ivar hints: by kind (``server``, ``realm``, ``scope``) the lower-case texts that give it away.
    """

    id: str
    vendors: tuple[str, ...]
    ports: tuple[int, ...]
    paths: tuple[Path, ...]
    hints: Mapping[str, tuple[str, ...]]
    provenance: str
    source_url: str
    checked_on: str

    def matches(self, hints: Hints) -> bool:
        """Whether one of its texts occurs in those of the device, or the device's MAC is of one of its vendors."""
        said = {
            "server": hints.server.lower(),
            "realm": hints.realm.lower(),
            "scope": "\n".join(hints.scopes).lower(),
        }
        if any(text in said[kind] for kind, texts in self.hints.items() for text in texts):
            return True
        return any(names_manufacturer(vendor, text) for vendor in self.vendors for text in hints.mac_vendors)


def load(text: str) -> tuple[Rule, ...]:
    """Read rules.

    :raises LocalError: a field that is missing, unknown or out of bounds, a duplicate, or a rule without its source.
    """
    try:
        entries = json.loads(text)["rules"]
    except (ValueError, KeyError, TypeError):
        raise LocalError("the catalog is no JSON object with rules") from None
    if not isinstance(entries, list) or not 0 < len(entries) <= MAX_RULES:
        raise LocalError("the catalog has too many rules or none")
    rules = tuple(_rule(entry) for entry in entries)
    _check_unique("rule", [rule.id for rule in rules])
    _check_unique("path", [text for rule in rules for path in rule.paths for text in (path.main, path.sub) if text])
    return rules


def _check_unique(what: str, texts: list[str]) -> None:
    seen: set[str] = set()
    for text in texts:
        if text in seen:
            raise LocalError(f"a {what} stands twice in the catalog", shown=text)
        seen.add(text)


def _rule(entry: Any) -> Rule:
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise LocalError("a rule has unknown or missing fields", shown=repr(entry)[:80])
    name = _text(entry["id"], r"[a-z0-9-]{1,40}", "id")
    vendors = tuple(_text(vendor, r"[\w .&-]{1,40}", name) for vendor in _list(entry["vendors"], name))
    ports = tuple(_list(entry["ports"], name))
    if any(type(port) is not int or not 0 < port < 65_536 for port in ports):
        raise LocalError("a rule with a port that is none", shown=name)
    paths = tuple(_path(path, name, vendors) for path in _list(entry["paths"], name))
    if not 0 < len(paths) <= MAX_PATHS + (not vendors):
        raise LocalError("a rule with too many paths or none", shown=name)
    if entry["provenance"] not in PROVENANCES:
        raise LocalError("a rule with an unknown provenance", shown=name)
    return Rule(
        id=name,
        vendors=vendors,
        ports=ports,
        paths=paths,
        hints=_hints(entry["hints"], name),
        provenance=entry["provenance"],
        source_url=_text(entry["source_url"], r"https?://[\x21-\x7e]{4,300}", name),
        checked_on=_text(entry["checked_on"], _DATE.pattern, name),
    )


def _list(value: Any, rule: str) -> list[Any]:
    if not isinstance(value, list):
        raise LocalError("a field of a rule is no list", shown=rule)
    return value


def _text(value: Any, pattern: str, rule: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise LocalError("a text of a rule is missing or has no place there", shown=f"{rule}: {value!r}"[:80])
    return value


def _path(entry: Any, rule: str, vendors: tuple[str, ...]) -> Path:
    if not isinstance(entry, dict) or not {"main"} <= set(entry) <= {"main", "sub"}:
        raise LocalError("a path of a rule has unknown or missing fields", shown=rule)
    texts = [_text(text, _PATH.pattern, rule) for text in entry.values()]
    if any(re.search(r"passw|pwd|user=", text, re.IGNORECASE) for text in texts):
        raise LocalError("a path with a user or a password in it", shown=rule)
    return Path(main=entry["main"], sub=entry.get("sub", ""), rule=rule, vendors=vendors)


def _hints(entry: Any, rule: str) -> dict[str, tuple[str, ...]]:
    if not isinstance(entry, dict) or not set(entry) <= set(_HINTS):
        raise LocalError("a rule has unknown hints", shown=rule)
    hints: dict[str, tuple[str, ...]] = {}
    for kind, texts in entry.items():
        hints[kind] = tuple(_text(text, r"[^A-Z\n]{3,60}", rule) for text in _list(texts, rule))
    return hints


@cache
def rules() -> tuple[Rule, ...]:
    """The rules that come with the program, in order of how common they are."""
    return load(pathlib.Path(__file__).with_name("rules.json").read_text(encoding="utf-8"))


def paths_for(hints: Hints, catalog: tuple[Rule, ...] | None = None) -> tuple[Path, ...]:
    """Every path, likeliest first: rules that ``hints`` give away, then those of the device's ports, then the rest."""

    def rank(rule: Rule) -> int:
        if rule.matches(hints):
            return 0
        return 2 if rule.ports and not set(rule.ports) & set(hints.ports) else 1

    ordered = sorted(rules() if catalog is None else catalog, key=rank)
    return tuple(path for rule in ordered for path in rule.paths)


def vendors_for(hints: Hints, catalog: tuple[Rule, ...] | None = None) -> tuple[str, ...]:
    """The makes that ``hints`` give away; several where one server is sold under many names."""
    matching = (rule for rule in (rules() if catalog is None else catalog) if rule.matches(hints))
    return tuple(vendor for rule in matching for vendor in rule.vendors)
