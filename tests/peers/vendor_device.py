"""Run by tests: devices that answer nothing but their manufacturers' discovery protocols, on this host's addresses.

python vendor_device.py ADDRESS=PROTOCOL[,PROTOCOL…][=MAC[=MODEL]] …
"""

from __future__ import annotations

import sys

from twisted.internet import reactor as installed

from twisted_detector.model import Mac
from twisted_detector.testing.simulator.vendors.device import DeviceFacts
from twisted_detector.testing.simulator.vendors.responder import VendorResponder, VendorSockets


def main(words: list[str]) -> None:
    reactor: object = installed
    responder = VendorResponder()
    addresses = []
    for word in words:
        address, protocols, *mac = word.split("=")
        addresses.append(address)
        for name in protocols.split(","):
            facts = DeviceFacts(
                address,
                Mac.parse(mac[0]) if mac else Mac("00:0b:5d:a1:b2:c3"),
                "Maker",
                mac[1] if mac[1:] else "UVC-G4" if name == "ubiquiti" else "IPC-4K",
                f"SN{address.replace('.', '')}",
                "5.6.0",
                "Gate",
                "VSTC-012345-ABCDE" if name == "pppp" else "00075fa1-b2c3-4d5e-8f90-0123456789ab",
                activated=False,
            )
            responder.add(facts, name)

    def start() -> None:
        VendorSockets(reactor, responder).open(addresses)
        print("ready", flush=True)

    reactor.callWhenRunning(start)  # type: ignore[attr-defined]
    reactor.run()  # type: ignore[attr-defined]


if __name__ == "__main__":
    main(sys.argv[1:])
