"""MQTT clients go in; how fast each has its messages acknowledged, and how many it loses, comes out as one table.

    make bench-mqtt            measures, prints the table, and puts it into docs/benchmarks.md

Every client runs in a process of its own against a mosquitto of its own on loopback, all of them in turn (A B C A B C)
so that whatever else the machine does hits all alike; the ratio is the median of those within one round. Peers are
installed into ``.make/bench-mqtt``; what cannot be installed is listed with the reason.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.ports import free_port  # noqa: E402

PEERS = ROOT / "benchmarks" / "mqtt_peers"
TOOLS = ROOT / ".make" / "bench-mqtt"
PAGE = ROOT / "docs" / "benchmarks.md"
TITLE = "## MQTT throughput"

#: No client needs a tenth of it; one that hangs must not hold up the others for ever.
MOST_SECONDS = 180.0
#: The outage: the broker is killed so long after the first message, and is down so long, in seconds.
KILL_AFTER, DOWN = 1.0, 2.0
OUTAGE_COUNT, OUTAGE_RATE = 1000, 250.0


@dataclass
class Client:
    """One row of the table.

    :ivar command: how to run its peer, without the task; :ivar disk: whether it gets a folder for its outbox.
    :ivar missing: why it cannot run, "" when it can.
    """

    name: str
    command: Sequence[str]
    kept: str
    disk: bool = False
    missing: str = ""
    version: str = ""
    rates: list[float] = field(default_factory=list)
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)


def clients() -> list[Client]:
    """All clients, the missing ones with the reason."""
    ours = (sys.executable, str(PEERS / "peer_camdetect.py"))
    return [
        Client("paho `loop_start`, defaults", (sys.executable, str(PEERS / "peer_paho.py")), "in memory"),
        _from_pypi("aiomqtt, await each", "aiomqtt"),
        _from_pypi("gmqtt", "gmqtt"),
        _from_npm(),
        Client("camdetect, outbox on disk", ours, "on disk (WAL, FULL)", disk=True),
        Client("camdetect, outbox in memory", ours, "in memory"),
    ]


def _from_pypi(name: str, package: str) -> Client:
    python = TOOLS / "venv" / "bin" / "python"
    kept = {"aiomqtt": "no", "gmqtt": "what was under way"}[package]
    missing = "" if python.exists() else _run(sys.executable, "-m", "venv", str(python.parents[1]))
    missing = missing or _run(str(python), "-m", "pip", "install", "--quiet", package)
    return Client(name, (str(python), str(PEERS / f"peer_{package}.py")), kept, missing=missing)


def _from_npm() -> Client:
    node, npm = shutil.which("node"), shutil.which("npm")
    folder = TOOLS / "npm"
    missing = ""
    if node is None or npm is None:
        missing = "node and npm are not installed"
    elif not (folder / "node_modules" / "mqtt").is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        missing = _run(npm, "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "mqtt")
    if folder.is_dir():
        shutil.copy(PEERS / "peer_mqttjs.js", folder)  # node looks for packages beside the script
    return Client("MQTT.js", (node or "node", str(folder / "peer_mqttjs.js")), "in memory", missing=missing)


def _run(*command: str) -> str:
    """Run it; "" or the last line that it said when it failed."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    said = (done.stderr.strip() or done.stdout.strip() or f"status {done.returncode}").splitlines()
    return said[-1] if done.returncode else ""


class Broker:
    """A mosquitto on a free port of loopback; ``kill`` and ``start`` again at will."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._config = folder / "mosquitto.conf"
        # Persistence is for the subscriber's session only (see Counting); a flood writes nothing, and what waits for
        # that subscriber, who counts, is not dropped.
        self._config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
            f"persistence true\npersistence_location {folder}/\nautosave_interval 0\n"
            + ("user root\n" if os.geteuid() == 0 else "")
        )
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [_mosquitto(), "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                time.sleep(0.01)
        raise SystemExit("mosquitto does not start")

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def _mosquitto() -> str:
    found = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit("mosquitto is not installed; on Debian: apt-get install mosquitto mosquitto-clients")
    return found


@contextmanager
def running_broker() -> Iterator[tuple[Broker, Path]]:
    """A fresh broker and a fresh folder on the disk of the checkout, both gone afterwards."""
    TOOLS.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=TOOLS) as name:
        broker = Broker(Path(name))
        broker.start()
        try:
            yield broker, Path(name)
        finally:
            broker.kill()


@contextmanager
def running_peer(client: Client, mode: str, port: int, count: int, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """The peer at its task."""
    task = [mode, str(port), str(count), "256", str(OUTAGE_RATE)]
    if client.disk:
        task.append(str(folder / "state"))
    peer = subprocess.Popen(
        [*client.command, *task],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        yield peer
    finally:
        if peer.poll() is None:
            peer.kill()
        peer.wait()


def flood(client: Client, count: int) -> None:
    """Messages per second, until all are acknowledged, for the client's row."""
    with running_broker() as (broker, folder), running_peer(client, "flood", broker.port, count, folder) as peer:
        said, complaint = peer.communicate(timeout=MOST_SECONDS)
        result = _result(client, said, complaint)
        if result["acknowledged"] != count:
            raise SystemExit(f"{client.name}: {result['acknowledged']} of {count} were acknowledged")
        client.rates.append(count / float(result["seconds"]))


def outage(client: Client) -> None:
    """How many messages never arrive when the broker is killed meanwhile, and how many arrive twice."""
    with running_broker() as (broker, folder), counting(broker, folder) as arrived:
        with running_peer(client, "outage", broker.port, OUTAGE_COUNT, folder) as peer:
            assert peer.stdout is not None
            peer.stdout.readline()
            time.sleep(KILL_AFTER)
            broker.kill()
            time.sleep(DOWN)
            broker.start()
            said, complaint = peer.communicate(timeout=MOST_SECONDS)
        _result(client, said, complaint)
        numbers = _settled(arrived)
        client.lost.append(OUTAGE_COUNT - len(numbers))
        client.twice.append(sum(number > 1 for number in numbers.values()))


@contextmanager
def counting(broker: Broker, folder: Path) -> Iterator[Path]:
    """A subscriber whose session outlives the broker: what comes before it is back is queued for it."""
    output = folder / "arrived"
    with output.open("wb") as file:
        subscriber = subprocess.Popen(
            ["mosquitto_sub", "-p", str(broker.port), "-q", "1", "-c", "-i", "counting", "-t", "bench/#"],
            stdout=file,
            stderr=subprocess.DEVNULL,
        )
    try:
        time.sleep(0.5)
        broker.signal(signal.SIGUSR1)  # mosquitto(8): save the sessions now
        time.sleep(0.3)
        yield output
    finally:
        subscriber.kill()
        subscriber.wait()


def _settled(arrived: Path) -> Counter[bytes]:
    """How often each number arrived, once nothing new has come for two seconds."""
    size, since = -1, time.monotonic()
    while time.monotonic() - since < 2.0:
        now = arrived.stat().st_size
        if now != size:
            size, since = now, time.monotonic()
        time.sleep(0.05)
    return Counter(line.partition(b" ")[0] for line in arrived.read_bytes().splitlines())


def _result(client: Client, said: str, complaint: str) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise SystemExit(f"{client.name} failed: {complaint.strip() or said.strip()}") from None
    client.version = str(result["client"]).split()[-1]
    return result


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def machine(rounds: int) -> str:
    """What it was measured on."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    mosquitto = re.search(r"version (\S+)", _output(_mosquitto(), "-h"))
    node = _output("node", "--version").strip() if shutil.which("node") else "none"
    return (
        f"{os.cpu_count()} cores of {cpu.group(1) if cpu else platform.processor()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, Node {node}, mosquitto {mosquitto[1] if mosquitto else '?'}; "
        f"{rounds} rounds, load average at the end {os.getloadavg()[0]:.1f}"
    )


def table(rows: Sequence[Client], count: int, rounds: int, outages: int) -> str:
    """The section of the page."""
    reference = rows[0].rates
    lines = [
        TITLE,
        "",
        f"`make bench-mqtt`: {count} messages of 256 bytes, QoS 1, to a mosquitto on loopback, until all are",
        "acknowledged; medians of interleaved rounds, the ratio within each round. *Lost* and *twice*: "
        f"{OUTAGE_COUNT} messages at {OUTAGE_RATE:g} a second,",
        f"the broker killed (SIGKILL) after {KILL_AFTER:g} s and away for {DOWN:g} s; "
        f"the worst of {outages} such outages.",
        "",
        f"Measured on {machine(rounds)}.",
        "",
        "| client | version | unacknowledged messages are kept | msg/s | lowest … highest | × paho | lost | twice |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    for row in rows:
        if row.missing:
            lines.append(f"| {row.name} | | not measured: {row.missing} | | | | | |")
            continue
        ratio = statistics.median(own / paho for own, paho in zip(row.rates, reference, strict=True))
        lost, twice = (str(max(figures)) if figures else "" for figures in (row.lost, row.twice))
        middle, low, high = (f"{figure:,.0f}".replace(",", " ") for figure in _spread(row.rates))
        lines.append(
            f"| {row.name} | {row.version} | {row.kept} | {middle} | {low} … {high} | {ratio:.2f} | {lost} | {twice} |"
        )
    return "\n".join(lines) + "\n"


def _spread(figures: Sequence[float]) -> tuple[float, float, float]:
    return statistics.median(figures), min(figures), max(figures)


def put(section: str) -> None:
    """Put the section into the page, in place of the one of the same title; everything else stays."""
    text = PAGE.read_text() if PAGE.exists() else "# Benchmarks\n"
    before, found, after = text.partition(f"{TITLE}\n")
    following = after.find("\n## ")
    rest = after[following + 1 :] if found and following >= 0 else ""
    PAGE.write_text(before.rstrip("\n") + "\n\n" + section + (f"\n{rest}" if rest else ""))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    options.add_argument("--outages", type=int, default=3)
    options.add_argument("--count", type=int, default=10_000)
    options.add_argument("--only", default="", help="measure only clients whose name contains this, and paho")
    options.add_argument("--write", action="store_true", help=f"put the table into {PAGE.relative_to(ROOT)}")
    chosen = options.parse_args()
    rows = [row for position, row in enumerate(clients()) if not position or chosen.only in row.name]
    able = [row for row in rows if not row.missing]
    for number in range(chosen.rounds):
        for row in able:
            flood(row, chosen.count)
        print(f"round {number + 1}:", *(f"{row.name} {row.rates[-1]:.0f}" for row in able), sep="  ", file=sys.stderr)
    for number in range(chosen.outages):
        for row in able:
            outage(row)
        print(f"outage {number + 1}:", *(f"{row.name} {row.lost[-1]}" for row in able), sep="  ", file=sys.stderr)
    section = table(rows, chosen.count, chosen.rounds, chosen.outages)
    print(section)
    if chosen.write:
        put(section)


if __name__ == "__main__":
    main()
