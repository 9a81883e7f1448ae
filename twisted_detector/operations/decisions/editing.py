"""Editor of the text of ``STATE_DIR/overrides``: what differs between two sets of decisions goes in, all else stays.

A camera's table stands in a block of lines of its own. Only that block is edited: tomlkit, which keeps comments and
order, takes more than a second for the tables of four thousand cameras. Where there is no such block (a table may be
written within a line), tomlkit edits the whole text. Either way the result is read again before it is used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from twisted_detector.errors import LocalError, RemoteError
from twisted_detector.model import Login
from twisted_detector.model.decisions import NOTHING_DECIDED, CameraDecisions, Decisions
from twisted_detector.model.login_rules import Audience, LoginRule
from twisted_detector.operations.decisions.document import STAND_IN, ReadDecisions, entries, parse
from twisted_detector.operations.decisions.fields import read_searched_network

_HEADINGS = {Audience.NETWORK: "network", Audience.VENDOR: "vendor", Audience.CAMERA: "camera"}
_HEAD = """\
# What was decided on camdetect's page, by its command line and over MQTT; docs/operations/decisions.md explains it.
# It may be edited by hand: `camdetect reload` reads it again. It has passwords in it: keep its mode 0600.
"""
#: A line that begins a table.
_TABLE = re.compile(r"^[ \t]*\[", re.MULTILINE)
#: Of more changes than these at once, the whole text is edited: each block has to be looked for.
_MANY = 64


def edit(text: str, before: Decisions, after: Decisions) -> tuple[str, ReadDecisions]:
    """The file's text with what differs between two sets of decisions, and what a reader finds in it.

    :param text: that ``before`` was read from; "" for a new file.
    :raises LocalError: it would not be found as it was meant; then it must not be written.
    """
    wanted = _normal(after)
    is_many = len(_changed_cameras(before, after)) > _MANY
    for attempt in (_edit_whole,) if is_many else (_edit_blocks, _edit_whole):
        try:
            written = attempt(text or _HEAD, before, after)
            found = parse(written)
        except (RemoteError, ValueError, KeyError, TypeError):  # tomlkit's own errors are ValueErrors and KeyErrors
            continue
        if _normal(found.decisions) == wanted:
            return written, found
    raise LocalError("the change cannot be written into the file as it stands; tidy it by hand")


# --- by blocks --------------------------------------------------------------------------------------------------------


def _edit_blocks(text: str, before: Decisions, after: Decisions) -> str:
    import tomlkit  # 2 MB that a daemon without a change need not hold

    for camera_id in _changed_cameras(before, after):
        block = _block(text, camera_id)
        if block is None and before.of(camera_id) != NOTHING_DECIDED:
            raise ValueError("it has no block of its own")
        start, end = block or (len(text), len(text))
        part = text[start:end]
        document = tomlkit.parse(part)
        _put(document, ("camera", camera_id), _written(before.of(camera_id)), _written(after.of(camera_id)))
        made = tomlkit.dumps(document)
        if block is None:
            made = f"{'' if not text or text.endswith(chr(10)) else chr(10)}{chr(10)}{made}"
        elif "#" in part and not made.strip():
            made = _emptied(part)
        text = text[:start] + made + text[end:]
    return _edit_tables(text, before, after)


def _block(text: str, camera_id: str) -> tuple[int, int] | None:
    """Where the table of a camera begins and ends; comments right above the next table are that one's."""
    header = re.compile(rf"^[ \t]*\[[ \t]*camera[ \t]*\.[ \t]*([\"']?){re.escape(camera_id)}\1[ \t]*\]", re.MULTILINE)
    found = header.search(text)
    if found is None:
        return None
    following = _TABLE.search(text, found.end())
    end = following.start() if following is not None else len(text)
    if following is not None:
        lines = text[found.end() : end].splitlines(keepends=True)
        while len(lines) > 1 and lines[-1].lstrip().startswith("#"):
            end -= len(lines.pop())
    return found.start(), end


def _emptied(part: str) -> str:
    """A block in which nothing is decided any more: its comments stay."""
    return "".join(line for line in part.splitlines(keepends=True) if line.lstrip().startswith(("#", "[")))


def _changed_cameras(before: Decisions, after: Decisions) -> list[str]:
    keys = dict.fromkeys((*before.cameras, *after.cameras))
    return [one for one in keys if before.of(one) != after.of(one)]


# --- as a whole -------------------------------------------------------------------------------------------------------


def _edit_whole(text: str, before: Decisions, after: Decisions) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    for camera_id in _changed_cameras(before, after):
        _put(document, ("camera", camera_id), _written(before.of(camera_id)), _written(after.of(camera_id)))
    return _edit_tables(tomlkit.dumps(document), before, after)


def _edit_tables(text: str, before: Decisions, after: Decisions) -> str:
    """The tables beside those of cameras."""
    if (before.networks, before.logins, before.settings) == (after.networks, after.logins, after.settings):
        return text
    import tomlkit

    document = tomlkit.parse(text)
    _put(document, ("site",), _sites(before), _sites(after), key_of=_network)
    _put(document, ("logins",), _by_heading(before.logins), _by_heading(after.logins))
    _put(document, ("settings",), dict(before.settings), dict(after.settings))
    return tomlkit.dumps(document)


def _put(
    document: Any,
    path: tuple[str, ...],
    old: Mapping[str, Any],
    new: Mapping[str, Any],
    *,
    key_of: Callable[[Any], Any] = str,
) -> None:
    import tomlkit

    if old == new:
        return
    table = document
    for number, name in enumerate(path):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=number < len(path) - 1)
        table = table[name]
    # A login may stand in a stream's URL, where a person wrote it.
    anew = ("main", "sub") if old.get("login") != new.get("login") else ()
    for key in old.keys() - new.keys():
        table.pop(key, None)
    for key, value in new.items():
        if old.get(key) == value and key in table and key not in anew:
            continue
        if isinstance(value, list) and isinstance(table.get(key), list):
            _put_list(table[key], old.get(key, []), value, key_of)
        else:
            table[key] = value
    if not table:
        holder = document
        for name in path[:-1]:
            holder = holder[name]
        del holder[path[-1]]


def _put_list(array: Any, old: list[str], new: list[str], key: Callable[[Any], Any]) -> None:
    """Change the entries of a list that differ; what could not be read, and comments, stay."""
    gone = set(old) - set(new)
    for number in reversed(range(len(array))):
        if key(array[number]) in gone:
            del array[number]
    there = {key(entry) for entry in array}
    for one in new:
        if one not in there:
            array.append(one)
    if key is str and list(array) != new and set(array) == set(new):
        array.clear()  # in another order, which counts for logins
        array.extend(new)


def _network(entry: Any) -> str:
    """An entry as it is compared: an address alone is a network of one."""
    try:
        return str(read_searched_network("networks", entry))
    except RemoteError:
        return ""


# --- decisions as values of the file ----------------------------------------------------------------------------------


def _normal(decisions: Decisions) -> object:
    """The decisions as a reader of the file finds them: of networks and of headings no order counts."""
    cameras = {key: one for key, one in decisions.cameras.items() if one != NOTHING_DECIDED}
    return cameras, set(decisions.networks), _by_heading(decisions.logins), dict(decisions.settings)


def _written(decided: CameraDecisions) -> dict[str, str]:
    values = entries(decided, login=_typed, stream=lambda stream: stream.url(STAND_IN))
    return {key: value for key, value in values.items() if value}


def _typed(login: Login) -> str:
    return f"{login.name}:{login.password.reveal()}"


def _sites(decisions: Decisions) -> dict[str, list[str]]:
    return {"networks": [str(one) for one in decisions.networks]} if decisions.networks else {}


def _by_heading(logins: Iterable[Login]) -> dict[str, list[str]]:
    """Logins by heading, as a table of CAMERA_CREDENTIALS has them."""
    found: dict[str, list[str]] = {}
    for login in logins:
        heading = "default"
        if isinstance(login, LoginRule) and login.audience in _HEADINGS:
            heading = f"{_HEADINGS[login.audience]} {login.value}"
        found.setdefault(heading, []).append(_typed(login))
    return found
