"""Kinds of the values of settings: each reads one setting's text, or refuses it and says what is allowed.

A kind knows nothing of names and sources: the sections give each setting its kind, :mod:`config.reader` gathers the
texts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Any, Generic, TypeVar

from twisted_detector.model import Secret

T = TypeVar("T")

_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_NAME = re.compile(r"[^\s/#+]{1,64}")
_HOST_LABEL = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?")
_TRUE = frozenset({"true", "1", "yes", "on"})
_FALSE = frozenset({"false", "0", "no", "off"})

#: A list in one variable; more entries than this are a mistake of some generator, and each costs work for ever.
MAX_ENTRIES = 256
#: Swept addresses of one entry (a /16) and of all entries: at the default rate the second takes a quarter of an hour.
MAX_NETWORK_ADDRESSES = 65_536
MAX_SWEPT_ADDRESSES = 1_048_576
#: Any single text; TLS files and credential files are bounded by the reader.
MAX_TEXT = 4_096


class ValueRefused(ValueError):
    """A text is not a value of its kind. The message says what is wrong with it, where the kind alone does not.

    The message never has the text itself: it may be secret.
    """


@dataclass(frozen=True, slots=True)
class Kind(Generic[T]):
    """One sort of value.

    :ivar read: the value of a text; raises :class:`ValueRefused`.
    :ivar allowed: what is allowed, as it stands in documents and faults ("a whole number from 1 to 65535").
    :ivar native: TOML types besides text that may be written instead.
    :ivar read_many: set for lists: the value of several texts (a TOML array, the lines of a file).
    :ivar read_table: set where a TOML table may be written instead.
    """

    read: Callable[[str], T]
    allowed: str
    native: tuple[type, ...] = ()
    read_many: Callable[[list[str]], T] | None = None
    read_table: Callable[[Mapping[str, Any]], T] | None = None


# --- Single values ----------------------------------------------------------------------------------------------------


def clean(text: str) -> str:
    """``text`` itself when it is sound UTF-8 of bearable length without control characters.

    :raises ValueRefused: otherwise.
    """
    if len(text) > MAX_TEXT:
        raise ValueRefused(f"at most {MAX_TEXT} characters")
    if _CONTROL.search(text) or any("\ud800" <= character <= "\udfff" for character in text):
        raise ValueRefused("not UTF-8, or it has control characters")
    return text


def _number(text: str) -> str:
    """A number as documents write it: long ones in groups of three digits."""
    return f"{int(text):,}".replace(",", " ") if text.isdigit() and len(text) > 4 else text


def whole(low: int, high: int, what: str = "a whole number") -> Kind[int]:
    """A whole number within bounds, both included."""

    def read(text: str) -> int:
        if not _WHOLE.fullmatch(text) or not low <= int(text) <= high:
            raise ValueRefused
        return int(text)

    return Kind(read, f"{what} from {_number(str(low))} to {_number(str(high))}", native=(int,))


def decimal(low: float, high: float, what: str = "a number") -> Kind[float]:
    """A number within bounds, both included."""

    def read(text: str) -> float:
        if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
            raise ValueRefused
        return float(text)

    return Kind(read, f"{what} from {_number(f'{low:.12g}')} to {_number(f'{high:.12g}')}", native=(int, float))


def seconds(low: float, high: float) -> Kind[float]:
    """A duration in seconds within bounds."""
    return decimal(low, high, "seconds,")


PORT = whole(1, 65_535, "a port")


def _read_flag(text: str) -> bool:
    lowered = text.lower()
    if lowered in _TRUE:
        return True
    if lowered in _FALSE:
        return False
    raise ValueRefused


FLAG: Kind[bool] = Kind(_read_flag, "true or false (also 1/0, yes/no, on/off)", native=(bool,))


def choice(*words: str, aliases: Mapping[str, str] | None = None, native: tuple[type, ...] = ()) -> Kind[str]:
    """One of some words, in any case; ``aliases`` are other spellings of them."""
    spellings = {word.lower(): word for word in words} | dict(aliases or {})

    def read(text: str) -> str:
        try:
            return spellings[text.lower()]
        except KeyError:
            raise ValueRefused from None

    return Kind(read, "one of " + ", ".join(words), native=native)


LEVEL = choice("debug", "info", "warn", "error", "critical", aliases={"warning": "warn"})
TEXT: Kind[str] = Kind(clean, "a text")
SECRET: Kind[Secret] = Kind(lambda text: Secret(clean(text)), "a text")


def _read_path(text: str) -> Path:
    if text.startswith("~"):
        raise ValueRefused("'~' means something to shells only")
    return Path(clean(text))


PATH: Kind[Path] = Kind(_read_path, "a path")


def _read_paths(texts: list[str]) -> tuple[Path, ...]:
    if len(texts) > MAX_ENTRIES:
        raise ValueRefused(f"at most {MAX_ENTRIES} entries")
    return tuple(dict.fromkeys(_read_path(text) for text in texts if text))


#: As PATH of a shell: a comma may stand in the name of a folder.
PATHS: Kind[tuple[Path, ...]] = Kind(
    lambda text: _read_paths(text.split(os.pathsep)),
    f"paths separated by '{os.pathsep}'",
    native=(list,),
    read_many=_read_paths,
)


def _read_name(text: str) -> str:
    if not _NAME.fullmatch(clean(text)):
        raise ValueRefused
    return text


NAME: Kind[str] = Kind(_read_name, "1 to 64 characters, without blanks, '/', '#' and '+'")


def _read_topic(text: str) -> str:
    clean(text)
    levels = text.split("/")
    if not all(levels) or text.startswith("$") or "#" in text or "+" in text or len(text.encode()) > 256:
        raise ValueRefused
    return text


TOPIC: Kind[str] = Kind(
    _read_topic,
    "an MQTT topic of at most 256 bytes without '#' and '+', not beginning with '$', no '/' at an end, none doubled",
)


def _read_host(text: str) -> str:
    if "://" in text:
        raise ValueRefused("not a URL, MQTT_PORT and MQTT_TLS say the rest")
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ip_address(bare)
        return bare
    except ValueError:
        pass
    if ":" in bare:
        raise ValueRefused("not a port, MQTT_PORT has it")
    try:
        labels = bare.removesuffix(".").encode("idna").decode("ascii").split(".")
    except UnicodeError:
        raise ValueRefused from None
    if len(bare) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in labels):
        raise ValueRefused
    return bare


HOST: Kind[str] = Kind(_read_host, "a host name or an IP address")


def _read_listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    try:
        if not colon:
            raise ValueRefused
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if ":" in host and bare == host:
            raise ValueRefused
        return str(ip_address(bare)), PORT.read(port)
    except ValueError:
        raise ValueRefused from None


LISTEN: Kind[tuple[str, int]] = Kind(_read_listen, "address:port, an IPv6 address in brackets")


# --- Lists ------------------------------------------------------------------------------------------------------------


def entries(read_all: Callable[[list[str]], tuple[T, ...]], allowed: str) -> Kind[tuple[T, ...]]:
    """Values separated by commas, with or without blanks beside them; ``read_all`` reads them together."""

    def read_many(texts: list[str]) -> tuple[T, ...]:
        if len(texts) > MAX_ENTRIES:
            raise ValueRefused(f"at most {MAX_ENTRIES} entries")
        return read_all([clean(text) for text in texts])

    def read(text: str) -> tuple[T, ...]:
        return read_many([entry.strip(" ") for entry in text.split(",")])

    return Kind(read, allowed, native=(list,), read_many=read_many)


def network_entry(text: str, position: int) -> IPv4Network | IPv6Network:
    """The network that entry number ``position`` of a list names.

    :raises ValueRefused: none, or an address within one.
    """
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        corrected = ip_network(text, strict=False)
    except ValueError:
        raise ValueRefused(f"entry {position} is no network in CIDR notation, such as 192.168.1.0/24") from None
    raise ValueRefused(f"entry {position} has bits set beyond its prefix; is {corrected} meant?")


def _read_scan_networks(texts: list[str]) -> tuple[str, ...]:
    networks: list[str] = []
    total = 0
    for position, text in enumerate(texts, 1):
        if text.lower() == "interfaces":
            networks.append("interfaces")
            continue
        network = network_entry(text, position)
        if network.num_addresses > MAX_NETWORK_ADDRESSES:
            raise ValueRefused(
                f"entry {position} has more than {MAX_NETWORK_ADDRESSES} addresses (a /16, in IPv6 a /112)"
            )
        if network.is_multicast or network.network_address.is_unspecified:
            raise ValueRefused(f"entry {position} is not a network of hosts")
        total += network.num_addresses
        networks.append(str(network))
    if total > MAX_SWEPT_ADDRESSES:
        raise ValueRefused(f"at most {MAX_SWEPT_ADDRESSES} addresses together")
    return tuple(dict.fromkeys(networks))


SCAN_NETWORKS = entries(
    _read_scan_networks,
    "networks in CIDR notation, or the word interfaces, separated by commas",
)


def _read_shared_networks(texts: list[str]) -> tuple[str, ...]:
    networks = _read_scan_networks(texts)
    if "interfaces" in networks:
        raise ValueRefused("the word interfaces is for SCAN_NETWORKS: the links of a node are its own")
    return networks


SHARED_NETWORKS = entries(_read_shared_networks, "networks in CIDR notation, separated by commas")


def _read_networks(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(network_entry(text, position)) for position, text in enumerate(texts, 1)))


NETWORKS = entries(_read_networks, "networks in CIDR notation or single addresses, separated by commas")


def _read_names(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_read_name(text) for text in texts))


NAMES = entries(_read_names, "names separated by commas")


def _read_host_names(texts: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_read_host(text).lower().removesuffix(".") for text in texts))


HOST_NAMES = entries(_read_host_names, "host names separated by commas, without ports")
