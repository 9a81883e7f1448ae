"""A program goes in; what the real one answered comes out, from ``$RECORDINGS`` or ``../shared/recordings``.

A double is compared with these, request by request and byte for byte, for every version that is there. They are never
part of the project: where they are absent, the tests that read them say so and skip.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.peers.exchange import Answer, Request

ROOT = Path(os.environ.get("RECORDINGS", Path(__file__).resolve().parents[2] / "shared" / "recordings"))  # noqa: TID251
SKIP = "" if (ROOT / "FACTS.md").is_file() else f"no recordings: set RECORDINGS or put them at {ROOT}"
#: Headers of one connection, and of the server in front: they say nothing of the program.
_OF_THE_WIRE = {"connection", "date", "server", "transfer-encoding", "vary"}
_EXPIRES = re.compile(r" expires=[^;]*;| Max-Age=[0-9]+;")


@dataclass(frozen=True)
class Recording:
    """One request and what was answered.

    :ivar more: what else was noted: ``file_after``, ``running_after``, ``entities_removed`` …
    """

    what: str
    number: int
    request: Request
    answer: Answer
    whole: bool
    more: dict[str, Any]

    def unlike(self, answer: Answer, *, ignore: frozenset[str] = frozenset()) -> str:
        """How an answer differs from the recorded one; "" where it does not.

        :param ignore: names of headers, in small letters, that are not compared.
        """
        length = {name.lower(): value for name, value in self.answer.headers}.get("content-length")
        if length is not None and length != str(len(self.answer.body)):
            ignore |= {"content-length"}  # something in it was replaced by made-up words
        mine, theirs = _shape(answer, ignore, self.whole), _shape(self.answer, ignore, self.whole)
        if not self.whole and mine[:2] == theirs[:2] and answer.body.startswith(self.answer.body):
            return ""
        return "" if mine == theirs else f"{self.number:03} {self.what}:\n  double   {mine}\n  recorded {theirs}"


def _shape(answer: Answer, ignore: frozenset[str], whole: bool) -> tuple[int, list[tuple[str, str]], bytes]:
    left_out = _OF_THE_WIRE | ignore | (set() if whole else {"content-length"})
    headers = [(name.lower(), value) for name, value in answer.headers if name.lower() not in left_out]
    headers = [(name, _EXPIRES.sub("", value) if name == "set-cookie" else value) for name, value in headers]
    return answer.status, sorted(headers), answer.body


def versions(program: str) -> list[str]:
    """The folders of a program, one for each version that was recorded."""
    return [] if SKIP else sorted(one.name for one in ROOT.glob(f"{program}-*") if one.is_dir())


def recordings(folder: str) -> dict[str, Recording]:
    """All recordings of one version by what they are of, in the order in which they were made."""
    found = {}
    for path in sorted((ROOT / folder).glob("[0-9]*.json")):
        one = _read(path, json.loads(path.read_text("utf-8")))
        found[one.what] = one
    return found


def spelled(words: str, order: list[str]) -> Iterator[str]:
    """``a … b`` spelled out, in the order of the recordings; a word in brackets stays."""
    told = words.split()
    for index, word in enumerate(told):
        if word == "…":
            yield from order[order.index(told[index - 1]) + 1 : order.index(told[index + 1])]
        else:
            yield word


def _read(path: Path, entry: dict[str, Any]) -> Recording:
    asked, told = entry.pop("request"), entry.pop("response")
    number, _, what = path.stem.partition("-")
    headers = {name.lower(): value for name, value in (asked.get("headers") or {}).items()}
    host = headers.get("host", "")
    request = Request(
        asked["method"],
        asked["path"],
        headers,
        _body(asked),
        client="127.0.0.1" if host.startswith("127.") else "10.77.0.9",
        port=int(host.rpartition(":")[2]) if host.rpartition(":")[2].isdigit() else 0,
    )
    answer = Answer(told.get("status") or 0, [(name, value) for name, value in told.get("headers") or []], _body(told))
    more = {name: value for name, value in told.items() if name not in ("status", "headers", "body")}
    return Recording(what, int(number), request, answer, "cut_to" not in (told.get("body") or {}), {**more, **entry})


def _body(side: dict[str, Any]) -> bytes:
    body = side.get("body") or {}
    return base64.b64decode(body["base64"]) if "base64" in body else str(body.get("text", "")).encode()
