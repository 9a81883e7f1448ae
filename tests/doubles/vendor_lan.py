"""Links in memory on which UDP ports are shared as Linux shares them, and made-up protocols whose devices stand there.

What is sent to all or to a group comes to every socket that is open at the port; what is sent to this machine alone, to
the one that was opened last.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from twisted_detector.discovery.multicast.listener import Receiver
from twisted_detector.errors import Malformed
from twisted_detector.model import Interface, Mac
from twisted_detector.model.announced import Announced, DeviceKind
from twisted_detector.wire.vendors.protocol import BROADCAST, Answer, Query, VendorProtocol

#: What a made-up protocol's datagrams begin with.
SEARCH, ANSWER = b"search ", b"answer "


class MadeUp(VendorProtocol):
    """A protocol: ``search NAME`` is answered by ``answer NAME MAC KIND``; a MAC of ``?`` breaks it."""

    def __init__(
        self,
        name: str = "plain",
        port: int = 1000,
        *,
        reply_port: int = 0,
        groups: Sequence[str] = (),
        announces: bool = False,
        unicast: bool = False,
        times: int = 1,
        magic: str = "",
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.ports = (port,)  # type: ignore[misc]
        self.reply_port = reply_port  # type: ignore[misc]
        self.groups = tuple(groups)  # type: ignore[misc]
        self.announces = announces  # type: ignore[misc]
        self.unicast = unicast  # type: ignore[misc]
        self._times = times
        self._magic = (magic or name).encode()

    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        to = self.groups[0] if self.groups else BROADCAST
        return (Query(SEARCH + self._magic + b" " + random(4).hex().encode(), self.ports[0], to=to, times=self._times),)

    def recognises(self, data: bytes) -> bool:
        return data.startswith((SEARCH + self._magic, ANSWER + self._magic))

    def parse(self, data: bytes) -> Answer | None:
        words = data.decode("ascii", "replace").split()
        if words[0] == "search":
            return None
        if words[2] == "?" or (len(words) > 4 and words[4] != self.name):
            raise Malformed("no MAC")
        kind = DeviceKind(words[3]) if len(words) > 3 else DeviceKind.CAMERA
        return Answer(
            Announced("Maker", "M1", "Gate", "S" + words[2], "1.0", kind),
            mac=Mac.parse(words[2]),
            vendor_id="U1",
            address="10.0.0.200",
            http_port=80,
            https_port=80,
            rtsp_port=554,
        )

    def answer(self, mac: str = "00:40:8c:00:00:05", kind: str = "camera") -> bytes:
        """What a device of it says."""
        return ANSWER + self._magic + f" {mac} {kind}".encode()


@dataclass
class Device:
    """A device on a link that answers some protocols.

    :ivar mute: what is sent to it alone is not answered.
    :ivar to_all: it answers by broadcast.
    """

    address: str
    protocols: Sequence[MadeUp]
    interface: str = "eth0"
    mute: bool = False
    to_all: bool = False
    mac: str = ""
    kind: str = "camera"
    asked: int = 0


class VendorLAN:
    """The links.

    :ivar sent: (interface, own address, datagram, destination, port) of everything that was sent.
    :ivar held: UDP ports that another program holds; ``broken``: interfaces that cannot send.
    """

    def __init__(self, clock: IReactorTime, *, latency: float = 0.001) -> None:
        self._clock = clock
        self._latency = latency
        self._free = 40_000
        self._devices: list[Device] = []
        self.ports: list[MemoryUdp] = []
        self.sent: list[tuple[str, str, bytes, str, int]] = []
        self.held: set[int] = set()
        self.broken: set[str] = set()

    def attach(self, device: Device) -> None:
        """Put a device on its link."""
        self._devices.append(device)

    def open_udp(self, interface: Interface, port: int, received: Receiver, groups: Sequence[str]) -> MemoryUdp:
        """See :data:`OpenUdp`."""
        if port in self.held:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        self._free += not port
        opened = MemoryUdp(self, interface, port or self._free, received, groups)
        self.ports.append(opened)
        return opened

    def deliver(
        self, data: bytes, sender: str, port: int, *, source: int = 1000, to: str = BROADCAST, interface: str = "eth0"
    ) -> None:
        """``sender`` sends a datagram, to all, to a group, or ("") to this machine alone."""
        there = [one for one in self.ports if one.number == port and one.interface.name == interface]
        if to == BROADCAST:
            reached = there
        elif to:
            reached = [one for one in there if to in one.groups]
        else:
            reached = there[-1:]
        for one in reached:
            one.coming.append(self._clock.callLater(self._latency, one.receive, data, sender, source))

    def send(self, port: MemoryUdp, data: bytes, to: str, number: int) -> None:
        if port.interface.name in self.broken:
            raise OSError(errno.ENETUNREACH, "Network is unreachable")
        self.sent.append((port.interface.name, port.interface.address, data, to, number))
        if to == BROADCAST or to in port.groups:  # it comes back
            own = port.interface
            self.deliver(data, own.address, number, source=port.number, to=to, interface=own.name)
        for device in self._devices:
            unicast = to == device.address
            is_there = device.interface == port.interface.name and (unicast or to == BROADCAST or to.startswith("23"))
            for protocol in device.protocols if is_there and not (unicast and device.mute) else ():
                if number in protocol.ports and protocol.recognises(data):
                    device.asked += 1
                    mac = device.mac or f"00:40:8c:00:00:{int(device.address.rpartition('.')[2]):02x}"
                    self.deliver(
                        protocol.answer(mac, device.kind),
                        device.address,
                        protocol.reply_port or port.number,
                        source=number,
                        to=BROADCAST if device.to_all else "",
                        interface=device.interface,
                    )


class MemoryUdp:
    """A socket of a link in memory.

    :ivar number: its UDP port; ``unread``: datagrams that only :meth:`drain` hands over.
    """

    def __init__(
        self, lan: VendorLAN, interface: Interface, number: int, received: Receiver, groups: Sequence[str]
    ) -> None:
        self._lan = lan
        self._received = received
        self.interface = interface
        self.number = number
        self.groups = tuple(groups)
        self.coming: list[IDelayedCall] = []
        self.unread: list[tuple[bytes, str, int]] = []

    def send(self, data: bytes, to: str, port: int) -> None:
        if self in self._lan.ports:
            self._lan.send(self, data, to, port)

    def receive(self, data: bytes, sender: str, source: int) -> None:
        self.coming = [call for call in self.coming if call.active()]
        self._received(data, sender, source)

    def drain(self) -> None:
        unread, self.unread = self.unread, []
        for one in unread:
            self._received(*one)

    def close(self) -> None:
        if self in self._lan.ports:
            self._lan.ports.remove(self)
        for call in self.coming:
            if call.active():
                call.cancel()
