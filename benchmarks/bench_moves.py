"""Cameras that get other addresses go in; how soon Frigate's file, Frigate and go2rtc have them, comes out.

    make bench-moves           measures, prints the table, and puts it into docs/benchmarks.md

The cameras are one process in a namespace of its own, each with its own MAC and address (``tests/lan/farm.py``). They
move one after the other; the clock starts before the camera gives up its old address, and stops when an independent
reader (a file that is looked at every 10 ms) sees the new one in each place. Frigate and go2rtc are those of
``tests/peers``, which are compared with recordings of the real ones: how long those take to act on it is theirs.
"Frigate runs" is when 0.18 was told, or with ``--frigate 0.17`` the go2rtc inside it.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.page import write_section
from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Lab, python
from tests.lan.site import LOGIN, Site, cid
from tests.processes import ROOT, wait_until

TITLE = "## A move, until Frigate and go2rtc have it"
PLACES = ("Frigate's file", "Frigate by its API", "Frigate runs", "go2rtc by its API")
VERSIONS = {"0.17": "0.17.2-abcdef0", "0.18": "0.18.0-e3fa701"}
#: Seconds that a move is waited for: a quick look every 60 s finds what is not announced.
LONGEST = 90.0


def moved(farm: Farm, number: int, files: Sequence[Path], step: int) -> list[float]:
    """Seconds from the beginning of one move until each file names the new address."""
    address = f"10.77.0.{100 + (step % 150)}"
    began = time.monotonic()
    farm.alter(lambda camera: replace(camera, address=address), [number])
    times: dict[Path, float] = {}
    while len(times) < len(files) and time.monotonic() - began < LONGEST:
        for file in files:
            if file not in times and f"{address}:" in file.read_text():
                times[file] = time.monotonic() - began
        time.sleep(0.01)
    return [times.get(file, LONGEST) for file in files]


def layout(names: Sequence[str]) -> str:
    """Cameras that read from the go2rtc inside Frigate."""
    return "cameras:\n" + "".join(
        f'  "{name}":\n    ffmpeg:\n      inputs:\n'
        f"        - {{path: 'rtsp://127.0.0.1:8554/{name}', roles: [record, detect]}}\n"
        for name in names
    )


def run(cameras: int, moves: int, frigate: str) -> dict[str, list[list[float]]]:
    """All moves of each kind, as seconds for each place."""
    with tempfile.TemporaryDirectory() as name, Lab(Path(name)) as lab:
        folder = Path(name)
        own, running, streams = folder / "frigate.yml", folder / "config.yml", folder / "go2rtc.yaml"
        reads = folder / "reads.txt"
        for file in (own, running):
            file.write_text("# somebody's\nmqtt:\n  host: broker\ncameras:\n  door:\n    ffmpeg: {inputs: []}\n")
        running.write_text("# somebody's\nmqtt:\n  host: broker\n")
        streams.write_text("")
        reads.write_text("")
        farm = plant(lab, "farm", "10.77.0.0/24", cameras)
        farm.cameras = [replace(one, auth="digest") for one in farm.cameras]
        if frigate == "0.17":
            running.write_text(running.read_text() + layout([cid(one.mac) for one in farm.cameras]))
        farm.start(login=LOGIN)
        site = Site(lab)
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        told = (str(running), f"version={VERSIONS[frigate]}", f"reads={reads}", "inside=1")
        for module, port, *more in (("frigate", "5000", *told), ("go2rtc", "1984", f"path={streams}")):
            command = python("-m", f"tests.peers.{module}", port, *more)
            site.host.start(*command, environment=environment).wait_for("ready", 20)
        site.daemon(
            CAMERA_CREDENTIALS=LOGIN,
            FRIGATE_CONFIG_PATH=str(own),
            FRIGATE_URL="http://127.0.0.1:5000",
            GO2RTC_URL="http://127.0.0.1:1984",
            # go2rtc then writes its file, which is where we look.
            PUBLISH_CREDENTIALS="true",
        )
        for camera in farm.cameras:
            site.online(camera.mac, 60)
        files = (own, running, reads, streams)
        known = lambda: all(f"{one.address}:" in file.read_text() for one in farm.cameras for file in files)  # noqa: E731
        wait_until(known, 60, "all cameras in all places", interval=0.2)
        found: dict[str, list[list[float]]] = {}
        step = 0
        for kind, hello in (("ARP and Hello", True), ("ARP alone", False)):
            farm.alter(lambda camera, hello=hello: replace(camera, hello=hello))
            time.sleep(3)
            found[kind] = []
            for _ in range(moves):
                found[kind].append(moved(farm, step % cameras, files, step))
                print(kind, [round(one, 2) for one in found[kind][-1]], file=sys.stderr, flush=True)
                step += 1
                time.sleep(0.5)
        return found


def table(cameras: int, found: dict[str, list[list[float]]]) -> str:
    """The figures as Markdown."""
    count = len(next(iter(found.values())))
    lines = [
        f"| one of {cameras} cameras moves, {count} times each; seconds | least | median | 95 % | most |",
        "|---|---|---|---|---|",
    ]
    for kind, moves in found.items():
        for place, times in zip(PLACES, zip(*moves, strict=True), strict=True):
            ordered = sorted(times)
            spread = (
                ordered[0],
                median(ordered),
                ordered[min(len(ordered) - 1, int(len(ordered) * 0.95))],
                ordered[-1],
            )
            lines.append(f"| told by {kind}: {place} | {' | '.join(f'{one:.2f}' for one in spread)} |")
    return "\n".join(lines)


def main() -> None:
    if REASON:
        sys.exit(REASON)
    parser = argparse.ArgumentParser(description="How soon a move is in Frigate and go2rtc.")
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--moves", type=int, default=30)
    parser.add_argument("--frigate", choices=sorted(VERSIONS), default="0.18")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    text = table(options.cameras, run(options.cameras, options.moves, options.frigate))
    print(text)
    if options.write:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
        load = f"load average at the end {os.getloadavg()[0]:.1f}"
        write_section(
            TITLE, f"{text}\n\n{machine}, cameras and daemon on the same machine, {load}; `make bench-moves`."
        )


if __name__ == "__main__":
    main()
