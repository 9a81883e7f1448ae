"""``camdetect page``: where the web page is, and a fresh link that signs a browser in once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from twisted_detector.cli.asking import ask
from twisted_detector.cli.subcommand import subcommand
from twisted_detector.errors import LocalError


@subcommand("page")
def show_page(directory: Path, *, use_json: bool, out: TextIO, err: TextIO) -> int:
    """Write the page's URLs, a link that signs in once, and where the token is."""
    answer = ask(directory, {"command": "page"})
    if answer["problem"]:
        raise LocalError(answer["problem"])
    if use_json:
        out.write(json.dumps({name: answer[name] for name in sorted(answer) if name != "ok"}, indent=2) + "\n")
        return 0
    out.write("\n".join(_lines(answer)) + "\n")
    return 0


def _lines(answer: Mapping[str, Any]) -> list[str]:
    lines = ["The web page:", *(f"  {url}" for url in answer["urls"] or ("(this machine has no address now)",))]
    if answer["link"]:
        lines += [f"Sign in once, within {answer['link_minutes']} minutes, with this link:", f"  {answer['link']}"]
        token = f"in {answer['token_file']}" if answer["token_file"] else "the setting WEB_TOKEN"
        lines.append(f"The token is {token}.")
    if answer["from_elsewhere"]:
        lines.append(answer["from_elsewhere"])
    return lines
