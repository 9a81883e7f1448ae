"""Codec of WS-Discovery: datagrams in, announcements out; probes and resolves out as bytes.

Sources: WS-Discovery, April 2005 (the one that ONVIF Core section 7 prescribes) and OASIS 1.1 of 2009; WS-Addressing;
ONVIF Core section 7.3 (types, scopes). Everything is written on one line: a Hikvision answers "the xml format error" to
a probe with line breaks (edgexfoundry/device-onvif-camera #134). Names are read by their local part: prefixes differ by
vendor.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import islice

from twisted_detector.errors import RemoteError
from twisted_detector.wire.onvif.scopes import MAX_SCOPE_LENGTH, MAX_SCOPES, is_onvif_scope, split_scopes
from twisted_detector.wire.onvif.xaddrs import split_xaddrs
from twisted_detector.wire.soap.envelope import envelope
from twisted_detector.wire.soap.xml import (
    MAX_DEPTH,
    Element,
    children,
    descendants,
    escape,
    find,
    local,
    namespace,
    parse_xml,
    text_at,
)

PORT = 3702
GROUP_IPV4 = "239.255.255.250"
GROUP_IPV6 = "ff02::c"

NS_NETWORK = "http://www.onvif.org/ver10/network/wsdl"
NS_DEVICE = "http://www.onvif.org/ver10/device/wsdl"
NETWORK_VIDEO_TRANSMITTER = f"{{{NS_NETWORK}}}NetworkVideoTransmitter"
DEVICE = f"{{{NS_DEVICE}}}Device"
_PREFIXES = {NS_NETWORK: "dn", NS_DEVICE: "tds"}

#: Largest UDP payload (RFC 768): a larger document did not come in a datagram.
MAX_DATAGRAM = 65_507
#: An NVR may announce each channel; 64 channels are the most that are sold.
MAX_MATCHES = 64
#: One address per interface, protocol and address family.
MAX_XADDRS, MAX_XADDR_LENGTH = 32, 1024
#: An EndpointReference is a UUID or a short URL.
MAX_REFERENCE_LENGTH = 256


@dataclass(frozen=True, slots=True)
class Version:
    """The names that differ between the two editions; ``anonymous`` stands for the sender of the probe."""

    discovery: str
    addressing: str
    to: str
    anonymous: str


VERSION_2005 = Version(
    "http://schemas.xmlsoap.org/ws/2005/04/discovery",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "urn:schemas-xmlsoap-org:ws:2005:04:discovery",
    "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous",
)
VERSION_2009 = Version(
    "http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01",
    "http://www.w3.org/2005/08/addressing",
    "urn:docs-oasis-open-org:ws-dd:ns:discovery:2009:01",
    "http://www.w3.org/2005/08/addressing/anonymous",
)


class Dialect(Enum):
    """The kinds of probes: no single one is answered by all devices, so all are sent."""

    #: Matches any device. A few stay silent (EdgeX #135), some answer to nothing else.
    ANY = ("", VERSION_2005)
    #: ``dn:NetworkVideoTransmitter``, what cameras have announced since ONVIF 1.0.
    TRANSMITTER = (NETWORK_VIDEO_TRANSMITTER, VERSION_2005)
    #: ``tds:Device``, what ONVIF Core demands now.
    DEVICE = (DEVICE, VERSION_2005)
    #: The OASIS edition.
    OASIS = (NETWORK_VIDEO_TRANSMITTER, VERSION_2009)


@dataclass(frozen=True, slots=True)
class Match:
    """One device as it describes itself in a ProbeMatch, ResolveMatch, Hello or Bye.

    :ivar endpoint_reference: as written; :func:`normalize_reference` makes it comparable.
    :ivar types: ``{namespace}name``; the bare text where the prefix is not declared.
    """

    endpoint_reference: str
    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    xaddrs: tuple[str, ...] = ()
    metadata_version: int = 0

    @property
    def local_types(self) -> tuple[str, ...]:
        """The types without namespace or prefix."""
        return tuple(_local_type(name) for name in self.types)


@dataclass(frozen=True, slots=True)
class Announcement:
    """One datagram.

    :ivar kind: ``probe_matches``, ``resolve_matches``, ``hello``, ``bye``, ``probe``, ``resolve`` or ``other``.
    :ivar matches: the devices in it; none in a probe or resolve.
    :ivar message_id: as written, "" when missing; likewise ``relates_to``.
    :ivar version: the edition that it is written in.
    :ivar types: of a probe, the types that it wants.
    :ivar scopes: of a probe, the scopes that it wants.
    :ivar endpoint_reference: of a resolve, the device that it wants.
    """

    kind: str
    matches: tuple[Match, ...] = ()
    message_id: str = ""
    relates_to: str = ""
    version: Version = VERSION_2005
    types: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    endpoint_reference: str = ""


# --- Reading --------------------------------------------------------------------------------------------------------

#: Kind of an answer → the element of which it has one for each device. Some send that without the one around it.
_ANSWERS = {"probe_matches": "ProbeMatch", "resolve_matches": "ResolveMatch"}
_OTHERS = {"Hello": "hello", "Bye": "bye", "Probe": "probe", "Resolve": "resolve"}
_ENVELOPE_END = re.compile(rb"</(?:[^\s<>/:]{1,64}:)?Envelope\s*>")
#: The end of a device's description.
_WHOLE = re.compile(rb"</(?:[^\s<>/:]{1,64}:)?(?:ProbeMatch|ResolveMatch|Hello|Bye)\s*>")
_TAG = re.compile(rb"<(/?)([^\s<>/!?]{1,128})[^<>]*?(/?)>")


def parse(data: bytes) -> Announcement:
    """Read one datagram; of one that is cut off, the devices that are described whole.

    :raises RemoteError: not XML, or not a SOAP envelope, or cut off before a device was described. A message that is
        no business of WS-Discovery (a fault, another service's) is of kind ``other``.
    """
    root = _read(data)
    body = find(root, "Body")
    if local(root) != "Envelope" or body is None:
        raise RemoteError("not a WS-Discovery message", shown=local(root))
    header = find(root, "Header")
    message_id, relates_to = text_at(header, "MessageID"), text_at(header, "RelatesTo")
    subject = next(children(body), None)
    if subject is None:
        return Announcement("other", (), message_id, relates_to)
    name = local(subject)
    version = VERSION_2009 if namespace(subject) == VERSION_2009.discovery else VERSION_2005
    for kind, each in _ANSWERS.items() if name not in _OTHERS else ():
        matches = tuple(_match(found) for found in islice(descendants(body, each), MAX_MATCHES))
        if matches or name == f"{each}es":
            return Announcement(kind, matches, message_id, relates_to, version)
    kind = _OTHERS.get(name, "other")
    if kind in ("hello", "bye"):
        return Announcement(kind, (_match(subject),), message_id, relates_to, version)
    return Announcement(
        kind,
        (),
        message_id,
        relates_to,
        version,
        types=_types(subject) if kind == "probe" else (),
        scopes=_scopes(subject) if kind == "probe" else (),
        endpoint_reference=_reference(subject) if kind == "resolve" else "",
    )


def _read(data: bytes) -> Element:
    try:
        return parse_xml(data, limit=MAX_DATAGRAM)
    except RemoteError:
        ends = [] if _ENVELOPE_END.search(data) else [found.end() for found in _WHOLE.finditer(data)]
        if not ends:
            raise
        return parse_xml(_closed(data[: ends[-1]]), limit=2 * MAX_DATAGRAM)


def _closed(data: bytes) -> bytes:
    """XML that was cut between two elements, with the ends of those that are open.

    :raises RemoteError: it is nested too deeply.
    """
    opened: list[bytes] = []
    for tag in _TAG.finditer(data):
        if len(opened) > MAX_DEPTH:
            raise RemoteError("an XML document is nested too deeply", shown=ascii(data[:80]))
        if not tag[1] and not tag[3]:
            opened.append(tag[2])
        elif tag[1] and tag[2] in opened:
            while opened.pop() != tag[2]:
                pass
    return data + b"".join(b"</%b>" % name for name in reversed(opened))


def _match(element: Element) -> Match:
    version = text_at(element, "MetadataVersion")
    return Match(
        endpoint_reference=_reference(element),
        types=_types(element),
        scopes=_scopes(element),
        xaddrs=tuple(_bounded(split_xaddrs(_text(element, "XAddrs")), MAX_XADDRS, MAX_XADDR_LENGTH)),
        # xs:unsignedInt has at most ten digits
        metadata_version=int(version) if re.fullmatch("[0-9]{1,10}", version) else 0,
    )


def _reference(element: Element) -> str:
    return text_at(element, "EndpointReference", "Address")[:MAX_REFERENCE_LENGTH]


def _scopes(element: Element) -> tuple[str, ...]:
    return tuple(_bounded(split_scopes(_text(element, "Scopes")), MAX_SCOPES, MAX_SCOPE_LENGTH))


def _types(element: Element) -> tuple[str, ...]:
    holder = find(element, "Types")
    if holder is None:
        return ()
    known = holder.nsmap
    names = []
    # No name has a comma or a semicolon in it.
    for token in _bounded(re.split(r"[\s,;]+", _text(element, "Types")), MAX_SCOPES, MAX_SCOPE_LENGTH):
        prefix, colon, name = token.rpartition(":")
        declared = known.get(prefix if colon else None)
        names.append(f"{{{declared}}}{name}" if declared else token)
    return tuple(names)


def _text(element: Element, name: str) -> str:
    """The text of a list element, "" when there is none."""
    holder = find(element, name)
    return "" if holder is None else str(holder.xpath("string()"))


def _bounded(tokens: Sequence[str], count: int, length: int) -> Iterator[str]:
    """The first ``count`` items of a list without those that are empty, too long or not printable."""
    for token in tokens[:count]:
        if 0 < len(token) <= length and token.isprintable():
            yield token


# --- Judging --------------------------------------------------------------------------------------------------------


#: Words in the types of what is no camera: Windows, Samba and Synology (``pub:Computer``), printers
#: (``wprt:PrintDeviceType``), scanners (``wscn:ScanDeviceType``), projectors.
_OTHER_TYPE = re.compile("computer|print|scan|fax|projector", re.I)
#: In the path of a service of ONVIF.
_SERVICE_PATH = re.compile(r"onvif|device_service", re.I)


def is_camera(match: Match) -> bool:
    """Whether it may be an ONVIF device. Windows, Synology, printers and scanners use the same group, and many of them
    answer every probe, whatever it asks for.

    By type (``NetworkVideoTransmitter``, or ``Device`` of ONVIF: Windows announces a ``Device`` of its own) or by a
    scope of ONVIF; where neither says anything, by the path of a service address.
    """
    if any(_is_onvif_type(name) for name in match.types) or any(is_onvif_scope(scope) for scope in match.scopes):
        return True
    if any(_OTHER_TYPE.search(name) for name in match.local_types):
        return False
    return any(_SERVICE_PATH.search(xaddr.rpartition("://")[2].partition("/")[2]) for xaddr in match.xaddrs)


def _is_onvif_type(name: str) -> bool:
    bare = _local_type(name).lower()
    if bare == "networkvideotransmitter":
        return True
    if bare != "device":
        return False
    return "www.onvif.org" in name if name.startswith("{") else name.lower() == "tds:device"


def _local_type(name: str) -> str:
    return name.rpartition("}")[2].rpartition(":")[2]


def normalize_reference(reference: str) -> str:
    """An EndpointReference fit for comparing: lower case, without ``urn:uuid:`` or ``uuid:``, braces and space."""
    bare = reference.strip().lower()[:MAX_REFERENCE_LENGTH]
    return bare.removeprefix("urn:uuid:").removeprefix("uuid:").strip("{} ")


# --- Writing --------------------------------------------------------------------------------------------------------


def probe(message_id: str, dialect: Dialect) -> bytes:
    """A Probe (WS-Discovery 5.2). ``message_id``: a fresh ``urn:uuid:…``; a repetition keeps it (SOAP-over-UDP 3.2)."""
    types, version = dialect.value
    inner = ""
    if types:
        # The prefixes are declared on Types itself: a camera was silent otherwise (openHAB #9022). The empty Scopes
        # woke Axis M1014, Vivotek FD8136 and an Intelbras (agsh/onvif #29).
        inner = f"{format_types((types,), version)}<d:Scopes/>"
    return format_message("Probe", version, inner, message_id)


def resolve(message_id: str, endpoint_reference: str, *, version: Version = VERSION_2005) -> bytes:
    """A Resolve (WS-Discovery 6.2): where is the device with this EndpointReference (as it wrote it)?"""
    return format_message("Resolve", version, format_reference(endpoint_reference), message_id)


def format_message(
    operation: str, version: Version, inner: str, message_id: str, relates_to: str = "", instance: int | None = None
) -> bytes:
    """A message around the XML ``inner``, whose prefixes ``d`` and ``a`` are declared on the Envelope.

    Readers that look for ``<a:MessageID>`` as text (PyPI's ipycam) miss one that declares its prefix itself, and answer
    with a RelatesTo that is nobody's.

    :param relates_to: of an answer, the message id of the probe or resolve.
    :param instance: of a device, a number that grows with each of its starts.
    """
    header = (
        f"<a:Action>{version.discovery}/{operation}</a:Action>"
        f"<a:MessageID>{escape(message_id)}</a:MessageID>"
        f"<a:To>{version.anonymous if relates_to else version.to}</a:To>"
    )
    if relates_to:
        header += f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>"
    if instance is not None:
        header += f'<d:AppSequence InstanceId="{instance}" MessageNumber="1"/>'
    spaces = f' xmlns:d="{version.discovery}" xmlns:a="{version.addressing}"'
    return envelope(f"<d:{operation}>{inner}</d:{operation}>", header_xml=header, spaces=spaces)


def format_types(types: Sequence[str], version: Version) -> str:
    """The XML of a list of types, with the declarations of their prefixes."""
    declared = {"d": version.discovery}
    names = []
    for position, name in enumerate(types):
        space, _, bare = name.removeprefix("{").rpartition("}")
        if space:
            prefix = _PREFIXES.get(space, f"n{position}")
            declared[prefix] = space
            bare = f"{prefix}:{bare}"
        names.append(bare)
    spaces = "".join(f' xmlns:{prefix}="{escape(space)}"' for prefix, space in declared.items())
    return f"<d:Types{spaces}>{escape(' '.join(names))}</d:Types>"


def format_reference(endpoint_reference: str) -> str:
    """The XML of an EndpointReference."""
    return f"<a:EndpointReference><a:Address>{escape(endpoint_reference)}</a:Address></a:EndpointReference>"
