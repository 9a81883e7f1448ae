"""Responder to manufacturers' searches for simulated devices, and its sockets: one for each interface and UDP port."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from twisted_detector.discovery.multicast.sockets import DatagramReader
from twisted_detector.discovery.vendors.sockets import open_socket, receive_at, send_from
from twisted_detector.errors import LocalError
from twisted_detector.model import Interface
from twisted_detector.testing.simulator.camera import CameraSpec
from twisted_detector.testing.simulator.mac import interface_of
from twisted_detector.testing.simulator.vendors.catalog import DEVICES
from twisted_detector.testing.simulator.vendors.device import DeviceFacts, Request, VendorDevice
from twisted_detector.testing.simulator.vendors.pppp import PpppDevice


@dataclass(frozen=True, slots=True)
class Outgoing:
    """What a device sends, from its UDP port ``source`` to ``to``."""

    data: bytes
    address: str
    source: int
    to: tuple[str, int]


class VendorResponder:
    """Responder for a number of devices, without I/O.

    :ivar answers_sent: answers so far.
    """

    def __init__(self) -> None:
        self._devices: list[tuple[DeviceFacts, VendorDevice]] = []
        self._heard: Counter[tuple[str, str]] = Counter()
        self.answers_sent = 0

    def add(self, facts: DeviceFacts, name: str) -> None:
        """Answer for a device in this protocol too."""
        self._devices.append((facts, DEVICES[name]()))

    def wanted(self, address: str) -> dict[int, set[str]]:
        """The UDP ports at which devices at ``address`` listen, and their groups there."""
        ports: dict[int, set[str]] = {}
        for facts, device in self._devices:
            for port in device.ports if facts.address == address else ():
                ports.setdefault(port, set()).update(device.groups)
        return ports

    def receive(
        self, data: bytes, sender: tuple[str, int], *, port: int, to: str, addresses: Sequence[str]
    ) -> Iterator[Outgoing]:
        """The answers to one datagram.

        :param port: at which it came; ``to``: its destination; ``addresses``: those of the interface.
        """
        unicast = to in addresses
        for facts, device in self._devices:
            reached = facts.address == to if unicast else facts.address in addresses
            if port not in device.ports or not reached:
                continue
            answer = device.answer(Request(data, port, unicast), facts)
            if answer is None:
                continue
            self._heard[facts.address, device.name] += 1
            if self._heard[facts.address, device.name] % device.answers_each == 0:
                self.answers_sent += 1
                where = device.reply_to or sender[0], device.reply_port or sender[1]
                yield Outgoing(answer, facts.address, port, where)

    def announcements(self) -> Iterator[Outgoing]:
        """What the devices say when they come."""
        for facts, device in self._devices:
            data = device.announcement(facts)
            if data is not None:
                yield Outgoing(data, facts.address, device.ports[0], (device.reply_to, device.reply_port))


class VendorSockets:
    """The sockets of a responder, each bound to its interface: what a search is sent to is told by the kernel.

    :param interface: finds the name of the interface that has an address; for tests.
    """

    def __init__(
        self, reactor: Any, responder: VendorResponder, *, interface: Callable[[str], str] = interface_of
    ) -> None:
        self._reactor = reactor
        self._responder = responder
        self._interface = interface
        self._sockets: dict[tuple[int, int], _Socket] = {}

    def open(self, addresses: Sequence[str]) -> None:
        """Open all that devices at these addresses need, and announce them.

        :raises OSError: a port cannot be had. LocalError: an address that is not this machine's.
        """
        links: dict[str, list[str]] = {}
        for address in dict.fromkeys(addresses):
            links.setdefault(self._name_of(address), []).append(address)
        for name, own in links.items():
            index = socket.if_nametoindex(name)
            ports: dict[int, set[str]] = {}
            for address in own:
                for port, groups in self._responder.wanted(address).items():
                    ports.setdefault(port, set()).update(groups)
            link = Interface(name, index, own[0], 32)
            for port, groups in ports.items():
                opened = open_socket(link, port, sorted(groups))
                self._sockets[index, port] = _Socket(self._reactor, opened, link, port, own, self._responder)
        for outgoing in self._responder.announcements():
            for (_, port), one in self._sockets.items():
                if port == outgoing.source and one.has(outgoing.address):
                    one.send(outgoing)

    def close(self) -> None:
        """Close all."""
        for one in self._sockets.values():
            one.close()
        self._sockets.clear()

    def _name_of(self, address: str) -> str:
        name = self._interface(address)
        if not name and IPv4Address(address).is_loopback:
            return "lo"  # it has all of 127.0.0.0/8
        if not name:
            raise LocalError("no interface of this machine has that address", shown=address)
        return name


class _Socket(DatagramReader):
    def __init__(
        self,
        reactor: Any,
        opened: socket.socket,
        link: Interface,
        port: int,
        addresses: Sequence[str],
        responder: VendorResponder,
    ) -> None:
        self._port = port
        self._addresses = addresses
        self._responder = responder
        super().__init__(reactor, opened, link)

    def has(self, address: str) -> bool:
        """Whether a device at ``address`` is behind it."""
        return address in self._addresses

    def send(self, outgoing: Outgoing) -> None:
        """Send; what cannot go out is lost, as a real device's datagram would be."""
        with suppress(OSError):
            send_from(self._socket, self._interface, outgoing.address, outgoing.data, outgoing.to)

    def receive(self) -> tuple[bytes, Any]:
        """See :class:`DatagramReader`."""
        data, sender, _, to = receive_at(self._socket)
        return data, (*sender, to)

    def handle(self, data: bytes, sender: Any) -> bool:
        """See :class:`DatagramReader`."""
        address, port, to = sender
        own = self._addresses
        for outgoing in self._responder.receive(data, (address, port), port=self._port, to=to, addresses=own):
            self.send(outgoing)
        return True


def facts_of(spec: CameraSpec, protocol: str) -> DeviceFacts:
    """What a simulated camera says of itself in one of the protocols."""
    number = int(spec.uuid[:4], 16)
    return DeviceFacts(
        address=spec.address,
        mac=spec.hardware_address,
        manufacturer=spec.manufacturer,
        model=spec.model,
        serial_number=spec.serial_number,
        firmware_version=spec.firmware,
        name=spec.name,
        uid=f"SIMU-{number:06}-ABCDE" if protocol == PpppDevice.name else spec.uuid,
        http_port=spec.http_port,
        rtsp_port=spec.rtsp_port,
    )
