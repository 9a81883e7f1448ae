"""A target's name goes in; it is fuzzed by atheris, and what that found comes out as one line of a table.

    python -m tests.fuzz TARGET --runs 100000
    python -m tests.fuzz --all --runs 1000000 --jobs 2 --write      what `make fuzz` does (FUZZ_RUNS=… for fewer)

Seeds: our own and, where present, the corpus' (``$CORPUS`` or ``../shared/corpus``). Inputs are at most 4 KiB, or as
long as the longest seed (8 KiB). An input that takes more than 50 ms is timed three times more, by the processor time
of this thread, and its least time counts: the machine has other work. Memory: a sample of all inputs is driven again
and again at the end, and must leave no more blocks and no larger process behind; while it fuzzes, libFuzzer itself
grows, so that says nothing.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "benchmarks.md"
TITLE = "## Fuzzing"
#: Seconds that one input may take.
LIMIT = 0.05
#: Inputs kept for the look at memory, and how often each is driven then.
SAMPLE, ROUNDS = 1_000, 6
_RESULT = "fuzzed: "


def resident() -> int:
    """KiB of this process in memory."""
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text("ascii"))
    assert found
    return int(found[1])


def fuzz(name: str, runs: int) -> None:
    """Drive one target; prints its result and ends the process: libFuzzer does not return."""
    import atheris

    parsers = (
        "wire", "config.reader", "outputs.frigate.refusals", "outputs.sync.merging", "operations.decisions",
        "operations.adding.targets", "outputs.notices.saved", "web.entry", "web.frames",
    )  # fmt: skip
    with atheris.instrument_imports(include=[f"twisted_detector.{one}" for one in parsers]):
        from tests.fuzz.targets import TARGETS, passes, seed_files
    target = TARGETS[name]
    chance, clock, thread_clock = Random(1), time.perf_counter, time.thread_time
    sample: list[bytes] = []
    count = read = 0
    slowest, slowest_input = 0.0, b""
    begin = clock()

    def timed(data: bytes) -> float:
        before = thread_clock()
        passes(target, data)
        return thread_clock() - before

    def report() -> None:
        seconds = clock() - begin
        signal.setitimer(signal.ITIMER_REAL, 0)  # libFuzzer's alarm for one input: what follows is many
        for _ in range(2):
            for data in sample:
                passes(target, data)
        gc.collect()
        blocks, memory = sys.getallocatedblocks(), resident()
        for _ in range(ROUNDS):
            for data in sample:
                passes(target, data)
        gc.collect()
        result = {
            "target": name,
            "runs": count,
            "read": read,
            "per_second": round(count / seconds),
            "slowest_ms": round(slowest * 1000, 2),
            "slowest_bytes": len(slowest_input),
            "blocks": sys.getallocatedblocks() - blocks,
            "kib": resident() - memory,
        }
        print(_RESULT + json.dumps(result), flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        os._exit(1 if slowest > LIMIT else 0)

    def one(data: bytes) -> None:
        nonlocal count, read, slowest, slowest_input
        count += 1
        before = clock()
        read += passes(target, data)
        took = clock() - before
        if took > slowest:
            took = min(took, *(timed(data) for _ in range(3)))
            if took > slowest:
                slowest, slowest_input = took, data
                if took > LIMIT:
                    (Path(tempfile.gettempdir()) / f"slow-{name}").write_bytes(data)
        if len(sample) < SAMPLE:
            sample.append(data)
        elif chance.random() < SAMPLE / count:
            sample[chance.randrange(SAMPLE)] = data
        if count >= runs:
            report()

    with tempfile.TemporaryDirectory(prefix=f"fuzz-{name}-") as folder:
        seed_files(target, Path(folder))
        longest = max(target.longest, *(path.stat().st_size for path in Path(folder).iterdir()))
        options = ["-atheris_runs=-1", f"-max_len={longest}", "-timeout=20", "-rss_limit_mb=2048"]
        quiet = ["-verbosity=0", f"-artifact_prefix={tempfile.gettempdir()}/fuzz-{name}-", "-print_final_stats=0"]
        atheris.Setup([sys.argv[0], *options[1:], *quiet, folder], one)
        atheris.Fuzz()


def run_one(name: str, runs: int) -> tuple[str, dict[str, object] | None, str]:
    """One target in a process of its own: its name, its result (None: it crashed), what it said."""
    command = [sys.executable, "-m", "tests.fuzz", name, "--runs", str(runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    found = re.search(rf"^{_RESULT}(.*)$", done.stdout, re.MULTILINE)
    return name, json.loads(found[1]) if found else None, done.stdout[-4_000:] + done.stderr[-4_000:]


def table(results: list[dict[str, object]], failed: list[str]) -> str:
    """The section of docs/benchmarks.md."""
    import atheris  # noqa: F401 - a missing extra is said before anything runs, not after an hour

    lines = [
        TITLE,
        "",
        "`make fuzz` (`FUZZ_RUNS=…` for fewer inputs; one target: `python -m tests.fuzz TARGET --runs N`): atheris"
        " mutates the seeds of the project and of the corpus, guided by what each input covers. *Read*: inputs that the"
        " parser took and did not refuse. *Slowest*: the least of four times of the slowest input; the limit is 50 ms."
        f" *Blocks*, *KiB*: what {SAMPLE} of the inputs leave behind when they are driven {ROUNDS} times more.",
        "",
        f"Measured on {os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}, other"
        " work beside it, so inputs per second are no figure of the parsers.",
        "",
        "| parser | inputs | read | per second | unexpected exceptions | slowest, ms | its bytes | blocks | KiB |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for one in results:
        lines.append(
            f"| {one['target']} | {one['runs']:,} | {one['read']:,} | {one['per_second']:,} | 0 | {one['slowest_ms']}"
            f" | {one['slowest_bytes']} | {one['blocks']:+} | {one['kib']:+} |".replace(",", " ")
        )
    lines += [f"| {name} | | | | **1** | | | | |" for name in failed]
    return "\n".join(lines) + "\n"


def write(section: str, title: str = TITLE) -> None:
    """Put the section where the old one with that title is, or at the end."""
    page = PAGE.read_text("utf-8")
    begin = page.find(title + "\n")
    if begin < 0:
        page = page.rstrip("\n") + "\n\n" + section
    else:
        end = page.find("\n## ", begin + 1)
        page = page[:begin] + section + (page[end:] if end >= 0 else "")
    PAGE.write_text(page, "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--all", action="store_true", help="every target")
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time, with --all or several")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--keep", type=Path, help="add the results to this file, one JSON object a line")
    arguments = parser.parse_args()
    if len(arguments.targets) == 1 and not arguments.all:
        fuzz(arguments.targets[0], arguments.runs)
    from tests.fuzz.targets import TARGETS

    names = list(TARGETS) if arguments.all else arguments.targets
    results: list[dict[str, object]] = []
    failed: list[str] = []
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for name, result, said in pool.map(lambda name: run_one(name, arguments.runs), names):
            if result is None:
                failed.append(name)
                print(f"{name} FAILED\n{said}", flush=True)
                continue
            results.append(result)
            print(json.dumps(result), flush=True)
            if arguments.keep is not None:
                with arguments.keep.open("a", encoding="utf-8") as kept:
                    kept.write(json.dumps(result) + "\n")
    section = table(results, failed)
    print(section)
    if arguments.write:
        write(section)
    slow = [one for one in results if float(str(one["slowest_ms"])) > LIMIT * 1000]
    return 1 if failed or slow else 0


if __name__ == "__main__":
    sys.exit(main())
