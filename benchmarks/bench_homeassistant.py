"""Cameras that come and move go in; how soon a Home Assistant core has picture and new address as states comes out.

    make bench-homeassistant   measures, prints the table, and puts it into docs/benchmarks.md

A real core with its MQTT integration (``.ci/homeassistant``) stands beside the broker and the daemon. The cameras are
one process in a namespace of its own, each with its own MAC (``tests/lan/farm.py``); one after the other takes a new
address, announced (gratuitous ARP and ONVIF Hello, as most do) or in silence. The clock starts when the old address is
given up (a tenth of a second before the new one answers) and stops when the core sets the state of the camera's
address sensor; all on one machine, so by one clock. For a new camera it starts when the core has its status ``online``,
and stops when the core has its first picture.
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

from benchmarks.page import percentile, write_section
from tests.homeassistant import CORES, Core
from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Lab
from tests.lan.site import LOGIN, PORT, Site, cid, simulated
from tests.processes import wait_until

TITLE = "## From a move to Home Assistant"
#: A move that Home Assistant does not know of after so long has failed.
PATIENCE = 60.0


def move(farm: Farm, core: Core, number: int, address: str, entity_id: str, *, announced: bool) -> float:
    """Seconds from the beginning of the move to the state."""
    at = time.time()
    farm.alter(lambda camera: replace(camera, address=address, arp=announced, hello=announced), [number])
    found: list[float] = []

    def look() -> bool:
        found[:] = [
            one["at"]
            for one in core.states()
            if one["entity_id"] == entity_id and one["state"] == address and one["at"] > at
        ]
        return bool(found)

    wait_until(look, PATIENCE, f"{entity_id} = {address}", interval=0.05)
    return found[0] - at


def run(version: str, cameras: int, moves: int, *, announced: bool) -> list[float]:
    """So many moves, spread over the cameras."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        farm = plant(lab, "farm", "10.77.0.0/24", cameras)
        farm.start()
        site = Site(lab)
        core = Core(site.host, version, Path(folder) / "core", PORT)
        core.ready()
        site.daemon(HOMEASSISTANT_DISCOVERY=CORES[version])
        ids = [f"camdetect_{cid(camera.mac)}_ip" for camera in farm.cameras]
        core.wait(
            lambda made: all(
                made["entities"].get(unique, {}).get("state") == camera.address
                for unique, camera in zip(ids, farm.cameras, strict=True)
            ),
            "all cameras",
            PATIENCE,
        )
        entities = core.snapshot()["entities"]
        times = []
        for n in range(moves):
            number = n % cameras
            entity_id = entities[ids[number]]["entity_id"]
            times.append(move(farm, core, number, f"10.77.0.{100 + n}", entity_id, announced=announced))
            print(f"{version} move {n}: {times[-1]:.2f} s", file=sys.stderr, flush=True)
        return times


def pictures(version: str, cameras: int) -> list[float]:
    """For each of so many new cameras: seconds from the status ``online`` to the first picture."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        site = Site(lab)
        core = Core(site.host, version, Path(folder) / "core", PORT)
        core.ready()
        settings = {"HOMEASSISTANT_PICTURES": "true", "CAMERA_CREDENTIALS": LOGIN}
        site.daemon(HOMEASSISTANT_DISCOVERY=CORES[version], **settings)
        times = []
        for n in range(cameras):
            device = f"camdetect_{cid(simulated(lab, f'cam{n}', f'10.77.0.{20 + n}', f'02:00:00:00:01:{n:02x}').mac)}"
            status = core.state(f"{device}_status", "online", PATIENCE)["entity_id"]
            taken = lambda made, of=device: made["entities"][f"{of}_picture"]["state"] not in ("unknown", "unavailable")  # noqa: E731
            picture = core.wait(taken, "a picture", PATIENCE)["entities"][f"{device}_picture"]["entity_id"]
            states = list(core.states())
            online = next(one["at"] for one in states if (one["entity_id"], one["state"]) == (status, "online"))
            seen = (one["at"] for one in states if one["entity_id"] == picture and str(one["state"])[:2] == "20")
            times.append(next(seen) - online)
            print(f"{version} picture {n}: {times[-1]:.2f} s", file=sys.stderr, flush=True)
        return times


def row(what: str, times: Sequence[float]) -> str:
    """One line of the table."""
    ordered = (min(times), median(times), percentile(times, 0.95), max(times))
    return f"| {what} | {len(times)} | " + " | ".join(f"{value:.2f}" for value in ordered) + " |"


def main() -> None:
    if REASON or not CORES:
        sys.exit(REASON or "there is no core: .ci/homeassistant .make")
    parser = argparse.ArgumentParser(description="From a camera's move to Home Assistant's state.")
    parser.add_argument("--cameras", type=int, default=10)
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument(
        "--silent", type=int, default=0, help="as many moves without a word: these measure how often is looked"
    )
    parser.add_argument("--pictures", type=int, default=5, help="as many new cameras, until their first picture")
    parser.add_argument("--write", action="store_true", help="put the table into docs/benchmarks.md")
    options = parser.parse_args()
    lines = ["| | times | least | median | 95 % | most (s) |", "|---|---|---|---|---|---|"]
    for version in sorted(CORES):
        times = run(version, options.cameras, options.moves, announced=True)
        lines.append(row(f"core {version}, {CORES[version]} discovery, announced move", times))
    newest = max(CORES)
    if options.pictures:
        times = pictures(newest, options.pictures)
        lines.append(row(f"core {newest}, from a new camera's status `online` to its first picture", times))
    if options.silent:
        silent = run(newest, options.cameras, options.silent, announced=False)
        lines.append(row(f"core {newest}, {CORES[newest]} discovery, silent move", silent))
    text = "\n".join(lines)
    print(text)
    if options.write:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
        load = f"load average at the end {os.getloadavg()[0]:.1f}"
        where = f"{options.cameras} cameras, daemon, broker and core on the same machine"
        write_section(TITLE, f"{text}\n\n{machine}, {where}, {load}; `make bench-homeassistant`.")


if __name__ == "__main__":
    main()
