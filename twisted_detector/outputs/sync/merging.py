"""Three-way merge of our entries into a document that belongs to somebody else.

Only entries that we own are touched, and of those only values that are as we left them: what a person changed or added
stays. An entry is ours when we wrote it (``base``), or when its name is a MAC that we were given a camera for: nobody
else calls a camera so, and a lost state directory must not orphan them.

Several nodes may merge into one document (:class:`.seams.Sharing`): the node that speaks for a camera writes where that
is, whoever wrote it before; the others touch its entry only while it leads where they left it.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from twisted_detector.outputs.sync.seams import ALONE, Entries, MergeResult, Sharing, TargetRefused

#: Names that only we give: a MAC, perhaps with a channel.
_OURS = re.compile(r"[0-9a-f]{12}(_[0-9]{1,4})?(_sub)?")
_MISSING = object()
#: Values that say where a camera is, and with which login: they are those of the node that speaks for it.
_WHERE = frozenset({"path", "host", "port", "user", "password"})
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
    section: str,
    document: Mapping[str, Any],
    base: Entries,
    wanted: Entries,
    *,
    prefix: str = "",
    sharing: Sharing = ALONE,
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
    left: list[str] = []
    waiting: list[str] = []
    spoken_for = sharing.met - sharing.others
    for name, entry in wanted.items():
        if name not in table:
            if name in sharing.others and name not in sharing.due:
                waiting.append(name)
                continue
            table[name] = copy.deepcopy(entry)
        elif name in sharing.others and not (name in base and _leads_as(table[name], base[name], entry)):
            left.append(name)
            continue
        elif name in base or name in sharing.met or is_ours(name, prefix):
            before = _base(table[name], entry, base.get(name), is_met=name in spoken_for)
            # Another node may have said it otherwise: that nobody changed it by hand is not known then.
            told = kept if name not in sharing.met else []
            table[name] = _merge_value(table[name], entry, before, f"{section}.{name}", told)
        else:
            foreign.append(name)
            continue
        written[name] = copy.deepcopy(entry)
    for name in base:
        if name in wanted or name not in table:
            continue
        if name in sharing.others and not _leads_as(table[name], base[name]):
            left.append(name)
        elif name in sharing.staying:
            written[name] = copy.deepcopy(base[name])
            waiting.append(name)
        else:
            del table[name]
    if table or section in whole:
        whole[section] = table
    return MergeResult(whole, written, tuple(foreign), tuple(kept), tuple(left), tuple(waiting))


def _leads_as(theirs: Any, *ours: Any) -> bool:
    """Whether an entry leads where one of ours does: Frigate's by its paths, go2rtc's by its sources."""
    return _leads(theirs) in map(_leads, ours)


def _leads(entry: Any) -> Any:
    ffmpeg = entry.get("ffmpeg") if isinstance(entry, Mapping) else None
    inputs = ffmpeg.get("inputs") if isinstance(ffmpeg, Mapping) else None
    if not isinstance(inputs, list):
        return None if isinstance(entry, Mapping) else entry
    return [one.get("path") if isinstance(one, Mapping) else one for one in inputs]


def _base(theirs: Any, ours: Any, base: Any, *, is_met: bool) -> Any:
    """What is taken for what we left in an entry, so that all of ``ours`` comes that is to come.

    :param base: what we did leave; None: we do not remember.
    :param is_met: another node may have written since: where the camera is we say anew, all else stays as it is.
    """
    if is_met:
        return _relocated(_shared_keys(theirs, ours) if base is None else base, theirs, ours)
    return _adopted(theirs, ours) if base is None else base


def _shared_keys(theirs: Any, ours: Any) -> Any:
    """As much of ours as has a place there."""
    if isinstance(theirs, dict) and isinstance(ours, Mapping):
        return {key: _shared_keys(theirs[key], value) for key, value in ours.items() if key in theirs}
    if isinstance(theirs, list) and isinstance(ours, list) and all(isinstance(one, Mapping) for one in theirs + ours):
        return [_shared_keys(their, our) for their, our in zip(theirs, ours, strict=False)]
    return ours


def _relocated(base: Any, theirs: Any, ours: Any, key: str = "path") -> Any:
    """``base`` with their values of :data:`_WHERE`, as if we had left those; of more or fewer streams than ours all."""
    if isinstance(base, Mapping) and isinstance(theirs, Mapping) and isinstance(ours, Mapping):
        return {name: _relocated(one, theirs.get(name, one), ours.get(name), name) for name, one in base.items()}
    if isinstance(theirs, list) and isinstance(ours, list) and all(isinstance(one, Mapping) for one in theirs + ours):
        if not isinstance(base, list) or not len(base) == len(theirs) == len(ours):
            return copy.deepcopy(theirs)
        return [_relocated(*each, key) for each in zip(base, theirs, ours, strict=True)]
    return copy.deepcopy(theirs) if key in _WHERE else base


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
