"""Fresh interpreters go in; what they spend until all of the daemon is imported comes out.

make bench-import          measures, and puts the table into docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.page import write_section  # noqa: E402

TITLE = "## Import"
_RESIDENT = r"""
import re
print(re.search(r"VmRSS:\s+(\d+)", open("/proc/self/status").read())[1])
"""
#: What the daemon builds upon, without any module of ours.
LIBRARIES = """
from twisted.internet import reactor
import automat, paho.mqtt.client, sqlite3, twisted.application.service, twisted.plugin, twisted.web.client, txaio.tx
"""
#: What ``twistd -y camdetect.tac`` imports, all built-in plugins included.
DAEMON = """
from twisted.internet import reactor
import importlib, pkgutil
import twisted_detector.service.daemon
from twisted_detector import plugins
for module in pkgutil.iter_modules(plugins.__path__):
    importlib.import_module("twisted_detector.plugins." + module.name)
"""


def measure(code: str) -> tuple[float, float]:
    """Processor seconds, and MiB resident at the end."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", code + _RESIDENT], capture_output=True, text=True, check=True, cwd=ROOT
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, int(done.stdout) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description="What it costs to import the daemon.")
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    kinds = {"the daemon": DAEMON, "Twisted, paho and the other libraries alone": LIBRARIES}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for turn in range(options.runs + 1):
        for name, code in kinds.items():
            one = measure(code)
            if turn:  # the first writes the compiled files
                found[name].append(one)
    lines = [
        f"| {options.runs} fresh interpreters of each, in turns | processor time, s: least | median | most | MiB |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, ones in found.items():
        seconds, memory = [one[0] for one in ones], median(one[1] for one in ones)
        lines.append(f"| {name} | {min(seconds):.2f} | {median(seconds):.2f} | {max(seconds):.2f} | {memory:.1f} |")
    text = "\n".join(
        [
            *lines,
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}, load average at"
            f" the end {os.getloadavg()[0]:.1f}; `make bench-import`. What the idle daemon, connected, holds is a"
            " test (`tests/lan/test_idle.py`): 50 MiB of its own at most, 70 with the pages of libraries.",
        ]
    )
    print(text)
    if options.write:
        write_section(TITLE, text)


main()
