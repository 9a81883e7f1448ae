"""State of a daemon that knows many cameras already, written by the store of the checkout under attack.

seed.py STATE_DIR COUNT NETWORK
"""

from __future__ import annotations

import sys
import time
import uuid
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred, ensureDeferred
from twisted.internet.task import react

from twisted_detector.model import Camera, Evidence, Mac, Proof, Status, Stream
from twisted_detector.store.store import Store


def camera(number: int, address: str) -> Camera:
    """An ordinary camera that was well an hour ago."""
    now = time.time() - 3600
    mac = Mac.parse(f"02:5e:ed:00:{number // 256:02x}:{number % 256:02x}")
    reference = str(uuid.UUID(int=number + 1))
    identifiers = {"mac": mac.text, "epr": reference, "serial": f"SEED{number:06}", "hardware_address": mac.text}
    streams = tuple(
        Stream(
            url=f"rtsp://{address}:554/stream{one}",
            name=f"stream{one}",
            profile=f"p{one}",
            source="source",
            codec="H264",
            width=1920,
            height=1080,
            fps=15.0,
            proof=Proof.KEYFRAME,
            validated=True,
        )
        for one in (1, 2)
    )
    return Camera(
        id=mac.text.replace(":", ""),
        device_id=mac.text.replace(":", ""),
        address=address,
        mac=mac,
        endpoint_reference=reference,
        name=f"Camera {number}",
        manufacturer="Acme",
        model="IPC-1000",
        serial_number=f"SEED{number:06}",
        firmware_version="1.0",
        onvif_url=f"http://{address}/onvif/device_service",
        streams=streams,
        status=Status.ONLINE,
        since=now,
        first_seen=now,
        last_seen=now,
        last_validated=now,
        methods=("wsdiscovery",),
        evidence=tuple(Evidence(kind, value, "onvif", now) for kind, value in identifiers.items()),
    )


async def seed(reactor: Any, directory: Path, count: int, network: str) -> None:
    store = Store(reactor, directory)
    await store.open()
    addresses = ip_network(network)
    for number in range(count):
        store.save_camera(camera(number, str(addresses[256 + number])))
    await store.close()
    print("seeded", count, flush=True)


def main(reactor: Any, directory: str, count: str, network: str) -> Deferred[None]:
    return ensureDeferred(seed(reactor, Path(directory), int(count), network))


if __name__ == "__main__":
    react(main, sys.argv[1:], _reactor)
