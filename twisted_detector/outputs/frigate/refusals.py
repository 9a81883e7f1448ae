"""Parser of Frigate's refusals: its own words, unescaped and whole, and what they are about.

A fault of the schema is a line each; any other is a traceback, escaped for HTML (``&#39;``) in every version. Of a
traceback only what stands behind its frames is for people.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterable
from typing import Any

from twisted_detector.outputs.sync.merging import mask_logins

#: Characters of one message: the longest that was recorded has 600 without its frames.
MAX_WORDS = 2000
#: Characters of an answer that are looked at: a traceback has 4 000, and who sends more may be anybody.
_MAX_ANSWER = 65_536
_HEADING = ("Your configuration is invalid.", "See the official documentation at docs.frigate.video.", "Config Error:")
_TRACEBACK = "Traceback (most recent call last):"
_VARIABLE = re.compile(r"KeyError: '(FRIGATE_[A-Za-z0-9_]{1,200})'")
#: ``Line 14: cameras -> side -> foo - …`` since 0.15; ``cameras.side.foo`` in a traceback of 0.14.
_CAMERA = re.compile(r"\bcameras(?: -> |\.)([A-Za-z0-9_-]+)")
#: A secret in Python's way to write a table, as in the words about a key that is there twice.
_SECRET = re.compile(r"(?i)(['\"][a-z_]*(?:password|secret|token|api_key)['\"]\s*:\s*)(['\"])(?:(?!\2).)*\2")


def words(text: str) -> str:
    """What Frigate says, as one line without anybody's login."""
    message = html.unescape(_message(text[:_MAX_ANSWER]))
    if _TRACEBACK in message:
        lines = message.rpartition(_TRACEBACK)[2].splitlines()
        behind = next((at for at, line in enumerate(lines) if line[:1].strip()), 0)
        message = "\n".join(lines[behind:])
    told = [mask_logins(line.strip()) for line in message.splitlines() if line.strip() not in _HEADING]
    joined = _SECRET.sub(r"\1\2***\2", " ".join(" ".join(told).split()))
    return "".join(one if one.isprintable() else "?" for one in joined)[:MAX_WORDS]


def _message(text: str) -> str:
    """The message of an answer: Frigate's own, FastAPI's, its rate limiter's, or the text itself."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if not isinstance(answer, dict):
        return text
    found = next((answer[key] for key in ("message", "detail", "error") if key in answer), text)
    return "; ".join(map(_detail, found)) if isinstance(found, list) else str(found)


def _detail(one: Any) -> str:
    if not isinstance(one, dict):
        return str(one)
    where = one.get("loc")
    return f"{'.'.join(map(str, where)) if isinstance(where, list) else ''}: {one.get('msg', '')}"


def unknown_variable(said: str) -> str:
    """The variable that Frigate does not know, "" when it is about something else."""
    match = _VARIABLE.search(said)
    return match[1] if match is not None else ""


def cameras_named(said: str, names: Iterable[str]) -> frozenset[str]:
    """Those of ``names`` that the words are about."""
    return frozenset(names) & frozenset(_CAMERA.findall(said))
