"""Records of Multicast DNS go in; the services that they describe, and which of them cameras have, come out.

Sources: RFC 6763 (DNS-Based Service Discovery); HomeKit Accessory Protocol (categories of accessories); the kinds of
services are those that cameras and recorders were seen to announce.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from twisted_detector.errors import RemoteError
from twisted_detector.model import Mac
from twisted_detector.wire.lan.mdns import PTR, TXT, Location, Name, Record, same, text_of
from twisted_detector.wire.soap.xml import clean

LOCAL = b"local"
_PROTOCOLS = ((b"_tcp", LOCAL), (b"_udp", LOCAL))

#: TXT entries that are read of one service: HomeKit has ten.
MAX_ENTRIES = 64

#: Services that cameras have: of Axis and its recorders, Arecont Vision, any with RTSP or ONVIF, and HomeKit's.
HOMEKIT = "_hap._tcp"
#: Of Matter, a device that waits to be taken in: one that was taken in does not say what it is.
MATTER = "_matterc._udp"
CAMERA_KINDS = ("_axis-video._tcp", "_axis-nvr._tcp", "_arec._tcp", "_rtsp._tcp", "_onvif._tcp", HOMEKIT)
#: The same with what is only listened for: who waits to be taken in announces that, for some minutes.
HEARD_KINDS = (*CAMERA_KINDS, MATTER)
#: HomeKit Accessory Protocol, accessory categories: camera, and doorbell with a camera.
HOMEKIT_CAMERA, HOMEKIT_DOORBELL = "17", "18"
#: Matter device library: camera (0x0142).
_MATTER_CAMERA = "322"
#: A MAC in a name, such as ``axis-accc8e123456`` and ``AXIS M1065 - ACCC8E123456``: in pairs, or in one piece that has
#: a letter (twelve digits are a date as well). The last part of a UUID is none.
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.I)
_MAC_IN_NAME = re.compile(
    r"(?<![0-9a-z])(?:[0-9a-f]{2}(?:([:-])[0-9a-f]{2})(?:\1[0-9a-f]{2}){4}|(?![0-9]{12})[0-9a-f]{12})(?![0-9a-z])", re.I
)


@dataclass(frozen=True, slots=True)
class Service:
    """One service as one message describes it; None for what the message leaves out.

    :ivar instance: its full name.
    :ivar leaving: whether it is a goodbye.
    :ivar entries: the TXT record: keys in lower case, the first of several counts (RFC 6763, 6.4).
    :ivar addresses: those of ``host``.
    """

    instance: Name
    leaving: bool = False
    port: int | None = None
    host: Name = ()
    entries: tuple[tuple[str, str], ...] | None = None
    addresses: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """Such as ``_rtsp._tcp``, in lower case."""
        return text_of(self.instance[-3:-1]).lower()

    @property
    def title(self) -> str:
        """What people call it, fit for showing."""
        return text_of(self.instance[:-3])

    def entry(self, key: str) -> str:
        """The value of a TXT entry; "" when there is none."""
        return next((value for name, value in self.entries or () if name == key), "")

    @property
    def mac(self) -> Mac | None:
        """The MAC that it claims in its TXT record, or else in the name of its host or its own; None without any."""
        for text in (self.entry("macaddress"), self.entry("mac"), *map(_mac_text, (self.host, self.instance[:-3]))):
            try:
                return Mac.parse(text)
            except RemoteError:
                continue
        return None


def kind_name(kind: str) -> Name:
    """``_rtsp._tcp`` → the name whose PTR records lead to the services of that kind."""
    return (*kind.encode("ascii").split(b"."), LOCAL)


def services(records: Iterable[Record]) -> tuple[Service, ...]:
    """The services in a message, by a PTR, SRV or TXT record, in this order, each once."""
    found: dict[Name, Service] = {}
    hosts: dict[Name, dict[str, None]] = {}
    for record in records:
        name = _labels(record.name)
        match record.data:
            case str() as address:
                hosts.setdefault(same(name), {})[address] = None
            case Location(port, host) if _is_instance(name):
                _put(found, name, port=port, host=host)
            case tuple() as target if record.type == PTR and _is_instance(target := _labels(target)):
                if same(target[-3:]) == same(name):
                    _put(found, target, leaving=record.ttl == 0)
            case tuple() as strings if record.type == TXT and _is_instance(name):
                _put(found, name, entries=_entries(strings))
    return tuple(replace(one, addresses=tuple(hosts.get(same(one.host), ()))) for one in found.values())


def _put(found: dict[Name, Service], instance: Name, **fields: object) -> None:
    key = same(instance)
    found[key] = replace(found.get(key) or Service(instance), **fields)  # type: ignore[arg-type]


def _mac_text(name: Name) -> str:
    """What looks like a MAC in a name, "" when nothing does."""
    found = _MAC_IN_NAME.search(_UUID.sub("", text_of(name)))
    return found[0] if found else ""


def is_camera(service: Service) -> bool:
    """Whether it may be a camera: by its kind; of HomeKit and Matter, which have bulbs too, by its category."""
    if service.kind == HOMEKIT:
        return service.entry("ci") in (HOMEKIT_CAMERA, HOMEKIT_DOORBELL)
    if service.kind == MATTER:
        return service.entry("dt") == _MATTER_CAMERA
    return service.kind in CAMERA_KINDS


def _labels(name: Name) -> Name:
    """The name of a service or kind with its labels apart: some responders write several in one, with dots between.

    Readers that join labels by dots (python-zeroconf, multicast-dns) see no difference.
    """
    if all(b"." not in label for label in name[-3:]):
        return name
    *instance, kind, protocol, domain = [b"", b"", *b".".join(name).rstrip(b".").rsplit(b".", 3)]
    if kind[:1] != b"_" or same((protocol, domain)) not in _PROTOCOLS:
        return name
    return (*filter(None, instance), kind, protocol, domain)


def _is_instance(name: Name) -> bool:
    """Whether it is ``instance._kind._tcp.local`` (RFC 6763, 4.1).

    The instance is one label there; python-zeroconf makes several of one with dots.
    """
    return len(name) >= 4 and name[-3][:1] == b"_" and same(name[-2:]) in _PROTOCOLS


def _entries(strings: Sequence[bytes]) -> tuple[tuple[str, str], ...]:
    entries: dict[str, str] = {}
    for string in strings[:MAX_ENTRIES]:
        key, _, value = string.partition(b"=")
        if key:
            entries.setdefault(clean(key.decode("utf-8", "replace")).lower(), clean(value.decode("utf-8", "replace")))
    return tuple(entries.items())
