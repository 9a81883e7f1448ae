"""How long from the start of the daemon to its first, and to its last, camera on MQTT.

A LAN of namespaces with six cameras: one foreign (GStreamer), five simulated. As root:

    python benchmarks/bench_first_camera.py
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.lan.lab import REASON, Lab
from tests.lan.site import Site, cid, gstreamer, simulated

RUNS = 7
SIMULATED = 5


def run() -> tuple[float, float]:
    """Seconds from the start of the process until the broker had the first and the last camera with a proved stream."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder)) as lab:
        hosts = [gstreamer(lab, "gst", "10.77.0.10", "02:00:00:00:00:10", "/stream1")]
        hosts += [
            simulated(lab, f"sim{n}", f"10.77.0.{20 + n}", f"02:00:00:00:00:{20 + n}", "--auth", "none")
            for n in range(SIMULATED)
        ]
        for host in hosts:
            host.processes[0].wait_for("ready" if host.name == "gst" else "Ctrl-C", 20)
        site = Site(lab)
        site.daemon()
        times = [
            site.listener.wait(f"camera/status/{cid(host.mac)}", lambda heard: heard.json["status"] == "online", 30).at
            for host in hosts
        ]
        return min(times) - site.started_at, max(times) - site.started_at


def main() -> None:
    if REASON:
        sys.exit(REASON)
    first, last = zip(*(run() for _ in range(RUNS)), strict=True)
    print(f"| seconds from the start of the process, {RUNS} runs | least | median | most |")
    print("|---|---|---|---|")
    for what, seconds in ((f"first of {SIMULATED + 1} cameras on MQTT", first), ("last", last)):
        print(f"| {what} | {min(seconds):.2f} | {median(seconds):.2f} | {max(seconds):.2f} |")


main()
