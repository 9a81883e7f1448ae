"""A URL that a device named goes in; what in it may change something comes out, or "" for one that only reads.

Whoever answers a challenge with a login acts for the device that gave the URL: a rogue names
``/cgi-bin/userManager.cgi?action=addUser&…``, hands on the challenge of another camera, and the answer adds a user
there. So a login goes only to what looks like a picture and like nothing else. What reads is named by few words, what
changes by any: a parameter that is a verb is harmless only with a value made of the first, and words of the second are
refused wherever they stand. Where a camera's own address is refused by mistake its picture comes from its stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote

#: Characters of what is shown: a device's text may have any length.
_MAX_SHOWN = 32

_AFTER_AUTHORITY = re.compile(r"(?:[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*)?(.*)", re.DOTALL)
#: What stands in the addresses of pictures; the rest would be for a shell, another line, or other letters in disguise.
_USUAL = re.compile(r"[A-Za-z0-9/?&;=_.,:~@!()*\[\]{} -]*")
#: Where one parameter ends and another may begin, for one server or another.
_PARTS = re.compile(r"[?&;#]")
#: ``addUser``, ``ADD_USER`` and ``add-user`` are each two words.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")

#: Words of which the names of pictures are made: ``onvifSnapPic``, ``snapPicture2``, ``GetJpegSnapshot``, ``view``.
_PICTURE = (
    "snapshot|snap|shot|picture|pict?|photo|image|img|mjpe?g|jpe?g|jpe|png|bmp|still|capture|frame|preview|thumbnail"
    "|thumb|grab"
)
_SHOWS = re.compile(_PICTURE, re.IGNORECASE)
_MAY_SHOW = re.compile(f"{_PICTURE}|video|stream|live|camera|view", re.IGNORECASE)
_READS = re.compile(
    rf"(?=.*[a-z])(?:{_PICTURE}|get|take|view|show|read|fetch|one|onvif|live|current|main|sub|web|net|video|stream|camera"
    r"|cam|channel|ch|[0-9_.-])+",
    re.IGNORECASE,
)
#: Parameters by which a device is told what to do.
_VERB = re.compile(
    r"_?(?:act|action|cmd|command|method|op|oper|operation|do|func|function|call|task|req|request|verb|event|sub_?menu"
    r"|msubmenu|menu)",
    re.IGNORECASE,
)
#: Logins, of which :func:`device_url` leaves the names.
_LOGIN = re.compile(r"(?:login)?(?:user|usr|name|username|use|pass|pas|pwd|password|passwd|psw|u|p)", re.IGNORECASE)

#: What changes something, wherever it stands among the letters of a name or a value.
_CHANGES_ANYWHERE = re.compile(
    "reboot|restart|(?<!p)reset|factory|upgrade|firmware|update|upload|delete|remove|erase|restore|shutdown|poweroff"
    "|telnet|password|passwd|adduser|setuser|moduser|config|execute",
)
#: What changes something as the beginning of a word (``setparam``, ``deluser``), but for some words that begin so.
_CHANGES_AT_BEGINNING = re.compile(
    "(?:set|add(?!r)|del(?!ay|t|uxe|ivery)|user|account|param|edit|modif|creat|writ|sav(?:e|ing)|enabl|disabl|activat"
    "|unlock|ptz|preset|goto|formatsd)",
)
#: What changes something as a whole word.
_CHANGES = frozenset((
    "mod", "put", "post", "patch", "apply", "exec", "run", "start", "stop", "clear", "wipe", "kill", "halt", "quit",
    "cfg", "new", "open", "lock", "door", "relay", "switch", "import", "backup", "reg", "register", "move", "pan",
    "tilt",
))  # fmt: skip
#: As a part of a path: a page that tells the camera what to do, unless its name is that of a picture.
_CONTROLS = re.compile("control|ctrl|format|command")


def find_effect(url: str) -> str:
    """What in ``url`` may change something, as a text for people; "" where it only reads.

    :param url: as :func:`device_url` gives it, or its path and query alone.
    """
    # No device encodes its own address twice; some servers take two layers off, and the second would hide a word.
    target = unquote(_AFTER_AUTHORITY.sub(r"\1", url, count=1).replace("+", " "), errors="replace")
    if "%" in target:
        return "it is encoded more than once"
    if not _USUAL.fullmatch(target):
        return "unusual characters"
    path, *parameters = _PARTS.split(target)
    segments = path.split("/")
    if {".", ".."}.intersection(segments):
        return "a path that leads elsewhere"
    shows = any(_SHOWS.search(one) for one in (segments[-1], *parameters))
    for segment in segments:
        if found := _changing(segment) or ("" if shows else _first(_CONTROLS, segment.lower())):
            return found[:_MAX_SHOWN]
    for parameter in parameters:
        if found := _effect_of(parameter):
            return found[:_MAX_SHOWN]
    if not any(_MAY_SHOW.search(one) for one in (*segments, *parameters)):
        return "nothing that names a picture"
    return ""


def _effect_of(parameter: str) -> str:
    name, equals, value = (one.strip() for one in parameter.partition("="))
    if equals and not value and _LOGIN.fullmatch(name):
        return ""
    if _VERB.fullmatch(name) and not _READS.fullmatch(value):
        return name
    if "//" in value:
        return name
    return _changing(name) or _changing(value)


def _changing(text: str) -> str:
    letters = re.sub("[^a-z]", "", text.lower())
    if found := _first(_CHANGES_ANYWHERE, letters):
        return found
    for word in _words(text):
        if word in _CHANGES or _CHANGES_AT_BEGINNING.match(word):
            return word
    return ""


def _words(text: str) -> Iterator[str]:
    """The words of a text; a word that is glued together of several is one."""
    for word in _WORD.findall(text):
        yield word.lower()
    for run in re.findall("[A-Za-z]+", text):
        yield run.lower()


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0] if found else ""
