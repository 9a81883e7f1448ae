"""Service addresses that a device announces go in; those worth trying come out, best first.

Devices announce addresses of other interfaces, earlier networks, 0.0.0.0 and 127.0.0.1; forgers announce whatever this
machine is to ask. The order: the address that the bytes came from; the network of the interface that they came to;
other private IPv4, unique local IPv6, link-local IPv6 with our own scope; and last, the sender's address with the
announced port and path. ONVIF Core allows the last: the address part shall be the one that was asked. Dropped is what
:mod:`model.reach` refuses: loopback, public addresses, 169.254/16 where no interface of the link has such an address.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted_detector.model import Interface, host_for_url
from twisted_detector.model.addresses import unmapped
from twisted_detector.model.reach import Reach, is_in, networks_of

#: Each address costs an inspector one time-out at worst.
MAX_CHOSEN = 8

#: A second port (``http://10.0.0.2:8106:8106/…``) is a known fault: home-assistant/core #92603.
_URL = re.compile(r"(https?)://(?:[^/@\[\]]*@)?(\[[^\]/]*\]|[^/:?#\[\]]+)(?::(\d{0,5}))?(?::\d{1,5})*([/?#].*)?", re.I)
_BARE_IPV6 = re.compile(r"(https?)://([0-9a-f:.]+:[0-9a-f:.]+)([/?#].*)?", re.I)
#: An address with a path, but without a scheme.
_NO_SCHEME = re.compile(r"(?:\[[0-9a-f:.%]+\]|(?:\d{1,3}\.){3}\d{1,3})(?::\d{1,5})*/.*", re.I)
_PRINTABLE_ASCII = re.compile(r"[!-~]+")
#: Where one of several ends: at a blank (WS-Discovery 4.1); at a comma, semicolon or bar before the next one, for each
#: of them may stand in a URL too; or with nothing between.
_BETWEEN = re.compile(
    r"\s+|[,;|](?=[,;|\s]|\Z|https?://|\[[0-9a-f:.%]+\]|(?:\d{1,3}\.){3}\d{1,3}[:/])|(?=https?://)", re.I
)


def split_xaddrs(text: str) -> list[str]:
    """The service addresses in the text of XAddrs, as written."""
    return [one for one in _BETWEEN.split(text) if one]


def choose_xaddrs(xaddrs: Sequence[str], sender: str, interfaces: Sequence[Interface]) -> tuple[str, ...]:
    """The service addresses to try, best first; at most ``MAX_CHOSEN``, without users or passwords.

    :param xaddrs: as announced.
    :param sender: where the datagram came from; IPv6 link-local with its ``%scope``.
    :param interfaces: the addresses of the interface that it came to.
    """
    bare_sender, _, scope = sender.partition("%")
    origin = _ip(bare_sender)
    reach = Reach(links=networks_of(interfaces))
    ranked: list[tuple[int, int, str]] = []
    for position, xaddr in enumerate(xaddrs):
        split = _split(xaddr)
        if split is None:
            continue
        scheme, host, port, path = split
        address = _ip(host.strip("[]").partition("%")[0])
        rank = None if address is None else _rank(address, origin, reach)
        if rank is not None and address is not None:
            text = str(address)
            if address.version == 6 and address.is_link_local:
                link = scope or _link(interfaces)
                text = f"{text}%{link}" if link else ""
            if text:
                ranked.append((rank, position, f"{scheme}://{host_for_url(text)}{port}{path}"))
        if origin is not None and address != origin:
            ranked.append((_REWRITTEN, position, f"{scheme}://{host_for_url(sender)}{port}{path}"))
    return tuple(dict.fromkeys(url for _, _, url in sorted(ranked)))[:MAX_CHOSEN]


_SENDER, _SAME_NETWORK, _PRIVATE, _IPV6, _LINK_LOCAL_IPV6, _REWRITTEN = range(6)


def _rank(address: IPv4Address | IPv6Address, origin: IPv4Address | IPv6Address | None, reach: Reach) -> int | None:
    """The place in the order, None for what leads nowhere, back to this machine, or to strangers."""
    if address == origin:
        return _SENDER
    if reach.explain_refusal(str(address)):
        return None
    if address.version == 6 and address.is_link_local:
        return _LINK_LOCAL_IPV6
    if is_in(str(address), reach.links or ()):
        return _SAME_NETWORK
    return _IPV6 if address.version == 6 else _PRIVATE


def _split(xaddr: str) -> tuple[str, str, str, str] | None:
    """Scheme, host, ``:port`` or "", and path; None when it is no URL of a service."""
    if not _PRINTABLE_ASCII.fullmatch(xaddr):
        return None
    if _NO_SCHEME.fullmatch(xaddr):
        xaddr = f"http://{xaddr}"
    bare = _BARE_IPV6.fullmatch(xaddr)
    if bare and isinstance(_ip(bare[2]), IPv4Address | IPv6Address):
        return bare[1].lower(), bare[2], "", bare[3] or "/"
    match = _URL.fullmatch(xaddr)
    if match is None or (match[3] and not 0 < int(match[3]) < 65_536):
        return None
    return match[1].lower(), match[2], f":{int(match[3])}" if match[3] else "", match[4] or "/"


def _ip(text: str) -> IPv4Address | IPv6Address | None:
    """An address; one of IPv4 in IPv6 clothes (``::ffff:10.0.0.2``) as itself."""
    try:
        return unmapped(ip_address(text))
    except ValueError:
        return None


def _link(interfaces: Sequence[Interface]) -> str:
    """The scope of link-local addresses: the interface's name, when there is but one."""
    names = {interface.name for interface in interfaces}
    return names.pop() if len(names) == 1 else ""
