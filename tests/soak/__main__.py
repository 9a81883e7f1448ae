"""``python -m tests.soak --hours 2``: one soak, its table and picture; exit status 1 when a figure fails.

--plan      print the deeds with their times, and run nothing
--write     put table and picture into docs (benchmarks.md, soak.svg)
--keep DIR  leave what every process said there, and the samples (run.json)
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
from pathlib import Path

from tests.lan.lab import REASON
from tests.soak.report import picture, section, write
from tests.soak.run import soak
from tests.soak.scenario import plan

CAMERAS, DOORS = 27, 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="soak", description="Hours of everything that happens to a daemon.")
    parser.add_argument("--hours", type=float, default=2.0)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 30))
    parser.add_argument("--cameras", type=int, default=CAMERAS + DOORS, help="of the fleet, 20 to 50")
    parser.add_argument("--plan", action="store_true", help="print the deeds, and run nothing")
    parser.add_argument("--busy", action="store_true", help="the machine has other work: do not judge the lag")
    parser.add_argument("--write", action="store_true", help="put table and picture into docs")
    parser.add_argument("--keep", type=Path, help="folder for what every process said, and for the samples")
    options = parser.parse_args()
    cameras = options.cameras - DOORS
    scenario = plan(options.seed, options.hours * 3600, cameras=cameras, doors=DOORS)
    if options.plan:
        print(scenario)
        return 0
    if REASON:
        sys.exit(REASON)
    # So that namespaces, mounts and processes go, too, when it is ended early.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="soak-") as name:
        folder = Path(name)
        print(
            f"seed {scenario.seed}; python -m tests.soak --hours {options.hours:g} --seed {scenario.seed}", flush=True
        )
        try:
            outcome = soak(
                folder,
                scenario,
                cameras=cameras,
                doors=DOORS,
                quiet=not options.busy,
                say=lambda text: print(text, flush=True),
            )
        finally:
            if options.keep:
                shutil.copytree(
                    folder, options.keep, ignore=shutil.ignore_patterns("*.sock", "disk"), dirs_exist_ok=True
                )
    if options.keep:
        outcome.save(options.keep / "run.json")
        (options.keep / "soak.svg").write_text(picture(outcome), "utf-8")
    print("\n".join(map(str, outcome.verdicts)))
    if options.write:
        write(outcome, f"load average at the end {os.getloadavg()[0]:.1f}")
    else:
        print(section(outcome, ""))
    return 0 if outcome.holds else 1


if __name__ == "__main__":
    sys.exit(main())
