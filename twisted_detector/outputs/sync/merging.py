"""Three-way merge of our entries into a document that belongs to somebody else.

Only entries that we own are touched, and of those only values that are as we left them: what a person changed or added
stays. An entry is ours when we wrote it (``base``), or when its name is a MAC that we were given a camera for: nobody
else calls a camera so, and a lost state directory must not orphan them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from twisted_detector.outputs.sync.seams import Entries, MergeResult, TargetRefused

#: Names that only we give: a MAC, perhaps with a channel.
_OURS = re.compile(r"[0-9a-f]{12}(_[0-9]{1,4})?(_sub)?")
_MISSING = object()
#: Lines of one difference that are shown: a person reads no more.
MAX_DIFF = 2000
#: A reference to a value that stands elsewhere; ``${NAME:value}`` of go2rtc has the value with it, and is none.
_VARIABLE = r"(?:\{FRIGATE_[A-Za-z0-9_]+\}|\$\{[A-Za-z0-9_]+\})"
_VARIABLES = re.compile(rf"{_VARIABLE}(?::{_VARIABLE})?")
#: The key of what is a secret, quoted or not.
_KEY = r"[\"']?[a-z_]*(?:password|secret|token|api_key)[\"']?\s*:\s*"
#: A line of a table, which is a secret to its end, and an entry of a table in one line (YAML's, JSON's or Python's).
_SECRET_LINE = re.compile(rf"(?i)^([+\- ]?\s*-?\s*{_KEY})(?![\"']?{_VARIABLE}[\"']?,?\s*(?:#.*)?$)[^\s{{].*$")
_SECRET_ENTRY = re.compile(
    rf"(?i)([{{,\s]{_KEY})(?![\"']?{_VARIABLE}[\"']?\s*(?:[,}}]|$))"
    r"(?:\"(?:\\.|[^\"\\])*\"?|'(?:\\.|[^'\\])*'?|[^\s,{}\[\]\"'][^,{}\[\]]*)"
)


def is_ours(name: str, prefix: str = "") -> bool:
    """Whether only we give such a name: a MAC, perhaps with a channel, behind ``prefix``."""
    return name.startswith(prefix) and _OURS.fullmatch(name.removeprefix(prefix)) is not None


def merge_section(
    section: str, document: Mapping[str, Any], base: Entries, wanted: Entries, *, prefix: str = ""
) -> MergeResult:
    """``document`` with ``wanted`` in its table ``section``.

    :param prefix: of the names that we give.
    :raises TargetRefused: the section is there and is no table.
    """
    whole = dict(copy.deepcopy(dict(document)))
    table = whole.get(section)
    if table is None:
        table = {}
    if not isinstance(table, dict):
        raise TargetRefused(f"{section!r} is no table there")
    written: dict[str, Any] = {}
    foreign: list[str] = []
    kept: list[str] = []
    for name, entry in wanted.items():
        if name not in table:
            table[name] = copy.deepcopy(entry)
        elif name in base or is_ours(name, prefix):
            left = base[name] if name in base else _adopted(table[name], entry)
            table[name] = _merge_value(table[name], entry, left, f"{section}.{name}", kept)
        else:
            foreign.append(name)
            continue
        written[name] = copy.deepcopy(entry)
    for name in base:
        if name not in wanted and name in table:
            del table[name]
    if table or section in whole:
        whole[section] = table
    return MergeResult(whole, written, tuple(foreign), tuple(kept))


def _adopted(theirs: Any, ours: Any) -> Any:
    """The base of an entry that we do not remember: as much of it as we would write."""
    if isinstance(theirs, dict) and isinstance(ours, Mapping):
        return {key: _adopted(theirs[key], ours[key]) for key in ours if key in theirs}
    if isinstance(theirs, list) and isinstance(ours, list) and all(isinstance(one, Mapping) for one in theirs + ours):
        return [_adopted(their, our) for their, our in zip(theirs, ours, strict=False)]
    return copy.deepcopy(theirs)


def _merge_value(theirs: Any, ours: Any, base: Any, place: str, kept: list[str]) -> Any:
    """The value to stand where ``theirs`` stands; ``base`` is what we left there. Places left alone go to ``kept``."""
    if isinstance(theirs, dict) and isinstance(ours, Mapping):
        return _merge_table(theirs, ours, base if isinstance(base, Mapping) else {}, place, kept)
    if _lists_of_tables(theirs, ours, base):
        merged = [
            _merge_value(their, our, was, f"{place}.{index}", kept)
            for index, (their, our, was) in enumerate(zip(theirs, ours, base, strict=False))
        ]
        # More of theirs than we left: added by hand. More of ours than before: new.
        return merged + (theirs[len(base) :] or list(copy.deepcopy(ours[len(base) :])))
    if theirs == ours:
        return theirs
    if theirs == base:
        return copy.deepcopy(ours)
    kept.append(place)
    return theirs


def _lists_of_tables(theirs: Any, ours: Any, base: Any) -> bool:
    """Whether these are lists whose items can be compared one by one."""
    if not all(isinstance(one, list) for one in (theirs, ours, base)):
        return False
    if len(ours) < len(base) or len(theirs) < len(base):
        return False
    return all(isinstance(item, Mapping) for one in (theirs, ours, base) for item in one)


def _merge_table(
    theirs: dict[str, Any], ours: Mapping[str, Any], base: Mapping[str, Any], place: str, kept: list[str]
) -> dict[str, Any]:
    for key, value in ours.items():
        here = f"{place}.{key}"
        if key in theirs:
            theirs[key] = _merge_value(theirs[key], value, base.get(key, _MISSING), here, kept)
        elif key in base:
            kept.append(here)  # taken out by hand
        else:
            theirs[key] = copy.deepcopy(value)
    for key, value in base.items():
        if key not in ours and key in theirs and theirs[key] == value:
            del theirs[key]
    return theirs


def mask_logins(line: str) -> str:
    """A line of a configuration, or of a message about one, with logins masked; variables stay.

    People write passwords into URLs as they are: a login ends at the last "@" before a blank, as it does for Frigate.
    """
    masked = re.sub(r"\S+", _mask_url, line) if "://" in line else line
    return _SECRET_ENTRY.sub(r"\1***", _SECRET_LINE.sub(r"\1***", masked))


def _mask_url(word: re.Match[str]) -> str:
    before, _, rest = word[0].partition("://")
    login, at, host = rest.rpartition("@")
    return f"{before}://***@{host}" if at and not _VARIABLES.fullmatch(login) else word[0]


def diff_lines(name: str, before: str, after: str) -> list[str]:
    """What changes, as lines of a unified diff; logins in it are masked, ours and those of others."""
    import difflib  # for dry runs alone

    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{name} (now)", f"{name} (as it would be)", lineterm=""
    )
    shown = [mask_logins(line) for line in lines]
    return shown if len(shown) <= MAX_DIFF else [*shown[:MAX_DIFF], f"… and {len(shown) - MAX_DIFF} lines more"]
