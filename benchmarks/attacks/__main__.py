"""Runner: every scenario, or those that are named, one after the other; the table, and the exit status.

    python -m benchmarks.attacks [--only NAME …] [--checkout FOLDER] [--write] [--save FILE] [--list]

``ATTACKS_KEEP=FOLDER`` keeps what every process said, and the long turns of the reactor (``turns-*.jsonl``).

Exit status 1 when a figure fails or is no evidence. Each scenario makes its network and ends what it started; one that
breaks is told in the table, and the others go on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path

from benchmarks.attacks.figures import Figure, table
from benchmarks.attacks.scenarios import SCENARIOS
from benchmarks.page import write_section
from tests.lan.lab import REASON
from tests.processes import ROOT

TITLE = "## Attacks"
#: What the same attacks got of the code before it withstood them (``--checkout … --save``).
BEFORE = Path(__file__).with_name("before.json")
_EXPLANATION = """\
`make attacks` (as root; one: `python -m benchmarks.attacks --only NAME`): scripted rogues against the real daemon with
its defaults and one login, in network namespaces; what each got, and what it may get. The rogues share no code with the
product. Every scenario has a control (the rogue was found; the genuine camera got the login; a true Bye is believed);
where it fails, the line says *no evidence*. *Before*: the same attack on the code as it was before. Stalls are the
turns of the reactor without the time in which another process had the processor."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="attacks", description="Rogues against the real daemon.")
    parser.add_argument("--only", action="append", choices=tuple(SCENARIOS), default=[], metavar="NAME")
    parser.add_argument("--checkout", type=Path, default=ROOT, help="whose daemon is attacked (default: this one)")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--save", type=Path, help="write the figures to this file, as JSON")
    parser.add_argument("--list", action="store_true", help="the names of the scenarios")
    options = parser.parse_args()
    if options.list:
        print("\n".join(SCENARIOS))
        return 0
    if REASON:
        sys.exit(REASON)
    figures: list[Figure] = []
    for name in options.only or SCENARIOS:
        began = time.monotonic()
        try:
            found = list(SCENARIOS[name](options.checkout.resolve()))
        except Exception as problem:
            traceback.print_exc()
            found = [Figure(name, "the scenario broke", 0, void=f"{type(problem).__name__}: {str(problem)[:200]}")]
        for figure in found:
            print(f"{figure} ({time.monotonic() - began:.0f} s)", flush=True)
        figures += found
    if options.save:
        measured = {figure.key: figure.value for figure in figures if not figure.void}
        options.save.write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    text = table(figures, json.loads(BEFORE.read_text("utf-8")))
    print(text)
    if options.write:
        machine = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
        load = f"other work beside it, load average at the end {os.getloadavg()[0]:.1f}"
        write_section(TITLE, f"{_EXPLANATION}\n\n{text}\n\n{machine}, {load}.")
    return 0 if all(figure.holds for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
