"""Cameras that come and move go in; how soon Frigate, go2rtc and Home Assistant have them, comes out.

    make bench-moves           measures, prints the tables, and puts them into docs/benchmarks.md

The cameras are one process in a namespace of its own, each with its own MAC and address (``tests/lan/farm.py``). The
clock of a move starts before the camera gives up its old address, and stops when an independent reader (a file that is
looked at every 10 ms) sees the new one in each place. Home Assistant is a real core (``bench_homeassistant.py``).

Frigate and go2rtc are those of ``tests/peers``, which are compared with recordings of the real ones, byte for byte;
what was asked for is noted when it arrives. Each of their answers takes ``DELAY``: the recordings note every time of
more than half a second, and none of the requests that camdetect makes took it. How long the real ones take to act on a
request is theirs, and told in words beside the table.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import bench_homeassistant
from benchmarks.page import percentile, write_section
from tests.homeassistant import CORES
from tests.lan.farm import Farm, plant
from tests.lan.lab import REASON, Lab, python
from tests.lan.site import LOGIN, Site, cid
from tests.processes import ROOT, Process, wait_until
from tests.recordings import versions

TITLE = "## A move, until Frigate, go2rtc and Home Assistant have it"
FRIGATES = {"0.16": "0.16.4-abcdef0", "0.17": "0.17.2-abcdef0", "0.18": "0.18.0-e3fa701"}
GO2RTCS = ("1.9.10", "1.9.14")
#: Seconds for which an answer of Frigate and go2rtc is held back.
DELAY = 0.5
#: A login that Frigate was never told of.
STRANGE = "guest:an0ther-canary"
#: Seconds that a move is waited for: a quick look every 60 s finds what is not announced.
LONGEST = 90.0
#: Looks at go2rtc and at Frigate in an hour (``Go2rtcApi.refresh``, ``FrigateApi.refresh``).
LOOKS = {"GET /api/streams": 120, "GET /api/version": 12}
OWN = "# somebody's\nmqtt:\n  host: broker\n"
DOOR = "cameras:\n  door:\n    ffmpeg: {inputs: [{path: 'rtsp://10.77.9.9/x', roles: [detect]}]}\n"


@dataclass
class Peer:
    """A Frigate or go2rtc of ours.

    :ivar file: its configuration; ``reads``: the addresses that it has just now.
    """

    process: Process
    file: Path
    reads: Path

    def asked(self) -> list[str]:
        """What it was asked so far, as ``METHOD path name``."""
        return [line for line in self.process.lines() if line.partition(" ")[0].isupper() and " /" in line]


class Bed:
    """A daemon among cameras, with as many of the programs that follow as are wanted."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.site = Site(lab)
        self.environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}

    def farm(self, name: str, count: int, *, first: int = 10, mac: str = "02:0f") -> Farm:
        """Cameras that want a login."""
        farm = plant(self.lab, name, "10.77.0.0/24", count, first=first, mac=mac)
        farm.cameras = [replace(one, auth="digest") for one in farm.cameras]
        return farm

    def _peer(self, name: str, module: str, port: int, text: str, told: Sequence[str]) -> Peer:
        file, reads = (self.lab.directory / f"{name}.{end}" for end in ("yml", "reads"))
        file.write_text(text)
        reads.write_text("")
        command = python("-m", f"tests.peers.{module}", str(port), *told, f"reads={reads}", f"delay={DELAY}")
        process = self.site.host.start(*command, environment=self.environment)
        process.wait_for("ready", 20)
        return Peer(process, file, reads)

    def frigate(self, version: str, port: int, env: Path, *, live: bool = True, text: str = OWN + DOOR) -> Peer:
        """:param live: it knows every variable of ``env`` at any time, and not only those of its start."""
        told = (f"version={FRIGATES[version]}", "inside=1", f"env={env}", *(["live=1"] if live else []))
        file = self.lab.directory / f"frigate-{version}.yml"
        return self._peer(f"frigate-{version}", "frigate", port, text, (str(file), *told))

    def go2rtc(self, version: str, port: int) -> Peer:
        file = self.lab.directory / f"go2rtc-{version}.yml"
        return self._peer(f"go2rtc-{version}", "go2rtc", port, "", (f"version={version}", f"path={file}"))


@contextmanager
def bed() -> Iterator[Bed]:
    with tempfile.TemporaryDirectory() as name, Lab(Path(name)) as lab:
        yield Bed(lab)


def note(*words: object) -> None:
    print(*words, file=sys.stderr, flush=True)


def holds(file: Path, addresses: Sequence[str]) -> bool:
    text = file.read_text()
    return all(f"{one}:" in text for one in addresses)


# --- moves -----------------------------------------------------------------------------------------------------------


def layout(names: Sequence[str]) -> str:
    """Cameras that read from the go2rtc inside Frigate."""
    return "cameras:\n" + "".join(
        f'  "{name}":\n    ffmpeg:\n      inputs:\n'
        f"        - {{path: 'rtsp://127.0.0.1:8554/{name}', roles: [record, detect]}}\n"
        for name in names
    )


def moved(farm: Farm, number: int, files: Sequence[Path], step: int) -> list[float]:
    """Seconds from the beginning of one move until each file names the new address."""
    address = f"10.77.0.{100 + (step % 150)}"
    began = time.monotonic()
    farm.alter(lambda camera: replace(camera, address=address), [number])
    times: dict[Path, float] = {}
    while len(times) < len(files) and time.monotonic() - began < LONGEST:
        for file in files:
            if file not in times and holds(file, [address]):
                times[file] = time.monotonic() - began
        time.sleep(0.01)
    return [times.get(file, LONGEST) for file in files]


def moves(cameras: int, count: int, version: str) -> dict[str, list[float]]:
    """Seconds of each move until it is in each place, by what the place and the announcement are."""
    with bed() as made:
        farm = made.farm("farm", cameras)
        names = [cid(one.mac) for one in farm.cameras]
        text = OWN + (layout(names) if version == "0.17" else DOOR)
        frigate = made.frigate(version, 5000, made.site.state / "frigate.env", text=text)
        go2rtc = made.go2rtc("1.9.14", 1984)
        own = made.lab.directory / "own.yml"
        own.write_text(OWN + DOOR)
        farm.start(login=LOGIN)
        made.site.daemon(
            CAMERA_CREDENTIALS=LOGIN,
            FRIGATE_CONFIG_PATH=str(own),
            FRIGATE_URL="http://127.0.0.1:5000",
            GO2RTC_URL="http://127.0.0.1:1984",
        )
        places = {
            "Frigate's file": own,
            f"Frigate {version}'s file by its API": frigate.file,
            f"request that moves a running Frigate {version}": frigate.reads,
            "request that moves go2rtc": go2rtc.reads,
        }
        addresses = [one.address for one in farm.cameras]
        known = lambda: all(holds(file, addresses) for file in places.values())  # noqa: E731
        wait_until(known, 120, "all cameras in all places", interval=0.2)
        found: dict[str, list[float]] = {}
        step = 0
        for kind, hello in (("ARP and Hello", True), ("ARP alone", False)):
            farm.alter(partial(replace, hello=hello))
            time.sleep(5)
            for _ in range(count):
                times = moved(farm, step % cameras, list(places.values()), step)
                note(version, kind, [round(one, 2) for one in times])
                for place, seconds in zip(places, times, strict=True):
                    found.setdefault(f"{place}, told by {kind}", []).append(seconds)
                step += 1
                time.sleep(DELAY * 8)  # until all of one delivery is done
        return found


# --- a newcomer beside one that is refused ---------------------------------------------------------------------------


def newcomers(others: int, count: int) -> dict[str, list[float]]:
    """Seconds from each newcomer's first word until all but the refused one are served, by Frigate's version.

    ``others`` cameras, one of them with a login that Frigate does not know: it is refused. Newcomers come one by one.
    """
    with bed() as made:
        farm = made.farm("farm", others - 1 + count)
        farm.cameras = [replace(one, present=one.number < others - 1) for one in farm.cameras]
        odd = made.farm("odd", 1, first=240, mac="02:0d")
        farm.start(login=LOGIN)
        table = made.lab.directory / "camdetect.toml"
        ports = {version: 5000 + number for number, version in enumerate(FRIGATES)}
        table.write_text(
            "".join(f'[frigate.v{version[2:]}]\nurl = "http://127.0.0.1:{port}"\n' for version, port in ports.items())
        )
        daemon = made.site.daemon(CAMERA_CREDENTIALS=f"{LOGIN},{STRANGE}", CAMDETECT_CONFIG=str(table), ADOPTION="all")
        variables = {version: made.site.state / f"frigate.v{version[2:]}.env" for version in FRIGATES}
        taught = lambda: all(one.exists() and "PASSWORD" in one.read_text() for one in variables.values())  # noqa: E731
        wait_until(taught, 60, "the variables of the first login")
        # Frigate reads its variables when it starts: those of the login that there is by now.
        peers = {one: made.frigate(one, port, variables[one], live=False) for one, port in ports.items()}
        served = {version: peer.file if version == "0.16" else peer.reads for version, peer in peers.items()}
        addresses = [one.address for one in farm.cameras if one.present]
        known = lambda: all(holds(file, addresses) for file in served.values())  # noqa: E731
        wait_until(known, 120, "the cameras in every Frigate", interval=0.2)
        odd.start(login=STRANGE)
        refused = lambda: daemon.text().count(f"left out: {cid(odd.cameras[0].mac)}: Frigate does not know") >= 3  # noqa: E731
        wait_until(refused, 60, lambda: f"the one that is refused\n{daemon.text()}", interval=0.2)
        found: dict[str, list[float]] = {}
        for number in range(others - 1, others - 1 + count):
            addresses.append(farm.cameras[number].address)
            began = time.monotonic()
            farm.alter(lambda camera: replace(camera, present=True), [number])
            times: dict[str, float] = {}
            while len(times) < len(served) and time.monotonic() - began < LONGEST:
                for version, file in served.items():
                    if version not in times and holds(file, addresses):
                        times[version] = time.monotonic() - began
                time.sleep(0.01)
            note("newcomer", {version: round(one, 2) for version, one in times.items()})
            for version in served:
                found.setdefault(version, []).append(times.get(version, LONGEST))
            time.sleep(DELAY * 8)
        for version, peer in peers.items():
            if holds(peer.file, [odd.cameras[0].address]):
                sys.exit(f"no evidence: Frigate {version} took the one that it was to refuse")
        return found


# --- an idle hour ----------------------------------------------------------------------------------------------------


@dataclass
class Idle:
    """:ivar looks: by request; ``changing``: those that may change something; ``lines``: the daemon's log."""

    seconds: float
    looks: dict[str, int]
    changing: list[str]
    lines: list[str]


def hurried(factor: float, command: list[str]) -> None:
    """Run twistd with a daemon that looks at Frigate and go2rtc so many times as often; all else goes by the clock."""
    from twisted.scripts.twistd import run

    from twisted_detector.outputs.frigate.api import FrigateApi
    from twisted_detector.outputs.go2rtc.api import Go2rtcApi

    for api in (FrigateApi, Go2rtcApi):
        api.refresh /= factor
    sys.argv = command
    run()


def idle(cameras: int, seconds: float) -> Idle:
    """As many looks at each go2rtc and Frigate as an hour has, in ``seconds``; the daemon is a process of its own."""
    with bed() as made:
        farm = made.farm("farm", cameras)
        farm.start(login=LOGIN)
        table, text = made.lab.directory / "camdetect.toml", ""
        peers: list[Peer] = []
        for number, version in enumerate(FRIGATES):
            text += f'[frigate.v{version[2:]}]\nurl = "http://127.0.0.1:{5000 + number}"\n'
            peers.append(made.frigate(version, 5000 + number, made.site.state / f"frigate.v{version[2:]}.env"))
        for number, version in enumerate(GO2RTCS):
            text += f'[go2rtc.v{version.replace(".", "")}]\nurl = "http://127.0.0.1:{1984 + number}"\n'
            peers.append(made.go2rtc(version, 1984 + number))
        table.write_text(text)
        factor = 3600.0 / seconds
        prefix = python(str(Path(__file__).resolve()), "--hurried", str(factor)) if factor != 1 else ()
        daemon = made.site.daemon(prefix, CAMERA_CREDENTIALS=LOGIN, CAMDETECT_CONFIG=str(table))
        addresses = [one.address for one in farm.cameras]
        places = [one.reads if "go2rtc" in one.file.name else one.file for one in peers]
        known = lambda: all(holds(file, addresses) for file in places)  # noqa: E731
        wait_until(known, 120, lambda: f"all cameras in all places\n{daemon.text()}", interval=0.2)
        time.sleep(60)  # pictures, and what the first looks find
        before, lines = [len(one.asked()) for one in peers], len(daemon.lines())
        began = time.monotonic()

        def asked() -> list[list[str]]:
            return [[line.strip() for line in one.asked()[n:]] for one, n in zip(peers, before, strict=True)]

        def an_hour() -> bool:
            return all(any(new.count(path) >= count for path, count in LOOKS.items()) for new in asked())

        wait_until(an_hour, seconds * 1.5 + 60, "the looks of an hour", interval=1.0)
        took = time.monotonic() - began
        new = [line for one in asked() for line in one]
        changing = [line for line in new if not line.startswith(("GET ", "POST /api/login"))]
        return Idle(took, {path: new.count(path) for path in LOOKS}, changing, daemon.lines()[lines:])


# --- recordings ------------------------------------------------------------------------------------------------------


RECORDED = ("go2rtc", "frigate", "homeassistant")


def passing() -> str:
    """Of how many versions the recordings pass, by program."""
    names = [f"tests.outputs.test_{one}_recordings" for one in RECORDED]
    folder = f"--temp-directory={tempfile.gettempdir()}/trial-bench-moves-{os.getpid()}"
    done = subprocess.run(
        [sys.executable, "-m", "twisted.trial", folder, *names], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode or "skips=" in done.stdout:
        return "**fails**" if done.returncode else "not looked at: there are no recordings"
    return "; ".join(str(len(versions(one))) for one in RECORDED)


# --- tables ----------------------------------------------------------------------------------------------------------


def row(what: str, times: Sequence[float], limit: str = "") -> str:
    """One line of the table of times."""
    shown = (min(times), median(times), percentile(times, 0.95), max(times))
    return f"| {what} | {len(times)} | " + " | ".join(f"{one:.2f}" for one in shown) + f" | {limit} |"


def limit_of(place: str) -> str:
    """What the 95 % may be at most, for places that have such a bound."""
    limits = {"Frigate's file": "2", "request that moves a running Frigate": "5", "request that moves go2rtc": "2.5"}
    return next((limit for start, limit in limits.items() if place.startswith(start)), "")


def sections(options: argparse.Namespace) -> Iterator[str]:
    """The parts of the page, each as soon as it is measured."""
    if "moves" in options.parts:
        lines = ["| seconds | times | least | median | 95 % | most | p95 at most |", "|---|---|---|---|---|---|---|"]
        found: dict[str, list[float]] = {}
        for version in ("0.17", "0.18"):
            for place, times in moves(options.cameras, options.moves, version).items():
                found.setdefault(place, []).extend(times)
        lines += [row(place, found[place], limit_of(place)) for place in sorted(found)]
        yield "\n".join(lines)
    if "homeassistant" in options.parts and CORES:
        newest = max(CORES)
        lines = ["| seconds | times | least | median | 95 % | most | at most |", "|---|---|---|---|---|---|---|"]
        times = bench_homeassistant.run(newest, 10, 20, announced=True)
        lines.append(row(f"Home Assistant core {newest}: a move, until it is a state", times, "1 (p95)"))
        times = bench_homeassistant.pictures(newest, 5)
        lines.append(row(f"Home Assistant core {newest}: from found to picture", times, "10"))
        yield "\n".join(lines)
    if "newcomers" in options.parts:
        lines = ["| seconds | times | least | median | 95 % | most | always within |", "|---|---|---|---|---|---|---|"]
        for version, times in newcomers(20, options.newcomers).items():
            where = "in its file" if version == "0.16" else "running"
            lines.append(row(f"a new camera with a login beside 20, one refused: {where} in {version}", times, "10"))
        yield "\n".join(lines)
    if "idle" in options.parts:
        found_idle = idle(options.cameras, options.seconds)
        for line in found_idle.lines:
            note("log:", line)
        note("changing:", found_idle.changing)
        hour = "an hour" if options.seconds == 3600 else f"an hour's looks in {found_idle.seconds:.0f} s"
        looks = ", ".join(f"{count} × `{path}`" for path, count in found_idle.looks.items())
        yield (
            f"| idle, {options.cameras} cameras with logins, {hour}: Frigate {', '.join(FRIGATES)}, go2rtc"
            f" {', '.join(GO2RTCS)} at once | measured | at most |\n|---|---|---|\n"
            f"| looks | {looks} | |\n"
            f"| requests that change something | {len(found_idle.changing)} | 0 |\n"
            f"| lines in the log | {len(found_idle.lines)} | 0 |"
        )
    if "recordings" in options.parts:
        yield (
            "| versions | | at least |\n|---|---|---|\n"
            f"| whose recordings pass: go2rtc; Frigate; Home Assistant | {passing()} | 2; 3 |\n"
            f"| Home Assistant, real cores (`tests/integration/test_homeassistant.py`) | {', '.join(CORES)} | 3 |"
        )


PARTS = ("moves", "homeassistant", "newcomers", "idle", "recordings")
_THEIRS = f"""\
Each answer of Frigate and go2rtc took {DELAY} s here: the recordings note every time above half a second, and none of
these requests has one. What follows is theirs, as recorded: go2rtc's viewers have frames again 1.0 to 1.2 s after the
request (g14 166, g10 166); 0.18 reads from the new address within two `retry_interval`, 6.5 s (f18 213); 0.17 has
frames again 34 s after it (f17 270); a new camera runs 0.6 to 1.5 s after it (f17 and f18 200 to 212)."""


def main() -> None:
    if sys.argv[1:2] == ["--hurried"]:
        hurried(float(sys.argv[2]), sys.argv[3:])
        return
    if REASON:
        sys.exit(REASON)
    parser = argparse.ArgumentParser(description="How soon a move is in Frigate, go2rtc and Home Assistant.")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without one")
    parser.add_argument("--cameras", type=int, default=20)
    parser.add_argument("--moves", type=int, default=30, help="of each kind")
    parser.add_argument("--newcomers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=300, help="for an hour's looks; 3600 is a true hour")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/benchmarks.md")
    options = parser.parse_args()
    if set(options.parts) - set(PARTS):
        parser.error(f"a part is one of {', '.join(PARTS)}")
    options.parts = options.parts or PARTS
    done = []
    for section in sections(options):
        done.append(f"{section}\n\nLoad average at its end {os.getloadavg()[0]:.1f}.")
        print(done[-1], flush=True)
    if options.write:
        machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, Linux {platform.release()}"
        text = "\n\n".join(done)
        write_section(TITLE, f"{text}\n\n{_THEIRS}\n\n{machine}, everything on the same machine; `make bench-moves`.")


if __name__ == "__main__":
    main()
