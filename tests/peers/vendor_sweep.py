"""Run by tests: one sweep by all manufacturers' protocols on real sockets; what was seen goes to standard output.

python vendor_sweep.py [LISTEN [WAIT]]   seconds of the sweep, and seconds of watching before it
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from twisted.internet import reactor as installed
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from twisted_detector.discovery.multicast.discoverer import MulticastSettings
from twisted_detector.discovery.neighbours.table import KernelNeighbours
from twisted_detector.discovery.vendors.discoverer import VendorDiscovery
from twisted_detector.testing.lan import RecordingSink
from twisted_detector.wire.vendors.catalog import PROTOCOLS


def main(listen: str = "2.0", wait: str = "0") -> None:
    reactor: Any = installed
    sink = RecordingSink()
    neighbours = KernelNeighbours(reactor, monotonic=time.monotonic)
    settings = MulticastSettings(listen=float(listen))
    discovery = VendorDiscovery(reactor, neighbours, protocols=PROTOCOLS, settings=settings)

    async def run() -> None:
        neighbours.start()
        discovery.startWatching(sink)
        await deferLater(reactor, float(wait))
        sink.sightings.clear()
        print("sweeping", flush=True)
        began = time.monotonic()
        await discovery.sweep(sink)
        discovery.stopWatching()
        neighbours.stop()
        seen = [
            {
                "method": one.method,
                "address": one.address,
                "interface": one.interface,
                "evidence": {each.kind: each.value for each in one.evidence},
                "conditions": list(one.announced.conditions if one.announced else ()),
            }
            for one in sink.sightings
        ]
        took = time.monotonic() - began
        print(json.dumps({"seen": seen, "counts": discovery.counts, "seconds": took}), flush=True)
        reactor.stop()

    reactor.callWhenRunning(
        lambda: Deferred.fromCoroutine(run()).addErrback(lambda failure: print(failure, flush=True))
    )
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
