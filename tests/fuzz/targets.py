"""Any bytes go in; the parsers of ``wire/``, of the file of logins, of Frigate's words are driven as by their callers.

A target passes when it returns or raises RemoteError. Everything else (another exception, a LocalError: our bug; a long
time; growing memory) is a finding. What a parser returns is read too: properties that compute may fail late.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.corpus import cases
from tests.doubles.rtsp_reading import packet_types, parse_public, parse_rtp_info
from tests.fuzz import decided, seeds, vendors
from twisted_detector.config.declarations import Setting
from twisted_detector.config.kinds import SECRET
from twisted_detector.config.logins import LOGINS
from twisted_detector.config.reader import FileContent, Reader
from twisted_detector.errors import RemoteError
from twisted_detector.model import Interface, Sighting
from twisted_detector.outputs.frigate import refusals
from twisted_detector.testing.simulator.wire.digest import format_challenge, parse_authorization, verify
from twisted_detector.testing.simulator.wire.rtp import format_packet, split_annex_b
from twisted_detector.testing.simulator.wire.rtsp import format_session
from twisted_detector.testing.simulator.wire.soap import (
    parse_request,
    parse_time,
    read_username_token,
    verify_username_token,
)
from twisted_detector.wire import image, mqtt
from twisted_detector.wire.eyes import envelope, report
from twisted_detector.wire.http import device_url, digest
from twisted_detector.wire.http.harmless_target import find_effect
from twisted_detector.wire.http.lockout import read_lockout
from twisted_detector.wire.http.response import Progress, ResponseReader
from twisted_detector.wire.lan import arp, dhcp, dns_sd, mdns, ssdp, wsdiscovery
from twisted_detector.wire.netlink import messages as netlink, tables as kernel
from twisted_detector.wire.onvif import answers as onvif, scopes, xaddrs
from twisted_detector.wire.rtp import h26x, packets as rtp
from twisted_detector.wire.rtp.codecs import codec_of, parameter_sets
from twisted_detector.wire.rtp.h26x_pictures import MAX_UNIT
from twisted_detector.wire.rtp.keyframe import KeyframeFinder
from twisted_detector.wire.rtp.mpeg4 import parse_layer
from twisted_detector.wire.rtp.slices import MAX_RECOVERY, SliceReader, recovery_point
from twisted_detector.wire.rtsp import sdp
from twisted_detector.wire.rtsp.headers import format_transport, parse_session, parse_transport, parse_transports
from twisted_detector.wire.rtsp.messages import RtspResponse, format_request
from twisted_detector.wire.rtsp.parser import RtspParser
from twisted_detector.wire.rtsp.url import redirected_url, resolve_aggregate, resolve_control, split_url
from twisted_detector.wire.soap import envelope as soap, xml
from twisted_detector.wire.soap.document import SoapDocument, envelope_in
from twisted_detector.wire.vendors.catalog import PROTOCOLS

LAN = (Interface("eth0", 2, "10.0.0.9", 24), Interface("eth0", 2, "fe80::9", 64))
#: A larger case of the corpus makes each input slow and reaches nothing that smaller ones do not.
MAX_SEED = 8_192
CODECS = ("H264", "H265", "JPEG", "VP8", "MP4V-ES", "")


@dataclass(frozen=True)
class Target:
    """One parser.

    :ivar seeds: inputs to begin with, ours.
    :ivar kinds: of the corpus, whose cases are seeds too.
    :ivar longest: bytes of an input, where longer ones cost much and reach nothing new.
    """

    call: Callable[[bytes], object]
    seeds: tuple[bytes, ...]
    kinds: tuple[str, ...] = ()
    longest: int = 4_096


def text_of(data: bytes) -> str:
    """As headers come to their parsers: bytes that are no UTF-8 are kept as surrogates."""
    return data.decode("utf-8", "surrogateescape")


def pieces(data: bytes) -> Iterator[bytes]:
    """The stream after its first octet, in pieces of the size that it says: 1 to 255, or whole for 0; 64 at most."""
    step = max(data[0], len(data) // 64) if data and data[0] else len(data) + 1
    for start in range(1, len(data), step):
        yield data[start : start + step]


def packets(data: bytes) -> Iterator[rtp.RtpPacket]:
    """RTP packets, each after its length in two octets."""
    position = 0
    while position + 2 <= len(data):
        (length,) = struct.unpack_from("!H", data, position)
        with suppress(RemoteError):
            yield rtp.parse(data[position + 2 : position + 2 + length])
        position += 2 + length


def _wsdiscovery(data: bytes) -> None:
    for match in wsdiscovery.parse(data).matches:
        wsdiscovery.is_camera(match)
        scopes.read_scopes(match.scopes)
        xaddrs.choose_xaddrs(match.xaddrs, "10.0.0.5", LAN)
        _ = match.local_types, wsdiscovery.normalize_reference(match.endpoint_reference)


def _mdns(data: bytes) -> None:
    mdns.is_response(data)
    _dns_sd(mdns.parse(data).records)


def _dns_sd(records: tuple[mdns.Record, ...]) -> None:
    for service in dns_sd.services(records):
        _ = service.kind, service.title, service.mac, service.entry("ci"), dns_sd.is_camera(service)


def _dns_sd_texts(data: bytes) -> None:
    """TXT strings and instance names of any content, as no compression of a message could bring them together."""
    strings = tuple(data.split(b"\0"))[:16]
    name = (strings[0][:63] or b"x", b"_axis-video", b"_tcp", b"local")
    _dns_sd(
        (
            mdns.Record(name[1:], mdns.PTR, len(data) % 2, name),
            mdns.Record(name, mdns.TXT, 1, strings),
            mdns.Record(name, mdns.SRV, 1, mdns.Location(len(data), (strings[-1], b"local"))),
        )
    )


def _ssdp(data: bytes) -> None:
    notice = ssdp.parse(data)
    _ = notice.device, notice.mac, ssdp.is_camera(notice), ssdp.is_axis(notice), ssdp.port_on(notice, "10.0.0.5")


def _soap(data: bytes) -> None:
    read_lockout(text_of(data[:1000]))
    with suppress(RemoteError):
        parse_time(text_of(data))
    with suppress(RemoteError):
        soap.parse_response(data)
    request = parse_request(data)
    token = read_username_token(request.header)
    if token is not None:
        token.proves("pw")
    verify_username_token(request.header, {"admin": "pw"}.get, now=1e9, window=5.0)


def _xml(data: bytes) -> None:
    root = xml.parse_xml(data)
    for element in (root, *xml.descendants(root, "a", "d")):
        _ = xml.local(element), xml.namespace(element), xml.text_of(element), xml.attribute(element, "b")
    xml.escape(xml.clean(text_of(data)))


_ONVIF = tuple(
    getattr(onvif, name)
    for name in (
        "parse_system_date_and_time", "parse_services", "parse_capabilities", "parse_device_information",
        "parse_scopes", "parse_hostname", "parse_endpoint_reference", "parse_network_interfaces", "parse_profiles",
        "parse_uri", "parse_security_capabilities",
    )
)  # fmt: skip


def _onvif(data: bytes) -> None:
    body = soap.parse_response(data)
    for parse in _ONVIF:
        with suppress(RemoteError):
            found = parse(body)
            if isinstance(found, onvif.SystemTime):
                _ = (found.seconds, found.has_summer_time)
            elif isinstance(found, dict):
                onvif.services_of(found)


def _digest(data: bytes) -> None:
    text = text_of(data)
    challenges = digest.parse_challenges(text.split("\n"))
    chosen = digest.choose(challenges, allow_basic=True)
    for one in challenges:
        format_challenge(one)
        one.asks_the_same(challenges[0])
    if chosen is not None:
        digest.authorization(chosen, "user", "password", "GET", "/a", cnonce="0a", body=b"x")
    parse_authorization(text)
    verify(text, "GET", {"user": "password"}.get)


def _device_url(data: bytes) -> None:
    text = text_of(data)
    for address in ("10.0.0.5", "fe80::5%eth0"):
        with suppress(RemoteError):
            again = device_url.device_url(text, address, schemes=("http", "https", "rtsp", "rtsps"))
            find_effect(again)
            if again.startswith("rtsp"):
                split_url(again)


def _rtsp(data: bytes) -> None:
    parser = RtspParser()
    for piece in pieces(data):
        for event in parser.receive(piece):
            if isinstance(event, RtspResponse):
                _ = event.cseq, event.header("Session"), event.all("WWW-Authenticate")
    parser.end()


def _rtsp_headers(data: bytes) -> None:
    text = text_of(data[1:])
    match data[0] % 6 if data else 0:
        case 0:
            for transport in parse_transports(text):
                format_transport(transport)
            parse_transport(text)
        case 1:
            format_session(parse_session(text))
        case 2:
            parse_rtp_info(text)
        case 3:
            parse_public(text)
        case 4:
            base, _, rest = text.partition("\n")
            content_base, _, control = rest.partition("\n")
            aggregate = resolve_aggregate(base, content_base, control)
            format_request("SETUP", resolve_control(aggregate, control), 1)
            redirected_url(base, content_base)
        case _:
            str(split_url(text))


def _sdp(data: bytes) -> None:
    description = sdp.parse(data)
    for media in description.medias:
        _ = media.encoding, media.rtpmap, media.framerate, media.dimensions, media.control
        _ = description.direction_of(media)
        _ = media.payload_type, media.auxiliary_types
        for codec in (codec_of(media.encoding, media.format_parameters), h26x.H264, h26x.H265, "MP4V-ES"):
            KeyframeFinder(codec, parameter_sets=parameter_sets(codec, media.format_parameters))
    _ = description.video, description.audio, description.dimensions, description.control


def _sps(data: bytes) -> None:
    found = h26x.parse_sps(data[1:], CODECS[data[0] & 1] if data else h26x.H264)
    if not (0 < found.width <= 65_536 and 0 < found.height <= 65_536 and 0 <= found.fps < 1e6):
        raise AssertionError(f"an absurd size was let through: {found}")


def _fragments(data: bytes) -> None:
    codec = CODECS[data[0] & 1] if data else h26x.H264
    for fragment in h26x.fragments(data[1:], codec):
        _ = h26x.is_sps(fragment.kind, codec), h26x.is_keyframe(fragment.kind, codec)
    split_annex_b(data)
    _split(data)


def _split(data: bytes) -> None:
    """However a unit is cut into parts, the same units come of it, up to the bound of each part."""
    if data.count(h26x.START_CODE) > h26x.MAX_SPLIT:
        return
    whole = split_parts([h26x.Fragment(0, True, True, data)])
    third = len(data) // 3
    parts = (data[:third], data[third : 2 * third + 1], data[2 * third + 1 :])
    if split_parts([h26x.Fragment(0, number == 0, number == 2, part) for number, part in enumerate(parts)]) != whole:
        raise AssertionError("units that depend on how they were cut")


def split_parts(fragments: Iterable[h26x.Fragment]) -> list[bytes]:
    """The units that a splitter makes of fragments, without zeros at their ends."""
    splitter, units = h26x.UnitSplitter(), []
    for first, _, part in (one for fragment in fragments for one in splitter.feed(fragment)):
        if first:
            units.append(b"")
        units[-1] += part
    return [unit for unit in (one.rstrip(b"\0") for one in units) if unit]


def _slices(data: bytes) -> None:
    codec, kind = CODECS[data[0] & 1] if data else h26x.H264, data[1] & 0x3F if data[1:] else 0
    reader = SliceReader(codec)
    first, _, second = data[2:].partition(b"\xfe\xfe")
    reader.parameter_set(first)
    reader.address_bits = len(first) % 24
    count = recovery_point(second, codec)
    if count is not None and not 0 <= count <= MAX_RECOVERY:
        raise AssertionError("a recovery point beyond its bound")
    parse_layer(data)
    reader.read(second, kind)


def _rtp(data: bytes) -> None:
    packet = rtp.parse(data)
    if rtp.parse(format_packet(packet)) != packet:
        raise AssertionError("a packet does not read back as it was written")


def _keyframe(data: bytes) -> None:
    codec = CODECS[data[0] % len(CODECS)] if data else "H264"
    finder, collector = KeyframeFinder(codec), KeyframeFinder(codec, collect=True)
    for packet in packets(data[1:]):
        finder.packet(packet)
        collector.packet(packet)
    _ = finder.parameters, finder.digest, finder.lacks_parameters, finder.unit
    if collector.found != bool(collector.unit) or len(collector.unit) > 2 * MAX_UNIT:
        raise AssertionError("a keyframe that is none, or too large a one")
    if codec == "JPEG" and collector.unit:
        image.read_image(collector.unit)


def _image(data: bytes) -> None:
    reader = image.ImageReader()
    for piece in pieces(data):
        if reader.feed(piece):
            break
    with suppress(RemoteError):
        reader.image()
    found = image.read_image(data)
    if image.read_image(found.data) != found:
        raise AssertionError("what was taken for an image is none when it is read again")


def _http(data: bytes) -> None:
    """As the client drives it: with a document or a picture, and with the end that the connection has."""
    document, picture = SoapDocument(), image.ImageReader()
    odd = bool(data) and data[-1] % 2 == 1
    reader = ResponseReader(limit=4_096, body_for=lambda head: picture if odd else document, reuse=not odd)
    for piece in pieces(data):
        if reader.feed(piece) is Progress.DONE:
            break
    done = reader.pause() or reader.close()
    if len(document.content) > 4_096 or (reader.can_be_reused and reader.head is None):
        raise AssertionError("more content than its limit, or an answer without a head")
    if done and odd:
        picture.image()
    elif done:
        soap.parse_response(bytes(document.content))


def _envelope(data: bytes) -> None:
    document = SoapDocument()
    for piece in pieces(data):
        document.feed(piece)
    document.judge()
    soap.parse_response(envelope_in(data[1:]))


def _netlink(data: bytes) -> None:
    tables = kernel.KernelTables()
    for message in netlink.parse(data):
        if isinstance(message, netlink.LinkMessage | netlink.AddressMessage | netlink.NeighbourMessage):
            tables.apply(message)
    _ = tables.interfaces(), tables.known()
    for target in tables.targets("10.0.0.5"):
        tables.mac_at(target)


def _kernel(data: bytes) -> None:
    """The tables that a sequence of messages leaves: dumps in between, as the kernel interleaves them."""
    tables = kernel.KernelTables()
    kinds = (netlink.RTM_GETLINK, netlink.RTM_GETADDR, netlink.RTM_GETNEIGH)
    for number, part in enumerate(data.split(b"\xfe\xfe")[:64]):
        tables.begin(kinds[number % 3])
        with suppress(RemoteError):
            for message in netlink.parse(part):
                if isinstance(message, netlink.LinkMessage | netlink.AddressMessage | netlink.NeighbourMessage):
                    tables.apply(message)
        tables.known()
        tables.end(kinds[number % 3], whole=bool(number & 4))
    _ = tables.interfaces(), tables.known()


def _dhcp(data: bytes) -> None:
    (dhcp.parse, dhcp.parse_packet, dhcp.parse_arp)[data[0] % 3 if data else 0](data[1:])


def _mqtt(data: bytes) -> None:
    for own in (mqtt.AcknowledgementFilter(), mqtt.AcknowledgementFilter(16)):  # 16: most messages are too large
        with suppress(RemoteError):
            for piece in pieces(data):
                own.feed(piece)
            own.take_passed_over()


def _credentials(data: bytes) -> None:
    """As the file that CAMERA_CREDENTIALS_FILE names, and as a one-line secret."""
    settings = {
        "camera_credentials": Setting("CAMERA_CREDENTIALS", LOGINS, "", secret=True, private_file=True),
        "camera_password": Setting("CAMERA_PASSWORD", SECRET, "", secret=True),
    }
    environ = {"CAMERA_CREDENTIALS_FILE": "/x", "CAMERA_PASSWORD_FILE": "/y"}
    reading = Reader(settings, environ, read_file=lambda path: FileContent(data)).read()
    _ = reading.values, reading.faults


def _refusals(data: bytes) -> None:
    """As a client decodes an answer; what is told is for a log and a page, whoever answered."""
    said = refusals.words(data.decode("utf-8", "replace"))
    if len(said) > refusals.MAX_WORDS or not said.isprintable():
        raise ValueError(f"nothing to be shown: {said!r}")
    names = said.replace(".", " ").split()
    if refusals.cameras_named(said, names) - set(names) or refusals.unknown_variable(said) not in said:
        raise ValueError(f"about somebody who is not named: {said!r}")


def _eye_message(data: bytes) -> None:
    found = envelope.Envelope.open(seeds.EYE_KEY, seeds.EYE_TOPIC, data)
    if found is not None and found.seal(seeds.EYE_KEY, seeds.EYE_TOPIC) != data:
        raise ValueError("what was opened is not what was sealed")


def _eye_report(data: bytes) -> None:
    """What comes out is hearsay, and can be reported again."""
    found = report.parse_report(data, "barn", 1.0)
    if isinstance(found, Sighting):
        if found.mac is not None and (found.evidence or found.xaddrs or found.announced or found.endpoint_reference):
            raise ValueError("a MAC that a node would take for its own kernel's")
        if any(one.kind not in report.ANNOUNCED_KINDS for one in found.evidence):
            raise ValueError("evidence that an eye cannot have")
    if report.parse_report(report.encode_report(found), "barn", 1.0) != found:
        raise ValueError("it is another one when it is reported again")


TARGETS: dict[str, Target] = {
    "arp": Target(arp.parse, seeds.ARP),
    "credentials": Target(_credentials, seeds.CREDENTIALS),
    "device_url": Target(_device_url, seeds.DEVICE_URL),
    "dhcp": Target(_dhcp, seeds.DHCP),
    "digest": Target(_digest, seeds.DIGEST, ("rtsp.www-authenticate",), 512),
    "dns_sd": Target(_dns_sd_texts, (b"Porch\0macaddress=0200000000a1\0ci=17\0=\0axis-accc8e0000a1",)),
    "envelope": Target(_envelope, seeds.ENVELOPE),
    "eye_message": Target(_eye_message, (seeds.EYE_MESSAGE,)),
    "eye_report": Target(_eye_report, seeds.EYE_REPORTS),
    "fragments": Target(_fragments, seeds.FRAGMENTS),
    "http": Target(_http, seeds.HTTP),
    "image": Target(_image, seeds.IMAGE),
    "kernel": Target(_kernel, (b"\xfe\xfe".join(seeds.NETLINK), *seeds.NETLINK)),
    "keyframe": Target(_keyframe, seeds.KEYFRAME),
    "mdns": Target(_mdns, seeds.MDNS, ("mdns.packet",)),
    "mqtt": Target(_mqtt, seeds.MQTT),
    "netlink": Target(_netlink, seeds.NETLINK),
    "notices": Target(decided.notices, decided.NOTICES),
    "onvif": Target(
        _onvif,
        seeds.ONVIF,
        (
            "onvif.GetStreamUri", "onvif.GetProfiles", "onvif.GetCapabilities", "onvif.GetDeviceInformation",
            "onvif.GetHostname", "onvif.GetNetworkInterfaces", "onvif.GetSystemDateAndTime", "onvif.GetServices",
            "onvif.GetScopes", "onvif.GetSnapshotUri", "onvif.GetProfiles2", "onvif.GetStreamUri2", "onvif.fault",
        ),
    ),
    "overrides": Target(decided.overrides, decided.OVERRIDES),
    "refusals": Target(_refusals, seeds.REFUSALS),
    "rtcp": Target(packet_types, seeds.RTCP),
    "rtp": Target(_rtp, seeds.RTP),
    "rtsp": Target(_rtsp, seeds.RTSP, ("rtsp.bytes", "rtsp.response", "rtsp.describe", "rtsp.setup")),
    "rtsp_headers": Target(
        _rtsp_headers, seeds.RTSP_HEADERS, ("rtsp.transport", "rtsp.session", "rtsp.rtp-info", "rtsp.content-base")
    ),
    "scopes": Target(lambda data: scopes.read_scopes(text_of(data).split("\n")), seeds.SCOPES, ("wsd.scopes",)),
    "sdp": Target(_sdp, seeds.SDP, ("sdp",)),
    "slices": Target(_slices, seeds.SLICES),
    "soap": Target(_soap, seeds.SOAP, ("onvif.fault",)),
    "sps": Target(_sps, seeds.SPS),
    "ssdp": Target(_ssdp, seeds.SSDP, ("ssdp.response",)),
    "typed": Target(decided.typed, decided.TYPED, (), 2_100),
    "visitor": Target(decided.visitor, decided.HOSTS, (), 512),
    "wsdiscovery": Target(_wsdiscovery, seeds.WSDISCOVERY, ("wsd.probematches", "wsd.other")),
    "xaddrs": Target(
        lambda data: xaddrs.choose_xaddrs(text_of(data).split("\n"), "fe80::5%eth0", LAN), seeds.XADDRS
    ),
    "xml": Target(_xml, seeds.XML, ("wsd.other",)),
}  # fmt: skip
TARGETS |= {
    f"vendors_{one.name.replace('-', '_')}": Target(
        partial(vendors.drive, one), (*vendors.answers(one), *vendors.searches(one))
    )
    for one in PROTOCOLS
}


def passes(target: Target, data: bytes) -> bool:
    """Drive it once; whether it read something. Whatever it must not raise comes out."""
    try:
        target.call(data)
    except RemoteError:
        return False
    return True


def seed_files(target: Target, folder: Path) -> int:
    """Write its seeds, the corpus' cases too where there is one, up to MAX_SEED bytes each; how many."""
    inputs = [*target.seeds, *(case.data for case in cases(*target.kinds) if len(case.data) <= MAX_SEED)]
    for number, data in enumerate(inputs):
        (folder / f"{number:04}").write_bytes(data)
    return len(inputs)
