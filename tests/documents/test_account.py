"""How many commands are in the documents, who runs them, and why some are not run."""

from __future__ import annotations

import os
from collections import Counter

from benchmarks.page import write_section
from tests.documents.stand_ins import STAND_INS
from tests.documents.systemctl import NOT_HELD
from tests.documents.typist import PAGES
from tests.processes import ROOT

TITLE = "## Commands in documents"


def test_every_block_says_what_it_is() -> None:
    """No fence is without a language; one that is not run says why; one that is run elsewhere is."""
    containers = "\n".join(path.read_text("utf-8") for path in (ROOT / "tests" / "containers").glob("*.py"))
    for block in (one for found in PAGES.values() for one in found):
        where = f"{block.page}:{block.line}"
        assert block.language, f"{where}: a fence without a language (sh, text, toml …)"
        assert not block.mark or block.is_shell, f"{where}: only commands are run or not"
        if block.mark == "executed":
            assert f'"{block.why}"' in containers, f"{where}: no test in tests/containers runs {block.why}"


def account() -> str:
    """The section of docs/benchmarks.md."""
    counts: Counter[str] = Counter()
    why: list[str] = []
    for block in (one for found in PAGES.values() for one in found if one.is_shell):
        found = block.commands()
        counts[block.mark] += len(found)
        if block.mark == "not run":
            why += [
                f"| `{command.text.partition('  # ')[0].rstrip()}` | {block.page} | {block.why} |" for command in found
            ]
    lines = [
        "`tests/documents` (`make test`) and `tests/containers` (`make containers`): each command in a fenced block of",
        "README.md, docs/ and plugins/README.md, as it stands there, on a machine in a network namespace with cameras.",
        "",
        "| commands | run by tests/documents | run by tests/containers | not run |",
        "|---:|---:|---:|---:|",
        f"| {sum(counts.values())} | {counts['']} | {counts['executed']} | {counts['not run']} |",
        "",
        "| not run | in | why not |",
        "|---|---|---|",
        *why,
        "",
        "What stands in for what the test has not:",
        "",
        "| named in a page | here | why |",
        "|---|---|---|",
        *(f"| {name} | {there} | {reason} |" for name, (there, reason) in STAND_INS.items()),
        "",
        "| limits of the unit not held there | why |",
        "|---|---|",
        *(
            f"| {', '.join(name for name, why_not in NOT_HELD.items() if why_not == reason)} | {reason} |"
            for reason in dict.fromkeys(NOT_HELD.values())
        ),
    ]
    return "\n".join(lines)


def test_account() -> None:
    """docs/benchmarks.md has the table as it is now (``DOCUMENTS_TABLE=write`` writes it)."""
    text = account()
    print(text)
    if os.environ.get("DOCUMENTS_TABLE") == "write":
        write_section(TITLE, text)
    assert text in (ROOT / "docs" / "benchmarks.md").read_text("utf-8"), "run: make docs"
