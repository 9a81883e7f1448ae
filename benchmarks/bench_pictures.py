"""Keyframes of several sizes go in; what a picture of each costs beside ffmpeg, and what 100 of them hold, comes out.

    make bench-pictures        measures, prints the tables, and puts them into docs/benchmarks.md

The decoder is the daemon's own, in its process apart; ffmpeg is started once for each keyframe, as a script would do,
with one thread. Processor time is the kernel's (``/proc/PID/stat``, ``getrusage`` of children).
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from benchmarks.page import write_section
from twisted_detector.detector.pictures.cache import PictureCache
from twisted_detector.inspection.pictures.decoder import Decoder
from twisted_detector.model.cameras import Picture

reactor: Any = _reactor
ROOT = Path(__file__).resolve().parents[1]
TITLE = "## Pictures"
KEYFRAMES = (
    ("H264", "640x360", "libx264", "h264"),
    ("H264", "1920x1080", "libx264", "h264"),
    ("H264", "3840x2160", "libx264", "h264"),
    ("H265", "1920x1080", "libx265", "hevc"),
    ("H265", "3840x2160", "libx265", "hevc"),
)
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor time, and of the clock, of one keyframe; bytes of it and of its picture."""

    name: str
    keyframe: int
    picture: int
    ours: float
    wall: float
    ffmpeg: float
    ffmpeg_wall: float


def make(folder: Path, size: str, encoder: str, form: str) -> Path:
    """A keyframe of a moving test picture with noise."""
    file = folder / f"{size}.{form}"
    source = ("-f", "lavfi", "-i", f"testsrc2=size={size}:rate=15:duration=0.07", "-vf", "noise=alls=10,format=yuv420p")
    command = ["ffmpeg", "-v", "quiet", "-y", *source, "-c:v", encoder, "-frames:v", "1", "-f", form, str(file)]
    subprocess.run(command, check=True, timeout=300, stderr=subprocess.DEVNULL)
    return file


def status(pid: int, word: str) -> int:
    """MiB that the kernel tells of a process."""
    found = re.search(rf"^{word}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text("ascii"), re.MULTILINE)
    assert found
    return int(found[1]) // 1024


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def by_ffmpeg(file: Path, target: Path) -> None:
    scale = ("-vf", "scale='min(1280,iw)':-2")
    command = ["ffmpeg", "-v", "error", "-y", "-threads", "1", "-i", str(file), "-frames:v", "1", *scale, str(target)]
    subprocess.run(command, check=True, timeout=60)


async def measure(folder: Path) -> tuple[list[Cost], str]:
    decoder = Decoder(reactor)
    costs = []
    begin = time.monotonic()
    await decoder.decode("H264", make(folder, "640x360", "libx264", "h264").read_bytes())
    started = time.monotonic() - begin
    pid = decoder._child.transport.pid  # type: ignore[union-attr]
    idle = status(pid, "VmRSS")
    for codec, size, encoder, form in KEYFRAMES:
        file = make(folder, size, encoder, form)
        data, picture = file.read_bytes(), b""
        used, begin = cpu_of(pid), time.monotonic()
        for _ in range(10):
            picture = await decoder.decode(codec, data)
        ours, wall = (cpu_of(pid) - used) / 10, (time.monotonic() - begin) / 10
        used, begin = of_children(), time.monotonic()
        for _ in range(5):
            by_ffmpeg(file, folder / "out.jpg")
        theirs, theirs_wall = (of_children() - used) / 5, (time.monotonic() - begin) / 5
        costs.append(
            Cost(f"{codec} {size}", len(data), len(picture), *(1000 * one for one in (ours, wall, theirs, theirs_wall)))
        )
    most, space = status(pid, "VmHWM"), status(pid, "VmPeak")
    await decoder.stop()
    words = (
        f"The decoder's process: the first picture after {started:.2f} s, {idle} MiB resident when it waits, {most} at"
        f" most, {space} of its 512 MiB of address space."
    )
    return costs, words


def album() -> str:
    """What 100 pictures of the size that is usual hold; and what the daemon's import costs."""
    before = status(os.getpid(), "VmRSS")
    kept = PictureCache()
    for number in range(300):
        kept.put(Picture(f"camera{number % 100}", os.urandom(200_000), "image/jpeg", float(number), "snapshot"))
    after = status(os.getpid(), "VmRSS")
    for number in range(300):
        kept.put(Picture(f"camera{number}", os.urandom(2_000_000), "image/jpeg", float(number), "snapshot"))
    full = status(os.getpid(), "VmRSS")
    return (
        f"Pictures of 100 cameras with 200 kB each hold {after - before} MiB of the daemon; 300 of 2 MB, of which the"
        f" album keeps what its bound of 32 MiB allows ({len(kept)}), {full - before} MiB."
    )


def imports(folder: Path) -> str:
    """With the compiled files that an installation has."""
    script = (
        "import resource, sys, time; begin = time.process_time()\n"
        "import twisted_detector.service.daemon, twisted_detector.plugins.builtin\n"
        "before = time.process_time()\n"
        "import twisted_detector.plugins.builtin_pictures\n"
        "print(time.process_time() - begin, time.process_time() - before,\n"
        "      resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, 'av' in sys.modules)"
    )
    environ = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONPYCACHEPREFIX": str(folder)}
    runs = []
    for _ in range(8):
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)
        runs.append(done.stdout.split())
    seconds, own, memory, loaded = min(runs, key=lambda run: float(run[0]))
    assert loaded == "False"
    return (
        f"The daemon's import: {float(seconds):.2f} s of processor time and {memory} MiB, of which its pictures take"
        f" {1000 * float(own):.0f} ms; PyAV is not loaded."
    )


def table(costs: list[Cost], *words: str) -> str:
    lines = [
        "| keyframe | its kB | picture, kB | ours: CPU, ms | wall | ffmpeg: CPU, ms | wall | ratio of CPU |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {one.name} | {one.keyframe // 1000} | {one.picture // 1000} | {one.ours:.0f} | {one.wall:.0f}"
        f" | {one.ffmpeg:.0f} | {one.ffmpeg_wall:.0f} | 1/{one.ffmpeg / max(one.ours, 0.1):.1f} |"
        for one in costs
    ]
    return "\n".join([*lines, "", *words])


async def main(_: Any) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        costs, words = await measure(Path(folder))
        cost_of_import = imports(Path(folder))
    where = f"{os.cpu_count()} cores, Linux {platform.release()}, Python {platform.python_version()}"
    head = (
        "`make bench-pictures`: one keyframe to a JPEG of at most 1280 pixels, by the decoder's process that runs"
        f" already, and by an `ffmpeg` started for it. Measured on {where}, load average {os.getloadavg()[0]:.1f}."
    )
    text = f"{head}\n\n{table(costs, words, album(), cost_of_import)}"
    print(text)
    if arguments.write:
        write_section(TITLE, text)


if __name__ == "__main__":
    react(lambda clock: Deferred.fromCoroutine(main(clock)))
