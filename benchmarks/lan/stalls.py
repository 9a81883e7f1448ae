"""A /20 with 100 cameras goes in; how long the reactor stalls while it is swept, and what MQTT feels, comes out.

Used by ``bench_lan.py``. Two witnesses: the daemon's own measure (``reactor.lag_ms.max`` of the health document, a call
every half second), and a client that asks over the control socket all the time and waits for each answer.
"""

from __future__ import annotations

import json
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.lan.farm import plant
from tests.lan.lab import Lab, python
from tests.lan.site import HEALTH, Site, cid
from tests.processes import Process, wait_until


@dataclass(frozen=True)
class Stalled:
    """Milliseconds, where nothing else is said.

    :ivar waited: seconds in all that the daemon was ready to run and another process had the processor.
    """

    sweep_seconds: float
    lag_max: float
    probes: int
    probe_max: float
    probe_p99: float
    waited: float
    disconnects: int
    ack_p99: float
    packets: int
    most_in_second: int


def ask_for_ever(path: str) -> None:
    """Ask for nothing, again and again, and print how long each answer took (seconds); until it is ended."""
    while True:
        began = time.monotonic()
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
                line.settimeout(10)
                line.connect(path)
                line.sendall(b'{"command": "nothing"}\n')
                while line.recv(4096):
                    pass
        except OSError:
            time.sleep(0.05)
            continue
        print(time.monotonic() - began, flush=True)
        time.sleep(0.005)


def waited(pid: int) -> float:
    """Seconds that a process's main thread was ready and did not run (proc(5), schedstat)."""
    return int(Path(f"/proc/{pid}/task/{pid}/schedstat").read_text().split()[1]) / 1e9


def measure(prefer: Callable[[Sequence[Process]], None], *, privileged: bool = True) -> Stalled:
    """One daemon, from its start to the end of a second sweep; the first meets the cameras, the second knows them.

    :param prefer: gives processes the processor before whatever else runs here; or does not.
    """
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        farm = plant(lab, "farm", "10.77.0.0/20", 100)
        farm.start()
        site = Site(lab, prefix_length=20)
        without = () if privileged else ("setpriv", "--inh-caps=-all", "--bounding-set=-all")
        daemon = site.daemon(
            without,
            MQTT_KEEPALIVE="5",
            HEALTH_REPORT_INTERVAL="1",
            HEALTH_CHECK_INTERVAL="5",
            SMART_DISCOVERY_ENABLED="false",
            DISCOVERY_INTERVAL="3600",
        )
        probe = site.host.start(*python(str(Path(__file__).resolve()), str(site.state / "control.sock")))
        prefer((*site.host.processes, *farm.host.processes))

        def swept(times: int) -> bool:
            heard = site.listener.on(HEALTH)[-1:]
            return bool(heard) and heard[0].json["discovery"]["sweeps"] >= times

        wait_until(lambda: swept(1), 90, "the first sweep", interval=0.5)
        wanted = {cid(camera.mac) for camera in farm.cameras}
        wait_until(lambda: site.ids() >= wanted, 60, lambda: f"100 cameras; {len(site.ids())}", interval=0.5)
        command = json.dumps({"id": 1, "command": "rescan"})
        site.host.run("mosquitto_pub", "-t", "system/camera_detector/node1/command", "-m", command)
        wait_until(lambda: swept(2), 90, "the second sweep", interval=0.5)
        # Twice the keepalive, in which a PINGRESP that was not read would end the connection.
        time.sleep(10)
        health = site.listener.on(HEALTH)[-1].json
        times = sorted(float(line) for line in probe.text().splitlines()[:-1])
        discovery, mqtt = health["discovery"], health["mqtt"]
        return Stalled(
            sweep_seconds=discovery["last_sweep"]["neighboursweep"]["duration_s"],
            lag_max=health["reactor"]["lag_ms"]["max"],
            probes=len(times),
            probe_max=times[-1] * 1000,
            probe_p99=times[int(len(times) * 0.99)] * 1000,
            waited=waited(daemon.pid),
            disconnects=mqtt["disconnects"] + mqtt["failures"],
            ack_p99=mqtt["ack_latency_ms"]["p99"],
            packets=discovery["looking"]["total"],
            most_in_second=discovery["looking"]["most_in_second"],
        )


def table(found: dict[str, list[Stalled]]) -> list[str]:
    """The figures as Markdown: the worst of all runs."""
    lines = [
        "| two sweeps of a /20 with 100 cameras, keepalive 5, worst of the runs | longest stall, own measure, ms"
        " | longest answer to the probe, ms | its 99 % | MQTT disconnects | PUBACK 99 %, ms | the second sweep, s |"
        " most packets in a second |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in found.items():
        lines.append(
            f"| {name}, {len(runs)} runs, {sum(one.probes for one in runs)} probes |"
            f" {max(one.lag_max for one in runs):.0f} | {max(one.probe_max for one in runs):.0f} |"
            f" {max(one.probe_p99 for one in runs):.1f} | {sum(one.disconnects for one in runs)} |"
            f" {max(one.ack_p99 for one in runs):.0f} | {max(one.sweep_seconds for one in runs):.1f} |"
            f" {max(one.most_in_second for one in runs)} |"
        )
    return lines


if __name__ == "__main__":
    ask_for_ever(sys.argv[1])
