"""A GStreamer server with 100 streams goes in; what proving them costs us, and what it costs ffprobe, comes out.

    make bench-rtsp            measures, prints the table, and puts it into docs/benchmarks.md

Server, ffprobe and we are processes of their own on one machine, one after the other in the same run. Ours is the
daemon's own code (``RtspValidator`` on a real reactor) in a fresh interpreter. Processor time is user and system.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.page import write_section  # noqa: E402
from tests.ports import free_port  # noqa: E402
from tests.processes import Process  # noqa: E402

TITLE = "## Proving streams"
SYSTEM_PYTHON = "/usr/bin/python3"
SERVER = ROOT / "tests" / "peers" / "gst_many.py"
#: As RTSP_TIMEOUT's default.
TIMEOUT = 10.0
#: ffprobe's at one time: it mostly waits for frames, and two cores bear so many.
AT_ONCE = 4
#: Two minutes of a moving test picture, a keyframe each second.
PICTURE = ("ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc=size=640x360:rate=15:duration=120")
CLIP = (*PICTURE, "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p", "-g", "15")
COMMAND = ("ffprobe", "-v", "error", "-rtsp_transport", "tcp", "-show_streams", "-of", "json")


# --- ours, in a process of its own ----------------------------------------------------------------------------------


def measure(urls: Sequence[str], what: str, rounds: int) -> None:
    """Prove all streams, so many at a time, and print what it cost as JSON."""
    from twisted.internet import reactor as _reactor
    from twisted.internet.defer import Deferred, DeferredList, DeferredSemaphore
    from twisted.internet.task import LoopingCall, react

    from twisted_detector.inspection.device_locks import DeviceLocks
    from twisted_detector.inspection.rtsp.validator import RtspValidator
    from twisted_detector.model import Stream

    at_once = 1 if what == "one" else len(urls)
    validator_waits: list[float] = []

    def cpu() -> float:
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime + used.ru_stime

    def resident() -> int:
        return int(re.search(r"VmRSS:\s*(\d+)", Path("/proc/self/status").read_text("ascii"))[1])  # type: ignore[index]

    async def one(validator: RtspValidator, url: str, look: str) -> tuple[float, Any]:
        began = time.monotonic()
        report = await getattr(validator, look)(Stream(url=url), None)
        return time.monotonic() - began, report

    async def everything(validator: RtspValidator, look: str) -> list[tuple[float, Any]]:
        room = DeferredSemaphore(at_once)
        jobs = [room.run(partial(one, validator, url, look)) for url in urls]
        results = await DeferredList(jobs, fireOnOneErrback=True, consumeErrors=True)
        return [result for _, result in results]

    async def run(reactor: Any) -> None:
        # Addresses of the loopback network: one device each, as cameras are.
        locks = DeviceLocks()
        validator = RtspValidator(reactor, timeout=TIMEOUT, device_locks=locks)
        await everything(validator, "validate")  # code is loaded, streams are known
        gc.freeze()  # as the daemon does after its start
        gc.set_threshold(*gc.get_threshold()[:2], 100)
        look = "check" if what == "check" else "validate"
        if what == "check":
            await everything(validator, "check")  # connections stand
        before, memory = time.monotonic(), resident()
        last = [before]

        def tick() -> None:
            now = time.monotonic()
            validator_waits.append(now - last[0] - 0.001)
            last[0] = now

        ticker = LoopingCall(tick)
        busy = 0.0
        outcomes: list[tuple[float, Any]] = []
        stall = 0.0
        if what == "stall":
            ticker.start(0.001, now=False)
            outcomes = await everything(validator, look)
            ticker.stop()
            stall = max(validator_waits)
        else:
            for _ in range(rounds):
                began = cpu()
                outcomes += await everything(validator, look)
                busy += cpu() - began
        walls = [wall for wall, _ in outcomes]
        reports = [report for _, report in outcomes]
        print(
            json.dumps(
                {
                    "cpu": busy / len(outcomes),
                    "wall": median(walls),
                    "most": max(walls),
                    "proved": sum(one.validated for one in reports),
                    "of": len(reports),
                    "proofs": sorted({one.proof.value for one in reports}),
                    "reasons": sorted({one.reason for one in reports}),
                    "stall": stall,
                    "growth": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory) / 1024,
                }
            )
        )
        locks.close_all_kept()

    react(lambda reactor: Deferred.fromCoroutine(run(reactor)), (), _reactor)


# --- the whole run --------------------------------------------------------------------------------------------------


def ours(urls: Sequence[str], what: str, rounds: int = 1) -> dict[str, Any]:
    command = [sys.executable, __file__, "--measure", what, "--rounds", str(rounds)]
    done = subprocess.run(command, input="\n".join(urls), capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        sys.exit(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    print(what, found, file=sys.stderr, flush=True)
    return found


def theirs(urls: Sequence[str]) -> dict[str, Any]:
    """Processor and wall seconds of ffprobe per stream."""

    def probe(url: str) -> float:
        began = time.monotonic()
        subprocess.run([*COMMAND, url], capture_output=True, check=True, timeout=60)
        return time.monotonic() - began

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        walls = list(pool.map(probe, urls))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found = {"cpu": busy / len(urls), "wall": median(walls), "proved": len(urls), "of": len(urls)}
    print("ffprobe", found, file=sys.stderr, flush=True)
    return found


def table(count: int, turns: Sequence[dict[str, Any]]) -> str:
    """The figures as Markdown."""

    def row(name: str, what: str) -> str:
        ours = [turn[what] for turn in turns]
        ratios = sorted(turn["ffprobe"]["cpu"] / turn[what]["cpu"] for turn in turns)
        ratio = "1" if what == "ffprobe" else f"1/{median(ratios):.0f} (1/{ratios[0]:.0f} to 1/{ratios[-1]:.0f})"
        ms = median(one["cpu"] for one in ours) * 1000
        proved = f"{sum(one['proved'] for one in ours)} of {sum(one['of'] for one in ours)}"
        return f"| {name} | {ms:.2f} | {ratio} | {median(one['wall'] for one in ours):.3f} | {proved} |"

    bursts = [turn["stall"] for turn in turns]
    stalls = [f"{one['stall'] * 1000:.1f}" for one in bursts]
    return "\n".join(
        [
            f"`make bench-rtsp`: {count} H.264 streams of one GStreamer server, each proved to a whole keyframe and",
            f"left with TEARDOWN; per stream. {len(turns)} turns of ours and ffprobe's; medians of the turns, and of",
            "each turn's ratio (least and greatest).",
            "",
            "| | CPU ms | of ffprobe's | wall s, median | proved |",
            "|---|---:|---:|---:|---:|",
            row(f"ffprobe, {AT_ONCE} at a time", "ffprobe"),
            row("full proof, one after the other", "one"),
            row("full proof, all at once", "full"),
            row("cheap check, all at once", "check"),
            "",
            "| all proved at once | |",
            "|---|---|",
            f"| within RTSP_TIMEOUT ({TIMEOUT:g} s) | {sum(one['proved'] for one in bursts)} of"
            f" {sum(one['of'] for one in bursts)}, the last after {max(one['most'] for one in bursts):.2f} s |",
            f"| longest reactor stall of each turn | {', '.join(stalls)} ms |",
            f"| growth of resident memory (peak) | {max(one['growth'] for one in bursts):.1f} MB |",
            "",
            f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}, server and"
            f" clients on the same machine, load average at the end {os.getloadavg()[0]:.1f}.",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What proving 100 streams costs.")
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--turns", type=int, default=9, help="of ours and ffprobe's")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    parser.add_argument("--measure", choices=("full", "one", "check", "stall"), help="(the process that is measured)")
    options = parser.parse_args()
    if options.measure:
        measure(sys.stdin.read().split(), options.measure, options.rounds)
        return
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        # The whole of 127.0.0.0/8 is this machine: each stream has an address of its own, as cameras have.
        clip = str(Path(folder) / "clip.mkv")
        subprocess.run([*CLIP, clip], check=True, timeout=60)
        command = (SYSTEM_PYTHON, str(SERVER), "0.0.0.0", str(port), str(options.streams), clip)
        server = Process(command, Path(folder) / "gst.log")
        try:
            server.wait_for("ready", 30)
            urls = [f"rtsp://127.0.1.{number + 1}:{port}/stream{number}" for number in range(options.streams)]
            # Taken in turns, for the machine may be twice as fast a minute later: what counts is each turn's ratio.
            turns = []
            for turn in range(options.turns):
                some = urls[turn :: options.turns]
                turns.append(
                    {
                        "full": ours(urls, "full", options.rounds),
                        "one": ours(some, "one"),
                        "check": ours(urls, "check", options.rounds * 3),
                        "stall": ours(urls, "stall"),
                        "ffprobe": theirs(some),
                    }
                )
        finally:
            server.end()
    text = table(options.streams, turns)
    print(text)
    if options.write:
        write_section(TITLE, text)


main()
