"""Reader of logins: lines ``user:password`` under headings that say which devices they are for.

A heading is such as ``[network 10.20.0.0/24]``.
The headings are the same in a file of logins, in an environment variable (as entries of the list) and as keys of a
TOML table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from twisted_detector.config.kinds import ValueRefused, entries, network_entry
from twisted_detector.model import Login, Secret
from twisted_detector.model.login_rules import Audience, LoginRule, normalise_pattern

_AUDIENCES = {
    "camera": Audience.CAMERA,
    "network": Audience.NETWORK,
    "vendor": Audience.VENDOR,
    "default": Audience.ANY,
}
_HEADINGS = "[network 10.20.0.0/24], [vendor hikvision], [camera 0200000000*] and [default]"
#: A camera's id, or part of one, or of a MAC.
_PATTERN = re.compile(r"[A-Za-z0-9*?._:-]{1,64}")
_VENDOR = re.compile(r"(?=.*[A-Za-z0-9]{2})[A-Za-z0-9 .&+-]{2,40}")


def _read_logins(texts: list[str]) -> tuple[Login, ...]:
    audience, value, heading = Audience.ANY, "", 0
    logins: list[Login] = []
    for position, text in enumerate(texts, 1):
        if text.strip().startswith("[") and text.strip().endswith("]"):
            _check_filled(heading, position)
            audience, value = _heading(text.strip()[1:-1].strip(), position)
            heading = position
            continue
        name, colon, password = text.partition(":")
        if not colon or not name:
            raise ValueRefused(f"entry {position} is not user:password")
        login = Login(name, Secret(password))
        if audience is not Audience.ANY:
            login = LoginRule(name, Secret(password), audience, value)
        logins.append(login)
    _check_filled(heading, len(texts) + 1)
    return tuple(dict.fromkeys(logins))


def _check_filled(heading: int, position: int) -> None:
    if heading and position == heading + 1:
        raise ValueRefused(f"entry {heading} is a heading with no login below it")


def _heading(text: str, position: int) -> tuple[Audience, str]:
    """What a heading says. It is not shown in a fault: it might be a user and a password that look like one."""
    word, _, value = text.partition(" ")
    value = value.strip()
    audience = _AUDIENCES.get(word.lower())
    if audience is None:
        raise ValueRefused(f"entry {position} is a heading that is not known; there are {_HEADINGS}")
    if audience is Audience.NETWORK:
        return audience, str(network_entry(value, position))
    if audience is Audience.VENDOR and not _VENDOR.fullmatch(value):
        raise ValueRefused(f"entry {position} must name a maker of cameras in 2 to 40 letters: [vendor hikvision]")
    if audience is Audience.CAMERA and not _PATTERN.fullmatch(value):
        raise ValueRefused(
            f"entry {position} must have a MAC or a camera's id, with * for the rest: [camera 0200000000*]"
        )
    if audience is Audience.ANY and value:
        raise ValueRefused(f"entry {position} must be [default] alone")
    return audience, normalise_pattern(value) if audience is Audience.CAMERA else value


def _lines(table: Mapping[str, Any]) -> list[str]:
    """A TOML table as the lines of a file: each key is a heading, its value a login or a list of them."""
    lines: list[str] = []
    for key, value in table.items():
        logins = [value] if isinstance(value, str) else value
        if not isinstance(logins, list) or not all(isinstance(login, str) for login in logins):
            raise ValueRefused("a table of lists of texts")
        lines += [f"[{key}]", *logins]
    return lines


_LIST = entries(
    _read_logins,
    "user:password pairs separated by commas, split at the first colon (a password that has a comma needs a file);"
    " headings such as [vendor hikvision] among them",
)
LOGINS = replace(_LIST, read_table=lambda table: _LIST.read_many(_lines(table)) if _LIST.read_many else ())
