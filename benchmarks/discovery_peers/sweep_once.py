"""Ports go in; one or more sweeps of the links of this machine, and what they found and cost, come out as JSON.

python benchmarks/discovery_peers/sweep_once.py 554,80 [sweeps [rate]]
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from twisted.internet import reactor
from twisted.internet.defer import Deferred

from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.discovery.rate_limit import PacketRateLimiter
from twisted_detector.discovery.sweep.arp_sweep import ArpSweep
from twisted_detector.discovery.sweep.targets import SweepSettings
from twisted_detector.testing.lan import RecordingSink


def cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Stalls:
    """The longest time between two turns of the reactor that were to be 2 ms apart, and the most CPU in one."""

    def __init__(self) -> None:
        self.longest = self.most_cpu = 0.0
        self.last, self.last_cpu = time.monotonic(), time.thread_time()
        self.turn()

    def turn(self) -> None:
        now, now_cpu = time.monotonic(), time.thread_time()
        self.most_cpu = max(self.most_cpu, now_cpu - self.last_cpu)
        self.longest = max(self.longest, now - self.last - 0.002)
        self.last, self.last_cpu = now, now_cpu
        self.call = reactor.callLater(0.002, self.turn)


async def main() -> None:
    ports = tuple(int(word) for word in sys.argv[1].split(","))
    sweeps = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    neighbours = KernelNeighbours(reactor)
    neighbours.start()
    await neighbours.interfaces()
    limiter = PacketRateLimiter(int(sys.argv[3]) if len(sys.argv) > 3 else 10_000, time.monotonic)
    sweep = ArpSweep(reactor, neighbours, settings=lambda: SweepSettings(ports=ports), limiter=limiter)
    answers = []
    for _ in range(sweeps):
        sink = RecordingSink()
        stalls = Stalls()
        before, began = cpu(), time.monotonic()
        wall_began = time.time()
        await sweep.sweep(sink)
        seconds = time.monotonic() - began
        stalls.call.cancel()
        opened = {sighting.address: sorted(sighting.open_ports) for sighting in sink.sightings}
        answers.append(
            {
                "seconds": seconds,
                "cpu": cpu() - before,
                "last_find": max((one.seen_at - wall_began for one in sink.sightings), default=0.0),
                "stall": stalls.longest,
                "stall_cpu": stalls.most_cpu,
                "found": {address: [str(mac), opened.get(address, [])] for address, mac in sweep.alive.items()},
                "counts": dict(sweep.counts),
                # The kernel goes on asking for addresses that do not answer.
                "to_follow": limiter.reserved,
            }
        )
    neighbours.stop()
    print(json.dumps(answers))
    reactor.stop()


def failed(failure: object) -> None:
    print(failure, file=sys.stderr)
    reactor.stop()


reactor.callWhenRunning(lambda: Deferred.fromCoroutine(main()).addErrback(failed))
reactor.run()
