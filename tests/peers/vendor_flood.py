"""Run by tests: floods a UDP port of all on the link with answers of made-up devices, from every address of this host.

python vendor_flood.py INTERFACE PORT COUNT
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys

from twisted_detector.model import Mac
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request
from twisted_detector.testing.simulator.vendors.hanwha import HanwhaDevice
from twisted_detector.wire.vendors.hanwha import Hanwha


def main(interface: str, port: str, count: str) -> None:
    told = json.loads(subprocess.check_output(("ip", "-4", "-j", "addr", "show", "dev", interface)))
    addresses = [one["local"] for one in told[0]["addr_info"]]
    sockets = []
    for address in addresses:
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        opened.bind((address, 0))
        sockets.append(opened)
    query = Hanwha().queries(bytes, addresses[0])[0]
    device = HanwhaDevice()
    for number in range(int(count)):
        address = addresses[number % len(addresses)]
        mac = Mac.from_bytes(b"\x00\x0b\x5d" + number.to_bytes(3))
        answer = device.answer(Request(query.data, query.port), DeviceFacts(address, mac, model=f"M{number}"))
        assert answer is not None
        sockets[number % len(addresses)].sendto(answer, ("255.255.255.255", int(port)))
    print(f"sent {count} from {len(addresses)}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
