"""Generator of docs/configuration.md, from docs/configuration.md.in and the declarations of the settings.

``python -m twisted_detector.config.reference_page > docs/configuration.md`` writes it anew, in a checkout; a test keeps
it true.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from twisted_detector.config.config import Config
from twisted_detector.config.declarations import Setting

_FRAME = Path(__file__).resolve().parents[2] / "docs" / "configuration.md.in"
#: Where the tables of the settings stand in it.
_PLACE = "<!-- settings -->\n"
_TABLE = "| variable | default | allowed | what it is |\n|---|---|---|---|\n"


def _default(setting: Setting, default: Any) -> str:
    if setting.default_text:
        return setting.default_text
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return str(default) if default and not setting.secret else ""


def _row(setting: Setting, default: Any) -> str:
    what = setting.help
    if setting.secret:
        what += " *Secret.*"
    if setting.example:
        what += f" Example: `{setting.example}`"
    cells = (f"`{setting.name}`", _default(setting, default), setting.kind.allowed, what)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _tables() -> str:
    tables: dict[str, str] = {}
    heading, defaults = "", Config()
    for key, setting in Config.settings().items():
        heading = setting.heading or heading
        tables[heading] = tables.get(heading, _TABLE) + _row(setting, defaults.value_of(key))
    return "\n".join(f"## {heading}\n\n{table}" for heading, table in tables.items())


def page() -> str:
    """The whole document."""
    return _FRAME.read_text(encoding="utf-8").replace(_PLACE, _tables())


if __name__ == "__main__":
    sys.stdout.write(page())
