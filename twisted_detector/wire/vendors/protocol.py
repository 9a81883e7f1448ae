"""Contract of a manufacturer's discovery protocol: its queries, and its reading of one datagram.

Every protocol here answers without a login, and nothing but its search is ever built: the same ports take settings,
activations and password resets as well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from twisted_detector.model.addresses import Mac
from twisted_detector.model.announced import Announced

#: The destination of a query by broadcast on one link.
BROADCAST = "255.255.255.255"


@dataclass(frozen=True, slots=True)
class Query:
    """One datagram of a search, and where it goes.

    :ivar to: :data:`BROADCAST`, or the IPv4 address of a multicast group.
    :ivar times: how often it is sent; ``interval``: seconds between two.
    """

    data: bytes
    port: int
    to: str = BROADCAST
    times: int = 1
    interval: float = 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """What one device says in one datagram: hearsay. The address to ask is the datagram's source, never one in it.

    :ivar mac: the MAC that it says is its own.
    :ivar vendor_id: a unit's identifier that is neither a MAC nor a serial number: a UID, a UUID.
    :ivar address: the IPv4 address that it says it has, "" when it does not say: another than its datagram's source
        means that it waits at its factory's address.
    :ivar http_port: 0 when it does not say; ``https_port``, ``rtsp_port`` likewise.
    """

    announced: Announced
    mac: Mac | None = None
    vendor_id: str = ""
    address: str = ""
    http_port: int = 0
    https_port: int = 0
    rtsp_port: int = 0


class VendorProtocol(ABC):
    """A manufacturer's discovery protocol, without I/O and without state.

    :cvar name: short name, in lower case, for logs, counts and documents: ``sadp``.
    :cvar ports: UDP ports from which devices answer, likely ones first; a datagram from another is read too if
        :meth:`recognises` it.
    :cvar reply_port: where devices send their answers whichever port asked, 0 when they answer to the port that asked.
    :cvar groups: IPv4 multicast groups to which answers or announcements are sent, at ``reply_port``.
    :cvar announces: devices also speak unasked, to ``reply_port`` and ``groups``.
    :cvar unicast: devices are known to answer a search that is sent to their address alone.
    """

    name: ClassVar[str]
    ports: ClassVar[tuple[int, ...]]
    reply_port: ClassVar[int] = 0
    groups: ClassVar[tuple[str, ...]] = ()
    announces: ClassVar[bool] = False
    unicast: ClassVar[bool] = False

    @abstractmethod
    def queries(self, random: Callable[[int], bytes], own_address: str) -> Sequence[Query]:
        """The search from one interface.

        :param random: gives so many random octets.
        :param own_address: the interface's IPv4 address.
        """

    @abstractmethod
    def recognises(self, data: bytes) -> bool:
        """Whether ``data`` looks like a datagram of this protocol: by its magic, quickly; never raises."""

    @abstractmethod
    def parse(self, data: bytes) -> Answer | None:
        """Read one datagram; None: it is no device's answer (a search, ours or another's), or no camera's.

        :raises errors.Malformed: it breaks the protocol. Nothing else is ever raised, whatever ``data`` is.
        """
