"""An interface goes in; a camera that has no address but its IPv6 link-local one comes out, found by FF02::C.

ipv6_camera.py INTERFACE
"""

from __future__ import annotations

import socket
import struct
import sys
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import react

from twisted_detector.model import Mac
from twisted_detector.testing.simulator.camera import CameraSpec, Quirks
from twisted_detector.testing.simulator.fleet import SimulatedCamera
from twisted_detector.testing.simulator.wire.wsdiscovery import hello
from twisted_detector.testing.simulator.wsdiscovery import format_answer, is_addressed, match_of
from twisted_detector.wire.lan.wsdiscovery import GROUP_IPV6, PORT, parse


class Ear:
    """The socket of the group, read by the reactor."""

    def __init__(self, spec: CameraSpec, interface: str) -> None:
        self._spec = spec
        index = socket.if_nametoindex(interface)
        self._socket = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(("::", PORT))
        request = struct.pack("=16sI", socket.inet_pton(socket.AF_INET6, GROUP_IPV6), index)
        self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)
        said = hello(match_of(spec), message_id=f"urn:uuid:{spec.uuid}")
        self._socket.sendto(said, (GROUP_IPV6, PORT, 0, index))

    def fileno(self) -> int:
        return self._socket.fileno()

    def logPrefix(self) -> str:
        return "ear"

    def connectionLost(self, reason: Any) -> None:
        self._socket.close()

    def doRead(self) -> None:
        data, sender = self._socket.recvfrom(65_535)
        asked = parse(data)
        if is_addressed(self._spec, asked):
            self._socket.sendto(format_answer(self._spec, asked, message_id=f"urn:uuid:{self._spec.uuid}"), sender)


def main(reactor: Any, interface: str) -> Deferred[None]:
    with open("/proc/net/if_inet6", encoding="ascii") as lines:  # noqa: PTH123
        number = next(line.split()[0] for line in lines if line.split()[-1] == interface and line.startswith("fe80"))
    address = socket.inet_ntop(socket.AF_INET6, bytes.fromhex(number))
    with open(f"/sys/class/net/{interface}/address", encoding="ascii") as file:  # noqa: PTH123
        mac = Mac.parse(file.read())
    quirks = Quirks(xaddr_host=address, stream_host=address)
    spec = CameraSpec(f"{address}%{interface}", seed=address, mac=mac, rtsp_port=554, quirks=quirks)
    camera = SimulatedCamera(spec, reactor=reactor, random=Random())
    camera.start()
    reactor.addReader(Ear(camera.spec, interface))
    print(f"ready {address}", flush=True)
    return Deferred()


if __name__ == "__main__":
    react(main, sys.argv[1:2], _reactor)
