"""Look-up of the MAC of the interface that has an address (netlink).

It blocks. It is made once, while a fleet is laid out, and the kernel answers from memory.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.netlink.messages import RTM_GETADDR, AddressMessage, DumpDone, dump_request, parse

#: Seconds until a kernel that does not answer is given up: it never happened, but nothing waits for ever.
_TIMEOUT = 1.0
#: Datagrams of one dump: each holds dozens of addresses, so this is more than any machine has.
_MAX_DATAGRAMS = 256


def interface_of(address: str) -> str:
    """The name of the interface that has ``address``, "" when none of this machine's has it by that very number."""
    index = next((found.index for found in _addresses() if str(found.address) == address), 0)
    try:
        return socket.if_indextoname(index) if index else ""
    except OSError:
        return ""


def mac_of_address(
    address: str,
    *,
    interface: Callable[[str], str] = interface_of,
    root: Path = Path("/sys/class/net"),
) -> Mac | None:
    """The MAC of the interface that has ``address``; None where it has none (loopback) or is not known."""
    name = interface(address)
    if not name:
        return None
    try:
        return Mac.parse((root / name / "address").read_text("ascii"))
    except (OSError, UnicodeDecodeError, RemoteError):
        return None


def _addresses() -> list[AddressMessage]:
    found: list[AddressMessage] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(_TIMEOUT)
        try:
            link.send(dump_request(RTM_GETADDR, 1))
            for _ in range(_MAX_DATAGRAMS):
                for message in parse(link.recv(65_536)):
                    if isinstance(message, DumpDone):
                        return found
                    if isinstance(message, AddressMessage):
                        found.append(message)
        except (OSError, RemoteError):
            return found
    return found
