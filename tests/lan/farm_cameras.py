"""A farm's layout (JSON, read again at SIGHUP) goes in; its cameras come out, those with numbers in a range.

The socket that hears the WS-Discovery group is on the farm's cable: one copy of each Probe for all of them, where every
interface would bring its own. Each camera answers from its own address.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import sys
from pathlib import Path
from random import Random
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import react

from twisted_detector.model import Login, Mac, Secret
from twisted_detector.testing.simulator.camera import MADE_UP_LOGIN, Auth, CameraSpec, parse_quirks
from twisted_detector.testing.simulator.fleet import SimulatedCamera
from twisted_detector.testing.simulator.wire.wsdiscovery import hello
from twisted_detector.testing.simulator.wsdiscovery import WSDiscoveryResponder, match_of
from twisted_detector.wire.lan.wsdiscovery import GROUP_IPV4, PORT

_ALL_GROUPS = 49  # IP_MULTICAST_ALL, linux/in.h


class Ear(DatagramProtocol):
    """One socket; what it hears goes to the responder."""

    noisy = False

    def __init__(self, responder: WSDiscoveryResponder, address: str) -> None:
        self._responder = responder
        self._address = address

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._responder.receive(datagram, (addr[0], addr[1]), to=self._address)

    def send(self, data: bytes, address: tuple[str, int]) -> None:
        try:
            self.transport.write(data, address)
        except OSError:
            return  # its cable is out


def tell_address(interface: str, address: str) -> None:
    """Send a gratuitous ARP request (RFC 5227, 1.1)."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as link:
        link.bind((interface, 0x0806))
        mac: bytes = link.getsockname()[4]
        own = socket.inet_aton(address)
        frame = b"\xff" * 6 + mac + struct.pack("!HHHBBH", 0x0806, 1, 0x0800, 6, 4, 1)
        link.send(frame + mac + own + bytes(6) + own)


class Cameras:
    """The cameras that live now, by number; of the layout, those of ``numbers``."""

    def __init__(self, reactor: Any, layout: Path, numbers: range, login: Login) -> None:
        self._reactor = reactor
        self._layout = layout
        self._numbers = numbers
        self._login = login
        self._random = Random()
        self._live: dict[int, tuple[dict[str, Any], SimulatedCamera, Any]] = {}
        self._responder = WSDiscoveryResponder(clock=reactor, random=self._random)

    def open(self) -> None:
        """Hear the group on the cable."""
        port = self._reactor.listenMulticast(
            PORT, Ear(self._responder, ""), interface=GROUP_IPV4, listenMultiple=True, maxPacketSize=65_535
        )
        handle = port.getHandle()
        handle.setsockopt(socket.IPPROTO_IP, _ALL_GROUPS, 0)
        request = struct.pack("=4s4si", socket.inet_aton(GROUP_IPV4), bytes(4), socket.if_nametoindex("eth0"))
        handle.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, request)

    async def follow(self) -> None:
        """Live by the layout as it is now, and say so."""
        wanted = json.loads(self._layout.read_text("utf-8"))
        cameras = [camera for camera in wanted["cameras"] if camera["number"] in self._numbers]
        for camera in cameras:
            live = self._live.get(camera["number"])
            if live is not None and live[0] != camera:
                await self._remove(camera["number"])
        for camera in cameras:
            if camera["present"] and camera["number"] not in self._live:
                self._add(camera)
        print(f"ready {wanted['change']}", flush=True)

    def _add(self, camera: dict[str, Any]) -> None:
        spec = CameraSpec(
            camera["address"],
            # Its number makes it the camera it is, wherever it lives.
            seed=f"farm {camera['mac']}",
            name=f"Farm {camera['number']}",
            mac=Mac.parse(camera["mac"]),
            http_port=8000,
            rtsp_port=554,
            onvif=camera["onvif"],
            auth=Auth(camera["auth"]),
            login=self._login,
            quirks=parse_quirks(camera["quirks"]),
        )
        simulated = SimulatedCamera(spec, reactor=self._reactor, random=self._random)
        simulated.start()
        if camera["arp"]:
            tell_address(camera["interface"], spec.address)
        ear = Ear(self._responder, spec.address)
        port = self._reactor.listenMulticast(PORT, ear, interface=spec.address, listenMultiple=True)
        port.setOutgoingInterface(spec.address)
        if spec.onvif:
            self._responder.add(simulated.spec, ear.send)
            if camera["hello"] and not spec.quirks.mute:
                ear.send(hello(match_of(spec), message_id=f"urn:uuid:{spec.uuid}"), (GROUP_IPV4, PORT))
        self._live[camera["number"]] = (camera, simulated, port)

    async def _remove(self, number: int) -> None:
        _, simulated, port = self._live.pop(number)
        self._responder.remove(simulated.spec)
        await port.stopListening()
        await simulated.stop()


def main(reactor: Any, layout: str, first: str, end: str, login: str) -> Deferred[None]:
    name, _, password = login.partition(":")
    known = Login(name, Secret(password)) if password else MADE_UP_LOGIN
    cameras = Cameras(reactor, Path(layout), range(int(first), int(end)), known)
    cameras.open()

    def follow() -> Deferred[None]:
        return Deferred.fromCoroutine(cameras.follow())

    def hear(*_: object) -> None:
        reactor.callFromThread(lambda: follow().addErrback(fail))

    def fail(failure: Any) -> None:
        failure.printTraceback()
        sys.stderr.flush()

    signal.signal(signal.SIGHUP, hear)
    forever: Deferred[None] = Deferred(lambda _: None)
    started = follow()
    started.addErrback(forever.errback)
    return forever


if __name__ == "__main__":
    react(main, (*sys.argv[1:4], os.environ.get("SIMULATOR_LOGIN", "")), _reactor)
