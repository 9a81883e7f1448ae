"""Parser of the target that a person types: addresses, and a stream where it is a URL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address

from twisted_detector.errors import RemoteError
from twisted_detector.model import Login, host_for_url
from twisted_detector.model.addresses import canonical_address, masked
from twisted_detector.model.decisions import StreamAddress
from twisted_detector.operations.decisions.fields import read_network, read_stream

#: Addresses of one job: four networks of 254; each that does not answer takes a second or two.
MAX_ADDRESSES = 1024
#: Characters of a target: no URL is longer.
MAX_TARGET = 2048
_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_-]+)*\.?")
_RANGE = re.compile(r"(?P<first>[0-9A-Fa-f:.]+)\s*[-\u2013]\s*(?P<last>[0-9A-Fa-f:.]+)")
_PORT = re.compile(r"[0-9.]+:[0-9]{1,5}|\[[^\]]*\]:[0-9]{1,5}")


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be added.

    :ivar shown: it as it may be shown, without a login.
    :ivar addresses: none where ``name`` has to be looked up first.
    :ivar stream: of one camera; ``login``: that stood in its URL.
    """

    shown: str
    addresses: tuple[str, ...] = ()
    name: str = ""
    stream: StreamAddress | None = None
    login: Login | None = None


def read_target(value: object) -> Target:
    """Read a target.

    :raises RemoteError: it is none of an address, a range, a network, a host's name and an RTSP URL, or too many
        addresses. A text with a login in it is not shown.
    """
    if not isinstance(value, str) or not value.strip():
        raise RemoteError("target: enter an address, a range, a network, a host name or an rtsp:// URL")
    text = value.strip()
    if len(text) > MAX_TARGET:
        raise RemoteError(f"target: at most {MAX_TARGET} characters; this has {len(text)}")
    if "://" in text:
        return _of_url(text)
    network = read_network("target", text) if "/" in text else None
    try:
        if network is not None:
            _check_number(network.num_addresses)
            return Target(str(network), tuple(map(str, network.hosts())))
        if (match := _RANGE.fullmatch(text)) is not None:
            return _of_range(text, match["first"], match["last"])
        bare = text.strip("[]")
        if ":" in bare or re.fullmatch(r"[0-9.]+", bare):
            return Target(bare, (canonical_address(bare),))
    except RemoteError as error:
        if _PORT.fullmatch(text):
            raise RemoteError(f"target: to specify a port, enter rtsp://{text}/ and the path of the stream") from None
        raise RemoteError(f"target: {error}") from None
    if _NAME.fullmatch(text) is None:
        raise RemoteError("target: is not an address, range, network, host name or rtsp:// URL")
    return Target(text, name=text)


def _of_url(text: str) -> Target:
    if not text.lower().startswith(("rtsp://", "rtsps://")):
        raise RemoteError("target: must be an rtsp:// or rtsps:// URL; for an ONVIF device, enter just the address")
    stream, login, host = read_stream("target", text)
    if stream is None:
        raise RemoteError("target: is not a URL")
    try:
        address = canonical_address(host)
    except RemoteError as error:
        if ":" in host or re.fullmatch(r"[0-9.]+", host) or _NAME.fullmatch(host) is None:
            raise RemoteError(f"target: {error}") from None
        if login is not None:
            # On a LAN any device may answer for a name (mDNS): hearsay must not lead a login.
            raise RemoteError("target: with a login, enter the camera's IP address instead of its name") from None
        return Target(_shown(stream, host), name=host, stream=stream)
    return Target(masked(stream.url(address)), (address,), stream=stream, login=login)


def _shown(stream: StreamAddress, host: str) -> str:
    return masked(f"{stream.scheme}://{host_for_url(host)}:{stream.port}{stream.target}")


def _of_range(text: str, first: str, last: str) -> Target:
    low = ip_address(canonical_address(first))
    if last.isdecimal() and low.version == 4:
        last = f"{str(low).rpartition('.')[0]}.{last}"
    high = ip_address(canonical_address(last))
    if low.version != high.version or int(high) < int(low):
        raise RemoteError("a range must begin with its lower address", shown=text[:80])
    number = int(high) - int(low) + 1
    _check_number(number)
    return Target(text, tuple(str(low + step) for step in range(number)))


def _check_number(number: int) -> None:
    if number > MAX_ADDRESSES:
        raise RemoteError(
            f"at most {MAX_ADDRESSES} addresses can be added at a time, and this is {number}; to have a whole"
            " network searched from now on, add it to the networks"
        )
