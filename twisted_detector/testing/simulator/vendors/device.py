"""Contract of a simulated device's end of a manufacturer's discovery protocol, and the facts of the device that speaks.

One pure class per protocol; ``responder.py`` has the sockets. A class here is as strict about requests as real devices
are, and writes its answers from the layout, not by the code that reads them.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from twisted_detector.model.addresses import Mac
from twisted_detector.model.announced import DeviceKind

#: The destination of answers that a device sends to everybody on its link.
BROADCAST = "255.255.255.255"


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """All that a simulated device may say of itself; each protocol has a place for some of it.

    :ivar uid: a unit's identifier that is neither MAC nor serial number: a UID, a UUID.
    :ivar https_port: 0 when its page has no TLS.
    :ivar device_port: TCP port of the manufacturer's own protocol, 0 for the usual one.
    :ivar activated: a first password was set (Hikvision), or somebody has set it up (all others).
    :ivar password_set: False: it lets anybody in.
    :ivar managed: a console manages it.
    :ivar first_generation: it speaks the oldest form of its protocol only.
    """

    address: str
    mac: Mac
    manufacturer: str = ""
    model: str = ""
    serial_number: str = ""
    firmware_version: str = ""
    name: str = ""
    uid: str = ""
    kind: DeviceKind = DeviceKind.CAMERA
    channels: int = 1
    http_port: int = 80
    https_port: int = 0
    rtsp_port: int = 554
    device_port: int = 0
    netmask: str = "255.255.255.0"
    gateway: str = "0.0.0.0"  # what a device without one says
    activated: bool = True
    password_set: bool = True
    managed: bool = False
    first_generation: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """One datagram as it comes to a device.

    :ivar port: the device's UDP port at which it came.
    :ivar unicast: it was sent to this device alone, not by broadcast or to a group.
    """

    data: bytes
    port: int
    unicast: bool = False


class VendorDevice(ABC):
    """A device's end of one protocol, without I/O and without state.

    :cvar name: that of the :class:`wire.vendors.protocol.VendorProtocol`.
    :cvar ports: UDP ports at which the device listens, and from the first of which it answers unless asked at another.
    :cvar groups: IPv4 multicast groups that it is a member of.
    :cvar reply_port: the port that answers are sent to, 0 for the port that asked.
    :cvar reply_to: where answers are sent: :data:`BROADCAST`, a group, or "" for who asked.
    :cvar answers_each: it answers one of so many searches that :meth:`answer` would answer, the last of them; devices
        that "sometimes do not answer" have 3.
    """

    name: ClassVar[str]
    ports: ClassVar[tuple[int, ...]]
    groups: ClassVar[tuple[str, ...]] = ()
    reply_port: ClassVar[int] = 0
    reply_to: ClassVar[str] = ""
    answers_each: ClassVar[int] = 1

    @abstractmethod
    def answer(self, request: Request, facts: DeviceFacts) -> bytes | None:
        """The answer of the device that ``facts`` describe; None: it stays silent."""

    def announcement(self, facts: DeviceFacts) -> bytes | None:
        """What it says unasked, to :attr:`reply_to` and :attr:`reply_port`; None: nothing."""
        return None
