"""Canonical forms of the addresses, URLs and names that peers write, for comparing and for topics."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from twisted_detector.errors import RemoteError

#: Ports of Dahua, XM (DVRIP) and Reolink (Baichuan): some cameras log anything that comes there as an illegal login.
#: Nothing is sent to them, no connect either, not even when a device or the operator names them.
SILENT_PORTS = frozenset({37777, 34567, 9000})

#: Ports behind which RTSP was found: 554 is its own (RFC 2326); 8554 and 10554 the usual second and third choice;
#: 5544, 5554 and 7070 of cheap cameras; 88 newer Foscam; 322 and 8322 RTSP over TLS (RFC 7826); 7441 UniFi Protect.
RTSP_PORTS = (554, 8554, 10554, 5544, 5554, 7070, 88, 322, 8322, 7441)

_HEX_PAIR = re.compile(r"[0-9a-fA-F]{1,2}")
_MAC_COMPACT = re.compile(r"[0-9a-fA-F]{12}")

#: An id is part of a topic and of file names: these characters only, at most 64 of them.
_ID_UNSAFE = re.compile(r"[^a-z0-9_-]+")
MAX_ID_LENGTH = 64

#: RFC 3986, 3: scheme, authority, and all the rest.
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://)([^/?#]*)(.*)", re.DOTALL)
_USERINFO = re.compile(r"\A([A-Za-z][A-Za-z0-9+.-]*://)[^/?#]*@")
_PORT = re.compile(r"(?::[0-9]*)?")
#: Names under which cameras take a user or a password in the path or the query of a URL (XMeye, Foscam, Reolink, ...).
_SECRET = re.compile(
    r"((?:^|[?&;/_])(?:user|usr|username|loginuse|account|pwd|pass|passwd|password|loginpas|token|auth|authbasic)=)"
    r".+?(?=_[a-z]+=|[&;/#?]|$)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, order=True)
class Mac:
    """A 48-bit hardware address (IEEE 802 EUI-48) in canonical form: six lower-case pairs joined by colons."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Mac:
        """Read any usual notation (``:``, ``-``, ``.`` or none between the digits).

        :raises RemoteError: not a MAC, or one that identifies no single device (all zero, broadcast, multicast).
        """
        stripped = text.strip()
        if _MAC_COMPACT.fullmatch(stripped):
            digits = stripped
        else:
            parts = re.split(r"[:\-]", stripped)
            if len(parts) == 6 and all(_HEX_PAIR.fullmatch(part) for part in parts):
                digits = "".join(part.zfill(2) for part in parts)
            else:
                digits = stripped.replace(".", "")
                if not (_MAC_COMPACT.fullmatch(digits) and stripped.count(".") == 2):
                    raise RemoteError("not a MAC address", shown=text[:40])
        return cls.from_bytes(bytes.fromhex(digits))

    @classmethod
    def from_bytes(cls, octets: bytes) -> Mac:
        """Read six octets as they are on the wire.

        :raises RemoteError: wrong length, all zero, or a group address (lowest bit of the first octet).
        """
        if len(octets) != 6:
            raise RemoteError("a MAC address has six octets", shown=octets[:16].hex())
        if not any(octets) or octets[0] & 1:
            raise RemoteError("a MAC address that identifies no single device", shown=octets.hex())
        return cls(":".join(f"{octet:02x}" for octet in octets))

    @property
    def compact(self) -> str:
        """Twelve lower-case digits without separators, as in a camera id."""
        return self.text.replace(":", "")

    def __str__(self) -> str:
        return self.text


def host_for_url(address: str) -> str:
    """An address as the host of a URL: IPv6 in brackets (RFC 3986, 3.2.2), its scope as ``%25`` (RFC 6874)."""
    bare, percent, scope = address.partition("%")
    if ":" in bare:
        return f"[{bare}%25{scope}]" if percent else f"[{bare}]"
    return address


def parse_address(text: str) -> IPv4Address | IPv6Address:
    """An IP address, scope allowed.

    :raises RemoteError: when it is none.
    """
    try:
        return ip_address(text)
    except ValueError:
        raise RemoteError("not an IP address", shown=text[:60]) from None


def safe_id(text: str) -> str:
    """A text turned into an id fit for topics and file names: lower case, ``[a-z0-9_-]``, at most 64 characters."""
    return _ID_UNSAFE.sub("-", text.lower()).strip("-")[:MAX_ID_LENGTH]


def without_login(url: str) -> str:
    """A URL without the user and password that may be before its host (RFC 3986, 3.2.1), and without a fragment (3.5).

    A fragment is never sent to a server; in a source of go2rtc it would be options (``#backchannel=1``, ``#input=…``).
    """
    return _USERINFO.sub(r"\1", url.partition("#")[0])


def masked(url: str) -> str:
    """A URL, or its path and query, without a user and a password wherever vendors put them."""
    return _SECRET.sub(r"\1***", without_login(url))


def place_of(url: str) -> tuple[int, str]:
    """Port, and path with query as they may be shown, of a stream's URL."""
    match = _URL.fullmatch(url)
    scheme, authority, target = match.groups() if match is not None else ("", "", url)
    port = authority.rpartition(":")[2]
    return int(port) if port.isdecimal() else 322 if scheme.lower() == "rtsps://" else 554, masked(target or "/")


def rehost(url: str, old: str, new: str) -> str:
    """A URL that named the address ``old``, naming ``new``; one that names another host stays as it is."""
    match = _URL.fullmatch(url)
    if match is None:
        return url
    scheme, authority, rest = match.groups()
    host = host_for_url(old)
    port = authority.removeprefix(host)
    if not authority.startswith(host) or not _PORT.fullmatch(port):
        return url
    return f"{scheme}{host_for_url(new)}{port}{rest}"


def is_sent_in_clear(url: str) -> bool:
    """Whether what is sent to ``url`` leaves this machine, and is encrypted by nothing."""
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname == "localhost":
        return False
    try:
        return not ip_address(parts.hostname or "").is_loopback
    except ValueError:  # a name
        return True


def unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """An IPv4 address that is mapped into IPv6 (RFC 4291, 2.5.5.2) as itself."""
    return (isinstance(address, IPv6Address) and address.ipv4_mapped) or address


def canonical_address(text: str) -> str:
    """An IP address in the one notation by which it is compared; IPv4 mapped into IPv6 (RFC 4291, 2.5.5.2) is IPv4.

    :raises RemoteError: when it is none, or one at which no single device stands (unspecified, multicast, broadcast).
    """
    address = unmapped(parse_address(text))
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255":
        raise RemoteError("not the address of a single device", shown=text[:60])
    return str(address)


class Exclusions:
    """Set of the addresses that nothing is sent to; ``in`` takes addresses as sightings have them, with a scope.

    Who has it follows it: a reload of the configuration replaces what is in it.

    :param texts: CIDR texts, host bits allowed.
    :ivar networks: what they mean.
    :raises ValueError: one that is no network.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.use(texts)

    def use(self, texts: Iterable[str]) -> None:
        """Have these in the place of those before; raises as the constructor does."""
        self.networks = tuple(ip_network(text, strict=False) for text in texts)

    def __bool__(self) -> bool:
        return bool(self.networks)

    def __contains__(self, text: object) -> bool:
        if not self.networks:
            return False
        try:
            address = unmapped(ip_address(str(text).partition("%")[0]))
        except ValueError:
            return False
        return any(address in network for network in self.networks)
